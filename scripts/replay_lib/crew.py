"""The crew: one process for each hotel, at most `jobs` of them at a time.

A worker's figures for the progress line lie in shared memory, so that telling
them costs the worker nothing; its result, or what went wrong, comes through a
pipe. The first failure ends all.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from dataclasses import dataclass
from multiprocessing.connection import Connection as Pipe
from multiprocessing.connection import wait
from typing import Any, Callable, Sequence

from .client import Address
from .errors import ReplayError
from .events import Event
from .hotel import Hotel
from .outcome import Counts
from .worker import HotelResult, Worker

POLL_S = 0.2

# fork: the events are there at once and need not be sent.
_CONTEXT = multiprocessing.get_context("fork")


@dataclass(frozen=True)
class Task:
    """The work of one process."""

    hotel: Hotel
    events: Sequence[Event]


@dataclass(frozen=True)
class Tally:
    """How far all workers are."""

    events: int
    requests: int
    locks: int
    conflicts: int


class _Runner:
    """A task, its process once it was started, and its figures."""

    FIGURES = 4

    def __init__(self, task: Task) -> None:
        self.task = task
        self.figures: Any = _CONTEXT.RawArray("q", self.FIGURES)
        self.process: Any = None
        self.pipe: Pipe | None = None

    def start(self, address: Address, weeks: int) -> None:
        """Starts the process."""
        self.pipe, child_pipe = _CONTEXT.Pipe(duplex=False)
        self.process = _CONTEXT.Process(target=_work, daemon=True, args=(
            child_pipe, self.figures, self.task, address, weeks, os.getpid()))
        self.process.start()
        child_pipe.close()

    def receive(self) -> HotelResult:
        """The result, once the pipe is readable; ReplayError when there is none."""
        assert self.pipe is not None
        try:
            result = self.pipe.recv()
        except EOFError:
            self.process.join()
            raise ReplayError(f"the worker of hotel {self.task.hotel.name} ended with "
                              f"exit code {self.process.exitcode}") from None
        if isinstance(result, str):
            raise ReplayError(f"hotel {self.task.hotel.name}: {result}")
        self.process.join()
        return result

    def stop(self) -> None:
        """Ends the process if it still runs."""
        if self.process is not None and self.process.is_alive():
            self.process.terminate()
            self.process.join()


def run_crew(address: Address, tasks: Sequence[Task], weeks: int, jobs: int,
             show: Callable[[Tally], None]) -> dict[str, HotelResult]:
    """Runs all tasks and calls `show` some times a second. Results by hotel."""
    runners = [_Runner(task) for task in tasks]
    waiting, running = list(runners), []
    results: dict[str, HotelResult] = {}
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                waiting[0].start(address, weeks)
                running.append(waiting.pop(0))
            ready = wait([runner.pipe for runner in running], POLL_S)
            for runner in [runner for runner in running if runner.pipe in ready]:
                results[runner.task.hotel.name] = runner.receive()
                running.remove(runner)
            show(_tally(runners))
    finally:
        for runner in runners:
            runner.stop()
    return results


def _tally(runners: Sequence[_Runner]) -> Tally:
    return Tally(*(sum(runner.figures[at] for runner in runners)
                   for at in range(_Runner.FIGURES)))


def _work(pipe: Pipe, figures: Any, task: Task, address: Address, weeks: int,
          parent: int) -> None:
    """The life of a process: what it sends is a HotelResult, or a message."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # the parent's handler is not for us

    def report(done: int, counts: Counts) -> None:
        if os.getppid() != parent:
            sys.exit(1)  # nobody is left to tell anything to
        figures[0] = done
        figures[1] = counts.requests()
        figures[2] = counts.locks
        figures[3] = counts.conflicts

    try:
        pipe.send(Worker(address, task.hotel, weeks).run(task.events, report))
    except ReplayError as error:
        pipe.send(str(error))
    except KeyboardInterrupt:
        pass  # the parent got the signal as well and tells it
    finally:
        pipe.close()
