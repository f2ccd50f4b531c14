"""What becomes of locks is told to Kafka: by every door, in order, whatever breaks on the way."""

import random
import threading
import time

import pytest

import commanders
from database import Database
from kafka import Reader, produce
from relays import first_seen
from shape import instant, is_uuid, new_id
from systems import running, wait_for
from tenant import Tenant, day, moment

pytestmark = pytest.mark.kafka

SOON = 20.0

FIELDS = ["type", "eventId", "occurredAt", "lockId", "tenantId", "propertyId", "reservationId",
          "roomTypeId", "roomId", "stayStart", "stayEnd", "expiresAt", "reason", "correlationId",
          "fencingToken"]
RELEASE_FIELDS = ["releasedAt", "releaseReason", "releasedBy"]
# Of a message: what the lock's answer calls it.
COLUMNS = {"lockId": "id", "tenantId": "tenant_id", "propertyId": "property_id",
           "reservationId": "reservation_id", "roomTypeId": "room_type_id", "roomId": "room_id",
           "stayStart": "stay_start", "stayEnd": "stay_end", "expiresAt": "expires_at",
           "reason": "reason", "correlationId": "correlation_id",
           "fencingToken": "fencing_token", "occurredAt": "updated_at"}


@pytest.fixture(scope="module")
def stream(request):
    """A system with Kafka and its relay."""
    with running(request.session, kafka=True) as started:
        yield started


@pytest.fixture(scope="module")
def owner(stream):
    found = Database(stream.owner_dsn)
    yield found
    found.close()


@pytest.fixture(scope="module")
def reader(stream):
    with Reader(stream.brokers, stream.settings["INVENTORY_EVENTS_TOPIC"]) as opened:
        yield opened


@pytest.fixture
def guest(stream):
    made = Tenant(stream.base_url)
    yield made
    made.close()


class Told:
    """The events of one tenant, one after the other."""

    def __init__(self, reader, tenant):
        self._reader = reader
        self._tenant = tenant
        self._known = 0

    def _mine(self):
        return [m for m in self._reader.messages if m.header("tenant-id") == self._tenant.id]

    def next(self, *kinds):
        """Waits for events of these kinds and no others; gives them in this order. Among locks,
        which may be in different partitions, there is none."""
        end = self._known + len(kinds)
        self._reader.wait_until(lambda _: len(self._mine()) >= end, SOON, f"{kinds} of a tenant")
        found = self._mine()[self._known:]
        self._known += len(found)
        found.sort(key=lambda m: kinds.index(m.json["type"].removeprefix("inventory.")))
        assert [m.json["type"] for m in found] == [f"inventory.{kind}" for kind in kinds]
        return found

    def of(self, lock_id):
        """What has been told of a lock, in its order."""
        return [m.json["type"].removeprefix("inventory.") for m in self._mine()
                if m.key == lock_id]

    def nothing(self, owner):
        """All that was written has arrived, and it was nothing of this tenant's."""
        wait_drained(owner)
        self._reader.to_end()
        assert len(self._mine()) == self._known


def wait_drained(owner):
    wait_for(lambda: owner.value("SELECT NOT EXISTS (SELECT FROM guard.outbox)"), 3 * SOON,
             "an empty outbox")


def check_event(message, lock, released_by=None):
    """The message is what the contract says of this lock, which is as the service shows it."""
    event = message.json
    assert list(event) == FIELDS + (RELEASE_FIELDS if released_by else [])
    assert event == {
        "type": event["type"], "eventId": message.event_id,
        **{name: lock[column] for name, column in COLUMNS.items()},
        **({"releasedAt": lock["released_at"], "releaseReason": lock["release_reason"],
            "releasedBy": released_by} if released_by else {})}
    assert is_uuid(message.event_id)
    assert message.key == lock["id"]
    assert dict(message.headers) == {
        "lock-id": lock["id"].encode(), "tenant-id": lock["tenant_id"].encode(),
        "event-type": event["type"].encode(), "event-id": message.event_id.encode()}


@pytest.mark.smoke
def test_what_becomes_of_a_lock_is_told(reader, guest):
    told, key = Told(reader, guest), new_id()
    names = {"propertyId": new_id(), "reservationId": new_id(), "correlationId": "c\"é",
             "reason": "R", "idempotencyKey": key}
    lock = guest.locked(**names)
    check_event(*told.next("locked"), lock)
    renewed = guest.locked(**names, ttlSeconds=7200)
    assert renewed["fencing_token"] == lock["fencing_token"]
    check_event(*told.next("locked"), renewed)
    moved = guest.locked(**names, roomId=new_id(), stayStart=day(7), stayEnd=day(9))
    assert moved["fencing_token"] > lock["fencing_token"]
    check_event(*told.next("locked"), moved)
    guest.released(key, reason="CHECK_OUT", correlationId="d", metadata={"a": 1})
    check_event(*told.next("released"), guest.fetched(key), "api")
    anew = guest.locked(**names)
    check_event(*told.next("locked"), anew)
    guest.manually_released(key, reason="guest moved", notify=["gm@hotel.example"])
    check_event(*told.next("released"), guest.fetched(key), "manual")
    assert told.of(key) == ["locked"] * 3 + ["released", "locked", "released"]


def test_the_trace_of_a_request_goes_on(reader, guest):
    """As it came, though nobody is told of spans here; what is none is not passed on."""
    told, trace = Told(reader, guest), f"00-{32 * 'a'}-{16 * 'b'}-01"
    for header, carried in ((trace, trace), (trace + "x", None), (None, None)):
        guest.locked(header and {"traceparent": header}, roomId=new_id())
        message, = told.next("locked")
        assert message.header("traceparent") == carried


def test_a_lock_of_a_type_has_no_room(reader, guest):
    told = Told(reader, guest)
    lock = guest.locked(roomId=None)
    message, = told.next("locked")
    check_event(message, lock)
    assert message.json["roomId"] is None and message.json["propertyId"] is None


def test_a_bulk_release_tells_of_each_lock(reader, guest):
    told = Told(reader, guest)
    locks = [guest.locked(roomId=new_id()) for _ in range(5)]
    told.next(*["locked"] * 5)
    guest.released(locks[0]["id"])
    told.next("released")
    assert guest.bulk_released([lock["id"] for lock in locks] + [new_id()], reason="CLOSED") == 4
    found = {message.key: message for message in told.next(*["released"] * 4)}
    for lock in locks[1:]:
        check_event(found[lock["id"]], guest.fetched(lock["id"]), "bulk")


def test_commands_are_told(reader, guest, stream):
    told, keys = Told(reader, guest), [new_id(), new_id()]

    def command(*made):
        produce(stream.brokers, stream.settings["COMMAND_CENTER_TOPIC"],
                [one.message for one in made])
    command(*(commanders.lock(guest, key, roomId=key) for key in keys))
    found = {message.key: message for message in told.next("locked", "locked")}
    for key in keys:
        check_event(found[key], guest.fetched(key))
    command(commanders.release(guest, keys[0], reason="CANCELLED"))
    check_event(*told.next("released"), guest.fetched(keys[0]), "command")
    command(commanders.bulk(guest, keys))
    check_event(*told.next("released"), guest.fetched(keys[1]), "command")


def test_expiry_is_told_by_the_sweeper(reader, guest, owner):
    told = Told(reader, guest)
    lock = guest.expired(owner)
    locked, expired = told.next("locked", "expired")
    check_event(locked, lock)
    check_event(expired, guest.fetched(lock["id"]))
    assert instant(expired.json["occurredAt"]) >= instant(expired.json["expiresAt"])


def test_expiry_is_told_by_who_takes_the_place(reader, guest, owner, stream):
    told = Told(reader, guest)
    stream.stop_sweeper()
    try:
        old, mine = guest.locked(), guest.locked(roomId=new_id(), idempotencyKey=new_id())
        told.next("locked", "locked")
        for lock in (old, mine):
            owner.age(guest.id, lock["id"])
        new = guest.locked()
        expired, locked = told.next("expired", "locked")
        assert (expired.key, locked.key) == (old["id"], new["id"])
        check_event(expired, guest.fetched(old["id"]))
        check_event(locked, new)
        # Who comes back for a lock of their own that has run out: the old grant has ended first.
        again = guest.locked(roomId=mine["room_id"], idempotencyKey=mine["id"])
        expired, locked = told.next("expired", "locked")
        assert expired.json["fencingToken"] == mine["fencing_token"]
        check_event(locked, again)
        assert told.of(mine["id"]) == ["locked", "expired", "locked"]
    finally:
        stream.start_sweeper()


def test_what_changes_nothing_is_not_told(reader, guest, owner):
    told = Told(reader, guest)
    lock, other = guest.locked(), guest.locked(roomId=new_id(), idempotencyKey=new_id())
    told.next("locked", "locked")
    guest.conflict(stayEnd=day(5))
    guest.conflict(idempotencyKey=other["id"])  # a move that is refused
    guest.released(lock["id"])
    told.next("released")
    guest.released(lock["id"])
    assert guest.release(new_id()).status == 404
    assert guest.bulk_released([lock["id"]]) == 0
    assert guest.manual_release(lock["id"]).status == 409
    told.nothing(owner)


class Crowd:
    """Callers that lock, move and release the same few keys at once, and remember the answers."""

    def __init__(self, base_url, tenant_id, keys):
        self.granted = []  # locks as they were answered
        self.failures = []
        self._tenants = [Tenant(base_url, tenant_id=tenant_id) for _ in range(6)]
        self._keys = keys
        self._mutex = threading.Lock()
        self._end = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(tenant,))
                         for tenant in self._tenants]

    def _run(self, tenant):
        dice = random.Random()
        try:
            while not self._end.is_set():
                key = dice.choice(self._keys)
                if dice.random() < 0.4:
                    assert tenant.release(key).status in (200, 404)
                    continue
                # Each key has a room of its own: nobody is in the way of another.
                start = dice.randrange(3)
                lock = tenant.locked(idempotencyKey=key, roomId=key, stayStart=moment(start),
                                     stayEnd=moment(start + 2))
                with self._mutex:
                    self.granted.append(lock)
        except BaseException as failure:  # pylint: disable=broad-exception-caught
            self.failures.append(failure)

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._end.set()
        for thread in self._threads:
            thread.join()
        for tenant in self._tenants:
            tenant.close()
        assert not self.failures, self.failures[0]


def check_history(messages, final):
    """The events of one lock, first seen, are a history that ends with what the lock is now."""
    events = [message.json for message in first_seen(messages)]
    assert events[0]["type"] == "inventory.locked"
    for before, after in zip(events, events[1:]):
        assert before["occurredAt"] <= after["occurredAt"]
        if after["type"] == "inventory.released":
            assert before["type"] == "inventory.locked"
            assert before["fencingToken"] == after["fencingToken"]
        elif before["type"] == "inventory.released":
            assert before["fencingToken"] < after["fencingToken"]
        else:  # renewed or moved
            assert before["fencingToken"] <= after["fencingToken"]
    last = events[-1]
    assert (last["type"] == "inventory.released") == (final["status"] == "RELEASED")
    assert {name: last[name] for name in COLUMNS} \
        == {name: final[column] for name, column in COLUMNS.items()}
    # Also who takes everything as it comes, repetitions too, knows at the end what the lock is.
    assert messages[-1].event_id == events[-1]["eventId"]


@pytest.mark.deadline(120)
@pytest.mark.parametrize("trouble", ["none", "kills", "no Kafka"])
def test_nothing_is_lost_and_each_lock_has_its_order(stream, reader, guest, owner, trouble):
    if trouble == "no Kafka" and not stream.kafka.has_switch:
        pytest.skip("this Kafka cannot be taken down")
    keys = [new_id() for _ in range(8)]
    with Crowd(stream.base_url, guest.id, keys) as crowd:
        for _ in range(4):
            time.sleep(0.3 + random.random() * 0.4)
            if trouble == "kills":
                stream.kill_relay()
                stream.start_relay()
            elif trouble == "no Kafka":
                before = len(crowd.granted)
                stream.kafka_down()
                try:
                    wait_for(lambda n=before: len(crowd.granted) > n + 50 or crowd.failures, SOON,
                             "grants while Kafka is away")
                finally:
                    stream.kafka_up()
    wait_drained(owner)
    mine = [m for m in reader.to_end() if m.header("tenant-id") == guest.id]
    values = {}
    for message in mine:
        assert values.setdefault(message.event_id, message.value) == message.value
    seen = {(m.key, m.json["fencingToken"], m.json["occurredAt"]) for m in mine}
    missing = [lock for lock in crowd.granted
               if (lock["id"], lock["fencing_token"], lock["updated_at"]) not in seen]
    assert not missing, f"{len(missing)} of {len(crowd.granted)} grants were not told"
    assert len(crowd.granted) > 100
    for key in keys:
        check_history([m for m in mine if m.key == key], guest.fetched(key))
    if trouble == "none":
        assert len(values) == len(mine), "an event came twice"


def test_events_can_be_switched_off(request):
    with running(request.session, AVAILABILITY_GUARD_INVENTORY_EVENTS_ENABLED="false") as system:
        owner, guest = Database(system.owner_dsn), Tenant(system.base_url)
        key = new_id()
        guest.locked(idempotencyKey=key)
        guest.locked(idempotencyKey=key, stayEnd=day(5))
        guest.released(key)
        locks = [guest.locked(roomId=new_id()) for _ in range(3)]
        guest.bulk_released([locks[0]["id"]])
        guest.manually_released(locks[1]["id"])
        owner.age(guest.id, locks[2]["id"])
        wait_for(lambda: owner.lock_row(guest.id, locks[2]["id"])["status"] == "EXPIRED", SOON,
                 "the sweeper marks it")
        assert owner.rows("SELECT * FROM guard.outbox") == []
        guest.close()
        owner.close()
