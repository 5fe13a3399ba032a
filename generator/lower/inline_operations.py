"""Operations in a `Sequential`: each becomes the use of a block that holds only the operation."""

from __future__ import annotations

from collections.abc import Mapping, Set
from typing import Any

from msgspec.structs import replace

from ..diagnostics.diagnostics import NetgenError, SpecPath
from ..layers.base import REQUIRED, Layer
from ..layers.models import read_arguments
from ..spec.block_spec import BlockSpec
from ..spec.spec import Item
from ..symbolic.expressions import texts, words_in
from ..symbolic.names import why_no_variable
from ..symbolic.sizes import Size, is_runtime
from .arguments import by_name
from .parameters import MEANINGS
from .parameters import REQUIRED as NEEDED
from .reader import Reader
from .scope import LayerNames
from .wrong_arguments import wrong_arguments


def as_block(reader: Reader, item: Item, row: Layer, index: Size | None) -> tuple[BlockSpec, Item]:
    """A block that holds only the operation, and the item that uses the block.

    Written values become arguments of the block. Expressions over run-time sizes stay inside it,
    where `in_shape` and its like mean the same tensor; the parameters that they read are arguments.
    """
    written, paths = by_name(reader.context, item, row)
    reader.check_passed(item, filter(written.__contains__, row.optional_tensors), paths)
    if row.axes:
        _check_pattern(reader, item, row, written.get(row.axes), paths)
    args = row.args
    if row.axes:  # what is not written does not matter, and a pattern is no argument
        args = tuple(arg for arg in row.args if arg.name in written and not arg.code)
    names = LayerNames(reader.scope, reader.first_type(()), index)
    known = {arg.name for arg in args}
    inside = {
        name: value
        for name, value in written.items()
        if name not in known or is_runtime(reader.context.evaluate(value, names, paths[name]))
    }
    words = {word for _, text in texts(inside, ()) for word in words_in(text)}
    read = words & reader.scope.params.keys()
    inner = {arg.name: _variable(arg.name, read) for arg in args}
    needed = {arg.name for arg in args if row.axes or arg.default is REQUIRED}
    params = {inner[a.name]: NEEDED if a.name in needed else a.default for a in args}
    own = {name: inside.get(name, f"${inner.get(name)}") for name in written}
    spec = BlockSpec(
        inputs=["input"],
        params={
            **dict.fromkeys(sorted(read), NEEDED),
            **{name: params[name] for name in params if name not in map(inner.get, inside)},
        },
        layers=[{item.type: own}],
        description=f"The operation `{item.type}` as a module.",
    )
    given = {inner[name]: value for name, value in written.items() if name not in inside}
    given |= {name: f"${name}" for name in read}
    name = _class_name(reader, item, (str(written[row.axes]), *written)) if row.axes else item.type
    return spec, replace(item, type=name, written=given)


def _check_pattern(
    reader: Reader, item: Item, row: Layer, text: Any, paths: Mapping[str, SpecPath]
) -> None:
    """Refuse a text that is no pattern, at its place: inside the block it has none."""
    checked = read_arguments(row, {row.axes: text})
    wrong = [p for p in checked if p.kind == "value"] if isinstance(checked, list) else []
    if wrong:
        raise NetgenError(*wrong_arguments(reader.context, item, row, wrong, paths))


def _variable(name: str, taken: Set[str]) -> str:
    """A name for the block's parameter: the argument's, with a `_` if a variable can't have it."""
    return f"{name}_" if why_no_variable(name) or name in MEANINGS or name in taken else name


def _class_name(reader: Reader, item: Item, key: tuple[str, ...]) -> str:
    """The name of the class for a pattern: the type's, with a number from the second pattern on."""
    known, number = reader.context.shared.bodies.patterns, 1
    key, name = (item.type, *key), item.type
    while key not in known:
        if name not in known.values() and name not in reader.context.known.blocks:
            known[key] = name
        number += 1
        name = f"{item.type}{number}"
    return known[key]
