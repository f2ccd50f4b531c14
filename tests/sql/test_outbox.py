"""The outbox beside transactions that are still open, and the word that there is something in it."""

import random
import select
import threading
import uuid

import pytest

from sessions import TENANTS, Request, Session, in_threads

WRITE = ("INSERT INTO guard.outbox (stream, event_id, event_type, tenant_id, lock_id, payload,"
         " created_at) VALUES ('notification', %s, 'type', %s, %s, '{}', clock_timestamp())")


@pytest.fixture
def open_session(migrated, role):
    sessions = []
    lock = threading.Lock()

    def make():
        session = Session(migrated, role)
        with lock:
            sessions.append(session)
        return session
    yield make
    for session in sessions:
        session.close()


def write(session, number):
    session.execute(WRITE, (uuid.UUID(int=number), TENANTS[0], TENANTS[0]))


def read(session, behind=("0", 0), limit=100):
    return session.execute("SELECT * FROM guard.read_outbox(%s::xid8, %s, %s)", (*behind, limit))


def numbers(rows):
    return [row.event_id.int for row in rows]


def test_what_is_open_holds_up_what_came_after(open_session):
    one, two, reader = open_session(), open_session(), open_session()
    write(two, 1)
    one.begin()
    write(one, 2)
    write(two, 3)
    assert numbers(read(reader)) == [1], "3 would be read before 2"
    one.end()
    assert numbers(read(reader)) == [1, 2, 3]


def test_what_is_undone_holds_up_nothing_any_more(open_session):
    one, two, reader = open_session(), open_session(), open_session()
    one.begin()
    write(one, 1)
    write(two, 2)
    assert numbers(read(reader)) == []
    one.end("ROLLBACK")
    assert numbers(read(reader)) == [2]


def test_an_event_that_is_written_late_is_read_in_the_order_of_transactions(open_session):
    """Its transaction began before another one that has committed already."""
    one, two, reader = open_session(), open_session(), open_session()
    one.begin()
    one.execute("SELECT pg_current_xact_id()")
    write(two, 2)
    assert numbers(read(reader)) == []
    write(one, 1)
    one.end()
    rows = read(reader)
    assert numbers(rows) == [1, 2]
    assert int(rows[0].xid) < int(rows[1].xid) and rows[0].id > rows[1].id


def test_who_only_reads_holds_up_nobody(open_session):
    one, two, reader = open_session(), open_session(), open_session()
    one.begin()
    one.execute("SELECT count(*) FROM guard.outbox")
    write(two, 1)
    assert numbers(read(reader)) == [1]
    one.end()


def test_a_savepoint_changes_no_order(open_session):
    one, two, reader = open_session(), open_session(), open_session()
    one.begin()
    write(one, 1)
    write(two, 3)
    one.execute("SAVEPOINT s")
    write(one, 2)
    one.end()
    assert numbers(read(reader)) == [1, 2, 3]


def test_a_reader_that_goes_on_misses_nothing(open_session):
    """Transactions of any length, some undone, while somebody reads on from the last event."""
    writers, turns = 6, 60
    written, seen = set(), []
    lock = threading.Lock()
    left = [writers]

    def work(number):
        session, dice = open_session(), random.Random(number)
        for _ in range(turns):
            mine = [dice.getrandbits(100) for _ in range(dice.randint(1, 3))]
            session.begin()
            if dice.random() < 0.5:
                session.execute("SELECT pg_current_xact_id()")
            session.execute("SELECT pg_sleep(%s)", (dice.random() * 0.01,))
            for event in mine:
                write(session, event)
            undone = dice.random() < 0.2
            session.end("ROLLBACK" if undone else "COMMIT")
            if not undone:
                with lock:
                    written.update(mine)
        with lock:
            left[0] -= 1

    def follow():
        session, last = open_session(), ("0", 0)
        while True:
            with lock:
                finished = left[0] == 0
            rows = read(session, last, 7)
            seen.extend(rows)
            if rows:
                last = (rows[-1].xid, rows[-1].id)
                done, = session.execute("SELECT guard.delete_outbox(%s::xid8[], %s::bigint[])",
                                        ([row.xid for row in rows], [row.id for row in rows]))
                assert done == (len(rows),)
            elif finished:
                return

    in_threads(writers + 1, lambda number: work(number) if number < writers else follow())
    assert len(seen) == len(written) > 200
    assert {row.event_id.int for row in seen} == written
    order = [(int(row.xid), row.id) for row in seen]
    assert order == sorted(order)


class Listener:
    def __init__(self, session):
        self._connection = session._connection  # pylint: disable=protected-access
        session.execute("LISTEN guard_outbox")

    def heard(self, seconds):
        """Whether there is word within the time."""
        select.select([self._connection], [], [], seconds)
        self._connection.poll()
        notifies, self._connection.notifies[:] = list(self._connection.notifies), []
        assert all(notify.channel == "guard_outbox" for notify in notifies)
        return len(notifies) > 0


def test_word_of_a_release_comes_with_its_commit(open_session):
    one, listener = open_session(), Listener(open_session())
    one.lock(*(Request(number, 0, 1, room=number) for number in range(1, 6)))
    pairs = [(TENANTS[0], uuid.UUID(int=number)) for number in range(1, 6)]
    one.manual_release(pairs[0])
    assert not listener.heard(0.2), "nobody is to be told, but there was word"
    one.begin()
    one.manual_release(pairs[1], recipients='["x"]')
    assert not listener.heard(0.2), "before the commit"
    one.end()
    assert listener.heard(30)
    one.begin()
    one.manual_release(pairs[2], recipients='["x"]')
    one.end("ROLLBACK")
    assert not listener.heard(0.2), "of what was undone"
    one.manual_release(pairs[1], pairs[2], pairs[3], recipients='["x"]')
    assert listener.heard(30)
    one.manual_release(pairs[1], pairs[2], pairs[3], recipients='["x"]')
    assert not listener.heard(0.2), "nothing was released"
