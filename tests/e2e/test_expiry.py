"""The sweeper: expired locks are marked soon, by one leader, and old rows leave the table."""

import contextlib
import datetime
import json
import os
import signal
import subprocess

import pytest

from database import Database
from shape import instant, new_id
from systems import running, wait_for
from tenant import Tenant, day

INTERVAL_MS = 100
RETENTION_DAYS = 10

# From the end of a lock to its mark: an interval, and the time that a sweep takes.
LAG_SECONDS_MAX = 1.0

SWEEPERS = """
SELECT DISTINCT a.pid, l.granted
FROM pg_stat_activity AS a
LEFT JOIN pg_locks AS l ON l.pid = a.pid AND l.locktype = 'advisory'
WHERE a.application_name = 'availability-guard-sweeper' AND a.datname = current_database()
"""


@pytest.fixture(scope="module")
def swept(request):
    with running(request.session, SWEEP_INTERVAL_MS=INTERVAL_MS, SWEEP_BATCH=50,
                 LOCK_RETENTION_DAYS=RETENTION_DAYS, LOG_LEVEL="debug") as system:
        yield system


@pytest.fixture(scope="module")
def owner(swept):
    found = Database(swept.owner_dsn)
    yield found
    found.close()


@pytest.fixture
def guest(swept):
    made = Tenant(swept.base_url)
    yield made
    made.close()


def status_of(owner, guest, lock):
    return owner.lock_row(guest.id, lock["id"])["status"]


def wait_swept(owner, guest, lock, seconds_max=LAG_SECONDS_MAX):
    wait_for(lambda: status_of(owner, guest, lock) == "EXPIRED", seconds_max, "the lock is marked")


@contextlib.contextmanager
def another_sweeper(system):
    """A second sweeper, as a standby on another machine would be."""
    log = system.log_path("sweeper-2")
    with open(log, "wb") as output:
        process = subprocess.Popen([system.program("availability-guard-sweeper")],
                                   env=system.env, stderr=output, stdout=output)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def leaders(owner):
    """Server processes of the sweepers that hold the lead."""
    return [row["pid"] for row in owner.rows(SWEEPERS) if row["granted"]]


def sweepers(owner):
    return {row["pid"] for row in owner.rows(SWEEPERS)}


def test_an_expired_lock_is_marked_soon(guest, owner):
    lock = guest.locked(ttlSeconds=1)
    owner.wait_past(instant(lock["expires_at"]))
    wait_swept(owner, guest, lock)
    row = owner.lock_row(guest.id, lock["id"])
    lag = row["updated_at"] - instant(lock["expires_at"])
    assert 0 <= lag.total_seconds() < LAG_SECONDS_MAX
    assert row["released_at"] is None and row["release_reason"] is None


def test_a_lock_is_not_marked_early(guest, owner):
    """The mark is never older than the expiry, and a renewed lock stays."""
    key = new_id()
    guest.locked(idempotencyKey=key, ttlSeconds=1)
    first = guest.locked(idempotencyKey=key, ttlSeconds=2)
    other = guest.locked(roomId=new_id(), ttlSeconds=1)
    owner.wait_past(instant(other["expires_at"]))
    wait_swept(owner, guest, other)
    if owner.now() < instant(first["expires_at"]):
        assert guest.conflict()["id"] == key
    owner.wait_past(instant(first["expires_at"]))
    wait_swept(owner, guest, {"id": key})
    assert owner.lock_row(guest.id, key)["updated_at"] >= instant(first["expires_at"])


def test_many_at_once(guest, owner):
    """More than the sweeper takes in one batch: it does not rest between full ones."""
    locks = [guest.locked(stayStart=day(n), stayEnd=day(n + 1)) for n in range(500)]
    held = guest.locked(stayStart=day(1000), stayEnd=day(1001))
    owner.execute("UPDATE inventory_locks_shadow SET expires_at = clock_timestamp()"
                  " WHERE tenant_id = %s AND id <> %s", (guest.id, held["id"]))
    wait_for(lambda: owner.value(
        "SELECT count(*) FROM inventory_locks_shadow WHERE tenant_id = %s AND status = 'EXPIRED'",
        (guest.id,)) == len(locks), 3, "all are marked")
    assert status_of(owner, guest, held) == "ACTIVE"


def test_released_locks_are_left_alone(guest, owner):
    released = guest.locked(roomId=new_id())
    guest.released(released["id"])
    before = owner.lock_row(guest.id, released["id"])
    owner.age(guest.id, released["id"])
    marker = guest.locked()
    owner.age(guest.id, marker["id"])
    wait_swept(owner, guest, marker)
    after = owner.lock_row(guest.id, released["id"])
    assert {**after, "expires_at": None} == {**before, "expires_at": None}


def test_a_row_that_is_in_use_holds_up_nobody(swept, guest, owner):
    """SKIP LOCKED: others are marked while one is locked; that one follows."""
    in_use, free = guest.locked(), guest.locked(roomId=new_id())
    holder = Database(swept.owner_dsn).connect()
    holder.autocommit = False
    with holder.cursor() as cursor:
        cursor.execute("SELECT FROM inventory_locks_shadow WHERE tenant_id = %s AND id = %s"
                       " FOR NO KEY UPDATE", (guest.id, in_use["id"]))
        cursor.execute("UPDATE inventory_locks_shadow SET expires_at = clock_timestamp()"
                       " WHERE tenant_id = %s AND id = %s", (guest.id, in_use["id"]))
        owner.age(guest.id, free["id"])
        wait_swept(owner, guest, free)
        assert status_of(owner, guest, in_use) == "ACTIVE"
    holder.commit()
    holder.close()
    wait_swept(owner, guest, in_use)


# Leaders

def test_one_leads_and_the_other_takes_over(swept, guest, owner):
    first, = wait_for(lambda: leaders(owner), 5, "a leader")
    with another_sweeper(swept):
        wait_for(lambda: len(sweepers(owner)) == 2, 10, "a second sweeper")
        # Several intervals: the second has tried, and still does not lead.
        for _ in range(5):
            lock = guest.locked(roomId=new_id())
            owner.age(guest.id, lock["id"])
            wait_swept(owner, guest, lock)
            assert leaders(owner) == [first]
        os.kill(swept.status()["sweeper"], signal.SIGKILL)
        second, = wait_for(lambda: [pid for pid in leaders(owner) if pid != first], 5,
                           "the second leads")
        lock = guest.locked(roomId=new_id())
        owner.age(guest.id, lock["id"])
        wait_swept(owner, guest, lock)
        # The first comes back, and finds the lead taken.
        swept.start_sweeper()
        wait_for(lambda: len(sweepers(owner)) == 2, 10, "the first is back")
        lock = guest.locked(roomId=new_id())
        owner.age(guest.id, lock["id"])
        wait_swept(owner, guest, lock)
        assert leaders(owner) == [second]
    third, = wait_for(lambda: [pid for pid in leaders(owner) if pid != second], 5,
                      "the first leads again")
    assert third != first


def test_a_lost_connection_is_made_again(guest, owner):
    first, = wait_for(lambda: leaders(owner), 5, "a leader")
    owner.execute("SELECT pg_terminate_backend(%s)", (first,))
    lock = guest.locked()
    owner.age(guest.id, lock["id"])
    wait_swept(owner, guest, lock, 5)
    assert leaders(owner) != [first]


def test_sigterm_ends_the_sweeper_soon(swept, guest, owner):
    swept.stop_sweeper()
    assert wait_for(lambda: not sweepers(owner), 5, "its connection is closed")
    lock = guest.locked()
    owner.age(guest.id, lock["id"])
    swept.start_sweeper()
    wait_swept(owner, guest, lock, 5)
    last = [json.loads(line) for line in swept.log_path("sweeper").read_text().splitlines()
            if line.startswith("{")]
    assert last and not any(line["level"] == "error" for line in last)


# Retention

def make_old(owner, guest, lock, days):
    owner.execute(
        "UPDATE inventory_locks_shadow SET created_at = created_at - %(age)s,"
        " updated_at = updated_at - %(age)s, released_at = released_at - %(age)s"
        " WHERE tenant_id = %(tenant)s AND id = %(id)s",
        {"age": datetime.timedelta(days=days), "tenant": guest.id, "id": lock["id"]})


def test_retention_deletes_old_finished_rows_only(swept, guest, owner):
    released = [guest.locked(roomId=new_id()) for _ in range(120)]
    guest.bulk_released([lock["id"] for lock in released])
    expired = [guest.locked(roomId=new_id()) for _ in range(3)]
    for lock in expired:
        owner.age(guest.id, lock["id"])
        wait_swept(owner, guest, lock)
    active = guest.locked(roomId=new_id())
    young_released, young_expired = released.pop(), expired.pop()
    swept.stop_sweeper()
    for lock in [*released, *expired, active]:
        make_old(owner, guest, lock, RETENTION_DAYS + 1)
    for lock in (young_released, young_expired):
        make_old(owner, guest, lock, RETENTION_DAYS - 1)
    kept = {active["id"], young_released["id"], young_expired["id"]}
    # It deletes when it begins to lead, and then from time to time.
    swept.start_sweeper()
    wait_for(lambda: set(owner.locks([guest.id])) <= kept, 10, "old rows are deleted")
    assert set(owner.locks([guest.id])) == kept
    guest.fetched(active["id"])


def test_retention_deletes_old_commands_only(swept, guest, owner):
    """What is known of performed commands; more of them than fit into a batch."""
    swept.stop_sweeper()
    owner.execute(
        "INSERT INTO guard.performed_commands (tenant_id, command_id, part, outcome, created_at)"
        " SELECT %s, 'c', i, 'LOCKED', now() - CASE WHEN i <= 120 THEN interval '31 days'"
        " ELSE interval '29 days' END FROM generate_series(1, 130) AS i", (guest.id,))
    swept.start_sweeper()

    def left():
        return [row["part"] for row in owner.rows(
            "SELECT part FROM guard.performed_commands WHERE tenant_id = %s ORDER BY part",
            (guest.id,))]
    wait_for(lambda: len(left()) <= 10, 10, "old entries are deleted")
    assert left() == list(range(121, 131))
