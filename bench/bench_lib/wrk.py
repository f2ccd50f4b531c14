"""One run of the load generator: wrk with one thread and one of the scripts in bench/load."""

import json
import os
import re
import shutil
import subprocess
import tempfile
import time

from . import processor
from .bed import BENCH
from .failure import BenchFailed

LOAD = BENCH / "load"
START_SECONDS_MAX = 60


def program():
    found = shutil.which("wrk")
    if found is None:
        raise BenchFailed("wrk is missing (Debian: wrk)")
    return found


def parse(output):
    """What common.done has written."""
    found = re.search(r"^result (.*)$", output, re.M)
    if found is None:
        raise BenchFailed(f"wrk has no result:\n{output}")
    return json.loads(found[1])


def _threads(pid):
    try:
        return len(os.listdir(f"/proc/{pid}/task"))
    except OSError:
        return 0


def _wait_for_load(process):
    """init() of the script is done and the load begins when wrk has its second thread."""
    deadline = time.monotonic() + START_SECONDS_MAX
    while _threads(process.pid) < 2:
        if time.monotonic() > deadline:
            raise BenchFailed("wrk does not begin")
        if os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            return
        time.sleep(0.001)


def run(url, script, arguments, clients, seconds, sample):
    """(result, before, after, ns of wrk); sample() is called as the load begins and ends."""
    argv = [program(), "-t", "1", "-c", str(clients), "-d", f"{seconds}s", "--timeout", "30s",
            "-s", str(LOAD / script), url, "--", *map(str, arguments)]
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(argv, stdout=output, stderr=subprocess.STDOUT,
                                   env={**os.environ, "BENCH_LOAD": str(LOAD), "TZ": "UTC"})
        try:
            _wait_for_load(process)
            before, prepared = sample(), processor.process_ns(process.pid)
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        finally:
            if process.returncode is None:
                process.kill()
                process.wait()
        after = sample()
        output.seek(0)
        text = output.read()
    if process.returncode:
        raise BenchFailed(f"wrk ended with {process.returncode}:\n{text}")
    used = int((usage.ru_utime + usage.ru_stime) * 1e9) - prepared
    return parse(text), before, after, used
