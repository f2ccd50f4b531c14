"""What the service must do, in a few lines and in memory: the model of the state machine.

Every operation has two halves. decide_…() says what the answer must be at a given moment of the
database's clock and changes nothing; the state machine compares that with the real answer and then
tells the model by granted(), released() or bulk_released().
"""

import dataclasses
import datetime


@dataclasses.dataclass
class Lock:
    """The last answer about a lock, and whether it was released since."""

    tenant: str
    id: str
    room: str
    room_type: str
    start: str
    end: str
    expires_at: datetime.datetime
    created_at: str
    token: int
    ttl: int
    reason: str
    release_reason: str = None

    @property
    def place(self):
        """A room, or a room type: two kinds that never meet."""
        return ("room", self.room) if self.room else ("type", self.room_type)

    def status(self, now):
        if self.release_reason is not None:
            return "RELEASED"
        return "ACTIVE" if self.expires_at > now else "EXPIRED"

    def overlaps(self, start, end):
        # The machine's stays are all written in one form: they compare as texts.
        return self.start < end and start < self.end


@dataclasses.dataclass(frozen=True)
class Request:
    tenant: str
    key: str
    room: str
    room_type: str
    start: str
    end: str
    reason: str
    ttl: int

    @property
    def place(self):
        return ("room", self.room) if self.room else ("type", self.room_type)


@dataclasses.dataclass(frozen=True)
class Outcome:
    """kind: NEW, RENEWED, MOVED, AGAIN or CONFLICT; blockers: ids that a conflict may name."""

    kind: str
    blockers: frozenset = frozenset()

    @property
    def is_grant(self):
        return self.kind != "CONFLICT"


class Model:
    def __init__(self):
        self.locks = {}
        self.last_token = {}

    def find(self, tenant, lock_id):
        return self.locks.get((tenant, lock_id))

    def of_tenant(self, tenant):
        return [lock for lock in self.locks.values() if lock.tenant == tenant]

    def in_the_way(self, request, now):
        return [lock for lock in self.of_tenant(request.tenant)
                if lock.place == request.place and lock.overlaps(request.start, request.end)
                and lock.status(now) == "ACTIVE" and lock.id != request.key]

    def decide_lock(self, request, now):
        blockers = self.in_the_way(request, now)
        if blockers:
            # The oldest is named; of those made in one millisecond it may be any.
            oldest = min(lock.created_at for lock in blockers)
            return Outcome("CONFLICT", frozenset(
                lock.id for lock in blockers if lock.created_at == oldest))
        known = self.find(request.tenant, request.key) if request.key else None
        if known is None:
            return Outcome("NEW")
        if known.status(now) != "ACTIVE":
            return Outcome("AGAIN")
        stays = (known.place, known.start, known.end) == (
            request.place, request.start, request.end)
        return Outcome("RENEWED" if stays else "MOVED")

    def decide_bulk(self, tenant, ids, now):
        """Ids that a bulk release at this moment ends."""
        known = (self.find(tenant, lock_id) for lock_id in set(ids))
        return frozenset(lock.id for lock in known if lock and lock.status(now) == "ACTIVE")

    def moments(self, before, after):
        """Moments that stand for all between these two: only an expiry makes a difference."""
        return [before, *sorted({lock.expires_at for lock in self.locks.values()
                                 if before < lock.expires_at <= after})]

    def granted(self, request, outcome, answer, expires_at):
        """Takes in the lock of an answer, after checks of what must be true of it."""
        key = (request.tenant, answer["id"])
        known = self.locks.get(key)
        self.check_token(request, outcome, known, answer)
        renewed = outcome.kind == "RENEWED"
        self.locks[key] = Lock(
            request.tenant, answer["id"], request.room,
            known.room_type if renewed else request.room_type, request.start, request.end,
            expires_at, answer["created_at"], answer["fencing_token"], request.ttl,
            known.reason if renewed else request.reason)
        if known is not None:
            assert answer["created_at"] == known.created_at
        return self.locks[key]

    def check_token(self, request, outcome, known, answer):
        resource = (request.tenant, request.place)
        token = answer["fencing_token"]
        if outcome.kind == "RENEWED":
            assert token == known.token, (token, known)
        else:
            assert token > self.last_token.get(resource, 0), (token, self.last_token[resource])
            self.last_token[resource] = token

    def released(self, lock, reason, now):
        """A release that was answered 200: it changes only what was active."""
        if lock.status(now) == "ACTIVE":
            lock.release_reason = reason

    def check_no_overlap(self, now):
        """The model itself must never let two active locks of one place overlap."""
        active = [lock for lock in self.locks.values() if lock.status(now) == "ACTIVE"]
        for lock in active:
            request = Request(lock.tenant, lock.id, lock.room, lock.room_type, lock.start,
                              lock.end, lock.reason, lock.ttl)
            assert not self.in_the_way(request, now), lock
