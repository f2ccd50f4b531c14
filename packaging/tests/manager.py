"""A manager of services for a root folder in which no systemd runs: it reads the units of the
packages and does with them what systemd does, as far as these units need it: sockets that it holds,
accounts, limits of open files, readiness (Type=notify), reload, stop, restart on failure.

Of what confines a service it does the filter of system calls and the privileges that cannot grow; the
rest is systemd-analyze's to look at.
"""

import contextlib
import os
import resource
import shlex
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

from syscalls import Filter

START_SECONDS = 30
STOP_SECONDS = 60
RESTART_SECONDS = 0.2


class UnitFailed(Exception):
    """A job that failed, in the words that the log has."""


def read_unit(path):
    """{section: [(name, value)]}"""
    sections, section = {}, None
    for line in path.read_text(encoding="utf-8").splitlines():
        line = line.strip()
        if line.startswith("["):
            section = sections.setdefault(line.strip("[]"), [])
        elif line and line[0] not in "#;":
            name, _, value = line.partition("=")
            section.append((name, value))
    return sections


def values(section, name):
    return [value for found, value in section if found == name]


def value(section, name, default=None):
    return (values(section, name) or [default])[-1]


class Socket:
    """A socket unit: it stays, whatever becomes of the service."""

    def __init__(self, root, path):
        section = read_unit(path)["Socket"]
        self.path = root / value(section, "ListenStream").lstrip("/")
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.unlink(missing_ok=True)
        self.listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._bind(root, value(section, "ListenStream"))
        users, groups = accounts(root)
        os.chown(self.path, users[value(section, "SocketUser")][0],
                 groups[value(section, "SocketGroup")])
        self.path.chmod(int(value(section, "SocketMode"), 8))
        self.listening.listen(int(value(section, "Backlog")))

    def _bind(self, root, name):
        """By a process inside of the folder: the kernel shows the path that was used."""
        child = os.fork()
        if child == 0:
            os.chroot(root)
            self.listening.bind(name)
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0, f"{name} cannot be bound"

    def close(self):
        self.listening.close()
        self.path.unlink(missing_ok=True)


def accounts(root):
    """({user: (uid, gid)}, {group: gid}) of the root folder."""
    def rows(name):
        return [line.split(":") for line in
                (root / "etc" / name).read_text(encoding="utf-8").splitlines() if line]
    return ({row[0]: (int(row[2]), int(row[3])) for row in rows("passwd")},
            {row[0]: int(row[2]) for row in rows("group")})


class Service:
    def __init__(self, root, name, path, held):
        self.root, self.name = root, name
        self.section = read_unit(path)["Service"]
        self.socket = held
        self.log = root / "var/log/units" / name
        self.process = None
        self.status = None
        self.stopping = False
        self._ready = None

    # --- running a line of the unit ------------------------------------------------------

    def _become(self, privileged):
        """What happens in the child before the program starts."""
        users, _ = accounts(self.root)
        uid, gid = users[value(self.section, "User")]
        limit = min(int(value(self.section, "LimitNOFILE")),
                    resource.getrlimit(resource.RLIMIT_NOFILE)[1])
        calls = Filter(values(self.section, "SystemCallFilter"))

        def child():
            resource.setrlimit(resource.RLIMIT_NOFILE, (min(1024, limit), limit))
            os.chroot(self.root)
            os.chdir("/")
            os.umask(int(value(self.section, "UMask"), 8))
            if not privileged:
                os.setgroups([])
                os.setgid(gid)
                os.setuid(uid)
                calls.install()
        return child

    def _start(self, line, stdin=subprocess.DEVNULL, notify=None):
        prefix = line[:len(line) - len(line.lstrip("-+@!:"))]
        words = shlex.split(line[len(prefix):])
        if self.process:
            words = [word.replace("$MAINPID", str(self.process.pid)) for word in words]
        environment = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                       "LANG": "C.UTF-8", "HOST": "not-a-setting"}
        if notify:
            environment["NOTIFY_SOCKET"] = notify
        self.log.parent.mkdir(exist_ok=True)
        with open(self.log, "ab") as log:
            return prefix, subprocess.Popen(
                words, env=environment, stdin=stdin, stdout=log, stderr=log,
                preexec_fn=self._become("+" in prefix))  # pylint: disable=subprocess-popen-preexec-fn

    def _run(self, name):
        for line in values(self.section, name):
            prefix, process = self._start(line)
            if process.wait(START_SECONDS) != 0 and "-" not in prefix:
                raise UnitFailed(f"{self.name}: {name}={line}: status {process.returncode}")

    # --- jobs ----------------------------------------------------------------------------

    @property
    def active(self):
        return self.process is not None and self.process.poll() is None and self._ready.is_set()

    def start(self):
        if self.active:
            return
        folder = self.root / "run/availability-guard"
        folder.mkdir(exist_ok=True)
        users, _ = accounts(self.root)
        os.chown(folder, *users[value(self.section, "User")])
        self.stopping = False
        self._launch()
        deadline = time.monotonic() + START_SECONDS
        while not self._ready.wait(0.05):
            if self.process.poll() is not None:
                raise UnitFailed(f"{self.name}: ended with {self.process.returncode}")
            if time.monotonic() > deadline:
                raise UnitFailed(f"{self.name}: is not ready after {START_SECONDS} s")
        self._run("ExecStartPost")

    def _launch(self):
        self._ready = threading.Event()
        receiving = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        receiving.bind(f"\0manager-{self.name}-{time.monotonic_ns()}")
        threading.Thread(target=self._listen, args=(receiving, self._ready), daemon=True).start()
        stdin = subprocess.DEVNULL
        if value(self.section, "StandardInput") == "socket":
            stdin = self.socket.listening
        name = "@" + receiving.getsockname()[1:].decode()
        _, self.process = self._start(value(self.section, "ExecStart"), stdin, name)
        threading.Thread(target=self._watch, args=(self.process,), daemon=True).start()

    def _listen(self, receiving, ready):
        while True:
            text = receiving.recv(4096).decode()
            for line in text.splitlines():
                if line == "READY=1":
                    ready.set()
                elif line.startswith("STATUS="):
                    self.status = line.removeprefix("STATUS=")

    def _watch(self, process):
        """Restart=on-failure, but for the statuses that forbid it."""
        status = process.wait()
        forbidden = [int(word) for word in
                     value(self.section, "RestartPreventExitStatus", "").split()]
        if status == 0 or self.stopping or status in forbidden or not self._ready.is_set():
            return
        time.sleep(RESTART_SECONDS)  # RestartSec
        if not self.stopping and self.process is process:
            self._launch()

    def reload(self):
        if not self.active:
            raise UnitFailed(f"{self.name}: does not run")
        self._run("ExecReload")

    def stop(self):
        self.stopping = True
        if self.process is None or self.process.poll() is not None:
            return
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(STOP_SECONDS)


class Manager:
    def __init__(self, root):
        self.root = Path(root)
        self._services, self._sockets = {}, {}
        self._jobs = threading.RLock()

    def _path(self, name):
        for folder in ("etc/systemd/system", "lib/systemd/system"):
            path = self.root / folder / name
            if path.exists():
                return path
        raise UnitFailed(f"Unit {name} not found.")

    def _socket(self, name):
        if name not in self._sockets:
            self._sockets[name] = Socket(self.root, self._path(name))
        return self._sockets[name]

    def service(self, name):
        if name not in self._services:
            path = self._path(name)
            needed = value(read_unit(path).get("Unit", []), "Requires", "")
            held = self._socket(needed) if needed.endswith(".socket") else None
            self._services[name] = Service(self.root, name, path, held)
        return self._services[name]

    def _names(self, words):
        for word in words:
            name = word if "." in word else f"{word}.service"
            if "*" in name:
                prefix = name.partition("*")[0]
                yield from [known for known in list(self._services) if known.startswith(prefix)]
            else:
                yield name

    def systemctl(self, words):
        """(exit status, text) of a call."""
        words = [word for word in words if not word.startswith("-")]
        with self._jobs:
            try:
                return self._call(words[0], list(self._names(words[1:])))
            except UnitFailed as failure:
                return 1, f"{failure}\n"

    def _call(self, verb, names):
        if verb in ("is-active", "is-enabled"):
            return self._ask(verb, names[0])
        if verb == "daemon-reload":
            return 0, ""
        for name in names:
            if name.endswith(".socket"):
                self._do_socket(verb, name)
            else:
                self._do_service(verb, name)
        return 0, ""

    def _ask(self, verb, name):
        if verb == "is-enabled":
            return (0, "enabled\n") if self._path(name) else (1, "")
        active = (name in self._sockets if name.endswith(".socket")
                  else name in self._services and self._services[name].active)
        return (0, "active\n") if active else (3, "inactive\n")

    def _do_socket(self, verb, name):
        if verb in ("start", "restart"):
            self._socket(name)
        elif verb == "stop" and name in self._sockets:
            self._sockets.pop(name).close()

    def _do_service(self, verb, name):
        if verb == "stop" and name not in self._services:
            return
        if verb == "stop":
            self._services.pop(name).stop()
            return
        service = self.service(name)
        if verb == "restart" or verb == "try-reload-or-restart" and not service.active:
            if verb == "try-reload-or-restart":
                return
            service.stop()
            self._services.pop(name)  # the unit may be another one now
            service = self.service(name)
            verb = "start"
        if verb in ("reload", "try-reload-or-restart"):
            service.reload()
        else:
            service.start()

    def stop_all(self):
        for service in self._services.values():
            with contextlib.suppress(ProcessLookupError):
                service.stop()
