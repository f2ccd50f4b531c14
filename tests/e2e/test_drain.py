"""A guard process that is told to end, held still in the moment in which it begins to."""

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
    """A guard process with a socket of its own, whose log goes into a pipe that is ours."""
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
        yield process, path, reader, log_end
        os.close(log_end)


def fill(pipe):
    """Until a writer would wait. By another description of the pipe: that of the guard blocks."""
    full = os.open(f"/proc/self/fd/{pipe}", os.O_WRONLY | os.O_NONBLOCK)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(full, b"x")
    os.close(full)


def is_pending(pid, number):
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        masks = [int(line.split()[1], 16) for line in status if line.startswith(("SigPnd", "ShdPnd"))]
    return any(mask & 1 << number - 1 for mask in masks)


def test_a_request_that_only_the_drain_finds_is_served(lone):
    """Its event is gone when the drain has read it, and no other follows."""
    process, path, log, log_end = lone
    with Peer(path) as peer:
        check_json(peer.request("GET", "/health", keep=True))
        fill(log_end)
        process.send_signal(signal.SIGTERM)
        # It has woken up, without a request, and waits for room in its log before it drains.
        wait_for(lambda: not is_pending(process.pid, signal.SIGTERM), 10, "the signal is taken")
        params = pairs(params_of("GET", f"/v1/locks/{new_id()}?tenantId={new_id()}"))
        peer.send(begin(keep=True) + stream(PARAMS, params) + stream(STDIN, b""))
        while len(log.read(65536)) == 65536:
            pass
        answer = peer.answer()
    assert answer.status == 404, answer
    assert process.wait(10) == 0
