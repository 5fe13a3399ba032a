"""What has been measured, as ratios with their spread."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Figure:
    """One thing held against another: a sample of both for each pair, in the same `unit`.

    `peak` is the peak memory in bytes where the thing is a command, and can be seen. `sound`
    tells whether what must hold beside the ratio holds, in the words of `note`.
    """

    key: str
    what: str
    against: str
    goal: float
    unit: str
    ours: tuple[float, ...]
    theirs: tuple[float, ...]
    peak: int | None = None
    sound: bool = True
    note: str = ""

    @property
    def ratios(self) -> list[float]:
        """The ratio of each pair."""
        return [ours / theirs for ours, theirs in zip(self.ours, self.theirs, strict=True)]

    @property
    def ratio(self) -> float:
        """The median of the pairs' ratios."""
        return statistics.median(self.ratios)

    @property
    def quartiles(self) -> tuple[float, float]:
        """The first and the third quartile of the pairs' ratios."""
        return spread(self.ratios)

    @property
    def verdict(self) -> str:
        """Whether the goal is met; in doubt where it lies between the quartiles."""
        met = self.sound and self.ratio <= self.goal
        low, high = self.quartiles
        doubt = self.sound and low < self.goal < high
        return f"{'met' if met else 'missed'}{', in doubt' if doubt else ''}"

    def record(self) -> dict[str, Any]:
        """The figure as plain data, with what is worked out from it."""
        found = {"ratio": self.ratio, "quartiles": self.quartiles, "verdict": self.verdict}
        return {**asdict(self), **found}

    @staticmethod
    def of(record: dict[str, Any]) -> Figure:
        """The figure of a record."""
        fields = {name: record[name] for name in Figure.__slots__}
        return Figure(**{**fields, "ours": (*record["ours"],), "theirs": (*record["theirs"],)})


def spread(values: Sequence[float]) -> tuple[float, float]:
    """The first and the third quartile."""
    if len(values) < 2:
        return values[0], values[0]
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return low, high


def shown(value: float, unit: str) -> str:
    """A value in its unit."""
    if unit == "bytes":
        return f"{value / 2**20:.1f} MiB"
    if unit == "calls":
        return f"{value:,.0f}"
    if value >= 1:
        return f"{value:.2f} s"
    return f"{1000 * value:.1f} ms" if value >= 0.001 else f"{1_000_000 * value:.0f} us"
