"""`branches`: a merge of tensors that branches compute, each branch from what the merge reads."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from ..diagnostics.diagnostics import SpecPath, printable
from ..ir.graph import Ref
from ..spec.spec import Item, read_item
from ..symbolic.sizes import Size
from . import keys
from .reader import Reader
from .recovery import recovering
from .scope import LayerNames


def branches(reader: Reader, item: Item, reads: tuple[Ref, ...], index: Size | None) -> None:
    """Read a merge with `branches`: first each branch, then the merge on what they give."""
    row = reader.context.row(item.type)
    if row is None or row.variadic is None or len(reads) != 1 or reader.chain is not None:
        message = f"`{item.type}` can't have branches here"
        help = "branches stand in a merge that reads one tensor, outside a `Sequential`"
        reader.context.error("NG210", message, item.at("branches"), key=True, help=help)
    written = dict(item.written)
    branches = written.pop("branches")
    if not isinstance(branches, (list, dict)) or not branches:
        message = "`branches` should be a list of lists of layers, or a mapping from names"
        reader.context.error("NG201", message, item.at("branches"))
    pairs = branches.items() if isinstance(branches, dict) else enumerate(branches)
    ends: list[Ref] = []
    for key, layers in pairs:
        reader.current = reader.begin = reads
        with recovering(reader, layers, item.at("branches", key)):
            branch(reader, key, layers, item.at("branches", key), index)
        ends += reader.current
    reader.scope.used.update(ref.node for ref in (*reads, *ends))
    merged = replace(item, written=written)
    names = LayerNames(reader.scope, reader.first_type(tuple(ends)), index)
    reader.layer(merged, tuple(ends), reader.name(merged, names), index)


def branch(reader: Reader, key: str | int, layers: Any, path: SpecPath, index: Size | None) -> None:
    """Read one branch.

    In a list of branches, its layers are read into the scope. In a mapping, it is one layer or a
    `Sequential`, with its key as its name.
    """
    if isinstance(key, int):
        if not isinstance(layers, list):
            help = "write it in brackets: `- [{...}]`"
            reader.context.error("NG201", "a branch is a list of layers", path, help=help)
        if layers:
            reader.items(layers, path, index)
        return
    if layers == []:
        identity(reader, key, path)
        return
    several = isinstance(layers, list)
    written = {"layers": layers} if several else None
    named = {"name": key}
    if several:
        item = Item("Sequential", written, named, path, inline="layers")
    else:
        item = read_item(layers, reader.context.source, path, reader.context.known.rows)
        if "name" in item.common:
            message = f"the name of this branch is `{printable(key)}` already"
            reader.context.error("NG205", message, item.at("name"), key=True)
        item = replace(item, common={**item.common, **named})
    reader.item(item, index)


def identity(reader: Reader, key: str, path: SpecPath) -> None:
    """Read a named branch without layers: its name refers to what the merge reads."""
    item = Item("Sequential", None, {"name": key}, path)
    name = keys.name(reader.scope, item, LayerNames(reader.scope, None, None))
    assert name is not None
    reader.scope.written[name] = reader.current
    reader.scope.passed[name] = ()
