"""Kafka as tests see it: what lies in a topic, and a way to put raw messages into one."""

import dataclasses
import json
import time

import confluent_kafka
from confluent_kafka.admin import AdminClient, NewTopic

# A broker that is just starting, or is held up by a sanitizer, is asked again until then.
METADATA_SECONDS = 30
POLL_SECONDS = 0.1


@dataclasses.dataclass(frozen=True)
class Message:
    topic: str
    partition: int
    offset: int
    key: str | None
    value: bytes
    headers: tuple  # pairs of name and bytes, in their order

    @property
    def json(self):
        return json.loads(self.value)

    def header(self, name):
        """The text of the one header with this name, or None; two are a failure."""
        found = [value for key, value in self.headers if key == name]
        assert len(found) <= 1, f"header {name} is there {len(found)} times"
        return found[0].decode("utf-8") if found and found[0] is not None else None

    @property
    def event_id(self):
        return self.header("event-id")


def _message(raw):
    key = raw.key()
    return Message(raw.topic(), raw.partition(), raw.offset(),
                   None if key is None else key.decode("utf-8"), raw.value() or b"",
                   tuple(raw.headers() or ()))


def _partitions(client, topic):
    """The numbers of the topic's partitions; a topic that is not there yet is made by the asking."""
    deadline = time.monotonic() + METADATA_SECONDS
    while True:
        try:
            found = client.list_topics(topic, timeout=2).topics[topic]
            if found.error is None and found.partitions:
                return sorted(found.partitions)
            trouble = found.error
        except confluent_kafka.KafkaException as error:
            trouble = error
        assert time.monotonic() < deadline, f"no partitions of {topic}: {trouble}"
        time.sleep(POLL_SECONDS)


def make_topic(brokers, topic, partitions=1, config=None):
    """For a topic with settings of its own; a real Kafka only."""
    admin = AdminClient({"bootstrap.servers": brokers})
    made = admin.create_topics([NewTopic(topic, partitions, 1, config=config or {})],
                               operation_timeout=METADATA_SECONDS)
    made[topic].result(METADATA_SECONDS)


class Reader:
    """Reads a topic from its beginning, all partitions, without joining a group.

    It keeps all that it has read in `messages`; those of one partition are in their order."""

    def __init__(self, brokers, topic):
        self.topic = topic
        self.messages = []
        self._consumer = confluent_kafka.Consumer({
            "bootstrap.servers": brokers, "group.id": "tests", "enable.auto.commit": False,
            "auto.offset.reset": "earliest", "allow.auto.create.topics": True,
            "fetch.wait.max.ms": 20, "reconnect.backoff.max.ms": 500,
            "topic.metadata.refresh.interval.ms": 1000})
        self._consumer.assign([
            confluent_kafka.TopicPartition(topic, number, confluent_kafka.OFFSET_BEGINNING)
            for number in _partitions(self._consumer, topic)])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self._consumer.close()

    def poll(self, seconds=POLL_SECONDS):
        """Waits for messages as long as this, takes what is there; gives all so far."""
        for raw in self._consumer.consume(1000, seconds):
            # A broker that is away is no failure of the test: the client goes on trying.
            if raw.error() is None:
                self.messages.append(_message(raw))
        return self.messages

    def wait(self, count, seconds_max):
        """Reads until there are `count` messages, or more; gives all of them."""
        return self.wait_until(lambda messages: len(messages) >= count, seconds_max,
                               f"{count} messages")

    def wait_until(self, condition, seconds_max, what):
        """Reads until condition(messages) holds; gives all messages."""
        deadline = time.monotonic() + seconds_max
        while not condition(self.messages):
            assert time.monotonic() < deadline, \
                f"not within {seconds_max} s: {what} ({len(self.messages)} in {self.topic})"
            self.poll()
        return self.messages

    def to_end(self, seconds_max=METADATA_SECONDS):
        """Reads everything that is in the topic now; gives all messages."""
        ends = {place.partition: self._consumer.get_watermark_offsets(place, seconds_max)[1]
                for place in self._consumer.assignment()}

        def reached(messages):
            read = {}
            for message in messages:
                read[message.partition] = message.offset + 1
            return all(read.get(partition, 0) >= end for partition, end in ends.items())
        return self.wait_until(reached, seconds_max, f"the end of {self.topic}")

    def event_ids(self):
        return [message.event_id for message in self.messages]


def produce(brokers, topic, messages, seconds_max=METADATA_SECONDS, compression="none"):
    """Puts messages into a topic as they are, and waits until the broker has them.

    Compressed, more of them fit into the embedded Kafka. Each is (key, value, headers): bytes, text or
    None; headers a dictionary or a list of pairs."""
    failures = []
    producer = confluent_kafka.Producer({
        "bootstrap.servers": brokers, "acks": "all", "linger.ms": 0,
        "message.max.bytes": 16 * 1024 * 1024, "compression.type": compression})
    for key, value, headers in messages:
        pairs = list(headers.items()) if isinstance(headers, dict) else headers
        producer.produce(topic, value, key, headers=pairs,
                         on_delivery=lambda error, _: failures.append(error) if error else None)
        producer.poll(0)
    left = producer.flush(seconds_max)
    assert left == 0 and not failures, f"{left} messages are not in {topic}; {failures[:3]}"


def committed_offsets(brokers, group, topic):
    """What the group has committed, for each partition of the topic; 0 where it has not."""
    client = confluent_kafka.Consumer({"bootstrap.servers": brokers, "group.id": group})
    try:
        places = client.committed([confluent_kafka.TopicPartition(topic, number)
                                   for number in _partitions(client, topic)], timeout=10)
    finally:
        client.close()
    return [max(place.offset, 0) for place in places]
