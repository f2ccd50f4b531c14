"""The database of a system: a private cluster that it owns, or one that the settings name."""

import os
import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

from .postgres import Postgres, conninfo_quote
from .process import PartFailed

LIBPQ_DEFAULTS = {"DB_HOST": "127.0.0.1", "DB_PORT": "5432", "DB_NAME": "availability_guard",
                  "DB_USER": "availability_guard", "DB_PASSWORD": ""}


def _client_environment():
    return {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LC_ALL": "C.UTF-8"}


class PrivateDatabase:
    """A cluster in the state folder. The guard connects as a role without rights of its own."""

    private = True
    migrates = True

    def __init__(self, state_dir, *, port, owner_password, service_password, name, role, user,
                 options):
        self.name = name
        self.role = role
        self._service_password = service_password
        state = Path(state_dir)
        self.cluster = Postgres(state / "pg", socket_dir=state / "run", port=port,
                                password=owner_password, records=state / "records",
                                log=state / "logs" / "postgres.log", user=user, options=options)

    def settings(self):
        return {"DB_HOST": "127.0.0.1", "DB_PORT": str(self.cluster.port), "DB_NAME": self.name,
                "DB_USER": self.role, "DB_PASSWORD": self._service_password}

    @property
    def owner_dsn(self):
        return self.cluster.dsn(self.name)

    @property
    def service_dsn(self):
        return self.cluster.dsn(self.name, self.role, self._service_password)

    def client_settings(self):
        return self.cluster.client_settings(self.name)

    @property
    def pid(self):
        return self.cluster.process.pid

    def start(self):
        self.cluster.start()
        self.cluster.create_database(self.name)

    def stop(self, mode="fast"):
        self.cluster.stop(mode)

    def migrate_arguments(self):
        return ["--role", self.role]

    def migrate_environment(self):
        return {**_client_environment(), "DATABASE_URL": self.owner_dsn}

    def after_migration(self):
        """The role comes from the migrations without a password; it gets ours."""
        self.cluster.set_password(self.role, self._service_password, self.name)


class ExternalDatabase:
    """A database of someone else: never created, stopped or removed.

    With MIGRATE_DATABASE_URL the migrations run as that owner and grant the service's role its
    privileges. Without it they are its owner's business: the role of the service has not the
    rights, and must not have them."""

    private = False
    pid = None

    def __init__(self, given):
        self._given = given

    @property
    def service_dsn(self):
        return self._given.get("DATABASE_URL") or self._keywords()

    @property
    def owner_dsn(self):
        return self._given.get("MIGRATE_DATABASE_URL") or self.service_dsn

    @property
    def migrates(self):
        return bool(self._given.get("MIGRATE_DATABASE_URL"))

    def client_settings(self):
        return {}

    def _role(self):
        """The user in DATABASE_URL, a URI or keywords, or DB_USER."""
        url = self._given.get("DATABASE_URL", "")
        if "://" in url:
            name = unquote(urlsplit(url).username or "")
        else:
            found = re.search(r"(?:^|\s)user\s*=\s*'?([^'\s]+)", url)
            name = found.group(1) if found else self._given.get("DB_USER", "")
        return name or LIBPQ_DEFAULTS["DB_USER"]

    def _keywords(self):
        values = {**LIBPQ_DEFAULTS, **self._given}
        quoted = {key: conninfo_quote(values[f"DB_{key.upper()}"])
                  for key in ("host", "port", "user", "password")}
        quoted["dbname"] = conninfo_quote(values["DB_NAME"])
        if str(values.get("DB_SSL", "false")).lower() in ("true", "1", "yes", "on"):
            quoted["sslmode"] = "require"
        return " ".join(f"{key}={value}" for key, value in quoted.items())

    def start(self):
        """Nothing to do: it runs, or the guard will say what is wrong."""

    def stop(self, mode="fast"):
        """Nothing to do at the end of the system; an explicit wish is refused."""
        if mode != "fast":
            raise PartFailed("this database is not ours to stop")

    def migrate_arguments(self):
        return ["--role", self._role()]

    def migrate_environment(self):
        return {**_client_environment(), "DATABASE_URL": self.owner_dsn}

    def after_migration(self):
        """The role's password is its owner's business."""
