"""Operations in a `Sequential`: each becomes the use of a block that holds only the operation."""

from __future__ import annotations

from msgspec.structs import replace

from ..layers.base import REQUIRED, Layer
from ..spec.block_spec import BlockSpec
from ..spec.spec import Item
from ..symbolic.names import why_no_variable
from ..symbolic.sizes import Size, is_runtime
from .arguments import by_name
from .context import INDEX
from .parameters import REQUIRED as NEEDED
from .reader import Reader
from .scope import LayerNames


def as_block(reader: Reader, item: Item, row: Layer, index: Size | None) -> tuple[BlockSpec, Item]:
    """A block that holds only the operation, and the item that uses the block.

    Written values become arguments of the block. Expressions over run-time sizes stay inside it,
    where `in_shape` and its like mean the same tensor.
    """
    written, paths = by_name(reader.context, item, row)
    inner = {arg.name: _variable(arg.name) for arg in row.args}
    params = {inner[a.name]: NEEDED if a.default is REQUIRED else a.default for a in row.args}
    names = LayerNames(reader.scope, reader.first_type(()), index)
    inside = {
        name: value
        for name, value in written.items()
        if name not in inner or is_runtime(reader.context.evaluate(value, names, paths[name]))
    }
    own = {name: inside.get(name, f"${inner.get(name)}") for name in written}
    spec = BlockSpec(
        inputs=["input"],
        params={name: params[name] for name in params if name not in map(inner.get, inside)},
        layers=[{item.type: own}],
        description=f"The operation `{item.type}` as a module.",
    )
    given = {inner[name]: value for name, value in written.items() if name not in inside}
    return spec, replace(item, written=given)


def _variable(name: str) -> str:
    """A name for the block's parameter: the argument's, with a `_` if a variable can't have it."""
    return f"{name}_" if why_no_variable(name) or name == INDEX else name
