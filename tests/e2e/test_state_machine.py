"""A hypothesis state machine through nginx, step by step beside the model in model.py.

Time: a lock is expired from its expires_at on, by the database's clock. The clock is read before
and after every request; if a lock expires in between, both answers are right, and the model follows
the one that was given. So no step is ever ambiguous, and none has to be thrown away.
"""

import os
import uuid

import pytest
from hypothesis import HealthCheck, Phase, settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from database import Database
from model import Model, Request
from shape import check_conflict, check_locked, check_problem, instant, new_id
from tenant import Tenant, moment

# Few enough that most requests meet a lock that is there already.
DAYS = 6
ROOMS = 2
TYPES = 2
# Keys that are no uuids, beside those that are, and beside requests without any.
KEYS = ["booking-1", "booking 2 ü", None]
LONG = 3600
BRIEF = 1

SIDES = st.integers(0, 1)
PLACES = st.one_of(st.tuples(st.just("room"), st.integers(0, ROOMS - 1)),
                   st.tuples(st.just("type"), st.integers(0, TYPES - 1)))
STAYS = st.tuples(st.integers(0, DAYS - 1), st.integers(1, 3))
PICKS = st.integers(0, 10**6)
REASONS = st.sampled_from(["CREATE", "CHANGE", "NIGHT_AUDIT"])


class LockMachine(RuleBasedStateMachine):
    system = None

    def __init__(self):
        super().__init__()
        self.tenants = [Tenant(self.system.base_url) for _ in range(2)]
        self.clock = Database(self.system.owner_dsn)
        self.model = Model()
        # The same rooms, types and keys in both tenants: they must not touch each other.
        self.rooms = [new_id() for _ in range(ROOMS)]
        self.types = [new_id() for _ in range(TYPES)]
        self.keys = [*KEYS, new_id(), new_id(), new_id()]
        self.brief = []
        self.waits = 0

    def teardown(self):
        self.compare_listings()
        for tenant in self.tenants:
            tenant.close()
        self.clock.close()

    # What the rules are made of

    def request(self, tenant, key, place, stay, reason, ttl, room_type=None):
        kind, number = place
        room = self.rooms[number] if kind == "room" else None
        room_type = room_type or self.types[number if kind == "type" else 0]
        start, nights = stay
        return Request(tenant.id, lock_id_of(tenant, key), room, room_type, moment(start),
                       moment(start + nights), reason, ttl)

    def ask(self, tenant, key, asked):
        """Sends a lock request; checks the answer against the model, and the model goes along."""
        before = self.clock.now()
        answer = tenant.lock(idempotencyKey=key, roomTypeId=asked.room_type, roomId=asked.room,
                             stayStart=asked.start, stayEnd=asked.end, reason=asked.reason,
                             ttlSeconds=asked.ttl) if key is not None else tenant.lock(
                                 roomTypeId=asked.room_type, roomId=asked.room,
                                 stayStart=asked.start, stayEnd=asked.end, reason=asked.reason,
                                 ttlSeconds=asked.ttl)
        after = self.clock.now()
        outcomes = [self.model.decide_lock(asked, now)
                    for now in self.model.moments(before, after)]
        if answer.status == 409:
            blocker = check_conflict(answer)["id"]
            assert any(blocker in outcome.blockers for outcome in outcomes), (answer, outcomes)
            return None
        lock = check_locked(answer)
        return self.take_grant(tenant, asked, outcomes, lock, before, after)

    def take_grant(self, tenant, asked, outcomes, lock, before, after):
        known = self.model.find(tenant.id, lock["id"])
        renewed = known is not None and known.token == lock["fencing_token"]
        fitting = [outcome for outcome in outcomes
                   if outcome.is_grant and (outcome.kind == "RENEWED") == renewed]
        assert fitting, (lock, outcomes)
        if asked.key is not None:
            assert lock["id"] == asked.key
        # Milliseconds in answers, microseconds in the table: the model takes the exact time.
        exact = self.clock.lock_row(tenant.id, lock["id"])["expires_at"]
        ttl = (exact - before).total_seconds()
        assert asked.ttl <= ttl <= asked.ttl + (after - before).total_seconds()
        assert 0 <= (exact - instant(lock["expires_at"])).total_seconds() < 0.001
        taken = self.model.granted(asked, fitting[0], lock, exact)
        self.compare(lock, taken, {"ACTIVE"})
        return taken

    def compare(self, lock, expected, statuses):
        """A lock as the service shows it beside the model's."""
        assert lock["status"] in statuses, (lock, expected)
        shown = (lock["tenant_id"], lock["id"], lock["room_id"], lock["room_type_id"],
                 lock["stay_start"], lock["stay_end"], lock["fencing_token"], lock["ttl_seconds"],
                 lock["reason"], lock["release_reason"], lock["created_at"])
        wanted = (expected.tenant, expected.id, expected.room, expected.room_type, expected.start,
                  expected.end, expected.token, expected.ttl, expected.reason,
                  expected.release_reason, expected.created_at)
        assert shown == wanted

    def statuses(self, lock, before, after):
        return {lock.status(before), lock.status(after)}

    def pick(self, tenant, number):
        known = self.model.of_tenant(tenant.id)
        return known[number % len(known)] if known else None

    def settle_release(self, tenant, lock, reason, before, after):
        """After a release that was answered 200: was the lock still active?"""
        if self.statuses(lock, before, after) == {"ACTIVE", "EXPIRED"}:
            released = tenant.fetched(lock.id)["status"] == "RELEASED"
            self.model.released(lock, reason, before if released else after)
        else:
            self.model.released(lock, reason, before)

    # Rules

    @rule(side=SIDES, key=PICKS, place=PLACES, stay=STAYS, reason=REASONS)
    def lock(self, side, key, place, stay, reason):
        tenant, key = self.tenants[side], self.keys[key % len(self.keys)]
        self.ask(tenant, key, self.request(tenant, key, place, stay, reason, LONG))

    @rule(side=SIDES, key=PICKS, place=PLACES, start=st.integers(-1, 2), nights=st.integers(3, 7))
    def lock_for_long(self, side, key, place, start, nights):
        """Over several locks at once: the oldest of them is in the way."""
        tenant, key = self.tenants[side], self.keys[key % len(self.keys)]
        self.ask(tenant, key, self.request(tenant, key, place, (start, nights), "LONG", LONG))

    @rule(side=SIDES, number=PICKS, reason=REASONS)
    def same_key_again(self, side, number, reason):
        """The id of any lock is a key of it, too."""
        tenant = self.tenants[side]
        lock = self.pick(tenant, number)
        if lock is not None:
            self.ask(tenant, lock.id, Request(tenant.id, lock.id, lock.room, lock.room_type,
                                              lock.start, lock.end, reason, LONG))

    @rule(side=SIDES, number=PICKS, place=PLACES, stay=STAYS, reason=REASONS)
    def move(self, side, number, place, stay, reason):
        tenant = self.tenants[side]
        lock = self.pick(tenant, number)
        if lock is not None:
            self.ask(tenant, lock.id, self.request(tenant, lock.id, place, stay, reason, LONG))

    @rule(side=SIDES, number=PICKS, start=st.integers(-1, 1), length=st.integers(-1, 1))
    def move_a_little(self, side, number, start, length):
        """To a stay that overlaps with its own."""
        tenant = self.tenants[side]
        lock = self.pick(tenant, number)
        if lock is None:
            return
        first, last = (days_of(text) for text in (lock.start, lock.end))
        nights = max(1, last - first + length)
        self.ask(tenant, lock.id, Request(
            tenant.id, lock.id, lock.room, lock.room_type, moment(first + start),
            moment(first + start + nights), "LITTLE", LONG))

    @rule(side=SIDES, number=PICKS, reason=REASONS, wrong=st.booleans())
    def release(self, side, number, reason, wrong):
        tenant = self.tenants[side]
        lock = self.pick(tenant, number)
        if lock is None:
            check_problem(tenant.release(new_id()), 404, "not_found")
            return
        before = self.clock.now()
        if wrong:
            # No lock here has a reservation.
            answer = tenant.release(lock.id, reason=reason, reservationId=new_id())
            check_problem(answer, 404, "not_found")
            return
        tenant.released(lock.id, reason=reason)
        self.settle_release(tenant, lock, reason, before, self.clock.now())

    @rule(side=SIDES, number=PICKS)
    def release_of_the_other_tenant(self, side, number):
        mine, theirs = self.tenants[side], self.tenants[1 - side]
        lock = self.pick(theirs, number)
        if lock is not None and self.model.find(mine.id, lock.id) is None:
            check_problem(mine.release(lock.id), 404, "not_found")

    @rule(side=SIDES, numbers=st.lists(PICKS, max_size=5), reason=REASONS)
    def bulk(self, side, numbers, reason):
        """Locks of both tenants, some twice, and one that nobody knows."""
        tenant = self.tenants[side]
        picked = [self.pick(one, number) for one in self.tenants for number in numbers]
        ids = [lock.id for lock in picked if lock is not None] + [new_id()]
        before = self.clock.now()
        count = tenant.bulk_released(ids, reason=reason)
        after = self.clock.now()
        ended = [self.model.decide_bulk(tenant.id, ids, now)
                 for now in self.model.moments(before, after)]
        assert count in {len(choice) for choice in ended}, (count, ended)
        for lock_id in ended[0]:
            self.settle_release(tenant, self.model.find(tenant.id, lock_id), reason, before, after)

    @rule(side=SIDES, number=PICKS)
    def get(self, side, number):
        tenant = self.tenants[side]
        lock = self.pick(tenant, number)
        if lock is not None:
            before = self.clock.now()
            shown = tenant.fetched(lock.id)
            self.compare(shown, lock, self.statuses(lock, before, self.clock.now()))

    @rule(side=SIDES, status=st.sampled_from(["ACTIVE", "RELEASED", "EXPIRED"]),
          limit=st.integers(1, 5))
    def list_by_status(self, side, status, limit):
        tenant = self.tenants[side]
        before = self.clock.now()
        shown = {lock["id"] for lock in tenant.listed(status=status, limit=limit)}
        after = self.clock.now()
        for lock in self.model.of_tenant(tenant.id):
            statuses = self.statuses(lock, before, after)
            if statuses == {status}:
                assert lock.id in shown
            elif status not in statuses:
                assert lock.id not in shown

    @rule(side=SIDES, place=PLACES, stay=STAYS)
    def list_by_place(self, side, place, stay):
        tenant = self.tenants[side]
        asked = self.request(tenant, None, place, stay, "", LONG)
        query = {"roomId": asked.room} if asked.room else {"roomTypeId": asked.room_type}
        shown = {lock["id"] for lock in tenant.listed(
            **query, **{"from": asked.start, "to": asked.end})}
        assert shown == {lock.id for lock in self.model.of_tenant(tenant.id)
                         if lock.overlaps(asked.start, asked.end)
                         and (lock.room == asked.room if asked.room
                              else lock.room_type == asked.room_type)}

    # Time

    @rule(side=SIDES, number=PICKS)
    def time_runs_out(self, side, number):
        """Any lock, at once: the owner of the database sets its expires_at to now."""
        self.let_run_out(self.tenants[side], number)

    @rule(side=SIDES, number=PICKS, key=PICKS, reason=REASONS)
    def take_over(self, side, number, key, reason):
        """The place of a lock whose time has just run out, often by another key."""
        tenant, key = self.tenants[side], self.keys[key % len(self.keys)]
        lock = self.let_run_out(tenant, number)
        if lock is not None:
            self.ask(tenant, key, Request(tenant.id, lock_id_of(tenant, key), lock.room,
                                          lock.room_type, lock.start, lock.end, reason, LONG))

    def let_run_out(self, tenant, number):
        lock = self.pick(tenant, number)
        if lock is None or lock.status(self.clock.now()) != "ACTIVE":
            return None
        self.clock.age(tenant.id, lock.id)
        lock.expires_at = self.clock.lock_row(tenant.id, lock.id)["expires_at"]
        return lock

    @precondition(lambda self: self.waits == 0)
    @rule(side=SIDES, key=PICKS, place=PLACES, stay=STAYS)
    def lock_briefly(self, side, key, place, stay):
        """Its TTL runs out somewhere in the steps that follow, or in wait()."""
        tenant, key = self.tenants[side], self.keys[key % len(self.keys)]
        lock = self.ask(tenant, key, self.request(tenant, key, place, stay, "BRIEF", BRIEF))
        if lock is not None:
            self.brief.append(lock)

    @precondition(lambda self: self.brief and self.waits == 0)
    @rule()
    def wait(self):
        """Until the TTL of the brief locks has run out. Once an example: it takes its time."""
        self.waits += 1
        self.clock.wait_past(max(lock.expires_at for lock in self.brief))
        for lock in self.brief:
            shown = self.tenants[0] if lock.tenant == self.tenants[0].id else self.tenants[1]
            current = self.model.find(lock.tenant, lock.id)
            if current is lock and lock.release_reason is None:
                assert shown.fetched(lock.id)["status"] == "EXPIRED"

    @invariant()
    def the_model_has_no_overlap(self):
        self.model.check_no_overlap(self.clock.now())

    def compare_listings(self):
        """At the end: every lock of both tenants, as the service lists them."""
        for tenant in self.tenants:
            before = self.clock.now()
            shown = {lock["id"]: lock for lock in tenant.listed(limit=7)}
            after = self.clock.now()
            expected = {lock.id: lock for lock in self.model.of_tenant(tenant.id)}
            assert set(shown) == set(expected)
            for lock_id, lock in expected.items():
                self.compare(shown[lock_id], lock, self.statuses(lock, before, after))


def lock_id_of(tenant, key):
    """The id that a key stands for; None without a key."""
    if key is None:
        return None
    try:
        return str(uuid.UUID(key))
    except ValueError:
        return str(uuid.uuid5(uuid.UUID(tenant.id), key))


def days_of(text):
    """The number of days for which moment() gave this text."""
    return next(days for days in range(-50, DAYS + 50) if moment(days) == text)


def run_machine(system, examples, steps):
    """AG_TEST_SHRINK=1: look for the shortest way to a failure, which can take minutes."""
    class Machine(LockMachine):
        pass

    phases = [Phase.explicit, Phase.generate]
    if os.environ.get("AG_TEST_SHRINK"):
        phases.append(Phase.shrink)

    Machine.system = system
    Machine.TestCase.settings = settings(
        max_examples=int(os.environ.get("AG_TEST_EXAMPLES", examples)),
        stateful_step_count=steps, deadline=None, database=None, print_blob=True, phases=phases,
        suppress_health_check=list(HealthCheck))
    Machine.TestCase("runTest").runTest()


@pytest.mark.deadline(180)
def test_the_service_does_what_the_model_does(system, steady, database):
    run_machine(system, 30, 80)
    database.check_no_overlap()


@pytest.mark.slow
@pytest.mark.deadline(600)
def test_the_service_does_what_the_model_does_for_long(system, steady, database):
    run_machine(system, 100, 100)
    database.check_no_overlap()
