"""Outcomes: what became of each event, and the sums of that.

The worker (asking the service) and the model (offline) each make one list of
outcomes, one for each event in the order of the events.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import Enum
from typing import Iterable, NamedTuple

NOWHERE = -1


class Result(str, Enum):
    """How an event ended."""

    LOCKED = "locked"              # booked into a room
    NO_ROOM = "no room"            # every room of the type was taken
    MOVED = "moved"                # now in a room of the type assigned
    MOVE_REFUSED = "move refused"  # none was free: stays where it was
    RELEASED = "released"          # cancelled
    ABSENT = "absent"              # the booking had found no room: nothing to do


class Outcome(NamedTuple):
    """`room` is the index inside the type (or NOWHERE), `conflicts` the rooms tried in vain."""

    result: Result
    room: int
    conflicts: int


@dataclass
class Counts:
    """Sums over outcomes."""

    locks: int = 0
    no_room: int = 0
    moves: int = 0
    moves_refused: int = 0
    releases: int = 0
    conflicts: int = 0

    def add(self, outcome: Outcome) -> None:
        """Counts one more outcome."""
        self.conflicts += outcome.conflicts
        name = _COUNTED.get(outcome.result)
        if name is not None:
            setattr(self, name, getattr(self, name) + 1)

    def requests(self) -> int:
        """The lock and release requests behind these outcomes, retries left out."""
        return self.locks + self.moves + self.releases + self.conflicts

    def plus(self, other: "Counts") -> "Counts":
        """The sum of both, field by field."""
        return Counts(*(getattr(self, field.name) + getattr(other, field.name)
                        for field in fields(self)))


_COUNTED = {
    Result.LOCKED: "locks",
    Result.NO_ROOM: "no_room",
    Result.MOVED: "moves",
    Result.MOVE_REFUSED: "moves_refused",
    Result.RELEASED: "releases",
}


def count(outcomes: Iterable[Outcome]) -> Counts:
    """The sums over all of them."""
    counts = Counts()
    for outcome in outcomes:
        counts.add(outcome)
    return counts
