"""HTTP/2 without a library for gRPC in between: for callers that do what such a library does not."""

import socket
import time

import h2.config
import h2.connection
import h2.events
import h2.exceptions

READ_SECONDS = 15

HEADERS = ((":method", "POST"), (":scheme", "http"), (":authority", "guard"),
           ("content-type", "application/grpc"), ("te", "trailers"))


def frame(message, flag=0):
    """A message in its frame."""
    return bytes([flag]) + len(message).to_bytes(4, "big") + message


class Answer:
    """What came on one stream."""

    def __init__(self):
        self.headers = {}
        self.trailers = None
        self.body = b""
        self.ended = False
        self.reset = None  # error code

    @property
    def grpc_status(self):
        return int(self.trailers["grpc-status"])

    @property
    def grpc_message(self):
        return self.trailers.get("grpc-message", "")

    def __repr__(self):
        return f"<{self.headers} {self.body[:100]!r} {self.trailers} reset={self.reset}>"


class RawH2:
    """One connection. The headers that it sends need not be valid."""

    def __init__(self, address):
        host, port = address.rsplit(":", 1)
        self.socket = socket.create_connection((host.strip("[]"), int(port)), READ_SECONDS)
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(
            header_encoding="utf-8", validate_outbound_headers=False,
            normalize_outbound_headers=False))
        self.h2.initiate_connection()
        self.answers = {}
        self.goaway = None  # error code
        self.closed = False
        self.flush()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def flush(self):
        data = self.h2.data_to_send()
        try:
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            self.closed = True

    def start(self, path, headers=(), changes=None, end=False):
        """Headers only; returns the number of the stream."""
        changes = changes or {}
        stream = self.h2.get_next_available_stream_id()
        sent = [(name, changes.get(name, value)) for name, value in HEADERS]
        sent.insert(0, (":path", path))
        self.h2.send_headers(stream, [pair for pair in sent if pair[1] is not None]
                             + list(headers), end_stream=end)
        self.answers[stream] = Answer()
        self.flush()
        return stream

    def send(self, stream, data, end=True):
        """As much as the service takes before it has answered."""
        while data and not self.answers[stream].ended:
            step = min(len(data), self.h2.local_flow_control_window(stream),
                       self.h2.max_outbound_frame_size)
            if step == 0:
                self.receive()
                continue
            self.h2.send_data(stream, data[:step])
            data = data[step:]
            self.flush()
        if end and not self.answers[stream].ended:
            self.h2.end_stream(stream)
            self.flush()

    def receive(self):
        """What comes next, of whichever stream."""
        data = self.socket.recv(65536)
        if not data:
            self.closed = True
            return
        for event in self.h2.receive_data(data):
            self.take(event)
        self.flush()

    def take(self, event):
        answer = self.answers.get(getattr(event, "stream_id", None))
        if isinstance(event, h2.events.ConnectionTerminated):
            self.goaway = event.error_code
        elif answer is None:
            return
        elif isinstance(event, h2.events.ResponseReceived):
            answer.headers = dict(event.headers)
        elif isinstance(event, h2.events.TrailersReceived):
            answer.trailers = dict(event.headers)
        elif isinstance(event, h2.events.DataReceived):
            answer.body += event.data
            self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, h2.events.StreamEnded):
            answer.ended = True
        elif isinstance(event, h2.events.StreamReset):
            answer.reset = event.error_code
            answer.ended = True

    def finish(self, stream, seconds_max=READ_SECONDS):
        """Reads until the stream has ended, or the connection."""
        answer = self.answers[stream]
        deadline = time.monotonic() + seconds_max
        while not answer.ended and not self.closed:
            self.socket.settimeout(max(0.01, deadline - time.monotonic()))
            self.receive()
        return answer

    def call(self, path, body=b"", headers=(), changes=None):
        """One whole request."""
        stream = self.start(path, headers, changes)
        self.send(stream, body)
        return self.finish(stream)
