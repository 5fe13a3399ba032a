"""The table of a network: each layer with its output shape and its parameters."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct


class Row(Struct, frozen=True):
    """A layer: its name, type, output shape as text, and number of trainable elements.

    A layer that is applied again shares its parameters: they count once. `macs` are multiply-adds
    for one sample, `activations` the elements of its outputs and `kept` the bytes that it is the
    first to keep for gradients, both for a batch of 2.
    """

    name: str
    type: str
    output: str
    parameters: int
    macs: int = 0
    activations: int = 0
    kept: int = 0


def table_text(table: Sequence[Row], total: int) -> str:
    """The table in columns, the total last."""
    cells = [("layer", "type", "output shape", "parameters")]
    cells += [(row.name, row.type, row.output, f"{row.parameters:,}") for row in table]
    cells.append(("total", "", "", f"{total:,}"))
    widths = [max(len(row[column]) for row in cells) for column in range(4)]
    names, types, outputs, counts = widths
    return "\n".join(
        f"  {name:<{names}}  {type_:<{types}}  {output:<{outputs}}  {parameters:>{counts}}"
        for name, type_, output, parameters in cells
    )
