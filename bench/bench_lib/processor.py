"""Processor time by process group, in nanoseconds.

A group is a process with everything below it. What its ended children have used is counted by
the kernel in their parent when it collects them, so nothing is lost with a backend that vanishes
between two samples: the time of a group is that of all that live, and that of all that were
collected.
"""

import os
from dataclasses import dataclass
from pathlib import Path

TICK_NS = 1_000_000_000 // os.sysconf("SC_CLK_TCK")
#: fields of the first line of /proc/stat that are work
BUSY = ("user", "nice", "system", "irq", "softirq")
FIELDS = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal")


def parse_stat(text):
    """(parent, collected ns of ended children) out of /proc/PID/stat."""
    fields = text[text.rindex(")") + 2:].split()
    return int(fields[1]), (int(fields[13]) + int(fields[14])) * TICK_NS


def parse_schedstat(text):
    """Nanoseconds on a processor out of /proc/PID/task/TID/schedstat."""
    return int(text.split()[0])


def parse_machine(text):
    """{field: ns} out of /proc/stat, all processors together."""
    values = text.split("\n", 1)[0].split()[1:]
    return {name: int(value) * TICK_NS for name, value in zip(FIELDS, values)}


def parents():
    """{pid: (parent, collected ns)} of every process."""
    found = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                found[int(name)] = parse_stat(Path(f"/proc/{name}/stat").read_text())
            except OSError:
                continue
    return found


def process_ns(pid):
    """What the living threads of a process have used; 0 for a dead one."""
    total = 0
    try:
        for task in os.listdir(f"/proc/{pid}/task"):
            total += parse_schedstat(Path(f"/proc/{pid}/task/{task}/schedstat").read_text())
    except OSError:
        pass
    return total


def members(root, table):
    """The root and everything below it, of a table as parents() gives it."""
    found, fresh = set(), {root} & set(table)
    while fresh:
        found |= fresh
        fresh = {pid for pid, (parent, _) in table.items() if parent in fresh} - found
    return found


@dataclass(frozen=True)
class Sample:
    """What was used up to one moment."""

    groups: dict   # {group: ns}
    machine: dict  # {field: ns}

    @staticmethod
    def take(roots):
        """roots is {group: pid of its topmost process}."""
        table = parents()
        groups = {name: sum(process_ns(pid) + table[pid][1] for pid in members(root, table))
                  for name, root in roots.items()}
        return Sample(groups, parse_machine(Path("/proc/stat").read_text()))


def between(before, after, load_ns):
    """{group: ns} used between two samples, with the load generator's own time.

    "other" is what the machine has spent on anything else, "idle" what nobody wanted, "steal"
    what the host of a virtual machine gave to others."""
    used = {name: after.groups[name] - before.groups[name] for name in after.groups}
    used["load"] = load_ns
    machine = {name: after.machine[name] - before.machine[name] for name in after.machine}
    other = sum(machine[name] for name in BUSY) - sum(used.values())
    return {**used, "other": max(0, other), "idle": machine["idle"] + machine["iowait"],
            "steal": machine["steal"]}
