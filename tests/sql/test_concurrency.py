"""The functions under many sessions at once, and pairs of sessions that meet on purpose."""

import random
import threading
import uuid
from datetime import timedelta

import psycopg2
import pytest

from sessions import (TENANTS, Background, Request, Session, check_answer, day, in_threads, overlaps,
                      start_grant_log, token_regressions)

SESSIONS = 8
# Lets the time of all locks run out.
RUN_OUT = ("UPDATE inventory_locks_shadow"
           " SET expires_at = clock_timestamp() - interval '1 second'")


@pytest.fixture
def open_session(migrated, role):
    """Opens sessions of the service; all are closed at the end."""
    sessions = []
    lock = threading.Lock()

    def make(user=role, free=None):
        session = Session(migrated, user, free)
        with lock:
            sessions.append(session)
        return session
    yield make
    for session in sessions:
        session.close()


@pytest.fixture
def owner(open_session):
    session = open_session(None)
    start_grant_log(session)
    return session


class Tally:
    """What all threads of a test have seen."""

    def __init__(self):
        self._lock = threading.Lock()
        self.grants = []
        self.counts = {"LOCKED": 0, "CONFLICT": 0, "deadlocks": 0, "calls": 0}

    def add(self, answers):
        with self._lock:
            self.counts["calls"] += 1
            for answer in answers:
                self.counts[answer.outcome] += 1
                if answer.outcome == "LOCKED":
                    self.grants.append((answer.tenant_id, answer.id, answer.fencing_token))

    def add_deadlock(self):
        with self._lock:
            self.counts["deadlocks"] += 1


def random_batch(dice, *, ids, rooms, days, size):
    """Locks for few places: new ids, ids used before (renewals and moves), rooms and types."""
    batch = {}
    for _ in range(dice.randint(1, size)):
        known = dice.random() < 0.5
        id_ = uuid.UUID(int=dice.randint(1, ids)) if known else uuid.UUID(int=dice.getrandbits(120))
        tenant, start = dice.randrange(2), dice.randrange(days)
        request = Request(id_, start, start + dice.randint(1, 3), tenant=tenant,
                          room=None if dice.random() < 0.2 else dice.randint(1, rooms),
                          type_=dice.randint(1, 3))
        batch[request.tenant, request.id] = request
    return list(batch.values())


def run_batches(open_session, tally, rounds, others=(), **batches):
    """SESSIONS sessions that lock, beside others (functions called with a session and dice)."""
    left = [SESSIONS]
    done = threading.Event()
    lock = threading.Lock()

    def locker(number):
        session, dice = open_session(free=(4, 0, -1)[number % 3]), random.Random(number)
        try:
            for _ in range(rounds):
                batch = random_batch(dice, **batches)
                try:
                    answers = session.lock(*batch)
                except psycopg2.errors.DeadlockDetected:
                    tally.add_deadlock()
                    continue
                for request, answer in zip(batch, answers):
                    check_answer(request, answer)
                tally.add(answers)
        finally:
            with lock:
                left[0] -= 1
                if left[0] == 0:
                    done.set()

    def work(number):
        if number < SESSIONS:
            locker(number)
            return
        session, dice = open_session(), random.Random(number)
        while not done.is_set():
            try:
                others[number - SESSIONS](session, dice)
            except psycopg2.errors.DeadlockDetected:
                tally.add_deadlock()

    in_threads(SESSIONS + len(others), work)


def run_out(session, tenant, id_):
    """As time would do it, which is in nobody's way: a write by hand can meet a lock in hope, and
    then one of them fails (test_a_lock_in_hope_gives_way_to_a_write_by_hand)."""
    session.begin()
    for place in session.execute(
            "SELECT room_type_id, room_id, guard.take_resources(ARRAY[tenant_id],"
            " ARRAY[room_type_id], ARRAY[room_id], NULL) AS turn"
            " FROM inventory_locks_shadow WHERE tenant_id = %s AND id = %s", (tenant, id_)):
        session.execute("UPDATE inventory_locks_shadow SET expires_at = clock_timestamp()"
                        " WHERE tenant_id = %s AND id = %s AND room_type_id = %s"
                        " AND room_id IS NOT DISTINCT FROM %s",
                        (tenant, id_, place.room_type_id, place.room_id))
    session.end()


def check_database(owner, tally):
    assert overlaps(owner) == 0
    assert token_regressions(owner) == []
    logged = set(owner.execute("SELECT tenant_id, id, token FROM grant_log"))
    assert set(tally.grants) <= logged, "a lock was acknowledged that is not there"
    assert tally.counts["LOCKED"] > 100 and tally.counts["CONFLICT"] > 100, "nothing was at stake"


def test_locks_only(open_session, owner):
    """Locks, renewals and moves never overlap, lose a lock or wait for each other in a circle."""
    tally = Tally()

    def observe(session, _dice):
        assert overlaps(session) == 0
    run_batches(open_session, tally, 150, [observe], ids=100, rooms=12, days=40, size=12)
    print(tally.counts)
    check_database(owner, tally)
    # Nothing was released: what each lock was told last is what it is.
    last = {}
    for tenant, id_, token in tally.grants:
        last[tenant, id_] = max(token, last.get((tenant, id_), 0))
    rows = owner.execute("SELECT tenant_id, id, fencing_token FROM inventory_locks_shadow"
                         " WHERE status = 'ACTIVE'")
    assert {(row[0], row[1]): row[2] for row in rows} == last
    assert tally.counts["deadlocks"] == 0


def test_everything_at_once(open_session, owner):
    """The same with releases, bulk releases, locks that run out, sweeps and purges between."""
    tally = Tally()

    def some_locks(session, dice, count):
        rows = session.execute("SELECT tenant_id, id FROM inventory_locks_shadow"
                               " WHERE status = 'ACTIVE'")
        return dice.sample(rows, min(len(rows), count))

    def release(session, dice):
        pairs = [(row.tenant_id, row.id) for row in some_locks(session, dice, 10)]
        if pairs:
            answers = session.release(*pairs)
            assert [answer.outcome for answer in answers] == ["RELEASED"] * len(pairs)

    def bulk_release(session, dice):
        tenant = dice.choice(TENANTS)
        ids = [row.id for row in some_locks(session, dice, 20) if row.tenant_id == tenant]
        (count,), = session.execute("SELECT guard.bulk_release(%s, %s::uuid[], 'BULK', NULL, %s, 'bulk')",
                                    (tenant, ids, uuid.UUID(int=dice.getrandbits(120))))
        assert 0 <= count <= len(ids)

    def let_run_out(session, dice):
        for tenant, id_ in some_locks(session, dice, 5):
            run_out(session, tenant, id_)

    def sweep(session, _dice):
        assert session.execute("SELECT swept FROM guard.sweep_expired(50)")[0][0] <= 50
        assert session.execute("SELECT guard.purge_finished(1, 50)") == [(0,)]

    def observe(session, _dice):
        assert overlaps(session) == 0

    run_batches(open_session, tally, 120,
                [release, release, bulk_release, let_run_out, sweep, sweep, observe],
                ids=60, rooms=6, days=8, size=12)
    print(tally.counts)
    check_database(owner, tally)
    (ended,), = owner.execute("SELECT count(*) FROM inventory_locks_shadow"
                              " WHERE status <> 'ACTIVE'")
    assert ended > 100
    assert tally.counts["deadlocks"] == 0


def some_locks(session, dice, count):
    rows = session.execute("SELECT tenant_id, id FROM inventory_locks_shadow"
                           " WHERE status = 'ACTIVE'")
    return [(row.tenant_id, row.id) for row in dice.sample(rows, min(len(rows), count))]


def broken_chains(owner):
    return owner.execute("SELECT * FROM guard.verify_audit_chains() WHERE problem IS NOT NULL")


def test_manual_releases_among_everything(open_session, owner):
    """Releases by force of locks of both tenants, in any order, beside all that else goes on: no
    circle of waits, an audit row and an event for each of them, and chains without a break."""
    tally = Tally()
    done = {"RELEASED": 0, "NOT_ACTIVE": 0, "NOT_FOUND": 0}
    lock = threading.Lock()

    def release_by_force(session, dice):
        pairs = some_locks(session, dice, 8)
        # Others that nobody has, and some that come into being just now.
        pairs += [(dice.choice(TENANTS), uuid.UUID(int=number)) for number in
                  dice.sample(range(1, 90), 4)]
        pairs = list(dict.fromkeys(pairs))
        dice.shuffle(pairs)
        try:
            answers = session.manual_release(*pairs, recipients='["x"]')
        except psycopg2.errors.DeadlockDetected:
            tally.add_deadlock()
            return
        with lock:
            for answer in answers:
                done[answer.outcome] += 1

    def release(session, dice):
        pairs = some_locks(session, dice, 4)
        if pairs:
            session.release(*pairs)

    def bulk_release(session, dice):
        tenant = dice.choice(TENANTS)
        ids = [id_ for owner_, id_ in some_locks(session, dice, 8) if owner_ == tenant]
        session.execute("SELECT guard.bulk_release(%s, %s::uuid[], 'BULK', NULL, %s, 'bulk')",
                        (tenant, ids, uuid.UUID(int=dice.getrandbits(120))))

    def let_run_out(session, dice):
        for tenant, id_ in some_locks(session, dice, 3):
            run_out(session, tenant, id_)

    def sweep(session, _dice):
        session.execute("SELECT guard.sweep_expired(50)")
        session.execute("SELECT guard.purge_finished(1, 50)")

    def observe(session, _dice):
        assert overlaps(session) == 0
        assert broken_chains(session) == []

    run_batches(open_session, tally, 120,
                [release_by_force, release_by_force, release_by_force, release, bulk_release,
                 let_run_out, sweep, observe],
                ids=60, rooms=6, days=8, size=12)
    print(tally.counts, done)
    check_database(owner, tally)
    assert tally.counts["deadlocks"] == 0
    assert min(done.values()) > 10, "not everything was at stake"
    assert broken_chains(owner) == []
    (rows, numbers), = owner.execute(
        "SELECT count(*), sum(sequence) FROM guard.audit_heads JOIN inventory_lock_audits"
        " USING (tenant_id, sequence)")
    assert rows == len(TENANTS) and numbers == done["RELEASED"]
    assert owner.execute("SELECT count(*) FROM inventory_lock_audits") == [(done["RELEASED"],)]
    assert owner.execute("SELECT count(DISTINCT event_id) FROM guard.outbox"
                         " WHERE stream = 'notification'") == [
        (done["RELEASED"],)]
    # In the order of the chain, times don't go back.
    assert owner.execute(
        "SELECT a.id FROM inventory_lock_audits AS a JOIN inventory_lock_audits AS b"
        " ON b.tenant_id = a.tenant_id AND b.sequence = a.sequence + 1"
        " WHERE b.created_at < a.created_at") == []


def test_manual_releases_of_two_tenants_crosswise(open_session, owner):
    """Each batch has locks of both tenants, in another order: heads are taken in one order."""
    locks = [Request(number, 0, 1, room=number, tenant=number % 2) for number in range(1, 321)]
    open_session().lock(*locks)
    deadlocks = []

    def work(number):
        session, dice = open_session(), random.Random(number)
        mine = locks[number::SESSIONS] + locks[(number + 1) % SESSIONS::SESSIONS]
        for turn in range(0, len(mine), 8):
            batch = dice.sample(mine, 8)
            try:
                session.manual_release(*((lock.tenant, lock.id) for lock in batch))
            except psycopg2.errors.DeadlockDetected:
                deadlocks.append(turn)

    in_threads(SESSIONS, work)
    assert deadlocks == []
    assert broken_chains(owner) == []
    (released, audits), = owner.execute(
        "SELECT (SELECT count(*) FROM inventory_locks_shadow WHERE status = 'RELEASED') AS locks,"
        " (SELECT count(DISTINCT lock_id) FROM inventory_lock_audits) AS audits")
    assert released == audits > 100


def test_one_place_one_winner(open_session, owner):
    """Every round, all sessions want the same room; then the same type."""
    rounds, winners = 60, []
    barrier = threading.Barrier(SESSIONS)

    def work(number):
        session = open_session()
        for turn in range(rounds):
            room = turn if turn % 2 else None
            request = Request(uuid.uuid4(), 0, 1, room=room, type_=turn + 1)
            barrier.wait(30)
            answer, = session.lock(request)
            check_answer(request, answer)
            winners.append((turn, answer.outcome, answer.id))

    in_threads(SESSIONS, work)
    for turn in range(rounds):
        answers = [(outcome, id_) for number, outcome, id_ in winners if number == turn]
        assert len(answers) == SESSIONS and len({id_ for _, id_ in answers}) == 1
        outcomes = sorted(outcome for outcome, _ in answers)
        assert outcomes == ["CONFLICT"] * (SESSIONS - 1) + ["LOCKED"]
    assert owner.execute("SELECT count(*) FROM inventory_locks_shadow") == [(rounds,)]
    assert token_regressions(owner) == []


def test_one_id_at_many_places(open_session, owner):
    """The same ids sent crosswise, with places that differ: no circle of waits, one row each."""
    deadlocks = []

    def work(number):
        session, dice = open_session(), random.Random(number)
        for turn in range(60):
            requests = [Request(turn * 10 + i, 0, 1, room=dice.getrandbits(60)) for i in range(8)]
            dice.shuffle(requests)
            try:
                answers = session.lock(*requests)
            except psycopg2.errors.DeadlockDetected:
                deadlocks.append(turn)
                continue
            assert [a.outcome for a in answers] == ["LOCKED"] * 8

    in_threads(SESSIONS, work)
    assert owner.execute("SELECT count(*) FROM inventory_locks_shadow") == [(480,)]
    assert token_regressions(owner) == []
    assert deadlocks == []


# Two sessions that meet on purpose. One stays in its transaction while the other works.

def test_a_lock_waits_for_a_release_and_wins(open_session, owner):
    one, two = open_session(), open_session()
    one.lock(Request(1, 0, 2, room=1))
    one.begin()
    one.release((TENANTS[0], uuid.UUID(int=1)))
    call = Background(owner, two, lambda: two.lock(Request(2, 1, 3, room=1)))
    call.wait_blocked()
    one.end()
    answer, = call.result()
    assert answer.outcome == "LOCKED"


def test_a_lock_waits_for_a_release_that_is_undone(open_session, owner):
    one, two = open_session(), open_session()
    one.lock(Request(1, 0, 2, room=1))
    one.begin()
    one.release((TENANTS[0], uuid.UUID(int=1)))
    call = Background(owner, two, lambda: two.lock(Request(2, 1, 3, room=1)))
    call.wait_blocked()
    one.end("ROLLBACK")
    answer, = call.result()
    assert (answer.outcome, answer.id, answer.status) == ("CONFLICT", uuid.UUID(int=1), "ACTIVE")


LONE_LOCK = ("SELECT a.* FROM set_config('availability_guard.free_batches', %(free)s, false) AS f,"
             " guard.lock_one_brief(%(tenant)s, %(id)s, %(id)s, NULL, NULL, %(room)s, %(room)s,"
             " %(start)s, %(end)s, 60, 'TEST', NULL, NULL) AS a")


def lock_in_a_batch(session, _free):
    return session.lock(Request(2, 1, 3, room=1), Request(3, 0, 1, room=3))


def lock_alone(session, free):
    return session.execute(LONE_LOCK, {
        "free": str(free), "tenant": TENANTS[0], "id": uuid.UUID(int=2), "room": uuid.UUID(int=1),
        "start": day(1), "end": day(3)})


@pytest.mark.parametrize("lock", [lock_in_a_batch, lock_alone])
def test_who_looks_first_does_not_wait_for_a_release(open_session, lock):
    one, two = open_session(), open_session(free=-1)
    one.lock(Request(1, 0, 2, room=1))
    one.begin()
    one.release((TENANTS[0], uuid.UUID(int=1)))
    two.execute("SET lock_timeout = '5 s'")
    answer, *rest = lock(two, -1)
    assert (answer.outcome, answer.id, answer.status) == ("CONFLICT", uuid.UUID(int=1), "ACTIVE")
    assert [each.outcome for each in rest] == ["LOCKED"] * len(rest)
    one.end()


@pytest.mark.parametrize("lock", [lock_in_a_batch, lock_alone])
def test_a_lock_in_hope_gives_way_to_a_write_by_hand(open_session, lock):
    """Such a session takes no turns: it changes a row, waits for the one that is in its way
    already, and is waited for. Hope ends then; the lock is refused, as it is with care."""
    one, two = open_session(user=None), open_session(free=4)
    two.lock(Request(1, 0, 2, room=1))
    by_hand = "UPDATE inventory_locks_shadow SET expires_at = expires_at + interval '1 second'"
    one.execute("SET deadlock_timeout = '1 h'")
    one.begin()
    one.execute(by_hand)
    call = Background(one, two, lambda: lock(two, 4))
    call.wait_blocked()
    one.execute(by_hand)
    one.end()
    answer, *rest = call.result()
    assert (answer.outcome, answer.id) == ("CONFLICT", uuid.UUID(int=1))
    assert [each.outcome for each in rest] == ["LOCKED"] * len(rest)


def test_grants_of_a_resource_take_turns(open_session, owner):
    """Also for stays that don't overlap: the later grant has the later time and token."""
    one, two = open_session(), open_session()
    one.begin()
    first, = one.lock(Request(1, 0, 1, room=1))
    call = Background(owner, two, lambda: two.lock(Request(2, 5, 6, room=1, ttl=60)))
    call.wait_blocked()
    (resumed,), = one.execute("SELECT clock_timestamp()")
    one.end()
    second, = call.result()
    assert second.fencing_token > first.fencing_token
    assert second.created_at > resumed, "the wait counted against the ttl"
    assert (second.expires_at - second.created_at).total_seconds() == 60


def test_other_resources_do_not_wait(open_session):
    one, two = open_session(), open_session()
    two.execute("SET statement_timeout = '5s'")
    one.begin()
    one.lock(Request(1, 0, 1, room=1), Request(2, 0, 1, type_=1))
    answers = two.lock(Request(1, 0, 1, room=1, tenant=1), Request(3, 0, 1, room=2),
                       Request(4, 0, 1, type_=2))
    assert [a.outcome for a in answers] == ["LOCKED"] * 3


def test_the_same_new_id_at_two_places(open_session, owner):
    """The later one moves what the earlier one made."""
    one, two = open_session(), open_session()
    one.begin()
    one.lock(Request(1, 0, 1, room=1))
    call = Background(owner, two, lambda: two.lock(Request(1, 0, 1, room=2)))
    call.wait_blocked()
    one.end()
    answer, = call.result()
    assert (answer.outcome, answer.room_id) == ("LOCKED", uuid.UUID(int=2))
    assert owner.execute("SELECT room_id, fencing_token FROM inventory_locks_shadow") == [
        (uuid.UUID(int=2), answer.fencing_token)]


def test_a_release_waits_for_a_renewal(open_session, owner):
    one, two = open_session(), open_session()
    one.lock(Request(1, 0, 1, room=1))
    one.begin()
    one.lock(Request(1, 0, 1, room=1, ttl=60))
    call = Background(owner, two, lambda: two.release((TENANTS[0], uuid.UUID(int=1))))
    call.wait_blocked()
    (resumed,), = one.execute("SELECT clock_timestamp()")
    one.end()
    assert [a.outcome for a in call.result()] == ["RELEASED"]
    (status, released_at, ttl), = owner.execute(
        "SELECT status, released_at, ttl_seconds FROM inventory_locks_shadow")
    assert (status, ttl) == ("RELEASED", 60) and released_at > resumed


def test_two_releases_of_one_lock(open_session, owner):
    one, two = open_session(), open_session()
    one.lock(Request(1, 0, 1, room=1))
    one.begin()
    one.release((TENANTS[0], uuid.UUID(int=1)))
    (first,), = one.execute("SELECT released_at FROM inventory_locks_shadow")
    call = Background(owner, two, lambda: two.release((TENANTS[0], uuid.UUID(int=1))))
    call.wait_blocked()
    one.end()
    assert [a.outcome for a in call.result()] == ["RELEASED"]
    assert owner.execute("SELECT released_at FROM inventory_locks_shadow") == [(first,)]


def test_a_manual_release_waits_for_a_renewal(open_session, owner):
    one, two = open_session(), open_session()
    one.lock(Request(1, 0, 1, room=1))
    one.begin()
    one.lock(Request(1, 0, 1, room=1, ttl=60))
    call = Background(owner, two, lambda: two.manual_release((TENANTS[0], uuid.UUID(int=1))))
    call.wait_blocked()
    (resumed,), = one.execute("SELECT clock_timestamp()")
    one.end()
    assert [a.outcome for a in call.result()] == ["RELEASED"]
    (released_at, ttl), = owner.execute("SELECT released_at, ttl_seconds"
                                        " FROM inventory_locks_shadow")
    assert ttl == 60 and released_at > resumed


@pytest.mark.parametrize("end, outcomes", [
    ("COMMIT", [("NOT_ACTIVE", "RELEASED")]), ("ROLLBACK", [("RELEASED", "RELEASED")])])
def test_two_manual_releases_of_one_lock(open_session, owner, end, outcomes):
    one, two = open_session(), open_session()
    pair = (TENANTS[0], uuid.UUID(int=1))
    one.lock(Request(1, 0, 1, room=1))
    one.begin()
    one.manual_release(pair)
    call = Background(owner, two, lambda: two.manual_release(pair))
    call.wait_blocked()
    one.end(end)
    assert [(a.outcome, a.status) for a in call.result()] == outcomes
    assert owner.execute("SELECT sequence FROM inventory_lock_audits") == [(1,)]
    assert broken_chains(owner) == []


def test_a_manual_release_sent_again_while_the_first_is_under_way(open_session, owner):
    """The first connection broke, its statement goes on: still one audit row."""
    one, two = open_session(), open_session()
    pair, audits = (TENANTS[0], uuid.UUID(int=1)), [uuid.uuid4()]
    one.lock(Request(1, 0, 1, room=1))
    one.begin()
    one.manual_release(pair, audits=audits, recipients='["x"]')
    call = Background(owner, two, lambda: two.manual_release(pair, audits=audits,
                                                             recipients='["x"]'))
    call.wait_blocked()
    one.end()
    assert [(a.outcome, a.status) for a in call.result()] == [("RELEASED", "RELEASED")]
    assert owner.execute("SELECT id FROM inventory_lock_audits") == [(audits[0],)]
    assert owner.execute("SELECT stream, events FROM guard.outbox ORDER BY id") == [
        ("inventory", 1), ("notification", 1), ("inventory", 1)]


def test_a_lock_that_comes_while_a_manual_release_waits(open_session, owner):
    """It was not there when the rows were locked, and to lock it later would be out of order."""
    one, two, three = open_session(), open_session(), open_session()
    one.lock(Request(2, 0, 1, room=2))
    one.begin()
    one.execute("SELECT FROM inventory_locks_shadow FOR UPDATE")
    call = Background(owner, two, lambda: two.manual_release((TENANTS[0], uuid.UUID(int=1)),
                                                             (TENANTS[0], uuid.UUID(int=2))))
    call.wait_blocked()
    three.lock(Request(1, 0, 1, room=1))
    one.end()
    assert [a.outcome for a in call.result()] == ["NOT_FOUND", "RELEASED"]
    assert owner.execute("SELECT status FROM inventory_locks_shadow ORDER BY id") == [
        ("ACTIVE",), ("RELEASED",)]


def test_releases_of_one_tenant_take_turns_in_the_chain(open_session, owner):
    """Numbers are in the order of commits: a row that is undone leaves no gap."""
    one, two = open_session(), open_session()
    one.lock(Request(1, 0, 1, room=1), Request(2, 0, 1, room=2), Request(3, 0, 1, tenant=1))
    one.begin()
    one.manual_release((TENANTS[0], uuid.UUID(int=1)))
    call = Background(owner, two, lambda: two.manual_release((TENANTS[0], uuid.UUID(int=2))))
    call.wait_blocked()
    one.end("ROLLBACK")
    assert [a.outcome for a in call.result()] == ["RELEASED"]
    assert owner.execute("SELECT lock_id, sequence FROM inventory_lock_audits") == [
        (uuid.UUID(int=2), 1)]
    # Another tenant's do not wait.
    two.execute("SET statement_timeout = '5s'")
    one.begin()
    one.manual_release((TENANTS[0], uuid.UUID(int=1)))
    assert [a.outcome for a in two.manual_release((TENANTS[1], uuid.UUID(int=3)))] == ["RELEASED"]
    one.end()
    assert broken_chains(owner) == []


def test_a_lock_waits_for_a_manual_release_and_wins(open_session, owner):
    one, two = open_session(), open_session()
    one.lock(Request(1, 0, 2, room=1))
    one.begin()
    one.manual_release((TENANTS[0], uuid.UUID(int=1)))
    call = Background(owner, two, lambda: two.lock(Request(2, 1, 3, room=1)))
    call.wait_blocked()
    one.end()
    answer, = call.result()
    assert answer.outcome == "LOCKED"


def test_a_grant_that_waited_is_dated_after_what_it_waited_for(open_session, owner):
    one, two = open_session(), open_session()
    one.lock(Request(1, 0, 2, room=1))
    one.begin()
    one.execute("SELECT FROM inventory_locks_shadow FOR UPDATE")
    call = Background(owner, two, lambda: two.lock(Request(1, 0, 2, room=1)))
    call.wait_blocked()
    one.release((TENANTS[0], uuid.UUID(int=1)))
    one.end()
    answer, = call.result()
    assert answer.outcome == "LOCKED"
    events = owner.execute("SELECT event_type, created_at, (locks[1]).expires_at FROM guard.outbox"
                           " ORDER BY id")
    assert [event[0] for event in events] == ["inventory.locked", "inventory.released",
                                              "inventory.locked"]
    assert [event[1] for event in events] == sorted(event[1] for event in events)
    # Nor does the wait count against its time.
    assert answer.expires_at == events[2][2] == events[2][1] + timedelta(days=1)
    assert answer.updated_at == events[2][1]


def test_the_purge_of_deliveries_passes_over_rows_in_hand(open_session, owner):
    one, two = open_session(), open_session()
    for number in range(1, 6):
        one.execute("SELECT guard.record_delivery(%s, %s, 'email', 'DEAD', 1)",
                    (TENANTS[0], uuid.UUID(int=number)))
    owner.execute("UPDATE guard.deliveries SET created_at = now() - interval '9 days'")
    one.begin()
    one.execute("SELECT guard.record_delivery(%s, %s, 'email', 'DELIVERED', 1)",
                (TENANTS[0], uuid.UUID(int=3)))
    two.execute("SET statement_timeout = '5s'")
    assert two.execute("SELECT guard.purge_deliveries(5, 100)") == [(4,)]
    one.end()
    assert two.execute("SELECT guard.purge_deliveries(5, 100)") == [(1,)]


def test_the_sweep_passes_over_rows_in_hand(open_session, owner):
    one, two = open_session(), open_session()
    one.lock(*(Request(i, 0, 1, room=i) for i in range(1, 6)))
    owner.execute(RUN_OUT)
    one.begin()
    one.execute("SELECT FROM inventory_locks_shadow WHERE id = %s FOR UPDATE", (uuid.UUID(int=3),))
    two.execute("SET statement_timeout = '5s'")
    assert two.execute("SELECT swept FROM guard.sweep_expired(100)") == [(4,)]
    one.end()
    assert two.execute("SELECT swept FROM guard.sweep_expired(100)") == [(1,)]


def test_the_purge_passes_over_rows_in_hand(open_session, owner):
    one, two = open_session(), open_session()
    one.lock(*(Request(i, 0, 1, room=i) for i in range(1, 6)))
    one.release(*((TENANTS[0], uuid.UUID(int=i)) for i in range(1, 6)))
    owner.execute("UPDATE inventory_locks_shadow SET updated_at = now() - interval '9 days'")
    one.begin()
    one.execute("SELECT FROM inventory_locks_shadow WHERE id = %s FOR UPDATE", (uuid.UUID(int=3),))
    two.execute("SET statement_timeout = '5s'")
    assert two.execute("SELECT guard.purge_finished(5, 100)") == [(4,)]
    one.end()
    assert two.execute("SELECT guard.purge_finished(5, 100)") == [(1,)]


def test_sweepers_share_the_work(open_session, owner):
    sessions = [open_session() for _ in range(4)]
    sessions[0].lock(*(Request(i, 0, 1, room=i) for i in range(1, 1001)))
    owner.execute(RUN_OUT)
    swept = []

    def work(number):
        while True:
            (count,), = sessions[number].execute("SELECT swept FROM guard.sweep_expired(7)")
            if count == 0:
                return
            swept.append(count)

    in_threads(4, work)
    assert sum(swept) == 1000
    assert owner.execute("SELECT DISTINCT status FROM inventory_locks_shadow") == [("EXPIRED",)]


def test_an_expired_lock_under_the_sweeper_is_reclaimed(open_session, owner):
    """Somebody wants the place of a lock that a sweep, not committed yet, has marked."""
    one, two = open_session(), open_session()
    one.lock(Request(1, 0, 1, room=1))
    owner.execute(RUN_OUT)
    one.begin()
    one.execute("SELECT guard.sweep_expired(10)")
    call = Background(owner, two, lambda: two.lock(Request(2, 0, 1, room=1)))
    call.wait_blocked()
    one.end()
    answer, = call.result()
    assert answer.outcome == "LOCKED"
    assert owner.execute("SELECT status, stay_start FROM inventory_locks_shadow ORDER BY id") == [
        ("EXPIRED", day(0)), ("ACTIVE", day(0))]
