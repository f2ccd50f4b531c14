"""Progress: one line that is rewritten on a terminal, elsewhere a line every 5 %."""

from __future__ import annotations

import time
from typing import Callable, TextIO

from .crew import Tally

PERCENT_STEP = 5


class Progress:
    """Shows how far the events are, on `out`."""

    def __init__(self, out: TextIO, events: int, quiet: bool = False,
                 clock: Callable[[], float] = time.monotonic) -> None:
        self._out = out
        self._events = events
        self._quiet = quiet
        self._clock = clock
        self._start = clock()
        self._is_terminal = out.isatty()
        self._percent_next = PERCENT_STEP
        self._width = 0

    def show(self, tally: Tally) -> None:
        """Tells the figures, where it is time to."""
        if self._quiet:
            return
        if self._is_terminal:
            line = self._line(tally)
            self._out.write("\r" + line.ljust(self._width))
            self._width = len(line)
            self._out.flush()
            return
        percent = 100 * tally.events // max(self._events, 1)
        if percent >= self._percent_next:
            self._percent_next = percent - percent % PERCENT_STEP + PERCENT_STEP
            self._out.write(self._line(tally) + "\n")
            self._out.flush()

    def end(self) -> None:
        """Leaves the line that was rewritten."""
        if self._width:
            self._out.write("\n")
            self._out.flush()
            self._width = 0

    def _line(self, tally: Tally) -> str:
        seconds = max(self._clock() - self._start, 0.001)
        percent = 100 * tally.events // max(self._events, 1)
        return (f"{percent:3d} %  {tally.events:,}/{self._events:,} events  "
                f"{tally.requests / seconds:,.0f} requests/s  "
                f"{tally.locks:,} locks  {tally.conflicts:,} conflicts")
