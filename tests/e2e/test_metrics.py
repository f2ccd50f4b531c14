"""GET /metrics: the counts are those of the load, to the last one, whoever was killed meanwhile.

Nearly all tests of this module share a system, and count from where the one before left off."""

import contextlib
import http.client
import os
import shutil
import signal
import subprocess
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest

from database import Database
from grpcclient import PACKAGE, GrpcClient, GrpcTenant
from scrape import counters, metric_names, requests, scrape, scrape_text
from shape import check_problem, new_id
from systems import SOURCE, running, wait_for
from tenant import OPERATOR, Tenant, day

SOON = 20

# Inventory events would be counted among the announcements.
QUICK = {"AVAILABILITY_GUARD_INVENTORY_EVENTS_ENABLED": "false",
         "AVAILABILITY_GUARD_NOTIFICATION_CONSUMER_RETRY_BACKOFF_MS": 50,
         "AVAILABILITY_GUARD_NOTIFICATION_CONSUMER_MAX_RETRIES": 1, "SWEEP_INTERVAL_MS": 100,
         "AVAILABILITY_GUARD_METRICS_TENANTS_MAX": 100}

NAMESPACE = "availability_guard_"


@pytest.fixture(scope="module")
def counted(request):
    with running(request.session, steady=False, kafka=True, sink=True, **QUICK) as system:
        yield system


@pytest.fixture
def rows(counted):
    found = Database(counted.owner_dsn)
    yield found
    found.close()


@pytest.fixture
def guest(counted):
    made = Tenant(counted.base_url)
    yield made
    made.close()


def difference(after, before):
    return {key: value - before.get(key, 0) for key, value in after.items()
            if value != before.get(key, 0)}


def kill_guards(system, number=signal.SIGKILL):
    """Ends all of them; when it returns, others serve."""
    before = set(system.guard_pids())
    system.kill_guards(number)
    wait_for(lambda: len(now := set(system.guard_pids())) == len(before) and not now & before,
             SOON, "other guard processes")
    system.wait_ready()


@pytest.mark.smoke
def test_the_answer_is_text_for_prometheus(client):
    answer = client.get("/metrics")
    assert answer.status == 200
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert len(metric_names(answer.body.decode())) > 40
    assert "tenant_id" not in answer.body.decode()
    assert client.request("HEAD", "/metrics").body == b""
    check_problem(client.post("/metrics", {}), 405, "method_not_allowed", [])


# --- requests -----------------------------------------------------------------------------------


def load_of_every_kind(guest):
    """Requests whose results are known: {(operation, result): count}."""
    client = guest.client
    lock = guest.locked()["id"]
    for _ in range(3):
        guest.conflict()
    assert guest.lock(stayEnd="never").status == 400
    assert client.post("/v1/locks", b"{").status == 400
    assert client.post("/v1/locks", b"x", headers={"Content-Type": "text/plain"}).status == 415
    guest.fetched(lock)
    assert guest.get(new_id()).status == 404
    assert guest.get("no-id").status == 400
    guest.page()
    guest.page()
    assert guest.list(limit=0).status == 400
    guest.manually_released(lock)
    assert guest.manual_release(lock).status == 409
    assert guest.manual_release(new_id()).status == 404
    assert guest.manual_release(lock, reason="x").status == 400
    assert guest.audits().status == 200
    assert guest.lock_audits(lock).status == 200
    assert guest.audits(limit=0).status == 400
    others = [guest.locked(roomId=new_id())["id"] for _ in range(5)]
    guest.released(others[0])
    guest.released(others[0])
    assert guest.release(new_id()).status == 404
    assert guest.bulk_released(others) == 4
    assert guest.bulk([]).status == 400
    test = {**guest.body(), "lockId": lock, "reason": "test", "actorId": "a", "actorName": "b",
            "recipients": ["gm@hotel.example"], "stayStart": day(0), "stayEnd": day(1)}
    path = "/v1/notifications/manual-release/test"
    assert client.post(path, test, headers=OPERATOR).status == 200
    assert client.post(path, {}, headers=OPERATOR).status == 400
    assert client.get("/v1/nothing").status == 404
    assert client.request("PUT", "/v1/locks").status == 405
    return {("lockRoom", "success"): 6, ("lockRoom", "conflict"): 3, ("lockRoom", "invalid"): 3,
            ("getLock", "success"): 1, ("getLock", "not_found"): 1, ("getLock", "invalid"): 1,
            ("listLocks", "success"): 2, ("listLocks", "invalid"): 1,
            ("manualRelease", "success"): 1, ("manualRelease", "conflict"): 1,
            ("manualRelease", "not_found"): 1, ("manualRelease", "invalid"): 1,
            ("listAudits", "success"): 2, ("listAudits", "invalid"): 1,
            ("releaseLock", "success"): 2, ("releaseLock", "not_found"): 1,
            ("bulkRelease", "success"): 1, ("bulkRelease", "invalid"): 1,
            ("testNotification", "success"): 1, ("testNotification", "invalid"): 1,
            ("other", "not_found"): 1, ("other", "invalid"): 1}


def test_calls_of_grpc_are_counted_by_what_became_of_them(counted, guest):
    """A conflict and an unknown lock have the status OK there."""
    before = requests(scrape(counted))
    with GrpcClient(counted.grpc_address) as client:
        caller = GrpcTenant(client, guest)
        lock = caller.locked()
        caller.lock()
        caller.release(lock.id)
        caller.release(new_id())
        caller.bulk([lock.id])
        for call in (lambda: caller.lock(stay_end="never"), lambda: caller.release("no-id"),
                     lambda: client.raw(f"/{PACKAGE}.AvailabilityGuard/Nothing", b"")):
            with pytest.raises(grpc.RpcError):
                call()
    assert difference(requests(scrape(counted)), before) == {
        ("lockRoom", "success"): 1, ("lockRoom", "conflict"): 1, ("lockRoom", "invalid"): 1,
        ("releaseLock", "success"): 1, ("releaseLock", "not_found"): 1,
        ("releaseLock", "invalid"): 1, ("bulkRelease", "success"): 1, ("other", "invalid"): 1}


def test_every_request_is_counted_once(counted, guest):
    before = scrape(counted)
    wanted = load_of_every_kind(guest)
    after = scrape(counted)
    assert difference(requests(after), requests(before)) == wanted
    grown = difference(after, before)
    assert grown[NAMESPACE + "lock_conflicts_total"] == 3
    by_operation = Counter()
    for (operation, _), count in wanted.items():
        by_operation[operation] += count
    for operation, count in by_operation.items():
        labels = f'{{operation="{operation}"}}'
        assert grown[f"{NAMESPACE}request_duration_seconds_count{labels}"] == count
        assert grown[f"{NAMESPACE}request_duration_seconds_sum{labels}"] > 0
    # What got as far as the database: by kind of statement.
    for statement, count in (("lock", 9), ("release", 3), ("bulk_release", 1), ("get", 2),
                             ("list", 2), ("manual_release", 3), ("audits", 2)):
        labels = f'{{statement="{statement}"}}'
        assert grown[f"{NAMESPACE}batch_size_sum{labels}"] == count
        assert grown[f"{NAMESPACE}queue_time_seconds_count{labels}"] == count
        # One caller: each was alone.
        assert grown[f"{NAMESPACE}statement_duration_seconds_count{labels}"] == count


class Crowd:
    """Callers at once that count what they are told."""

    def __init__(self, system, callers):
        self.tenants = [Tenant(system.base_url) for _ in range(callers)]
        self.counts = Counter()
        self._lock = threading.Lock()

    def work(self, tenant, rounds):
        """Of each round one lock is granted, one conflicts, and it is released."""
        mine = Counter()
        for _ in range(rounds):
            lock = tenant.locked()["id"]
            tenant.conflict()
            tenant.released(lock)
            mine.update([("lockRoom", "success"), ("lockRoom", "conflict"),
                         ("releaseLock", "success")])
        with self._lock:
            self.counts.update(mine)

    def all_work(self, rounds):
        with ThreadPoolExecutor(len(self.tenants)) as pool:
            list(pool.map(lambda tenant: self.work(tenant, rounds), self.tenants))

    def close(self):
        for tenant in self.tenants:
            tenant.close()


def conflicts_of(values, tenant):
    return values.get(f'{NAMESPACE}tenant_lock_conflicts_total{{tenant_id="{tenant}"}}', 0)


def test_counts_go_on_after_kills_and_restarts(counted):
    before = requests(scrape(counted))
    crowd = Crowd(counted, 24)  # enough for both processes to have work
    for number in (signal.SIGKILL, signal.SIGTERM, signal.SIGKILL):
        crowd.all_work(5)
        assert difference(requests(scrape(counted)), before) == crowd.counts
        kill_guards(counted, number)
        assert difference(requests(scrape(counted)), before) == crowd.counts
    crowd.close()
    values = scrape(counted)
    assert [conflicts_of(values, tenant.id) for tenant in crowd.tenants] == [15] * 24
    assert sum(value for series, value in values.items() if "tenant_lock_conflicts" in series) == \
        values[NAMESPACE + "lock_conflicts_total"]
    assert values[f'{NAMESPACE}processes{{program="guard"}}'] == 2
    # However many there have been: the slots are those of two.
    slots = [series for series in values if series.startswith('process_open_fds{program="guard"')]
    assert len(slots) == 2, slots


def test_counters_never_fall_while_guards_are_killed(counted):
    done = threading.Event()
    texts = []

    def watch():
        while not done.is_set():
            try:
                status, text = counted.get("/metrics")
            except OSError:
                continue
            if status == 200:
                texts.append(text)

    def make_noise():
        noisy = Tenant(counted.base_url)
        while not done.is_set():
            with contextlib.suppress(OSError, http.client.HTTPException):
                noisy.lock()
        noisy.close()

    threads = [threading.Thread(target=target) for target in (watch, make_noise, make_noise)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(4):
            seen = len(texts)
            kill_guards(counted)
            wait_for(lambda seen=seen: len(texts) > seen + 2, SOON, "scrapes")
    finally:
        done.set()
        for thread in threads:
            thread.join()
    last = {}
    for text in texts:
        now = counters(text)
        fallen = {series: (last[series], now.get(series)) for series in last
                  if now.get(series, -1) < last[series]}
        assert not fallen
        last = now


def test_what_cannot_be_served_is_counted(counted, guest):
    before = scrape(counted)
    counted.stop_postgres("immediate")
    wait_for(lambda: guest.lock().status == 503, SOON, "no database")
    wait_for(lambda: scrape(counted)[f'{NAMESPACE}database_connected{{program="guard"}}'] == 0,
             SOON, "the gauge of connections")
    down = scrape(counted)
    check_problem(guest.lock(), 503, "database_unavailable", ["database"])
    after = scrape(counted)
    assert difference(requests(after), requests(down)) == {("lockRoom", "error"): 1}
    assert difference(after, down)[f'{NAMESPACE}unserved_requests_total{{reason="database"}}'] == 1
    counted.start_postgres()
    counted.wait_ready()
    wait_for(lambda: scrape(counted)[f'{NAMESPACE}database_connected{{program="guard"}}'] == 2,
             SOON, "connections of all guards")
    grown = difference(scrape(counted), before)
    for name in ("connections_lost", "connects"):
        assert grown[f'{NAMESPACE}database_{name}_total{{program="guard"}}'] == 2
    assert grown[f'{NAMESPACE}database_connect_failures_total{{program="guard"}}'] > 0


# --- the other programs -------------------------------------------------------------------------


def active_locks(rows):
    return rows.value("SELECT count(*) FROM inventory_locks_shadow"
                      " WHERE status = 'ACTIVE' AND expires_at > now()")


def test_the_sweeper_counts_locks(counted, guest, rows):
    before = scrape(counted)
    for _ in range(3):
        guest.expired(rows, roomId=new_id())
    guest.locked()
    active = active_locks(rows)
    wait_for(lambda: scrape(counted)[NAMESPACE + "active_locks"] == active, SOON, "active locks")
    wait_for(lambda: difference(scrape(counted), before)
             .get(NAMESPACE + "expired_locks_total") == 3, SOON, "expired locks")
    leader = NAMESPACE + 'leaders{program="sweeper"}'
    assert scrape(counted)[leader] == 1
    # Gauges of a killed process go, its counters stay.
    before = scrape(counted)
    os.kill(counted.status()["sweeper"], signal.SIGKILL)
    wait_for(lambda: scrape(counted)[NAMESPACE + 'processes{program="sweeper"}'] == 0, SOON,
             "no sweeper")
    after = scrape(counted)
    for name in ("active_locks", "expiry_lag_seconds", "last_sweep_timestamp_seconds"):
        assert NAMESPACE + name in before and NAMESPACE + name not in after
    assert leader not in after
    expired = NAMESPACE + "expired_locks_total"
    assert after[expired] == before[expired]
    counted.stop_sweeper()
    counted.start_sweeper()
    wait_for(lambda: scrape(counted).get(NAMESPACE + "active_locks") == active, SOON,
             "active locks again")
    assert scrape(counted)[expired] == after[expired]


def test_more_locks_than_one_statement_counts(counted, guest, rows):
    """Among them more that expire at the same time than are counted at once."""
    rows.execute("""
        INSERT INTO inventory_locks_shadow (id, tenant_id, room_type_id, stay_start, stay_end,
            expires_at, created_at, updated_at, fencing_token, ttl_seconds, status, reason)
        SELECT gen_random_uuid(), %s, gen_random_uuid(), '2090-01-01Z', '2090-01-02Z',
               '2089-01-01Z'::timestamptz + i / 20040 * interval '1 s', now(), now(), i, 60,
               'ACTIVE', 'TEST'
        FROM generate_series(1, 20050) AS i""", [guest.id])
    active = active_locks(rows)
    assert active > 20050
    wait_for(lambda: scrape(counted)[NAMESPACE + "active_locks"] == active, SOON, "all of them")
    rows.execute("DELETE FROM inventory_locks_shadow WHERE tenant_id = %s", [guest.id])
    wait_for(lambda: scrape(counted)[NAMESPACE + "active_locks"] == active - 20050, SOON,
             "those that are left")


def notification_counts(values):
    """Of the counters between outbox and webhooks, those that are not 0."""
    prefixes = [NAMESPACE + "relay_events", NAMESPACE + "notification_consumer_messages",
                NAMESPACE + "notification_channel", NAMESPACE + "notification_webhook_calls",
                NAMESPACE + "notification_dead_letters", NAMESPACE + "notification_unroutable",
                NAMESPACE + "notification_delivery_lag_seconds_count"]
    return {series.removeprefix(NAMESPACE): value for series, value in values.items()
            if series.startswith(tuple(prefixes)) and value}


@pytest.mark.kafka
def test_announcements_are_counted(counted, guest):
    locks = [guest.locked(roomId=new_id())["id"] for _ in range(6)]
    # All that came before is over.
    wait_for(lambda: scrape(counted).get(NAMESPACE + "outbox_events") == 0, SOON, "empty outbox")
    before = notification_counts(scrape(counted))
    counted.sink.behave("/sms", then={"status": 400})
    counted.sink.behave("/slack", {"status": 503})
    for lock in locks[:4]:
        guest.manually_released(lock, notify=["gm@hotel.example"])
    guest.manually_released(locks[4], notify=["gm@hotel.example", "+14155550123"])
    guest.manually_released(locks[5], notify=["#front-desk", "nobody"])
    settled = ('notification_consumer_messages_total{status="processed"}',
               'notification_consumer_messages_total{status="failed"}')

    def grown():
        return difference(notification_counts(scrape(counted)), before)
    wait_for(lambda: sum(grown().get(series, 0) for series in settled) == 6, SOON,
             "six announcements")
    calls, deliveries = "notification_webhook_calls_total", "notification_channel_deliveries_total"
    assert grown() == {
        'relay_events_total{result="sent"}': 6,
        settled[0]: 5, settled[1]: 1,
        f'{deliveries}{{channel="email",status="delivered"}}': 5,
        f'{deliveries}{{channel="sms",status="failed"}}': 1,
        f'{deliveries}{{channel="slack",status="delivered"}}': 1,
        f'{calls}{{channel="email",outcome="delivered"}}': 5,
        f'{calls}{{channel="sms",outcome="permanent"}}': 1,
        f'{calls}{{channel="slack",outcome="transient"}}': 1,
        f'{calls}{{channel="slack",outcome="delivered"}}': 1,
        'notification_dead_letters_total{reason="undeliverable"}': 1,
        "notification_unroutable_recipients_total": 1,
        "notification_delivery_lag_seconds_count": 6,
    }
    counted.sink.behave_well()
    values = scrape(counted)
    for channel in ("email", "sms", "slack"):
        name = f'{NAMESPACE}notification_breakers{{channel="{channel}",state="'
        assert [values[f'{name}{state}"}}'] for state in ("closed", "open", "trying")] == [1, 0, 0]
    wait_for(lambda: scrape(counted)[NAMESPACE + "notification_consumer_lag"] == 0, SOON,
             "no lag of the consumer")


@pytest.mark.kafka
def test_what_waits_for_kafka_is_seen(counted, guest):
    if not counted.kafka.has_switch:
        pytest.skip("this Kafka cannot be taken down")
    locks = [guest.locked(roomId=new_id())["id"] for _ in range(3)]
    counted.kafka_down()
    for lock in locks:
        guest.manually_released(lock, notify=["gm@hotel.example"])
    wait_for(lambda: scrape(counted)[NAMESPACE + "outbox_events"] == 3, SOON, "events that wait")
    assert scrape(counted)[NAMESPACE + "outbox_oldest_event_age_seconds"] > 0
    counted.kafka_up()
    wait_for(lambda: scrape(counted)[NAMESPACE + "outbox_events"] == 0, SOON, "an empty outbox")


# --- the text -----------------------------------------------------------------------------------


def test_promtool_finds_nothing(counted):
    if shutil.which("promtool") is None:
        pytest.skip("promtool is not installed")
    done = subprocess.run(["promtool", "check", "metrics"], input=scrape_text(counted), text=True,
                          capture_output=True, check=False, timeout=30)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_all_metrics_of_the_page_are_there_and_no_others(counted):
    page = (SOURCE / "docs/metrics.md").read_text(encoding="utf-8")
    described = [line.split("`")[1].partition("{")[0] for line in page.splitlines()
                 if line.startswith(("| `availability_guard_", "| `process_"))]
    assert sorted(described) == sorted(metric_names(scrape_text(counted)))


def test_programs_and_processes(counted):
    values = scrape(counted)
    version = subprocess.run([counted.program("availability-guard"), "-V"], text=True, check=True,
                             capture_output=True).stdout.split()[1]
    assert values[f'{NAMESPACE}build_info{{version="{version}"}}'] == 1
    assert values[NAMESPACE + "shadow_mode"] == 1
    for program, count in (("guard", 2), ("sweeper", 1), ("relay", 1), ("notifier", 1)):
        assert values[f'{NAMESPACE}processes{{program="{program}"}}'] == count
        mine = [(series, value) for series, value in values.items() if f'program="{program}",slot'
                in series]
        assert len(mine) == 5 * count
        assert all(value > 0 for _, value in mine), mine


# --- last: what is broken here stays so until all have been started again ------------------------


def test_a_file_cut_short_costs_metrics_only(counted, guest):
    pids = counted.guard_pids()
    path = counted.state_dir / "run" / "metrics"
    os.truncate(path, 0)
    guest.locked()
    answer = guest.client.get("/metrics")
    check_problem(answer, 503, "metrics_unavailable", [])
    assert counted.guard_pids() == pids
    # Started again, they have a new file.
    counted.stop_guards()
    counted.start_guards()
    counted.wait_ready()
    guest.locked(roomId=new_id())
    assert requests(scrape(counted)) == {("lockRoom", "success"): 1}
    wait_for(lambda: "cut short" in counted.log_path("sweeper").read_text(), SOON,
             "the sweeper tells of it")


def test_without_a_file_all_goes_on(counted, guest):
    counted.stop_guards()
    counted.settings["GUARD_METRICS_FILE"] = "/nowhere/metrics"
    counted.start_guards()
    counted.wait_ready()
    guest.locked()
    check_problem(guest.client.get("/metrics"), 503, "metrics_unavailable", [])
    told = [line for line in counted.log_path("guard").read_text().splitlines()
            if "no metrics: /nowhere/metrics" in line]
    assert len(told) == 2, told  # each process once
