"""The benchmarks for real, as short as can be: not for the figures."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from bench_lib import floor, lone, rows
from bench_lib.failure import BenchFailed
from conftest import BENCH

pytestmark = pytest.mark.slow


def missing():
    """What cannot be had, with the package to add to scripts/install-packages."""
    found = [] if shutil.which("wrk") else ["wrk (Debian: wrk)"]
    try:
        floor.program()
    except BenchFailed as failure:
        found.append(str(failure))
    return found


@pytest.fixture
def bench(tmp_path):
    """Runs one of the programs; returns its raw result and its report."""
    build = os.environ.get("AG_BUILD_DIR")
    if not build:
        pytest.skip("AG_BUILD_DIR must name the folder of the built programs")
    if missing():
        pytest.skip("the benchmark is NOT tested: " + "; ".join(missing()))

    def run(program, *arguments):
        done = subprocess.run(
            [BENCH / program, "--build", build, "--json", tmp_path / "r.json", "--report",
             tmp_path / "r.md", *arguments], text=True, capture_output=True, timeout=600,
            check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads((tmp_path / "r.json").read_text()), (tmp_path / "r.md").read_text()
    return run


def test_every_row_once(bench, tmp_path):
    chart = tmp_path / "r.svg"
    # In one second 32 clients of pgbench may not get to a transaction where others use the processors.
    result, text = bench("run", "--pairs", "1", "--seconds", "2", "--clients", "8",
                         "--chart", chart)
    measured = [run for pair in result["pairs"] for run in pair["rows"]]
    assert [run["row"] for run in measured] == [row.name for row in rows.ROWS]
    for run in measured:
        assert run["per_second"] > 0
        assert run["p50_ms"] <= run["p99_ms"] <= run["p999_ms"]
        for group in ("nginx", "guard", "postgres", "load"):
            assert run["cpu_us"][group] > 0, (run["row"], group)
    assert "locks/s" in text and "<svg" in chart.read_text()
    assert not Path(f"{tmp_path}/r.json.new").exists()


def test_a_lone_client_in_turns(bench):
    result, text = bench("run", "--rows", "headline", "--clients", "1", "--pairs", "1",
                         "--seconds", "1")
    assert len(result["pairs"][0]["lone"]) == lone.TURNS
    assert "One client alone" in text


def test_growth_of_two_sizes(bench):
    result, text = bench("growth", "--sizes", "2000,150000", "--pairs", "1", "--seconds", "1")
    assert [size["locks"] for size in result["sizes"]] == [2000, 150000]
    assert "bytes a lock" in text


def test_overload_for_a_moment(bench):
    result, text = bench("overload", "--seconds", "2", "--peak-seconds", "1",
                         "--normal-seconds", "1")
    for one in result["runs"]:
        during = one["phases"][1]
        assert during["granted"] > 0
        assert during["no_retry_after"] == 0 and during["other"] == 0
    assert "of what a crowd gets" in text


def test_commands(bench):
    result, text = bench("commands", "--commands", "2000", "--runs", "1")
    [run] = result["runs"]
    assert run["lock"]["per_second"] > 0 and run["release"]["per_second"] > 0
    assert "new locks" in text


def test_announcements(bench):
    result, text = bench("announcements", "--rates", "20", "--seconds", "2", "--backlog", "2000")
    [stream] = result["streams"]
    assert stream["releases"] == 40
    assert 0 < stream["lag"]["p50_ms"] <= stream["lag"]["p99_ms"] <= stream["lag"]["max_ms"]
    assert result["backlog"]["per_second"] > 0 and result["inventory"]["per_second"] > 0
    assert "release to webhook" in text


def test_grpc_beside_http(bench):
    result, text = bench("grpc", "--pairs", "1", "--seconds", "1", "--calls", "1,16")
    assert [pair["calls"] for pair in result["pairs"]] == [1, 16]
    for pair in result["pairs"]:
        for door in ("http", "grpc"):
            assert pair[door]["per_second"] > 0
            assert pair[door]["p50_ms"] <= pair[door]["p99_ms"] <= pair[door]["p999_ms"]
    assert "gRPC / HTTP" in text
