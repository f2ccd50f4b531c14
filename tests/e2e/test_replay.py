"""Real bookings, replayed in the order in which they were made."""

import json
import os
import subprocess
import sys

import pytest

from shape import new_id
from systems import SOURCE

# 14,938 bookings of two real hotels, kept beside the checkout where they are.
BOOKINGS = SOURCE.parent / "shared" / "data" / "hotel_bookings.csv"


def replay(system, tmp_path, *arguments, seconds_max):
    report = tmp_path / "report.json"
    done = subprocess.run(
        [sys.executable, "-B", SOURCE / "scripts/replay", "--url", system.base_url, "--quiet",
         "--tenant-seed", new_id(), "--json", report, "--check-database", system.owner_dsn,
         *arguments],
        env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}, text=True, capture_output=True,
        timeout=seconds_max, check=False)
    print(done.stdout, done.stderr)
    assert done.returncode == 0, done
    return json.loads(report.read_text())


def test_some_hundred_generated_bookings(system, steady, database, tmp_path):
    assert replay(system, tmp_path, "--generate", "300", "--seed", "7", seconds_max=50)
    database.check_no_overlap()


# All of them are half a million requests, one after the other: `scripts/replay --bookings` does that.
@pytest.mark.slow
@pytest.mark.deadline(300)
def test_the_first_thousands(system, steady, database, tmp_path):
    source = (["--bookings", BOOKINGS, "--limit", "2500"] if BOOKINGS.exists()
              else ["--generate", "2500", "--seed", "7"])
    assert replay(system, tmp_path, *source, seconds_max=280)
    database.check_no_overlap()
