"""What the chart says to the programs, and lets them have."""

import json
import re
import sys
from pathlib import Path

import pytest

from chart import SOURCE, Refused, render, values_of

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "docs"))
from test_helm_chart import helm_values  # pylint: disable=wrong-import-position

NOTIFICATION_KEYS = {"email-webhook-url", "email-api-key", "sms-webhook-url", "sms-api-key",
                     "slack-webhook-url", "slack-api-key"}
DATABASE = {"DATABASE_URL", "DB_PASSWORD"}
TOKENS = {"AVAILABILITY_GUARD_ADMIN_TOKENS", "GRPC_AUTH_TOKEN"}


def container(objects, name, which):
    spec = objects.pods()[name]["spec"]
    return next(each for each in [*spec.get("initContainers", []), *spec["containers"]]
                if each["name"] == which)


def secrets(each):
    """{variable: (secret, key, optional)}"""
    found = {}
    for variable in each.get("env", []):
        source = variable.get("valueFrom", {}).get("secretKeyRef")
        if source:
            found[variable["name"]] = (source["name"], source["key"], source.get("optional", False))
    return found


def everybody(objects):
    return {(name, each["name"]): each for name, pod in objects.pods().items()
            for each in [*pod["spec"].get("initContainers", []), *pod["spec"]["containers"]]}


def test_it_runs_in_shadow_mode_and_tells_nobody(default):
    settings = default.settings()
    assert settings["SHADOW_MODE"] == "true"
    assert settings["AVAILABILITY_GUARD_FAIL_OPEN"] == "true"
    assert settings["AVAILABILITY_GUARD_NOTIFICATION_DRY_RUN"] == "true"


def test_what_is_off_and_on_by_default(default):
    kinds = {item["kind"] for item in default}
    assert kinds == {"ConfigMap", "Deployment", "Job", "NetworkPolicy", "Pod", "PodDisruptionBudget", "Service",
                     "ServiceAccount"}
    assert set(default.of("Deployment")) == {
        "availability-guard", *(f"availability-guard-{part}"
                                for part in ("sweeper", "relay", "notifier", "commands"))}


def test_everything_can_be_switched_on(everything):
    kinds = {item["kind"] for item in everything}
    assert kinds >= {"Ingress", "HorizontalPodAutoscaler", "ServiceMonitor", "PrometheusRule"}


def test_notification_secrets_have_the_six_keys(default):
    found = secrets(container(default, "availability-guard-notifier", "notifier"))
    of_webhooks = {name: where for name, where in found.items() if "NOTIFICATION" in name}
    assert {key for _, key, _ in of_webhooks.values()} == NOTIFICATION_KEYS
    assert {name for name, _, _ in of_webhooks.values()} == {"availability-guard-notification-secrets"}
    for name, (_, key, optional) in of_webhooks.items():
        channel, what = key.split("-", 1)
        assert name == (f"AVAILABILITY_GUARD_NOTIFICATION_{channel.upper()}_"
                        f"{what.upper().replace('-', '_')}")
        assert optional  # of a dry run


def test_addresses_are_needed_where_calls_are_made(production):
    found = secrets(container(production, "availability-guard-notifier", "notifier"))
    needed = {key for _, key, optional in found.values() if not optional}
    assert needed == {"url", "password", "signing-secret", "email-webhook-url", "slack-webhook-url"}


@pytest.mark.parametrize("objects", ["default", "production", "everything"])
def test_nobody_gets_secrets_of_others(objects, request):
    allowed = {"guard": DATABASE | TOKENS, "configure": DATABASE | TOKENS, "sweeper": DATABASE,
               "metrics": DATABASE, "relay": DATABASE, "notifier": DATABASE, "commands": DATABASE,
               "migration": DATABASE, "nginx": set(), "test": set(), "trace-exporter": {"OTEL_EXPORTER_OTLP_HEADERS"}}
    for (name, which), each in everybody(request.getfixturevalue(objects)).items():
        extra = {variable for variable in secrets(each) if variable not in allowed[which]}
        if which in ("relay", "notifier", "commands"):
            extra = {variable for variable in extra if not variable.startswith("KAFKA_PROPERTY_")}
        if which == "notifier":
            extra = {variable for variable in extra if "_NOTIFICATION_" not in variable}
        assert not extra, (name, which)


def test_secrets_come_from_secrets_alone(production):
    assert secrets(container(production, "availability-guard", "guard")) == {
        "DATABASE_URL": ("database", "url", False),
        "AVAILABILITY_GUARD_ADMIN_TOKENS": ("availability-guard-admin-tokens", "tokens", False),
        "GRPC_AUTH_TOKEN": ("grpc", "tokens", False)}
    assert secrets(container(production, "availability-guard-relay", "relay")) == {
        "DATABASE_URL": ("database", "url", False),
        "KAFKA_PROPERTY_SASL_PASSWORD": ("kafka", "password", False)}
    assert secrets(container(production, "availability-guard-migration", "migration")) == {
        "DATABASE_URL": ("database-owner", "url", False)}
    assert not production.of("Secret")


def test_the_owner_migrates_and_names_the_role_of_the_service(default):
    migration = container(default, "availability-guard-migration", "migration")
    assert migration["command"] == ["/usr/sbin/availability-guard-migrate", "--role", "availability_guard"]
    plain = {variable["name"]: variable.get("value") for variable in migration["env"]}
    assert plain["DB_USER"] == "guard_owner"
    assert plain["DB_HOST"] == "postgresql"


def test_every_setting_can_be_set():
    """Each that is no secret, here to its default, arrives as it was written."""
    wanted, values = {}, {}
    for name, default, allowed, meaning in helm_values.settings_of_page():
        if helm_values.is_secret(meaning):
            continue
        text = "" if default == "(empty)" else default.strip("`")
        wanted[name] = text
        values[name] = json.loads(text) if re.match(r"(a number from )?\d+ to \d+($|,)", allowed) else text
    assert len(wanted) > 50
    objects = render("--set-json", f"settings={json.dumps(values)}")
    assert objects.settings() == wanted


@pytest.mark.parametrize("text", ["2097152", "0", "100", "0.5", "0.000001", "20.05"])
def test_numbers_are_written_as_they_were(text):
    """Numbers of a file are floating-point ones to helm."""
    assert render("--set-json", f"settings.KAFKA_PROPERTY_LINGER_MS={text}").settings()["KAFKA_PROPERTY_LINGER_MS"] == text


def test_a_default_of_the_chart_can_be_taken_away():
    assert "KAFKA_BROKERS" not in render(*values_of("guard-only")).settings()


def test_without_a_relay_nothing_fills_the_outbox():
    name = "AVAILABILITY_GUARD_INVENTORY_EVENTS_ENABLED"
    assert render("--set", "relay.enabled=false").settings()[name] == "false"
    assert name not in render().settings()
    # Whoever has a relay elsewhere says so.
    assert render("--set", f"relay.enabled=false,settings.{name}=true").settings()[name] == "true"


def test_nobody_answers_for_metrics_that_are_not_kept():
    """Its probe would have it started again and again."""
    objects = render("--set", "settings.GUARD_METRICS_ENABLED=false")
    assert not [name for name, which in everybody(objects) if which == "metrics"]
    assert "availability-guard-metrics" not in objects.of("Service")


def test_pods_are_replaced_when_settings_change(default):
    other = render("--set", "settings.LOG_LEVEL=debug")
    for name in default.of("Deployment"):
        before, after = (objects.pods()[name]["metadata"]["annotations"]["checksum/settings"]
                         for objects in (default, other))
        assert before != after


@pytest.mark.parametrize("name", ["default", "everything", "production"])
def test_time_limits_are_nested(name, request):
    """The pod outlasts nginx and the guards, nginx outlasts the guards' answers."""
    objects = request.getfixturevalue(name)
    prefix = "availability-guard-locks" if name == "everything" else "availability-guard"
    settings = objects.settings(prefix)
    answer = (int(settings.get("GUARD_QUEUE_TIMEOUT_MS", 2000)) / 1000
              + int(settings.get("DB_STATEMENT_TIMEOUT_MS", 5000)) / 1000 + 1)
    nginx = container(objects, prefix, "nginx")["lifecycle"]["preStop"]["exec"]["command"][-1]
    guard = container(objects, prefix, "guard")["lifecycle"]["preStop"]["exec"]["command"][-1]
    serves_on = int(re.search(r"sleep (\d+)\n", nginx)[1])
    quits = int(re.search(r'"\$waited" -lt (\d+)', nginx)[1])
    waits = int(re.search(r'"\$waited" -lt (\d+)', guard)[1])
    assert quits > answer + 1  # NGINX_READ_TIMEOUT_MS
    assert waits >= serves_on + quits
    assert objects.pods()[prefix]["spec"]["terminationGracePeriodSeconds"] > waits + answer


def test_ports_follow_the_settings(everything):
    nginx = container(everything, "availability-guard-locks", "nginx")
    assert [port["containerPort"] for port in nginx["ports"]] == [8080, 8081]
    probes = [container(everything, "availability-guard-locks", "guard")[kind]["httpGet"]["port"]
              for kind in ("startupProbe", "livenessProbe")]
    assert probes == [8080, 8080]


def test_kafka_and_database_are_reached(everything, default):
    def ports(objects, name):
        return [port["port"] for rule in objects.one("NetworkPolicy", name)["spec"]["egress"]
                for port in rule.get("ports", [])]
    assert ports(default, "availability-guard") == [53, 53, 5432]
    assert ports(default, "availability-guard-kafka") == [9092]
    assert ports(everything, "availability-guard-locks") == [53, 53, 5432, 6432, 4318]
    assert ports(render("--set", "settings.KAFKA_BROKERS=a:9093\\, b:9094\\,[::1]:9093"),
                 "availability-guard-kafka") == [9093, 9094]
    assert ports(render("--set", "settings.DB_PORT=6000,tracing.endpoint=http://collector"),
                 "availability-guard") == [53, 53, 6000, 80]


def test_alerts_and_dashboard_are_those_of_the_tree(everything):
    rule, = everything.of("PrometheusRule").values()
    alerts = [each["alert"] for group in rule["spec"]["groups"] for each in group["rules"] if "alert" in each]
    written = (SOURCE / "observability/alerts.yaml").read_text(encoding="utf-8")
    assert alerts and alerts == re.findall(r"^\s*- alert: (\w+)$", written, re.MULTILINE)
    dashboard = everything.one("ConfigMap", "availability-guard-locks-dashboard")
    assert json.loads(dashboard["data"]["availability-guard.json"]) == json.loads(
        (SOURCE / "observability/dashboard.json").read_text(encoding="utf-8"))


def test_traces_are_sent_where_an_endpoint_is_named(everything, default):
    assert not [which for _, which in everybody(default) if which == "trace-exporter"]
    having = {name for name, which in everybody(everything) if which == "trace-exporter"}
    assert "availability-guard-locks" in having
    assert everything.settings("availability-guard-locks")["OTEL_EXPORTER_OTLP_ENDPOINT"] == (
        "https://collector.example.com:4318")
    assert secrets(container(everything, "availability-guard-locks", "trace-exporter")) == {
        "OTEL_EXPORTER_OTLP_HEADERS": ("collector", "headers", False)}


WRONG = {
    "an unknown value": "guards.replicas=2",
    "an unknown setting": "settings.AVAILABILITY_GUARD_FAILOPEN=true",
    "a secret in clear text": "settings.DB_PASSWORD=x",
    "an operator's token in clear text": "settings.AVAILABILITY_GUARD_ADMIN_TOKENS=x",
    "a password of Kafka in clear text": "settings.KAFKA_PROPERTY_SASL_PASSWORD=x",
    "a port that is none": "settings.PORT=70000",
    "a port as a word": "settings.PORT=http",
    "neither true nor false": "settings.SHADOW_MODE=maybe",
    "an unknown level": "settings.LOG_LEVEL=verbose",
    "a topic that Kafka refuses": "settings.INVENTORY_EVENTS_TOPIC=a b",
    "a network without bits": "settings.GUARD_OPERATIONS_NETWORKS=10.0.0.0",
    "a socket outside of the pod's folder": "settings.GUARD_SOCKET=/tmp/guard.sock",
    "too many pods": "guard.replicas=1000",
    "a part of a pod": "guard.replicas=1.5",
    "a share above all": "guard.maxSurge=101%",
    "readiness by another route": "guard.readiness.path=/metrics",
    "an unknown type of service": "service.type=ExternalName",
    "a name of a secret that cannot be": "database.existingSecret=No_Such",
    "no key": "database.passwordKey=",
    "a digest that is none": "image.guard.digest=sha256:1234",
    "memory in words": "guard.resources.limits.memory=much",
    "an interval that is none": "metrics.serviceMonitor.interval=soon",
    "an endpoint that is no address": "tracing.endpoint=collector:4318",
    "text where a list belongs": "ingress.hosts=a.example.com",
    "a host that is none": "ingress.hosts[0]=a_b",
    "a peer that is none": "networkPolicy.clients[0].service=x",
    "a port of the metrics below 1024": "metrics.workersPort=80",
    "a policy that is none": "image.pullPolicy=Sometimes",
}


@pytest.mark.parametrize("value", WRONG.values(), ids=WRONG.keys())
def test_wrong_values_are_refused(value):
    with pytest.raises(Refused) as refused:
        render("--set", value)
    text = str(refused.value)
    assert "values don't meet the specifications of the schema" in text
    # The message names the place, or what does not belong there.
    words = re.split(r"[.=\[]", value)
    assert words[0] in text
