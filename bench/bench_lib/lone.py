"""A lone client of the service and one of pgbench, in short turns: a virtual machine may be half as
fast again for some seconds as for the next ones, and then two long measurements say nothing."""

from . import floor, rows

TURNS = 5
TURN_SECONDS_MAX = 2


def take_turns(bed, seconds):
    """[{"service", "floor"}]: new locks, each on an empty table."""
    seconds = min(seconds, TURN_SECONDS_MAX)
    return [{"service": rows.run(bed, rows.HEADLINE, 1, seconds),
             "floor": floor.run(bed, 1, seconds)} for _ in range(TURNS)]


def ratios(turns, name):
    """How many times as long as pgbench's client the service's waits, of each turn."""
    return [turn["service"][name] / turn["floor"][name] for turn in turns]
