"""The commands that a page of the documents gives, as a reader would type them."""

import re
from pathlib import Path

DOCS = Path(__file__).resolve().parents[2] / "docs"


def commands(page, heading):
    """[block of sh] below a heading, up to the next one of any level."""
    text = (DOCS / page).read_text(encoding="utf-8")
    parts = re.split(r"^#+ +(.+)$", text, flags=re.MULTILINE)
    sections = dict(zip(parts[1::2], parts[2::2]))
    found = re.findall(r"^```sh\n(.*?)^```", sections[heading], re.MULTILINE | re.DOTALL)
    assert found, f"{page} has no commands below {heading!r}"
    return found
