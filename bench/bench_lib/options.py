"""What the command lines of bench/run, bench/growth and bench/overload have in common."""

import argparse
from pathlib import Path


def _setting(text):
    name, found, value = text.partition("=")
    if not found:
        raise argparse.ArgumentTypeError("NAME=VALUE")
    return name, value


def _count(text):
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("begins at 1")
    return number


def counts(text):
    """Numbers with commas between."""
    return [_count(number) for number in text.split(",") if number]


def parser(description, seconds, what):
    """With the options that all have; seconds is the default of --seconds, what its meaning."""
    made = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--build", type=Path, required=True, help="folder with the built programs")
    made.add_argument("--seconds", type=_count, default=seconds, help=f"{what} ({seconds})")
    made.add_argument("--postgres", type=_setting, action="append", default=[],
                      metavar="NAME=VALUE", help="a setting of PostgreSQL")
    made.add_argument("--json", type=Path, help="raw results")
    made.add_argument("--report", type=Path,
                      help="report in markdown; between its marks for these figures if it has them")
    return made


def add_pairs(made):
    made.add_argument("--pairs", type=_count, default=3, help="of floor and service (3)")
