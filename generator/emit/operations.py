"""The expressions for operations in ``forward``."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from msgspec.structs import replace

from ..ir.graph import Graph, Node
from ..layers.base import MOST_TERMS, REQUIRED, Arg, is_default
from ..symbolic.algebra import Symbols
from ..symbolic.literals import literal
from ..symbolic.provenance import reading
from ..symbolic.sizes import (
    Coded,
    Size,
    is_batch,
    is_runtime,
    named_by,
    plain,
    symbols_in,
    tree_of,
)
from ..symbolic.tree import Expression
from .construct import argument_source
from .parameters_and_buffers import fresh_source
from .run_time_sizes import Sizes

STARRED = (".permute", ".flip")  # methods that take their dimensions one by one


def operation_source(
    graph: Graph, node: Node, tensors: Sequence[str], named: Sequence[str], sizes: Sizes
) -> str:
    """The expression of an operation on these variables."""
    row = node.row
    assert row is not None
    if row.prefix:
        return f"{row.prefix}{tensors[0]}"
    if row.operator:
        return _combined(row.operator, _operands(node, tensors))
    if "{operands}" in row.call:
        inner = row.call.format(operands=", ".join(_operands(node, tensors)))
        return f"{row.functional}({inner})"
    if row.source:
        return fresh_source(graph, node)
    if row.axes:
        return _chain(node, tensors[0], graph.type_of(node.inputs[0]).rank)
    if row.call == "reshape":
        return _reshape(graph, node, tensors[0], sizes)
    if row.call == "cast":
        return _cast(node, tensors[0], named)
    if row.call in _SPECIAL:
        return _SPECIAL[row.call](node, tensors[0])
    arguments = ", ".join(_arguments(node))
    pattern = row.call or "{tensors}, {args}"
    if row.functional.startswith("."):
        filled = pattern.format(*tensors, tensors=", ".join(tensors[1:]), args=arguments)
        return f"{tensors[0]}{row.functional}({filled.removeprefix(', ').removesuffix(', ')})"
    masks = [f"{name}={value}" for (name, _), value in zip(node.named, named, strict=True)]
    filled = pattern.format(
        *tensors,
        tensors=", ".join(tensors),
        list=_list(tensors) if row.takes_list else "",
        args=", ".join([*masks, *filter(None, [arguments])]),
    )
    return f"{row.functional}({filled.removesuffix(', ')})"


def _list(tensors: Sequence[str]) -> str:
    """A list of tensors; those with a star are lists themselves, which are added.

    TorchScript takes no star here.
    """
    parts: list[str] = []
    for starred, run in groupby(tensors, key=lambda name: name.startswith("*")):
        names = [name.removeprefix("*") for name in run]
        parts += names if starred else [f"[{', '.join(names)}]"]
    return " + ".join(parts)


def _combined(operator: str, operands: Sequence[str]) -> str:
    """The operands with an operator between them; more than Python can read in brackets."""
    if len(operands) > MOST_TERMS:
        parts = [operands[at : at + MOST_TERMS] for at in range(0, len(operands), MOST_TERMS)]
        inner = [_combined(operator, part) for part in parts]
        operands = [
            f"({text})" if part[1:] else text for part, text in zip(parts, inner, strict=True)
        ]
    return f" {operator} ".join(operands)


def _operands(node: Node, tensors: Sequence[str]) -> list[str]:
    """What is combined: variables, and numbers in their place."""
    return [*tensors, *(_operand(v) for v in node.args.values() if v is not None and v != ())]


def _operand(value: Any) -> str:
    """An operand's source, in brackets unless it is a single name, number or call."""
    tree = tree_of(value)
    whole = isinstance(tree, (ast.Attribute, ast.Call, ast.Constant, ast.Name, ast.Subscript))
    negative = isinstance(tree, ast.UnaryOp) and isinstance(tree.operand, ast.Constant)
    return literal(value) if whole or negative else f"({literal(value)})"


def _arguments(node: Node) -> list[str]:
    row = node.row
    assert row is not None
    defaults = dict(row.functional_defaults)
    parts: list[str] = []
    for arg in row.args:
        value = node.args[arg.name]
        if arg.name in defaults:
            arg = Arg(arg.name, arg.kind, defaults[arg.name])
        if is_default(arg, value):
            continue
        if row.functional in STARRED and not isinstance(value, Coded):
            parts += [literal(item) for item in value]
        else:
            if arg.name == "scale_factor" and isinstance(value, int):
                value = float(value)  # TorchScript tells them apart
            positional = arg.positional and arg.default is REQUIRED
            source = argument_source(arg, value, named=not positional)
            parts.append(_in_training(arg, value) if arg.trains else source)
    return parts


def _in_training(arg: Arg, value: Any) -> str:
    """An argument for training only: ``dropout_p=0.5 if self.training else 0.0``."""
    code = literal(value)
    value_code = f"({code})" if isinstance(tree_of(value), ast.IfExp) else code
    return f"{arg.name}={value_code} if self.training else {literal(arg.default)}"


def with_sizes(
    graph: Graph,
    node: Node,
    written: Sequence[str],
    tensors: Sequence[str],
    sizes: Sizes,
) -> Node:
    """The call with each run-time size in its `written` arguments as the source that reads it.

    That is a size of one of the `tensors`, ``x.shape[1]``, or a variable of `sizes`.
    """
    args = {name: node.args[name] for name in written if is_runtime(node.args.get(name))}
    if node.row is not None and node.row.functional == "F.interpolate":
        node, args = _with_shapes(graph, node, args)
    wanted = {symbol.name for symbol in symbols_in(args) if symbol.runtime}
    if not wanted:
        return node
    found: dict[str, str] = {}
    for ref, variable in zip(node.inputs, tensors, strict=True):
        for place, size in enumerate(graph.type_of(ref).shape):
            for symbol in named_by(size):
                if symbol.name in wanted and is_variable(variable):
                    found.setdefault(symbol.name, f"{variable}.shape[{place}]")
    leaf = Expression.leaf
    sources = {name: leaf(sizes.read(name, found.get(name, ""))) for name in sorted(wanted)}
    read = {name: reading(value, sources) for name, value in args.items()}
    return replace(node, args={**node.args, **read})


def _with_shapes(graph: Graph, node: Node, args: Mapping[str, Any]) -> tuple[Node, dict[str, Any]]:
    """The call with each argument that is all sizes of an input from one place on so written.

    That is ``skip.shape[2:]``. With it, the arguments that are left.
    """
    found = {name: _shape_of(graph, value) for name, value in args.items()}
    whole = {
        name: Coded(args[name], Expression.leaf(source), Symbols())
        for name, source in found.items()
        if source
    }
    left = {name: value for name, value in args.items() if name not in whole}
    return replace(node, args={**node.args, **whole}), left


def _shape_of(graph: Graph, value: Any) -> str:
    """The source of several sizes as the end of an input's shape; empty if they are none."""
    sizes = [*value] if isinstance(value, tuple) else []
    for placeholder in graph.inputs:
        shape = placeholder.type.shape
        end = shape[len(shape) - len(sizes) :] if len(sizes) > 1 else ()
        # `x` may be another value by now
        if placeholder.name != "x" and end and all(map(_is_same_name, sizes, end)):
            return f"{placeholder.name}.shape[{len(shape) - len(sizes)}:]"
    return ""


def _is_same_name(size: Size, other: Size) -> bool:
    """Whether both sizes are one name that is known only at run time."""
    names = [{x.name for x in named_by(one) if x.runtime} for one in (size, other)]
    return bool(names[0]) and names[0] == names[1]


def _chain(node: Node, x: str, rank: int) -> str:
    """``torch.unflatten(x, 2, (8, -1)).transpose(1, 2)``: what a pattern says, in torch's words.

    torch's annotations have no `unflatten` of a tensor, only the function.
    """
    from ..layers.einops import chain  # few networks have patterns

    assert node.row is not None
    source = x
    for step in chain(node.row, node.args, rank):
        args = [*map(literal, step.args)]
        args += [f"{name}={literal(value)}" for name, value in step.named]
        if step.method == "unflatten":
            source = f"torch.unflatten({', '.join([source, *args])})"
        else:
            source = f"{source}.{step.method}({', '.join(args)})"
    return source


# a name, an attribute, or one of a list of them
_VARIABLE = re.compile(r"[\w.]+(\[(\d+|\"[^\"]*\")\])*")
# what a slice gives is sliced once more in the same brackets
_SLICED = re.compile(r"(?P<x>[\w.]+)\[(?P<parts>[^\[\]()\"]*)\]")


def is_variable(source: str) -> bool:
    """Whether the source of a tensor is a variable or an attribute, not a call or a slice."""
    return _VARIABLE.fullmatch(source) is not None


def _slice(node: Node, x: str) -> str:
    """``x[:, 1:3]``."""
    assert node.row is not None
    args = [arg for arg in node.row.args if not is_default(arg, node.args[arg.name])]
    given = {arg.name: literal(node.args[arg.name]) for arg in args}
    step = f":{given['step']}" if "step" in given else ""
    part, dim = f"{given.get('start', '')}:{given.get('end', '')}{step}", int(node.args["dim"])
    before = [":"] * dim if dim >= 0 else ["..."]
    after = [] if dim >= 0 else [":"] * (-dim - 1)
    sliced = _SLICED.fullmatch(x)
    if sliced is not None and dim >= 0:
        parts = sliced["parts"].split(", ")
        if len(parts) <= dim and all(":" in each for each in parts):  # neither `...` nor an index
            x, before = sliced["x"], [*parts, *before[len(parts) :]]
    return f"{x}[{', '.join([*before, part, *after])}]"


def _listed(sizes: Any) -> list[str]:
    """Sizes one by one; a list that is an argument may be longer or shorter in other members."""
    if isinstance(sizes, Coded):
        return [f"*{literal(sizes)}"]
    return [literal(size) for size in sizes]


def _reshape(graph: Graph, node: Node, x: str, sizes: Sizes) -> str:
    """``x.reshape(x.shape[0], 8, -1)``: the batch, where there is one, is kept."""
    batch, place = [], f"{x}.shape[0]"
    if len(plain(node.args["shape"])) < node.output.rank:
        named = is_batch(graph.type_of(node.inputs[0]).shape[0])
        batch = [sizes.read("N", place if is_variable(x) else "") if named else place]
    return f"{x}.reshape({', '.join([*batch, *_listed(node.args['shape'])])})"


def _expand(node: Node, x: str) -> str:
    """``x.expand(-1, 3, 4)``: the batch is kept, or added in front."""
    batch = node.args["batch_size"]
    first = [] if node.output.batch is None else ["-1" if batch is None else literal(batch)]
    return f"{x}.expand({', '.join([*first, *_listed(node.args['shape'])])})"


def _cast(node: Node, x: str, named: Sequence[str]) -> str:
    """``x.to(torch.float32)`` or ``x.to(other.dtype)``.

    The `dtype` comes from a closed table, so it is safe as code.
    """
    return f"{x}.to({named[0]}.dtype)" if named else f"{x}.to(torch.{node.args['dtype']})"


def _fourier(node: Node, x: str) -> str:
    """``torch.fft.rfft(x, dim=2)``; along several dimensions ``torch.fft.rfftn(x, dim=(2, 3))``."""
    assert node.row is not None
    several = "n" if isinstance(plain(node.args["dim"]), (list, tuple)) else ""
    return f"{node.row.functional}{several}({', '.join([x, *_arguments(node)])})"


def _affine_grid(node: Node, x: str) -> str:
    """``F.affine_grid(x, [x.shape[0], 3, 8, 8], align_corners=False)``: the batch is kept."""
    sizes = [f"{x}.shape[0]", *_listed(node.args["size"])]
    corners = literal(node.args["align_corners"])
    return f"F.affine_grid({x}, [{', '.join(sizes)}], align_corners={corners})"


def _crop(node: Node, x: str) -> str:
    """``x[:, :, top : top + skip.shape[2]]``: what each dimension keeps is worked out before."""
    return f"{x}[{', '.join(map(literal, node.args['dims']))}]"


_SPECIAL = {
    "slice": _slice,
    "expand": _expand,
    "crop": _crop,
    "fourier": _fourier,
    "affine_grid": _affine_grid,
}
