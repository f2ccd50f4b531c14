"""Events: what happens to the bookings, in a total order.

The order is by day, inside a day by phase, inside a phase as in the file:

    1. bookings      on booked_on
    2. cancellations on outcome_on
    3. assignments   on the day of arrival: the guest came and was given another
                     type than the one sold

A room cancelled today can thus be sold tomorrow, and a booking made on its day
of arrival, or cancelled on the day it was made, still has its events in the
order in which they must come. No-shows and guests who leave keep their room to
the end of their stay and have no event.
"""

from __future__ import annotations

from collections import defaultdict
from enum import IntEnum
from typing import NamedTuple, Sequence

from .bookings import CANCELED, CHECKED_OUT, Booking


class Kind(IntEnum):
    """The phases of a day, in order."""

    BOOK = 0
    CANCEL = 1
    ASSIGN = 2


class Event(NamedTuple):
    """One event. The first three fields are the order: (day, kind, position in the file)."""

    day: int
    kind: Kind
    position: int
    booking: Booking


def events_of(position: int, booking: Booking) -> list[Event]:
    """The events of the booking at this position of the file."""
    events = [Event(booking.booked_on.toordinal(), Kind.BOOK, position, booking)]
    if booking.outcome == CANCELED:
        events.append(Event(booking.outcome_on.toordinal(), Kind.CANCEL, position, booking))
    elif booking.outcome == CHECKED_OUT and booking.assigned_type != booking.reserved_type:
        events.append(Event(booking.arrival.toordinal(), Kind.ASSIGN, position, booking))
    return events


def events_by_hotel(bookings: Sequence[Booking]) -> dict[str, list[Event]]:
    """All events in order, one list for each hotel that has any."""
    hotels: dict[str, list[Event]] = defaultdict(list)
    for position, booking in enumerate(bookings):
        hotels[booking.hotel].extend(events_of(position, booking))
    for events in hotels.values():
        events.sort(key=lambda event: event[:3])
    return dict(hotels)
