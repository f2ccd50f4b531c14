"""One run of pgbench: what PostgreSQL does with one bare INSERT in each transaction."""

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from .bed import BENCH
from .failure import BenchFailed
from .processor import Sample, between
from .spread import percentile

CROWDS = (8, 32)
CLIENTS = (1, *CROWDS)


def program():
    """pgbench of the PATH, or of the newest server."""
    servers = Path("/usr/lib/postgresql").glob("*/bin/pgbench")
    newest = sorted(servers, key=lambda path: [int(n) for n in re.findall(r"\d+", str(path))])
    found = shutil.which("pgbench") or (newest and str(newest[-1]))
    if not found:
        raise BenchFailed("pgbench is missing (Debian: postgresql)")
    return found


def parse(output):
    """{"per_second", "requests", "mean_ms"}."""
    def number(pattern):
        found = re.search(pattern, output, re.M)
        if found is None:
            raise BenchFailed(f"pgbench has no result:\n{output}")
        return float(found[1])
    failed = re.search(r"number of failed transactions: (\d+)", output)
    if failed and int(failed[1]):
        raise BenchFailed(f"pgbench: failed transactions:\n{output}")
    return {"per_second": number(r"^tps = ([\d.]+)"),
            "requests": int(number(r"^number of transactions actually processed: (\d+)")),
            "mean_ms": number(r"^latency average = ([\d.]+)")}


def latencies(folder):
    """The time of each transaction in ms, out of pgbench's log of a single client."""
    found = []
    for path in Path(folder).glob("*"):
        found += [int(line.split()[2]) / 1000 for line in path.read_text().splitlines()]
    return sorted(found)


def run(bed, clients, seconds):
    """On an empty table."""
    bed.tables.empty()
    bed.tables.checkpoint()
    return load(bed, "floor.sql", clients, seconds)


def load(bed, script, clients, seconds):
    """On the state that is there; the measurement as it goes into the results."""
    with tempfile.TemporaryDirectory() as folder:
        argv = [program(), "-n", "-M", "prepared", "-c", str(clients), "-j", "1", "-T",
                str(seconds), "-f", str(BENCH / script)]
        if clients == 1:
            argv += ["-l", "--log-prefix", f"{folder}/log"]
        before, marks = Sample.take(bed.roots()), bed.tables.marks()
        with tempfile.TemporaryFile("w+") as output:
            process = subprocess.Popen([*argv, bed.system.owner_dsn], stdout=output,
                                       stderr=subprocess.STDOUT)
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            output.seek(0)
            text = output.read()
        after, ended = Sample.take(bed.roots()), bed.tables.marks()
        times = latencies(folder)
    if process.returncode:
        raise BenchFailed(f"pgbench ended with {process.returncode}:\n{text}")
    result = parse(text)
    used = between(before, after, int((usage.ru_utime + usage.ru_stime) * 1e9))
    result.update(
        clients=clients, seconds=seconds,
        cpu_us={name: ns / 1000 / result["requests"] for name, ns in used.items()},
        wal_bytes=(ended.wal_bytes - marks.wal_bytes) / result["requests"],
        checkpoints=ended.checkpoints - marks.checkpoints)
    if times:
        result.update(p50_ms=percentile(times, 50), p99_ms=percentile(times, 99),
                      p999_ms=percentile(times, 99.9))
    return result
