"""New locks by gRPC: load/grpc_load.c, compiled where it is used."""

import json
import os
import random
import shutil
import subprocess
import tempfile
from pathlib import Path

from . import memory, statements
from .failure import BenchFailed
from .processor import Sample, between
from .rows import HEADLINE, measurement
from .wrk import LOAD


def compile_in(folder):
    """Path of the program."""
    compiler = shutil.which(os.environ.get("CC", "cc"))
    if compiler is None:
        raise BenchFailed("no C compiler (Debian: gcc)")
    program = Path(folder) / "grpc_load"
    done = subprocess.run([compiler, "-O2", "-o", program, LOAD / "grpc_load.c", "-lnghttp2"],
                          check=False)
    if done.returncode:
        raise BenchFailed("grpc_load.c cannot be compiled (Debian: libnghttp2-dev)")
    return program


class Load:
    """Used as `with Load() as load`."""

    def __enter__(self):
        self._folder = tempfile.TemporaryDirectory()
        self._program = compile_in(self._folder.name)
        return self

    def __exit__(self, *_):
        self._folder.cleanup()

    def run(self, bed, calls, seconds):
        """One measurement on an empty table, as rows.run() makes one of HTTP."""
        tables = bed.tables
        HEADLINE.prepare(bed, seconds)
        sent = statements.count(bed.system)
        before, marks = Sample.take(bed.roots()), tables.marks()
        process = subprocess.Popen(
            [self._program, str(bed.system.grpc_port), str(calls), str(seconds), str(tables.year),
             str(random.randrange(1 << 31))], stdout=subprocess.PIPE, text=True)
        with process.stdout:
            output = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        after, ended = Sample.take(bed.roots()), tables.marks()
        if process.returncode:
            raise BenchFailed(f"grpc_load ended with {process.returncode}")
        result = json.loads(output)
        check(result, tables.count("true"))
        used = between(before, after, int((usage.ru_utime + usage.ru_stime) * 1e9))
        return measurement(HEADLINE, calls, result, used, marks, ended,
                           statements.count(bed.system) - sent,
                           memory.of_system(bed.system, tables))


def check(result, added):
    """What it was told is what is in the table, and the load was the one that was meant."""
    granted = result["requests"] - result["not_ok"]
    if result["errors"] or granted != added:
        raise BenchFailed(f"grpc: {result['errors']} errors; {granted} granted, {added} rows")
    if result["not_ok"] > result["requests"] * HEADLINE.conflicts[1]:
        raise BenchFailed(f"grpc: {result['not_ok']} conflicts of {result['requests']}")
