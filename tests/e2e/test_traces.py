"""Traces: taken from callers, carried on to events, webhooks and commands, and told to a collector;
and a collector that is ill, which nobody but the trace exporter may feel."""

import secrets

import pytest

import commanders
from collector import Collector
from grpcclient import GrpcClient, GrpcTenant
from kafka import Reader, produce
from scrape import scrape
from shape import new_id
from systems import running, wait_for
from tenant import OPERATOR, Tenant

pytestmark = pytest.mark.kafka

SOON = 20.0
NOTIFY = ["gm@hotel.example", "#front-desk"]
GUARD, RELAY = "availability-guard", "availability-guard-relay"
NOTIFIER, COMMANDS = "availability-guard-notifier", "availability-guard-commands"
QUEUE_MAX = 40


@pytest.fixture(scope="module")
def collector():
    made = Collector()
    yield made
    made.close()
    assert not made.failures, made.failures[:3]


@pytest.fixture(scope="module")
def traced(request, collector):
    with running(request.session, kafka=True, sink=True,
                 OTEL_EXPORTER_OTLP_ENDPOINT=collector.url + "/", OTEL_BSP_SCHEDULE_DELAY=20,
                 OTEL_BSP_MAX_QUEUE_SIZE=QUEUE_MAX, OTEL_BSP_MAX_EXPORT_BATCH_SIZE=QUEUE_MAX,
                 OTEL_EXPORTER_OTLP_HEADERS="x-collector-key=a%20b%2Cc",
                 OTEL_RESOURCE_ATTRIBUTES="deployment.environment.name=te%C3%A4st, service.name=no",
                 OTEL_SERVICE_NAME="guard of tests") as started:
        yield started


@pytest.fixture
def guest(traced):
    made = Tenant(traced.base_url)
    yield made
    made.close()


@pytest.fixture(scope="module")
def inventory(traced):
    with Reader(traced.brokers, traced.settings["INVENTORY_EVENTS_TOPIC"]) as opened:
        yield opened


class Caller:
    """Somebody with a span of its own."""

    def __init__(self, sampled=True):
        self.trace_id, self.span_id = secrets.token_hex(16), secrets.token_hex(8)
        self.flags = "01" if sampled else "00"
        self.traceparent = f"00-{self.trace_id}-{self.span_id}-{self.flags}"
        self.headers = {"traceparent": self.traceparent}


def told(reader, lock_id, event_type):
    """The event of this type of the lock."""
    def matching(messages):
        return [m for m in messages
                if m.key == lock_id and m.header("event-type") == event_type]
    return matching(reader.wait_until(matching, SOON, f"{event_type} of {lock_id}"))[0]


def by_name(spans):
    found = {}
    for span in spans:
        found.setdefault(span.name, []).append(span)
    return found


def context_of(span):
    return f"00-{span.trace_id}-{span.span_id}-01"


def figures(system):
    """{result: spans} of the metrics."""
    return {series.split('"')[1]: int(value) for series, value in scrape(system).items()
            if series.startswith("availability_guard_trace_spans_total")}


def is_settled(system):
    """Whether it is known what became of all spans that programs have sent."""
    found = figures(system)
    return found["sent"] == found["exported"] + found["refused"] + found["dropped"]


@pytest.mark.smoke
def test_from_a_request_to_the_webhooks(traced, collector, guest, inventory):
    caller = Caller()
    lock = guest.locked()["id"]
    guest.manual_release(lock, {**OPERATOR, **caller.headers}, notify=NOTIFY)
    topic = traced.settings["AVAILABILITY_GUARD_NOTIFICATION_TOPIC"]
    found = by_name(collector.wait(caller.trace_id, 8))
    [request] = found["POST /v1/locks/{id}/manual-release"]
    assert (request.program, request.kind, request.parent) == (GUARD, "SERVER", caller.span_id)
    assert request.attributes.items() >= {
        "http.request.method": "POST", "http.route": "/v1/locks/{id}/manual-release",
        "http.response.status_code": 200, "url.path": f"/v1/locks/{lock}/manual-release",
        "availability_guard.operation": "manualRelease", "availability_guard.outcome": "success",
        "availability_guard.tenant_id": guest.id}.items()
    assert request.resource.items() >= {"service.name": "guard of tests",
                                        "deployment.environment.name": "teäst"}.items()
    [queue], [statement] = found["queue"], found["EXECUTE manual_release"]
    assert (queue.kind, queue.parent) == ("INTERNAL", request.span_id)
    assert (statement.kind, statement.parent) == ("CLIENT", request.span_id)
    assert statement.attributes["db.system.name"] == "postgresql"
    assert request.start <= queue.start <= queue.end <= statement.start <= statement.end
    assert statement.end <= request.end

    [sent], [processed] = found[f"send {topic}"], found[f"process {topic}"]
    assert (sent.program, sent.kind, sent.parent) == (RELAY, "PRODUCER", request.span_id)
    [of_lock] = found[f"send {traced.settings['INVENTORY_EVENTS_TOPIC']}"]
    assert of_lock.parent == request.span_id
    assert told(inventory, lock, "inventory.released").header("traceparent") == context_of(of_lock)
    assert (processed.program, processed.kind) == (NOTIFIER, "CONSUMER")
    assert processed.parent == sent.span_id
    assert processed.attributes["messaging.system"] == "kafka"
    assert processed.attributes["availability_guard.outcome"] == "processed"
    assert processed.attributes["messaging.message.id"] == sent.attributes["messaging.message.id"]

    calls = {span.attributes["availability_guard.channel"]: span for span in found["POST"]}
    assert set(calls) == {"email", "slack"}
    for channel, call in calls.items():
        assert (call.program, call.kind, call.parent) == (NOTIFIER, "CLIENT", processed.span_id)
        assert call.attributes["http.response.status_code"] == 200
        [record] = [r for r in traced.sink.records(f"/{channel}")
                    if r["headers"].get("traceparent", "").split("-")[1:2] == [caller.trace_id]]
        assert record["headers"]["traceparent"] == context_of(call)
    assert not [span for spans in found.values() for span in spans if span.failed]


def test_what_is_not_sampled_goes_on_but_is_not_told(collector, guest, inventory):
    quiet, loud = Caller(sampled=False), Caller()
    lock = guest.locked(quiet.headers)["id"]
    assert told(inventory, lock, "inventory.locked").header("traceparent") == quiet.traceparent
    guest.release(lock, loud.headers)
    collector.wait(loud.trace_id, 4)
    assert collector.spans(quiet.trace_id) == []


@pytest.mark.parametrize("header", [
    None, "nonsense", f"00-{32 * '0'}-00f067aa0ba902b7-01", f"00-{32 * 'A'}-00f067aa0ba902b7-01"])
def test_a_trace_is_made_where_there_is_none(collector, guest, inventory, header):
    lock = guest.locked(header and {"traceparent": header})["id"]
    context = told(inventory, lock, "inventory.locked").header("traceparent")
    spans = collector.wait(context.split("-")[1], 4)
    assert [span.parent for span in spans if span.kind == "SERVER"] == [None]
    assert {span.name for span in spans if span.program == GUARD} == {
        "POST /v1/locks", "queue", "EXECUTE lock_one"}


def test_what_fails(traced, collector, guest):
    """Mistakes of callers are no errors of the service, but spans."""
    wrong, conflict, nowhere = Caller(), Caller(), Caller()
    guest.locked()
    guest.conflict(conflict.headers)
    guest.lock(wrong.headers, stayEnd="never")
    guest.client.get("/v1/nowhere", headers=nowhere.headers)
    [span] = collector.wait(wrong.trace_id, 1)
    assert span.attributes["availability_guard.outcome"] == "invalid" and not span.failed
    assert span.attributes["http.response.status_code"] == 400
    [span] = [s for s in collector.wait(conflict.trace_id, 3) if s.kind == "SERVER"]
    assert span.attributes["availability_guard.outcome"] == "conflict" and not span.failed
    [span] = collector.wait(nowhere.trace_id, 1)
    assert (span.name, span.attributes["http.response.status_code"]) == ("GET", 404)
    # Only those who say so themselves are traced when they look after the service.
    looked = Caller()
    guest.client.get("/health")
    guest.client.get("/ready")
    guest.client.get("/ready", headers=looked.headers)
    collector.wait(looked.trace_id, 3)
    assert [s.trace_id for s in collector.spans()
            if s.name in ("GET /health", "GET /ready")] == [looked.trace_id]
    assert traced.get_status("/health") == 200


def test_a_call_of_grpc(traced, collector, guest):
    caller = Caller()
    with GrpcClient(traced.grpc_address) as client:
        call = GrpcTenant(client, guest)
        call.lock(options={"metadata": [("traceparent", caller.traceparent)]})
    found = by_name(collector.wait(caller.trace_id, 4))
    [span] = found["availabilityguard.v1.AvailabilityGuard/LockRoom"]
    assert (span.kind, span.parent) == ("SERVER", caller.span_id)
    assert span.attributes.items() >= {
        "rpc.system": "grpc", "rpc.service": "availabilityguard.v1.AvailabilityGuard",
        "rpc.method": "LockRoom", "rpc.grpc.status_code": 0,
        "availability_guard.tenant_id": guest.id}.items()
    assert "http.route" not in span.attributes


def test_a_command(traced, collector, guest, inventory):
    caller, malformed = Caller(), Caller()
    topic = traced.settings["COMMAND_CENTER_TOPIC"]
    lock = new_id()
    key, value, headers = commanders.lock(guest, lock).message
    produce(traced.brokers, topic, [(key, value, {**headers, **caller.headers}),
                                    (key, "not JSON", {**headers, **malformed.headers})])
    found = by_name(collector.wait(caller.trace_id, 4))
    [processed] = found[f"process {topic}"]
    assert (processed.program, processed.kind, processed.parent) == (
        COMMANDS, "CONSUMER", caller.span_id)
    assert processed.attributes["availability_guard.outcome"] == "locked"
    assert found["queue"][0].parent == found["EXECUTE lock_once"][0].parent == processed.span_id
    [sent] = found[f"send {traced.settings['INVENTORY_EVENTS_TOPIC']}"]
    assert sent.parent == processed.span_id
    assert told(inventory, lock, "inventory.locked").header("traceparent") == context_of(sent)
    [span] = collector.wait(malformed.trace_id, 1)
    assert span.failed and span.attributes["availability_guard.outcome"] == "invalid"
    with Reader(traced.brokers, traced.settings["INVENTORY_EVENTS_DLQ_TOPIC"]) as letters:
        [letter] = letters.wait(1, SOON)
        assert letter.header("traceparent") == malformed.traceparent


def test_bulk_and_batches(collector, guest, inventory):
    """Each event has the trace of its request, whatever it shared a statement with."""
    caller = Caller()
    locks = [guest.locked(roomId=new_id())["id"] for _ in range(3)]
    guest.bulk(locks, caller.headers)
    spans = collector.wait(caller.trace_id, 6)
    [request] = [span for span in spans if span.kind == "SERVER"]
    sent = {context_of(span): span.parent for span in spans if span.kind == "PRODUCER"}
    assert set(sent.values()) == {request.span_id}
    assert {told(inventory, lock, "inventory.released").header("traceparent")
            for lock in locks} == set(sent)


# --- a collector that is ill -----------------------------------------------------------------------

def test_a_collector_that_asks_for_patience(collector, guest):
    """Nothing is lost, and nothing comes twice."""
    caller = Caller()
    collector.statuses, collector.retry_after = [503, 429], 0
    try:
        guest.locked(caller.headers)
        collector.wait(caller.trace_id, 4, 30)
        assert collector.statuses == []
    finally:
        collector.behave_well()


def test_a_collector_that_answers_500(traced, collector, guest):
    """That is not tried again; what comes later is told as ever."""
    before = figures(traced)["refused"]
    collector.status = 500
    try:
        for _ in range(5):
            guest.locked(roomId=new_id())
        wait_for(lambda: figures(traced)["refused"] >= before + 20, SOON, "spans are refused")
    finally:
        collector.behave_well()
    caller = Caller()
    guest.locked(caller.headers, roomId=new_id())
    collector.wait(caller.trace_id, 4)


def test_a_collector_that_takes_some(traced, collector, guest):
    before = figures(traced)["refused"]
    collector.answer = {"partialSuccess": {"rejectedSpans": "1", "errorMessage": "no"}}
    try:
        guest.locked(roomId=new_id())
        wait_for(lambda: figures(traced)["refused"] > before, SOON, "a span is refused")
    finally:
        collector.behave_well()


def test_a_collector_that_hangs(traced, collector, guest):
    """Requests are answered, and what does not fit into the exporter's queue is dropped."""
    before, calls = figures(traced)["dropped"], len(collector.calls)
    collector.hang.clear()
    try:
        for _ in range(QUEUE_MAX):
            guest.locked(roomId=new_id())
        wait_for(lambda: figures(traced)["dropped"] > before, SOON, "spans are dropped")
        assert len(collector.calls) == calls
    finally:
        collector.behave_well()
    wait_for(lambda: is_settled(traced), SOON, "all that was sent is accounted for")


def test_nobody_listens(traced, collector, guest):
    """Without the exporter spans go nowhere, and nothing else is missed: no other program talks to
    the collector."""
    traced.kill_trace_exporter()
    before, calls = figures(traced)["unsent"], len(collector.calls)
    for _ in range(3):
        guest.locked(roomId=new_id())
    wait_for(lambda: figures(traced)["unsent"] >= before + 12, SOON, "spans are not heard")
    # Those of the tests before may be among them, and the guard gathers its own for a moment.
    wait_for(lambda: "spans are dropped" in traced.log_path("guard").read_text("utf-8"), SOON,
             "the guard is not heard")
    assert len(collector.calls) == calls
    traced.start_trace_exporter()
    caller = Caller()
    guest.locked(caller.headers, roomId=new_id())
    collector.wait(caller.trace_id, 4)
    assert "spans are taken again" in traced.log_path("guard").read_text("utf-8")


def test_what_is_left_is_sent_at_the_end(traced, collector, guest):
    caller = Caller()
    guest.locked(caller.headers)
    collector.wait(caller.trace_id, 4)
    traced.stop_trace_exporter()
    assert "ended with" not in traced.log_path("trace-exporter").read_text("utf-8")
    traced.start_trace_exporter()
