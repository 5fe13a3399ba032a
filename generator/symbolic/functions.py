"""The functions and names of the expression language."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

MOST_DIGITS = 30


def divisible(v: float, by: int) -> int:
    """MobileNet's rounding: to the nearest multiple of `by`, never below 90 % of `v`."""
    if by < 1:
        raise ValueError("the second argument must be 1 or more")
    rounded = max(by, int(v + by / 2) // by * by)
    return rounded + by if rounded < 0.9 * v else rounded


def ceil_div(a: int, b: int) -> int:
    """The division of whole numbers that rounds up; it is written ``-(-a // b)``."""
    return -(-a // b)


def zipped(*lists: Sequence[Any]) -> list[list[Any]]:
    """Python's ``zip`` as a list of lists: as long as the shortest."""
    return [[*items] for items in zip(*lists, strict=False)]


def rounded(number: float, digits: int | None = None) -> float:
    """Python's ``round``; `digits` are limited, because it computes 10 to that power."""
    if digits is not None and abs(digits) > MOST_DIGITS:
        raise ValueError(f"`round` takes {MOST_DIGITS} digits at most")
    return round(number, digits)


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "min": min,
    "max": max,
    "abs": abs,
    "round": rounded,
    "ceil": math.ceil,
    "floor": math.floor,
    "int": int,
    "len": len,
    "sum": sum,
    "sqrt": math.sqrt,
    "exp": math.exp,
    "log": math.log,
    "sin": math.sin,
    "cos": math.cos,
    "divisible": divisible,
    "ceil_div": ceil_div,
    "any": any,
    "all": all,
    "zip": zipped,
}
OF_MATH = ("ceil", "floor", "sqrt", "exp", "log", "sin", "cos")  # Python has them in `math`
VALUES = ("pi", "in_shape", "in_channels", "in_features", "index")
KNOWN = (*FUNCTIONS, "range", "shape", *VALUES)
