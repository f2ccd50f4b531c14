"""Granting locks: the shape of answers, stays, places, conflicts, defaults and metadata."""

import datetime
import json
from decimal import Decimal

import pytest

from client import Client
from shape import (check_conflict, check_locked, check_problem, instant, new_id)
from tenant import ABSENT, day, moment


@pytest.mark.smoke
def test_a_minimal_request_gets_the_defaults(tenant, database):
    before = database.now()
    lock = tenant.locked(roomId=ABSENT)
    after = database.now()
    millisecond = datetime.timedelta(milliseconds=1)
    assert lock["tenant_id"] == tenant.id
    assert lock["room_type_id"] == tenant.room_type
    assert lock["room_id"] is None
    assert lock["property_id"] is None
    assert lock["reservation_id"] is None
    assert lock["correlation_id"] is None
    assert lock["reason"] == "RESERVATION_CREATE"
    assert lock["metadata"] == {}
    assert lock["status"] == "ACTIVE"
    assert lock["ttl_seconds"] == 7200
    assert lock["stay_start"] == "2090-03-01T00:00:00.000Z"
    assert lock["stay_end"] == "2090-03-04T00:00:00.000Z"
    assert before - millisecond <= instant(lock["created_at"]) <= after
    assert lock["updated_at"] == lock["created_at"]
    assert tenant.fetched(lock["id"]) == lock


def test_every_field_comes_back_as_it_was_sent(tenant):
    sent = {"propertyId": new_id(), "reservationId": new_id(), "reason": "WALK_IN",
            "correlationId": "trace 7 / übung", "metadata": {"channel": "TA/TO", "guests": 2},
            "ttlSeconds": 900}
    lock = tenant.locked(**sent)
    assert lock["property_id"] == sent["propertyId"]
    assert lock["reservation_id"] == sent["reservationId"]
    assert lock["room_id"] == tenant.room
    assert lock["reason"] == "WALK_IN"
    assert lock["correlation_id"] == "trace 7 / übung"
    assert lock["metadata"] == {"channel": "TA/TO", "guests": 2}
    assert lock["ttl_seconds"] == 900
    assert tenant.fetched(lock["id"]) == lock


def test_the_lock_is_a_row_when_the_answer_is_there(tenant, database):
    lock = tenant.locked(metadata={"a": 1})
    row = database.lock_row(tenant.id, lock["id"])
    assert row["status"] == "ACTIVE"
    assert row["fencing_token"] == lock["fencing_token"]
    assert row["metadata"] == {"a": 1}
    assert row["room_id"] == tenant.room
    assert row["stay_start"] == instant(lock["stay_start"])
    assert row["stay_end"] == instant(lock["stay_end"])


@pytest.mark.parametrize("value", [None, "", ABSENT])
def test_no_room_means_the_room_type(tenant, value):
    assert tenant.locked(roomId=value)["room_id"] is None


def test_upper_case_uuids_are_the_same_uuids(tenant):
    lock = tenant.locked(roomId=tenant.room.upper(), tenantId=tenant.id.upper(),
                         roomTypeId=tenant.room_type.upper())
    assert lock["tenant_id"] == tenant.id
    assert lock["room_id"] == tenant.room
    assert tenant.conflict()["id"] == lock["id"]


@pytest.mark.parametrize("size", [1, 100])
def test_reason_up_to_100_characters(tenant, size):
    assert tenant.locked(reason="ü" * size)["reason"] == "ü" * size


def test_correlation_id_up_to_255_characters(tenant):
    assert tenant.locked(correlationId="ü" * 255)["correlation_id"] == "ü" * 255


@pytest.mark.parametrize("field, size", [("reason", 101), ("correlationId", 256),
                                         ("idempotencyKey", 256)])
def test_longer_texts_are_refused(tenant, field, size):
    check_problem(tenant.lock(**{field: "ü" * size}), 400, "invalid_request", [field])


def test_unknown_fields_and_parameters_are_ignored(tenant):
    body = tenant.body(colour="blue", status="RELEASED", id=new_id(), fencingToken=1)
    lock = check_locked(tenant.client.post("/v1/locks", body, query={"dryRun": "1"}))
    assert lock["status"] == "ACTIVE"
    assert lock["id"] != body["id"]


# Stays

@pytest.mark.parametrize("sent, kept", [
    ("2090-06-01", "2090-06-01T00:00:00.000Z"),
    ("2090-06-01T14:00:00Z", "2090-06-01T14:00:00.000Z"),
    ("2090-06-01T14:00:00z", "2090-06-01T14:00:00.000Z"),
    ("2090-06-01t14:00:00Z", "2090-06-01T14:00:00.000Z"),
    ("2090-06-01T14:00:00+02:00", "2090-06-01T12:00:00.000Z"),
    ("2090-06-01T14:00:00-09:30", "2090-06-01T23:30:00.000Z"),
    ("2090-06-01T00:30:00+14:00", "2090-05-31T10:30:00.000Z"),
    ("2090-06-01T14:00:00.5Z", "2090-06-01T14:00:00.500Z"),
    ("2090-06-01T14:00:00.123Z", "2090-06-01T14:00:00.123Z"),
    ("2090-06-01T14:00:00.123999Z", "2090-06-01T14:00:00.123Z"),
    ("2090-06-01T14:00:00.123999999Z", "2090-06-01T14:00:00.123Z"),
    ("2092-02-29", "2092-02-29T00:00:00.000Z"),
])
def test_a_moment_is_understood(tenant, sent, kept):
    assert tenant.locked(stayStart=sent, stayEnd="2093-01-01")["stay_start"] == kept


@pytest.mark.parametrize("sent", [
    "2090-02-30", "2090-02-29", "2090-13-01", "2090-00-10", "2090-01-00", "2090-1-1", "90-01-01",
    "20900101", "2090-01-01T", "2090-01-01 10:00:00Z", "2090-01-01T10:00Z", "2090-01-01T10:00:00",
    "2090-01-01T24:00:00Z", "2090-01-01T10:60:00Z", "2090-01-01T10:00:61Z",
    "2090-01-01T10:00:00.Z", "2090-01-01T10:00:00+0200", "2090-01-01T10:00:00+24:00",
    "2090-01-01T10:00:00+02:60", "2090-01-01T10:00:00Z ", " 2090-01-01", "2090-01-01\n",
    "1969-12-31", "10000-01-01", "99999-01-01", "+2090-01-01", "-2090-01-01", "now", "tomorrow",
    "infinity", "２０９０-01-01", "2090-01-01T10:00:00Z\u0000", "",
])
@pytest.mark.parametrize("field", ["stayStart", "stayEnd"])
def test_no_moment_is_refused(tenant, field, sent):
    error = "invalid_json" if "\0" in sent else "invalid_request"
    fields = None if "\0" in sent else [field]
    check_problem(tenant.lock(**{field: sent}), 400, error, fields)


@pytest.mark.parametrize("start, end", [
    (day(3), day(3)), (day(4), day(3)), (moment(0, 11), moment(0, 11)),
    ("2090-06-01T14:00:00+02:00", "2090-06-01T12:00:00Z"),
    # The same millisecond once both are cut.
    ("2090-06-01T14:00:00.1231Z", "2090-06-01T14:00:00.1239Z"),
])
def test_a_stay_must_end_after_it_starts(tenant, start, end):
    check_problem(tenant.lock(stayStart=start, stayEnd=end), 400, "invalid_request", ["stayEnd"])


def test_a_stay_of_one_millisecond(tenant):
    lock = tenant.locked(stayStart="2090-06-01T14:00:00.123Z", stayEnd="2090-06-01T14:00:00.124Z")
    assert lock["stay_end"] == "2090-06-01T14:00:00.124Z"


def test_a_stay_may_be_3660_days_long_and_no_longer(tenant):
    assert tenant.locked(stayStart=day(0), stayEnd=day(3660))
    too_long = tenant.lock(roomId=new_id(), stayStart=day(0), stayEnd=moment(3660, 0.001))
    check_problem(too_long, 400, "invalid_request", ["stayEnd"])


def test_a_stay_that_is_over_is_refused_by_the_databases_clock(tenant, database):
    now = database.now()
    start = (now - datetime.timedelta(days=3)).isoformat()
    over = (now - datetime.timedelta(seconds=1)).isoformat()
    check_problem(tenant.lock(stayStart=start, stayEnd=over), 400, "invalid_request", ["stayEnd"])
    assert tenant.listed() == []


def test_a_stay_that_has_begun_may_be_locked(tenant, database):
    now = database.now()
    start = (now - datetime.timedelta(days=3)).isoformat()
    end = (now + datetime.timedelta(days=1)).isoformat()
    assert tenant.locked(stayStart=start, stayEnd=end)


# Overlaps. The lock that stands is [10, 20).

@pytest.mark.parametrize("start, end, collides", [
    (0, 10, False), (0, 11, True), (5, 25, True), (10, 20, True), (12, 15, True),
    (10, 11, True), (19, 20, True), (19, 30, True), (20, 30, False),
])
@pytest.mark.parametrize("kind", ["room", "type"])
def test_half_open_stays(tenant, kind, start, end, collides):
    place = {} if kind == "room" else {"roomId": ABSENT}
    held = tenant.locked(stayStart=day(10), stayEnd=day(20), **place)
    answer = tenant.lock(stayStart=day(start), stayEnd=day(end), **place)
    if collides:
        assert check_conflict(answer)["id"] == held["id"]
    else:
        check_locked(answer)


def test_leaving_at_eleven_does_not_collide_with_arriving_at_eleven(tenant):
    tenant.locked(stayStart=moment(0, 15), stayEnd=moment(2, 11))
    # The same instant, written in another offset.
    local = moment(2, 13).replace("Z", "+02:00")
    tenant.locked(stayStart=local, stayEnd=moment(4, 11))
    tenant.conflict(stayStart=moment(2, 10.9999), stayEnd=moment(2, 11))


def test_other_rooms_do_not_collide(tenant):
    tenant.locked()
    tenant.locked(roomId=new_id())


def test_a_room_collides_whatever_its_type(tenant):
    held = tenant.locked()
    assert tenant.conflict(roomTypeId=new_id())["id"] == held["id"]


def test_rooms_and_types_are_independent(tenant):
    room = tenant.locked()
    kind = tenant.locked(roomId=ABSENT)
    assert tenant.conflict()["id"] == room["id"]
    assert tenant.conflict(roomId=ABSENT)["id"] == kind["id"]
    tenant.locked(roomId=ABSENT, roomTypeId=new_id())


def test_a_type_with_a_rooms_number_is_still_another_thing(tenant):
    """A room and a room type that happen to have the same uuid."""
    tenant.locked(roomId=tenant.room, roomTypeId=tenant.room)
    tenant.locked(roomId=ABSENT, roomTypeId=tenant.room)


def test_tenants_never_collide(tenant, other):
    for place in ({}, {"roomId": ABSENT}):
        mine = tenant.locked(**place)
        theirs = other.locked(**{"roomId": tenant.room, "roomTypeId": tenant.room_type, **place})
        assert mine["id"] != theirs["id"]


def test_tenants_never_see_each_other(tenant, other):
    lock = tenant.locked()
    check_problem(other.get(lock["id"]), 404, "not_found")
    check_problem(other.release(lock["id"]), 404, "not_found")
    assert other.bulk_released([lock["id"]]) == 0
    assert other.listed() == []
    assert tenant.fetched(lock["id"]) == lock


def test_the_conflict_is_the_lock_in_the_way_without_its_metadata(tenant):
    held = tenant.locked(metadata={"secret": 1}, reservationId=new_id(), correlationId="c")
    conflict = tenant.conflict()
    del held["metadata"]
    assert conflict == held


def test_the_oldest_lock_in_the_way_is_named(tenant):
    # Granted in this order, lying in another one.
    held = [tenant.locked(stayStart=day(start), stayEnd=day(start + 1)) for start in (4, 2, 6)]
    everything = {"stayStart": day(0), "stayEnd": day(9)}
    for oldest in held:
        assert tenant.conflict(**everything)["id"] == oldest["id"]
        tenant.released(oldest["id"])
    tenant.locked(**everything)


def test_a_conflict_leaves_nothing_behind(tenant, database):
    held = tenant.locked()
    key = new_id()
    tenant.conflict(idempotencyKey=key)
    check_problem(tenant.get(key), 404, "not_found")
    assert set(database.locks([tenant.id])) == {held["id"]}


def test_a_released_lock_is_in_nobodys_way(tenant):
    tenant.released(tenant.locked()["id"])
    tenant.locked()


# Fencing tokens

@pytest.mark.parametrize("place", [{}, {"roomId": None}])
def test_fencing_tokens_grow_with_every_grant(tenant, place):
    last = 0
    for _ in range(10):
        lock = tenant.locked(**place)
        assert lock["fencing_token"] > last
        last = lock["fencing_token"]
        tenant.released(lock["id"])


def test_fencing_token_is_an_exact_integer(tenant):
    answer = tenant.lock()
    token = check_locked(answer)["fencing_token"]
    assert f'"fencing_token":{token}' in answer.body.decode().replace(" ", "")


# Metadata

@pytest.mark.parametrize("text", [
    '{}',
    '{"a": null, "b": true, "c": false, "d": [], "e": {}, "f": ""}',
    '{"tenth": 0.1, "third": 0.333333333333333, "tiny": 1e-7, "big": 123456789012345678}',
    '{"minus": -0.5, "zero": 0, "max": 9223372036854775807, "min": -9223372036854775808}',
    '{"one": 1, "one point nought": 1.0, "exponent": 2.5e3, "long": 1.7976931348623157e308}',
    '{"text": "äöü ß € 漢字 🏨 \\u00e4 \\ud83c\\udfe8 \\" \\\\ \\/ \\b\\f\\n\\r\\t \\u001f"}',
    '{"name with spaces": 1, "": 2, "ключ": 3, "\\u0001": 4, "tenantId": "x"}',
    '{"nested": {"deeply": [[[{"a": [1, [2, [3]]]}]]]}}',
])
def test_metadata_is_kept_exactly(tenant, text):
    body = json.dumps(tenant.body(metadata="HERE")).replace('"HERE"', text)
    answer = tenant.client.post("/v1/locks", body.encode())
    lock = check_locked(answer)
    expected = json.loads(text, parse_float=Decimal, parse_int=Decimal)
    assert answer.exact_json["lock"]["metadata"] == expected
    read = tenant.get(lock["id"])
    assert read.exact_json["lock"]["metadata"] == expected


@pytest.mark.parametrize("text", ["[]", '"x"', "1", "true", "null", "[{}]"])
def test_metadata_must_be_an_object(tenant, text):
    answer = tenant.lock(metadata=json.loads(text))
    check_problem(answer, 400, "invalid_request", ["metadata"])


def test_metadata_up_to_16_kib(tenant):
    fits = {"a": "x" * (16 * 1024 - len('{"a": ""}'))}
    assert tenant.locked(metadata=fits)["metadata"] == fits
    too_long = {"a": fits["a"] + "x"}
    answer = tenant.lock(roomId=new_id(), metadata=too_long)
    check_problem(answer, 400, "invalid_request", ["metadata"])


# Several at once

def test_all_violated_fields_are_listed(tenant):
    answer = tenant.client.post("/v1/locks", {
        "tenantId": "x", "stayStart": 1, "stayEnd": "2090-02-30", "roomId": [], "reason": "",
        "propertyId": "y", "ttlSeconds": -1, "metadata": 3, "correlationId": None})
    check_problem(answer, 400, "invalid_request", [
        "tenantId", "roomTypeId", "stayStart", "stayEnd", "roomId", "reason", "propertyId",
        "ttlSeconds", "metadata", "correlationId"])


def test_all_missing_fields_are_listed(system):
    with Client(system.base_url) as client:
        check_problem(client.post("/v1/locks", {}), 400, "invalid_request",
                      ["tenantId", "roomTypeId", "stayStart", "stayEnd"])
