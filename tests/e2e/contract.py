"""Answers of the service must be what docs/openapi.json says they are, whatever a test asks."""

import collections
import itertools
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1] / "openapi"))

# pylint: disable=wrong-import-position
from document import Contract

# Of each kind of answer so many are looked at, and then some: it takes half a millisecond.
FIRST = 25
ONE_OF = 50

CONTRACT = Contract()
SEEN = collections.defaultdict(itertools.count)


def check_documented(method, path, answer):
    kind = (method, CONTRACT.path_of(path), answer.status)
    seen = next(SEEN[kind])
    if seen < FIRST or seen % ONE_OF == 0:
        wrong = CONTRACT.wrong(method, path, answer.status, answer.headers, answer.body)
        assert not wrong, f"{method} {path} is not as documented: {wrong}: {answer}"
