"""The type of an item: as written, evaluated from an expression, or guessed from a misspelt one."""

from __future__ import annotations

import contextlib
from typing import Any

from msgspec.structs import replace

from ..diagnostics.diagnostics import NetgenError, Unknowable, printable
from ..ir.needs import Need
from ..layers import GROUPING
from ..spec.spec import Item
from ..symbolic.sizes import Size, plain, symbols_in
from .reader import Reader
from .scope import LayerNames


def typed(reader: Reader, item: Item, index: Size | None) -> Item:
    """The item with its type evaluated.

    An unknown type is reported once; if it is a mere slip, the reading goes on with the meant one.
    Otherwise, and for a lost block, raises `Unknowable`.
    """
    if "$" in item.type:
        names = LayerNames(reader.scope, None, index)
        value = reader.context.evaluate(item.type, names, item.path)
        callee, name = value if symbols_in(value) else None, _type_name(reader, item.type)
        item = replace(item, type=str(plain(value)), callee=callee, type_name=name)
        if item.callee is not None:
            from .other_types import is_argument  # few networks have types as values

            if not is_argument(reader.context, item, chained=reader.chain is not None):
                reader.context.fix(value, Need(item.path, "gets its type from it"))
    blocks = reader.context.known.blocks
    known = reader.context.known.rows
    if item.type in reader.context.known.lost:  # the block comes before other types
        raise Unknowable
    if item.type in GROUPING or item.type in blocks or item.type in known:
        return item
    unknown = reader.context.shared.mistakes.unknown
    if item.path not in unknown:  # else it was reported before: this is another copy
        from .static_check import is_slip, unknown_type

        diagnostic, meant = unknown_type(reader.context, item, spatial(reader, item, index))
        again = _again(reader, item)
        if again is not None:
            diagnostic, meant = replace(diagnostic, help=printable(again)), None
        reader.context.shared.findings.add(diagnostic)
        slip = meant is not None and is_slip(item.type, meant)
        unknown[item.path] = meant if slip else None
    meant = unknown[item.path]
    if meant is None:
        raise Unknowable
    return replace(item, type=meant)


def _again(reader: Reader, item: Item) -> str | None:
    """The help for an item whose type is the name of a layer above: how it is applied again."""
    refs = reader.scope.written.get(item.type)
    call = None if refs is None else reader.scope.maker(refs[-1])
    if call is None or call.functional or item.type != call.name:
        return None
    given = [f"layer: {item.type}"]
    keys = [key for key in ("from", "name") if key in item.common]
    given += [f"{key}: {_reference(item.common[key])}" for key in keys]
    told = ", ".join(given)
    return f"`{item.type}` is a layer above: to apply it again write `Reuse: {{{told}}}`"


def _reference(value: Any) -> str:
    return f"[{', '.join(map(str, value))}]" if isinstance(value, list) else str(value)


def _type_name(reader: Reader, written: str) -> str:
    """The document's parameter that alone gives a type: layers are named after it, fixed or not."""
    document = reader.context.parent is None
    return written[1:] if document and written[1:] in reader.context.document.params else ""


def spatial(reader: Reader, item: Item, index: Size | None) -> int | None:
    """The number of spatial dimensions of what an item reads; `None` if it is unknown."""
    with contextlib.suppress(NetgenError):
        x = reader.first_type(reader.reads(item, index))
        return None if x is None else x.rank - 2
    return None
