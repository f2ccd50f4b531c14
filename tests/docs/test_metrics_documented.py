"""docs/metrics.md lists the metrics of the table in the source, with their types and labels."""

import re
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[2]
TABLE = (SOURCE / "src/metrics/table.h").read_text(encoding="utf-8")
PAGE = (SOURCE / "docs/metrics.md").read_text(encoding="utf-8")

# Made while rendering, not counted.
OTHERS = {"availability_guard_build_info": ("gauge", ["version"]),
          "availability_guard_processes": ("gauge", ["program"]),
          "availability_guard_tenant_lock_conflicts_total": ("counter", ["tenant_id"])}
OF_SCOPE = {"SUM": [], "GREATEST": [], "PROGRAM": ["program"], "PROCESS": ["program", "slot"]}


def labels():
    """{domain: name of the label}"""
    return dict(re.findall(r'\bD\((\w+), \w+, "(\w+)"\)', TABLE))


def metrics_of_table():
    names = labels()
    row = re.compile(r'X\(\w+, (\w+), (\w+), \w+, (\w+), (\w+), \w+,[\s\\]*"(\w+)"')
    found = {name: (type_.lower(),
                    OF_SCOPE[scope] + [names[label] for label in (one, two) if label != "NONE"])
             for type_, scope, one, two, name in row.findall(TABLE)}
    assert len(found) == TABLE.count("    X("), "the table is not read right"
    return {**found, **OTHERS}


def metrics_of_page():
    row = re.compile(r"^\| `((?:availability_guard|process)_\w+)(?:\{([a-z_,]+)\})?` \| (\w+) \| .",
                     re.MULTILINE)
    return {name: (type_, inside.split(",") if inside else [])
            for name, inside, type_ in row.findall(PAGE)}


def test_the_page_lists_the_metrics_of_the_table():
    assert len(metrics_of_table()) > 40
    assert metrics_of_page() == metrics_of_table()


def test_the_page_lists_all_values_of_labels():
    rows = dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", PAGE, re.MULTILINE))
    values = re.findall(r'\bV\((\w+), \w+, "([^"]+)"\)', TABLE)
    assert len(values) > 40
    missing = [(domain, value) for domain, value in values
               if f"`{value}`" not in rows[labels()[domain]]]
    assert not missing
