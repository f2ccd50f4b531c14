"""The connection to the database breaks after COMMIT, before the guard has its answer.

Whether the command was done is found out, never guessed: the caller gets the answer that it would
have got, and what it asked for is done once.
"""

import threading
import time

import pytest

from database import Database
from proxy import Proxy
from shape import check_json, check_locked, check_problem, new_id
from systems import check_steady, running, wait_for
from tenant import Tenant, day
from workload import Caller, Places, check_all, finish


@pytest.fixture(scope="module")
def proxied(request):
    """A system whose guards reach the database through a proxy; no other part does."""
    with running(request.session, steady=False) as system:
        system.stop_guards()
        system.proxy = Proxy(int(system.settings["DB_PORT"]))
        direct, system.settings["DB_PORT"] = system.settings["DB_PORT"], str(system.proxy.port)
        system.start_guards()
        system.settings["DB_PORT"] = direct
        system.wait_ready(15)
        pids = system.guard_pids()
        yield system
        check_steady(system, pids)
        system.proxy.close()


@pytest.fixture
def proxy(proxied):
    yield proxied.proxy
    assert proxied.proxy.armed is None, "the answer that was to be lost never came"


@pytest.fixture
def owner(proxied):
    found = Database(proxied.owner_dsn)
    yield found
    found.close()


@pytest.fixture
def guest(proxied):
    made = Tenant(proxied.base_url)
    yield made
    made.close()


def lost(proxy, statement, send, count=1):
    """Sends a request whose answer from the database is lost so many times."""
    before = proxy.lost_answers
    proxy.lose_answer(statement, count)
    answer = send()
    assert proxy.lost_answers == before + count, "no answer was lost"
    return answer


@pytest.mark.parametrize("key", [None, new_id(), "booking-1"], ids=["no key", "uuid", "text"])
@pytest.mark.parametrize("count", [1, 3])
def test_a_new_lock(proxy, guest, owner, key, count):
    more = {} if key is None else {"idempotencyKey": key}
    lock = check_locked(lost(proxy, "lock_one", lambda: guest.lock(**more), count))
    assert set(owner.locks([guest.id])) == {lock["id"]}
    assert owner.lock_row(guest.id, lock["id"])["fencing_token"] == lock["fencing_token"]
    assert guest.conflict()["id"] == lock["id"]


def test_a_conflict(proxy, guest, owner):
    held = guest.locked()
    answer = lost(proxy, "lock_one", guest.lock)
    assert answer.status == 409 and answer.json["conflict"]["id"] == held["id"]
    assert set(owner.locks([guest.id])) == {held["id"]}


def test_a_move(proxy, guest, owner):
    key = new_id()
    first = guest.locked(idempotencyKey=key, metadata={"a": 1})
    stay = {"stayStart": day(7), "stayEnd": day(9)}
    moved = check_locked(lost(proxy, "lock_one", lambda: guest.lock(idempotencyKey=key, **stay)))
    assert moved["stay_start"][:10] == day(7)
    assert moved["fencing_token"] > first["fencing_token"]
    assert moved["metadata"] == {"a": 1}
    assert guest.fetched(key) == moved
    guest.locked()


def test_a_release(proxy, guest):
    lock = guest.locked()
    answer = lost(proxy, "release", lambda: guest.release(lock["id"], reason="ONCE"))
    assert check_json(answer) == {"status": "released", "lockId": lock["id"]}
    assert guest.fetched(lock["id"])["release_reason"] == "ONCE"


@pytest.mark.parametrize("count", [1, 2])
def test_a_bulk_release_counts_right(proxy, guest, count):
    """What the lost call ended counts; what somebody else had ended before does not."""
    locks = [guest.locked(roomId=new_id())["id"] for _ in range(5)]
    guest.released(locks[0])
    answer = lost(proxy, "bulk_release", lambda: guest.bulk(locks + locks), count)
    assert check_json(answer) == {"status": "released", "released": 4}
    assert guest.bulk_released(locks) == 0


def test_a_long_bulk_release_counts_right(proxy, guest):
    """One of the parts of a bulk release of ten thousand is lost, in the middle."""
    locks = [guest.locked(roomId=new_id())["id"] for _ in range(100)]
    ids = [new_id() for _ in range(10_000)]
    for number, lock_id in enumerate(locks):
        ids[number * 100] = lock_id
    answer = lost(proxy, "bulk_release", lambda: guest.bulk(ids), 2)
    assert check_json(answer) == {"status": "released", "released": 100}


def test_reads(proxy, guest):
    lock = guest.locked()
    answer = lost(proxy, "get", lambda: guest.get(lock["id"]))
    assert check_json(answer)["lock"] == lock
    answer = lost(proxy, "list", guest.list)
    assert check_json(answer)["locks"] == [lock]
    check_json(lost(proxy, "ping", lambda: guest.client.get("/ready")))


def test_a_renewal_that_was_lost_is_no_move(proxy, guest):
    key = new_id()
    first = guest.locked(idempotencyKey=key, ttlSeconds=600)
    again = check_locked(lost(proxy, "lock_one", lambda: guest.lock(idempotencyKey=key)))
    assert again["fencing_token"] == first["fencing_token"]
    assert again["ttl_seconds"] == 7200


def test_a_batch(proxied, proxy, guest, owner):
    """A crowd that was sent together: each gets its own answer, all locks are there once."""
    tenants = [Tenant(proxied.base_url, tenant_id=guest.id) for _ in range(32)]
    locks, room = [], new_id()

    def ask(number, tenant):
        # Every fourth wants the same room.
        locks.append(tenant.lock(roomId=room if number % 4 == 0 else new_id()))

    for _ in range(10):
        room = new_id()
        locks.clear()
        threads = [threading.Thread(target=ask, args=pair) for pair in enumerate(tenants)]
        proxy.lose_answer("lock")
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(answer.status for answer in locks) == [200] * 25 + [409] * 7
    granted = {row["id"] for row in owner.locks([guest.id]).values()}
    assert len(granted) == 250
    owner.check_no_overlap()
    for tenant in tenants:
        tenant.close()


def test_callers_do_not_notice(proxied, proxy, owner):
    """One answer in twenty is lost, under load: no caller is told of it, or told wrong."""
    places = Places([new_id(), new_id()])
    stop = threading.Event()
    callers = [Caller(proxied.base_url, places, number, stop=stop) for number in range(8)]
    before = proxy.lost_answers
    proxy.lose_some(0.05)
    for caller in callers:
        caller.start()
    wait_for(lambda: proxy.lost_answers > before + 100 or any(
        not caller.is_alive() for caller in callers), 40, "a hundred lost answers")
    stop.set()
    finish(callers, 20)
    proxy.lose_some(0.0)
    check_all(owner, callers)


def test_the_next_host_is_used(request):
    """Of several hosts, the first that can be reached and takes writes."""
    with running(request.session, steady=False) as system:
        system.stop_guards()
        first, second = (Proxy(int(system.settings["DB_PORT"])) for _ in range(2))
        system.settings["DATABASE_URL"] = (
            f"{system.service_dsn} host='127.0.0.1,127.0.0.1' port='{first.port},{second.port}'")
        system.start_guards()
        system.wait_ready(15)
        tenant = Tenant(system.base_url)
        lock = tenant.locked()
        assert first.pairs and not second.pairs
        for down, up in ((first, second), (second, first), (first, second)):
            up.refuse(False)
            down.refuse()
            started = time.monotonic()
            wait_for(lambda: tenant.get(lock["id"]).status == 200, 10, "the other host")
            assert time.monotonic() - started < 5
            wait_for(lambda: len(up.pairs) >= 1 and not down.pairs, 5, "connected to the other")
            tenant.locked(roomId=new_id())
        tenant.close()
        system.stop_guards()
        for proxy in (first, second):
            proxy.close()
        system.settings.pop("DATABASE_URL")


def test_a_standby_is_passed_over(request):
    """Only a server that takes writes will do; one that does not is as good as down."""
    with running(request.session) as system:
        tenant = Tenant(system.base_url)
        tenant.locked()
        owner = Database(system.owner_dsn)
        name = owner.value("SELECT quote_ident(current_database())")
        owner.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
        owner.rows("SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                   " WHERE application_name = 'availability-guard'")
        wait_for(lambda: tenant.client.get("/ready").status == 503, 10, "not ready")
        check_problem(tenant.lock(roomId=new_id()), 503, "database_unavailable")
        owner.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only")
        owner.close()
        system.wait_ready(15)
        tenant.locked(roomId=new_id())
        tenant.close()
