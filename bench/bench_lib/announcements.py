"""From manual releases to webhooks: how late they are, and what the relay carries.

A steady stream of releases, each told to one e-mail, one SMS and one Slack recipient; the lag of a
call is the time from the release, by the database's clock, to its arrival at the sink, on the same
machine. Then an outbox that has grown while the relay was away.
"""

import datetime
import http.client
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

from . import memory
from .failure import BenchFailed
from .spread import percentile
from .tables import LOCK_IDS, OUTBOX, TENANT

SENDERS = 8
NOTIFY = ["gm@hotel.example", "+14155550123", "#front-desk"]
WAIT_SECONDS = 120

ANNOUNCEMENTS = f"""
INSERT INTO {OUTBOX} (stream, event_id, event_type, tenant_id, lock_id, payload, created_at)
SELECT 'notification', gen_random_uuid(), 'bench', gen_random_uuid(), gen_random_uuid(),
       '{{"type":"bench","filler":"' || repeat('x', 500) || '"}}', clock_timestamp()
FROM generate_series(1, %(count)s)
"""
# As many in a row as a batch has under the load of the headline.
BATCH = 29
INVENTORY = f"""
INSERT INTO {OUTBOX} (stream, event_type, created_at, events, locks)
SELECT 'inventory', 'inventory.locked', clock_timestamp(), count(*), array_agg(
           ROW(gen_random_uuid(), gen_random_uuid(), NULL, gen_random_uuid(), gen_random_uuid(),
               gen_random_uuid(), now(), now() + interval '1 day', now() + interval '900 s',
               'RESERVATION_CREATE', NULL, n, NULL, NULL)::guard.lock_event)
FROM generate_series(0, %(count)s - 1) AS n
GROUP BY n / {BATCH}
"""


def wait_for(condition, what):
    deadline = time.monotonic() + WAIT_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise BenchFailed(f"not within {WAIT_SECONDS} s: {what}")
        time.sleep(0.01)


class Sender(threading.local):
    """A kept connection for each thread."""

    def __init__(self, url):
        self._connection = http.client.HTTPConnection(url.hostname, url.port, timeout=30)

    def release(self, number):
        """Milliseconds until the answer."""
        began = time.perf_counter()
        self._connection.request(
            "POST", f"/v1/locks/{LOCK_IDS}{number:012d}/manual-release",
            json.dumps({"tenantId": TENANT, "reason": "Guest moved to another room",
                        "actorId": "ops.42", "actorName": "Alex Night", "notify": NOTIFY}),
            {"Content-Type": "application/json", "X-Guard-Admin-Token": "bench"})
        answer = self._connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise BenchFailed(f"manual release: {answer.status} {body[:300]!r}")
        return (time.perf_counter() - began) * 1000


def release_at(url, rate, count):
    """Answer times of so many releases, begun at a fixed rate whatever the answers take."""
    sender, first = Sender(urlsplit(url)), time.perf_counter()

    def one(number):
        time.sleep(max(0.0, first + number / rate - time.perf_counter()))
        return sender.release(number)
    with ThreadPoolExecutor(SENDERS) as pool:
        return sorted(pool.map(one, range(count)))


def instant(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))


def lags(records):
    """Milliseconds from each release to each of its calls, sorted."""
    return sorted((instant(record["time"])
                   - instant(json.loads(record["body"])["metadata"]["sentAt"]))
                  .total_seconds() * 1000 for record in records)


def percentiles(values):
    return {"p50_ms": percentile(values, 50), "p99_ms": percentile(values, 99),
            "max_ms": values[-1]}


def stream(bed, rate, seconds):
    """Answers and lags of a stream of releases."""
    count = rate * seconds
    bed.tables.fill(count)
    sink = bed.system.sink
    sink.forget()
    answers = release_at(bed.system.base_url, rate, count)
    wait_for(lambda: len(sink.records()) >= 3 * count, f"{3 * count} webhook calls")
    return {"rate": rate, "releases": count, "answer": percentiles(answers),
            "lag": percentiles(lags(sink.records())),
            "kib": {name: memory.of_process(pid)["peak"] for name, pid in workers(bed).items()}}


def workers(bed):
    return {"relay": bed.system.relay_pid(), "notifier": bed.system.notifier_pid()}


def backlog(bed, count, fill):
    """What the relay makes of an outbox of so many events."""
    system, tables = bed.system, bed.tables
    system.stop_notifier()
    system.stop_relay()
    tables.empty()
    tables.rows(fill, {"count": count})
    tables.rows(f"VACUUM ANALYZE {OUTBOX}")
    tables.checkpoint()
    began = time.perf_counter()
    system.start_relay()
    wait_for(lambda: not tables.rows(f"SELECT 1 FROM {OUTBOX} LIMIT 1"), "an empty outbox")
    seconds = time.perf_counter() - began
    return {"events": count, "seconds": seconds, "per_second": count / seconds,
            "kib": memory.of_process(system.relay_pid())["peak"]}
