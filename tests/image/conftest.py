"""The images, and a cluster of the chart's pods with a database, a Kafka and webhooks outside of it.

AG_BUILD_DIR     folder of the built programs: for the Kafka in memory
AG_PACKAGES      folder of the Debian packages
HELM, MANIFESTS  what tests/helm/build makes"""

import json
import os
import shutil
import sys
from pathlib import Path

import psycopg2
import pytest

SOURCE = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(SOURCE / "tests/helm"), str(SOURCE / "scripts")]

# pylint: disable=wrong-import-position
import containerfile
from chart import render
from parts import ports
from pods import Cluster
from parts.system import System, make_state_dir

TOKEN = "a-token-for-tests"
OWNER_PASSWORD, SERVICE_PASSWORD = "of the owner's", "of the service's"


@pytest.fixture(scope="session")
def folder():
    path = make_state_dir()
    yield path
    shutil.rmtree(path)


@pytest.fixture(scope="session")
def images(folder):
    """{name in the chart: Image}"""
    packages = Path(os.environ["AG_PACKAGES"]).resolve()
    base = folder / "debian"
    containerfile.debian(base)
    return {f"availability-guard{suffix}": containerfile.make(stage, base, folder / stage, packages)
            for stage, suffix in (("guard", ""), ("events", "-events"))}


@pytest.fixture(scope="session")
def outside(folder):
    """What the chart does not bring: PostgreSQL, prepared as docs/helm.md says, Kafka, webhooks."""
    system = System(folder / "outside", build_dir=os.environ["AG_BUILD_DIR"], settings={}, kafka=True, sink=True)
    try:
        system.start_postgres()
        system.start_kafka()
        system.start_sink()
        with psycopg2.connect(system.owner_dsn) as connection, connection.cursor() as cursor:
            cursor.execute("CREATE ROLE guard_owner LOGIN PASSWORD %s", (OWNER_PASSWORD,))
            cursor.execute("CREATE ROLE availability_guard LOGIN PASSWORD %s", (SERVICE_PASSWORD,))
            cursor.execute("ALTER DATABASE availability_guard OWNER TO guard_owner")
        connection.close()
        yield system
    finally:
        system.stop()


def settings(outside, http_port, grpc_port):
    """The database and Kafka by the names that the chart's defaults have for them."""
    prefix = "AVAILABILITY_GUARD_NOTIFICATION"
    return {"PORT": http_port, "GRPC_PORT": grpc_port,
            "DB_PORT": int(outside.database.settings()["DB_PORT"]),
            # What it says of itself leads to the same port.
            "KAFKA_BROKERS": f"kafka:{outside.brokers.rpartition(':')[2]}",
            "KAFKA_PROPERTY_SESSION_TIMEOUT_MS": 6000,
            f"{prefix}_DRY_RUN": False, f"{prefix}_SMS_ENABLED": True, f"{prefix}_SLACK_ENABLED": True}


def secrets(outside):
    webhooks = {f"{channel}-webhook-url": outside.sink.url(f"/{channel}") for channel in ("email", "sms", "slack")}
    return {"availability-guard-database": {"password": SERVICE_PASSWORD},
            "availability-guard-database-owner": {"password": OWNER_PASSWORD},
            "availability-guard-admin-tokens": {"tokens": TOKEN},
            "availability-guard-notification-secrets": {**webhooks, "email-api-key": "of-email"}}


@pytest.fixture(scope="session")
def make_cluster(folder, images, outside):
    """cluster = make_cluster(values): rendered with them, with ports of its own."""
    made, taken = [], set()

    def free_port():
        port = ports.free_port(taken)
        taken.add(port)
        return port

    def make(values=None, more_settings=None):
        http_port = free_port()
        all_values = {
            "settings": {**settings(outside, http_port, free_port()), **(more_settings or {})},
            "service": {"httpPort": http_port}, "guard": {"preStopSeconds": 1}, **(values or {})}
        path = folder / f"cluster-{len(made)}"
        path.mkdir()
        (path / "values.json").write_text(json.dumps(all_values), encoding="utf-8")
        objects = render("--values", path / "values.json")
        cluster = Cluster(path, images, objects, secrets(outside), names=("postgresql", "kafka"))
        cluster.url = f"http://127.0.0.1:{http_port}"
        cluster.http_port = http_port
        cluster.grpc_port = all_values["settings"]["GRPC_PORT"]
        made.append(cluster)
        return cluster
    make.free_port = free_port
    yield make
    for cluster in made:
        cluster.stop()


@pytest.fixture(scope="session")
def migrated(make_cluster):
    """The output of the chart's first migration."""
    status, output = make_cluster().pod("availability-guard-migration").run()
    assert status == 0, output
    return output


@pytest.fixture(scope="module")
def guard(make_cluster, migrated):  # pylint: disable=unused-argument
    """A cluster with a guard pod that is ready, in .guard."""
    cluster = make_cluster()
    cluster.guard = cluster.pod("availability-guard").start().wait_ready()
    return cluster
