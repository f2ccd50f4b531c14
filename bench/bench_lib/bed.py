"""PostgreSQL and the built service, started for measurements in a folder of their own."""

import os
import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))

# pylint: disable=wrong-import-position
from parts.system import System, make_state_dir

from .access_log import AccessLog
from .tables import Tables

BENCH = Path(__file__).resolve().parents[1]
MEMORY_MB = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2**20
#: As a database server is set up for such work: a quarter of the memory, as PostgreSQL's manual
#: advises. Durable: fsync and synchronous_commit are on. No checkpoint falls into a measurement, for
#: the service as little as for the floor.
POSTGRES = {"shared_buffers": f"{MEMORY_MB // 4}MB", "max_wal_size": "8GB",
            "checkpoint_timeout": "15min"}
#: what load/manual.lua knows
OWN = {"AVAILABILITY_GUARD_ADMIN_TOKENS": "bench"}
#: settings of the service that are taken from the caller's environment
PREFIXES = ("GUARD_", "LOCK_", "SWEEP_", "LOG_", "DB_STATEMENT_", "COMMANDS_", "RELAY_",
            "KAFKA_PROPERTY_", "AVAILABILITY_GUARD_INVENTORY_EVENTS_")


class Bed:
    """Used as `with Bed(build) as bed`: runs from its begin to its end, and leaves nothing.

    parts: more of them, such as kafka=True (scripts/system.py)."""

    def __init__(self, build, postgres=None, settings=None, **parts):
        self.postgres_options = {**POSTGRES, **(postgres or {})}
        self._state = make_state_dir()
        chosen = {name: value for name, value in os.environ.items()
                  if name.startswith(PREFIXES) and name not in ("GUARD_SOCKET", "GUARD_METRICS_FILE")}
        self.system = System(self._state, build_dir=build,
                             settings={**OWN, **chosen, **(settings or {})},
                             postgres_options=self.postgres_options, **parts)
        self.tables = None
        self.access_log = AccessLog(self.system)

    def __enter__(self):
        try:
            self.system.__enter__()
            self.tables = Tables(self.system.owner_dsn)
        except BaseException:
            self.system.stop()
            self._remove()
            raise
        return self

    def __exit__(self, *_):
        self.tables.close()
        try:
            self.system.stop()
        finally:
            self._remove()

    def _remove(self):
        shutil.rmtree(self._state, ignore_errors=True)

    def roots(self):
        """{group: pid of its topmost process}."""
        return {name: pid for name, pid in self.system.status().items() if pid}
