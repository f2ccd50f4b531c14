"""A fresh Debian in a folder, and a network of its own: nothing outside is touched."""

import http.server
import os
import socketserver
import subprocess
import tempfile
import threading
from pathlib import Path

from manager import Manager

HERE = Path(__file__).resolve().parent
# What the documents take for granted on the machine of a hotel, and what apt needs to be quiet.
PRESENT = ["ca-certificates", "curl", "nginx", "openssl", "postgresql", "procps", "systemd"]
SKIPPED = 77


class NoRoot(Exception):
    """Debian's packages cannot be had."""


def dependencies(packages):
    """What the packages depend on, but not on each other."""
    found = set()
    for package in packages:
        done = subprocess.run(["dpkg-deb", "-f", package, "Depends", "Pre-Depends"], text=True,
                              check=True, capture_output=True)
        for line in done.stdout.splitlines():
            for clause in line.partition(":")[2].split(","):
                name = clause.split("|")[0].split("(")[0].strip()
                if name and not name.startswith("availability-guard"):
                    found.add(name)
    return found


def make(folder, packages):
    """Debian as the machine's own apt knows it, with what the packages depend on."""
    names = sorted(dependencies(packages) | set(PRESENT))
    sources = sorted(path for path in [Path("/etc/apt/sources.list"),
                                       *Path("/etc/apt/sources.list.d").iterdir()]
                     if path.exists() and path.suffix in (".list", ".sources"))
    release = dict(line.split("=", 1) for line in
                   Path("/etc/os-release").read_text(encoding="utf-8").splitlines() if "=" in line)
    done = subprocess.run(
        ["mmdebstrap", "--variant=minbase", "--mode=root", f"--include={','.join(names)}",
         "--dpkgopt=force-unsafe-io", "--skip=check/empty", release["VERSION_CODENAME"],
         str(folder), *map(str, sources)],
        text=True, check=False, capture_output=True)
    if done.returncode:
        raise NoRoot(done.stderr[-2000:])


def run_script(prefix, script, check, timeout):
    """Bash by way of the prefix, as root; (status, output of both kinds)."""
    # A file, not a pipe: a service that a script has started would keep that open.
    with tempfile.TemporaryFile("w+") as output:
        done = subprocess.run(
            [*prefix, "/usr/bin/env", "-i", "HOME=/root", "TERM=dumb",
             "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
             "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C.UTF-8",
             "bash", "-c", f"cd /root && set -euo pipefail\n{script}"],
            stdin=subprocess.DEVNULL, stdout=output, stderr=output, check=False, timeout=timeout)
        output.seek(0)
        text = output.read()
    if check and done.returncode:
        raise AssertionError(f"status {done.returncode} of:\n{script}\n{text}")
    return done.returncode, text


class Root:
    """The folder with /proc and /dev, and a manager of services. Call it as the first process of new
    namespaces of mounts, processes and the network."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self._mount()
        self.manager = Manager(folder)
        self._listen()

    def _mount(self):
        def run(*words):
            subprocess.run(words, check=True)
        run("mount", "--bind", self.folder, self.folder)
        run("mount", "-t", "proc", "proc", self.folder / "proc")
        run("mount", "--bind", "/dev", self.folder / "dev")
        run("mount", "-t", "tmpfs", "tmpfs", self.folder / "run")
        run("mount", "-t", "tmpfs", "tmpfs", self.folder / "dev/shm")
        # What maintainer scripts take for a sign that systemd runs.
        (self.folder / "run/systemd/system").mkdir(parents=True)
        (self.folder / "run/lock").mkdir(mode=0o1777)
        run("mount", "--bind", HERE / "systemctl", self.folder / "usr/bin/systemctl")

    def _listen(self):
        manager = self.manager

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):  # pylint: disable=invalid-name
                words = self.rfile.read(int(self.headers["Content-Length"])).decode().split()
                status, text = manager.systemctl(words)
                self.send_response(200 if status == 0 else 400 + status)
                self.end_headers()
                self.wfile.write(text.encode())

            def address_string(self):
                return "-"

            def log_message(self, *_):
                pass

        class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
            daemon_threads = True

        server = Server(str(self.folder / "run/manager.sock"), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()

    def path(self, name):
        return self.folder / name.lstrip("/")

    def run(self, script, *, check=True, timeout=120):
        """Bash in the folder, as root; (status, output of both kinds)."""
        return run_script(["chroot", str(self.folder)], script, check, timeout)

    def files(self):
        """{path: kind or content's length} of all that is on the disk, but for logs and caches."""
        skipped = ("proc", "sys", "dev", "run", "root", "tmp", "var/log", "var/cache", "var/lib/apt",
                   "var/lib/dpkg", "var/lib/postgresql", "var/lib/systemd", "etc/ld.so.cache")
        found = set()
        for folder, folders, names in os.walk(self.folder):
            relative = os.path.relpath(folder, self.folder)
            folders[:] = [name for name in folders
                          if os.path.normpath(f"{relative}/{name}") not in skipped]
            found |= {os.path.normpath(f"{relative}/{name}") for name in folders + names}
        return found - set(skipped)
