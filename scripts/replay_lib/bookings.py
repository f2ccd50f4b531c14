"""Bookings: the rows of `hotel_bookings.csv`, read, checked and written.

Every row is checked before the first request goes out, so that a bad file is
told by its line and not by a strange answer in the middle of a replay.
"""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from datetime import date
from typing import Iterable, TextIO

from .errors import InputError
from .hotel import PEAKS

COLUMNS = ("booked_on", "booking", "hotel", "arrival", "nights", "reserved_type",
           "assigned_type", "changes", "outcome", "outcome_on", "channel")

CHECKED_OUT = "Check-Out"
CANCELED = "Canceled"
NO_SHOW = "No-Show"
OUTCOMES = (CHECKED_OUT, CANCELED, NO_SHOW)

# Ten years: the service takes stays of up to LOCK_MAX_STAY_DAYS (3660) days.
NIGHTS_MAX = 3650

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_NUMBER = re.compile(r"-?\d{1,18}", re.ASCII)


@dataclass(frozen=True)
class Booking:
    """One row. The days are the file's own, not yet shifted."""

    booked_on: date
    number: int
    hotel: str
    arrival: date
    nights: int
    reserved_type: str
    assigned_type: str
    changes: int
    outcome: str
    outcome_on: date
    channel: str


def read_bookings(path: str, limit: int | None = None) -> list[Booking]:
    """Reads and checks the file; `limit` keeps its first rows. Raises InputError."""
    try:
        with open(path, encoding="utf-8", newline="") as file:
            return parse_bookings(file, path, limit)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8: {error.reason}") from error


def parse_bookings(lines: Iterable[str], name: str, limit: int | None = None) -> list[Booking]:
    """As read_bookings, from any source of lines; `name` stands in the messages."""
    reader = csv.reader(lines, strict=True)
    bookings: list[Booking] = []
    first_line: dict[int, int] = {}
    try:
        _check_header(next(reader, []))
        for row in reader:
            if limit is not None and len(bookings) >= limit:
                break
            booking = parse_row(row)
            seen = first_line.setdefault(booking.number, reader.line_num)
            if seen != reader.line_num:
                raise ValueError(f"booking {booking.number} was there before, in line {seen}")
            bookings.append(booking)
    except (ValueError, csv.Error) as error:
        if isinstance(error, UnicodeDecodeError):
            raise
        raise InputError(f"{name}: line {max(reader.line_num, 1)}: {error}") from error
    if not bookings:
        raise InputError(f"{name}: no bookings")
    return bookings


def parse_row(row: list[str]) -> Booking:
    """One row as a Booking; ValueError tells what is wrong with it."""
    if len(row) != len(COLUMNS):
        raise ValueError(f"{len(row)} fields, {len(COLUMNS)} expected")
    field = dict(zip(COLUMNS, row))
    booking = Booking(
        booked_on=_date(field, "booked_on"),
        number=_number(field, "booking", 1, 10**18),
        hotel=_choice(field, "hotel", PEAKS),
        arrival=_date(field, "arrival"),
        nights=_number(field, "nights", 0, NIGHTS_MAX),
        reserved_type=_room_type(field, "reserved_type"),
        assigned_type=_room_type(field, "assigned_type"),
        changes=_number(field, "changes", 0, 10**6),
        outcome=_choice(field, "outcome", OUTCOMES),
        outcome_on=_date(field, "outcome_on"),
        channel=field["channel"],
    )
    _check_order(booking)
    return booking


def write_bookings(bookings: Iterable[Booking], file: TextIO) -> None:
    """Writes them as the file that read_bookings reads."""
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(COLUMNS)
    for booking in bookings:
        writer.writerow(to_row(booking))


def to_row(booking: Booking) -> list[str]:
    """The fields of a booking, in the order of COLUMNS."""
    return [booking.booked_on.isoformat(), str(booking.number), booking.hotel,
            booking.arrival.isoformat(), str(booking.nights), booking.reserved_type,
            booking.assigned_type, str(booking.changes), booking.outcome,
            booking.outcome_on.isoformat(), booking.channel]


def _check_header(header: list[str]) -> None:
    if tuple(header) != COLUMNS:
        raise ValueError(f"the header must be {','.join(COLUMNS)}")


def _check_order(booking: Booking) -> None:
    """A booking comes before its arrival and its outcome."""
    if booking.arrival < booking.booked_on:
        raise ValueError(f"arrival {booking.arrival} is before booked_on {booking.booked_on}")
    if booking.outcome_on < booking.booked_on:
        raise ValueError(f"outcome_on {booking.outcome_on} is before booked_on {booking.booked_on}")


def _date(field: dict[str, str], name: str) -> date:
    text = field[name]
    # date.fromisoformat alone takes week dates and dates without dashes too.
    if not _DATE.fullmatch(text):
        raise ValueError(f"{name} {text!r} is not a date like 2015-07-01")
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{name} {text!r} is no day of the calendar") from None


def _number(field: dict[str, str], name: str, low: int, high: int) -> int:
    text = field[name]
    if not _NUMBER.fullmatch(text) or not low <= int(text) <= high:
        raise ValueError(f"{name} {text!r} is not a number from {low} to {high}")
    return int(text)


def _choice(field: dict[str, str], name: str, allowed: Iterable[str]) -> str:
    text = field[name]
    if text not in allowed:
        raise ValueError(f"{name} {text!r} is none of {', '.join(allowed)}")
    return text


def _room_type(field: dict[str, str], name: str) -> str:
    """A type that the row's hotel has rooms of."""
    types = PEAKS[_choice(field, "hotel", PEAKS)]
    if field[name] not in types:
        raise ValueError(f"{name} {field[name]!r}: hotel {field['hotel']} has the types "
                         f"{', '.join(types)}")
    return field[name]
