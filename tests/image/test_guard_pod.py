"""The pods of the chart, with its own commands, in the images of the Containerfile."""

import re
import signal
import subprocess
import threading
import uuid

import grpc
import psycopg2
import pytest

from calls import a_lock, ask, refuses, waits_for
from conftest import TOKEN
from pods import Failed, wait_for


def test_the_job_migrates_once(make_cluster, migrated):
    assert "applied 0001_locks.sql" in migrated
    assert "privileges of availability_guard set" in migrated
    status, output = make_cluster().pod("availability-guard-migration").run()
    assert status == 0 and "nothing to apply" in output


def test_a_wrong_password_of_the_owner_is_told(make_cluster, migrated):  # pylint: disable=unused-argument
    cluster = make_cluster()
    cluster.secrets["availability-guard-database-owner"] = {"password": "another"}
    status, output = cluster.pod("availability-guard-migration").run()
    assert status == 1 and 'password authentication failed for user "guard_owner"' in output


def test_helm_test_passes(guard):
    status, output = guard.pod("availability-guard-test").run()
    assert status == 0, output
    assert re.findall(r"HTTP (\d+)$", output, re.MULTILINE) == ["200", "200", "200", "409", "200"]


def test_helm_test_fails_where_nothing_answers(make_cluster):
    cluster = make_cluster()
    template = cluster.template("availability-guard-test")
    script = template["spec"]["containers"][0]["command"]
    script[-1] = script[-1].replace("--retry 5", "--retry 0")
    status, output = cluster.pod("availability-guard-test").run()
    assert status != 0, output


def test_grpc_answers(guard):
    with grpc.insecure_channel(f"127.0.0.1:{guard.grpc_port}") as channel:
        check = channel.unary_unary("/grpc.health.v1.Health/Check")
        assert check(b"", timeout=10) == b"\x08\x01"  # SERVING


def test_programs_have_no_rights(guard):
    for name in ("guard", "nginx"):
        container = guard.guard.containers[name]
        status = dict(re.findall(r"^(\w+):\t(.*)$", container.execute(["cat", "/proc/1/status"], 10)[1], re.MULTILINE))
        assert set(status["Uid"].split()) == {"10001"}
        assert {int(status[kind], 16) for kind in ("CapPrm", "CapEff", "CapBnd", "CapAmb")} == {0}
        assert status["NoNewPrivs"] == "1"
        assert container.execute(["/bin/sh", "-c", "echo x >/etc/x || echo x >/x || echo x >/var/x"], 10)[0] != 0


def test_nobody_can_become_somebody_else(images):
    for image in images.values():
        found = subprocess.run(["find", image.root, "-xdev", "-type", "f", "-perm", "/6000"], text=True, check=True,
                               capture_output=True).stdout
        assert found == ""


def test_tokens_are_for_the_account_alone(guard):
    status, output = guard.guard.containers["nginx"].execute(
        ["stat", "-c", "%a %u %g", "/run/availability-guard-nginx/nginx/availability-guard-tokens.conf"], 10)
    assert status == 0 and output.split()[0] in ("600", "640") and output.split()[1] == "10001"


def test_nginx_lets_operators_in_and_writes_its_log_to_its_output(guard):
    path = f"/v1/locks/audit?tenantId={uuid.uuid4()}"
    assert ask(guard, "GET", path)[0] == 403
    assert ask(guard, "GET", path, headers={"x-guard-admin-token": TOKEN})[0] == 200
    wait_for(lambda: path in guard.guard.containers["nginx"].text(), 10, "a line in the log")


def test_a_container_that_was_killed_is_there_again(guard):
    """Sockets and pid files of the last one lie where the next one starts."""
    for name in ("guard", "nginx"):
        container = guard.guard.containers[name]
        container.signal(signal.SIGKILL)
        container.wait(10)
        container.start()
        guard.guard.wait_ready()
    assert ask(guard, "POST", "/v1/locks", a_lock())[0] == 200


def test_a_pod_that_is_to_end_finishes_what_it_has(make_cluster, outside, migrated):
    """A request is under way, and takes until nginx takes nothing new. Others come, while the pod is still in
    somebody's tables."""
    cluster = make_cluster()
    pod = cluster.pod("availability-guard").start().wait_ready()
    nginx, guards = pod.containers["nginx"], pod.containers["guard"]
    answers = []

    def lock():
        answers.append(ask(cluster, "POST", "/v1/locks", a_lock())[0])
    connection = psycopg2.connect(outside.owner_dsn)
    with connection, connection.cursor() as cursor:
        cursor.execute("LOCK TABLE inventory_locks_shadow IN ACCESS EXCLUSIVE MODE")
        slow = threading.Thread(target=lock)
        slow.start()
        cursor.execute("SELECT pg_backend_pid()")
        wait_for(lambda: waits_for(outside, cursor.connection.get_backend_pid()), 10, "the lock is under way")
        killed = []
        stop = threading.Thread(target=lambda: killed.extend(pod.stop()))
        stop.start()
        assert ask(cluster, "GET", "/health")[0] == 200
        wait_for(lambda: refuses(cluster.http_port), 20, "nginx takes nothing new")
        assert nginx.running() and "draining" not in guards.text()
    connection.close()
    slow.join()
    stop.join()
    assert answers == [200]
    assert killed == []
    assert "draining" in guards.text()


def test_pods_are_replaced_without_a_failed_request(make_cluster, migrated):
    """Callers go on to the old pod until they have noticed that it goes, which takes a part of preStopSeconds."""
    old, new = make_cluster(), make_cluster()
    pod = old.pod("availability-guard").start().wait_ready()
    new.pod("availability-guard").start().wait_ready()
    target, ended, answers = [old], threading.Event(), []

    def call():
        while not ended.is_set():
            try:
                answers.append((target[0], ask(target[0], "POST", "/v1/locks", a_lock())[0]))
            except OSError as error:
                answers.append((target[0], error))

    def count(cluster):
        return sum(which is cluster for which, _ in list(answers))
    callers = [threading.Thread(target=call) for _ in range(8)]
    for caller in callers:
        caller.start()
    wait_for(lambda: count(old) > 100, 30, "calls of the old pod")
    killed = []
    stop = threading.Thread(target=lambda: killed.extend(pod.stop()))
    stop.start()
    before = count(old)
    wait_for(lambda: count(old) > before + 10, 30, "calls of the pod that goes")
    target[0] = new
    stop.join()
    wait_for(lambda: count(new) > 100, 30, "calls of the new pod")
    ended.set()
    for caller in callers:
        caller.join()
    assert {answer for _, answer in answers} == {200}
    assert killed == []


@pytest.mark.parametrize("variable, value, words", [
    ("GUARD_QUEUE_MAX", "many", 'GUARD_QUEUE_MAX: "many" is not allowed; allowed is an integer from 1 to 100000'),
    ("AVAILABILITY_GUARD_ADMIN_TOKENS", "a b", "AVAILABILITY_GUARD_ADMIN_TOKENS"),
])
def test_a_wrong_setting_is_named(make_cluster, variable, value, words):
    """Where the schema of the values does not see it: in a secret, or in extraEnv."""
    cluster = make_cluster({"extraEnv": [{"name": variable, "value": value}],
                            "adminTokens": {"existingSecret": ""}})
    with pytest.raises(Failed) as failed:
        cluster.pod("availability-guard").start()
    assert "configure ended with 2" in str(failed.value) and words in str(failed.value)
    assert "a b" not in str(failed.value)


def test_a_secret_that_is_missing_keeps_the_pod_from_starting(make_cluster):
    cluster = make_cluster()
    del cluster.secrets["availability-guard-database"]
    with pytest.raises(Failed, match="secret availability-guard-database has no key password"):
        cluster.pod("availability-guard").start()
