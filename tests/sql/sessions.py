"""What the concurrency tests share: a session that calls the functions as the service does,
a log of every grant written by the database itself, and what must hold of both."""

import collections
import datetime
import threading
import uuid

import psycopg2
import psycopg2.extras

import scratch
from waiting import wait_until

psycopg2.extras.register_uuid()

TENANTS = [uuid.UUID(int=1), uuid.UUID(int=2)]
FIRST_DAY = datetime.datetime(2090, 1, 1, 12, tzinfo=datetime.timezone.utc)

_ARRAYS = ("%(tenants)s::uuid[], %(ids)s::uuid[], %(ids)s::uuid[], %(nulls)s::uuid[],"
           " %(nulls)s::uuid[], %(types)s::uuid[], %(rooms)s::uuid[], %(starts)s::timestamptz[],"
           " %(ends)s::timestamptz[], %(ttls)s::integer[], %(reasons)s::text[], %(nulls)s::text[],"
           " %(nulls)s::jsonb[]")
_LOCK = f"SELECT * FROM guard.lock_batch({_ARRAYS})"
_PERFORM = f"SELECT * FROM guard.perform_locks(%(commands)s::text[], {_ARRAYS}) ORDER BY ordinal"


def day(number):
    return FIRST_DAY + datetime.timedelta(days=number)


def _lock_arrays(requests):
    return {"tenants": [r.tenant for r in requests], "ids": [r.id for r in requests],
            "types": [r.type for r in requests], "rooms": [r.room for r in requests],
            "starts": [r.start for r in requests], "ends": [r.end for r in requests],
            "ttls": [r.ttl for r in requests], "reasons": ["TEST"] * len(requests),
            "nulls": [None] * len(requests)}


class Request:
    def __init__(self, id_, start, end, room=None, type_=1, tenant=0, ttl=86400):
        self.tenant = TENANTS[tenant]
        self.id = id_ if isinstance(id_, uuid.UUID) else uuid.UUID(int=id_)
        self.start, self.end = day(start), day(end)
        self.room = None if room is None else uuid.UUID(int=room)
        self.type = uuid.UUID(int=type_)
        self.ttl = ttl

    def place(self):
        return (self.tenant, "type" if self.room is None else "room", self.room or self.type)


class Session:
    """One connection as the service's role. begin() and end(): a transaction of several calls.

    free: what it takes for guard.free_batches before each batch, if not what it has seen."""

    def __init__(self, database, user=None, free=None, **changes):
        self._free = free
        self._connection = scratch.connect(database, **changes)
        self._cursor = self._connection.cursor(cursor_factory=psycopg2.extras.NamedTupleCursor)
        self.pid = self._connection.get_backend_pid()
        # A list would be cut to the last 50.
        self._connection.notices = self.notices = collections.deque()
        if user:
            self.execute(f"SET ROLE {user}")

    def execute(self, sql, values=None):
        self._cursor.execute(sql, values)
        return self._cursor.fetchall() if self._cursor.description else None

    def lock(self, *requests):
        """Answers by ordinal."""
        if self._free is not None:
            self.execute("SELECT set_config('availability_guard.free_batches', %s, false)",
                         [str(self._free)])
        answers = self.execute(_LOCK, _lock_arrays(requests))
        answers.sort(key=lambda a: a.ordinal)
        assert [a.ordinal for a in answers] == list(range(1, len(requests) + 1))
        return answers

    def release(self, *pairs):
        nulls = [None] * len(pairs)
        return self.execute(
            "SELECT * FROM guard.release_batch(%s::uuid[], %s::uuid[], %s::uuid[], %s::text[],"
            " %s::text[], %s::jsonb[], 'api') ORDER BY ordinal",
            ([tenant for tenant, _ in pairs], [id_ for _, id_ in pairs], nulls,
             ["TEST"] * len(pairs), nulls, nulls))

    def perform_locks(self, *pairs):
        """Pairs of a command's name and its request; (ordinal, outcome) by ordinal."""
        requests = [request for _, request in pairs]
        return self.execute(_PERFORM, {"commands": [name for name, _ in pairs],
                                       **_lock_arrays(requests)})

    def perform_releases(self, *triples):
        """Triples of a command's name, tenant and lock id."""
        nulls = [None] * len(triples)
        return self.execute(
            "SELECT * FROM guard.perform_releases(%s::text[], %s::uuid[], %s::uuid[], %s::uuid[],"
            " %s::text[], %s::text[], %s::jsonb[]) ORDER BY ordinal",
            ([name for name, _, _ in triples], [tenant for _, tenant, _ in triples],
             [id_ for _, _, id_ in triples], nulls, ["TEST"] * len(triples), nulls, nulls))

    def manual_release(self, *pairs, recipients=None, audits=None):
        """Answers by ordinal; audit ids are new where none are given."""
        nulls = [None] * len(pairs)
        answers = self.execute(
            "SELECT * FROM guard.manual_release_batch(%s::uuid[], %s::uuid[], %s::uuid[],"
            " %s::uuid[], %s::uuid[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[],"
            " %s::jsonb[], %s::jsonb[])",
            ([tenant for tenant, _ in pairs], [id_ for _, id_ in pairs], nulls,
             audits or [uuid.uuid4() for _ in pairs], [uuid.uuid4() for _ in pairs],
             ["TEST"] * len(pairs), ["ops"] * len(pairs), ["Alex"] * len(pairs), nulls, nulls,
             nulls, [recipients] * len(pairs)))
        answers.sort(key=lambda a: a.ordinal)
        assert [a.ordinal for a in answers] == list(range(1, len(pairs) + 1))
        return answers

    def begin(self):
        self.execute("BEGIN")

    def end(self, how="COMMIT"):
        self.execute(how)

    def close(self):
        self._connection.close()

    def is_blocked(self, pid):
        """Whether the session with this pid waits for another one."""
        return self.execute("SELECT cardinality(pg_blocking_pids(%s)) > 0", (pid,)) == [(True,)]


class Background:
    """A call in a thread of its own that is expected to wait for somebody."""

    def __init__(self, watcher, session, call):
        self._result = None
        self._session = session
        self._watcher = watcher
        self._thread = threading.Thread(target=self._run, args=(call,))
        self._thread.start()

    def _run(self, call):
        try:
            self._result = call()
        except BaseException as failure:  # pylint: disable=broad-except
            self._result = failure

    def wait_blocked(self):
        wait_until(lambda: self._watcher.is_blocked(self._session.pid), "the call waits")

    def result(self):
        self._thread.join(30)
        assert not self._thread.is_alive()
        if isinstance(self._result, BaseException):
            raise self._result
        return self._result


def in_threads(count, work):
    """Runs work(number) in count threads at once; raises what the first of them raised."""
    failures = []
    barrier = threading.Barrier(count)

    def run(number):
        try:
            barrier.wait(30)
            work(number)
        except BaseException as failure:  # pylint: disable=broad-except
            barrier.abort()
            failures.append(failure)
    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


def start_grant_log(owner):
    """Has the database log each grant (each new token) in the order in which rows are written.

    Grants that exclude each other are written one after the other, so for the locks of a
    resource this is the order of their commits, whatever the functions do."""
    owner.execute("""
        CREATE TABLE grant_log (seq bigserial, tenant_id uuid, id uuid, place text,
                                token bigint, xid xid8 DEFAULT pg_current_xact_id());
        CREATE FUNCTION log_grant() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
        BEGIN
            IF TG_OP = 'INSERT' OR NEW.fencing_token <> OLD.fencing_token THEN
                INSERT INTO public.grant_log (tenant_id, id, place, token)
                VALUES (NEW.tenant_id, NEW.id,
                        coalesce('room ' || NEW.room_id, 'type ' || NEW.room_type_id),
                        NEW.fencing_token);
            END IF;
            RETURN NULL;
        END
        $$;
        CREATE TRIGGER log_grant AFTER INSERT OR UPDATE ON inventory_locks_shadow
            FOR EACH ROW EXECUTE FUNCTION log_grant();""")


OVERLAPS = """
    SELECT count(*) FROM inventory_locks_shadow AS a JOIN inventory_locks_shadow AS b
      ON a.tenant_id = b.tenant_id AND a.id < b.id
     AND (a.room_id = b.room_id
          OR a.room_id IS NULL AND b.room_id IS NULL AND a.room_type_id = b.room_type_id)
     AND a.stay_start < b.stay_end AND b.stay_start < a.stay_end
    WHERE a.status = 'ACTIVE' AND b.status = 'ACTIVE'
      AND a.expires_at > clock_timestamp() AND b.expires_at > clock_timestamp()"""


def overlaps(owner):
    return owner.execute(OVERLAPS)[0][0]


def token_regressions(owner):
    """Transactions with a token for a resource not larger than all of the one before.

    Among the locks of one transaction there is no order: they come into being together."""
    return owner.execute("""
        SELECT * FROM (
            SELECT tenant_id, place, xid, min(token) AS least,
                   lag(max(token)) OVER (PARTITION BY tenant_id, place ORDER BY min(seq)) AS before
            FROM grant_log GROUP BY 1, 2, 3) AS t
        WHERE least <= before""")


def check_answer(request, answer):
    """What must be true of an answer, whatever else goes on."""
    assert answer.tenant_id == request.tenant
    room, type_ = answer.room_id, answer.room_type_id
    place = (answer.tenant_id, "type" if room is None else "room", room or type_)
    assert answer.status == "ACTIVE" and place == request.place()
    if answer.outcome == "LOCKED":
        assert answer.id == request.id
        assert (answer.stay_start, answer.stay_end) == (request.start, request.end)
    else:
        assert answer.outcome == "CONFLICT" and answer.id != request.id
        assert answer.stay_start < request.end and request.start < answer.stay_end
