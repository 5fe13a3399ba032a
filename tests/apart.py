"""A spec with a block of its own for each use, and plain values for the block's parameters.

It gives the same network. Its classes have neither arguments nor conditions where those of the
spec itself have some, so a mistake in these is not in both.
"""

from __future__ import annotations

import ast
import copy
import re
from typing import Any

from torch_netgen.ir.graph import Graph, Use, own_uses
from torch_netgen.lower.parameters import bare
from torch_netgen.symbolic.sizes import symbols_in

Spec = dict[str, Any]


class Unlike(Exception):
    """One item of the spec stands for several uses that differ, or for one without plain values."""


def with_blocks_apart(spec: Spec, graph: Graph) -> Spec:
    """The spec with a block for each use of one; `graph` is its network without arguments.

    Raises `Unlike` if they can't be told apart.
    """
    whole = copy.deepcopy(spec)
    _set_uses(whole, graph, (), spec["blocks"], whole["blocks"])
    return whole


def _set_uses(scope: Spec, graph: Graph, begin: tuple[Any, ...], blocks: Spec, made: Spec) -> None:
    """Let each item of a scope use a block of its own; the scope stands at `begin` in the spec."""
    uses: dict[tuple[Any, ...], list[Use]] = {}
    for use in own_uses(graph):
        if use.block not in blocks:
            continue  # a class that holds one operation, for a `Sequential`
        path = use.path[len(begin) :]
        uses.setdefault(path[:-1] if path[-1] == use.block else path, []).append(use)
    for path, alike in uses.items():
        use = alike[0]
        values = _values(use)
        if any(_values(other) != values or other.graph is not use.graph for other in alike):
            raise Unlike
        holder: Any = scope
        for step in path[:-1]:
            holder = holder[step]
        item = holder[path[-1]]
        if not isinstance(item, dict) or [*item] != [use.block]:
            raise Unlike
        given = item[use.block] if isinstance(item[use.block], dict) else {}  # else by position
        common = {key: value for key, value in given.items() if key not in values}
        block = {key: value for key, value in blocks[use.block].items() if key != "params"}
        body = _put(copy.deepcopy(block), values)
        name = f"{use.block}_{len(made)}"
        made[name] = body
        _set_uses(body, use.graph, ("blocks", use.block), blocks, made)
        holder[path[-1]] = {name: common}


def _values(use: Use) -> dict[str, Any]:
    """The plain values of a block's parameters in a use."""
    given = {parameter.name: use.outer[parameter.name] for parameter in use.graph.params}
    if symbols_in(given):
        raise Unlike
    return {name: bare(value) for name, value in given.items()}


def _put(value: Any, values: dict[str, Any]) -> Any:
    """What is written, with values in place of parameters."""
    if isinstance(value, dict):
        return {_text(key, values): _put(item, values) for key, item in value.items()}
    if isinstance(value, list):
        return [_put(item, values) for item in value]
    return _text(value, values) if isinstance(value, str) else value


def _text(text: Any, values: dict[str, Any]) -> Any:
    if not isinstance(text, str) or "$" not in text:
        return text
    if text[1:] in values and text[0] == "$":
        return values[text[1:]]
    if text.startswith("$(") and text.endswith(")"):
        tree = _Put(values).visit(ast.parse(text[2:-1], mode="eval"))
        return f"$({ast.unparse(tree)})"
    if {*re.findall(r"\w+", text)} & {*values}:
        raise Unlike
    return text


class _Put(ast.NodeTransformer):
    def __init__(self, values: dict[str, Any]) -> None:
        self.values = values

    def visit_Name(self, node: ast.Name) -> ast.expr:
        if node.id not in self.values:
            return node
        return ast.parse(repr(self.values[node.id]), mode="eval").body
