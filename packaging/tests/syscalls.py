"""The filter of system calls of a unit (SystemCallFilter=), as systemd would install it."""

import ctypes
import errno
import functools
import subprocess

ALLOW, REFUSE = 0x7FFF0000, 0x00050000 | errno.EPERM
UNKNOWN = -1


@functools.lru_cache
def _sets():
    """{"@set": [names of calls and other sets]}"""
    done = subprocess.run(["systemd-analyze", "syscall-filter", "--no-pager"], text=True, check=True,
                          capture_output=True)
    found, name = {}, None
    for line in done.stdout.splitlines():
        if line.startswith("@"):
            name = line.split()[0]
            found[name] = []
        elif line.startswith("    ") and not line.strip().startswith("#"):
            found[name].append(line.split()[0])
    return found


def _calls(word):
    if not word.startswith("@"):
        return {word}
    return set().union(*(_calls(inner) for inner in _sets()[word]))


def allowed(values):
    """What is left of the lines: a list of what is allowed, then lists with "~" of what is not. What
    systemd itself needs to start a program is always allowed."""
    left = set()
    for value in values:
        calls = set().union(*(_calls(word) for word in value.lstrip("~").split()))
        left = left - calls if value.startswith("~") else left | calls
    return left | _calls("@default")


class Filter:
    """Made before the fork; install() in the child, as the last thing before the program."""

    def __init__(self, values):
        self._library = ctypes.CDLL("libseccomp.so.2")
        self._library.seccomp_init.restype = ctypes.c_void_p
        self._context = ctypes.c_void_p(self._library.seccomp_init(ctypes.c_uint32(REFUSE)))
        for name in allowed(values):
            number = self._library.seccomp_syscall_resolve_name(name.encode())
            if number != UNKNOWN:
                self._library.seccomp_rule_add(self._context, ctypes.c_uint32(ALLOW),
                                               ctypes.c_int(number), ctypes.c_uint(0))

    def install(self):
        if self._library.seccomp_load(self._context) != 0:
            raise OSError("the kernel takes no filter")
