"""The verdict: does the service agree with the model, and with itself?

Three questions, the last of which does not ask the model: was every event
answered as predicted, is exactly the predicted set of locks active, and does no
room have two stays at once.
"""

from __future__ import annotations

from dataclasses import fields
from itertools import groupby
from typing import Iterable, Sequence

from .crew import Task
from .model import Prediction
from .outcome import Counts, Outcome, count
from .stay import to_instant, to_text
from .worker import ActiveLock, HotelResult

# As many differences of one sort are told; the rest is a number.
TOLD_MAX = 10


def compare(task: Task, prediction: Prediction, result: HotelResult) -> list[str]:
    """The differences found for one hotel; none is good."""
    found = [
        *_limited("events", compare_outcomes(task, prediction.outcomes, result.outcomes)),
        *compare_counts(count(prediction.outcomes), count(result.outcomes)),
        *_limited("locks", compare_locks(prediction, result.locks)),
        *_limited("overlaps", find_overlaps(result.locks)),
    ]
    return [f"{task.hotel.name}: {difference}" for difference in found]


def compare_outcomes(task: Task, expected: Sequence[Outcome],
                     actual: Sequence[Outcome]) -> Iterable[str]:
    """Event by event, in order: the first difference is the one to look at."""
    if len(expected) != len(actual):
        yield f"{len(actual)} events were answered, {len(expected)} were to be"
    for event, wanted, got in zip(task.events, expected, actual):
        if wanted != got:
            yield (f"booking {event.booking.number} {event.kind.name.lower()}: "
                   f"{_outcome_text(got)}, the model says {_outcome_text(wanted)}")


def compare_counts(expected: Counts, actual: Counts) -> Iterable[str]:
    """Sum by sum."""
    for field in fields(Counts):
        wanted, got = getattr(expected, field.name), getattr(actual, field.name)
        if wanted != got:
            yield f"{field.name}: {got}, the model says {wanted}"


def compare_locks(prediction: Prediction, locks: Sequence[ActiveLock]) -> Iterable[str]:
    """The service's list of active locks against the model's, both ways."""
    left = {lock_id: (held.room_id, held.room_type_id,
                      to_text(held.stay.start), to_text(held.stay.end))
            for lock_id, held in prediction.held.items()}
    seen: set[str] = set()
    for lock in locks:
        got = (lock.room_id, lock.room_type_id, lock.stay_start, lock.stay_end)
        if lock.id in seen:
            yield f"lock {lock.id} is listed twice"
            continue
        seen.add(lock.id)
        wanted = left.pop(lock.id, None)
        if wanted is None:
            yield f"lock {lock.id} is active, the model has none"
        elif wanted != got:
            yield f"lock {lock.id} is {' '.join(got)}, the model says {' '.join(wanted)}"
    for lock_id, wanted in left.items():
        yield f"lock {lock_id} is not active, the model says {' '.join(wanted)}"


def find_overlaps(locks: Iterable[ActiveLock]) -> Iterable[str]:
    """Stays of one room that overlap, from the service's list alone."""
    stays = sorted((lock.room_id, to_instant(lock.stay_start), to_instant(lock.stay_end), lock.id)
                   for lock in locks)
    for room_id, group in groupby(stays, key=lambda stay: stay[0]):
        last_end, last_id = None, ""
        for _, start, end, lock_id in group:
            if last_end is not None and start < last_end:
                yield f"locks {last_id} and {lock_id} overlap in room {room_id}"
            if last_end is None or end > last_end:
                last_end, last_id = end, lock_id


def check_ttl(results: Iterable[HotelResult], seconds: float) -> list[str]:
    """Locks that ran out during the replay make every other figure worthless."""
    ttls = [result.ttl_seconds_min for result in results if result.ttl_seconds_min is not None]
    if ttls and seconds >= min(ttls):
        return [f"the replay took {seconds:.0f} s, but the service lets a lock live for "
                f"{min(ttls)} s only (LOCK_MAX_TTL_SECONDS)"]
    return []


def _limited(what: str, differences: Iterable[str]) -> list[str]:
    found = list(differences)
    if len(found) <= TOLD_MAX:
        return found
    return found[:TOLD_MAX] + [f"… and {len(found) - TOLD_MAX} more ({what})"]


def _outcome_text(outcome: Outcome) -> str:
    room = f" room {outcome.room + 1}" if outcome.room >= 0 else ""
    return f"{outcome.result.value}{room} after {outcome.conflicts} conflicts"
