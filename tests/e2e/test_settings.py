"""The settings as an operator meets them: -n, -r, -V, and a start with a wrong value."""

import re
import subprocess

import pytest

from systems import SOURCE, build_dir

PROGRAMS = ["availability-guard", "availability-guard-sweeper", "availability-guard-relay",
            "availability-guard-notifier", "availability-guard-commands",
            "availability-guard-trace-exporter"]

# Name: default, a value at each bound, and values that are not allowed.
INTEGERS = {
    "AVAILABILITY_GUARD_METRICS_TENANTS_MAX": ("0", 0, 1000),
    "PORT": ("3800", 1, 65535),
    "GRPC_PORT": ("4400", 1, 65535),
    "LOCK_DEFAULT_TTL_SECONDS": ("7200", 1, 86400),
    "LOCK_MAX_TTL_SECONDS": ("86400", 7200, 31536000),
    "LOCK_MAX_STAY_DAYS": ("3660", 1, 36600),
    "LOCK_RETENTION_DAYS": ("400", 0, 36600),
    "DB_PORT": ("5432", 1, 65535),
    "DB_STATEMENT_TIMEOUT_MS": ("5000", 100, 60000),
    "DB_CONNECT_TIMEOUT_MS": ("3000", 100, 60000),
    "GUARD_WORKERS": ("2", 1, 256),
    "GUARD_BATCH_MAX": ("64", 1, 1000),
    "GUARD_QUEUE_MAX": ("1024", 1, 100000),
    "GUARD_QUEUE_TIMEOUT_MS": ("2000", 10, 60000),
    "GUARD_MAX_BODY_BYTES": ("1048576", 1024, 16777216),
    "SWEEP_INTERVAL_MS": ("1000", 10, 3600000),
    "SWEEP_BATCH": ("200", 1, 10000),
    "AVAILABILITY_GUARD_NOTIFICATION_CONSUMER_MAX_RETRIES": ("3", 0, 100),
    "AVAILABILITY_GUARD_NOTIFICATION_CONSUMER_RETRY_BACKOFF_MS": ("2000", 1, 600000),
    "AVAILABILITY_GUARD_NOTIFICATION_BREAKER_FAILURES": ("5", 1, 1000),
    "AVAILABILITY_GUARD_NOTIFICATION_BREAKER_PAUSE_MS": ("30000", 10, 3600000),
    "AVAILABILITY_GUARD_NOTIFICATION_EMAIL_TIMEOUT_MS": ("7000", 10, 600000),
    "AVAILABILITY_GUARD_NOTIFICATION_SMS_TIMEOUT_MS": ("5000", 10, 600000),
    "AVAILABILITY_GUARD_NOTIFICATION_SLACK_TIMEOUT_MS": ("5000", 10, 600000),
    "COMMANDS_BATCH": ("200", 1, 1000),
    "COMMANDS_IN_FLIGHT_MAX": ("10000", 1, 1000000),
    "COMMANDS_RETENTION_DAYS": ("30", 1, 36600),
    "RELAY_BATCH": ("500", 1, 10000),
    "RELAY_IN_FLIGHT_MAX": ("10000", 1, 1000000),
    "RELAY_POLL_INTERVAL_MS": ("100", 10, 3600000),
    "OTEL_EXPORTER_OTLP_TIMEOUT": ("10000", 10, 600000),
    "OTEL_BSP_SCHEDULE_DELAY": ("5000", 10, 600000),
    "OTEL_BSP_EXPORT_TIMEOUT": ("30000", 10, 3600000),
    "OTEL_BSP_MAX_QUEUE_SIZE": ("2048", 1, 1000000),
    "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": ("512", 1, 10000),
}
TEXTS = {
    "HOST": "0.0.0.0",
    "GRPC_HOST": "0.0.0.0",
    "GRPC_AUTH_TOKEN": "",
    "SHADOW_MODE": "true",
    "AVAILABILITY_GUARD_FAIL_OPEN": "true",
    "DB_HOST": "127.0.0.1",
    "DB_NAME": "availability_guard",
    "DB_USER": "availability_guard",
    "DB_PASSWORD": "",
    "DB_SSL": "false",
    "DATABASE_URL": "",
    "GUARD_SOCKET": "/run/availability-guard/guard.sock",
    "GUARD_OPERATIONS_NETWORKS":
        "127.0.0.0/8,::1/128,10.0.0.0/8,172.16.0.0/12,192.168.0.0/16,fc00::/7",
    "GUARD_METRICS_ENABLED": "true",
    "GUARD_TRACE_SOCKET": "/run/availability-guard/traces.sock",
    "OTEL_SDK_DISABLED": "false",
    "OTEL_SERVICE_NAME": "",
    "OTEL_RESOURCE_ATTRIBUTES": "",
    "OTEL_TRACES_SAMPLER": "parentbased_always_on",
    "OTEL_TRACES_SAMPLER_ARG": "",
    "OTEL_EXPORTER_OTLP_ENDPOINT": "",
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "",
    "OTEL_EXPORTER_OTLP_HEADERS": "",
    "GUARD_METRICS_FILE": "/run/availability-guard/metrics",
    "AVAILABILITY_GUARD_MANUAL_RELEASE_ENABLED": "true",
    "AVAILABILITY_GUARD_ADMIN_TOKENS": "",
    "AVAILABILITY_GUARD_INVENTORY_EVENTS_ENABLED": "true",
    "INVENTORY_EVENTS_TOPIC": "inventory.events.shadow",
    "AVAILABILITY_GUARD_NOTIFICATIONS_ENABLED": "true",
    "AVAILABILITY_GUARD_NOTIFICATION_TOPIC": "availability-guard.notifications",
    "AVAILABILITY_GUARD_NOTIFICATION_DLQ_TOPIC": "availability-guard.notifications.dlq",
    "AVAILABILITY_GUARD_NOTIFICATION_RECIPIENTS": "",
    "AVAILABILITY_GUARD_NOTIFICATION_CONSUMER_ENABLED": "true",
    "AVAILABILITY_GUARD_NOTIFICATION_CONSUMER_GROUP": "availability-guard-notification-worker",
    "AVAILABILITY_GUARD_NOTIFICATION_DRY_RUN": "true",
    "AVAILABILITY_GUARD_NOTIFICATION_SIGNING_SECRET": "",
    "AVAILABILITY_GUARD_NOTIFICATION_REFUSE_PRIVATE_ADDRESSES": "false",
    "AVAILABILITY_GUARD_NOTIFICATION_EMAIL_ENABLED": "true",
    "AVAILABILITY_GUARD_NOTIFICATION_EMAIL_WEBHOOK_URL": "",
    "AVAILABILITY_GUARD_NOTIFICATION_EMAIL_API_KEY": "",
    "AVAILABILITY_GUARD_NOTIFICATION_SMS_ENABLED": "false",
    "AVAILABILITY_GUARD_NOTIFICATION_SMS_WEBHOOK_URL": "",
    "AVAILABILITY_GUARD_NOTIFICATION_SMS_API_KEY": "",
    "AVAILABILITY_GUARD_NOTIFICATION_SLACK_ENABLED": "false",
    "AVAILABILITY_GUARD_NOTIFICATION_SLACK_WEBHOOK_URL": "",
    "AVAILABILITY_GUARD_NOTIFICATION_SLACK_API_KEY": "",
    "AVAILABILITY_GUARD_NOTIFICATION_SMS_RETRY_UNCERTAIN": "true",
    "COMMAND_CENTER_TOPIC": "commands.primary",
    "COMMAND_CENTER_TARGET_SERVICE_ID": "availability-guard-service",
    "AVAILABILITY_GUARD_COMMANDS_ENABLED": "true",
    "AVAILABILITY_GUARD_COMMAND_CONSUMER_GROUP": "availability-guard-service-commands",
    "INVENTORY_EVENTS_DLQ_TOPIC": "inventory.events.dlq",
    "KAFKA_BROKERS": "localhost:29092",
    "KAFKA_CLIENT_ID": "tartware-availability-guard",
    "LOG_LEVEL": "info",
    "LOG_FORMAT": "json",
    "LOG_SETTINGS_FILE": "",
    "ACCESS_LOG_SAMPLE_RATE": "0.1",
}


def run(program, *arguments, **environment):
    return subprocess.run([build_dir() / program, *arguments], env=environment, text=True,
                          stdin=subprocess.DEVNULL, capture_output=True, timeout=20, check=False)


def understood(**environment):
    done = run("availability-guard", "-n", **environment)
    assert done.returncode == 0, done
    return dict(line.split("=", 1) for line in done.stdout.splitlines())


def refused(arguments=("-n",), program="availability-guard", **environment):
    """The lines of complaint about settings that are not allowed."""
    done = run(program, *arguments, **environment)
    assert done.returncode == 2, done
    assert done.stdout == ""
    return done.stderr.splitlines()


@pytest.mark.parametrize("program", PROGRAMS)
def test_the_defaults(program):
    done = run(program, "-n")
    assert done.returncode == 0
    assert done.stderr == ""
    shown = dict(line.split("=", 1) for line in done.stdout.splitlines())
    assert shown == {**TEXTS, **{name: default for name, (default, _, _) in INTEGERS.items()}}


def test_an_empty_value_is_the_default():
    assert understood(**{name: "" for name in [*INTEGERS, *TEXTS]}) == understood()


@pytest.mark.parametrize("name", INTEGERS)
def test_integers(name):
    _, least, greatest = INTEGERS[name]
    for value in (least, greatest):
        assert understood(**{name: str(value)})[name] == str(value)
    beyond = [value for value in (least - 1, greatest + 1)
              if not name.startswith("LOCK_") or value in (0, -1, 36601, 31536001)]
    for value in [*beyond, "x", "1.5", "1e3", " 5", "5 ", "0x10", "99999999999999999999", "-"]:
        line, = refused(**{name: str(value)})
        assert line.startswith(f"{name}: "), line
        assert f'"{value}"' in line, line
        assert re.search(r"allowed.* \d+ to \d+", line), line


def test_the_default_ttl_must_not_be_above_the_maximum():
    lines = refused(LOCK_DEFAULT_TTL_SECONDS="100", LOCK_MAX_TTL_SECONDS="99")
    assert len(lines) == 1
    assert "LOCK_DEFAULT_TTL_SECONDS" in lines[0] and "LOCK_MAX_TTL_SECONDS" in lines[0]


@pytest.mark.parametrize("name", ["SHADOW_MODE", "AVAILABILITY_GUARD_FAIL_OPEN", "DB_SSL"])
def test_booleans(name):
    for value, meaning in (("true", "true"), ("false", "false"), ("1", "true"), ("0", "false"),
                           ("TRUE", "true"), ("no", "false"), ("on", "true")):
        assert understood(**{name: value})[name] == meaning
    for value in ("maybe", "2", "tru", "true ", "-1"):
        line, = refused(**{name: value})
        assert line.startswith(f"{name}: ") and f'"{value}"' in line and "true or false" in line


@pytest.mark.parametrize("name, good, bad", [
    ("LOG_LEVEL", ["debug", "info", "warn", "error"], ["loud", "trace"]),
    ("LOG_FORMAT", ["json", "text"], ["xml"]),
    ("LOG_SETTINGS_FILE", ["/tmp/log.conf"], ["log.conf", "/tmp/a b", "/" + "x" * 201]),
    ("ACCESS_LOG_SAMPLE_RATE", ["0", "0.000001", "0.5", "1"], ["1.1", "-1", ".5", "10%", "1e-3"]),
    ("GUARD_OPERATIONS_NETWORKS", ["10.0.0.0/8", "::1/128", "10.1.2.3/32,fc00::/7"],
     ["10.0.0.0", "10.0.0.0/33", "10.0.0.1/8", "::1/129", "300.0.0.0/8", "all", "10.0.0.0/8;",
      "10.0.0.0/8,", ","]),
    ("GUARD_SOCKET", ["/tmp/a.sock"], ["relative.sock", "/tmp/a b", "/tmp/a;b", "/" + "x" * 101]),
    ("GUARD_METRICS_FILE", ["/tmp/metrics"], ["metrics", "/tmp/a b", "/" + "x" * 201]),
    ("HOST", ["127.0.0.1", "localhost"], ["a b", "x;y", "{", "http://x"]),
])
def test_other_kinds(name, good, bad):
    for value in good:
        assert understood(**{name: value})[name] == value
    for value in bad:
        line, = refused(**{name: value})
        # A long value is cut in the line.
        assert line.startswith(f'{name}: "{value[:80]}') and "allowed" in line


@pytest.mark.parametrize("name, value", [
    ("DB_PASSWORD", "open sesame"), ("DATABASE_URL", "postgresql://u:open%20sesame@db/name"),
])
def test_secrets_are_masked(name, value):
    done = run("availability-guard", "-n", **{name: value})
    assert f"{name}=********\n" in done.stdout
    assert "sesame" not in done.stdout + done.stderr


@pytest.mark.parametrize("name", ["DB_PASSWORD", "DATABASE_URL"])
def test_wrong_secrets_are_not_shown(name):
    line, = refused(**{name: "open\nsesame"})
    assert line.startswith(f"{name}: ")
    assert "sesame" not in line


def test_a_connection_string_that_is_none():
    """It stops the start, and is not shown: it can hold a password."""
    done = run("availability-guard", DATABASE_URL="postgresql://u:sesame@[db/name")
    assert done.returncode != 0
    assert "DATABASE_URL" in done.stderr
    assert "sesame" not in done.stderr + done.stdout


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_wrong_value_stops_the_start(program):
    for arguments in ((), ("-n",)):
        line, = refused(arguments, program, PORT="x")
        assert line == 'PORT: "x" is not allowed; allowed is an integer from 1 to 65535'


def test_every_wrong_value_has_a_line():
    lines = refused(PORT="0", LOG_LEVEL="loud", SHADOW_MODE="perhaps", GUARD_SOCKET="x")
    assert [line.split(":")[0] for line in lines] == [
        "PORT", "SHADOW_MODE", "GUARD_SOCKET", "LOG_LEVEL"]


@pytest.mark.parametrize("name", ["AVAILABILITY_GUARD_FAILOPEN", "AVAILABILITY_GUARD_X"])
def test_an_unknown_variable_is_warned_about(name):
    done = run("availability-guard", "-n", **{name: "1"})
    assert done.returncode == 0
    line, = done.stderr.splitlines()
    assert "warning" in line and name in line


def test_variables_of_others_are_no_concern():
    done = run("availability-guard", "-n", HOME="/x", PORTER="y", DB_HOSTS="z")
    assert (done.returncode, done.stderr) == (0, "")


def test_version_and_help():
    for program in PROGRAMS:
        assert re.fullmatch(program + r" \d+\.\d+\.\d+\n", run(program, "-V").stdout)
        told = run(program, "-h")
        assert told.returncode == 0
        assert all(f"\n{name}=" in told.stdout for name in [*INTEGERS, *TEXTS])
        for arguments in (["-x"], ["extra"], ["-r"]):
            assert run(program, *arguments).returncode == 2


# Templates

def rendered(tmp_path, text, **environment):
    template = tmp_path / "template"
    template.write_text(text)
    return run("availability-guard", "-r", template, **environment)


def test_a_template_is_filled_in(tmp_path):
    done = rendered(tmp_path, "a ${PORT} $b $$ ${SHADOW_MODE}${HOST}\n${GUARD_ANSWER_TIMEOUT_MS}"
                    " ${NGINX_READ_TIMEOUT_MS}\n${OPERATIONS_ALLOW}", PORT="80",
                    GUARD_OPERATIONS_NETWORKS="10.0.0.0/8,fc00::/7")
    assert done.returncode == 0, done
    assert done.stdout == ("a 80 $b $$ true0.0.0.0\n8000 9000\n"
                           "allow 10.0.0.0/8; allow fc00::/7;")


@pytest.mark.parametrize("text", ["${UNKNOWN}", "${", "${PORT", "${}", "${DB_PASSWORD}",
                                  "${DATABASE_URL}", "${port}"])
def test_a_wrong_template_gives_nothing(tmp_path, text):
    done = rendered(tmp_path, f"one ${{PORT}}\ntwo {text}\n", DB_PASSWORD="sesame")
    assert done.returncode == 2
    assert done.stdout == ""
    assert "2" in done.stderr and "sesame" not in done.stderr


def test_a_template_that_is_not_there(tmp_path):
    done = run("availability-guard", "-r", tmp_path / "none")
    assert done.returncode == 2
    assert "none" in done.stderr


def test_the_templates_of_nginx():
    """nginx waits longer than the guard takes to answer, and the guard longer than the database."""
    for template in sorted((SOURCE / "conf/nginx").glob("*.in")):
        done = run("availability-guard", "-r", template, DB_STATEMENT_TIMEOUT_MS="700",
                   GUARD_QUEUE_TIMEOUT_MS="300")
        assert done.returncode == 0, done
        assert "${" not in done.stdout
        if "fastcgi_read_timeout" in done.stdout:
            assert "fastcgi_read_timeout 3000ms;" in done.stdout
