"""The report of bench/run: lines while it goes, the table at its end, the whole in markdown."""

import os
from pathlib import Path

from . import chart, lone, results
from .spread import Spread
from .tabular import mebibytes, milliseconds, number, spread, table

#: groups of processes, as the columns name them
GROUPS = {"nginx": "nginx", "guard": "guard", "postgres": "PostgreSQL", "load": "load"}


# --- lines while it goes -------------------------------------------------------------------


def doubts(run):
    """What makes a measurement doubtful, or ""."""
    cpu = run["cpu_us"]
    whole = sum(cpu.values()) or 1
    found = []
    if run["checkpoints"]:
        found.append("CHECKPOINT")
    for name, limit in (("other", 0.05), ("steal", 0.02)):
        if cpu.get(name, 0) / whole > limit:
            found.append(f"{name} {cpu[name] / whole:.0%}")
    return ", ".join(found)


def warnings(run):
    """The same as the end of a line."""
    return f"  ! {doubts(run)}" if doubts(run) else ""


def disturbed(pairs, where=""):
    """A line for the report on each measurement of the pairs that is doubtful."""
    return [f"- {run.get('row', 'floor')}, {run['clients']} client{'s' * (run['clients'] > 1)}"
            f"{where}: {doubts(run)}"
            for pair in pairs for run in results.measurements(pair) if doubts(run)]


def disturbed_text(lines):
    """What a reader has to know of them; "" when there are none."""
    if not lines:
        return ""
    return ("Disturbed: these have a checkpoint in them, or the machine spent this share of its"
            " time on something else (other) or on other machines (steal).\n\n" + "\n".join(lines))


def floor_line(run):
    return (f"  floor     {run['clients']:>4} clients {run['per_second']:>9,.0f}/s"
            f"         mean {run['mean_ms']:7.2f} ms  µs: PostgreSQL"
            f" {run['cpu_us']['postgres']:.1f}, pgbench {run['cpu_us']['load']:.1f}"
            + warnings(run))


def row_line(pair, run):
    cpu = ", ".join(f"{title} {run['cpu_us'][name]:.1f}" for name, title in GROUPS.items())
    batch = f"  batch {run['batch']:.1f}" if run["batch"] else ""
    return (f"  {run['row']:<9} {run['clients']:>4} clients {run['per_second']:>9,.0f}/s"
            f"  ×{run['per_second'] / results.floor_of(pair):.2f}  p50 {run['p50_ms']:.2f}"
            f"  p99 {run['p99_ms']:.2f}  p99.9 {run['p999_ms']:.2f} ms  µs: {cpu}{batch}"
            + warnings(run))


# --- tables --------------------------------------------------------------------------------


def median(runs, value):
    return Spread.of(value(run) for _, run in runs).median


def ratios(runs):
    """The row's rate to the floor of the same pair, over all pairs."""
    return Spread.of(run["per_second"] / results.floor_of(pair) for pair, run in runs)


def title(run, clients=True):
    text = run["title"]
    return f"{text}, {run['clients']} client{'s' * (run['clients'] > 1)}" if clients else text


def table_of_rates(result):
    lines = []
    for key in results.keys(result):
        runs = results.runs_of(result, key)
        lines.append((title(runs[0][1]), number(median(runs, lambda run: run["per_second"])),
                      spread(ratios(runs)),
                      *(milliseconds(median(runs, lambda run, name=name: run[name]))
                        for name in ("p50_ms", "p99_ms", "p999_ms"))))
    return table(("row", "per second", "ratio to the floor", "p50 ms", "p99 ms", "p99.9 ms"),
                 lines)


def table_of_processors(result):
    lines = []
    for key in results.keys(result):
        runs = results.runs_of(result, key)
        each = [median(runs, lambda run, name=name: run["cpu_us"][name]) for name in GROUPS]
        idle = median(runs, lambda run: run["cpu_us"]["idle"] / sum(run["cpu_us"].values()))
        batch = (None if any(run["batch"] is None for _, run in runs)
                 else median(runs, lambda run: run["batch"]))
        lines.append((title(runs[0][1]), *(number(value, 1) for value in each),
                      number(sum(each), 1), f"{idle:.0%}", number(batch, 1),
                      number(median(runs, lambda run: run["wal_bytes"]))))
    for clients in sorted({run["clients"] for pair in result["pairs"] for run in pair["floor"]}):
        lines.append(_floor_processor_line(result, clients))
    return table(("row", *GROUPS.values(), "sum", "idle", "batch", "WAL bytes"), lines)


def _floor_runs(result, clients):
    return [(pair, run) for pair in result["pairs"] for run in pair["floor"]
            if run["clients"] == clients]


def _floor_processor_line(result, clients):
    runs = _floor_runs(result, clients)
    postgres, load = (median(runs, lambda run, name=name: run["cpu_us"][name])
                      for name in ("postgres", "load"))
    idle = median(runs, lambda run: run["cpu_us"]["idle"] / sum(run["cpu_us"].values()))
    return (f"floor, {clients} client{'s' * (clients > 1)}", "–", "–", number(postgres, 1),
            number(load, 1), number(postgres + load, 1), f"{idle:.0%}", number(1, 1),
            number(median(runs, lambda run: run["wal_bytes"])))


def table_of_memory(result):
    """The most that any process of a part held at the end of a measurement of the row."""
    lines = []
    for key in results.keys(result):
        held = [run["memory_kib"] for _, run in results.runs_of(result, key)]

        def most(part, name, held=held):
            return mebibytes(max((process[name] for run in held for process in run[part]),
                                 default=0))
        lines.append((title(results.runs_of(result, key)[0][1]), most("guard", "now"),
                      most("guard", "peak"), most("nginx", "now"), most("backends", "own")))
    return table(("row", "guard MiB", "guard at most", "nginx MiB", "backend MiB, its own"),
                 lines)


def floor_text(result):
    best = Spread.of(results.floor_of(pair) for pair in result["pairs"])
    text = (f"Floor: {spread(best, 0)} locks/s, the better of 8 and 32 clients of pgbench.")
    turns = [turn for pair in result["pairs"] for turn in pair.get("lone", ())]
    if turns:
        by_p50, by_mean = (Spread.of(lone.ratios(turns, name)) for name in ("p50_ms", "mean_ms"))
        p50 = Spread.of(turn["floor"]["p50_ms"] for turn in turns)
        text += (f" One client alone, {len(turns)} turns: {spread(p50)} ms a lock by its p50; the"
                 f" service with one client takes {spread(by_p50)} times as long, by the mean"
                 f" {spread(by_mean)} times.")
    return text


def summary(result):
    """Floor and rates, as bench/run prints at its end."""
    return floor_text(result) + "\n\n" + table_of_rates(result)


# --- the whole -----------------------------------------------------------------------------


def _listed(values):
    return ", ".join(f"`{name}={value}`" for name, value in sorted(values.items())) or "none"


def circumstances(result):
    """Where, when and how it was measured."""
    machine, versions = result["machine"], result["versions"]
    return "\n".join((
        f"- {result['date'][:10]}, commit {result['commit'] or 'unknown'}:"
        f" `{result['command']}`",
        f"- {machine['cpu']}, {machine['cores']} cores"
        f"{' of a virtual machine' if machine['virtual'] else ''}, {machine['memory_gib']} GiB,"
        f" {machine['system']}, Linux {machine['kernel']}; the load generator is on it too",
        f"- PostgreSQL {versions['postgresql']} with {_listed(result['postgres_settings'])}",
        f"- nginx {versions['nginx']}; settings of the service that are not its defaults:"
        f" {_listed(result['service_settings'])}"))


def markdown(result, chart_name=None):
    """The section of figures of docs/benchmarks.md."""
    rounds = result["rounds"]
    parts = [circumstances(result)]
    if chart_name:
        parts.append(f"![Locks per second and the floor]({chart_name})")
    parts += [
        f"{floor_text(result)} Medians of {rounds} pair{'s' * (rounds > 1)} of"
        f" {result['seconds']} s; in brackets the least and the most.",
        table_of_rates(result),
        "Processor time of one request in µs by process group, what the machine had left, how"
        " many requests shared a transaction that wrote, and the log that each wrote:",
        table_of_processors(result),
        "Memory of one process, the largest of each part:",
        table_of_memory(result),
        disturbed_text(disturbed(result["pairs"]))]
    return "\n\n".join(filter(None, parts)) + "\n"


def write(result, report=None, picture=None):
    """The files that the caller has asked for."""
    if picture:
        Path(picture).write_text(chart.draw(result), encoding="utf-8")
    if report:
        where = os.path.relpath(picture, Path(report).parent) if picture else None
        put(report, markdown(result, where))


BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"


def put(path, text, begin=BEGIN, end=END):
    """Into the file, between its marks if it has them: what people wrote around it stays."""
    path = Path(path)
    old = path.read_text(encoding="utf-8") if path.exists() else ""
    if begin in old and end in old:
        before, _, rest = old.partition(begin)
        text = f"{before}{begin}\n{text}{end}{rest.partition(end)[2]}"
    path.write_text(text, encoding="utf-8")
