"""A keep-alive HTTP client for one caller, and the answer it gets.

Nothing is tried again: a test sees every answer and every broken connection.
"""

import http.client
import json
import time
import urllib.parse
from decimal import Decimal

from contract import check_documented

# nginx closes a kept connection that has been idle for long. A new one is opened
# well before that, so that no request meets a connection that is just closing.
IDLE_SECONDS_MAX = 5.0

RAW = (bytes, bytearray)


class Answer:
    """Status, headers (names in lower case) and body of one answer."""

    def __init__(self, status, headers, body, seconds):
        self.status = status
        self.headers = headers
        self.body = body
        self.seconds = seconds

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def exact_json(self):
        """The body with every number as a Decimal: 0.1 is 0.1, not the double next to it."""
        return json.loads(self.body, parse_float=Decimal, parse_int=Decimal)

    @property
    def request_id(self):
        return self.headers.get("x-request-id")

    def __repr__(self):
        return f"<{self.status} {self.headers} {self.body[:2000]!r}>"


def header_table(pairs):
    """Headers as a dict; a header that came twice is an error of the service."""
    table = {}
    for name, value in pairs:
        name = name.lower()
        assert name not in table, f"header {name} sent twice"
        table[name] = value
    return table


def encode_body(body):
    """Bytes go out as they are, everything else as JSON."""
    if body is None or isinstance(body, RAW):
        return body
    return json.dumps(body).encode()


def with_query(path, query):
    if not query:
        return path
    return path + "?" + urllib.parse.urlencode(query)


class Client:
    """One kept connection. Not for several threads at once."""

    def __init__(self, base_url, timeout=30):
        parts = urllib.parse.urlsplit(base_url)
        self.address = (parts.hostname, parts.port)
        self.timeout = timeout
        self.connection = None
        self.used_at = 0.0

    def close(self):
        if self.connection is not None:
            self.connection.close()
            self.connection = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def connect(self):
        if time.monotonic() - self.used_at > IDLE_SECONDS_MAX:
            self.close()
        if self.connection is None:
            self.connection = http.client.HTTPConnection(*self.address, timeout=self.timeout)
        return self.connection

    def request(self, method, path, body=None, headers=None, query=None):
        data = encode_body(body)
        sent = dict(headers or {})
        if data is not None and not any(name.lower() == "content-type" for name in sent):
            sent["Content-Type"] = "application/json"
        # None says: do not send this header at all.
        sent = {name: value for name, value in sent.items() if value is not None}
        connection = self.connect()
        started = time.monotonic()
        try:
            connection.request(method, with_query(path, query), data, sent)
            response = connection.getresponse()
            received = response.read()
        except Exception:
            self.close()
            raise
        self.used_at = time.monotonic()
        answer = Answer(response.status, header_table(response.getheaders()), received,
                        self.used_at - started)
        check_documented(method, path, answer)
        return answer

    def get(self, path, **kwargs):
        return self.request("GET", path, **kwargs)

    def post(self, path, body=None, **kwargs):
        return self.request("POST", path, body, **kwargs)

    def delete(self, path, body=None, **kwargs):
        return self.request("DELETE", path, body, **kwargs)
