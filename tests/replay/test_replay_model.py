"""The model against a checker that is as simple as can be: hours ticked off one by one."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from sample import booking, cancelled

from replay_lib.bookings import CANCELED, CHECKED_OUT, NO_SHOW, Booking
from replay_lib.events import events_by_hotel
from replay_lib.hotel import Hotel, build_hotel
from replay_lib.model import Prediction, RoomStays, predict
from replay_lib.outcome import NOWHERE, Counts, Outcome, Result, count
from replay_lib.stay import Stay, stay_of

WEEKS = 627
SMALL = {"A": 2, "D": 1, "E": 1}


class HourChecker:
    """A hotel as a set of taken (room, hour)."""

    def __init__(self, hotel: Hotel) -> None:
        self.hotel = hotel
        self.taken: dict[tuple[str, int], int] = {}
        self.place: dict[int, str] = {}

    def play(self, event) -> Outcome:
        one = event.booking
        if event.kind.name == "BOOK":
            return self.take(one, one.reserved_type, Result.LOCKED, Result.NO_ROOM)
        if one.number not in self.place:
            return Outcome(Result.ABSENT, NOWHERE, 0)
        if event.kind.name == "ASSIGN":
            return self.take(one, one.assigned_type, Result.MOVED, Result.MOVE_REFUSED)
        self.leave(one)
        return Outcome(Result.RELEASED, NOWHERE, 0)

    def take(self, one: Booking, kind: str, taken: Result, full: Result) -> Outcome:
        hours = range(*stay_of(one, WEEKS))
        rooms = self.hotel.types[kind].rooms
        for index, room in enumerate(rooms):
            if all((room, hour) not in self.taken for hour in hours):
                self.leave(one)
                self.taken.update({(room, hour): one.number for hour in hours})
                self.place[one.number] = room
                return Outcome(taken, index, index)
        return Outcome(full, NOWHERE, len(rooms))

    def leave(self, one: Booking) -> None:
        self.taken = {at: number for at, number in self.taken.items() if number != one.number}
        self.place.pop(one.number, None)


@st.composite
def small_hotels(draw) -> list[Booking]:
    """Bookings that must fight for four rooms."""
    bookings = []
    for number in range(1, draw(st.integers(1, 25)) + 1):
        booked = draw(st.integers(0, 6))
        arrival = booked + draw(st.integers(0, 5))
        nights = draw(st.integers(0, 4))
        outcome = draw(st.sampled_from([CHECKED_OUT, CHECKED_OUT, CANCELED, NO_SHOW]))
        ended = draw(st.integers(booked, arrival)) if outcome == CANCELED else arrival + nights
        bookings.append(booking(
            number, booked=booked, arrival=arrival, nights=nights,
            sold=draw(st.sampled_from("AADE")), given=draw(st.sampled_from("AADE")),
            outcome=outcome, ended=ended))
    return bookings


def run(bookings: list[Booking], rooms: dict[str, int]) -> tuple[Hotel, Prediction]:
    hotel = build_hotel("resort", "test", rooms)
    return hotel, predict(hotel, events_by_hotel(bookings)["resort"], WEEKS)


@settings(max_examples=300, deadline=None)
@given(small_hotels())
def test_the_model_is_what_ticking_off_hours_gives(bookings: list[Booking]):
    hotel, prediction = run(bookings, SMALL)
    checker = HourChecker(hotel)
    outcomes = [checker.play(event) for event in events_by_hotel(bookings)["resort"]]
    assert prediction.outcomes == outcomes
    assert {lock_id: held.room_id for lock_id, held in prediction.held.items()} == {
        hotel.reservation_id(number): room for number, room in checker.place.items()}
    hours = sum(held.stay.end - held.stay.start for held in prediction.held.values())
    assert hours == len(checker.taken)


def results(bookings: list[Booking], rooms: dict[str, int]) -> list[tuple[str, int, int]]:
    return [(outcome.result.name, outcome.room, outcome.conflicts)
            for outcome in run(bookings, rooms)[1].outcomes]


def test_the_next_room_is_tried_until_there_is_none():
    assert results([booking(number) for number in (1, 2, 3)], {"A": 2}) == [
        ("LOCKED", 0, 0), ("LOCKED", 1, 1), ("NO_ROOM", -1, 2)]


def test_a_cancelled_stay_is_free_the_next_day_and_not_before():
    same_day = [cancelled(1, 3), booking(2, booked=3)]
    assert results(same_day, {"A": 1})[1] == ("NO_ROOM", -1, 1)
    next_day = [cancelled(1, 3), booking(2, booked=4)]
    assert results(next_day, {"A": 1})[2] == ("LOCKED", 0, 0)


def test_a_booking_without_a_room_has_no_later_events():
    bookings = [booking(1), cancelled(2, 3), booking(3, given="D")]
    assert results(bookings, {"A": 1, "D": 1})[3:] == [("ABSENT", -1, 0), ("ABSENT", -1, 0)]


def test_a_move_that_is_refused_leaves_the_lock_where_it_was():
    bookings = [booking(1, sold="D"), booking(2, given="D")]
    hotel, prediction = run(bookings, {"A": 1, "D": 1})
    assert prediction.outcomes[-1] == Outcome(Result.MOVE_REFUSED, NOWHERE, 1)
    held = prediction.held[hotel.reservation_id(2)]
    assert (held.room_id, held.room_type_id) == (hotel.types["A"].rooms[0], hotel.types["A"].id)


def test_a_move_frees_the_room_it_leaves():
    bookings = [booking(1, arrival=5, given="D"), booking(2, booked=6, arrival=6, nights=1)]
    hotel, prediction = run(bookings, {"A": 1, "D": 1})
    assert [one.result for one in prediction.outcomes] == [
        Result.LOCKED, Result.MOVED, Result.LOCKED]
    assert prediction.held[hotel.reservation_id(1)].room_type_id == hotel.types["D"].id


def test_counts_are_the_sums_of_outcomes():
    bookings = [booking(1), cancelled(2, 3), cancelled(3, 4), booking(4, given="D")]
    counts = count(run(bookings, {"A": 3, "D": 1})[1].outcomes)
    assert counts == Counts(locks=3, no_room=1, moves=0, moves_refused=0, releases=2,
                            conflicts=0 + 1 + 2 + 3)
    assert counts.requests() == 3 + 2 + 6
    assert counts.plus(counts).conflicts == 12


def test_the_ends_of_stays_may_touch():
    room = RoomStays()
    room.add(Stay(10, 20))
    assert room.is_free(Stay(0, 10)) and room.is_free(Stay(20, 21))
    for stay in (Stay(10, 20), Stay(0, 11), Stay(19, 30), Stay(12, 13), Stay(0, 30)):
        assert not room.is_free(stay)
    room.remove(Stay(10, 20))
    assert room.is_free(Stay(0, 30))


def test_ids_hang_on_the_run_and_on_nothing_else():
    one, same, other = (build_hotel("city", run) for run in ("x", "x", "y"))
    assert one == same
    ids = [[hotel.tenant_id, hotel.property_id, hotel.reservation_id(1)]
           + [kind.id for kind in hotel.types.values()]
           + [room for kind in hotel.types.values() for room in kind.rooms]
           for hotel in (one, other)]
    assert len(set(ids[0]) | set(ids[1])) == len(ids[0]) + len(ids[1])
