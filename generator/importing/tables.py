"""Tables of numbers as expressions: distances in a grid, and lists that repeat themselves."""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from itertools import groupby

LEAST = 64  # numbers in a table that is worth an expression


def table_expression(elements: Sequence[object], shape: Sequence[int]) -> str | None:
    """The expression of a `Buffer` with these elements; `None` for those that follow no rule."""
    if len(elements) < LEAST:
        return None
    if any(x != x or x in (float("inf"), float("-inf")) for x in elements):
        return None
    for of_rule in (_of_distances, _of_a_triangle, _of_repeats):
        found = of_rule(elements, shape)
        if found is not None:
            return found
    return None


def _of_a_triangle(elements: Sequence[object], shape: Sequence[int]) -> str | None:
    """One value to the left of a diagonal, and another one from there on, as in a causal mask."""
    if len(shape) < 2 or any(size != 1 for size in shape[:-2]):
        return None
    rows, columns = shape[-2:]
    a, b = elements[0], elements[columns - 1]
    first = next((k for k in range(columns) if elements[k] != a), columns)
    right = all(
        elements[q * columns + k] == (a if k < q + first else b)
        for q in range(rows)
        for k in range(columns)
    )
    if not right or a == b:
        return None
    left = "k <= q" if first == 1 else f"k < q + {first}"
    value = f"{a!r} if {left} else {b!r}"
    if a is False and b is True:
        value = "k > q" if first == 1 else f"k >= q + {first}"
    elif a is True and b is False:
        value = left
    outer = len(shape) - 2
    table = f"[[{value} for k in range({columns})] for q in range({rows})]"
    return f"$({'[' * outer}{table}{']' * outer})"


def _of_repeats(elements: Sequence[object], shape: Sequence[int]) -> str | None:
    """Lists that are joined and repeated, as in masks, if they have few numbers."""
    texts = [*map(repr, elements)]
    whole = sum(map(len, texts))
    for size in reversed(shape):
        known: dict[tuple[str, ...], str] = {}  # many rows of a mask are equal
        lists = [tuple(texts[i : i + size]) for i in range(0, len(texts), size)]
        texts = [known.get(one) or known.setdefault(one, _joined(one)) for one in lists]
    return f"$({texts[0]})" if 2 * len(texts[0]) < whole else None


def _joined(items: Sequence[str]) -> str:
    """A list with these items, written with what repeats itself."""
    return " + ".join(_parts(items))


def _parts(items: Sequence[str]) -> list[str]:
    """Lists that are a list with these items if they are joined."""
    length = len(items)
    for period in range(1, length // 2 + 1):
        if length % period == 0 and items[period:] == items[:-period]:
            parts = _parts(items[:period])
            part = f"({' + '.join(parts)})" if len(parts) > 1 else parts[0]
            return [f"{part} * {length // period}"]
    parts = []
    single: list[str] = []
    for item, equal in groupby(items):
        count = len([*equal])
        if count == 1:
            single.append(item)
            continue
        parts += [f"[{', '.join(single)}]"] if single else []
        parts.append(f"[{item}] * {count}")
        single = []
    return [*parts, f"[{', '.join(single)}]"] if single else parts


def _of_distances(elements: Sequence[object], shape: Sequence[int]) -> str | None:
    """Whole numbers that grow evenly, or distances of places in a grid.

    That is what relative positions are looked up by: the rows of the table are the places of
    queries, its columns those of keys, in a row or in a grid of any width.
    """
    if not all(type(x) is int for x in elements):
        return None
    numbers: list[int] = [*elements]  # type: ignore[list-item]
    outer = next((dim for dim, size in enumerate(shape) if size > 1), 0)  # dimensions of 1
    found = _in_a_row(numbers, shape[outer:]) or _in_a_grid(numbers, shape[outer:])
    return f"$({'[' * outer}{found}{']' * outer})" if found else None


def _in_a_row(numbers: Sequence[int], shape: Sequence[int]) -> str | None:
    """Numbers that grow evenly, in a row or a column."""
    length, *others = shape
    start, step = numbers[0], numbers[1] - numbers[0]
    if not step or any(size > 1 for size in others):
        return None
    if numbers != [*range(start, start + step * length, step)]:
        return None
    number = _sum((step, "i"), start)
    return f"[{'[' * len(others)}{number}{']' * len(others)} for i in range({length})]"


def _in_a_grid(numbers: Sequence[int], shape: Sequence[int]) -> str | None:
    """Distances of the places of a grid, in a table or one after another."""
    if len(shape) == 1:
        side = round(shape[0] ** 0.5)
        found = _distances(numbers, side, side) if side * side == shape[0] else None
        return f"[{found} for q in range({side}) for k in range({side})]" if found else None
    if len(shape) != 2:
        return None
    rows, columns = shape
    found = _distances(numbers, rows, columns)
    if found:
        return f"[[{found} for k in range({columns})] for q in range({rows})]"
    return _with_class_token(numbers, rows, columns)


def _with_class_token(numbers: Sequence[int], rows: int, columns: int) -> str | None:
    """Distances below and beside a row and a column of one number each."""
    table = [numbers[i * columns : (i + 1) * columns] for i in range(rows)]
    if (
        rows < 3
        or columns < 3
        or len({*table[0][1:]}) > 1
        or len({row[0] for row in table[1:]}) > 1
    ):
        return None
    inner = [x for row in table[1:] for x in row[1:]]
    found = _distances(inner, rows - 1, columns - 1)
    if not found:
        return None
    first = f"[{table[0][0]}] + [{table[0][1]}] * {columns - 1}"
    rest = f"[{table[1][0]}] + [{found} for k in range({columns - 1})]"
    return f"[{first}] + [{rest} for q in range({rows - 1})]"


def _distances(numbers: Sequence[int], rows: int, columns: int) -> str | None:
    """The expression of `q` and `k` for a table of distances; `None` if it is none."""
    for width in _widths(columns):
        for by in (1, 2):
            wide = -(-width // by)
            if rows % wide:
                continue
            for signed in (True, False):
                found = _fitted(numbers, rows, columns, (wide, width, by), signed)
                if found:
                    return found
    return None


def _widths(columns: int) -> list[int]:
    """The widths of grids with so many places: all in one row, or as nearly a square as can be."""
    divisors = (n for n in range(2, columns + 1) if columns % n == 0)
    return sorted(divisors, key=lambda n: (n < columns, abs(n - columns**0.5)))


def _fitted(
    numbers: Sequence[int], rows: int, columns: int, grid: tuple[int, int, int], signed: bool
) -> str | None:
    """The expression for places in these grids, whose numbers grow evenly with the distance."""
    wide, width, by = grid

    def distance(q: int, k: int) -> int:
        return by * q - k if signed else abs(by * q - k)

    start = numbers[0]
    across = (numbers[1] - start) // distance(0, 1) if width > 1 else 0
    down = (numbers[width] - start) // distance(0, 1) if columns > width else 0
    for q in range(rows):
        row = [
            start + down * distance(q // wide, k // width) + across * distance(q % wide, k % width)
            for k in range(columns)
        ]
        if row != numbers[q * columns : (q + 1) * columns]:
            return None
    terms = []
    for factor, over in ((down, "//"), (across, "%")):
        query, key = _place("q", over, wide, rows), _place("k", over, width, columns)
        text = f"{_times(by, query)} - {key}"
        bare = signed and factor == 1
        terms.append((factor, text if bare else f"({text})" if signed else f"abs({text})"))
    return _sum(*terms, start)


def _place(letter: str, over: str, width: int, count: int) -> str:
    """The row or the column of a place in a grid."""
    return letter if width == count else f"{letter} {over} {width}"


def _times(factor: int, text: str) -> str:
    return text if factor == 1 else f"{factor} * {f'({text})' if ' ' in text else text}"


def _sum(*terms: tuple[int, str] | int) -> str:
    """A sum of products and numbers, without what adds nothing."""
    text = ""
    for term in terms:
        factor, name = (term, "") if isinstance(term, int) else term
        if factor:
            size = abs(factor)
            product = str(size) if not name else name if size == 1 else f"{size} * {name}"
            sign = ("-" if factor < 0 else "") if not text else " - " if factor < 0 else " + "
            text += f"{sign}{product}"
    return text or "0"


def shortest(number: float) -> float:
    """The fraction with the fewest digits that is the same in float32."""
    if not math.isfinite(number):
        return number
    exact = struct.pack("f", number)
    found = (float(f"{number:.{digits}g}") for digits in range(1, 9))
    return next((x for x in found if struct.pack("f", x) == exact), number)
