"""The table of a network that has a mistake, as far as it was read."""

from __future__ import annotations

from ..ir.graph import Module
from ..ir.table import Row, table_text
from ..layers.base import parameter_count
from .scope import Scope


def table_so_far(scope: Scope | None) -> str:
    """The text of the table of layers up to the first one with a mistake; empty without a scope."""
    if scope is None:
        return ""
    found = [Row(x.name, "input", x.type.text, 0) for x in scope.inputs]
    for call in scope.calls:
        if call.kind == "lost":
            break
        if call.outputs and call.kind != "absent":
            module = Module.of(call, "")
            type_ = call.row.name if call.row else call.kind
            shape = call.output.usual
            count = 0 if call.reuses is not None else parameter_count(module.weights)
            found.append(Row(call.word, type_, shape, count))
    return table_text(found, sum(row.parameters for row in found))
