"""Bad callers at the port for gRPC: each gets a status, none a hang, and nobody else notices."""

import contextlib
import re
import urllib.parse

import pytest

from database import Database
from grpcclient import CANONICAL_HEALTH, PACKAGE, SERVICE, GrpcClient, GrpcTenant, make, message_type
from rawh2 import RawH2, frame
from rawsocket import exchange, request_bytes
from shape import UNKNOWN_ID, new_id
from systems import running, wait_for
from tenant import Tenant

LOCK = f"/{SERVICE}/LockRoom"
HEALTH = f"/{PACKAGE}.Health/Check"

OK, INVALID_ARGUMENT, DEADLINE_EXCEEDED, EXHAUSTED, UNIMPLEMENTED, UNAVAILABLE = 0, 3, 4, 8, 12, 14

# Errors of HTTP/2 (RFC 9113, section 7)
NO_ERROR, PROTOCOL_ERROR, ENHANCE_YOUR_CALM = 0, 1, 11


@pytest.fixture
def raw(system, steady):
    with RawH2(system.grpc_address) as connection:
        yield connection
        # Whatever it was: the next call of this connection is served.
        check(connection.call(HEALTH, frame(b"")), OK)


@pytest.fixture
def caller(system, tenant):
    with GrpcClient(system.grpc_address) as client:
        yield GrpcTenant(client, tenant)


def check(answer, status, message=None):
    """An answer as every client of gRPC takes it."""
    assert answer.headers[":status"] == "200", answer
    assert answer.headers["content-type"] == "application/grpc"
    assert answer.headers["grpc-accept-encoding"] == "identity"
    assert answer.trailers is not None and answer.ended, answer
    assert answer.grpc_status == status, answer
    assert answer.headers["x-request-id"] == answer.trailers["x-request-id"]
    if message is not None:
        assert answer.grpc_message == message, answer
    if status != OK:
        assert answer.body == b""


def lock_bytes(caller, **changes):
    return caller.lock_request(**changes).SerializeToString()


# Frames

@pytest.mark.parametrize("body, status", [
    (b"", UNIMPLEMENTED),                       # no message
    (frame(b"") + frame(b""), UNIMPLEMENTED),   # two
    (frame(b"")[:4], INVALID_ARGUMENT),         # cut off in the header
    (b"\0\0\0\0\5abcd", INVALID_ARGUMENT),      # and in the message
    (b"\0\xff\xff\xff\xffab", INVALID_ARGUMENT),
    (frame(b"", flag=1), UNIMPLEMENTED),        # compressed
    (frame(b"", flag=2), INVALID_ARGUMENT),
    (frame(b"", flag=255), INVALID_ARGUMENT),
    (b'{"service":""}', INVALID_ARGUMENT),
    (frame(b"") + b"x", UNIMPLEMENTED),
])
def test_bad_frames(raw, body, status):
    check(raw.call(HEALTH, body), status)


def test_a_message_in_many_pieces(raw, caller):
    """Each byte in a frame of HTTP/2 of its own."""
    stream = raw.start(LOCK)
    for byte in frame(lock_bytes(caller)):
        raw.send(stream, bytes([byte]), end=False)
    raw.send(stream, b"")
    answer = raw.finish(stream)
    check(answer, OK)
    found = message_type(f"{PACKAGE}.LockRoomResponse").FromString(answer.body[5:])
    assert found.status == 1 and answer.body[:5] == frame(answer.body[5:])[:5]


def test_a_message_that_does_not_end(raw):
    stream = raw.start(LOCK)
    raw.send(stream, b"\0\0\0", end=False)
    raw.h2.reset_stream(stream)
    raw.flush()


# Messages

def varint(value):
    out = b""
    while value > 127:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])


def field(number, wire_type, content):
    return varint(number << 3 | wire_type) + content


def text(number, content):
    return field(number, 2, varint(len(content)) + content)


NO_MESSAGE = "the bytes are no message of the type that the call takes"


@pytest.mark.parametrize("message", [
    b"\x0a", b"\x0a\x05abc", b"\x0a\xff\xff\xff\xff\x0f", b"\x80", b"\xff" * 11, b"\x00\x00",
    field(1, 0, b"\x01"),                  # tenant_id as a number
    field(10, 2, b"\x01x"),                # ttl_seconds as text
    field(11, 0, b"\x01"),                 # metadata as a number
    text(11, field(1, 0, b"\x01")),        # its key as a number
    text(11, b"\x0a\x05ab"),               # its key cut off
    field(1, 3, b""), field(1, 4, b""), field(1, 6, b""), field(1, 7, b""),  # groups, and no types
    field(1, 5, b"abc"),
], ids=lambda message: message.hex()[:24])
def test_bytes_that_are_no_message(raw, message):
    check(raw.call(LOCK, frame(message)), INVALID_ARGUMENT, NO_MESSAGE)


@pytest.mark.parametrize("name, message", [
    ("tenant_id", text(1, b"\xff\xfe")), ("reason", text(7, b"\xed\xa0\x80")),
    ("reason", text(7, b"a\0")), ("reason", text(7, b"\0")), ("stay_end", text(6, b"2090-01-01\0")),
    ("metadata", text(11, text(1, b"\xc0\x80") + text(2, b"v"))),
    ("metadata", text(11, text(2, b"\xf4\x90\x80\x80"))),
])
def test_text_that_is_none(raw, name, message):
    """It does not hide what else is wrong."""
    answer = raw.call(LOCK, frame(message))
    check(answer, INVALID_ARGUMENT)
    assert f"{name}: must be valid UTF-8 without NUL" in answer.grpc_message.split("; ")
    assert "room_type_id: is required" in answer.grpc_message.split("; ")


def test_unknown_fields_are_ignored(raw, caller, tenant):
    key = new_id()
    unknown = (field(99, 0, varint(1 << 63)) + field(2047, 1, b"12345678") + field(100, 5, b"1234")
               + text(536870911, b"\0\xff") + field(13, 2, b"\0"))
    check(raw.call(LOCK, frame(unknown + lock_bytes(caller, idempotency_key=key) + unknown)), OK)
    assert tenant.fetched(key)["reason"] == "RESERVATION_CREATE"


def test_the_last_of_a_field_counts(raw, caller, tenant):
    key = new_id()
    entries = b"".join(text(11, text(1, b"k") + text(2, value)) for value in (b"1", b"2"))
    message = text(1, b"x") + field(10, 0, varint(5)) + entries + lock_bytes(
        caller, idempotency_key=key, ttl_seconds=60)
    check(raw.call(LOCK, frame(message)), OK)
    seen = tenant.fetched(key)
    assert (seen["metadata"], seen["ttl_seconds"]) == ({"k": "2"}, 60)


def test_a_message_that_claims_much_memory(raw):
    many = text(2, b"") * 500_000
    check(raw.call(f"/{SERVICE}/BulkRelease", frame(many)), EXHAUSTED,
          "the message needs too much memory")


def test_a_message_that_is_too_long(raw):
    answer = raw.call(LOCK, frame(b"x" * 10_000_000))
    check(answer, EXHAUSTED, "payload_too_large: the message is larger than 1048576 bytes")
    # The rest of it is not wanted.
    assert answer.reset in (None, NO_ERROR)


# Headers

def test_without_te_trailers(raw, caller):
    check(raw.call(LOCK, frame(lock_bytes(caller)), changes={"te": None}), OK)


@pytest.mark.parametrize("content_type", [None, "", "application/json", "application/grpc-web",
                                          "application/grpc+json", "application/grpcx"])
def test_another_content_type(raw, content_type):
    answer = raw.call(HEALTH, frame(b""), changes={"content-type": content_type})
    assert answer.headers[":status"] == "415" and answer.grpc_status == INVALID_ARGUMENT


@pytest.mark.parametrize("content_type", ["application/grpc+proto", "Application/GRPC",
                                          "application/grpc;charset=utf-8"])
def test_the_same_content_type(raw, content_type):
    check(raw.call(HEALTH, frame(b""), changes={"content-type": content_type}), OK)


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS", "NOTHING"])
def test_other_methods(raw, method):
    answer = raw.call(HEALTH, frame(b""), changes={":method": method})
    assert answer.headers[":status"] == "405" and answer.ended, answer
    assert answer.headers["allow"] == "POST", answer
    if method != "HEAD":
        assert answer.grpc_status == UNIMPLEMENTED


@pytest.mark.parametrize("method", ["TRACE", "CONNECT"])
def test_methods_that_nginx_refuses(system, steady, method):
    with RawH2(system.grpc_address) as raw:
        answer = raw.call(HEALTH, b"", changes={":method": method})
        if answer.trailers is None:
            assert answer.reset == PROTOCOL_ERROR or raw.goaway == PROTOCOL_ERROR
        else:
            check(answer, UNIMPLEMENTED)


@pytest.mark.parametrize("value", ["", "1", "S", "1s", "-1S", "+1S", "1.5S", "123456789S", "1 S",
                                   "0x1S", "1SS", "１S"])
def test_what_is_no_timeout(raw, value):
    answer = raw.call(HEALTH, frame(b""), [("grpc-timeout", value)])
    if value == "":
        check(answer, OK)  # an empty header is none
    else:
        check(answer, INVALID_ARGUMENT,
              "grpc-timeout must be 1 to 8 digits and a unit: H, M, S, m, u or n")


@pytest.mark.parametrize("value", ["99999999H", "1M", "5S", "5000m", "5000000u", "99999999n"])
def test_timeouts(raw, value):
    if value.endswith("n"):
        # A tenth of a second: it may or may not be enough.
        assert raw.call(HEALTH, frame(b""), [("grpc-timeout", value)]).grpc_status in (
            OK, DEADLINE_EXCEEDED)
    else:
        check(raw.call(HEALTH, frame(b""), [("grpc-timeout", value)]), OK)


def test_a_call_whose_time_is_over_is_not_made(raw, caller, tenant):
    key = new_id()
    answer = raw.call(LOCK, frame(lock_bytes(caller, idempotency_key=key)),
                      [("grpc-timeout", "0m")])
    check(answer, DEADLINE_EXCEEDED, "the time of the call is over; nothing was done")
    assert tenant.get(key).status == 404


def test_time_that_runs_out_under_way_and_in_the_queue(request):
    """The caller does not watch its clock itself: the guard does. One process: with two the second
    call could be under way in the other one."""
    with contextlib.ExitStack() as stack:
        system = stack.enter_context(running(request.session, GUARD_WORKERS=1))
        database = Database(system.owner_dsn)
        stack.callback(database.close)
        tenant = Tenant(system.base_url)
        stack.callback(tenant.close)
        caller = GrpcTenant(stack.enter_context(GrpcClient(system.grpc_address)), tenant)
        check_time_limits(stack.enter_context(RawH2(system.grpc_address)), caller, tenant, database)


def check_time_limits(raw, caller, tenant, database):
    first, second = new_id(), new_id()
    with database.connect().cursor() as cursor:
        cursor.execute("BEGIN; LOCK TABLE inventory_locks_shadow IN ACCESS EXCLUSIVE MODE")
        try:
            streams = []
            for key in (first, second):
                streams.append(raw.start(LOCK, [("grpc-timeout", "400m")]))
                raw.send(streams[-1], frame(lock_bytes(caller, room_id=key, idempotency_key=key)))
                # The first is under way when the second comes.
                wait_for(lambda: blocked(cursor), 10, "a statement waits for the table")
            answers = [raw.finish(stream) for stream in streams]
            # The table is still locked: nobody but the guard can have answered.
            assert blocked(cursor)
        finally:
            cursor.execute("ROLLBACK")
    check(answers[0], DEADLINE_EXCEEDED)
    assert answers[0].grpc_message.startswith("the time of the call is over; the request may have "
                                              "been done: repeat it with the same idempotency_key")
    check(answers[1], DEADLINE_EXCEEDED, "the time of the call is over; nothing was done")
    wait_for(lambda: tenant.get(first).status == 200, 10, "what was under way is done")
    assert tenant.get(second).status == 404


def blocked(cursor):
    """Whether a guard waits for the table. (The sweeper does, too.)"""
    cursor.execute("SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid)"
                   " WHERE NOT granted AND relation = 'inventory_locks_shadow'::regclass"
                   " AND application_name = 'availability-guard'")
    return cursor.fetchone()[0]


@pytest.mark.parametrize("path", ["/v1/locks?tenantId=" + UNKNOWN_ID, LOCK + "?a=b", "/%00", "/..",
                                  "/" + "x" * 7000, LOCK.lower(), "//" + LOCK, "*"])
def test_other_paths(raw, path):
    answer = raw.call(path, frame(b""))
    if answer.headers.get(":status") == "200" and answer.grpc_status == INVALID_ARGUMENT:
        # A query is no part of the method's name; and these are no paths to nginx.
        assert path in (LOCK + "?a=b", "/%00", "/..", "*"), answer
    else:
        check(answer, UNIMPLEMENTED)


def test_a_forged_door(raw, caller):
    """What callers send as parameters of FastCGI is metadata, and nothing else."""
    forged = [("guard_door", "http"), ("guard-door", "http"), ("request-method", "GET")]
    check(raw.call(LOCK, frame(lock_bytes(caller)), forged), OK)


def test_much_metadata(raw):
    check(raw.call(HEALTH, frame(b""), [(f"x-{n}", "v" * 4000) for n in range(11)]), OK)
    check(raw.call(HEALTH, frame(b""), [("x-correlation-id", "c" * 16_000),
                                        ("authorization", "a" * 16_000)]), OK)


@pytest.mark.parametrize("headers", [[("x-long", "v" * 30_000)],
                                     [(f"x-{n}", "v" * 4000) for n in range(13)]], ids=len)
def test_too_much_metadata(system, steady, headers):
    """There is no stream yet that could be answered: the connection ends, and says why."""
    with RawH2(system.grpc_address) as raw:
        raw.call(HEALTH, frame(b""), headers)
        assert raw.goaway == ENHANCE_YOUR_CALM


# Other protocols

def test_http_1_at_the_port_for_grpc(system, steady):
    url = f"http://{system.grpc_address}"
    received = exchange(url, request_bytes("POST", HEALTH, [
        ("Content-Type", "application/grpc"), ("Content-Length", "5")], frame(b"")))
    # SETTINGS, and GOAWAY with PROTOCOL_ERROR (RFC 9113, section 3.4).
    assert received[3:4] == b"\x04"
    assert received.endswith(b"\x07\0\0\0\0\0\0\0\0\0" + b"\0\0\0\x01"), received


def test_bytes_at_the_port_for_grpc(system, steady):
    for data in (b"", b"\0" * 100, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
                 b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\xff" * 64,
                 b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff\xff\0\0\0\0\0\0" + b"x" * 1000):
        exchange(f"http://{system.grpc_address}", data)


def test_http_2_at_the_port_for_http(system, steady):
    received = exchange(system.base_url, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0")
    assert re.match(rb"HTTP/1\.1 4\d\d |HTTP/1\.1 505 ", received), received


def test_a_caller_that_leaves(system, steady, caller, tenant, database):
    """In the middle of a call: the call is made all the same."""
    key = new_id()
    with RawH2(system.grpc_address) as raw, database.connect().cursor() as cursor:
        cursor.execute("BEGIN; LOCK TABLE inventory_locks_shadow IN ACCESS EXCLUSIVE MODE")
        try:
            stream = raw.start(LOCK)
            raw.send(stream, frame(lock_bytes(caller, idempotency_key=key)))
            wait_for(lambda: blocked(cursor), 10, "a statement waits for the table")
            raw.socket.close()
        finally:
            cursor.execute("ROLLBACK")
    wait_for(lambda: tenant.get(key).status == 200, 10, "the lock is there")


def test_more_calls_than_are_allowed_at_once(system, steady):
    """128 at a time; the others are refused, to be tried again."""
    with RawH2(system.grpc_address) as raw:
        raw.receive()
        assert raw.h2.remote_settings.max_concurrent_streams == 128
        streams = [raw.start(HEALTH) for _ in range(128)]
        for stream in streams:
            raw.send(stream, frame(b""))
        for stream in streams:
            check(raw.finish(stream), OK)


def test_the_canonical_and_the_own_health_are_the_same_bytes():
    for name in ("HealthCheckRequest", "HealthCheckResponse"):
        own = make(name)
        canonical = message_type(f"{CANONICAL_HEALTH.removesuffix('.Health')}.{name}")
        assert [(f.name, f.number, f.type) for f in own.DESCRIPTOR.fields] == [
            (f.name, f.number, f.type) for f in canonical.DESCRIPTOR.fields]


def test_messages_are_percent_encoded(raw):
    """RFC 3986 for what is not visible ASCII; there is nothing like it in our own messages."""
    message = raw.call(LOCK, frame(text(1, b"%")), []).grpc_message
    assert urllib.parse.unquote(message) == message
