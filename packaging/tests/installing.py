"""Steps of packaging/check on a fresh Debian: install, use, break, upgrade and remove."""

import json
import re
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
import uuid
from pathlib import Path

from building import NEXT_VERSION, packages
from documents import commands
from load import TENANT, Load

HTTP, GRPC, OTHER_SITE = 3800, 4400, 80
SETTINGS = "/etc/availability-guard/settings.conf"
GUARD = "availability-guard.service"
SMOKE = Path(__file__).resolve().parents[1] / "debian/tests/smoke"


# --- what steps have in common -----------------------------------------------------------------


def wait_for(condition, seconds, what):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.05)


def get(path, port=HTTP):
    """(status, body)"""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=15) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def is_ready():
    try:
        return get("/ready")[0] == 200
    except OSError:
        return False


def listens(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def other_site_answers():
    return "Welcome to nginx" in get("/", OTHER_SITE)[1]


def log_of(root, unit):
    return root.path(f"/var/log/units/{unit}").read_text(encoding="utf-8", errors="replace")


class Changed:
    """A file with a line more, for as long as the block lasts."""

    def __init__(self, root, name, line):
        self.path, self.line = root.path(name), line
        self.before = self.path.read_bytes() if self.path.exists() else None

    def __enter__(self):
        with open(self.path, "ab") as file:
            file.write(self.line.encode() + b"\n")

    def __exit__(self, *_):
        if self.before is None:
            self.path.unlink()
        else:
            self.path.write_bytes(self.before)


def follow(root, page, heading):
    """Run what the page says below the heading; what it printed."""
    return "".join(root.run(block)[1] for block in commands(page, heading))


def status_line(root, part):
    _, said = root.run("availability-guardctl status", check=False)
    found = re.search(rf"^{part} +(.*)$", said, re.MULTILINE)
    assert found, said
    return found[1]


def sql(root, statement, database="availability_guard", user="postgres"):
    return root.run(f"cd /; runuser -u {user} -- psql -qAt -d {database} -c \"{statement}\"")[1].strip()


# --- installing and using ------------------------------------------------------------------------


def step_nginx_and_postgresql_are_there_already(root, work):
    root.run("systemctl start postgresql && systemctl start nginx")
    wait_for(other_site_answers, 20, "nginx serves its own site")
    (work / "before").write_text(json.dumps(sorted(root.files())), encoding="utf-8")
    for package in packages(work / "packages/now"):
        shutil.copy(package, root.path("/root"))


def step_the_packages_are_installed(root, _):
    follow(root, "install.md", "Packages")
    assert root.run("stat -c '%a %U:%G' /etc/availability-guard/secrets.conf")[1] == \
        "640 root:availability-guard\n"
    for word in ("availability-guard.socket", GUARD, "availability-guard-sweeper.service"):
        root.run(f"systemctl is-active {word}")
    assert other_site_answers()


def step_systemd_finds_nothing_wrong_with_the_units(root, _):
    said = root.run("systemd-analyze verify --man=no /lib/systemd/system/availability-guard*")[1]
    assert "availability-guard" not in said, said
    for name in ("guard-pool", "guard-sweeper"):
        status = root.run(f"cat /proc/$(pgrep -f availability-{name} | head -n 1)/status")[1]
        assert "Seccomp:\t2" in status and "NoNewPrivs:\t1" in status, status


def step_without_a_database_it_answers_503_and_says_what_to_do(root, _):
    status, body = get("/ready")
    assert status == 503 and "database" in body
    assert re.search("password|role", status_line(root, "database"))


def step_the_database_is_made(root, _):
    said = follow(root, "install.md", "The database")
    assert "schema version" in said


def step_the_settings_are_made(root, _):
    said = follow(root, "install.md", "Settings")
    for line in ("settings  right", "database  127.0.0.1:5432: ready", "nginx     serves HTTP"):
        assert line in said, said
    wait_for(lambda: "generation 1 has ended" in log_of(root, GUARD), 20, "the old guards end")
    wait_for(is_ready, 20, "ready")


def step_a_lock_is_taken_and_released(root, _):
    said = follow(root, "install.md", "A first lock")
    assert '"status":"LOCKED"' in said and '"status":"released"' in said, said


def step_the_events_package_runs_beside_it(root, _):
    follow(root, "install.md", "Events, notifications, commands")
    for name in ("relay", "notifier", "commands"):
        root.run(f"systemctl is-active availability-guard-{name}")


def step_the_site_has_a_log_of_its_own(root, _):
    log = root.path("/var/log/nginx/availability-guard.log")
    wait_for(lambda: "/v1/locks" in log.read_text(encoding="utf-8"), 10, "the request is logged")


# --- reload and restart ----------------------------------------------------------------------------


def step_a_reload_takes_new_settings_and_loses_no_request(root, _):
    service = root.manager.service(GUARD)
    with Load(HTTP) as load:
        load.wait_for_more()
        with Changed(root, SETTINGS, "LOCK_DEFAULT_TTL_SECONDS=600"):
            root.run("systemctl reload availability-guard")
            wait_for(lambda: "generation 2 serves" in log_of(root, GUARD), 20, "new guards")
            load.wait_for_more()
            wait_for(lambda: json.loads(post_lock())["lock"]["ttl_seconds"] == 600, 10, "the new TTL")
        for _ in range(3):
            root.run("systemctl reload availability-guard")
            load.wait_for_more(50)
        wait_for(lambda: log_of(root, GUARD).count(" has ended") >= 4, 90, "the old guards end")
    assert not load.failures, (load.answers, load.failures[:5])
    assert service.active


def post_lock(tenant=TENANT):
    body = json.dumps({"tenantId": tenant, "roomTypeId": TENANT, "stayStart": "2027-07-01",
                       "stayEnd": "2027-07-02", "roomId": str(uuid.uuid4())})
    request = urllib.request.Request(f"http://127.0.0.1:{HTTP}/v1/locks", body.encode(),
                                     {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=15) as answer:
        return answer.read()


def step_a_reload_takes_new_ports_too(root, _):
    with Changed(root, SETTINGS, "PORT=3801"):
        root.run("systemctl reload availability-guard")
        wait_for(lambda: listens(3801) and not listens(HTTP), 20, "the new port")
    root.run("systemctl reload availability-guard")
    wait_for(is_ready, 20, "the old port")


def step_guards_that_are_killed_come_back(root, _):
    before = root.run("pgrep -x multiwatch")[1]
    root.run("pkill -KILL -x multiwatch")
    wait_for(lambda: root.run("pgrep -x multiwatch", check=False)[1] not in ("", before), 20,
             "another multiwatch")
    wait_for(is_ready, 20, "ready")


# --- security ---------------------------------------------------------------------------------------


def make_certificates(root):
    """An authority, and certificates by it for the server and for a caller."""
    root.run("""cd /etc/availability-guard
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=authority -keyout /root/authority.key -out callers.pem
for name in server caller; do
  openssl req -newkey rsa:2048 -nodes -subj /CN=localhost -keyout $name.key -out /root/$name.csr
  openssl x509 -req -days 2 -in /root/$name.csr -CA callers.pem -CAkey /root/authority.key -CAcreateserial -out $name.pem
done
rm -f callers.srl""")


def step_an_operator_is_let_in_by_a_token(root, _):
    url = f"/v1/locks/audit?tenantId={TENANT}"
    assert get(url)[0] == 403
    make, use = commands("security.md", "Tokens")
    root.run(make)
    wait_for(lambda: '"audits":[' in root.run(use)[1], 10, "the token is known")
    assert get(url)[0] == 403


def audits_status(token):
    request = urllib.request.Request(f"http://127.0.0.1:{HTTP}/v1/locks/audit?tenantId={TENANT}",
                                     headers={"x-guard-admin-token": token})
    try:
        with urllib.request.urlopen(request, timeout=15) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


def step_the_token_is_replaced_without_turning_anybody_away(root, _):
    add, drop = commands("security.md", "Operators' token")
    old = root.path("/root/operators-token").read_text().strip()
    root.run(add)
    new = root.path("/root/operators-token.new").read_text().strip()
    wait_for(lambda: audits_status(new) == 200, 20, "the new token is known")
    assert audits_status(old) == 200
    root.run(drop)
    wait_for(lambda: audits_status(old) == 403, 20, "the old token is worth nothing")
    assert audits_status(new) == 200


def step_the_password_of_the_database_is_replaced_under_load(root, _):
    with Load(HTTP) as load:
        load.wait_for_more()
        ended = log_of(root, GUARD).count(" has ended")
        follow(root, "security.md", "Password of the database's role")
        wait_for(lambda: log_of(root, GUARD).count(" has ended") > ended, 30, "the old guards end")
        load.wait_for_more()
    assert not load.failures, (load.answers, load.failures[:5])
    assert "ready" in status_line(root, "database")


def step_nginx_speaks_tls_and_asks_callers_of_grpc_for_a_certificate(root, _):
    make_certificates(root)
    follow(root, "security.md", "TLS at nginx")
    follow(root, "security.md", "Mutual TLS for gRPC")
    trusted = "curl -sS --cacert /etc/availability-guard/callers.pem"
    wait_for(lambda: "ready" in root.run(f"{trusted} https://localhost:3843/ready", check=False)[1],
             10, "an answer by TLS")
    call = (f"{trusted} --http2 -o /root/answer -D - -X POST -H 'Content-Type: application/grpc' -H 'TE: trailers' "
            "--data-binary @/root/message https://localhost:4443/grpc.health.v1.Health/Check")
    root.run(r"printf '\0\0\0\0\0' >/root/message")
    known = "--cert /etc/availability-guard/caller.pem --key /etc/availability-guard/caller.key"
    # Answered before it was read to its end, which curl may take for an error of the stream.
    said = root.run(call, check=False)[1]
    assert "grpc-status: 16" in said, said
    root.run(f"{call} {known}")
    assert root.path("/root/answer").read_bytes() == b"\0\0\0\0\2\x08\1"  # SERVING
    # With TLS a caller can ask for HTTP/1.1, which has trailers, too.
    said = root.run(f"{call} {known} --http1.1")[1]
    assert "HTTP/1.1 200" in said and "grpc-status: 0" in said, said
    for name in ("http", "grpc"):
        root.path(f"/etc/availability-guard/nginx/{name}.d/tls.conf").unlink()
    root.run("availability-guardctl site && rm /etc/availability-guard/*.pem /etc/availability-guard/*.key")
    wait_for(lambda: not listens(3843) and not listens(4443), 10, "the ports are gone")


# --- broken settings -------------------------------------------------------------------------------


def step_a_wrong_setting_is_named_in_one_line(root, _):
    wrong = 'PORT: "70000" is not allowed; allowed is an integer from 1 to 65535'
    with Changed(root, SETTINGS, "PORT=70000"):
        status, _ = root.run("systemctl reload availability-guard", check=False)
        assert status != 0
        wait_for(is_ready, 20, "a refused reload leaves everything as it was")
        before = log_of(root, GUARD)
        assert wrong in before.splitlines()
        status, _ = root.run("systemctl restart availability-guard", check=False)
        assert status != 0
        after = log_of(root, GUARD)[len(before):]
        assert [line for line in after.splitlines() if '"level":"info"' not in line] == [wrong]
        assert not root.manager.service(GUARD).active
        assert other_site_answers()
        assert status_line(root, "settings").startswith("wrong")
    root.run("systemctl restart availability-guard")
    wait_for(is_ready, 20, "ready")


def step_a_site_that_nginx_refuses_is_taken_back(root, _):
    with Changed(root, "/etc/availability-guard/nginx/http.d/wrong.conf", "no_such_directive on;"):
        status, said = root.run("availability-guardctl site", check=False)
        assert status == 1 and "no_such_directive" in said or "nginx refuses" in said, said
        root.run("nginx -t -q")
    root.run("availability-guardctl site")
    wait_for(is_ready, 20, "ready")
    assert other_site_answers()


def step_a_port_of_another_program_is_not_taken(root, _):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 3802))
        other.listen()
        with Changed(root, SETTINGS, "PORT=3802"):
            status, said = root.run("availability-guardctl site", check=False)
            assert status == 1
            assert "PORT: another program listens on port 3802" in said
            root.run("nginx -t -q")
            wait_for(is_ready, 20, "ready")


def step_a_database_that_is_missing_is_named(root, _):
    with Changed(root, SETTINGS, "DB_NAME=no_such_database"):
        assert 'database "no_such_database" does not exist: create it' in status_line(root, "database")
    with Changed(root, SETTINGS, "DB_PORT=5999"):
        assert "start PostgreSQL, or mend DB_HOST" in status_line(root, "database")


def step_a_schema_that_is_too_old_or_too_new_is_named(root, _):
    newest = int(sql(root, "SELECT max(version) FROM guard.schema_migrations"))
    for version, advice in ((newest - 1, "run availability-guard-migrate"),
                            (newest + 1, "install the version of the programs that belongs to it")):
        function = ("CREATE OR REPLACE FUNCTION guard.schema_version() RETURNS integer LANGUAGE sql "
                    "STABLE AS 'SELECT {}'")
        sql(root, function.format(version))
        said = status_line(root, "database")
        assert f"the schema has version {version}" in said and advice in said
        sql(root, function.format("max(version) FROM guard.schema_migrations"))


def step_an_extension_that_may_not_be_made_is_named(root, _):
    sql(root, "CREATE DATABASE narrow", "postgres")
    sql(root, "GRANT CREATE ON SCHEMA public TO guard_owner", "narrow")
    environment = "DB_HOST=127.0.0.1 DB_NAME=narrow DB_USER=guard_owner DB_PASSWORD=choose-one"
    status, said = root.run(f"{environment} availability-guard-migrate", check=False)
    assert status == 3, said
    assert "CREATE EXTENSION btree_gist" in said
    sql(root, "DROP DATABASE narrow", "postgres")


def step_unusual_settings_files_are_read_or_refused(root, _):
    for line, wanted in (("  LOCK_MAX_STAY_DAYS = 7", None), ("LOCK_MAX_STAY_DAYS='7'  ", "7"),
                         ('LOCK_MAX_STAY_DAYS="7"', "7"), ("LOCK_MAX_STAY_DAYS=7\r", "7"),
                         ("LOCK_MAX_STAY_DAYS='7", None), ("LOCK_MAX_STAY_DAYS", None),
                         ("$(touch /root/pwned)=7", None)):
        with Changed(root, SETTINGS, line):
            status, said = root.run("availability-guardctl check", check=False)
            if wanted is None:
                assert status == 2 and "settings.conf, line" in said, (line, said)
            else:
                assert f"LOCK_MAX_STAY_DAYS={wanted}\n" in said, (line, said)
    assert not root.path("/root/pwned").exists()


# --- operations ----------------------------------------------------------------------------------


def step_there_are_more_guards_and_hosts(root, _):
    before = root.path(SETTINGS).read_bytes()
    follow(root, "operations.md", "Scaling")
    wait_for(lambda: root.run("pgrep -c -P $(pgrep -x multiwatch)", check=False)[1] == "4\n", 20, "four guards")
    follow(root, "operations.md", "Failover")
    wait_for(is_ready, 20, "ready")
    root.path(SETTINGS).write_bytes(before)
    root.run("systemctl reload availability-guard && systemctl restart 'availability-guard-*'")


def step_a_backup_is_made_and_restored(root, _):
    count = "SELECT count(*) FROM inventory_locks_shadow"
    token = "SELECT last_value FROM guard.fencing_token"
    locks, newest = int(sql(root, count)), int(sql(root, token))
    follow(root, "operations.md", "Backup")
    sql(root, "DELETE FROM inventory_locks_shadow")
    root.run("systemctl stop 'availability-guard-*'")
    follow(root, "operations.md", "Restoring")
    wait_for(is_ready, 20, "ready")
    assert int(sql(root, count)) >= locks > 0
    assert json.loads(post_lock())["lock"]["fencing_token"] > newest + 1000000000
    root.run("rm /var/tmp/availability_guard.dump; systemctl start availability-guard-relay "
             "availability-guard-notifier availability-guard-commands")


# --- upgrade -----------------------------------------------------------------------------------------


def step_an_upgrade_under_load_loses_no_request(root, work):
    for package in root.path("/root").glob("*.deb"):
        package.unlink()
    for package in packages(work / "packages/next"):
        shutil.copy(package, root.path("/root"))
    with Load(HTTP) as load:
        load.wait_for_more()
        said = follow(root, "upgrade.md", "Upgrade")
        assert "availability-guard-migrate" in said
        load.wait_for_more()
        wait_for(is_ready, 20, "ready")
        load.wait_for_more()
    assert set(load.answers) <= {200, 503}, (load.answers, load.failures[:5])
    assert "ready, schema version" in status_line(root, "database")


def step_a_downgrade_is_refused(root, work):
    for package in packages(work / "packages/now"):
        shutil.copy(package, root.path("/tmp"))
    status, said = root.run("dpkg -i /tmp/availability-guard*.deb", check=False)
    assert status != 0
    assert "refused: this version works with schema version" in said
    root.run("dpkg --audit")
    installed = root.run("dpkg-query -W -f '${Package} ${Version} ${db:Status-Status}\\n' "
                         "'availability-guard*'")[1]
    assert set(installed.split("\n")) >= {f"availability-guard {NEXT_VERSION} installed",
                                          f"availability-guard-common {NEXT_VERSION} installed"}
    wait_for(is_ready, 20, "ready")


# --- without systemd, and the end ------------------------------------------------------------------


def step_it_starts_by_hand_as_the_documents_say(root, _):
    root.run("systemctl stop availability-guard availability-guard-sweeper availability-guard.socket")
    assert get("/ready")[0] == 502
    start, stop = commands("install.md", "Without systemd")
    with subprocess.Popen(["chroot", str(root.folder), "bash", "-c", f"cd /root\n{start}\nwait"],
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        wait_for(is_ready, 30, "ready")
        owner = root.run("stat -c %U /proc/$(pgrep -x multiwatch)")[1]
        assert owner == "availability-guard\n"
        reload, end = stop.strip().splitlines()
        with Load(HTTP) as load:
            load.wait_for_more()
            root.run(reload)
            load.wait_for_more()
        assert not load.failures, (load.answers, load.failures[:5])
        root.run(end)
        process.wait(60)
    root.run("systemctl start availability-guard")
    wait_for(is_ready, 30, "ready")


def step_remove_leaves_the_other_sites_and_the_settings(root, _):
    root.run(commands("install.md", "Removing it")[0])
    assert other_site_answers() and not listens(HTTP) and not listens(GRPC)
    assert root.path(SETTINGS).exists()
    assert root.run("pgrep -u availability-guard", check=False)[0] == 1


def step_purge_leaves_nothing_but_the_database(root, work):
    root.run(commands("install.md", "Removing it")[1])
    before = set(json.loads((work / "before").read_text(encoding="utf-8")))
    left = root.files() - before
    assert not left, sorted(left)[:20]
    assert root.run("getent passwd availability-guard", check=False)[0] != 0
    assert not list(root.path("/var/log/nginx").glob("availability-guard*"))
    assert int(sql(root, "SELECT count(*) FROM inventory_locks_shadow")) > 0


def step_the_autopkgtest_passes(root, work):
    """The test that Debian's own machines would run, after a purge: installing again works too."""
    sql(root, "DROP DATABASE availability_guard", "postgres")
    sql(root, "DROP ROLE availability_guard", "postgres")
    sql(root, "DROP ROLE guard_owner", "postgres")
    for package in packages(work / "packages/now"):
        shutil.copy(package, root.path("/tmp"))
    root.run("dpkg -i /tmp/availability-guard*.deb")
    shutil.copy(SMOKE, root.path("/root/smoke"))
    root.run("AUTOPKGTEST_TMP=/tmp bash /root/smoke")
