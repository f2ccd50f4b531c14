"""The report of bench/growth."""

from . import report, results
from .spread import Spread
from .tabular import milliseconds, number, table

BEGIN, END = "<!-- growth: begin -->", "<!-- growth: end -->"
KEYS = (("new", 1), ("new", 64), ("fresh", 64), ("conflicts", 1), ("conflicts", 64))
TITLES = {"new": "new locks", "fresh": "new locks right after a checkpoint",
          "conflicts": "conflicts"}


def median(size, key, name):
    return Spread.of(run[name] for _, run in results.runs_of(size, key)).median


def floor_rate(size):
    return Spread.of(map(results.floor_of, size["pairs"])).median


def floor_lone(size):
    return Spread.of(results.lone_floor(pair)["p50_ms"] for pair in size["pairs"]).median


def growth_of(sizes, read):
    """The figure of each size, and how often it is that of the smallest."""
    values = [read(size) for size in sizes]
    return [(value, value / values[0] if values[0] else None) for value in values]


def _cells(sizes, read, show):
    for (value, times), size in zip(growth_of(sizes, read), sizes):
        yield show(value) if size is sizes[0] else f"{show(value)} (×{number(times, 2)})"


def table_of_costs(sizes):
    lines = []

    def line(name, read, show):
        lines.append((name, *_cells(sizes, read, show)))
    for key in KEYS:
        what = f"{TITLES[key[0]]}, {key[1]} client{'s' * (key[1] > 1)}"
        if key[1] > 1:
            line(f"{what}: per second",
                 lambda size, key=key: median(size, key, "per_second"), number)
        for name, title in (("p50_ms", "p50 ms"), ("p99_ms", "p99 ms")):
            line(f"{what}: {title}",
                 lambda size, key=key, name=name: median(size, key, name), milliseconds)
    line("floor: per second", floor_rate, number)
    line("floor, 1 client: p50 ms", floor_lone, milliseconds)
    line("new locks, 64 clients: ratio to the floor",
         lambda size: median(size, ("new", 64), "per_second") / floor_rate(size),
         lambda value: number(value, 2))
    return table(("active locks", *(number(size["locks"]) for size in sizes)), lines)


def table_of_work(sizes):
    """What a new lock costs at 64 clients."""
    lines = []
    for name, title in (("nginx", "nginx"), ("guard", "guard"), ("postgres", "PostgreSQL")):
        lines.append((f"{title} µs", *_cells(
            sizes, lambda size, name=name: Spread.of(
                run["cpu_us"][name] for _, run in results.runs_of(size, ("new", 64))).median,
            lambda value: number(value, 1))))
    for key, title in ((("new", 64), "WAL bytes"), (("fresh", 64), "WAL bytes after a checkpoint")):
        lines.append((title, *_cells(
            sizes, lambda size, key=key: median(size, key, "wal_bytes"), number)))
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
