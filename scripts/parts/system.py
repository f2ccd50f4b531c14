"""A whole Availability Guard in one state folder, on loopback: parts, settings, ports.

scripts/system.py says what lies in the folder, and is its command line."""

import contextlib
import http.client
import json
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from parts import account, ports
from parts.database import ExternalDatabase, PrivateDatabase
from parts.kafka import EmbeddedKafka, ExternalKafka
from parts.process import PartFailed, Process, tail, wait_until
from parts.sink import Sink
from parts.worker import Worker

SOURCE = Path(__file__).resolve().parents[2]
READY_SECONDS = 60
SOCKET_PATH_MAX = 107


def make_state_dir(parent=None):
    """A fresh state folder that the unprivileged account can reach, for one test run.

    In the parent, or where AG_STATE_PARENT says."""
    parent = parent or os.environ.get("AG_STATE_PARENT") or "/var/tmp"
    path = Path(tempfile.mkdtemp(prefix="ag-", dir=parent))
    path.chmod(0o755)
    return path


def make_reachable(folder):
    """Make a folder that the unprivileged account can enter, whatever the caller's umask is."""
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir()
        folder.chmod(0o755)


def _command(words):
    """A command to put before another one: its program by its path, for multiwatch does not search
    in PATH."""
    words = [str(word) for word in words]
    return [shutil.which(words[0]) or words[0], *words[1:]] if words else []


class System:
    """All parts of one state folder.

    settings     settings of the guard by name; they win over everything that is chosen here. With
                 DATABASE_URL or DB_HOST among them that database is used, and never created,
                 stopped or removed; it is migrated when MIGRATE_DATABASE_URL names its owner.
    user         account for the parts when started by root (default nobody)
    nginx_port, db_port   fixed ports; else PORT and DB_PORT of the settings; else free ones, as
                          for GRPC_PORT
    guard_command         put before the guard's command line, e.g. ["valgrind", "--quiet"]
    worker_command        the same for relay, notifier, commands and trace exporter
    environment           added to the environment of our programs, e.g. ASAN_OPTIONS
    postgres_options      settings of the private cluster, e.g. {"log_statement": "all"}
    kafka                 with Kafka, relay, notifier and commands. Kafka is an embedded one unless
                          KAFKA_BROKERS is among the settings; with the folder of a real-kafka in
                          REAL_KAFKA (environment) that one can be taken down, too
    sink                  with the webhook sink; webhooks whose address is not among the settings go
                          to it, and then the dry run is off
    sink_options          more arguments for it, e.g. ["--certificate", …]

    A second System of the same folder finds the ports, passwords and processes of the first."""

    def __init__(self, state_dir, *, build_dir=None, settings=None, user=None, nginx_port=None,
                 db_port=None, guard_command=(), worker_command=(), environment=None,
                 postgres_options=None, kafka=None, sink=None, sink_options=(),
                 source_dir=SOURCE):
        self.state_dir = Path(state_dir).resolve()
        self.source_dir = Path(source_dir)
        saved = self._load()
        self._user = account.unprivileged(user or saved.get("user"))
        self._make_folders()
        if build_dir is None and "build_dir" not in saved:
            raise PartFailed(f"{self.state_dir} was never started: build_dir is needed")
        self.build_dir = Path(build_dir or saved["build_dir"]).resolve()
        self.guard_command = _command(guard_command)
        self.worker_command = _command(worker_command)
        self.environment = dict(saved.get("environment", {}) if environment is None
                                else environment)
        given = dict(saved.get("given", {}) if settings is None else settings)
        self.with_kafka = bool(saved.get("kafka") if kafka is None else kafka)
        self.with_sink = bool(saved.get("sink") if sink is None else sink)
        self._choose(given, saved, nginx_port, db_port)
        self._make_database(given, postgres_options or {})
        self._make_kafka(given)
        self.sink = self._make_sink(sink_options)
        self._make_settings(given)
        if settings is not None or not saved:
            self._save(given)
        self._guard = self._process("guard")
        self._nginx = self._process("nginx")
        self._sweeper = self._worker("sweeper")
        self._relay = self._worker("relay", self._is_connected)
        # Of what happens before it has its place in the group nothing is lost: nobody waits for it.
        self._notifier = self._worker("notifier")
        self._commands = self._worker("commands")
        self._trace_exporter = self._worker("trace-exporter", lambda _: self._takes_spans())

    # --- what is chosen, and kept in system.json -------------------------------------------

    def _make_folders(self):
        make_reachable(self.state_dir)
        if self._user and not self._user.can("-x", self.state_dir):
            raise PartFailed(f"{self.state_dir} cannot be entered by the account "
                             f"{self._user.name}: choose another state folder")
        for name in ("records", "logs", "nginx"):
            make_reachable(self.state_dir / name)
        # Only these belong to the unprivileged account: what root opens by name must not be
        # something that this account can replace.
        for name in ("run", "pg", "nginx/temp"):
            make_reachable(self.state_dir / name)
            self._give_to_user(self.state_dir / name)
        for name in ("access.log", "error.log"):
            path = self.state_dir / "logs" / name
            path.touch(0o640)
            self._give_to_user(path)

    def _give_to_user(self, path):
        if self._user:
            self._user.own(path)

    def _load(self):
        try:
            return json.loads((self.state_dir / "system.json").read_text())
        except OSError:
            return {}

    def _choose(self, given, saved, nginx_port, db_port):
        chosen = saved.get("chosen", {})
        self.http_host = given.get("HOST", "127.0.0.1")
        self.http_port = int(nginx_port or given.get("PORT") or chosen.get("port")
                             or ports.free_port())
        self._db_port = int(db_port or given.get("DB_PORT") or chosen.get("db_port")
                            or ports.free_port({self.http_port}))
        self._sink_port = int(chosen.get("sink_port")
                              or ports.free_port({self.http_port, self._db_port}))
        self.grpc_host = given.get("GRPC_HOST", self.http_host)
        self.grpc_port = int(given.get("GRPC_PORT") or chosen.get("grpc_port") or ports.free_port(
            {self.http_port, self._db_port, self._sink_port}))
        self._owner_password = chosen.get("owner_password") or secrets.token_urlsafe(24)
        self._service_password = chosen.get("service_password") or secrets.token_urlsafe(24)

    def _make_database(self, given, options):
        if len(str(self.state_dir / "run" / ".s.PGSQL.65535.lock")) > SOCKET_PATH_MAX:
            raise PartFailed(f"{self.state_dir}: too long a path for unix sockets")
        if given.get("DATABASE_URL") or given.get("DB_HOST"):
            self.database = ExternalDatabase(given)
        else:
            self.database = PrivateDatabase(
                self.state_dir, port=self._db_port, owner_password=self._owner_password,
                service_password=given.get("DB_PASSWORD") or self._service_password,
                name=given.get("DB_NAME", "availability_guard"),
                role=given.get("DB_USER", "availability_guard"), user=self._user,
                options=options)

    def _make_kafka(self, given):
        #: the part, or None
        self.kafka = None
        if self.with_kafka and given.get("KAFKA_BROKERS"):
            self.kafka = ExternalKafka(str(given["KAFKA_BROKERS"]),
                                       self.source_dir / "scripts/real-kafka",
                                       os.environ.get("REAL_KAFKA"))
        elif self.with_kafka:
            self.kafka = EmbeddedKafka(
                self.state_dir, program=lambda: self.runnable("availability-guard-dev-kafka"),
                user=self._user, environment=self.environment)

    def _make_sink(self, options):
        """The part, or None."""
        if not self.with_sink:
            return None
        return Sink(self.state_dir, source=self.source_dir / "scripts/webhook-sink",
                    port=self._sink_port, user=self._user, options=options)

    def _make_settings(self, given):
        chosen = {"HOST": self.http_host, "PORT": str(self.http_port),
                  "GRPC_HOST": self.grpc_host, "GRPC_PORT": str(self.grpc_port),
                  "GUARD_SOCKET": str(self.state_dir / "run" / "guard.sock"),
                  "GUARD_METRICS_FILE": str(self.state_dir / "run" / "metrics"),
                  "GUARD_TRACE_SOCKET": str(self.state_dir / "run" / "traces.sock")}
        if self.database.private:
            chosen.update(self.database.settings())
        if self.sink:
            chosen.update(self.sink.settings(given))
        chosen.update({name: str(value) for name, value in given.items()
                       if name not in ("MIGRATE_DATABASE_URL", "DB_PORT", "PORT")})
        if not self.database.private and given.get("DB_PORT"):
            chosen["DB_PORT"] = str(given["DB_PORT"])
        #: the settings as our programs and the nginx templates get them
        self.settings = chosen
        self._given_names = frozenset(given)
        self._take_kafka_settings()

    def _take_kafka_settings(self):
        """Again after a start: only then it is known where an embedded Kafka listens."""
        if self.kafka:
            self.settings.update({name: value for name, value in self.kafka.settings().items()
                                  if name not in self._given_names})

    def _save(self, given):
        content = {"build_dir": str(self.build_dir), "environment": self.environment,
                   "given": {name: str(value) for name, value in given.items()},
                   "user": self._user.name if self._user else None,
                   "kafka": self.with_kafka, "sink": self.with_sink,
                   "chosen": {"port": self.http_port, "db_port": self._db_port,
                              "sink_port": self._sink_port, "grpc_port": self.grpc_port,
                              "owner_password": self._owner_password,
                              "service_password": self._service_password}}
        fresh = self.state_dir / "system.json.new"
        fresh.unlink(missing_ok=True)
        with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w",
                  encoding="utf-8") as file:
            json.dump(content, file, indent=2)
        fresh.replace(self.state_dir / "system.json")

    def _process(self, name):
        return Process(name, records=self.state_dir / "records", log=self.log_path(name),
                       user=self._user, cwd=self.state_dir)

    def _worker(self, name, ready=None):
        program = f"availability-guard-{name}"
        command = [] if name == "sweeper" else self.worker_command
        return Worker(self._process(name), lambda: [*command, str(self.runnable(program))],
                      lambda: self.env, ready and (lambda: ready(program)))

    def _is_connected(self, program):
        """Whether the program has a connection to the database: it has begun its work."""
        if not self.database.private:
            return True  # who looks into it from outside is its owner's business
        return self.database.cluster.psql(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = "
            f"'{program}'", self.database.name) != "0"

    @property
    def with_traces(self):
        """Whether spans are told: an endpoint is set, and nobody has switched them off."""
        off = self.settings.get("OTEL_SDK_DISABLED", "").lower() in ("true", "1", "yes", "on")
        return not off and bool(self.settings.get("OTEL_EXPORTER_OTLP_ENDPOINT")
                                or self.settings.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"))

    def _takes_spans(self):
        return Path(self.settings["GUARD_TRACE_SOCKET"]).is_socket()

    # --- where things are ------------------------------------------------------------------

    @property
    def env(self):
        """The whole environment of our programs."""
        return {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "TZ": "UTC",
                **self.settings, **self.environment}

    @property
    def base_url(self):
        host = self._reachable_host()
        return f"http://{'[' + host + ']' if ':' in host else host}:{self.http_port}"

    @property
    def grpc_address(self):
        """host:port, as clients of gRPC take it."""
        host = self._reachable_host(self.grpc_host)
        return f"{'[' + host + ']' if ':' in host else host}:{self.grpc_port}"

    def _reachable_host(self, listening=None):
        """An address of the host this runs on at which nginx listens (for HTTP, unless another
        setting is given), without brackets."""
        host = (listening or self.http_host).strip("[]")
        return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)

    @property
    def owner_dsn(self):
        """libpq keyword string or URI of the database's owner (psycopg2.connect takes it)."""
        return self.database.owner_dsn

    @property
    def service_dsn(self):
        """The same for the role that the guard uses."""
        return self.database.service_dsn

    @property
    def socket_path(self):
        return Path(self.settings["GUARD_SOCKET"])

    def log_path(self, part):
        """Log of a part, of "migrate", or nginx's "access" and "error"."""
        return self.state_dir / "logs" / f"{part}.log"

    def program(self, name):
        """Path of a built program: in a build folder, or below an installation prefix."""
        for folder in ("", "src", "bin", "sbin", "libexec", "libexec/availability-guard"):
            path = self.build_dir / folder / name
            if path.is_file() and os.access(path, os.X_OK):
                return path
        raise PartFailed(f"{name} is not in {self.build_dir}: build it first")

    def runnable(self, name):
        """program(), checked to be in reach of the account that will run it."""
        path = self.program(name)
        if self._user and not self._user.can("-x", path):
            raise PartFailed(f"{path} cannot be run by the account {self._user.name}: "
                             "build or install into a folder that it can enter")
        return path

    # --- single parts ----------------------------------------------------------------------

    def start_postgres(self):
        self.database.start()

    def stop_postgres(self, mode="fast"):
        """mode is fast (SIGINT), immediate (SIGQUIT: as a crash) or smart (SIGTERM)."""
        self.database.stop(mode)

    def restart_postgres(self, mode="fast"):
        self.stop_postgres(mode)
        self.start_postgres()

    def migrate(self, *arguments):
        """sql/migrate as the owner; returns what it printed. Nothing for a database that is not
        ours and whose owner we were not told."""
        if not self.database.migrates:
            return ""
        runner = self.source_dir / "sql" / "migrate"
        if not runner.exists():
            runner = self.program("availability-guard-migrate")
        argv = [str(runner), *self.database.migrate_arguments(), *arguments]
        done = subprocess.run(argv, env=self.database.migrate_environment(), text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        with open(self.log_path("migrate"), "a", encoding="utf-8") as log:
            log.write(done.stdout)
        if done.returncode:
            raise PartFailed(f"migration failed\n{tail(self.log_path('migrate'))}")
        self.database.after_migration()
        return done.stdout

    def check_settings(self):
        """`availability-guard -n`: the settings as the guard understands them, secrets masked."""
        done = subprocess.run([self.program("availability-guard"), "-n"], env=self.env, text=True,
                              capture_output=True, check=False)
        if done.returncode:
            raise PartFailed(f"wrong settings:\n{done.stderr.strip()}")
        return dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)

    def start_guards(self):
        if self._guard.running():
            return
        workers = self.check_settings().get("GUARD_WORKERS", "2")
        # -s TERM: multiwatch would tell its children to end with SIGUSR1. -r and -t: it gives up
        # on a child that ends 100 times, each time within a second of its start.
        argv = ["/usr/bin/spawn-fcgi", "-n", "-s", str(self.socket_path), "-M", "0660",
                "-b", "4096", "--", "/usr/bin/multiwatch", "-s", "TERM", "-r", "100", "-t", "1000",
                "-f", workers, "--", *self.guard_command,
                str(self.runnable("availability-guard"))]
        self._guard.start(argv, self.env)
        self._guard.wait_for(lambda: len(self.guard_pids()) == int(workers), 30,
                             "not all guard processes run")

    def stop_guards(self, timeout=30):
        """SIGTERM and wait for the drain; kills what is left after timeout seconds."""
        self._guard.stop([(signal.SIGTERM, timeout), (signal.SIGKILL, 10)])
        self.socket_path.unlink(missing_ok=True)

    def guard_pids(self):
        """Pids of the guard processes that live now (not of multiwatch above them)."""
        return self._guard.workers()

    def kill_guards(self, number=signal.SIGKILL):
        """Signal every guard process; returns the pids. multiwatch starts new ones."""
        hit = []
        for pid in self.guard_pids():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
                hit.append(pid)
        return hit

    def start_sweeper(self):
        self._sweeper.start()

    def stop_sweeper(self):
        self._sweeper.stop()

    def sweeper_pid(self):
        return self._sweeper.pid

    def start_relay(self):
        self._relay.start()

    def stop_relay(self):
        """SIGTERM; it sends what it has in hand."""
        self._relay.stop()

    def kill_relay(self):
        self._relay.kill()

    def relay_pid(self):
        return self._relay.pid

    def start_notifier(self):
        self._notifier.start()

    def stop_notifier(self):
        """SIGTERM; it finishes the calls that are under way."""
        self._notifier.stop()

    def kill_notifier(self):
        self._notifier.kill()

    def notifier_pid(self):
        return self._notifier.pid

    def start_commands(self):
        self._commands.start()

    def stop_commands(self):
        """SIGTERM; it finishes what the database has in hand."""
        self._commands.stop()

    def commands_pid(self):
        return self._commands.pid

    def start_trace_exporter(self):
        self._trace_exporter.start()

    def stop_trace_exporter(self):
        """SIGTERM; it sends what it has in hand."""
        self._trace_exporter.stop()

    def kill_trace_exporter(self):
        self._trace_exporter.kill()

    def start_kafka(self):
        self.kafka.start()
        self._take_kafka_settings()

    def stop_kafka(self):
        """The end of an embedded one, with its messages."""
        self.kafka.stop()

    def kafka_down(self):
        """Kafka answers nobody until kafka_up(). It keeps its messages."""
        self.kafka.down()

    def kafka_up(self):
        self.kafka.up()

    @property
    def brokers(self):
        """host:port of Kafka, by comma."""
        return self.settings["KAFKA_BROKERS"]

    def start_sink(self):
        self.sink.start()

    def stop_sink(self):
        self.sink.stop()

    def render_nginx(self):
        """Write nginx's configuration from the templates; nginx itself checks it."""
        templates, render = self._templates()
        done = subprocess.run(
            [render, self.program("availability-guard"), templates, self.state_dir / "nginx",
             *([str(self._user.gid)] if self._user else [])],
            env=self.env, text=True, capture_output=True, check=False)
        if done.returncode:
            raise PartFailed(f"the templates in {templates} cannot be rendered:\n{done.stderr.strip()}")
        done = subprocess.run([*self._nginx_argv(), "-t", "-q"], text=True, capture_output=True,
                              check=False, **self._drop())
        if done.returncode:
            raise PartFailed(f"nginx refuses its configuration:\n{done.stderr.strip()}")

    def _templates(self):
        """(their folder, what renders them)"""
        for templates, render in ((self.source_dir / "conf/nginx", self.source_dir / "conf/nginx/render"),
                                  (self.build_dir / "share/availability-guard/nginx",
                                   self.build_dir / "libexec/availability-guard/render")):
            if render.exists():
                return templates, render
        raise PartFailed("no templates of nginx's configuration")

    def _drop(self):
        return self._user.popen_arguments() if self._user else {}

    def _nginx_argv(self):
        return ["/usr/sbin/nginx", "-p", f"{self.state_dir}/", "-c", "nginx/nginx.conf",
                "-e", str(self.log_path("error")), "-g", "daemon off;"]

    def start_nginx(self):
        if self._nginx.running():
            return
        ports.require_free(self.http_port, self._reachable_host())
        ports.require_free(self.grpc_port, self._reachable_host(self.grpc_host))
        self.render_nginx()
        self._nginx.start(self._nginx_argv(), {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"})
        self._nginx.wait_for(self._nginx_answers, 20, "takes no connections")

    def _nginx_answers(self):
        try:
            self.get_status("/health")
        except OSError:
            return False
        return True

    def stop_nginx(self):
        self._nginx.stop([(signal.SIGQUIT, 10), (signal.SIGTERM, 10), (signal.SIGKILL, 10)])

    def reload(self):
        """Render nginx's configuration again and have nginx take it without losing requests.

        When it returns, every new connection is served by the new configuration."""
        self.render_nginx()
        before = self._nginx.workers()
        if not self._nginx.signal(signal.SIGHUP):
            raise PartFailed("nginx does not run")

        def taken():
            return (set(self._nginx.workers()) - set(before)
                    and not any(ports.listens(pid, self.http_port) for pid in before))
        self._nginx.wait_for(taken, 20, "has not taken the new configuration")

    # --- all of it -------------------------------------------------------------------------

    def start(self, ready_timeout=READY_SECONDS):
        """Start what does not run, apply the migrations, wait until the guard is ready."""
        self.check_settings()
        self.start_postgres()
        self.migrate()
        if self.kafka:
            self.start_kafka()
        if self.sink:
            self.start_sink()
        if self.with_traces:
            self.start_trace_exporter()
        self.start_guards()
        self.start_sweeper()
        if self.kafka:
            self.start_relay()
            self.start_notifier()
            self.start_commands()
        self.start_nginx()
        self.wait_ready(ready_timeout)
        for part, pid in self.status().items():
            if pid is None:
                raise PartFailed(f"{part} has ended\n{tail(self.log_path(part))}")
        return self

    def stop(self):
        """Stop everything, the outermost part first. Data, logs and ports stay."""
        failures = []
        parts = [self._sweeper, self._relay, self._notifier, self._commands, self._trace_exporter,
                 self.sink, self.kafka, self.database]
        for step in (self.stop_nginx, self.stop_guards, *(part.stop for part in parts if part)):
            try:
                step()
            except PartFailed as failure:
                failures.append(str(failure))
        if failures:
            raise PartFailed("\n".join(failures))

    def __enter__(self):
        try:
            return self.start()
        except BaseException:
            self.stop()
            raise

    def __exit__(self, *_):
        self.stop()

    def get(self, path, timeout=5):
        """(status, body as text) of a GET; OSError when there is no answer."""
        connection = http.client.HTTPConnection(self._reachable_host(), self.http_port,
                                                timeout=timeout)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode("utf-8", "replace")
        except http.client.HTTPException as error:
            raise OSError(f"no HTTP answer: {error!r}") from error
        finally:
            connection.close()

    def get_status(self, path, timeout=5):
        """HTTP status of a GET; OSError when there is no answer."""
        return self.get(path, timeout)[0]

    def is_ready(self):
        try:
            return self.get_status("/ready") == 200
        except OSError:
            return False

    def wait_ready(self, timeout=READY_SECONDS):
        """Poll GET /ready until it is 200; fails at once when the guards' supervisor gave up."""
        def check():
            if self.is_ready():
                return True
            if not self._guard.running():
                raise PartFailed(f"the guard does not run\n{tail(self.log_path('guard'))}")
            return False
        wait_until(check, timeout, lambda: self._why_not_ready(timeout))

    def _why_not_ready(self, timeout):
        try:
            answer = self.get("/ready")[1]
        except OSError as error:
            answer = str(error)
        return (f"not ready within {timeout} s; GET /ready: {answer}\n"
                f"guard:\n{tail(self.log_path('guard'))}\n"
                f"nginx:\n{tail(self.log_path('error'), 5)}")

    def status(self):
        """{part: pid or None}; a database or a Kafka that is not ours is left out."""
        found = {"postgres": self.database} if self.database.private else {}
        if self.kafka and self.kafka.private:
            found["kafka"] = self.kafka
        if self.sink:
            found["sink"] = self.sink
        found.update({"guard": self._guard, "sweeper": self._sweeper})
        if self.kafka:
            found.update({"relay": self._relay, "notifier": self._notifier,
                          "commands": self._commands})
        if self.with_traces:
            found["trace-exporter"] = self._trace_exporter
        return {name: part.pid for name, part in {**found, "nginx": self._nginx}.items()}
