"""The table of a network: each layer with its output shape and its parameters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .graph import Graph, Node
from .layers.base import arguments, parameter_count
from .sizes import shape_text


@dataclass(frozen=True, slots=True)
class Row:
    """A layer: its name, type, output shape as text, and number of trainable elements.

    A layer that is applied again shares its parameters: they count once.
    """

    name: str
    type: str
    output: str
    parameters: int


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


def table_text(table: Sequence[Row], total: int) -> str:
    """The table in columns, the total last."""
    cells = [("layer", "type", "output shape", "parameters")]
    cells += [(row.name, row.type, row.output, f"{row.parameters:,}") for row in table]
    cells.append(("total", "", "", f"{total:,}"))
    widths = [max(len(row[column]) for row in cells) for column in range(4)]
    lines = []
    for name, type_, output, parameters in cells:
        columns = (name.ljust(widths[0]), type_.ljust(widths[1]), output.ljust(widths[2]))
        lines.append(f"  {'  '.join(columns)}  {parameters.rjust(widths[3])}".rstrip())
    return "\n".join(lines)
