"""GET /openapi.json: what the interface is, for tools."""

import json
from pathlib import Path

from shape import check_problem

DOCUMENT = Path(__file__).resolve().parents[2] / "docs/openapi.json"


def test_the_document_is_served_as_it_is(tenant):
    answer = tenant.client.request("GET", "/openapi.json")
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json; charset=utf-8"
    assert answer.body == DOCUMENT.read_bytes()
    assert json.loads(answer.body)["openapi"].startswith("3.1.")


def test_it_is_only_read(tenant):
    answer = tenant.client.request("POST", "/openapi.json", body=b"{}")
    check_problem(answer, 405, "method_not_allowed")
    assert answer.headers["allow"] == "GET, HEAD"
