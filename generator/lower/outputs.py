"""The end of a scope: its outputs, what nothing reads, and which parameters are fixed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from msgspec.structs import replace

from ..diagnostics.diagnostics import MOST_FINDINGS, Diagnostic, NetgenError, SpecPath, Unknowable
from ..ir.graph import LIST, Node, Parameter, Ref
from ..ir.needs import FALSE, Need, reason
from ..symbolic.sizes import plain
from .context import Context, ParameterNames
from .parameters import plain_text
from .scope import Scope

MOST_OUTPUTS = 1000


def describe(context: Context, values: Mapping[str, Any]) -> str | None:
    """The document's description, with expressions replaced by their plain values."""
    return plain_text(context, context.document.description, values, ("description",))


def read_outputs(
    scope: Scope, written: Any, current: tuple[Ref, ...], path: SpecPath
) -> tuple[tuple[str | None, Ref], ...]:
    """The outputs with their names, if any: the references under `outputs`, or the last layer's.

    Raises `NetgenError` if there is none, there are too many, or the last layer has several; a
    mistake in a single reference is reported and the output left out.
    """
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
    outputs: list[tuple[str | None, Ref]] = []
    scope.note([(text, place) for _, text, place in pairs[:MOST_FINDINGS]])
    for number, (_, text, _) in enumerate(pairs):
        scope.mention(text, misspelt=number < MOST_FINDINGS)
    if len(pairs) > MOST_OUTPUTS:
        message = f"there are {len(pairs)} outputs, but {MOST_OUTPUTS} at most"
        scope.context.error("NG201", message, path, key=True)
    for name, text, place in pairs:
        with scope.context.shared.findings.collecting():
            value = scope.context.evaluate(text, ParameterNames(scope.params, scope.context), place)
            scope.context.fix_at(value, place)
            outputs += _found(scope, name, str(plain(value)), place)
    if not outputs and not scope.context.shared.findings.found:
        scope.context.error("NG201", "there is at least one output", path)
    return tuple(outputs)


def _found(
    scope: Scope, name: str | None, text: str, place: SpecPath
) -> Sequence[tuple[str | None, Ref]]:
    """The output that a reference names; in a list it may be one for each copy of a repeat."""
    if name is not None:
        return [(name, scope.find(text, place))]
    refs: Sequence[Ref] = (scope.find_listed(text, place),)
    if refs[0].port == LIST:
        from .lists import without_lists  # few repeats collect

        refs = without_lists(scope, refs, place)
    return [(None, ref) for ref in refs]


def check_used(scope: Scope, path: SpecPath = ("inputs",)) -> None:
    """Raise `NetgenError` if nothing reads an input or a layer: that is a mistake in a spec.

    An absent layer that nothing would read stays absent: its condition is frozen.
    """
    unused = []
    for place, placeholder in enumerate(scope.inputs):
        if place not in scope.used:
            where = (*path, placeholder.name)
            message = f"nothing reads the input `{placeholder.word}`"
            help = "name it in a `from`, or take it out"
            unused.append(_unused(scope, place, placeholder.name, message, where, help))
    for place, call in enumerate(scope.calls, len(scope.inputs)):
        if place not in scope.used and call.would is not None:
            scope.context.fix(call.condition, Need((*call.path, "when"), FALSE))
        elif place not in scope.used and call.kind not in ("absent", "lost"):
            if call.written and _is_saved(call):
                continue  # a `state_dict` has it under that name: this is a warning
            type_ = call.row.name if call.row else "Sequential"
            message = f"nothing reads what `{call.name or type_}` gives"
            help = "name it in a `from` or in `outputs`, or take it out"
            if call.row is not None and call.row.source:
                cure = "give it a `name`, and name it in the `from` of the layer that reads it"
                if call.written:
                    cure = f"write `from: {call.name}` in the layer that reads it"
                help = f"`{type_}` reads nothing, and does not flow on by itself: {cure}"
            name = call.name if call.written else None
            unused.append(_unused(scope, place, name, message, call.path, help))
    if unused:
        raise NetgenError(*unused)


def _is_saved(call: Node) -> bool:
    """Whether a call is a tensor of the `state_dict`."""
    return call.row is not None and call.row.held and bool(getattr(call.a, "persistent", True))


def _unused(
    scope: Scope, place: int, name: str | None, message: str, path: SpecPath, help: str | None
) -> Diagnostic:
    """The diagnostic of an unused input or layer.

    Where a reference stands twice in one list, it says that this one may have been meant there.
    """
    locate = scope.context.source.locate
    if name is None or not scope.again:
        return Diagnostic("NG207", message, locate(path, key=True), help=help)
    inputs = [placeholder.name for placeholder in scope.inputs]
    again = max(
        scope.again,
        key=lambda again: (
            any(_is_for(name, at) for at in again.places),
            (again.text in inputs) == (name in inputs),
        ),
    )
    scope.again.remove(again)
    earlier = any(place < ref.node for ref in scope.written.get(again.text, ()))
    meant = [at for at in again.places if _is_for(name, at)] or [again.places[0 if earlier else -1]]
    what = f"`{again.text}` stands here and once more, and nothing reads `{name}`"
    note = f"`{name}` is on line {locate(path, key=True).line}"
    return Diagnostic("NG207", what, locate(meant[0]), (note,), f"did you mean `{name}`?")


def _is_for(name: str, place: SpecPath) -> bool:
    """Whether an output's key is like a name: `p4` goes with `c4`."""
    key = str(place[-1])
    return isinstance(place[-1], str) and (key == name or _digits(key) == _digits(name) != "")


def _digits(name: str) -> str:
    return "".join(filter(str.isdigit, name))


@contextmanager
def ending(scope: Scope, path: SpecPath) -> Iterator[None]:
    """Read the outputs inside, then report what is unused.

    Raises `Unknowable` if a layer was lost, or a mistake was reported.
    """
    findings = scope.context.shared.findings
    before = findings.count
    with findings.collecting():
        yield
    with findings.collecting():
        check_used(scope, path)
    if scope.lost or findings.count > before:
        raise Unknowable


def mark_fixed(context: Context, parameters: list[Parameter]) -> tuple[Parameter, ...]:
    """The parameters; those that must be fixed are marked as fixed, with the reason."""
    needed = {**context.fixed, **context.fixed_before}
    return tuple(
        replace(p, fixed=True, reason=reason(needed[p.name], context.source.values))
        if p.name in needed
        else p
        for p in parameters
    )
