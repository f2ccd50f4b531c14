"""Occupancy: how full each room type is, from the stays that are held."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Iterable

from .hotel import Hotel
from .stay import Stay, day_of, nights_of


@dataclass(frozen=True)
class Occupancy:
    """One room type of one hotel."""

    hotel: str
    kind: str
    rooms: int
    stays: int
    rooms_peak: int     # most rooms in use at one moment
    nights_held: int
    nights_capacity: int  # rooms times the nights from the first arrival to the last departure

    def percent(self) -> float:
        """Room-nights held, of those there are."""
        return 100 * self.nights_held / self.nights_capacity if self.nights_capacity else 0.0


def occupancy_of(hotel: Hotel, held: Iterable[tuple[str, Stay]], nights: int) -> list[Occupancy]:
    """By type, for stays held as (room id, stay) over a span of so many nights."""
    type_of = {room: kind.name for kind in hotel.types.values() for room in kind.rooms}
    stays: dict[str, list[Stay]] = {kind: [] for kind in hotel.types}
    for room_id, stay in held:
        # A room that is none of ours is told by the verdict.
        if room_id in type_of:
            stays[type_of[room_id]].append(stay)
    return [Occupancy(hotel.name, kind, len(room_type.rooms), len(stays[kind]),
                      peak_of(stays[kind]), sum(map(nights_of, stays[kind])),
                      len(room_type.rooms) * nights)
            for kind, room_type in hotel.types.items()]


def peak_of(stays: Iterable[Stay]) -> int:
    """The most stays at one moment."""
    # At the same hour an end (-1) comes before a start (+1): stays are half open.
    changes = sorted([(stay.start, 1) for stay in stays] + [(stay.end, -1) for stay in stays])
    now = peak = 0
    for _, change in changes:
        now += change
        peak = max(peak, now)
    return peak


def span_nights(stays: Iterable[Stay]) -> int:
    """The nights from the first arrival to the last departure."""
    ordered = list(stays)
    if not ordered:
        return 0
    return max(day_of(stay.end) for stay in ordered) - min(day_of(stay.start) for stay in ordered)
