"""Reading locks: one, and listings with every filter, page by page."""

import concurrent.futures

import pytest

from client import Client
from shape import check_lock, check_problem, new_id
from tenant import ABSENT, day, moment


def ids(locks):
    return [lock["id"] for lock in locks]


@pytest.mark.smoke
def test_a_lock_reads_as_it_was_granted(tenant):
    lock = tenant.locked(metadata={"a": [1, {"b": None}]}, correlationId="c",
                         reservationId=new_id(), propertyId=new_id())
    assert tenant.fetched(lock["id"]) == lock
    assert tenant.listed() == [lock]


def test_get_needs_a_tenant_and_a_uuid(client):
    answer = client.get("/v1/locks/not-a-uuid")
    check_problem(answer, 400, "invalid_request", ["lockId", "tenantId"])
    answer = client.get(f"/v1/locks/{new_id()}", query={"tenantId": "x"})
    check_problem(answer, 400, "invalid_request", ["tenantId"])


@pytest.mark.parametrize("bad", [
    "6ba7b810-9dad-11d1-80b4-00c04fd430c", "6ba7b810-9dad-11d1-80b4-00c04fd430c80",
    "6ba7b810-9dad-11d1-80b4-00c04fd430cg", "6ba7b810_9dad_11d1_80b4_00c04fd430c8",
    "%36ba7b810-9dad-11d1-80b4-00c04fd430c8%00", "..", "%20", "-", "%zz", "%2e%2e", "%ff",
])
def test_bad_ids_in_the_path(tenant, bad):
    answer = tenant.client.get(f"/v1/locks/{bad}", query={"tenantId": tenant.id})
    check_problem(answer, 400, "invalid_request")
    # nginx itself refuses a path that is not a well-formed one; the guard names the field.
    assert [item["field"] for item in answer.json["errors"]] in ([], ["lockId"])


def test_parameters_are_percent_decoded(tenant):
    lock = tenant.locked()
    encoded = "".join(f"%{ord(letter):02x}" for letter in tenant.id)
    answer = tenant.client.get(f"/v1/locks/{lock['id']}?tenantId={encoded}")
    assert answer.status == 200, answer
    assert answer.json["lock"] == lock


def test_other_parameters_are_ignored(tenant):
    lock = tenant.locked()
    answer = tenant.client.get(f"/v1/locks/{lock['id']}?a=1&b&tenantId={tenant.id}&=&c=%20")
    assert answer.status == 200, answer


def test_an_empty_listing(tenant):
    assert tenant.page() == ([], None)


def test_a_listing_needs_a_tenant(client):
    check_problem(client.get("/v1/locks"), 400, "invalid_request", ["tenantId"])


# Filters

@pytest.fixture
def hotel(tenant, database):
    """Locks that differ in everything that can be asked for, by a short name."""
    room, room_type, reservation = new_id(), new_id(), new_id()
    made = {
        "room": tenant.locked(roomId=room, stayStart=day(0), stayEnd=day(3)),
        "later": tenant.locked(roomId=room, stayStart=day(3), stayEnd=day(6)),
        "type": tenant.locked(roomId=ABSENT, roomTypeId=room_type, stayStart=day(1),
                              stayEnd=day(2)),
        "room of type": tenant.locked(roomId=new_id(), roomTypeId=room_type, stayStart=day(5),
                                      stayEnd=day(9)),
        "reserved": tenant.locked(reservationId=reservation, stayStart=day(20), stayEnd=day(21)),
        "released": tenant.locked(reservationId=reservation, roomId=room, stayStart=day(30),
                                  stayEnd=day(31)),
    }
    tenant.released(made["released"]["id"])
    made["expired"] = tenant.locked(stayStart=day(40), stayEnd=day(41))
    database.age(tenant.id, made["expired"]["id"])
    made = {name: lock["id"] for name, lock in made.items()}
    return made, {"room": room, "type": room_type, "reservation": reservation}


def found(tenant, hotel, **query):
    names = {lock_id: name for name, lock_id in hotel[0].items()}
    return {names[lock_id] for lock_id in ids(tenant.listed(**query))}


def test_filters_by_place_and_reservation(tenant, hotel):
    known = hotel[1]
    assert found(tenant, hotel) == set(hotel[0])
    assert found(tenant, hotel, roomId=known["room"]) == {"room", "later", "released"}
    assert found(tenant, hotel, roomTypeId=known["type"]) == {"type", "room of type"}
    assert found(tenant, hotel, reservationId=known["reservation"]) == {"reserved", "released"}
    assert found(tenant, hotel, reservationId=known["reservation"].upper()) == {
        "reserved", "released"}
    assert found(tenant, hotel, roomId=new_id()) == set()


def test_filters_by_status(tenant, hotel):
    assert found(tenant, hotel, status="RELEASED") == {"released"}
    assert found(tenant, hotel, status="EXPIRED") == {"expired"}
    assert found(tenant, hotel, status="ACTIVE") == {
        "room", "later", "type", "room of type", "reserved"}


@pytest.mark.parametrize("start, end, expected", [
    (day(0), day(3), {"room", "type"}),
    (day(2), day(3), {"room"}),
    (moment(2, 23), moment(3, 1), {"room", "later"}),
    (day(3), day(5), {"later"}),
    (day(-9), day(0), set()),
    (day(9), day(20), set()),
    (day(8), day(41), {"room of type", "reserved", "released", "expired"}),
    (day(6), None, {"room of type", "reserved", "released", "expired"}),
    (day(41), None, set()),
    (None, day(1), {"room"}),
    (None, day(0), set()),
])
def test_filters_by_collision_range(tenant, hotel, start, end, expected):
    query = {name: value for name, value in (("from", start), ("to", end)) if value}
    assert found(tenant, hotel, **query) == expected


def test_filters_add_up(tenant, hotel):
    known = hotel[1]
    query = {"roomId": known["room"], "status": "ACTIVE"}
    assert found(tenant, hotel, **query) == {"room", "later"}
    assert found(tenant, hotel, **query, **{"from": day(3)}) == {"later"}
    assert found(tenant, hotel, **query, **{"to": day(3)}) == {"room"}
    assert found(tenant, hotel, **query, roomTypeId=known["type"]) == set()
    assert found(tenant, hotel, **query, reservationId=known["reservation"]) == set()
    assert found(tenant, hotel, roomTypeId=known["type"], limit=1,
                 **{"from": day(0), "to": day(9)}) == {"type", "room of type"}


@pytest.mark.parametrize("field, value", [
    ("roomId", "x"), ("roomTypeId", "x"), ("reservationId", "1"), ("status", "active"),
    ("status", "HELD"), ("status", ""), ("from", "2090-02-30"), ("to", "soon"), ("limit", "0"),
    ("limit", "201"), ("limit", "-1"), ("limit", "1.5"), ("limit", "x"), ("limit", ""),
    ("limit", "99999999999999999999"), ("limit", " 5"), ("limit", "0x10"), ("cursor", "x"),
    ("cursor", ""), ("cursor", "%"), ("cursor", "ü" * 200), ("reservationId", "\0"),
    ("tenantId", "x"),
])
def test_bad_filters(tenant, field, value):
    query = {"tenantId": tenant.id, field: value}
    answer = tenant.client.get("/v1/locks", query=query)
    check_problem(answer, 400, "invalid_request", [field])


def test_all_bad_filters_are_listed(client):
    answer = client.get("/v1/locks", query={
        "roomId": "x", "roomTypeId": "x", "reservationId": "x", "status": "x", "from": "x",
        "to": "x", "limit": "x", "cursor": "x"})
    check_problem(answer, 400, "invalid_request", [
        "tenantId", "roomId", "roomTypeId", "reservationId", "status", "from", "to", "limit",
        "cursor"])


@pytest.mark.parametrize("start, end", [(day(3), day(3)), (day(3), day(2))])
def test_a_range_must_end_after_it_starts(tenant, start, end):
    check_problem(tenant.list(**{"from": start, "to": end}), 400, "invalid_request", ["to"])


# Pages

@pytest.fixture
def many(tenant):
    """More locks than one page holds, with random ids among them, in the order of their ids."""
    made = [tenant.locked(stayStart=day(n), stayEnd=day(n + 1),
                          **({"idempotencyKey": new_id()} if n % 2 else {}))
            for n in range(203)]
    return sorted(ids(made))


def test_pages_have_no_gap_and_no_duplicate(tenant, many):
    for limit in (1, 7, 50, 199, 200):
        pages = tenant.pages(limit=limit)
        assert [lock_id for page in pages for lock_id in ids(page)] == many
        assert all(len(page) == limit for page in pages[:-1])
        assert 0 < len(pages[-1]) <= limit


def test_the_default_page(tenant, many):
    first, cursor = tenant.page()
    assert ids(first) == many[:50]
    second, _ = tenant.page(cursor=cursor)
    assert ids(second) == many[50:100]


def test_a_page_that_is_just_full_is_the_last(tenant):
    made = [tenant.locked(stayStart=day(n), stayEnd=day(n + 1)) for n in range(4)]
    pages = tenant.pages(limit=2)
    assert [len(page) for page in pages] == [2, 2]
    assert sorted(ids(made)) == [lock_id for page in pages for lock_id in ids(page)]
    assert [len(page) for page in tenant.pages(limit=4)] == [4]


def test_pages_of_a_filtered_listing(tenant, many):
    for lock_id in many[::3]:
        tenant.released(lock_id)
    left = [lock_id for lock_id in many if lock_id not in many[::3]]
    assert ids(tenant.listed(status="ACTIVE", limit=10)) == left
    assert ids(tenant.listed(status="RELEASED", limit=10)) == many[::3]


def test_a_cursor_survives_what_happens_between_pages(tenant, many):
    """Locks that stay are listed once, whatever is released and locked meanwhile."""
    first, cursor = tenant.page(limit=100)
    for lock_id in many[:50]:
        tenant.released(lock_id)
    new = [tenant.locked(stayStart=day(300 + n), stayEnd=day(301 + n)) for n in range(5)]
    rest = []
    while cursor is not None:
        page, cursor = tenant.page(limit=100, cursor=cursor)
        rest += ids(page)
    seen = ids(first) + rest
    assert len(seen) == len(set(seen))
    assert set(many) <= set(seen) <= set(many) | set(ids(new))


def test_a_cursor_belongs_to_nobody(tenant, other, many):
    """A cursor of one tenant shows nothing of it to another."""
    _, cursor = tenant.page(limit=1)
    mine = other.locked()
    locks, _ = other.page(cursor=cursor)
    assert ids(locks) in ([], [mine["id"]])


def test_a_page_of_large_locks(tenant):
    """Two hundred locks with 16 KiB of metadata each: an answer of more than 3 MB."""
    text = "x" * (16 * 1024 - len('{"a": ""}'))
    made = [tenant.locked(stayStart=day(n), stayEnd=day(n + 1), metadata={"a": text})
            for n in range(200)]
    locks, cursor = tenant.page(limit=200)
    assert cursor is None
    assert sorted(ids(made)) == ids(locks)
    assert all(check_lock(lock)["metadata"] == {"a": text} for lock in locks)


def test_what_is_rare_is_found_page_by_page(tenant, database):
    """Where no index helps, a page ends after 10,000 locks and tells where to go on."""
    wanted = tenant.locked()
    database.execute(
        "INSERT INTO inventory_locks_shadow (id, tenant_id, room_type_id, stay_start, stay_end,"
        "    expires_at, created_at, updated_at, fencing_token, ttl_seconds, status, reason)"
        " SELECT lpad(to_hex(n), 32, '0')::uuid, %s, gen_random_uuid(), now(),"
        "        now() + interval '1 day', now(), now(), now(), 1, 60, 'RELEASED', 'TEST'"
        " FROM generate_series(1, 25000) AS n", (tenant.id,))
    pages = tenant.pages(roomTypeId=wanted["room_type_id"])
    assert [ids(page) for page in pages] == [[], [], [wanted["id"]]]
    assert [lock["id"] for lock in tenant.listed(roomId=wanted["room_id"], status="ACTIVE")] \
        == [wanted["id"]]
    assert tenant.page(roomId=wanted["room_id"], status="ACTIVE")[1] is None


def test_a_crowd_that_reads(tenant, other, system):
    """Reads of many clients go out as batches: everybody gets the lock that was asked for."""
    mine = [tenant.locked(stayStart=day(n), stayEnd=day(n + 1)) for n in range(40)]

    def read(number):
        lock = mine[number % len(mine)]
        with Client(system.base_url) as client:
            answers = [client.get(f"/v1/locks/{lock_id}", query={"tenantId": whose.id})
                       for lock_id, whose in ((lock["id"], tenant), (lock["id"], other),
                                              (new_id(), tenant))]
        return [answer.status for answer in answers], answers[0].json["lock"] == lock

    with concurrent.futures.ThreadPoolExecutor(32) as pool:
        found = list(pool.map(read, range(400)))
    assert found == [([200, 404, 404], True)] * 400
