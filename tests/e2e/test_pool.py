"""The pool: guards that are replaced while callers have connections, and what it says of that."""

import contextlib
import signal
import socket
import subprocess

import pytest

from fcgi import Peer
from shape import check_json
from systems import children, wait_for


class Pool:
    """A pool of one guard, and the manager of services that it talks to."""

    def __init__(self, stack, system, folder, command):
        self.path = folder / "guard.sock"
        self.fails = folder / "fails"
        listening = socket.socket(socket.AF_UNIX)
        listening.bind(str(self.path))
        listening.listen()
        self._manager = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
        self._manager.bind(str(folder / "notify"))
        self._manager.settimeout(30)
        self.log = folder / "log"
        environment = {**system.env, "NOTIFY_SOCKET": str(folder / "notify")}
        # Nobody but the pool has the socket then.
        with listening, open(self.log, "wb") as log:
            self.process = stack.enter_context(subprocess.Popen(
                [system.program("availability-guard-pool"), "/bin/sh", "-c",
                 f"[ ! -e {self.fails} ] || exit 2; {command}"],
                env=environment, stdin=listening, stderr=log))
        stack.callback(self._end)

    def _end(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(30)

    def told(self):
        """The names and values of the next thing that the manager was told."""
        return dict(line.split("=", 1) for line in self._manager.recv(4096).decode().splitlines())

    def command_pid(self):
        return children(self.process.pid)[0]

    def text(self):
        return self.log.read_text(encoding="utf-8")


@pytest.fixture
def make_pool(system, tmp_path):
    with contextlib.ExitStack() as stack:
        def make(command=f"exec /usr/bin/multiwatch -s TERM -f 1 -- {system.program('availability-guard')}"):
            return Pool(stack, system, tmp_path, command)
        yield make


@pytest.fixture
def pool(make_pool):
    made = make_pool()
    assert made.told()["READY"] == "1"
    return made


def health(peer):
    return check_json(peer.request("GET", "/health", keep=True))


def test_a_connection_is_served_until_its_peer_closes_it(pool):
    with Peer(pool.path) as old:
        health(old)
        before = set(children(pool.command_pid()))
        pool.process.send_signal(signal.SIGHUP)
        assert "RELOADING" in pool.told()
        assert pool.told()["READY"] == "1"
        wait_for(lambda: "handing over: 1 connections" in pool.text(), 20, "the old guard hands over")
        health(old)
        with Peer(pool.path) as new:
            health(new)
            health(old)
            assert "generation 1 has ended" not in pool.text()
            old.close()
            wait_for(lambda: "generation 1 has ended" in pool.text(), 20, "the old guard ends")
            health(new)
    assert before.isdisjoint(children(pool.command_pid()))


def test_new_guards_that_do_not_come_up_change_nothing(pool):
    pool.fails.touch()
    pool.process.send_signal(signal.SIGHUP)
    assert "RELOADING" in pool.told()
    assert pool.told() == {"READY": "1", "STATUS": "the last reload failed"}
    with Peer(pool.path) as peer:
        health(peer)
    assert "the old one goes on" in pool.text()


def test_a_stop_ends_all_generations(pool):
    with Peer(pool.path) as old:
        health(old)
        pool.process.send_signal(signal.SIGHUP)
        assert "RELOADING" in pool.told()
        assert pool.told()["READY"] == "1"
        pool.process.send_signal(signal.SIGTERM)
        assert "STOPPING" in pool.told()
        assert pool.process.wait(20) == 0
        assert old.ends() == b""
    with pytest.raises(ConnectionRefusedError):
        Peer(pool.path)


def test_a_command_that_ends_by_itself_ends_the_pool(make_pool):
    pool = make_pool("exit 2")
    assert pool.process.wait(20) == 2
    assert '"level":"error"' not in pool.text(), "the command says itself what is wrong"


def test_a_command_that_is_killed_ends_the_pool(pool):
    guards = children(pool.command_pid())
    subprocess.run(["kill", "-KILL", str(pool.command_pid())], check=True)
    assert pool.process.wait(20) == 1
    wait_for(lambda: not any(is_alive(pid) for pid in guards), 20, "the guards end with it")


def is_alive(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
