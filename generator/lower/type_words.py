"""Parameters that give a type of layer, and are read as words, too: no argument can be both.

In generated source the argument is a class. The type of a layer, what is given to a block that
takes a type, and comparisons with words (``norm is nn.LayerNorm``) can do with that. The length of
the word, a part of it, or a block that only compares it can't.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from ..diagnostics.diagnostics import SpecPath
from ..ir.graph import Graph, Node, uses_in
from ..layers.base import Init, Nested
from ..symbolic.buffers import Table
from ..symbolic.sizes import Coded, Dim


def read_as_words(graph: Graph, types: Collection[str]) -> Iterator[tuple[str, SpecPath]]:
    """Which of the network's parameters that are `types` something reads as words, and where."""
    uses, taken = uses_in(graph), dict[str, set[str]]()
    for block, own in uses.items():
        taken[block] = {name for use in own for name in types_taken(use.graph, taken)}
    # for each scope the names that are types, with the network's parameters that they may come from
    known: dict[Graph, dict[str, set[str]]] = {graph: {name: {name} for name in types}}
    inner = [use.graph for block in reversed([*uses]) for use in uses[block]]
    for scope in dict.fromkeys([graph, *inner]):  # what uses a block stands before it
        names = known.get(scope, {})
        for word, path in _read_in(scope, known, taken) if names else ():
            yield from ((name, path) for name in sorted(names[word]))


def types_taken(graph: Graph, taken: Mapping[str, Collection[str]]) -> set[str]:
    """The names of a scope that give types of layers, in it or to blocks that have `taken` them."""
    found = set()
    for node in _nodes(graph):
        if isinstance(node.callee, Coded):
            found.add(node.callee.code)
        if node.use is not None:
            given = [node.use.outer.get(name) for name in taken.get(node.use.block, ())]
            found |= {value.code for value in given if isinstance(value, Coded)}
    return found


def words(value: Any, types: Collection[str]) -> Iterator[str]:
    """Which of these types a value reads as words: those outside of comparisons with words."""
    for tree in _trees(value) if types else ():
        yield from _outside(tree, types)


def _read_in(
    scope: Graph, known: dict[Graph, dict[str, set[str]]], taken: Mapping[str, Collection[str]]
) -> Iterator[tuple[str, SpecPath]]:
    """The types that a scope reads as words; notes those that it gives to blocks in `known`."""
    types = known[scope]
    for parameter in scope.params:
        yield from ((word, ("params", parameter.name)) for word in words(parameter.default, types))
    for initial in scope.initial:
        yield from ((word, ("init", initial.key)) for word in words(initial.init, types))
    for node in _nodes(scope):
        values = [node.args, node.condition, node.count, [x.value for x in node.choices]]
        yield from ((word, node.path) for word in words(values, types))
        for parameter in () if node.use is None else node.use.graph.params:
            assert node.use is not None
            outer = node.use.outer.get(parameter.name)
            name = outer.code if isinstance(outer, Coded) else ""
            if name in types and parameter.name in taken[node.use.block]:
                inner = known.setdefault(node.use.graph, {})
                inner.setdefault(parameter.name, set()).update(types[name])
            else:
                yield from ((word, node.path) for word in words(outer, types))


def _nodes(graph: Graph) -> Iterator[Node]:
    """All calls of a scope, those that other arguments would make included."""
    for top in graph.nodes:
        for node in top.walk():
            yield node
            if node.would is not None:
                yield from node.would.walk()


def _trees(value: Any) -> Iterator[ast.expr]:
    """The expressions in a value."""
    if isinstance(value, (Coded, Dim)):
        yield value.tree()
    elif isinstance(value, Table):
        yield value.expression.tree
    elif isinstance(value, (Nested, Init)):
        yield from _trees(value.args)
    elif isinstance(value, Mapping):
        yield from _trees([*value.values()])
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _trees(item)


def _outside(tree: ast.AST, types: Collection[str]) -> Iterator[str]:
    if isinstance(tree, ast.Name) and tree.id in types:
        yield tree.id
    if isinstance(tree, ast.Compare) and _is_of_words(tree, types):
        return
    for part in ast.iter_child_nodes(tree):
        yield from _outside(part, types)


def _is_of_words(tree: ast.Compare, types: Collection[str]) -> bool:
    """Whether words are compared with types, or looked for in lists of both."""
    if not _is_word(tree.left, types):
        return False
    for op, right in zip(tree.ops, tree.comparators, strict=True):
        found = [right]
        if isinstance(op, ast.In | ast.NotIn) and isinstance(right, ast.List):
            found = right.elts
        elif not isinstance(op, ast.Eq | ast.NotEq):
            return False
        if not all(_is_word(part, types) for part in found):
            return False
    return True


def _is_word(tree: ast.AST, types: Collection[str]) -> bool:
    """Whether it is a word or a type."""
    if isinstance(tree, ast.Constant):
        return isinstance(tree.value, str)
    return isinstance(tree, ast.Name) and tree.id in types
