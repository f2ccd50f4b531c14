"""Callers of a few hotels, for whoever wants to see something on the dashboard.

They lock, run into each other, release, look and make mistakes; operators force locks open; some
locks are asked for by commands. The first hotel has more to do than the next, and so on."""

import contextlib
import datetime
import http.client
import json
import random
import threading
import time
import uuid

CALL_SECONDS = 30
FIRST_NIGHT = datetime.date(2090, 1, 1)
RECIPIENTS = (["gm@hotel.example"], ["gm@hotel.example", "#front-desk"], ["+14155550123"],
              ["gm@hotel.example", "+14155550123", "#front-desk"])


class Hotel:
    def __init__(self, rooms):
        self.id = str(uuid.uuid4())
        self.room_type = str(uuid.uuid4())
        self.rooms = [str(uuid.uuid4()) for _ in range(rooms)]

    def wish(self, nights):
        """The body of a lock for some nights in the next ones."""
        start = FIRST_NIGHT + datetime.timedelta(days=random.randrange(nights))
        end = start + datetime.timedelta(days=random.randint(1, 4))
        return {"tenantId": self.id, "roomTypeId": self.room_type,
                "roomId": random.choice(self.rooms), "stayStart": str(start), "stayEnd": str(end),
                "ttlSeconds": random.choice((2, 3600, 3600, 3600))}


class Caller:
    """One of them, with a connection of its own. It keeps a lock until it has some, then gives
    one back for each that it gets."""

    KEEPS = 6

    def __init__(self, traffic):
        self._traffic = traffic
        self._locks = []
        self._connection = http.client.HTTPConnection(*traffic.address, timeout=CALL_SECONDS)

    def close(self):
        self._connection.close()

    def _call(self, method, path, body=None, **headers):
        self._connection.request(method, path, None if body is None else json.dumps(body),
                                 {"Content-Type": "application/json", **headers})
        answer = self._connection.getresponse()
        text = answer.read()
        self._traffic.count(answer.status)
        return json.loads(text) if answer.status == 200 else None

    def _lock(self):
        hotel = self._traffic.hotel()
        body = hotel.wish(self._traffic.nights)
        if random.random() < 0.02:
            body["stayEnd"] = "never"
        if granted := self._call("POST", "/v1/locks", body):
            self._locks.append((hotel, granted["lock"]["id"]))

    def _give_back(self):
        hotel, lock = self._locks.pop(0)
        if random.random() < self._traffic.by_hand:
            self._call("POST", f"/v1/locks/{lock}/manual-release", {
                "tenantId": hotel.id, "reason": "guest moved", "actorId": "ops.1",
                "actorName": "Alex Night", "notify": random.choice(RECIPIENTS)},
                **{"X-Guard-Admin-Token": self._traffic.token})
        elif random.random() < 0.1:
            self._call("POST", "/v1/locks/bulk-release",
                       {"tenantId": hotel.id, "lockIds": [lock]})
        else:
            self._call("DELETE", f"/v1/locks/{lock}", {"tenantId": hotel.id})

    def _look(self):
        hotel = self._traffic.hotel()
        operator = {"X-Guard-Admin-Token": self._traffic.token}
        random.choice((
            lambda: self._call("GET", f"/v1/locks/{uuid.uuid4()}?tenantId={hotel.id}"),
            lambda: self._call("GET", f"/v1/locks?tenantId={hotel.id}&limit=20"),
            lambda: self._call("GET", f"/v1/locks/audit?tenantId={hotel.id}", **operator),
            lambda: self._call("GET", "/ready")))()

    def act(self):
        self._lock()
        if len(self._locks) > self.KEEPS:
            self._give_back()
        if random.random() < 0.15:
            self._look()


class Traffic:
    """with Traffic(system, token): it goes on until the end of the block.

    callers at once, of so many hotels with so many rooms, for stays in so many nights: the fewer
    of both, the more conflicts. by_hand: the share of releases that are forced. pause(): seconds
    that a caller waits before the next."""

    def __init__(self, system, token, *, callers=4, hotels=4, rooms=40, nights=60, by_hand=0.05,
                 pause=lambda: 0.02):
        host, _, port = system.base_url.removeprefix("http://").rpartition(":")
        self.address = host, int(port)
        self.token = token
        self.nights = nights
        self.by_hand = by_hand
        self.statuses = {}
        self.failures = []
        self._pause = pause
        self._hotels = [Hotel(rooms) for _ in range(hotels)]
        self._brokers, self._topic = system.brokers, system.settings.get("COMMAND_CENTER_TOPIC",
                                                                         "commands.primary")
        self._done = threading.Event()
        self._count = threading.Lock()
        self._threads = [threading.Thread(target=self._keep, args=(target,))
                         for target in [self._calls] * callers + [self._commands]]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._done.set()
        for thread in self._threads:
            thread.join()

    def _keep(self, target):
        try:
            target()
        except Exception as failure:  # pylint: disable=broad-except
            self.failures.append(failure)

    def hotel(self):
        weights = [1 / (i + 1) for i in range(len(self._hotels))]
        return random.choices(self._hotels, weights)[0]

    def count(self, status):
        with self._count:
            self.statuses[status] = self.statuses.get(status, 0) + 1

    def _calls(self):
        with contextlib.closing(Caller(self)) as caller:
            while not self._done.wait(self._pause()):
                caller.act()

    def _commands(self):
        import confluent_kafka  # pylint: disable=import-outside-toplevel
        producer = confluent_kafka.Producer({"bootstrap.servers": self._brokers})
        while not self._done.wait(self._pause() * 4):
            command = str(uuid.uuid4())
            producer.produce(self._topic, json.dumps({
                "metadata": {"commandId": command, "commandName": "inventory.lock.room",
                             "initiatedAt": time.time()},
                "payload": self.hotel().wish(self.nights)}), command)
            producer.poll(0)
        producer.flush(CALL_SECONDS)
