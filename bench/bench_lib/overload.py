"""More load than can be served: before it, during it, and at once after it.

What "four times the load" is: the peak is what a crowd of 64 or 256 callers gets, each of whom
waits for an answer before asking again. Then requests arrive at four times that rate, whether or not
the last ones were answered, from as many kept connections as are given. There are two kinds of
callers: those who obey Retry-After and stay away for as long as it says, and those who don't and
come again at once. The second kind shares the machine with what it attacks: what it costs to write
its requests, and to read and refuse them, is taken from the work that is done.

What is granted is compared with what the crowd of the peak gets in as long a time, right before and
right after: a minute of load makes a large table of an empty one, and a large one is slower.
"""

import random
import statistics

from . import memory, rows
from .failure import BenchFailed
from .processor import Sample, between, process_ns

#: share of the peak that is the normal load before and after
NORMAL = 0.5
PEAK_CLIENTS = (64, 256)
GROUPS = ("nginx", "guard", "postgres", "load")
#: which figures of memory tell of a part: now, and at most. Backends share most of theirs, and
#: what is their own has no peak.
FIGURES = {"guard": ("now", "peak"), "nginx": ("now", "peak"), "backends": ("own", "own")}


def peak(bed, seconds):
    """{"clients", "per_second", ...}: the better of the crowds."""
    found = [rows.run(bed, rows.HEADLINE, clients, seconds) for clients in PEAK_CLIENTS]
    return max(found, key=lambda run: run["per_second"])


class Watch:
    """Samples processors at the borders of the phases, and memory each second."""

    def __init__(self, bed):
        self._bed = bed
        self._begin = None
        self.memory = []     # [{"phase", "guard", "nginx", "backends"}] in KiB, sums
        self.processors = []  # [{group: ns}] by phase
        self._load = None

    def __call__(self, entry, pid):
        if entry["kind"] == "begin":
            self._begin, self._load = Sample.take(self._bed.roots()), process_ns(pid)
        elif entry["kind"] == "second":
            held = memory.of_system(self._bed.system, self._bed.tables)
            self.memory.append({"phase": entry["phase"], **{
                part: sum(process[FIGURES[part][0]] for process in processes)
                for part, processes in held.items()}})
        elif entry["kind"] == "phase":
            after = Sample.take(self._bed.roots())
            self.processors.append(between(self._begin, after, process_ns(pid) - self._load))


def offer(bed, load, best, arguments, obey):
    """One run of normal, too much, normal; as it goes into the results."""
    bed.tables.empty()
    bed.tables.checkpoint()
    memory.forget_peaks(bed.system.guard_pids() + memory.below(bed.system.status()["nginx"]))
    rate = best["per_second"]
    normal = rate * NORMAL, arguments.normal_seconds
    phases = [normal, (rate * arguments.factor, arguments.seconds), normal]
    watch, marks, guards = Watch(bed), bed.tables.marks(), bed.system.guard_pids()
    found = load.run(bed, arguments.connections, obey, phases, random.randrange(1, 1 << 31), watch)
    if bed.system.guard_pids() != guards:
        raise BenchFailed("a guard process has ended under the load")
    check(bed, found)
    peaks = memory.of_system(bed.system, bed.tables)
    return {"obey": obey, **found, "memory_kib": watch.memory,
            "peaks_kib": {part: sum(process[FIGURES[part][1]] for process in processes)
                          for part, processes in peaks.items()},
            "processors": watch.processors,
            "checkpoints": bed.tables.marks().checkpoints - marks.checkpoints}


def check(bed, found):
    """Every lock that was granted is in the table, and no other."""
    lists = [*found["phases"], found["drain"]]
    granted = sum(entry["granted"] for entry in lists)
    lost = sum(entry["lost"] for entry in lists)
    in_table = bed.tables.count()
    if not granted <= in_table <= granted + lost:
        raise BenchFailed(f"{granted} locks were granted, {lost} answers lost, and {in_table} are"
                          " in the table")


def run(bed, load, arguments, result, save):
    """Fills the result."""
    rows.run(bed, rows.HEADLINE, max(PEAK_CLIENTS), 1)
    result["peak"] = peak(bed, arguments.peak_seconds)
    print(f"peak: {result['peak']['per_second']:,.0f} locks/s with"
          f" {result['peak']['clients']} clients", flush=True)
    result["runs"], result["crowds"] = [], [crowd(bed, result["peak"], arguments)]
    for obey in (True, False):
        result["runs"].append(offer(bed, load, result["peak"], arguments, obey))
        result["crowds"].append(crowd(bed, result["peak"], arguments))
        print(line(result, len(result["runs"]) - 1), flush=True)
        save()


def crowd(bed, best, arguments):
    """What the crowd of the peak gets in as long a time as the overload takes."""
    return rows.run(bed, rows.HEADLINE, best["clients"], arguments.seconds)


def sustained(result, index):
    """What can be granted per second for as long as run number index: the mean of the crowds right
    before and right after it."""
    return statistics.mean(run["per_second"] for run in result["crowds"][index:index + 2])


def granted(one):
    """Per second of the overload."""
    during = one["phases"][1]
    return during["granted"] / during["seconds"]


def line(result, index):
    one = result["runs"][index]
    before, during, after = one["phases"]
    return (f"  {'obeying' if one['obey'] else 'stubborn'}: granted {granted(one):,.0f}/s"
            f" ({granted(one) / sustained(result, index):.0%} of what a crowd gets), refused"
            f" {during['refused'] / during['seconds']:,.0f}/s, p99 of a refusal"
            f" {during['refused_p99_ms']:.0f} ms; p99 before"
            f" {before['granted_p99_ms']:.1f} ms, after {after['granted_p99_ms']:.1f} ms")


def first_seconds(one, count=3):
    """The first seconds after the overload, as the generator saw them."""
    return [entry for entry in one["seconds"] if entry["phase"] == 2][:count]


def held_in(one, phase, part):
    """The most that a part held in a phase, in KiB; None without a sample."""
    return max((entry[part] for entry in one["memory_kib"] if entry["phase"] == phase),
               default=None)


def worst_second(one):
    """The least that was granted in a second of the overload; its first second is not whole."""
    rates = [entry["granted"] / entry["seconds"] for entry in one["seconds"]
             if entry["phase"] == 1]
    return min(rates[1:], default=None)


def steady_rate(one):
    rates = [entry["granted"] / entry["seconds"] for entry in one["seconds"]
             if entry["phase"] == 1]
    return statistics.median(rates) if rates else None
