"""How nginx has answered, out of its access log."""

import os
import re
import signal
import time
from collections import Counter

from . import memory
from .failure import BenchFailed

STATUS = re.compile(rb'" (\d{3}) ')
SECONDS_MAX = 10
POLL_SECONDS = 0.01


def count_statuses(content):
    """{status: number} of the lines of a log."""
    return {int(status): number for status, number in Counter(STATUS.findall(content)).items()}


def _holds(pid, path):
    """Whether a process has this file open; not a dead one."""
    folder = f"/proc/{pid}/fd"
    try:
        return any(os.readlink(f"{folder}/{name}") == str(path) for name in os.listdir(folder))
    except OSError:
        return False


class AccessLog:
    """nginx writes it in blocks. It is put aside and nginx told to open another one: then nginx
    first writes what it still holds, so nothing of one measurement gets into the next."""

    def __init__(self, system):
        self._system = system
        self._path = system.log_path("access")

    def take(self):
        """What was logged since the last time."""
        old = self._path.with_suffix(".old")
        owner = self._path.stat()
        self._path.rename(old)
        self._path.touch(0o640)
        if os.geteuid() == 0:
            os.chown(self._path, owner.st_uid, owner.st_gid)
        master = self._system.status()["nginx"]
        os.kill(master, signal.SIGUSR1)
        deadline = time.monotonic() + SECONDS_MAX
        while any(_holds(pid, old) for pid in (master, *memory.below(master))):
            if time.monotonic() > deadline:
                raise BenchFailed("nginx does not open another access log")
            time.sleep(POLL_SECONDS)
        content = old.read_bytes()
        old.unlink()
        return content

    def statuses(self, least):
        """{status: number} since the last time, once there are at least so many.

        A client has its answer a moment before nginx logs it."""
        content = b""
        deadline = time.monotonic() + SECONDS_MAX
        while True:
            content += self.take()
            found = count_statuses(content)
            if sum(found.values()) >= least:
                return found
            if time.monotonic() > deadline:
                raise BenchFailed(f"nginx has logged {sum(found.values())} answers, the load "
                                  f"generator has seen {least}")
