"""Callers that take locks all the time, and write down every answer that is none."""

import collections
import http.client
import json
import threading
import time
import uuid

TENANT = "7b5a3c1e-0d2f-4e6a-8b9c-1d3e5f7a9b0c"


class Load:
    """`with Load(port) as load:` … then load.answers {status: count} and load.failures [text].

    Half of the callers make a connection for each request. The others keep theirs; when the server
    has closed it meanwhile they repeat the request on another one, as any client of HTTP does."""

    def __init__(self, port, callers=6):
        self.port = port
        self.answers = collections.Counter()
        self.failures = []
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._call_on, args=(i % 2 == 0,))
                         for i in range(callers)]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        for thread in self._threads:
            thread.join(30)

    def wait_for_more(self, count=200, seconds=30):
        """Until so many further requests have been granted."""
        with self._lock:
            wanted = self.answers[200] + count
        deadline = time.monotonic() + seconds
        while self.answers[200] < wanted:
            assert time.monotonic() < deadline, (self.answers, self.failures[:5])
            time.sleep(0.02)

    def _call_on(self, keeps):
        connection = None
        while not self._stop.is_set():
            body = json.dumps({"tenantId": TENANT, "roomTypeId": str(uuid.uuid4()),
                               "roomId": str(uuid.uuid4()), "stayStart": "2027-07-01",
                               "stayEnd": "2027-07-04", "idempotencyKey": str(uuid.uuid4())})
            connection = self._call(connection, body)
            if not keeps and connection is not None:
                connection.close()
                connection = None

    def _call(self, connection, body):
        """The connection, if it can be kept."""
        used = connection is not None
        connection = connection or http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request("POST", "/v1/locks", body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            text = answer.read().decode()
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            if used and isinstance(error, (http.client.RemoteDisconnected, BrokenPipeError,
                                           ConnectionResetError)):
                return self._call(None, body)
            self._note(None, f"{error!r}")
            return None
        self._note(answer.status, text)
        if answer.will_close:
            connection.close()
            return None
        return connection

    def _note(self, status, text):
        with self._lock:
            self.answers[status] += 1
            if status != 200:
                self.failures.append(f"{status} {text[:300]}")
