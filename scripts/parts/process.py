"""One process that outlives its starter: started detached, found again by a record on disk.

A record holds the pid, the start time of that pid and the boot it belongs to, so a stale record
never leads to a signal for a stranger that was given the same pid later.

Life cycle: Process(name, ...) -> start() -> running() / signal() -> stop(). Another program may
make a second Process with the same record folder and stop what the first one started.
"""

import json
import os
import signal
import subprocess
import time
from pathlib import Path

POLL_SECONDS = 0.02
TAIL_LINES = 25


class PartFailed(RuntimeError):
    """A part did not do what it should have; the message ends with the tail of its log."""


def tail(path, lines=TAIL_LINES):
    """The last lines of a log, or a short remark when there is none."""
    try:
        with open(path, "rb") as log:
            log.seek(0, os.SEEK_END)
            log.seek(max(0, log.tell() - 64 * 1024))
            text = log.read().decode("utf-8", "replace")
    except OSError as error:
        return f"({path}: {error.strerror})"
    return "\n".join(text.splitlines()[-lines:]) or f"({path} is empty)"


def wait_until(condition, timeout, what):
    """Poll condition() until it is true; PartFailed after timeout seconds.

    what is the text of the failure, or a function that makes it."""
    deadline = time.monotonic() + timeout
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() >= deadline:
            raise PartFailed(what() if callable(what) else what)
        time.sleep(POLL_SECONDS)


def _boot_id():
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def _stat(pid):
    """The fields of /proc/PID/stat from the state on (index 0), or None."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    return text[text.rindex(")") + 2:].split()


def start_time(pid):
    """Start of a live process in clock ticks since boot; None for a dead or a zombie one."""
    fields = _stat(pid)
    if fields is None or fields[0] in ("Z", "X"):
        return None
    return int(fields[19])


def live_pids():
    """All live processes as {pid: (parent, session)}."""
    found = {}
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        fields = _stat(int(name))
        if fields is not None and fields[0] not in ("Z", "X"):
            found[int(name)] = (int(fields[1]), int(fields[3]))
    return found


def children(pid):
    """Pids of the live children of a process, in ascending order."""
    return sorted(child for child, (parent, _) in live_pids().items() if parent == pid)


class Process:
    def __init__(self, name, *, records, log, user=None, cwd="/"):
        self.name = name
        self.log = Path(log)
        self._record = Path(records) / f"{name}.json"
        self._user = user
        self._cwd = cwd
        self._popen = None

    def start(self, argv, env):
        """Start argv detached, in a session of its own, with its output in the log."""
        if self.running():
            raise PartFailed(f"{self.name} is running already (pid {self.pid})")
        drop = self._user.popen_arguments() if self._user else {}
        # A supervisor that was killed can leave workers behind that still hold its socket.
        self._end_session()
        with open(self.log, "ab", buffering=0) as log:
            try:
                self._popen = subprocess.Popen(
                    argv, env=env, cwd=self._cwd, stdin=subprocess.DEVNULL, stdout=log,
                    stderr=log, start_new_session=True, close_fds=True, umask=0o027, **drop)
            except OSError as error:
                raise PartFailed(f"{self.name}: cannot start {argv[0]}: {error.strerror}") from None
        self._write_record(self._popen.pid)

    def _write_record(self, pid):
        record = {"pid": pid, "start": start_time(pid), "boot": _boot_id()}
        fresh = self._record.with_suffix(".new")
        fresh.write_text(json.dumps(record))
        fresh.replace(self._record)

    def _read_record(self):
        try:
            record = json.loads(self._record.read_text())
        except (OSError, ValueError):
            return None
        return record if record.get("boot") == _boot_id() else None

    @property
    def pid(self):
        """The pid while the process lives, else None."""
        if self._popen is not None:
            self._popen.poll()  # collects the exit status, so no zombie stays
        record = self._read_record()
        if record is None or record["start"] is None:
            return None
        return record["pid"] if start_time(record["pid"]) == record["start"] else None

    def running(self):
        return self.pid is not None

    def exit_code(self):
        """Exit status when this very object started the process and it ended, else None."""
        return None if self._popen is None else self._popen.poll()

    def signal(self, number):
        """True when the process was there to get it."""
        pid = self.pid
        if pid is None:
            return False
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return False
        return True

    def workers(self):
        """Pids of the live children."""
        pid = self.pid
        return children(pid) if pid else []

    def session_members(self):
        """Every live process of the recorded session, the leader included.

        The session's number stays taken while one member lives, so a stranger cannot be in it;
        the boot check covers a restart of the machine."""
        record = self._read_record()
        if record is None:
            return []
        leader_start = start_time(record["pid"])
        if leader_start is not None and leader_start != record["start"]:
            return []
        return sorted(p for p, (_, session) in live_pids().items() if session == record["pid"])

    def stop(self, steps):
        """Send each signal of steps = [(signal, seconds), ...] until the process has ended.

        What then is left of its session is killed. Stopping twice is fine."""
        for number, seconds in steps:
            if not self.signal(number):
                break
            try:
                wait_until(lambda: not self.running(), seconds, "still there")
                break
            except PartFailed:
                continue
        self._end_session()
        if self.running():
            raise PartFailed(f"{self.name} (pid {self.pid}) does not end\n{tail(self.log)}")
        self._record.unlink(missing_ok=True)

    def _end_session(self):
        for pid in self.session_members():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        wait_until(lambda: not self.session_members(), 10,
                   f"{self.name}: workers do not end: {self.session_members()}")

    def wait_for(self, condition, timeout, what):
        """Poll condition() while the process lives; PartFailed with the log's tail otherwise."""
        def check():
            if condition():
                return True
            if not self.running():
                code = self.exit_code()
                ended = "ended" if code is None else f"ended with status {code}"
                raise PartFailed(f"{self.name} {ended} before it was ready\n{tail(self.log)}")
            return False
        wait_until(check, timeout,
                   lambda: f"{self.name}: {what} within {timeout} s\n{tail(self.log)}")
