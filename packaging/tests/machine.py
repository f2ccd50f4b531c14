"""A fresh Debian in a folder, booted: a real systemd runs its units. The network is the caller's."""

import os
import signal
import subprocess
import time
from pathlib import Path

from root import SKIPPED, run_script

BOOT = Path(__file__).resolve().parent / "boot"
BOOT_SECONDS = 60
# The hierarchies of control groups that a systemd uses; "": the one of version 2.
USED = {"", "name=systemd", "cpu", "cpuacct", "blkio", "memory", "devices", "pids"}


class NoMachine(Exception):
    """There is nothing here that a systemd could run in."""


def _own_groups():
    """The folders of this process in the hierarchies of control groups that can be written."""
    places = {}
    for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines():
        before, _, after = line.partition(" - ")
        kind, _, options = after.split()[:3]
        if kind.startswith("cgroup"):
            names = set(options.split(",")) - {"rw", "ro"} if kind == "cgroup" else {""}
            for name in names:
                places[name] = Path(before.split()[4])
    for line in Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines():
        _, names, path = line.split(":", 2)
        place = places.get(names.split(",")[0])
        if place and USED & set(names.split(",")) and os.access(place / path.lstrip("/"), os.W_OK):
            yield place / path.lstrip("/")


class Machine:
    """`with Machine(folder) as machine:`"""

    def __init__(self, folder):
        self.folder = Path(folder)
        self._groups = [group / f"boot-{os.getpid()}" for group in _own_groups()]
        self._process = None

    def __enter__(self):
        try:
            self.boot()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        if self._process and self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        for group in self._groups:
            for folder, _, _ in os.walk(group, topdown=False):
                _remove_group(folder)

    def _enter_groups(self):
        """In the child: control groups of its own, which become the roots of what it sees."""
        for group in self._groups:
            (group / "cgroup.procs").write_text("0", encoding="ascii")

    def boot(self):
        for group in self._groups:
            group.mkdir(exist_ok=True)
        self._process = subprocess.Popen(  # pylint: disable=consider-using-with
            ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--ipc", "--uts", "--cgroup",
             str(BOOT), str(self.folder)],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            preexec_fn=self._enter_groups)  # pylint: disable=subprocess-popen-preexec-fn
        deadline = time.monotonic() + BOOT_SECONDS
        while not self._is_up():
            assert time.monotonic() < deadline, "it does not boot"
            time.sleep(0.1)

    def _is_up(self):
        status = self._process.poll()
        if status == SKIPPED:
            raise NoMachine(self._process.stdout.read())
        assert status is None, f"status {status}: {self._process.stdout.read()}"
        return self.run("systemctl is-system-running", check=False)[1].strip() in ("running", "degraded")

    def reboot(self):
        os.kill(self._first(), signal.SIGRTMIN + 4)  # poweroff.target, systemd(1)
        self._process.wait(BOOT_SECONDS)
        self.boot()

    def _first(self):
        """The pid of its systemd, seen from here; 0: none yet."""
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
        found = children.read_text(encoding="ascii").split()
        return int(found[0]) if found else 0

    def path(self, name):
        return self.folder / name.lstrip("/")

    def run(self, script, *, check=True, timeout=120):
        """Bash inside, as root; (status, output of both kinds)."""
        first = self._first()
        if not first:
            return 1, ""
        return run_script(["nsenter", f"--target={first}", "--mount", "--pid", "--ipc", "--uts",
                           "--cgroup", "--root", "--wd"], script, check, timeout)


def _remove_group(folder):
    """A process that was killed may still be on its way out."""
    deadline = time.monotonic() + 10
    while True:
        try:
            os.rmdir(folder)
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
