"""The state of the tables before a measurement, and what is in them after it."""

import datetime
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import psycopg2

TENANT = "7b5a3c1e-0d2f-4e6a-8b9c-1d3e5f7a9b0c"
ROOM_TYPE = "2f4e6d8c-1a3b-4c5d-9e8f-7a6b5c4d3e2f"
# The last twelve digits of each are a number; load/* know them too. Those of locks and
# reservations ascend with it, as with the ids that the service makes.
LOCK_IDS = "00000000-0000-7000-8000-"
RESERVATION_IDS = "00000000-0000-4000-9000-"
ROOMS = 100_000
# Those of rooms are scattered as random uuids are, by a product with an odd number. Rooms whose
# ids differ in the last digits only are the same to the GiST index, which compares them as
# floating-point numbers: its tree is then a heap of overlapping pages.
ROOM_ID = f"""(lpad(to_hex({{n}} % {ROOMS} * 2654435761 % 4294967296), 8, '0')
               || '-0000-4000-8000-' || lpad(({{n}} % {ROOMS})::text, 12, '0'))::uuid"""
DAYS = 3650
TABLE = "public.inventory_locks_shadow"
OUTBOX = "guard.outbox"

#: more rows than this are not thrown away and made again
REFILL_MAX = 100_000

INSERT = f"""
INSERT INTO {TABLE}
    (id, tenant_id, reservation_id, room_type_id, room_id, stay_start, stay_end, expires_at,
     created_at, updated_at, fencing_token, ttl_seconds, reason)
SELECT ('{LOCK_IDS}' || lpad(i.n::text, 12, '0'))::uuid, '{TENANT}', {{reservation}},
       '{ROOM_TYPE}', {ROOM_ID.format(n="i.n")},
       i.arrival, i.arrival + {{nights}} * interval '1 day', now() + interval '1 day',
       clock_timestamp(), clock_timestamp(), nextval('guard.fencing_token'), 86400,
       'RESERVATION_CREATE'
FROM (SELECT n, make_timestamptz({{year}}, 1, 1, 0, 0, 0, 'UTC') + {{day}} * interval '1 day'
             AS arrival
      FROM generate_series({{first}}::bigint, {{end}} - 1) AS n) AS i
"""
# Lock n is in room n mod 100,000. Its day is scattered; the locks of a room don't meet.
SCATTERED_DAY = f"((n % {ROOMS} * 7919 + n / {ROOMS} * 61) % {DAYS})"
RESERVATION_OF_THREE = f"('{RESERVATION_IDS}' || lpad((i.n / 3)::text, 12, '0'))::uuid"
# On a grid of 36 days, so that 100 locks of a room fit, with the last 24 of the 36 always free.
GRID_DAY = f"(n / {ROOMS} * 37 % 100 * 36 + n * 7919 % 9)"
GRID_NIGHTS = "(1 + n % 3)"
GRID_MAX = 100 * ROOMS
LOADERS = 2
CHUNK = 20_000


@dataclass(frozen=True)
class Marks:
    """How far the cluster is: differences of two tell what a measurement has made it do."""

    transactions: int  # that have written
    wal_bytes: int
    checkpoints: int


class Tables:
    """The owner's view of the service's database."""

    def __init__(self, dsn):
        self._dsn = dsn
        self._connection = psycopg2.connect(dsn)
        self._connection.autocommit = True
        #: the first year of the stays
        self.year = datetime.datetime.now(datetime.timezone.utc).year + 1

    def close(self):
        self._connection.close()

    def rows(self, statement, arguments=None):
        with self._connection.cursor() as cursor:
            cursor.execute(statement, arguments)
            return cursor.fetchall() if cursor.description else []

    def value(self, statement, arguments=None):
        return self.rows(statement, arguments)[0][0]

    def empty(self):
        self.rows(f"TRUNCATE {TABLE}, {OUTBOX}")

    def settle(self):
        """After a change of the table: nothing is left to be done during a measurement."""
        self.rows(f"VACUUM ANALYZE {TABLE}")
        self.checkpoint()

    def checkpoint(self):
        self.rows("CHECKPOINT")

    def fill(self, count, reservations=False):
        """Locks 0 to count - 1 in an empty table, one night each."""
        self.empty()
        self.rows(INSERT.format(
            reservation=RESERVATION_OF_THREE if reservations else "NULL", year=self.year,
            day=SCATTERED_DAY, nights=1, first=0, end=count))
        self.settle()

    def grow(self, first, end):
        """Locks first to end - 1 of the grid.

        With indexes and constraints in place: taking them off and making them again takes longer,
        and gives another index than one that has grown."""
        def chunk(begin):
            with psycopg2.connect(self._dsn) as connection, connection.cursor() as cursor:
                cursor.execute(INSERT.format(
                    reservation="NULL", year=self.year, day=GRID_DAY, nights=GRID_NIGHTS,
                    first=begin, end=min(begin + CHUNK, end)))
            connection.close()
        with ThreadPoolExecutor(LOADERS) as loaders:
            list(loaders.map(chunk, range(first, end, CHUNK)))
        self.settle()

    def remove_new(self):
        """What fill() and grow() have not made: the ids of those begin with zeroes."""
        self.rows(f"DELETE FROM {TABLE} WHERE tenant_id = %s AND id >= %s",
                  (TENANT, "00000001-0000-0000-0000-000000000000"))
        self.rows(f"TRUNCATE {OUTBOX}")
        self.settle()

    def sizes(self):
        """{name of table or index: bytes}, what holds nothing left out."""
        return dict(self.rows(
            "SELECT c.relname, pg_relation_size(c.oid) FROM pg_class AS c"
            " WHERE c.oid = %s::regclass OR c.oid IN"
            " (SELECT indexrelid FROM pg_index WHERE indrelid = %s::regclass)"
            " ORDER BY c.relkind DESC, 1", (TABLE, TABLE)))

    def count(self, what="true"):
        """Rows for which this SQL condition holds."""
        return self.value(f"SELECT count(*) FROM {TABLE} WHERE {what}")

    def marks(self):
        return Marks(*self.rows(
            "SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint,"
            " (pg_current_wal_lsn() - '0/0')::bigint, checkpoints_timed + checkpoints_req"
            " FROM pg_stat_bgwriter")[0])

    def backends(self, role):
        """Pids of the backends that work for a role."""
        return [pid for pid, in self.rows(
            "SELECT pid FROM pg_stat_activity WHERE usename = %s ORDER BY pid", (role,))]

    def settings(self):
        """{name: value} of what was set for this cluster, but for its address."""
        return dict(self.rows(
            "SELECT name, current_setting(name) FROM pg_settings WHERE source = 'command line'"
            " AND name NOT IN ('port', 'listen_addresses', 'unix_socket_directories',"
            " 'log_line_prefix', 'data_directory', 'config_file') ORDER BY name"))

    def version(self):
        return self.value("SHOW server_version")
