"""Headers: request ids, and those that stand in for fields of the body."""

import re

import pytest

from shape import UNKNOWN_ID, check_json, check_locked, check_problem, new_id
from tenant import ABSENT


# X-Request-Id

@pytest.mark.parametrize("sent", ["a", "req-1", "A.b_c:d-9", "x" * 128, UNKNOWN_ID])
def test_a_sane_request_id_comes_back(tenant, sent):
    answer = tenant.lock(headers={"X-Request-Id": sent})
    check_locked(answer)
    assert answer.request_id == sent
    refused = tenant.lock(headers={"X-Request-Id": sent}, stayEnd="x")
    assert check_problem(refused, 400, "invalid_request")["requestId"] == sent


@pytest.mark.parametrize("sent", ["", " ", "a b", "a\"b", "a,b", "x" * 129, "x" * 4000, "ü", "<a>",
                                  "a\tb", "{}", "a/b"])
def test_any_other_is_replaced(tenant, sent):
    answer = tenant.lock(headers={"X-Request-Id": sent.encode("utf-8")}, stayEnd="x")
    problem = check_problem(answer, 400, "invalid_request")
    assert problem["requestId"] != sent
    assert re.fullmatch(r"[A-Za-z0-9._:-]{16,128}", problem["requestId"])


def test_request_ids_differ(client):
    made = {client.get("/health").request_id for _ in range(50)}
    assert len(made) == 50


@pytest.mark.parametrize("path", ["/health", "/ready", "/nowhere", "/v1/locks"])
def test_every_answer_has_a_request_id(client, path):
    assert client.get(path, headers={"X-Request-Id": "mine"}).request_id == "mine"


# X-Tenant-Id

def test_the_header_stands_in_for_the_tenant(tenant):
    headers = {"X-Tenant-Id": tenant.id}
    lock = tenant.locked(headers=headers, tenantId=ABSENT)
    assert lock["tenant_id"] == tenant.id
    client = tenant.client
    path = f"/v1/locks/{lock['id']}"
    assert check_json(client.get(path, headers=headers))["lock"] == lock
    assert check_json(client.get("/v1/locks", headers=headers))["locks"] == [lock]
    bulk = client.post("/v1/locks/bulk-release", {"lockIds": [lock["id"]]}, headers=headers)
    assert check_json(bulk)["released"] == 1
    again = tenant.locked()
    check_json(client.delete(f"/v1/locks/{again['id']}", headers=headers))
    third = tenant.locked()
    check_json(client.delete(f"/v1/locks/{third['id']}", {"reason": "BODY"}, headers=headers))


def test_the_same_tenant_twice_is_fine(tenant):
    lock = tenant.locked(headers={"X-Tenant-Id": tenant.id.upper()})
    path = f"/v1/locks/{lock['id']}"
    headers = {"X-Tenant-Id": tenant.id}
    check_json(tenant.client.get(path, headers=headers, query={"tenantId": tenant.id}))


def test_another_tenant_is_refused_everywhere(tenant, other):
    lock = tenant.locked()
    headers = {"X-Tenant-Id": other.id}
    client, query = tenant.client, {"tenantId": tenant.id}
    path = f"/v1/locks/{lock['id']}"
    answers = [
        tenant.lock(headers=headers),
        client.get(path, headers=headers, query=query),
        client.get("/v1/locks", headers=headers, query=query),
        client.delete(path, headers=headers, query=query),
        tenant.release(lock["id"], headers=headers),
        tenant.bulk([lock["id"]], headers=headers),
    ]
    for answer in answers:
        check_problem(answer, 400, "invalid_request", ["tenantId"])
    assert tenant.listed() == [lock]


@pytest.mark.parametrize("value", ["x", "x" * 4000, "ü", "null"])
def test_a_bad_tenant_header(tenant, value):
    answer = tenant.lock(headers={"X-Tenant-Id": value.encode()}, tenantId=ABSENT)
    check_problem(answer, 400, "invalid_request", ["tenantId"])


# X-Correlation-Id

@pytest.mark.parametrize("size", [1, 127, 128, 255])
def test_the_header_stands_in_for_the_correlation_id(tenant, size):
    value = ("c-" * 200)[:size]
    assert tenant.locked(headers={"X-Correlation-Id": value})["correlation_id"] == value


@pytest.mark.parametrize("size", [256, 257, 4000])
def test_a_header_that_is_too_long(tenant, size):
    answer = tenant.lock(headers={"X-Correlation-Id": "c" * size})
    check_problem(answer, 400, "invalid_request", ["correlationId"])
    answer = tenant.lock(headers={"Idempotency-Key": "k" * size})
    check_problem(answer, 400, "invalid_request", ["idempotencyKey"])


@pytest.mark.parametrize("size", [127, 128, 255])
def test_long_keys_in_the_header(tenant, size):
    key = ("key-" * 100)[:size]
    by_header = tenant.locked(headers={"Idempotency-Key": key})
    assert tenant.locked(idempotencyKey=key)["id"] == by_header["id"]


def test_a_header_in_utf_8(tenant):
    lock = tenant.locked(headers={"X-Correlation-Id": "größe 漢字".encode()})
    assert lock["correlation_id"] == "größe 漢字"


def test_a_header_that_is_not_utf_8(tenant):
    answer = tenant.lock(headers={"X-Correlation-Id": b"\xff\xfe"})
    check_problem(answer, 400, "invalid_request", ["correlationId"])
    answer = tenant.lock(headers={"Idempotency-Key": b"caf\xe9"})
    check_problem(answer, 400, "invalid_request", ["idempotencyKey"])


def test_correlation_ids_must_agree(tenant):
    both = {"headers": {"X-Correlation-Id": "one"}}
    assert tenant.locked(correlationId="one", **both)["correlation_id"] == "one"
    check_problem(tenant.lock(correlationId="two", **both), 400, "invalid_request",
                  ["correlationId"])
    lock_id = tenant.locked(roomId=new_id())["id"]
    check_problem(tenant.release(lock_id, correlationId="two", **both), 400, "invalid_request",
                  ["correlationId"])
    check_problem(tenant.bulk([lock_id], correlationId="two", **both), 400, "invalid_request",
                  ["correlationId"])
    assert tenant.fetched(lock_id)["status"] == "ACTIVE"


def test_the_correlation_id_of_a_release_by_header(tenant):
    lock = tenant.locked()
    tenant.client.delete(f"/v1/locks/{lock['id']}", {"tenantId": tenant.id},
                         headers={"X-Correlation-Id": "by header"})
    assert tenant.fetched(lock["id"])["correlation_id"] == "by header"


def test_no_header_says_which_software_this_is(client):
    answer = client.get("/health")
    assert not re.search(r"\d", answer.headers.get("server", ""))
    assert "x-powered-by" not in answer.headers
