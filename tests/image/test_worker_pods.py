"""Sweeper, relay, notifier and commands as the chart starts them, and their metrics."""

import http.client
import json
import re
import uuid

import pytest

from calls import a_lock, ask
from conftest import TOKEN
from pods import wait_for

WORKERS = ("sweeper", "relay", "notifier", "commands")


@pytest.fixture(scope="module")
def workers(make_cluster, migrated):  # pylint: disable=unused-argument
    """{name: (its pod, the port of its metrics)}: a rendering for each, since all pods share the ports here."""
    found = {}
    for name in WORKERS:
        port = make_cluster.free_port()
        cluster = make_cluster({"metrics": {"workersPort": port}})
        found[name] = (cluster.pod(f"availability-guard-{name}").start(), port)
    for pod, _ in found.values():
        pod.wait_ready()
    return found


def get(port, path, method="GET", body=None):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request(method, path, body)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


@pytest.mark.parametrize("name", WORKERS)
def test_metrics_of_each_are_there(workers, name):
    port = workers[name][1]
    wanted = [f'availability_guard_processes{{program="{name}"}} 1',
              f'availability_guard_database_connected{{program="{name}"}} 1']
    wait_for(lambda: all(line in get(port, "/metrics")[1].splitlines() for line in wanted), 30, f"metrics of {name}")


def test_nothing_else_is_answered_there(workers):
    port = workers["sweeper"][1]
    assert get(port, "/metrics", "POST", "{}")[0] == 403
    for method, path in (("POST", "/v1/locks"), ("GET", "/health"), ("GET", "/"), ("GET", "/metrics/x")):
        assert get(port, path, method, json.dumps(a_lock()) if method == "POST" else None)[0] == 404, path


def test_a_manual_release_is_told_to_webhooks(guard, workers, outside):  # pylint: disable=unused-argument
    """From the guard pod by way of the relay's and the notifier's to what the secrets name."""
    wanted = a_lock(idempotencyKey=str(uuid.uuid4()))
    assert ask(guard, "POST", "/v1/locks", wanted)[0] == 200
    status, _ = ask(guard, "POST", f"/v1/locks/{wanted['idempotencyKey']}/manual-release",
                    {"tenantId": wanted["tenantId"], "reason": "a test", "actorId": "ops.1", "actorName": "Alex",
                     "notify": ["gm@hotel.example", "+14155550123", "#front-desk"]},
                    {"x-guard-admin-token": TOKEN})
    assert status == 200
    wait_for(lambda: {record["path"] for record in outside.sink.records()} == {"/email", "/sms", "/slack"}, 60,
             "calls of all webhooks")
    email, = [record for record in outside.sink.records() if record["path"] == "/email"]
    assert email["headers"]["authorization"] == "Bearer of-email"


@pytest.mark.parametrize("name", WORKERS)
def test_each_ends_when_it_is_told(workers, name):
    """The last of the tests."""
    pod = workers[name][0]
    assert pod.stop() == []
    assert not re.search(r"(?i)assert|segfault|\[emerg\]", "".join(each.text() for each in pod.containers.values()))
