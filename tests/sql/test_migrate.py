"""sql/migrate: what it applies, what it refuses, and what it leaves behind."""

import hashlib
import os
import shutil
import stat

import psycopg2
import pytest

import scratch
from waiting import wait_until

SQL = scratch.ROOT / "sql"
FILES = sorted((SQL / "migrations").glob("*.sql"))
NEWEST = len(FILES)
LOCK_KEY = 7305807130861436001


def query(database, sql, *values, **changes):
    connection = scratch.connect(database, **changes)
    try:
        cursor = connection.cursor()
        cursor.execute(sql, values or None)
        return cursor.fetchall() if cursor.description else None
    finally:
        connection.close()


def applied(database):
    return query(database, "SELECT version, name, checksum FROM guard.schema_migrations ORDER BY 1")


def catalog(database):
    """A fingerprint of everything that a run could change."""
    return query(database, """
        SELECT 'relation', oid::text, xmin::text FROM pg_class
        UNION ALL SELECT 'function', oid::text, xmin::text FROM pg_proc
        UNION ALL SELECT 'schema', oid::text, xmin::text FROM pg_namespace
        UNION ALL SELECT 'extension', oid::text, xmin::text FROM pg_extension
        ORDER BY 1, 2, 3""")


def has_role(database, role):
    return query(database, "SELECT count(*) FROM pg_roles WHERE rolname = %s", role) == [(1,)]


@pytest.fixture
def files(tmp_path):
    """A copy of sql/ that a test may change."""
    return shutil.copytree(SQL, tmp_path / "sql")


def from_files(files):
    return {"GUARD_SQL_DIR": str(files)}


def test_fresh(empty, role):
    done = scratch.migrate(empty, "--role", role)
    assert done.returncode == 0 and done.stderr == ""
    assert done.stdout.splitlines() == [
        *(f"applied {file.name}" for file in FILES), f"created role {role}",
        f"schema version {NEWEST}, was 0, privileges of {role} set"]
    assert applied(empty) == [
        (number, file.stem[5:], hashlib.sha256(file.read_bytes()).hexdigest())
        for number, file in enumerate(FILES, 1)]
    assert query(empty, "SELECT guard.schema_version()") == [(NEWEST,)]
    assert query(empty, "SELECT rolcanlogin, rolsuper, rolcreatedb, rolcreaterole, rolreplication,"
                        " rolbypassrls FROM pg_roles WHERE rolname = %s", role) == [
        (True, False, False, False, False, False)]


def test_again_changes_nothing(migrated, role):
    before = query(migrated, "SELECT * FROM guard.schema_migrations ORDER BY 1")
    done = scratch.migrate(migrated, "--role", role)
    assert done.returncode == 0 and done.stderr == ""
    assert done.stdout == f"schema version {NEWEST}, nothing to apply, privileges of {role} set\n"
    assert query(migrated, "SELECT * FROM guard.schema_migrations ORDER BY 1") == before


def test_only_what_is_missing(empty, role, files):
    for file in FILES[2:]:
        (files / "migrations" / file.name).unlink()
    # Privileges are those of the newest version, so an older one needs its own.
    (files / "privileges.sql").write_text('GRANT USAGE ON SCHEMA guard TO :"role";\n')
    assert scratch.migrate(empty, "--role", role, env=from_files(files)).returncode == 0
    assert len(applied(empty)) == 2
    done = scratch.migrate(empty, "--role", role)
    assert done.returncode == 0
    assert done.stdout.splitlines() == [
        *(f"applied {file.name}" for file in FILES[2:]),
        f"schema version {NEWEST}, was 2, privileges of {role} set"]


def test_dry_run_on_an_empty_database(empty, role):
    before = catalog(empty)
    done = scratch.migrate(empty, "--dry-run", "--role", role)
    assert done.returncode == 0 and done.stderr == ""
    assert done.stdout.splitlines() == [
        *(f"would apply {file.name}" for file in FILES), f"would create role {role}",
        f"dry run: schema version 0 of {NEWEST}, nothing changed"]
    assert catalog(empty) == before
    assert not has_role(empty, role)


def test_dry_run_on_the_newest_version(migrated, role):
    before = catalog(migrated)
    done = scratch.migrate(migrated, "--dry-run", "--role", role)
    assert (done.returncode, done.stdout, done.stderr) == (
        0, f"dry run: schema version {NEWEST} of {NEWEST}, nothing changed\n", "")
    assert catalog(migrated) == before


def test_runs_at_once(empty, role):
    runs = [scratch.start_migrate(empty, "--role", role) for _ in range(6)]
    outputs = [run.communicate(timeout=120) for run in runs]
    assert [run.returncode for run in runs] == [0] * len(runs), outputs
    for file in FILES:
        assert sum(f"applied {file.name}\n" in out for out, _ in outputs) == 1
    assert sum("nothing to apply" in out for out, _ in outputs) == len(runs) - 1
    assert len(applied(empty)) == NEWEST


def test_waits_for_another_run(empty, role):
    other = scratch.connect(empty)
    other.cursor().execute("SELECT pg_advisory_lock(%s)", (LOCK_KEY,))
    run = scratch.start_migrate(empty, "--role", role)
    wait_until(lambda: query(empty, "SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND"
                                    " wait_event_type = 'Lock' AND wait_event = 'advisory'",
                             empty) == [(1,)], "the run waits")
    assert query(empty, "SELECT to_regnamespace('guard')") == [(None,)]
    other.close()
    out, err = run.communicate(timeout=60)
    assert run.returncode == 0
    assert err == "migrate: waiting for another run to end\n"
    assert f"schema version {NEWEST}, was 0" in out


@pytest.mark.parametrize("arguments", [[], ["--dry-run"]])
@pytest.mark.parametrize("change, line", [
    (f"INSERT INTO guard.schema_migrations VALUES ({NEWEST + 1}, 'later', 'x')",
     f"migrate: refused: the database has schema version {NEWEST + 1}, newer than the newest"
     f" migration here, {NEWEST}"),
    ("UPDATE guard.schema_migrations SET checksum = 'x' WHERE version IN (1, 3)",
     f"migrate: refused: changed since it was applied: {FILES[0].name}, {FILES[2].name}"),
    ("DELETE FROM guard.schema_migrations WHERE version = 2",
     f"migrate: refused: guard.schema_migrations has gaps below version {NEWEST}"),
])
def test_refuses(migrated, role, arguments, change, line):
    query(migrated, change)
    before = catalog(migrated)
    done = scratch.migrate(migrated, "--role", role, *arguments)
    assert (done.returncode, done.stdout, done.stderr) == (3, "", line + "\n")
    assert catalog(migrated) == before


def test_refuses_an_edited_file(migrated, role, files):
    with open(files / "migrations" / FILES[1].name, "a", encoding="utf-8") as file:
        file.write("-- one more line\n")
    done = scratch.migrate(migrated, "--role", role, env=from_files(files))
    assert done.returncode == 3
    assert done.stderr == f"migrate: refused: changed since it was applied: {FILES[1].name}\n"


def test_a_broken_migration_leaves_nothing(migrated, role, files):
    name = f"{NEWEST + 1:04}_broken.sql"
    broken = files / "migrations" / name
    broken.write_text("CREATE TABLE public.half (a integer);\nSELECT 1 / 0;\n")
    after = files / "migrations" / f"{NEWEST + 2:04}_after.sql"
    after.write_text("CREATE TABLE public.after ();\n")
    done = scratch.migrate(migrated, "--role", role, env=from_files(files))
    assert done.returncode == 1 and done.stdout == ""
    assert f"{name}:2: ERROR:  division by zero" in done.stderr
    assert done.stderr.endswith(f"migrate: {name} failed; nothing of it remains\n")
    assert query(migrated, "SELECT to_regclass('half'), to_regclass('after')") == [(None, None)]
    assert len(applied(migrated)) == NEWEST

    broken.write_text("CREATE TABLE public.half (a integer);\n")
    done = scratch.migrate(migrated, "--role", role, env=from_files(files))
    assert done.returncode == 0
    assert len(applied(migrated)) == NEWEST + 2


def test_what_went_before_a_broken_migration_stays(empty, role, files):
    name = FILES[3].name
    (files / "migrations" / name).write_text("CREATE TABLE public.half ();\nnonsense;\n")
    done = scratch.migrate(empty, "--role", role, env=from_files(files))
    assert done.returncode == 1
    assert done.stdout.splitlines() == [f"applied {file.name}" for file in FILES[:3]]
    assert query(empty, "SELECT to_regclass('half')") == [(None,)]
    assert len(applied(empty)) == 3
    assert scratch.migrate(empty, "--role", role).returncode == 0


def test_a_migration_does_not_queue_for_long(migrated, role, files):
    name = f"{NEWEST + 1:04}_column.sql"
    (files / "migrations" / name).write_text(
        "ALTER TABLE public.inventory_locks_shadow ADD COLUMN extra integer;\n")
    traffic = psycopg2.connect(scratch.dsn(migrated))
    traffic.cursor().execute("SELECT count(*) FROM inventory_locks_shadow")
    done = scratch.migrate(migrated, "--role", role,
                           env={**from_files(files), "GUARD_MIGRATE_LOCK_TIMEOUT_MS": "50"})
    assert done.returncode == 1
    assert "canceling statement due to lock timeout" in done.stderr
    assert done.stderr.endswith(f"migrate: {name} failed; nothing of it remains\n")
    traffic.close()
    assert scratch.migrate(migrated, "--role", role, env=from_files(files)).returncode == 0


@pytest.mark.parametrize("change, complaint", [
    (lambda folder: (folder / FILES[1].name).unlink(), "expected number 0002 here"),
    (lambda folder: (folder / "0003_twice.sql").write_text(""), "expected number 000"),
    (lambda folder: (folder / "notes.sql").write_text(""), "not named NNNN_name.sql"),
    (lambda folder: (folder / f"{NEWEST + 1:04}_Bad name.sql").write_text(""), "small letters"),
    (lambda folder: [file.unlink() for file in folder.glob("*.sql")], "not named"),
])
def test_wrong_sets_of_files(empty, role, files, change, complaint):
    change(files / "migrations")
    done = scratch.migrate(empty, "--role", role, env=from_files(files))
    assert done.returncode == 2 and done.stdout == ""
    assert complaint in done.stderr
    assert query(empty, "SELECT to_regnamespace('guard')") == [(None,)]


@pytest.fixture
def owner(role):
    """A role without privileges that may own a database, with its password."""
    name = scratch.new_name()
    connection = scratch.connect("postgres")
    connection.cursor().execute(f"CREATE ROLE {name} LOGIN PASSWORD 'own er'")
    yield name
    connection.cursor().execute(f"DROP ROLE {name}")
    connection.close()


def as_owner(owner):
    return {"PGUSER": owner, "PGPASSWORD": "own er"}


def test_owner_without_createrole(owner, role):
    with scratch.database(owner) as name:
        done = scratch.migrate(name, "--role", role, env=as_owner(owner))
        assert done.returncode == 1 and done.stdout == ""
        assert done.stderr.splitlines() == [
            f"migrate: the role {role} does not exist, and {owner} may not create it (CREATEROLE).",
            f"migrate: let somebody who may run: CREATE ROLE {role} LOGIN"]
        assert query(name, "SELECT to_regnamespace('guard')") == [(None,)]

        query(name, f"CREATE ROLE {role} LOGIN")
        done = scratch.migrate(name, "--role", role, env=as_owner(owner))
        assert done.returncode == 0 and done.stderr == ""
        owners = query(name, "SELECT DISTINCT pg_get_userbyid(relowner)::text FROM pg_class"
                             " WHERE relnamespace = 'guard'::regnamespace"
                             " OR relname ~ '^inventory_'")
        assert owners == [(owner,)]


def test_owner_with_createrole(owner, role):
    query("postgres", f"ALTER ROLE {owner} CREATEROLE")
    with scratch.database(owner) as name:
        done = scratch.migrate(name, "--role", role, env=as_owner(owner))
        assert done.returncode == 0 and done.stderr == ""
        assert f"created role {role}\n" in done.stdout


def test_the_service_must_not_be_the_owner(owner):
    with scratch.database(owner) as name:
        done = scratch.migrate(name, "--role", owner, env=as_owner(owner))
        assert done.returncode == 3
        assert done.stderr == (f"migrate: refused: the service's role {owner} must not be the one"
                               " that owns the tables; connect as another\n")


def test_warns_of_a_superuser(migrated, role):
    query(migrated, f"ALTER ROLE {role} SUPERUSER")
    done = scratch.migrate(migrated, "--role", role)
    assert done.returncode == 0
    assert done.stderr == (f"migrate: warning: the role {role} is a superuser: privileges do not"
                           " bind it\n")


def test_privileges_given_by_hand_go(migrated, role):
    query(migrated, f"GRANT DELETE, TRUNCATE, UPDATE ON inventory_locks_shadow TO {role}")
    query(migrated, f"GRANT CREATE ON SCHEMA guard TO {role}")
    assert scratch.migrate(migrated, "--role", role).returncode == 0
    left = query(migrated, "SELECT has_table_privilege(%s, 'inventory_locks_shadow', 'DELETE,"
                           " TRUNCATE, UPDATE'), has_schema_privilege(%s, 'guard', 'CREATE')",
                 role, role)
    assert left == [(False, False)]


def test_the_service_can_log_in_and_work(migrated, role):
    query(migrated, f"ALTER ROLE {role} PASSWORD 'secret'")
    who = {"user": role, "password": "secret"}
    version = query(migrated, "SELECT guard.schema_version(), session_user::text", **who)
    assert version == [(NEWEST, role)]
    assert query(migrated, "SELECT swept FROM guard.sweep_expired(1)", **who) == [(0,)]
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        query(migrated, "DELETE FROM inventory_locks_shadow", **who)


def test_a_role_with_an_odd_name(empty):
    role = scratch.new_name() + "-Odd"
    try:
        assert scratch.migrate(empty, f"--role={role}").returncode == 0
        assert has_role(empty, role)
    finally:
        query(empty, f'DROP OWNED BY "{role}"')
        query(empty, f'DROP ROLE "{role}"')


@pytest.mark.parametrize("arguments", [
    ["--role"], ["--role", ""], ["--role", "a b"], ["--role", "x;y"], ["--role", "public"],
    ["--role", "pg_monitor"], ["--role", "r" * 64], ["--frob"], ["stray"]])
def test_wrong_arguments(empty, arguments):
    done = scratch.migrate(empty, *arguments)
    assert done.returncode == 2 and done.stdout == "" and done.stderr
    assert query(empty, "SELECT to_regnamespace('guard')") == [(None,)]


@pytest.mark.parametrize("name, value", [
    ("GUARD_MIGRATE_LOCK_TIMEOUT_MS", "0"), ("GUARD_MIGRATE_LOCK_TIMEOUT_MS", "5s"),
    ("GUARD_MIGRATE_LOCK_TIMEOUT_MS", "123456789"), ("DB_SSL", "maybe"),
    ("GUARD_SQL_DIR", "/nonexistent"), ("DATABASE_URL", "host=x sslpassword=y")])
def test_wrong_settings(empty, name, value):
    done = scratch.migrate(empty, env={name: value})
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.count("\n") == 1 and (name in done.stderr or value in done.stderr)


def test_help():
    done = scratch.migrate("postgres", "--help")
    assert done.returncode == 0 and done.stdout.startswith("usage: migrate")


def test_no_database(empty, role):
    done = scratch.migrate(empty + "_gone", "--role", role)
    assert done.returncode == 1
    assert done.stderr.endswith("migrate: no connection\n")


def test_installed_elsewhere(empty, role, tmp_path):
    """As the package does it: the script alone in bin/, with its data folder written in."""
    data = tmp_path / "share"
    shutil.copytree(SQL, data / "sql")
    script = tmp_path / "bin" / "availability-guard-migrate"
    script.parent.mkdir()
    script.write_text(scratch.MIGRATE.read_text().replace("@pkgdatadir@", str(data)))
    script.chmod(0o755)
    done = scratch.migrate(empty, "--role", role, program=script)
    assert done.returncode == 0
    assert len(applied(empty)) == NEWEST


# How the connection reaches psql. A stand-in notes what it was given.

@pytest.fixture
def noted(tmp_path):
    """Runs migrate with these settings; returns psql's arguments and its PG variables."""
    folder = tmp_path / "stand-in"
    folder.mkdir()
    psql = folder / "psql"
    psql.write_text('#!/bin/sh\nfor a; do printf "%s\\0" "$a"; done >"$NOTE.arguments"\n'
                    'env -0 >"$NOTE.environment"\n')
    psql.chmod(psql.stat().st_mode | stat.S_IXUSR)

    def run(**settings):
        env = {name: value for name, value in os.environ.items()
               if not name.startswith(("PG", "DB_", "DATABASE_URL"))}
        env.update(settings, PATH=f"{folder}:{env['PATH']}", NOTE=str(folder / "note"))
        scratch.run_plain(env)
        arguments = (folder / "note.arguments").read_text().split("\0")
        environment = dict(line.split("=", 1) for line in
                           (folder / "note.environment").read_text().split("\0") if line)
        return arguments, environment
    return run


@pytest.mark.parametrize("url, password, rest", [
    ("postgresql://u:p%40ss%2Fw%C3%B6rd@h:5433/d", "p@ss/wörd", "postgresql://u@h:5433/d"),
    ("postgres://u:p@a:1,b:2/d?target_session_attrs=any", "p",
     "postgres://u@a:1,b:2/d?target_session_attrs=any"),
    ("postgresql://u@h/d?password=p%26q&sslmode=require", "p&q",
     "postgresql://u@h/d?sslmode=require"),
    ("postgresql://h/d?password=p", "p", "postgresql://h/d"),
    ("postgresql://:p@/d?host=/run/pg", "p", "postgresql://@/d?host=/run/pg"),
    ("postgresql://u@[::1]:5/d", None, "postgresql://u@[::1]:5/d"),
    ("postgresql://h/d?application_name=a%40b:c", None,
     "postgresql://h/d?application_name=a%40b:c"),
    ("host=h password=p dbname=d", "p", " host=h dbname=d"),
    ("host=h password='it\\'s a \\\\ p' dbname='d d'", "it's a \\ p", " host=h dbname='d d'"),
    ("host=h password = p\\ q  user=u", "p q", " host=h user=u"),
    ("password='' host=h", None, " host=h"),
    ("user=u  options='-c a=b password=no'", None, " user=u   options='-c a=b password=no'"),
])
def test_password_of_database_url(noted, url, password, rest):
    arguments, environment = noted(DATABASE_URL=url)
    conninfo = arguments[arguments.index("-d") + 1]
    assert environment.get("PGPASSWORD") == password
    assert conninfo.split() == rest.split()
    parsed = psycopg2.extensions.parse_dsn(url)
    parsed.pop("password", None)
    assert psycopg2.extensions.parse_dsn(conninfo) == parsed


def test_db_settings(noted):
    arguments, environment = noted(DB_HOST="h", DB_PORT="5433", DB_NAME="d", DB_USER="u",
                                   DB_PASSWORD="it's \\ $HOME", DB_SSL="true")
    assert "-d" not in arguments and "it's" not in " ".join(arguments)
    assert {name: environment.get(name) for name in
            ("PGHOST", "PGPORT", "PGDATABASE", "PGUSER", "PGPASSWORD", "PGSSLMODE",
             "PGTARGETSESSIONATTRS")} == {
        "PGHOST": "h", "PGPORT": "5433", "PGDATABASE": "d", "PGUSER": "u",
        "PGPASSWORD": "it's \\ $HOME", "PGSSLMODE": "require",
        "PGTARGETSESSIONATTRS": "read-write"}


def test_settings_left_to_libpq(noted):
    _, environment = noted(PGHOST="x", PGUSER="y")
    assert (environment["PGHOST"], environment["PGUSER"], environment["PGDATABASE"]) == (
        "x", "y", "availability_guard")
    _, environment = noted()
    assert "PGHOST" not in environment and "PGUSER" not in environment


def test_works_by_database_url(empty, role):
    env = {name: "" for name in ("PGDATABASE", "PGHOST", "PGPORT", "PGUSER", "PGPASSWORD")}
    done = scratch.migrate(empty, "--role", role, env={**env, "DATABASE_URL": scratch.dsn(empty)})
    assert done.returncode == 0, done.stderr
    assert len(applied(empty)) == NEWEST
