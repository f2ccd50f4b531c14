"""The bytes of every request, made from parts that are computed once.

A booking tries room after room; between two tries nothing changes but the room's
id, and ids have one length. So a `LockRequest` is made once for each event and a
try is one concatenation.
"""

from __future__ import annotations

import json
from urllib.parse import quote

from .bookings import Booking
from .client import Address
from .hotel import Hotel
from .stay import Stay, to_text

# Above any sensible maximum, and so clamped to it: locks must outlive the replay.
TTL_SECONDS = 30 * 86400
PAGE_LIMIT = 200

_ROOM = "00000000-0000-0000-0000-000000000000"


class LockRequest:
    """POST /v1/locks for one stay; the room is filled in for each try."""

    def __init__(self, head: bytes, body: bytes) -> None:
        request = head % len(body) + body
        before, _, after = request.partition(_ROOM.encode())
        self._before, self._after = before, after

    def to(self, room_id: str) -> bytes:
        """The whole request for this room."""
        return self._before + room_id.encode() + self._after


class Requests:
    """The requests of one hotel."""

    def __init__(self, address: Address, hotel: Hotel) -> None:
        self._hotel = hotel
        host = f"Host: {address.host_header()}\r\n"
        content = "Content-Type: application/json\r\nContent-Length: %d\r\n\r\n"
        self._post = f"POST /v1/locks HTTP/1.1\r\n{host}{content}".encode()
        self._delete = f"DELETE /v1/locks/%s HTTP/1.1\r\n{host}{content}".encode()
        self._get = f"GET /v1/locks?tenantId={hotel.tenant_id}%s HTTP/1.1\r\n{host}\r\n".encode()

    def book(self, booking: Booking, stay: Stay) -> LockRequest:
        """A new lock of a room of the type sold."""
        return self._lock(booking, stay, booking.reserved_type, "RESERVATION_CREATE",
                          {"booking": booking.number, "channel": booking.channel})

    def assign(self, booking: Booking, stay: Stay) -> LockRequest:
        """The same lock, moved to a room of the type assigned."""
        return self._lock(booking, stay, booking.assigned_type, "ROOM_ASSIGNED", None)

    def release(self, booking: Booking) -> bytes:
        """The release of a cancelled booking."""
        reservation_id = self._hotel.reservation_id(booking.number)
        body = _dump({"tenantId": self._hotel.tenant_id, "reservationId": reservation_id,
                      "reason": "RESERVATION_CANCELLED"})
        return self._delete % (reservation_id.encode(), len(body)) + body

    def page(self, cursor: str | None, limit: int = PAGE_LIMIT) -> bytes:
        """One page of the hotel's active locks."""
        query = f"&status=ACTIVE&limit={limit}"
        if cursor is not None:
            query += f"&cursor={quote(cursor, safe='')}"
        return self._get % query.encode()

    def _lock(self, booking: Booking, stay: Stay, kind: str, reason: str,
              metadata: dict[str, object] | None) -> LockRequest:
        reservation_id = self._hotel.reservation_id(booking.number)
        fields: dict[str, object] = {
            "tenantId": self._hotel.tenant_id,
            "propertyId": self._hotel.property_id,
            "roomTypeId": self._hotel.types[kind].id,
            "roomId": _ROOM,
            "stayStart": to_text(stay.start),
            "stayEnd": to_text(stay.end),
            "reservationId": reservation_id,
            "idempotencyKey": reservation_id,
            "reason": reason,
            "ttlSeconds": TTL_SECONDS,
        }
        if metadata is not None:
            fields["metadata"] = metadata
        return LockRequest(self._post, _dump(fields))


def _dump(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
