"""Notifier processes under a test's control, events for them, and what webhooks must have got."""

import collections
import contextlib
import dataclasses
import datetime
import json
import shutil
import subprocess
import sys
import time
import uuid

import pytest

from kafka import Reader, committed_offsets, produce
from programs import SOON, Program
from systems import check_logs, make_system, wait_for

EVENT_TYPE = "availability_guard.manual_release"
PREFIX = "AVAILABILITY_GUARD_NOTIFICATION_"
CHANNELS = ("email", "sms", "slack")

EMAIL = "ann@hotel.example"
PHONE = "+14155550123"
SLACK = "#night-audit"
EVERYBODY = (EMAIL, PHONE, SLACK)


def now_text():
    now = datetime.datetime.now(datetime.timezone.utc)
    return now.isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclasses.dataclass(frozen=True)
class Event:
    """A manual release as the relay sends it."""

    event_id: str = dataclasses.field(default_factory=lambda: str(uuid.uuid4()))
    tenant_id: str = dataclasses.field(default_factory=lambda: str(uuid.uuid4()))
    lock_id: str = dataclasses.field(default_factory=lambda: str(uuid.uuid4()))
    recipients: tuple = EVERYBODY
    reason: str = "Guest moved"
    sent_at: str = dataclasses.field(default_factory=now_text)
    extra: str = ""

    @property
    def value(self):
        content = {
            "type": EVENT_TYPE, "sentAt": self.sent_at, "lockId": self.lock_id,
            "tenantId": self.tenant_id, "reservationId": None,
            "roomTypeId": "2f4e6d8c-1a3b-4c5d-9e8f-7a6b5c4d3e2f", "roomId": None,
            "stayStart": "2027-07-01T00:00:00.000Z", "stayEnd": "2027-07-04T00:00:00.000Z",
            "reason": self.reason, "actor": {"id": "ops.42", "name": "Alex Night", "email": None},
            "recipients": list(self.recipients)}
        if self.extra:
            content["extra"] = self.extra
        return json.dumps(content)

    @property
    def message(self):
        """(key, value, headers) for produce()."""
        return (self.lock_id, self.value,
                {"lock-id": self.lock_id, "tenant-id": self.tenant_id,
                 "event-type": EVENT_TYPE, "event-id": self.event_id})

    def webhook_id(self, channel):
        return f"{self.event_id}-{channel}"


class Notifier(Program):
    """settings: by name; None unsets."""

    def __init__(self, house, name, **settings):
        self.house = house
        env = {**house.system.env,
               "DATABASE_URL": f"{house.system.service_dsn} application_name={name}",
               "KAFKA_BROKERS": house.brokers, **house.topics,
               PREFIX + "CONSUMER_RETRY_BACKOFF_MS": "100",
               "KAFKA_PROPERTY_SESSION_TIMEOUT_MS": "6000",
               "KAFKA_PROPERTY_HEARTBEAT_INTERVAL_MS": "500",
               "KAFKA_PROPERTY_FETCH_WAIT_MAX_MS": "20",
               "LOG_LEVEL": "debug",
               **{key: str(value) for key, value in settings.items()}}
        for key in (key for key, value in settings.items() if value is None):
            del env[key]
        super().__init__(house.system, "availability-guard-notifier", name, env)

    def __exit__(self, kind, *_):
        super().__exit__(kind, *_)
        if kind is None and self.house.secrets:
            self.check_log_is_discreet()

    def replay(self, seconds_max=60):
        """Runs --replay-dlq; gives (status, its last line on stdout)."""
        with open(self.log, "ab") as log:
            done = subprocess.run([*self.command, "--replay-dlq"], env=self.env, text=True,
                                  stdout=subprocess.PIPE, stderr=log, cwd="/", check=False,
                                  timeout=seconds_max)
        return done.returncode, (done.stdout.splitlines() or [""])[-1]

    def check_log_is_discreet(self):
        text = self.log.read_text("utf-8", "replace")
        for secret in self.house.secrets:
            assert secret not in text, f"{self.log} shows {secret!r}"


class House:
    """A database, a Kafka and a webhook sink, without guards: what a notifier needs."""

    def __init__(self, **settings):
        self.system = make_system(kafka=True, sink=True, **settings)
        self.topics = {}
        #: what no log of a notifier may show
        self.secrets = set()

    def start(self):
        self.system.start_postgres()
        self.system.migrate()
        self.system.start_kafka()
        self.system.start_sink()
        self.begin()

    def begin(self):
        """For each test: topics and a group of its own, and a sink that knows nothing."""
        mark = uuid.uuid4().hex
        self.topics = {PREFIX + "TOPIC": f"notices-{mark}", PREFIX + "DLQ_TOPIC": f"dead-{mark}",
                       PREFIX + "CONSUMER_GROUP": f"notifier-{mark}"}
        self.secrets = {EMAIL, PHONE, SLACK, f":{self.sink.port}"}
        self.sink.behave_well()
        self.sink.forget()
        with Reader(self.brokers, self.topic), Reader(self.brokers, self.dlq_topic):
            pass  # asking makes them

    @property
    def brokers(self):
        return self.system.brokers

    @property
    def sink(self):
        return self.system.sink

    @property
    def topic(self):
        return self.topics[PREFIX + "TOPIC"]

    @property
    def dlq_topic(self):
        return self.topics[PREFIX + "DLQ_TOPIC"]

    @property
    def group(self):
        return self.topics[PREFIX + "CONSUMER_GROUP"]

    def notifier(self, name, **settings):
        """Not started: `with` does that, and ends it."""
        return Notifier(self, f"notifier-{name}", **settings)

    def announce(self, *events):
        produce(self.brokers, self.topic, [event.message for event in events])

    @contextlib.contextmanager
    def dead_letters(self):
        """A reader of the dead-letter topic."""
        with Reader(self.brokers, self.dlq_topic) as reader:
            yield reader

    @contextlib.contextmanager
    def without_kafka(self):
        """Nobody answers at its port."""
        if not self.system.kafka.private and not self.system.kafka.has_switch:
            pytest.skip("this Kafka cannot be stopped")
        self.system.kafka_down()
        try:
            yield
        finally:
            self.system.kafka_up()

    # --- what came ---------------------------------------------------------------------------

    def calls(self, event, channel):
        """The records of the webhook of this channel for the event."""
        return [r for r in self.sink.records(f"/{channel}")
                if r["headers"]["webhook-id"] == event.webhook_id(channel)]

    def ids(self, channel):
        """How often each webhook-id came to the channel."""
        return collections.Counter(r["headers"]["webhook-id"]
                                   for r in self.sink.records(f"/{channel}"))

    def wait_all(self, events, channels=CHANNELS, seconds_max=SOON):
        """Until each event has come to each channel."""
        for channel in channels:
            wanted = {event.webhook_id(channel) for event in events}
            self.sink.wait(lambda records, wanted=wanted:
                           wanted <= {r["headers"]["webhook-id"] for r in records},
                           seconds_max, f"{len(wanted)} events at {channel}", f"/{channel}")

    def check_once(self, events, channels=CHANNELS):
        """Each event has come to each channel, once, and nothing else."""
        for channel in channels:
            assert self.ids(channel) == {event.webhook_id(channel): 1 for event in events}

    def committed(self):
        """What the group has committed, as the sum over all partitions of the topic."""
        return sum(committed_offsets(self.brokers, self.group, self.topic))

    def wait_committed(self, count, seconds_max=SOON):
        """Until so many messages of the topic, which was empty, have been settled."""
        wait_for(lambda: self.committed() == count, seconds_max, f"{count} messages are committed")


@contextlib.contextmanager
def notifier_house(session, **settings):
    """A started house; its folder stays when a test of this run failed."""
    house = House(**settings)
    try:
        house.start()
        yield house
    finally:
        house.system.stop()
    check_logs(house.system)
    if session.testsfailed == 0:
        shutil.rmtree(house.system.state_dir)
    else:
        print(f"logs of the notifiers: {house.system.state_dir}/logs", file=sys.stderr)


def deliveries(database, event):
    """What the ledger says of the event: {channel: state}."""
    rows = database.rows("SELECT channel, state FROM guard.deliveries WHERE tenant_id = %s"
                         " AND event_id = %s", (event.tenant_id, event.event_id))
    return {row["channel"]: row["state"] for row in rows}


def check_holds(condition, seconds, what):
    """The condition holds all this time: for what must not happen."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        assert condition(), what
        time.sleep(0.1)


def instant(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()
