"""Sizes that remember where they come from: their numbers and their expressions agree."""

from __future__ import annotations

import ast
import random
from collections.abc import Callable

import pytest
from torch_netgen.ir.substitute import rebind
from torch_netgen.layers.windows import Axis
from torch_netgen.symbolic.equality import same, smallest
from torch_netgen.symbolic.provenance import named
from torch_netgen.symbolic.sizes import Dim, Size, code, product, shape_text, shown, tree_of

N = Dim.named("N", 2, runtime=True)
H = Dim.named("H", 64, runtime=True)
WIDTH = Dim.named("width", 8)
STRIDE = Dim.named("stride", 2)


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (2 * WIDTH, "2 * width"),
        (WIDTH * 2 + 1, "2 * width + 1"),
        (33 - WIDTH, "33 - width"),
        (WIDTH - WIDTH, "0"),
        ((WIDTH + 3) * WIDTH, "width * (width + 3)"),
        (WIDTH * 16 // 4, "4 * width"),
        (64 * WIDTH // WIDTH, "64"),
        ((H - 1) // STRIDE + 1, "(H - 1) // stride + 1"),
        (((H - 1) // 2 + 1 - 1) // 2 + 1, "(H - 1) // 4 + 1"),
        (-(H // 2), "-(H // 2)"),
        (3 - H // 2, "3 - H // 2"),
        (2 * (H // 2), "2 * (H // 2)"),
        (H % 2, "H % 2"),
        (smallest(H, WIDTH), "min(H, width)"),
        (product([16, 5, 5]), "16 * 5 * 5"),
        (product([1, 16, 1]), "16"),
        (product([2 * WIDTH, 5, H // 2]), "2 * width * 5 * (H // 2)"),
        (product([WIDTH + 3, 5]), "(width + 3) * 5"),
        (Axis(H, 3, 2, 2, 1).windows(), "(H - 1) // 2 + 1"),
        (Axis(H, 2, 2, 0, 1, ceil=True).windows(), "(H - 1) // 2 + 1"),
    ],
)
def test_expressions_read_as_a_person_writes_them(size: Size, text: str) -> None:
    assert code(size) == text
    names = {"N": 2, "H": 64, "width": 8, "stride": 2}
    assert eval(code(size), {"min": min}, names) == int(size)


def test_products_are_numbers_where_no_name_is_in_them() -> None:
    assert shown(product([16, 5, 5])) == "400"
    assert shown(product([2 * WIDTH, 5])) == "80"
    assert shown(product([H, 5])) == "H * 5"
    assert shape_text([H, 2 * WIDTH]) == "(H, 2 * width)"


def test_products_stay_visible_in_other_terms() -> None:
    """So does a block's ``q[0] * 5 * 5`` in a network that gives its `s` for the list `q`."""
    size = product([named("q", [4, 8]).value[0], 5, 5])
    assert code(rebind(size, {"q": named("s", [4, 8])})) == "s[0] * 5 * 5"
    assert rebind(size, {"q": [6, 8]}) == 150


def test_sameness_is_for_all_values() -> None:
    assert same(2 * WIDTH, WIDTH + WIDTH)
    assert same(product([WIDTH, H]), H * WIDTH)
    assert not same(WIDTH, 8)
    assert not same(WIDTH, STRIDE * 4)


Operation = Callable[[Size, Size], Size]
OPERATIONS: dict[str, tuple[Operation, Callable[[int, int], int]]] = {
    "+": (lambda a, b: a + b, lambda a, b: a + b),
    "-": (lambda a, b: a - b, lambda a, b: a - b),
    "*": (lambda a, b: a * b, lambda a, b: a * b),
    "//": (lambda a, b: a // b, lambda a, b: a // b),
    "%": (lambda a, b: a % b, lambda a, b: a % b),
    "product": (lambda a, b: product([a, b]), lambda a, b: a * b),
    "min": (smallest, min),
}


def _read(text: str) -> str:
    """What Python reads in a text."""
    return ast.dump(ast.parse(text, mode="eval"))


def test_random_expressions_hold_for_all_values_of_their_names() -> None:
    """The text of a random expression gives the number that plain arithmetic gives.

    Its tree is what Python reads in the text.
    """
    draws = random.Random(0)
    checked = 0
    for _ in range(4000):
        values = {name: draws.randint(1, 9) for name in "abc"}
        others = {name: draws.randint(1, 30) for name in "abc"}
        pool: list[tuple[Size, int]] = [
            (Dim.named(name, value), others[name]) for name, value in values.items()
        ]
        pool += [(number, number) for number in (draws.randint(-3, 9) for _ in range(3))]
        for _ in range(draws.randint(1, 6)):
            (left, left_other), (right, right_other) = draws.choice(pool), draws.choice(pool)
            symbolic, plain = OPERATIONS[draws.choice(list(OPERATIONS))]
            try:
                pool.append((symbolic(left, right), plain(left_other, right_other)))
            except ZeroDivisionError:
                continue
        for size, other in pool:
            try:
                now = eval(code(size), {"min": min}, values)
                then = eval(code(size), {"min": min}, others)
            except ZeroDivisionError:
                continue
            assert (now, then) == (int(size), other), code(size)
            assert _read(ast.unparse(tree_of(size))) == _read(code(size))
            checked += 1
    assert checked > 20_000
