"""A guard process that is told to end, stopped in the moment before it begins to."""

import contextlib
import os
import signal
import socket
import subprocess

import pytest

from fcgi import PARAMS, STDIN, Peer, begin, pairs, params_of, stream
from shape import check_json, new_id
from systems import wait_for


@pytest.fixture
def lone(system, tmp_path):
    """A guard process with a socket of its own."""
    path = tmp_path / "guard.sock"
    with contextlib.ExitStack() as stack, socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()
        log, log_end = os.pipe()
        reader = stack.enter_context(os.fdopen(log, "rb", buffering=0))
        process = stack.enter_context(subprocess.Popen(
            [system.program("availability-guard")], env=system.env, stdin=listening,
            stderr=log_end))
        stack.callback(process.kill)
        line = b""
        while b"connected" not in line:
            line = reader.read(65536)
        yield process, path
        os.close(log_end)


def state(pid):
    """R, S, T (stopped), … see proc(5)."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as status:
        return status.read().rpartition(")")[2].split()[0]


def test_a_request_that_only_the_drain_finds_is_served(lone):
    """Its event is gone when the drain has read it, and no other follows."""
    process, path = lone
    with Peer(path) as peer:
        check_json(peer.request("GET", "/health", keep=True))
        wait_for(lambda: state(process.pid) == "S", 10, "it sleeps")
        process.send_signal(signal.SIGSTOP)
        wait_for(lambda: state(process.pid) == "T", 10, "it is stopped")
        # What it finds when it goes on: the signal ends its sleep, before it has been told of the
        # request.
        process.send_signal(signal.SIGTERM)
        params = pairs(params_of("GET", f"/v1/locks/{new_id()}?tenantId={new_id()}"))
        peer.send(begin(keep=True) + stream(PARAMS, params) + stream(STDIN, b""))
        process.send_signal(signal.SIGCONT)
        answer = peer.answer()
    assert answer.status == 404, answer
    assert process.wait(10) == 0
