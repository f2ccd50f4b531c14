"""A peer that speaks FastCGI to the guard itself: oddly but rightly, wrongly, or not at all.

nginx is the guard's only peer in production. What is shown here is that not even a broken one
can end a guard process or hold up the others for long.
"""

import json
import struct
import time

import pytest

import fcgi
from client import Client
from fcgi import Peer, begin, length, pair, pairs, params_of, record, stream
from shape import check_json, check_locked, check_problem, new_id

MIB = 1024 * 1024

# A stalled peer may hold up those behind it for this long, and no longer.
STALL_SECONDS_MAX = 1.5


@pytest.fixture
def peer(system, steady):
    with Peer(system.socket_path) as made:
        yield made


def lock_bytes(tenant, **changes):
    return json.dumps(tenant.body(**changes)).encode()


def check_serving(system, seconds_max=1.0):
    """All guard processes serve: several requests on new connections, answered soon."""
    for _ in range(6):
        with Client(system.base_url, timeout=10) as client:
            answer = client.get("/ready")
            check_json(answer)
            assert answer.seconds < seconds_max, answer


# Right, if unusual

def test_as_nginx_does_it(peer, tenant):
    lock = check_direct_lock(peer.request("POST", "/v1/locks", lock_bytes(tenant)))
    assert tenant.fetched(lock["id"]) == lock


def check_direct_lock(answer):
    assert answer.status == 200, answer
    return check_locked(answer)


def test_a_kept_connection_serves_many(peer, tenant):
    for _ in range(100):
        body = lock_bytes(tenant, roomId=new_id())
        check_direct_lock(peer.request("POST", "/v1/locks", body, keep=True))
    check_problem(peer.request("GET", "/v1/locks/x", keep=True), 400, "invalid_request")
    answer = peer.request("GET", f"/v1/locks?tenantId={tenant.id}&limit=200", keep=True)
    assert len(check_json(answer)["locks"]) == 100


def test_a_connection_that_is_not_kept_is_closed(peer, tenant):
    check_direct_lock(peer.request("POST", "/v1/locks", lock_bytes(tenant)))
    assert peer.ends() == b""


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 64, 127, 128])
def test_params_cut_into_records_of_any_size(peer, tenant, size):
    """Names, values and their lengths lie across the edges of records."""
    params = pairs(params_of("POST", "/v1/locks", lock_bytes(tenant),
                             HTTP_X_CORRELATION_ID="c" * 200, HTTP_IDEMPOTENCY_KEY="k" * 250))
    body = lock_bytes(tenant)
    cuts = range(0, len(params), size)
    peer.send(begin() + stream(fcgi.PARAMS, params, cuts) + stream(fcgi.STDIN, body))
    answer = peer.answer()
    assert answer.status == 200, answer
    assert answer.json["lock"]["correlation_id"] == "c" * 200


def test_params_cut_at_every_place(system, steady, tenant):
    params = pairs(params_of("GET", "/health", HTTP_X_CORRELATION_ID="c" * 200))
    for cut in range(1, len(params)):
        with Peer(system.socket_path) as peer:
            peer.send(begin() + stream(fcgi.PARAMS, params, [cut]) + stream(fcgi.STDIN, b""))
            assert peer.answer().status == 200, cut


@pytest.mark.parametrize("size", [7, 13, 100])
def test_a_request_that_arrives_bit_by_bit(peer, tenant, size):
    """Records and lengths lie across the edges of what is sent at once."""
    data = request_data(tenant)
    for start in range(0, len(data), size):
        peer.send(data[start:start + size])
    assert peer.answer().status == 200


@pytest.mark.parametrize("padding", [1, 7, 255])
def test_padded_records(peer, tenant, padding):
    body = lock_bytes(tenant)
    params = pairs(params_of("POST", "/v1/locks", body))
    peer.send(begin() + stream(fcgi.PARAMS, params, range(0, len(params), 50), padding)
              + stream(fcgi.STDIN, body, range(0, len(body), 50), padding))
    assert peer.answer().status == 200


def test_a_body_in_many_records(peer, tenant):
    body = lock_bytes(tenant)
    params = pairs(params_of("POST", "/v1/locks", body))
    peer.send(begin() + stream(fcgi.PARAMS, params)
              + stream(fcgi.STDIN, body, range(len(body))))
    assert peer.answer().status == 200


def test_a_body_of_one_mib(peer, tenant):
    body = lock_bytes(tenant)
    body += b" " * (MIB - len(body))
    check_direct_lock(peer.request("POST", "/v1/locks", body))


def test_a_longer_body_is_refused_by_the_guard_too(peer, tenant):
    body = lock_bytes(tenant) + b" " * MIB
    params = pairs(params_of("POST", "/v1/locks", body))
    peer.send(begin() + stream(fcgi.PARAMS, params) + stream(fcgi.STDIN, body))
    assert peer.answer().status == 413
    assert tenant.listed() == []


def test_lengths_in_the_long_form(peer, tenant):
    body = lock_bytes(tenant)
    params = pairs(params_of("POST", "/v1/locks", body), long_form=True)
    peer.send(begin() + stream(fcgi.PARAMS, params) + stream(fcgi.STDIN, body))
    assert peer.answer().status == 200


@pytest.mark.parametrize("size", [126, 127, 128, 129, 255, 256, 4000, 12000])
def test_names_and_values_of_any_length(peer, tenant, size):
    """Other parameters are passed over, those that matter are still found behind them."""
    body = lock_bytes(tenant)
    params = pair("N" * size, "v") + pair("n", "V" * size) + pair("N" * size, "V" * size)
    params += pairs(params_of("POST", "/v1/locks", body, HTTP_X_CORRELATION_ID="behind"))
    params += pair("LAST", "x" * size)
    peer.send(begin() + stream(fcgi.PARAMS, params) + stream(fcgi.STDIN, body))
    answer = peer.answer()
    assert answer.status == 200, answer
    assert answer.json["lock"]["correlation_id"] == "behind"


@pytest.mark.parametrize("size", [65535, 65536, 200_000, 3_000_000])
def test_params_that_are_too_long(system, peer, size):
    """More than nginx can send: the guard hangs up on it."""
    params = pair("N", "V" * size) + pairs(params_of("GET", "/health"))
    peer.send(begin() + stream(fcgi.PARAMS, params) + stream(fcgi.STDIN, b""))
    assert peer.ends() == b""
    check_serving(system)


def test_a_long_request_id_and_path(peer):
    answer = peer.request("GET", "/v1/locks/" + "x" * 8000, REQUEST_ID="r" * 128)
    check_problem(answer, 400, "invalid_request", ["lockId", "tenantId"])


# Wrong

BAD_BEGINNINGS = {
    "role": begin()[:8] + struct.pack(">HB5x", 99, 0),
    "version": record(fcgi.BEGIN_REQUEST, struct.pack(">HB5x", 1, 0), version=2),
    "short begin": record(fcgi.BEGIN_REQUEST, b"\0"),
    "long begin": record(fcgi.BEGIN_REQUEST, b"\0" * 100),
    "params first": stream(fcgi.PARAMS, pairs(params_of("GET", "/health"))),
    "stdin first": stream(fcgi.STDIN, b"{}"),
    "end first": record(fcgi.END_REQUEST, b"\0" * 8),
    "abort first": record(fcgi.ABORT_REQUEST),
    "two begins": begin() + begin(request_id=2),
    "garbage": b"\xff" * 64,
    "http": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "zeroes": b"\0" * 64,
    "unknown type": record(77, b"what?", request_id=1),
    "unknown management": record(77, b"what?", request_id=0),
    "values of a long name": record(fcgi.GET_VALUES, pair("N" * 200, ""), request_id=0),
    "values, cut short": record(fcgi.GET_VALUES, b"\x20", request_id=0),
    "data": begin() + record(fcgi.DATA, b"x"),
    "wrong request": begin() + record(fcgi.PARAMS, pairs(params_of("GET", "/health")), 7),
    "version changes": begin() + record(fcgi.PARAMS, b"", version=9),
}


@pytest.mark.parametrize("data", BAD_BEGINNINGS.values(), ids=BAD_BEGINNINGS)
def test_bad_beginnings(system, peer, data):
    peer.send(data)
    check_serving(system, STALL_SECONDS_MAX)
    peer.close()
    check_serving(system)


def test_a_whole_request_after_a_bad_beginning(system, steady):
    whole = begin() + stream(fcgi.PARAMS, pairs(params_of("GET", "/health"))) \
        + stream(fcgi.STDIN, b"")
    for data in BAD_BEGINNINGS.values():
        with Peer(system.socket_path, timeout=10) as peer:
            peer.send(data + whole)
            peer.socket.shutdown(1)
            peer.ends()
    check_serving(system)


BAD_PARAMS = {
    "no length of the value": b"\x04",
    "a name that is cut short": b"\x7f\x01REQUEST",
    "a length that is cut short": b"\x80\x00",
    "the longest name": length(0x7FFFFFFF) + b"\x00X",
    "the longest value": b"\x01" + length(0x7FFFFFFF) + b"X",
    "a gigabyte": length(0x40000000) + length(0x40000000) + b"REQUEST_METHOD",
    "empty names": b"\0\0" * 1000,
    "names without values": b"".join(pair(f"N{n}", "") for n in range(5000)),
    "an equals sign in a name": pair("REQUEST_METHOD=GET", "x") + pair("=", "="),
    "NUL in a name": pair("REQUEST\0METHOD", "GET") + pair("REQUEST_URI", "/health"),
    "NUL in a value": pair("REQUEST_METHOD", "G\0ET") + pair("REQUEST_URI", "/hea\0lth"),
    "no method": pair("REQUEST_URI", "/health"),
    "no path": pair("REQUEST_METHOD", "GET"),
    "nothing": b"",
    "an empty path": pair("REQUEST_METHOD", "GET") + pair("REQUEST_URI", ""),
    "a path of one NUL": pair("REQUEST_METHOD", "GET") + pair("REQUEST_URI", "\0"),
    "the method twice": pair("REQUEST_METHOD", "GET") * 2 + pair("REQUEST_URI", "/health"),
    "bytes": pair("REQUEST_METHOD", b"\xff\xfe") + pair("REQUEST_URI", b"/\xff\xfe"),
    "a format": pair("REQUEST_METHOD", "%s%n%n") + pair("REQUEST_URI", "/%s%n%n%n"),
}


@pytest.mark.parametrize("params", BAD_PARAMS.values(), ids=BAD_PARAMS)
def test_bad_params(system, peer, params):
    peer.send(begin() + stream(fcgi.PARAMS, params) + stream(fcgi.STDIN, b""))
    peer.socket.shutdown(1)
    assert answered_with_an_error(peer)
    check_serving(system)


def answered_with_an_error(peer):
    """The guard says what is wrong, or closes the connection. Health is fine as an answer, too."""
    try:
        answer = peer.answer()
    except (EOFError, ConnectionResetError):
        return True
    return answer.status in (200, 400, 404, 405, 500)


@pytest.mark.parametrize("claimed", ["0", "1", "10", "100000", "1048576", "1048577", "99999999999",
                                     "-1", "x", "1e3", " 5", "18446744073709551616"])
def test_content_lengths_that_lie(system, peer, tenant, claimed):
    body = lock_bytes(tenant)
    params = pairs(params_of("POST", "/v1/locks", body, CONTENT_LENGTH=claimed))
    peer.send(begin() + stream(fcgi.PARAMS, params) + stream(fcgi.STDIN, body))
    peer.socket.shutdown(1)
    try:
        answer = peer.answer()
    except (EOFError, ConnectionResetError):
        answer = None
    assert answer is None or answer.status in (400, 413), answer
    assert tenant.listed() == []
    check_serving(system)


def test_a_request_on_a_kept_connection_after_a_lie(system, peer, tenant):
    """What was left of one body must not be read as the next request."""
    body = lock_bytes(tenant)
    params = pairs(params_of("POST", "/v1/locks", body, CONTENT_LENGTH="10"))
    peer.send(begin(keep=True) + stream(fcgi.PARAMS, params) + stream(fcgi.STDIN, body))
    try:
        assert peer.answer().status == 400
        check_direct_lock(peer.request("POST", "/v1/locks", body, keep=True))
    except (EOFError, ConnectionResetError):
        pass
    check_serving(system)


# Hanging up and standing still

def request_data(tenant, **changes):
    body = lock_bytes(tenant, **changes)
    params = pairs(params_of("POST", "/v1/locks", body))
    return begin() + stream(fcgi.PARAMS, params) + stream(fcgi.STDIN, body)


def test_hanging_up_at_every_place(system, steady, tenant):
    data = request_data(tenant)
    for size in range(len(data) - 8):
        with Peer(system.socket_path) as peer:
            peer.send(data[:size])
    check_serving(system)
    assert tenant.listed() == []


def test_hanging_up_before_the_answer(system, steady, tenant, database):
    for _ in range(200):
        with Peer(system.socket_path) as peer:
            peer.send(request_data(tenant, roomId=new_id()))
    check_serving(system)
    # What was asked for whole may well have been done; what was done is right.
    assert all(row["status"] == "ACTIVE" for row in database.locks([tenant.id]).values())


def test_a_request_that_is_aborted(system, peer, tenant):
    data = request_data(tenant)
    peer.send(data[:-8] + record(fcgi.ABORT_REQUEST))
    peer.socket.shutdown(1)
    peer.ends()
    check_serving(system)


@pytest.mark.parametrize("size", [0, 4, 8, 16, 20, 200, -9, -4])
def test_a_stalled_peer_costs_little(system, peer, tenant, size):
    """A peer that stands still in the middle of a request."""
    peer.send(request_data(tenant)[:size])
    check_bounded_stall(system)


def test_a_peer_that_does_not_read_its_answer(system, peer, tenant):
    """A large answer that nobody takes fills the socket; the guard gives up on it."""
    for _ in range(100):
        tenant.locked(roomId=new_id(), metadata={"a": "x" * 16000})
    params = pairs(params_of("GET", f"/v1/locks?limit=200&tenantId={tenant.id}"))
    peer.send(begin() + stream(fcgi.PARAMS, params) + stream(fcgi.STDIN, b""))
    check_bounded_stall(system)


def check_bounded_stall(system):
    started = time.monotonic()
    check_serving(system, STALL_SECONDS_MAX)
    assert time.monotonic() - started < STALL_SECONDS_MAX + 1
    # The guard is done with that peer: from here on nobody waits for it.
    check_serving(system)


def test_many_connections_at_once(system, steady, tenant):
    peers = [Peer(system.socket_path) for _ in range(300)]
    for peer in peers:
        peer.send(request_data(tenant, roomId=new_id()))
    for peer in peers:
        check_direct_lock_of(peer)
    for peer in peers:
        peer.close()


def check_direct_lock_of(peer):
    answer = peer.answer()
    assert answer.status == 200, answer
