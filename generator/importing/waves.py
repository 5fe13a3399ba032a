"""Tables of sines and cosines of positions, as a formula that comes near to their numbers.

Networks compute such tables in float32, each in its own way, so the numbers of a formula are not
exactly theirs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import product
from math import cos, sin

LEAST = 64  # numbers in a table
CLOSE = 1e-3  # how near each number is
BASES = (10000, 1000, 100, 500000)
Angle = Callable[[int], float]


@lru_cache(maxsize=16)
def waves(elements: tuple[float, ...], shape: tuple[int, ...]) -> str | None:
    """The expression of a table of positions with these elements; `None` for another table.

    The last dimension has the frequencies: sines and cosines in turn, or the one behind the others.
    """
    sizes = [size for size in shape if size > 1]
    if len(elements) < LEAST or len(sizes) != 2 or shape[-1] != sizes[1] or sizes[1] % 2:
        return None
    count, width = sizes
    half = width // 2
    for start, base, over, turns in product((0, 1), BASES, (half, half - 1), (True, False)):
        if over < 1:
            continue
        powers = [base ** -((k // 2 if turns else k % half) / over) for k in range(width)]
        sines = [k % 2 == 0 if turns else k < half for k in range(width)]
        if _fits(elements, range(start, start + count), powers, sines):
            return _text(shape, start, count, base, over, turns)
    return None


def _fits(
    elements: Sequence[float], positions: range, powers: Sequence[float], sines: Sequence[bool]
) -> bool:
    """Whether the numbers are those of a formula: first of some positions, then of all."""
    width = len(powers)
    for step in (max(len(positions) // 4, 1), 1):
        for row in range(0, len(positions), step):
            for k, power in enumerate(powers):
                angle = positions[row] * power
                value = sin(angle) if sines[k] else cos(angle)
                if not abs(elements[row * width + k] - value) < CLOSE:
                    return False
    return True


def _text(shape: Sequence[int], start: int, count: int, base: int, over: int, turns: bool) -> str:
    """The expression, in as many brackets as the table has dimensions."""
    width = shape[-1]
    half = width // 2
    if turns:
        ours, theirs, first = "k", "(k - 1)", "k % 2 == 0"
        whole = 2 * over
    else:
        ours, theirs, first = "k", f"(k - {half})", f"k < {half}"
        whole = over
    value = f"sin(p / {base} ** ({ours} / {whole})) if {first}"
    value += f" else cos(p / {base} ** ({theirs} / {whole}))"
    row = f"[{value} for k in range({width})]"
    letter = f"for p in range({f'{start}, ' if start else ''}{start + count})"
    places = [place for place, size in enumerate(shape[:-1]) if size > 1]
    for place in range(len(shape) - 2, -1, -1):
        row = f"[{row} {letter}]" if place in places else f"[{row}]"
    return f"$({row})"
