"""The worker: plays the events of one hotel against the service, strictly in order.

It knows nothing of the model: which room a booking gets is what the service's
answers make of it. An answer that the contract does not allow at this place
ends the replay (ReplayError).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Callable, Sequence

from .bookings import Booking
from .client import Address, Answer, Client, ProtocolError
from .errors import ReplayError
from .events import Event, Kind
from .hotel import Hotel
from .outcome import NOWHERE, Counts, Outcome, Result
from .requests import LockRequest, Requests
from .stay import stay_of, to_instant

# Called after each event with what there is so far.
Report = Callable[[int, Counts], None]


@dataclass(frozen=True)
class ActiveLock:
    """What the service lists as ACTIVE, as it writes it."""

    id: str
    room_id: str
    room_type_id: str
    stay_start: str
    stay_end: str


@dataclass
class HotelResult:
    """What a worker found out about its hotel."""

    hotel: str
    outcomes: list[Outcome] = field(default_factory=list)
    locks: list[ActiveLock] = field(default_factory=list)
    requests: int = 0
    repeats: Counter[str] = field(default_factory=Counter)
    # The shortest TTL that the service granted: the replay must not take longer.
    ttl_seconds_min: int | None = None


class Worker:
    """One hotel and its connection."""

    def __init__(self, address: Address, hotel: Hotel, weeks: int) -> None:
        self._hotel = hotel
        self._weeks = weeks
        self._client = Client(address)
        self._requests = Requests(address, hotel)
        # booking numbers that hold a room
        self._holding: set[int] = set()
        self._ttl_seconds_min: int | None = None

    def run(self, events: Sequence[Event], report: Report) -> HotelResult:
        """Plays all events, then reads what the service holds."""
        try:
            self._check_empty()
            result = HotelResult(self._hotel.name)
            counts = Counts()
            for done, event in enumerate(events, start=1):
                outcome = self.play(event)
                result.outcomes.append(outcome)
                counts.add(outcome)
                report(done, counts)
            result.locks = self.list_active()
            result.requests = self._client.requests
            result.repeats = self._client.repeats
            result.ttl_seconds_min = self._ttl_seconds_min
            return result
        except ProtocolError as error:
            raise ReplayError(str(error)) from error
        finally:
            self._client.close()

    def play(self, event: Event) -> Outcome:
        """One event."""
        booking = event.booking
        if event.kind is Kind.BOOK:
            return self._book(booking)
        if booking.number not in self._holding:
            return Outcome(Result.ABSENT, NOWHERE, 0)
        return self._cancel(booking) if event.kind is Kind.CANCEL else self._assign(booking)

    def list_active(self) -> list[ActiveLock]:
        """All active locks of the hotel, page by page."""
        locks: list[ActiveLock] = []
        cursor: str | None = None
        while True:
            page = self._page(cursor)
            locks.extend(_active_lock(item) for item in page["locks"])
            following = page["nextCursor"]
            if following is None:
                return locks
            if following == cursor or not page["locks"]:
                raise ReplayError(f"GET /v1/locks does not get on: cursor {following!r} "
                                  f"with {len(page['locks'])} locks")
            cursor = following

    def _check_empty(self) -> None:
        if self._page(None, 1)["locks"]:
            raise ReplayError(f"tenant {self._hotel.tenant_id} (hotel {self._hotel.name}) holds "
                              "active locks already: use another --tenant-seed")

    def _book(self, booking: Booking) -> Outcome:
        request = self._requests.book(booking, stay_of(booking, self._weeks))
        outcome = self._try_rooms(booking, booking.reserved_type, request,
                                  Result.LOCKED, Result.NO_ROOM)
        if outcome.result is Result.LOCKED:
            self._holding.add(booking.number)
        return outcome

    def _assign(self, booking: Booking) -> Outcome:
        request = self._requests.assign(booking, stay_of(booking, self._weeks))
        return self._try_rooms(booking, booking.assigned_type, request,
                               Result.MOVED, Result.MOVE_REFUSED)

    def _cancel(self, booking: Booking) -> Outcome:
        answer = self._client.call(self._requests.release(booking))
        lock_id = self._hotel.reservation_id(booking.number)
        if answer.status != 200 or answer.json() != {"status": "released", "lockId": lock_id}:
            raise _unexpected(f"releasing booking {booking.number}", answer)
        self._holding.remove(booking.number)
        return Outcome(Result.RELEASED, NOWHERE, 0)

    def _try_rooms(self, booking: Booking, kind: str, request: LockRequest,
                   taken: Result, full: Result) -> Outcome:
        """Tries the rooms of the type in order until one is granted."""
        rooms = self._hotel.types[kind].rooms
        for index, room_id in enumerate(rooms):
            answer = self._client.call(request.to(room_id))
            if answer.status == 200:
                self._check_granted(booking, room_id, answer)
                return Outcome(taken, index, index)
            if answer.status != 409:
                raise _unexpected(f"booking {booking.number}, room {kind} {index + 1}", answer)
            self._check_conflict(booking, room_id, answer)
        return Outcome(full, NOWHERE, len(rooms))

    def _check_granted(self, booking: Booking, room_id: str, answer: Answer) -> None:
        body = answer.json()
        lock = body.get("lock") if isinstance(body, dict) else None
        lock_id = self._hotel.reservation_id(booking.number)
        if (not isinstance(lock, dict) or body.get("status") != "LOCKED"
                or lock.get("id") != lock_id or lock.get("room_id") != room_id
                or not isinstance(lock.get("ttl_seconds"), int)):
            raise _unexpected(f"booking {booking.number} asked for room {room_id}", answer)
        ttl_seconds = lock["ttl_seconds"]
        if self._ttl_seconds_min is None or ttl_seconds < self._ttl_seconds_min:
            self._ttl_seconds_min = ttl_seconds

    def _check_conflict(self, booking: Booking, room_id: str, answer: Answer) -> None:
        """A conflict must name another lock of the same room."""
        body = answer.json()
        lock = body.get("conflict") if isinstance(body, dict) else None
        if (not isinstance(lock, dict) or body.get("status") != "CONFLICT"
                or lock.get("room_id") != room_id
                or lock.get("id") == self._hotel.reservation_id(booking.number)):
            raise _unexpected(f"booking {booking.number} asked for room {room_id}", answer)

    def _page(self, cursor: str | None, limit: int | None = None) -> dict[str, Any]:
        request = (self._requests.page(cursor) if limit is None
                   else self._requests.page(cursor, limit))
        answer = self._client.call(request)
        page = answer.json() if answer.status == 200 else None
        if (not isinstance(page, dict) or not isinstance(page.get("locks"), list)
                or not isinstance(page.get("nextCursor", 0), (str, type(None)))):
            raise _unexpected("listing the locks", answer)
        return page


def _active_lock(item: Any) -> ActiveLock:
    names = ("id", "room_id", "room_type_id", "stay_start", "stay_end")
    if not isinstance(item, dict) or item.get("status") != "ACTIVE":
        raise ReplayError(f"GET /v1/locks?status=ACTIVE lists {item!r}")
    if not all(isinstance(item.get(name), str) for name in names):
        raise ReplayError(f"GET /v1/locks lists a lock without a field: {item!r}")
    lock = ActiveLock(*(item[name] for name in names))
    try:
        to_instant(lock.stay_start)
        to_instant(lock.stay_end)
    except ValueError as error:
        raise ReplayError(f"GET /v1/locks lists lock {lock.id} with a strange time: "
                          f"{error}") from error
    return lock


def _unexpected(what: str, answer: Answer) -> ReplayError:
    return ReplayError(f"{what}: unexpected answer {answer.summary()}")
