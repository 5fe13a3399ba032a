"""The figures as tables: for a terminal, and as Markdown for the page."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .figures import Figure, shown

HEADS = tuple("what,against,ratio,quartiles,goal,verdict,ours,theirs,peak memory".split(","))
GROWTH = ("what grows", "verb", "number", "time", "calls of functions", "growth")
PARTS = ("command", "in all", "Python", "libraries", "own modules", "other modules", "the work")
ROOMS = ("command", "shares of the work")
MODULES = ("command", "own", "others", "longest, in ms")
RIVALS = ("tool", "network", "time", "quartiles", "netgen, no run", "what comes out")
WORK = ("start", "libraries", "own", "other", "work")


def figures(found: Iterable[Figure]) -> list[list[str]]:
    """A row for each figure."""
    return [_figure(figure) for figure in found]


def _figure(figure: Figure) -> list[str]:
    low, high = figure.quartiles
    verdict = f"{figure.verdict}: {figure.note}" if figure.note else figure.verdict
    times = [
        shown(statistics.median(values), figure.unit) for values in (figure.ours, figure.theirs)
    ]
    peak = "" if figure.peak is None else shown(figure.peak, "bytes")
    spread = f"{number(low)} to {number(high)}"
    ratio, goal = number(figure.ratio), number(figure.goal)
    return [figure.what, figure.against, ratio, spread, goal, verdict, *times, peak]


def number(value: float) -> str:
    """A ratio with as many digits as tell something."""
    return f"{value:.2f}" if value >= 0.1 else f"{value:.3g}"


def changes(old: Mapping[str, Figure], new: Mapping[str, Figure]) -> list[list[str]]:
    """How the ratios differ from those of another run; overlapping quartiles tell nothing."""
    found = []
    for key in new:
        if key not in old:
            continue
        before, after = old[key], new[key]
        change = after.ratio / before.ratio - 1
        apart = before.quartiles[0] > after.quartiles[1] or before.quartiles[1] < after.quartiles[0]
        told = f"{change:+.0%}" if apart else "within the spread"
        found.append([after.what, number(before.ratio), number(after.ratio), told, after.verdict])
    return found


def growths(found: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    """A row for each thing that grows, and verb."""
    return [
        [
            each["what"],
            f"`{each['verb']}`",
            " / ".join(f"{size:,}" for size in each["sizes"]),
            " / ".join(shown(seconds, "s") for seconds in each["seconds"]),
            " / ".join(shown(calls, "calls") for calls in each["calls"]),
            number(each["growth"]),
        ]
        for each in found
    ]


def parts(found: Mapping[str, Mapping[str, Any]]) -> list[list[str]]:
    """A row for each command: the parts of its time."""
    return [
        [f"`{name}`", shown(each["whole"], "s"), *(shown(max(each[part], 0), "s") for part in WORK)]
        for name, each in found.items()
    ]


def rooms(found: Mapping[str, Mapping[str, Any]]) -> list[list[str]]:
    """A row for each command: where its work is done."""
    return [
        [f"`{name}`", ", ".join(f"{room} {share:.0%}" for room, share in each["rooms"].items())]
        for name, each in found.items()
    ]


def modules(found: Mapping[str, Mapping[str, Any]], most: int = 15) -> list[list[str]]:
    """A row for each command: the modules beyond the libraries that take longest to import."""
    rows = []
    for name, each in found.items():
        times = {**each["modules"], **each["others"]}
        longest = sorted(times, key=lambda module: times[module], reverse=True)[:most]
        told = (f"{_short(module)} {1000 * times[module]:.1f}" for module in longest)
        rows.append(
            [f"`{name}`", str(len(each["modules"])), str(len(each["others"])), ", ".join(told)]
        )
    return rows


def _short(module: str) -> str:
    return module.replace("torch_netgen.", ".")


def text(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table for a terminal."""
    plain = [[cell.replace("`", "") for cell in row] for row in (heads, *rows)]
    widths = [max(map(len, column)) for column in zip(*plain, strict=True)]
    lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in plain]
    return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:]]) + "\n"


def markdown(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table for a page."""
    lines = [f"| {' | '.join(row)} |" for row in (heads, *rows)]
    return "\n".join([lines[0], f"|{'---|' * len(heads)}", *lines[1:]]) + "\n"
