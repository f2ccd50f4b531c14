"""docs/settings.md says what the program says of its settings. AG_BUILD_DIR names the build folder."""

import os
import re
import subprocess
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[2]
PAGE = SOURCE / "docs" / "settings.md"


@pytest.fixture(scope="module", params=["availability-guard", "availability-guard-sweeper"])
def program(request):
    build = os.environ.get("AG_BUILD_DIR")
    assert build, "AG_BUILD_DIR must name the build folder"
    found = [Path(build) / place / request.param for place in ("", "sbin")]
    return next((path for path in found if path.is_file()), found[0])


def output(program, option):
    done = subprocess.run([program, option], env={"PATH": "/usr/bin:/bin"}, text=True, check=True,
                          capture_output=True, timeout=30)
    return done.stdout


def shortened(allowed):
    """What the page leaves out because it says it once for all settings of a kind."""
    return allowed.removeprefix("an integer from ").removesuffix(
        " of UTF-8 without control characters")


def settings_of_program(program):
    """[(name, default, allowed)] from the help text: NAME=default, then "    help: allowed"."""
    found = re.findall(r"^([A-Z][A-Z0-9_]*)=(.*)\n    .*: (.*)$", output(program, "-h"),
                       re.MULTILINE)
    return [(name, default, shortened(allowed)) for name, default, allowed in found]


def settings_of_page():
    """The same from the rows of the table with four columns."""
    rows = []
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        if line.startswith("| `") and len(cells) == 4:
            name, default, allowed, meaning = cells
            assert meaning, f"{name} has no meaning"
            default = "" if default == "(empty)" else re.fullmatch(r"`(.+)`", default)[1]
            rows.append((name.strip("`"), default, allowed))
    return rows


def test_the_page_lists_the_settings_of_the_program(program):
    listed = settings_of_program(program)
    assert len(listed) > 20, "the help text is not read right"
    assert settings_of_page() == listed


def test_the_help_lists_what_n_prints(program):
    printed = [line.partition("=")[0] for line in output(program, "-n").splitlines()]
    assert [name for name, _, _ in settings_of_program(program)] == printed


def test_all_names_in_the_pages_exist(program):
    """No page speaks of a setting that is not there (any more)."""
    known = {name for name, _, _ in settings_of_program(program)}
    known |= {"GUARD_ANSWER_TIMEOUT_MS", "NGINX_READ_TIMEOUT_MS",  # for templates
              "GUARD_SQL_DIR", "GUARD_MIGRATE_LOCK_TIMEOUT_MS",  # of sql/migrate
              "GUARD_CONFIG_DIR",  # of availability-guardctl
              "AVAILABILITY_GUARD_FAILOPEN",  # the example of a mistake
              # other words that look like settings
              "DB_", "AVAILABILITY_GUARD_", "AVAILABILITY_GUARD_NOTIFICATION"}
    pages = [SOURCE / "README.md", *sorted((SOURCE / "docs").rglob("*.md")),
             *sorted((SOURCE / "docs").rglob("*.8"))]
    looks_so = re.compile(r"\b(?:GUARD|AVAILABILITY_GUARD|LOCK|DB|SWEEP)_[A-Z_]*")
    unknown = {(page.name, name) for page in pages if page.exists()
               for name in looks_so.findall(page.read_text(encoding="utf-8"))
               if name not in known}
    assert not unknown


def made(kind):
    done = subprocess.run([SOURCE / "conf/service/settings-pages", kind], text=True, check=True,
                          input=PAGE.read_text(encoding="utf-8"), stdout=subprocess.PIPE)
    return done.stdout


def test_the_files_of_an_installation_have_every_setting_with_its_default(program):
    """Those that are secret in a file of their own."""
    settings, secrets = ([tuple(line[1:].split("=", 1)) for line in made(kind).splitlines()
                          if re.match(r"#[A-Z][A-Z0-9_]*=", line)] for kind in ("settings", "secrets"))
    listed = [(name, default) for name, default, _ in settings_of_program(program)]
    assert sorted(settings + secrets) == sorted(listed)
    table = (SOURCE / "src/base/settings.h").read_text(encoding="utf-8")
    row = re.compile(r'X\(([A-Z0-9_]+),(?:(?!X\().)*?,[\s\\]*(true|false),[\s\\]*"', re.DOTALL)
    hidden = {name for name, secret in row.findall(table) if secret == "true"}
    assert len(row.findall(table)) == len(listed)
    assert {name for name, _ in secrets} == hidden


def test_the_manual_page_of_the_settings_has_every_setting(program):
    page = made("man")
    assert re.findall(r"^\.It Ev (\w+)$", page, re.MULTILINE) == \
        [name for name, _, _ in settings_of_program(program)]
    done = subprocess.run(["mandoc", "-Tlint"], input=page, text=True, check=False, capture_output=True)
    assert not [line for line in done.stdout.splitlines() if "referenced manual not found" not in line]
