"""The report of bench/overload."""

from . import report
from .overload import (GROUPS, first_seconds, granted, held_in, steady_rate, sustained,
                       worst_second)
from .tabular import mebibytes, milliseconds, number, table

BEGIN, END = "<!-- overload: begin -->", "<!-- overload: end -->"


def callers(one):
    return "obey Retry-After" if one["obey"] else "come again at once"


def _rate(entry, name):
    return number(entry[name] / entry["seconds"])


def _share(part, whole):
    return f"{part / whole:.0%}" if whole else "–"


def table_of_load(result):
    """What became of the load, for both kinds of callers."""
    lines = []

    def line(name, value):
        lines.append((name, *(value(one, one["phases"][1]) for one in result["runs"])))

    def share(name, rate):
        lines.append((name, *(_share(rate(one) or 0, sustained(result, index))
                              for index, one in enumerate(result["runs"]))))
    line("arrivals per second", lambda _, during: _rate(during, "arrivals"))
    line("of them sent", lambda _, during: _share(during["arrivals"] - during["held"],
                                                  during["arrivals"]))
    line("granted per second", lambda _, during: _rate(during, "granted"))
    share("of what a crowd gets in as long a time", granted)
    share("of it, median second", steady_rate)
    share("of it, worst second", worst_second)
    line("refused per second", lambda _, during: _rate(during, "refused"))
    line("refused of what was answered", lambda _, during: _share(
        during["refused"], during["refused"] + during["granted"] + during["conflicts"]
        + during["other"]))
    line("refusals without Retry-After", lambda _, during: number(during["no_retry_after"]))
    line("other answers, connections lost",
         lambda _, during: f"{during['other']}, {during['lost']}")
    line("refusal p50 ms", lambda _, during: milliseconds(during["refused_p50_ms"] or None))
    line("refusal p99 ms", lambda _, during: milliseconds(during["refused_p99_ms"] or None))
    line("grant p50 ms", lambda _, during: milliseconds(during["granted_p50_ms"]))
    line("grant p99 ms", lambda _, during: milliseconds(during["granted_p99_ms"]))
    return table(("callers that are refused", *map(callers, result["runs"])), lines)


def table_of_recovery(result):
    """Half of the peak before it, and second by second after it."""
    lines = []
    for one in result["runs"]:
        entries = [("before", one["phases"][0])]
        entries += [(f"second {number_ + 1} after", entry)
                    for number_, entry in enumerate(first_seconds(one))]
        for name, entry in entries:
            lines.append((f"{callers(one)}: {name}", _rate(entry, "arrivals"),
                          _rate(entry, "granted"), number(entry["refused"]),
                          milliseconds(entry["granted_p50_ms"]),
                          milliseconds(entry["granted_p99_ms"])))
    return table(("normal load", "arrivals/s", "granted/s", "refused", "p50 ms", "p99 ms"), lines)


def table_of_memory(result):
    """Sums over the processes of a part."""
    lines = []
    for one in result["runs"]:
        for part, name in (("guard", "guard"), ("nginx", "nginx"),
                           ("backends", "backends, their own")):
            held = [held_in(one, phase, part) for phase in range(3)]
            lines.append((f"{callers(one)}: {name}",
                          *("–" if value is None else mebibytes(value) for value in held),
                          mebibytes(one["peaks_kib"][part])))
    return table(("MiB, all processes", "before", "during", "after", "peak"), lines)


def table_of_processors(result):
    """Shares of the whole machine during the overload."""
    lines = []
    for one in result["runs"]:
        used = one["processors"][1]
        whole = sum(used.values())
        lines.append((callers(one), *(_share(used[name], whole)
                                      for name in (*GROUPS, "other", "idle", "steal"))))
    return table(("processor time", "nginx", "guard", "PostgreSQL", "generator", "other", "idle",
                  "steal"), lines)


def summary(result):
    crowds = ", ".join(number(run["per_second"]) for run in result["crowds"])
    return "\n\n".join((
        f"Peak: {number(result['peak']['per_second'])} locks/s with"
        f" {result['peak']['clients']} clients. The same crowd for {result['seconds']} s, before,"
        f" between and after the overloads: {crowds} locks/s. Offered:"
        f" {result['factor']:g} times the peak for {result['seconds']} s over"
        f" {number(result['connections'])} connections.",
        table_of_load(result), table_of_recovery(result), table_of_memory(result),
        table_of_processors(result)))


def markdown(result):
    return report.circumstances(result) + "\n\n" + summary(result) + "\n"


def write(result, path=None):
    if path:
        report.put(path, markdown(result), BEGIN, END)
