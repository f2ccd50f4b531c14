"""The dashboard and the alerts, by a real Prometheus that scrapes a running system under load."""

import json
import re
import shutil
import sys

import pytest

from database import Database
from scrape import scrape
from systems import ADMIN_TOKEN, SOURCE, running, wait_for

sys.path.append(str(SOURCE / "observability"))

# pylint: disable=wrong-import-position
from parts.prometheus import Prometheus, filled_in
from traffic import Traffic

pytestmark = [pytest.mark.kafka, pytest.mark.deadline(180)]

ALERTS = SOURCE / "observability/alerts.yaml"
SOON = 60

# A metric or a record, with what stands in its braces; not a function, a label or a keyword.
SELECTOR = re.compile(r"(?<![\w:\"])(?:availability_guard_|process_|up\b|namespace_job)[\w:]*"
                      r"(?:\{[^}]*\})?")


@pytest.fixture(scope="module")
def busy(request):
    """A system under load."""
    with running(request.session, kafka=True, sink=True, SWEEP_INTERVAL_MS=200,
                 AVAILABILITY_GUARD_METRICS_TENANTS_MAX=8) as system:
        with Traffic(system, ADMIN_TOKEN, rooms=4, nights=10) as traffic:
            yield system
        assert not traffic.failures
        assert {200, 400, 404, 409} == set(traffic.statuses)


@pytest.fixture(scope="module")
def prometheus(busy):
    if shutil.which("prometheus") is None:
        pytest.skip("prometheus is not installed")
    target = busy.base_url.removeprefix("http://")
    with Prometheus(busy.state_dir / "prometheus", target, ALERTS) as found:
        yield found


def wait_for_data(prometheus, expressions):
    """Until each has given a number; shows those that have not."""
    missing = set(expressions)

    def all_there():
        missing.difference_update([expression for expression in missing
                                   if prometheus.query(expression)])
        return not missing
    assert missing
    try:
        wait_for(all_there, SOON, "data")
    except AssertionError:
        pytest.fail("no data: " + "\n".join(sorted(missing)))


def test_each_panel_has_data(prometheus):
    dashboard = json.loads((SOURCE / "observability/dashboard.json").read_text(encoding="utf-8"))
    panels = [panel for panel in dashboard["panels"] if panel["type"] != "row"]
    assert len(panels) > 40
    wait_for_data(prometheus, [filled_in(target["expr"]) for panel in panels
                               for target in panel["targets"]])


def test_all_that_rules_look_at_is_there(prometheus):
    rules = prometheus.rules()
    selectors = {selector for rule in rules for selector in SELECTOR.findall(rule["query"])}
    assert len(selectors) > 30
    wait_for_data(prometheus, selectors)


def test_tenants_have_the_conflicts_of_commands_too(busy):
    def by_tenant_are_all():
        values = scrape(busy)
        of_commands = sum(value for series, value in values.items() if series.startswith(
            "availability_guard_command_outcomes_total") and 'outcome="conflict"' in series)
        by_tenant = sum(value for series, value in values.items()
                        if series.startswith("availability_guard_tenant_lock_conflicts_total"))
        return of_commands and by_tenant == values["availability_guard_lock_conflicts_total"]
    wait_for(by_tenant_are_all, SOON, "sums that agree")


def blocks(language):
    """What the pages of the runbook tell to run."""
    pages = sorted((SOURCE / "docs/runbook").glob("*.md"))
    found = [block for page in pages for block in
             re.findall(rf"^```{language}\n(.*?)^```", page.read_text(encoding="utf-8"),
                        re.MULTILINE | re.DOTALL)]
    assert found
    return found


def test_what_the_runbook_asks_prometheus(prometheus):
    for expression in blocks("promql"):
        prometheus.query(expression)  # which fails unless it is understood


def test_what_the_runbook_asks_the_database(busy):
    rows = Database(busy.owner_dsn)
    for statement in blocks("sql"):
        rows.rows(statement)
    rows.close()


def test_a_system_that_works_raises_no_alert(prometheus):
    wait_for(lambda: all(rule["health"] == "ok" for rule in prometheus.rules()), SOON,
             "an evaluation of all rules")
    alerts = [rule for rule in prometheus.rules() if rule["type"] == "alerting"]
    assert len(alerts) > 20
    # Callers that do nothing but run into each other, and operators that force a lock a second.
    raised = {rule["name"] for rule in alerts if rule["state"] != "inactive"}
    assert raised <= {"AvailabilityGuardManualReleaseBurst", "AvailabilityGuardConflictSpike"}
