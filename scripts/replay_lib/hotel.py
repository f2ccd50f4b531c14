"""Hotels: each one a tenant of the service, with its room types and rooms.

Rooms are numbered inside their type and tried in this order. All ids are
uuid v5 below one for the run, so that a run can be told from any other and its
ids can be computed again from its name.
"""

from __future__ import annotations

import math
import uuid
from dataclasses import dataclass

# Most rooms in use at once, counted from the guests who came, by the type they
# were given (L and P were sold, but hardly given: by the type sold).
PEAKS: dict[str, dict[str, int]] = {
    "resort": {"A": 56, "B": 1, "C": 12, "D": 34, "E": 24, "F": 11, "G": 7,
               "H": 4, "I": 4, "L": 1, "P": 0},
    "city": {"A": 124, "B": 14, "C": 1, "D": 51, "E": 9, "F": 7, "G": 2, "K": 3},
}

# Half of all bookings are cancelled and hold a room until then, and type A is the
# one that is sold beyond its rooms and then upgraded from. With the bare peaks
# every tenth booking would find no room; with half as many rooms again of type A
# it is one in forty, and a few guests cannot be moved: all of it is seen to happen.
_SPARE = {"A": 1.5}

_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "urn:availability-guard:replay")


@dataclass(frozen=True)
class RoomType:
    """A room type and its rooms, in the order in which they are tried."""

    name: str
    id: str
    rooms: tuple[str, ...]


@dataclass(frozen=True)
class Hotel:
    """A hotel as a tenant; `types` by the name of the type."""

    name: str
    tenant_id: str
    property_id: str
    types: dict[str, RoomType]

    def reservation_id(self, booking: int) -> str:
        """The reservation of a booking; it is the lock's id and key as well."""
        return _derive(self.tenant_id, f"booking:{booking}")


def room_counts(hotel: str) -> dict[str, int]:
    """The number of rooms of each type of the hotel; every type has one at least."""
    return {name: max(1, math.ceil(peak * _SPARE.get(name, 1)))
            for name, peak in PEAKS[hotel].items()}


def build_hotel(name: str, run: str, counts: dict[str, int] | None = None) -> Hotel:
    """The hotel `name` in the run called `run`; `counts` stands in for its rooms."""
    tenant_id = _derive(_derive(str(_NAMESPACE), f"run:{run}"), f"hotel:{name}")
    types = {kind: _build_type(tenant_id, kind, count)
             for kind, count in (counts or room_counts(name)).items()}
    return Hotel(name, tenant_id, _derive(tenant_id, "property"), types)


def _build_type(tenant_id: str, name: str, count: int) -> RoomType:
    rooms = tuple(_derive(tenant_id, f"room:{name}:{number}") for number in range(1, count + 1))
    return RoomType(name, _derive(tenant_id, f"type:{name}"), rooms)


def _derive(parent: str, name: str) -> str:
    return str(uuid.uuid5(uuid.UUID(parent), name))
