"""A fake of the service for the replay's own tests: locks, releases, the list.

It keeps every lock in one dictionary and looks at all of them for a conflict, so
that it can hardly be wrong. `Mischief` makes it fail on cue: in the wire (closed
connections, chunked answers, 503) or in the rules (double booking, lost locks).
"""

from __future__ import annotations

import itertools
import json
import socket
import socketserver
import threading
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any, Callable
from urllib.parse import parse_qs, urlsplit

TTL_SECONDS_MAX = 86400

Lock = dict[str, Any]


@dataclass
class Mischief:
    """What goes wrong; numbers count requests from 1."""

    chunked: bool = False
    # answer by request number: "503", "close" (before acting), "lose" (after acting)
    failures: dict[int, str] = field(default_factory=dict)
    requests_per_connection: int = 10**9
    retry_after: str | None = "0"
    # POSTs that ignore what is in the way
    blind_posts: set[int] = field(default_factory=set)
    # releases that say so and do nothing
    deaf_releases: set[int] = field(default_factory=set)
    ttl_seconds_max: int = TTL_SECONDS_MAX


class FakeGuard:
    """The server; a context manager. Set `mischief` before the first request."""

    def __init__(self) -> None:
        self.mischief = Mischief()
        self.locks: dict[tuple[str, str], Lock] = {}
        self.numbers = itertools.count(1)
        self.posts = itertools.count(1)
        self.releases = itertools.count(1)
        self.clock: Callable[[], datetime] = lambda: datetime.now(timezone.utc)
        self.mutex = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.guard = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    def __enter__(self) -> "FakeGuard":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def port(self) -> int:
        return self._server.server_address[1]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def answer(self, method: str, target: str, body: Any) -> tuple[int, Any]:
        """Acts on a request."""
        url = urlsplit(target)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        if method == "POST" and url.path == "/v1/locks":
            return self._post(body)
        if method == "GET" and url.path == "/v1/locks":
            return self._list(query)
        if method == "DELETE" and url.path.startswith("/v1/locks/"):
            return self._release(url.path.rsplit("/", 1)[1], body)
        return 404, {"status": 404, "error": "route_not_found"}

    def _post(self, body: Any) -> tuple[int, Any]:
        number = next(self.posts)
        missing = {"tenantId", "roomTypeId", "stayStart", "stayEnd", "roomId",
                   "idempotencyKey"} - set(body)
        if missing:
            return 400, {"status": 400, "error": "invalid_request", "errors": sorted(missing)}
        start, end = _instant(body["stayStart"]), _instant(body["stayEnd"])
        if end <= start or end <= self.clock():
            return 400, {"status": 400, "error": "invalid_request"}
        key = (body["tenantId"], body["idempotencyKey"])
        conflict = self._conflict(key, body["roomId"], start, end)
        if conflict is not None and number not in self.mischief.blind_posts:
            shown = {name: value for name, value in conflict.items() if name != "metadata"}
            return 409, {"status": "CONFLICT", "conflict": shown}
        lock = self._grant(key, body, start, end)
        return 200, {"status": "LOCKED", "lock": lock}

    def _conflict(self, key: tuple[str, str], room_id: str, start: datetime,
                  end: datetime) -> Lock | None:
        for other_key, lock in self.locks.items():
            if (other_key != key and other_key[0] == key[0] and lock["status"] == "ACTIVE"
                    and lock["room_id"] == room_id
                    and lock["_start"] < end and start < lock["_end"]):
                return _shown(lock)
        return None

    def _grant(self, key: tuple[str, str], body: Any, start: datetime, end: datetime) -> Lock:
        ttl = min(body.get("ttlSeconds", 7200), self.mischief.ttl_seconds_max)
        self.locks[key] = {
            "id": key[1], "tenant_id": key[0], "reservation_id": body.get("reservationId"),
            "room_type_id": body["roomTypeId"], "room_id": body["roomId"],
            "stay_start": _text(start), "stay_end": _text(end), "ttl_seconds": ttl,
            "expires_at": _text(min(end, self.clock() + timedelta(seconds=ttl))),
            "metadata": body.get("metadata", {}), "status": "ACTIVE",
            "_start": start, "_end": end,
        }
        return _shown(self.locks[key])

    def _release(self, lock_id: str, body: Any) -> tuple[int, Any]:
        number = next(self.releases)
        lock = self.locks.get((body["tenantId"], lock_id))
        if lock is None or body.get("reservationId", lock_id) != lock["reservation_id"]:
            return 404, {"status": 404, "error": "not_found"}
        if number not in self.mischief.deaf_releases:
            lock["status"] = "RELEASED"
        return 200, {"status": "released", "lockId": lock_id}

    def _list(self, query: dict[str, str]) -> tuple[int, Any]:
        limit = int(query.get("limit", "50"))
        if not 1 <= limit <= 200:
            return 400, {"status": 400, "error": "invalid_request"}
        after = query.get("cursor", "").removeprefix("after+/=")
        found = sorted((lock for (tenant, _), lock in self.locks.items()
                        if tenant == query["tenantId"] and lock["status"] == query["status"]
                        and lock["id"] > after), key=lambda lock: lock["id"])
        # A cursor with characters that must be escaped in a query.
        cursor = "after+/=" + found[limit - 1]["id"] if len(found) > limit else None
        return 200, {"locks": [_shown(lock) for lock in found[:limit]], "nextCursor": cursor}


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True
    guard: FakeGuard

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A replay that ends early leaves its connections; that is no error."""


class _Handler(socketserver.StreamRequestHandler):
    disable_nagle_algorithm = True
    server: _Server

    def handle(self) -> None:
        guard = self.server.guard
        for served in itertools.count(1):
            line = self.rfile.readline()
            if not line:
                return
            request = self._read(line)
            with guard.mutex:
                failure = guard.mischief.failures.get(next(guard.numbers))
                if failure == "close":
                    return
                if failure == "503":
                    status, body = 503, {"status": 503, "error": "overloaded", "failOpen": True}
                else:
                    status, body = guard.answer(*request)
            if failure == "lose":
                return
            last = served >= guard.mischief.requests_per_connection
            self.wfile.write(self._render(status, body, last))
            if last:
                return

    def _read(self, line: bytes) -> tuple[str, str, Any]:
        method, target, _ = line.decode().split()
        length = 0
        while (header := self.rfile.readline()) != b"\r\n":
            name, _, value = header.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        return method, target, json.loads(self.rfile.read(length)) if length else None

    def _render(self, status: int, body: Any, last: bool) -> bytes:
        mischief = self.server.guard.mischief
        content = json.dumps(body).encode()
        head = f"HTTP/1.1 {status} Whatever\r\nContent-Type: application/json\r\n"
        if status == 503 and mischief.retry_after is not None:
            head += f"Retry-After: {mischief.retry_after}\r\n"
        if last:
            head += "Connection: close\r\n"
        if not mischief.chunked:
            return (head + f"Content-Length: {len(content)}\r\n\r\n").encode() + content
        parts = [content[at:at + 100] for at in range(0, len(content), 100)]
        chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts)
        return (head + "Transfer-Encoding: chunked\r\n\r\n").encode() + chunks + b"0\r\n\r\n"


class ScriptedPeer:
    """A peer that plays one script of raw answers for each connection, whatever is asked.

    A script is a list of steps: bytes are sent after the next request was read,
    a list of bytes in pieces; after the last step the connection is closed.
    """

    def __init__(self, *scripts: list[bytes | list[bytes]]) -> None:
        self._scripts = scripts
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._run, daemon=True)

    @property
    def port(self) -> int:
        return self._listener.getsockname()[1]

    def __enter__(self) -> "ScriptedPeer":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()

    def _run(self) -> None:
        for script in self._scripts:
            connection, _ = self._listener.accept()
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with connection:
                for step in script:
                    if not connection.recv(65536):
                        break
                    for piece in [step] if isinstance(step, bytes) else step:
                        connection.sendall(piece)


def _shown(lock: Lock) -> Lock:
    return {name: value for name, value in lock.items() if not name.startswith("_")}


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def _text(instant: datetime) -> str:
    return instant.strftime("%Y-%m-%dT%H:%M:%S.") + f"{instant.microsecond // 1000:03d}Z"
