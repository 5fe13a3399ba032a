"""The lines of each call of a network, in the spec and in the generated source."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from ..analysis.prediction import Prediction
from ..emit.flow import forward_statements
from ..ir.graph import Graph, Node
from ..ir.trace import Call, Trace, blocks_around
from ..spec.source import Source


class SpecLines:
    """The lines of a spec, and then those of the files that it includes, each below its name."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.numbered = [*_numbered(source)]
        self.above = {source.name: 0}  # the lines above those of each file
        for other in source.included or ():
            self.numbered.append(("", source.called(other.name)))
            self.above[other.name] = len(self.numbered)
            self.numbered += _numbered(other)

    def of(self, call: Call) -> tuple[int, str]:
        """The place among all lines of the one that a call comes from, and its line in words."""
        path = call.node.path
        where, line = self.source.locate(path, key=True), self.source.line(path)
        words = line if where.file != self.source.name else f"{line} of the spec"
        return self.above[where.file] + where.line, words.replace("`", "")


def _numbered(source: Source) -> Iterator[tuple[str, str]]:
    """The lines of a file, each with its number."""
    for number, line in enumerate(source.text.splitlines(), 1):
        yield str(number), line


def source_lines(found: Prediction, trace: Trace, text: str) -> tuple[tuple[int, ...], ...]:
    """The lines of the generated source that make and call each module, for each call."""
    classes = {
        node.name: _Class(node, graph)
        for graph in found.classes
        for node in ast.parse(text).body
        if isinstance(node, ast.ClassDef) and node.name == graph.name
    }
    blocks = blocks_around(trace)
    lines = []
    for number, call in enumerate(trace.calls):
        around = blocks[number]
        use = None if around is None else trace.calls[around].node.use
        graph, name = (found.graph, found.graph.name) if use is None else (use.graph, use.block)
        prefix = "" if around is None else trace.calls[around].path
        path = call.path.removeprefix(prefix).strip(".")
        lines.append(tuple(sorted(classes[name].lines(graph, call.node, path))))
    return tuple(lines)


class _Class:
    """A class of the generated file, with the lines of its attributes and calls."""

    def __init__(self, node: ast.ClassDef, graph: Graph) -> None:
        methods = {item.name: item for item in node.body if isinstance(item, ast.FunctionDef)}
        self.made = dict(_assignments(methods.get("__init__")))
        forward = methods.get("forward")
        body = [] if forward is None else forward.body
        self.called: dict[int, set[int]] = {}
        self.places: dict[int, int] = {}  # of the nodes of its uses, by identity
        for statement, line in zip(forward_statements(graph), body, strict=False):
            for place in statement.nodes:
                self.called.setdefault(place, set()).update(_span(line))

    def lines(self, graph: Graph, node: Node, path: str) -> set[int]:
        """The lines for a call in the class; `path` is the module's path relative to the class."""
        attribute, *parts = path.split(".")
        if attribute in self.made:
            found = set(_span(_child(self.made[attribute], parts)))
        else:  # perhaps a child of a class that is an `nn.Sequential` itself
            found = set(_span(_child(self.made[""], path.split(".")))) if "" in self.made else set()
        if id(node) not in self.places:
            for place, outer in enumerate(graph.nodes):
                self.places |= {id(inner): place for inner in outer.walk()}
        return found | self.called.get(self.places.get(id(node), -1), set())


def _assignments(method: ast.FunctionDef | None) -> Iterator[tuple[str, ast.expr]]:
    """The attributes made in a method, with their values; a ``super().__init__`` call is ""."""
    for item in ast.walk(method) if method is not None else ():
        if isinstance(item, ast.Assign) and isinstance(item.targets[0], ast.Attribute):
            yield item.targets[0].attr, item.value
        elif isinstance(item, ast.Call) and item.args and _is_super_init(item):
            yield "", item
        elif isinstance(item, ast.Call) and ast.unparse(item.func) == "self.register_buffer":
            yield ast.literal_eval(item.args[0]), item


def _is_super_init(call: ast.Call) -> bool:
    return ast.unparse(call.func) == "super().__init__"


def _child(value: ast.expr, parts: list[str]) -> ast.expr:
    """The expression of a container's child at a path, or the innermost that can be found."""
    for part in parts:
        if not isinstance(value, ast.Call) or not part.isdecimal():
            break
        plain = value.args[0] if value.args and isinstance(value.args[0], ast.List) else None
        children = plain.elts if isinstance(plain, ast.List) else value.args
        before = children[: int(part) + 1]
        if len(before) <= int(part) or any(isinstance(child, ast.Starred) for child in before):
            break
        value = before[-1]
    return value


def _span(node: ast.AST) -> Iterator[int]:
    first = getattr(node, "lineno", 0)
    return iter(range(first, (getattr(node, "end_lineno", None) or first) + 1))
