"""Calls of gRPC, made as existing clients make them; what they do is seen by HTTP, and the reverse."""

import collections
import re
import threading

import grpc
import pytest

from grpcclient import CANONICAL_HEALTH, PACKAGE, SERVICE, GrpcClient, GrpcTenant
from shape import UNKNOWN_ID, check_problem, is_time, is_uuid, new_id
from systems import wait_for
from tenant import day, moment

#: of one channel, at once
IN_FLIGHT = 32

#: over one connection
MANY = 3000

CODE = grpc.StatusCode


@pytest.fixture(scope="module")
def channel(system):
    with GrpcClient(system.grpc_address) as client:
        yield client


@pytest.fixture
def caller(channel, tenant):
    """Calls of a tenant whose requests of HTTP go by `tenant`."""
    return GrpcTenant(channel, tenant)


def fails(code, call, *arguments, **options):
    """The error of a call that must fail with this code."""
    with pytest.raises(grpc.RpcError) as caught:
        call(*arguments, **options)
    error = caught.value
    assert error.code() == code, error
    return error


def metadata(pairs):
    found = dict(pairs)
    assert len(found) == len(pairs), pairs
    return found


def same_lock(message, lock):
    """Whether a message says what the object of HTTP says."""
    return all(getattr(message, field.name) == (lock[field.name] or "")
               for field in message.DESCRIPTOR.fields)


# Locks

@pytest.mark.smoke
def test_a_lock_is_the_one_that_http_shows(caller, tenant):
    lock = caller.locked()
    assert is_uuid(lock.id) and lock.tenant_id == tenant.id and lock.status == "ACTIVE"
    assert (lock.room_id, lock.room_type_id) == (tenant.room, tenant.room_type)
    assert (lock.stay_start, lock.stay_end) == (moment(0), moment(3))
    assert lock.reservation_id == ""
    assert is_time(lock.expires_at) and is_time(lock.created_at) and is_time(lock.updated_at)
    assert same_lock(lock, tenant.fetched(lock.id))


def test_every_field_arrives(caller, tenant):
    reservation, property_id = new_id(), new_id()
    lock = caller.locked(
        reservation_id=reservation, property_id=property_id, stay_start="2090-03-01T14:00:00+02:00",
        stay_end="2090-03-04", reason="Gäste ☂", correlation_id="c-1", idempotency_key="key 1",
        ttl_seconds=60, metadata={"": "empty", "a\"b": "\n\x01\\", "ключ": "значение"})
    seen = tenant.fetched(lock.id)
    assert same_lock(lock, seen)
    assert (seen["reservation_id"], seen["property_id"]) == (reservation, property_id)
    assert seen["stay_start"] == moment(0, 12)
    assert (seen["reason"], seen["correlation_id"], seen["ttl_seconds"]) == ("Gäste ☂", "c-1", 60)
    assert seen["metadata"] == {"": "empty", "a\"b": "\n\x01\\", "ключ": "значение"}


def test_empty_fields_are_absent(caller, tenant):
    lock = caller.locked(room_id="", reservation_id="", reason="", idempotency_key="",
                         ttl_seconds=0, metadata={})
    seen = tenant.fetched(lock.id)
    assert lock.room_id == "" and seen["room_id"] is None
    assert (seen["reason"], seen["ttl_seconds"]) == ("RESERVATION_CREATE", 7200)
    assert seen["metadata"] == {}


def test_a_ttl_above_the_maximum_is_cut(caller, tenant):
    lock = caller.locked(ttl_seconds=4294967295)
    assert tenant.fetched(lock.id)["ttl_seconds"] == 86400


def test_conflicts_between_the_doors(caller, tenant):
    by_http = tenant.locked()
    answer = caller.lock(stay_start=day(2), stay_end=day(4))
    assert answer.status == 2 and not answer.HasField("lock")
    assert same_lock(answer.conflict, by_http)
    by_grpc = caller.locked(stay_start=day(3), stay_end=day(4))
    assert tenant.conflict(stayStart=day(3), stayEnd=day(5))["id"] == by_grpc.id


def test_the_same_key_is_the_same_lock_at_both_doors(caller, tenant):
    first = tenant.locked(idempotencyKey="booking-1")
    assert caller.locked(idempotency_key="booking-1").id == first["id"]
    moved = caller.locked(idempotency_key="booking-1", stay_start=day(5), stay_end=day(6))
    assert moved.id == first["id"]
    assert tenant.fetched(first["id"])["stay_start"] == day(5) + "T00:00:00.000Z"
    uuid_key = new_id()
    assert caller.locked(idempotency_key=uuid_key, room_id=new_id()).id == uuid_key


# Releases

@pytest.mark.smoke
def test_release(caller, tenant):
    lock = tenant.locked(metadata={"a": "1"})
    answer = caller.release(lock["id"], reason="CANCELLED", metadata={"b": "2"})
    seen = tenant.fetched(lock["id"])
    assert answer.released and answer.lock.status == "RELEASED"
    assert same_lock(answer.lock, seen)
    assert (seen["release_reason"], seen["metadata"]) == ("CANCELLED", {"a": "1", "b": "2"})
    again = caller.release(lock["id"], reason="AGAIN")
    assert again.released and again.lock == answer.lock
    assert tenant.fetched(lock["id"]) == seen


def test_an_expired_lock_is_released_as_it_is(caller, tenant, database):
    lock = tenant.expired(database)
    answer = caller.release(lock["id"])
    assert answer.released and answer.lock.id == lock["id"]
    assert answer.lock.status == "EXPIRED" == tenant.fetched(lock["id"])["status"]


def test_unknown_locks_are_not_released(caller, tenant, other):
    reserved = tenant.locked(reservationId=new_id())
    foreign = other.locked()
    for lock_id, more in ((UNKNOWN_ID, {}), (foreign["id"], {}),
                          (reserved["id"], {"reservation_id": new_id()})):
        answer = caller.release(lock_id, **more)
        assert not answer.released and not answer.HasField("lock")
    assert other.fetched(foreign["id"])["status"] == "ACTIVE"
    assert caller.release(reserved["id"], reservation_id=reserved["reservation_id"]).released


@pytest.mark.smoke
def test_bulk_release(caller, tenant, other):
    locks = [caller.locked(room_id=new_id()).id for _ in range(3)]
    foreign = other.locked()["id"]
    released = caller.release(locks[0]).lock
    found = caller.bulk([*locks, locks[1], foreign, UNKNOWN_ID], reason="CLEARED")
    assert found.released == 2
    assert tenant.fetched(released.id)["release_reason"] == "RELEASE_REQUEST"
    assert tenant.fetched(locks[1])["release_reason"] == "CLEARED"
    assert other.fetched(foreign)["status"] == "ACTIVE"


def test_bulk_release_of_as_many_as_may_be(caller):
    ids = [new_id() for _ in range(9999)] + [caller.locked().id]
    assert caller.bulk(ids).released == 1
    error = fails(CODE.INVALID_ARGUMENT, caller.bulk, [*ids, new_id()])
    assert error.details() == "lock_ids: must be 1 to 10000 uuids"


# Health

@pytest.mark.smoke
@pytest.mark.parametrize("path", [f"{PACKAGE}.Health/Check", f"{CANONICAL_HEALTH}/Check"])
def test_health(channel, path):
    for service in ("", SERVICE, f"{PACKAGE}.Health", CANONICAL_HEALTH):
        assert channel.health(service, path) == 1
    fails(CODE.NOT_FOUND, channel.health, "availabilityguard.v1.Nothing", path)


def test_health_cannot_be_watched(channel):
    watch = channel.channel.unary_stream(f"/{CANONICAL_HEALTH}/Watch")
    fails(CODE.UNIMPLEMENTED, lambda: list(watch(b"", timeout=10)))


# Errors

INVALID = [
    ({"tenant_id": ""}, "tenant_id: is required"),
    ({"tenant_id": "x"}, "tenant_id: must be a uuid"),
    ({"room_type_id": ""}, "room_type_id: is required"),
    ({"room_id": "room 7"}, "room_id: must be a uuid"),
    ({"reservation_id": "7"}, "reservation_id: must be a uuid"),
    ({"property_id": "7"}, "property_id: must be a uuid"),
    ({"stay_start": ""}, "stay_start: is required"),
    ({"stay_end": "tomorrow"},
     "stay_end: must be an RFC 3339 date-time or a date, from 1970 to 9999"),
    ({"stay_end": day(0)}, "stay_end: must be after stay_start"),
    ({"stay_start": "2020-01-01", "stay_end": "2020-01-02"}, "stay_end: the stay is over already"),
    ({"reason": "r" * 101}, "reason: is too long"),
    ({"correlation_id": "c" * 256}, "correlation_id: is too long"),
    ({"idempotency_key": "k" * 256}, "idempotency_key: is too long"),
    ({"metadata": {"k": "v" * 16384}},
     "metadata: must not be longer than 16384 bytes, numbers written out"),
    ({"correlation_id": "a\0b"}, "correlation_id: must be valid UTF-8 without NUL"),
    ({"metadata": {"a\0": "b"}}, "metadata: must be valid UTF-8 without NUL"),
    ({"tenant_id": "%é\n", "room_type_id": "", "stay_end": day(0)},
     "tenant_id: must be a uuid; room_type_id: is required; stay_end: must be after stay_start"),
]


@pytest.mark.parametrize("changes, details", INVALID, ids=lambda case: str(case)[:40])
def test_every_wrong_field_is_named(caller, changes, details):
    assert fails(CODE.INVALID_ARGUMENT, caller.lock, **changes).details() == details


def test_wrong_releases(caller):
    error = fails(CODE.INVALID_ARGUMENT, caller.release, "7", reason="r" * 101)
    assert error.details() == "lock_id: must be a uuid; reason: is too long"
    error = fails(CODE.INVALID_ARGUMENT, caller.bulk, [])
    assert error.details() == "lock_ids: is required"
    error = fails(CODE.INVALID_ARGUMENT, caller.bulk, [UNKNOWN_ID, "7"])
    assert error.details() == "lock_ids: must hold uuids only"


@pytest.mark.parametrize("path", ["/Nothing/Check", f"/{SERVICE}/Nothing", f"/{SERVICE}/", "/",
                                  f"/{SERVICE}/lockroom", f"/{SERVICE}/LockRoom/", "/v1/locks",
                                  "/health", "/problem/502"])
def test_unknown_methods(channel, path):
    error = fails(CODE.UNIMPLEMENTED, channel.raw, path, b"")
    assert "x-guard-fail-open" not in metadata(error.trailing_metadata())


def test_calls_are_not_taken_at_the_port_for_http(client, caller):
    answer = client.post(f"/{SERVICE}/LockRoom", b"\0\0\0\0\0",
                         headers={"Content-Type": "application/grpc", "GUARD_DOOR": "grpc",
                                  "Guard-Door": "grpc"})
    check_problem(answer, 404, "route_not_found")
    assert caller.locked()


@pytest.mark.parametrize("algorithm", [grpc.Compression.Gzip, grpc.Compression.Deflate])
def test_compressed_messages(caller, algorithm):
    error = fails(CODE.UNIMPLEMENTED, caller.lock, {"compression": algorithm},
                  reason="a" * 90)
    assert error.details() == "messages must not be compressed"


def test_a_message_of_10_mb(channel, caller):
    error = fails(CODE.RESOURCE_EXHAUSTED, channel.raw, f"/{SERVICE}/LockRoom", b"x" * 10_000_000)
    assert "1048576 bytes" in error.details()
    # The connection lives on.
    assert caller.locked()


# Metadata

def test_ids_of_requests(caller, tenant):
    call = caller.start_lock({"metadata": [("x-request-id", "r-4711"),
                                           ("x-correlation-id", "c-4711")]})
    lock = call.result().lock
    assert metadata(call.initial_metadata())["x-request-id"] == "r-4711"
    assert metadata(call.trailing_metadata())["x-request-id"] == "r-4711"
    assert tenant.fetched(lock.id)["correlation_id"] == "c-4711"
    error = fails(CODE.INVALID_ARGUMENT, caller.lock, {"metadata": [("x-correlation-id", "c-1")]},
                  correlation_id="c-2")
    assert error.details() == "correlation_id: is given twice, with different values"
    assert re.fullmatch("[0-9a-f]{32}", metadata(error.trailing_metadata())["x-request-id"])


# Many calls

def test_32_calls_at_once_on_one_channel(caller, database):
    room = new_id()
    calls = [caller.start_lock(room_id=room) for _ in range(IN_FLIGHT)]
    statuses = collections.Counter(call.result().status for call in calls)
    assert statuses == {1: 1, 2: IN_FLIGHT - 1}
    calls = [caller.start_lock(room_id=new_id()) for _ in range(IN_FLIGHT)]
    assert all(call.result().status == 1 for call in calls)
    database.check_no_overlap()


def test_thousands_of_calls_over_one_connection(system, caller):
    mark = new_id()
    waiting = collections.deque()
    for number in range(MANY):
        waiting.append(caller.start_lock({"metadata": [("x-request-id", f"{mark}-{number}")]},
                                         room_id=new_id()))
        if len(waiting) == IN_FLIGHT:
            assert waiting.popleft().result().status == 1
    assert all(call.result().status == 1 for call in waiting)
    logged = re.compile(rf"id={mark}-\d+ .* connection=(\d+)/\d+ grpc=0$", re.M)
    found = wait_for(lambda: len(lines := logged.findall(system.log_path("access").read_text()))
                     == MANY and set(lines), 10, "all calls are in the log")
    assert len(found) == 1


@pytest.mark.deadline(90)
def test_calls_and_requests_share_batches(caller, tenant, tenants, database):
    """A transaction that has granted locks of both doors: they went to the database together."""
    stop = threading.Event()

    def ask_by_http(guest):
        while not stop.is_set():
            guest.locked(roomId=new_id(), reason="HTTP")

    threads = [threading.Thread(target=ask_by_http, args=(tenants(tenant_id=tenant.id),))
               for _ in range(8)]
    for thread in threads:
        thread.start()

    def shared():
        calls = [caller.start_lock(room_id=new_id(), reason="GRPC") for _ in range(IN_FLIGHT)]
        assert all(call.result().status == 1 for call in calls)
        return database.value(
            "SELECT count(*) FROM (SELECT FROM inventory_locks_shadow WHERE tenant_id = %s"
            " GROUP BY xmin::text HAVING count(DISTINCT reason) = 2) AS mixed", (tenant.id,))
    try:
        wait_for(shared, 30, "a batch of both doors")
    finally:
        stop.set()
        for thread in threads:
            thread.join()


# Time limits

def test_a_call_in_time(caller):
    assert caller.lock({"timeout": 5}).status == 1


def test_a_call_that_takes_too_long(caller, tenant, database):
    key = new_id()
    with database.connect().cursor() as cursor:
        cursor.execute("BEGIN; LOCK TABLE inventory_locks_shadow IN ACCESS EXCLUSIVE MODE")
        try:
            fails(CODE.DEADLINE_EXCEEDED, caller.lock, {"timeout": 0.3}, idempotency_key=key)
        finally:
            cursor.execute("ROLLBACK")
    # What was under way is done in the end; nobody can take it back.
    wait_for(lambda: tenant.get(key).status == 200, 10, "the lock is there")
    # The same key: the same lock.
    assert caller.locked(idempotency_key=key).id == key
