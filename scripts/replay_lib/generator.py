"""The generator: seeded bookings that look like the real ones.

The same number and seed give the same bookings, on any machine. The density is
the real one: fewer bookings fill fewer days, not emptier hotels; more of them go
through the weeks of the profile again. Bookings come in groups as the real ones
do; beyond that each statistic is drawn by itself.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import replace
from datetime import date, timedelta
from itertools import accumulate
from random import Random
from typing import Any, Generic, Iterator, Mapping, Sequence, TypeVar

from .bookings import CANCELED, CHECKED_OUT, Booking
from .profile import STEPS, WEEK_DAYS, Profile, load_profile

T = TypeVar("T")


class Weighted(Generic[T]):
    """Values drawn in proportion to their counts."""

    def __init__(self, counts: Mapping[T, int]) -> None:
        self._values = list(counts)
        self._sums = list(accumulate(counts.values()))

    def draw(self, random: Random) -> T:
        """One value."""
        at = bisect_right(self._sums, random.random() * self._sums[-1])
        return self._values[min(at, len(self._values) - 1)]


class Quantiles:
    """Numbers with the distribution that the points of a profile describe."""

    def __init__(self, points: Sequence[float]) -> None:
        assert len(points) == STEPS + 1
        self._points = points

    def draw(self, random: Random) -> float:
        """One number, linear between two points."""
        place = random.random() * STEPS
        low = int(place)
        return self._points[low] + (self._points[low + 1] - self._points[low]) * (place - low)


class HotelGenerator:
    """Draws the bookings of one hotel."""

    def __init__(self, name: str, statistics: dict[str, Any], random: Random) -> None:
        self._name = name
        self._random = random
        self._first = date.fromisoformat(statistics["first_arrival"])
        self._weeks: list[int] = statistics["arrivals_by_week"]
        sizes = statistics["group_sizes"]
        self._sold = Weighted({(kind, outcome): sum(tally.values())
                               for kind, outcomes in sizes.items()
                               for outcome, tally in outcomes.items()})
        self._size = {kind: _weighted_by(outcomes) for kind, outcomes in sizes.items()}
        self._assigned = {outcome: _weighted_by(types)
                          for outcome, types in statistics["assigned_type"].items()}
        self._nights = Weighted(statistics["nights"])
        self._lead = {outcome: Quantiles(points)
                      for outcome, points in statistics["lead_days"].items()}
        self._notice = Quantiles(statistics["notice_share"])
        self._changes = Weighted(statistics["changes"])
        self._channel = Weighted(statistics["channel"])

    def bookings(self, number: int) -> Iterator[Booking]:
        """As many bookings, by day of arrival, not yet numbered."""
        arrivals = sorted(self._arrivals(number))
        at = 0
        while at < number:
            group = self._group(arrivals[at])[:number - at]
            yield from group
            at += len(group)

    def _arrivals(self, number: int) -> Iterator[date]:
        """Fills the weeks of the profile one after the other; the last only in part."""
        week = 0
        while number > 0:
            full = self._weeks[week % len(self._weeks)]
            taken = min(number, full)
            days = -(-WEEK_DAYS * taken // full) if full else 0
            for _ in range(taken):
                yield self._first + timedelta(days=week * WEEK_DAYS + self._below(days))
            number -= taken
            week += 1

    def _group(self, arrival: date) -> list[Booking]:
        """Bookings of one day, for the same days and type, that end alike."""
        reserved, outcome = self._sold.draw(self._random)
        size = int(self._size[reserved][outcome].draw(self._random))
        nights = int(self._nights.draw(self._random))
        lead = int(self._lead[outcome].draw(self._random))
        first = Booking(
            booked_on=arrival - timedelta(days=lead), number=0, hotel=self._name,
            arrival=arrival, nights=nights, reserved_type=reserved, assigned_type=reserved,
            changes=int(self._changes.draw(self._random)), outcome=outcome,
            outcome_on=self._outcome_on(outcome, arrival, nights, lead),
            channel=self._channel.draw(self._random))
        return [replace(first, assigned_type=self._assigned[outcome][reserved].draw(self._random))
                for _ in range(size)]

    def _outcome_on(self, outcome: str, arrival: date, nights: int, lead: int) -> date:
        if outcome == CHECKED_OUT:
            return arrival + timedelta(days=nights)
        if outcome == CANCELED:
            return arrival - timedelta(days=round(self._notice.draw(self._random) * lead))
        return arrival

    def _below(self, limit: int) -> int:
        return int(self._random.random() * limit)


def generate(number: int, seed: int, profile: Profile | None = None) -> list[Booking]:
    """`number` bookings in the order in which they were made."""
    profile = profile or load_profile()
    random = Random(seed)
    drawn: list[Booking] = []
    for name, share in _shares(number, profile).items():
        drawn.extend(HotelGenerator(name, profile[name], random).bookings(share))
    numbered = [replace(booking, number=at) for at, booking in enumerate(drawn, start=1)]
    return sorted(numbered, key=lambda booking: (booking.booked_on, booking.number))


def _shares(number: int, profile: Profile) -> dict[str, int]:
    """Deals the bookings to the hotels as the profile has them; nothing is lost by rounding."""
    sums = list(accumulate(statistics["bookings"] for statistics in profile.values()))
    ends = [round(number * end / sums[-1]) for end in sums]
    return {name: end - start for name, start, end in zip(profile, [0] + ends, ends)}


def _weighted_by(tallies: Mapping[str, Mapping[str, int]]) -> dict[str, Weighted[str]]:
    return {name: Weighted(counts) for name, counts in tallies.items()}
