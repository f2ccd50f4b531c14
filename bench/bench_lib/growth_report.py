"""The report of bench/growth."""

from . import report, results
from .spread import Spread
from .tabular import milliseconds, number, table

BEGIN, END = "<!-- growth: begin -->", "<!-- growth: end -->"
KEYS = (("new", 1), ("new", 64), ("fresh", 64), ("conflicts", 1), ("conflicts", 64))
TITLES = {"new": "new locks", "fresh": "new locks right after a checkpoint",
          "conflicts": "conflicts"}


def figures(size, key, name):
    """One for each pair."""
    return [run[name] for _, run in results.runs_of(size, key)]


def floor_rates(size):
    return [results.floor_of(pair) for pair in size["pairs"]]


def floor_lone(size):
    return [results.lone_floor(pair)["p50_ms"] for pair in size["pairs"]]


def to_the_floor(size):
    return [run["per_second"] / results.floor_of(pair)
            for pair, run in results.runs_of(size, ("new", 64))]


def multiples(values, first):
    """How often they are those of the smallest size: of each pair, because its sizes were measured
    within the same minutes."""
    return Spread.of(value / small for value, small in zip(values, first))


def _multiple(values, first):
    times = multiples(values, first)
    text = f"×{number(times.median, 2)}"
    if len(values) > 1:
        text += f", {number(times.least, 2)} to {number(times.most, 2)}"
    return f"({text})"


def _cells(sizes, read, show):
    first = read(sizes[0])
    for size in sizes:
        values = read(size)
        shown = show(Spread.of(values).median)
        yield shown if size is sizes[0] else f"{shown} {_multiple(values, first)}"


def table_of_costs(sizes):
    lines = []

    def line(name, read, show):
        lines.append((name, *_cells(sizes, read, show)))
    for key in KEYS:
        what = f"{TITLES[key[0]]}, {key[1]} client{'s' * (key[1] > 1)}"
        if key[1] > 1:
            line(f"{what}: per second",
                 lambda size, key=key: figures(size, key, "per_second"), number)
        for name, title in (("p50_ms", "p50 ms"), ("p99_ms", "p99 ms")):
            line(f"{what}: {title}",
                 lambda size, key=key, name=name: figures(size, key, name), milliseconds)
    line("floor: per second", floor_rates, number)
    line("floor, 1 client: p50 ms", floor_lone, milliseconds)
    line("new locks, 64 clients: ratio to the floor", to_the_floor,
         lambda value: number(value, 2))
    return table(("active locks", *(number(size["locks"]) for size in sizes)), lines)


def table_of_work(sizes):
    """What a new lock costs at 64 clients."""
    lines = []
    for name, title in (("nginx", "nginx"), ("guard", "guard"), ("postgres", "PostgreSQL")):
        lines.append((f"{title} µs", *_cells(
            sizes, lambda size, name=name: [used[name] for used in figures(
                size, ("new", 64), "cpu_us")],
            lambda value: number(value, 1))))
    for key, title in ((("new", 64), "WAL bytes"), (("fresh", 64), "WAL bytes after a checkpoint")):
        lines.append((title, *_cells(
            sizes, lambda size, key=key: figures(size, key, "wal_bytes"), number)))
    return table(("a new lock, 64 clients", *(number(size["locks"]) for size in sizes)), lines)


def table_of_sizes(sizes):
    """Bytes a lock, of what holds something."""
    names = [name for name in sizes[-1]["bytes"]
             if sizes[-1]["bytes"][name] / sizes[-1]["locks"] >= 0.5]
    lines = [(f"`{name}`", *(number(size["bytes"][name] / size["locks"]) for size in sizes))
             for name in names]
    lines.append(("all", *(number(sum(size["bytes"].values()) / size["locks"])
                           for size in sizes)))
    return table(("bytes a lock", *(number(size["locks"]) for size in sizes)), lines)


def summary(result):
    sizes = result["sizes"]
    doubtful = [line for size in sizes
                for line in report.disturbed(size["pairs"], f" at {number(size['locks'])} locks")]
    parts = (table_of_costs(sizes), table_of_work(sizes), table_of_sizes(sizes),
             report.disturbed_text(doubtful))
    return "\n\n".join(filter(None, parts))


def markdown(result):
    return report.circumstances(result) + "\n\n" + summary(result) + "\n"


def write(result, path=None):
    if path:
        report.put(path, markdown(result), BEGIN, END)
