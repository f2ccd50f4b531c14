"""GET /openapi.json, and its examples: what they ask is answered as they say."""

import copy
import itertools

import pytest
from contract import CONTRACT
from document import DOCUMENT, TEXT, operations
from shape import check_problem
from systems import ADMIN_TOKEN

OPERATIONS = {operation["operationId"]: (method, path, operation)
              for path, method, operation in operations()}
# Made anew by every run.
VOLATILE = {"expires_at", "created_at", "updated_at", "fencing_token", "auditId", "requestId"}


def test_the_document_is_served_as_it_is(client):
    answer = client.get("/openapi.json")
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json; charset=utf-8"
    assert answer.body == TEXT.encode()
    assert client.request("HEAD", "/openapi.json").body == b""


def test_it_is_only_read(client):
    answer = client.post("/openapi.json", {})
    check_problem(answer, 405, "method_not_allowed")
    assert answer.headers["allow"] == "GET, HEAD"


def steady(value):
    """A copy without what differs from run to run."""
    if isinstance(value, list):
        return [steady(element) for element in value]
    if not isinstance(value, dict):
        return value
    dropped = VOLATILE | ({"id"} if "action" in value else set())  # of an audit row
    return {name: steady(member) for name, member in value.items() if name not in dropped}


def ask(client, name, example=None):
    """Asks what the examples of an operation say; `example`: which one, where there are several."""
    method, path, operation = OPERATIONS[name]
    query = {}
    for parameter in operation["parameters"]:
        if "example" in parameter and parameter["in"] == "path":
            path = path.replace("{%s}" % parameter["name"], parameter["example"])
        elif "example" in parameter:
            query[parameter["name"]] = parameter["example"]
    content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    body = content["examples"][example]["value"] if example else content.get("example")
    headers = {"x-guard-admin-token": ADMIN_TOKEN} if "security" in operation else {}
    return client.request(method.upper(), path, body, headers=headers, query=query)


def check_example(client, name, example=None, status=200):
    answer = ask(client, name, example)
    assert answer.status == status, answer
    responses = OPERATIONS[name][2]["responses"]
    content, = responses[str(status)]["content"].values()
    expected = content["examples"][example]["value"] if example else content.get("example")
    assert expected is None or steady(answer.json) == steady(expected)


STEPS = [("lockRoom", "room"), ("lockRoom", "taken", 409), ("getLock",), ("listLocks",),
         ("bulkRelease",), ("lockRoom", "room"), ("manualRelease",), ("listLockAudits",),
         ("listAudits",), ("lockRoom", "room"), ("releaseLock",), ("lockRoom", "roomType"),
         ("testNotification",), ("getHealth",), ("getLiveness",), ("getReady",),
         ("getReadiness",), ("getMetrics",), ("getOpenApi",)]


def test_the_examples_are_true(client):
    for step in STEPS:
        check_example(client, *step)
    assert {step[0] for step in STEPS} == set(OPERATIONS)


def test_the_example_of_a_request_that_is_wrong(client):
    invalid = DOCUMENT["components"]["responses"]["Invalid"]
    answer = client.post("/v1/locks", {"tenantId": "0b0e7c1a-53b1-4c7e-9a0d-6f1f5c3a9d01",
                                       "stayStart": "2031-02-30", "stayEnd": "2031-03-02"})
    assert answer.status == 400
    assert steady(answer.json) == steady(invalid["content"]["application/problem+json"]["example"])


def test_answers_of_all_tests_are_looked_at(client, monkeypatch):
    """A change of the document that the service does not follow is seen by whatever test asks."""
    answers = copy.copy(CONTRACT.answers)
    responses = dict(answers["/health", "get"])
    responses[204] = responses.pop(200)
    answers["/health", "get"] = responses
    monkeypatch.setattr(CONTRACT, "answers", answers)
    monkeypatch.setattr("contract.SEEN", {("GET", "/health", 200): itertools.count()})
    with pytest.raises(AssertionError, match="status 200"):
        client.get("/health")
