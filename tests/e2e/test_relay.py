"""The relay: every event of the outbox reaches Kafka, in order, whatever breaks meanwhile."""

import contextlib
import random
import re
import subprocess
import threading
import time

import psycopg2
import pytest

from database import Database
from kafka import Reader, make_topic
from relays import (Outbox, Relay, by_lock, check_complete, check_contents, check_once, check_order,
                    is_instrumented, new_event, relay_house)
from shape import new_id
from systems import wait_for

pytestmark = pytest.mark.kafka

# On a machine with nothing to do it takes a tenth of this.
SOON = 20.0
# After a leader died: its connection ends, the other asks every 100 ms.
TAKE_OVER_SECONDS_MAX = 5.0
# The drain is bounded by five seconds; what else an exit takes comes on top.
DRAIN_SECONDS_MAX = 10.0

FULL_OUTBOX = 100_000
# 32 MiB of payloads at most, what the client needs for each message, and the program itself.
MEMORY_KIB_MAX = 96 * 1024


@pytest.fixture(scope="module")
def house(request):
    with relay_house(request.session) as started:
        yield started


@pytest.fixture
def topic():
    """One for each test: nothing of another test is in it."""
    return f"relay-{new_id()}"


@pytest.fixture
def outbox(house):
    """Empty when a test begins, and when it has gone well also at its end."""
    with Outbox(house.system.service_dsn) as opened:
        opened.clear()
        yield opened


@pytest.fixture
def name(request):
    """For logs and connections: each test has its own."""
    return re.sub(r"\W+", "-", request.node.name.removeprefix("test_")).strip("-")[:50]


def wait_empty(outbox, seconds_max=SOON):
    wait_for(outbox.is_empty, seconds_max, "the outbox is empty")


class Writers:
    """Threads that add events in transactions of random sizes, each with its own connection."""

    def __init__(self, dsn, count, events_each, pause=0.0, locks=20):
        self.events = []
        self.failures = []
        self._locks = [new_id() for _ in range(locks)]
        self._mutex = threading.Lock()
        self._threads = [threading.Thread(target=self._run, args=(dsn, events_each, pause))
                         for _ in range(count)]

    def _run(self, dsn, left, pause):
        try:
            with Outbox(dsn) as outbox:
                while left > 0:
                    size = min(left, random.randrange(1, 12))
                    made = [new_event(random.choice(self._locks)) for _ in range(size)]
                    added = outbox.add(made)
                    left -= size
                    with self._mutex:
                        self.events += added
                    time.sleep(random.random() * pause)
        except Exception as failure:  # pylint: disable=broad-exception-caught
            self.failures.append(failure)

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        for thread in self._threads:
            thread.join()
        assert not self.failures, self.failures[0]

    def at_work(self):
        return any(thread.is_alive() for thread in self._threads)


# What arrives

def test_events_arrive_as_they_were_written(house, outbox, topic, name):
    written = [new_event() for _ in range(20)]
    written.append(new_event(payload='{"x":"\\u0000 \\" é 房間 😀"}'))
    written.append(new_event(payload="not JSON, and sent as it is\n"))
    written = outbox.add(written)
    with Relay(house, name, topic) as relay, Reader(house.brokers, topic) as reader:
        reader.wait(len(written), SOON)
        wait_empty(outbox)
        check_contents(reader.messages, written)
        check_complete(reader.messages, written)
        check_once(reader.messages)
        relay.stop()
        assert not relay.lines("error")


def test_a_notification_wakes_the_relay(house, outbox, topic, name):
    with Relay(house, name, topic, RELAY_POLL_INTERVAL_MS=3_600_000) as relay, \
         Reader(house.brokers, topic) as reader:
        wait_for(lambda: relay.said("this process leads"), SOON, "the relay leads")
        for count in range(1, 6):
            outbox.add([new_event()])
            reader.wait(count, SOON)
        wait_empty(outbox)


def test_without_notifications_it_looks_by_itself(house, outbox, topic, name):
    with Relay(house, name, topic) as relay, Reader(house.brokers, topic) as reader:
        wait_for(lambda: relay.said("this process leads"), SOON, "the relay leads")
        for count in range(1, 4):
            outbox.add([new_event()], notify=False)
            reader.wait(count, SOON)


def test_order_and_completeness_among_transactions(house, outbox, topic, name):
    """5,000 events of eight writers. Meanwhile a transaction stays open that has written before
    and after half of them: it holds up its own events only."""
    with Relay(house, name, topic) as relay, Reader(house.brokers, topic) as reader, \
         Outbox(house.system.service_dsn) as slow:
        with Writers(house.system.service_dsn, 8, 300) as first:
            pass
        with slow.transaction():
            early = slow.add([new_event()], notify=False)
            with Writers(house.system.service_dsn, 8, 325) as second:
                pass
            reader.wait(len(first.events) + len(second.events), SOON)
            late = slow.add([new_event(early[0].lock_id)], notify=False)
            check_complete(reader.to_end(), first.events + second.events)
        events = first.events + early + second.events + late
        assert len(events) == 5002
        reader.wait(len(events), SOON)
        wait_empty(outbox)
        check_complete(reader.messages, events)
        check_contents(reader.messages, events)
        check_order(reader.messages, events, by_lock)
        check_once(reader.messages)
        assert relay.runs()


def test_what_is_rolled_back_is_never_sent(house, outbox, topic, name):
    with Relay(house, name, topic), Reader(house.brokers, topic) as reader, \
         Outbox(house.system.service_dsn) as slow:
        with pytest.raises(ZeroDivisionError), slow.transaction():
            slow.add([new_event()])
            sent = outbox.add([new_event()])
            reader.wait(1, SOON)
            raise ZeroDivisionError  # rolls back
        sent += outbox.add([new_event()])
        reader.wait(2, SOON)
        wait_empty(outbox)
        check_complete(reader.to_end(), sent)


def test_events_of_another_server_are_sent_too(house, outbox, topic, name):
    """A dump that was restored here: its transactions have numbers that are far ahead of ours."""
    foreign = outbox.add([new_event() for _ in range(30)])
    with outbox.connection.cursor() as cursor:
        cursor.execute(
            "WITH moved AS (DELETE FROM guard.outbox RETURNING *)"
            " INSERT INTO guard.outbox (xid, stream, event_id, event_type, tenant_id, lock_id,"
            "                           payload, created_at)"
            " SELECT '900000000000'::xid8, stream, event_id, event_type, tenant_id, lock_id,"
            "        payload, created_at FROM moved ORDER BY id")
    with Relay(house, name, topic, RELAY_BATCH=10), \
         Reader(house.brokers, topic) as reader:
        own = outbox.add([new_event() for _ in range(25)])
        reader.wait(55, SOON)
        later = outbox.add([new_event() for _ in range(25)])
        reader.wait(80, SOON)
        wait_empty(outbox)
        check_complete(reader.messages, foreign + own + later)
        check_once(reader.messages)
        check_order([m for m in reader.messages if m.event_id in {e.event_id for e in own + later}],
                    own + later)


# What has been deleted, and cannot be cleaned up

def entries_read(owner):
    """How many entries of the outbox's index have been read, those of dead rows too."""
    return owner.value("SELECT idx_tup_read FROM pg_stat_user_indexes"
                       " WHERE indexrelname = 'outbox_pkey'")


def test_what_has_been_deleted_is_not_read_again(house, outbox, topic, name):
    """While a report is open, which might still see all of it."""
    dead = 5000
    with contextlib.closing(Database(house.system.owner_dsn)) as owner, \
         contextlib.closing(psycopg2.connect(house.system.owner_dsn)) as report, \
         Relay(house, name, topic), Reader(house.brokers, topic) as reader:
        report.set_session(isolation_level="REPEATABLE READ")
        report.cursor().execute("SELECT 1")
        outbox.fill(dead, 10)
        reader.wait(dead, SOON)
        wait_empty(outbox)

        def until_the_next_count():
            """Sends events, one by one: the relay's session counts for itself, and tells about
            once a second."""
            before, sent = entries_read(owner), 0
            while entries_read(owner) == before:
                outbox.add([new_event()])
                sent += 1
                reader.wait(len(reader.messages) + 1, SOON)
            return sent

        def read_for_each():
            until_the_next_count()
            before = entries_read(owner)
            sent = until_the_next_count()
            return (entries_read(owner) - before) / sent
        wait_for(lambda: read_for_each() < dead / 10, SOON, "it reads what is new")


# The relay dies

@pytest.mark.slow
@pytest.mark.deadline(180)
def test_killed_again_and_again(house, outbox, topic, name):
    """Nothing is lost; what is sent twice has the same event id."""
    relay = Relay(house, name, topic, RELAY_BATCH=50)
    with Reader(house.brokers, topic) as reader, relay:
        kills = 0
        with Writers(house.system.service_dsn, 3, 1000, pause=0.03) as writers:
            while writers.at_work() or kills < 10:
                time.sleep(random.random() * 0.8)
                relay.kill()
                kills += 1
                relay.start()
        reader.wait_until(lambda messages: len({m.event_id for m in messages})
                          == len(writers.events), 60, "every event")
        wait_empty(outbox)
        reader.to_end()
        check_complete(reader.messages, writers.events)
        check_contents(reader.messages, writers.events)
        check_order(reader.messages, writers.events, by_lock)
        assert len(relay.said("this process leads")) >= 3, "it never came to work"


def test_another_relay_takes_over(house, outbox, topic, name):
    relays = {n: Relay(house, n, topic) for n in (f"{name}-1", f"{name}-2")}
    with Reader(house.brokers, topic) as reader, contextlib.ExitStack() as stack:
        for relay in relays.values():
            stack.enter_context(relay)
        for _ in range(4):
            leader, = wait_for(outbox.leaders, SOON, "a leader")
            sent = outbox.add([new_event() for _ in range(50)])
            reader.wait(len(reader.messages) + len(sent), SOON)
            wait_empty(outbox)
            assert outbox.leaders() == [leader]
            relays[leader].kill()
            since = time.monotonic()
            outbox.add([new_event()])
            reader.wait(len(reader.messages) + 1, TAKE_OVER_SECONDS_MAX)
            assert time.monotonic() - since < TAKE_OVER_SECONDS_MAX
            assert leader not in outbox.leaders()
            relays[leader].start()
        wait_empty(outbox)
        check_once(reader.messages)


def test_the_lead_is_lost_with_the_connection(house, outbox, topic, name):
    with Relay(house, name, topic) as relay, Reader(house.brokers, topic) as reader, \
         contextlib.closing(Database(house.system.owner_dsn)) as owner:
        for count in range(1, 4):
            wait_for(lambda: outbox.leaders() == [name], SOON, "it leads")
            outbox.add([new_event()])
            reader.wait(count, SOON)
            wait_empty(outbox)
            owner.rows("SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                       " WHERE application_name = %s", (name,))
            wait_for(lambda: len(relay.said("this process leads")) > count, SOON, "leads again")
        assert relay.runs()


# PostgreSQL and Kafka go away

@pytest.mark.slow
@pytest.mark.deadline(180)
@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_postgres_is_restarted(house, topic, name, mode):
    with Relay(house, name, topic, RELAY_BATCH=50) as relay, \
         Reader(house.brokers, topic) as reader:
        events = []
        for _ in range(3):
            with Outbox(house.system.service_dsn) as outbox:
                for _ in range(10):
                    events += outbox.add([new_event() for _ in range(200)])
            house.system.restart_postgres(mode)
        with Outbox(house.system.service_dsn) as outbox:
            events += outbox.add([new_event()])
            reader.wait_until(lambda messages: len({m.event_id for m in messages}) == len(events),
                              60, "every event")
            wait_empty(outbox)
        reader.to_end()
        check_complete(reader.messages, events)
        check_order(reader.messages, events)
        assert relay.runs()


@pytest.mark.deadline(120)
def test_kafka_is_away_at_the_start_and_later(house, outbox, topic, name):
    """It waits, and goes on where it was: a Kafka that knows idempotent producers has all once."""
    with Reader(house.brokers, topic) as reader, contextlib.ExitStack() as stack:
        with house.without_kafka():
            events = outbox.add([new_event() for _ in range(100)])
            relay = stack.enter_context(Relay(house, name, topic))
            wait_for(lambda: relay.said("no broker can be reached", "warn"), SOON, "it knows")
            events += outbox.add([new_event() for _ in range(100)])
        reader.wait(200, SOON)
        wait_empty(outbox)
        for _ in range(3):
            events += outbox.add([new_event() for _ in range(100)])
            with house.without_kafka():
                added = outbox.add([new_event() for _ in range(100)])
                events += added
                wait_for(lambda: relay.said("Connection refused"), SOON, "it tries")
                assert set(outbox.event_ids()) >= {e.event_id for e in added}
            reader.wait_until(lambda messages: len({m.event_id for m in messages}) == len(events),
                              SOON, "every event")
            wait_empty(outbox)
        reader.to_end()
        check_complete(reader.messages, events)
        check_contents(reader.messages, events)
        check_order(reader.messages, events)
        if not house.is_embedded:  # that one takes a message again whose receipt was lost
            check_once(reader.messages)
        assert relay.runs()


@pytest.mark.deadline(120)
def test_what_has_timed_out_is_sent_again(house, outbox, topic, name):
    """An operator has given messages a time limit: each failure is a reason to begin anew."""
    with Relay(house, name, topic, KAFKA_PROPERTY_MESSAGE_TIMEOUT_MS=1500) as relay, \
         Reader(house.brokers, topic) as reader:
        events = outbox.add([new_event()])
        reader.wait(1, SOON)
        with house.without_kafka():
            events += outbox.add([new_event() for _ in range(500)])
            before = len(relay.said("are sent again", "warn"))
            wait_for(lambda: len(relay.said("are sent again", "debug")) >= 2, SOON,
                     "it has failed thrice")
            # Told once as a warning, however often it fails.
            assert len(relay.said("are sent again", "warn")) == before + 1
            assert len(outbox.event_ids()) == 500
        reader.wait_until(lambda messages: len({m.event_id for m in messages}) == 501, SOON,
                          "every event")
        wait_empty(outbox)
        wait_for(lambda: relay.said("takes events again"), SOON, "it says that all is well")
        reader.to_end()
        check_complete(reader.messages, events)
        check_order(reader.messages, events)


# SIGTERM

def test_sigterm_drains(house, outbox, topic, name):
    """What is on its way arrives and is deleted, the rest is left: so nothing is sent twice."""
    events = []
    for _ in range(40):
        events += outbox.add([new_event() for _ in range(500)])
    # Small steps, so that there is something left whenever it is told to end.
    relay = Relay(house, name, topic, RELAY_BATCH=20, RELAY_IN_FLIGHT_MAX=40)
    with Reader(house.brokers, topic) as reader, relay:
        for _ in range(3):
            before = len(reader.messages)
            reader.wait(before + 1, SOON)
            assert relay.stop() < DRAIN_SECONDS_MAX
            left = set(outbox.event_ids())
            reader.to_end()
            assert left and not left & {m.event_id for m in reader.messages}
            relay.start()
        reader.wait(len(events), 2 * SOON)
        wait_empty(outbox)
        check_complete(reader.messages, events)
        check_order(reader.messages, events)
        check_once(reader.messages)


def test_sigterm_does_not_wait_for_ever(house, outbox, topic, name):
    """Kafka takes nothing: the relay ends in time, and the rows stay."""
    with Relay(house, name, topic) as relay, Reader(house.brokers, topic) as reader:
        outbox.add([new_event()])
        reader.wait(1, SOON)
        wait_empty(outbox)
        with house.without_kafka():
            events = outbox.add([new_event() for _ in range(100)])
            wait_for(lambda: relay.said("sent 100 events"), SOON, "they are on their way")
            assert relay.stop() < DRAIN_SECONDS_MAX
            assert relay.said("ended with 100 events on their way")
            assert outbox.event_ids() == [e.event_id for e in events]


def test_sigterm_ends_a_relay_that_does_not_lead(house, outbox, topic, name):
    with Relay(house, name + "-1", topic) as first:
        wait_for(lambda: first.said("this process leads"), SOON, "one leads")
        with Relay(house, name + "-2", topic) as second:
            wait_for(lambda: second.said("connected"), SOON, "the other is there")
            assert second.stop() < 3
            assert not second.said("this process leads")


# What Kafka does not take

def test_an_event_too_large_is_passed_over(house, outbox, topic, name):
    large = new_event(payload="x" * 2_000_000)
    just = new_event(payload="y" * 990_000)
    relay = Relay(house, name, topic)
    with relay, Reader(house.brokers, topic) as reader:
        small = outbox.add([new_event(), large, new_event(), just, new_event()])
        reader.wait(4, SOON)
        later = outbox.add([new_event() for _ in range(10)])
        reader.wait(14, SOON)
        wait_for(lambda: outbox.event_ids() == [large.event_id], SOON, "only the large one is left")
        check_contents(reader.messages, small + later)
        check_once(reader.messages)
        line, = relay.said("cannot be sent", "error")
        assert large.event_id in line and "xxxxx" not in line
        relay.stop()
    if not house.is_embedded:  # others have a limit of their own
        return
    # With another limit it goes, as soon as a relay begins to lead.
    relay.env["KAFKA_PROPERTY_MESSAGE_MAX_BYTES"] = "3000000"
    with relay, Reader(house.brokers, topic) as reader:
        reader.wait(15, SOON)
        wait_empty(outbox)
        assert {m.event_id for m in reader.messages if len(m.value) == 2_000_000} \
            == {large.event_id}


def test_an_event_that_only_kafka_refuses_is_passed_over(house, outbox, topic, name):
    """The topic has a lower limit than we know of: Kafka refuses the batch that the event is in,
    and batches that are too large altogether. Events are sent one at a time until it is found."""
    if house.is_embedded:
        pytest.skip("the embedded Kafka knows no limits")
    make_topic(house.brokers, topic, partitions=2, config={"max.message.bytes": "100000"})
    large = [new_event(payload="x" * 150_000) for _ in range(2)]
    small = [new_event(payload="y" * 2_000) for _ in range(200)]
    written = outbox.add([*small[:50], large[0], *small[50:120], large[1], *small[120:]])
    with Relay(house, name, topic) as relay, Reader(house.brokers, topic) as reader:
        reader.wait_until(lambda messages: len({m.event_id for m in messages}) == 200, SOON,
                          "every small event")
        written += outbox.add([new_event() for _ in range(10)])
        reader.wait_until(lambda messages: len({m.event_id for m in messages}) == 210, SOON,
                          "events after them")
        wait_for(lambda: outbox.event_ids() == [e.event_id for e in large], SOON,
                 "only the large ones are left")
        check_order(reader.messages, written)
        told = relay.said("cannot be sent", "error")
        assert len(told) == 2 and all(e.event_id in line for e, line in zip(large, told))
        assert relay.runs()


def test_a_topic_that_cannot_be_written_holds_up_no_other(house, outbox, topic, name):
    """Inventory events wait, more than may be on their way: announcements behind them go at once,
    also those that a relay finds when it begins."""
    if house.is_embedded:
        pytest.skip("the embedded Kafka takes everything")
    outbox.fill_inventory(1000)
    relay = Relay(house, name, topic, RELAY_IN_FLIGHT_MAX=100,
                  INVENTORY_EVENTS_TOPIC="__consumer_offsets")  # which is Kafka's own
    with relay, Reader(house.brokers, topic) as reader:
        for count in range(1, 4):
            wait_for(lambda n=count: len(relay.said("sent 100 events")) >= n, SOON,
                     "as many as may are on their way")
            first, = outbox.add([new_event()])
            reader.wait(2 * count - 1, SOON)
            wait_for(lambda event=first: event.event_id not in outbox.event_ids(), SOON, "deleted")
            relay.kill()
            outbox.add([new_event()])
            relay.start()
            reader.wait(2 * count, SOON)
        wait_for(lambda: len(outbox.event_ids()) == 1000, SOON, "nothing else was sent")


# Memory

@pytest.mark.slow
@pytest.mark.deadline(300)
@pytest.mark.skipif(is_instrumented(), reason="sanitizers need memory of their own")
@pytest.mark.parametrize("count, payload_bytes", [(FULL_OUTBOX, 300), (300, 900_000)])
def test_memory_is_bounded(house, outbox, topic, name, count, payload_bytes):
    """Whatever waits in the outbox, and however long Kafka is away."""
    outbox.fill(count, payload_bytes)
    with contextlib.ExitStack() as stack:
        with house.without_kafka():
            relay = stack.enter_context(Relay(house, name, topic, LOG_LEVEL="info"))
            wait_for(lambda: relay.said("this process leads"), SOON, "it leads")
            wait_for(lambda: relay.said("no broker can be reached"), SOON, "it knows")
            outbox.fill(1, payload_bytes)
        wait_empty(outbox, 240)
        assert relay.memory_max_kib() < MEMORY_KIB_MAX
        assert relay.runs()


# Settings

def run_once(house, *arguments, **settings):
    env = {**house.system.env, **settings}
    return subprocess.run([house.system.program("availability-guard-relay"), *arguments], env=env,
                          capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("arguments", [[], ["-n"]])
@pytest.mark.parametrize("variable", ["KAFKA_PROPERTY_ENABLE_IDEMPOTENCE", "KAFKA_PROPERTY_ACKS",
                                      "KAFKA_PROPERTY_TRANSACTIONAL_ID",
                                      "KAFKA_PROPERTY_NO_SUCH_THING"])
def test_a_wrong_property_stops_it_at_the_start(house, arguments, variable):
    done = run_once(house, *arguments, **{variable: "0"})
    assert done.returncode == 2 and done.stdout == ""
    line, = done.stderr.splitlines()
    assert line.startswith(f"availability-guard-relay: {variable}: ")


def test_a_password_is_never_shown(house, outbox, topic, name):
    """Nor is a value that librdkafka refuses, in whatever property it stands."""
    secrets = {"KAFKA_PROPERTY_SASL_PASSWORD": "hushhush", "KAFKA_PROPERTY_SASL_USERNAME": "me",
               "KAFKA_PROPERTY_SASL_MECHANISM": "PLAIN",
               "KAFKA_PROPERTY_SECURITY_PROTOCOL": "sasl_plaintext"}
    assert "hushhush" not in str(run_once(house, "-n", **secrets))
    done = run_once(house, **{**secrets, "KAFKA_PROPERTY_LINGER_MS": "hushhush"})
    assert done.returncode == 2 and "hushhush" not in done.stdout + done.stderr
    outbox.add([new_event()])
    with Relay(house, name, topic, **secrets) as relay:
        wait_for(lambda: relay.said("kafka: FAIL"), SOON, "this Kafka knows no passwords")
        assert relay.runs()
        assert relay.stop() < DRAIN_SECONDS_MAX
    assert "hushhush" not in relay.log.read_text("utf-8")
