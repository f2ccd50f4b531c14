"""Manual releases through nginx: the release, its audit row and its event, all or nothing."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from shape import check_json, check_problem, instant, is_time, is_uuid, new_id
from systems import ADMIN_TOKEN
from tenant import ABSENT, Tenant, moment

EVENT_FIELDS = ["type", "sentAt", "lockId", "tenantId", "reservationId", "roomTypeId", "roomId",
                "stayStart", "stayEnd", "reason", "actor", "recipients"]


def events(database, lock_id):
    return database.rows("SELECT * FROM guard.outbox WHERE lock_id = %s ORDER BY id",
                         (lock_id,))


def audit_rows(database, lock_id):
    return database.rows("SELECT * FROM inventory_lock_audits WHERE lock_id = %s ORDER BY sequence",
                         (lock_id,))


def check_chain(database, tenant):
    row = database.rows("SELECT * FROM guard.verify_audit_chain(%s)", (tenant.id,))[0]
    assert row["problem"] is None, row
    return row["checked"]


@pytest.mark.smoke
def test_a_release_comes_with_its_audit_row_and_its_event(tenant, database):
    lock = tenant.locked(reservationId=new_id())
    audit_id = tenant.manually_released(
        lock["id"], reservationId=lock["reservation_id"], actorEmail="alex@hotel.example",
        correlationId="case 7", metadata={"shift": "night"},
        notify=["gm@hotel.example", " gm@hotel.example ", "#front-desk"])
    released = tenant.fetched(lock["id"])
    assert (released["status"], released["release_reason"]) == ("RELEASED", "guest moved")
    assert released["correlation_id"] == "case 7"
    assert released["metadata"] == {"shift": "night"}

    body = check_json(tenant.lock_audits(lock["id"]))
    assert list(body) == ["lockId", "audits", "nextCursor"]
    assert (body["lockId"], body["nextCursor"]) == (lock["id"], None)
    [audit] = body["audits"]
    assert is_time(audit.pop("created_at"))
    assert audit == {
        "id": audit_id, "lock_id": lock["id"], "tenant_id": tenant.id, "action": "MANUAL_RELEASE",
        "performed_by_id": "ops.1", "performed_by_name": "Alex Night",
        "performed_by_email": "alex@hotel.example", "reason": "guest moved",
        "metadata": {"shift": "night"}}
    assert check_chain(database, tenant) == 1

    [row] = events(database, lock["id"])
    event = json.loads(row["payload"])
    assert list(event) == EVENT_FIELDS
    assert event["sentAt"] == released["released_at"]
    assert event == {
        "type": "availability_guard.manual_release", "sentAt": event["sentAt"],
        "lockId": lock["id"], "tenantId": tenant.id, "reservationId": lock["reservation_id"],
        "roomTypeId": lock["room_type_id"], "roomId": lock["room_id"],
        "stayStart": moment(0), "stayEnd": moment(3), "reason": "guest moved",
        "actor": {"id": "ops.1", "name": "Alex Night", "email": "alex@hotel.example"},
        "recipients": ["gm@hotel.example", "#front-desk"]}
    assert is_uuid(row["event_id"])
    assert row["stream"] == "notification"


def test_the_place_is_free_at_once(tenant):
    first = tenant.locked()
    tenant.manually_released(first["id"])
    second = tenant.locked()
    assert second["id"] != first["id"]
    assert second["fencing_token"] > first["fencing_token"]


def test_the_least_that_a_release_needs(tenant, database):
    lock = tenant.locked(roomId=ABSENT)
    tenant.manually_released(lock["id"], reason="abc")
    [row] = audit_rows(database, lock["id"])
    assert (row["performed_by_email"], row["metadata"]) == (None, None)
    assert not events(database, lock["id"]), "nobody was to be told"


def test_nobody_to_tell_is_a_warning(tenant, system):
    lock = tenant.locked()
    answer = tenant.manual_release(lock["id"], notify=[" ", ""],
                                   headers={"X-Guard-Admin-Token": ADMIN_TOKEN, "X-Request-Id": "nobody-1"})
    check_json(answer)
    lines = [line for line in system.log_path("guard").read_text().splitlines()
             if "nobody-1" in line and "no recipients" in line]
    assert len(lines) == 1 and '"warn"' in lines[0], lines


def test_a_second_release_is_refused_and_leaves_no_trace(tenant, database):
    lock = tenant.locked()
    tenant.manually_released(lock["id"], notify=["a@b.example"])
    problem = check_problem(tenant.manual_release(lock["id"], notify=["a@b.example"]), 409,
                            "lock_not_active")
    assert "RELEASED" in problem["detail"]
    assert len(audit_rows(database, lock["id"])) == 1
    assert len(events(database, lock["id"])) == 1


def test_a_released_lock_is_not_active(tenant, database):
    lock = tenant.locked()
    tenant.released(lock["id"], reason="NO_SHOW")
    check_problem(tenant.manual_release(lock["id"]), 409, "lock_not_active")
    assert tenant.fetched(lock["id"])["release_reason"] == "NO_SHOW"
    assert not audit_rows(database, lock["id"])


def test_an_expired_lock_is_not_active(tenant, database):
    lock = tenant.locked(ttlSeconds=1)
    database.wait_past(instant(lock["expires_at"]))
    problem = check_problem(tenant.manual_release(lock["id"]), 409, "lock_not_active")
    assert "EXPIRED" in problem["detail"]
    assert not audit_rows(database, lock["id"])


def test_an_unknown_lock(tenant):
    check_problem(tenant.manual_release(new_id()), 404, "not_found")


def test_another_tenants_lock_is_unknown(tenants, database):
    owner, other = tenants(), tenants()
    lock = owner.locked()
    check_problem(other.manual_release(lock["id"]), 404, "not_found")
    assert owner.fetched(lock["id"])["status"] == "ACTIVE"
    assert not audit_rows(database, lock["id"])


def test_with_another_reservation_the_lock_is_unknown(tenant):
    lock = tenant.locked(reservationId=new_id())
    check_problem(tenant.manual_release(lock["id"], reservationId=new_id()), 404, "not_found")
    assert tenant.fetched(lock["id"])["status"] == "ACTIVE"


@pytest.mark.parametrize("changes, fields", [
    ({"tenantId": ABSENT}, ["tenantId"]),
    ({"tenantId": "x"}, ["tenantId"]),
    ({"reason": ABSENT}, ["reason"]),
    ({"reason": "ab"}, ["reason"]),
    ({"reason": "é" * 2}, ["reason"]),
    ({"reason": "x" * 501}, ["reason"]),
    ({"reason": 7}, ["reason"]),
    ({"actorId": ABSENT, "actorName": ABSENT}, ["actorId", "actorName"]),
    ({"actorId": ""}, ["actorId"]),
    ({"actorName": "x" * 256}, ["actorName"]),
    ({"actorEmail": "x" * 321}, ["actorEmail"]),
    ({"reservationId": "x"}, ["reservationId"]),
    ({"correlationId": "x" * 256}, ["correlationId"]),
    ({"metadata": []}, ["metadata"]),
    ({"metadata": {"x": "y" * 17000}}, ["metadata"]),
    ({"notify": "a@b.example"}, ["notify"]),
    ({"notify": [7]}, ["notify"]),
    ({"notify": ["a@b.example"] * 101}, ["notify"]),
    ({"notify": ["x" * 400]}, ["notify"]),
    ({"tenantId": ABSENT, "reason": ABSENT, "actorId": ABSENT, "actorName": ABSENT,
      "reservationId": "x", "notify": {}},
     ["tenantId", "reason", "actorId", "actorName", "reservationId", "notify"]),
])
def test_what_is_wrong_is_said_and_nothing_done(tenant, database, changes, fields):
    lock = tenant.locked()
    check_problem(tenant.manual_release(lock["id"], **changes), 400, "invalid_request", fields)
    assert tenant.fetched(lock["id"])["status"] == "ACTIVE"
    assert not audit_rows(database, lock["id"])


def test_a_wrong_id_in_the_path(tenant):
    check_problem(tenant.manual_release("x"), 400, "invalid_request", ["lockId"])


def test_one_lock_is_released_by_one_of_many(system, steady, database):
    """Of sixty operators who release one lock at once, one succeeds: one audit row, one event."""
    with_lock = Tenant(system.base_url)
    lock = with_lock.locked()
    crowd = [Tenant(system.base_url, tenant_id=with_lock.id) for _ in range(60)]
    with ThreadPoolExecutor(len(crowd)) as pool:
        answers = list(pool.map(
            lambda one: one.manual_release(lock["id"], notify=["gm@hotel.example"]), crowd))
    statuses = sorted(answer.status for answer in answers)
    assert statuses == [200] + [409] * 59, statuses
    assert len(audit_rows(database, lock["id"])) == 1
    assert len(events(database, lock["id"])) == 1
    for one in [*crowd, with_lock]:
        one.close()


def test_many_releases_at_once_make_one_chain(system, steady, database):
    first = Tenant(system.base_url)
    locks = [first.locked(roomId=new_id())["id"] for _ in range(200)]
    crowd = [Tenant(system.base_url, tenant_id=first.id) for _ in range(20)]
    with ThreadPoolExecutor(len(crowd)) as pool:
        def release(number):
            return [crowd[number].manually_released(lock) for lock in locks[number::len(crowd)]]
        audits = sum(pool.map(release, range(len(crowd))), [])
    assert len(set(audits)) == 200
    assert check_chain(database, first) == 200
    for one in [*crowd, first]:
        one.close()


