"""Which run-time sizes a network takes: bounds, multiples, equations, or examples."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

from msgspec import Struct

from ..symbolic.sizes import Size, code
from .substitute import number_of


class Range(Struct, frozen=True):
    """The sizes from `least` to `most` in steps; a `most` of ``None`` means no upper bound.

    At each step `span` sizes in a row fit. `others` are examples of further sizes that fit.
    """

    least: int = 1
    most: int | None = None
    step: int = 1
    span: int = 1
    others: tuple[int, ...] = ()

    @property
    def is_any(self) -> bool:
        """Whether all sizes fit."""
        return self.least == self.step == 1 and self.most is None

    def holds(self, size: int) -> bool:
        """Whether a size is in the range; `others` do not count."""
        below = self.most is None or size <= self.most
        return size >= self.least and below and (size - self.least) % self.step < self.span

    def text(self, names: Sequence[str]) -> str:
        """The range as text for some names: ``H, W: multiples of 16``, ``T <= 512``."""
        listed = ", ".join(names)
        others = ", ".join(map(str, self.others))
        if others:
            others = f", and some others, such as {others}"
        if self.step == 1 or self.least == self.most:
            return self._bounds(listed) + others
        return f"{listed}: {self._steps()}{others}"

    def _bounds(self, listed: str) -> str:
        if self.least == self.most:
            return f"{listed} = {self.least}"
        if self.most is None:
            return f"{listed} >= {self.least}"
        return f"{f'{self.least} <= ' if self.least > 1 else ''}{listed} <= {self.most}"

    def _steps(self) -> str:
        rest = self.least % self.step
        words = f"multiples of {self.step}{self._remainders(rest)}"
        if self.step == 2:
            words = ("even", "odd")[rest]
        first = rest or self.step
        begin = f" from {self.least}" if self.least > first else ""
        if self.most is None:
            return words + begin
        return f"{words}{begin} {'to' if begin else 'up to'} {self.most}"

    def _remainders(self, rest: int) -> str:
        """What is added to a multiple of the step, ``plus 1 or 2``, or taken from it."""
        last = rest + self.span - 1
        if last == self.step and self.span > 1:
            return f", or up to {self.span - 1} less" if self.span > 2 else ", or 1 less"
        if rest == 0 and self.span > 1:
            return f", or up to {last} more" if self.span > 2 else ", or 1 more"
        if self.span > 1:
            return f" plus {rest} {'or' if self.span == 2 else 'to'} {last}"
        return f" plus {rest}" if rest else ""


class Equation(Struct, frozen=True):
    """Two sizes that must be equal; the left one is a single name where it can be solved for."""

    left: Size
    right: Size

    def holds(self, sizes: Mapping[str, int]) -> bool:
        """Whether these sizes make it true."""
        return number_of(self.left, sizes) == number_of(self.right, sizes)

    @property
    def text(self) -> str:
        return f"{code(self.left)} = {code(self.right)}"


class Fit(Struct, frozen=True, dict=True):
    """Which sizes a network takes: a range for each name, and equations between names.

    Where no such description holds, `some` has examples that fit, each in the order of the
    names, and nothing else is known. `written` is the text for the class's docstring, valid for
    all of its arguments.
    """

    ranges: Mapping[str, Range] = {}
    equations: tuple[Equation, ...] = ()
    some: tuple[tuple[int, ...], ...] = ()
    written: tuple[str, ...] = ()

    def holds(self, sizes: Mapping[str, int]) -> bool:
        """Whether these sizes fit, according to this description."""
        if self.some:
            return tuple(sizes[name] for name in self.ranges) in self.some
        own = all(range.holds(sizes[name]) for name, range in self.ranges.items())
        return own and all(equation.holds(sizes) for equation in self.equations)

    def facts(self, samples: Mapping[str, int]) -> tuple[dict[str, Any], ...]:
        """The bounds of each name as data for ``--json``; ``None`` where there are none."""
        return tuple(
            {
                "name": name,
                "sample": samples[name],
                "least": None if self.some else own.least,
                "most": None if self.some else own.most,
                "step": None if self.some else own.step,
                "span": None if self.some else own.span,
            }
            for name, own in self.ranges.items()
        )

    @cached_property
    def texts(self) -> tuple[str, ...]:
        """The description as texts, empty if all sizes fit; names with equal ranges share one."""
        return tuple(self._texts())

    def _texts(self) -> Iterator[str]:
        names = [*self.ranges]
        if self.some:
            alone = len(names) == 1
            listed = ", ".join(str(one[0] if alone else one) for one in self.some)
            yield f"{', '.join(names)}: some sizes only, such as {listed}"
            return
        for equation in self.equations:
            yield equation.text
        for found in dict.fromkeys(self.ranges.values()):
            if not found.is_any:
                yield found.text([name for name in names if self.ranges[name] == found])
