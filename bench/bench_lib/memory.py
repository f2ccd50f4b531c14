"""Resident memory of the parts, in KiB."""

import re
from pathlib import Path

from . import processor

NAMES = {"VmRSS": "now", "VmHWM": "peak", "RssAnon": "own"}


def parse_status(text):
    """{"now", "peak", "own"} out of /proc/PID/status; "own" is what is shared with nobody."""
    found = dict(re.findall(r"^(\w+):\s+(\d+) kB$", text, re.M))
    return {name: int(found.get(field, 0)) for field, name in NAMES.items()}


def of_process(pid):
    """None for a dead one."""
    try:
        return parse_status(Path(f"/proc/{pid}/status").read_text())
    except OSError:
        return None


def forget_peaks(pids):
    """Let the peaks of these processes start from what they hold now."""
    for pid in pids:
        try:
            Path(f"/proc/{pid}/clear_refs").write_text("5")
        except OSError:
            continue


def of_all(pids):
    return [found for found in map(of_process, pids) if found]


def below(root):
    """Every process below the root, but not itself."""
    return sorted(processor.members(root, processor.parents()) - {root})


def of_system(system, tables):
    """{"guard", "nginx", "backends"}: a list of each one's processes."""
    return {"guard": of_all(system.guard_pids()),
            "nginx": of_all(below(system.status()["nginx"])),
            "backends": of_all(tables.backends(system.settings["DB_USER"]))}
