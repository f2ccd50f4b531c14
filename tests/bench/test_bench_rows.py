"""The witnesses of a row: when they don't agree there is no figure."""

import dataclasses

import pytest

from bench_lib import rows
from bench_lib.failure import BenchFailed

RESULT = {"requests": 1000, "not_ok": 10, "errors": 0}


def check(row=rows.HEADLINE, result=None, statuses=None, added=990):
    rows.check(row, 64, {**RESULT, **(result or {})}, statuses or {200: 990, 409: 10}, added)


def test_witnesses_that_agree():
    check()


def test_requests_that_were_under_way_at_the_end():
    check(statuses={200: 1050, 409: 12}, added=1050)


@pytest.mark.parametrize("wrong", [
    {"result": {"errors": 1}},
    {"statuses": {200: 990, 409: 9, 503: 1}},
    {"statuses": {200: 989, 409: 10}},
    {"statuses": {200: 1100, 409: 10}},
    {"added": 989},
    {"added": 1055},
    {"result": {"not_ok": 100}, "statuses": {200: 900, 409: 100}, "added": 900},
])
def test_witnesses_that_don_t(wrong):
    with pytest.raises(BenchFailed):
        check(**wrong)


def test_a_row_whose_locks_cannot_be_counted():
    row = dataclasses.replace(rows.HEADLINE, counted="")
    check(row, added=None)


def test_the_rows_that_are_chosen():
    assert rows.chosen([]) == list(rows.ROWS)
    assert [row.name for row in rows.chosen(["hot", "headline"])] == ["headline", "hot"]
    with pytest.raises(BenchFailed, match="no such row: nonsense"):
        rows.chosen(["hot", "nonsense"])
