"""The arithmetic of a layer as rows of text: sizes and weights, each with its formula."""

from __future__ import annotations

from collections.abc import Iterator

from ..analysis.derivation import Derivation, Derived
from ..ir.trace import Call
from ..layers.base import parameter_count
from ..symbolic.sizes import bracketed

MOST_PARTS = 6  # terms of a sum that is shown
Rows = list[tuple[str, ...]]


def sizes(call: Call, found: Derivation) -> Rows:
    """The sizes of a call's outputs, each with its formula."""
    rows: Rows = []
    for port, shape in found.outputs.items():
        several = len(found.outputs) > 1
        for dim, size in enumerate(shape):
            batch = dim == call.outputs[port].batch
            name = f"{port}[{dim}]" if several else f"output[{dim}]"
            rows += _told(name, size, "N" if batch else str(size.value))
    return rows


def weights(found: Derivation) -> Rows:
    """The shapes of a layer's weights with their formulas, and the number of parameters."""
    rows: Rows = []
    for weight, shape in found.weights:
        formulas = bracketed(size.formula for size in shape)
        rows.append(
            (
                weight.name or "itself",
                bracketed(str(int(size)) for size in weight.shape),
                f"= {formulas}",
            )
        )
    if rows:
        held = [weight for weight, _ in found.weights]
        parts = [" * ".join(str(int(s)) for s in w.shape) or "1" for w in held if w.trainable]
        told = f"= {' + '.join(parts)}" if 0 < len(parts) <= MOST_PARTS else ""
        rows.append(("parameters", f"{parameter_count(held):,}", told))
    return rows


def _told(name: str, size: Derived, value: str) -> Rows:
    """A size with its formula and, if that is more than a name, the formula in numbers."""
    rows: Rows = [(name, value, f"= {size.formula}")]
    if size.formula not in size.names and size.formula != size.numbers:
        rows.append(("", "", f"= {size.numbers}"))
    return rows


def titled(title: str, rows: Rows) -> Iterator[str]:
    """Rows under a title, if there are any."""
    if rows:
        yield ""
        yield title
        yield from columns(rows)


def columns(rows: Rows) -> Iterator[str]:
    """Rows as lines with aligned columns."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield f"  {'  '.join(cells)}".rstrip()
