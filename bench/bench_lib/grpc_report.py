"""The report of bench/grpc."""

from . import report
from .spread import Spread
from .tabular import milliseconds, number, spread, table

BEGIN, END = "<!-- grpc: begin -->", "<!-- grpc: end -->"
DOORS = (("http", "HTTP"), ("grpc", "gRPC"))


def line(pair):
    """One pair, as it is measured."""
    shown = "; ".join(f"{title} {number(pair[door]['per_second'])}/s, p50 "
                      f"{milliseconds(pair[door]['p50_ms'])} ms, p99 "
                      f"{milliseconds(pair[door]['p99_ms'])} ms" for door, title in DOORS)
    return f"{pair['calls']:>4} in flight: {shown}"


def _row(calls, pairs):
    def median(door, name):
        return Spread.of(pair[door][name] for pair in pairs).median
    cells = [calls]
    for door, _ in DOORS:
        cells += [number(median(door, "per_second")), milliseconds(median(door, "p50_ms")),
                  milliseconds(median(door, "p99_ms"))]
    ratios = Spread.of(pair["grpc"]["per_second"] / pair["http"]["per_second"] for pair in pairs)
    return (*cells, spread(ratios))


def summary(result):
    """Medians of the pairs; the ratio with its least and most."""
    numbers = list(dict.fromkeys(pair["calls"] for pair in result["pairs"]))
    headings = ["in flight"]
    for _, title in DOORS:
        headings += [f"{title}: locks/s", "p50 ms", "p99 ms"]
    return table((*headings, "gRPC / HTTP"), [
        _row(calls, [pair for pair in result["pairs"] if pair["calls"] == calls])
        for calls in numbers])


def cost(result):
    """Processor time per lock at the greatest number in flight, by group."""
    most = max(pair["calls"] for pair in result["pairs"])
    pairs = [pair for pair in result["pairs"] if pair["calls"] == most]
    groups = ("nginx", "guard", "postgres", "load")
    return table((f"µs of processor per lock, {most} in flight", *groups), [
        (title, *(number(Spread.of(pair[door]["cpu_us"][group] for pair in pairs).median)
                  for group in groups)) for door, title in DOORS])


def markdown(result):
    return "\n\n".join((report.circumstances(result), summary(result), cost(result))) + "\n"


def write(result, path=None):
    if path:
        report.put(path, markdown(result), BEGIN, END)
