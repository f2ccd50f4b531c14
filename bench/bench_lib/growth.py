"""Cost as the table grows: the same load on tables of several sizes.

The locks lie on a grid over 100,000 rooms and ten years; new ones land between them and meet
nobody, conflicts meet one at a random place. After a checkpoint PostgreSQL puts each page that is
touched for the first time into its log as a whole. In a small table that is over at once; in a
large one it takes minutes under load, and then it is over until the next checkpoint. So new locks
are measured in both states: at the dearest moment, right after a checkpoint, and when a large
table has settled.
"""

import itertools
from dataclasses import replace

from . import floor, rows
from .rows import Row
from .tables import GRID_MAX, REFILL_MAX

NEW = Row("new", "new locks", "grown_new.lua", clients=(1, 64), counted="true", unit="granted")
FRESH = replace(NEW, name="fresh", title="new locks right after a checkpoint", clients=(64,))
CONFLICTS = Row("conflicts", "conflicts", "grown_conflicts.lua", clients=(1, 64),
                statuses=frozenset({200, 409}), counted="true", conflicts=(0.98, 1.0))
FLOOR_CLIENTS = (1, 8)
#: the seconds of load after which a large table has settled; a smaller one than this needs none
SETTLE_SECONDS = 40
SETTLE_SIZE = 1_000_000
SIZES = (10_000, 1_000_000, GRID_MAX)


class Grid:
    """The table at one size after the other, without what a measurement has added."""

    def __init__(self, tables):
        self._tables = tables
        self.size = 0
        tables.empty()

    def grow(self, size):
        self._tables.grow(self.size, size)
        self.size = size

    def again(self):
        """As it was before the last measurement."""
        if self.size > REFILL_MAX:
            self._tables.remove_new()
        else:
            self._tables.empty()
            self._tables.grow(0, self.size)


def load_new(bed, grid, seconds):
    """The measurements of new locks, one after the other without a checkpoint between them."""
    bed.tables.checkpoint()
    eighths = itertools.count()  # each load has places of its own
    yield rows.load(bed, FRESH, FRESH.clients[0], seconds, [next(eighths)])
    if grid.size >= SETTLE_SIZE:
        rows.load(bed, NEW, NEW.clients[-1], SETTLE_SECONDS, [next(eighths)])
    else:
        grid.again()
    for clients in NEW.clients:
        yield rows.load(bed, NEW, clients, seconds, [next(eighths)])
    grid.again()


def load_conflicts(bed, grid, seconds):
    for clients in CONFLICTS.clients:
        bed.tables.checkpoint()
        yield rows.load(bed, CONFLICTS, clients, seconds, [grid.size])


def measure(bed, grid, seconds, tell):
    """{"floor": [...], "rows": [...]} at the present size."""
    found = {"floor": [], "rows": []}
    for load in (load_conflicts, load_new):
        for measurement in load(bed, grid, seconds):
            found["rows"].append(measurement)
            tell(measurement)
    for clients in FLOOR_CLIENTS:
        bed.tables.checkpoint()
        found["floor"].append(floor.load(bed, "grown_floor.sql", clients, seconds))
        tell(found["floor"][-1])
        grid.again()
    return found


def run(beds, sizes, rounds, seconds, result, tell, save):
    """Fills result["sizes"]; tell(text or measurement) and save() while it goes.

    A table of millions is not made in a moment, so each size has a database of its own (beds), and
    the sizes take turns: a machine that is slower for some minutes is so for all of them."""
    result["sizes"] = []
    grids = []
    for bed, size in zip(beds, sizes):
        tell(f"growing to {size:,} locks")
        rows.run(bed, rows.HEADLINE, NEW.clients[-1], 1)
        grids.append(Grid(bed.tables))
        grids[-1].grow(size)
        result["sizes"].append({"locks": size, "bytes": bed.tables.sizes(), "pairs": []})
    for _ in range(rounds):
        for bed, grid, entry in zip(beds, grids, result["sizes"]):
            tell(f"{grid.size:,} locks")
            entry["pairs"].append(measure(bed, grid, seconds, tell))
            save()
