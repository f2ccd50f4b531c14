"""Commands that several perform at the same time: each has its effect once, and nobody waits for
each other in a circle."""

import random
import threading
import uuid

import psycopg2
import pytest

from sessions import TENANTS, Background, Request, Session, in_threads, start_grant_log

SESSIONS = 6


@pytest.fixture
def open_session(migrated, role):
    sessions = []
    lock = threading.Lock()

    def make(user=role):
        session = Session(migrated, user)
        with lock:
            sessions.append(session)
        return session
    yield make
    for session in sessions:
        session.close()


@pytest.fixture
def owner(open_session):
    session = open_session(None)
    start_grant_log(session)
    return session


def test_a_command_under_way_is_waited_for(open_session, owner):
    one, two = open_session(), open_session()
    lock = Request(1, 0, 1, room=1)
    one.begin()
    assert one.perform_locks(("a", lock)) == [(1, "LOCKED")]
    call = Background(owner, two, lambda: two.perform_locks(("a", lock), ("b", Request(2, 0, 1))))
    call.wait_blocked()
    one.end()
    assert call.result() == [(1, "DUPLICATE"), (2, "LOCKED")]


def test_a_command_that_comes_to_nothing_is_performed_by_who_waits(open_session, owner):
    one, two = open_session(), open_session()
    lock = Request(1, 0, 1, room=1)
    one.begin()
    assert one.perform_locks(("a", lock)) == [(1, "LOCKED")]
    call = Background(owner, two, lambda: two.perform_locks(("a", lock)))
    call.wait_blocked()
    one.end("ROLLBACK")
    assert call.result() == [(1, "LOCKED")]


def test_many_perform_the_same_commands(open_session, owner):
    """All of them perform all commands, in batches of their own choice: locks, each of which is
    moved by another command, and releases; beside requests that are no commands."""
    locks = [(f"lock {number}", Request(number, 0, 1, room=number, tenant=number % 2))
             for number in range(1, 121)]
    moves = [(f"move {number}", Request(number, 2, 3, room=number, tenant=number % 2))
             for number in range(1, 121)]
    releases = [(f"release {number}", request.tenant, request.id)
                for number, (_, request) in enumerate(locks[:60])]
    outcomes, deadlocks, guard = [], [], threading.Lock()

    def perform(call, commands, dice):
        todo = dice.sample(commands, len(commands))
        while todo:
            batch, todo = todo[:12], todo[12:]
            try:
                answers = call(*batch)
            except psycopg2.errors.DeadlockDetected:
                deadlocks.append(batch)
                continue
            with guard:
                outcomes.extend((batch[ordinal - 1][0], outcome) for ordinal, outcome in answers)

    def work(number):
        session, dice = open_session(), random.Random(number)
        if number == 0:
            for _ in range(60):
                try:
                    session.lock(*(Request(uuid.uuid4(), 5, 6, room=room) for room in
                                   dice.sample(range(1, 121), 8)))
                except psycopg2.errors.DeadlockDetected:
                    deadlocks.append(number)
            return
        perform(session.perform_locks, locks, dice)
        perform(session.perform_locks, moves, dice)
        perform(session.perform_releases, releases, dice)

    in_threads(SESSIONS, work)
    assert deadlocks == []
    effects = [name for name, outcome in outcomes if outcome != "DUPLICATE"]
    names = [command[0] for command in locks + moves + releases]
    assert sorted(effects) == sorted(names), "a command was performed twice, or never"
    assert len(outcomes) == len(names) * (SESSIONS - 1)
    ledger = owner.execute("SELECT command_id, outcome FROM guard.performed_commands")
    assert sorted(ledger) == sorted((name, outcome) for name, outcome in outcomes
                                    if outcome != "DUPLICATE")
    # A grant for each lock and each move that had its effect, and for nothing else.
    granted = [name for name, outcome in outcomes if outcome == "LOCKED"]
    (grants,), = owner.execute("SELECT count(*) FROM grant_log WHERE id <= %s",
                               (uuid.UUID(int=1000),))
    assert grants == len(granted)


def test_the_purge_of_commands_passes_over_rows_in_hand(open_session, owner):
    one, two = open_session(), open_session()
    one.perform_releases(*((f"c{number}", TENANTS[0], uuid.UUID(int=number))
                           for number in range(1, 6)))
    owner.execute("UPDATE guard.performed_commands SET created_at = now() - interval '9 days'")
    one.begin()
    one.execute("SELECT FROM guard.performed_commands WHERE command_id = 'c3' FOR UPDATE")
    two.execute("SET statement_timeout = '5s'")
    assert two.execute("SELECT guard.purge_commands(5, 100)") == [(4,)]
    one.end()
    assert two.execute("SELECT guard.purge_commands(5, 100)") == [(1,)]
