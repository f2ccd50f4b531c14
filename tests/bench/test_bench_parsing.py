"""What other programs write, as the benchmark reads it."""

import os
import subprocess
import sys

import pytest

from bench_lib import access_log, floor, machine, memory, open_loop, processor, wrk
from bench_lib.failure import BenchFailed

PGBENCH = """pgbench (15.9)
transaction type: floor.sql
number of clients: 8
number of transactions actually processed: 81234
number of failed transactions: 0 (0.000%)
latency average = 0.785 ms
initial connection time = 5.1 ms
tps = 10154.250000 (without initial connection time)
"""


def test_the_result_of_pgbench():
    assert floor.parse(PGBENCH) == {"per_second": 10154.25, "requests": 81234, "mean_ms": 0.785}


def test_pgbench_that_failed():
    with pytest.raises(BenchFailed, match="failed transactions"):
        floor.parse(PGBENCH.replace("transactions: 0", "transactions: 3"))
    with pytest.raises(BenchFailed, match="no result"):
        floor.parse("pgbench: error: connection refused")


def test_the_log_of_pgbench(tmp_path):
    (tmp_path / "log.1").write_text("0 1 300 0 1700000000 1\n0 2 100 0 1700000000 2\n")
    assert floor.latencies(tmp_path) == [0.1, 0.3]


def test_the_result_of_wrk():
    text = 'Running 1s test\nresult {"seconds":1.5,"requests":7}\nRequests/sec: 4\n'
    assert wrk.parse(text) == {"seconds": 1.5, "requests": 7}
    with pytest.raises(BenchFailed, match="no result"):
        wrk.parse("unable to connect")


def test_statuses_of_the_access_log():
    log = (b'127.0.0.1 2031-01-01T00:00:00+00:00 "POST /v1/locks HTTP/1.1" 200 800 id=a\n'
           b'127.0.0.1 2031-01-01T00:00:00+00:00 "POST /v1/locks HTTP/1.1" 409 700 id=b\n'
           b'127.0.0.1 2031-01-01T00:00:00+00:00 "GET /\\x22 404 HTTP/1.1" 200 9 id=c\n')
    assert access_log.count_statuses(log) == {200: 2, 409: 1}
    assert not access_log.count_statuses(b"")


def test_a_stat_line_with_a_hostile_name():
    fields = ["S", "77", *["0"] * 9, "1", "2", "30", "40", *["0"] * 5]
    parent, collected = processor.parse_stat("12 (a) b (c) " + " ".join(fields))
    assert parent == 77
    assert collected == 70 * processor.TICK_NS


def test_the_tree_below_a_process():
    table = {1: (0, 0), 2: (1, 0), 3: (2, 0), 4: (1, 0), 5: (9, 0)}
    assert processor.members(2, table) == {2, 3}
    assert processor.members(1, table) == {1, 2, 3, 4}
    assert processor.members(8, table) == set()


def test_time_of_children_that_have_ended_is_not_lost():
    before = processor.Sample.take({"we": os.getpid()})
    subprocess.run([sys.executable, "-c", "sum(i * i for i in range(3_000_000))"], check=True)
    after = processor.Sample.take({"we": os.getpid()})
    used = processor.between(before, after, 0)
    assert used["we"] >= 30_000_000


def test_what_is_left_of_the_machine():
    machine = dict.fromkeys(processor.FIELDS, 0)
    before = processor.Sample({"nginx": 5}, machine)
    after = processor.Sample({"nginx": 25}, {**machine, "user": 70, "softirq": 10, "idle": 40,
                                             "iowait": 2, "steal": 3})
    assert processor.between(before, after, 30) == {
        "nginx": 20, "load": 30, "other": 30, "idle": 42, "steal": 3}


def test_memory_of_a_process():
    text = "Name:\tx\nVmHWM:\t  2000 kB\nVmRSS:\t  1500 kB\nRssAnon:\t 700 kB\nThreads:\t1\n"
    assert memory.parse_status(text) == {"now": 1500, "peak": 2000, "own": 700}
    assert memory.of_all([os.getpid(), 2 ** 22 + 1])[0]["now"] > 0


def test_the_command_without_the_files_of_its_caller():
    assert machine.command(["/a/b/run", "--build", "/x/y", "--pairs", "2", "--json=/z",
                            "--postgres", "shared_buffers=2GB", "--report", "/r"]) == (
        "bench/run --build DIR --pairs 2 --postgres shared_buffers=2GB")


def test_lines_of_the_open_loop():
    found = open_loop.parse([
        '{"kind":"begin","phase":0}', '{"kind":"second","phase":0,"granted":1}',
        '{"kind":"phase","phase":0,"granted":2}', '{"kind":"drain","granted":3}'])
    assert found == {"seconds": [{"phase": 0, "granted": 1}],
                     "phases": [{"phase": 0, "granted": 2}], "drain": {"granted": 3}}
