"""An OTLP collector: takes spans by HTTP as JSON, checks every word of them, and misbehaves when told to."""

import http.server
import json
import re
import threading

from systems import wait_for

SPAN_FIELDS = {"traceId", "spanId", "parentSpanId", "name", "kind", "startTimeUnixNano",
               "endTimeUnixNano", "attributes", "status"}
KINDS = {1: "INTERNAL", 2: "SERVER", 3: "CLIENT", 4: "PRODUCER", 5: "CONSUMER"}


def _without_doubles(pairs):
    found = dict(pairs)
    assert len(found) == len(pairs), f"a member is there twice: {pairs}"
    return found


def _attributes(items):
    """{key: value}; a value is one of the two kinds that are in use."""
    found = {}
    for item in items:
        assert set(item) == {"key", "value"} and len(item["value"]) == 1, item
        [(kind, value)] = item["value"].items()
        assert kind in ("stringValue", "intValue") and isinstance(value, str), item
        if kind == "intValue":
            assert re.fullmatch(r"-?\d{1,19}", value), item
            value = int(value)
        assert item["key"] and item["key"] not in found, f"twice: {item}"
        found[item["key"]] = value
    return found


class Span:
    def __init__(self, span, scope, resource):
        assert set(span) <= SPAN_FIELDS, span
        assert re.fullmatch("[0-9a-f]{32}", span["traceId"]) and int(span["traceId"], 16), span
        assert re.fullmatch("[0-9a-f]{16}", span["spanId"]) and int(span["spanId"], 16), span
        parent = span.get("parentSpanId")
        assert parent is None or re.fullmatch("[0-9a-f]{16}", parent), span
        assert isinstance(span["name"], str) and span["name"], span
        assert type(span["kind"]) is int and span["kind"] in KINDS, span
        for name in ("startTimeUnixNano", "endTimeUnixNano"):
            assert isinstance(span[name], str) and re.fullmatch(r"\d{19}", span[name]), span
        assert int(span["startTimeUnixNano"]) <= int(span["endTimeUnixNano"]), span
        assert span["status"] in ({}, {"code": 2}), span
        self.trace_id, self.span_id, self.parent = span["traceId"], span["spanId"], parent
        self.name, self.kind = span["name"], KINDS[span["kind"]]
        self.start, self.end = int(span["startTimeUnixNano"]), int(span["endTimeUnixNano"])
        self.attributes = _attributes(span["attributes"])
        self.failed = span["status"] == {"code": 2}
        assert self.failed == ("error.type" in self.attributes), span
        self.program, self.resource = scope, resource

    def __repr__(self):
        return f"<{self.program} {self.kind} {self.name!r} {self.span_id} of {self.parent}>"


class Collector:
    """status, answer, retry_after: what calls are answered with; statuses: the next ones, before
    that. hang: an Event until which they are not answered at all."""

    def __init__(self):
        self._lock = threading.Lock()
        self._spans = {}
        self.failures = []
        self.calls = []  # (status, number of spans)
        self.behave_well()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):  # pylint: disable=invalid-name
                outer._take(self)

            def log_message(self, *_):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    def close(self):
        self.behave_well()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def behave_well(self):
        if hasattr(self, "hang"):
            self.hang.set()
        self.statuses, self.status, self.answer, self.retry_after = [], 200, {}, None
        self.hang = threading.Event()
        self.hang.set()

    def _read(self, call):
        body = call.rfile.read(int(call.headers["Content-Length"]))
        assert call.path == "/v1/traces", call.path
        assert call.headers["Content-Type"] == "application/json", call.headers
        assert call.headers["X-Collector-Key"] == "a b,c", call.headers
        [group] = json.loads(body, object_pairs_hook=_without_doubles)["resourceSpans"]
        assert set(group) == {"resource", "scopeSpans"}, group
        assert set(group["resource"]) == {"attributes"}, group
        resource = _attributes(group["resource"]["attributes"])
        scopes = [scope["scope"]["name"] for scope in group["scopeSpans"]]
        assert scopes and len(set(scopes)) == len(scopes), scopes
        spans = []
        for scope in group["scopeSpans"]:
            assert set(scope) == {"scope", "spans"} and scope["spans"], scope
            assert set(scope["scope"]) == {"name", "version"}, scope
            spans += [Span(span, scope["scope"]["name"], resource) for span in scope["spans"]]
        return spans

    def _take(self, call):
        try:
            spans = self._read(call)
        except Exception as failure:  # pylint: disable=broad-except
            self.failures.append(repr(failure))
            spans = []
        self.hang.wait(60)
        with self._lock:
            status = self.statuses.pop(0) if self.statuses else self.status
            self.calls.append((status, len(spans)))
            if status == 200:
                for span in spans:
                    if span.span_id in self._spans:
                        self.failures.append(f"twice: {span}")
                    self._spans[span.span_id] = span
        answer = json.dumps(self.answer).encode()
        call.send_response(status)
        call.send_header("Content-Type", "application/json")
        call.send_header("Content-Length", str(len(answer)))
        if self.retry_after is not None:
            call.send_header("Retry-After", str(self.retry_after))
        call.end_headers()
        call.wfile.write(answer)

    def spans(self, trace_id=None):
        with self._lock:
            return [span for span in self._spans.values() if trace_id in (None, span.trace_id)]

    def wait(self, trace_id, count, seconds_max=20.0):
        """The spans of a trace, oldest first, when there are so many; there must not be more."""
        found = wait_for(lambda: len(spans := self.spans(trace_id)) >= count and spans, seconds_max,
                         f"{count} spans of {trace_id}")
        assert len(found) == count, found
        return sorted(found, key=lambda span: span.start)
