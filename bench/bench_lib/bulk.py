"""Bulk releases of 10,000 locks, one after the other."""

import http.client
import json
import time
from urllib.parse import urlsplit

from . import memory
from .failure import BenchFailed
from .processor import Sample, between
from .spread import percentile
from .tables import LOCK_IDS, TENANT

LOCKS = 10_000
REQUESTS = 20


def _bodies():
    """Each with its share of the locks, spread over the whole table."""
    for first in range(REQUESTS):
        ids = [f"{LOCK_IDS}{number:012d}" for number in range(first, LOCKS * REQUESTS, REQUESTS)]
        yield json.dumps({"tenantId": TENANT, "lockIds": ids}).encode()


def _release(connection, body):
    connection.request("POST", "/v1/locks/bulk-release", body,
                       {"Content-Type": "application/json"})
    answer = connection.getresponse()
    content = answer.read()
    if answer.status != 200 or json.loads(content)["released"] != LOCKS:
        raise BenchFailed(f"bulk: {answer.status} {content[:300]!r}")


def run(bed, row):
    """The measurement as it goes into the results; per_second counts locks."""
    bed.tables.fill(LOCKS * REQUESTS)
    url = urlsplit(bed.system.base_url)
    connection = http.client.HTTPConnection(url.hostname, url.port, timeout=60)
    bodies, times = list(_bodies()), []
    marks, before, own = bed.tables.marks(), Sample.take(bed.roots()), time.process_time_ns()
    began = time.perf_counter()
    for body in bodies:
        sent = time.perf_counter()
        _release(connection, body)
        times.append((time.perf_counter() - sent) * 1000)
    seconds = time.perf_counter() - began
    used = between(before, Sample.take(bed.roots()), time.process_time_ns() - own)
    ended = bed.tables.marks()
    connection.close()
    if bed.tables.count("status = 'RELEASED'") != LOCKS * REQUESTS:
        raise BenchFailed("bulk: not all locks are released")
    times.sort()
    locks = LOCKS * REQUESTS
    return {"row": row.name, "title": row.title, "clients": 1, "seconds": seconds,
            "requests": REQUESTS, "not_ok": 0, "errors": 0, "mean_ms": sum(times) / REQUESTS,
            "p50_ms": percentile(times, 50), "p90_ms": percentile(times, 90),
            "p99_ms": percentile(times, 99), "p999_ms": percentile(times, 99.9),
            "max_ms": times[-1], "per_second": locks / seconds,
            "cpu_us": {name: ns / 1000 / locks for name, ns in used.items()},
            "batch": locks / (ended.transactions - marks.transactions),
            "wal_bytes": (ended.wal_bytes - marks.wal_bytes) / locks,
            "checkpoints": ended.checkpoints - marks.checkpoints,
            "memory_kib": memory.of_system(bed.system, bed.tables)}
