"""The logs of all programs: what a line says, what it must not say, and that nobody waits for it."""

import fcntl
import json
import os
import shutil
import signal
import time

import pytest

from client import Client
from grpcclient import GrpcClient, GrpcTenant
from scrape import scrape
from shape import check_problem, new_id
from systems import ADMIN_TOKEN, HASHED_ADMIN_TOKEN, make_state_dir, make_system, running, wait_for
from tenant import Tenant

SOON = 20

PROGRAMS = ("guard", "sweeper", "relay", "notifier", "commands")

ACTOR = "Zacharias Quill"
WRONG_TOKEN = "wrong-token-71b2"
# What a log at debug shows, and where; and what it shows at info instead.
PERSONAL = {"guard": {ACTOR: "Z*** Q***"},
            "notifier": {"guest.relations@hotel.example": "g***@hotel.example",
                         "+49 151 1234 5621": "+49******21",
                         "duty@hotel.example": "d***@hotel.example",
                         "@night.owl": "@n***",
                         "Nora Unreachable": "N*** U***"}}
NOTIFY = ["guest.relations@hotel.example", "+49 151 1234 5621", "@night.owl", "Nora Unreachable"]
SECRETS = {"AVAILABILITY_GUARD_NOTIFICATION_SIGNING_SECRET": "signing-secret-8f2a",
           "AVAILABILITY_GUARD_NOTIFICATION_EMAIL_API_KEY": "api-key-77aa",
           "AVAILABILITY_GUARD_NOTIFICATION_EMAIL_WEBHOOK_URL": "http://127.0.0.1:9/path-5c1d"}


@pytest.fixture(scope="module")
def settings_file():
    folder = make_state_dir()
    yield folder / "log.conf"
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def logging_system(request, settings_file):
    settings_file.write_text("ACCESS_LOG_SAMPLE_RATE=1\n")
    settings_file.chmod(0o644)
    with running(request.session, kafka=True, LOG_SETTINGS_FILE=settings_file,
                 ACCESS_LOG_SAMPLE_RATE=0,
                 AVAILABILITY_GUARD_NOTIFICATION_SMS_ENABLED="true",
                 AVAILABILITY_GUARD_NOTIFICATION_SLACK_ENABLED="true",
                 AVAILABILITY_GUARD_NOTIFICATION_RECIPIENTS="duty@hotel.example",
                 **SECRETS) as system:
        yield system


def log_text(system, part):
    return system.log_path(part).read_text()


def lines(system, part):
    """The whole lines of a program as objects; multiwatch's are not among them."""
    whole, _, _ = log_text(system, part).rpartition("\n")
    return [json.loads(line) for line in whole.splitlines() if line.startswith("{")]


def access_line(system, request_id):
    def found():
        return [line for line in lines(system, "guard")
                if line["message"] == "request" and line.get("requestId") == request_id]
    [line] = wait_for(found, SOON, f"a line of {request_id}")
    return line


def journey(system, request_id):
    """A manual release that all programs have to do with; what they have logged of it."""
    tenant = Tenant(system.base_url)
    lock = tenant.locked()
    check_problem(tenant.manual_release(lock["id"], headers={"X-Guard-Admin-Token": WRONG_TOKEN}),
                  403, "admin_token_required")
    answer = tenant.manual_release(
        lock["id"], actorName=ACTOR, actorEmail="z.quill@hotel.example", notify=NOTIFY,
        headers={"X-Guard-Admin-Token": HASHED_ADMIN_TOKEN, "X-Request-Id": request_id})
    assert answer.status == 200, answer
    access_line(system, request_id)
    # The last of its lines.
    wait_for(lambda: [line for line in lines(system, "notifier") if line.get("lockId") == lock["id"]
                      and "slack to" in line["message"]], SOON, "the dry run")
    tenant.close()
    return tenant, lock


def forms(text):
    """A text as it is, and as it stands in JSON."""
    return {text, json.dumps(text)[1:-1]}


def check_no_secrets(system):
    secrets = [ADMIN_TOKEN, HASHED_ADMIN_TOKEN, WRONG_TOKEN, *SECRETS.values(),
               system.settings["DB_PASSWORD"]]
    for part in (*PROGRAMS, "access", "error"):
        text = log_text(system, part)
        found = [secret for secret in secrets for form in forms(secret) if form in text]
        assert not found, f"{part}: {found}"


def read_again(system, settings_file, text, what):
    """SIGHUP to all programs; each logs `what` of the file."""
    def counted():
        return {part: log_text(system, part).count(what) for part in PROGRAMS}
    before = counted()
    settings_file.write_text(text)
    pids = {"guard": system.guard_pids(), "sweeper": [system.sweeper_pid()],
            "relay": [system.relay_pid()], "notifier": [system.notifier_pid()],
            "commands": [system.commands_pid()]}
    for of_part in pids.values():
        for pid in of_part:
            os.kill(pid, signal.SIGHUP)
    wait_for(lambda: counted() == {part: before[part] + len(pids[part]) for part in PROGRAMS},
             SOON, f"{what}: {counted()}")


@pytest.mark.kafka
@pytest.mark.deadline(120)
def test_personal_data_is_shown_at_debug_only_and_secrets_never(logging_system, settings_file):
    system = logging_system
    tenant, lock = journey(system, "journey-info")
    for part in PROGRAMS:
        text = log_text(system, part)
        shown = [word for words in PERSONAL.values() for word in [*words, "z.quill"]
                 for form in forms(word) if form in text]
        assert not shown, f"{part}: {shown}"
    for part, words in PERSONAL.items():
        for masked in words.values():
            assert masked in log_text(system, part), f"{part}: {masked}"
    [release] = [line for line in lines(system, "guard") if "by force" in line["message"]]
    assert (release["requestId"], release["tenantId"], release["lockId"]) == (
        "journey-info", tenant.id, lock["id"])
    told = [line for line in lines(system, "notifier") if line.get("lockId") == lock["id"]]
    assert {(line["tenantId"], line["eventId"]) for line in told} == {
        (tenant.id, release["eventId"])}
    check_no_secrets(system)

    read_again(system, settings_file, "ACCESS_LOG_SAMPLE_RATE=1\nLOG_LEVEL=debug\n",
               "was read again")
    journey(system, "journey-debug")
    for part, words in PERSONAL.items():
        text = log_text(system, part)
        # The number is shown as the webhook gets it.
        hidden = [word for word in words
                  if word.replace(" ", "") not in text and word not in text]
        assert not hidden, f"{part}: {hidden}"
    check_no_secrets(system)

    # What is wrong changes nothing, and is told.
    read_again(system, settings_file, "LOG_LEVEL=loud\n", "is not allowed")
    journey(system, "journey-still-debug")
    assert access_line(system, "journey-still-debug")["path"].startswith("/v1/locks/")

    # Back to what the environment says.
    read_again(system, settings_file, "ACCESS_LOG_SAMPLE_RATE=1\n", "was read again")


@pytest.mark.kafka
def test_a_request_has_a_line(logging_system):
    system = logging_system
    tenant = Tenant(system.base_url)
    began = time.monotonic()
    lock = tenant.locked(headers={"X-Request-Id": "access-1", "X-Correlation-Id": "journey 7"})
    took_ms = (time.monotonic() - began) * 1000
    line = access_line(system, "access-1")
    assert {name: line[name] for name in ("level", "program", "correlationId", "tenantId",
                                          "operation", "outcome", "method", "route", "status")} == {
        "level": "info", "program": "availability-guard", "correlationId": "journey 7",
        "tenantId": tenant.id, "operation": "lockRoom", "outcome": "success", "method": "POST",
        "route": "/v1/locks", "status": 200}
    assert line["pid"] in system.guard_pids()
    assert 0 < line["durationMs"] < took_ms
    assert line["bytesIn"] == len(json.dumps(tenant.body()))
    assert line["bytesOut"] > len(lock["id"])
    assert "path" not in line

    tenant.conflict(headers={"X-Request-Id": "access-2"})
    line = access_line(system, "access-2")
    assert (line["outcome"], line["status"]) == ("conflict", 409)
    check_problem(tenant.client.get(f"/v1/locks/{new_id()}", query={"tenantId": tenant.id},
                                    headers={"X-Request-Id": "access-3"}), 404, "not_found")
    line = access_line(system, "access-3")
    assert (line["operation"], line["outcome"], line["route"]) == (
        "getLock", "not_found", "/v1/locks/{id}")
    # A path that leads nowhere, and a query, may hold anything.
    with Client(system.base_url) as client:
        client.get("/guests/zoe.quill", query={"secret": "in-a-query"},
                   headers={"X-Request-Id": "access-4"})
    line = access_line(system, "access-4")
    assert (line["operation"], line["outcome"], line["status"]) == ("other", "not_found", 404)
    assert "route" not in line
    assert not any("zoe" in text or "in-a-query" in text
                   for text in [log_text(system, part) for part in PROGRAMS])
    tenant.close()


@pytest.mark.kafka
def test_a_call_of_grpc_has_a_line(logging_system):
    system = logging_system
    tenant = Tenant(system.base_url)
    with GrpcClient(system.grpc_address) as channel:
        caller = GrpcTenant(channel, tenant)
        caller.lock()
        caller.lock()
    found = wait_for(lambda: [line for line in lines(system, "guard")
                              if line["message"] == "request" and "grpcStatus" in line
                              and line.get("tenantId") == tenant.id][1:], SOON, "two lines")
    assert (found[0]["operation"], found[0]["outcome"], found[0]["grpcStatus"]) == (
        "lockRoom", "conflict", 0)
    assert found[0]["route"] == "availabilityguard.v1.AvailabilityGuard/LockRoom"
    assert "status" not in found[0]
    tenant.close()


def test_errors_have_a_line_whatever_the_sample_is(request):
    with running(request.session, ACCESS_LOG_SAMPLE_RATE=0) as system:
        tenant = Tenant(system.base_url)
        tenant.locked(headers={"X-Request-Id": "sample-1"})
        system.database.stop()
        wait_for(lambda: tenant.lock().status == 503, SOON, "the database is away")
        assert tenant.lock(headers={"X-Request-Id": "sample-2"}).status == 503
        assert access_line(system, "sample-2")["outcome"] == "error"
        assert not [line for line in lines(system, "guard")
                    if line["message"] == "request" and line["outcome"] != "error"]
        tenant.close()


def drain(reader):
    text = b""
    try:
        while True:
            part = os.read(reader, 1 << 20)
            if not part:
                return text
            text += part
    except BlockingIOError:
        return text


@pytest.mark.deadline(120)
@pytest.mark.parametrize("mode", [0o666, 0o600], ids=["own", "of another account"])
def test_a_pipe_that_nobody_reads_holds_up_no_request(mode):
    system = make_system(ACCESS_LOG_SAMPLE_RATE=1, GUARD_WORKERS=1)
    pipe = system.log_path("guard")
    os.mkfifo(pipe)
    pipe.chmod(mode)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    fcntl.fcntl(reader, fcntl.F_SETPIPE_SZ, 4096)
    lost = 'availability_guard_log_lines_dropped_total{program="guard"}'
    try:
        with system:
            tenant = Tenant(system.base_url)
            tenant.locked()
            wait_for(lambda: tenant.lock().status == 409 and scrape(system)[lost] > 0, 60,
                     "lines are lost")
            before = scrape(system)[lost]
            for _ in range(200):
                answer = tenant.lock()
                assert answer.status == 409 and answer.seconds < 5, answer
            assert scrape(system)[lost] >= before + 200
            collected = [drain(reader)]
            assert tenant.lock(headers={"X-Request-Id": "read-again"}).status == 409

            def goes_on():
                collected.append(drain(reader))
                return b"read-again" in b"".join(collected)
            wait_for(goes_on, SOON, "the log goes on")
            found = [json.loads(line) for line in b"".join(collected).splitlines()
                     if line.startswith(b"{")]
            told = sum(int(line["message"].split()[0]) for line in found
                       if line["message"].endswith("lines of the log were lost"))
            assert told == scrape(system)[lost]
            tenant.close()
    finally:
        os.close(reader)
    shutil.rmtree(system.state_dir)
