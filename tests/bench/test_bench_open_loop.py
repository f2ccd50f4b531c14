"""The open load generator against a scripted peer: what it counts is what the peer did."""

import json
import socket
import subprocess
import threading

import pytest

from bench_lib import open_loop
from conftest import BENCH

GRANT = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
REFUSAL = (b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 2\r\nRetry-After: 1\r\n\r\n{}")
BARE_REFUSAL = REFUSAL.replace(b"Retry-After: 1\r\n", b"")


class Peer:
    """Answers each request with what choose(number of the request) says; None hangs up."""

    def __init__(self, choose):
        self._choose = choose
        self._lock = threading.Lock()
        self.bodies = []
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with connection:
            while True:
                try:
                    request = connection.recv(4096)
                except OSError:
                    return
                if not request:
                    return
                with self._lock:
                    number = len(self.bodies)
                    self.bodies.append(request.partition(b"\r\n\r\n")[2])
                answer = self._choose(number)
                if answer is None:
                    return
                # In two parts: an answer may come in pieces.
                connection.sendall(answer[:20])
                connection.sendall(answer[20:])

    def close(self):
        self._listener.close()


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    folder = tmp_path_factory.mktemp("open_loop")
    subprocess.run(["cc", "-std=c11", "-O1", "-Wall", "-Wextra", "-Werror", "-fsyntax-only",
                    BENCH / "load" / "open_loop.c"], check=True)
    return open_loop.compile_in(folder)


@pytest.fixture
def offer(program):
    """Offers a load to a peer that answers as it is told."""
    peers = []

    def run(choose, *phases, connections=8, obey=False):
        peers.append(Peer(choose))
        done = subprocess.run(
            [program, str(peers[-1].port), str(connections), "2031", "7", str(int(obey)),
             *phases], text=True, capture_output=True, timeout=60, check=True)
        return open_loop.parse(done.stdout.splitlines()), peers[-1]
    yield run
    for peer in peers:
        peer.close()


def test_the_rate_is_offered_and_each_answer_counted(offer):
    found, peer = offer(lambda number: REFUSAL if number % 4 == 0 else GRANT, "200:1", "100:0.5")
    for phase, arrivals in zip(found["phases"], (200, 50)):
        assert arrivals * 0.9 <= phase["arrivals"] <= arrivals
        assert phase["held"] == 0
    everything = [*found["phases"], found["drain"]]
    sums = {name: sum(entry[name] for entry in everything)
            for name in ("granted", "refused", "no_retry_after", "lost", "other")}
    number = len(peer.bodies)
    assert sums == {"granted": number - (number + 3) // 4, "refused": (number + 3) // 4,
                    "no_retry_after": 0, "lost": 0, "other": 0}
    assert found["phases"][0]["granted_p50_ms"] > 0


def test_requests_are_locks_of_ten_years(offer):
    _, peer = offer(lambda _: GRANT, "200:1")
    for text in peer.bodies:
        body = json.loads(text)
        assert "2031-01-01" <= body["stayStart"] < body["stayEnd"] <= "2041-01-03"
        room = int(body["roomId"][-12:])
        assert body["roomId"].startswith(f"{room * 2654435761 % 2 ** 32:08x}-0000-4000-8000-")
    assert len({json.loads(text)["roomId"] for text in peer.bodies}) > len(peer.bodies) * 0.9


def test_a_refusal_without_retry_after_is_told(offer):
    found, peer = offer(lambda _: BARE_REFUSAL, "50:0.5")
    assert sum(entry["no_retry_after"] for entry in [*found["phases"], found["drain"]]) == len(
        peer.bodies) > 0


def test_who_obeys_stays_away(offer):
    found, peer = offer(lambda _: REFUSAL, "500:1.5", connections=8, obey=True)
    assert 8 <= len(peer.bodies) <= 16
    assert found["phases"][0]["held"] == found["phases"][0]["arrivals"] - len(peer.bodies)
    _, stubborn = offer(lambda _: REFUSAL, "500:1.5", connections=8)
    assert len(stubborn.bodies) > 300


def test_a_connection_that_is_lost_is_counted_and_opened_again(offer):
    found, peer = offer(lambda number: None if number % 10 == 9 else GRANT, "200:1", connections=4)
    everything = [*found["phases"], found["drain"]]
    assert sum(entry["lost"] for entry in everything) == len(peer.bodies) // 10
    assert sum(entry["granted"] for entry in everything) == len(peer.bodies) - len(
        peer.bodies) // 10
