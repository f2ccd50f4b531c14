"""The profile: what the real bookings look like, as counts and quantiles.

`profile.json` beside this file was measured from `hotel_bookings.csv` by
`scripts/replay --bookings FILE --write-profile profile.json`; the generator draws
from it. It holds sums only, no row of the file.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from datetime import date
from typing import Any, Iterable, Sequence

from .bookings import CANCELED, OUTCOMES, Booking
from .errors import InputError

Profile = dict[str, Any]

# Quantiles at 0 %, 2.5 %, … 100 %: fine enough to keep the share of same-day bookings.
STEPS = 40
WEEK_DAYS = 7

_FILE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "profile.json")


def load_profile() -> Profile:
    """The profile that comes with the tool."""
    with open(_FILE, encoding="utf-8") as file:
        return json.load(file)


def measure(bookings: Iterable[Booking]) -> Profile:
    """The profile of these bookings, by hotel."""
    hotels: dict[str, list[Booking]] = {}
    for booking in bookings:
        hotels.setdefault(booking.hotel, []).append(booking)
    return {name: _measure_hotel(rows) for name, rows in sorted(hotels.items())}


def write_profile(bookings: Sequence[Booking], path: str) -> None:
    """Measures the bookings and writes the profile as JSON."""
    try:
        with open(path, "w", encoding="utf-8") as file:
            file.write(format_profile(measure(bookings)))
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from error


def format_profile(profile: Profile) -> str:
    """JSON with one line for each statistic, so that a change can be read."""
    hotels = []
    for name, statistics in profile.items():
        lines = [f"    {json.dumps(key)}: {json.dumps(value)}" for key, value in statistics.items()]
        hotels.append(f"  {json.dumps(name)}: {{\n" + ",\n".join(lines) + "\n  }")
    return "{\n" + ",\n".join(hotels) + "\n}\n"


def quantiles(values: Sequence[float]) -> list[float]:
    """STEPS + 1 points of the sorted values, from the least to the greatest."""
    ordered = sorted(values)
    last = len(ordered) - 1
    return [ordered[round(step * last / STEPS)] for step in range(STEPS + 1)]


def _measure_hotel(rows: list[Booking]) -> dict[str, Any]:
    first = min(row.arrival for row in rows)
    by_outcome = {outcome: [row for row in rows if row.outcome == outcome]
                  for outcome in OUTCOMES}
    present = {outcome: group for outcome, group in by_outcome.items() if group}
    return {
        "bookings": len(rows),
        "first_arrival": first.isoformat(),
        "arrivals_by_week": _by_week(rows, first),
        "group_sizes": _group_sizes(rows),
        "assigned_type": {outcome: _assigned(group) for outcome, group in present.items()},
        "nights": _tally(str(row.nights) for row in rows),
        "lead_days": {outcome: quantiles([_lead(row) for row in group])
                      for outcome, group in present.items()},
        "notice_share": quantiles([_notice(row) for row in by_outcome[CANCELED]] or [0.0]),
        "changes": _tally(str(row.changes) for row in rows),
        "channel": _tally(row.channel for row in rows),
    }


def _group_sizes(rows: list[Booking]) -> dict[str, dict[str, dict[str, int]]]:
    """By type sold and outcome: how many groups of each size there are.

    A group is what was booked on one day for the same days and type and ended on
    one day. Groups fill a hotel far more than as many lone guests would.
    """
    groups = Counter((row.reserved_type, row.outcome, row.booked_on, row.arrival, row.nights,
                      row.outcome_on) for row in rows)
    sizes: dict[str, dict[str, Counter[int]]] = {}
    for (kind, outcome, *_), size in groups.items():
        sizes.setdefault(kind, {}).setdefault(outcome, Counter())[size] += 1
    return {kind: {outcome: {str(size): tally[size] for size in sorted(tally)}
                   for outcome, tally in sorted(outcomes.items())}
            for kind, outcomes in sorted(sizes.items())}


def _by_week(rows: list[Booking], first: date) -> list[int]:
    weeks = Counter((row.arrival - first).days // WEEK_DAYS for row in rows)
    return [weeks[week] for week in range(max(weeks) + 1)]


def _assigned(rows: list[Booking]) -> dict[str, dict[str, int]]:
    return {kind: _tally(row.assigned_type for row in rows if row.reserved_type == kind)
            for kind in sorted({row.reserved_type for row in rows})}


def _lead(row: Booking) -> int:
    return (row.arrival - row.booked_on).days


def _notice(row: Booking) -> float:
    """How much of the lead time was left when the booking was cancelled, 0 to 1."""
    lead = _lead(row)
    left = (row.arrival - row.outcome_on).days
    return round(max(0.0, left / lead), 3) if lead else 0.0


def _tally(values: Iterable[str]) -> dict[str, int]:
    """Counts by value, in an order that does not hang on the order of the rows."""
    return dict(sorted(Counter(values).items()))
