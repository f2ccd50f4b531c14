"""The program as a whole against a fake of the service, well behaved and otherwise."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from fake_guard import FakeGuard, Mischief

from replay_lib.database import check_database
from replay_lib.errors import ReplayError
from replay_lib.hotel import build_hotel
from replay_lib.model import Held, Prediction
from replay_lib.stay import Stay

GOOD = "replay: OK, model and service agree"
BAD = "replay: FAILED, model and service differ"


class Run:
    """One run of the program that has ended."""

    def __init__(self, script: str, *arguments: str) -> None:
        environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run([sys.executable, script, *arguments], text=True, timeout=120,
                              capture_output=True, env=environment, check=False)
        self.code, self.out, self.err = done.returncode, done.stdout, done.stderr

    def verdict(self) -> str:
        return self.out.rstrip("\n").rsplit("\n", 1)[-1]


@pytest.fixture
def replay(fake_guard: FakeGuard, replay_script: str):
    """Runs the program against the fake."""
    return lambda *arguments: Run(replay_script, "--url", fake_guard.url, *arguments)


def test_model_and_service_agree(replay, fake_guard: FakeGuard, tmp_path: Path):
    path = tmp_path / "report.json"
    run = replay("--generate", "400", "--seed", "2", "--tenant-seed", "t", "--json", str(path))
    assert (run.code, run.verdict()) == (0, GOOD), run.out + run.err
    document = json.loads(path.read_text())
    service = document["service"]["total"]
    assert document["agrees"] is True and document["differences"] == []
    assert service == document["model"]["total"]
    assert min(service["locks"], service["moves"], service["releases"]) > 10
    assert service["conflicts"] > 500
    active = [lock for lock in fake_guard.locks.values() if lock["status"] == "ACTIVE"]
    assert len(active) == service["locks"] - service["releases"] > 100
    assert sum(one["stays"] for one in document["occupancy"]) == len(active)
    assert {lock["tenant_id"] for lock in active} == set(document["tenants"].values())
    # the two first questions, whether the tenants are empty, and the closing lists
    lists = document["requests"] - (service["locks"] + service["moves"] + service["releases"]
                                    + service["conflicts"])
    assert lists == 2 + 2


def test_long_lists_are_read_page_by_page(replay, tmp_path: Path):
    path = tmp_path / "report.json"
    run = replay("--generate", "900", "--json", str(path), "--quiet")
    assert (run.code, run.out) == (0, GOOD + "\n"), run.out + run.err
    held = json.loads(path.read_text())["occupancy"]
    assert sum(one["stays"] for one in held if one["hotel"] == "resort") > 200


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_progress_off_a_terminal_is_a_line_now_and_then(replay, jobs: str):
    run = replay("--generate", "300", "--jobs", jobs)
    assert run.code == 0
    lines = run.err.splitlines()
    assert 1 <= len(lines) <= 20
    assert lines[-1].startswith("100 %")


def test_the_wire_may_be_bad_and_the_outcome_is_the_same(replay, fake_guard: FakeGuard,
                                                         tmp_path: Path):
    fake_guard.mischief = Mischief(
        chunked=True, requests_per_connection=50,
        failures={number: ("503", "close", "lose")[number % 3] for number in range(20, 900, 40)})
    path = tmp_path / "report.json"
    run = replay("--generate", "200", "--json", str(path))
    assert (run.code, run.verdict()) == (0, GOOD), run.out + run.err
    repeats = json.loads(path.read_text())["repeats"]
    assert set(repeats) == {"503", "connection"}
    assert sum(repeats.values()) == len(fake_guard.mischief.failures)
    assert "sent again after: 503 " in run.out or "sent again after: connection " in run.out


def test_a_double_booking_is_found_without_the_model_too(replay, fake_guard: FakeGuard):
    fake_guard.mischief = Mischief(blind_posts=set(range(100, 110)))
    run = replay("--generate", "200", "--jobs", "1")
    assert (run.code, run.verdict()) == (1, BAD)
    assert " overlap in room " in run.out
    assert ", the model says locked room " in run.out


def test_a_release_that_did_nothing_is_found(replay, fake_guard: FakeGuard):
    fake_guard.mischief = Mischief(deaf_releases={5})
    run = replay("--generate", "200", "--jobs", "1")
    assert (run.code, run.verdict()) == (1, BAD)
    assert "is active, the model has none" in run.out


def test_a_time_to_live_that_is_too_short_is_told(replay, fake_guard: FakeGuard):
    fake_guard.mischief = Mischief(ttl_seconds_max=0)
    run = replay("--generate", "50")
    assert (run.code, run.verdict()) == (1, BAD)
    assert "LOCK_MAX_TTL_SECONDS" in run.out


def test_a_run_is_not_repeated_over_its_own_locks(replay):
    assert replay("--generate", "50", "--tenant-seed", "twice").code == 0
    again = replay("--generate", "50", "--tenant-seed", "twice")
    assert again.code == 1
    assert "holds active locks already: use another --tenant-seed" in again.err
    assert replay("--generate", "50").code == replay("--generate", "50").code == 0


def test_an_answer_that_the_contract_does_not_allow_ends_it(replay, fake_guard: FakeGuard):
    fake_guard.answer = lambda *request: (  # type: ignore[method-assign]
        200, {"locks": [], "nextCursor": None}) if request[0] == "GET" else (
        400, {"error": "invalid_request"})
    run = replay("--generate", "50")
    assert run.code == 1
    assert "unexpected answer 400" in run.err and "invalid_request" in run.err
    assert "Traceback" not in run.err


def test_a_service_that_lists_rubbish_ends_it(replay, fake_guard: FakeGuard):
    fake_guard.answer = lambda *_: (200, {"locks": "none"})  # type: ignore[method-assign]
    run = replay("--generate", "50")
    assert run.code == 1 and "listing the locks: unexpected answer" in run.err


def test_written_bookings_are_replayed_like_generated_ones(replay, replay_script: str,
                                                           tmp_path: Path):
    path = tmp_path / "bookings.csv"
    assert Run(replay_script, "--write-csv", str(path), "--generate", "120", "--seed", "9").code == 0
    tables = []
    for source in (["--bookings", str(path)], ["--generate", "120", "--seed", "9"]):
        run = replay(*source)
        assert run.code == 0, run.err
        tables.append(run.out[run.out.index("bookings that got a room"):])
    assert tables[0] == tables[1]
    limited = replay("--bookings", str(path), "--limit", "10")
    assert "replaying 10 bookings" in limited.out and limited.code == 0


def test_the_model_alone_sends_nothing(replay_script: str):
    run = Run(replay_script, "--model-only", "--generate", "100", "--url", "http://127.0.0.1:1")
    assert run.code == 0
    assert run.verdict() == "replay: model only, nothing was sent"


def test_a_measured_file_gives_a_profile(replay_script: str, tmp_path: Path):
    path = tmp_path / "profile.json"
    run = Run(replay_script, "--write-profile", str(path), "--generate", "500")
    assert run.code == 0
    assert set(json.loads(path.read_text())) == {"resort", "city"}


@pytest.mark.parametrize("arguments, message", [
    (["--generate", "0"], "not a number from 1"),
    (["--generate", "x"], "not a number from 1"),
    (["--bookings", "a", "--generate", "5"], "not allowed with"),
    (["--bookings", "/nowhere/bookings.csv"], "No such file"),
    (["--url", "https://x"], "http://HOST:PORT expected"),
    (["--write-csv", "/nowhere/bookings.csv"], "No such file"),
    (["--jobs", "0"], "not a number from 1"),
])
def test_wrong_arguments_are_exit_code_2(replay_script: str, arguments: list[str], message: str):
    run = Run(replay_script, *arguments)
    assert run.code == 2 and message in run.err
    assert "Traceback" not in run.err


def test_a_wrong_row_is_told_before_anything_is_sent(replay, fake_guard: FakeGuard,
                                                     replay_script: str, tmp_path: Path):
    path = tmp_path / "bookings.csv"
    assert Run(replay_script, "--write-csv", str(path), "--generate", "20").code == 0
    path.write_text(path.read_text() + "2015-07-01,21,resort,2015-07-02,1,A,A,0,Lost,2015-07-02,x\n")
    run = replay("--bookings", str(path))
    assert run.code == 2
    assert f"{path}: line 22: outcome 'Lost' is none of" in run.err
    assert not fake_guard.locks


def _children(pid: int) -> list[int]:
    """The processes that `pid` has started."""
    return [int(child) for task in Path(f"/proc/{pid}/task").iterdir()
            for child in (task / "children").read_text().split()]


def _wait_until(condition, seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        time.sleep(0.01)


@pytest.mark.parametrize("number, code", [
    (signal.SIGINT, 130), (signal.SIGTERM, 130), (signal.SIGKILL, -9)])
def test_a_signal_ends_the_workers_too(fake_guard: FakeGuard, replay_script: str, number: int,
                                       code: int):
    # Whoever runs the tests in the background may have them ignore the interrupt.
    process = subprocess.Popen(
        [sys.executable, replay_script, "--url", fake_guard.url, "--generate", "20000",
         "--jobs", "2"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
    try:
        _wait_until(lambda: len(_children(process.pid)) == 2 and len(fake_guard.locks) > 5)
        workers = _children(process.pid)
        process.send_signal(number)
        _, err = process.communicate(timeout=20)
    finally:
        process.kill()
    assert process.returncode == code
    assert "Traceback" not in err
    _wait_until(lambda: not any(_is_running(pid) for pid in workers))


def _is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def _elsewhere(answer, part: str, changes: dict[str, str]):
    """The service's answers, with another lock in them; no id stands for the caller's own."""
    def changed(*request):
        status, body = answer(*request)
        if part in body:
            body[part].update(changes or {"id": request[2]["idempotencyKey"]})
        return status, body

    return changed


@pytest.mark.parametrize("part, changes, status", [
    ("lock", {"room_id": "another room"}, 200),
    ("lock", {"id": "another lock"}, 200),
    ("conflict", {"room_id": "another room"}, 409),
    ("conflict", {}, 409),
])
def test_an_answer_about_another_lock_or_room_ends_it(replay, fake_guard: FakeGuard, part: str,
                                                      changes: dict[str, str], status: int):
    answer = _elsewhere(fake_guard.answer, part, changes)
    fake_guard.answer = answer  # type: ignore[method-assign]
    run = replay("--generate", "200")
    assert run.code == 1
    assert "asked for room" in run.err and f"unexpected answer {status}" in run.err


@pytest.fixture
def fake_psql(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A psql that keeps its input and prints what it is told to."""
    def install(output: str, code: int = 0) -> Path:
        program = tmp_path / "psql"
        program.write_text(f"#!/bin/sh\necho \"$@\" >{tmp_path}/arguments\ncat >{tmp_path}/query\n"
                           f"cat {tmp_path}/output\nexit {code}\n")
        program.chmod(0o755)
        (tmp_path / "output").write_text(output)
        monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
        return tmp_path

    return install


def test_the_rows_of_the_database_are_counted(replay, fake_psql, tmp_path: Path):
    path = tmp_path / "report.json"
    arguments = ["--generate", "60", "--tenant-seed", "rows", "--check-database", "dbname=x"]
    fake_psql("")
    run = replay(*arguments, "--json", str(path))
    document = json.loads(path.read_text())
    held = {hotel: sum(one["stays"] for one in document["occupancy"] if one["hotel"] == hotel)
            for hotel in document["tenants"]}
    assert run.code == 1
    for hotel, number in held.items():
        assert f"{hotel}: 0 active rows, the model says {number}" in document["differences"]
    assert "-d dbname=x" in (tmp_path / "arguments").read_text()
    query = (tmp_path / "query").read_text()
    assert all(tenant in query for tenant in document["tenants"].values())


def test_overlapping_rows_are_told_and_good_ones_are_not(fake_psql):
    hotel = build_hotel("city", "rows")
    one = Held("room", "type", Stay(1, 2))
    predictions = {"city": Prediction(held={"a": one, "b": one, "c": one})}
    fake_psql(f"{hotel.tenant_id}\t3\t0\n")
    assert check_database("", [hotel], predictions) == []
    fake_psql(f"{hotel.tenant_id}\t3\t2\n")
    assert check_database("", [hotel], predictions) == ["city: 2 pairs of rows overlap"]
    fake_psql("", code=2)
    with pytest.raises(ReplayError, match="--check-database"):
        check_database("", [hotel], predictions)
