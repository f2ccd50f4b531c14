"""Processes that perform commands, under a test's control; commands for them; and what they did."""

import collections
import contextlib
import dataclasses
import json
import shutil
import sys
import uuid

from database import Database
from kafka import Reader, committed_offsets, produce
from programs import SOON, Program
from systems import check_logs, make_system, wait_for

SERVICE = "availability-guard-service"
LOCK, RELEASE, BULK = "inventory.lock.room", "inventory.release.room", "inventory.release.bulk"

# Every effect on a lock, in the order in which they came; and a database that refuses what a test
# wants to be refused.
HISTORY = """
CREATE TABLE history (seq bigserial, tenant_id uuid, id uuid, status text, note text);
CREATE FUNCTION note_history() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    INSERT INTO public.history (tenant_id, id, status, note)
    VALUES (NEW.tenant_id, NEW.id, NEW.status,
            CASE NEW.status WHEN 'ACTIVE' THEN NEW.reason ELSE NEW.release_reason END);
    RETURN NULL;
END
$$;
CREATE TRIGGER note_history AFTER INSERT OR UPDATE ON inventory_locks_shadow
    FOR EACH ROW EXECUTE FUNCTION note_history();
CREATE TABLE cured (at timestamptz);
GRANT SELECT ON cured TO PUBLIC;
CREATE FUNCTION be_difficult() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    v_reason text := CASE NEW.status WHEN 'ACTIVE' THEN NEW.reason ELSE NEW.release_reason END;
BEGIN
    IF v_reason LIKE 'UNTIL_CURED %%' AND NOT EXISTS (SELECT FROM public.cured) THEN
        RAISE EXCEPTION 'in trouble on purpose' USING ERRCODE = right(v_reason, 5);
    END IF;
    IF v_reason LIKE 'REFUSE %%' THEN
        RAISE EXCEPTION 'refused on purpose' USING ERRCODE = right(v_reason, 5);
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER be_difficult BEFORE INSERT OR UPDATE ON inventory_locks_shadow
    FOR EACH ROW EXECUTE FUNCTION be_difficult();
"""


def new_id():
    return str(uuid.uuid4())


@dataclasses.dataclass
class Command:
    """A message of the command topic; metadata of None are left out."""

    name: str
    payload: dict
    tenant_id: str | None = None
    command_id: str | None = dataclasses.field(default_factory=new_id)
    metadata: dict = dataclasses.field(default_factory=dict)
    key: str | None = None
    others: dict = dataclasses.field(default_factory=dict)  # members beside metadata and payload

    @property
    def message(self):
        """(key, value, headers) for produce()."""
        metadata = {"commandId": self.command_id, "commandName": self.name,
                    "tenantId": self.tenant_id, "targetService": SERVICE,
                    "requestId": "request-1", "initiatedBy": {"userId": "u", "role": "ADMIN"},
                    **self.metadata}
        value = {"metadata": {k: v for k, v in metadata.items() if v is not None},
                 "payload": self.payload, **self.others}
        return (self.key or self.payload.get("lockId") or self.command_id, json.dumps(value),
                {"origin": "tests"})


def lock(tenant, lock_id=None, **changes):
    """A command that locks what the tenant locks, under the id."""
    payload = tenant.body(**changes)
    if lock_id:
        payload["idempotencyKey"] = lock_id
    return Command(LOCK, payload, key=lock_id)


def release(tenant, lock_id, **fields):
    return Command(RELEASE, {"tenantId": tenant.id, "lockId": lock_id, **fields})


def bulk(tenant, lock_ids, **fields):
    return Command(BULK, {"tenantId": tenant.id, "lockIds": lock_ids, **fields})


class House:
    """A database, a Kafka and guards: what those who perform commands need, and who sees it."""

    def __init__(self, **settings):
        self.system = make_system(kafka=True, **settings)
        self.topics = {}
        self.database = None

    def start(self):
        self.system.start_postgres()
        self.system.migrate()
        self.system.start_kafka()
        self.system.start_guards()
        self.system.start_nginx()
        self.system.wait_ready()
        self.database = Database(self.system.owner_dsn)
        self.database.execute(HISTORY)
        self.begin()

    def begin(self):
        """Topics and a group that nobody has used."""
        mark = uuid.uuid4().hex
        self.topics = {"COMMAND_CENTER_TOPIC": f"commands-{mark}",
                       "INVENTORY_EVENTS_DLQ_TOPIC": f"dead-{mark}",
                       "AVAILABILITY_GUARD_COMMAND_CONSUMER_GROUP": f"group-{mark}"}
        with Reader(self.brokers, self.topic), Reader(self.brokers, self.dlq_topic):
            pass  # asking makes them

    def begin_again(self):
        """Another group, which reads the topic from its beginning."""
        self.topics["AVAILABILITY_GUARD_COMMAND_CONSUMER_GROUP"] = f"group-{uuid.uuid4().hex}"

    @property
    def brokers(self):
        return self.system.brokers

    @property
    def topic(self):
        return self.topics["COMMAND_CENTER_TOPIC"]

    @property
    def dlq_topic(self):
        return self.topics["INVENTORY_EVENTS_DLQ_TOPIC"]

    @property
    def group(self):
        return self.topics["AVAILABILITY_GUARD_COMMAND_CONSUMER_GROUP"]

    def commander(self, name, **settings):
        """Not started: `with` does that, and ends it."""
        env = {**self.system.env,
               "DATABASE_URL": f"{self.system.service_dsn} application_name={name}",
               "KAFKA_BROKERS": self.brokers, **self.topics,
               "KAFKA_PROPERTY_SESSION_TIMEOUT_MS": "6000",
               # Who does not look after Kafka for so long is thrown out of the group.
               "KAFKA_PROPERTY_MAX_POLL_INTERVAL_MS": "6000",
               "KAFKA_PROPERTY_HEARTBEAT_INTERVAL_MS": "500",
               "KAFKA_PROPERTY_FETCH_WAIT_MAX_MS": "20",
               "KAFKA_PROPERTY_MESSAGE_MAX_BYTES": "2000000",
               "LOG_LEVEL": "debug",
               **{key: str(value) for key, value in settings.items()}}
        return Program(self.system, "availability-guard-commands", name, env)

    def send(self, *commands, **options):
        produce(self.brokers, self.topic,
                [c.message if isinstance(c, Command) else c for c in commands], **options)

    @contextlib.contextmanager
    def dead_letters(self):
        with Reader(self.brokers, self.dlq_topic) as reader:
            yield reader

    def ledger(self, *commands):
        """{command id: outcome} of these commands, as far as they have been performed."""
        rows = self.database.rows(
            "SELECT command_id, outcome FROM guard.performed_commands WHERE command_id = ANY(%s)",
            ([command.command_id for command in commands],))
        return {row["command_id"]: row["outcome"] for row in rows}

    def outcomes(self, *commands, seconds_max=SOON):
        """The outcomes of these commands, in their order, when all have been performed."""
        found = wait_for(lambda: len(found := self.ledger(*commands)) == len(commands) and found,
                         seconds_max, f"{len(commands)} commands are performed")
        return [found[command.command_id] for command in commands]

    def history(self, *tenants):
        """{lock id: [(status, reason), …]}: all that ever happened to the locks of these."""
        found = collections.defaultdict(list)
        for row in self.database.rows(
                "SELECT id::text, status, note FROM history WHERE tenant_id = ANY(%s::uuid[])"
                " ORDER BY seq", ([tenant.id for tenant in tenants],)):
            found[row["id"]].append((row["status"], row["note"]))
        return found

    def committed(self):
        return sum(committed_offsets(self.brokers, self.group, self.topic))

    def wait_committed(self, count, seconds_max=SOON):
        """Until so many messages of the topic, which was empty, have been settled."""
        wait_for(lambda: self.committed() == count, seconds_max, f"{count} messages are committed")


@contextlib.contextmanager
def commander_house(session, **settings):
    """A started house; its folder stays when a test of this run failed."""
    house = House(**settings)
    try:
        house.start()
        yield house
    finally:
        if house.database:
            house.database.close()
        house.system.stop()
    check_logs(house.system)
    if session.testsfailed == 0:
        shutil.rmtree(house.system.state_dir)
    else:
        print(f"logs of those who perform commands: {house.system.state_dir}/logs",
              file=sys.stderr)
