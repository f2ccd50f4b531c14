"""What GET /metrics says, as {series: value}; a series is written as in the text: name{labels}."""

import re
from decimal import Decimal

LINE = re.compile(r"([a-z_]+(?:\{.*\})?) (-?[0-9]+(?:\.[0-9]+)?)")
TYPE = re.compile(r"^# TYPE (\S+) (counter|gauge|histogram)$", re.MULTILINE)
OPERATION = re.compile(r'availability_guard_requests_total\{operation="(\w+)",result="(\w+)"\}')


def parsed(text):
    found = {}
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        series, value = LINE.fullmatch(line).groups()
        assert series not in found, f"twice: {series}"
        found[series] = Decimal(value)
    return found


def scrape_text(system):
    status, text = system.get("/metrics")
    assert status == 200, text
    return text


def scrape(system):
    return parsed(scrape_text(system))


def metric_names(text):
    return [name for name, _ in TYPE.findall(text)]


def counters(text):
    """The series that must never fall."""
    kinds = dict(TYPE.findall(text))

    def is_counter(series):
        name = series.partition("{")[0]
        kind = kinds.get(name) or kinds.get(re.sub("_(bucket|sum|count)$", "", name))
        return kind in ("counter", "histogram") and not name.startswith("process_")
    return {series: value for series, value in parsed(text).items() if is_counter(series)}


def requests(values):
    """{(operation, result): count} of all that came but looking at health and metrics."""
    found = {OPERATION.fullmatch(series).groups(): int(value) for series, value in values.items()
             if OPERATION.fullmatch(series) and value}
    return {key: count for key, count in found.items() if key[0] not in ("health", "metrics")}
