"""The operators' token: what is closed without one, at nginx and again in the guard."""

import pytest

from client import Client
from fcgi import Peer
from shape import UNKNOWN_ID, check_json, check_problem, new_id
from systems import ADMIN_TOKEN, HASHED_ADMIN_TOKEN, running
from tenant import Tenant

ROUTES = [("POST", f"/v1/locks/{UNKNOWN_ID}/manual-release"),
          ("GET", f"/v1/locks/{UNKNOWN_ID}/audit"),
          ("GET", "/v1/locks/audit"),
          ("POST", "/v1/notifications/manual-release/test")]
WRONG = [None, "", " ", "wrong", ADMIN_TOKEN[:-1], ADMIN_TOKEN + "x", ADMIN_TOKEN.lower(),
         ADMIN_TOKEN.upper(), ADMIN_TOKEN + "," + HASHED_ADMIN_TOKEN, "x" * 600, "\u00e9",
         # the digest itself opens nothing
         "sha256:0000000000000000000000000000000000000000000000000000000000000000"]


def token(value):
    return {"X-Guard-Admin-Token": value if value is None else value.encode()}


@pytest.mark.parametrize("method, path", ROUTES)
@pytest.mark.parametrize("given", WRONG, ids=range(len(WRONG)))
def test_without_a_right_token_nothing_is_open(client, method, path, given):
    answer = client.request(method, path, {} if method == "POST" else None, headers=token(given))
    check_problem(answer, 403, "admin_token_required", [])


@pytest.mark.parametrize("method, path", ROUTES)
@pytest.mark.parametrize("right", [ADMIN_TOKEN, HASHED_ADMIN_TOKEN])
def test_both_kinds_of_tokens_are_right(client, method, path, right):
    answer = client.request(method, path, {} if method == "POST" else None, headers=token(right))
    problem = check_problem(answer, 400, "invalid_request")
    assert "tenantId" in [violation["field"] for violation in problem["errors"]]


def test_nothing_is_done_without_a_token(tenant, database):
    lock = tenant.locked()
    for given in WRONG:
        check_problem(tenant.manual_release(lock["id"], headers=token(given)), 403,
                      "admin_token_required")
    assert tenant.fetched(lock["id"])["status"] == "ACTIVE"
    assert not database.rows("SELECT FROM inventory_lock_audits WHERE lock_id = %s", (lock["id"],))


@pytest.mark.parametrize("path", [
    "/v1/locks/%2e%2e/manual-release", "/v1//locks/{}/manual-release", "/v1/./locks/{}/manual-release",
    "/v1/locks/{}/manual%2Drelease", "/v1/locks/{}/x/../manual-release", "/v1/locks/{}%2fmanual-release",
    "/v1/locks/x%2f..%2f{}/manual-release", "/v1/locks/{}/manual-release/", "/v1/locks/{}/manual-release?x"])
def test_no_spelling_of_the_path_gets_past_the_token(tenant, path):
    lock = tenant.locked()
    answer = tenant.client.post(path.format(lock["id"]),
                                {"tenantId": tenant.id, "reason": "guest moved", "actorId": "a",
                                 "actorName": "b"})
    assert answer.status in (403, 404), answer
    assert tenant.fetched(lock["id"])["status"] == "ACTIVE"


@pytest.mark.parametrize("method, path", ROUTES)
def test_the_guard_checks_by_itself(system, steady, method, path):
    for given in [None, "wrong", ADMIN_TOKEN + "x"]:
        extra = {} if given is None else {"HTTP_X_GUARD_ADMIN_TOKEN": given}
        with Peer(system.socket_path) as peer:
            check_problem(peer.request(method, path, b"{}" if method == "POST" else b"",
                                       **extra), 403, "admin_token_required")


def test_the_token_is_asked_for_before_anything_else(client):
    """Who has no token learns nothing of a route, not even what is wrong with the request."""
    path = f"/v1/locks/{UNKNOWN_ID}/manual-release"
    for method, body in [("POST", b"{not json"), ("DELETE", None), ("POST", b"x" * 5000)]:
        check_problem(client.request(method, path, body), 403, "admin_token_required")


def test_other_routes_need_none(client):
    query = {"tenantId": new_id()}
    check_json(client.get("/v1/locks", query=query))
    check_json(client.get("/v1/locks", query=query, headers=token("wrong")))


def test_without_any_token_configured_nobody_is_let_in(request):
    with running(request.session, steady=False, GUARD_WORKERS=1,
                 AVAILABILITY_GUARD_ADMIN_TOKENS="") as system:
        with Client(system.base_url) as client:
            for method, path in ROUTES:
                for given in [None, "", "anything", ADMIN_TOKEN]:
                    answer = client.request(method, path, {} if method == "POST" else None,
                                            headers=token(given))
                    check_problem(answer, 403, "admin_token_required")
            # nginx has decided that, without the guard
            system.stop_guards()
            answer = client.get("/v1/locks/audit", headers=token("anything"))
            check_problem(answer, 403, "admin_token_required")


def test_manual_releases_can_be_switched_off(request):
    with running(request.session, GUARD_WORKERS=1,
                 AVAILABILITY_GUARD_MANUAL_RELEASE_ENABLED="false") as system:
        tenant = Tenant(system.base_url)
        lock = tenant.locked()
        check_problem(tenant.manual_release(lock["id"]), 503, "manual_release_disabled")
        assert tenant.fetched(lock["id"])["status"] == "ACTIVE"
        check_json(tenant.audits())
        tenant.close()


def test_tokens_are_in_no_log_and_in_no_readable_file(tenant, system):
    check_json(tenant.audits())
    check_json(tenant.audits(headers=token(HASHED_ADMIN_TOKEN)))
    for path in system.state_dir.rglob("*"):
        if path.is_file() and path.suffix in (".log", ".conf"):
            text = path.read_text("utf-8", "replace")
            assert ADMIN_TOKEN not in text and HASHED_ADMIN_TOKEN not in text, path
            holds = "".join(f"\\x{ord(c):02x}" for c in ADMIN_TOKEN) in text
            assert holds == ("tokens" in path.name), path
            assert not holds or path.stat().st_mode & 0o007 == 0, path
