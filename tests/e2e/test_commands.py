"""Commands from Kafka: what each does, once, and what becomes of those that cannot be performed."""

import json
import re
import subprocess

import pytest

from commanders import (BULK, LOCK, RELEASE, SERVICE, Command, bulk, commander_house, lock, new_id,
                        release)
from notifiers import check_holds
from programs import SOON
from systems import wait_for
from tenant import Tenant, moment

pytestmark = pytest.mark.kafka

CROWD = 10_000
LOCKS = 2_500  # each with so many commands
HELD_KIB_MAX = 76 * 1024  # of a process that holds 32 MiB of commands
OUTAGE_SECONDS = 6.5  # longer than a member may be silent


@pytest.fixture(scope="module")
def house(request):
    with commander_house(request.session) as started:
        yield started


@pytest.fixture(scope="module")
def commander(house):
    """One process for all tests that don't break it; with little in hand, so that it has to hold back."""
    with house.commander("commands-common", COMMANDS_IN_FLIGHT_MAX=100) as started:
        started.wait_ready()
        yield started
        assert started.runs()
        started.stop()


@pytest.fixture
def alone(house):
    """The house, with topics and a group that no other test has."""
    before = house.topics
    house.begin()
    yield house
    house.topics = before


@pytest.fixture
def tenants(house):
    made = []

    def make():
        made.append(Tenant(house.system.base_url))
        return made[-1]
    yield make
    for tenant in made:
        tenant.close()


@pytest.fixture
def tenant(tenants):
    return tenants()


@pytest.fixture
def name(request):
    return re.sub(r"\W+", "-", request.node.name.removeprefix("test_")).strip("-")[:45]


# --- what commands do ------------------------------------------------------------------------


def test_a_lock_is_seen_by_http(house, commander, tenant):
    metadata = {"source": "command", "n": 12345678901234567890}
    command = Command(LOCK, tenant.body(
        reservationId=new_id(), propertyId=new_id(), reason="GROUP_BLOCK", ttlSeconds=600,
        correlationId="from-payload", idempotencyKey="block-7", metadata=metadata),
        tenant_id=tenant.id, metadata={"correlationId": "from-envelope"})
    house.send(command)
    assert house.outcomes(command) == ["LOCKED"]
    (found,), _ = tenant.page()
    assert tenant.fetched(found["id"]) == found
    for field, value in (("room_id", tenant.room), ("room_type_id", tenant.room_type),
                         ("stay_start", moment(0)), ("stay_end", moment(3)),
                         ("reason", "GROUP_BLOCK"), ("correlation_id", "from-payload"),
                         ("ttl_seconds", 600), ("metadata", metadata), ("status", "ACTIVE"),
                         ("reservation_id", command.payload["reservationId"]),
                         ("property_id", command.payload["propertyId"])):
        assert found[field] == value, field
    # The same key by the other door is the same lock.
    assert tenant.locked(idempotencyKey="block-7")["id"] == found["id"]


def test_what_the_payload_does_not_say_the_envelope_does(house, commander, tenant):
    payload = tenant.body(roomId="")
    del payload["tenantId"]
    first = Command(LOCK, payload, tenant_id=tenant.id.upper(),
                    metadata={"correlationId": "journey-1"})
    house.send(first)
    assert house.outcomes(first) == ["LOCKED"]
    found = tenant.fetched(first.command_id)
    assert (found["correlation_id"], found["room_id"]) == ("journey-1", None)
    assert (found["reason"], found["ttl_seconds"]) == ("RESERVATION_CREATE", 7200)
    second = Command(RELEASE, {"lockId": first.command_id}, tenant_id=tenant.id,
                     metadata={"correlationId": "journey-2", "targetService": None})
    house.send(second)
    assert house.outcomes(second) == ["RELEASED"]
    found = tenant.fetched(first.command_id)
    assert (found["correlation_id"], found["release_reason"]) == ("journey-2", "RELEASE_REQUEST")


def test_every_outcome(house, commander, tenant):
    taken = tenant.locked(reservationId=new_id())
    commands = [lock(tenant, new_id()), release(tenant, new_id()),
                release(tenant, taken["id"], reservationId=new_id())]
    house.send(*commands)
    assert house.outcomes(*commands) == ["CONFLICT", "NOT_FOUND", "NOT_FOUND"]
    assert [found["id"] for found in tenant.listed()] == [taken["id"]]
    done = release(tenant, taken["id"], reason="CHECK_OUT", metadata={"a": 1},
                   reservationId=taken["reservation_id"])
    house.send(done)
    assert house.outcomes(done) == ["RELEASED"]
    found = tenant.fetched(taken["id"])
    assert (found["release_reason"], found["metadata"]) == ("CHECK_OUT", {"a": 1})


def test_a_bulk_release_in_parts(house, commander, tenant, tenants):
    """More ids than one statement takes, among them unknown ones and those of somebody else."""
    other = tenants()
    kept = other.locked()
    held = [tenant.locked(roomId=new_id())["id"] for _ in range(8)]
    ids = [new_id() for _ in range(1200)]
    ids[::160] = held
    command = bulk(tenant, [*ids, held[0], kept["id"]], reason="CLOSED", correlationId="c-9")
    house.send(command)
    parts = "SELECT part FROM guard.performed_commands WHERE command_id = %s ORDER BY part"
    wait_for(lambda: [row["part"] for row in house.database.rows(parts, (command.command_id,))]
             == [0, 500, 1000], SOON, "three parts are performed")
    for found in tenant.listed():
        assert (found["status"], found["release_reason"], found["correlation_id"]) == (
            "RELEASED", "CLOSED", "c-9")
    assert other.fetched(kept["id"])["status"] == "ACTIVE"


def test_commands_about_a_lock_keep_their_order(house, commander, tenant):
    """Locks, moves, releases and bulk releases of a few locks, among many others."""
    ids = [new_id() for _ in range(5)]
    commands, expected = [], {lock_id: [] for lock_id in ids}
    for turn in range(40):
        for number, lock_id in enumerate(ids):
            room = new_id()
            commands.append(lock(tenant, lock_id, roomId=room, reason=f"LOCK {turn}"))
            expected[lock_id].append(("ACTIVE", f"LOCK {turn}"))
            if turn % 2:
                commands.append(lock(tenant, lock_id, roomId=new_id(), reason=f"MOVE {turn}"))
                expected[lock_id].append(("ACTIVE", f"MOVE {turn}"))
            if turn % 3 == number % 3:
                commands.append(release(tenant, lock_id, reason=f"RELEASE {turn}"))
                expected[lock_id].append(("RELEASED", f"RELEASE {turn}"))
            commands.append(lock(tenant, new_id(), roomId=new_id()))
        if turn % 7 == 0:
            commands.append(bulk(tenant, ids, reason=f"BULK {turn}"))
            for lock_id in ids:
                if expected[lock_id][-1][0] == "ACTIVE":
                    expected[lock_id].append(("RELEASED", f"BULK {turn}"))
    for command in commands:
        command.key = "one partition"
    house.send(*commands)
    house.outcomes(*commands)
    history = house.history(tenant)
    assert {lock_id: history[lock_id] for lock_id in ids} == expected


def test_a_room_that_is_released_can_be_locked(house, commander, tenant):
    """By the next command: no lock overtakes a release that came before it, by its id or in bulk,
    also not while other locks are under way and the release waits for its own lock's turn."""
    commands = []
    for turn in range(60):
        room, first = new_id(), new_id()
        away = bulk(tenant, [first]) if turn % 3 == 0 else release(tenant, first)
        commands += [lock(tenant, first, roomId=room), lock(tenant, new_id(), roomId=new_id()), away,
                     lock(tenant, new_id(), roomId=room)]
    for command in commands:
        command.key = "one partition"
    house.send(*commands)
    assert house.outcomes(*commands) == ["LOCKED", "LOCKED", "RELEASED", "LOCKED"] * 60


# --- what is not performed -------------------------------------------------------------------


def test_what_is_for_others_is_passed_over(house, commander, tenant):
    others = [Command(LOCK, tenant.body(), metadata={"targetService": "billing-service"}),
              Command(LOCK, {"bad": True}, metadata={"targetService": SERVICE.upper()}),
              Command("inventory.lock.rooms", tenant.body()),
              Command("reservation.create", {}), Command("", {}, metadata={"targetService": "x"})]
    last = lock(tenant)
    for command in (*others, last):
        command.key = "one partition"
    with house.dead_letters() as letters:
        house.send(*others, last)
        assert house.outcomes(last) == ["LOCKED"]
        assert len(tenant.listed()) == 1
        assert not [m for m in letters.to_end() if tenant.id.encode() in m.value]
    assert not house.ledger(*others)


def poison(tenant):
    """{what it is: (value, a piece of the error)}"""
    def of(command, **changes):
        value = json.loads(command.message[1])
        value.update(changes)
        return json.dumps(value)
    good = lock(tenant)
    return {
        "nothing": (None, "no value"),
        "no JSON": ("{", "cannot be read"),
        "no UTF-8": (b'{"metadata": "\xff"}', "cannot be read"),
        "no object": ("[1]", "not a JSON object"),
        "twice": ('{"metadata": {}, "metadata": {}}', "duplicate"),
        "no metadata": (of(good, metadata=None), "metadata"),
        "no payload": (of(good, payload=[]), "payload"),
        "no name": (of(Command("", good.payload)), "commandName"),
        "no id": (of(Command(LOCK, good.payload, command_id=None)), "commandId is required"),
        "long id": (of(Command(LOCK, good.payload, command_id="x" * 256)), "commandId is too long"),
        "number as id": (of(Command(LOCK, good.payload, metadata={"commandId": 7})), "commandId"),
        "no tenant": (of(Command(RELEASE, {"lockId": new_id()})), "tenantId is required"),
        "two tenants": (of(Command(LOCK, tenant.body(), tenant_id=new_id())), "tenantId differs"),
        "no room type": (of(lock(tenant, roomTypeId="x")), "roomTypeId must be a uuid"),
        "backwards": (of(lock(tenant, stayEnd="2001-01-01")), "stayEnd must be after stayStart"),
        "over": (of(lock(tenant, stayStart="2001-01-01", stayEnd="2001-01-02")), "is over already"),
        "no lock": (of(Command(RELEASE, {"tenantId": tenant.id})), "lockId is required"),
        "no locks": (of(Command(BULK, {"tenantId": tenant.id, "lockIds": []})), "lockIds must be"),
        "too long": (of(good, filler="x" * 1_100_000), "longer than"),
    }


def test_poison_goes_to_the_dead_letters(house, commander, tenant):
    bad = poison(tenant)
    good = [lock(tenant, roomId=new_id()) for _ in bad]
    messages = []
    for (kind, (value, _)), neighbour in zip(bad.items(), good):
        messages += [(f"{kind} {tenant.id}", value, [("a", b"1"), ("a", b"2"), ("empty", None),
                                                     ("dlq-error", b"mine")]), neighbour]
    with house.dead_letters() as letters:
        house.send(*messages)
        found = letters.wait_until(
            lambda all_of: sum((m.key or "").endswith(tenant.id) for m in all_of) == len(bad),
            SOON, "the letters")
        assert house.outcomes(*good) == ["LOCKED"] * len(good)
    sources = set()
    for letter in (m for m in found if m.key.endswith(tenant.id)):
        value, error = bad[letter.key.removesuffix(f" {tenant.id}")]
        value = value or b""
        assert letter.value == (value.encode() if isinstance(value, str) else value)
        assert [h for h in letter.headers if not h[0].startswith("dlq-")] == [
            ("a", b"1"), ("a", b"2"), ("empty", None)]
        assert error in letter.header("dlq-error"), letter.key
        assert letter.header("dlq-source-topic") == house.topic
        assert letter.header("dlq-attempts") == "1"
        sources.add((int(letter.header("dlq-source-partition")),
                     int(letter.header("dlq-source-offset"))))
    assert len(sources) == len(bad)
    # What came in messages is not for the log.
    assert not commander.said(tenant.room)


def test_what_the_database_refuses(house, commander, tenant):
    """For good: into the dead letters. Again and again: too, after five times. Neighbours in the
    batch are not hurt, and the lock's next command gets its turn."""
    lock_id = new_id()
    refused = lock(tenant, lock_id, reason="REFUSE 22023")
    failing = lock(tenant, new_id(), roomId=new_id(), reason="REFUSE P0001")
    good = [lock(tenant, new_id(), roomId=new_id()) for _ in range(20)]
    after = lock(tenant, lock_id)
    with house.dead_letters() as letters:
        house.send(*good[:10], refused, failing, *good[10:], after)
        assert house.outcomes(*good, after) == ["LOCKED"] * 21
        wanted = {refused.command_id: ("1", "(22023)"), failing.command_id: ("5", "(P0001)")}
        found = letters.wait_until(
            lambda all_of: sum(tenant.id.encode() in m.value for m in all_of) == 2, SOON,
            "the letters")
    for letter in (m for m in found if tenant.id.encode() in m.value):
        attempts, error = wanted.pop(letter.json["metadata"]["commandId"])
        assert letter.header("dlq-attempts") == attempts and error in letter.header("dlq-error")
    assert not house.ledger(refused, failing)


def test_trouble_of_the_server_is_waited_out(house, commander, tenant):
    """However often it is met: the command is not to blame."""
    troubled = lock(tenant, new_id(), reason="UNTIL_CURED XX000")
    house.send(troubled)
    commander.wait_said("the database refused a command (XX000", count=6)
    house.database.execute("INSERT INTO cured VALUES (now())")
    assert house.outcomes(troubled) == ["LOCKED"]
    assert not commander.said("the database refuses it (XX000)")


def test_locks_do_not_wait_for_a_release_for_ever(house, commander, tenant):
    """One that the database keeps refusing is passed by the locks behind it, and done when it can be."""
    house.database.execute("DELETE FROM cured")
    held = tenant.locked()
    stuck = release(tenant, held["id"], reason="UNTIL_CURED XX000")
    behind = [lock(tenant, new_id(), roomId=new_id()) for _ in range(3)]
    for command in (stuck, *behind):
        command.key = "one partition"
    house.send(stuck, *behind)
    assert house.outcomes(*behind) == ["LOCKED"] * len(behind)
    assert not house.ledger(stuck)
    house.database.execute("INSERT INTO cured VALUES (now())")
    assert house.outcomes(stuck) == ["RELEASED"]


# --- once, whatever happens ------------------------------------------------------------------


@pytest.mark.deadline(120)
def test_the_database_goes_away(house, commander, tenant):
    """Commands wait; nothing is lost, nothing given up, and the group does not lose its member."""
    commands = [lock(tenant, new_id(), roomId=new_id()) for _ in range(300)]

    def moves():
        return len(commander.said("from the group")) + len(commander.said("to the group"))
    before = moves()
    house.send(*commands[:100])
    house.system.stop_postgres(mode="immediate")
    house.database.close()
    house.send(*commands[100:])
    commander.wait_said("Connection refused")
    check_holds(lambda: commander.runs() and moves() == before, OUTAGE_SECONDS, "it stays a member")
    house.system.start_postgres()
    assert house.outcomes(*commands) == ["LOCKED"] * len(commands)
    assert moves() == before
    history = house.history(tenant)
    assert len(history) == len(commands)
    assert all(effects == [("ACTIVE", "RESERVATION_CREATE")] for effects in history.values())


@pytest.mark.slow  # sanitizers need memory of their own
@pytest.mark.deadline(120)
def test_long_commands_wait_in_kafka(alone, name, tenant):
    """120 MB of them while the database is away, and not in memory: 32 MiB are in hand at most."""
    commands = [lock(tenant, new_id(), roomId=new_id()) for _ in range(120)]
    for command in commands:
        command.others = {"filler": "x" * 1_000_000}
    with alone.commander(name, KAFKA_PROPERTY_QUEUED_MAX_MESSAGES_KBYTES=8192) as commander:
        commander.wait_ready()
        alone.system.stop_postgres(mode="immediate")
        alone.database.close()
        alone.send(*commands, compression="zstd")
        commander.wait_said("Connection refused")
        check_holds(lambda: commander.memory_max_kib() < HELD_KIB_MAX, 4, "its memory is bounded")
        alone.system.start_postgres()
        assert alone.outcomes(*commands) == ["LOCKED"] * len(commands)
        assert commander.memory_max_kib() < HELD_KIB_MAX


@pytest.mark.deadline(120)
def test_redelivered_from_the_beginning(alone, name, tenant):
    """The whole topic once more: nothing changes, also where somebody else has changed it since."""
    first, second = lock(tenant, new_id()), lock(tenant, new_id(), roomId=new_id())
    third = lock(tenant, new_id(), roomId=new_id())
    commands = [first, second, release(tenant, second.payload["idempotencyKey"]), third,
                bulk(tenant, [third.payload["idempotencyKey"]]), lock(tenant, new_id()),
                release(tenant, new_id())]
    for command in commands:
        command.key = "one partition"
    with alone.commander(name) as commander:
        alone.send(*commands)
        assert alone.outcomes(*commands) == ["LOCKED", "LOCKED", "RELEASED", "LOCKED", "RELEASED",
                                             "CONFLICT", "NOT_FOUND"]
        alone.wait_committed(len(commands))
        commander.stop()
    tenant.released(first.payload["idempotencyKey"])
    tenant.locked(idempotencyKey=second.payload["idempotencyKey"])
    tenant.locked(idempotencyKey=third.payload["idempotencyKey"], roomId=new_id())
    before = (alone.history(tenant), alone.ledger(*commands),
              alone.database.locks([tenant.id]))
    alone.begin_again()
    with alone.commander(name) as commander:
        alone.wait_committed(len(commands))
        commander.stop()
        assert commander.said(f"{len(commands)} performed before")
    assert (alone.history(tenant), alone.ledger(*commands),
            alone.database.locks([tenant.id])) == before


@pytest.mark.deadline(120)
def test_sigterm_finishes_what_is_in_hand(alone, name, tenant):
    commands = [lock(tenant, new_id(), roomId=new_id()) for _ in range(6000)]
    with alone.commander(name, COMMANDS_BATCH=1) as commander:
        commander.wait_ready()
        alone.send(*commands)
        wait_for(lambda: alone.ledger(*commands[:20]), SOON, "some are performed")
        commander.stop()
        performed = len(alone.ledger(*commands))
        assert performed < len(commands), "it was told too late"
        assert alone.committed() == performed, "what was performed was not committed"
        assert not commander.said("left unfinished")
    assert all(len(effects) == 1 for effects in alone.history(tenant).values())


def story(tenant, number):
    """The commands of one lock, and what must happen to it."""
    lock_id, room = new_id(), new_id()
    commands = [lock(tenant, lock_id, roomId=room, reason=f"A {number}"),
                release(tenant, lock_id, reason=f"B {number}"),
                lock(tenant, lock_id, roomId=room, reason=f"C {number}"),
                bulk(tenant, [lock_id], reason=f"D {number}")]
    for command in commands:
        command.key = lock_id
    return lock_id, commands, [(status, f"{letter} {number}") for status, letter in (
        ("ACTIVE", "A"), ("RELEASED", "B"), ("ACTIVE", "C"), ("RELEASED", "D"))]


@pytest.mark.deadline(180)
def test_killed_and_joined_under_a_crowd_of_commands(alone, name, tenants):
    """10,000 commands; the one who performs them is killed, another joins, and the first comes back:
    each command has its effect exactly once, and those of a lock keep their order."""
    crowd = [tenants() for _ in range(4)]
    stories = [story(crowd[number % len(crowd)], number) for number in range(LOCKS)]
    commands = [commands[step] for step in range(4) for _, commands, _ in stories]
    assert len(commands) == CROWD

    def performed():
        return alone.database.value("SELECT count(*) FROM guard.performed_commands WHERE"
                                    " tenant_id = ANY(%s::uuid[])", ([t.id for t in crowd],))
    one = alone.commander(f"{name}-1", COMMANDS_BATCH=20)
    two = alone.commander(f"{name}-2", COMMANDS_BATCH=20)
    with one:
        one.wait_ready()
        alone.send(*commands)
        wait_for(lambda: performed() > 500, SOON, "it has begun")
        with two:
            one.kill()
            assert performed() < CROWD, "it was killed too late"
            one.start()
            one.wait_said("have come from the group", count=2, seconds_max=60)
            two.wait_ready(60)
            wait_for(lambda: performed() == CROWD, 90, "all are performed")
            alone.wait_committed(CROWD, 60)
    history = alone.history(*crowd)
    assert len(history) == LOCKS
    for lock_id, _, expected in stories:
        assert history[lock_id] == expected


# --- settings --------------------------------------------------------------------------------


def test_disabled_it_waits_for_its_end(alone, name):
    with alone.commander(name, AVAILABILITY_GUARD_COMMANDS_ENABLED="no") as commander:
        commander.wait_said("commands are disabled")
        commander.stop()


@pytest.mark.parametrize("settings, error", [
    ({"INVENTORY_EVENTS_DLQ_TOPIC": "x", "COMMAND_CENTER_TOPIC": "x"}, "must not be the same"),
    ({"KAFKA_PROPERTY_ENABLE_AUTO_COMMIT": "true"}, "KAFKA_PROPERTY_ENABLE_AUTO_COMMIT"),
    ({"KAFKA_PROPERTY_PARTITION_ASSIGNMENT_STRATEGY": "cooperative-sticky"},
     "KAFKA_PROPERTY_PARTITION_ASSIGNMENT_STRATEGY"),
    ({"COMMANDS_BATCH": "0"}, "COMMANDS_BATCH"),
])
def test_settings_are_checked(house, settings, error):
    done = subprocess.run([house.system.program("availability-guard-commands"), "-n"], text=True,
                          capture_output=True, check=False,
                          env={"PATH": "/usr/bin:/bin", **settings})
    assert done.returncode == 2 and error in done.stderr
