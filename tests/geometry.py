"""The places of what Graphviz draws, to tell what touches what."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any, NamedTuple

from .conftest import ROOT


class Frame(NamedTuple):
    """A rectangle, by its sides, in points."""

    left: float
    low: float
    right: float
    high: float

    def meets(self, other: Frame) -> bool:
        """Whether both have a point in common."""
        beside = self.right <= other.left or other.right <= self.left
        return not (beside or self.high <= other.low or other.high <= self.low)

    def holds(self, other: Frame) -> bool:
        """Whether the other one lies inside, and touches no side."""
        across = self.left < other.left and other.right < self.right
        return across and self.low < other.low and other.high < self.high

    def has(self, x: float, y: float) -> bool:
        """Whether a point lies inside."""
        return self.left < x < self.right and self.low < y < self.high


class Drawing(NamedTuple):
    """The frames of boxes and clusters, the titles by their clusters, and points of each arrow."""

    boxes: dict[str, Frame]
    clusters: dict[str, Frame]
    titles: dict[str, Frame]
    arrows: dict[tuple[str, str], list[tuple[float, float]]]


def laid_out(text: str) -> Drawing:
    """What Graphviz makes of a picture in its language."""
    script = str(ROOT / "generator" / "views" / "layout.py")
    run = subprocess.run(
        [sys.executable, "-I", script, "json", "96", str(10**9)],
        input=text.encode(), capture_output=True, check=True,
    )  # fmt: skip
    found = json.loads(run.stdout.partition(b"\n")[2])
    names = [item["name"] for item in found["objects"]]
    boxes, titles, clusters = {}, {}, {}
    for item in found["objects"]:
        if "bb" in item:
            sides = map(float, item["bb"].split(","))
            clusters[item["name"].removeprefix("cluster_")] = Frame(*sides)
        elif item.get("class") == "heading":
            titles[item["name"].removeprefix("t")] = _frame(item)
        else:
            boxes[item["name"]] = _frame(item)
    arrows = {
        (names[edge["tail"]], names[edge["head"]]): [*_points(edge["pos"])]
        for edge in found.get("edges", ())
        if edge.get("style") != "invis"
    }
    return Drawing(boxes, clusters, titles, arrows)


def _frame(item: dict[str, Any]) -> Frame:
    x, y = map(float, item["pos"].split(","))
    width, height = 36 * float(item["width"]), 36 * float(item["height"])  # halves, from inches
    return Frame(x - width, y - height, x + width, y + height)


def _points(text: str) -> Iterator[tuple[float, float]]:
    """Points on an arrow's curve, close enough together that nothing fits between them."""
    corners = [
        (float(x), float(y))
        for x, y in (part.split(",") for part in text.split() if not part.startswith(("e,", "s,")))
    ]
    for place in range(0, len(corners) - 3, 3):
        a, b, c, d = corners[place : place + 4]
        for step in range(41):
            t = step / 40
            weights = ((1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3)
            yield (
                sum(w * p[0] for w, p in zip(weights, (a, b, c, d), strict=True)),
                sum(w * p[1] for w, p in zip(weights, (a, b, c, d), strict=True)),
            )
