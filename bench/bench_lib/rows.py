"""What is measured: the rows of the table, each with its load, its state before and its truth.

A row of wrk begins with a state that prepare() makes, and ends with three witnesses that must
agree: what wrk has counted, what nginx has logged, and what is in the table.
"""

import random
from dataclasses import dataclass
from typing import Callable

from . import bulk, memory, statements, wrk
from .failure import BenchFailed
from .processor import Sample, between

FILLED = 100_000
#: more than the service can release in a second
RELEASES_PER_SECOND_MAX = 30_000
MANUAL_RELEASES_PER_SECOND_MAX = 15_000


def _empty(bed, _seconds):
    bed.tables.empty()
    bed.tables.checkpoint()
    return []


def _filled(bed, _seconds):
    bed.tables.fill(FILLED)
    return [FILLED]


def _reserved(bed, _seconds):
    bed.tables.fill(FILLED, reservations=True)
    return [FILLED // 3]


def _to_release(bed, seconds):
    count = RELEASES_PER_SECOND_MAX * seconds
    bed.tables.fill(count)
    return [count]


def _to_release_by_hand(bed, seconds):
    count = MANUAL_RELEASES_PER_SECOND_MAX * seconds
    bed.tables.fill(count)
    return [count]


@dataclass(frozen=True)
class Row:
    name: str
    title: str
    script: str
    prepare: Callable = _empty       # (bed, seconds) -> arguments of the script
    clients: tuple = (64,)
    statuses: frozenset = frozenset({200})
    counted: str = ""                # SQL condition: rows that an answer 200 has added
    unit: str = "requests"           # what per_second counts: all requests, or only "granted"
    conflicts: tuple = (0.0, 1.0)    # least and greatest share of answers 409
    writes: bool = True


HEADLINE = Row("headline", "new locks on many rooms", "new.lua", clients=(1, 8, 64, 256),
               statuses=frozenset({200, 409}), counted="true", unit="granted",
               conflicts=(0.0, 0.02))
ROWS = (
    HEADLINE,
    Row("conflicts", "50 % conflicts", "conflicts.lua", _filled, statuses=frozenset({200, 409}),
        counted="true", conflicts=(0.45, 0.55)),
    Row("hot", "one hot room", "hot.lua", counted="true", unit="granted"),
    Row("moves", "moves by idempotency key", "moves.lua", _filled),
    Row("releases", "releases", "releases.lua", _to_release, counted="status = 'RELEASED'"),
    Row("manual", "manual releases", "manual.lua", _to_release_by_hand,
        counted="status = 'RELEASED'"),
    Row("bulk", "bulk release of 10,000", "", clients=(1,)),
    Row("get", "reads by id", "get.lua", _filled, writes=False),
    Row("list", "lists of one reservation", "list.lua", _reserved, writes=False),
)


def chosen(names):
    """The rows of these names, in the order of the table."""
    unknown = set(names) - {row.name for row in ROWS}
    if unknown:
        raise BenchFailed(f"no such row: {', '.join(sorted(unknown))}; there are "
                          + ", ".join(row.name for row in ROWS))
    return [row for row in ROWS if not names or row.name in names]


def check(row, clients, result, statuses, added):
    """The three witnesses agree, and the load was the one that was meant."""
    bad = {status: number for status, number in statuses.items() if status not in row.statuses}
    if bad or result["errors"]:
        raise BenchFailed(f"{row.name}: answers {statuses}, {result['errors']} errors; only "
                          f"{sorted(row.statuses)} are meant to happen")
    # What was under way when wrk ended was still answered, and is in the log and the table.
    for name, seen, found in (
            ("answers", result["requests"], sum(statuses.values())),
            ("answers 409", result["not_ok"], statuses.get(409, 0)),
            ("rows", result["requests"] - result["not_ok"], added)):
        if found is not None and not seen <= found <= seen + clients:
            raise BenchFailed(f"{row.name}: wrk has seen {seen} {name}, there are {found}")
    share = result["not_ok"] / result["requests"]
    if not row.conflicts[0] <= share <= row.conflicts[1]:
        raise BenchFailed(f"{row.name}: {share:.1%} of the answers were conflicts")


def load(bed, row, clients, seconds, arguments):
    """One run of wrk on the state that is there; the measurement as it goes into the results."""
    if not clients:
        raise BenchFailed(f"{row.name}: no clients")
    tables = bed.tables
    rows_before = tables.count(row.counted) if row.counted else None
    sent = statements.count(bed.system)
    bed.access_log.take()
    marks = tables.marks()
    result, before, after, load_ns = wrk.run(
        bed.system.base_url, row.script, [random.randrange(1 << 31), tables.year, *arguments],
        clients, seconds, lambda: Sample.take(bed.roots()))
    ended = tables.marks()
    if not result["requests"]:
        raise BenchFailed(f"{row.name}: not one answer")
    statuses = bed.access_log.statuses(result["requests"])
    added = tables.count(row.counted) - rows_before if row.counted else None
    check(row, clients, result, statuses, added)
    return measurement(row, clients, result, between(before, after, load_ns), marks, ended,
                       statements.count(bed.system) - sent, memory.of_system(bed.system, tables))


def measurement(row, clients, result, used, marks, ended, sent, held):
    requests = result["requests"]
    worth = requests - result["not_ok"] if row.unit == "granted" else requests
    return {"row": row.name, "title": row.title, "clients": clients, **result,
            "per_second": worth / result["seconds"],
            "cpu_us": {name: ns / 1000 / requests for name, ns in used.items()},
            "batch": requests / sent if sent and row.writes else None,
            "wal_bytes": (ended.wal_bytes - marks.wal_bytes) / requests,
            "checkpoints": ended.checkpoints - marks.checkpoints, "memory_kib": held}


def run(bed, row, clients, seconds):
    """Prepare and measure one row at one number of clients."""
    if not row.script:
        return bulk.run(bed, row)
    return load(bed, row, clients, seconds, row.prepare(bed, seconds))
