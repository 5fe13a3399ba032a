"""After a mistake: what a lost layer would have given is not known, and the reading goes on.

One mistake gets one message. What depends on a lost layer is not reported: asking for its type
raises `Unknowable`, which loses the asker, too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ..diagnostics.diagnostics import NetgenError, SpecPath, printable
from ..ir.node import Ref
from ..layers.base import no_weights
from ..symbolic.hints import meant_type
from ..symbolic.names import is_identifier, snake_case
from ..symbolic.sizes import TooLong
from ..symbolic.syntax import ExpressionError
from .scope import Draft
from .static_check import Survey, known_types

if TYPE_CHECKING:
    from .walk import Walk

_WORD = re.compile(r"[A-Za-z_][\w.]*")


@contextmanager
def recovering(walk: Walk, raw: Any, path: SpecPath) -> Iterator[None]:
    """What goes wrong in an item (or in a list of them) is taken in; the item is lost."""
    container = (walk.chain, walk.through, walk.called_one_by_one, walk.lost)
    try:
        try:
            yield
        except ExpressionError as error:  # of a value as someone else sees it
            walk.context.error("NG206", printable(error.message), path)
        except TooLong:
            message = "a size here is an expression too long to be written"
            help = "write numbers, or a parameter of its own for it"
            walk.context.error("NG206", message, path, help=help)
    except NetgenError as error:
        walk.chain, walk.through, walk.called_one_by_one, walk.lost = container
        walk.context.shared.findings.caught(error)
        lose(walk, raw, path, blamed=bool(error.diagnostics))


def lose(walk: Walk, raw: Any, path: SpecPath, *, blamed: bool) -> None:
    """Keep the names of a lost item, count what it mentions as used, and look at what it holds."""
    scope = walk.scope
    Survey(walk.context, list(scope.params), walk.chain is not None).anything(raw, path)
    inputs = range(len(scope.inputs))  # one of which it should have named
    scope.used.update([ref.node for ref in walk.current] or inputs)
    for word in dict.fromkeys(_words(raw)):
        scope.mention(word, misspelt=blamed)
    scope.lost = True
    if walk.chain is not None:
        walk.lost = True
        return
    for name in dict.fromkeys(_names(raw)):
        if name not in scope.written:
            scope.add(_draft(name, path, name))
    walk.current = (_unnamed(walk, raw, path),)


def _unnamed(walk: Walk, raw: Any, path: SpecPath) -> Ref:
    """The lost call under the name that it would have got."""
    type_, written = raw, None
    if isinstance(raw, dict) and len(raw) == 1:
        ((type_, written),) = raw.items()
    common = written if isinstance(written, dict) else {}
    known = known_types(walk.context)
    meant = type_ if type_ in known else None
    if meant is None and isinstance(type_, str):
        meant = meant_type(type_, known, None)
    if not isinstance(meant, str) or "repeat" in common or meant == "Group":
        walk.scope.vague = True
    stem = snake_case(str(meant)) if is_identifier(str(meant)) else "layer"
    row = walk.context.row(str(meant))
    if row is not None:
        stem = row.stem
    if isinstance(common.get("name"), str):
        found = walk.scope.written.get(common["name"])
        return found[0] if found else walk.scope.add(_draft(stem, path, None))
    numbered = row is None or row.weights is not no_weights
    name = walk.scope.names.numbered(stem) if numbered else None
    return walk.scope.add(_draft(stem, path, name))


def _draft(stem: str, path: SpecPath, name: str | None) -> Draft:
    draft = Draft(None, {}, (), (), {"output": None}, path, stem, name, kind="lost")  # type: ignore[dict-item]
    draft.written = name == stem
    return draft


def _names(raw: Any) -> Iterator[str]:
    """The names that are written in an item, those of its own layers included."""
    if isinstance(raw, dict):
        for key, value in raw.items():
            if key == "name" and isinstance(value, str) and "$" not in value:
                yield value
            yield from _names(value)
    for value in raw if isinstance(raw, list) else ():
        yield from _names(value)


def _words(raw: Any) -> Iterator[str]:
    """The words in an item's values that may be references."""
    if isinstance(raw, str):
        yield from _WORD.findall(raw)
    elif isinstance(raw, dict):
        for key, value in raw.items():
            if key != "name":
                yield from _words(value)
    elif isinstance(raw, list):
        for value in raw:
            yield from _words(value)
