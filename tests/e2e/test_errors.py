"""Every row of the table of errors, and the routes of operations."""

import json

import pytest

from client import Client
from database import Database
from rawsocket import connect, read_answer, request_bytes
from shape import (PROBLEM_TYPE, UNKNOWN_ID, check_json, check_locked, check_problem,
                   check_retry_after, new_id)
from systems import running, wait_for
from tenant import Tenant

MIB = 1024 * 1024
HEALTH = {"status": "ok", "shadowMode": True}


# 400

@pytest.mark.parametrize("method, path", [
    ("POST", "/v1/locks"), ("POST", "/v1/locks/bulk-release"),
    ("DELETE", f"/v1/locks/{UNKNOWN_ID}"),
])
@pytest.mark.parametrize("body", [b"{", b"[]", b"1", b'"x"', b"null", b"true", b" ", b"{} {}",
                                  b"{}x", b"{'a': 1}", b'{"a": 1,}', b'{"a": 1, "a": 1}',
                                  b'{"a": {"b": 1, "b": 2}}', b"\xef\xbb\xbf{}", b"nil", b"{,}",
                                  b'{"tenantId": NaN}', b'{"ttlSeconds": 0x10}',
                                  b'{"ttlSeconds": 01}', b'// x\n{}'])
def test_invalid_json(client, method, path, body):
    check_problem(client.request(method, path, body), 400, "invalid_json", [])


def test_no_body_is_not_json(client):
    for path in ("/v1/locks", "/v1/locks/bulk-release"):
        for body in (None, b""):
            check_problem(client.post(path, body), 400, "invalid_json", [])


@pytest.mark.parametrize("body, position", [
    (b'{"tenantId": "x", }', "line 1, column 19"), (b'{\n  "tenantId": x\n}', "line 2"),
])
def test_the_position_of_what_is_not_json_is_told(client, body, position):
    problem = check_problem(client.post("/v1/locks", body), 400, "invalid_json")
    assert position in problem["detail"], problem


# 404

@pytest.mark.parametrize("path", [
    "/", "/v1", "/v1/", "/v1/lock", "/v1/locks/", "/v1/locksx", "/v2/locks", "/V1/LOCKS",
    f"/v1/locks/{UNKNOWN_ID}/", f"/v1/locks/{UNKNOWN_ID}/x", "/v1/locks/bulk-release/", "/healthz",
    "/health/", "/health/x", "/ready/", "/index.html", "/favicon.ico", "/problem", "/%7Froot",
    "/v1//locks", "//v1/locks",
])
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_unknown_routes(client, method, path):
    check_problem(client.request(method, path), 404, "route_not_found", [])


@pytest.mark.smoke
def test_unknown_locks(tenant):
    check_problem(tenant.get(new_id()), 404, "not_found", [])
    check_problem(tenant.release(new_id()), 404, "not_found", [])


# 405

LOCKS = {"GET", "HEAD", "POST"}
LOCK = {"GET", "HEAD", "DELETE"}
BULK = {"POST"}
READ = {"GET", "HEAD"}


@pytest.mark.parametrize("method, path, allowed", [
    ("PUT", "/v1/locks", LOCKS), ("DELETE", "/v1/locks", LOCKS), ("PATCH", "/v1/locks", LOCKS),
    ("POST", f"/v1/locks/{UNKNOWN_ID}", LOCK), ("PUT", f"/v1/locks/{UNKNOWN_ID}", LOCK),
    ("GET", "/v1/locks/bulk-release", BULK), ("DELETE", "/v1/locks/bulk-release", BULK),
    ("HEAD", "/v1/locks/bulk-release", BULK),
    ("POST", "/health", READ), ("DELETE", "/ready", READ), ("PUT", "/health/liveness", READ),
    ("POST", "/health/readiness", READ),
    ("FOO", "/v1/locks", LOCKS), ("PROPFIND", "/v1/locks", LOCKS), ("OPTIONS", "/health", READ),
])
def test_other_methods(client, method, path, allowed):
    answer = client.request(method, path)
    assert {name.strip() for name in answer.headers["allow"].split(",")} == allowed
    if method == "HEAD":
        assert (answer.status, answer.body) == (405, b"")
        assert answer.headers["content-type"] == PROBLEM_TYPE
    else:
        check_problem(answer, 405, "method_not_allowed", [])


# 413

def padded(tenant, size, **changes):
    """A valid request, made this long with blanks."""
    body = json.dumps(tenant.body(**changes)).encode()
    return body + b" " * (size - len(body))


def test_a_body_of_one_mib_is_taken(tenant):
    check_locked(tenant.client.post("/v1/locks", padded(tenant, MIB)))


@pytest.mark.parametrize("size", [MIB + 1, 2 * MIB])
@pytest.mark.parametrize("method, path", [
    ("POST", "/v1/locks"), ("POST", "/v1/locks/bulk-release"),
    ("DELETE", f"/v1/locks/{UNKNOWN_ID}"),
    ("GET", "/v1/locks"), ("POST", "/nowhere"), ("GET", "/health"),
])
def test_a_larger_one_is_refused(system, tenant, size, method, path):
    """The answer is there after the headers; a sender that sends on all the same gets it, too."""
    head = request_bytes(method, path, [("Content-Type", "application/json"),
                                        ("Content-Length", size)])
    for body in (b"", b" " * size):
        with connect(system.base_url) as connection:
            connection.sendall(head + body)
            check_problem(read_answer(connection), 413, "payload_too_large", [])
    assert tenant.listed() == []


# 415

@pytest.mark.parametrize("content_type", [
    "application/x-www-form-urlencoded", "text/plain", "text/json", "multipart/form-data",
    "application/jsonx", "application/xml", "json", "*/*", "text/plain; application/json",
    "x" * 300, "application/json-seq",
])
def test_a_body_of_another_type(tenant, content_type):
    headers = {"Content-Type": content_type}
    check_problem(tenant.lock(headers=headers), 415, "unsupported_media_type", [])
    check_problem(tenant.bulk([new_id()], headers=headers), 415, "unsupported_media_type", [])
    check_problem(tenant.release(new_id(), headers=headers), 415, "unsupported_media_type", [])
    assert tenant.listed() == []


@pytest.mark.parametrize("content_type", [
    None, "application/json", "application/json; charset=utf-8", "application/json;charset=UTF-8",
    "Application/JSON", "application/json ;charset=utf-8",
])
def test_a_body_of_the_right_type(tenant, content_type):
    tenant.locked(headers={"Content-Type": content_type})


# HEAD

@pytest.mark.parametrize("path", ["/health", "/ready", "/health/liveness", "/health/readiness"])
def test_head_of_health(client, path):
    check_head(client, path)


def test_head_of_locks(tenant):
    lock = tenant.locked()
    for path in (f"/v1/locks/{lock['id']}", "/v1/locks", f"/v1/locks/{UNKNOWN_ID}", "/v1/locks/x"):
        check_head(tenant.client, f"{path}?tenantId={tenant.id}")
    check_head(tenant.client, "/nowhere")


def check_head(client, path):
    """HEAD is GET without the body."""
    headers = {"X-Request-Id": "head"}
    got = client.get(path, headers=headers)
    head = client.request("HEAD", path, headers=headers)
    assert head.status == got.status
    assert head.body == b""
    same = [{name: value for name, value in answer.headers.items() if name != "date"}
            for answer in (got, head)]
    assert same[0] == same[1]
    # The next answer on this connection is whole: no body of the HEAD was in the way.
    check_json(client.get("/health"))


# Health and readiness

@pytest.mark.smoke
@pytest.mark.parametrize("path, body", [
    ("/health", HEALTH), ("/health/liveness", HEALTH),
    ("/ready", {"status": "ready"}), ("/health/readiness", {"status": "ready"}),
])
def test_healthy_and_ready(client, path, body):
    assert check_json(client.get(path)) == body
    assert check_json(client.get(path + "?verbose=1")) == body


# A system that fails closed, and whose parts are taken away

@pytest.fixture(scope="module")
def closed(request):
    with running(request.session, steady=False, AVAILABILITY_GUARD_FAIL_OPEN="false",
                 SHADOW_MODE="false") as system:
        yield system


@pytest.fixture
def guest(closed):
    made = Tenant(closed.base_url)
    yield made
    made.close()


def test_shadow_mode_is_shown(closed):
    with Client(closed.base_url) as client:
        assert check_json(client.get("/health")) == {"status": "ok", "shadowMode": False}


def routes(tenant):
    """A valid request of every route that needs the database."""
    return [lambda: tenant.lock(), lambda: tenant.get(new_id()), tenant.list,
            lambda: tenant.release(new_id()), lambda: tenant.bulk([new_id()])]


@pytest.mark.parametrize("fail_open", [True, False])
def test_without_the_database(request, fail_open):
    with running(request.session, AVAILABILITY_GUARD_FAIL_OPEN=str(fail_open).lower()) as system:
        tenant = Tenant(system.base_url)
        lock = tenant.locked()
        system.stop_postgres("immediate")
        wait_for(lambda: tenant.client.get("/ready").status == 503, 10, "not ready")
        for path in ("/ready", "/health/readiness"):
            answer = tenant.client.get(path)
            check_problem(answer, 503, "database_unavailable", ["database"], fail_open)
            check_retry_after(answer)
            head = tenant.client.request("HEAD", path)
            assert (head.status, head.body) == (503, b"")
            assert head.headers["x-guard-fail-open"] == str(fail_open).lower()
        for path in ("/health", "/health/liveness"):
            assert check_json(tenant.client.get(path)) == HEALTH
        for send in routes(tenant):
            answer = send()
            check_problem(answer, 503, "database_unavailable", ["database"], fail_open)
            check_retry_after(answer)
            # It is known to be down: nobody waits for it to be found out again.
            assert answer.seconds < 1.0
        # What is wrong with a request is told all the same.
        check_problem(tenant.lock(stayEnd="x"), 400, "invalid_request", ["stayEnd"])
        system.start_postgres()
        system.wait_ready(15)
        assert tenant.fetched(lock["id"]) == lock
        tenant.locked(roomId=new_id())
        tenant.close()


def move_schema_version(system, step):
    owner = Database(system.owner_dsn)
    owner.execute("UPDATE guard.schema_migrations SET version = version + %s WHERE version ="
                  " (SELECT max(version) FROM guard.schema_migrations)", (step,))
    owner.close()


def test_a_wrong_schema_is_told(closed, guest):
    """Not ready, and naming the schema, when its version is one that the guard does not know."""
    move_schema_version(closed, 1000)
    closed.stop_guards()
    closed.start_guards()
    answer = wait_for(lambda: not_ready(guest.client), 10, "the schema is refused")
    check_problem(answer, 503, "database_unavailable", ["schema"], fail_open=False)
    for send in routes(guest):
        check_problem(send(), 503, "database_unavailable", ["schema"], fail_open=False)
    move_schema_version(closed, -1000)
    closed.wait_ready(15)
    guest.locked()


def not_ready(client):
    """The answer of /ready when every guard process has looked at the schema and said no."""
    answers = [client.get("/ready") for _ in range(4)]
    named = [answer.status == 503 and [item["field"] for item in answer.json["errors"]]
             for answer in answers]
    return answers[-1] if all(fields == ["schema"] for fields in named) else None


def test_without_the_guard(closed, guest):
    guest.locked()
    closed.stop_guards()
    for send in routes(guest):
        answer = send()
        check_problem(answer, 502, "guard_unreachable", [], fail_open=False)
    check_problem(guest.client.get("/health"), 502, "guard_unreachable", [], fail_open=False)
    head = guest.client.request("HEAD", "/health")
    assert (head.status, head.body) == (502, b"")
    assert head.headers["x-guard-fail-open"] == "false"
    closed.start_guards()
    closed.wait_ready(15)
    guest.locked(roomId=new_id())


def test_operations_only_for_their_networks(closed, guest):
    """Last in this module: from here on, the system refuses health checks of this machine."""
    closed.settings["GUARD_OPERATIONS_NETWORKS"] = "10.0.0.0/8"
    closed.reload()
    # On connections of its own: those that are open stay with the old configuration.
    wait_for(lambda: closed.get_status("/health") == 403, 10, "health is refused")
    guest.client.close()
    for path in ("/health", "/health/liveness", "/ready", "/health/readiness", "/metrics"):
        check_problem(guest.client.get(path), 403, "forbidden", [])
        check_problem(guest.client.post(path, {}), 403, "forbidden", [])
    # Locks are for everybody who can reach the port.
    guest.locked()
