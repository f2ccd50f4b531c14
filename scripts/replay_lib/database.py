"""A look at the rows themselves, behind the service's back, with `psql`.

For tests and for the doubtful: the list that the service gives is compared with
the model anyway.
"""

from __future__ import annotations

import subprocess
from typing import Mapping, Sequence

from .errors import InputError, ReplayError
from .hotel import Hotel
from .model import Prediction

TIMEOUT_S = 120

_QUERY = """
SELECT tenant_id, count(*), (
    SELECT count(*) FROM inventory_locks_shadow a JOIN inventory_locks_shadow b
        ON b.tenant_id = a.tenant_id AND b.room_id = a.room_id AND b.id > a.id
        AND b.stay_start < a.stay_end AND a.stay_start < b.stay_end
    WHERE a.tenant_id = locks.tenant_id AND a.status = 'ACTIVE' AND b.status = 'ACTIVE')
FROM inventory_locks_shadow locks
WHERE status = 'ACTIVE' AND tenant_id IN ({tenants})
GROUP BY tenant_id;
"""


def check_database(conninfo: str, hotels: Sequence[Hotel],
                   predictions: Mapping[str, Prediction]) -> list[str]:
    """The differences between the table of locks and the model."""
    rows = _read_rows(conninfo, hotels)
    found = []
    for hotel in hotels:
        active, overlaps = rows.get(hotel.tenant_id, (0, 0))
        wanted = len(predictions[hotel.name].held)
        if active != wanted:
            found.append(f"{hotel.name}: {active} active rows, the model says {wanted}")
        if overlaps:
            found.append(f"{hotel.name}: {overlaps} pairs of rows overlap")
    return found


def _read_rows(conninfo: str, hotels: Sequence[Hotel]) -> dict[str, tuple[int, int]]:
    """Active rows and overlapping pairs, by tenant."""
    tenants = ", ".join(f"'{hotel.tenant_id}'" for hotel in hotels)
    command = ["psql", "-X", "-q", "-A", "-t", "-F", "\t", "-v", "ON_ERROR_STOP=1", "-d", conninfo]
    try:
        done = subprocess.run(command, input=_QUERY.format(tenants=tenants), text=True,
                              capture_output=True, timeout=TIMEOUT_S, check=False)
    except OSError as error:
        raise InputError(f"--check-database: psql: {error.strerror}") from error
    except subprocess.TimeoutExpired as error:
        raise ReplayError(f"--check-database: no answer within {TIMEOUT_S} s") from error
    if done.returncode != 0:
        raise ReplayError(f"--check-database: {done.stderr.strip()}")
    rows = (line.split("\t") for line in done.stdout.splitlines())
    return {tenant: (int(active), int(overlaps)) for tenant, active, overlaps in rows}
