"""A program of ours that runs beside the guard: sweeper, relay, notifier, commands."""

import signal

DRAIN_SECONDS = 30
START_SECONDS = 60


class Worker:
    """process: its Process; argv() gives its command line; env() its environment; ready() tells
    whether it has begun its work (None: as soon as it runs)."""

    def __init__(self, process, argv, env, ready=None):
        self.process = process
        self._argv = argv
        self._env = env
        self._ready = ready

    @property
    def pid(self):
        return self.process.pid

    def start(self):
        if self.process.running():
            return
        self.process.start(self._argv(), self._env())
        if self._ready:
            self.process.wait_for(self._ready, START_SECONDS, "has not begun its work")

    def stop(self):
        """SIGTERM, and time to finish what is in hand."""
        self.process.stop([(signal.SIGTERM, DRAIN_SECONDS), (signal.SIGKILL, 10)])

    def kill(self):
        """SIGKILL, as a crash; start() starts it again."""
        self.process.stop([(signal.SIGKILL, 10)])
