"""The report of bench/announcements."""

from . import report
from .tabular import mebibytes, milliseconds, number, table

BEGIN, END = "<!-- announcements: begin -->", "<!-- announcements: end -->"


def table_of_streams(streams):
    lines = []
    for key, what in (("answer", "answer"), ("lag", "release to webhook")):
        for name, title in (("p50_ms", "p50 ms"), ("p99_ms", "p99 ms"), ("max_ms", "most ms")):
            lines.append((f"{what}: {title}", *(milliseconds(one[key][name]) for one in streams)))
    for name in ("relay", "notifier"):
        lines.append((f"{name}, MiB at most", *(mebibytes(one["kib"][name]) for one in streams)))
    return table(("releases per second", *(number(one["rate"]) for one in streams)), lines)


def backlog(back, what):
    return (f"\n\nAn outbox of {number(back['events'])} {what}:"
            f" {number(back['per_second'])} a second to Kafka and out of the table, with at most"
            f" {mebibytes(back['kib'])} MiB.")


def summary(result):
    return (table_of_streams(result["streams"])
            + backlog(result["backlog"], "announcements of half a kilobyte")
            + backlog(result["inventory"], "inventory events in batches"))


def markdown(result):
    return report.circumstances(result) + "\n\n" + summary(result) + "\n"


def write(result, path=None):
    if path:
        report.put(path, markdown(result), BEGIN, END)
