"""Starting systems for tests, and the proof that none of their parts broke meanwhile."""

import contextlib
import hashlib
import os
import re
import shlex
import shutil
import sys
import time
import uuid
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[2]
# Behind our own folder: a module of scripts/ must not hide one of ours.
sys.path.append(str(SOURCE / "scripts"))

# pylint: disable=wrong-import-position
from parts import account
from parts.process import children  # noqa: F401, for tests
from parts.system import System, make_state_dir

# What no log may hold after a test, whatever the test did.
BROKEN = re.compile(
    r"Sanitizer|runtime error:|[Aa]ssertion.*failed|segfault|Segmentation|core dumped|SIGSEGV"
    r"|SIGABRT|exited on signal|stack smashing|buffer overflow|double free|corrupted size"
    r"|Invalid (read|write) of size|uninitialised value|definitely lost: [1-9]"
    r"|\[emerg\]|\[alert\]|PANIC")

# One as it is, with characters that mean something to nginx, and one by its digest.
ADMIN_TOKEN = 'Plain"token$1.*\\{x}'
HASHED_ADMIN_TOKEN = "known-by-its-digest"
ADMIN_TOKENS = (f"{ADMIN_TOKEN}, "
                f"sha256:{hashlib.sha256(HASHED_ADMIN_TOKEN.encode()).hexdigest()}")

# Small batches, so that a crowd of some dozens is enough for the second process to get its share.
COMMON_SETTINGS = {"GUARD_WORKERS": 2, "GUARD_BATCH_MAX": 16,
                   "AVAILABILITY_GUARD_ADMIN_TOKENS": ADMIN_TOKENS}

# LD_PRELOAD: what ThreadSanitizer needs, see tests/tsan.
SANITIZER_VARIABLES = ("ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS", "TSAN_OPTIONS",
                       "LD_PRELOAD")

TOPIC_SECONDS = 30


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


def kafka_settings():
    """Topics and a group that no other system has: a real Kafka is shared by all. Its sessions are
    short, so that the group soon gives the partitions of a killed notifier to the next one."""
    mark = uuid.uuid4().hex
    prefix = "AVAILABILITY_GUARD_NOTIFICATION"
    found = {f"{prefix}_TOPIC": f"notifications-{mark}",
             f"{prefix}_DLQ_TOPIC": f"notifications-{mark}.dlq",
             f"{prefix}_CONSUMER_GROUP": f"notifier-{mark}",
             "COMMAND_CENTER_TOPIC": f"commands-{mark}",
             "INVENTORY_EVENTS_DLQ_TOPIC": f"inventory-{mark}.dlq",
             "AVAILABILITY_GUARD_COMMAND_CONSUMER_GROUP": f"commands-{mark}",
             "INVENTORY_EVENTS_TOPIC": f"inventory-{mark}",
             "KAFKA_PROPERTY_SESSION_TIMEOUT_MS": "6000"}
    if os.environ.get("KAFKA_BROKERS"):
        found["KAFKA_BROKERS"] = os.environ["KAFKA_BROKERS"]
    return found


def make_topics(system):
    """Starts Kafka and makes the topics, as an operator would: no test is about a missing topic."""
    import confluent_kafka  # pylint: disable=import-outside-toplevel
    system.start_kafka()
    client = confluent_kafka.Producer({"bootstrap.servers": system.brokers})
    for name, topic in system.settings.items():
        if name.endswith("_TOPIC"):
            # Kafka makes what it is asked about.
            wait_for(lambda topic=topic: client.list_topics(topic, 5).topics[topic].partitions,
                     TOPIC_SECONDS, f"partitions of {topic}")


def make_system(postgres_options=None, kafka=False, sink=False, sink_options=(), **settings):
    """A system in a folder of its own, not started: with two guard processes, because what holds
    among several holds for one."""
    environment = {name: os.environ[name] for name in SANITIZER_VARIABLES if name in os.environ}
    command = shlex.split(os.environ.get("AG_GUARD_COMMAND", ""))
    return System(make_state_dir(), build_dir=build_dir(),
                  settings={**COMMON_SETTINGS, **(kafka_settings() if kafka else {}), **settings},
                  environment=environment, postgres_options=postgres_options,
                  guard_command=command, worker_command=command,
                  kafka=kafka, sink=sink, sink_options=sink_options)


@contextlib.contextmanager
def part_folder(session):
    """(folder, account) for a part that is started alone."""
    state = make_state_dir()
    user = account.unprivileged()
    for name in ("records", "logs", "run"):
        (state / name).mkdir(mode=0o755)
        if user and name == "run":
            user.own(state / name)
    yield state, user
    if session.testsfailed == 0:
        shutil.rmtree(state)
    else:
        print(f"logs of the part: {state}/logs", file=sys.stderr)


@contextlib.contextmanager
def running(session, steady=True, postgres_options=None, kafka=False, sink=False,
            sink_options=(), **settings):
    """A started system; its folder stays when a test of this run failed.

    steady: the guard processes must be the same at the end. Not for tests that kill them.
    kafka: with Kafka (the one that KAFKA_BROKERS of the environment names, or an embedded one),
    relay and notifier. sink: with the webhook sink, system.sink."""
    system = make_system(postgres_options, kafka, sink, sink_options, **settings)
    with contextlib.ExitStack() as stack:
        if kafka:
            stack.callback(system.stop)
            make_topics(system)
        stack.enter_context(system)
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
