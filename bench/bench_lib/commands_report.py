"""The report of bench/commands."""

from . import report
from .spread import percentile
from .tabular import mebibytes, number, table

BEGIN, END = "<!-- commands: begin -->", "<!-- commands: end -->"


def median(runs, name, what):
    return percentile(sorted(run[name][what] for run in runs), 50)


def summary(result):
    runs = result["runs"]
    lines = [(title, number(median(runs, name, "per_second")),
              number(min(run[name]["per_second"] for run in runs)),
              number(max(run[name]["per_second"] for run in runs)),
              mebibytes(max(run[name]["kib"] for run in runs)))
             for name, title in (("lock", "new locks"), ("release", "releases"))]
    return table((f"{number(result['commands'])} commands", "a second", "least", "most",
                  "MiB at most"), lines)


def markdown(result):
    return report.circumstances(result) + "\n\n" + summary(result) + "\n"


def write(result, path=None):
    if path:
        report.put(path, markdown(result), BEGIN, END)
