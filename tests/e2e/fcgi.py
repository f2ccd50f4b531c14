"""A FastCGI client that talks to a guard process itself, and can misbehave on cue."""

import socket
import struct
import time

from client import Answer, header_table

VERSION = 1
BEGIN_REQUEST, ABORT_REQUEST, END_REQUEST, PARAMS, STDIN, STDOUT, STDERR = range(1, 8)
DATA, GET_VALUES, GET_VALUES_RESULT, UNKNOWN_TYPE = range(8, 12)
RESPONDER = 1
KEEP_CONNECTION = 1

HEADER = struct.Struct(">BBHHBx")
CONTENT_MAX = 65535
REQUEST_ID = "fcgi-test"


def record(kind, content=b"", request_id=1, padding=0, version=VERSION):
    assert len(content) <= CONTENT_MAX
    return HEADER.pack(version, kind, request_id, len(content), padding) + content + b"P" * padding


def begin(keep=False, role=RESPONDER, request_id=1):
    flags = KEEP_CONNECTION if keep else 0
    return record(BEGIN_REQUEST, struct.pack(">HB5x", role, flags), request_id)


def length(size, long_form=False):
    """Sizes over 127 need the four byte form; smaller ones may use it too."""
    if size > 127 or long_form:
        return struct.pack(">I", size | 0x80000000)
    return bytes([size])


def pair(name, value, long_form=False):
    name = name if isinstance(name, bytes) else name.encode()
    value = value if isinstance(value, bytes) else value.encode()
    return length(len(name), long_form) + length(len(value), long_form) + name + value


def pairs(params, long_form=False):
    return b"".join(pair(name, value, long_form) for name, value in params.items())


def stream(kind, content, cuts=(), padding=0, request_id=1):
    """A whole stream with its empty last record, cut into records at these offsets."""
    edges = sorted({0, len(content), *range(0, len(content), CONTENT_MAX),
                    *(cut for cut in cuts if 0 < cut < len(content))})
    parts = [content[start:end] for start, end in zip(edges, edges[1:])]
    # The empty record is not padded: libfcgi does not pass over padding behind it, and nginx
    # sends none.
    return b"".join(record(kind, part, request_id, padding) for part in parts) \
        + record(kind, b"", request_id)


def params_of(method, uri, body=b"", **more):
    """What nginx passes to the guard, and nothing else."""
    params = {
        "REQUEST_METHOD": method,
        "REQUEST_URI": uri,
        "CONTENT_TYPE": "application/json" if body else "",
        "CONTENT_LENGTH": str(len(body)) if body else "",
        "REQUEST_ID": REQUEST_ID,
        "HTTP_X_TENANT_ID": "",
        "HTTP_X_CORRELATION_ID": "",
        "HTTP_IDEMPOTENCY_KEY": "",
    }
    params.update(more)
    return {name: value for name, value in params.items() if value is not None}


class Peer:
    """One connection to the guard's socket."""

    def __init__(self, path, timeout=20):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(timeout)
        self.socket.connect(str(path))
        self.timeout = timeout
        self.buffer = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def send(self, data):
        """False when the guard closed the connection before it took everything."""
        try:
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            return False
        return True

    def read_exactly(self, size, deadline):
        while len(self.buffer) < size:
            self.socket.settimeout(max(0.01, deadline - time.monotonic()))
            part = self.socket.recv(65536)
            if not part:
                raise EOFError(f"{len(self.buffer)} of {size} bytes")
            self.buffer += part
        taken, self.buffer = self.buffer[:size], self.buffer[size:]
        return taken

    def read_record(self, deadline=None):
        deadline = deadline or time.monotonic() + self.timeout
        version, kind, request_id, size, padding = HEADER.unpack(self.read_exactly(8, deadline))
        assert version == VERSION, version
        content = self.read_exactly(size, deadline)
        self.read_exactly(padding, deadline)
        return kind, request_id, content

    def answer(self, request_id=1):
        """The answer to the request that was sent; EOFError when the guard hangs up instead."""
        started = time.monotonic()
        deadline = started + self.timeout
        output = b""
        while True:
            kind, answered_id, content = self.read_record(deadline)
            assert answered_id == request_id, answered_id
            if kind == STDOUT:
                output += content
            elif kind == END_REQUEST:
                app_status, protocol_status = struct.unpack(">IB3x", content)
                assert (app_status, protocol_status) == (0, 0), content
                return parse_cgi(output, time.monotonic() - started)
            else:
                assert kind == STDERR, kind

    def ends(self):
        """Reads until the guard closes the connection; gives what it still sent."""
        deadline = time.monotonic() + self.timeout
        while True:
            self.socket.settimeout(max(0.01, deadline - time.monotonic()))
            try:
                part = self.socket.recv(65536)
            except ConnectionResetError:
                return self.buffer
            if not part:
                return self.buffer
            self.buffer += part

    def request(self, method, uri, body=b"", keep=False, **more):
        """A request as nginx sends it."""
        params = pairs(params_of(method, uri, body, **more))
        self.send(begin(keep) + stream(PARAMS, params) + stream(STDIN, body))
        answer = self.answer()
        # This header is nginx's; with it the answer has the same shape as through nginx.
        answer.headers["x-request-id"] = more.get("REQUEST_ID", REQUEST_ID)
        return answer


def parse_cgi(output, seconds):
    """The answer in CGI form: headers, among them Status, and a body."""
    head, separator, body = output.partition(b"\r\n\r\n")
    assert separator, output
    headers = header_table(tuple(line.split(": ", 1))
                           for line in head.decode("latin-1").split("\r\n"))
    status = int(headers.pop("status", "200 OK").split(" ")[0])
    return Answer(status, headers, body, seconds)
