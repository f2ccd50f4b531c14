"""The bookings file: what is read, and how wrong rows are told."""

from __future__ import annotations

import io

import pytest
from sample import booking, cancelled

from replay_lib.bookings import COLUMNS, parse_bookings, read_bookings, write_bookings
from replay_lib.errors import InputError

HEADER = ",".join(COLUMNS)
GOOD = "2015-06-01,7,resort,2015-07-01,3,A,D,1,Check-Out,2015-07-04,Direct"


def read(*rows: str, limit: int | None = None):
    return parse_bookings(io.StringIO("\n".join([HEADER, *rows]) + "\n"), "file.csv", limit)


def test_what_is_written_is_read_again():
    bookings = [booking(1), cancelled(2, 5, hotel="city", given="K"),
                booking(3, outcome="No-Show", channel='odd "one", quoted')]
    file = io.StringIO()
    write_bookings(bookings, file)
    file.seek(0)
    assert parse_bookings(file, "file.csv") == bookings


def test_the_limit_keeps_the_first_rows_and_reads_no_further():
    rows = [GOOD, GOOD.replace(",7,", ",8,"), "not a row"]
    assert [one.number for one in read(*rows, limit=2)] == [7, 8]


@pytest.mark.parametrize("old, new, message", [
    ("Check-Out", "Checkout", "outcome 'Checkout' is none of Check-Out, Canceled, No-Show"),
    ("2015-07-01", "2015-02-30", "arrival '2015-02-30' is no day of the calendar"),
    ("2015-07-01", "20150701", "arrival '20150701' is not a date like 2015-07-01"),
    ("2015-07-01", "2015-W27-3", "is not a date"),
    (",3,", ",-1,", "nights '-1' is not a number from 0"),
    (",3,", ",3651,", "nights '3651' is not a number"),
    (",3,", ",three,", "nights 'three' is not a number"),
    (",7,", ",0,", "booking '0' is not a number from 1"),
    ("resort", "castle", "hotel 'castle' is none of resort, city"),
    (",A,", ",K,", "reserved_type 'K': hotel resort has the types A, B,"),
    (",D,", ",,", "assigned_type ''"),
    ("2015-06-01", "2015-07-02", "arrival 2015-07-01 is before booked_on 2015-07-02"),
    ("2015-07-04", "2015-05-31", "outcome_on 2015-05-31 is before booked_on"),
    (",Direct", "", "10 fields, 11 expected"),
    (",Direct", ",Direct,more", "12 fields, 11 expected"),
    ("Direct", '"Direct', "unexpected end of data"),
])
def test_a_wrong_row_is_told_with_its_line(old: str, new: str, message: str):
    assert GOOD.count(old) >= 1
    first = GOOD.replace(",7,", ",1,")
    with pytest.raises(InputError) as caught:
        read(first, GOOD.replace(old, new, 1))
    assert str(caught.value).startswith("file.csv: line 3: ")
    assert message in str(caught.value)


def test_a_booking_that_was_there_before_is_told_with_both_lines():
    with pytest.raises(InputError, match="line 4: booking 7 was there before, in line 2"):
        read(GOOD, GOOD.replace(",7,", ",8,"), GOOD)


@pytest.mark.parametrize("text, message", [
    ("", "line 1: the header must be booked_on,"),
    ("a,b,c\n", "line 1: the header must be booked_on,"),
    (HEADER + "\n", "no bookings"),
])
def test_a_file_without_bookings_is_refused(text: str, message: str):
    with pytest.raises(InputError, match=message):
        parse_bookings(io.StringIO(text), "file.csv")


def test_files_that_cannot_be_read_are_told(tmp_path):
    with pytest.raises(InputError, match="No such file"):
        read_bookings(str(tmp_path / "missing.csv"))
    binary = tmp_path / "binary.csv"
    binary.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="not UTF-8"):
        read_bookings(str(binary))
