"""Time to live: defaults, bounds, the database's clock, and locks whose time has run out."""

import datetime

import pytest

from database import Database
from shape import check_problem, instant, new_id
from systems import running
from tenant import ABSENT, Tenant, day

DEFAULT_SECONDS = 45
MAX_SECONDS = 90
MILLISECOND = datetime.timedelta(milliseconds=1)


@pytest.fixture(scope="module")
def unswept(request):
    """No sweeper runs here: what is expired stays marked ACTIVE in the table."""
    with running(request.session, LOCK_DEFAULT_TTL_SECONDS=DEFAULT_SECONDS,
                 LOCK_MAX_TTL_SECONDS=MAX_SECONDS) as system:
        system.stop_sweeper()
        yield system


@pytest.fixture(scope="module")
def clock(unswept):
    found = Database(unswept.owner_dsn)
    yield found
    found.close()


@pytest.fixture
def guest(unswept):
    made = Tenant(unswept.base_url)
    yield made
    made.close()


def check_ttl(clock, make, seconds):
    """expires_at is the database's now plus the TTL, to the millisecond."""
    before = clock.now()
    lock = make()
    after = clock.now()
    ttl = datetime.timedelta(seconds=seconds)
    assert before + ttl - MILLISECOND <= instant(lock["expires_at"]) <= after + ttl
    assert lock["ttl_seconds"] == seconds
    return lock


@pytest.mark.parametrize("sent, granted", [
    (ABSENT, DEFAULT_SECONDS), (0, DEFAULT_SECONDS), (1, 1), (44, 44), (MAX_SECONDS, MAX_SECONDS),
    (MAX_SECONDS + 1, MAX_SECONDS), (2147483647, MAX_SECONDS), (2147483648, MAX_SECONDS),
    (9223372036854775807, MAX_SECONDS), (10 ** 20, MAX_SECONDS),
])
def test_ttl_is_defaulted_and_clamped(guest, clock, sent, granted):
    check_ttl(clock, lambda: guest.locked(ttlSeconds=sent), granted)


def test_defaults_of_the_contract(tenant, database):
    check_ttl(database, tenant.locked, 7200)
    check_ttl(database, lambda: tenant.locked(roomId=new_id(), ttlSeconds=86401), 86400)


@pytest.mark.parametrize("sent", [-1, -9223372036854775808, 1.5, 60.0, "60", True, None, [60], {}])
def test_no_ttl(guest, sent):
    check_problem(guest.lock(ttlSeconds=sent), 400, "invalid_request", ["ttlSeconds"])


def test_a_lock_ends_with_its_stay(guest, clock):
    end = clock.now() + datetime.timedelta(seconds=20)
    end = end.replace(microsecond=end.microsecond // 1000 * 1000)
    lock = guest.locked(stayStart=(end - datetime.timedelta(days=1)).isoformat(),
                        stayEnd=end.isoformat(), ttlSeconds=60)
    assert instant(lock["expires_at"]) == end
    assert lock["expires_at"] == lock["stay_end"]
    # It was granted for longer: that is what it would get when it moves to a longer stay.
    assert lock["ttl_seconds"] == 60


def test_a_stay_that_ends_soon_ends_the_lock(guest, clock):
    key = new_id()
    end = clock.now() + datetime.timedelta(seconds=1)
    lock = guest.locked(idempotencyKey=key, stayStart="2020-01-01", stayEnd=end.isoformat())
    clock.wait_past(instant(lock["expires_at"]))
    assert guest.fetched(key)["status"] == "EXPIRED"
    again = guest.lock(idempotencyKey=key, stayStart="2020-01-01", stayEnd=end.isoformat())
    check_problem(again, 400, "invalid_request", ["stayEnd"])
    assert guest.fetched(key)["status"] == "EXPIRED"


@pytest.mark.parametrize("place", [{}, {"roomId": ABSENT}])
def test_an_expired_lock_blocks_nobody_though_it_is_not_swept(guest, clock, place):
    old = guest.locked(ttlSeconds=1, **place)
    # Held until its very end.
    assert guest.conflict(**place)["id"] == old["id"]
    clock.wait_past(instant(old["expires_at"]))
    assert clock.lock_row(guest.id, old["id"])["status"] == "ACTIVE"
    new = guest.locked(**place)
    assert new["id"] != old["id"]
    assert new["fencing_token"] > old["fencing_token"]
    # What was in the way had to be marked.
    assert clock.lock_row(guest.id, old["id"])["status"] == "EXPIRED"
    assert guest.fetched(old["id"])["status"] == "EXPIRED"


def test_several_expired_locks_under_one_stay(guest, clock):
    old = [guest.locked(stayStart=day(n), stayEnd=day(n + 1), ttlSeconds=1) for n in range(5)]
    clock.wait_past(instant(old[-1]["expires_at"]))
    guest.locked(stayStart=day(-1), stayEnd=day(6))


def test_an_expired_lock_beside_a_held_one(guest, clock):
    """The conflict names the lock that is held, not an older one that has expired."""
    old = guest.locked(stayStart=day(0), stayEnd=day(1), ttlSeconds=1)
    held = guest.locked(stayStart=day(1), stayEnd=day(2))
    clock.wait_past(instant(old["expires_at"]))
    assert guest.conflict(stayStart=day(0), stayEnd=day(2))["id"] == held["id"]


def test_a_move_onto_an_expired_lock(guest, clock):
    room, key = new_id(), new_id()
    old = guest.locked(roomId=room, ttlSeconds=1)
    mover = guest.locked(idempotencyKey=key)
    clock.wait_past(instant(old["expires_at"]))
    moved = guest.locked(idempotencyKey=key, roomId=room)
    assert moved["room_id"] == room
    assert moved["fencing_token"] > max(old["fencing_token"], mover["fencing_token"])


def test_an_unswept_lock_reads_as_expired(guest, clock):
    old = guest.locked(ttlSeconds=1)
    held = guest.locked(roomId=new_id())
    clock.wait_past(instant(old["expires_at"]))
    assert clock.lock_row(guest.id, old["id"])["status"] == "ACTIVE"
    assert guest.fetched(old["id"])["status"] == "EXPIRED"
    status = {lock["id"]: lock["status"] for lock in guest.listed()}
    assert status == {old["id"]: "EXPIRED", held["id"]: "ACTIVE"}
    assert [lock["id"] for lock in guest.listed(status="EXPIRED")] == [old["id"]]
    assert [lock["id"] for lock in guest.listed(status="ACTIVE")] == [held["id"]]
    assert guest.listed(status="RELEASED") == []


def test_releasing_an_unswept_lock_changes_nothing(guest, clock):
    old = guest.locked(ttlSeconds=1)
    clock.wait_past(instant(old["expires_at"]))
    guest.released(old["id"], reason="TOO_LATE")
    lock = guest.fetched(old["id"])
    assert lock["status"] == "EXPIRED"
    assert lock["release_reason"] is None
    assert guest.bulk_released([old["id"]]) == 0


def test_a_renewal_keeps_a_lock_alive(guest, clock):
    key = new_id()
    first = guest.locked(idempotencyKey=key, ttlSeconds=2)
    again = guest.locked(idempotencyKey=key, ttlSeconds=60)
    assert again["fencing_token"] == first["fencing_token"]
    clock.wait_past(instant(first["expires_at"]))
    assert guest.fetched(key)["status"] == "ACTIVE"
    assert guest.conflict()["id"] == key


def test_an_unswept_lock_is_granted_anew_by_its_key(guest, clock):
    key = new_id()
    first = guest.expired(clock, idempotencyKey=key)
    again = guest.locked(idempotencyKey=key)
    assert again["status"] == "ACTIVE"
    assert again["fencing_token"] > first["fencing_token"]
