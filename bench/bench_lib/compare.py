"""Two results of bench/run, row by row."""

from . import lone, results
from .report import GROUPS, title
from .spread import Spread
from .tabular import number, table


def ratio(pair, run):
    return run["per_second"] / results.floor_of(pair)


def lone_ratio(pair, run):
    """How many times as long as pgbench's a lone client waits, by the turns of the pair; None where
    there were none."""
    if run["clients"] != 1 or "lone" not in pair:
        return None
    return Spread.of(lone.ratios(pair["lone"], "p50_ms")).median


#: what is compared of a row: name, how to read it of (pair, run), digits
FIGURES = (
    ("ratio to the floor", ratio, 3),
    ("p50 / pgbench's, in turns", lone_ratio, 3),
    ("p50 ms", lambda _, run: run["p50_ms"], 2),
    ("p99 ms", lambda _, run: run["p99_ms"], 2),
    *((f"µs {name}", lambda _, run, group=group: run["cpu_us"][group], 1)
      for group, name in GROUPS.items()),
    ("µs sum", lambda _, run: sum(run["cpu_us"][group] for group in GROUPS), 1),
    ("batch", lambda _, run: run["batch"], 1),
    ("WAL bytes", lambda _, run: run["wal_bytes"], 0),
)


def verdict(before, after):
    """Whether the two spreads tell a change from noise."""
    if before.least == before.most or after.least == after.most:
        return "one run: unknown"
    return "within the spread" if before.overlaps(after) else "changed"


def change(before, after):
    if before.median == 0:
        return "–"
    return f"{(after.median / before.median - 1) * 100:+.1f} %"


def line(name, before, after, digits):
    return (name, number(before.median, digits), number(after.median, digits),
            change(before, after), verdict(before, after))


def _spread(runs, read):
    values = [read(pair, run) for pair, run in runs]
    return None if any(value is None for value in values) else Spread.of(values)


def _floor_lines(before, after):
    both = [Spread.of(map(results.floor_of, result["pairs"])) for result in (before, after)]
    lines = [line("locks/s", *both, 0)]
    alone = [[run["mean_ms"] for run in map(results.lone_floor, result["pairs"]) if run]
             for result in (before, after)]
    if all(alone):
        lines.append(line("one client, ms", *map(Spread.of, alone), 3))
    return lines


def _row_lines(before, after):
    """before and after are [(pair, run)] of one row."""
    for name, read, digits in FIGURES:
        both = _spread(before, read), _spread(after, read)
        if None not in both:
            yield line(name, *both, digits)


def text(before, after):
    """All rows that both have, and the names of the others."""
    headings = ("", "before", "after", "change", "")
    parts = [f"before: {_origin(before)}\nafter:  {_origin(after)}",
             "## floor\n\n" + table(headings, _floor_lines(before, after))]
    theirs = results.keys(after)
    for key in results.keys(before):
        if key in theirs:
            both = results.runs_of(before, key), results.runs_of(after, key)
            parts.append(f"## {title(both[0][0][1])}\n\n"
                         + table(headings, list(_row_lines(*both))))
    for key in sorted(set(results.keys(before)) ^ set(theirs)):
        parts.append(f"only in one of them: {key[0]}, {key[1]} clients")
    return "\n\n".join(parts)


def _origin(result):
    settings = {**result["postgres_settings"], **result["service_settings"]}
    shown = " ".join(f"{name}={value}" for name, value in sorted(settings.items()))
    return (f"{result['date']} {result['commit'] or 'unknown commit'}, {result['rounds']} "
            f"pairs of {result['seconds']} s, {shown}")
