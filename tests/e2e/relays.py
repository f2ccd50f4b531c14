"""Relay processes under a test's control, and events put into the outbox by hand."""

import contextlib
import dataclasses
import json
import os
import shutil
import sys
import uuid

import psycopg2
import pytest

from programs import Program
from systems import check_logs, make_system

EVENT_TYPE = "availability_guard.manual_release"

INSERT = """
INSERT INTO guard.outbox (stream, event_id, event_type, tenant_id, lock_id, payload, created_at)
SELECT 'notification', e.event_id, %s, e.tenant_id, e.lock_id, e.payload, clock_timestamp()
FROM unnest(%s::uuid[], %s::uuid[], %s::uuid[], %s::text[])
  WITH ORDINALITY AS e (event_id, tenant_id, lock_id, payload, number)
ORDER BY e.number
RETURNING event_id::text, id
"""

# As the guard holds the rows of the locks that it writes of.
HOLD = """
SELECT pg_advisory_xact_lock(hashtextextended(h.lock_id, 0))
FROM (SELECT DISTINCT unnest(%s) AS lock_id ORDER BY 1) AS h
"""

LEADERS = """
SELECT a.application_name FROM pg_stat_activity AS a
JOIN pg_locks AS l ON l.pid = a.pid AND l.locktype = 'advisory' AND l.granted AND l.objid = 2
WHERE a.datname = current_database()
"""


@dataclasses.dataclass(frozen=True)
class Event:
    event_id: str
    tenant_id: str
    lock_id: str
    payload: str
    place: int = 0  # of its row: among the events of a lock, the order in which it must arrive


def new_event(lock_id=None, payload=None):
    event_id = str(uuid.uuid4())
    return Event(event_id, str(uuid.uuid4()), lock_id or str(uuid.uuid4()),
                 payload or json.dumps({"type": EVENT_TYPE, "eventId": event_id, "text": "é\n"}))


class Outbox:
    """The outbox as the guard's role sees it, through a connection of its own."""

    def __init__(self, dsn):
        self.connection = psycopg2.connect(dsn)
        self.connection.autocommit = True

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.connection.close()

    def add(self, events, notify=True):
        """Adds events, in one transaction unless one is open; gives them with their places."""
        if self.connection.autocommit:
            with self.transaction():
                return self.add(events, notify)
        locks = [e.lock_id for e in events]
        with self.connection.cursor() as cursor:
            cursor.execute(HOLD, (locks,))
            cursor.execute(INSERT, (EVENT_TYPE, [e.event_id for e in events],
                                    [e.tenant_id for e in events], locks,
                                    [e.payload for e in events]))
            places = dict(cursor.fetchall())
            if notify:
                cursor.execute("NOTIFY guard_outbox")
        return [dataclasses.replace(e, place=places[e.event_id]) for e in events]

    @contextlib.contextmanager
    def transaction(self):
        """What is added meanwhile is committed at the end, or rolled back by an exception."""
        self.connection.autocommit = False
        try:
            yield self
            self.connection.commit()
        except BaseException:
            self.connection.rollback()
            raise
        finally:
            self.connection.autocommit = True

    def fill(self, count, payload_bytes):
        """Very many events, quickly."""
        with self.connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO guard.outbox (stream, event_id, event_type, tenant_id, lock_id,"
                " payload, created_at)"
                " SELECT 'notification', gen_random_uuid(), %s, gen_random_uuid(),"
                " gen_random_uuid(), format('{\"n\":%%s,\"x\":\"%%s\"}', n, repeat('x', %s)),"
                " clock_timestamp() FROM generate_series(1, %s) AS n",
                (EVENT_TYPE, payload_bytes, count))

    def fill_inventory(self, count):
        """Inventory events, a row for each, that say nothing."""
        with self.connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO guard.outbox (stream, event_type, created_at, events, locks)"
                " SELECT 'inventory', 'inventory.locked', clock_timestamp(), 1,"
                "        ARRAY[ROW(gen_random_uuid(), gen_random_uuid(), NULL, NULL,"
                "                  gen_random_uuid(), NULL, now(), now(), now(), 'R', NULL, n, NULL,"
                "                  NULL)::guard.lock_event]"
                " FROM generate_series(1, %s) AS n", (count,))

    def event_ids(self):
        with self.connection.cursor() as cursor:
            cursor.execute("SELECT event_id::text FROM guard.outbox ORDER BY id")
            return [row[0] for row in cursor.fetchall()]

    def is_empty(self):
        with self.connection.cursor() as cursor:
            cursor.execute("SELECT NOT EXISTS (SELECT FROM guard.outbox)")
            return cursor.fetchone()[0]

    def leaders(self):
        """The names of the relays that lead: never more than one."""
        with self.connection.cursor() as cursor:
            cursor.execute(LEADERS)
            return [row[0] for row in cursor.fetchall()]

    def clear(self):
        with self.connection.cursor() as cursor:
            cursor.execute("DELETE FROM guard.outbox")


class Relay(Program):
    """A relay with a topic of announcements of its own; name: for logs and connections."""

    def __init__(self, house, name, topic, **settings):
        super().__init__(house.system, "availability-guard-relay", name, {
            **house.system.env,
            "DATABASE_URL": f"{house.system.service_dsn} application_name={name}",
            "KAFKA_BROKERS": house.brokers, "AVAILABILITY_GUARD_NOTIFICATION_TOPIC": topic,
            "RELAY_POLL_INTERVAL_MS": "100", "LOG_LEVEL": "debug",
            **{key: str(value) for key, value in settings.items()}})


class House:
    """A database and a Kafka, without guards: what a relay needs."""

    def __init__(self):
        self.system = make_system(kafka=True)

    def start(self):
        self.system.start_postgres()
        self.system.migrate()
        self.system.start_kafka()

    @property
    def brokers(self):
        return self.system.brokers

    @property
    def is_embedded(self):
        """Whether Kafka is the one for development: it takes messages of any size."""
        return self.system.kafka.private

    @contextlib.contextmanager
    def without_kafka(self):
        """Nobody answers at its port."""
        if not self.is_embedded and not self.system.kafka.has_switch:
            pytest.skip("this Kafka cannot be stopped")
        self.system.kafka_down()
        try:
            yield
        finally:
            self.system.kafka_up()


@contextlib.contextmanager
def relay_house(session):
    """A started house; its folder stays when a test of this run failed."""
    house = House()
    try:
        house.start()
        yield house
    finally:
        house.system.stop()
    check_logs(house.system)
    if session.testsfailed == 0:
        shutil.rmtree(house.system.state_dir)
    else:
        print(f"logs of the relays: {house.system.state_dir}/logs", file=sys.stderr)


def is_instrumented():
    """Whether the programs need memory and time of their own: sanitizers do."""
    return bool(os.environ.get("ASAN_OPTIONS") or os.environ.get("TSAN_OPTIONS"))


def first_seen(messages):
    """The messages without those whose event has been there before, in their order."""
    seen = set()
    return [m for m in messages if not (m.event_id in seen or seen.add(m.event_id))]


def check_complete(messages, events):
    """Every event is there, and nothing else."""
    got, wanted = {m.event_id for m in messages}, {e.event_id for e in events}
    assert not wanted - got, f"{len(wanted - got)} of {len(wanted)} events are lost"
    assert not got - wanted, f"{len(got - wanted)} messages are of no event"


def check_order(messages, events, of=lambda message: message.partition):
    """Each partition has its events, when seen first, in the order of the outbox; or each lock
    (of=by_lock), where transactions ran at the same time."""
    places = {e.event_id: e.place for e in events}
    last = {}
    for message in first_seen(messages):
        place = places[message.event_id]
        before = last.get(of(message), 0)
        assert before < place, f"{place} comes after {before}"
        last[of(message)] = place


def by_lock(message):
    return message.key


def check_contents(messages, events):
    """Each message is its event: key, value and headers."""
    by_id = {e.event_id: e for e in events}
    for message in messages:
        event = by_id[message.event_id]
        assert message.key == event.lock_id
        assert message.value.decode("utf-8") == event.payload
        assert dict(message.headers) == {
            "lock-id": event.lock_id.encode(), "tenant-id": event.tenant_id.encode(),
            "event-type": EVENT_TYPE.encode(), "event-id": event.event_id.encode()}


def check_once(messages):
    assert len(first_seen(messages)) == len(messages), "an event is there twice"
