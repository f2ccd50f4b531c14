"""The database as its owner sees it: its clock, the rows, overlaps, server processes."""

import time

import psycopg2
import psycopg2.extras

# Two locks that hold one place at once. None may exist, ever.
OVERLAPS = """
SELECT a.id::text, b.id::text
FROM inventory_locks_shadow AS a
JOIN inventory_locks_shadow AS b
  ON a.tenant_id = b.tenant_id AND a.id < b.id
 AND a.stay_start < b.stay_end AND b.stay_start < a.stay_end
 AND (a.room_id = b.room_id
      OR (a.room_id IS NULL AND b.room_id IS NULL AND a.room_type_id = b.room_type_id))
WHERE a.status = 'ACTIVE' AND b.status = 'ACTIVE'
  AND a.expires_at > clock_timestamp() AND b.expires_at > clock_timestamp()
"""


class Database:
    """A connection of the owner, each statement its own transaction."""

    def __init__(self, dsn):
        self.dsn = dsn
        self.connection = None

    def connect(self):
        if self.connection is None or self.connection.closed:
            self.connection = psycopg2.connect(self.dsn, connect_timeout=10)
            self.connection.autocommit = True
        return self.connection

    def close(self):
        if self.connection is not None:
            self.connection.close()
            self.connection = None

    def rows(self, statement, parameters=()):
        with self.connect().cursor(cursor_factory=psycopg2.extras.RealDictCursor) as cursor:
            cursor.execute(statement, parameters)
            return cursor.fetchall() if cursor.description else []

    def value(self, statement, parameters=()):
        return next(iter(self.rows(statement, parameters)[0].values()))

    def execute(self, statement, parameters=()):
        with self.connect().cursor() as cursor:
            cursor.execute(statement, parameters)
            return cursor.rowcount

    def now(self):
        return self.value("SELECT clock_timestamp()")

    def wait_past(self, when, seconds_max=30):
        """Waits until the database's clock, the only one that counts, is past `when`."""
        deadline = time.monotonic() + seconds_max
        while True:
            # Times of the service are cut to milliseconds: the true one may be later by one.
            remaining = (when - self.now()).total_seconds() + 0.001
            if remaining < 0:
                return
            assert time.monotonic() < deadline, f"{when} is not past after {seconds_max} s"
            time.sleep(min(max(remaining, 0.001), 0.2))

    def lock_row(self, tenant_id, lock_id):
        found = self.rows("SELECT * FROM inventory_locks_shadow"
                          " WHERE tenant_id = %s AND id = %s", (tenant_id, lock_id))
        return found[0] if found else None

    def locks(self, tenant_ids):
        """The rows of these tenants by id."""
        found = self.rows("SELECT * FROM inventory_locks_shadow"
                          " WHERE tenant_id = ANY(%s::uuid[])", (list(tenant_ids),))
        return {row["id"]: row for row in found}

    def check_no_overlap(self):
        found = self.rows(OVERLAPS)
        assert not found, found[:10]

    def age(self, tenant_id, lock_id):
        """Lets a lock's time run out now: what waiting for its TTL does, without the wait."""
        changed = self.execute(
            "UPDATE inventory_locks_shadow SET expires_at = clock_timestamp()"
            " WHERE tenant_id = %s AND id = %s", (tenant_id, lock_id))
        assert changed == 1
