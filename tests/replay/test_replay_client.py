"""The client: answers in every dress, connections that end, and what is sent again."""

from __future__ import annotations

import socket

import pytest
from fake_guard import ScriptedPeer
from hypothesis import given
from hypothesis import strategies as st

from replay_lib import client as client_module
from replay_lib.client import Address, Client, Connection, ProtocolError, parse_url
from replay_lib.errors import InputError, ReplayError

REQUEST = b"GET /v1/locks?tenantId=x HTTP/1.1\r\nHost: x\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
BUSY = b"HTTP/1.1 503 Busy\r\nRetry-After: 3\r\nContent-Length: 4\r\n\r\nbusy"


def client_of(peer: ScriptedPeer) -> tuple[Client, list[float]]:
    """A client that notes its pauses and does not make them."""
    pauses: list[float] = []
    return Client(Address("127.0.0.1", peer.port), pauses.append), pauses


def test_answers_follow_each_other_on_one_connection():
    with ScriptedPeer([OK, OK.replace(b"{}", b"[]"), OK]) as peer:
        client, pauses = client_of(peer)
        assert [client.call(REQUEST).body for _ in range(3)] == [b"{}", b"[]", b"{}"]
        assert (client.requests, client.repeats, pauses) == (3, {}, [])


@pytest.mark.parametrize("answer, body", [
    (b"HTTP/1.1 200 OK\r\ncontent-LENGTH:5  \r\n\r\nhello", b"hello"),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", b""),
    (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
    (b"HTTP/1.1 200\r\nContent-Length: 1\r\n\r\nx", b"x"),
    (b"HTTP/1.1 100 Continue\r\n\r\n" + OK, b"{}"),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
     b"5\r\nhello\r\n00A;x=y\r\n, world!!!\r\n0\r\n\r\n", b"hello, world!!!"),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n0\r\nTrailer: x\r\n\r\n", b""),
])
def test_bodies_whole_and_byte_by_byte(answer: bytes, body: bytes):
    pieces = [answer[at:at + 1] for at in range(len(answer))]
    with ScriptedPeer([answer, pieces, OK]) as peer:
        client, _ = client_of(peer)
        assert client.call(REQUEST).body == body
        assert client.call(REQUEST).body == body
        assert client.call(REQUEST).body == b"{}"
        assert client.requests == 3


def test_a_body_without_a_length_ends_with_the_connection():
    with ScriptedPeer([b"HTTP/1.1 200 OK\r\n\r\nto the end"], [OK]) as peer:
        client, _ = client_of(peer)
        assert client.call(REQUEST).body == b"to the end"
        assert client.call(REQUEST).body == b"{}"
        assert not client.repeats


@pytest.mark.parametrize("last", [
    OK.replace(b"Content", b"Connection: close\r\nContent"),
    OK.replace(b"HTTP/1.1", b"HTTP/1.0"),
])
def test_a_connection_that_is_announced_to_end_is_made_anew_and_nothing_is_repeated(last: bytes):
    with ScriptedPeer([OK, last], [OK]) as peer:
        client, pauses = client_of(peer)
        for _ in range(3):
            client.call(REQUEST)
        assert (client.requests, client.repeats, pauses) == (3, {}, [])


@pytest.mark.parametrize("half", [
    b"", b"HTTP/1.1 2", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhal",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
])
def test_an_answer_cut_short_is_asked_for_again_and_counted(half: bytes):
    with ScriptedPeer([OK, half], [OK]) as peer:
        client, pauses = client_of(peer)
        assert client.call(REQUEST).body == b"{}"
        assert client.call(REQUEST).body == b"{}"
        assert client.repeats == {"connection": 1}
        assert pauses == [client_module.WAIT_S_FIRST]


def test_5xx_and_429_are_repeated_after_the_pause_asked_for():
    slow = BUSY.replace(b"503", b"429").replace(b": 3", b": 3600")
    plain = b"HTTP/1.1 502 Bad\r\nContent-Length: 0\r\n\r\n"
    date = BUSY.replace(b": 3", b": Wed, 21 Oct 2015 07:28:00 GMT")
    with ScriptedPeer([BUSY, slow, plain, date, OK]) as peer:
        client, pauses = client_of(peer)
        assert client.call(REQUEST).status == 200
        assert client.repeats == {"503": 2, "429": 1, "502": 1}
        assert pauses == [3.0, client_module.WAIT_S_MAX, 0.4, 0.8]


def test_tries_are_bounded_and_the_last_problem_is_told():
    tries = client_module.TRIES_MAX
    with ScriptedPeer([BUSY] * (tries + 1)) as peer:
        client, pauses = client_of(peer)
        with pytest.raises(ReplayError, match=f"GET /v1/locks.*after {tries} tries.*503 busy"):
            client.call(REQUEST)
        assert client.requests == tries
        assert len(pauses) == tries - 1 == sum(client.repeats.values())


def test_nobody_listening_is_told_after_bounded_tries():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    client = Client(Address("127.0.0.1", port), lambda _: None)
    with pytest.raises(ReplayError, match="no connection to 127.0.0.1"):
        client.call(REQUEST)


def test_4xx_are_answers_and_not_repeated():
    with ScriptedPeer([OK.replace(b"200 OK", b"404 Not Found")]) as peer:
        client, _ = client_of(peer)
        assert client.call(REQUEST).status == 404
        assert client.requests == 1


@pytest.mark.parametrize("answer, message", [
    (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "no HTTP answer"),
    (b"HTTP/2 200 OK\r\n\r\n", "no HTTP answer"),
    (b"HTTP/1.1 2xx OK\r\n\r\n", "no HTTP answer"),
    (b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n", "no header"),
    (b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "Content-Length '-1'"),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n", "a body of 99999999999"),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx", "that differ"),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", "transfer encoding 'gzip'"),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\n", "chunk size"),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\r\n", "chunk size"),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabcd", "a chunk longer"),
    (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 140_000, "without an end"),
])
def test_what_is_no_answer_ends_the_replay_at_once(answer: bytes, message: str):
    with ScriptedPeer([answer]) as peer:
        client, pauses = client_of(peer)
        with pytest.raises(ReplayError, match=message):
            client.call(REQUEST)
        assert not pauses


def test_bytes_that_nobody_asked_for_are_not_taken_for_the_next_answer():
    with ScriptedPeer([OK + OK]) as peer:
        connection = Connection(Address("127.0.0.1", peer.port))
        connection.exchange(REQUEST)
        with pytest.raises(ProtocolError, match="nobody asked for"):
            connection.exchange(REQUEST)
        connection.close()


@given(st.lists(st.binary(min_size=1, max_size=40), max_size=6), st.data())
def test_chunked_bodies_survive_any_cut(parts: list[bytes], data):
    raw = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    raw += b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"
    cut = data.draw(st.integers(0, len(raw)))
    with ScriptedPeer([[raw[:cut], raw[cut:]]]) as peer:
        connection = Connection(Address("127.0.0.1", peer.port))
        assert connection.exchange(REQUEST).body == b"".join(parts)
        connection.close()


@pytest.mark.parametrize("url, host, port, header", [
    ("http://127.0.0.1:3800", "127.0.0.1", 3800, "127.0.0.1:3800"),
    ("http://guard.example/", "guard.example", 80, "guard.example:80"),
    ("http://[::1]:9", "::1", 9, "[::1]:9"),
])
def test_urls(url: str, host: str, port: int, header: str):
    address = parse_url(url)
    assert (address.host, address.port, address.host_header()) == (host, port, header)


@pytest.mark.parametrize("url", ["https://x", "x:80", "http://", "http://x/v1", "http://x:y",
                                 "http://x?a=b", "http://u@x", "http://x:99999", "http://[::1"])
def test_urls_that_are_refused(url: str):
    with pytest.raises(InputError, match="--url"):
        parse_url(url)
