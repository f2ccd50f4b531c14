"""Stays: the hours that a booking holds a room, as half-open intervals.

The replay counts in whole hours since 1970 (UTC): exact, small, quick to
compare. A night stay is from 15:00 on the day of arrival to 11:00 on the day
of departure; a day use (0 nights) is what lies between, 11:00 to 15:00, so that
it fits between two night stays of the same room.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from typing import Iterable, NamedTuple

from .bookings import Booking

CHECK_IN_HOUR = 15
CHECK_OUT_HOUR = 11
DAY_HOURS = 24

# 627 weeks are twelve years and four days: weekdays and season stay what they were.
SHIFT_WEEKS_MIN = 627
# Locks may live a day, and the replay may take as long: no stay ends before that.
MARGIN_DAYS = 2

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_EPOCH_DAY = date(1970, 1, 1).toordinal()


class Stay(NamedTuple):
    """[start, end) in hours since 1970."""

    start: int
    end: int


def shift_weeks(bookings: Iterable[Booking], today: date) -> int:
    """Weeks by which all days move so that no stay is over within MARGIN_DAYS."""
    first = min(booking.arrival for booking in bookings)
    days = (today + timedelta(days=MARGIN_DAYS) - first).days
    return max(SHIFT_WEEKS_MIN, -(-days // 7))


def stay_of(booking: Booking, weeks: int) -> Stay:
    """The hours of the booking's stay, moved by `weeks`."""
    midnight = (booking.arrival.toordinal() - _EPOCH_DAY + weeks * 7) * DAY_HOURS
    if booking.nights == 0:
        return Stay(midnight + CHECK_OUT_HOUR, midnight + CHECK_IN_HOUR)
    return Stay(midnight + CHECK_IN_HOUR, midnight + booking.nights * DAY_HOURS + CHECK_OUT_HOUR)


def to_text(hour: int) -> str:
    """The hour as the service writes it: RFC 3339 in UTC with milliseconds."""
    moment = _EPOCH + timedelta(hours=hour)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.000Z")


def to_instant(text: str) -> datetime:
    """An RFC 3339 time with a zone, as the service writes it. ValueError if it is none."""
    instant = datetime.fromisoformat(text.replace("Z", "+00:00"))
    if instant.tzinfo is None:
        raise ValueError(f"{text!r} has no time zone")
    return instant


def day_of(hour: int) -> int:
    """The day (since 1970) in which the hour lies."""
    return hour // DAY_HOURS


def nights_of(stay: Stay) -> int:
    """The nights in the stay; a day use has none."""
    return day_of(stay.end) - day_of(stay.start)
