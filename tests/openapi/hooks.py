"""What the document can't say of a request, told to Schemathesis, so that what it takes for valid is.

Only what is valid as far as the document goes is touched, so that a request which is meant to be
refused is refused for its own fault.
"""

import datetime
import re

import schemathesis
from schemathesis.openapi.checks import UseAfterFree

PAIRS = (("stayStart", "stayEnd"), ("from", "to"))
RECIPIENT_BYTES = 320
UUID = re.compile(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
TIME = re.compile(r"\d{4}-\d\d-\d\d([Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d))?", re.ASCII)
# Headers that stand in for a field of the body or the query, and the longest text of a field.
STAND_IN = {"X-Tenant-Id": "tenantId", "X-Correlation-Id": "correlationId",
            "Idempotency-Key": "idempotencyKey"}
LONGEST = {"correlationId": 255, "idempotencyKey": 255, "reason": 100}


def day_of(text):
    """The number of the day that a time begins with; None when it is none."""
    if not isinstance(text, str) or TIME.fullmatch(text) is None:
        return None
    try:
        return datetime.date.fromisoformat(text[:10]).toordinal() if text >= "1970" else None
    except ValueError:
        return None


def put_in_order(values):
    """Of two times the second is the later one, and a stay is neither over nor too long. The texts
    keep their form, whatever it is, but for the date."""
    for first, second in PAIRS:
        begin, end = day_of(values.get(first)), day_of(values.get(second))
        if begin is None or end is None:
            continue
        day = datetime.date(2031, 1, 1) + datetime.timedelta(days=begin % 3000)
        # Offsets reach a day in either direction.
        values[first] = day.isoformat() + values[first][10:]
        values[second] = ((day + datetime.timedelta(days=3 + end % 30)).isoformat()
                          + values[second][10:])


def keep_in_years(values):
    """1970-01-01T00:00:00+01:00 is in 1969."""
    for pair in PAIRS:
        for name in pair:
            day = day_of(values.get(name))
            if day is not None and values[name][:10] in ("1970-01-01", "9999-12-31"):
                values[name] = "2031-01-01" + values[name][10:]


def write_integers(body):
    """1.0 is an integer for a schema; the service wants it written as one."""
    ttl = body.get("ttlSeconds")
    if isinstance(ttl, float) and ttl.is_integer():
        body["ttlSeconds"] = int(ttl)


def cut_recipients(body):
    """They are measured in bytes, which a schema can't count."""
    for name in ("notify", "recipients"):
        if isinstance(body.get(name), list):
            body[name] = [text.encode()[:RECIPIENT_BYTES].decode(errors="ignore")
                          if isinstance(text, str) and len(text) <= RECIPIENT_BYTES else text
                          for text in body[name]]


def fits(field, value):
    if not isinstance(value, str):
        return False
    longest = LONGEST.get(field)
    return UUID.fullmatch(value) is not None if longest is None else 0 < len(value) <= longest


def say_once(case, body, query):
    """What is given twice must be the same, which it never is by chance. A tenant that is missing
    stays missing."""
    headers = case.headers or {}
    for header, field in STAND_IN.items():
        needed = field != "tenantId" and field not in body and field not in query
        if not needed and fits(field, headers.get(header)):
            del headers[header]
    for field in ("tenantId", "correlationId", "reservationId", "reason"):
        if field in query and fits(field, body.get(field)):
            del body[field]


def name_tenant(case, body, query):
    """A release needs its tenant in the body or the query, wherever."""
    if case.operation.label == "DELETE /v1/locks/{lockId}" and not (
            "tenantId" in body or "tenantId" in query):
        case.query = {**query, "tenantId": "0b0e7c1a-53b1-4c7e-9a0d-6f1f5c3a9d01"}


@schemathesis.hook
def before_call(_context, case, _kwargs):
    body = case.body if isinstance(case.body, dict) else {}
    query = case.query or {}
    for values in (body, query):
        keep_in_years(values)
        put_in_order(values)
    write_integers(body)
    cut_recipients(body)
    say_once(case, body, query)
    name_tenant(case, body, query)


def has_ended(case, response):
    """A released lock can still be read, as such, and so can its audit trail."""
    answer = response.json()
    if case.operation.label == "GET /v1/locks/{lockId}":
        return answer["lock"]["status"] in ("RELEASED", "EXPIRED")
    return case.operation.label == "GET /v1/locks/{lockId}/audit"


@schemathesis.hook
def filter_failure(_context, failure, case, response):
    """For the check, DELETE deletes."""
    return not (isinstance(failure, UseAfterFree) and has_ended(case, response))
