"""The command line, and the order in which things are done."""

from __future__ import annotations

import argparse
import os
import secrets
import signal
import sys
import time
from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Iterable, Sequence

from .bookings import Booking, read_bookings, write_bookings
from .client import Address, parse_url
from .crew import Task, run_crew
from .database import check_database
from .errors import InputError, ReplayError
from .events import events_by_hotel
from .generator import generate
from .hotel import build_hotel
from .model import Prediction, predict
from .occupancy import Occupancy, occupancy_of, span_nights
from .outcome import count
from .profile import write_profile
from .progress import Progress
from .report import Report, to_text, write_json
from .stay import Stay, shift_weeks, stay_of, to_instant
from .verdict import check_ttl, compare
from .worker import HotelResult

EXIT_OK = 0
EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_INTERRUPTED = 130

URL_DEFAULT = "http://127.0.0.1:3800"
GENERATED_DEFAULT = 500
GENERATED_MAX = 1_000_000
SEED_DEFAULT = 1

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


@dataclass(frozen=True)
class Plan:
    """What is to be played."""

    run: str
    source: str
    bookings: list[Booking]
    weeks: int
    tasks: list[Task]
    predictions: dict[str, Prediction]

    def events(self) -> int:
        """The number of events of all hotels."""
        return sum(len(task.events) for task in self.tasks)


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns the exit code."""
    options = _parse_arguments(arguments)
    # As Ctrl-C: the workers are ended with us.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return _run(options)
    except InputError as error:
        print(f"replay: {error}", file=sys.stderr)
        return EXIT_USAGE
    except ReplayError as error:
        print(f"replay: {error}", file=sys.stderr)
        return EXIT_FAILED
    except KeyboardInterrupt:
        print("\nreplay: interrupted", file=sys.stderr)
        return EXIT_INTERRUPTED


def _run(options: argparse.Namespace) -> int:
    source, bookings = _load_bookings(options)
    if options.write_csv is not None:
        return _write_csv(bookings, options.write_csv)
    if options.write_profile is not None:
        write_profile(bookings, options.write_profile)
        return EXIT_OK
    address = parse_url(options.url)
    plan = make_plan(source, bookings, options.tenant_seed or secrets.token_hex(6))
    _announce(plan, address, options)
    report = _predict_only(plan) if options.model_only else _replay(plan, address, options)
    if options.json is not None:
        write_json(report, options.json)
    sys.stdout.write(report.verdict() + "\n" if options.quiet and report.agrees()
                     else to_text(report))
    return EXIT_OK if report.agrees() else EXIT_FAILED


def make_plan(source: str, bookings: list[Booking], run: str) -> Plan:
    """Hotels, events and their predicted outcomes."""
    weeks = shift_weeks(bookings, datetime.now(timezone.utc).date())
    tasks = [Task(build_hotel(name, run), events)
             for name, events in events_by_hotel(bookings).items()]
    predictions = {task.hotel.name: predict(task.hotel, task.events, weeks) for task in tasks}
    return Plan(run, source, bookings, weeks, tasks, predictions)


def _replay(plan: Plan, address: Address, options: argparse.Namespace) -> Report:
    progress = Progress(sys.stderr, plan.events(), options.quiet)
    start = time.monotonic()
    try:
        results = run_crew(address, _longest_first(plan), plan.weeks, options.jobs, progress.show)
    finally:
        progress.end()
    seconds = time.monotonic() - start
    report = _report(plan, _held_by_service(results))
    report.seconds = seconds
    report.service = {task.hotel.name: count(results[task.hotel.name].outcomes)
                      for task in plan.tasks}
    report.requests = sum(result.requests for result in results.values())
    report.repeats = sum((result.repeats for result in results.values()), Counter())
    report.differences = _differences(plan, results, seconds, options.check_database)
    return report


def _longest_first(plan: Plan) -> list[Task]:
    """The most requests first, so that with few jobs none is left alone at the end."""
    def requests(task: Task) -> int:
        return count(plan.predictions[task.hotel.name].outcomes).requests()

    return sorted(plan.tasks, key=requests, reverse=True)


def _differences(plan: Plan, results: dict[str, HotelResult], seconds: float,
                 conninfo: str | None) -> list[str]:
    found = check_ttl(results.values(), seconds)
    for task in plan.tasks:
        name = task.hotel.name
        found += compare(task, plan.predictions[name], results[name])
    if conninfo is not None:
        found += check_database(conninfo, [task.hotel for task in plan.tasks], plan.predictions)
    return found


def _predict_only(plan: Plan) -> Report:
    return _report(plan, {name: [(held.room_id, held.stay) for held in prediction.held.values()]
                          for name, prediction in plan.predictions.items()})


def _report(plan: Plan, held: dict[str, list[tuple[str, Stay]]]) -> Report:
    return Report(
        run=plan.run, source=plan.source, bookings=len(plan.bookings), weeks=plan.weeks,
        events=plan.events(), tenants={task.hotel.name: task.hotel.tenant_id
                                       for task in plan.tasks},
        model={name: count(prediction.outcomes) for name, prediction in plan.predictions.items()},
        occupancy=_occupancy(plan, held))


def _occupancy(plan: Plan, held: dict[str, list[tuple[str, Stay]]]) -> list[Occupancy]:
    found: list[Occupancy] = []
    for task in plan.tasks:
        nights = span_nights(stay_of(event.booking, plan.weeks) for event in task.events)
        found += occupancy_of(task.hotel, held[task.hotel.name], nights)
    return found


def _held_by_service(results: dict[str, HotelResult]) -> dict[str, list[tuple[str, Stay]]]:
    return {name: [(lock.room_id, Stay(_to_hour(lock.stay_start), _to_hour(lock.stay_end)))
                   for lock in result.locks]
            for name, result in results.items()}


def _to_hour(text: str) -> int:
    return int((to_instant(text) - _EPOCH).total_seconds()) // 3600


def _announce(plan: Plan, address: Address, options: argparse.Namespace) -> None:
    if options.quiet:
        return
    where = "the model only" if options.model_only else f"http://{address.host_header()}"
    print(f"replaying {len(plan.bookings):,} bookings ({plan.source}) against {where}")
    print(f"run {plan.run} (repeat with --tenant-seed {plan.run}), "
          f"all days {plan.weeks} weeks later")
    for task in plan.tasks:
        rooms = sum(len(kind.rooms) for kind in task.hotel.types.values())
        print(f"  hotel {task.hotel.name}: tenant {task.hotel.tenant_id}, {rooms} rooms")
    print(flush=True)


def _load_bookings(options: argparse.Namespace) -> tuple[str, list[Booking]]:
    """Where the bookings come from, and the bookings."""
    if options.bookings is not None:
        return options.bookings, read_bookings(options.bookings, options.limit)
    bookings = generate(options.generate, options.seed)
    return f"generated, seed {options.seed}", bookings[:options.limit]


def _write_csv(bookings: Iterable[Booking], path: str) -> int:
    if path == "-":
        write_bookings(bookings, sys.stdout)
        return EXIT_OK
    try:
        with open(path, "w", encoding="utf-8", newline="") as file:
            write_bookings(bookings, file)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from error
    return EXIT_OK


def _parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="replay", allow_abbrev=False,
        description="Replays hotel bookings against a running availability guard and compares "
                    "what happened with a model computed offline. Exit codes: 0 they agree, "
                    "1 they differ or the service failed, 2 wrong arguments or bookings file.")
    parser.add_argument("--url", default=URL_DEFAULT, help="the service (default %(default)s)")
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--bookings", metavar="FILE", help="bookings as CSV")
    source.add_argument("--generate", metavar="N", type=_number_up_to(GENERATED_MAX),
                        default=GENERATED_DEFAULT,
                        help="so many generated bookings (default %(default)s)")
    parser.add_argument("--seed", metavar="S", type=_number_up_to(2**63), default=SEED_DEFAULT,
                        help="the seed of the generator (default %(default)s)")
    parser.add_argument("--limit", metavar="N", type=_number_up_to(10**9),
                        help="only the first N bookings")
    parser.add_argument("--tenant-seed", metavar="TEXT",
                        help="all ids of the run are derived from this text (default random)")
    parser.add_argument("--jobs", metavar="N", type=_number_up_to(1024),
                        default=os.cpu_count() or 1,
                        help="processes at a time; a hotel is one (default %(default)s)")
    parser.add_argument("--quiet", action="store_true",
                        help="no progress, and only the verdict where all is well")
    parser.add_argument("--json", metavar="FILE", help="write the report as JSON as well")
    parser.add_argument("--check-database", metavar="CONNINFO",
                        help="also look at the rows, with psql (a libpq URI or keywords)")
    instead = parser.add_mutually_exclusive_group()
    instead.add_argument("--model-only", action="store_true",
                         help="send nothing: print what the model predicts")
    instead.add_argument("--write-csv", metavar="FILE",
                         help="send nothing: write the bookings as CSV (- is stdout)")
    instead.add_argument("--write-profile", metavar="FILE",
                         help="send nothing: measure the bookings for the generator")
    return parser.parse_args(arguments)


def _number_up_to(high: int):
    """An argument type: a whole number from 1 to `high`."""
    def convert(text: str) -> int:
        if not (text.isascii() and text.isdigit()) or not 1 <= int(text[:20]) <= high:
            raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 to {high}")
        return int(text)

    return convert
