"""`Reuse`: a layer that is there already, applied again with the same weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from .arguments import Arguments
from .diagnostics import NetgenError, printable
from .graph import Ref
from .layers.base import Refusal, TensorType
from .refusals import refused
from .scope import Draft, LayerNames, Scope
from .shapes import apply
from .sizes import plain
from .spec import Item


def again(scope: Scope, item: Item, reads: tuple[Ref, ...], names: LayerNames) -> Draft:
    """The call of an existing attribute on other tensors."""
    original = _named(scope, item, names)
    types = tuple(scope.type_of(ref) for ref in reads)
    wanted = len(original.row.tensors) if original.row else 1
    if len(types) != wanted:
        message = f"this layer reads {wanted} tensors, but {len(types)} given"
        scope.context.error("NG204", message, item.path, key=item.written is not None)
    try:
        draft = _applied(scope, original, types)
    except Refusal as refusal:
        read = Arguments({}, reads, (), types, (), {})
        raise NetgenError(refused(scope, item, refusal, read, chained=False)) from None
    draft.inputs, draft.path = reads, item.path
    draft.reuses = original.reuses or original
    return draft


def _named(scope: Scope, item: Item, names: LayerNames) -> Draft:
    """The call whose attribute is named, as ``Reuse: relu`` or ``Reuse: {layer: relu}``."""
    written, path = item.written, item.path
    if isinstance(written, dict):
        for key in written:
            if key != "layer":
                message = f"`Reuse` has no `{printable(key)}`"
                scope.context.error("NG203", message, item.at(key), key=True)
        written, path = written.get("layer"), item.at("layer")
    value = scope.context.evaluate(written, names, path)
    scope.context.decide(value, path)
    if not isinstance(plain(value), str):
        scope.context.error("NG203", "`Reuse` names a layer above", item.path, key=True)
    return scope.attribute(plain(value), path)


def _applied(scope: Scope, original: Draft, types: Sequence[TensorType]) -> Draft:
    """A call like another one on other tensors; a refusal where they don't fit."""
    if original.row is not None:
        applied = apply(original.row, original.args, types)
        scope.context.pin(applied.pinned)
        return replace(original, outputs=applied.outputs, named=())
    through, children = types[0], []
    for child in original.children:
        children.append(_applied(scope, child, (through,)))
        through = next(iter(children[-1].outputs.values()))
    return replace(original, outputs={"output": through}, children=children)
