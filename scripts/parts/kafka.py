"""Kafka for a system: one in memory that it owns, or one that the settings name."""

import re
import signal
import socket
import subprocess
from pathlib import Path

from .process import PartFailed, Process, wait_until

START_SECONDS = 30
ASK_SECONDS = 2
# Length, ApiVersions (key 18, version 0), correlation id 7, no client id: every broker answers it.
QUESTION = bytes.fromhex("0000000a" "0012" "0000" "00000007" "ffff")
CORRELATION = QUESTION[8:12]


def split_address(address):
    """(host, port) of "host:port"; the host may be in brackets."""
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)


def answers(address):
    """Whether a broker at "host:port" answers as one does."""
    try:
        with socket.create_connection(split_address(address), timeout=ASK_SECONDS) as connection:
            connection.sendall(QUESTION)
            got = b""
            while len(got) < 8:
                piece = connection.recv(8 - len(got))
                if not piece:
                    return False
                got += piece
            return got[4:] == CORRELATION
    except (OSError, ValueError):
        return False


class EmbeddedKafka:
    """availability-guard-dev-kafka: it ends with the system, and its messages with it.

    Its port is another one after each start, so restart what uses it too; down() and up() keep port
    and messages."""

    private = True
    #: whether down() and up() work
    has_switch = True

    def __init__(self, state_dir, *, program, user, environment):
        state = Path(state_dir)
        self._program = program
        self._environment = environment
        self._file = state / "run" / "kafka.brokers"
        self.process = Process("kafka", records=state / "records", log=state / "logs" / "kafka.log",
                               user=user, cwd=state)

    def settings(self):
        """For those who use it. It lets a group wait for a consumer that is gone as long as the
        session of the others lasts: that must not be the 45 s that are the default."""
        found = {"KAFKA_PROPERTY_SESSION_TIMEOUT_MS": "6000"}
        if self.brokers:
            found["KAFKA_BROKERS"] = self.brokers
        return found

    @property
    def brokers(self):
        """"host:port" once it runs, else None."""
        try:
            text = self._file.read_text(encoding="ascii").strip()
        except (OSError, ValueError):
            return None
        return text if re.fullmatch(r"127\.0\.0\.1:\d{1,5}", text) else None

    @property
    def pid(self):
        return self.process.pid

    def start(self):
        if self.process.running():
            return
        # One that was killed has left its own behind.
        self._file.unlink(missing_ok=True)
        self.process.start([str(self._program()), "--brokers-file", str(self._file)],
                           {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", **self._environment})
        self.process.wait_for(self.is_up, START_SECONDS, "takes no connections")

    def stop(self):
        self.process.stop([(signal.SIGTERM, 10), (signal.SIGKILL, 10)])
        self._file.unlink(missing_ok=True)

    def is_up(self):
        return self.brokers is not None and answers(self.brokers)

    def down(self):
        """The broker refuses connections until up(); the messages stay."""
        self._tell(signal.SIGUSR1)
        wait_until(lambda: not self.is_up(), START_SECONDS, "kafka goes on answering")

    def up(self):
        self._tell(signal.SIGUSR2)
        self.process.wait_for(self.is_up, START_SECONDS, "does not answer again")

    def _tell(self, number):
        if not self.process.signal(number):
            raise PartFailed("kafka does not run")


class ExternalKafka:
    """A Kafka of someone else: never started or stopped; but down() and up() work when `folder`
    is one of scripts/real-kafka."""

    private = False
    pid = None

    def __init__(self, brokers, control=None, folder=None):
        self.brokers = brokers
        self._control = control
        self._folder = folder

    def settings(self):
        return {"KAFKA_BROKERS": self.brokers}

    def start(self):
        """Nothing to do: it runs, or those who use it will say what is wrong, and wait."""

    def stop(self):
        """Nothing to do: others may use it."""

    def is_up(self):
        return any(answers(address.strip()) for address in self.brokers.split(","))

    @property
    def has_switch(self):
        return self._folder is not None

    def down(self):
        self._call("stop")

    def up(self):
        self._call("start")

    def _call(self, verb):
        if not self.has_switch:
            raise PartFailed("this Kafka is not ours to stop")
        done = subprocess.run([str(self._control), verb, str(self._folder)], text=True,
                              capture_output=True, check=False)
        if done.returncode:
            raise PartFailed(f"real-kafka {verb} failed: {done.stderr.strip()}")
