"""What a reader has to know of the machine, the versions and the tree."""

import datetime
import os
import platform
import re
import shlex
import subprocess
import sys
from pathlib import Path

from . import results

SOURCE = Path(__file__).resolve().parents[2]
#: of the service's settings, what differs from run to run and says nothing
PRIVATE = {"DB_HOST", "DB_PORT", "DB_NAME", "DB_USER", "DB_PASSWORD", "DATABASE_URL",
           "GUARD_SOCKET", "GUARD_METRICS_FILE", "GUARD_TRACE_SOCKET", "HOST", "PORT", "GRPC_HOST",
           "GRPC_PORT", "AVAILABILITY_GUARD_ADMIN_TOKENS"}
#: of the tree, what a change of makes it another service
MEASURED = ("src", "sql", "conf", "configure.ac", "Makefile.am")
#: options that name files
FILES = ("--build", "--json", "--report", "--chart")


def _first(path, pattern, otherwise="unknown"):
    try:
        found = re.search(pattern, Path(path).read_text(), re.M)
    except OSError:
        return otherwise
    return found[1].strip() if found else otherwise


def _says(*argv, cwd=None):
    """What a program writes, or "" where it is not there or fails."""
    try:
        done = subprocess.run(argv, text=True, capture_output=True, check=False, cwd=cwd)
    except OSError:
        return ""
    return (done.stdout + done.stderr).strip() if done.returncode == 0 else ""


def describe():
    memory = int(_first("/proc/meminfo", r"^MemTotal:\s+(\d+)", "0"))
    return {"cpu": _first("/proc/cpuinfo", r"^model name\s*:\s*(.+)$", platform.machine()),
            "cores": os.cpu_count(), "memory_gib": round(memory / 1024 / 1024, 1),
            "virtual": "hypervisor" in _first("/proc/cpuinfo", r"^flags\s*:\s*(.+)$", ""),
            "kernel": platform.release(),
            "system": _first("/etc/os-release", r'^PRETTY_NAME="?([^"\n]+)')}


def versions(tables):
    return {"postgresql": tables.version(),
            "nginx": _says("/usr/sbin/nginx", "-v").rpartition("/")[2]}


def commit():
    """The tree's commit, with a mark when the service differs from it; None without git."""
    name = _says("git", "rev-parse", "--short=12", "HEAD", cwd=SOURCE)
    if not name:
        return None
    changed = _says("git", "status", "--porcelain", "--", *MEASURED, cwd=SOURCE)
    return name + (" with changes" if changed else "")


def command(argv):
    """The command line without what says nothing to others: where files are."""
    shown, words = [f"bench/{Path(argv[0]).name}"], iter(argv[1:])
    for word in words:
        name, joined, _ = word.partition("=")
        if name in FILES:
            if not joined:
                next(words, None)
            shown += ["--build", "DIR"] if name == "--build" else []
        else:
            shown.append(word)
    return shlex.join(shown)


def chosen_settings(system):
    """{name: value} of the service's settings that differ from its defaults."""
    program = system.program("availability-guard")
    defaults = dict(line.split("=", 1) for line in subprocess.run(
        [program, "-n"], env={"PATH": "/usr/bin:/bin"}, text=True, capture_output=True,
        check=True).stdout.splitlines())
    return {name: value for name, value in system.check_settings().items()
            if name not in PRIVATE and value != defaults.get(name)}


def header(kind, bed):
    """The start of a result: all that is not measured."""
    return {"format": results.FORMAT, "kind": kind,
            "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
            "commit": commit(),
            "command": command(sys.argv),
            "machine": describe(), "versions": versions(bed.tables),
            "postgres_settings": bed.tables.settings(),
            "service_settings": chosen_settings(bed.system)}
