"""The end of a scope: its outputs, what nothing reads, which parameters are arguments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from .diagnostics import Diagnostic, NetgenError, SpecPath
from .graph import Node, Parameter, Ref
from .inputs import Context, ParameterNames, plain_text
from .scope import Scope
from .sizes import plain, symbols_in


def describe(context: Context, values: Mapping[str, Any]) -> str | None:
    """The description, with the parameters as they are built."""
    return plain_text(context, context.document.description, values, ("description",))


def read_outputs(scope: Scope, current: tuple[Ref, ...]) -> tuple[tuple[str | None, Ref], ...]:
    """What comes out: the references under `outputs`, or the last layer's output."""
    written = scope.context.document.outputs
    if written is None:
        scope.used.update(ref.node for ref in current)
        return tuple((None, ref) for ref in current)
    pairs: list[tuple[str | None, str, SpecPath]]
    if isinstance(written, dict):
        pairs = [(name, text, ("outputs", name)) for name, text in written.items()]
    else:
        pairs = [(None, text, ("outputs", place)) for place, text in enumerate(written)]
    if not pairs:
        scope.context.error("NG201", "a network has at least one output", ("outputs",))
    outputs = []
    for name, text, path in pairs:
        value = scope.context.evaluate(text, ParameterNames(scope.context, scope.params), path)
        scope.context.decide(value, path)
        outputs.append((name, scope.find(str(plain(value)), path)))
    return tuple(outputs)


def check_used(scope: Scope) -> None:
    """Refuse what nothing reads: an input or a layer without use is a mistake."""
    unused = []
    for place, placeholder in enumerate(scope.inputs):
        if place not in scope.used:
            message = f"nothing reads the input `{placeholder.name}`"
            location = scope.context.source.locate(("inputs", placeholder.name), key=True)
            unused.append(Diagnostic("NG207", message, location))
    for place, draft in enumerate(scope.drafts, len(scope.inputs)):
        if place not in scope.used:
            type_ = draft.row.name if draft.row else "Sequential"
            message = f"nothing reads what `{draft.name or type_}` gives"
            help = "name it in a `from` or in `outputs`, or take it out"
            location = scope.context.source.locate(draft.path, key=True)
            unused.append(Diagnostic("NG207", message, location, help=help))
    if unused:
        raise NetgenError(*unused)


def mark_used(
    parameters: list[Parameter], nodes: Sequence[Node], pinned: set[str]
) -> tuple[Parameter, ...]:
    """The parameters, told apart: those that reach an argument of a module, and the others."""
    reached = {
        symbol.name
        for node in nodes
        for leaf in node.leaves()
        for symbol in symbols_in(list(leaf.args.values()))
    }
    result: list[Parameter] = []
    for parameter in reversed(parameters):
        used = parameter.name in reached
        if used and parameter.code:
            reached |= parameter.depends
        fixed = parameter.fixed or parameter.name in pinned
        result.append(replace(parameter, used=used, fixed=fixed))
    return tuple(reversed(result))
