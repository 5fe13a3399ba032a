"""How ``forward`` chooses the tensor that it reads, where that depends on arguments."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from typing import Any

from ..ir.graph import Pick, Ref
from ..symbolic.algebra import Symbols
from ..symbolic.provenance import symbols_of, wrap
from ..symbolic.sizes import plain, symbols_in, tree_of

# gives the source that reads a condition in `forward`: an attribute, with the name if it is free
Asked = Callable[[Any, str], str]


def picked(asked: Asked, value: Any, refs: Mapping[str, Ref]) -> Pick | str:
    """How ``forward`` chooses the tensor that a value of `from` names: tests, or the one name.

    `refs` are the tensors by the names that the value may evaluate to.
    """
    if not symbols_in(value):
        return str(plain(value))
    return _picked(asked, tree_of(value), symbols_in(value), refs)


def _picked(asked: Asked, code: ast.expr, symbols: Symbols, refs: Mapping[str, Ref]) -> Pick | str:
    if isinstance(code, ast.Constant):
        return str(code.value)
    if isinstance(code, ast.IfExp):
        first = _picked(asked, code.body, symbols, refs)
        other = _picked(asked, code.orelse, symbols, refs)
        return _pick(asked, code.test, symbols, first, other)
    *words, found = refs  # the expression is compared with all words but the last
    pick: Pick | str = found
    for word in reversed(words):
        test = ast.Compare(code, [ast.Eq()], [ast.Constant(word)])
        pick = _pick(asked, test, symbols, word, pick)
    return pick


def _pick(
    asked: Asked, test: ast.expr, symbols: Symbols, first: Pick | str, other: Pick | str
) -> Pick:
    condition = wrap(True, test, symbols_of(test, symbols))
    word = first if isinstance(first, str) else "other"
    return Pick(asked(condition, f"reads_{word}"), first, other)
