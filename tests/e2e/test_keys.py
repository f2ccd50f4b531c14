"""Idempotency keys: renewals, moves, and locks that come back to life."""

import uuid

import pytest

from shape import check_problem, instant, new_id
from tenant import ABSENT, day

# What a renewal may change, and nothing else.
TTL_FIELDS = {"expires_at", "ttl_seconds", "updated_at"}


def without(lock, fields):
    return {name: value for name, value in lock.items() if name not in fields}


@pytest.mark.smoke
def test_a_uuid_key_becomes_the_locks_id(tenant):
    key = new_id()
    assert tenant.locked(idempotencyKey=key)["id"] == key
    assert tenant.fetched(key)["id"] == key


def test_an_upper_case_uuid_key_is_the_same_uuid(tenant):
    key = new_id()
    assert tenant.locked(idempotencyKey=key.upper())["id"] == key
    assert tenant.locked(idempotencyKey=key)["id"] == key


@pytest.mark.parametrize("key", [
    "booking-4711", "x", "ключ 🏨", "a" * 255, "00000000-0000-0000-0000-00000000000",
    "{6ba7b810-9dad-11d1-80b4-00c04fd430c8}", '"quoted"', " spaces ",
])
def test_any_other_key_maps_to_a_uuid_v5_of_it(tenant, key):
    expected = str(uuid.uuid5(uuid.UUID(tenant.id), key))
    assert tenant.locked(idempotencyKey=key)["id"] == expected
    assert tenant.locked(idempotencyKey=key)["id"] == expected


def test_without_a_key_every_lock_is_a_new_one(tenant):
    first = tenant.locked()
    second = tenant.locked(roomId=new_id())
    assert first["id"] != second["id"]
    assert uuid.UUID(first["id"]).version == 7
    assert uuid.UUID(second["id"]).version == 7


@pytest.mark.parametrize("key", ["6ba7b810-9dad-11d1-80b4-00c04fd430c8", "booking-1"])
def test_keys_are_per_tenant(tenant, other, key):
    mine = tenant.locked(idempotencyKey=key)
    theirs = other.locked(idempotencyKey=key, stayStart=day(50), stayEnd=day(51))
    assert tenant.fetched(mine["id"]) == mine
    other.released(theirs["id"])
    assert tenant.fetched(mine["id"]) == mine
    if key == "booking-1":
        assert mine["id"] != theirs["id"]


@pytest.mark.parametrize("header", ["{}", '"{}"'])
@pytest.mark.parametrize("key", ["booking-1", "6ba7b810-9dad-11d1-80b4-00c04fd430c8"])
def test_the_header_works_quoted_or_not(tenant, header, key):
    by_header = tenant.locked(headers={"Idempotency-Key": header.format(key)})
    by_body = tenant.locked(idempotencyKey=key)
    assert by_header["id"] == by_body["id"]
    both = tenant.locked(headers={"Idempotency-Key": header.format(key)}, idempotencyKey=key)
    assert both["id"] == by_body["id"]


def test_header_and_body_must_agree(tenant):
    answer = tenant.lock(headers={"Idempotency-Key": "one"}, idempotencyKey="two")
    check_problem(answer, 400, "invalid_request", ["idempotencyKey"])
    assert tenant.listed() == []


@pytest.mark.parametrize("place", [{}, {"roomId": ABSENT}])
def test_a_renewal_changes_the_ttl_and_nothing_else(tenant, database, place):
    key = new_id()
    first = tenant.locked(idempotencyKey=key, reservationId=new_id(), propertyId=new_id(),
                          reason="FIRST", correlationId="first", metadata={"a": 1},
                          ttlSeconds=600, **place)
    before = database.now()
    again = tenant.locked(idempotencyKey=key, reservationId=new_id(), propertyId=new_id(),
                          reason="SECOND", correlationId="second", metadata={"b": 2},
                          ttlSeconds=1200, **place)
    after = database.now()
    assert without(again, TTL_FIELDS) == without(first, TTL_FIELDS)
    assert again["ttl_seconds"] == 1200
    assert again["updated_at"] >= first["updated_at"]
    remaining = (instant(again["expires_at"]) - before).total_seconds()
    assert 1200 - 0.001 <= remaining <= 1200 + (after - before).total_seconds()
    assert tenant.fetched(key) == again


def test_a_renewal_may_shorten_the_ttl(tenant):
    key = new_id()
    first = tenant.locked(idempotencyKey=key, ttlSeconds=7200)
    again = tenant.locked(idempotencyKey=key, ttlSeconds=60)
    assert again["expires_at"] < first["expires_at"]


def test_the_same_moment_in_other_words_is_a_renewal(tenant):
    key = new_id()
    first = tenant.locked(idempotencyKey=key, stayStart="2090-06-01", stayEnd="2090-06-02")
    again = tenant.locked(idempotencyKey=key, stayStart="2090-06-01T02:00:00+02:00",
                          stayEnd="2090-06-01T23:30:00.000-00:30")
    assert again["fencing_token"] == first["fencing_token"]


def test_another_type_of_the_same_room_is_a_renewal(tenant):
    """The place of a room lock is its room."""
    key = new_id()
    first = tenant.locked(idempotencyKey=key)
    again = tenant.locked(idempotencyKey=key, roomTypeId=new_id())
    assert without(again, TTL_FIELDS) == without(first, TTL_FIELDS)


# Moves

@pytest.mark.parametrize("start, end", [(1, 4), (-1, 2), (0, 5), (1, 2), (-5, 10), (3, 6)])
def test_a_move_to_another_stay_never_conflicts_with_itself(tenant, start, end):
    key = new_id()
    first = tenant.locked(idempotencyKey=key, stayStart=day(0), stayEnd=day(3))
    moved = tenant.locked(idempotencyKey=key, stayStart=day(start), stayEnd=day(end))
    assert moved["id"] == first["id"]
    assert moved["stay_start"][:10] == day(start)
    assert moved["stay_end"][:10] == day(end)
    assert moved["fencing_token"] > first["fencing_token"]
    assert moved["created_at"] == first["created_at"]
    assert tenant.listed() == [moved]


def test_a_move_frees_the_old_place(tenant):
    key = new_id()
    tenant.locked(idempotencyKey=key)
    new_room = new_id()
    tenant.locked(idempotencyKey=key, roomId=new_room)
    tenant.locked()
    assert tenant.conflict(roomId=new_room)["id"] == key


@pytest.mark.parametrize("before, after", [("room", "type"), ("type", "room"), ("type", "type")])
def test_a_move_between_rooms_and_types(tenant, before, after):
    places = {"room": {"roomId": tenant.room}, "type": {"roomId": ABSENT, "roomTypeId": new_id()}}
    key = new_id()
    first = tenant.locked(idempotencyKey=key, **places[before])
    target = places[after] if after == "room" else {"roomId": None, "roomTypeId": new_id()}
    moved = tenant.locked(idempotencyKey=key, **target)
    assert moved["room_id"] == target["roomId"]
    assert moved["room_type_id"] == target.get("roomTypeId", tenant.room_type)
    assert moved["fencing_token"] > first["fencing_token"]
    assert tenant.conflict(**target)["id"] == key
    # The place that was left is free.
    assert tenant.locked(**places[before])["id"] != key


def test_a_move_keeps_what_the_request_does_not_name(tenant):
    key = new_id()
    first = tenant.locked(idempotencyKey=key, reservationId=new_id(), propertyId=new_id(),
                          correlationId="first", metadata={"a": 1})
    moved = tenant.locked(idempotencyKey=key, roomId=new_id())
    for name in ("reservation_id", "property_id", "correlation_id", "metadata"):
        assert moved[name] == first[name]


def test_a_move_takes_what_the_request_names(tenant):
    key = new_id()
    tenant.locked(idempotencyKey=key, reservationId=new_id(), propertyId=new_id(),
                  correlationId="first", metadata={"a": 1}, reason="FIRST")
    more = {"reservationId": new_id(), "propertyId": new_id()}
    moved = tenant.locked(idempotencyKey=key, roomId=new_id(), correlationId="second",
                          metadata={"b": 2}, reason="ROOM_CHANGE", **more)
    assert moved["reservation_id"] == more["reservationId"]
    assert moved["property_id"] == more["propertyId"]
    assert moved["correlation_id"] == "second"
    assert moved["metadata"] == {"b": 2}
    assert moved["reason"] == "ROOM_CHANGE"


def test_a_move_starts_the_ttl_anew(tenant, database):
    key = new_id()
    tenant.locked(idempotencyKey=key, ttlSeconds=60)
    before = database.now()
    moved = tenant.locked(idempotencyKey=key, roomId=new_id(), ttlSeconds=3600)
    assert moved["ttl_seconds"] == 3600
    assert (instant(moved["expires_at"]) - before).total_seconds() >= 3600 - 0.001


@pytest.mark.parametrize("change", [
    {"stayStart": day(10), "stayEnd": day(12)},
    {"stayStart": day(2), "stayEnd": day(11)},
])
def test_a_move_onto_a_taken_place_leaves_the_lock_untouched(tenant, change):
    key = new_id()
    first = tenant.locked(idempotencyKey=key)
    taken = tenant.locked(stayStart=day(10), stayEnd=day(12))
    assert tenant.conflict(idempotencyKey=key, ttlSeconds=60, **change)["id"] == taken["id"]
    assert tenant.fetched(key) == first
    # Its place is still held.
    assert tenant.conflict()["id"] == key


def test_a_move_onto_a_taken_room_or_type(tenant):
    key = new_id()
    room, room_type = new_id(), new_id()
    first = tenant.locked(idempotencyKey=key)
    in_room = tenant.locked(roomId=room)
    in_type = tenant.locked(roomId=ABSENT, roomTypeId=room_type)
    assert tenant.conflict(idempotencyKey=key, roomId=room)["id"] == in_room["id"]
    to_type = tenant.conflict(idempotencyKey=key, roomId=ABSENT, roomTypeId=room_type)
    assert to_type["id"] == in_type["id"]
    assert tenant.fetched(key) == first


# Back to life

def test_the_key_of_a_released_lock_makes_it_active_again(tenant):
    key = new_id()
    first = tenant.locked(idempotencyKey=key)
    tenant.released(key)
    again = tenant.locked(idempotencyKey=key)
    assert again["id"] == key
    assert again["status"] == "ACTIVE"
    assert again["release_reason"] is None and again["released_at"] is None
    assert again["fencing_token"] > first["fencing_token"]
    assert tenant.conflict()["id"] == key


def test_the_key_of_a_released_lock_can_take_another_place(tenant):
    key, room = new_id(), new_id()
    tenant.locked(idempotencyKey=key)
    tenant.released(key)
    again = tenant.locked(idempotencyKey=key, roomId=room, stayStart=day(7), stayEnd=day(9))
    assert again["room_id"] == room
    assert again["stay_start"][:10] == day(7)
    tenant.locked()


def test_the_key_of_a_released_lock_conflicts_like_a_new_one(tenant):
    key = new_id()
    tenant.locked(idempotencyKey=key)
    tenant.released(key)
    released = tenant.fetched(key)
    holder = tenant.locked()
    assert tenant.conflict(idempotencyKey=key)["id"] == holder["id"]
    assert tenant.fetched(key) == released


def test_the_key_of_an_expired_lock_makes_it_active_again(tenant, database):
    key = new_id()
    first = tenant.expired(database, idempotencyKey=key)
    again = tenant.locked(idempotencyKey=key, ttlSeconds=600)
    assert again["id"] == key
    assert again["fencing_token"] > first["fencing_token"]
    assert again["expires_at"] > first["expires_at"]
    assert tenant.conflict()["id"] == key


def test_the_key_of_an_expired_lock_whose_place_was_taken(tenant, database):
    key = new_id()
    tenant.expired(database, idempotencyKey=key)
    holder = tenant.locked()
    assert tenant.conflict(idempotencyKey=key)["id"] == holder["id"]
    assert tenant.fetched(key)["status"] == "EXPIRED"
