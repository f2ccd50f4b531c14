"""The Kafka for development: that it does what the other tests and the quickstart rest on."""

import contextlib
import os
import signal
import socket
import subprocess
import uuid

import confluent_kafka
import pytest

from kafka import Reader, produce
from parts import kafka as kafka_part
from parts.kafka import EmbeddedKafka
from systems import SANITIZER_VARIABLES, System, build_dir, part_folder, wait_for

PARTITIONS = 4
GROUP_SECONDS = 40


def program():
    # Where a system finds it, too.
    finder = System.__new__(System)
    finder.build_dir = build_dir()
    return finder.program("availability-guard-dev-kafka")


@pytest.fixture(scope="module")
def kafka(request):
    environment = {name: os.environ[name] for name in SANITIZER_VARIABLES if name in os.environ}
    with part_folder(request.session) as (state, user):
        part = EmbeddedKafka(state, program=program, user=user, environment=environment)
        with contextlib.ExitStack() as stack:
            stack.callback(part.stop)
            part.start()
            pid = part.pid
            yield part
            assert part.pid == pid
        log = (state / "logs/kafka.log").read_text()
        assert "Sanitizer" not in log and "runtime error" not in log, log


@pytest.fixture
def topic():
    return f"t-{uuid.uuid4().hex}"


def consumer(kafka, group, topic):
    found = confluent_kafka.Consumer({
        "bootstrap.servers": kafka.brokers, "group.id": group, "auto.offset.reset": "earliest",
        "enable.auto.commit": False, "session.timeout.ms": 6000, "heartbeat.interval.ms": 1000})
    found.subscribe([topic])
    return found


def take(consumers, count, seconds_max=GROUP_SECONDS):
    """So many messages, from whichever consumer gets them."""
    found = []

    def complete():
        for one in consumers:
            found.extend(m for m in one.consume(count, 0.05) if m.error() is None)
        return len(found) >= count
    wait_for(complete, seconds_max, f"{count} messages")
    return found


def test_messages_come_back_as_they_went(kafka, topic):
    headers = {"lock-id": b"1", "event-id": b"\xff"}
    produce(kafka.brokers, topic, [(f"key-{n}", f"value-{n}", headers) for n in range(200)])
    with Reader(kafka.brokers, topic) as reader:
        messages = reader.to_end()
    assert sorted(m.value.decode() for m in messages) == sorted(f"value-{n}" for n in range(200))
    assert all(dict(m.headers) == headers for m in messages)
    assert all(m.key == "key-" + m.value.decode().split("-")[1] for m in messages)
    assert {m.partition for m in messages} == set(range(PARTITIONS))


def test_messages_of_a_key_keep_their_order(kafka, topic):
    produce(kafka.brokers, topic, [("one", str(n), {}) for n in range(500)])
    with Reader(kafka.brokers, topic) as reader:
        assert [m.value for m in reader.to_end()] == [str(n).encode() for n in range(500)]


def test_large_message(kafka, topic):
    produce(kafka.brokers, topic, [("k", b"x" * 2_000_000, {})])
    with Reader(kafka.brokers, topic) as reader:
        assert [len(m.value) for m in reader.to_end()] == [2_000_000]


def test_idempotent_producer(kafka, topic):
    failures = []
    producer = confluent_kafka.Producer({"bootstrap.servers": kafka.brokers,
                                         "enable.idempotence": True, "acks": "all"})
    for number in range(1000):
        producer.produce(topic, str(number), "k",
                         on_delivery=lambda error, _: failures.append(error) if error else None)
    assert producer.flush(30) == 0 and not failures
    with Reader(kafka.brokers, topic) as reader:
        assert [m.value for m in reader.to_end()] == [str(n).encode() for n in range(1000)]


def test_topics_have_four_partitions(kafka, topic):
    client = confluent_kafka.Producer({"bootstrap.servers": kafka.brokers})
    assert len(client.list_topics(topic, 10).topics[topic].partitions) == PARTITIONS


def test_committed_offsets_stay_with_the_group(kafka, topic):
    produce(kafka.brokers, topic, [("k", str(n), {}) for n in range(10)])
    first = consumer(kafka, topic, topic)
    messages = take([first], 10)
    first.commit(messages[3], asynchronous=False)
    first.close()
    second = consumer(kafka, topic, topic)
    assert [m.value() for m in take([second], 6)] == [str(n).encode() for n in range(4, 10)]
    second.close()


@pytest.mark.slow
@pytest.mark.deadline(150)
def test_group_shares_its_partitions(kafka, topic):
    produce(kafka.brokers, topic, [(None, "x", {})])
    first, second = consumer(kafka, topic, topic), consumer(kafka, topic, topic)

    def shared():
        first.poll(0.05)
        second.poll(0.05)
        return [len(first.assignment()), len(second.assignment())] == [2, 2]
    wait_for(shared, GROUP_SECONDS, "both have partitions")
    second.close()

    def alone():
        first.poll(0.05)
        return len(first.assignment()) == PARTITIONS
    wait_for(alone, GROUP_SECONDS, "the one that is left has all")
    first.close()


@pytest.mark.deadline(120)
def test_down_and_up(kafka, topic):
    delivered = []
    producer = confluent_kafka.Producer({
        "bootstrap.servers": kafka.brokers, "enable.idempotence": True,
        "reconnect.backoff.max.ms": 200})
    producer.produce(topic, "before", "k")
    assert producer.flush(30) == 0
    kafka.down()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(kafka_part.split_address(kafka.brokers), timeout=5)
    for number in range(100):
        producer.produce(topic, str(number), "k", on_delivery=lambda e, _: delivered.append(e))
    assert producer.flush(1) == 100 and not delivered
    kafka.up()
    assert producer.flush(60) == 0
    assert delivered == [None] * 100
    with Reader(kafka.brokers, topic) as reader:
        found = [m.value.decode() for m in reader.to_end()]
    assert found == ["before", *(str(n) for n in range(100))]


def test_group_goes_on_after_down_and_up(kafka, topic):
    produce(kafka.brokers, topic, [("k", "1", {})])
    one = consumer(kafka, topic, topic)
    take([one], 1)
    one.commit(asynchronous=False)
    kafka.down()
    kafka.up()
    produce(kafka.brokers, topic, [("k", "2", {})])
    assert [m.value() for m in take([one], 1)] == [b"2"]
    one.close()


def test_down_twice_and_up_twice(kafka):
    kafka.down()
    kafka.down()
    kafka.up()
    kafka.up()
    assert kafka.is_up()


def test_only_the_last_megabytes_are_kept(kafka, topic):
    # A limit of the mock cluster, of which docs/kafka.md warns.
    for _ in range(4):
        produce(kafka.brokers, topic, [("k", b"x" * 20_000, {}) for _ in range(100)])
    with Reader(kafka.brokers, topic) as reader:
        assert 150 < len(reader.to_end()) < 300


# --- the program ---------------------------------------------------------------------------


def run(*arguments):
    return subprocess.run([program(), *arguments], stdin=subprocess.DEVNULL, text=True,
                          capture_output=True, timeout=30, check=False)


@pytest.mark.parametrize("arguments", [[], ["--brokers-file"], ["--brokers-file", "x", "y"],
                                       ["--port", "1"], ["x"]])
def test_wrong_arguments(arguments):
    done = run(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert "usage: " in done.stderr


def test_help_and_version():
    assert run("--help").stdout.startswith("usage: ")
    assert run("--version").stdout.startswith("availability-guard-dev-kafka ")


def test_file_that_cannot_be_written(tmp_path):
    done = run("--brokers-file", str(tmp_path / "missing" / "brokers"))
    assert done.returncode == 1
    assert "No such file or directory" in done.stderr


@contextlib.contextmanager
def started(file):
    argv = [program(), "--brokers-file", file]
    with subprocess.Popen(argv, stderr=subprocess.DEVNULL) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("before", [[], [signal.SIGUSR1], [signal.SIGUSR1, signal.SIGUSR2]])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_end(tmp_path, before, number):
    file = tmp_path / "brokers"
    with started(file) as process:
        wait_for(file.exists, 30, "the file")
        address = file.read_text()
        assert address.startswith("127.0.0.1:") and address.endswith("\n")
        address = address.strip()
        assert kafka_part.answers(address)
        for earlier in before:
            process.send_signal(earlier)
            wait_for(lambda e=earlier: kafka_part.answers(address) is (e == signal.SIGUSR2),
                     30, f"the effect of {earlier}")
        process.send_signal(number)
        assert process.wait(30) == 0
    assert not list(tmp_path.iterdir())


def test_file_of_an_earlier_run_is_replaced(tmp_path):
    file = tmp_path / "brokers"
    file.write_text("127.0.0.1:1\n")
    with started(file) as process:
        wait_for(lambda: file.read_text() != "127.0.0.1:1\n", 30, "another address")
        assert kafka_part.answers(file.read_text().strip())
        process.terminate()
        assert process.wait(30) == 0
