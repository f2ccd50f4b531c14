"""Free TCP ports on loopback."""

import random
import socket

from .process import PartFailed


def _ephemeral_floor():
    try:
        with open("/proc/sys/net/ipv4/ip_local_port_range", encoding="ascii") as file:
            return int(file.read().split()[0])
    except (OSError, ValueError):
        return 32768


def is_free(port, host="127.0.0.1"):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        # As servers do: connections that are just closing are not in the way.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def require_free(port, host="127.0.0.1"):
    """PartFailed when someone listens there: a stranger's answers must not pass for ours."""
    if not is_free(port, host):
        raise PartFailed(f"port {port} of {host} is taken by another program")


def free_port(taken=(), host="127.0.0.1"):
    """A port that nobody listens on now.

    Taken from below the ephemeral range on purpose: a client that keeps trying to reach a stopped
    server on an ephemeral port will in the end be given that very port as its own and connect to
    itself, and the server can then no longer bind it."""
    top = _ephemeral_floor()
    bottom = 20000 if top > 21000 else 10000
    for _ in range(500):
        port = random.randrange(bottom, top)
        if port in taken:
            continue
        if is_free(port, host):
            return port
    raise PartFailed(f"no free port between {bottom} and {top} on {host}")
