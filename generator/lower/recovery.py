"""Recovery after a mistake: the item with it is lost, and the reading goes on.

The output type of a lost layer is unknown. One mistake gets one message: what depends on a lost
layer is not reported. Asking for its type raises `Unknowable`, and the item that asks is lost, too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from msgspec.structs import replace

from ..diagnostics.diagnostics import NetgenError, SpecPath, printable
from ..ir.graph import Node, Ref
from ..layers.base import no_weights
from ..symbolic.hints import meant_type
from ..symbolic.names import is_identifier, snake_case
from ..symbolic.sizes import TooLong, plain
from ..symbolic.syntax import ExpressionError
from .reader import Reader
from .scope import LayerNames

_WORD = r"[A-Za-z_][\w.]*"


@contextmanager
def recovering(reader: Reader, raw: Any, path: SpecPath) -> Iterator[None]:
    """Report mistakes raised while an item (or a list of items) is read; the item is lost."""
    before = replace(reader.frame)
    try:
        try:
            yield
        except ExpressionError as error:  # of a value put into the terms of another scope
            reader.context.error("NG206", printable(error.message), path)
        except TooLong:
            message = "a size here is an expression too long to be written"
            help = "write numbers, or a parameter of its own for it"
            reader.context.error("NG206", message, path, help=help)
    except NetgenError as error:
        reader.frame = before
        reader.context.shared.findings.caught(error)
        lose(reader, raw, path, blamed=bool(error.diagnostics))


def lose(reader: Reader, raw: Any, path: SpecPath, *, blamed: bool) -> None:
    """Add a lost item's names to the scope, count what it mentions as used, and check it.

    If it is `blamed`, the mistake is its own: words in it may be misspelt names.
    """
    from .static_check import StaticCheck

    scope = reader.scope
    words = [*scope.params, *scope.numbers]
    StaticCheck(reader.context, words, reader.chain is not None).anything(raw, path)
    inputs = range(len(scope.inputs))  # it should have named one of them
    scope.used.update([ref.node for ref in reader.current] or inputs)
    for word in dict.fromkeys(_words(raw)):
        scope.mention(word, misspelt=blamed)
    scope.lost = True
    if reader.chain is not None:
        reader.frame.lost = True
        return
    for written in dict.fromkeys(_names(raw)):
        name = _evaluated(reader, written, path)
        if name is None:
            scope.vague = True
        elif name not in scope.written:
            scope.add(_call(name, path, name))
    reader.current = (_unnamed(reader, raw, path),)


def _evaluated(reader: Reader, name: str, path: SpecPath) -> str | None:
    """A name that is written in a lost item, with its expressions evaluated if they can be."""
    try:
        found = reader.context.evaluate(name, LayerNames(reader.scope, None, None, True), path)
    except NetgenError:
        return None
    return str(plain(found))


def _unnamed(reader: Reader, raw: Any, path: SpecPath) -> Ref:
    """Add the lost call under the name that it would have had; gives its reference."""
    from .static_check import is_known_type, known_types

    type_, written = raw, None
    if isinstance(raw, dict) and len(raw) == 1:
        ((type_, written),) = raw.items()
    common = written if isinstance(written, dict) else {}
    meant = type_ if is_known_type(reader.context, type_) else None
    if meant is None and isinstance(type_, str):
        meant = meant_type(type_, known_types(reader.context), None)
    if not isinstance(meant, str) or "repeat" in common or meant == "Group":
        reader.scope.vague = True
    stem = snake_case(str(meant)) if is_identifier(str(meant)) else "layer"
    row = reader.context.row(str(meant))
    if row is not None:
        stem = row.stem
    if isinstance(common.get("name"), str):
        found = reader.scope.written.get(common["name"])
        return found[0] if found else reader.scope.add(_call(stem, path, None))
    numbered = row is None or row.weights is not no_weights
    name = reader.scope.names.numbered(stem) if numbered else None
    return reader.scope.add(_call(stem, path, name))


def _call(stem: str, path: SpecPath, name: str | None) -> Node:
    outputs: Any = {"output": None}
    written = name == stem
    return Node(
        path=path, kind="lost", outputs=outputs, stem=stem, name=name or "", written=written
    )


def _names(raw: Any) -> Iterator[str]:
    """The names that are written in an item and in the layers inside it."""
    if isinstance(raw, dict):
        for key, value in raw.items():
            if key == "name":
                words = value if isinstance(value, list) else [value]
                yield from (w for w in words if isinstance(w, str))
            yield from _names(value)
    for value in raw if isinstance(raw, list) else ():
        yield from _names(value)


def _words(raw: Any) -> Iterator[str]:
    """The words in an item's values that may be references."""
    if isinstance(raw, str):
        yield from re.findall(_WORD, raw)
    elif isinstance(raw, dict):
        for key, value in raw.items():
            if key != "name":
                yield from _words(value)
    elif isinstance(raw, list):
        for value in raw:
            yield from _words(value)
