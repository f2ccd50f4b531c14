"""Verdict, occupancy, progress and report, each by itself."""

from __future__ import annotations

import io
import json
from collections import Counter
from dataclasses import replace

import pytest
from sample import booking, cancelled

from replay_lib.crew import Tally, Task
from replay_lib.events import events_by_hotel
from replay_lib.hotel import build_hotel
from replay_lib.model import Prediction, predict
from replay_lib.occupancy import occupancy_of, peak_of, span_nights
from replay_lib.outcome import Counts, Outcome, Result
from replay_lib.progress import Progress
from replay_lib.report import AGREED, DISAGREED, PREDICTED, Report, table, to_json, to_text
from replay_lib.stay import Stay
from replay_lib.stay import to_text as stay_text
from replay_lib.verdict import check_ttl, compare, find_overlaps
from replay_lib.worker import ActiveLock, HotelResult

HOTEL = build_hotel("resort", "test", {"A": 2, "D": 1})
BOOKINGS = [booking(1), booking(2, given="D"), cancelled(3, 4), booking(4, arrival=30)]


def active(lock_id: str, room: str, start: int, end: int) -> ActiveLock:
    return ActiveLock(lock_id, room, "type", stay_text(start), stay_text(end))


def perfect() -> tuple[Task, Prediction, HotelResult]:
    """A service that did what the model says."""
    task = Task(HOTEL, events_by_hotel(BOOKINGS)["resort"])
    prediction = predict(HOTEL, task.events, 627)
    locks = [ActiveLock(lock_id, held.room_id, held.room_type_id,
                        stay_text(held.stay.start), stay_text(held.stay.end))
             for lock_id, held in prediction.held.items()]
    return task, prediction, HotelResult("resort", list(prediction.outcomes), locks)


def test_a_service_that_agrees_has_no_differences():
    assert compare(*perfect()) == []


def test_every_difference_is_found():
    task, prediction, result = perfect()
    result.outcomes[0] = Outcome(Result.LOCKED, 1, 1)
    found = compare(task, prediction, result)
    assert found == [
        "resort: booking 1 book: locked room 2 after 1 conflicts, "
        "the model says locked room 1 after 0 conflicts",
        "resort: conflicts: 4, the model says 3"]


def test_events_without_an_outcome_are_found():
    task, prediction, result = perfect()
    del result.outcomes[-1]
    assert any("5 events were answered, 6 were to be" in line
               for line in compare(task, prediction, result))


@pytest.mark.parametrize("change", [
    {"room_id": "elsewhere"}, {"room_type_id": "other"},
    {"stay_start": "2027-07-17T15:00:00Z"}, {"stay_end": "2027-07-19T10:00:00.000Z"}])
def test_a_lock_that_is_not_as_predicted_is_found(change: dict[str, str]):
    task, prediction, result = perfect()
    result.locks[0] = replace(result.locks[0], **change)
    (line,) = compare(task, prediction, result)
    assert line.startswith(f"resort: lock {result.locks[0].id} is ")
    assert ", the model says " in line


def test_locks_missing_listed_twice_or_too_many_are_found():
    task, prediction, result = perfect()
    lost = result.locks.pop(0)
    result.locks.append(result.locks[0])
    result.locks.append(active("stranger", "some room", 1, 2))
    found = "\n".join(compare(task, prediction, result))
    assert f"lock {lost.id} is not active" in found
    assert f"lock {result.locks[0].id} is listed twice" in found
    assert "lock stranger is active, the model has none" in found


def test_many_differences_are_cut_short_and_counted():
    task, prediction, result = perfect()
    result.locks += [active(f"stranger {at}", f"room {at}", 1, 2) for at in range(13)]
    found = compare(task, prediction, result)
    assert len(found) == 11 and found[-1] == "resort: … and 3 more (locks)"


def test_overlaps_are_found_also_under_a_long_stay():
    locks = [active("long", "r1", 0, 100), active("short", "r1", 10, 20),
             active("later", "r1", 30, 40), active("touching", "r1", 100, 110),
             active("elsewhere", "r2", 0, 100)]
    found = list(find_overlaps(locks))
    assert found == ["locks long and short overlap in room r1",
                     "locks long and later overlap in room r1"]
    assert not list(find_overlaps([locks[0], locks[3], locks[4]]))


def test_a_replay_longer_than_the_locks_live_is_told():
    results = [HotelResult("a", ttl_seconds_min=86400), HotelResult("b", ttl_seconds_min=60),
               HotelResult("c")]
    assert not check_ttl(results, 59.9)
    assert "60 s only" in check_ttl(results, 60.0)[0]


def test_the_peak_counts_rooms_in_use_at_one_moment():
    assert peak_of([]) == 0
    assert peak_of([Stay(0, 10), Stay(10, 20)]) == 1
    assert peak_of([Stay(0, 10), Stay(9, 20), Stay(9, 10), Stay(15, 16)]) == 3


def test_occupancy_is_nights_held_of_nights_there_are():
    rooms = HOTEL.types["A"].rooms
    night, day_use = Stay(15, 24 + 11), Stay(24 + 11, 24 + 15)
    stays = [(rooms[0], night), (rooms[1], Stay(15, 72 + 11)), (rooms[0], day_use),
             ("not ours", night)]
    assert span_nights(stay for _, stay in stays) == 3
    one, other = occupancy_of(HOTEL, stays, 3)
    assert (one.kind, one.rooms, one.stays, one.rooms_peak) == ("A", 2, 3, 2)
    assert (one.nights_held, one.nights_capacity) == (1 + 3, 6)
    assert one.percent() == pytest.approx(66.67, abs=0.01)
    assert (other.kind, other.stays, other.percent()) == ("D", 0, 0.0)
    assert occupancy_of(HOTEL, [], 0)[0].percent() == 0.0 and span_nights([]) == 0


class Screen(io.StringIO):
    """A terminal."""

    def isatty(self) -> bool:
        return True


def play(progress: Progress, events: int) -> None:
    for done in range(events + 1):
        progress.show(Tally(done, 10 * done, done, 9 * done))
    progress.end()


def test_progress_on_a_terminal_rewrites_one_line():
    screen = Screen()
    play(Progress(screen, 1000, clock=iter(range(10_000)).__next__), 1000)
    assert screen.getvalue().count("\n") == 1 and screen.getvalue().count("\r") == 1001
    assert "100 %  1,000/1,000 events  10 requests/s  1,000 locks  9,000 conflicts" in (
        screen.getvalue().rsplit("\r", 1)[1])


def test_progress_elsewhere_is_a_line_every_five_percent():
    out = io.StringIO()
    play(Progress(out, 1000), 1000)
    lines = out.getvalue().splitlines()
    assert [int(line.split(" %")[0]) for line in lines] == list(range(5, 101, 5))
    assert "\r" not in out.getvalue()


def test_progress_may_be_silent():
    screen = Screen()
    play(Progress(screen, 10, quiet=True), 10)
    assert screen.getvalue() == ""


def report(**changes) -> Report:
    counts = Counts(locks=1200, no_room=3, moves=40, moves_refused=5, releases=600, conflicts=7000)
    fields = dict(
        run="r", source="file.csv", bookings=1203, weeks=627, events=2000,
        model={"resort": counts, "city": Counts(locks=1)}, tenants={"resort": "t"},
        service={"resort": counts, "city": Counts(locks=1)},
        occupancy=occupancy_of(HOTEL, [(HOTEL.types["A"].rooms[0], Stay(15, 35))], 10),
        requests=9000, seconds=4.5)
    return Report(**{**fields, **changes})


def test_the_report_ends_with_its_verdict():
    assert to_text(report()).endswith(f"\n\n{AGREED}\n")
    assert to_text(report(service=None)).endswith(f"\n\n{PREDICTED}\n")
    text = to_text(report(differences=["one thing", "another"]))
    assert text.endswith(f"differences:\n  one thing\n  another\n\n{DISAGREED}\n")


def test_the_report_tells_the_sums():
    text = to_text(report(repeats=Counter({"503": 4, "connection": 1})))
    assert "2,000 events, 9,000 requests in 4.5 s (2,000/s); " in text
    assert "sent again after: 503 4, connection 1" in text
    rows = {line[:26].strip(): line[26:].split() for line in text.splitlines()}
    assert rows["bookings that got a room"] == ["1,200", "1", "1,201", "1,201"]
    assert rows["moves refused, none free"] == ["5", "0", "5", "5"]
    occupancy = next(line for line in text.splitlines() if line.startswith("resort  A"))
    assert occupancy.split() == ["resort", "A", "2", "1", "1", "1", "20", "5.0"]


def test_the_report_as_json():
    document = json.loads(to_json(report(differences=["x"], repeats=Counter({"503": 4}))))
    assert document["service"]["total"]["locks"] == 1201
    assert document["model"]["city"]["locks"] == 1
    assert (document["agrees"], document["verdict"]) == (False, DISAGREED)
    assert document["repeats"] == {"503": 4} and document["occupancy"][0]["percent"] == 5.0
    assert json.loads(to_json(report(service=None)))["agrees"] is None


def test_tables_are_aligned():
    assert table([["", "a"], ["long", "1,000"]]) == "          a\nlong  1,000"
