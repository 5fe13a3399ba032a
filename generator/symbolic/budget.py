"""Limits on expressions: their steps, and the sizes of their values."""

from __future__ import annotations

import ast
import math
from typing import Any

from msgspec import Struct

from .functions import MOST_DIGITS
from .sizes import Coded, plain
from .syntax import fail

LARGEST = 10**MOST_DIGITS
MOST_ITEMS = 100_000
LONGEST_RANGE = 2**40  # from its first number to its last one
MOST_STEPS = 2_000_000  # of one spec


class Budget(Struct):
    """The steps that the expressions of one spec may still take."""

    steps: int = MOST_STEPS

    def spend(self, steps: int = 1) -> None:
        self.steps -= steps
        if self.steps < 0:
            fail("the spec's expressions take too long")

    def bounded(self, value: Any) -> Any:
        """The value; raises `ExpressionError` if it is too large, or no finite real number."""
        if isinstance(value, int) and abs(int(value)) >= LARGEST:
            fail(f"a number of more than {MOST_DIGITS} digits is too long")
        if isinstance(value, complex):
            fail("the result is not a real number")
        if isinstance(value, float) and not math.isfinite(value):
            fail("the result is not a finite number")
        if isinstance(value, str) and len(value) > MOST_ITEMS:
            fail(f"a text of {len(value)} characters is too long")
        if isinstance(value, (list, Coded)):
            self.spend(weight(value))
        return value


def weight(value: Any) -> int:
    """The number of values in a list and the lists inside it; refuses too many."""
    count, waiting = 0, [plain(value)]
    while waiting:
        items = waiting.pop()
        if isinstance(items, list):
            count += len(items)
            waiting += [plain(item) for item in items if isinstance(item, (list, Coded))]
        if count > MOST_ITEMS:
            fail(f"a value of more than {MOST_ITEMS} items is too long")
    return count


def check_growth(op: ast.operator, left: Any, right: Any) -> None:
    """Refuse an operation with a result that is too large, before it is computed."""
    if isinstance(op, ast.Mult):
        for many, times in ((left, right), (right, left)):
            counts = isinstance(many, (str, list)) and isinstance(times, int)
            if counts and len(many) * max(times, 0) > MOST_ITEMS:
                fail("the result is too long")
    if isinstance(op, ast.Mod) and isinstance(left, str):
        fail("text can't be formatted with `%`")
    whole = isinstance(left, int) and isinstance(right, int)
    powers = isinstance(op, ast.Pow) and whole and right > 0
    if powers and (abs(int(left)).bit_length() - 1) * right > 4 * MOST_DIGITS:
        fail(f"a number of more than {MOST_DIGITS} digits is too long")
