"""The model of the state machine, by itself: a wrong model would find no faults."""

import datetime

import pytest

from model import Model, Request

NOW = datetime.datetime(2090, 1, 1, tzinfo=datetime.timezone.utc)
LATER = NOW + datetime.timedelta(seconds=60)
NEVER = NOW + datetime.timedelta(days=1)


def request(key=None, room="room", start="01", end="03", tenant="tenant", room_type="type"):
    return Request(tenant, key, room, room_type, start, end, "REASON", 60)


class Service:
    """Answers as the model decides: what a right service would do."""

    def __init__(self):
        self.model = Model()
        self.count = 0

    def lock(self, asked, now=NOW, expires_at=NEVER):
        outcome = self.model.decide_lock(asked, now)
        if outcome.is_grant:
            self.count += 1
            known = self.model.find(asked.tenant, asked.key)
            token = known.token if outcome.kind == "RENEWED" else self.count
            created = known.created_at if known else f"{self.count:04d}"
            self.model.granted(asked, outcome, {
                "id": asked.key or f"id-{self.count}", "created_at": created,
                "fencing_token": token}, expires_at)
        self.model.check_no_overlap(now)
        return outcome


@pytest.fixture
def service():
    return Service()


def test_stays_are_half_open(service):
    assert service.lock(request("a", start="03", end="05")).kind == "NEW"
    assert service.lock(request("b", start="01", end="03")).kind == "NEW"
    assert service.lock(request("c", start="05", end="07")).kind == "NEW"
    conflict = service.lock(request("d", start="04", end="05"))
    assert (conflict.kind, conflict.blockers) == ("CONFLICT", {"a"})


def test_rooms_types_and_tenants_are_apart(service):
    for asked in (request("a"), request("b", room=None), request("c", room="other"),
                  request("d", room=None, room_type="other"), request("e", tenant="other"),
                  request("f", room=None, tenant="other")):
        assert service.lock(asked).kind == "NEW"
    assert service.lock(request("g", room_type="whatever")).blockers == {"a"}
    assert service.lock(request("g", room=None)).blockers == {"b"}


def test_the_oldest_is_named(service):
    service.lock(request("a", start="03", end="04"))
    service.lock(request("b", start="01", end="02"))
    assert service.lock(request("c", start="01", end="05")).blockers == {"a"}


def test_renewals_moves_and_new_grants(service):
    service.lock(request("a"))
    assert service.lock(request("a")).kind == "RENEWED"
    assert service.lock(request("a", room_type="other")).kind == "RENEWED"
    assert service.lock(request("a", start="02", end="04")).kind == "MOVED"
    assert service.lock(request("a", room=None)).kind == "MOVED"
    assert service.lock(request("b")).kind == "NEW"
    assert service.lock(request("a")).blockers == {"b"}
    service.model.released(service.model.find("tenant", "a"), "WHY", NOW)
    assert service.lock(request("c", room=None)).kind == "NEW"
    assert service.lock(request("a", room="third")).kind == "AGAIN"


def test_what_has_expired_is_in_nobodys_way(service):
    service.lock(request("a"), NOW, LATER)
    just_before = LATER - datetime.timedelta(microseconds=1)
    assert service.lock(request("b"), just_before).kind == "CONFLICT"
    assert service.lock(request("b"), LATER).kind == "NEW"
    assert service.lock(request("a"), LATER).blockers == {"b"}
    assert service.model.find("tenant", "a").status(LATER) == "EXPIRED"


def test_releases(service):
    service.lock(request("a"), NOW, LATER)
    lock = service.model.find("tenant", "a")
    service.model.released(lock, "LATE", LATER)
    assert lock.status(LATER) == "EXPIRED"
    service.model.released(lock, "FIRST", NOW)
    service.model.released(lock, "SECOND", NOW)
    assert lock.release_reason == "FIRST"


def test_bulk_release_counts_active_locks_once(service):
    service.lock(request("a"), NOW, LATER)
    service.lock(request("b", room="other"))
    ids = ["a", "b", "b", "unknown"]
    assert service.model.decide_bulk("tenant", ids, NOW) == {"a", "b"}
    assert service.model.decide_bulk("tenant", ids, LATER) == {"b"}
    assert service.model.decide_bulk("other", ids, NOW) == frozenset()


def test_moments_between(service):
    service.lock(request("a"), NOW, LATER)
    after = LATER + datetime.timedelta(seconds=1)
    assert service.model.moments(NOW, after) == [NOW, LATER]
    assert service.model.moments(LATER, after) == [LATER]


def test_a_token_that_does_not_grow_is_noticed(service):
    service.lock(request("a"))
    service.model.released(service.model.find("tenant", "a"), "WHY", NOW)
    outcome = service.model.decide_lock(request("b"), NOW)
    with pytest.raises(AssertionError):
        service.model.granted(request("b"), outcome, {
            "id": "b", "created_at": "0009", "fencing_token": 1}, NEVER)
