"""Short ways to make bookings for the tests."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from replay_lib.bookings import CANCELED, CHECKED_OUT, Booking

FIRST_DAY = date(2015, 7, 1)


def day(number: int) -> date:
    """The day that lies so many days after FIRST_DAY."""
    return FIRST_DAY + timedelta(days=number)


def booking(number: int, *, booked: int = 0, arrival: int = 10, nights: int = 2,
            sold: str = "A", given: str | None = None, outcome: str = CHECKED_OUT,
            ended: int | None = None, hotel: str = "resort", **fields: Any) -> Booking:
    """A booking with days as numbers from FIRST_DAY."""
    if ended is None:
        ended = arrival + nights if outcome == CHECKED_OUT else arrival
    return Booking(booked_on=day(booked), number=number, hotel=hotel, arrival=day(arrival),
                   nights=nights, reserved_type=sold, assigned_type=given or sold,
                   changes=fields.get("changes", 0), outcome=outcome, outcome_on=day(ended),
                   channel=fields.get("channel", "Direct"))


def cancelled(number: int, ended: int, **fields: Any) -> Booking:
    """A booking that is cancelled on day `ended`."""
    return booking(number, outcome=CANCELED, ended=ended, **fields)
