"""Free TCP ports on loopback."""

import os
import random
import socket
from pathlib import Path

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


def _listening_inodes(port):
    """Inodes of the sockets that listen on this port, whatever the address."""
    inodes = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            lines = Path(table).read_text().splitlines()[1:]
        except OSError:
            continue
        for fields in map(str.split, lines):
            if fields[3] == "0A" and int(fields[1].rsplit(":", 1)[1], 16) == port:
                inodes.add(fields[9])
    return inodes


def listens(pid, port):
    """Whether the process holds a socket that listens on the port; False for a dead one."""
    wanted = {f"socket:[{inode}]" for inode in _listening_inodes(port)}
    folder = f"/proc/{pid}/fd"
    try:
        names = os.listdir(folder)
    except OSError:
        return False
    for name in names:
        try:
            if os.readlink(f"{folder}/{name}") in wanted:
                return True
        except OSError:
            continue
    return False
