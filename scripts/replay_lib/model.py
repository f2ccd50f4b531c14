"""The model: what must happen, computed offline.

A room is a set of stays that do not overlap, nothing more. The model shares no
code with the worker that asks the service: what they have in common is the list
of events and the rooms.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from dataclasses import dataclass, field
from typing import Iterable

from .events import Event, Kind
from .hotel import Hotel
from .outcome import NOWHERE, Outcome, Result
from .stay import Stay, stay_of


class RoomStays:
    """The stays of one room, sorted; they never overlap."""

    def __init__(self) -> None:
        self._stays: list[Stay] = []

    def is_free(self, stay: Stay) -> bool:
        """Whether the stay overlaps none of the room's."""
        after = bisect_right(self._stays, stay)
        if after < len(self._stays) and self._stays[after].start < stay.end:
            return False
        return after == 0 or self._stays[after - 1].end <= stay.start

    def add(self, stay: Stay) -> None:
        """Takes a stay that is_free() allowed."""
        assert self.is_free(stay)
        insort(self._stays, stay)

    def remove(self, stay: Stay) -> None:
        """Gives up a stay that the room has."""
        at = bisect_left(self._stays, stay)
        assert self._stays[at] == stay
        del self._stays[at]


@dataclass(frozen=True)
class Held:
    """A room held for a stay."""

    room_id: str
    room_type_id: str
    stay: Stay


@dataclass
class Prediction:
    """The outcomes in the order of the events, and what is held in the end."""

    outcomes: list[Outcome] = field(default_factory=list)
    # by reservation id, which is the lock's id
    held: dict[str, Held] = field(default_factory=dict)


class Model:
    """One hotel. Feed it the events in order with play()."""

    def __init__(self, hotel: Hotel, weeks: int) -> None:
        self._hotel = hotel
        self._weeks = weeks
        self._rooms = {kind: [RoomStays() for _ in room_type.rooms]
                       for kind, room_type in hotel.types.items()}
        # booking number -> (type, index of the room, stay)
        self._held: dict[int, tuple[str, int, Stay]] = {}

    def play(self, event: Event) -> Outcome:
        """What becomes of the next event."""
        if event.kind is Kind.BOOK:
            return self._book(event)
        if event.booking.number not in self._held:
            return Outcome(Result.ABSENT, NOWHERE, 0)
        return self._cancel(event) if event.kind is Kind.CANCEL else self._assign(event)

    def held(self) -> dict[str, Held]:
        """What is held now, by reservation id."""
        held = {}
        for number, (kind, index, stay) in self._held.items():
            room_type = self._hotel.types[kind]
            held[self._hotel.reservation_id(number)] = Held(
                room_type.rooms[index], room_type.id, stay)
        return held

    def _book(self, event: Event) -> Outcome:
        stay = stay_of(event.booking, self._weeks)
        return self._take(event, event.booking.reserved_type, stay,
                          Result.LOCKED, Result.NO_ROOM)

    def _assign(self, event: Event) -> Outcome:
        kind, index, stay = self._held[event.booking.number]
        outcome = self._take(event, event.booking.assigned_type, stay,
                             Result.MOVED, Result.MOVE_REFUSED)
        if outcome.result is Result.MOVED:
            self._rooms[kind][index].remove(stay)
        return outcome

    def _cancel(self, event: Event) -> Outcome:
        kind, index, stay = self._held.pop(event.booking.number)
        self._rooms[kind][index].remove(stay)
        return Outcome(Result.RELEASED, NOWHERE, 0)

    def _take(self, event: Event, kind: str, stay: Stay,
              taken: Result, full: Result) -> Outcome:
        """Puts the stay into the first free room of the type."""
        rooms = self._rooms[kind]
        for index, room in enumerate(rooms):
            if room.is_free(stay):
                room.add(stay)
                self._held[event.booking.number] = (kind, index, stay)
                return Outcome(taken, index, index)
        return Outcome(full, NOWHERE, len(rooms))


def predict(hotel: Hotel, events: Iterable[Event], weeks: int) -> Prediction:
    """Plays all events of the hotel."""
    model = Model(hotel, weeks)
    outcomes = [model.play(event) for event in events]
    return Prediction(outcomes, model.held())
