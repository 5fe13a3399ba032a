"""A `from` that depends on arguments: what it may name, and how ``forward`` chooses."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from msgspec.structs import replace

from ..ir.graph import LIST, Choice, Ref
from ..spec.spec import Item
from ..symbolic.provenance import wrap
from ..symbolic.sizes import Coded, plain, symbols_in, tree_of
from .reader import Reader
from .scope import neutral


@contextmanager
def choosing(reader: Reader, item: Item, written: Any, reads: Sequence[Ref]) -> Iterator[None]:
    """Set the choices of the call for which an item is read inside, or fix the item's `from`.

    The choice is left to ``forward`` if all tensors that may be read are of one type.
    """
    choices, free = _choices(reader, item, written, reads)
    if item.path in reader.context.shared.never:
        choices, free = (), False  # no call makes the choice
    if not free:
        reader.context.fix_at(written, item.at("from"))
    known = len(reader.scope.calls)
    yield
    taken = False
    for number, call in enumerate(reader.scope.calls[known:], known):
        alone = call.absent and len(reads) == 1 and call.otherwise == reads[0]
        if not taken and call.path == item.path and (call.inputs == reads or alone):
            would = None if call.would is None else replace(call.would, choices=choices)
            reader.scope.set(number, choices=choices, would=would)
            taken = True
    if free and not taken:
        reader.context.fix_at(written, item.at("from"))


def _choices(
    reader: Reader, item: Item, written: Any, reads: Sequence[Ref]
) -> tuple[tuple[Choice, ...], bool]:
    """What each place of `from` may read, and whether the choice can be left to ``forward``.

    With several tensors it can't be where the item has a `when` or a `repeat`: an absent call
    passes one of them on, and copies share those after the first, so the choice concerns others.
    """
    value = plain(written)
    if any(ref.port == LIST for ref in reads) or len(reads) != (
        len(value) if isinstance(value, list) else 1
    ):
        return (), False  # a list among them may be of any length
    if isinstance(written, Coded) and isinstance(written.value, list):
        each = _each(written, len(reads))
        if each is None:
            return (), False
        written = each
    texts = written if isinstance(written, list) else [written]
    alone = len(reads) == 1 or not {"when", "repeat"} & {*item.common}
    free = alone and not any(symbol.runtime for symbol in symbols_in(written))
    found = []
    for place, (text, ref) in enumerate(zip(texts, reads, strict=True)):
        if not symbols_in(text):
            continue
        words = [*_words(tree_of(text))]
        known = {word: reader.scope.meant(word) for word in words if word is not None}
        refs = {word: other for word, other in known.items() if other is not None}
        own = reader.scope.type_of(ref)
        if len(refs) < len(known):  # some word names no tensor
            free = False
            continue
        free = (
            free
            and None not in words
            and all(neutral(own, reader.scope.type_of(other)) for other in refs.values())
        )
        found.append(Choice(place, text, {plain(text): ref, **refs}))
    return tuple(found), free


def _each(written: Coded, count: int) -> list[Any] | None:
    """A list that depends on arguments, as one expression per place; `None` if one is unknown."""
    places = [_at(written.tree(), place, count) for place in range(count)]
    if any(place is None for place in places):
        return None
    values = [plain(value) for value in written.value]
    return [
        value if isinstance(place, ast.Constant) else wrap(value, place, written.symbols)
        for value, place in zip(values, places, strict=True)
        if place is not None
    ]


def _at(code: ast.expr, place: int, count: int) -> ast.expr | None:
    """One item of a list as an expression; `None` unless all possible lists have `count` items."""
    if isinstance(code, ast.IfExp):
        first, other = _at(code.body, place, count), _at(code.orelse, place, count)
        if first is None or other is None:
            return None
        same = ast.unparse(first) == ast.unparse(other)
        return first if same else ast.IfExp(code.test, first, other)
    return code.elts[place] if isinstance(code, ast.List) and len(code.elts) == count else None


def _words(code: ast.expr) -> Iterator[str | None]:
    """The texts that an expression may evaluate to; ``None`` for a part that is no constant."""
    if isinstance(code, ast.IfExp):
        yield from _words(code.body)
        yield from _words(code.orelse)
    else:
        word = code.value if isinstance(code, ast.Constant) else None
        yield word if isinstance(word, str) else None
