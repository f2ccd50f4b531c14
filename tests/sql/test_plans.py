"""The functions find rows by index, whatever the planner knew about the table when it planned.

A plan is kept for as long as its session lives, and sessions of the service live long: one that
has planned on an empty table must not read all of a large one later."""

import json
import uuid

import pytest

import scratch
from sessions import Request, Session

ROWS = 12000
EVENT = uuid.UUID(int=4711)
# What one statement of a batch of a few locks may read of the table at most.
ROWS_READ_MAX = 60
# As the service does at the start of each session.
SESSION = "SET enable_seqscan = off; SET plan_cache_mode = force_generic_plan; SET jit = off;"
EXPLAIN = ("LOAD 'auto_explain'; SET auto_explain.log_min_duration = 0;"
           " SET auto_explain.log_nested_statements = on; SET auto_explain.log_analyze = on;"
           " SET auto_explain.log_timing = off; SET auto_explain.log_format = json;"
           " SET auto_explain.log_level = notice;")

FILL = """
    INSERT INTO inventory_locks_shadow (id, tenant_id, room_type_id, room_id, stay_start, stay_end,
        expires_at, created_at, updated_at, fencing_token, ttl_seconds, status, reason,
        reservation_id)
    SELECT gen_random_uuid(), lpad('1', 32, '0')::uuid, gen_random_uuid(),
           CASE WHEN mod(i, 3) > 0 THEN gen_random_uuid() END,
           '2090-01-01 12:00Z', '2090-01-02 12:00Z',
           '2090-01-01Z', now(), now(), i, 60,
           CASE WHEN mod(i, 2) = 0 THEN 'ACTIVE' WHEN mod(i, 4) = 1 THEN 'EXPIRED'
                ELSE 'RELEASED' END,
           'TEST', gen_random_uuid()
    FROM generate_series(1, %(rows)s) AS i"""
# The same number of rows for what manual releases leave. The trail goes on from its last row; it is
# filled past its trigger, which would take too long.
FILL_TRAIL = """
    SET session_replication_role = replica;
    INSERT INTO inventory_lock_audits (id, tenant_id, lock_id, action, performed_by_id,
        performed_by_name, reason, created_at, sequence, previous_digest, digest)
    SELECT gen_random_uuid(), h.tenant_id, gen_random_uuid(), 'MANUAL_RELEASE', 'ops.' || i, 'Alex',
           'TEST', now() + i * interval '1 microsecond', h.sequence + i, '', ''
    FROM guard.audit_heads AS h, generate_series(1, %(rows)s) AS i
    WHERE h.tenant_id = lpad('1', 32, '0')::uuid;
    SET session_replication_role = origin;
    UPDATE guard.audit_heads SET sequence = sequence + %(rows)s
    WHERE tenant_id = lpad('1', 32, '0')::uuid;
    INSERT INTO guard.audit_heads (tenant_id, sequence, digest, created_at)
    SELECT gen_random_uuid(), 1, '', now() FROM generate_series(1, %(rows)s);
    INSERT INTO guard.outbox (xid, stream, event_id, event_type, tenant_id, lock_id, payload,
                              created_at)
    SELECT (1 + i / 100)::text::xid8, 'notification', gen_random_uuid(), 'type',
           gen_random_uuid(), gen_random_uuid(), '{}', now()
    FROM generate_series(1, %(rows)s) AS i;
    INSERT INTO guard.deliveries (tenant_id, event_id, channel, state, attempts, created_at)
    SELECT lpad('1', 32, '0')::uuid, gen_random_uuid(), 'email', 'DELIVERED', 1,
           CASE WHEN i > 40 THEN now() ELSE now() - interval '9 days' END
    FROM generate_series(1, %(rows)s) AS i;
    INSERT INTO guard.performed_commands (tenant_id, command_id, part, outcome, created_at)
    SELECT lpad('1', 32, '0')::uuid, 'filler ' || gen_random_uuid(), 0, 'LOCKED',
           CASE WHEN i > 40 THEN now() ELSE now() - interval '9 days' END
    FROM generate_series(1, %(rows)s) AS i"""
TABLES = ["inventory_locks_shadow", "inventory_lock_audits", "audit_heads", "outbox", "deliveries",
          "performed_commands"]
ANALYZE = ("ANALYZE inventory_locks_shadow, inventory_lock_audits, guard.audit_heads, guard.outbox,"
           " guard.deliveries, guard.performed_commands")


def requests_from(first, **changes):
    return [Request(first + i, **{"start": 0, "end": 2, "room": first + i, **changes})
            for i in range(4)]


def lock_in_every_way(session, first):
    """New locks, renewals, moves, conflicts and places of expired locks; rooms and types."""
    mine = requests_from(first)
    session.lock(*mine)
    session.lock(*mine)
    session.lock(*requests_from(first, start=1, end=3))
    session.lock(*requests_from(first, room=None, type_=first))
    session.lock(*requests_from(first + 10, room=first))
    session.lock(*requests_from(first + 20, room=None, type_=first))
    session.execute("UPDATE inventory_locks_shadow SET expires_at = now()"
                    " WHERE tenant_id = %s AND id IN (%s, %s)",
                    (mine[0].tenant, mine[0].id, uuid.UUID(int=first + 10)))
    session.lock(*requests_from(first + 30, room=first))
    session.lock(*requests_from(first + 30, room=None, type_=first))


def call_everything(session, first):
    """Each function, on each of its ways, with ids and rooms from first on."""
    lock_in_every_way(session, first)
    tenant = requests_from(first)[0].tenant
    ids = [uuid.UUID(int=first + i) for i in (0, 1, 10, 11, 20, 21, 30, 31, 40, 41)]
    session.release(*((tenant, id_) for id_ in ids))
    session.lock(*requests_from(first, start=5, end=6))
    nulls = "NULL, " * 3
    for call in ("guard.bulk_release(%s, %s::uuid[], 'x', NULL, gen_random_uuid(), 'bulk')",
                 "guard.get_batch(ARRAY[%s::uuid], (%s::uuid[])[1:1])",
                 f"guard.list_page(%s, (%s::uuid[])[1], NULL, NULL, 'ACTIVE', {nulls}50)",
                 f"guard.list_page(%s, {nulls}{nulls}(%s::uuid[])[1], 50)",
                 f"guard.list_page(%s, NULL, NULL, (%s::uuid[])[1], NULL, {nulls}50)"):
        session.execute(f"SELECT * FROM {call}", (tenant, ids))
    session.execute("SELECT * FROM guard.sweep_expired(20)")
    session.execute("SELECT guard.purge_finished(5, 20)")
    work_with_the_trail(session, first)
    perform_commands(session, first)


def work_with_the_trail(session, first):
    """Manual releases, the pages of their trail, their events and the ledger."""
    tenant = requests_from(first)[0].tenant
    session.lock(*requests_from(first, start=7, end=8))
    session.manual_release(*((tenant, request.id) for request in requests_from(first)),
                           recipients='["x"]')
    (trail,), = session.execute("SELECT max(sequence) FROM guard.audit_heads WHERE tenant_id = %s",
                                (tenant,))
    (middle,), = session.execute("SELECT created_at FROM inventory_lock_audits"
                                 " WHERE tenant_id = %s AND sequence = %s", (tenant, trail // 2))
    for order in ("true", "false"):
        for lock in ("NULL", "%(lock)s"):
            for actor in ("NULL", "'ops'", "'nobody'", "'ops.7'"):
                for times in ("NULL, NULL", "%(middle)s, NULL", "NULL, %(middle)s",
                              "%(middle)s, %(middle)s + interval '9 microseconds'",
                              "'2000-01-01', '2001-01-01'", "'2100-01-01', NULL"):
                    for beyond in ("NULL", "%(beyond)s"):
                        session.execute(
                            f"SELECT * FROM guard.list_audits(%(tenant)s, {lock}, {actor}, {times},"
                            f" {order}, {beyond}, 50)",
                            {"tenant": tenant, "lock": uuid.UUID(int=first), "middle": middle,
                             "beyond": trail // 2})
    window = "pg_current_snapshot()"
    # A stream is read among the other's rows: what is read over is bounded by the numbers.
    (top,), = session.execute("SELECT guard.outbox_top()")
    read = ("SELECT id, event_id FROM guard.read_stream({}, %s, {}, %s, 0, {}, %s, 0, 50, 1000,"
            " 1000000)")
    rows = session.execute(read.format("true", window, "NULL"), (top, top - 50, 0))
    session.execute(read.format("false", window, "NULL"), (top, top - 50, 0))
    session.execute(read.format("true", window, "NULL"), (top, rows[-1].id, 0))
    session.execute(read.format("true", window, window), (top, top - 50, rows[1].id))
    session.execute("SELECT guard.delete_events(%s::bigint[])", ([row.id for row in rows[:10]],))
    for state in ("DEAD", "DELIVERED"):
        session.execute("SELECT guard.record_delivery(%s, %s, 'email', %s, 1)",
                        (tenant, EVENT, state))
    session.execute("SELECT * FROM guard.list_deliveries(%s, %s)", (tenant, EVENT))
    session.execute("SELECT guard.purge_deliveries(5, 20)")
    session.execute("SELECT guard.purge_deliveries(50, 20)")


def perform_commands(session, first):
    """New commands, known ones and both together; every outcome that has to be noted."""
    requests = requests_from(first, start=9, end=10)
    taken = requests_from(first + 50, start=9, end=10, room=first)
    for turn in range(2):
        session.perform_locks(*((f"lock {request.id}", request) for request in requests[:2 + turn]))
        session.perform_locks(*((f"lock {request.id}", request) for request in taken[:2 + turn]))
        session.perform_releases(*((f"release {request.id}", request.tenant, request.id)
                                   for request in (requests + taken)[:4 + turn]))
        session.execute("SELECT guard.perform_bulk_release(%s, 0, %s, %s::uuid[], 'x', NULL,"
                        " gen_random_uuid())",
                        (f"bulk {first}", requests[0].tenant, [one.id for one in requests]))
    session.execute("SELECT guard.purge_commands(5, 20)")


def scans(node):
    """Every node that reads one of the tables, with how many rows it looked at."""
    if node.get("Relation Name") in TABLES and node["Node Type"] != "ModifyTable":
        each = (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)
                + node.get("Rows Removed by Index Recheck", 0))
        yield node, each * node["Actual Loops"]
    for child in node.get("Plans", ()):
        yield from scans(child)


@pytest.mark.parametrize("planned_on", ["empty", "analyzed while empty", "small"])
@pytest.mark.parametrize("analyzed", [True, False])
def test_index_scans(migrated, role, planned_on, analyzed):
    owner = Session(migrated)
    for table in ("inventory_locks_shadow", "inventory_lock_audits", "guard.audit_heads",
                  "guard.outbox", "guard.deliveries", "guard.performed_commands"):
        owner.execute(f"ALTER TABLE {table} SET (autovacuum_enabled = off)")
    if planned_on == "small":
        owner.execute(FILL, {"rows": 200})
        owner.execute(FILL_TRAIL, {"rows": 200})
    if planned_on != "empty":
        owner.execute(ANALYZE)
    session = Session(migrated)
    session.execute(EXPLAIN + SESSION + f"SET client_min_messages = warning; SET ROLE {role}")
    for turn in range(7):
        call_everything(session, 1000 + 100 * turn)

    owner.execute(FILL, {"rows": ROWS})
    owner.execute(FILL_TRAIL, {"rows": ROWS})
    if analyzed:
        owner.execute(ANALYZE)
    session.execute("SET client_min_messages = notice")
    session.notices.clear()
    call_everything(session, 900000)

    plans = [json.loads(notice[notice.index("{"):])
             for notice in session.notices if "plan:" in notice]
    assert len(plans) > 50
    seen = dict.fromkeys(TABLES, 0)
    for plan in plans:
        for node, rows in scans(plan["Plan"]):
            seen[node["Relation Name"]] += 1
            assert rows <= ROWS_READ_MAX, (
                f"{rows} rows read\n{plan['Query Text']}\n{json.dumps(node, indent=1)}")
    assert seen["inventory_locks_shadow"] > 50 and seen["inventory_lock_audits"] > 50
    assert min(seen.values()) > 3, seen
    owner.close()
    session.close()
