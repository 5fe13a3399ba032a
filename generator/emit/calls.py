"""The source of calls in ``forward``: the right side of assignments."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec.structs import replace

from ..ir.graph import LIST, Graph, Module, Node, Ref
from ..layers.base import REQUIRED, Arg, Layer, is_default
from ..symbolic.literals import literal
from .construct import argument_source
from .operations import is_variable, operation_source, with_sizes
from .run_time_sizes import Sizes


def passed_source(node: Node, other: str) -> str:
    """The source for the outputs of a call that is not made: the value `other` for each of them."""
    count, row = len(node.outputs), node.row
    if row is not None and row.result:
        return f"({row.result.format(*[other] * len(row.ports))})"
    return f"({', '.join([other] * count)})" if count > 1 else other


def call_source(graph: Graph, node: Node, names: Mapping[Ref, str], sizes: Sizes) -> str:
    """The source of a call in ``forward``, without its condition.

    `names` are the variables, or expressions that end in brackets.
    """
    tensors = [f"*{names[ref]}" if ref.port == LIST else names[ref] for ref in node.listed]
    named = [(name, names[ref]) for name, ref in node.named]
    row = node.row
    if row is not None:
        written = (*row.args, *row.options) if node.functional else row.options
        node = with_sizes(graph, node, [arg.name for arg in written], tensors, sizes)
    if row is not None and (row.operation or row.source):
        return operation_source(graph, node, tensors, [name for _, name in named], sizes)
    given: list[str] = []
    parts = [", ".join(tensors), *(f"{name}={variable}" for name, variable in named)]
    if row is not None and row.call and named:
        parts = [row.call.format(*tensors, *(variable for _, variable in named))]
    if row is not None and node.functional and row.functional_args is not None:
        pairs = row.functional_args(node.a).items()
        given = [literal(v) if name == "pad" else f"{name}={literal(v)}" for name, v in pairs]
    elif row is not None:
        options = _options(row, node.functional)
        given = [_option(arg, node) for arg in options if not is_default(arg, node.args[arg.name])]
    if given:
        parts.append(", ".join(given))
    if row is not None and row.inline and node.functional and not is_variable(tensors[0]):
        method = row.functional.removeprefix("torch")  # after others of the same line
        return f"{tensors[0]}{method}({', '.join(given)})"
    callee = row.functional if row is not None and node.functional else access(graph, node.target)
    return f"{callee}({', '.join(parts)})"


def _option(arg: Arg, node: Node) -> str:
    """An argument in ``forward``; a function's first one is positional if it is required."""
    row = node.row
    first = row is not None and bool(row.args) and arg.name == row.args[0].name
    by_position = first and (arg.default is REQUIRED or arg.positional)
    return argument_source(arg, node.args[arg.name], named=not by_position)


def _options(row: Layer, functional: bool) -> list[Arg]:
    """The arguments of a call beside tensors; for a function also the layer's own arguments."""
    if not functional:
        return list(row.options)
    defaults = dict(row.functional_defaults)
    args = [*row.args, *row.options]
    return [replace(arg, default=defaults.get(arg.name, arg.default)) for arg in args]


def access(graph: Graph, target: str) -> str:
    """The expression with which ``forward`` accesses a module: ``self.convs[0]``.

    In a container of containers that is ``self.get_submodule("a.b.c")``: type checkers can't
    index the inner container.
    """
    if target.count(".") > 1:
        return f"self.get_submodule({literal(target)})"
    if "." not in target:
        return f"self.{target}"
    source = "self"
    modules: tuple[Module, ...] = graph.modules
    kind = ""
    for part in target.split("."):
        module = next(module for module in modules if module.name == part)
        if kind == "ModuleList":
            source += f"[{part}]"
        elif kind == "ModuleDict":
            source += f"[{literal(part)}]"
        else:
            source += f".{part}"
        kind, modules = module.node.kind, module.children
    return source


def iterated(graph: Graph, target: str) -> str:
    """The expression that a loop iterates over; type checkers need ``.children()`` if nested."""
    return access(graph, target) if "." not in target else f"{access(graph, target)}.children()"
