"""The generator: the same every time, and like the bookings it was measured from."""

from __future__ import annotations

import hashlib
import io
import os
from collections import Counter

import pytest

from replay_lib.bookings import (CANCELED, CHECKED_OUT, NO_SHOW, parse_bookings, read_bookings,
                                 write_bookings)
from replay_lib.generator import generate
from replay_lib.hotel import build_hotel
from replay_lib.events import events_by_hotel
from replay_lib.model import predict
from replay_lib.outcome import count
from replay_lib.profile import format_profile, load_profile, measure

# As many as the profile was measured from, so that shares can be compared.
WHOLE = 14938


@pytest.fixture(scope="module")
def whole():
    return generate(WHOLE, 1)


def share(bookings, condition) -> float:
    return sum(map(condition, bookings)) / len(bookings)


def as_csv(bookings) -> str:
    file = io.StringIO()
    write_bookings(bookings, file)
    return file.getvalue()


def test_the_same_seed_gives_the_same_bookings():
    assert generate(400, 7) == generate(400, 7)
    assert generate(400, 7) != generate(400, 8)


def test_the_bookings_of_a_seed_are_the_same_everywhere():
    digest = hashlib.sha256(as_csv(generate(400, 7)).encode()).hexdigest()
    assert digest == (
        "8236bf1afdc507d429e72f35b0723ca5bafefbcef32a965e51b3f79d66c1b7bf")


@pytest.mark.parametrize("number", [1, 2, 3, 77, 1000])
def test_as_many_as_asked_for(number: int):
    bookings = generate(number, 3)
    assert len(bookings) == number
    assert sorted(one.number for one in bookings) == list(range(1, number + 1))


@pytest.mark.parametrize("seed", [1, 2, 3, 4, 5])
def test_what_is_generated_passes_the_check_of_files(seed: int):
    bookings = generate(2000, seed)
    assert parse_bookings(io.StringIO(as_csv(bookings)), "generated") == bookings


def test_they_stand_in_booking_order(whole):
    days = [one.booked_on for one in whole]
    assert days == sorted(days)


def test_outcomes_are_shared_out_as_in_the_profile(whole):
    assert share(whole, lambda one: one.outcome == CANCELED) == pytest.approx(0.522, abs=0.03)
    assert share(whole, lambda one: one.outcome == CHECKED_OUT) == pytest.approx(0.464, abs=0.03)
    assert share(whole, lambda one: one.outcome == NO_SHOW) == pytest.approx(0.014, abs=0.006)
    assert share(whole, lambda one: one.hotel == "resort") == pytest.approx(0.669, abs=0.001)


def test_guests_who_come_are_given_another_type_as_often(whole):
    came = [one for one in whole if one.outcome == CHECKED_OUT]
    other = share(came, lambda one: one.assigned_type != one.reserved_type)
    assert other == pytest.approx(0.279, abs=0.03)


@pytest.mark.parametrize("hotel, days_off", [("resort", 0.25), ("city", 0.15)])
def test_nights_are_like_the_profile(whole, hotel: str, days_off: float):
    stays = [one.nights for one in whole if one.hotel == hotel]
    tally = {int(nights): number for nights, number in load_profile()[hotel]["nights"].items()}
    mean = sum(nights * number for nights, number in tally.items()) / sum(tally.values())
    assert sum(stays) / len(stays) == pytest.approx(mean, abs=days_off)
    day_uses = tally[0] / sum(tally.values())
    assert stays.count(0) / len(stays) == pytest.approx(day_uses, abs=0.006)


@pytest.mark.parametrize("hotel", ["resort", "city"])
@pytest.mark.parametrize("outcome", [CHECKED_OUT, CANCELED])
def test_lead_times_are_like_the_profile(whole, hotel: str, outcome: str):
    leads = sorted((one.arrival - one.booked_on).days for one in whole
                   if (one.hotel, one.outcome) == (hotel, outcome))
    points = load_profile()[hotel]["lead_days"][outcome]
    for part in (10, 20, 30):
        wanted = points[part]
        assert leads[len(leads) * part // 40] == pytest.approx(wanted, abs=4 + 0.15 * wanted)
    assert points[0] <= leads[0] and leads[-1] <= points[-1]


def test_the_types_sold_are_shared_out_as_in_the_profile(whole):
    profile = load_profile()
    for hotel in profile:
        rows = [one for one in whole if one.hotel == hotel]
        sold = Counter(one.reserved_type for one in rows)
        for kind, outcomes in profile[hotel]["group_sizes"].items():
            wanted = sum(int(size) * number for sizes in outcomes.values()
                         for size, number in sizes.items()) / profile[hotel]["bookings"]
            assert sold[kind] / len(rows) == pytest.approx(wanted, abs=0.03), (hotel, kind)


def test_there_are_groups(whole):
    groups = Counter((one.hotel, one.booked_on, one.arrival, one.nights, one.reserved_type,
                      one.outcome_on) for one in whole)
    large = sum(size for size in groups.values() if size >= 10)
    assert 0.15 < large / len(whole) < 0.40


def test_cancellations_lie_between_booking_and_arrival(whole):
    gone = [one for one in whole if one.outcome == CANCELED]
    assert all(one.booked_on <= one.outcome_on <= one.arrival for one in gone)
    early = share(gone, lambda one: (one.arrival - one.outcome_on).days >= 14)
    assert 0.5 < early < 0.9


def test_few_bookings_fill_few_days_and_not_emptier_hotels():
    few = [one for one in generate(300, 1) if one.hotel == "resort"]
    days = (max(one.arrival for one in few) - min(one.arrival for one in few)).days + 1
    assert days <= 10
    again = generate(2 * WHOLE, 1)
    assert max(one.arrival for one in again).year >= 2018


@pytest.mark.parametrize("seed", [1, 2])
def test_a_replay_of_them_meets_everything_there_is_to_meet(seed: int):
    for hotel, events in events_by_hotel(generate(WHOLE, seed)).items():
        counts = count(predict(build_hotel(hotel, "test"), events, 627).outcomes)
        assert counts.conflicts > 10 * counts.locks
        assert 0 < counts.no_room < counts.locks / 20
        assert counts.moves > 500 and counts.moves_refused > 0 and counts.releases > 1000


def test_measuring_the_generated_gives_a_profile_of_the_same_shape(whole):
    measured, shipped = measure(whole), load_profile()
    assert list(measured) == list(shipped)
    for hotel in shipped:
        assert list(measured[hotel]) == list(shipped[hotel])
        assert sum(measured[hotel]["arrivals_by_week"]) == measured[hotel]["bookings"]
    assert generate(100, 1, measured) != generate(100, 1, shipped)


def test_the_profile_is_the_one_of_the_real_bookings():
    path = os.environ.get("HOTEL_BOOKINGS")
    if path is None:
        pytest.skip("HOTEL_BOOKINGS does not name hotel_bookings.csv")
    assert format_profile(measure(read_bookings(path))) == format_profile(load_profile())
