"""docs/openapi.json says what the code does: paths, methods, error codes and limits."""

import json
import re
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[2]
TEXT = (SOURCE / "docs/openapi.json").read_text()
DOCUMENT = json.loads(TEXT)
SCHEMAS = DOCUMENT["components"]["schemas"]


def source(path):
    return (SOURCE / path).read_text()


def test_it_has_the_paths_and_methods_of_the_router():
    routes = re.findall(r'\{"(/[^"]+)",\s+\w+,\s+"([A-Z, ]+)",', source("src/guard/router.c"))
    assert len(routes) > 10
    assert {path: sorted(method.upper() for method in item)
            for path, item in DOCUMENT["paths"].items()} == {
        path.replace("{id}", "{lockId}"): sorted(set(allow.split(", ")) - {"HEAD"})
        for path, allow in routes}


def test_operators_routes_need_a_token():
    operators = set(re.findall(r'\{"(/[^"]+)",\s+OPERATORS,', source("src/guard/router.c")))
    assert {path for path, item in DOCUMENT["paths"].items()
            if any("security" in operation for operation in item.values())} == {
        path.replace("{id}", "{lockId}") for path in operators}


def test_it_has_the_codes_of_all_problems():
    codes = set(re.findall(r'\{\d{3}, "(\w+)"', source("src/guard/problem.c")))
    nginx = source("conf/nginx/availability-guard.conf.in")
    made_by_nginx = re.search(r"map \$status \$problem_error \{(.*?)\}", nginx, re.S)[1]
    codes |= set(re.findall(r"(\w+);", made_by_nginx))
    codes |= set(re.findall(r'"error":"([a-z_]+)"', nginx))
    assert len(codes) > 20
    assert set(SCHEMAS["Problem"]["properties"]["error"]["enum"]) == codes


def constant(header, name):
    return int(re.search(rf"#define {name} (\d+)", source(header))[1])


@pytest.mark.parametrize("schema,field,limit,header,name", [
    ("LockRequest", "reason", "maxLength", "domain/request.h", "REQUEST_REASON_MAX"),
    ("LockRequest", "correlationId", "maxLength", "domain/request.h", "REQUEST_TEXT_MAX"),
    ("LockRequest", "idempotencyKey", "maxLength", "domain/request.h", "REQUEST_TEXT_MAX"),
    ("ReleaseRequest", "reason", "maxLength", "domain/request.h", "REQUEST_REASON_MAX"),
    ("BulkReleaseRequest", "lockIds", "maxItems", "domain/request.h", "REQUEST_BULK_MAX"),
    ("ManualReleaseRequest", "reason", "minLength", "domain/manual_release.h",
     "MANUAL_RELEASE_REASON_MIN"),
    ("ManualReleaseRequest", "reason", "maxLength", "domain/manual_release.h",
     "MANUAL_RELEASE_REASON_MAX"),
    ("ManualReleaseRequest", "actorName", "maxLength", "domain/manual_release.h",
     "MANUAL_RELEASE_ACTOR_MAX"),
    ("ManualReleaseRequest", "actorEmail", "maxLength", "domain/manual_release.h",
     "MANUAL_RELEASE_EMAIL_MAX"),
    ("ManualReleaseRequest", "notify", "maxItems", "notification/recipients.h",
     "RECIPIENTS_GIVEN_MAX"),
    ("NotificationTestRequest", "recipients", "maxItems", "notification/recipients.h",
     "RECIPIENTS_GIVEN_MAX"),
])
def test_it_has_the_limits_of_the_code(schema, field, limit, header, name):
    assert SCHEMAS[schema]["properties"][field][limit] == constant(f"src/{header}", name)


def test_it_has_the_limits_of_pages():
    limits = [parameter["schema"] for item in DOCUMENT["paths"].values()
              for operation in item.values() for parameter in operation.get("parameters", [])
              if parameter["name"] == "limit"]
    assert len(limits) == 3
    for limit in limits:
        assert limit["maximum"] == constant("src/domain/request.h", "REQUEST_LIST_MAX")
        assert limit["default"] == constant("src/domain/request.h", "REQUEST_LIST_DEFAULT")


def test_all_references_lead_somewhere():
    references = set(re.findall(r'"\$ref": "#/([^"]+)"', TEXT))
    assert len(references) > 30
    for reference in references:
        part = DOCUMENT
        for name in reference.split("/"):
            part = part[name]


def test_a_lock_has_the_columns_of_the_answer():
    columns = re.search(r"'ordinal outcome ([^']+)',\s+'columns of lock_answer'",
                        re.sub(r"'\s+\|\| '", "", source("tests/sql/grant.sql")))[1].split()
    assert sorted(SCHEMAS["Lock"]["properties"]) == sorted(columns)
