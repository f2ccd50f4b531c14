"""The webhook sink, by itself: other tests rest on what it records and on how it misbehaves."""

import contextlib
import http.client
import json
import socket
import ssl
import subprocess
import threading
import time

import pytest

from parts.ports import free_port
from parts.process import PartFailed
from parts.sink import HOST, Sink
from systems import SOURCE, part_folder, wait_for


@contextlib.contextmanager
def running_sink(session, options=()):
    with part_folder(session) as (state, user):
        sink = Sink(state, source=SOURCE / "scripts/webhook-sink", port=free_port(), user=user,
                    options=options)
        with contextlib.ExitStack() as stack:
            stack.callback(sink.stop)
            sink.start()
            yield sink
        assert (state / "logs/sink.log").read_text() == ""


@pytest.fixture(scope="module")
def common(request):
    with running_sink(request.session) as sink:
        yield sink


@pytest.fixture
def sink(common):
    common.behave_well()
    common.forget()
    return common


def connect(sink):
    return http.client.HTTPConnection(HOST, sink.port, timeout=20)


def send(connection, path, body=b"{}", headers=None):
    connection.request("POST", path, body, headers or {})
    answer = connection.getresponse()
    return answer.status, dict(answer.getheaders()), answer.read()


def post(sink, path, body=b"{}", headers=None):
    """(status, headers, body) of a call on a connection of its own."""
    with contextlib.closing(connect(sink)) as connection:
        return send(connection, path, body, headers)


def raw(sink, request):
    """All that comes back for these bytes."""
    with socket.create_connection((HOST, sink.port), timeout=20) as connection:
        connection.sendall(request)
        found = b""
        while piece := connection.recv(65536):
            found += piece
        return found


def call_in_thread(sink, path):
    """A call whose end nobody waits for; whatever becomes of it."""
    def call():
        with contextlib.suppress(OSError, http.client.HTTPException):
            post(sink, path)
    thread = threading.Thread(target=call, daemon=True)
    thread.start()
    return thread


# --- what it records -----------------------------------------------------------------------


def test_call_is_recorded_as_it_came(sink):
    status, _, body = post(sink, "/email?to=a", b'{"subject":"\xc3\xa4"}',
                           {"Authorization": "Bearer k", "X-Twice": "1, 2"})
    assert (status, body) == (200, b"ok")
    [record] = sink.records("/email")
    assert record["method"] == "POST"
    assert record["path"] == "/email?to=a"
    assert json.loads(record["body"]) == {"subject": "ä"}
    assert record["headers"]["authorization"] == "Bearer k"
    assert record["headers"]["x-twice"] == "1, 2"
    assert record["time"].endswith("Z")
    assert record["answer"] == {}


def test_record_is_written_before_the_answer(sink):
    for number in range(20):
        post(sink, "/written", str(number).encode())
        last = json.loads(sink.record.read_text().splitlines()[-1])
        assert last["body"] == str(number)
    assert [r["body"] for r in sink.records()] == [str(number) for number in range(20)]


def test_record_is_there_although_the_answer_never_comes(sink):
    sink.behave("/away", {"reset": True}, {"close": True}, {"hang": 3600})
    for number in range(3):
        call_in_thread(sink, "/away")
        found = sink.wait(lambda records, n=number: len(records) == n + 1, 20, "the call", "/away")
    assert found[2]["answer"] == {"hang": 3600}


def test_body_that_is_not_utf8(sink):
    post(sink, "/bytes", b"\xff\x00")
    [record] = sink.records()
    assert "body" not in record
    assert record["body_base64"] == "/wA="


def test_connections_are_told_apart(sink):
    with contextlib.closing(connect(sink)) as kept:
        send(kept, "/kept")
        send(kept, "/kept")
    post(sink, "/kept")
    first, second, third = (record["connection"] for record in sink.records("/kept"))
    assert first == second < third


def test_numbers_go_up(sink):
    for _ in range(3):
        post(sink, "/numbers")
    first, second, third = (record["number"] for record in sink.records())
    assert (second, third) == (first + 1, first + 2)


def test_paths_are_told_apart_and_forgotten(sink):
    post(sink, "/one")
    post(sink, "/two")
    assert [record["path"] for record in sink.records()] == ["/one", "/two"]
    assert [record["path"] for record in sink.records("/two")] == ["/two"]
    sink.forget()
    assert sink.records() == []


def test_records_since_a_number(sink):
    def asked(query):
        with contextlib.closing(connect(sink)) as connection:
            connection.request("GET", f"/_records?{query}")
            answer = connection.getresponse()
            return json.loads(answer.read()) if answer.status == 200 else answer.status
    for path in ("/one", "/two", "/one"):
        post(sink, path)
    first, second, third = asked("since=0")
    assert asked(f"since={first['number']}") == [second, third]
    assert asked(f"since={first['number']}&path=/one") == [third]
    assert asked(f"since={third['number']}") == []
    assert asked("since=x") == asked("since=-1") == 400


def test_bodies_are_bounded(sink):
    head = "POST /x HTTP/1.1\r\nHost: x\r\n"
    assert b" 413 " in raw(sink, f"{head}Content-Length: 4194305\r\n\r\n".encode())
    assert b" 411 " in raw(sink, f"{head}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n".encode())
    assert b" 400 " in raw(sink, f"{head}Content-Length: -1\r\n\r\n".encode())
    assert post(sink, "/x", b"x" * 4194304)[0] == 200
    assert [len(record["body"]) for record in sink.records()] == [4194304]


# --- how it answers ------------------------------------------------------------------------


def test_answers_come_in_their_order(sink):
    sink.behave("/sms", {"status": 500, "times": 2},
                {"status": 429, "headers": {"Retry-After": "2"}}, {"redirect": "/elsewhere"},
                then={"status": 202, "body": "later"})
    assert [post(sink, "/sms")[0] for _ in range(2)] == [500, 500]
    status, headers, _ = post(sink, "/sms")
    assert (status, headers["Retry-After"]) == (429, "2")
    status, headers, _ = post(sink, "/sms")
    assert (status, headers["Location"]) == (307, "/elsewhere")
    for _ in range(2):
        status, _, body = post(sink, "/sms")
        assert (status, body) == (202, b"later")
    assert post(sink, "/email")[0] == 200
    assert sink.records("/sms")[0]["answer"] == {"status": 500, "times": 2}


def test_behaviour_of_all_other_paths(sink):
    sink.behave("/known", then={"status": 201})
    sink.behave("*", then={"status": 503})
    assert post(sink, "/known")[0] == 201
    assert post(sink, "/unknown")[0] == 503
    sink.behave_well()
    assert post(sink, "/known")[0] == 200
    assert post(sink, "/unknown")[0] == 200


def test_answer_without_a_body(sink):
    sink.behave("/none", then={"status": 204})
    with contextlib.closing(connect(sink)) as connection:
        assert send(connection, "/none")[::2] == (204, b"")
        assert send(connection, "/none")[::2] == (204, b"")


def test_reset_and_close_differ(sink):
    sink.behave("/r", then={"reset": True})
    sink.behave("/c", then={"close": True})
    request = b"POST /%s HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"
    with pytest.raises(ConnectionResetError):
        raw(sink, request % b"r")
    assert raw(sink, request % b"c") == b""


def test_delay(sink):
    sink.behave("/slow", then={"delay_ms": 300})
    started = time.monotonic()
    assert post(sink, "/slow")[0] == 200
    assert time.monotonic() - started >= 0.3


def test_hang_ends_without_an_answer(sink):
    sink.behave("/hang", then={"hang": 0.3})
    started = time.monotonic()
    with pytest.raises(http.client.RemoteDisconnected):
        post(sink, "/hang")
    assert time.monotonic() - started >= 0.3


def test_drip_is_slow_and_complete(sink):
    sink.behave("/drip", then={"drip": {"bytes": 5, "interval_ms": 60}})
    started = time.monotonic()
    assert post(sink, "/drip")[2] == b"x" * 5
    assert time.monotonic() - started >= 0.3


def test_long_answer(sink):
    sink.behave("/long", then={"body_bytes": 3_000_000, "status": 400})
    status, _, body = post(sink, "/long")
    assert (status, len(body)) == (400, 3_000_000)


def test_peer_that_leaves_in_a_long_answer(sink):
    sink.behave("/long", then={"body_bytes": 1 << 28})
    with socket.create_connection((HOST, sink.port), timeout=20) as connection:
        connection.sendall(b"POST /long HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
        assert connection.recv(100)
    assert post(sink, "/other")[0] == 200


def test_many_that_hang_block_nobody(sink):
    sink.behave("/hang", then={"hang": 3600})
    for _ in range(200):
        call_in_thread(sink, "/hang")
    sink.wait(lambda records: len(records) == 200, 40, "200 calls that hang", "/hang")
    started = time.monotonic()
    assert post(sink, "/healthy")[0] == 200
    # It would be an hour otherwise; the bound is for a slow machine.
    assert time.monotonic() - started < 10


@pytest.mark.parametrize("answer", [
    {"staus": 500}, {"status": "500"}, {"status": True}, {"status": 100}, {"status": 600},
    {"times": 0}, {"hang": "long"}, {"hang": -1}, {"drip": 5}, {"drip": {"bytes": 5}},
    {"reset": False}, {"headers": ["Retry-After"]}, {"headers": {"A": "b\r\nc"}},
    {"redirect": "/\n"}, {"body": 1}, {"delay_ms": 0.5}, [], "ok"])
def test_unknown_behaviour_is_refused(sink, answer):
    sink.behave("/sms", then={"status": 418})
    with pytest.raises(PartFailed, match=" 400 "):
        sink.behave("/sms", answer)
    with pytest.raises(PartFailed, match=" 400 "):
        sink.behave("/sms", then=[answer])
    assert post(sink, "/sms")[0] == 418


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"{}", b'{"path":1}', b"\xff",
                                  b'{"path":"/a","answer":[]}', b'{"path":"/a","answers":{}}'])
def test_behaviour_that_is_no_json_is_refused(sink, body):
    with contextlib.closing(connect(sink)) as connection:
        connection.request("PUT", "/_behaviour", body)
        assert connection.getresponse().status == 400


# --- the program ---------------------------------------------------------------------------


@contextlib.contextmanager
def program(folder, *options):
    """(process, port) of a sink that was started by hand."""
    port_file = folder / "port"
    with subprocess.Popen([SOURCE / "scripts/webhook-sink", "--port-file", port_file, *options],
                          stderr=subprocess.PIPE) as process:
        try:
            wait_for(port_file.exists, 30, "the port")
            yield process, int(port_file.read_text())
        finally:
            process.kill()


def test_end_in_the_middle_of_a_request(tmp_path):
    with program(tmp_path, "--port", "0") as (process, port):
        with socket.create_connection((HOST, port), timeout=20) as connection:
            connection.sendall(b"POST / HTTP/1.1\r\nContent-Length: 10\r\n\r\n")
            process.terminate()
            assert process.wait(20) == 0
        assert process.stderr.read() == b""


def test_https(tmp_path):
    pem = tmp_path / "sink.pem"
    made = subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=sink",
         "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2", "-keyout", "-", "-out", "-"],
        capture_output=True, check=True)
    pem.write_bytes(made.stdout)
    with program(tmp_path, "--certificate", pem) as (_, port):
        trusting = ssl.create_default_context(cafile=pem)
        # A peer that never says hello holds nobody up.
        with socket.create_connection((HOST, port), timeout=20):
            secure = http.client.HTTPSConnection(HOST, port, timeout=20, context=trusting)
            with contextlib.closing(secure):
                assert send(secure, "/email")[0] == 200
        with pytest.raises(ssl.SSLCertVerificationError):
            with contextlib.closing(http.client.HTTPSConnection(HOST, port, timeout=20)) as other:
                send(other, "/email")
