"""Bytes to and from nginx without an HTTP library in between: for hostile callers."""

import socket
import time
import urllib.parse

from client import Answer, header_table


def connect(base_url, timeout=15):
    parts = urllib.parse.urlsplit(base_url)
    connection = socket.create_connection((parts.hostname, parts.port), timeout)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def read_to_end(connection, seconds_max=15):
    """Everything the service still says before it closes the connection."""
    deadline = time.monotonic() + seconds_max
    received = b""
    while True:
        connection.settimeout(max(0.01, deadline - time.monotonic()))
        try:
            part = connection.recv(65536)
        except ConnectionResetError:
            return received
        if not part:
            return received
        received += part


def exchange(base_url, data, seconds_max=15):
    """Sends these bytes and nothing more; gives all that comes back.

    The sending side is closed, so that the service has no reason to keep the connection.
    """
    with connect(base_url, seconds_max) as connection:
        try:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
        except (BrokenPipeError, ConnectionResetError):
            # The service may close on us in the middle; what it said can still be there.
            pass
        return read_to_end(connection, seconds_max)


def read_answer(connection, seconds_max=15):
    """One answer on a connection that stays open."""
    started = time.monotonic()
    deadline = started + seconds_max
    received = b""
    while True:
        head, separator, rest = received.partition(b"\r\n\r\n")
        if separator:
            length = int(parse_head(head)[1].get("content-length", "0"))
            if len(rest) >= length:
                status, headers = parse_head(head)
                return Answer(status, headers, rest[:length], time.monotonic() - started)
        connection.settimeout(max(0.01, deadline - time.monotonic()))
        part = connection.recv(65536)
        assert part, f"closed in the middle of an answer: {received!r}"
        received += part


def parse_head(head):
    lines = head.decode("latin-1").split("\r\n")
    version, status = lines[0].split(" ")[:2]
    assert version in ("HTTP/1.0", "HTTP/1.1"), lines[0]
    return int(status), header_table(tuple(line.split(": ", 1)) for line in lines[1:])


def parse_answers(received, methods=()):
    """The answers in these bytes; `methods` names those of the requests (HEAD has no body)."""
    answers = []
    while received:
        head, separator, rest = received.partition(b"\r\n\r\n")
        assert separator, f"no end of the headers: {received!r}"
        status, headers = parse_head(head)
        is_head = len(methods) > len(answers) and methods[len(answers)] == "HEAD"
        length = 0 if is_head else int(headers.get("content-length", len(rest)))
        assert len(rest) >= length, f"cut short: {received!r}"
        answers.append(Answer(status, headers, rest[:length], 0.0))
        received = rest[length:]
    return answers


def request_bytes(method, target, headers=(), body=b""):
    """A request as it is written; the values may hold any byte."""
    lines = [as_bytes(method) + b" " + as_bytes(target) + b" HTTP/1.1", b"Host: guard"]
    lines += [as_bytes(name) + b": " + as_bytes(value) for name, value in headers]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def as_bytes(text):
    return text if isinstance(text, bytes) else str(text).encode()
