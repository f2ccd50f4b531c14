"""Many callers at once: one winner, nobody waits long, tenants do not notice each other."""

import asyncio
import collections
import os
import time

import pytest

from aioclient import AsyncClient
from shape import check_conflict, check_locked, new_id
from tenant import day

CLIENTS = 64

# The long run: callers, seconds, and requests a second for each of them. In total well below what
# two guard processes can do on two cores, with the callers on the same cores.
CROWD = int(os.environ.get("AG_TEST_CROWD", "300"))
CROWD_SECONDS = float(os.environ.get("AG_TEST_CROWD_SECONDS", "120"))
CROWD_RATE = float(os.environ.get("AG_TEST_CROWD_RATE", "3"))
# Nobody starves, also where a sanitizer and other tests have the processors. How fast answers are is
# for the benchmark to say.
ANSWER_SECONDS_MAX = 5.0


def request_of(tenant_id, **changes):
    body = {"tenantId": tenant_id, "roomTypeId": new_id(), "roomId": new_id(),
            "stayStart": day(0), "stayEnd": day(2)}
    body.update(changes)
    return body


async def all_at_once(clients, bodies):
    return await asyncio.gather(*(client.request("POST", "/v1/locks", body)
                                  for client, body in zip(clients, bodies)))


async def connected(base_url, count):
    """Connections that have had an answer: no round pays for opening them."""
    clients = [AsyncClient(base_url) for _ in range(count)]
    for client in clients:
        assert (await client.request("GET", "/health")).status == 200
    return clients


def close(clients):
    for client in clients:
        client.close()


async def race(base_url, rounds, place):
    """In every round all want one place for one stay. Gives the ids of the winners."""
    clients = await connected(base_url, CLIENTS)
    winners = []
    for number in range(rounds):
        body = place(number)
        answers = await all_at_once(clients, [body] * CLIENTS)
        counts = collections.Counter(answer.status for answer in answers)
        assert counts == {200: 1, 409: CLIENTS - 1}, f"round {number}: {counts}"
        winner, = (check_locked(answer) for answer in answers if answer.status == 200)
        for answer in answers:
            if answer.status == 409:
                assert check_conflict(answer)["id"] == winner["id"]
        winners.append(winner["id"])
    close(clients)
    return winners


OPTIONAL = {"propertyId": new_id(), "reservationId": new_id(), "reason": "WALK_IN",
            "correlationId": "c ☂", "metadata": {"b": [1.50, None], "a": {}}, "ttlSeconds": 900}


async def crowd_with_fields(base_url, tenant_id):
    """New locks, each with another choice of the optional fields: the answers and the bodies."""
    clients = await connected(base_url, CLIENTS)
    bodies = [request_of(tenant_id, **{name: value for bit, (name, value)
                                       in enumerate(OPTIONAL.items()) if number >> bit & 1})
              for number in range(CLIENTS)]
    answers = await all_at_once(clients, bodies)
    close(clients)
    return answers, bodies


def test_in_a_crowd_each_gets_its_own_lock_whole(system, tenant):
    answers, bodies = asyncio.run(crowd_with_fields(system.base_url, tenant.id))
    for answer, body in zip(answers, bodies):
        lock = check_locked(answer)
        assert lock["room_id"] == body["roomId"]
        assert lock["reason"] == body.get("reason", "RESERVATION_CREATE")
        assert lock["metadata"] == body.get("metadata", {})
        assert tenant.fetched(lock["id"]) == lock


def check_winners(database, tenant_id, winners):
    rows = database.locks([tenant_id])
    assert set(rows) == set(winners)
    assert all(row["status"] == "ACTIVE" for row in rows.values())
    database.check_no_overlap()


def run_race(system, database, rounds):
    tenant_id = new_id()
    winners = asyncio.run(race(system.base_url, rounds, lambda _: request_of(tenant_id)))
    assert len(winners) == rounds
    check_winners(database, tenant_id, winners)


def test_one_winner_every_round(system, steady, database):
    run_race(system, database, 50)


@pytest.mark.slow
@pytest.mark.deadline(300)
def test_one_winner_in_each_of_500_rounds(system, steady, database):
    run_race(system, database, 500)


def test_one_winner_of_a_room_type(system, steady, database):
    tenant_id = new_id()
    winners = asyncio.run(race(system.base_url, 20,
                               lambda _: request_of(tenant_id, roomId=None)))
    check_winners(database, tenant_id, winners)


def test_one_winner_among_different_stays(system, steady, database):
    """All stays have one night in common, no two are the same."""
    async def run():
        clients = await connected(system.base_url, CLIENTS)
        tenant_id = new_id()
        winners = []
        for _ in range(20):
            room = new_id()
            bodies = [request_of(tenant_id, roomId=room, stayStart=day(n - CLIENTS),
                                 stayEnd=day(n + 1)) for n in range(CLIENTS)]
            answers = await all_at_once(clients, bodies)
            assert sorted(answer.status for answer in answers) == [200] + [409] * (CLIENTS - 1)
            winners += [check_locked(answer)["id"] for answer in answers if answer.status == 200]
        close(clients)
        return tenant_id, winners

    tenant_id, winners = asyncio.run(run())
    check_winners(database, tenant_id, winners)


def test_one_winner_when_the_holder_has_expired(system, steady, database):
    """All find the same expired lock in the way."""
    async def run():
        clients = await connected(system.base_url, CLIENTS)
        for _ in range(20):
            body = request_of(new_id())
            holder = check_locked(await clients[0].request("POST", "/v1/locks", body))
            database.age(body["tenantId"], holder["id"])
            answers = await all_at_once(clients, [body] * CLIENTS)
            assert sorted(answer.status for answer in answers) == [200] + [409] * (CLIENTS - 1)
            winner, = (check_locked(answer) for answer in answers if answer.status == 200)
            assert winner["fencing_token"] > holder["fencing_token"]
        close(clients)

    asyncio.run(run())


def test_the_same_key_from_all_sides_is_one_lock(system, steady, database):
    """Nobody conflicts with itself: every request with this key is a grant or its renewal."""
    async def run():
        clients = await connected(system.base_url, CLIENTS)
        keys = []
        for _ in range(20):
            keys.append(new_id())
            body = request_of(tenant_id, idempotencyKey=keys[-1])
            answers = await all_at_once(clients, [body] * CLIENTS)
            locks = [check_locked(answer) for answer in answers]
            assert {lock["id"] for lock in locks} == {keys[-1]}
            assert len({lock["fencing_token"] for lock in locks}) == 1
        close(clients)
        return keys

    tenant_id = new_id()
    check_winners(database, tenant_id, asyncio.run(run()))


def test_moves_of_the_same_locks_in_opposite_directions(system, steady, database):
    """Pairs of locks swap and chase each other through a few rooms: conflicts, never an error."""
    async def run():
        clients = await connected(system.base_url, 16)
        rooms = [new_id() for _ in range(4)]
        keys = [new_id() for _ in range(8)]
        statuses = collections.Counter()
        for number in range(100):
            bodies = [request_of(tenant_id, idempotencyKey=keys[(n * 3 + number) % 8],
                                 roomId=rooms[(n * (1 + number % 3) + number) % 4])
                      for n in range(16)]
            answers = await all_at_once(clients, bodies)
            statuses.update(answer.status for answer in answers)
        close(clients)
        return statuses

    tenant_id = new_id()
    statuses = asyncio.run(run())
    assert set(statuses) == {200, 409}, statuses
    database.check_no_overlap()


def test_releases_of_the_same_locks_from_all_sides(system, steady, database):
    """Single and bulk releases of the same locks: each lock is counted by one of them at most."""
    async def run():
        clients = await connected(system.base_url, 32)
        for _ in range(10):
            tenant_id = new_id()
            locks = [check_locked(answer)["id"] for answer in await all_at_once(
                clients, [request_of(tenant_id) for _ in range(32)])]
            bulk = {"tenantId": tenant_id, "lockIds": locks}
            answers = await asyncio.gather(
                *(client.request("POST", "/v1/locks/bulk-release", bulk)
                  for client in clients[:8]),
                *(client.request("DELETE", f"/v1/locks/{lock}", {"tenantId": tenant_id})
                  for client, lock in zip(clients[8:], locks)))
            assert {answer.status for answer in answers} == {200}
            counted = sum(answer.json["released"] for answer in answers[:8])
            rows = database.locks([tenant_id])
            by_bulk = [row for row in rows.values() if row["release_reason"] == "BULK_RELEASE"]
            assert counted == len(by_bulk)
            assert all(row["status"] == "RELEASED" for row in rows.values())
        close(clients)

    asyncio.run(run())


def test_two_tenants_in_parallel(system, steady, database):
    """The same rooms and stays in both: each has its own winner every round."""
    async def run():
        clients = await connected(system.base_url, CLIENTS)
        for _ in range(30):
            room = new_id()
            bodies = [request_of(tenants[n % 2], roomId=room) for n in range(CLIENTS)]
            answers = await all_at_once(clients, bodies)
            for side in (0, 1):
                statuses = sorted(answer.status for answer in answers[side::2])
                assert statuses == [200] + [409] * (CLIENTS // 2 - 1)
                for answer in answers[side::2]:
                    lock = answer.json.get("lock") or answer.json["conflict"]
                    assert lock["tenant_id"] == tenants[side]
        close(clients)

    tenants = [new_id(), new_id()]
    asyncio.run(run())
    assert len(database.locks(tenants)) == 60
    database.check_no_overlap()


# A crowd on kept connections

class Guest:
    """One caller: locks a room of its own, renews, moves, releases, looks; then all over again."""

    def __init__(self, base_url, tenant_id):
        self.client = AsyncClient(base_url, timeout=10)
        self.tenant_id = tenant_id
        self.slowest = 0.0
        self.answers = 0

    def steps(self):
        while True:
            body = request_of(self.tenant_id, idempotencyKey=new_id())
            yield "POST", "/v1/locks", body
            yield "POST", "/v1/locks", body
            yield "POST", "/v1/locks", {**body, "roomId": new_id()}
            path = f"/v1/locks/{body['idempotencyKey']}"
            yield "GET", f"{path}?tenantId={self.tenant_id}", None
            yield "DELETE", path, {"tenantId": self.tenant_id}

    async def live(self, start, until, pause):
        steps = self.steps()
        due = start
        while due < until:
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            answer = await self.client.request(*next(steps))
            assert answer.status == 200, answer
            # Measured from when it was due: waiting for our turn to send counts, too.
            self.slowest = max(self.slowest, time.monotonic() - max(due, start))
            self.answers += 1
            due += pause
        self.client.close()


async def crowd(base_url, count, seconds, rate):
    tenant_id = new_id()
    guests = [Guest(base_url, tenant_id) for _ in range(count)]
    pause = 1.0 / rate
    start = time.monotonic() + 1.0
    until = start + seconds
    # Spread evenly over the pause: a steady stream, not a beat.
    await asyncio.gather(*(guest.live(start + pause * number / count, until, pause)
                           for number, guest in enumerate(guests)))
    return guests


def check_crowd(guests, seconds, rate):
    for guest in guests:
        assert guest.client.connections == 1, "a kept connection was closed"
        assert guest.answers >= int(seconds * rate) - 1
    slowest = max(guest.slowest for guest in guests)
    assert slowest < ANSWER_SECONDS_MAX, f"an answer took {slowest:.3f} s"


def test_a_crowd_on_kept_connections(system, steady, database):
    guests = asyncio.run(crowd(system.base_url, CROWD, 8, CROWD_RATE))
    check_crowd(guests, 8, CROWD_RATE)
    database.check_no_overlap()


@pytest.mark.slow
@pytest.mark.deadline(CROWD_SECONDS + 60)
def test_a_crowd_for_two_minutes(system, steady, database):
    guests = asyncio.run(crowd(system.base_url, CROWD, CROWD_SECONDS, CROWD_RATE))
    check_crowd(guests, CROWD_SECONDS, CROWD_RATE)
    database.check_no_overlap()
