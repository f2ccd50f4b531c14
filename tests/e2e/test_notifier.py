"""The notifier: who is called, with what, how often, and what becomes of an event."""

import base64
import copy
import email.utils
import hmac
import json
import re
import subprocess
import time

import pytest

from database import Database
from kafka import produce
from notifiers import (CHANNELS, EMAIL, PHONE, PREFIX, SLACK, SOON, Event, deliveries, instant,
                       notifier_house)
from systems import wait_for

pytestmark = pytest.mark.kafka


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


def test_every_channel_is_called_once(house, name, ledger):
    events = [Event() for _ in range(20)]
    with house.notifier(name) as notifier:
        house.announce(*events)
        house.wait_all(events)
        house.wait_committed(len(events))
        notifier.stop()
    house.check_once(events)
    for event in events:
        assert deliveries(ledger, event) == dict.fromkeys(CHANNELS, "DELIVERED")


# --- what is sent ----------------------------------------------------------------------------


def body_of(record):
    return json.loads(record["body"])


def test_a_call_says_who_and_what(house, name):
    event = Event(recipients=(EMAIL, "slack:C0123", PHONE, SLACK, "+1 (415) 555-0199", "nobody"))
    with house.notifier(name) as notifier:
        house.announce(event)
        house.wait_all([event])
        notifier.stop()
    [mail], [sms], [slack] = (house.calls(event, channel) for channel in CHANNELS)
    assert body_of(mail)["recipients"] == [EMAIL]
    assert body_of(sms)["recipients"] == [PHONE, "+14155550199"]
    assert body_of(slack)["recipients"] == ["C0123", SLACK]
    assert body_of(mail)["metadata"]["lockId"] == event.lock_id
    for record in (mail, sms, slack):
        assert record["method"] == "POST"
        headers = record["headers"]
        assert headers["content-type"] == "application/json"
        assert headers["user-agent"].startswith("availability-guard/")
        assert abs(int(headers["webhook-timestamp"]) - instant(record["time"])) < 10
        assert not {"authorization", "webhook-signature", "expect"} & set(headers)
    assert notifier.said("1 recipients unroutable")


def test_api_keys_are_bearer_tokens_of_their_channel(house, name):
    event = Event()
    house.secrets |= {"key-of-email", "key-of-sms"}
    keys = {PREFIX + "EMAIL_API_KEY": "key-of-email", PREFIX + "SMS_API_KEY": "key-of-sms"}
    with house.notifier(name, **keys) as notifier:
        house.announce(event)
        house.wait_all([event])
        notifier.stop()
    [mail], [sms], [slack] = (house.calls(event, channel) for channel in CHANNELS)
    assert mail["headers"]["authorization"] == "Bearer key-of-email"
    assert sms["headers"]["authorization"] == "Bearer key-of-sms"
    assert "authorization" not in slack["headers"]


def signature(secret, record):
    """As a receiver computes it, from the specification alone."""
    headers = record["headers"]
    key = base64.b64decode(secret[6:]) if secret.startswith("whsec_") else secret.encode()
    content = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.{record['body']}"
    return "v1," + base64.b64encode(hmac.digest(key, content.encode(), "sha256")).decode()


WHSEC = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@pytest.mark.parametrize("secrets", [(WHSEC,), ("plain words are fine",), ("the old one", WHSEC)])
def test_calls_are_signed(house, secrets):
    event = Event(reason="Grüße, “quoted”")
    house.secrets |= set(secrets)
    with house.notifier("signed", **{PREFIX + "SIGNING_SECRET": ",".join(secrets)}) as notifier:
        house.announce(event)
        house.wait_all([event])
        notifier.stop()
    for channel in CHANNELS:
        [record] = house.calls(event, channel)
        assert record["headers"]["webhook-signature"] == " ".join(
            signature(secret, record) for secret in secrets)


def test_a_repeated_call_is_the_same_but_for_its_time(house, name):
    event = Event()
    house.sink.behave("/email", {"status": 500}, {"status": 503})
    with house.notifier(name, **{PREFIX + "SIGNING_SECRET": WHSEC}) as notifier:
        house.announce(event)
        house.wait_all([event])
        house.wait_committed(1)
        notifier.stop()
    calls = house.calls(event, "email")
    assert [call["answer"].get("status", 200) for call in calls] == [500, 503, 200]
    assert len({call["body"] for call in calls}) == 1
    for call in calls:
        assert call["headers"]["webhook-signature"] == signature(WHSEC, call)


# --- what is not sent ------------------------------------------------------------------------


def test_a_dry_run_calls_nobody(house, name, ledger):
    events = [Event() for _ in range(3)]
    # At debug, which it has else, it shows who would be told.
    with house.notifier(name, LOG_LEVEL="info", **{PREFIX + "DRY_RUN": "true"}) as notifier:
        house.announce(*events)
        house.wait_committed(3)
        for event in events:
            for channel in CHANNELS:
                notifier.wait_said(f"dry run: event {event.event_id}, lock {event.lock_id}:"
                                   f" {channel} to 1 recipients")
        notifier.stop()
    assert not house.sink.records()
    assert not any(deliveries(ledger, event) for event in events)


def test_a_dry_run_needs_no_database(house, name):
    with house.notifier(name, DATABASE_URL="host=127.0.0.1 port=1 dbname=nothing",
                        LOG_LEVEL="info", **{PREFIX + "DRY_RUN": "true"}) as notifier:
        house.announce(Event())
        house.wait_committed(1)
        notifier.stop()


def test_channels_are_told_only_when_enabled_and_with_a_webhook(house, name, ledger):
    event, nobody = Event(), Event(recipients=(PHONE, SLACK))
    settings = {PREFIX + "SMS_ENABLED": "false", PREFIX + "SLACK_WEBHOOK_URL": None}
    with house.notifier(name, **settings) as notifier:
        house.announce(event, nobody)
        house.wait_committed(2)
        notifier.stop()
    assert [record["path"] for record in house.sink.records()] == ["/email"]
    assert deliveries(ledger, event) == {"email": "DELIVERED"}
    assert notifier.said("slack is enabled but has no webhook", "warn")
    assert notifier.said("2 times no webhook")


def test_an_event_that_comes_again_is_not_sent_again(house, name):
    event, later = Event(), Event()
    with house.notifier(name) as notifier:
        house.announce(event, event, event)  # as a relay that lost an answer
        house.wait_all([event])
        house.wait_committed(3)
        house.announce(event, later)
        house.wait_all([later])
        house.wait_committed(5)
        notifier.stop()
    house.check_once([event, later])


def test_an_event_comes_again_while_its_calls_are_under_way(house, name):
    event = Event()
    house.sink.behave("*", then={"delay_ms": 1000})
    with house.notifier(name) as notifier:
        house.announce(event)
        house.sink.wait(len, SOON, "the first call")
        house.announce(event)
        house.wait_committed(2)
        notifier.stop()
    house.check_once([event])


def test_channels_that_were_served_before_are_left_alone(house, name, ledger):
    event = Event()
    ledger.rows("SELECT guard.record_delivery(%s, %s, 'email', 'DELIVERED', 1),"
                " guard.record_delivery(%s, %s, 'sms', 'DEAD', 4)",
                (event.tenant_id, event.event_id) * 2)
    with house.notifier(name) as notifier:
        house.announce(event)
        house.wait_committed(1)
        notifier.stop()
    house.check_once([event], ["slack"])
    assert not house.ids("email") and not house.ids("sms")
    assert deliveries(ledger, event) == {"email": "DELIVERED", "sms": "DEAD", "slack": "DELIVERED"}


def test_old_entries_of_the_ledger_are_deleted(house, name, ledger):
    old, kept = Event(), Event()
    for event, days in ((old, 31), (kept, 29)):
        ledger.execute("INSERT INTO guard.deliveries (tenant_id, event_id, channel, state,"
                       " attempts, created_at) VALUES (%s, %s, 'email', 'DELIVERED', 1,"
                       " clock_timestamp() - make_interval(days => %s))",
                       (event.tenant_id, event.event_id, days))
    with house.notifier(name) as notifier:
        wait_for(lambda: not deliveries(ledger, old), SOON, "the old entry is deleted")
        notifier.stop()
    assert deliveries(ledger, kept) == {"email": "DELIVERED"}


# --- events that are none --------------------------------------------------------------------


def malformed_messages(size):
    """Those with the longest junk, of this size, are longer than the topic of letters takes."""
    good = Event()
    key, value, headers = good.message
    content = json.loads(value)
    yield "not JSON", (key, b"{", headers)
    yield "not UTF-8", (key, b'{"type":"\xff"}', headers)
    yield "no value", (key, None, headers)
    yield "an empty value", (key, b"", headers)
    yield "an array", (key, b"[]", headers)
    yield "a foreign type", (key, json.dumps({**content, "type": "inventory.locked"}), headers)
    yield "no lock", (key, json.dumps({k: v for k, v in content.items() if k != "lockId"}), headers)
    yield "no headers", (key, value, None)
    yield "no event id", (key, value, {**headers, "event-id": "x"})
    yield "huge", (key, json.dumps({**content, "extra": ["x" * size]})[:size], headers)
    yield "huge junk", (None, b"\0" * size, [("dlq-source-topic", "forged"), ("a", None)])
    crowd = {**content, "recipients": [EMAIL] * 5000}
    yield "too many recipients", (key, json.dumps(crowd), headers)


def test_malformed_events_are_dead_lettered_and_the_rest_goes_on(house, name):
    # A real Kafka takes no more than 1 MiB with everything around it.
    bad = dict(malformed_messages(2_000_000 if house.system.kafka.private else 1_040_000))
    before, after = Event(), Event()
    with house.notifier(name) as notifier, house.dead_letters() as letters:
        house.announce(before)
        produce(house.brokers, house.topic, bad.values())
        house.announce(after)
        house.wait_all([before, after])
        found = letters.wait(len(bad), SOON)
        house.wait_committed(len(bad) + 2)
        notifier.stop()
        assert len(letters.to_end()) == len(bad)
    house.check_once([before, after])
    for letter in found:
        assert letter.header("dlq-source-topic") == house.topic
        assert int(letter.header("dlq-source-offset")) >= 0
        assert 0 <= int(letter.header("dlq-source-partition")) < 4
        assert letter.header("dlq-error").startswith("malformed: ")
        assert letter.header("dlq-attempts") == "0"
        assert letter.header("dlq-channel") is None
    values = [(key.encode() if isinstance(key, str) else key,
               value.encode() if isinstance(value, str) else value or b"")
              for key, value, _ in bad.values()]
    kept = [letter for letter in found if letter.header("dlq-value") is None]
    omitted = [letter for letter in found if letter.header("dlq-value") == "omitted"]
    assert len(omitted) == 2 and not any(letter.value for letter in omitted)
    for letter in kept:
        assert (letter.key and letter.key.encode(), letter.value) in values
    assert len(notifier.said("malformed: ", "warn")) == len(bad)


def test_a_letter_is_the_event_and_why(house, name, ledger):
    event = Event()
    house.sink.behave("/sms", then={"status": 400, "body": "your key is 123"})
    with house.notifier(name) as notifier, house.dead_letters() as letters:
        house.announce(event)
        [letter] = letters.wait(1, SOON)
        house.wait_committed(1)
        notifier.stop()
    assert letter.key == event.lock_id and letter.value.decode() == event.value
    headers = dict(letter.headers)
    assert headers.pop("dlq-source-topic").decode() == house.topic
    assert headers.pop("dlq-source-partition") and headers.pop("dlq-source-offset") == b"0"
    assert headers.pop("dlq-error") == b"sms: HTTP status 400"
    assert headers.pop("dlq-attempts") == b"1" and headers.pop("dlq-channel") == b"sms"
    assert headers == {name: value.encode() for name, value in event.message[2].items()}
    assert deliveries(ledger, event) == {"email": "DELIVERED", "sms": "DEAD",
                                         "slack": "DELIVERED"}
    house.check_once([event])


# --- answers ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def patient(common):
    """(house, notifier, dead letters) of one notifier for many tests; it makes three tries."""
    view = copy.copy(common)
    view.begin()
    settings = {"CONSUMER_MAX_RETRIES": 2, "EMAIL_TIMEOUT_MS": 500, "BREAKER_FAILURES": 1000,
                "CONSUMER_RETRY_BACKOFF_MS": 10}
    with view.notifier("patient", **{PREFIX + key: value for key, value in settings.items()}) \
            as notifier, view.dead_letters() as letters:
        yield view, notifier.wait_ready(), letters
        notifier.stop()


@pytest.mark.parametrize("answer, calls, error", [
    ({"status": 400}, 1, "HTTP status 400"),
    ({"status": 401}, 1, "HTTP status 401"),
    ({"status": 410}, 1, "HTTP status 410"),
    ({"redirect": "/elsewhere"}, 1, "HTTP status 307"),
    ({"redirect": "/elsewhere", "status": 301}, 1, "HTTP status 301"),
    ({"status": 408}, 3, "HTTP status 408"),
    ({"status": 425}, 3, "HTTP status 425"),
    ({"status": 429}, 3, "HTTP status 429"),
    ({"status": 500}, 3, "HTTP status 500"),
    ({"status": 503, "body_bytes": 1 << 20}, 3, "HTTP status 503"),
    ({"reset": True}, 3, "Failure when receiving data from the peer"),
    ({"close": True}, 3, "Server returned nothing (no headers, no data)"),
    ({"hang": 3}, 3, "Timeout was reached"),
    ({"delay_ms": 2000}, 3, "Timeout was reached"),
], ids=str)
def test_what_an_answer_means(house, patient, answer, calls, error):
    """The email webhook answers so, the others are well."""
    house, _, letters = patient
    event = Event()
    house.sink.behave("/email", then=answer)
    house.announce(event)
    letters.wait_until(lambda found: event.event_id in [m.event_id for m in found], SOON,
                       "the letter")
    [letter] = [message for message in letters.messages if message.event_id == event.event_id]
    assert letter.header("dlq-error") == f"email: {error}"
    assert letter.header("dlq-attempts") == str(calls)
    # libcurl repeats a request by itself when a connection that it has used before turns out dead.
    repeated = calls if "reset" in answer or "close" in answer else 0
    assert calls <= len(house.calls(event, "email")) <= calls + repeated
    assert not house.sink.records("/elsewhere")
    house.check_once([event], ["sms", "slack"])


@pytest.mark.parametrize("answer", [
    {"status": 201}, {"status": 204}, {"body_bytes": 1 << 20},
    {"drip": {"bytes": 1000, "interval_ms": 50}},
], ids=str)
def test_a_status_is_enough(house, patient, ledger, answer):
    """Whatever comes behind it: too much, too slowly, nothing at all."""
    house, _, _ = patient
    events = [Event(recipients=(EMAIL,)) for _ in range(3)]
    house.sink.behave("/email", then=answer)
    house.announce(*events)
    wait_for(lambda: all(deliveries(ledger, event) == {"email": "DELIVERED"} for event in events),
             SOON, "all are delivered")
    house.check_once(events, ["email"])


def test_retry_after_is_obeyed(house, name):
    event = Event()
    date = email.utils.formatdate(time.time() + 60, usegmt=True)
    house.sink.behave("/email", {"status": 429, "headers": {"Retry-After": "2"}})
    house.sink.behave("/sms", {"status": 503, "headers": {"Retry-After": date}})
    with house.notifier(name) as notifier:
        house.announce(event)
        house.wait_all([event], ["email", "slack"])
        house.sink.wait(lambda records: len(records) == 2, SOON, "the second call", "/email")
        notifier.kill()
    first, second = (instant(call["time"]) for call in house.calls(event, "email"))
    assert 1.9 < second - first < 10
    assert len(house.calls(event, "sms")) == 1


def test_a_webhook_that_asks_for_a_pause_gets_it_from_all_events(house, name):
    """429 holds up what is behind it, too, and costs none of it a try."""
    first, later = Event(recipients=(EMAIL,)), [Event(recipients=(EMAIL,)) for _ in range(10)]
    house.sink.behave("/email", {"status": 429, "headers": {"Retry-After": "2"}})
    with house.notifier(name, **{PREFIX + "CONSUMER_MAX_RETRIES": 1}) as notifier:
        house.announce(first)
        house.sink.wait(len, SOON, "the first call")
        refused = instant(house.sink.records()[0]["time"])
        house.announce(*later)
        house.wait_all([first, *later], ["email"])
        house.wait_committed(11)
        notifier.stop()
    assert len(house.calls(first, "email")) == 2
    assert all(len(house.calls(event, "email")) == 1 for event in later)
    assert all(instant(record["time"]) - refused > 1.9 for record in house.sink.records()[1:])


@pytest.mark.parametrize("answer", [{"status": 500}, {"reset": True}, {"hang": 3}], ids=str)
def test_an_sms_that_may_have_been_sent_is_not_sent_again(house, answer, ledger):
    event = Event()
    house.sink.behave("/sms", then=answer)
    settings = {"SMS_RETRY_UNCERTAIN": "false", "SMS_TIMEOUT_MS": 500}
    with house.notifier("uncertain", **{PREFIX + key: value for key, value in settings.items()}) \
            as notifier, house.dead_letters() as letters:
        house.announce(event)
        [letter] = letters.wait(1, SOON)
        house.wait_committed(1)
        notifier.stop()
    assert letter.header("dlq-error").endswith(", may have been sent")
    assert letter.header("dlq-channel") == "sms"
    assert len(house.calls(event, "sms")) == 1
    assert deliveries(ledger, event)["sms"] == "DEAD"


def test_an_sms_that_was_surely_not_sent_is_sent_again(house, name):
    event = Event()
    house.sink.behave("/sms", {"status": 429}, {"status": 408})
    with house.notifier(name, **{PREFIX + "SMS_RETRY_UNCERTAIN": "false"}) as notifier:
        house.announce(event)
        house.wait_committed(1)
        notifier.stop()
    assert len(house.calls(event, "sms")) == 3


# --- addresses -------------------------------------------------------------------------------


@pytest.mark.parametrize("hosts", [("127.0.0.1", "localhost", "[::ffff:127.0.0.1]"),
                                   ("2130706433", "0.0.0.0", "[::1]")], ids=str)
def test_private_addresses_are_refused(house, hosts):
    """At connect time, whatever the name: nothing reaches the sink, which listens there."""
    event = Event()
    settings = {PREFIX + f"{channel.upper()}_WEBHOOK_URL": f"http://{host}:{house.sink.port}/x"
                for channel, host in zip(CHANNELS, hosts)}
    with house.notifier("private", **settings,
                        **{PREFIX + "REFUSE_PRIVATE_ADDRESSES": "true"}) as notifier, \
            house.dead_letters() as letters:
        house.announce(event)
        [letter] = letters.wait(1, SOON)
        notifier.stop()
    assert letter.header("dlq-error") == "; ".join(f"{channel}: its address is private"
                                                   for channel in CHANNELS)
    assert letter.header("dlq-attempts") == "3"
    assert not house.sink.records()


def test_no_proxy_gets_around_the_refusal(house, name):
    event = Event(recipients=(EMAIL,))
    with house.notifier(name, http_proxy=house.sink.url(""),
                        **{PREFIX + "REFUSE_PRIVATE_ADDRESSES": "true"}) as notifier, \
            house.dead_letters() as letters:
        house.announce(event)
        letters.wait(1, SOON)
        notifier.stop()
    assert not house.sink.records()


def test_a_proxy_of_the_environment_is_used(house, name):
    event = Event(recipients=(EMAIL,))
    with house.notifier(name, http_proxy=house.sink.url(""),
                        **{PREFIX + "EMAIL_WEBHOOK_URL": "http://mail.invalid/x"}) as notifier:
        house.announce(event)
        house.wait_committed(1)
        notifier.stop()
    assert [record["path"] for record in house.sink.records()] == ["http://mail.invalid/x"]


# --- settings --------------------------------------------------------------------------------


@pytest.mark.parametrize("variable, value", [
    ("EMAIL_WEBHOOK_URL", "ftp://mail.example/secret-path"),
    ("SMS_WEBHOOK_URL", "sms.example/secret-path"),
    ("SLACK_WEBHOOK_URL", "https://"),
    ("SLACK_WEBHOOK_URL", "file:///etc/secret-path"),
    ("SLACK_WEBHOOK_URL", "http://a b/secret-path"),
    ("EMAIL_API_KEY", "secret path"),
    ("SIGNING_SECRET", "whsec_secret-path"),
    ("SIGNING_SECRET", "a,b,secret-path"),
])
def test_a_wrong_setting_is_named_and_not_shown(house, variable, value):
    notifier = house.notifier("settings", **{PREFIX + variable: value})
    for arguments in ([], ["-n"], ["--replay-dlq"]):
        done = subprocess.run([*notifier.command, *arguments], env=notifier.env, text=True,
                              capture_output=True, check=False, timeout=60)
        assert done.returncode == 2
        [line] = done.stderr.strip().splitlines()
        assert PREFIX + variable in line
        assert "secret" not in line.replace("a secret", "").replace("secrets", "")
        assert not done.stdout


def test_cooperative_rebalances_are_refused(house):
    variable = "KAFKA_PROPERTY_PARTITION_ASSIGNMENT_STRATEGY"
    notifier = house.notifier("cooperative", **{variable: "cooperative-sticky"})
    done = subprocess.run([*notifier.command, "-n"], env=notifier.env, text=True,
                          capture_output=True, check=False, timeout=60)
    assert done.returncode == 2
    assert variable in done.stderr and not done.stdout


def test_options(house):
    notifier = house.notifier("options")

    def run(*arguments):
        return subprocess.run([*notifier.command, *arguments], env=notifier.env, text=True,
                              capture_output=True, check=False, timeout=60)
    assert run("-V").stdout.startswith("availability-guard-notifier ")
    assert "--replay-dlq" in run("-h").stdout
    assert PREFIX + "EMAIL_WEBHOOK_URL=********" in run("-n").stdout
    for wrong in ("--replay", "--replay-dlq=x", "-x", "x"):
        if wrong != "--replay":  # getopt completes it
            assert run(wrong).returncode == 2


def test_a_disabled_consumer_idles(house, name):
    with house.notifier(name, **{PREFIX + "CONSUMER_ENABLED": "false"}) as notifier:
        notifier.wait_said("the consumer is disabled")
        house.announce(Event())
        assert notifier.runs()
        assert notifier.stop() < 5
    assert house.committed() == 0
    assert not house.sink.records()


# --- the end ---------------------------------------------------------------------------------


def test_sigterm_lets_calls_finish(house, name, ledger):
    """What is under way is finished, noted and committed; what was to be repeated stays."""
    event, ill = Event(recipients=(EMAIL,)), Event(recipients=(PHONE,))
    house.sink.behave("/email", then={"delay_ms": 1500})
    house.sink.behave("/sms", then={"status": 503})
    with house.notifier(name, **{PREFIX + "CONSUMER_RETRY_BACKOFF_MS": 60000}) as notifier:
        house.announce(event, ill)
        house.sink.wait(lambda records: len(records) == 2, SOON, "both calls")
        assert notifier.stop() < 15
    house.check_once([event], ["email"])
    assert deliveries(ledger, event) == {"email": "DELIVERED"}
    assert not deliveries(ledger, ill)
    house.sink.behave_well()
    with house.notifier(name) as notifier:
        house.wait_committed(2)
        notifier.stop()
    house.check_once([event], ["email"])
    assert len(house.calls(ill, "sms")) == 2


def test_sigterm_waits_for_no_webhook_that_hangs(house, name):
    event = Event(recipients=(EMAIL,))
    house.sink.behave("/email", {"hang": 60})
    with house.notifier(name, **{PREFIX + "EMAIL_TIMEOUT_MS": 60000}) as notifier:
        house.announce(event)
        house.sink.wait(len, SOON, "the call")
        assert notifier.stop() < 25
        notifier.start()
        house.wait_committed(1)
        notifier.stop()
    assert len(house.calls(event, "email")) == 2
