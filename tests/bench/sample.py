"""Small results, as the programs in bench/ write them."""

CPU = {"postgres": 40.0, "guard": 13.0, "sweeper": 0.1, "nginx": 18.0, "load": 10.0,
       "other": 2.0, "idle": 12.0, "steal": 0.5}
PROCESS = {"now": 10240, "peak": 12288, "own": 4096}


def floor_run(clients, per_second):
    run = {"clients": clients, "seconds": 8, "per_second": per_second,
           "requests": int(per_second * 8), "mean_ms": clients * 1000 / per_second,
           "cpu_us": dict(CPU), "wal_bytes": 700.0, "checkpoints": 0}
    if clients == 1:
        run.update(p50_ms=0.25, p99_ms=0.6, p999_ms=2.0)
    return run


def row_run(row, clients, per_second, **more):
    return {"row": row, "title": {"headline": "new locks", "new": "new locks"}.get(row, row),
            "clients": clients, "seconds": 8.0, "requests": int(per_second * 8), "not_ok": 0,
            "errors": 0, "mean_ms": 2.0, "p50_ms": 2.5, "p90_ms": 3.5, "p99_ms": 6.0,
            "p999_ms": 9.0, "max_ms": 12.0, "per_second": per_second, "cpu_us": dict(CPU),
            "batch": None if row == "get" else 20.0, "wal_bytes": 500.0, "checkpoints": 0,
            "memory_kib": {"guard": [PROCESS, PROCESS], "nginx": [PROCESS],
                           "backends": [PROCESS]}, **more}


def header(kind):
    return {"format": 2, "kind": kind, "date": "2031-05-06T07:08:09+00:00",
            "commit": "0123456789ab", "command": f"bench/{kind} --build b",
            "machine": {"cpu": "Some <CPU> & more", "cores": 2, "memory_gib": 23.5,
                        "virtual": True, "kernel": "6.1.0", "system": "Debian GNU/Linux 12"},
            "versions": {"postgresql": "15.9 (Debian 15.9-0)", "nginx": "1.22.1"},
            "postgres_settings": {"shared_buffers": "1GB", "fsync": "on"},
            "service_settings": {}, "seconds": 8}


def result_of_run(factor=1.0):
    """Two rounds; the rates of the service times factor."""
    pairs = []
    for floor in (10_000, 8_000):
        pairs.append({"floor": [floor_run(1, 4_000), floor_run(8, floor), floor_run(32, 7_000)],
                      "rows": [row_run("headline", 1, 2_000 * factor),
                               row_run("headline", 64, 16_000 * factor)],
                      "lone": [{"service": row_run("headline", 1, 2_000, p50_ms=p50, mean_ms=0.5),
                                "floor": floor_run(1, 4_000)} for p50 in (0.3, 0.375)]})
        pairs.append({"floor": [floor_run(8, 9_000), floor_run(32, 10_000)],
                      "rows": [row_run("get", 64, 20_000 * factor)]})
    return {**header("run"), "rounds": 2, "pairs": pairs}


def result_of_growth():
    sizes = []
    for locks in (10_000, 1_000_000):
        rows = [row_run(row, clients, 16_000, p50_ms=2.0 if locks == 10_000 else 3.0)
                for row, clients in (("fresh", 64), ("new", 1), ("new", 64), ("conflicts", 1),
                                     ("conflicts", 64))]
        sizes.append({"locks": locks,
                      "bytes": {"locks_table": locks * 180, "locks_pkey": locks * 50,
                                "locks_nothing": 8192},
                      "pairs": [{"floor": [floor_run(1, 4_000), floor_run(8, 8_000)],
                                 "rows": rows}]})
    return {**header("growth"), "sizes": sizes}


def tally(phase, **more):
    return {"phase": phase, "seconds": 2.0, "arrivals": 1000, "held": 100, "granted": 700,
            "conflicts": 10, "refused": 190, "other": 0, "no_retry_after": 0, "lost": 0,
            "granted_p50_ms": 3.0, "granted_p99_ms": 9.0, "refused_p50_ms": 1.0,
            "refused_p99_ms": 4.0, **more}


def result_of_overload():
    one = {"phases": [tally(phase) for phase in range(3)],
           "seconds": [tally(phase, granted=700 - 100 * second)
                       for phase in range(3) for second in range(3)],
           "drain": tally(-1), "checkpoints": 0,
           "memory_kib": [{"phase": phase, "guard": 20480, "nginx": 30720 + phase * 1024,
                           "backends": 40960} for phase in range(3)],
           "peaks_kib": {"guard": 20480, "nginx": 40960, "backends": 40960},
           "processors": [dict(CPU) for _ in range(3)]}
    return {**header("overload"), "factor": 4.0, "connections": 3000,
            "peak": row_run("headline", 64, 500),
            "crowds": [row_run("headline", 64, rate) for rate in (300, 400, 600)],
            "runs": [{**one, "obey": True}, {**one, "obey": False}]}
