"""A layer applied to what it reads: its call, what its values fix, and how it will be written."""

from __future__ import annotations

from .arguments import Arguments
from .diagnostics import NetgenError
from .layers.base import Layer, Refusal
from .naming import key_of
from .refusals import refused
from .scope import Draft, Scope
from .shapes import Applied, apply
from .sizes import Coded, symbols_in
from .spec import Item


def apply_layer(
    scope: Scope, item: Item, row: Layer, read: Arguments, name: str | None, *, chained: bool
) -> Draft:
    """The call of a layer; `chained` ones stand in a `Sequential`."""
    try:
        applied = apply(row, read.args, read.types, dict(read.named_types))
    except Refusal as refusal:
        raise NetgenError(refused(scope, item, refusal, read, chained=chained)) from None
    draft = Draft(
        row, applied.args, read.inputs, read.named, applied.outputs, item.path, row.stem, name
    )
    draft.written = name is not None
    _fix(scope, item, row, applied)
    if row.operation:
        _operate(scope, item, draft, chained=chained)
    elif not chained:
        _place(scope, item, draft, stateless=not row.weights(applied.a))
    return draft


def _fix(scope: Scope, item: Item, row: Layer, applied: Applied) -> None:
    """Fix the parameters that decide on shapes in ways that arithmetic can't carry along."""
    for arg in () if row.operation else row.args:
        value = applied.args[arg.name]
        decides = arg.kind.index or (arg.kind.structural and isinstance(value, Coded))
        if decides and not arg.free:
            scope.context.decide(value, item.at(arg.name))
    scope.context.pin(applied.pinned)  # no run-time size: a rule has refused those
    for option in row.options:
        scope.context.decide(applied.args[option.name], item.at(option.name))


def _operate(scope: Scope, item: Item, draft: Draft, *, chained: bool) -> None:
    """An operation is an expression in `forward`, where no constructor argument is in sight."""
    if chained:
        message = f"`{item.type}` in a `Sequential` is not known to this version of netgen yet"
        scope.context.error("NG209", message, item.path, key=item.written is not None)
    draft.functional = True
    scope.context.pin(frozenset(s for s in symbols_in(draft.args) if not s.runtime))


def _place(scope: Scope, item: Item, draft: Draft, *, stateless: bool) -> None:
    """A function call in `forward`, or an attribute with its name."""
    assert draft.row is not None
    by_style = scope.context.document.style == "functional" and bool(draft.row.functional)
    if stateless and (by_style or (draft.row.name == "Flatten" and draft.name is None)):
        draft.functional = True
        for value in draft.args.values():
            scope.context.decide(value, item.path)
    elif draft.name is None and stateless:
        draft.shared = scope.names.shared(draft.stem, key_of(draft.row.name, draft.args))
    elif draft.name is None:
        draft.name = scope.names.numbered(draft.stem)
