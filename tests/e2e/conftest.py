"""Fixtures: one system for the whole run, a fresh tenant for every test."""

import signal
import sys

import pytest

sys.dont_write_bytecode = True

# pylint: disable=wrong-import-position
from client import Client
from database import Database
from systems import check_steady, running
from tenant import Tenant

DEADLINE_SECONDS = 60


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_call(item):
    """Ends a test that hangs: a hang is a failure with a traceback, not a stuck run."""
    marker = item.get_closest_marker("deadline")
    seconds = marker.args[0] if marker else DEADLINE_SECONDS

    def overdue(_number, _frame):
        pytest.fail(f"not finished after {seconds} s")

    before = signal.signal(signal.SIGALRM, overdue)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@pytest.fixture(scope="session")
def system(request):
    with running(request.session) as started:
        started.pids_at_start = started.guard_pids()
        yield started


@pytest.fixture(scope="module")
def steady(system):
    """The guard processes of the common system outlive this module."""
    yield
    check_steady(system, system.pids_at_start)


@pytest.fixture(scope="session")
def database(system):
    found = Database(system.owner_dsn)
    yield found
    found.close()


@pytest.fixture
def client(system, steady):
    with Client(system.base_url) as made:
        yield made


@pytest.fixture
def tenants(system, steady):
    """Makes tenants of the common system."""
    made = []

    def make(**arguments):
        made.append(Tenant(system.base_url, **arguments))
        return made[-1]

    yield make
    for tenant in made:
        tenant.close()


@pytest.fixture
def tenant(tenants):
    return tenants()


@pytest.fixture
def other(tenants):
    """A second tenant, to be kept apart from the first."""
    return tenants()
