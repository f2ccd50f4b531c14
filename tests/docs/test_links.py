"""Every relative link of the pages leads to a file of the tree, and to a heading that is there."""

import re
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[2]
PAGES = sorted(page for page in [SOURCE / "README.md", SOURCE / "CONTRIBUTING.md",
                                 SOURCE / "helm/availability-guard/README.md",
                                 *(SOURCE / "docs").rglob("*.md")])

FENCED = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"`[^`\n]*`")
LINK = re.compile(r"\[[^\]]*\]\(\s*<?([^)\s>]+)>?[^)]*\)")
REFERENCE = re.compile(r"^\[[^\]]+\]:\s*<?(\S+?)>?\s*$", re.MULTILINE)


def prose(page):
    return FENCED.sub("", page.read_text(encoding="utf-8"))


def links(page):
    text = CODE.sub("", prose(page))
    found = LINK.findall(text) + REFERENCE.findall(text)
    return [link for link in found if not re.match(r"[a-z][a-z0-9+.-]*:", link)]


def anchors(page):
    """The names that a renderer of Markdown gives to the headings."""
    names = []
    for heading in re.findall(r"^#{1,6} +(.+?)#*$", prose(page), re.MULTILINE):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).strip().lower()
        name = re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")
        names.append(name if name not in names else f"{name}-{names.count(name)}")
    return set(names)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(SOURCE)))
def test_links_lead_somewhere(page):
    broken = []
    for link in links(page):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or not target.is_relative_to(SOURCE):
            broken.append(link)
        elif anchor and target.suffix == ".md" and anchor not in anchors(target):
            broken.append(link)
    assert not broken
