"""docs/openapi.json says what the code does: paths, methods, fields, limits, answers, error codes."""

import json
import re
import sys
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

SOURCE = Path(__file__).resolve().parents[2]
sys.path.append(str(SOURCE / "tests/openapi"))

# pylint: disable=wrong-import-position
from document import DOCUMENT, TEXT, Contract, closed, inlined, looked_up, operations

COMPONENTS = DOCUMENT["components"]
SCHEMAS = COMPONENTS["schemas"]
OPERATIONS = {operation["operationId"]: operation for _, _, operation in operations()}

# The gRPC door alone gives these.
ONLY_BY_GRPC = {(401, "unauthenticated"), (504, "deadline_exceeded")}


def source(path):
    return (SOURCE / path).read_text(encoding="utf-8")


NGINX = source("conf/nginx/availability-guard.conf.in")


def routes():
    """[(path as in the document, who may call it, methods)]"""
    found = re.findall(r'\{"(/[^"]+)",\s+(\w+),\s+"([A-Z, ]+)",', source("src/guard/router.c"))
    assert len(found) > 10
    return [(path.replace("{id}", "{lockId}"), callers, set(allow.split(", ")))
            for path, callers, allow in found]


def test_it_has_the_paths_and_methods_of_the_router():
    documented = {}
    for path, method, _ in operations():
        documented.setdefault(path, set()).add(method.upper())
    # HEAD goes with GET, which the document says once.
    assert documented == {path: methods - {"HEAD"} for path, _, methods in routes()}
    assert all(("HEAD" in methods) == ("GET" in methods) for _, _, methods in routes())


def test_operators_routes_need_a_token():
    operators = {path for path, callers, _ in routes() if callers == "OPERATORS"}
    assert {path for path, _, operation in operations() if "security" in operation} == operators
    for path, _, operation in operations():
        assert (("admin_token_required" in codes_of(operation, 403)) == (path in operators)), path


def test_health_and_metrics_are_for_some_networks():
    place = re.search(r"location ~ (\S+) \{\s+\$\{OPERATIONS_ALLOW\}", NGINX)[1]
    for path, _, operation in operations():
        guarded = re.search(place, path) is not None
        assert ("forbidden" in codes_of(operation, 403)) == guarded, path


def codes_of(operation, status):
    response = operation["responses"].get(str(status))
    if response is None or "application/problem+json" not in response["content"]:
        return []
    return response["content"]["application/problem+json"]["schema"]["allOf"][1][
        "properties"]["error"]["enum"]


def codes_of_nginx():
    """{(status, code)}"""
    table = re.search(r"map \$status \$problem_error \{(.*?)\}", NGINX, re.S)[1]
    assert "default internal_error;" in table
    found = {(int(status), code) for status, code in re.findall(r"(\d+) (\w+);", table)}
    assert len(found) > 12
    return found | {(500, "internal_error"), (403, "admin_token_required")}


def codes_of_guard():
    found = {(int(status), code)
             for status, code in re.findall(r'\{(\d{3}), "(\w+)"', source("src/guard/problem.c"))}
    assert len(found) > 12 and ONLY_BY_GRPC < found
    return found - ONLY_BY_GRPC


def test_it_has_all_problems_with_their_statuses():
    documented = set()
    for _, _, operation in operations():
        for status, response in operation["responses"].items():
            documented |= {(int(status), code) for code in codes_of(operation, status)}
            failed = int(status) >= 500
            assert ("X-Guard-Fail-Open" in response["headers"]) == failed
            if failed:
                schema = response["content"]["application/problem+json"]["schema"]
                assert schema["allOf"][1]["required"] == ["failOpen"]
    assert documented == codes_of_guard() | codes_of_nginx()
    assert (set(SCHEMAS["Problem"]["properties"]["error"]["enum"])
            == {code for _, code in documented})


def test_every_operation_has_what_nginx_may_answer():
    by_route = {403, 404, 503}
    everywhere = {status for status, _ in codes_of_nginx()} - by_route
    for _, _, operation in operations():
        answered = {int(status) for status in operation["responses"]}
        assert everywhere | {503} <= answered, everywhere - answered
        assert (415 in answered) == ("requestBody" in operation)


def body_of(path, function):
    return re.search(rf"\b{function}\(.*?\n\}}", source(path), re.S)[0]


@pytest.mark.parametrize("schema,path,functions", [
    ("LockRequest", "src/json/lock_body.c", ["lock_body_lock"]),
    ("ReleaseRequest", "src/json/lock_body.c", ["lock_body_release"]),
    ("BulkReleaseRequest", "src/json/lock_body.c", ["lock_body_bulk_release"]),
    ("ManualReleaseRequest", "src/guard/admin_routes.c", ["admin_routes_manual_release"]),
    ("NotificationTestRequest", "src/guard/notification_routes.c",
     ["read_ids", "read_stay", "read_event", "notification_routes_test"]),
])
def test_it_has_the_fields_that_are_read(schema, path, functions):
    text = "".join(body_of(path, function) for function in functions)
    fields = set(re.findall(r'(?:request_body_\w+|read_text|recipients_input)\([^"();]+"(\w+)"',
                            text))
    fields |= {"tenantId"} if "route_body_tenant_id" in text else set()
    fields |= {"correlationId"} if "route_body_correlation_id" in text else set()
    assert set(SCHEMAS[schema]["properties"]) == fields


@pytest.mark.parametrize("operation,path,functions", [
    ("listLocks", "src/guard/lock_routes.c", ["lock_routes_list"]),
    ("getLock", "src/guard/lock_routes.c", ["lock_routes_get"]),
    ("releaseLock", "src/guard/lock_routes.c", ["lock_routes_release"]),
    ("listAudits", "src/guard/admin_routes.c", ["admin_routes_tenant_audits"]),
    ("listLockAudits", "src/guard/admin_routes.c", ["admin_routes_lock_audits"]),
])
def test_it_has_the_query_parameters_that_are_read(operation, path, functions):
    text = "".join(body_of(path, function) for function in functions)
    names = set(re.findall(r'route_query_(?:value|time)\(x, "(\w+)"', text))
    names |= {"tenantId"} if "route_query_tenant_id" in text else set()
    assert {parameter["name"] for parameter in OPERATIONS[operation]["parameters"]
            if parameter["in"] == "query"} == names


def test_it_has_the_headers_that_nginx_hands_on():
    handed_on = set(re.findall(r"fastcgi_param HTTP_\w+ \$http_(\w+) if_not_empty;", NGINX))
    documented = {parameter["name"] for _, _, operation in operations()
                  for parameter in operation["parameters"] if parameter["in"] == "header"}
    documented |= {scheme["name"] for scheme in COMPONENTS["securitySchemes"].values()}
    assert "map $http_x_request_id $guard_request_id" in NGINX
    assert ({name.lower().replace("-", "_") for name in documented}
            == handed_on | {"x_request_id"})


def constant(name):
    header = {"REQUEST": "domain/request.h", "MANUAL": "domain/manual_release.h",
              "RECIPIENTS": "notification/recipients.h",
              "RECIPIENT": "notification/recipient.h"}[name.partition("_")[0]]
    return int(re.search(rf"#define {name} (\d+)", source(f"src/{header}"))[1])


REASON = {"maxLength": "REQUEST_REASON_MAX"}
TEXT_255 = {"maxLength": "REQUEST_TEXT_MAX"}
ACTOR = {"actorId": {"maxLength": "MANUAL_RELEASE_ACTOR_MAX"},
         "actorName": {"maxLength": "MANUAL_RELEASE_ACTOR_MAX"},
         "actorEmail": {"maxLength": "MANUAL_RELEASE_EMAIL_MAX"}}
LIMITS = {
    "LockRequest": {"reason": REASON, "correlationId": TEXT_255, "idempotencyKey": TEXT_255},
    "ReleaseRequest": {"reason": REASON, "correlationId": TEXT_255},
    "BulkReleaseRequest": {"reason": REASON, "correlationId": TEXT_255,
                           "lockIds": {"maxItems": "REQUEST_BULK_MAX"}},
    "ManualReleaseRequest": {"reason": {"minLength": "MANUAL_RELEASE_REASON_MIN",
                                        "maxLength": "MANUAL_RELEASE_REASON_MAX"},
                             "correlationId": TEXT_255,
                             "notify": {"maxItems": "RECIPIENTS_GIVEN_MAX"}, **ACTOR},
    "NotificationTestRequest": {"reason": {"maxLength": "MANUAL_RELEASE_REASON_MAX"},
                                "recipients": {"maxItems": "RECIPIENTS_GIVEN_MAX"}, **ACTOR},
}


@pytest.mark.parametrize("schema", LIMITS)
def test_it_has_the_limits_of_the_code(schema):
    fields = SCHEMAS[schema]["properties"]
    for field, limits in LIMITS[schema].items():
        for keyword, name in limits.items():
            assert fields[field][keyword] == constant(name), (field, name)
        if "minLength" not in limits and "maxLength" in limits:
            assert fields[field]["minLength"] == 1, field
    # No text is without a limit.
    texts = {name for name, field in fields.items() if field.get("type") == "string"}
    assert texts <= set(LIMITS[schema])
    for name in ("notify", "recipients"):
        if name in fields:
            assert fields[name]["items"]["maxLength"] == constant("RECIPIENT_BYTES_MAX")


def test_limits_that_are_told_in_words_are_those_of_the_code():
    kib = int(re.search(r"FIELD_METADATA_MAX \(\(size_t\)(\d+) \* 1024\)",
                        source("src/domain/field.h"))[1])
    assert f"at most {kib * 1024} bytes" in SCHEMAS["Metadata"]["description"]
    count, size = map(int, re.search(r"large_client_header_buffers (\d+) (\d+)k;", NGINX).groups())
    responses = COMPONENTS["responses"]
    assert f"longer than {size} KiB" in responses["UriTooLong"]["description"]
    assert re.findall(r"(\d+) KiB", responses["HeadersTooLarge"]["description"]) == [
        str(size), str(count * size)]


def test_it_has_the_limits_of_pages():
    limits = [parameter["schema"] for _, _, operation in operations()
              for parameter in operation["parameters"] if parameter["name"] == "limit"]
    assert len(limits) == 3
    for limit in limits:
        assert limit["minimum"] == 1
        assert limit["maximum"] == constant("REQUEST_LIST_MAX")
        assert limit["default"] == constant("REQUEST_LIST_DEFAULT")


def test_it_has_the_reasons_of_those_who_give_none():
    reasons = dict(re.findall(r'REASON_(\w+) = \{"(\w+)"', source("src/domain/request.c")))
    for schema, name in (("LockRequest", "LOCK"), ("ReleaseRequest", "RELEASE"),
                         ("BulkReleaseRequest", "BULK_RELEASE")):
        assert SCHEMAS[schema]["properties"]["reason"]["default"] == reasons[name]


def test_settings_are_named_with_their_defaults():
    defaults = dict(re.findall(r'X\((\w+), \w+, \w+,\s[\s\\]*"([^"]*)"',
                               source("src/base/settings.h")))
    named = re.findall(r"`([A-Z_]+)` \((\w+)\)", TEXT)
    assert len(named) >= 5
    for name, value in named:
        assert defaults[name] == value, name
    known = set(re.findall(r"X\((\w+), ", source("src/base/settings.h")))
    assert set(re.findall(r"`([A-Z]+_[A-Z_]+)`", TEXT)) - {"RELEASED"} <= known


@pytest.mark.parametrize("schema,path", [("Lock", "src/guard/lock_json.c"),
                                         ("Audit", "src/guard/audit_json.c")])
def test_it_has_the_members_of_answers_in_their_order(schema, path):
    members = re.findall(r'"[{,]\\"(\w+)\\":"', source(path))
    assert list(SCHEMAS[schema]["properties"]) == members
    assert SCHEMAS[schema]["required"] == members


def test_the_lock_in_the_way_has_no_metadata():
    assert ([name for name in SCHEMAS["Lock"]["properties"] if name != "metadata"]
            == list(SCHEMAS["LockInTheWay"]["properties"]))


def test_all_references_lead_somewhere_and_all_parts_are_used():
    references = set(re.findall(r'"\$ref": "(#/[^"]+)"', TEXT))
    for reference in references:
        looked_up(reference)
    parts = {f"#/components/{kind}/{name}" for kind in COMPONENTS if kind != "securitySchemes"
             for name in COMPONENTS[kind]}
    assert parts == references


def test_links_lead_to_operations_and_their_parameters():
    count = 0
    for operation in OPERATIONS.values():
        for response in operation["responses"].values():
            for link in response.get("links", {}).values():
                known = {parameter["name"]
                         for parameter in OPERATIONS[link["operationId"]]["parameters"]}
                assert set(link["parameters"]) <= known
                count += 1
    assert count >= 6


def contents():
    """[(where, content)] of all bodies."""
    for name, operation in OPERATIONS.items():
        for type_, content in operation.get("requestBody", {}).get("content", {}).items():
            yield f"{name} {type_}", content
        for status, response in operation["responses"].items():
            for type_, content in response["content"].items():
                yield f"{name} {status} {type_}", content


def test_schemas_are_valid_and_examples_fit():
    count = 0
    for where, content in contents():
        Draft202012Validator.check_schema(content["schema"])
        validator = Draft202012Validator(closed(content["schema"]))
        examples = [example["value"] for example in content.get("examples", {}).values()]
        examples += [content["example"]] if "example" in content else []
        for example in examples:
            errors = [error.message for error in validator.iter_errors(example)]
            assert not errors, where
            count += 1
    assert count > 20
    for schema in inlined(SCHEMAS).values():
        for example in schema.get("examples", []):
            assert Draft202012Validator(schema).is_valid(example), example


def test_the_example_of_a_missing_database_is_what_the_guard_says():
    example = COMPONENTS["responses"]["Unavailable"]["content"]["application/problem+json"]["example"]
    code = source("src/guard/exchange.c")
    for text in (example["detail"], example["errors"][0]["message"]):
        assert f'"{text}"' in code


# That the tests of answers can fail.

LOCKED = OPERATIONS["lockRoom"]["responses"]["200"]["content"]["application/json"]["examples"][
    "room"]["value"]
HEADERS = {"x-request-id": "1", "content-type": "application/json; charset=utf-8"}


def changed(**members):
    return json.dumps({**LOCKED, "lock": {**LOCKED["lock"], **members}}).encode()


@pytest.mark.parametrize("status,headers,body,found", [
    (200, HEADERS, changed(), []),
    (200, HEADERS, changed(fencing_token="1"), ["['lock', 'fencing_token']"]),
    (200, HEADERS, changed(more=1), ["['lock']"]),
    (200, HEADERS, changed(created_at="2026-11-22T13:56:44Z"), ["['lock', 'created_at']"]),
    (200, {**HEADERS, "content-type": "text/html"}, changed(), ["content type"]),
    (200, {"content-type": "application/json"}, changed(), ["no header x-request-id"]),
    (201, HEADERS, changed(), ["status 201"]),
    (503, {**HEADERS, "content-type": "application/problem+json", "x-guard-fail-open": "yes"},
     b"{}", ["header x-guard-fail-open", "no header retry-after"]),
], ids=["right", "type", "member", "form", "content type", "no header", "status", "headers"])
def test_an_answer_that_is_not_as_documented_is_found(status, headers, body, found):
    wrong = Contract().wrong("POST", "/v1/locks?x=1", status, headers, body)
    for start in found:
        assert any(text.startswith(start) for text in wrong), wrong
    assert bool(wrong) == bool(found)
