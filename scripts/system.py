#!/usr/bin/python3
"""Starts and stops a whole Availability Guard in one state folder, on loopback.

For tests and the quickstart: use System of parts/system.py, or call this:

    scripts/system.py up     --state DIR --build DIR   start what is not running, wait until ready
                             [--sink]                  with a server that takes the webhook calls
    scripts/system.py down   --state DIR               stop everything, keep the data
    scripts/system.py status --state DIR               one line for each part; 0 if all run
    scripts/system.py env    --state DIR               how to reach it, as shell assignments
    scripts/system.py database --state DIR --build DIR start PostgreSQL only, with the migrations
    scripts/system.py hold   --state DIR               stay until a signal comes, or a part ends by
                                                       itself (then 1), and stop everything

The parts are PostgreSQL (private, or one that the settings name), Kafka (in memory, or one that the
settings name), the guard processes behind spawn-fcgi and multiwatch, the sweeper, the relay, the
notifier, commands, the trace exporter where an OTLP endpoint is set, the webhook sink, and nginx.
Started by root they run as `nobody`.

State folder:
    system.json   ports, passwords, settings; readable by its owner only
    records/      which process is which part
    logs/         one log for each part
    run/          sockets, metrics   pg/     the private cluster
    nginx/        rendered configuration, temporary files
"""

import argparse
import contextlib
import fcntl
import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent))

# pylint: disable=wrong-import-position
from parts.process import PartFailed
from parts.system import System, make_reachable


@contextlib.contextmanager
def locked(state_dir):
    """One command at a time works on a state folder."""
    with open(state_dir / "lock", "w", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def settings_from_environment(build_dir):
    """The guard's settings that the caller's environment names.

    The guard itself knows their names: it lists them all when asked for an empty environment."""
    probe = System.__new__(System)
    probe.build_dir = Path(build_dir).resolve()
    done = subprocess.run([probe.program("availability-guard"), "-n"], text=True, check=False,
                          env={"PATH": "/usr/bin:/bin"}, capture_output=True)
    if done.returncode:
        raise PartFailed(f"availability-guard -n failed: {done.stderr.strip()}")
    known = {line.split("=", 1)[0] for line in done.stdout.splitlines()}
    known.add("MIGRATE_DATABASE_URL")
    return {name: value for name, value in os.environ.items()
            if name in known or name.startswith(("AVAILABILITY_GUARD_", "KAFKA_PROPERTY_"))}


def up(arguments):
    if (arguments.state / "system.json").exists():
        present = System(arguments.state, user=arguments.user)
        if all(present.status().values()) and present.is_ready():
            print(f"runs already: {present.base_url}")
            return 0
        # Some of it may run, with other settings than those of now.
        present.stop()
    system = System(arguments.state, build_dir=arguments.build, user=arguments.user,
                    settings=settings_from_environment(arguments.build),
                    nginx_port=arguments.port, kafka=True, sink=arguments.sink)
    try:
        system.start()
    except BaseException:
        system.stop()
        raise
    print(f"ready: {system.base_url}")
    return 0


def database(arguments):
    system = System(arguments.state, build_dir=arguments.build, user=arguments.user, settings={})
    try:
        system.start_postgres()
        system.migrate()
    except BaseException:
        system.stop()
        raise
    return 0


def down(arguments):
    System(arguments.state, user=arguments.user).stop()
    return 0


def status(arguments):
    found = System(arguments.state, user=arguments.user).status()
    for part, pid in found.items():
        print(f"{part:<14} {'pid ' + str(pid) if pid else 'not running'}")
    return 0 if all(found.values()) else 1


def env(arguments):
    system = System(arguments.state, user=arguments.user)
    shown = {"AG_URL": system.base_url, "AG_GRPC_ADDRESS": system.grpc_address,
             "AG_OWNER_DSN": system.owner_dsn,
             "AG_SERVICE_DSN": system.service_dsn, "AG_LOGS": system.state_dir / "logs",
             **system.database.client_settings()}
    if system.kafka:
        shown["AG_KAFKA_BROKERS"] = system.settings.get("KAFKA_BROKERS", "")
    if system.sink:
        shown["AG_SINK_URL"] = system.sink.url("")
    for name, value in shown.items():
        print(f"{name}={shlex.quote(str(value))}")
    return 0


def hold(arguments):
    system = System(arguments.state, user=arguments.user)
    told = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
    signal.pthread_sigmask(signal.SIG_BLOCK, told)
    ended = []
    while not ended and signal.sigtimedwait(told, 1) is None:
        ended = [part for part, pid in system.status().items() if pid is None]
    if not (arguments.state / "system.json").exists():
        return 0  # stopped by another command, and removed
    with locked(arguments.state):
        if not any(system.status().values()):
            return 0  # stopped by another command
        if ended:
            print(f"ended: {', '.join(ended)}; see {system.state_dir / 'logs'}", file=sys.stderr)
        print("stopping", flush=True)
        system.stop()
    return 1 if ended else 0


def main():
    commands = {"up": up, "database": database, "down": down, "status": status, "env": env,
                "hold": hold}
    parser = argparse.ArgumentParser(description="Start and stop Availability Guard on loopback.")
    parser.add_argument("command", choices=commands)
    parser.add_argument("--state", required=True, type=Path, help="state folder")
    parser.add_argument("--build", type=Path, help="build folder or installation prefix (up)")
    parser.add_argument("--sink", action="store_true", help="with the webhook sink (up)")
    parser.add_argument("--port", type=int, help="HTTP port (up; default PORT, else a free one)")
    parser.add_argument("--user", help="account for the parts when started by root (nobody)")
    arguments = parser.parse_args()
    if arguments.command in ("up", "database") and arguments.build is None:
        parser.error(f"{arguments.command} needs --build")
    if arguments.command in ("status", "env", "hold", "down") \
            and not (arguments.state / "system.json").exists():
        print(f"{arguments.state}: nothing was started here", file=sys.stderr)
        return 0 if arguments.command == "down" else 3
    try:
        if arguments.command in ("up", "database"):
            make_reachable(arguments.state)
        if arguments.command in ("up", "database", "down"):
            with locked(arguments.state):
                return commands[arguments.command](arguments)
        return commands[arguments.command](arguments)
    except (PartFailed, OSError) as failure:
        print(f"system.py: {failure}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 128 + signal.SIGINT


if __name__ == "__main__":
    sys.exit(main())
