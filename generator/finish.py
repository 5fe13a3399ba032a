"""The end of a scope: its outputs, what nothing reads, which parameters are arguments."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from msgspec.structs import replace

from .context import Context, ParameterNames
from .diagnostics import MOST_FINDINGS, Diagnostic, NetgenError, SpecPath, Unknowable
from .graph import Parameter
from .needs import reason
from .node import Ref
from .parameters import plain_text
from .scope import Scope
from .sizes import plain


def describe(context: Context, values: Mapping[str, Any]) -> str | None:
    """The description, with the parameters as they are built."""
    return plain_text(context, context.document.description, values, ("description",))


def read_outputs(
    scope: Scope, written: Any, current: tuple[Ref, ...], path: SpecPath
) -> tuple[tuple[str | None, Ref], ...]:
    """What comes out: the references under `outputs`, or the last layer's output."""
    if written is None:
        scope.used.update(ref.node for ref in current)
        if not any(map(scope.portless, current)):
            return tuple((None, ref) for ref in current)
        message = "the last layer gives several tensors: name what comes out under `outputs`"
        scope.context.error("NG210", message, (*path[:-1], "layers"), key=True)
    pairs: list[tuple[str | None, str, SpecPath]]
    if isinstance(written, dict):
        pairs = [(name, text, (*path, name)) for name, text in written.items()]
    else:
        pairs = [(None, text, (*path, place)) for place, text in enumerate(written)]
    if not pairs:
        scope.used.update(ref.node for ref in current)
        scope.context.error("NG201", "there is at least one output", path)
    outputs = []
    for number, (_, text, _) in enumerate(pairs):
        scope.mention(text, misspelt=number < MOST_FINDINGS)
    for name, text, place in pairs:
        with scope.context.shared.findings.collecting():
            value = scope.context.evaluate(text, ParameterNames(scope.params, scope.context), place)
            scope.context.decide(value, place)
            outputs.append((name, scope.find(str(plain(value)), place)))
    return tuple(outputs)


def check_used(scope: Scope, path: SpecPath = ("inputs",)) -> None:
    """Refuse what nothing reads: an input or a layer without use is a mistake."""
    unused = []
    for place, placeholder in enumerate(scope.inputs):
        if place not in scope.used:
            message = f"nothing reads the input `{placeholder.name}`"
            location = scope.context.source.locate((*path, placeholder.name), key=True)
            unused.append(Diagnostic("NG207", message, location))
    for place, draft in enumerate(scope.drafts, len(scope.inputs)):
        if place not in scope.used and draft.kind not in ("absent", "lost"):
            type_ = draft.row.name if draft.row else "Sequential"
            message = f"nothing reads what `{draft.name or type_}` gives"
            help = "name it in a `from` or in `outputs`, or take it out"
            location = scope.context.source.locate(draft.path, key=True)
            unused.append(Diagnostic("NG207", message, location, help=help))
    if unused:
        raise NetgenError(*unused)


@contextmanager
def ending(scope: Scope, path: SpecPath) -> Iterator[None]:
    """Inside the outputs are read; then nothing may be without use, and nothing lost."""
    findings = scope.context.shared.findings
    before = findings.count
    with findings.collecting():
        yield
    with findings.collecting():
        check_used(scope, path)
    if scope.lost or findings.count > before:
        raise Unknowable


def mark_fixed(context: Context, parameters: list[Parameter]) -> tuple[Parameter, ...]:
    """The parameters, told apart: those that can be arguments, and those fixed for a reason."""
    needed = {**context.pinned, **context.fixed}
    return tuple(
        replace(p, fixed=True, reason=reason(needed[p.name], context.source.values))
        if p.name in needed
        else p
        for p in parameters
    )
