"""Callers in threads that compete for a few places, and remember what they were told.

Each caller owns its keys: what happens to one key is a sequence, so the state of its lock at the
end is known from the answers. An answer that leaves open what happened (502, 503, 504) retires its
key: from then on both states are possible, and nobody uses it again.

Checked afterwards: every acknowledged state is in the database (check_rows), and at no time did two
callers hold one place (check_holds), by their own clocks: a lock is surely held from the moment its
answer is there until the moment the next change of it is sent.
"""

import collections
import dataclasses
import random
import threading
import time

from client import Client
from shape import check_conflict, check_json, check_locked, check_problem, instant, new_id
from tenant import day

# What a caller may be told while parts of the service are being broken.
TROUBLE = {502: {"guard_unreachable"}, 503: {"database_unavailable", "overloaded"},
           504: {"guard_timeout"}}


@dataclasses.dataclass(frozen=True)
class State:
    """What was acknowledged of a lock: None of these for a lock that never was."""

    status: str
    room: str = None
    room_type: str = None
    start: str = None
    end: str = None
    token: int = None
    reason: str = None


NEVER = State("NEVER")


@dataclasses.dataclass
class Hold:
    """A place that was surely held, from and to by the monotonic clock of the callers."""

    lock_id: str
    place: tuple
    start: str
    end: str
    since: float
    until: float = None


@dataclasses.dataclass
class Key:
    tenant: str
    id: str
    possible: list = dataclasses.field(default_factory=lambda: [NEVER])
    hold: Hold = None

    @property
    def state(self):
        """The one state of a key that is not retired."""
        assert len(self.possible) == 1
        return self.possible[0]


class Places:
    """What there is to compete for."""

    def __init__(self, tenants, rooms=3, types=2, days=8):
        self.tenants = tenants
        self.types = [new_id() for _ in range(types)]
        self.rooms = [new_id() for _ in range(rooms)]
        self.days = days

    def draw(self, rng):
        start = rng.randrange(self.days)
        return {"roomTypeId": rng.choice(self.types),
                "roomId": rng.choice([*self.rooms, None]),
                "stayStart": day(start), "stayEnd": day(start + rng.randint(1, 4))}


class Caller(threading.Thread):
    """One thread with a connection of its own. Runs until `stop` is set or `steps` are done."""

    def __init__(self, base_url, places, seed, *, steps=None, stop=None, trouble=False, keys=6,
                 pause=0.0):
        super().__init__(daemon=True)
        self.client = Client(base_url, timeout=30)
        self.places = places
        self.rng = random.Random(seed)
        self.steps = steps
        self.stop = stop or threading.Event()
        self.trouble = trouble
        self.pause = pause
        self.keys = [self.new_key() for _ in range(keys)]
        self.retired = []
        self.holds = []
        self.statuses = collections.Counter()
        self.errors = collections.Counter()
        self.slowest = 0.0
        self.last_good = None
        self.failure = None

    def new_key(self):
        return Key(self.rng.choice(self.places.tenants), new_id())

    def run(self):
        done = 0
        try:
            while not self.stop.is_set() and (self.steps is None or done < self.steps):
                self.step()
                done += 1
                if self.pause:
                    self.stop.wait(self.pause)
        except BaseException as error:  # pylint: disable=broad-except
            # Given on to the test by finish().
            self.failure = error
        finally:
            now = time.monotonic()
            for key in self.keys:
                self.end_hold(key, now)
            self.client.close()

    def step(self):
        action = self.rng.choices((self.lock, self.again, self.release, self.bulk, self.look),
                                  weights=(50, 10, 25, 5, 10))[0]
        action()

    def send(self, method, path, body=None, query=None):
        sent = time.monotonic()
        answer = self.client.request(method, path, body, query=query)
        self.statuses[answer.status] += 1
        self.slowest = max(self.slowest, answer.seconds)
        if answer.status < 500:
            self.last_good = time.monotonic()
        else:
            assert self.trouble, answer
            assert answer.status in TROUBLE, answer
            assert answer.json["error"] in TROUBLE[answer.status], answer
            check_problem(answer, answer.status, answer.json["error"])
            self.errors[answer.json["error"]] += 1
        return sent, answer

    # What is done to one key

    def lock(self):
        self.ask(self.rng.choice(self.keys), self.places.draw(self.rng))

    def again(self):
        """The same request once more, as a caller does that is not sure of the first."""
        key = self.rng.choice(self.keys)
        if key.state.status == "ACTIVE":
            self.ask(key, {"roomTypeId": key.state.room_type, "roomId": key.state.room,
                           "stayStart": key.state.start, "stayEnd": key.state.end})

    def ask(self, key, place):
        reason = f"REASON {self.rng.randrange(1000)}"
        body = {"tenantId": key.tenant, "idempotencyKey": key.id, "ttlSeconds": 7200,
                "reason": reason, **place}
        sent, answer = self.send("POST", "/v1/locks", body)
        if answer.status == 200:
            self.granted(key, sent, check_locked(answer))
        elif answer.status == 409:
            assert check_conflict(answer)["id"] != key.id, answer
        else:
            # Its token and, if it is renewed, its reason cannot be known.
            self.retire(key, sent, State("ACTIVE", place["roomId"], place["roomTypeId"],
                                         place["stayStart"], place["stayEnd"]))

    def granted(self, key, sent, lock):
        assert lock["id"] == key.id and lock["tenant_id"] == key.tenant
        state = State("ACTIVE", lock["room_id"], lock["room_type_id"], lock["stay_start"][:10],
                      lock["stay_end"][:10], lock["fencing_token"], lock["reason"])
        if key.state == state:
            return
        self.end_hold(key, sent)
        key.possible = [state]
        place = ("room", state.room) if state.room else ("type", state.room_type)
        key.hold = Hold(key.id, (key.tenant, *place), state.start, state.end, time.monotonic())

    def release(self):
        key = self.rng.choice(self.keys)
        reason = f"REASON {self.rng.randrange(1000)}"
        sent, answer = self.send("DELETE", f"/v1/locks/{key.id}",
                                 {"tenantId": key.tenant, "reason": reason})
        if key.state == NEVER:
            assert answer.status == 404 or answer.status >= 500, answer
        elif answer.status == 200:
            self.ended(key, sent, reason)
        else:
            assert answer.status >= 500, answer
            if key.state.status == "ACTIVE":
                self.retire(key, sent, State("RELEASED", reason=reason))

    def ended(self, key, sent, reason):
        if key.state.status == "ACTIVE":
            self.end_hold(key, sent)
            key.possible = [State("RELEASED", reason=reason)]

    def bulk(self):
        tenant = self.rng.choice(self.places.tenants)
        keys = [key for key in self.rng.sample(self.keys, 4) if key.tenant == tenant]
        ids = [key.id for key in keys] * 2 + [new_id()]
        reason = f"REASON {self.rng.randrange(1000)}"
        active = [key for key in keys if key.state.status == "ACTIVE"]
        sent, answer = self.send("POST", "/v1/locks/bulk-release",
                                 {"tenantId": tenant, "lockIds": ids, "reason": reason})
        if answer.status == 200:
            assert check_json(answer) == {"status": "released", "released": len(active)}, active
            for key in active:
                self.ended(key, sent, reason)
        else:
            assert answer.status >= 500, answer
            for key in active:
                self.retire(key, sent, State("RELEASED", reason=reason))

    def look(self):
        key = self.rng.choice(self.keys)
        _, answer = self.send("GET", f"/v1/locks/{key.id}", query={"tenantId": key.tenant})
        if key.state == NEVER:
            assert answer.status == 404 or answer.status >= 500, answer
        elif answer.status == 200:
            lock = answer.json["lock"]
            assert lock["status"] == key.state.status, (lock, key)
            if key.state.status == "ACTIVE":
                assert lock["fencing_token"] == key.state.token, (lock, key)
        else:
            assert answer.status >= 500, answer

    def retire(self, key, sent, also_possible):
        self.end_hold(key, sent)
        key.possible.append(also_possible)
        self.keys.remove(key)
        self.retired.append(key)
        self.keys.append(self.new_key())

    def end_hold(self, key, when):
        if key.hold is not None:
            key.hold.until = when
            self.holds.append(key.hold)
            key.hold = None


def finish(callers, seconds_max):
    """Waits for the callers; gives on what went wrong in one of them."""
    deadline = time.monotonic() + seconds_max
    for caller in callers:
        caller.join(max(0.0, deadline - time.monotonic()))
        assert not caller.is_alive(), "a caller hangs"
    for caller in callers:
        if caller.failure is not None:
            raise caller.failure


def matches(row, state):
    """Whether a row is what was acknowledged."""
    if row is None or state == NEVER:
        return row is None and state == NEVER
    if row["status"] != state.status:
        return False
    if state.status == "RELEASED":
        return row["release_reason"] == state.reason
    same = (row["room_id"] == state.room
            and (state.room is not None or row["room_type_id"] == state.room_type)
            and row["stay_start"] == instant(state.start + "T00:00:00.000Z")
            and row["stay_end"] == instant(state.end + "T00:00:00.000Z"))
    # Without a token it is a state that was never acknowledged, only possible.
    known = state.token is None or (row["fencing_token"] == state.token
                                    and row["reason"] == state.reason
                                    and row["room_type_id"] == state.room_type)
    return same and known


def check_rows(database, callers):
    """Everything acknowledged is in the database, and nothing that nobody asked for."""
    rows = database.locks(callers[0].places.tenants)
    known = set()
    for caller in callers:
        for key in [*caller.keys, *caller.retired]:
            known.add(key.id)
            row = rows.get(key.id)
            assert any(matches(row, state) for state in key.possible), (key, row)
    assert set(rows) <= known, set(rows) - known
    return rows


def check_holds(callers):
    """No two callers held one place at one time."""
    by_place = collections.defaultdict(list)
    for caller in callers:
        for hold in caller.holds:
            if hold.since < hold.until:
                by_place[hold.place].append(hold)
    for holds in by_place.values():
        holds.sort(key=lambda hold: hold.since)
        open_holds = []
        for hold in holds:
            open_holds = [other for other in open_holds if other.until > hold.since]
            for other in open_holds:
                assert (other.lock_id == hold.lock_id or hold.end <= other.start
                        or other.end <= hold.start), (hold, other)
            open_holds.append(hold)
    return sum(len(holds) for holds in by_place.values())


def check_all(database, callers):
    database.check_no_overlap()
    check_rows(database, callers)
    assert check_holds(callers) > 0, "nothing was ever held"
