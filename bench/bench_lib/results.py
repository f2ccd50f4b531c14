"""Raw results as JSON: written after each step, so that what was measured is never lost."""

import json
from pathlib import Path

from .failure import BenchFailed

FORMAT = 2


def write(path, result):
    if path is None:
        return
    path = Path(path)
    fresh = path.with_name(path.name + ".new")
    fresh.write_text(json.dumps(result, indent=1) + "\n")
    fresh.replace(path)


def read(path, kind=None):
    """A result that is of this kind, if one is named."""
    try:
        result = json.loads(Path(path).read_text())
    except (OSError, ValueError) as error:
        raise BenchFailed(f"{path}: {error}") from None
    if not isinstance(result, dict) or result.get("format") != FORMAT:
        raise BenchFailed(f"{path}: not a result of this version of bench")
    if kind and result.get("kind") != kind:
        raise BenchFailed(f"{path}: a result of bench/{result.get('kind')}, not of bench/{kind}")
    return result


def floor_of(pair):
    """Locks per second of the floor in one pair: the better of its crowds."""
    return max(run["per_second"] for run in pair["floor"])


def lone_floor(pair):
    """The run of the floor with one client, or None."""
    return next((run for run in pair["floor"] if run["clients"] == 1), None)


def measurements(pair):
    """All of a pair: floor, turns of the lone clients, rows."""
    turns = [run for turn in pair.get("lone", ()) for run in turn.values()]
    return [*pair["floor"], *turns, *pair["rows"]]


def keys(result):
    """(row, clients) of every measurement, in the order of the first pair that has it."""
    found = []
    for pair in result["pairs"]:
        for run in pair["rows"]:
            if (run["row"], run["clients"]) not in found:
                found.append((run["row"], run["clients"]))
    return found


def runs_of(result, key):
    """(pair, measurement) of each pair that has this row at this number of clients."""
    return [(pair, run) for pair in result["pairs"] for run in pair["rows"]
            if (run["row"], run["clients"]) == key]
