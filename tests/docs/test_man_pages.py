"""The man pages are well-formed and name the options that the programs take."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[2]
PAGES = sorted((SOURCE / "docs" / "man").glob("*.8"))
# What each page documents: where its usage text stands.
USAGE = {"availability-guard.8": SOURCE / "src" / "base" / "program.c",
         "availability-guard-commands.8": SOURCE / "src" / "base" / "program.c",
         "availability-guard-notifier.8": SOURCE / "src" / "base" / "program.c",
         "availability-guard-relay.8": SOURCE / "src" / "base" / "program.c",
         "availability-guard-sweeper.8": SOURCE / "src" / "base" / "program.c",
         "availability-guard-trace-exporter.8": SOURCE / "src" / "base" / "program.c",
         "availability-guard-migrate.8": SOURCE / "sql" / "migrate",
         "availability-guard-pool.8": SOURCE / "src" / "pool" / "main.c",
         "availability-guardctl.8": SOURCE / "conf" / "service" / "availability-guardctl.in"}


def test_there_is_a_page_for_each_program():
    assert {page.name for page in PAGES} == set(USAGE)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_mandoc_finds_nothing_wrong(page):
    if not shutil.which("mandoc"):
        pytest.skip("mandoc is not installed")
    done = subprocess.run(["mandoc", "-Tlint", page], text=True, check=False,
                          capture_output=True, timeout=30)
    # Whether the pages referred to are installed here says nothing about this one.
    found = [line for line in done.stdout.splitlines() if "referenced manual not found" not in line]
    assert not found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_options_are_those_of_the_usage(page):
    described = set(re.findall(r"^\.It Fl (\S+)", page.read_text(encoding="utf-8"), re.MULTILINE))
    text = USAGE[page.name].read_text(encoding="utf-8")
    if page.name == "availability-guard-migrate.8":
        usage = text[text.index("usage: migrate"):text.index("END\n}")]
        taken = {"-" + name for name in re.findall(r"--([a-z-]+)", usage)}
    elif page.name == "availability-guardctl.8":
        taken = {"q", "-remove", "-help"}
        assert all(f"-{option}" in text for option in taken)
    elif page.name == "availability-guard-pool.8":
        taken = set(re.findall(r'"  -([a-zA-Z]) ', text))
    else:
        taken = set(re.findall(r'"  -([a-zA-Z]) ', text))
        program = page.name.removeprefix("availability-guard").removesuffix(".8").strip("-")
        folder = program.replace("-", "_") or "guard"
        own = (SOURCE / "src" / folder / "main.c").read_text(encoding="utf-8")
        taken |= {"-" + name for name in re.findall(r'\.commands = \{\{"([a-z-]+)"', own)}
    assert taken
    assert described == taken
