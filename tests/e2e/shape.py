"""The exact shapes of the contract: locks, conflicts, problems, times."""

import datetime
import re
import uuid

# A uuid that no lock has: for the names of tests, which must not change from run to run.
UNKNOWN_ID = "6ba7b810-9dad-41d1-80b4-00c04fd430c8"

UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")

JSON_TYPE = "application/json; charset=utf-8"
PROBLEM_TYPE = "application/problem+json"

LOCK_FIELDS = {
    "id", "tenant_id", "property_id", "reservation_id", "room_type_id", "room_id",
    "stay_start", "stay_end", "reason", "correlation_id", "expires_at", "ttl_seconds",
    "metadata", "status", "release_reason", "released_at", "fencing_token", "created_at",
    "updated_at",
}
PROBLEM_FIELDS = {"type", "title", "status", "error", "detail", "errors", "requestId"}


def is_uuid(value):
    return isinstance(value, str) and UUID.fullmatch(value) is not None


def is_time(value):
    return isinstance(value, str) and TIME.fullmatch(value) is not None


def is_text(value):
    return isinstance(value, str) and value != ""


def is_count(value):
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def or_null(check):
    return lambda value: value is None or check(value)


LOCK_CHECKS = {
    "id": is_uuid,
    "tenant_id": is_uuid,
    "property_id": or_null(is_uuid),
    "reservation_id": or_null(is_uuid),
    "room_type_id": is_uuid,
    "room_id": or_null(is_uuid),
    "stay_start": is_time,
    "stay_end": is_time,
    "reason": is_text,
    "correlation_id": or_null(is_text),
    "expires_at": is_time,
    "ttl_seconds": is_count,
    "metadata": lambda value: isinstance(value, dict),
    "status": lambda value: value in ("ACTIVE", "RELEASED", "EXPIRED"),
    "release_reason": or_null(is_text),
    "released_at": or_null(is_time),
    "fencing_token": is_count,
    "created_at": is_time,
    "updated_at": is_time,
}


def instant(text):
    """The moment that a time of the service stands for."""
    assert is_time(text), text
    return datetime.datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(
        tzinfo=datetime.timezone.utc)


def check_lock(lock, with_metadata=True):
    fields = LOCK_FIELDS if with_metadata else LOCK_FIELDS - {"metadata"}
    assert set(lock) == fields, set(lock) ^ fields
    wrong = {name: lock[name] for name in fields if not LOCK_CHECKS[name](lock[name])}
    assert not wrong, wrong
    # All times of the service have one form, so they compare as texts.
    assert lock["stay_start"] < lock["stay_end"]
    assert lock["expires_at"] <= lock["stay_end"]
    assert lock["created_at"] <= lock["updated_at"]
    released = lock["status"] == "RELEASED"
    assert (lock["released_at"] is not None) == released, lock
    assert (lock["release_reason"] is not None) == released, lock
    return lock


def check_json(answer, status=200):
    """What every answer that is no problem has; returns the body."""
    assert answer.status == status, answer
    assert answer.headers["content-type"] == JSON_TYPE, answer
    assert answer.headers["content-length"] == str(len(answer.body)), answer
    assert answer.request_id, answer
    return answer.json


def check_locked(answer):
    body = check_json(answer)
    assert set(body) == {"status", "lock"}, body
    assert body["status"] == "LOCKED", body
    lock = check_lock(body["lock"])
    assert lock["status"] == "ACTIVE", lock
    return lock


def check_conflict(answer):
    body = check_json(answer, 409)
    assert set(body) == {"status", "conflict"}, body
    assert body["status"] == "CONFLICT", body
    lock = check_lock(body["conflict"], with_metadata=False)
    assert lock["status"] == "ACTIVE", lock
    return lock


def check_problem(answer, status, error, fields=None, fail_open=True):
    """The one shape of errors. `fields`: exactly the fields that must be named."""
    assert answer.status == status, answer
    assert answer.headers["content-type"] == PROBLEM_TYPE, answer
    assert answer.headers["content-length"] == str(len(answer.body)), answer
    problem = answer.json
    expected = PROBLEM_FIELDS | ({"failOpen"} if status >= 500 else set())
    assert set(problem) == expected, problem
    assert problem["type"] == "about:blank"
    assert problem["status"] == status
    assert problem["error"] == error, problem
    assert is_text(problem["title"]) and is_text(problem["detail"]), problem
    assert problem["requestId"] == answer.request_id, answer
    assert is_text(answer.request_id), answer
    for violation in problem["errors"]:
        assert set(violation) == {"field", "message"}, violation
        assert is_text(violation["field"]) and is_text(violation["message"]), violation
    if status >= 500:
        assert problem["failOpen"] is fail_open, problem
        assert answer.headers["x-guard-fail-open"] == str(fail_open).lower(), answer
    else:
        assert "x-guard-fail-open" not in answer.headers, answer
    if fields is not None:
        named = [violation["field"] for violation in problem["errors"]]
        assert sorted(named) == sorted(fields), problem
    return problem


def check_retry_after(answer):
    """A whole number of seconds that a caller can reasonably wait."""
    assert re.fullmatch(r"\d{1,3}", answer.headers["retry-after"]), answer
    assert int(answer.headers["retry-after"]) >= 1, answer


def new_id():
    return str(uuid.uuid4())
