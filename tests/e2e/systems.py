"""Starting systems for tests, and the proof that none of their parts broke meanwhile."""

import contextlib
import os
import re
import shlex
import shutil
import sys
import time
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[2]
# Behind our own folder: a module of scripts/ must not hide one of ours.
sys.path.append(str(SOURCE / "scripts"))

# pylint: disable=wrong-import-position
from parts.process import children  # noqa: F401, for tests
from system import System, make_state_dir

# What no log may hold after a test, whatever the test did.
BROKEN = re.compile(
    r"Sanitizer|runtime error:|[Aa]ssertion.*failed|segfault|Segmentation|core dumped|SIGSEGV"
    r"|SIGABRT|exited on signal|stack smashing|buffer overflow|double free|corrupted size"
    r"|Invalid (read|write) of size|uninitialised value|definitely lost: [1-9]"
    r"|\[emerg\]|\[alert\]|PANIC")

SANITIZER_VARIABLES = ("ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS")


def build_dir():
    """The folder of the built programs, named by AG_BUILD_DIR."""
    given = os.environ.get("AG_BUILD_DIR")
    if not given:
        pytest.exit("AG_BUILD_DIR must name the folder of the built programs", returncode=4)
    return Path(given).resolve()


def check_logs(system):
    """No sanitizer report, no assertion, no crash in any log."""
    for log in sorted((system.state_dir / "logs").glob("*.log")):
        lines = log.read_text("utf-8", "replace").splitlines()
        found = [line for line in lines if BROKEN.search(line)]
        assert not found, f"{log}: {found[:5]}"


def check_steady(system, pids):
    """The guard processes are those that were started: none crashed and was replaced."""
    assert system.guard_pids() == pids, f"guard processes were replaced: {system.guard_pids()}"
    check_logs(system)


def make_system(postgres_options=None, **settings):
    """A system in a folder of its own, not started: with two guard processes, because what holds
    among several holds for one."""
    environment = {name: os.environ[name] for name in SANITIZER_VARIABLES if name in os.environ}
    return System(make_state_dir(), build_dir=build_dir(),
                  settings={"GUARD_WORKERS": 2, **settings},
                  environment=environment, postgres_options=postgres_options,
                  guard_command=shlex.split(os.environ.get("AG_GUARD_COMMAND", "")))


@contextlib.contextmanager
def running(session, steady=True, postgres_options=None, **settings):
    """A started system; its folder stays when a test of this run failed.

    steady: the guard processes must be the same at the end. Not for tests that kill them."""
    system = make_system(postgres_options, **settings)
    with system:
        pids = system.guard_pids()
        yield system
        if steady:
            check_steady(system, pids)
    check_logs(system)
    if session.testsfailed == 0:
        shutil.rmtree(system.state_dir)
    else:
        print(f"logs of the system: {system.state_dir}/logs", file=sys.stderr)


def wait_for(condition, seconds_max, what):
    """Polls until the condition holds; gives its value."""
    deadline = time.monotonic() + seconds_max
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"not within {seconds_max} s: {what}"
        time.sleep(0.02)
