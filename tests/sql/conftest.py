"""Fixtures of the tests of sql/. DATABASE_URL names the cluster; see tests/sql/run."""

import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

import scratch  # noqa: E402  (beside this file)


def pytest_configure(config):
    if not os.environ.get("DATABASE_URL"):
        raise pytest.UsageError("DATABASE_URL is not set (see tests/sql/run --help)")


@pytest.fixture
def role():
    with scratch.service_role() as name:
        yield name


@pytest.fixture
def empty(role):
    """Name of a database without anything in it."""
    with scratch.database() as name:
        yield name


@pytest.fixture
def migrated(empty, role):
    """Name of a database at the newest version, with the service's role."""
    done = scratch.migrate(empty, "--role", role)
    assert done.returncode == 0, done.stderr
    return empty
