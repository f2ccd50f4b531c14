"""Steps of packaging/check on a fresh Debian that a real systemd has booted: what the units do there."""

import re

from building import EXPOSURE_MAX
from installing import (GUARD, HTTP, SETTINGS, Changed, follow, get, is_ready, other_site_answers,
                        post_lock, wait_for)
from load import Load

SERVICES = ("availability-guard", "availability-guard-sweeper")
EVENTS = ("relay", "notifier", "commands", "trace-exporter")


def property_of(machine, unit, name):
    return machine.run(f"systemctl show --value -p {name} {unit}")[1].strip()


def log_of(machine):
    return machine.run(f"journalctl -b -o cat -u {GUARD}")[1]


def all_are_active(machine, units):
    return all(property_of(machine, unit, "ActiveState") == "active" for unit in units)


def step_the_packages_are_installed_and_started(machine, _):
    wait_for(other_site_answers, 30, "nginx serves its own site")
    follow(machine, "install.md", "Packages")
    assert all_are_active(machine, [*SERVICES, "availability-guard.socket"])
    assert get("/ready")[0] == 503


def step_a_reload_takes_the_settings(machine, _):
    follow(machine, "install.md", "The database")
    follow(machine, "install.md", "Settings")
    wait_for(lambda: "generation 1 has ended" in log_of(machine), 30, "the old guards end")
    wait_for(is_ready, 30, "ready")
    assert '"status":"LOCKED"' in post_lock().decode()


def step_a_reload_loses_no_request(machine, _):
    with Load(HTTP) as load:
        load.wait_for_more()
        for _ in range(5):
            machine.run("systemctl reload availability-guard")
            load.wait_for_more(50)
        wait_for(lambda: log_of(machine).count(" has ended") >= 6, 60, "the old guards end")
    assert not load.failures, (load.answers, load.failures[:5])


def step_after_a_restart_and_a_kill_it_goes_on(machine, _):
    """What nginx sends on a kept connection while a guard closes it is lost."""
    with Load(HTTP) as load:
        load.wait_for_more()
        machine.run("systemctl restart availability-guard")
        load.wait_for_more(50)
        before = property_of(machine, GUARD, "NRestarts")
        machine.run("pkill -KILL -x multiwatch")
        wait_for(lambda: property_of(machine, GUARD, "NRestarts") != before, 20, "it is started again")
        load.wait_for_more()
    assert set(load.answers) <= {200, 502}, (load.answers, load.failures[:5])
    assert load.answers[502] <= 12, load.failures[:20]  # the six callers, each time


def step_what_starts_beside_the_guards_does_not_make_them_block(machine, _):
    """systemd takes O_NONBLOCK from the socket for each process that it starts with it."""
    machine.run("systemctl restart availability-guard")
    with Load(HTTP, callers=40) as load:
        load.wait_for_more(1000)
    flags = machine.run("grep -h flags $(pgrep -f ^/usr/sbin/availability-guard$ | "
                        "sed 's|.*|/proc/&/fdinfo/0|')")[1].split()[1::2]
    assert flags and all(int(word, 8) & 0o4000 for word in flags), flags
    assert not load.failures, (load.answers, load.failures[:5])


def step_a_wrong_setting_ends_it_once_and_for_all(machine, _):
    with Changed(machine, SETTINGS, "PORT=70000"):
        assert machine.run("systemctl reload availability-guard", check=False)[0] != 0
        assert is_ready()
        assert machine.run("systemctl restart availability-guard", check=False)[0] != 0
        assert property_of(machine, GUARD, "ActiveState") == "failed"
        assert property_of(machine, GUARD, "NRestarts") == "0"
        assert 'PORT: "70000" is not allowed; allowed is an integer from 1 to 65535' in log_of(machine).splitlines()
        assert other_site_answers()
    machine.run("systemctl reload-or-restart availability-guard")
    wait_for(is_ready, 30, "ready")


def step_all_units_are_as_confined_as_they_are_rated(machine, _):
    follow(machine, "install.md", "Events, notifications, commands")
    units = [*SERVICES, *(f"availability-guard-{name}" for name in EVENTS)]
    wait_for(lambda: all_are_active(machine, units), 30, "all are active")
    said = machine.run("systemd-analyze security --no-pager")[1]
    rated = dict(re.findall(r"^(availability-guard\S*)\.service +([0-9.]+)", said, re.MULTILINE))
    assert set(rated) == set(units), said
    assert all(float(rate) <= EXPOSURE_MAX for rate in rated.values()), rated


def step_it_boots_without_its_database(machine, _):
    machine.run("systemctl mask --now postgresql@15-main postgresql")
    machine.reboot()
    assert all_are_active(machine, SERVICES)
    wait_for(lambda: get("/ready")[0] == 503, 30, "it says that there is no database")
    machine.run("systemctl unmask postgresql@15-main postgresql && systemctl start postgresql@15-main")
    wait_for(is_ready, 30, "ready")


def step_nothing_of_it_runs_when_it_has_been_purged(machine, _):
    follow(machine, "install.md", "Removing it")
    assert other_site_answers()
    said = machine.run("systemctl list-units --all --no-legend 'availability-guard*'; getent passwd availability-guard; "
                       "pgrep -a -u availability-guard", check=False)[1]
    assert not said, said
    assert not machine.path("/etc/availability-guard").exists()
