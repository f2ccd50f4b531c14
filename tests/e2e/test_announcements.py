"""From a manual release to the webhooks: everything announced, whatever breaks on the way."""

import json
import random
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import psycopg2
import pytest

from shape import new_id
from systems import running, wait_for
from tenant import Tenant

pytestmark = pytest.mark.kafka

NOTIFY = ["gm@hotel.example", "+14155550123", "#front-desk"]
CHANNELS = ("/email", "/sms", "/slack")
# Retries within seconds, so that a test need not wait for those of an operator's day.
QUICK = {"AVAILABILITY_GUARD_NOTIFICATION_CONSUMER_RETRY_BACKOFF_MS": 100,
         "AVAILABILITY_GUARD_NOTIFICATION_BREAKER_PAUSE_MS": 500}


def lock_rooms(tenant, count):
    return [tenant.locked(roomId=new_id())["id"] for _ in range(count)]


def percentile(values, share):
    return sorted(values)[min(int(len(values) * share), len(values) - 1)]


def parsed(sink):
    records = sink.records()
    for record in records:
        record["json"] = json.loads(record["body"])
    return records


def calls(sink):
    """{(path, lock id): [webhook-id of each call]}."""
    found = {}
    for record in parsed(sink):
        key = record["path"], record["json"]["metadata"]["lockId"]
        found.setdefault(key, []).append(record["headers"]["webhook-id"])
    return found


def wait_for_all(system, locks, seconds_max):
    """Every channel was called for every lock, and the outbox is empty."""
    wanted = {(path, lock) for path in CHANNELS for lock in locks}
    wait_for(lambda: wanted <= set(calls(system.sink)), seconds_max,
             f"{len(wanted)} announcements")
    found = calls(system.sink)
    assert set(found) == wanted, "of something else"
    return found


@pytest.mark.smoke
def test_a_release_is_announced_on_every_channel(request):
    with running(request.session, kafka=True, sink=True, **QUICK) as system:
        tenant = Tenant(system.base_url)
        [lock] = lock_rooms(tenant, 1)
        tenant.manually_released(lock, notify=NOTIFY, reason="guest <b>moved</b>")
        found = wait_for_all(system, [lock], 20)
        assert all(len(ids) == 1 for ids in found.values()), found
        by_path = {record["path"]: record["json"] for record in parsed(system.sink)}
        assert by_path["/email"]["recipients"] == ["gm@hotel.example"]
        assert by_path["/sms"]["recipients"] == ["+14155550123"]
        assert by_path["/slack"]["recipients"] == ["#front-desk"]
        assert "guest <b>moved</b>" in by_path["/email"]["textBody"]
        assert "<b>" not in by_path["/email"]["htmlBody"].replace("<body", "")
        for body in by_path.values():
            assert body["template"] == "availability_guard_manual_release"
            assert body["metadata"]["lockId"] == lock
        tenant.close()


@pytest.mark.slow
@pytest.mark.deadline(240)
def test_while_kafka_is_away_releases_go_on_and_all_is_announced_later(request):
    with running(request.session, kafka=True, sink=True, **QUICK) as system:
        if not system.kafka.has_switch:
            pytest.skip("this Kafka cannot be taken down")
        tenant = Tenant(system.base_url)
        locks = lock_rooms(tenant, 200)
        tenant.manually_released(lock_rooms(tenant, 1)[0])  # statements are planned
        system.kafka_down()
        began = time.monotonic()
        seconds = []
        for lock in locks:
            answer = tenant.manual_release(lock, notify=NOTIFY)
            assert answer.status == 200, answer
            seconds.append(answer.seconds)
        print(f"p50 {percentile(seconds, 0.5) * 1000:.1f} ms, p99"
              f" {percentile(seconds, 0.99) * 1000:.1f} ms while Kafka is away")
        assert not system.sink.records()
        # Away for half a minute: longer than most time limits of a client of Kafka.
        threading.Event().wait(max(0.0, 30 - (time.monotonic() - began)))
        system.kafka_up()
        found = wait_for_all(system, locks, 90)
        assert all(len(ids) == 1 for ids in found.values()), "something went out twice"
        # Nothing waited for Kafka, which was away for 30 s. How fast it is, bench/ tells.
        assert max(seconds) < 5
        tenant.close()


@pytest.mark.slow
@pytest.mark.deadline(420)
def test_kills_of_relay_and_notifier_lose_nothing(request):
    """1,000 releases while both are killed again and again."""
    count, seed = 1000, random.randrange(1 << 30)
    print(f"seed {seed}")
    chance = random.Random(seed)
    with running(request.session, kafka=True, sink=True, **QUICK) as system:
        tenant = Tenant(system.base_url)
        locks = lock_rooms(tenant, count)
        crowd = [Tenant(system.base_url, tenant_id=tenant.id) for _ in range(4)]

        def release(number):
            for lock in locks[number::len(crowd)]:
                crowd[number].manually_released(lock, notify=NOTIFY)

        with ThreadPoolExecutor(len(crowd)) as pool:
            work = [pool.submit(release, number) for number in range(len(crowd))]
            kills = 0
            while not all(one.done() for one in work) or kills < 12:
                # A random moment is what this is about.
                threading.Event().wait(chance.uniform(0.05, 0.6))
                if chance.random() < 0.5:
                    system.kill_relay()
                    system.start_relay()
                else:
                    system.kill_notifier()
                    system.start_notifier()
                kills += 1
            for one in work:
                one.result()
        found = wait_for_all(system, locks, 240)
        twice = Counter(len(ids) for ids in found.values())
        print(f"{kills} kills; calls for each announcement: {dict(twice)}")
        for ids in found.values():
            assert len(set(ids)) == 1, "a repetition under another webhook-id"
        for one in [*crowd, tenant]:
            one.close()


def test_announcements_switched_off(request):
    with running(request.session, GUARD_WORKERS=1,
                 AVAILABILITY_GUARD_NOTIFICATIONS_ENABLED="false") as system:
        tenant = Tenant(system.base_url)
        [lock] = lock_rooms(tenant, 1)
        tenant.manually_released(lock, notify=NOTIFY)
        connection = psycopg2.connect(system.service_dsn)
        with connection, connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM guard.outbox WHERE stream = 'notification'")
            assert cursor.fetchone() == (0,)
        connection.close()
        tenant.close()


def test_everybody_of_the_settings_is_told(request):
    with running(request.session, kafka=True, sink=True,
                 AVAILABILITY_GUARD_NOTIFICATION_RECIPIENTS="all@hotel.example, +14155550123",
                 **QUICK) as system:
        tenant = Tenant(system.base_url)
        [lock] = lock_rooms(tenant, 1)
        tenant.manually_released(lock, notify=["gm@hotel.example"])
        system.sink.wait(lambda records: len(records) == 2, 20, "email and sms")
        by_path = {record["path"]: record["json"]["recipients"] for record in parsed(system.sink)}
        assert by_path == {"/email": ["gm@hotel.example", "all@hotel.example"],
                           "/sms": ["+14155550123"]}
        tenant.close()
