"""The table of a network: each layer with its output shape and its parameters."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct


class Row(Struct, frozen=True):
    """A row of the table: a layer's name, type, output shape and number of trainable elements.

    A layer that is applied again has its parameters in the first of its rows only. `macs` are
    multiply-adds for one sample. `activations` are the elements of its outputs, and `kept` the
    bytes that autograd keeps for it and for no layer before it, both for a batch of 2.
    """

    name: str
    type: str
    output: str
    parameters: int
    macs: int = 0
    activations: int = 0
    kept: int = 0


def table_text(table: Sequence[Row], total: int) -> str:
    """The table as text in columns, with the total in the last line."""
    cells = [("layer", "type", "output shape", "parameters")]
    cells += [(row.name, row.type, row.output, f"{row.parameters:,}") for row in table]
    cells.append(("total", "", "", f"{total:,}"))
    widths = [max(len(row[column]) for row in cells) for column in range(4)]
    names, types, outputs, counts = widths
    return "\n".join(
        f"  {name:<{names}}  {type_:<{types}}  {output:<{outputs}}  {parameters:>{counts}}"
        for name, type_, output, parameters in cells
    )
