"""Callers that break HTTP itself, or take their time over it."""

import json
import socket
import threading
import time

import pytest

from client import Client
from rawsocket import (connect, exchange, parse_answers, read_answer, read_to_end, request_bytes)
from shape import PROBLEM_FIELDS, PROBLEM_TYPE, check_json, check_locked, check_problem, new_id
from tenant import Tenant

JSON_HEADER = ("Content-Type", "application/json")

# What may come back on something that is not HTTP: refused, or nothing at all.
REFUSED = {400, 404, 405, 411, 413, 414, 431, 501, 505}


def check_refused(received):
    """Every answer among these bytes is a problem in the contract's shape."""
    answers = parse_answers(received)
    for answer in answers:
        assert answer.status in REFUSED, answer
        assert answer.headers["content-type"] == PROBLEM_TYPE, answer
        failed = answer.status >= 500
        assert set(answer.json) == PROBLEM_FIELDS | ({"failOpen"} if failed else set()), answer
        assert ("x-guard-fail-open" in answer.headers) == failed, answer
        assert answer.json["status"] == answer.status
        assert answer.json["requestId"] == answer.request_id
    return [answer.status for answer in answers]


def is_serving(system):
    """Others are served, and soon."""
    with Client(system.base_url, timeout=5) as client:
        answer = client.get("/ready")
    check_json(answer)
    assert answer.seconds < 1.0
    return True


@pytest.mark.parametrize("data", [
    b"", b"\r\n", b"\r\n" * 1000, b"\x00", b"\x00" * 10000, b"\xff" * 10000, b"GET",
    b"GET \r\n\r\n", b"GET  HTTP/1.1\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"GET / XTTP/1.1\r\n\r\n",
    b"get /health HTTP/1.1\r\nHost: x\r\n\r\n", b"G\x00T / HTTP/1.1\r\nHost: x\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 200,
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"GET http:// HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /health HTTP/1.1\r\n\r\n", b"GET /health HTTP/1.1\r\nHost: \x01\r\n\r\n",
    b"GET /health HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
    b"GET /health HTTP/1.1\r\nHost: x\r\n: y\r\n\r\n",
    b"GET /health HTTP/1.1\r\nHost: x\r\nX-A: \x00\r\n\r\n",
    b"POST /v1/locks HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    b"POST /v1/locks HTTP/1.1\r\nHost: x\r\nContent-Length: 1e3\r\n\r\n",
    b"POST /v1/locks HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n",
    b"POST /v1/locks HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
    b"POST /v1/locks HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n{}",
    b"POST /v1/locks HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    b"GET /\xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n", b"GET /%00 HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n", b"GET /../../etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET * HTTP/1.1\r\nHost: x\r\n\r\n", b"CONNECT example.org:443 HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET health HTTP/1.1\r\nHost: x\r\n\r\n",
], ids=lambda data: repr(data[:60]))
def test_garbage(system, steady, data):
    check_refused(exchange(system.base_url, data))
    assert is_serving(system)


@pytest.mark.parametrize("method", ["FOO", "OPTIONS", "PATCH", "PROPFIND", "TRACE", "X" * 200])
def test_unknown_methods(system, steady, method):
    for path in ("/v1/locks", f"/v1/locks/{new_id()}", "/health"):
        answer, = parse_answers(exchange(system.base_url, request_bytes(method, path)))
        check_problem(answer, 405, "method_not_allowed", [])
        assert "GET" in answer.headers["allow"]


def test_connect_is_not_allowed(system, steady):
    received = exchange(system.base_url, request_bytes("CONNECT", "/v1/locks"))
    assert check_refused(received) == [405]
    received = exchange(system.base_url, request_bytes("CONNECT", "example.org:443"))
    assert check_refused(received) == [400]


@pytest.mark.parametrize("method", ["get", "Post", "dElete"])
def test_methods_in_lower_case(system, steady, method):
    received = exchange(system.base_url, request_bytes(method, "/v1/locks"))
    answer, = parse_answers(received)
    check_problem(answer, 400, "invalid_request", [])


@pytest.mark.parametrize("size", [127, 128, 255, 256, 4000])
def test_header_values_of_any_size(tenant, size):
    value = "v" * size
    assert tenant.locked(roomId=new_id(), headers={"X-Whatever": value, "User-Agent": value})
    answer = tenant.lock(roomId=new_id(), headers={"X-Request-Id": value})
    assert (answer.request_id == value) == (size <= 128)
    for header, field in (("X-Correlation-Id", "correlationId"),
                          ("Idempotency-Key", "idempotencyKey")):
        answer = tenant.lock(roomId=new_id(), headers={header: value})
        if size <= 255:
            check_locked(answer)
        else:
            check_problem(answer, 400, "invalid_request", [field])
    check_problem(tenant.lock(headers={"X-Tenant-Id": value}), 400, "invalid_request",
                  ["tenantId"])
    check_problem(tenant.lock(headers={"Content-Type": value}), 415, "unsupported_media_type")


def test_headers_that_are_too_large(system, steady):
    for headers in ([("X-A", "a" * 9000)], [("X-A", "a" * 100_000)],
                    [(f"X-{n}", "a" * 4000) for n in range(20)]):
        received = exchange(system.base_url, request_bytes("GET", "/health", headers))
        assert check_refused(received) == [431]


def test_a_target_that_is_too_long(system, steady):
    target = "/v1/locks?tenantId=" + "a" * 10000
    received = exchange(system.base_url, request_bytes("GET", target))
    assert check_refused(received) == [414]


def test_a_long_target_that_is_not_too_long(tenant):
    answer = tenant.client.get(f"/v1/locks?x={'a' * 7000}&tenantId={tenant.id}")
    assert check_json(answer) == {"locks": [], "nextCursor": None}
    answer = tenant.client.get("/v1/locks/" + "a" * 7000)
    check_problem(answer, 400, "invalid_request", ["lockId", "tenantId"])


@pytest.mark.parametrize("query", ["tenantId=%00", "tenantId=%ff", "tenantId=%zz", "tenantId=%",
                                   "tenantId=%4", "tenantId={id}&tenantId={id}",
                                   "tenantId={id}&tenantId=x", "tenantId", "tenantId=", "&=&&=="])
def test_broken_queries(tenant, query):
    answer = tenant.client.get("/v1/locks?" + query.replace("{id}", tenant.id))
    check_problem(answer, 400, "invalid_request", ["tenantId"])


# Bodies: chunks and lengths

def chunked(parts):
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


@pytest.mark.parametrize("size", [1, 7, 100, 100_000])
def test_a_chunked_body(system, tenant, size):
    body = json.dumps(tenant.body()).encode()
    parts = [body[start:start + size] for start in range(0, len(body), size)]
    data = request_bytes("POST", "/v1/locks",
                         [JSON_HEADER, ("Transfer-Encoding", "chunked")], chunked(parts))
    answer, = parse_answers(exchange(system.base_url, data))
    check_locked(answer)


def test_a_chunked_body_that_is_too_large(system, tenant):
    parts = [b" " * 65536] * 32
    data = request_bytes("POST", "/v1/locks",
                         [JSON_HEADER, ("Transfer-Encoding", "chunked")], chunked(parts))
    answer, = parse_answers(exchange(system.base_url, data))
    check_problem(answer, 413, "payload_too_large", [])


@pytest.mark.parametrize("chunks", [b"zz\r\n{}\r\n0\r\n\r\n", b"-1\r\n", b"2\r\n{}xx0\r\n\r\n",
                                    b"ffffffffffffffffff\r\n{}\r\n", b"2\r\n{}\r\n"])
def test_broken_chunks(system, tenant, chunks):
    data = request_bytes("POST", "/v1/locks",
                         [JSON_HEADER, ("Transfer-Encoding", "chunked")], chunks)
    check_refused(exchange(system.base_url, data))
    assert tenant.listed() == []
    assert is_serving(system)


def test_pipelined_requests_are_answered_in_order(system, tenant):
    bodies = [json.dumps(tenant.body(roomId=new_id())).encode() for _ in range(20)]
    data = b"".join(
        request_bytes("POST", "/v1/locks", [JSON_HEADER, ("Content-Length", len(body)),
                                            ("X-Request-Id", f"no-{number}")], body)
        for number, body in enumerate(bodies))
    answers = parse_answers(exchange(system.base_url, data))
    assert [answer.request_id for answer in answers] == [f"no-{n}" for n in range(20)]
    rooms = [check_locked(answer)["room_id"] for answer in answers]
    assert rooms == [json.loads(body)["roomId"] for body in bodies]


def test_a_content_length_that_is_too_short(system, tenant):
    """What is left of the body is taken for the next request, and refused as such."""
    body = json.dumps(tenant.body()).encode()
    data = request_bytes("POST", "/v1/locks",
                         [JSON_HEADER, ("Content-Length", len(body) - 10)], body)
    first, *rest = parse_answers(exchange(system.base_url, data))
    check_problem(first, 400, "invalid_json", [])
    assert all(answer.status == 400 for answer in rest)
    assert tenant.listed() == []


@pytest.mark.parametrize("kept", [0, 1, 50, -1])
def test_a_caller_that_hangs_up_in_the_middle(system, tenant, kept):
    body = json.dumps(tenant.body()).encode()
    head = request_bytes("POST", "/v1/locks", [JSON_HEADER, ("Content-Length", len(body))])
    for reset in (False, True):
        with connect(system.base_url) as connection:
            connection.sendall(head + body[:kept])
            if reset:
                # Closing with this option sends a reset instead of an orderly end.
                linger = (1).to_bytes(4, "little") + (0).to_bytes(4, "little")
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    assert is_serving(system)
    assert tenant.listed() == []


def test_a_caller_that_hangs_up_before_the_answer(system, tenant, database):
    """The lock is granted or not; with its key the caller finds out."""
    keys = [new_id() for _ in range(50)]
    for key in keys:
        body = json.dumps(tenant.body(roomId=new_id(), idempotencyKey=key)).encode()
        data = request_bytes("POST", "/v1/locks",
                             [JSON_HEADER, ("Content-Length", len(body))], body)
        with connect(system.base_url) as connection:
            connection.sendall(data)
    assert is_serving(system)
    for key in keys:
        room = new_id()
        lock = tenant.locked(roomId=room, idempotencyKey=key)
        assert lock["id"] == key and lock["room_id"] == room
    assert len(database.locks([tenant.id])) == len(keys)


# Slow callers

def trickle(base_url, data, seconds, answers):
    """Sends byte by byte over this time."""
    with connect(base_url, 30) as connection:
        for byte in data:
            connection.sendall(bytes([byte]))
            time.sleep(seconds / len(data))
        answers.append(read_answer(connection, 30))


def test_slow_callers_are_served_and_keep_nobody_waiting(system, tenant):
    slow = Tenant(system.base_url)
    answers = []
    threads = []
    for _ in range(50):
        body = json.dumps(slow.body(roomId=new_id())).encode()
        data = request_bytes("POST", "/v1/locks",
                             [JSON_HEADER, ("Content-Length", len(body))], body)
        threads.append(threading.Thread(target=trickle, args=(system.base_url, data, 3, answers)))
    for thread in threads:
        thread.start()
    slowest = 0.0
    served = 0
    while any(thread.is_alive() for thread in threads):
        answer = tenant.lock(roomId=new_id())
        check_locked(answer)
        slowest = max(slowest, answer.seconds)
        served += 1
        time.sleep(0.05)
    for thread in threads:
        thread.join()
    assert len(answers) == 50
    for answer in answers:
        check_locked(answer)
    assert served > 10
    assert slowest < 1.0
    slow.close()


def test_many_idle_connections_keep_nobody_waiting(system, tenant):
    connections = [connect(system.base_url) for _ in range(500)]
    try:
        for connection in connections[::2]:
            connection.sendall(b"POST /v1/locks HTTP/1.1\r\nHost: x\r\nContent-Le")
        for _ in range(20):
            answer = tenant.lock(roomId=new_id())
            check_locked(answer)
            assert answer.seconds < 1.0
    finally:
        for connection in connections:
            connection.close()


@pytest.mark.slow
@pytest.mark.parametrize("data", [
    b"GET /health HTTP/1.1\r\nHost: x\r\n",
    b"POST /v1/locks HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{",
])
def test_a_caller_that_stops_is_let_go(system, steady, data):
    """Within the client time-outs of nginx, 10 s each."""
    with connect(system.base_url, 30) as connection:
        connection.sendall(data)
        started = time.monotonic()
        check_stopped(read_to_end(connection, 25))
        assert 5 < time.monotonic() - started < 20


def check_stopped(received):
    """nginx just closes here; an answer, should it give one, has the shape of all problems."""
    for answer in parse_answers(received):
        check_problem(answer, 408, "request_timeout", [])


def test_an_answer_that_is_read_slowly(system, tenant):
    """A large answer, fetched bit by bit, is whole, and nobody waits for it."""
    text = "x" * 16000
    for _ in range(100):
        tenant.locked(roomId=new_id(), metadata={"a": text})
    with connect(system.base_url, 30) as connection:
        connection.sendall(request_bytes("GET", f"/v1/locks?limit=200&tenantId={tenant.id}"))
        received = b""
        # Most of it, with other requests in between; the rest at once.
        while len(received) < 1_500_000:
            received += connection.recv(16384)
            answer = tenant.lock(roomId=new_id())
            check_locked(answer)
            assert answer.seconds < 1.0
        connection.shutdown(socket.SHUT_WR)
        received += read_to_end(connection)
    answer, = parse_answers(received)
    assert len(check_json(answer)["locks"]) == 100
