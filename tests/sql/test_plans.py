"""The functions find rows by index, whatever the planner knew about the table when it planned.

A plan is kept for as long as its session lives, and sessions of the service live long: one that
has planned on an empty table must not read all of a large one later."""

import json
import uuid

import pytest

import scratch
from sessions import Request, Session

ROWS = 12000
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
    for call in ("guard.bulk_release(%s, %s::uuid[], 'x', NULL, gen_random_uuid())",
                 "guard.get_batch(ARRAY[%s::uuid], (%s::uuid[])[1:1])",
                 f"guard.list_page(%s, (%s::uuid[])[1], NULL, NULL, 'ACTIVE', {nulls}50)",
                 f"guard.list_page(%s, {nulls}{nulls}(%s::uuid[])[1], 50)",
                 f"guard.list_page(%s, NULL, NULL, (%s::uuid[])[1], NULL, {nulls}50)"):
        session.execute(f"SELECT * FROM {call}", (tenant, ids))
    session.execute("SELECT * FROM guard.sweep_expired(20)")
    session.execute("SELECT guard.purge_finished(5, 20)")


def scans(node):
    """Every node that reads the table, with how many rows it looked at."""
    if node.get("Relation Name") == "inventory_locks_shadow" and node["Node Type"] != "ModifyTable":
        each = (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)
                + node.get("Rows Removed by Index Recheck", 0))
        yield node, each * node["Actual Loops"]
    for child in node.get("Plans", ()):
        yield from scans(child)


@pytest.mark.parametrize("planned_on", ["empty", "analyzed while empty", "small"])
@pytest.mark.parametrize("analyzed", [True, False])
def test_index_scans(migrated, role, planned_on, analyzed):
    owner = Session(migrated)
    owner.execute("ALTER TABLE inventory_locks_shadow SET (autovacuum_enabled = off)")
    if planned_on == "small":
        owner.execute(FILL, {"rows": 200})
    if planned_on != "empty":
        owner.execute("ANALYZE inventory_locks_shadow")
    session = Session(migrated)
    session.execute(EXPLAIN + SESSION + f"SET client_min_messages = warning; SET ROLE {role}")
    for turn in range(7):
        call_everything(session, 1000 + 100 * turn)

    owner.execute(FILL, {"rows": ROWS})
    if analyzed:
        owner.execute("ANALYZE inventory_locks_shadow")
    session.execute("SET client_min_messages = notice")
    session.notices.clear()
    call_everything(session, 900000)

    plans = [json.loads(notice[notice.index("{"):])
             for notice in session.notices if "plan:" in notice]
    assert len(plans) > 50
    seen = 0
    for plan in plans:
        for node, rows in scans(plan["Plan"]):
            seen += 1
            assert rows <= ROWS_READ_MAX, (
                f"{rows} rows read\n{plan['Query Text']}\n{json.dumps(node, indent=1)}")
    assert seen > 50
    owner.close()
    session.close()
