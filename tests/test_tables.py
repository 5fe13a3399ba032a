"""Numbers of an imported buffer as an expression: it is worth the same numbers."""

from __future__ import annotations

import random
from math import prod
from typing import Any

import pytest
import torch
from torch_netgen.importing.tables import table_expression


def flat(value: Any) -> list[Any]:
    return [x for item in value for x in flat(item)] if isinstance(value, list) else [value]


def value(elements: list[Any], *shape: int) -> Any:
    """What the expression of a table is worth; nothing where it has none."""
    text = table_expression(elements, shape)
    if text is None:
        return None
    found = eval(text.removeprefix("$(").removesuffix(")"))
    assert flat(found) == elements
    assert torch.tensor(found).shape == shape
    return text


def grid(height: int, width: int, by: int = 1) -> list[tuple[int, int]]:
    return [(i, j) for i in range(0, height, by) for j in range(0, width, by)]


@pytest.mark.parametrize(
    ("numbers", "shape", "text"),
    [
        (
            [13 * (a - c) + b - d + 84 for a, b in grid(7, 7) for c, d in grid(7, 7)],
            (49, 49),
            "$([[13 * (q // 7 - k // 7) + q % 7 - k % 7 + 84 for k in range(49)]"
            " for q in range(49)])",
        ),
        (
            [13 * (a - c) + b - d + 84 for a, b in grid(7, 7) for c, d in grid(7, 7)],
            (2401,),
            "$([13 * (q // 7 - k // 7) + q % 7 - k % 7 + 84 for q in range(49)"
            " for k in range(49)])",
        ),
        (
            [6 * abs(a - c) + abs(b - d) for a, b in grid(4, 6, 2) for c, d in grid(4, 6)],
            (6, 24),
            "$([[6 * abs(2 * (q // 3) - k // 6) + abs(2 * (q % 3) - k % 6) for k in range(24)]"
            " for q in range(6)])",
        ),
        (
            [i - j + 9 for i in range(10) for j in range(10)],
            (10, 10),
            "$([[q - k + 9 for k in range(10)] for q in range(10)])",
        ),
        (
            [9, *[7] * 9, *(x for i in range(9) for x in [8, *(i - j for j in range(9))])],
            (10, 10),
            "$([[9] + [7] * 9] + [[8] + [q - k for k in range(9)] for q in range(9)])",
        ),
        (
            [j <= i for i in range(8) for j in range(9)],
            (8, 9),
            "$([[k <= q for k in range(9)] for q in range(8)])",
        ),
        (
            [j > i + 1 for i in range(8) for j in range(8)],
            (8, 8),
            "$([[k >= q + 2 for k in range(8)] for q in range(8)])",
        ),
        (
            [0.0 if j <= i else -1e4 for i in range(8) for j in range(8)],
            (8, 8),
            "$([[0.0 if k <= q else -10000.0 for k in range(8)] for q in range(8)])",
        ),
        (
            [1.0 if j <= i else 0.0 for i in range(8) for j in range(8)],
            (1, 1, 8, 8),
            "$([[[[1.0 if k <= q else 0.0 for k in range(8)] for q in range(8)]]])",
        ),
        ([*range(3, 131, 2)], (64,), "$([2 * i + 3 for i in range(64)])"),
        (
            [0.0 if i // 4 == j // 4 else -1.5 for i in range(8) for j in range(8)] * 3,
            (3, 8, 8),
            "$([[[0.0] * 4 + [-1.5] * 4] * 4 + [[-1.5] * 4 + [0.0] * 4] * 4] * 3)",
        ),
    ],
)
def test_a_table_that_follows_a_rule_is_an_expression(
    numbers: list[Any], shape: tuple[int, ...], text: str
) -> None:
    assert value(numbers, *shape) == text


def test_one_number_that_differs_is_not_lost() -> None:
    draws = random.Random(0)
    found = 0
    for _ in range(300):
        shape = [draws.randint(2, 6) for _ in range(draws.randint(2, 3))] + [8]
        numbers: list[Any] = [draws.choice((0.0, 1.0))] * prod(shape)
        for _ in range(draws.randint(0, 4)):
            numbers[draws.randrange(len(numbers))] += draws.choice((1.0, -100.0))
        found += value(numbers, *shape) is not None
    assert found > 100
    table = [13 * (a - c) + b - d + 84 for a, b in grid(7, 7) for c, d in grid(7, 7)]
    for place in (0, 1, 7, 49, 2400):
        assert value([x + (i == place) for i, x in enumerate(table)], 49, 49) is None


def test_numbers_without_a_rule_have_none() -> None:
    draws = random.Random(1)
    assert value([draws.random() for _ in range(100)], 10, 10) is None
    assert value([float("nan")] * 100, 10, 10) is None
    assert value([1, 2, 3], 3) is None  # short enough to read
