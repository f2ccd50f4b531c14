"""A private PostgreSQL cluster in the state folder: made once, started and stopped at will.

Passwords (scram-sha-256) guard the unix socket and loopback alike. The cluster runs with fsync and
synchronous_commit on, as production does.
"""

import re
import shutil
import signal
import subprocess
from pathlib import Path

from .ports import require_free
from .process import PartFailed, Process, tail

OWNER = "postgres"
STOP_SIGNALS = {"fast": signal.SIGINT, "immediate": signal.SIGQUIT, "smart": signal.SIGTERM}
START_SECONDS = 60
STOP_SECONDS = 60


def newest_bin():
    """The bin folder of the newest PostgreSQL server on this machine."""
    found = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")
             if (path.parent / "postgres").exists()]
    if found:
        return max(found, key=lambda path: [int(n) for n in re.findall(r"\d+", path.parent.name)])
    initdb = shutil.which("initdb")
    if initdb:
        return Path(initdb).resolve().parent
    raise PartFailed("no PostgreSQL server found (Debian package: postgresql)")


def conninfo_quote(value):
    """A value of a libpq keyword string."""
    if re.fullmatch(r"[A-Za-z0-9._/:-]+", str(value)):
        return str(value)
    return "'" + str(value).replace("\\", "\\\\").replace("'", "\\'") + "'"


class Postgres:
    def __init__(self, folder, *, socket_dir, port, password, records, log, user, options):
        self.folder = Path(folder)
        self.data = self.folder / "data"
        self.port = port
        self.password = password
        self._socket_dir = socket_dir
        self._user = user
        self._options = options
        self._bin = newest_bin()
        self.process = Process("postgres", records=records, log=log, user=user, cwd=self.folder)

    def dsn(self, database="postgres", user=OWNER, password=None):
        """libpq keyword string for TCP on loopback."""
        fields = {"host": "127.0.0.1", "port": self.port, "dbname": database, "user": user,
                  "password": self.password if password is None else password}
        return " ".join(f"{key}={conninfo_quote(value)}" for key, value in fields.items())

    def client_settings(self, database):
        """PG* variables for a client program that works as the owner."""
        return {"PGHOST": "127.0.0.1", "PGPORT": str(self.port), "PGUSER": OWNER,
                "PGPASSWORD": self.password, "PGDATABASE": database}

    def create(self):
        """initdb, once. A half-made cluster of an interrupted run is thrown away."""
        if self.data.exists():
            return
        fresh = self.folder / "data.new"
        shutil.rmtree(fresh, ignore_errors=True)
        secret = self.folder / "owner-password"
        secret.touch(0o600)
        secret.write_text(self.password + "\n")
        if self._user:
            self._user.own(secret)
        argv = [self._bin / "initdb", "-D", fresh, "-U", OWNER, "--pwfile", secret,
                "--auth", "scram-sha-256", "--encoding", "UTF8", "--no-locale",
                "--no-instructions"]
        drop = self._user.popen_arguments() if self._user else {}
        try:
            with open(self.process.log, "ab") as log:
                done = subprocess.run(argv, stdout=log, stderr=log, check=False, cwd=self.folder,
                                      env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"}, **drop)
        finally:
            secret.unlink()
        if done.returncode:
            raise PartFailed(f"initdb failed\n{tail(self.process.log)}")
        fresh.rename(self.data)

    def start(self):
        if self.process.running():
            return
        require_free(self.port)
        self.create()
        settings = {"listen_addresses": "127.0.0.1", "port": self.port,
                    "unix_socket_directories": self._socket_dir, "fsync": "on",
                    "synchronous_commit": "on", "logging_collector": "off",
                    "log_line_prefix": "%m [%p] %u ", "max_connections": 200,
                    "max_prepared_transactions": 2,  # tests of the outbox prepare some
                    **self._options}
        argv = [str(self._bin / "postgres"), "-D", str(self.data)]
        for name, value in settings.items():
            argv += ["-c", f"{name}={value}"]
        self.process.start(argv, {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"})
        self.process.wait_for(self.accepts, START_SECONDS, "takes no connections")

    def accepts(self):
        done = subprocess.run(
            [self._bin / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port), "-t", "2"],
            check=False)
        return done.returncode == 0

    def stop(self, mode="fast"):
        self.process.stop([(STOP_SIGNALS[mode], STOP_SECONDS), (signal.SIGQUIT, 20),
                           (signal.SIGKILL, 10)])
        # After a kill the socket files stay; PostgreSQL clears them itself at the next start.

    def psql(self, sql, database="postgres", extra_env=None):
        """Run SQL as the owner; returns what it printed, unaligned and without headings."""
        done = subprocess.run(
            [self._bin / "psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1"],
            input=sql, text=True, capture_output=True, check=False,
            env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "PGCONNECT_TIMEOUT": "5",
                 **self.client_settings(database), **(extra_env or {})})
        if done.returncode:
            raise PartFailed(f"psql failed: {done.stderr.strip()}\n{tail(self.process.log)}")
        return done.stdout.strip()

    def create_database(self, name):
        self.psql("\\getenv name AG_DATABASE\n"
                  "SELECT format('CREATE DATABASE %I', :'name')"
                  " WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = :'name') \\gexec\n",
                  extra_env={"AG_DATABASE": name})

    def set_password(self, role, password, database):
        # By way of the environment: a command line is visible to everyone on the machine.
        self.psql("\\getenv role AG_ROLE\n\\getenv password AG_PASSWORD\n"
                  "ALTER ROLE :\"role\" LOGIN PASSWORD :'password';\n", database,
                  {"AG_ROLE": role, "AG_PASSWORD": password})
