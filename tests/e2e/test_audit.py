"""Reading the audit trail: order, pages, filters, tenants; and that it is append-only."""

import psycopg2
import pytest

from shape import check_json, check_problem, is_time, is_uuid, new_id
from tenant import ABSENT, OPERATOR

AUDIT_FIELDS = ["id", "lock_id", "tenant_id", "action", "performed_by_id", "performed_by_name",
                "performed_by_email", "reason", "metadata", "created_at"]


def release_some(tenant, count, **fields):
    """Ids of (lock, audit row), oldest first."""
    made = []
    for _ in range(count):
        lock = tenant.locked(roomId=new_id())
        made.append((lock["id"], tenant.manually_released(lock["id"], **fields)))
    return made


def pages(read, **query):
    """Ids of the audit rows of all pages."""
    found, cursor = [], None
    while True:
        body = check_json(read(**query, **({"cursor": cursor} if cursor else {})))
        found.append([audit["id"] for audit in body["audits"]])
        cursor = body["nextCursor"]
        if cursor is None:
            return found


def test_a_row_has_all_fields(tenant):
    [(lock_id, audit_id)] = release_some(tenant, 1)
    body = check_json(tenant.audits())
    assert list(body) == ["audits", "nextCursor"]
    [audit] = body["audits"]
    assert list(audit) == AUDIT_FIELDS
    assert (audit["id"], audit["lock_id"], audit["tenant_id"]) == (audit_id, lock_id, tenant.id)
    assert is_uuid(audit["id"]) and is_time(audit["created_at"])
    assert audit["metadata"] == {} and audit["performed_by_email"] is None


def test_pages_of_a_tenant_newest_first(tenant):
    made = release_some(tenant, 7)
    newest_first = [audit for _, audit in reversed(made)]
    assert pages(tenant.audits, limit=3) == [newest_first[:3], newest_first[3:6], newest_first[6:]]
    assert pages(tenant.audits, limit=7) == [newest_first]


def test_pages_of_a_lock_oldest_first(tenant):
    key = new_id()
    audits = []
    for _ in range(5):  # granted anew each time
        assert tenant.locked(idempotencyKey=key)["id"] == key
        audits.append(tenant.manually_released(key))
    release_some(tenant, 1)
    assert pages(lambda **query: tenant.lock_audits(key, **query), limit=2) == [
        audits[:2], audits[2:4], audits[4:]]
    assert check_json(tenant.audits(lockId=key))["audits"][0]["id"] == audits[-1]


def test_rows_that_come_meanwhile_are_on_no_page_twice(tenant):
    made = [audit for _, audit in release_some(tenant, 4)]
    first = check_json(tenant.audits(limit=2))
    release_some(tenant, 2)
    second = check_json(tenant.audits(limit=2, cursor=first["nextCursor"]))
    assert [audit["id"] for audit in first["audits"] + second["audits"]] == made[::-1]


def test_filters(tenant):
    mine = release_some(tenant, 2, actorId="ops.7")
    theirs = release_some(tenant, 2, actorId="ops.8 & co")
    all_rows = check_json(tenant.audits())["audits"]
    assert len(all_rows) == 4

    def ids(**query):
        return [audit["id"] for audit in check_json(tenant.audits(**query))["audits"]]
    assert ids(actorId="ops.7") == [audit for _, audit in reversed(mine)]
    assert ids(actorId="ops.8 & co", lockId=theirs[0][0]) == [theirs[0][1]]
    assert ids(lockId=new_id()) == []
    # Cut to milliseconds: a row is at or after its time as shown.
    middle = all_rows[1]["created_at"]
    newer = [row["id"] for row in all_rows if row["created_at"] >= middle]
    assert ids(**{"from": middle}) == newer
    assert ids(to=middle) == [row["id"] for row in all_rows if row["created_at"] < middle]
    assert ids(**{"from": "2000-01-01", "to": "2001-01-01"}) == []


def test_nothing_of_another_tenant(tenants):
    one, other = tenants(), tenants()
    [(lock_id, _)] = release_some(one, 1)
    assert check_json(other.audits())["audits"] == []
    assert check_json(other.lock_audits(lock_id)) == {
        "lockId": lock_id, "audits": [], "nextCursor": None}
    assert check_json(other.audits(lockId=lock_id))["audits"] == []


@pytest.mark.parametrize("query, fields", [
    ({"tenantId": ABSENT}, ["tenantId"]),
    ({"tenantId": "x"}, ["tenantId"]),
    ({"limit": "0"}, ["limit"]), ({"limit": "201"}, ["limit"]), ({"limit": "x"}, ["limit"]),
    ({"cursor": "0"}, ["cursor"]), ({"cursor": "-1"}, ["cursor"]), ({"cursor": "x"}, ["cursor"]),
    ({"cursor": "99999999999999999999"}, ["cursor"]),
])
def test_what_is_wrong_with_a_query(tenant, query, fields):
    given = {"tenantId": tenant.id, **query}
    given = {name: value for name, value in given.items() if value is not ABSENT}
    for path in ("/v1/locks/audit", f"/v1/locks/{new_id()}/audit"):
        answer = tenant.client.get(path, query=given, headers=OPERATOR)
        check_problem(answer, 400, "invalid_request", fields)


@pytest.mark.parametrize("query, fields", [
    ({"lockId": "x"}, ["lockId"]), ({"actorId": ""}, ["actorId"]),
    ({"from": "x", "to": "y"}, ["from", "to"]),
    ({"from": "2024-01-02", "to": "2024-01-02"}, ["to"]),
])
def test_what_is_wrong_with_a_filter(tenant, query, fields):
    check_problem(tenant.audits(**query), 400, "invalid_request", fields)


def test_a_wrong_lock_in_the_path(tenant):
    check_problem(tenant.lock_audits("x"), 400, "invalid_request", ["lockId"])


@pytest.mark.parametrize("statement", [
    "UPDATE inventory_lock_audits SET reason = 'other'",
    "DELETE FROM inventory_lock_audits",
    "TRUNCATE inventory_lock_audits",
    "UPDATE guard.audit_heads SET sequence = 0",
    "DELETE FROM guard.audit_heads",
    "ALTER TABLE inventory_lock_audits DISABLE TRIGGER ALL",
])
def test_the_service_cannot_change_the_trail(tenant, system, statement):
    release_some(tenant, 1)
    connection = psycopg2.connect(system.service_dsn)
    with connection, connection.cursor() as cursor, \
            pytest.raises(psycopg2.errors.InsufficientPrivilege):
        cursor.execute(statement)
    connection.close()


@pytest.mark.parametrize("statement", [
    "UPDATE inventory_lock_audits SET reason = 'other'", "DELETE FROM inventory_lock_audits",
    "TRUNCATE inventory_lock_audits"])
def test_not_even_the_owner_changes_it_by_mistake(tenant, database, statement):
    release_some(tenant, 1)
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        database.execute(statement)
