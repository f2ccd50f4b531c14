"""The notifier when something breaks: webhooks, itself, the group, the database, Kafka."""

import contextlib
import itertools
import random
import re
import socket
import subprocess
import threading
import time

import pytest

from database import Database
from kafka import produce
from notifiers import (CHANNELS, EMAIL, PHONE, PREFIX, SLACK, SOON, Event, check_holds, deliveries,
                       instant, notifier_house, now_text)
from relays import is_instrumented
from systems import SOURCE, part_folder, wait_for

pytestmark = pytest.mark.kafka

# Less than one call to the webhook that hangs takes.
HEALTHY_SECONDS_MAX, HANG_SECONDS_MAX = 5.0, 6.0
# With as many events under way as it takes; half of it is what Kafka's client has fetched.
MEMORY_KIB_MAX = 96 * 1024


@pytest.fixture(scope="module")
def common(request):
    with notifier_house(request.session) as started:
        yield started


@pytest.fixture
def house(common):
    common.begin()
    return common


@pytest.fixture(scope="module")
def ledger(common):
    opened = Database(common.system.owner_dsn)
    yield opened
    opened.close()


@pytest.fixture
def name(request):
    """For logs and connections: each test has its own."""
    return re.sub(r"\W+", "-", request.node.name.removeprefix("test_")).strip("-")[:45]


def prefixed(**settings):
    return {PREFIX + key: value for key, value in settings.items()}


def announce_steadily(house, count, per_second, **fields):
    """Events one after the other, each with the time at which it went out; gives them."""
    events = []
    for _ in range(count):
        events.append(Event(sent_at=now_text(), **fields))
        house.announce(events[-1])
        time.sleep(1 / per_second)  # the pace of the load, nothing is waited for
    return events


# --- webhooks --------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.deadline(240)
def test_one_hangs_one_fails_one_is_well(house, name, ledger):
    """The healthy webhook is not held up; the others are repeated, dead-lettered, and replayed."""
    house.sink.behave("/sms", then={"status": 500})
    house.sink.behave("/slack", then={"hang": 30})
    settings = prefixed(SLACK_TIMEOUT_MS=int(HANG_SECONDS_MAX * 1000), CONSUMER_MAX_RETRIES=2, BREAKER_FAILURES=5,
                        CONSUMER_RETRY_BACKOFF_MS=500, BREAKER_PAUSE_MS=3000)
    with house.notifier(name, **settings) as notifier, house.dead_letters() as letters:
        notifier.wait_ready()
        events = announce_steadily(house, 300, 20)
        house.wait_all(events, ["email"])
        sent = {event.webhook_id("email"): instant(event.sent_at) for event in events}
        delays = [instant(record["time"]) - sent[record["headers"]["webhook-id"]]
                  for record in house.sink.records("/email")]
        assert max(delays) < HEALTHY_SECONDS_MAX
        house.check_once(events, ["email"])
        found = letters.wait(len(events), 120)
        house.wait_committed(len(events))
        notifier.stop()
        for letter in found:
            assert re.fullmatch("sms: .+; slack: .+", letter.header("dlq-error"))
            assert letter.header("dlq-channel") is None
        assert {letter.event_id for letter in found} == {event.event_id for event in events}
        assert notifier.said("the sms webhook has failed 5 times in a row (HTTP status 500)")
        assert notifier.said("the slack webhook has failed 5 times in a row (Timeout was reached)")
        # The breakers are open nearly all the time: three tries each would be 900 calls.
        assert len(house.sink.records("/sms")) < 150 and len(house.sink.records("/slack")) < 150

        house.sink.behave_well()
        house.sink.forget()
        assert notifier.replay() == (0, "300 delivered, 0 failed, 0 skipped")
        house.check_once(events, ["sms", "slack"])
        assert not house.sink.records("/email")
        assert deliveries(ledger, events[0]) == dict.fromkeys(CHANNELS, "DELIVERED")
        assert notifier.replay() == (0, "0 delivered, 0 failed, 0 skipped")
        assert len(letters.to_end()) == len(events)


def test_the_breaker_leaves_a_webhook_alone_and_lets_one_try(house, name):
    house.sink.behave("/email", then={"status": 503})
    settings = prefixed(BREAKER_FAILURES=3, BREAKER_PAUSE_MS=1500, CONSUMER_MAX_RETRIES=0,
                        CONSUMER_RETRY_BACKOFF_MS=50)
    with house.notifier(name, **settings) as notifier:
        notifier.wait_ready()
        events = announce_steadily(house, 40, 10, recipients=(EMAIL,))
        tried = house.sink.records("/email")
        house.sink.behave_well()
        house.wait_all(events, ["email"])
        house.wait_committed(len(events))
        notifier.stop()
    assert 3 <= len(tried) < 3 + 16 + 4  # those that were under way, and one for each pause
    times = [instant(record["time"]) for record in tried]
    assert any(later - earlier > 1.4 for earlier, later in itertools.pairwise(times))
    assert notifier.said("the email webhook has failed 3 times in a row", "warn")
    assert notifier.said("the email webhook answers again")


def test_while_every_channel_fails_nothing_is_given_up(house, name, ledger):
    """It is kept and not committed; what others can be told goes on; in the end all is told."""
    ill = [Event(recipients=(PHONE, SLACK)) for _ in range(5)]
    house.sink.behave("/sms", then={"status": 503})
    house.sink.behave("/slack", then={"reset": True})
    settings = prefixed(CONSUMER_MAX_RETRIES=1, CONSUMER_RETRY_BACKOFF_MS=50, BREAKER_PAUSE_MS=100)
    with house.notifier(name, **settings) as notifier, house.dead_letters() as letters:
        house.announce(*ill)
        notifier.wait_said("no channel can be reached", len(ill) * 3)
        well = [Event(recipients=(EMAIL,)) for _ in range(20)]
        house.announce(*well)
        house.wait_all(well, ["email"])
        wait_for(lambda: all(deliveries(ledger, event) for event in well), SOON, "all are noted")
        # Offsets behind one that is kept are not committed: it would be lost with the process.
        assert house.committed() <= len(well)
        notifier.kill()
        notifier.start()
        notifier.wait_said("no channel can be reached", len(ill) * 5)
        house.sink.behave_well()
        house.wait_all(ill, ["sms", "slack"])
        house.wait_committed(len(ill) + len(well))
        notifier.stop()
        assert not letters.to_end()
    house.check_once(well, ["email"])
    assert not [event for event in ill if deliveries(ledger, event)
                != {"sms": "DELIVERED", "slack": "DELIVERED"}]


@pytest.mark.slow
@pytest.mark.deadline(240)
def test_more_events_wait_than_it_can_hold(house, name):
    """It takes some, leaves the rest to Kafka until there is room, and never leaves its group."""
    count = 6000
    house.sink.behave("/email", then={"status": 503})
    settings = prefixed(CONSUMER_MAX_RETRIES=0, BREAKER_PAUSE_MS=500)
    settings |= {"LOG_LEVEL": "info", "KAFKA_PROPERTY_MAX_POLL_INTERVAL_MS": "6000"}
    with house.notifier(name, **settings) as notifier:
        events = [Event(recipients=(EMAIL,)) for _ in range(count)]
        house.announce(*events)
        notifier.wait_said("no channel can be reached", 4000, 60)
        # Longer than the group lets a member be silent.
        check_holds(lambda: len(notifier.said("no channel can be reached", "warn")) < 4500
                    and not notifier.said("was held up"), 8, "it takes no more and is a member")
        house.sink.behave_well()
        house.wait_committed(count, 120)
        memory = notifier.memory_max_kib()
        print(f"memory {memory} KiB")
        notifier.stop()
    assert not notifier.said("was held up")
    assert memory < MEMORY_KIB_MAX or is_instrumented() or house.system.worker_command
    wanted = {event.webhook_id("email") for event in events}
    assert set(house.ids("email")) == wanted


class Peer:
    """Takes connections at a free port, reads a request and lets speak(connection) answer."""

    def __init__(self, speak):
        self.speak = speak
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.close()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        with contextlib.suppress(OSError), connection:
            connection.recv(1 << 20)
            self.speak(connection)


def drip_headers(connection):
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    while True:
        connection.sendall(b"X-Drop: 1\r\n")
        time.sleep(0.05)


def endless_headers(connection):
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    while True:
        connection.sendall(b"X-Flood: " + b"x" * 1000 + b"\r\n")


def endless_interim(connection):
    while True:
        connection.sendall(b"HTTP/1.1 102 Processing\r\n\r\n")
        time.sleep(0.001)


def rubbish(connection):
    connection.sendall(bytes(range(256)) * 100)


@pytest.mark.parametrize("speak", [drip_headers, endless_headers, endless_interim, rubbish])
def test_a_webhook_that_speaks_no_http_has_failed(house, name, speak):
    """And holds up nobody: it is only given its time."""
    event = Event()
    with Peer(speak) as peer:
        settings = prefixed(EMAIL_WEBHOOK_URL=f"http://127.0.0.1:{peer.port}/secret",
                            EMAIL_TIMEOUT_MS=1000, CONSUMER_MAX_RETRIES=1)
        with house.notifier(name, **settings) as notifier, house.dead_letters() as letters:
            house.announce(event)
            [letter] = letters.wait(1, SOON)
            notifier.stop()
    assert letter.header("dlq-channel") == "email"
    assert "HTTP status" not in letter.header("dlq-error")
    house.check_once([event], ["sms", "slack"])


def make_certificate(folder):
    """Of a host 127.0.0.1 that vouches for itself."""
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj",
         "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", folder / "pem",
         "-out", folder / "cert"], check=True, capture_output=True)
    with open(folder / "pem", "a", encoding="ascii") as pem:
        pem.write((folder / "cert").read_text("ascii"))
    (folder / "pem").chmod(0o644)
    return folder / "pem", folder / "cert"


@pytest.fixture(scope="module")
def secure(request):
    """(its address, its record, a file with its certificate) of a webhook sink behind TLS."""
    with part_folder(request.session) as (state, _):
        pem, certificate = make_certificate(state)
        port, record = state / "port", state / "webhooks.jsonl"
        process = subprocess.Popen(
            [SOURCE / "scripts/webhook-sink", "--certificate", pem, "--port-file", port,
             "--record", record])
        try:
            wait_for(port.exists, SOON, "the sink listens")
            yield f"https://127.0.0.1:{port.read_text().strip()}/email", record, certificate
        finally:
            process.terminate()
            process.wait(10)


def test_a_certificate_that_nobody_vouches_for_is_refused(house, name, secure):
    event = Event(recipients=(EMAIL, PHONE))
    url, record, _ = secure
    settings = prefixed(EMAIL_WEBHOOK_URL=url, CONSUMER_MAX_RETRIES=1)
    with house.notifier(name, **settings) as notifier, house.dead_letters() as letters:
        house.announce(event)
        [letter] = letters.wait(1, SOON)
        notifier.stop()
    assert letter.header("dlq-error") == "email: SSL peer certificate or SSH remote key was not OK"
    assert event.event_id not in (record.read_text() if record.exists() else "")


def test_a_certificate_that_is_vouched_for_is_taken(house, name, secure):
    """In a mount namespace in which the system's list of certificates is another one."""
    event = Event(recipients=(EMAIL,))
    url, record, certificate = secure
    command = ["unshare", "--mount", "sh", "-c",
               "mount --bind \"$0\" /etc/ssl/certs/ca-certificates.crt && exec \"$@\"",
               str(certificate)]
    if subprocess.run([*command, "true"], check=False, capture_output=True).returncode:
        pytest.skip("no mount namespaces here")
    notifier = house.notifier(name, **prefixed(EMAIL_WEBHOOK_URL=url))
    notifier.command = [*command, *notifier.command]
    with notifier:
        house.announce(event)
        house.wait_committed(1)
        notifier.stop()
    assert event.webhook_id("email") in record.read_text()


# --- the replay of dead letters --------------------------------------------------------------


def test_what_fails_again_is_put_back(house, name, ledger):
    event = Event()
    settings = prefixed(CONSUMER_MAX_RETRIES=1, CONSUMER_RETRY_BACKOFF_MS=20)
    house.sink.behave("/sms", then={"status": 500})
    with house.notifier(name, **settings) as notifier, house.dead_letters() as letters:
        house.announce(event)
        letters.wait(1, SOON)
        house.wait_committed(1)
        notifier.stop()
        assert notifier.replay() == (1, "0 delivered, 1 failed, 0 skipped")
        house.sink.behave("/sms", then={"status": 400})
        assert notifier.replay() == (1, "0 delivered, 1 failed, 0 skipped")
        assert deliveries(ledger, event)["sms"] == "DEAD"
        found = letters.wait(3, SOON)
        for letter, error in zip(found, (500, 500, 400)):
            assert letter.value.decode() == event.value
            assert letter.header("dlq-source-topic") == house.topic
            assert letter.header("dlq-source-offset") == "0"
            assert letter.header("dlq-error") == f"sms: HTTP status {error}"
            assert letter.header("dlq-channel") == "sms"
        house.sink.behave_well()
        assert notifier.replay() == (0, "1 delivered, 0 failed, 0 skipped")
    assert deliveries(ledger, event)["sms"] == "DELIVERED"
    house.check_once([event], ["email", "slack"])


def test_letters_that_are_none_are_skipped(house, name):
    event = Event()
    key, _, headers = event.message
    produce(house.brokers, house.dlq_topic,
            [(key, "{", headers), (None, None, None), event.message])
    notifier = house.notifier(name)
    assert notifier.replay() == (0, "1 delivered, 0 failed, 2 skipped")
    house.check_once([event])
    assert len(notifier.said("malformed: ", "warn")) == 2


def test_a_letter_for_one_channel_goes_to_that_one(house, name):
    event = Event()
    key, value, headers = event.message
    produce(house.brokers, house.dlq_topic, [(key, value, {**headers, "dlq-channel": "slack"})])
    assert house.notifier(name).replay() == (0, "1 delivered, 0 failed, 0 skipped")
    house.check_once([event], ["slack"])
    assert len(house.sink.records()) == 1


def test_a_dry_replay_takes_nothing_away(house, name):
    event = Event()
    produce(house.brokers, house.dlq_topic, [event.message])
    dry = house.notifier(name, **prefixed(DRY_RUN="true"))
    for _ in range(2):
        assert dry.replay() == (0, "0 delivered, 0 failed, 1 skipped")
    assert not house.sink.records()
    assert house.notifier(name).replay() == (0, "1 delivered, 0 failed, 0 skipped")


def test_a_replay_without_letters_has_nothing_to_do(house, name):
    notifier = house.notifier(name, **prefixed(DLQ_TOPIC="never-" + house.dlq_topic))
    assert notifier.replay() == (0, "0 delivered, 0 failed, 0 skipped")


def test_a_replay_without_kafka_gives_up(house, name):
    notifier = house.notifier(name, KAFKA_BROKERS="127.0.0.1:1")
    assert notifier.replay()[0] == 1


# --- itself ----------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.deadline(400)
def test_killed_at_random_moments(house, name, ledger):
    """Nothing is lost; what comes twice was under way when the process died, and says so."""
    kills, noted, events = [], [], []
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    house.sink.behave("*", then={"delay_ms": 20})
    with house.notifier(name) as notifier:
        for _ in range(6):
            fresh = [Event() for _ in range(80)]
            events += fresh
            house.announce(*fresh)
            already = len(house.sink.records())
            house.sink.wait(lambda records, n=already + chance.randrange(1, 200):
                            len(records) >= n, 60, "some calls")
            kills.append(time.time())
            notifier.kill()
            noted.append({event.webhook_id(channel) for event in events
                          for channel in deliveries(ledger, event)})
            notifier.start()
        house.wait_all(events, seconds_max=90)
        house.wait_committed(len(events))
        notifier.stop()
    for channel in CHANNELS:
        calls = {}
        for record in house.sink.records(f"/{channel}"):
            calls.setdefault(record["headers"]["webhook-id"], []).append(record)
        assert set(calls) == {event.webhook_id(channel) for event in events}
        for found in calls.values():
            check_repeated_only_when_killed(found, kills, noted)
    assert any(noted), "no process lived long enough to note anything"
    assert all(deliveries(ledger, event) == dict.fromkeys(CHANNELS, "DELIVERED")
               for event in events)


# What waits to be accepted is recorded after the process has died. The next process is not in its
# group before a session of the dead one is over, which takes longer.
LATE_SECONDS = 2


def check_repeated_only_when_killed(records, kills, noted):
    """Of one webhook-id: the same call again, only where the one before was lost with a process."""
    assert len({record["body"] for record in records}) == 1
    times = [instant(record["time"]) for record in records]
    for one, other in itertools.pairwise(times):
        assert any(abs(kill - one) < LATE_SECONDS and kill < other for kill in kills)
    for kill, ids in zip(kills, noted):
        if records[0]["headers"]["webhook-id"] in ids:
            assert times[-1] < kill + LATE_SECONDS, "repeated although it had been noted"


@pytest.mark.slow
@pytest.mark.deadline(300)
def test_partitions_move_while_calls_are_under_way(house, name, ledger):
    """Notifiers come and go in order: each event goes out once, whoever sends it."""
    house.sink.behave("*", then={"delay_ms": 300})
    events = []

    def announce(count=60):
        fresh = [Event() for _ in range(count)]
        events.extend(fresh)
        house.announce(*fresh)
    with house.notifier(name + "-a") as first, house.notifier(name + "-b") as second:
        first.wait_ready()
        announce()
        second.wait_ready()
        announce()
        house.sink.wait(lambda records: len(records) > 200, SOON, "calls")
        assert second.stop() < 20
        announce()
        second.start()
        second.wait_said("have come from the group", 2)
        announce()
        house.sink.wait(lambda records: len(records) > 400, SOON, "calls")
        first.stop()
        announce()
        house.wait_all(events, seconds_max=60)
        house.wait_committed(len(events))
        second.stop()
    house.check_once(events)
    assert all(deliveries(ledger, event) == dict.fromkeys(CHANNELS, "DELIVERED")
               for event in events)


# --- what it rests on ------------------------------------------------------------------------


def test_no_webhook_is_called_without_the_ledger(house, name):
    """PostgreSQL goes down: what is under way is noted later, what comes waits."""
    first, later = Event(), [Event() for _ in range(10)]
    house.sink.behave("*", {"delay_ms": 3000}, {"delay_ms": 3000}, {"delay_ms": 3000})
    with house.notifier(name) as notifier:
        notifier.wait_ready()
        house.announce(first)
        house.sink.wait(lambda records: len(records) == 3, SOON, "the calls of the first")
        house.system.stop_postgres()
        try:
            house.announce(*later)
            notifier.wait_said("connection lost")
            check_holds(lambda: len(house.sink.records()) == 3, 5, "nobody is called")
        finally:
            house.system.start_postgres()
        house.wait_all([first, *later])
        house.wait_committed(11)
        notifier.stop()
    house.check_once([first, *later])


@pytest.mark.slow
@pytest.mark.deadline(240)
def test_postgres_crashes_again_and_again(house, name, ledger):
    with house.notifier(name) as notifier:
        notifier.wait_ready()
        events = []
        for _ in range(4):
            events += announce_steadily(house, 20, 40)
            house.system.restart_postgres("immediate")
        events += announce_steadily(house, 20, 40)
        house.wait_all(events, seconds_max=60)
        house.wait_committed(len(events))
        notifier.stop()
    house.check_once(events)
    ledger.close()  # its connection is one of those that broke
    assert all(deliveries(ledger, event) == dict.fromkeys(CHANNELS, "DELIVERED")
               for event in events)


@pytest.mark.slow
@pytest.mark.deadline(240)
def test_kafka_goes_and_comes_back(house, name, ledger):
    """Calls go on without it, letters wait for it."""
    house.sink.behave("/sms", then={"status": 400})
    with house.notifier(name) as notifier, house.dead_letters() as letters:
        notifier.wait_ready()
        first = [Event() for _ in range(30)]
        house.announce(*first)
        house.wait_all(first)
        house.wait_committed(30)
        slow = [Event() for _ in range(30)]
        house.sink.behave("/email", then={"delay_ms": 500})
        house.announce(*slow)
        house.sink.wait(lambda records: len(records) > 30, SOON, "calls begin", "/email")
        with house.without_kafka():
            # What it has, it delivers.
            taken = {event for event in slow if house.calls(event, "slack")}
            assert taken
            house.wait_all(taken, ["email"])
            # Longer than the group's patience.
            check_holds(notifier.runs, 10, "it does not end")
        house.sink.behave("/email")
        last = [Event() for _ in range(30)]
        house.announce(*last)
        house.wait_all([*first, *slow, *last], seconds_max=90)
        house.wait_committed(90, 60)
        notifier.stop()
        events = {event.event_id for event in (*first, *slow, *last)}
        assert {letter.event_id for letter in letters.to_end()} == events
    house.check_once([*first, *slow, *last], ["email", "slack"])


def test_sigterm_does_not_wait_for_kafka(house, name):
    with house.notifier(name) as notifier:
        notifier.wait_ready()
        house.announce(Event())
        house.wait_committed(1)
        with house.without_kafka():
            notifier.wait_said("no broker can be reached")
            assert notifier.stop() < 20
