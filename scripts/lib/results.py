#!/usr/bin/python3
"""Counts test results: results.py FOLDER.

FOLDER holds a folder for each part of the run. In it stand what the tools wrote for machines
(*.tap, *.prove as prove prints
it with -v, *.trs of automake, *.xml of JUnit's form) and `status`, the exit status of the part. A part
that failed without a failed test, or that ran nothing, counts as one failure. Prints a line for
each part, the failed tests by name, and the sum as the last line; exit 1 if anything failed.
"""

import re
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

TAP_LINE = re.compile(r"^(not )?ok\b(?:\s+(\d+))?\s*-?\s*(.*)$")
TAP_PLAN = re.compile(r"^1\.\.(\d+)(?:\s*#\s*(.*))?$")


class Count:
    def __init__(self):
        self.passed = self.skipped = 0
        self.failures = []

    def add(self, other):
        self.passed += other.passed
        self.skipped += other.skipped
        self.failures += other.failures

    @property
    def total(self):
        return self.passed + self.skipped + len(self.failures)

    def __str__(self):
        return f"{self.passed} passed, {len(self.failures)} failed, {self.skipped} skipped"


def count_tap(path):
    return count_tap_lines(path.stem, path.read_text("utf-8", "replace").splitlines())


def count_prove(path):
    """Verbose output of prove: the TAP of one file after the other, and a summary."""
    count = Count()
    name, lines = None, []
    for line in path.read_text("utf-8", "replace").splitlines():
        begun = re.match(r"^(\S+) \.\.+ ?$", line)
        ended = line.startswith(("Test Summary Report", "All tests successful", "Result: "))
        if begun or ended:
            if name:
                count.add(count_tap_lines(name, lines))
            name, lines = (Path(begun.group(1)).stem, []) if begun else (None, [])
        elif line != "ok":  # prove's own verdict on the file
            lines.append(line)
    if name:
        count.add(count_tap_lines(name, lines))
    return count


def count_tap_lines(test, lines):
    count = Count()
    planned = None
    for line in lines:
        # Subtests are indented; the line of their parent tells the result.
        plan = TAP_PLAN.match(line)
        if plan:
            planned = int(plan.group(1))
            if planned == 0:
                count.skipped += 1
                return count
        if line.startswith("Bail out!"):
            count.failures.append(f"{test}: {line}")
        result = TAP_LINE.match(line)
        if not result:
            continue
        name = result.group(3)
        if re.search(r"#\s*(skip|todo)", name, re.IGNORECASE):
            count.skipped += 1
        elif result.group(1):
            count.failures.append(f"{test}: {name}")
        else:
            count.passed += 1
    if planned is None:
        count.failures.append(f"{test}: no test plan, it ended early")
    elif planned != count.total:
        count.failures.append(f"{test}: {planned} tests planned, {count.total} ran")
    return count


def count_trs(path):
    """A test program of automake; its TAP stands beside it if it wrote any."""
    result = re.search(r"^:global-test-result:\s*(\S+)", path.read_text(), re.MULTILINE)
    result = result.group(1) if result else "ERROR"
    tap = path.with_suffix(".tap")
    count = count_tap(tap) if tap.exists() else Count()
    if result in ("FAIL", "ERROR", "XPASS"):
        if not count.failures:
            count.failures.append(f"{path.stem}: {result}")
    elif count.total == 0:
        if result == "SKIP":
            count.skipped += 1
        else:
            count.passed += 1
    return count


def count_junit(path):
    count = Count()
    try:
        root = ET.parse(path).getroot()
    except ET.ParseError:
        count.failures.append(f"{path.name}: cut short, the run was broken off")
        return count
    for case in root.iter("testcase"):
        if case.find("failure") is not None or case.find("error") is not None:
            count.failures.append(f"{case.get('classname')}: {case.get('name')}")
        elif case.find("skipped") is not None:
            count.skipped += 1
        else:
            count.passed += 1
    return count


def count_part(folder):
    count = Count()
    programs = sorted(folder.glob("*.trs"))
    for path in programs:
        count.add(count_trs(path))
    for path in sorted(folder.glob("*.tap")):
        if path.with_suffix(".trs") not in programs:
            count.add(count_tap(path))
    for path in sorted(folder.glob("*.prove")):
        count.add(count_prove(path))
    for path in sorted(folder.glob("*.xml")):
        count.add(count_junit(path))
    try:
        status = (folder / "status").read_text().strip()
    except OSError:
        status = "none: it did not end"
    if status != "0" and not count.failures:
        count.failures.append(f"{folder.name}: ended with status {status}")
    elif count.total == 0:
        count.failures.append(f"{folder.name}: ran no test")
    return count


def main():
    total = Count()
    for folder in sorted(path for path in Path(sys.argv[1]).iterdir() if path.is_dir()):
        count = count_part(folder)
        print(f"{folder.name:<8} {count}")
        total.add(count)
    for failure in total.failures:
        print(f"FAILED {failure}")
    print(total)
    return 1 if total.failures or total.passed == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
