"""What is written at a place of a spec: a key, a layer's type, an argument, a reference."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from ..diagnostics.diagnostics import SpecPath
from ..layers import GROUPING, TYPES
from ..layers.base import Layer
from ..spec.block_spec import BlockSpec
from ..spec.models import described_keys
from ..spec.source import Source
from ..spec.spec import Document, InputSpec, ParamSpec


class Cursor(Struct, frozen=True):
    """A place of a spec by its `path`: at the value or, with `key`, at its key.

    `scope` is the path of the block around it, empty for the network. `item` is the path of the
    innermost layer around it, as in diagnostics, and `inner` the rest of the path. A `bare` type
    is written alone; a `module` is an argument of another layer.
    """

    path: SpecPath
    key: bool
    scope: SpecPath = ()
    item: SpecPath = ()
    type: str = ""
    inner: SpecPath = ()
    bare: bool = False
    module: bool = False

    @property
    def names_type(self) -> bool:
        """Whether the type of a layer is written here."""
        return bool(self.item) and not self.inner and (self.key or self.bare)


def spot_at(source: Source, line: int, column: int) -> Cursor:
    """The cursor for a place; lines and columns count from 1."""
    path, key = source.at(line, column)
    scope = path[:2] if path[:1] == ("blocks",) and len(path) > 2 else ()
    cursor, place = Cursor(path, key, scope), len(scope)
    if path[place : place + 1] != ("layers",):
        return cursor
    return _in_list(source.values, cursor, place + 1)


def _in_list(values: Any, cursor: Cursor, length: int) -> Cursor:
    """The cursor completed, where the first `length` steps of its path lead to a list of layers."""
    return _in_item(values, cursor, length + 1) if len(cursor.path) > length else cursor


def _in_item(values: Any, cursor: Cursor, length: int, *, module: bool = False) -> Cursor:
    """The cursor completed, where the first `length` steps of its path lead to a layer's place."""
    path = cursor.path
    if len(path) == length:
        found = value_at(values, path)
        text = found if isinstance(found, str) else ""
        return replace(cursor, item=path, type=text, inner=(), bare=True, module=module)
    item, inner = path[: length + 1], path[length + 1 :]
    cursor = replace(cursor, item=item, type=str(item[-1]), inner=inner, module=module)
    if len(inner) > 1 and inner[0] == "layers" and cursor.type in GROUPING:
        return _in_list(values, cursor, length + 2)
    if len(inner) > 1 and inner[0] == "branches":
        branch = value_at(values, path[: length + 3])
        step = _in_list if isinstance(branch, list) else _in_item
        return step(values, cursor, length + 3)
    if inner and not (cursor.key and len(inner) == 1) and _takes_module(cursor.type, inner[0]):
        return _in_item(values, cursor, length + 2, module=True)
    return cursor


def _takes_module(type_: str, name: str | int) -> bool:
    args = TYPES[type_].args if type_ in TYPES else ()
    return any(arg.name == name and arg.kind.module for arg in args)


def value_at(values: Any, path: SpecPath) -> Any:
    """The value at a path; ``None`` if there is none."""
    for step in path:
        if isinstance(values, dict):
            values = values.get(step)
        elif isinstance(values, list) and isinstance(step, int) and step < len(values):
            values = values[step]
        else:
            return None
    return values


def type_at(values: Any, path: SpecPath) -> str:
    """The type of the layer at a path."""
    found = value_at(values, path)
    return found if isinstance(path[-1], int) and isinstance(found, str) else str(path[-1])


def mapping_at(values: Any, *path: str | int) -> dict[str, Any]:
    """The mapping at a path; an empty one if there is none."""
    found = value_at(values, path)
    return found if isinstance(found, dict) else {}


def row_of(values: Any, type_: str) -> Layer | None:
    """The catalogue's row for a type; ``None`` for a block or an unknown name."""
    return None if type_ in mapping_at(values, "blocks") else TYPES.get(type_)


def row_at(source: Source, cursor: Cursor) -> Layer | None:
    """The row for the layer at a cursor; of a pattern, the axes are arguments, too."""
    row = row_of(source.values, cursor.type)
    if row is None or not row.axes:
        return row
    from ..layers.einops import with_axes

    return with_axes(row, value_at(source.values, cursor.item))


def argument(source: Source, cursor: Cursor) -> str:
    """The name of the argument at a cursor in a layer, given by name or by position; or empty."""
    if cursor.inner and isinstance(cursor.inner[0], str):
        return cursor.inner[0]
    if cursor.names_type or not cursor.item:
        return ""
    row, blocks = row_of(source.values, cursor.type), mapping_at(source.values, "blocks")
    if row is not None:
        listed = isinstance(value_at(source.values, cursor.item), list)
        names = [arg.name for arg in row.written]
        if row.list_argument and listed:
            return row.list_argument
    else:
        names = [*mapping_at(blocks, cursor.type, "params")]
    place = cursor.inner[0] if cursor.inner else 0
    return names[place] if isinstance(place, int) and place < len(names) else ""


def refers(source: Source, cursor: Cursor) -> bool:
    """Whether the value at a cursor names a layer or an input."""
    if not cursor.item:
        rest = cursor.path[len(cursor.scope) :]
        if rest[:1] == ("declare",):
            return len(rest) == 2
        return rest[:1] in (("tie",), ("alias",)) or (rest[:1] == ("outputs",) and not cursor.key)
    if cursor.key or cursor.bare:
        return False
    if cursor.type == "Reuse":  # all its keys but these name a layer or a tensor
        return cursor.inner[:1] not in (("name",), ("when",))
    if cursor.inner[:1] in (("from",), ("else",)):
        return True
    row = row_of(source.values, cursor.type)
    if row is None:
        return False
    several = row.operation and (row.variadic is not None or len(row.tensors) > 1)
    listed = not cursor.inner or isinstance(cursor.inner[0], int)
    return (several and listed) or cursor.inner[:1] in [(name,) for name in row.optional_tensors]


def known_keys(path: SpecPath) -> Mapping[str, str]:
    """The keys that are allowed at the end of a path, each with its description."""
    match path:
        case (_,):
            return described_keys(Document)
        case ("blocks", _, _):
            return described_keys(BlockSpec)
        case ("inputs", _, _):
            return described_keys(InputSpec)
        case ("params", _, _) | ("blocks", _, "params", _, _):
            return described_keys(ParamSpec)
        case _:
            return {}
