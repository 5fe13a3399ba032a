"""From layers to the rows of the table: of a whole network, or of one as far as it was read."""

from __future__ import annotations

from .graph import Graph, Node
from .layers.base import arguments, parameter_count
from .scope import Scope, to_module
from .sizes import shape_text
from .table import Row, table_text


def rows(graph: Graph) -> tuple[Row, ...]:
    """A row for each call, in order; blocks are one row."""
    seen: set[str] = set()
    found = [Row(x.name, "input", shape_text(x.type.shape), 0) for x in graph.inputs]
    for node in graph.nodes:
        for leaf in node.leaves():
            found.append(_row(leaf, seen))
    return tuple(found)


def _row(node: Node, seen: set[str]) -> Row:
    assert node.row is not None
    count = 0
    if node.target not in seen:
        count = parameter_count(node.row.weights(arguments(node.args)))
        seen.add(node.target)
    return Row(node.name, node.row.name, shape_text(node.output.shape), count)


def table_so_far(scope: Scope | None) -> str:
    """The table of a network's layers up to the first that has a mistake."""
    if scope is None:
        return ""
    found = [Row(x.name, "input", shape_text(x.type.shape), 0) for x in scope.inputs]
    for draft in scope.drafts:
        if draft.kind == "lost":
            break
        if draft.outputs and draft.kind != "absent":
            module = to_module(draft, "")
            type_ = draft.row.name if draft.row else draft.kind
            shape = shape_text(draft.outputs[draft.default_port].shape)
            count = 0 if draft.reuses else parameter_count(module.weights())
            found.append(Row(draft.name or draft.stem, type_, shape, count))
    return table_text(found, sum(row.parameters for row in found))
