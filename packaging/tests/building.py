"""Steps of packaging/check that look at the packages without installing them."""

import hashlib
import re
import subprocess
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[2]
EXPOSURE_MAX = 2.0

# A next version, with one more migration: what the packages of today are upgraded to.
NEXT_VERSION = "0.1.1"
NEXT_SCHEMA = """
last=$(ls sql/migrations | tail -n 1)
next=$((10#${last%%_*} + 1))
name=$(printf '%04d' $next)_next.sql
echo "COMMENT ON SCHEMA guard IS 'The next version was here.';" >sql/migrations/$name
sed -i "s/^#define STATEMENTS_SCHEMA_VERSION .*/#define STATEMENTS_SCHEMA_VERSION $next/" src/domain/statements.h
sed -i "s|^\\tsql/migrations/$last|\\tsql/migrations/$last sql/migrations/$name|" Makefile.am
"""


def packages(folder):
    return sorted(path for path in Path(folder).glob("*.deb") if "-dbgsym" not in path.name)


def run(*words):
    done = subprocess.run(list(map(str, words)), text=True, check=False, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT)
    assert done.returncode == 0, f"{words}: {done.returncode}\n{done.stdout[-4000:]}"
    return done.stdout


def step_the_packages_are_built(folder):
    if not (folder / "now").exists():
        run(SOURCE / "packaging/build-deb", folder / "now")
    assert len(packages(folder / "now")) == 3


def step_another_build_gives_the_same_packages(folder):
    run(SOURCE / "packaging/build-deb", "--nocheck", folder / "again")
    first, second = ({path.name: hashlib.sha256(path.read_bytes()).hexdigest()
                      for path in (folder / name).glob("*.deb")} for name in ("now", "again"))
    assert first == second


def step_lintian_finds_nothing(folder):
    found = run("lintian", "--allow-root", "-E", "--pedantic", *(folder / "now").glob("*.changes"))
    assert not found, found


def step_the_units_are_valid_and_confined(folder):
    unpacked = folder / "unpacked"
    for package in packages(folder / "now"):
        run("dpkg-deb", "-x", package, unpacked)
    units = sorted((unpacked / "lib/systemd/system").glob("*.service"))
    assert len(units) >= 5
    for unit in units:
        said = run("systemd-analyze", "security", "--offline=true", "--threshold=100", unit)
        exposure = float(re.search(r"Overall exposure level for \S+: ([0-9.]+)", said)[1])
        assert exposure <= EXPOSURE_MAX, f"{unit.name}: {exposure}"


def step_a_next_version_is_built(folder):
    run(SOURCE / "packaging/build-deb", "--nocheck", "--version", NEXT_VERSION, "--prepare",
        NEXT_SCHEMA, folder / "next")
    assert len(packages(folder / "next")) == 3
