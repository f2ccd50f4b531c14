"""Parts are killed, stopped and restarted under load. Nothing acknowledged is lost, nothing
overlaps, callers are told what happened in the contract's shape, and the service comes back."""

import contextlib
import os
import signal
import threading
import time

import pytest

from database import Database
from shape import check_conflict, check_json, check_locked, check_problem, check_retry_after, new_id
from systems import children, running, wait_for
from tenant import Tenant
from workload import TROUBLE, Caller, Places, check_all, finish

pytestmark = [pytest.mark.slow, pytest.mark.deadline(180)]

STATEMENT_MS = 2000
QUEUE_MS = 1000
CONNECT_MS = 500
# What the settings above add up to: the guard answers within this, whatever happens behind it.
ANSWER_SECONDS_MAX = (STATEMENT_MS + QUEUE_MS + 1000) / 1000

# From the moment a fault is over to the first lock.
RECOVERY_SECONDS_MAX = 5.0

BACKENDS = """
SELECT pid, client_port FROM pg_stat_activity
WHERE application_name = 'availability-guard' AND datname = current_database()
"""


@pytest.fixture(scope="module")
def started(request):
    # A database that would forget its last commits in a crash: the guard must not let it.
    careless = {"synchronous_commit": "off", "wal_writer_delay": "10s"}
    with running(request.session, steady=False, postgres_options=careless,
                 DB_STATEMENT_TIMEOUT_MS=STATEMENT_MS,
                 GUARD_QUEUE_TIMEOUT_MS=QUEUE_MS, DB_CONNECT_TIMEOUT_MS=CONNECT_MS) as system:
        yield system


@pytest.fixture
def fragile(started):
    """All of it runs when a test begins, whatever the one before left behind."""
    started.start_postgres()
    started.start_guards()
    started.wait_ready(15)
    return started


@pytest.fixture
def owner(fragile):
    found = Database(fragile.owner_dsn)
    yield found
    found.close()


@pytest.fixture
def guest(fragile):
    made = Tenant(fragile.base_url)
    yield made
    made.close()


@contextlib.contextmanager
def load(system, count=12):
    """Callers at work; afterwards everything they were told is checked from the database."""
    stop = threading.Event()
    places = Places([new_id(), new_id()])
    callers = [Caller(system.base_url, places, number, stop=stop, trouble=True, pause=0.003)
               for number in range(count)]
    for caller in callers:
        caller.start()
    try:
        wait_for(lambda: all(caller.statuses[200] > 5 or caller.failure for caller in callers), 20,
                 "all callers are at work")
        yield callers
        # Faults are over: it is not only that nobody complains, they get on.
        goals = [caller.statuses[200] + 20 for caller in callers]
        wait_for(lambda: all(caller.statuses[200] >= goal or caller.failure
                             for caller, goal in zip(callers, goals)), 30, "callers get on")
    finally:
        stop.set()
    finish(callers, 30)
    database = Database(system.owner_dsn)
    check_all(database, callers)
    database.close()


def troubles(callers):
    return sum((caller.errors for caller in callers), start=type(callers[0].errors)())


def slowest(callers):
    return max(caller.slowest for caller in callers)


def check_back(system, since):
    """Seconds from `since` to a lock that is granted: within the limit."""
    with contextlib.closing(Tenant(system.base_url)) as tenant:
        while tenant.lock(roomId=new_id()).status != 200:
            assert time.monotonic() - since < RECOVERY_SECONDS_MAX, "the service is not back"
            time.sleep(0.02)
    assert time.monotonic() - since < RECOVERY_SECONDS_MAX


def guards_replaced(system, killed):
    now = system.guard_pids()
    return len(now) == len(killed) and not set(now) & set(killed)


# Guard processes

def test_guards_are_killed_again_and_again(fragile):
    with load(fragile) as callers:
        for _ in range(10):
            killed = fragile.kill_guards()
            since = time.monotonic()
            wait_for(lambda: guards_replaced(fragile, killed), RECOVERY_SECONDS_MAX, "new guards")
            check_back(fragile, since)
    told = troubles(callers)
    assert set(told) <= {"guard_unreachable", "database_unavailable"}, told
    assert told["guard_unreachable"] > 0, "no kill hit a request"


def test_one_guard_is_killed_and_the_other_serves_on(fragile):
    with load(fragile) as callers:
        for number in range(6):
            victim = fragile.guard_pids()[number % 2]
            os.kill(victim, signal.SIGKILL)
            since = time.monotonic()
            check_back(fragile, since)
            wait_for(lambda: victim not in fragile.guard_pids() and len(fragile.guard_pids()) == 2,
                     RECOVERY_SECONDS_MAX, "two guards again")
    done = sum(caller.statuses[200] for caller in callers)
    assert sum(troubles(callers).values()) < done / 5, (troubles(callers), done)


@contextlib.contextmanager
def row_held(owner_dsn, tenant, lock_id):
    """The row of a lock is held by a transaction: whoever wants to change it waits."""
    holder = Database(owner_dsn)
    connection = holder.connect()
    connection.autocommit = False
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT FROM inventory_locks_shadow WHERE tenant_id = %s AND id = %s"
                           " FOR UPDATE", (tenant.id, lock_id))
        yield
    finally:
        connection.rollback()
        holder.close()


def waiting_backends(owner):
    return owner.rows(BACKENDS + " AND wait_event_type = 'Lock' AND state = 'active'")


class InBackground(threading.Thread):
    """One request in a thread, with a client of its own; its answer is in .answer."""

    def __init__(self, system, tenant_id, send):
        super().__init__(daemon=True)
        self.tenant = Tenant(system.base_url, tenant_id=tenant_id)
        self.send = send
        self.answer = None
        self.start()

    def run(self):
        self.answer = self.send(self.tenant)
        self.tenant.close()

    def result(self, seconds_max=10):
        self.join(seconds_max)
        assert self.answer is not None, "no answer"
        return self.answer


def test_sigterm_drains(fragile, guest, owner):
    """What is in flight when SIGTERM comes is answered; then the processes end by themselves."""
    lock = guest.locked()
    with row_held(fragile.owner_dsn, guest, lock["id"]):
        waiting = InBackground(fragile, guest.id, lambda tenant: tenant.release(lock["id"]))
        backend, = wait_for(lambda: waiting_backends(owner), 5, "the release waits")
        busy, = (pid for pid in fragile.guard_pids() if backend["client_port"] in local_ports(pid))
        idle, = (pid for pid in fragile.guard_pids() if pid != busy)
        stopper = threading.Thread(target=fragile.stop_guards)
        stopper.start()
        wait_for(lambda: not exists(idle), 5, "the idle one has ended")
        assert exists(busy) and waiting.answer is None
    assert check_json(waiting.result())["status"] == "released"
    stopper.join(5)
    assert not stopper.is_alive() and not exists(busy), "the guards do not end"
    fragile.start_guards()
    fragile.wait_ready(15)
    assert guest.fetched(lock["id"])["status"] == "RELEASED"


def exists(pid):
    return os.path.exists(f"/proc/{pid}")


def local_ports(pid):
    """Local TCP ports of a process."""
    inodes = set()
    for name in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(OSError):
            target = os.readlink(f"/proc/{pid}/fd/{name}")
            if target.startswith("socket:["):
                inodes.add(target[8:-1])
    with open(f"/proc/{pid}/net/tcp", encoding="ascii") as table:
        lines = [line.split() for line in table.readlines()[1:]]
    return {int(fields[1].split(":")[1], 16) for fields in lines if fields[9] in inodes}


def test_the_pool_is_restarted_under_load(fragile):
    with load(fragile) as callers:
        for _ in range(4):
            started = time.monotonic()
            fragile.stop_guards()
            assert time.monotonic() - started < ANSWER_SECONDS_MAX + 1, "the drain hangs"
            fragile.start_guards()
            check_back(fragile, time.monotonic())
    assert set(troubles(callers)) <= {"guard_unreachable", "database_unavailable"}


# PostgreSQL

def test_postgresql_crashes_again_and_again(fragile):
    with load(fragile) as callers:
        for _ in range(4):
            fragile.restart_postgres("immediate")
            check_back(fragile, time.monotonic())
    told = troubles(callers)
    assert set(told) == {"database_unavailable"}, told
    assert slowest(callers) < ANSWER_SECONDS_MAX + 1


def test_postgresql_is_away_for_some_seconds(fragile, guest):
    """Told at once, once it is known; the guard itself stays healthy, and recovers by itself."""
    lock = guest.locked()
    with load(fragile) as callers:
        fragile.stop_postgres("immediate")
        wait_for(lambda: guest.client.get("/ready").status == 503, 5, "not ready")
        until = time.monotonic() + 4
        while time.monotonic() < until:
            answer = guest.lock(roomId=new_id())
            check_problem(answer, 503, "database_unavailable", ["database"])
            check_retry_after(answer)
            assert answer.seconds < 1.0
            health = guest.client.get("/health")
            assert check_json(health)["status"] == "ok"
            assert health.seconds < 1.0
        fragile.start_postgres()
        check_back(fragile, time.monotonic())
    assert set(troubles(callers)) == {"database_unavailable"}
    assert guest.fetched(lock["id"]) == lock


def test_backends_are_terminated(fragile, owner):
    """Connections are made again at once, what was under way is sent again: nobody notices."""
    with load(fragile) as callers:
        for _ in range(30):
            terminated = owner.rows("SELECT pid, pg_terminate_backend(pid)"
                                    f" FROM ({BACKENDS}) AS guards")
            since = time.monotonic()
            check_back(fragile, since)
            wait_for(lambda: set_up_again(owner, terminated), 5, "both guards are connected")
    assert not troubles(callers), troubles(callers)


def set_up_again(owner, terminated):
    """Both guards have new connections, and have prepared their statements there."""
    rows = owner.rows(BACKENDS + " AND query LIKE 'PREPARE%%'")
    return len(rows) == 2 and not {row["pid"] for row in rows} & {
        row["pid"] for row in terminated}


def test_statements_are_cancelled(fragile, owner):
    """An operator's pg_cancel_backend() costs the statement, not the connection."""
    with load(fragile) as callers:
        before = {row["pid"] for row in owner.rows(BACKENDS)}
        for _ in range(200):
            owner.rows(f"SELECT pg_cancel_backend(pid) FROM ({BACKENDS}) AS guards")
        assert {row["pid"] for row in owner.rows(BACKENDS)} == before
    assert set(troubles(callers)) <= {"database_unavailable"}


def test_postgresql_stands_still(fragile, guest):
    """A server that neither answers nor closes: answers are late, but they come, and are true."""
    with load(fragile) as callers:
        stopped = [fragile.database.pid, *children(fragile.database.pid)]
        signal_all(stopped, signal.SIGSTOP)
        try:
            until = time.monotonic() + ANSWER_SECONDS_MAX + 2
            while time.monotonic() < until:
                answer = guest.lock(roomId=new_id())
                assert answer.seconds < ANSWER_SECONDS_MAX + 1
                check_problem(answer, answer.status, answer.json["error"])
                assert answer.json["error"] in TROUBLE[answer.status]
                assert guest.client.get("/health").seconds < 1.0
        finally:
            signal_all(stopped, signal.SIGCONT)
        check_back(fragile, time.monotonic())
    assert slowest(callers) < ANSWER_SECONDS_MAX + 1


def signal_all(pids, number):
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def test_a_guard_that_stands_still(fragile, guest):
    """nginx gives up on it a second after it should have answered: 504."""
    guest.locked()
    pids = fragile.guard_pids()
    signal_all(pids, signal.SIGSTOP)
    try:
        asked = [InBackground(fragile, new_id(), lambda tenant: tenant.lock()) for _ in range(4)]
        asked.append(InBackground(fragile, new_id(), lambda tenant: tenant.release(new_id())))
        for background in asked:
            answer = background.result(ANSWER_SECONDS_MAX + 5)
            check_problem(answer, 504, "guard_timeout", [])
            assert ANSWER_SECONDS_MAX < answer.seconds < ANSWER_SECONDS_MAX + 3
    finally:
        signal_all(pids, signal.SIGCONT)
    check_back(fragile, time.monotonic())
    assert fragile.guard_pids() == pids


def test_a_statement_that_takes_too_long(fragile, guest):
    """It is given up after its time; those behind it get on."""
    lock = guest.locked()
    with row_held(fragile.owner_dsn, guest, lock["id"]):
        waiting = InBackground(fragile, guest.id, lambda tenant: tenant.release(lock["id"]))
        answer = waiting.result(ANSWER_SECONDS_MAX + 2)
        check_problem(answer, 503, "database_unavailable")
        check_retry_after(answer)
        assert STATEMENT_MS / 1000 * 0.9 < answer.seconds < ANSWER_SECONDS_MAX
        check_locked(guest.lock(roomId=new_id()))
    guest.released(lock["id"])


def test_an_answer_that_is_lost_twice_is_told_in_time(fragile, guest, owner):
    """What is sent again has only the time that is left, not that of a new statement."""
    lock = guest.locked()
    with row_held(fragile.owner_dsn, guest, lock["id"]):
        started = time.monotonic()
        waiting = InBackground(fragile, guest.id, lambda tenant: tenant.release(lock["id"]))
        for moment in (ANSWER_SECONDS_MAX * 0.45, ANSWER_SECONDS_MAX * 0.85):
            wait_for(lambda at=moment: time.monotonic() > started + at, 10, "its moment")
            owner.rows(f"SELECT pg_terminate_backend(pid) FROM ({BACKENDS}) AS b")
        answer = waiting.result(ANSWER_SECONDS_MAX + 5)
    check_problem(answer, 503, "database_unavailable")
    assert "may have been done" in answer.json["detail"]
    assert answer.seconds < ANSWER_SECONDS_MAX + 0.5
    fragile.wait_ready(RECOVERY_SECONDS_MAX)
    guest.released(lock["id"])


# A queue of one

@pytest.fixture(scope="module")
def narrow(request):
    """One guard process that sends one command at a time, and lets one other wait."""
    with running(request.session, GUARD_WORKERS=1, GUARD_BATCH_MAX=1, GUARD_QUEUE_MAX=1,
                 GUARD_QUEUE_TIMEOUT_MS=QUEUE_MS, DB_STATEMENT_TIMEOUT_MS=STATEMENT_MS) as system:
        yield system


def test_a_full_queue_is_told_at_once(narrow):
    guest, owner = Tenant(narrow.base_url), Database(narrow.owner_dsn)
    lock = guest.locked()
    with row_held(narrow.owner_dsn, guest, lock["id"]):
        first = InBackground(narrow, guest.id, lambda tenant: tenant.release(lock["id"]))
        wait_for(lambda: waiting_backends(owner), 5, "the release waits in the database")
        # One of these two waits in the queue until its time is up, the other finds it full.
        both = [InBackground(narrow, guest.id, lambda tenant: tenant.lock()) for _ in range(2)]
        answers = sorted((background.result() for background in both),
                         key=lambda answer: answer.seconds)
        for answer in answers:
            check_problem(answer, 503, "overloaded", [])
            check_retry_after(answer)
        assert answers[0].seconds < 0.5
        assert QUEUE_MS / 1000 * 0.9 < answers[1].seconds < QUEUE_MS / 1000 + 0.5
        assert check_json(guest.client.get("/health"))["status"] == "ok"
    assert check_json(first.result())["status"] == "released"
    # Nothing was done for those that were turned away.
    assert set(owner.locks([guest.id])) == {lock["id"]}
    guest.locked()
    guest.close()
    owner.close()


def test_overload_by_a_crowd(narrow):
    """Far more callers than fit: locks, conflicts, or "overloaded"; nobody waits for long."""
    place = Tenant(narrow.base_url)
    crowd = [InBackground(narrow, place.id, lambda tenant: [
        tenant.lock(roomId=place.room, roomTypeId=place.room_type) for _ in range(30)])
        for _ in range(32)]
    answers = [answer for caller in crowd for answer in caller.result(60)]
    winners = [check_locked(answer) for answer in answers if answer.status == 200]
    assert len(winners) == 1
    for answer in answers:
        assert answer.seconds < QUEUE_MS / 1000 + 1
        if answer.status == 409:
            assert check_conflict(answer)["id"] == winners[0]["id"]
        elif answer.status != 200:
            check_problem(answer, 503, "overloaded", [])
            check_retry_after(answer)
    assert any(answer.status == 503 for answer in answers), "the queue was never full"
    place.close()
