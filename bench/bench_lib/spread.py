"""Median, least and most of a few runs; percentiles of many times."""

import math
import statistics
from dataclasses import dataclass


def percentile(ordered, share):
    """The nearest-rank percentile of values in ascending order."""
    if not ordered:
        raise ValueError("no values")
    return ordered[max(0, math.ceil(len(ordered) * share / 100) - 1)]


@dataclass(frozen=True)
class Spread:
    median: float
    least: float
    most: float

    @staticmethod
    def of(values):
        values = list(values)
        return Spread(statistics.median(values), min(values), max(values))

    def overlaps(self, other):
        """Whether the runs of both have met the same values: then nothing is proved."""
        return self.least <= other.most and other.least <= self.most
