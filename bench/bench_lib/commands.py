"""Commands per second out of a topic that holds all of them when the program starts.

New locks on 100,000 rooms, then the release of each. A rate is taken from the first entry of the
ledger to the last, by the database's clock: joining the group is not in it.
"""

import json
import time
import uuid

from . import memory
from .failure import BenchFailed
from .tables import ROOM_TYPE, ROOMS, TENANT

TOPIC = "commands.primary"
LEDGER = """
SELECT count(*), extract(epoch FROM max(created_at) - min(created_at))
FROM guard.performed_commands WHERE command_id LIKE %s
"""
FORGET = "TRUNCATE guard.performed_commands, inventory_locks_shadow"


def lock(mark, number):
    """A command, as (key, value)."""
    lock_id = str(uuid.UUID(int=number + 1))
    return lock_id, envelope(f"{mark}-lock-{number}", "inventory.lock.room", {
        "roomTypeId": ROOM_TYPE, "roomId": str(uuid.UUID(int=number % ROOMS * 2654435761)),
        "stayStart": "2090-01-01", "stayEnd": "2090-01-03", "idempotencyKey": lock_id})


def release(mark, number):
    lock_id = str(uuid.UUID(int=number + 1))
    return lock_id, envelope(f"{mark}-release-{number}", "inventory.release.room",
                             {"lockId": lock_id})


def envelope(command_id, name, payload):
    return json.dumps({
        "metadata": {"commandId": command_id, "commandName": name, "tenantId": TENANT,
                     "targetService": "availability-guard-service", "correlationId": command_id,
                     "requestId": command_id, "initiatedBy": {"userId": "bench", "role": "ADMIN"}},
        "payload": payload})


def fill(brokers, messages):
    """Puts all messages into the topic; compressed, or a Kafka in memory would not keep them."""
    import confluent_kafka  # pylint: disable=import-outside-toplevel
    producer = confluent_kafka.Producer({
        "bootstrap.servers": brokers, "compression.type": "zstd", "linger.ms": 50,
        "queue.buffering.max.messages": 1_000_000})
    failures = []
    for key, value in messages:
        producer.produce(TOPIC, value, key,
                         on_delivery=lambda error, _: failures.append(error) if error else None)
        producer.poll(0)
    left = producer.flush(60)
    if left or failures:
        raise BenchFailed(f"{left} commands are not in the topic: {failures[:1]}")


def perform(bed, pattern, count, deadline):
    """Starts the program and waits until all have been performed."""
    system = bed.system
    bed.tables.checkpoint()
    system.start_commands()
    while True:
        ((performed, seconds),) = bed.tables.rows(LEDGER, (pattern,))
        if performed == count:
            break
        if time.monotonic() > deadline:
            raise BenchFailed(f"only {performed} of {count} commands were performed")
        time.sleep(0.1)
    kib = memory.of_process(system.commands_pid())["peak"]
    system.stop_commands()
    return {"per_second": count / float(seconds), "seconds": float(seconds), "kib": kib}


def runs(bed, number, count, seconds):
    deadline = time.monotonic() + seconds
    bed.system.stop_commands()
    found = []
    for run in range(number):
        mark = f"{run}-{uuid.uuid4().hex[:8]}"
        bed.tables.rows(FORGET)
        one = {}
        for name, maker in (("lock", lock), ("release", release)):
            fill(bed.system.brokers, (maker(mark, n) for n in range(count)))
            one[name] = perform(bed, f"{mark}-{name}-%", count, deadline)
        found.append(one)
    return found
