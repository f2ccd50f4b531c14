"""Makes the benchmark's modules importable, and a small result for the tests."""

import sys
from pathlib import Path

import pytest

sys.dont_write_bytecode = True
BENCH = Path(__file__).resolve().parents[2] / "bench"
sys.path.insert(0, str(BENCH))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from sample import result_of_run  # noqa: E402


@pytest.fixture
def result():
    """Two rounds of the headline and of reads."""
    return result_of_run()
