"""`Reuse`: an existing layer is applied again, with the same weights."""

from __future__ import annotations

from msgspec.structs import replace

from ..diagnostics.diagnostics import NetgenError, Unknowable, printable
from ..ir.graph import Node, Ref, copy_port
from ..ir.needs import Need
from ..layers.applying import apply
from ..layers.base import Refusal, refuse
from ..layers.tensor import TensorType
from ..spec.spec import Item
from ..symbolic.sizes import plain
from .arguments import Arguments
from .reader import Reader
from .refusals import refused
from .scope import LayerNames, Scope


def again(reader: Reader, item: Item, reads: tuple[Ref, ...], names: LayerNames) -> Node:
    """The call of an existing attribute on other tensors.

    Raises `NetgenError` if its name, or the number or types of the tensors, don't fit.
    """
    scope = reader.scope
    place = _named(scope, item, names)
    original = scope.calls[place]
    if original.kind == "lost":
        raise Unknowable
    if original.callee is not None:
        scope.context.fix(original.callee, Need(item.path, "is made for it"))
    if original.condition is not None:  # an absent layer can't be applied again
        scope.context.fix(original.condition, Need(item.path))
    for child in original.body:
        if child.kind == "copies":  # nor can a loop without copies
            scope.context.fix(child.count, Need(item.path))
    if original.row is not None and not original.inputs and "from" not in item.common:
        reads = ()
    types = tuple(scope.type_of(ref) for ref in reads)
    wanted = len(original.row.tensors) if original.row else 1
    wanted = len(original.inputs) if original.carries else wanted
    if len(types) != wanted:
        message = f"this layer reads {wanted} tensors, but {len(types)} given"
        scope.context.error("NG204", message, item.path, key=item.written is not None)
    try:
        call = _applied(reader, item, original, types)
    except Refusal as refusal:
        if refusal.help and refusal.help.startswith("leave"):
            refusal.help = f"`{original.word}` was made for other inputs"
        read = Arguments({}, reads, (), types, (), {})
        raise NetgenError(refused(scope, item, None, refusal, read, chained=False)) from None
    reuses = None if original.functional else place
    return replace(call, inputs=reads, path=item.path, choices=(), reuses=reuses)


def _named(scope: Scope, item: Item, names: LayerNames) -> int:
    """The index of the call that is named, in ``Reuse: relu`` or ``Reuse: {layer: relu}``."""
    written, path = item.written, item.path
    if isinstance(written, dict):
        for key in written:
            if key != "layer":
                message = f"`Reuse` has no `{printable(key)}`"
                scope.context.error("NG203", message, item.at(key), key=True)
        written, path = written.get("layer"), item.at("layer")
    value = scope.context.evaluate(written, names, path)
    scope.context.fix_at(value, path)
    if not isinstance(plain(value), str):
        scope.context.error("NG203", "`Reuse` names a layer above", item.path, key=True)
    return scope.attribute(plain(value), path)


def _applied(reader: Reader, item: Item, original: Node, types: tuple[TensorType, ...]) -> Node:
    """A call like the original on tensors of other types; raises `Refusal` if they don't fit."""
    if original.use is not None:
        used = replace(item, type=original.use.block, written=None)
        spec = original.use.spec
        call = reader.block(used, spec, (), None, None, types=types, given=original.use.given)
        assert call.use is not None
        if call.use.graph.weights != original.use.graph.weights:
            refuse(f"`{original.use.block}` would need other weights for {types[0]}")
        return replace(call, name=original.name, shared=original.shared)
    if original.row is not None:
        applied = apply(original.row, original.args, types)
        for meeting in applied.meetings:
            reader.context.meet(meeting, Need(item.path))
        return replace(original, outputs=applied.outputs, named=())
    through, children, given = types, [], []
    for child in original.body:
        if child.kind == "absent":
            children.append(replace(child, outputs={"output": through[0]}))
            continue
        children.append(_applied(reader, item, child, through))
        outputs = tuple(children[-1].outputs.values())
        given.append(outputs[0])
        through = outputs if original.carries else (outputs[0], *types[1:])
    passed = dict(zip(original.ports, through, strict=False))
    each = {copy_port(n): x for n, x in enumerate(given) if original.collects}
    return replace(original, outputs=passed | each, body=tuple(children))
