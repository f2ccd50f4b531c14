"""The outbox beside transactions that are still open, and the word that there is something in it."""

import random
import select
import threading
import uuid

import pytest

from sessions import TENANTS, Request, Session, in_threads

WRITE = ("INSERT INTO guard.outbox (stream, event_id, event_type, tenant_id, lock_id, payload,"
         " created_at) VALUES ('notification', %s, 'type', %s, %s, '{}', clock_timestamp())")
READ = ("SELECT * FROM guard.read_stream(%s, %s, %s::pg_snapshot, %s, %s, %s::pg_snapshot,"
        " 9223372036854775807, 0, %s, 1000, 1000000)")
SNAPSHOT = "SELECT pg_current_snapshot()::text, guard.outbox_top()"
LAST = 2**31 - 1  # an ordinal behind all others


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


def number_of(event):
    return event.event_id.int


def numbers(events):
    return [number_of(event) for event in events]


class Mark:
    """Up to which number rows are settled, as the relay finds out."""

    def __init__(self, session):
        self._session = session
        self.settled = self._next = 0
        self._writers = []

    def move(self):
        (top, writers, still_open), = self._session.execute(
            "SELECT * FROM guard.outbox_writers(%s::text[])", (self._writers,))
        if not still_open:
            self.settled = self._next if writers else top
            self._next, self._writers = top, writers
        return self.settled


class Reader:
    """Reads windows of both streams as the relay does. What it has read stays in the table until
    delete()."""

    def __init__(self, session, page=100, span=50000):
        self._session = session
        self._page = page
        self._span = span
        self._past = None
        self._settled = 0  # before the window
        self._open = []
        self.mark = Mark(session)

    def window(self):
        """All events of the next window."""
        (now, top), = self._session.execute(SNAPSHOT)
        found = [event for announcements in (True, False)
                 for event in self._stream(announcements, now, top)]
        found.sort(key=lambda event: (event.id, event.ordinal))
        self._past, self._settled = now, self.mark.settled
        self._open += found
        return found

    def _stream(self, announcements, now, top):
        place, found = (self._settled, LAST), []
        while place[0] < top:
            to = min(place[0] + self._span, top)
            events = self._session.execute(READ, (announcements, to, now, *place, self._past,
                                                  self._page))
            found += events
            more = bool(events) and events[0].more
            place = (events[-1].id, events[-1].ordinal) if more else (to, LAST)
        return found

    def delete(self, keep=0):
        """Takes out the rows of what has been read, but for those of the last few events."""
        done = {event.id for event in self._open[:len(self._open) - keep]}
        done -= {event.id for event in self._open[len(self._open) - keep:]}
        self._open = [event for event in self._open if event.id not in done]
        assert self._session.execute("SELECT guard.delete_events(%s::bigint[])", (list(done),)) \
            == [(len(done),)]


def test_what_is_open_holds_up_nothing_else(open_session):
    one, two, reader = open_session(), open_session(), Reader(open_session())
    write(two, 1)
    one.begin()
    write(one, 2)
    write(two, 3)
    assert numbers(reader.window()) == [1, 3]
    one.end()
    write(two, 4)
    assert numbers(reader.window()) == [2, 4], "it appears before places that were read"
    assert reader.window() == []


def test_what_is_committed_during_a_window_is_in_the_next(open_session):
    one, two, session = open_session(), open_session(), open_session()
    one.begin()
    write(one, 1)
    for number in range(2, 7):
        write(two, number)
    (now, top), = session.execute(SNAPSHOT)
    first = session.execute(READ, (True, top, now, 0, 0, None, 2))
    one.end()
    write(two, 7)
    rest = session.execute(READ, (True, top, now, first[-1].id, first[-1].ordinal, None, 100))
    assert (numbers(first), numbers(rest)) == ([2, 3], [4, 5, 6])
    (then, top), = session.execute(SNAPSHOT)
    assert numbers(session.execute(READ, (True, top, then, 0, 0, now, 100))) == [1, 7]


def test_what_is_undone_is_never_read(open_session):
    one, reader = open_session(), Reader(open_session())
    one.begin()
    write(one, 1)
    assert reader.window() == []
    one.end("ROLLBACK")
    assert reader.window() == []


def test_a_savepoint_changes_no_order(open_session):
    one, two, reader = open_session(), open_session(), Reader(open_session())
    one.begin()
    write(one, 1)
    write(two, 3)
    one.execute("SAVEPOINT s")
    write(one, 2)
    one.end()
    assert numbers(reader.window()) == [1, 3, 2]


def test_what_is_settled_is_behind_all_that_can_appear(open_session):
    """By the numbers of transactions it would not be. When the second one writes, neither is below
    the end of what a snapshot sees, and when the first one ends, nothing below it is open."""
    one, two, three, reader = (open_session() for _ in range(4))
    reader = Reader(reader)
    write(three, 1)
    top = reader.mark.move()
    assert numbers(reader.window()) == [1] and reader.mark.settled == top
    one.begin()
    two.begin()
    write(one, 2)
    write(two, 3)
    (xmax,), = three.execute("SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint")
    assert reader.mark.move() == top
    one.end()
    (xmin,), = three.execute("SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint")
    assert xmin >= xmax and reader.mark.move() == top
    assert numbers(reader.window()) == [2]
    for number in range(4, 8):
        write(three, number)
        assert reader.mark.move() == top
        assert numbers(reader.window()) == [number]
    two.end()
    assert numbers(reader.window()) == [3]
    assert reader.mark.move() > top + 2
    assert reader.window() == []
    write(three, 8)
    assert numbers(reader.window()) == [8]


def test_who_wrote_later_does_not_matter(open_session):
    """Settled is what had been drawn when those who wrote then had not begun."""
    one, two, mark = open_session(), open_session(), Mark(open_session())
    one.begin()
    write(one, 1)
    assert mark.move() == 0
    two.begin()
    write(two, 2)
    assert mark.move() == 0
    one.end()
    assert mark.move() == 1
    two.end()
    assert mark.move() == 2


def test_who_does_not_write_here_does_not_matter(open_session, migrated):
    """However long their transactions are open, and whatever they hold."""
    one, two, three, mark = (open_session() for _ in range(4))
    mark = Mark(mark)
    one.begin()
    one.lock(Request(1, 0, 1, room=1))
    one.end()
    one.begin()
    one.execute("DECLARE c CURSOR FOR SELECT * FROM guard.outbox")
    two.begin()
    two.execute("SELECT pg_current_xact_id()")
    owner = Session(migrated)
    owner.begin()
    owner.execute("CREATE TABLE another (a integer)")
    write(three, 2)
    (_, top), = three.execute(SNAPSHOT)
    assert mark.move() == top == 2
    for session in (one, two, owner):
        session.end("ROLLBACK")
    owner.close()


def test_savepoints_settle_what_they_undo(open_session):
    one, mark = open_session(), Mark(open_session())
    one.begin()
    one.execute("SAVEPOINT s")
    write(one, 1)
    one.execute("ROLLBACK TO s")
    assert mark.move() == 1, "its only row can never appear"
    one.execute("SAVEPOINT t")
    write(one, 2)
    one.execute("RELEASE t")
    assert mark.move() == 1 == mark.move()
    one.end("ROLLBACK")
    assert mark.move() == 2


@pytest.mark.parametrize("end", ["COMMIT PREPARED 'p'", "ROLLBACK PREPARED 'p'"])
def test_who_is_prepared_still_writes(open_session, end):
    one, two, reader = open_session(), open_session(), Reader(open_session())
    one.begin()
    write(one, 1)
    write(two, 2)
    assert reader.mark.move() == 0
    one.end("PREPARE TRANSACTION 'p'")
    assert numbers(reader.window()) == [2]
    assert reader.mark.move() == 0 == reader.mark.move()
    one.execute(end)
    assert numbers(reader.window()) == ([1] if end.startswith("COMMIT") else [])
    assert reader.mark.move() == 2
    # Nobody knows under which name it wrote: so also when it was prepared before it was seen.
    one.begin()
    write(one, 3)
    one.end("PREPARE TRANSACTION 'p'")
    assert reader.mark.move() == 2 == reader.mark.move()
    one.execute(end)
    assert reader.mark.move() == 3


def test_numbers_are_drawn_one_by_one(open_session):
    """A session that keeps some in store would use them later than larger ones were drawn."""
    assert open_session().execute("SELECT seqcache, seqincrement, seqcycle FROM pg_sequence"
                                  " WHERE seqrelid = 'guard.outbox_id_seq'::regclass") \
        == [(1, 1, False)]


def told(events, lock):
    """What the events say of a lock, with the numbers of their transactions."""
    return [event.event_type.removeprefix("inventory.") for event in events
            if event.lock_id.int == lock]


@pytest.mark.parametrize("bystander", [False, True])
def test_the_order_of_a_lock_is_not_that_of_transaction_numbers(open_session, bystander):
    """A transaction has its number, and waits for a row that a later one has changed.

    The bystander's number lies between theirs, and stays open: so everything below the oldest open
    transaction is the release, and what it released is not in it."""
    one, two, three = open_session(), open_session(), open_session()
    reader = Reader(open_session())
    one.begin()
    (early,), = one.execute("SELECT pg_current_xact_id()::text::bigint")
    if bystander:
        three.begin()
        three.execute("SELECT pg_current_xact_id()")
    two.begin()
    two.lock(Request(1, 0, 1, room=1))
    (late,), = two.execute("SELECT pg_current_xact_id()::text::bigint")
    two.end()
    assert one.release((TENANTS[0], uuid.UUID(int=1)))[0].outcome == "RELEASED"
    one.end()
    assert early < late, "by transactions, the release would come first"
    events = reader.window()
    if bystander:
        three.end()
        events += reader.window()
    assert told(events, 1) == ["locked", "released"]
    assert reader.window() == []


def test_a_reader_that_goes_on_has_every_lock_in_its_order(open_session):
    """Transactions of any length on a few locks, some undone, beside some that only last."""
    writers, turns, ids = 6, 60, 8
    seen, settled, left, lock = [], [], [writers], threading.Lock()

    def work(number):
        session, dice = open_session(), random.Random(number)
        for _ in range(turns):
            mine = sorted(dice.sample(range(1, ids + 1), dice.randint(1, 3)))
            session.begin()
            if dice.random() < 0.5:
                session.execute("SELECT pg_current_xact_id()")
            session.execute("SELECT pg_sleep(%s)", (dice.random() * 0.01,))
            if dice.random() < 0.5:
                session.lock(*(Request(i, 0, 1, room=i) for i in mine))
            else:
                session.release(*((TENANTS[0], uuid.UUID(int=i)) for i in mine))
            session.execute("SELECT pg_sleep(%s)", (dice.random() * 0.003,))
            session.end("ROLLBACK" if dice.random() < 0.2 else "COMMIT")
        with lock:
            left[0] -= 1

    def follow():
        reader, dice = Reader(open_session(), page=3, span=7), random.Random(99)
        while True:
            with lock:
                finished = left[0] == 0
            if dice.random() < 0.5:
                settled.append(reader.mark.move())
            events = reader.window()
            seen.extend(events)
            reader.delete(keep=0 if finished else dice.randint(0, 5))
            if finished and not events:
                return

    in_threads(writers + 1, lambda number: work(number) if number < writers else follow())
    session = open_session()
    assert session.execute("SELECT count(*) FROM guard.outbox") == [(0,)]
    assert len({(e.id, e.ordinal) for e in seen}) == len(seen) > 200, "an event was read twice"
    assert len(set(settled)) > 10, "nothing was settled meanwhile"
    for number in range(1, ids + 1):
        mine = [event for event in seen if event.lock_id.int == number]
        for before, after in zip(mine, mine[1:]):
            if after.event_type == "inventory.released":
                assert before.event_type == "inventory.locked"
                assert before.fencing_token == after.fencing_token
            elif before.event_type == "inventory.released":
                assert before.fencing_token < after.fencing_token
            else:  # a renewal
                assert before.fencing_token == after.fencing_token
                assert before.expires_at < after.expires_at
        (status, token), = session.execute("SELECT status, fencing_token FROM"
                                           " inventory_locks_shadow WHERE id = %s",
                                           (uuid.UUID(int=number),))
        assert mine[-1].fencing_token == token
        assert (mine[-1].event_type == "inventory.released") == (status == "RELEASED")


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
