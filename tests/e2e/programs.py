"""A program of ours under a test's control, apart from those that a system runs."""

import json
import signal
import subprocess
import time
from pathlib import Path

from systems import wait_for

# On a machine with nothing to do it takes a tenth of this.
SOON = 30.0


class Program:
    """One process; what it logs is kept for all processes of one object.

    program: its file name; env: its whole environment."""

    def __init__(self, system, program, name, env):
        self.name = name
        self.log = system.log_path(name)
        self.env = env
        self.command = [*system.worker_command, str(system.program(program))]
        self.process = None

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.kill()

    def start(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(self.command, env=self.env, stdout=log, stderr=log,
                                            cwd="/")
        return self

    def kill(self):
        self.process.kill()
        self.process.wait(10)

    def stop(self, seconds_max=40):
        """SIGTERM; gives the seconds until it ended, which it must do well."""
        since = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(seconds_max) == 0
        return time.monotonic() - since

    def runs(self):
        return self.process.poll() is None

    def lines(self, level=None):
        """What it has logged, as dictionaries."""
        text = self.log.read_text("utf-8", "replace") if self.log.exists() else ""
        whole, _, _ = text.rpartition("\n")
        found = [json.loads(line) for line in whole.splitlines() if line.startswith("{")]
        return [line for line in found if level in (None, line["level"])]

    def said(self, text, level=None):
        return [line["message"] for line in self.lines(level) if text in line["message"]]

    def wait_said(self, text, count=1, seconds_max=SOON):
        return wait_for(lambda: len(found := self.said(text)) >= count and found, seconds_max,
                        f"{self.name} says {count} times {text!r}")

    def wait_ready(self, seconds_max=SOON):
        """It has its partitions."""
        self.wait_said("have come from the group", seconds_max=seconds_max)
        return self

    def memory_max_kib(self):
        status = Path(f"/proc/{self.process.pid}/status").read_text("ascii")
        return int(next(line.split()[1] for line in status.splitlines()
                        if line.startswith("VmHWM")))
