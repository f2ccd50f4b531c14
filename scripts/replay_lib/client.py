"""HTTP/1.1 over one kept connection, made for many small requests in a row.

`Connection` sends bytes and reads one answer (Content-Length, chunked, or up to
the end of the connection). `Client` owns the connection of one worker: it
connects again where the server closed, and repeats what may be repeated, within
bounds, and counts it. Every request of the replay may be repeated: locks carry
their idempotency key, releases and lists are idempotent by themselves.
"""

from __future__ import annotations

import json
import socket
import time
from collections import Counter
from dataclasses import dataclass
from typing import Any, Callable
from urllib.parse import urlsplit

from .errors import InputError, ReplayError

READ_BYTES = 65536
HEAD_BYTES_MAX = 65536
BODY_BYTES_MAX = 64 * 1024 * 1024

# The service answers within eight seconds or so, and nginx a second later.
TIMEOUT_S = 30.0
TRIES_MAX = 12
WAIT_S_FIRST = 0.1
WAIT_S_MAX = 5.0


class ConnectionLost(Exception):
    """The connection ended, or never came about; the request may be sent again."""


class ProtocolError(Exception):
    """What came back is no HTTP answer."""


@dataclass(frozen=True)
class Answer:
    """An answer; the names of the headers are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        """The body as JSON; ProtocolError when it is none."""
        try:
            return json.loads(self.body)
        except ValueError as error:
            raise ProtocolError(f"the body is not JSON: {self.body[:200]!r}") from error

    def summary(self) -> str:
        """The status and the beginning of the body, for messages."""
        return f"{self.status} {self.body[:400].decode('utf-8', 'replace').strip()}"


@dataclass(frozen=True)
class Address:
    """Where the service listens."""

    host: str
    port: int

    def host_header(self) -> str:
        """The value of the Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def parse_url(url: str) -> Address:
    """Host and port of an http URL without a path. Raises InputError."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise InputError(f"--url {url}: {error}") from error
    if parts.scheme != "http" or not parts.hostname or parts.path not in ("", "/"):
        raise InputError(f"--url {url}: http://HOST:PORT expected")
    if parts.query or parts.fragment or parts.username is not None:
        raise InputError(f"--url {url}: http://HOST:PORT expected")
    return Address(parts.hostname, 80 if port is None else port)


class Connection:
    """One open socket and what was read from it but not yet used."""

    def __init__(self, address: Address, timeout_s: float = TIMEOUT_S) -> None:
        try:
            self._socket = socket.create_connection((address.host, address.port), timeout_s)
        except OSError as error:
            raise ConnectionLost(f"no connection to {address.host_header()}: {error}") from error
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._rest = b""
        self.is_kept = True

    def close(self) -> None:
        """Ends the connection."""
        self._socket.close()

    def exchange(self, request: bytes) -> Answer:
        """Sends the request and reads its answer."""
        if self._rest:
            raise ProtocolError(f"bytes that nobody asked for: {self._rest[:200]!r}")
        try:
            self._socket.sendall(request)
            status, headers, version = self._read_head()
            body = self._read_body(status, headers)
        except OSError as error:
            raise ConnectionLost(f"connection lost: {error}") from error
        connection = headers.get("connection", "").lower()
        if connection == "close" or (version == b"HTTP/1.0" and connection != "keep-alive"):
            self.is_kept = False
        return Answer(status, headers, body)

    def _read_head(self) -> tuple[int, dict[str, str], bytes]:
        """The first head that is not an interim answer (1xx)."""
        while True:
            head = self._read_until(b"\r\n\r\n", HEAD_BYTES_MAX)
            version, status = _parse_status_line(head)
            if status >= 200:
                return status, _parse_headers(head), version

    def _read_body(self, status: int, headers: dict[str, str]) -> bytes:
        if status in (204, 304):
            return b""
        if "transfer-encoding" in headers:
            if headers["transfer-encoding"].lower() != "chunked":
                raise ProtocolError(f"transfer encoding {headers['transfer-encoding']!r}")
            return self._read_chunks()
        if "content-length" in headers:
            return self._read_exactly(_parse_length(headers["content-length"]))
        self.is_kept = False
        return self._read_to_end()

    def _read_chunks(self) -> bytes:
        chunks: list[bytes] = []
        size_sum = 0
        while True:
            line = self._read_until(b"\r\n", HEAD_BYTES_MAX)
            size = _parse_chunk_size(line)
            if size == 0:
                break
            size_sum += size
            if size_sum > BODY_BYTES_MAX:
                raise ProtocolError(f"a body of more than {BODY_BYTES_MAX} bytes")
            chunks.append(self._read_exactly(size))
            if self._read_exactly(2) != b"\r\n":
                raise ProtocolError("a chunk longer than it says")
        while self._read_until(b"\r\n", HEAD_BYTES_MAX):
            pass  # trailers
        return b"".join(chunks)

    def _read_until(self, mark: bytes, limit: int) -> bytes:
        """What stands before the mark; the mark is taken too."""
        while (at := self._rest.find(mark)) < 0:
            if len(self._rest) > limit:
                raise ProtocolError(f"more than {limit} bytes without an end")
            self._receive()
        found = self._rest[:at]
        self._rest = self._rest[at + len(mark):]
        return found

    def _read_exactly(self, size: int) -> bytes:
        if size > BODY_BYTES_MAX:
            raise ProtocolError(f"a body of {size} bytes")
        if len(self._rest) < size:
            parts = [self._rest]
            missing = size - len(self._rest)
            while missing > 0:
                self._rest = b""
                self._receive()
                parts.append(self._rest)
                missing -= len(self._rest)
            self._rest = b"".join(parts)
        found, self._rest = self._rest[:size], self._rest[size:]
        return found

    def _read_to_end(self) -> bytes:
        parts = [self._rest]
        size = len(self._rest)
        self._rest = b""
        while part := self._socket.recv(READ_BYTES):
            size += len(part)
            if size > BODY_BYTES_MAX:
                raise ProtocolError(f"a body of more than {BODY_BYTES_MAX} bytes")
            parts.append(part)
        return b"".join(parts)

    def _receive(self) -> None:
        part = self._socket.recv(READ_BYTES)
        if not part:
            raise ConnectionLost("the connection was closed before the answer was complete")
        self._rest += part


@dataclass(frozen=True)
class _Failure:
    """Why a request is to be sent again, and when."""

    cause: str
    text: str
    wait_s: float


class Client:
    """The requests of one worker. `repeats` counts what was sent again, by cause."""

    def __init__(self, address: Address, sleep: Callable[[float], None] = time.sleep) -> None:
        self._address = address
        self._sleep = sleep
        self._connection: Connection | None = None
        self.repeats: Counter[str] = Counter()
        self.requests = 0

    def close(self) -> None:
        """Ends the connection, if there is one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def call(self, request: bytes) -> Answer:
        """The answer to the request; 5xx and 429 only after TRIES_MAX tries, as ReplayError."""
        failure = _Failure("", "", 0.0)
        for attempt in range(TRIES_MAX):
            if attempt > 0:
                self.repeats[failure.cause] += 1
                self._sleep(failure.wait_s)
            tried = self._try(request, attempt)
            if isinstance(tried, Answer):
                return tried
            failure = tried
        raise ReplayError(f"{_first_line(request)}: gave up after {TRIES_MAX} tries, "
                          f"the last ended with: {failure.text}")

    def _try(self, request: bytes, attempt: int) -> Answer | _Failure:
        """An answer that may be acted on, or why the request must be sent again."""
        self.requests += 1
        try:
            answer = self._exchange(request)
        except ConnectionLost as error:
            return _Failure("connection", str(error), _backoff(attempt))
        except ProtocolError as error:
            self.close()
            raise ReplayError(f"{_first_line(request)}: {error}") from error
        if answer.status >= 500 or answer.status == 429:
            return _Failure(str(answer.status), answer.summary(), _wait(answer, attempt))
        return answer

    def _exchange(self, request: bytes) -> Answer:
        if self._connection is None:
            self._connection = Connection(self._address)
        try:
            answer = self._connection.exchange(request)
        except ConnectionLost:
            self.close()
            raise
        if not self._connection.is_kept:
            self.close()
        return answer


def _backoff(attempt: int) -> float:
    return min(WAIT_S_FIRST * 2 ** attempt, WAIT_S_MAX)


def _wait(answer: Answer, attempt: int) -> float:
    """Seconds to wait: what Retry-After asks for, within bounds, else more and more."""
    asked = answer.headers.get("retry-after", "")
    if asked.isascii() and asked.isdigit():
        return min(float(asked[:9]), WAIT_S_MAX)
    return _backoff(attempt)


def _first_line(request: bytes) -> str:
    return request.split(b"\r\n", 1)[0].decode("ascii", "replace").rsplit(" ", 1)[0]


def _parse_status_line(head: bytes) -> tuple[bytes, int]:
    version, status = head[:8], head[9:12]
    if version not in (b"HTTP/1.1", b"HTTP/1.0") or head[8:9] != b" " or not status.isdigit():
        raise ProtocolError(f"no HTTP answer: {head[:80]!r}")
    return version, int(status)


def _parse_headers(head: bytes) -> dict[str, str]:
    headers: dict[str, str] = {}
    for line in head.decode("latin-1").split("\r\n")[1:]:
        name, colon, value = line.partition(":")
        if not colon:
            raise ProtocolError(f"no header: {line[:80]!r}")
        name, value = name.lower(), value.strip()
        if headers.get(name, value) != value and name in ("content-length", "transfer-encoding"):
            raise ProtocolError(f"two headers {name} that differ")
        headers[name] = value
    return headers


def _parse_length(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise ProtocolError(f"Content-Length {text!r}")
    return int(text)


def _parse_chunk_size(line: bytes) -> int:
    digits = line.split(b";", 1)[0].strip()
    if not 0 < len(digits) <= 15 or digits.strip(b"0123456789abcdefABCDEF"):
        raise ProtocolError(f"chunk size {line[:80]!r}")
    return int(digits, 16)
