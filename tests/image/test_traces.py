"""The exporter beside the programs of a pod."""

import http.server
import secrets
import threading

import pytest

from calls import a_lock, ask
from pods import wait_for


@pytest.fixture
def collector():
    """Takes traces by OTLP; .requests has the path, headers and body of each call."""
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):  # pylint: disable=invalid-name
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self.server.requests.append((self.path, dict(self.headers), body))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.requests = []
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_request_is_told_to_the_collector(make_cluster, migrated, collector):  # pylint: disable=unused-argument
    cluster = make_cluster({
        "tracing": {"endpoint": f"http://127.0.0.1:{collector.server_port}", "existingSecret": "collector"},
        "extraEnv": [{"name": "OTEL_BSP_SCHEDULE_DELAY", "value": "50"}]})
    cluster.secrets["collector"] = {"headers": "x-key=a-key"}
    pod = cluster.pod("availability-guard").start().wait_ready()
    trace = secrets.token_hex(16)
    status, _ = ask(cluster, "POST", "/v1/locks", a_lock(), {"traceparent": f"00-{trace}-{secrets.token_hex(8)}-01"})
    assert status == 200

    def told():
        return [(path, headers) for path, headers, body in collector.requests
                if trace.encode() in body or bytes.fromhex(trace) in body]
    wait_for(told, 30, "the span of the request")
    path, headers = told()[0]
    assert path == "/v1/traces" and headers["x-key"] == "a-key"
    assert pod.stop() == []
