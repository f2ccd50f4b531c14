"""Alerts, their tests, their pages in the runbook, and the dashboard agree with each other."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

SOURCE = Path(__file__).resolve().parents[2]
FOLDER = SOURCE / "observability"
RUNBOOK = SOURCE / "docs/runbook"

RULES = [rule for group in yaml.safe_load((FOLDER / "alerts.yaml").read_text("utf-8"))["groups"]
         for rule in group["rules"]]
ALERTS = {rule["alert"]: rule for rule in RULES if "alert" in rule}
TESTS = sorted((FOLDER / "tests").glob("*.yaml"))
CASES = [case for path in TESTS for case in yaml.safe_load(path.read_text("utf-8"))["tests"]]

DASHBOARD = json.loads((FOLDER / "dashboard.json").read_text("utf-8"))
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]


def promtool(*arguments):
    if shutil.which("promtool") is None:
        pytest.skip("promtool is not installed")
    done = subprocess.run(["promtool", *arguments], text=True, capture_output=True, check=False,
                          timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


def described():
    """The metrics of docs/metrics.md, and what Prometheus adds to the names of histograms."""
    row = re.compile(r"^\| `((?:availability_guard|process)_\w+)(?:\{[a-z_,]+\})?` \| (\w+) \|",
                     re.MULTILINE)
    found = set()
    for name, kind in row.findall((SOURCE / "docs/metrics.md").read_text("utf-8")):
        endings = ("_bucket", "_sum", "_count") if kind == "histogram" else ("",)
        found.update(name + ending for ending in endings)
    return found


def metrics_in(expression):
    """The metrics that it names; a record has a colon before or behind."""
    return set(re.findall(r"(?<![\w:])(?:availability_guard|process)_[a-z_]+(?![\w:])",
                          expression))


def test_rules_are_well_formed():
    promtool("check", "rules", str(FOLDER / "alerts.yaml"))


def test_rules_do_what_their_tests_say():
    promtool("test", "rules", *map(str, TESTS))


@pytest.mark.parametrize("alert", ALERTS)
def test_an_alert_is_seen_to_fire_and_to_be_silent(alert):
    fires = {bool(expected["exp_alerts"]) for case in CASES
             for expected in case["alert_rule_test"] if expected["alertname"] == alert}
    assert fires == {True, False}


@pytest.mark.parametrize("alert", ALERTS)
def test_an_alert_has_a_page(alert):
    rule = ALERTS[alert]
    assert rule["labels"]["severity"] in ("page", "ticket")
    assert set(rule["annotations"]) == {"summary", "description", "runbook"}
    assert rule["annotations"]["runbook"] == f"docs/runbook/{alert}.md"
    page = (SOURCE / rule["annotations"]["runbook"]).read_text("utf-8")
    kind = rule["labels"]["severity"].capitalize()
    assert page.startswith(f"# {alert}\n\n**{kind}.** ")
    assert re.findall(r"^## (.+)$", page, re.MULTILINE) == [
        "What it means", "How to see it", "What to do", "When to escalate"]
    assert "```promql\n" in page


def test_the_runbook_lists_all_its_pages():
    assert sorted(page.stem for page in RUNBOOK.glob("*.md")) == sorted([*ALERTS, "README"])
    rows = re.findall(r"^\| \[(\w+)\]\((\w+)\.md\) \| (\w+) \|",
                      (RUNBOOK / "README.md").read_text("utf-8"), re.MULTILINE)
    assert sorted(rows) == sorted((name, name, rule["labels"]["severity"])
                                  for name, rule in ALERTS.items())


def test_the_dashboard_is_what_its_source_makes():
    made = subprocess.run([str(FOLDER / "make-dashboard")], text=True, check=True,
                          capture_output=True, timeout=30).stdout
    assert made == (FOLDER / "dashboard.json").read_text("utf-8")


def test_panels_have_places_of_their_own():
    taken = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"])
                 for y in range(place["h"])}
        assert place["x"] + place["w"] <= 24 and not taken & cells, panel["title"]
        taken |= cells
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])


def test_each_query_is_narrowed_by_the_variables():
    names = [variable["name"] for variable in DASHBOARD["templating"]["list"]]
    assert names == ["datasource", "namespace", "instance"]
    for panel in PANELS:
        assert panel["description"].endswith("."), panel["title"]
        for target in panel["targets"]:
            narrowed = target["expr"].count('{namespace=~"$namespace",instance=~"$instance"')
            assert narrowed == len(re.findall(r"\b(?:availability_guard|process)_", target["expr"]))


def test_all_metrics_that_are_asked_for_exist():
    pages = "\n".join(page.read_text("utf-8") for page in RUNBOOK.glob("*.md"))
    asked = [rule["expr"] for rule in RULES]
    asked += [target["expr"] for panel in PANELS for target in panel["targets"]]
    asked += re.findall(r"^```promql\n(.*?)^```", pages, re.MULTILINE | re.DOTALL)
    found = set().union(*map(metrics_in, asked))
    assert len(found) > 40
    assert not found - described()


def test_the_picture_is_of_a_bearable_size():
    picture = (SOURCE / "docs/dashboard.png").read_bytes()
    assert picture.startswith(b"\x89PNG") and len(picture) < 300_000
