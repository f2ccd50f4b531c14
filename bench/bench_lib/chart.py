"""The chart: locks per second at each crowd, as multiples of the floor, written as SVG.

It has a background of its own, so that it reads the same on a light and on a dark page."""

import math
from dataclasses import dataclass
from xml.sax.saxutils import escape

from . import results
from .failure import BenchFailed
from .spread import Spread
from .tabular import number

WIDTH, LEFT, RIGHT = 780, 120, 150
TOP, BAR, STEP, BOTTOM = 100, 28, 44, 58
PAPER, INK, FAINT, GRID = "#ffffff", "#1f2933", "#616e7c", "#e4e7eb"
BLUE, RED, DARK = "#4a90d9", "#c53030", "#1a365d"


@dataclass(frozen=True)
class Bar:
    """One crowd."""

    clients: int
    rate: float     # locks per second, median
    ratio: Spread   # to the floor


def bars(result):
    found = []
    for name, clients in results.keys(result):
        if name == "headline":
            runs = results.runs_of(result, (name, clients))
            found.append(Bar(
                clients, Spread.of(run["per_second"] for _, run in runs).median,
                Spread.of(run["per_second"] / results.floor_of(pair) for pair, run in runs)))
    if not found:
        raise BenchFailed("the chart shows the headline, which was not measured")
    return sorted(found, key=lambda bar: bar.clients)


def scale_end(most):
    """The first half above everything, the line of the floor included."""
    return max(1.5, math.ceil(most * 2 + 0.01) / 2)


def _text(x, y, content, size=13, colour=INK, anchor="start", weight="normal"):
    return (f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{colour}" '
            f'text-anchor="{anchor}" font-weight="{weight}">{escape(content)}</text>')


def _line(x1, y1, x2, y2, colour, width=1.0, dashes=""):
    dashed = f' stroke-dasharray="{dashes}"' if dashes else ""
    return (f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}" '
            f'stroke-width="{width}"{dashed}/>')


def _grid(place, end, bottom):
    parts = []
    for half in range(int(end * 2) + 1):
        x = place(half / 2)
        parts.append(_line(x, TOP - 8, x, bottom, GRID))
        parts.append(_text(x, bottom + 18, f"{half / 2:g}", 12, FAINT, "middle"))
    return parts


def _bar(bar, y, place):
    middle, ratio = y + BAR / 2, bar.ratio
    parts = [
        _text(LEFT - 12, middle + 5, f"{bar.clients} client{'s' * (bar.clients > 1)}", 13, INK,
              "end"),
        f'<rect x="{LEFT}" y="{y}" width="{place(ratio.median) - LEFT:.1f}" height="{BAR}" '
        f'rx="3" fill="{BLUE}"/>']
    if ratio.least < ratio.most:
        parts.append(_line(place(ratio.least), middle, place(ratio.most), middle, DARK, 2))
        for value in (ratio.least, ratio.most):
            parts.append(_line(place(value), middle - 5, place(value), middle + 5, DARK, 2))
    return parts


def _label(bar, y, place):
    """With a rim in the colour of the paper: the line of the floor may run behind it."""
    text = _text(place(bar.ratio.most) + 10, y + BAR / 2 + 5,
                 f"{number(bar.rate)}/s  ×{bar.ratio.median:.2f}", 13, INK, "start", "600")
    rim = f'<text stroke="{PAPER}" stroke-width="5" paint-order="stroke" stroke-linejoin="round" '
    return text.replace("<text ", rim, 1)


def draw(result):
    """The SVG as text."""
    shown = bars(result)
    floor = Spread.of(results.floor_of(pair) for pair in result["pairs"]).median
    end = scale_end(max(bar.ratio.most for bar in shown))
    bottom = TOP + STEP * len(shown)
    height = bottom + BOTTOM

    def place(ratio):
        return LEFT + (WIDTH - LEFT - RIGHT) * ratio / end

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
        f'viewBox="0 0 {WIDTH} {height}" role="img" font-family="system-ui, -apple-system, '
        "'Segoe UI', Helvetica, Arial, sans-serif\">",
        f"<title>{escape(alternative(shown, floor))}</title>",
        f'<rect x="0.5" y="0.5" width="{WIDTH - 1}" height="{height - 1}" rx="8" '
        f'fill="{PAPER}" stroke="{GRID}"/>',
        _text(24, 34, "Locks granted per second, over HTTP and durable", 17, INK, "start", "600"),
        _text(24, 56, "as multiples of the floor: pgbench with one bare INSERT a transaction, "
              f"{number(floor)}/s", 13, FAINT),
        *_grid(place, end, bottom)]
    for index, bar in enumerate(shown):
        parts += _bar(bar, TOP + STEP * index, place)
    parts += [
        _line(place(1), TOP - 14, place(1), bottom, RED, 2, "6 4"),
        _text(place(1), TOP - 19, "floor", 12, RED, "middle", "600"),
        *(_label(bar, TOP + STEP * index, place) for index, bar in enumerate(shown)),
        _text(24, height - 16, caption(result), 12, FAINT),
        "</svg>"]
    return "\n".join(parts) + "\n"


def caption(result):
    machine, pairs = result["machine"], result["rounds"]
    return (f"{machine['cpu']}, {machine['cores']} cores with the load generator on them; "
            f"PostgreSQL {result['versions']['postgresql'].split()[0]}; median of {pairs} "
            f"pair{'s' * (pairs > 1)}, the line spans all; {result['date'][:10]}")


def alternative(shown, floor):
    """What a reader hears who cannot see it."""
    each = ", ".join(f"{number(bar.rate)} with {bar.clients} (×{bar.ratio.median:.2f})"
                     for bar in shown)
    return f"Locks per second by clients: {each}; the floor is {number(floor)}."
