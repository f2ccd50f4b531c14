"""Events and stays: the order in which things happen, and the hours they are about."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sample import FIRST_DAY, booking, cancelled, day

from replay_lib.bookings import CANCELED, NO_SHOW
from replay_lib.events import Kind, events_by_hotel
from replay_lib.generator import generate
from replay_lib.stay import (MARGIN_DAYS, SHIFT_WEEKS_MIN, Stay, nights_of, shift_weeks, stay_of,
                             to_instant, to_text)


def order(bookings) -> list[tuple[str, int]]:
    return [(event.kind.name, event.booking.number)
            for event in events_by_hotel(bookings)["resort"]]


def test_inside_a_day_bookings_come_before_cancellations_before_assignments():
    bookings = [
        booking(1, booked=0, arrival=5, given="D"),
        cancelled(2, 5, booked=1, arrival=9),
        booking(3, booked=5, arrival=5, given="E"),
        cancelled(4, 5, booked=5, arrival=5),
    ]
    assert order(bookings) == [
        ("BOOK", 1), ("BOOK", 2),
        ("BOOK", 3), ("BOOK", 4),
        ("CANCEL", 2), ("CANCEL", 4),
        ("ASSIGN", 1), ("ASSIGN", 3),
    ]


def test_inside_a_phase_the_order_is_that_of_the_file():
    assert order([booking(30), booking(10), booking(20)]) == [
        ("BOOK", 30), ("BOOK", 10), ("BOOK", 20)]


def test_a_file_out_of_order_is_put_into_order():
    assert order([booking(1, booked=3), booking(2, booked=1)]) == [("BOOK", 2), ("BOOK", 1)]


def test_only_guests_who_came_are_assigned_another_type():
    bookings = [cancelled(1, 4, given="D"), booking(2, outcome=NO_SHOW, given="D"),
                booking(3, given="A"), booking(4, given="D")]
    assert order(bookings)[4:] == [("CANCEL", 1), ("ASSIGN", 4)]


def test_hotels_have_lists_of_their_own():
    hotels = events_by_hotel([booking(1), booking(2, hotel="city"), cancelled(3, 5)])
    assert {name: len(events) for name, events in hotels.items()} == {"resort": 3, "city": 1}


@pytest.mark.parametrize("seed", range(5))
def test_every_booking_has_its_own_events_in_order_and_none_is_lost(seed: int):
    bookings = generate(500, seed + 1)
    events = [event for some in events_by_hotel(bookings).values() for event in some]
    assert len({event[:3] for event in events}) == len(events)
    kinds: dict[int, list[Kind]] = {}
    for event in events:
        kinds.setdefault(event.booking.number, []).append(event.kind)
    for one in bookings:
        wanted = [Kind.BOOK]
        if one.outcome == CANCELED:
            wanted.append(Kind.CANCEL)
        elif one.outcome != NO_SHOW and one.assigned_type != one.reserved_type:
            wanted.append(Kind.ASSIGN)
        assert kinds[one.number] == wanted


def test_a_night_stay_is_from_fifteen_to_eleven():
    stay = stay_of(booking(1, arrival=0, nights=3), 627)
    assert to_text(stay.start) == "2027-07-07T15:00:00.000Z"
    assert to_text(stay.end) == "2027-07-10T11:00:00.000Z"
    assert nights_of(stay) == 3


def test_a_day_use_is_from_eleven_to_fifteen_and_fits_between_two_nights():
    use = stay_of(booking(1, arrival=5, nights=0), 627)
    before = stay_of(booking(2, arrival=4, nights=1), 627)
    after = stay_of(booking(3, arrival=5, nights=1), 627)
    assert (before.end, after.start) == use
    assert nights_of(use) == 0


@pytest.mark.parametrize("today, weeks", [
    (date(2020, 1, 1), SHIFT_WEEKS_MIN),
    (FIRST_DAY + timedelta(weeks=627, days=-MARGIN_DAYS), SHIFT_WEEKS_MIN),
    (FIRST_DAY + timedelta(weeks=627, days=1 - MARGIN_DAYS), 628),
    (FIRST_DAY + timedelta(weeks=700), 701),
])
def test_the_shift_grows_when_twelve_years_are_not_enough(today: date, weeks: int):
    assert shift_weeks([booking(1, arrival=30), booking(2, arrival=0)], today) == weeks


@given(st.integers(0, 4000), st.integers(0, 60))
def test_after_the_shift_no_stay_is_over_and_weekdays_are_kept(today: int, nights: int):
    one = booking(1, arrival=0, nights=nights)
    weeks = shift_weeks([one], day(today))
    stay = stay_of(one, weeks)
    first = to_instant(to_text(stay.start)).date()
    assert first >= day(today) + timedelta(days=MARGIN_DAYS)
    assert first.weekday() == FIRST_DAY.weekday()


@given(st.integers(0, 3_000_000))
def test_text_and_instant_are_each_other_s_inverse(hour: int):
    assert to_instant(to_text(hour)).timestamp() == hour * 3600


def test_a_time_without_a_zone_is_refused():
    with pytest.raises(ValueError):
        to_instant("2027-07-07T15:00:00.000")


def test_stays_order_by_start():
    assert sorted([Stay(5, 6), Stay(1, 9)]) == [Stay(1, 9), Stay(5, 6)]
