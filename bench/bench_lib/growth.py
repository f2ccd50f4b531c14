"""Cost as the table grows: the same load on tables of several sizes.

The locks lie on a grid over 100,000 rooms and ten years; new ones land between them, conflicts
meet one at a random place. Each measurement begins after a checkpoint, so that at every size each
page that is touched for the first time goes into the log as a whole: of a large table that is the
dearest moment.
"""

from . import floor, rows
from .rows import Row
from .tables import GRID_MAX, REFILL_MAX

NEW = Row("new", "new locks", "grown_new.lua", clients=(1, 64), statuses=frozenset({200, 409}),
          counted="true", unit="granted", conflicts=(0.0, 0.05))
CONFLICTS = Row("conflicts", "conflicts", "grown_conflicts.lua", clients=(1, 64),
                statuses=frozenset({200, 409}), counted="true", conflicts=(0.98, 1.0))
FLOOR_CLIENTS = (1, 8)
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


def measure(bed, grid, seconds, tell):
    """{"floor": [...], "rows": [...]} at the present size."""
    found = {"floor": [], "rows": []}
    for row, arguments in ((CONFLICTS, [grid.size]), (NEW, [])):
        for clients in row.clients:
            bed.tables.checkpoint()
            found["rows"].append(rows.load(bed, row, clients, seconds, arguments))
            tell(found["rows"][-1])
            if row is NEW:
                grid.again()
    for clients in FLOOR_CLIENTS:
        bed.tables.checkpoint()
        found["floor"].append(floor.load(bed, "grown_floor.sql", clients, seconds))
        tell(found["floor"][-1])
        grid.again()
    return found


def run(bed, sizes, rounds, seconds, result, tell, save):
    """Fills result["sizes"]; tell(text or measurement) and save() while it goes.

    The rounds of a size follow each other: the sizes cannot alternate, because a table of millions
    is not made in a moment. The floor of each size tells how fast the machine was then."""
    result["sizes"] = []
    grid = Grid(bed.tables)
    for size in sizes:
        tell(f"growing to {size:,} locks")
        grid.grow(size)
        entry = {"locks": size, "bytes": bed.tables.sizes(), "pairs": []}
        result["sizes"].append(entry)
        for _ in range(rounds):
            entry["pairs"].append(measure(bed, grid, seconds, tell))
            save()
