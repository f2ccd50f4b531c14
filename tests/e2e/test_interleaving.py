"""The operations of the state machine from several threads at once, checked from the database."""

import random
import threading

import pytest

from shape import new_id
from workload import Caller, Places, check_all, check_holds, finish

THREADS = 8


def run_callers(system, database, steps, seconds_max):
    places = Places([new_id(), new_id()])
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    callers = [Caller(system.base_url, places, seed + number, steps=steps)
               for number in range(THREADS)]
    for caller in callers:
        caller.start()
    finish(callers, seconds_max)
    statuses = sum((caller.statuses for caller in callers), start=type(callers[0].statuses)())
    assert statuses[200] > steps, statuses
    assert statuses[409] > steps, statuses
    assert set(statuses) <= {200, 404, 409}, statuses
    check_all(database, callers)


def test_threads_interleave(system, steady, database):
    run_callers(system, database, 250, 50)


@pytest.mark.slow
@pytest.mark.deadline(200)
def test_threads_interleave_for_long(system, steady, database):
    run_callers(system, database, 2500, 180)


class Sharer(threading.Thread):
    """Locks and releases keys that belong to all: only the rules between locks can be checked."""

    def __init__(self, tenant, places, keys, seed, steps):
        super().__init__(daemon=True)
        self.tenant, self.places, self.keys, self.steps = tenant, places, keys, steps
        self.rng = random.Random(seed)
        self.statuses = set()

    def run(self):
        for _ in range(self.steps):
            key = self.rng.choice(self.keys)
            choice = self.rng.randrange(10)
            if choice < 7:
                answer = self.tenant.lock(idempotencyKey=key, **self.places.draw(self.rng))
            elif choice < 9:
                answer = self.tenant.release(key)
            else:
                answer = self.tenant.bulk(self.keys)
            self.statuses.add(answer.status)


def test_keys_that_all_share(system, steady, tenants, database):
    """Locks that wait for each other in different orders: never a deadlock that a caller sees."""
    places = Places([new_id()], rooms=2, types=1)
    keys = [new_id() for _ in range(6)]
    sharers = [Sharer(tenants(tenant_id=places.tenants[0]), places, keys, number, 200)
               for number in range(THREADS)]
    for sharer in sharers:
        sharer.start()
    for sharer in sharers:
        sharer.join()
    assert set().union(*(sharer.statuses for sharer in sharers)) <= {200, 404, 409}
    assert set(database.locks(places.tenants)) <= set(keys)
    database.check_no_overlap()


def test_a_violation_would_be_noticed():
    """The check of holds by itself: two callers, one place, one moment."""
    places = Places([new_id()])
    callers = [Caller("http://127.0.0.1:1", places, number) for number in (1, 2)]
    for caller, since in zip(callers, (1.0, 2.0)):
        key = caller.keys[0]
        caller.granted(key, since, {
            "id": key.id, "tenant_id": key.tenant, "room_id": places.rooms[0],
            "room_type_id": places.types[0], "stay_start": "2090-03-01T", "stay_end": "2090-03-03T",
            "fencing_token": 1, "reason": "R"})
        key.hold.since = since
        caller.end_hold(key, 3.0)
    with pytest.raises(AssertionError):
        check_holds(callers)
    callers[1].holds[0].since = 3.0
    callers[1].holds[0].until = 4.0
    assert check_holds(callers) == 2
