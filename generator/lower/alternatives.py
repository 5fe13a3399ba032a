"""`from` that hangs on arguments: what it may name, and how ``forward`` chooses."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from ..ir.graph import Choice, Ref
from ..spec.spec import Item
from ..symbolic.provenance import coded
from ..symbolic.sizes import Coded, plain, symbols_in
from .reader import Reader
from .scope import neutral


@contextmanager
def choosing(reader: Reader, item: Item, written: Any, reads: Sequence[Ref]) -> Iterator[None]:
    """Inside, the item is read; its call gets what it chooses from, or that is decided for all.

    The choice is left to ``forward`` where all that may be read is of one type.
    """
    choices, free = _choices(reader, item, written, reads)
    if not free:
        reader.context.decide(written, item.at("from"))
    known = len(reader.scope.drafts)
    yield
    taken = False
    for draft in reader.scope.drafts[known:]:
        alone = draft.kind == "absent" and len(reads) == 1 and draft.otherwise == reads[0]
        if not taken and draft.path == item.path and (draft.inputs == reads or alone):
            draft.choices, taken = choices, True
            if draft.would is not None:
                draft.would.choices = choices
    if free and not taken:
        reader.context.decide(written, item.at("from"))


def _choices(
    reader: Reader, item: Item, written: Any, reads: Sequence[Ref]
) -> tuple[tuple[Choice, ...], bool]:
    """What each place may read, and whether that can be left to ``forward``.

    Of several tensors a call that may be absent passes one on, and copies share those after the
    first: then the choice is no longer the call's alone.
    """
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
        words = [*_words(ast.parse(text.code, mode="eval").body)]
        known = {word: reader.scope.meant(word) for word in words if word is not None}
        refs = {word: other for word, other in known.items() if other is not None}
        own = reader.scope.type_of(ref)
        free = free and None not in words and len(refs) == len(known)
        free = free and all(neutral(own, reader.scope.type_of(other)) for other in refs.values())
        found.append(Choice(place, text, {plain(text): ref, **refs}))
    return tuple(found), free


def _each(written: Coded, count: int) -> list[Any] | None:
    """A list that hangs on arguments as one expression for each place, if all of them are known."""
    code = ast.parse(written.code, mode="eval").body
    places = [_at(code, place, count) for place in range(count)]
    if any(place is None for place in places):
        return None
    values = [plain(value) for value in written.value]
    return [
        value
        if isinstance(place, ast.Constant)
        else coded(value, ast.unparse(place), written.symbols)
        for value, place in zip(values, places, strict=True)
        if place is not None
    ]


def _at(code: ast.expr, place: int, count: int) -> ast.expr | None:
    """The item of a list in this place, where all lists that may be meant have so many."""
    if isinstance(code, ast.IfExp):
        first, other = _at(code.body, place, count), _at(code.orelse, place, count)
        if first is None or other is None:
            return None
        same = ast.unparse(first) == ast.unparse(other)
        return first if same else ast.IfExp(code.test, first, other)
    return code.elts[place] if isinstance(code, ast.List) and len(code.elts) == count else None


def _words(code: ast.expr) -> Iterator[str | None]:
    """The words that an expression may come to; ``None`` for what is not plain from it."""
    if isinstance(code, ast.IfExp):
        yield from _words(code.body)
        yield from _words(code.orelse)
    else:
        word = code.value if isinstance(code, ast.Constant) else None
        yield word if isinstance(word, str) else None
