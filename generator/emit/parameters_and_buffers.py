"""The source of `Parameter` and `Buffer` in ``__init__``, of other sources in ``forward``."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Any

from ..ir.graph import Graph, Module, Node
from ..layers.base import Arg, Layer
from ..lower.ties import registered
from ..symbolic.buffers import Table
from ..symbolic.literals import comparing_tuples, literal, pythonic
from ..symbolic.sizes import Coded, plain, symbols_in

_HOLDING_RANGES = ("int32", "int64", "float32", "float64")  # without an overflow


def source_lines(module: Module, owner: str = "self", container: str = "") -> list[str]:
    """The statements that make a parameter or a buffer of the network, or of a container in it.

    The `owner` is the expression for the one that holds it.
    """
    assert module.row is not None
    name, args = module.name, module.node.args
    if module.row.source == "buffer":
        return [_buffer(owner, name, args)]
    shape = _sizes(args["shape"])
    init = args["init"]
    if init is None or init.function in ("zeros_", "ones_"):
        fill = "zeros" if init is None else init.function[:-1]
        return [registered(owner, name, f"nn.Parameter(torch.{fill}({shape}))")]
    if init.function == "constant_":
        value = _number(init.args[0][1])
        full = f"torch.full({_tuple(args['shape'])}, {value})"
        return [registered(owner, name, f"nn.Parameter({full})")]
    made = registered(owner, name, f"nn.Parameter(torch.empty({shape}))")
    return [made, init.source(tensor_source(module.row, f"{container}.{name}".lstrip(".")))]


def tensor_source(row: Layer, path: str) -> str:
    """The expression that reads a parameter or a buffer.

    To a type checker, what a container holds under a name of its own may be a module.
    """
    return f"self.get_{row.source}({literal(path)})" if "." in path else f"self.{path}"


def _number(value: Any) -> str:
    """A fill value as a float: `torch.full` with a whole number makes an integer tensor."""
    if not symbols_in(value):
        return literal(float(value))
    is_fraction = isinstance(plain(value), float) and literal(value).isidentifier()
    return literal(value) if is_fraction else f"float({literal(value)})"


def _sizes(shape: Any) -> str:
    """A shape as `torch.zeros` takes it: its sizes, or an argument of the class that has them."""
    if isinstance(shape, Coded):
        return literal(shape)
    return ", ".join(map(literal, shape)) or "()"


def _tuple(shape: Any) -> str:
    return literal(shape if isinstance(shape, Coded) else tuple(shape))


def _elements(table: Table) -> str:
    """The value of a buffer: a number, or lists of numbers."""
    if not table.symbols:
        return pythonic(table.code)
    return pythonic(ast.unparse(comparing_tuples(table.expression.tree)))


def _arange(tree: ast.expr, dtype: str) -> str | None:
    """``torch.arange(n)`` for the numbers of a range, also with dimensions of 1 around them."""
    outer = 0
    while isinstance(tree, ast.List) and len(tree.elts) == 1:
        tree, outer = tree.elts[0], outer + 1
    index = f"[{', '.join(['None'] * outer)}]" if outer else ""
    match tree:
        case ast.ListComp(
            elt=ast.Name(id=element),
            generators=[
                ast.comprehension(
                    target=ast.Name(id=number),
                    iter=ast.Call(func=ast.Name(id="range"), args=[ast.Constant(value=end)]),
                    ifs=[],
                )
            ],
        ) if element == number and dtype in _HOLDING_RANGES:
            return f"torch.arange({end!r}, dtype=torch.{dtype}){index}"
    return None


def _buffer(owner: str, name: str, args: Mapping[str, Any]) -> str:
    value = _value(args["value"], args["shape"], args["dtype"] or args["value"].dtype)
    persistent = literal(args["persistent"])
    kept = "" if persistent == "True" else f", persistent={persistent}"
    return f'{owner}.register_buffer("{name}", {value}{kept})'


def _value(table: Table, shape: Any, dtype: str) -> str:
    """The tensor that a buffer begins with."""
    row = _arange(table.expression.tree, dtype)
    if row is not None:
        return row
    if shape is None or table.shape:
        return f"torch.tensor({_elements(table)}, dtype=torch.{dtype})"
    if table.code in ("0", "0.0", "1", "1.0"):
        fill = "zeros" if float(table.code) == 0 else "ones"
        return f"torch.{fill}({_tuple(shape)}, dtype=torch.{dtype})"
    return f"torch.full({_tuple(shape)}, {_elements(table)}, dtype=torch.{dtype})"


def buffer_hints(graph: Graph) -> tuple[str, ...]:
    """The annotations of buffers in the class body; ``register_buffer`` gives none."""
    buffers = [m.name for m in graph.modules if m.row is not None and m.row.source == "buffer"]
    return tuple(f"{name}: Tensor" for name in buffers)


def fresh_source(graph: Graph, node: Node) -> str:
    """``torch.arange(n, device=x.device)``: on the device of the first input, or of a weight."""
    assert node.row is not None
    parts = [_fresh(node, arg) for arg in node.row.args if node.args[arg.name] is not None]
    return f"{node.row.functional}({', '.join(parts)}, device={_owner(graph)}.device)"


def _owner(graph: Graph) -> str:
    """The tensor whose device is that of the sources in ``forward``."""
    return graph.inputs[0].name if graph.inputs else f"self.{graph.steady}"


def _fresh(node: Node, arg: Arg) -> str:
    """An argument of a source that is made in ``forward``."""
    value = node.args[arg.name]
    if arg.name == "dtype":
        return f"dtype=torch.{value}"
    if arg.name == "size" and node.row is not None and node.row.list_argument:
        return _tuple(value) if "fill_value" in node.args else _sizes(value)
    return literal(value) if arg.positional else f"{arg.name}={literal(value)}"
