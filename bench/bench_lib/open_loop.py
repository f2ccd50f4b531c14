"""The load generator of bench/overload: load/open_loop.c, compiled where it is used."""

import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from .failure import BenchFailed
from .wrk import LOAD


def compile_in(folder):
    """Path of the program."""
    compiler = shutil.which(os.environ.get("CC", "cc"))
    if compiler is None:
        raise BenchFailed("no C compiler (Debian: gcc)")
    program = Path(folder) / "open_loop"
    subprocess.run([compiler, "-O2", "-o", program, LOAD / "open_loop.c"], check=True)
    return program


def parse(lines):
    """{"seconds": [...], "phases": [...], "drain": {...}} of what it has written."""
    found = {"seconds": [], "phases": [], "drain": None}
    for line in lines:
        entry = json.loads(line)
        kind = entry.pop("kind")
        if kind == "second":
            found["seconds"].append(entry)
        elif kind == "phase":
            found["phases"].append(entry)
        elif kind == "drain":
            found["drain"] = entry
    return found


class OpenLoop:
    """Used as `with OpenLoop() as load`; each run offers its phases one after the other."""

    def __enter__(self):
        self._folder = tempfile.TemporaryDirectory()
        self._program = compile_in(self._folder.name)
        return self

    def __exit__(self, *_):
        self._folder.cleanup()

    def run(self, bed, connections, obey, phases, seed, watch):
        """phases is [(rate, seconds)]. watch(entry, pid) is called for each line as it is written;
        returns what parse() makes of all of them."""
        argv = [self._program, str(bed.system.http_port), str(connections), str(bed.tables.year),
                str(seed), "1" if obey else "0",
                *(f"{rate:.1f}:{seconds}" for rate, seconds in phases)]
        lines = []
        with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
            try:
                for line in process.stdout:
                    lines.append(line)
                    watch(json.loads(line), process.pid)
            except BaseException:
                process.kill()
                raise
        if process.returncode:
            raise BenchFailed(f"the load generator ended with {process.returncode}")
        found = parse(lines)
        if len(found["phases"]) != len(phases) or found["drain"] is None:
            raise BenchFailed("the load generator has not finished")
        return found
