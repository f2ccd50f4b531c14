"""Releasing: one lock, many locks, twice, too late, with and without a reservation."""

import json

import pytest

from shape import check_json, check_problem, instant, new_id
from tenant import ABSENT, day

BULK_MAX = 10_000


def lock_rooms(tenant, count, **fields):
    return [tenant.locked(roomId=new_id(), **fields) for _ in range(count)]


@pytest.mark.smoke
def test_a_release_ends_the_lock(tenant, database):
    lock = tenant.locked()
    before = database.now()
    tenant.released(lock["id"])
    released = tenant.fetched(lock["id"])
    assert released["status"] == "RELEASED"
    assert released["release_reason"] == "RELEASE_REQUEST"
    assert (instant(released["released_at"]) - before).total_seconds() >= -0.001
    assert instant(released["released_at"]) <= database.now()
    changed = {"status", "release_reason", "released_at", "updated_at"}
    assert all(released[name] == lock[name] for name in lock if name not in changed)
    row = database.lock_row(tenant.id, lock["id"])
    assert (row["status"], row["release_reason"]) == ("RELEASED", "RELEASE_REQUEST")


def test_the_tenant_by_query(tenant):
    lock = tenant.locked()
    answer = tenant.client.delete(f"/v1/locks/{lock['id']}", query={"tenantId": tenant.id})
    assert check_json(answer) == {"status": "released", "lockId": lock["id"]}
    assert tenant.fetched(lock["id"])["release_reason"] == "RELEASE_REQUEST"


def test_every_text_by_query(tenant):
    lock = tenant.locked(reservationId=new_id())
    path = f"/v1/locks/{lock['id']}"
    wrong = tenant.client.delete(path, query={"tenantId": tenant.id, "reservationId": new_id()})
    check_problem(wrong, 404, "not_found")
    answer = tenant.client.delete(path, query={
        "tenantId": tenant.id, "reservationId": lock["reservation_id"],
        "reason": "NO_SHOW", "correlationId": "from the query"})
    assert check_json(answer) == {"status": "released", "lockId": lock["id"]}
    released = tenant.fetched(lock["id"])
    assert released["release_reason"] == "NO_SHOW"
    assert released["correlation_id"] == "from the query"


@pytest.mark.parametrize("headers", [{}, {"Content-Type": "text/plain"}])
def test_without_a_body_the_content_type_does_not_matter(tenant, headers):
    lock = tenant.locked()
    answer = tenant.client.delete(f"/v1/locks/{lock['id']}", query={"tenantId": tenant.id},
                                  headers=headers)
    check_json(answer)


def test_the_tenant_in_body_and_query_must_agree(tenant, other):
    lock = tenant.locked()
    answer = tenant.client.delete(f"/v1/locks/{lock['id']}", {"tenantId": tenant.id},
                                  query={"tenantId": other.id})
    check_problem(answer, 400, "invalid_request", ["tenantId"])
    assert tenant.fetched(lock["id"])["status"] == "ACTIVE"


@pytest.mark.parametrize("send", ["body", "nothing"])
def test_the_tenant_is_required(tenant, send):
    lock = tenant.locked()
    body = {"reason": "X"} if send == "body" else None
    answer = tenant.client.delete(f"/v1/locks/{lock['id']}", body)
    check_problem(answer, 400, "invalid_request", ["tenantId"])
    assert tenant.fetched(lock["id"])["status"] == "ACTIVE"


def test_an_upper_case_id_is_the_same_id(tenant):
    lock = tenant.locked()
    answer = tenant.release(lock["id"].upper())
    assert check_json(answer) == {"status": "released", "lockId": lock["id"]}


def test_twice_is_fine_and_the_first_stands(tenant):
    lock = tenant.locked(metadata={"a": 1}, correlationId="lock")
    tenant.released(lock["id"], reason="FIRST")
    first = tenant.fetched(lock["id"])
    tenant.released(lock["id"], reason="SECOND", correlationId="second", metadata={"b": 2})
    assert tenant.fetched(lock["id"]) == first
    assert first["release_reason"] == "FIRST"


def test_an_unknown_lock(tenant):
    check_problem(tenant.release(new_id()), 404, "not_found")
    check_problem(tenant.get(new_id()), 404, "not_found")


def test_the_reservation_must_be_the_locks(tenant):
    reservation = new_id()
    lock = tenant.locked(reservationId=reservation)
    check_problem(tenant.release(lock["id"], reservationId=new_id()), 404, "not_found")
    assert tenant.fetched(lock["id"]) == lock
    tenant.released(lock["id"], reservationId=reservation.upper())
    # Also when it is released already.
    check_problem(tenant.release(lock["id"], reservationId=new_id()), 404, "not_found")


def test_a_lock_without_a_reservation_is_not_that_reservations(tenant):
    lock = tenant.locked()
    check_problem(tenant.release(lock["id"], reservationId=new_id()), 404, "not_found")
    assert tenant.fetched(lock["id"]) == lock


def test_metadata_is_merged_and_the_correlation_id_replaced(tenant):
    lock = tenant.locked(metadata={"a": 1, "b": {"c": 1}}, correlationId="lock")
    tenant.released(lock["id"], metadata={"b": 2, "d": 0.1}, correlationId="release")
    released = tenant.fetched(lock["id"])
    assert released["metadata"] == {"a": 1, "b": 2, "d": 0.1}
    assert released["correlation_id"] == "release"


def test_metadata_of_a_release_where_the_lock_has_none(tenant):
    lock = tenant.locked()
    tenant.released(lock["id"], metadata={"who": "night audit"})
    assert tenant.fetched(lock["id"])["metadata"] == {"who": "night audit"}


def test_releasing_an_expired_lock_changes_nothing(tenant, database):
    lock = tenant.expired(database)
    tenant.released(lock["id"], reason="LATE", metadata={"a": 1})
    left = tenant.fetched(lock["id"])
    assert left["status"] == "EXPIRED"
    assert left["release_reason"] is None and left["released_at"] is None
    assert left["metadata"] == {}


def test_all_violated_fields_are_listed(tenant):
    answer = tenant.release("not-a-uuid", tenantId=1, reservationId="x", reason="r" * 101,
                            correlationId="c" * 256, metadata=[])
    check_problem(answer, 400, "invalid_request", [
        "lockId", "tenantId", "reservationId", "reason", "correlationId", "metadata"])


# Bulk

@pytest.mark.smoke
def test_bulk_release_counts_what_it_ended(tenant, other):
    active = lock_rooms(tenant, 3)
    released = lock_rooms(tenant, 2)
    for lock in released:
        tenant.released(lock["id"], reason="BEFORE")
    foreign = other.locked()
    left_alone = tenant.locked(roomId=new_id())
    ids = [lock["id"] for lock in active]
    sent = [*ids, *ids, ids[0].upper(), *(lock["id"] for lock in released), foreign["id"],
            new_id(), new_id()]
    assert tenant.bulk_released(sent) == 3
    assert tenant.bulk_released(sent) == 0
    for lock in active:
        assert tenant.fetched(lock["id"])["release_reason"] == "BULK_RELEASE"
    for lock in released:
        assert tenant.fetched(lock["id"])["release_reason"] == "BEFORE"
    assert other.fetched(foreign["id"]) == foreign
    assert tenant.fetched(left_alone["id"]) == left_alone


def test_bulk_release_does_not_count_expired_locks(tenant, database):
    expired = tenant.expired(database)
    active = tenant.locked()
    assert tenant.bulk_released([expired["id"], active["id"]]) == 1
    assert tenant.fetched(expired["id"])["status"] == "EXPIRED"


def test_bulk_release_reason_and_correlation_id(tenant):
    lock = tenant.locked(correlationId="lock", metadata={"a": 1})
    tenant.bulk_released([lock["id"]], reason="HOTEL_CLOSED", correlationId="bulk")
    released = tenant.fetched(lock["id"])
    assert released["release_reason"] == "HOTEL_CLOSED"
    assert released["correlation_id"] == "bulk"
    assert released["metadata"] == {"a": 1}
    kept = tenant.locked(correlationId="lock")
    tenant.bulk_released([kept["id"]])
    assert tenant.fetched(kept["id"])["correlation_id"] == "lock"


def test_bulk_release_of_ten_thousand(tenant):
    """Active locks at both ends and in the middle of the longest list that is allowed."""
    locks = lock_rooms(tenant, 300)
    ids = [new_id() for _ in range(BULK_MAX)]
    places = [*range(100), *range(4950, 5050), *range(BULK_MAX - 100, BULK_MAX)]
    for place, lock in zip(places, locks):
        ids[place] = lock["id"]
    assert tenant.bulk_released(ids) == 300
    assert tenant.listed(status="ACTIVE") == []
    assert tenant.bulk_released(ids) == 0


def test_bulk_release_of_ten_thousand_times_the_same(tenant):
    lock = tenant.locked()
    assert tenant.bulk_released([lock["id"]] * BULK_MAX) == 1


def test_bulk_release_of_too_many(tenant):
    lock = tenant.locked()
    answer = tenant.bulk([lock["id"]] * (BULK_MAX + 1))
    check_problem(answer, 400, "invalid_request", ["lockIds"])
    assert tenant.fetched(lock["id"])["status"] == "ACTIVE"


@pytest.mark.parametrize("ids", [[], None, "x", {}, 1])
def test_bulk_release_needs_a_list(tenant, ids):
    check_problem(tenant.bulk(ids), 400, "invalid_request", ["lockIds"])


@pytest.mark.parametrize("bad", ["", "x", None, 1, [], {}, "0" * 32 + "-"])
def test_one_bad_id_refuses_the_whole_bulk_release(tenant, bad):
    lock = tenant.locked()
    check_problem(tenant.bulk([lock["id"], bad]), 400, "invalid_request", ["lockIds"])
    assert tenant.fetched(lock["id"])["status"] == "ACTIVE"


def test_bulk_release_lists_all_violated_fields(tenant):
    answer = tenant.client.post("/v1/locks/bulk-release", {
        "lockIds": [], "reason": "", "correlationId": 1})
    check_problem(answer, 400, "invalid_request",
                  ["tenantId", "lockIds", "reason", "correlationId"])


def test_bulk_release_frees_the_places(tenant):
    stays = [{"stayStart": day(n), "stayEnd": day(n + 1)} for n in range(5)]
    ids = [tenant.locked(**stay)["id"] for stay in stays]
    types = [tenant.locked(roomId=ABSENT, **stay)["id"] for stay in stays]
    assert tenant.bulk_released(ids + types) == 10
    tenant.locked(stayStart=day(0), stayEnd=day(5))
    tenant.locked(stayStart=day(0), stayEnd=day(5), roomId=ABSENT)


def test_locks_taken_while_a_long_bulk_release_runs(tenant, tenants):
    """A bulk release of ten thousand does not hold up the locks behind it."""
    locks = lock_rooms(tenant, 20)
    ids = [new_id() for _ in range(BULK_MAX - 20)] + [lock["id"] for lock in locks]
    quick = tenants()
    quick.locked()
    payload = json.dumps({"tenantId": tenant.id, "lockIds": ids}).encode()
    connection = tenant.client.connect()
    connection.request("POST", "/v1/locks/bulk-release", payload,
                       {"Content-Type": "application/json"})
    slowest = max(quick.lock(roomId=new_id()).seconds for _ in range(30))
    response = connection.getresponse()
    assert json.loads(response.read()) == {"status": "released", "released": 20}
    assert response.status == 200
    assert slowest < 1.0
