"""Makes the replay's modules importable and offers the scripted peers."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Iterator

import pytest
from hypothesis import settings

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
sys.path.insert(0, str(SCRIPTS))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from fake_guard import FakeGuard  # noqa: E402

# No examples kept: the tree may be read-only.
settings.register_profile("tree", database=None)
settings.load_profile("tree")


@pytest.fixture
def fake_guard() -> Iterator[FakeGuard]:
    """A fake of the service on a port of its own."""
    with FakeGuard() as fake:
        yield fake


@pytest.fixture
def replay_script() -> str:
    """The path of the program itself."""
    return str(SCRIPTS / "replay")
