"""Reports, the chart, and the comparison of two results."""

import copy
import json
import re
import subprocess
import sys
import xml.etree.ElementTree as ET

import pytest

from bench_lib import chart, compare, growth_report, overload_report, report, results, tabular
from bench_lib.failure import BenchFailed
from bench_lib.spread import Spread, percentile
from conftest import BENCH
from sample import result_of_growth, result_of_overload, result_of_run


def cells(markdown, start):
    """The cells of the table line that starts so."""
    line = next(line for line in markdown.splitlines() if line.startswith(f"| {start}"))
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_percentiles_are_of_the_nearest_rank():
    values = list(range(1, 101))
    assert [percentile(values, share) for share in (0, 50, 99, 99.9, 100)] == [1, 50, 99, 100, 100]
    assert percentile([7], 50) == 7
    with pytest.raises(ValueError):
        percentile([], 50)


def test_spreads():
    assert Spread.of([3, 1, 2]) == Spread(2, 1, 3)
    assert Spread(2, 1, 3).overlaps(Spread(4, 3, 5))
    assert not Spread(2, 1, 2.9).overlaps(Spread(4, 3, 5))


def test_tables_are_padded():
    assert tabular.table(("a", "b"), [("long", "1")]) == (
        "| a    |  b |\n| ---- | -: |\n| long |  1 |")
    assert tabular.spread(Spread(2, 1, 3)) == "2.00 (1.00 to 3.00)"
    assert tabular.spread(Spread(2, 2, 2)) == "2.00"
    assert tabular.number(None) == "–"


def test_ratios_are_of_the_same_pair(result):
    assert cells(report.table_of_rates(result), "new locks, 64 clients")[:3] == [
        "new locks, 64 clients", "16,000", "1.80 (1.60 to 2.00)"]


def test_the_floor_is_the_better_crowd(result):
    assert "Floor: 10,000 (8,000 to 10,000) locks/s" in report.floor_text(result)


def test_the_report_says_where_and_how(result):
    text = report.markdown(result, "chart.svg")
    for wanted in ("Some <CPU> & more, 2 cores of a virtual machine, 23.5 GiB", "0123456789ab",
                   "`bench/run --build b`", "`shared_buffers=1GB`", "2031-05-06", "chart.svg",
                   "nginx 1.22.1", "Medians of 2 pairs of 8 s"):
        assert wanted in text
    assert len(cells(text, "get, 64 clients")) == 6


def test_a_report_replaces_only_what_is_between_its_marks(result, tmp_path):
    page = tmp_path / "page.md"
    page.write_text(f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n")
    report.write(result, page, tmp_path / "chart.svg")
    report.write(result, page, tmp_path / "chart.svg")
    text = page.read_text()
    assert text.startswith("before\n") and text.endswith("after\n") and "old" not in text
    assert text.count("Floor: ") == 1
    assert "](chart.svg)" in text


def test_the_lines_while_it_goes(result):
    pair = result["pairs"][0]
    line = report.row_line(pair, pair["rows"][1])
    assert "16,000/s" in line and "×1.60" in line and "batch 20.0" in line and "!" not in line
    pair["rows"][1]["checkpoints"] = 1
    pair["rows"][1]["cpu_us"]["other"] = 50.0
    assert re.search(r"! CHECKPOINT, other \d+%$", report.row_line(pair, pair["rows"][1]))


def test_the_chart_is_svg_with_one_bar_a_crowd(result):
    root = ET.fromstring(chart.draw(result))
    space = "{http://www.w3.org/2000/svg}"
    rectangles = root.findall(f"{space}rect")
    assert len(rectangles) == 1 + 2
    lone, crowd = (float(bar.get("width")) for bar in rectangles[1:])
    assert crowd / lone == pytest.approx(1.8 / 0.225, rel=0.01)
    texts = [text.text for text in root.findall(f"{space}text")]
    assert "16,000/s  ×1.80" in texts and "floor" in texts
    assert any("Some <CPU> & more" in text for text in texts)
    right = max(float(line.get("x2")) for line in root.findall(f"{space}line"))
    assert right < float(root.get("width"))


def test_the_scale_of_the_chart_ends_above_everything():
    assert [chart.scale_end(most) for most in (0.3, 1.2, 1.5, 2.3)] == [1.5, 1.5, 2.0, 2.5]


def test_a_chart_without_the_headline(result):
    for pair in result["pairs"]:
        pair["rows"] = [run for run in pair["rows"] if run["row"] != "headline"]
    with pytest.raises(BenchFailed, match="headline"):
        chart.draw(result)


def test_a_change_beyond_the_spread_is_told_from_one_within_it():
    text = compare.text(result_of_run(), result_of_run(1.05))
    assert "+5.0 %" in cells(text, "ratio to the floor")
    assert "within the spread" in cells(text, "ratio to the floor")
    text = compare.text(result_of_run(), result_of_run(2))
    assert "changed" in cells(text, "ratio to the floor")


def test_one_run_proves_nothing():
    before, after = result_of_run(), result_of_run(2)
    for one in (before, after):
        one["pairs"] = one["pairs"][:1]
    text = compare.text(before, after)
    assert "one run: unknown" in cells(text, "ratio to the floor")
    assert "only in one" not in text


def test_a_lone_client_is_told_by_turns(result):
    """2 pairs of 2 turns; pgbench has a p50 of 0.25 ms and a mean of as much."""
    text = report.markdown(result)
    assert ("One client alone, 4 turns: 0.25 ms a lock by its p50; the service with one client"
            " takes 1.35 (1.20 to 1.50) times as long, by the mean 2.00 times.") in text
    for pair in result["pairs"]:
        pair.pop("lone", None)
    assert "One client alone" not in report.markdown(result)


def test_a_lone_client_is_compared_by_turns(result):
    """The median of its two turns is 1.35 in each pair, and then twice that."""
    after = copy.deepcopy(result)
    for pair in after["pairs"]:
        for turn in pair.get("lone", ()):
            turn["service"]["p50_ms"] *= 2
    lines = [line for line in compare.text(result, after).splitlines() if "in turns" in line]
    assert len(lines) == 1
    assert [cell.strip() for cell in lines[0].split("|")[2:5]] == ["1.350", "2.700", "+100.0 %"]


def test_rows_that_only_one_result_has():
    after = result_of_run()
    after["pairs"] = [pair for pair in after["pairs"] if pair["rows"][0]["row"] != "get"]
    assert "only in one of them: get, 64 clients" in compare.text(result_of_run(), after)


def test_growth_is_told_as_multiples_of_the_smallest_size():
    text = growth_report.markdown(result_of_growth())
    assert cells(text, "new locks, 1 client: p50 ms") == [
        "new locks, 1 client: p50 ms", "2.00", "3.00 (×1.50)"]
    assert cells(text, "`locks_table`") == ["`locks_table`", "180", "180"]
    assert "locks_nothing" not in text


def test_growth_is_that_of_each_pair():
    """The small table was slower in the second pair, and so was the large one."""
    grown = result_of_growth()
    for size, p50 in zip(grown["sizes"], (4.0, 5.0)):
        pair = copy.deepcopy(size["pairs"][0])
        for run in pair["rows"]:
            run["p50_ms"] = p50
        size["pairs"].append(pair)
    text = growth_report.markdown(grown)
    assert cells(text, "new locks, 64 clients: p50 ms")[1:] == [
        "3.00", "4.00 (×1.38, 1.25 to 1.50)"]


def test_reports_name_what_was_disturbed(result):
    assert "Disturbed" not in report.markdown(result)
    result["pairs"][0]["floor"][1]["cpu_us"]["other"] = 40.0
    assert "- floor, 8 clients: other 30%" in report.markdown(result)
    result["pairs"][0]["lone"][1]["service"]["cpu_us"]["steal"] = 40.0
    assert "- headline, 1 client: steal 30%" in report.markdown(result)
    grown = result_of_growth()
    assert "Disturbed" not in growth_report.markdown(grown)
    grown["sizes"][1]["pairs"][0]["rows"][0]["checkpoints"] = 1
    assert "- fresh, 64 clients at 1,000,000 locks: CHECKPOINT" in growth_report.markdown(grown)


def test_overload_tells_both_kinds_of_callers():
    text = overload_report.markdown(result_of_overload())
    assert cells(text, "granted per second")[1:] == ["350", "350"]
    # the crowds before and after each: 300 and 400, 400 and 600
    assert cells(text, "of what a crowd gets in as long a time")[1:] == ["100%", "70%"]
    assert cells(text, "of them sent")[1] == "90%"
    assert cells(text, "obey Retry-After: second 1 after")[0].endswith("second 1 after")
    assert cells(text, "obey Retry-After: nginx") == [
        "obey Retry-After: nginx", "30.0", "31.0", "32.0", "40.0"]


def test_results_are_read_as_they_were_written(result, tmp_path):
    path = tmp_path / "r.json"
    results.write(path, result)
    assert results.read(path, "run") == result
    with pytest.raises(BenchFailed, match="not of bench/growth"):
        results.read(path, "growth")
    path.write_text(json.dumps({**result, "format": 0}))
    with pytest.raises(BenchFailed, match="not a result"):
        results.read(path)
    path.write_text("{")
    with pytest.raises(BenchFailed):
        results.read(path)


@pytest.mark.parametrize("made", [result_of_run, result_of_growth, result_of_overload])
def test_the_report_of_each_kind_from_the_command_line(made, tmp_path):
    path = tmp_path / "r.json"
    results.write(path, made())
    done = subprocess.run([sys.executable, "-B", BENCH / "report", path], text=True,
                          capture_output=True, check=False)
    assert done.returncode == 0 and "| " in done.stdout, done.stderr


def test_compare_from_the_command_line(result, tmp_path):
    path = tmp_path / "r.json"
    results.write(path, result)
    done = subprocess.run([sys.executable, "-B", BENCH / "compare", path, path], text=True,
                          capture_output=True, check=False)
    assert done.returncode == 0 and "+0.0 %" in done.stdout, done.stderr
    done = subprocess.run([sys.executable, "-B", BENCH / "compare", path, tmp_path / "none"],
                          text=True, capture_output=True, check=False)
    assert done.returncode == 1 and "bench: " in done.stderr
