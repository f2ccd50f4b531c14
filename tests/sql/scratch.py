"""Scratch databases and roles in the cluster of DATABASE_URL, and sql/migrate run on them."""

import contextlib
import os
import secrets
import subprocess
from pathlib import Path

import psycopg2
from psycopg2.extensions import ISOLATION_LEVEL_AUTOCOMMIT, make_dsn, parse_dsn

ROOT = Path(__file__).resolve().parents[2]
MIGRATE = ROOT / "sql" / "migrate"

_LIBPQ_NAMES = {"host": "PGHOST", "hostaddr": "PGHOSTADDR", "port": "PGPORT", "user": "PGUSER",
                "password": "PGPASSWORD", "dbname": "PGDATABASE", "sslmode": "PGSSLMODE",
                "sslrootcert": "PGSSLROOTCERT", "sslcert": "PGSSLCERT", "sslkey": "PGSSLKEY",
                "options": "PGOPTIONS"}


def cluster_url():
    return os.environ["DATABASE_URL"]


def dsn(database, **changes):
    """Connection string for a database of the cluster; changes replace parts of it."""
    return make_dsn(cluster_url(), dbname=database, **changes)


def connect(database, **changes):
    connection = psycopg2.connect(dsn(database, **changes))
    connection.set_isolation_level(ISOLATION_LEVEL_AUTOCOMMIT)
    return connection


def libpq_environment(database, **changes):
    """Environment for psql and the like: no password on a command line."""
    env = {name: value for name, value in os.environ.items()
           if not name.startswith(("PG", "DB_", "DATABASE_URL", "GUARD_"))}
    for key, value in parse_dsn(dsn(database, **changes)).items():
        env[_LIBPQ_NAMES[key]] = str(value)
    return env


def new_name():
    return f"guard_test_{os.getpid()}_{secrets.token_hex(4)}"


@contextlib.contextmanager
def _cluster_cursor():
    connection = connect(parse_dsn(cluster_url()).get("dbname", "postgres"))
    try:
        yield connection.cursor()
    finally:
        connection.close()


@contextlib.contextmanager
def database(owner=None):
    """A database that is dropped at the end."""
    name = new_name()
    with _cluster_cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {name}" + (f" OWNER {owner}" if owner else ""))
    try:
        yield name
    finally:
        with _cluster_cursor() as cursor:
            cursor.execute(f"DROP DATABASE {name} WITH (FORCE)")


@contextlib.contextmanager
def service_role():
    """A name for a role; what has it at the end is dropped.

    Enter this before the databases in which the role has privileges: they go first."""
    name = new_name()
    try:
        yield name
    finally:
        with _cluster_cursor() as cursor:
            cursor.execute(f"DROP ROLE IF EXISTS {name}")


def start_migrate(database_name, *arguments, env=None, program=MIGRATE):
    """sql/migrate on its way, with pipes for its output."""
    return subprocess.Popen([program, *arguments], text=True, stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                            env={**libpq_environment(database_name), **(env or {})})


def migrate(database_name, *arguments, **how):
    """sql/migrate to its end."""
    process = start_migrate(database_name, *arguments, **how)
    out, err = process.communicate(timeout=120)
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def run_plain(env):
    """sql/migrate with exactly this environment."""
    return subprocess.run([MIGRATE], env=env, capture_output=True, check=False, timeout=60)
