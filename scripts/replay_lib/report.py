"""The report: what happened, as tables for people and as JSON for programs."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Any, Sequence

from .errors import InputError
from .occupancy import Occupancy
from .outcome import Counts

AGREED = "replay: OK, model and service agree"
DISAGREED = "replay: FAILED, model and service differ"
PREDICTED = "replay: model only, nothing was sent"

_ROWS = (
    ("locks", "bookings that got a room"),
    ("no_room", "bookings that found no room"),
    ("conflicts", "conflicts met"),
    ("moves", "moves to the type assigned"),
    ("moves_refused", "moves refused, none free"),
    ("releases", "releases on cancellation"),
)


@dataclass
class Report:
    """All that a replay has to tell."""

    run: str
    source: str
    bookings: int
    weeks: int
    events: int
    model: dict[str, Counts]
    occupancy: list[Occupancy]
    # None where only the model was asked
    service: dict[str, Counts] | None = None
    tenants: dict[str, str] = field(default_factory=dict)
    requests: int = 0
    repeats: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    differences: list[str] = field(default_factory=list)

    def agrees(self) -> bool:
        """Whether no difference was found."""
        return not self.differences

    def verdict(self) -> str:
        """The last line."""
        if self.service is None:
            return PREDICTED
        return AGREED if self.agrees() else DISAGREED


def to_text(report: Report) -> str:
    """The tables and the verdict."""
    blocks = [_traffic(report), _counts_table(report), _occupancy_table(report.occupancy)]
    if report.differences:
        blocks.append("differences:\n" + "\n".join(f"  {line}" for line in report.differences))
    return "\n\n".join(blocks) + f"\n\n{report.verdict()}\n"


def to_json(report: Report) -> str:
    """The same as JSON."""
    return json.dumps(_document(report), indent=2, ensure_ascii=False) + "\n"


def write_json(report: Report, path: str) -> None:
    """Writes to_json() to the file."""
    try:
        with open(path, "w", encoding="utf-8") as file:
            file.write(to_json(report))
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from error


def table(rows: Sequence[Sequence[str]], left: int = 1) -> str:
    """Columns side by side: the first `left` flush left, the others flush right."""
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [cell.ljust(width) if at < left else cell.rjust(width)
                 for at, (cell, width) in enumerate(zip(row, widths))]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def _document(report: Report) -> dict[str, Any]:
    return {
        "run": report.run,
        "source": report.source,
        "bookings": report.bookings,
        "events": report.events,
        "weeks": report.weeks,
        "tenants": report.tenants,
        "requests": report.requests,
        "repeats": dict(sorted(report.repeats.items())),
        "seconds": round(report.seconds, 3),
        "model": _counts_document(report.model),
        "service": None if report.service is None else _counts_document(report.service),
        "occupancy": [{**asdict(one), "percent": round(one.percent(), 1)}
                      for one in report.occupancy],
        "differences": report.differences,
        "verdict": report.verdict(),
        "agrees": None if report.service is None else report.agrees(),
    }


def _counts_document(counts: dict[str, Counts]) -> dict[str, dict[str, int]]:
    return {name: asdict(one) for name, one in [*counts.items(), ("total", _total(counts))]}


def _total(counts: dict[str, Counts]) -> Counts:
    total = Counts()
    for one in counts.values():
        total = total.plus(one)
    return total


def _traffic(report: Report) -> str:
    if report.service is None:
        needed = _total(report.model).requests()
        return f"{report.events:,} events, {needed:,} lock and release requests to be made"
    rate = report.requests / report.seconds if report.seconds else 0.0
    line = (f"{report.events:,} events, {report.requests:,} requests in "
            f"{report.seconds:.1f} s ({rate:,.0f}/s)")
    if report.repeats:
        causes = ", ".join(f"{cause} {number}" for cause, number in sorted(report.repeats.items()))
        line += f"; sent again after: {causes}"
    return line


def _counts_table(report: Report) -> str:
    """One column for each hotel, the total, and what the model says of the total."""
    shown = report.model if report.service is None else report.service
    columns = [*shown.items(), ("total", _total(shown))]
    if report.service is not None:
        columns.append(("model", _total(report.model)))
    rows = [["", *(name for name, _ in columns)]]
    for name, label in _ROWS:
        rows.append([label, *(f"{getattr(counts, name):,}" for _, counts in columns)])
    return table(rows)


def _occupancy_table(occupancy: Sequence[Occupancy]) -> str:
    rows = [["hotel", "type", "rooms", "peak in use", "stays", "room-nights held", "of", "%"]]
    for one in occupancy:
        rows.append([one.hotel, one.kind, str(one.rooms), str(one.rooms_peak), f"{one.stays:,}",
                     f"{one.nights_held:,}", f"{one.nights_capacity:,}", f"{one.percent():.1f}"])
    return table(rows, left=2)
