"""`Reuse`: an existing layer is applied again, with the same weights."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec.structs import replace

from ..diagnostics.diagnostics import NetgenError, Unknowable, printable
from ..ir.graph import Node, Ref, copy_port
from ..ir.needs import Need
from ..layers.applying import apply
from ..layers.base import Refusal, refuse
from ..layers.tensor import TensorType
from ..spec.spec import Item
from ..symbolic.sizes import plain
from .arguments import Arguments, reference
from .conditions import last
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
    reads, named = _tensors(scope, item, original, reads)
    types = tuple(scope.type_of(ref) for ref in reads)
    optional = {name: scope.type_of(ref) for name, ref in named}
    try:
        call = _applied(reader, item, original, types, optional)
    except Refusal as refusal:
        if refusal.help and refusal.help.startswith("leave"):
            refusal.help = f"`{original.word}` was made for other inputs"
        read = Arguments({}, reads, (), types, (), {})
        raise NetgenError(refused(scope, item, None, refusal, read, chained=False)) from None
    reuses = None if original.functional else place
    # under a condition of the first call: what passes there is not what passes here
    otherwise = None if call.otherwise is None else last(reader, item, reads)
    changes = {"inputs": reads, "named": named, "otherwise": otherwise}
    return replace(call, **changes, path=item.path, choices=(), reuses=reuses)


def _tensors(
    scope: Scope, item: Item, original: Node, reads: tuple[Ref, ...]
) -> tuple[tuple[Ref, ...], tuple[tuple[str, Ref], ...]]:
    """The tensors that the layer must read, and its optional ones: after these, or by name."""
    row = original.row
    wanted = len(row.tensors) if row is not None else 1
    wanted = len(original.inputs) if original.carries else wanted
    optional = row.optional_tensors if row is not None else ()
    if row is not None and row.fills and 0 < len(reads) < wanted:
        reads = (*reads, *(reads[-1:] * (wanted - len(reads))))
    if not wanted <= len(reads) <= wanted + len(optional):
        tensors = "tensor" if wanted == 1 else "tensors"
        message = f"this layer reads {wanted} {tensors}, but {len(reads)} given"
        scope.context.error("NG204", message, item.path, key=item.written is not None)
    named = dict(zip(optional, reads[wanted:], strict=False))
    written = item.written if isinstance(item.written, dict) else {}
    for name in written:
        if name == "layer":
            continue
        if name not in optional:
            message, known = f"`Reuse` has no `{printable(name)}`", ", ".join(optional)
            help = f"tensors that `{original.word}` may read: {known}" if known else None
            scope.context.error("NG203", message, item.at(name), key=True, help=help)
        if name in named:
            message = f"`{name}` is given twice: `from` names it already"
            scope.context.error("NG203", message, item.at(name), key=True)
        named[name] = reference(scope, written[name], item.at(name))
    return reads[:wanted], tuple(named.items())


def _named(scope: Scope, item: Item, names: LayerNames) -> int:
    """The index of the call that is named, in ``Reuse: relu`` or ``Reuse: {layer: relu}``."""
    written, path = item.written, item.path
    if isinstance(written, dict):
        if written and "layer" not in written:
            key = next(iter(written))
            message = f"`Reuse` has no `{printable(key)}`"
            scope.context.error("NG203", message, item.at(key), key=True)
        written, path = written.get("layer"), item.at("layer")
    value = scope.context.evaluate(written, names, path)
    scope.context.fix_at(value, path)
    if not isinstance(plain(value), str):
        scope.context.error("NG203", "`Reuse` names a layer above", item.path, key=True)
    return scope.attribute(plain(value), path)


def _applied(
    reader: Reader,
    item: Item,
    original: Node,
    types: tuple[TensorType, ...],
    optional: Mapping[str, TensorType],
) -> Node:
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
        applied = apply(original.row, original.args, types, optional)
        for meeting in applied.meetings:
            reader.context.meet(meeting, Need(item.path))
        return replace(original, outputs=applied.outputs, named=())
    through, children, given = types, [], []
    for child in original.body:
        if child.kind == "absent":
            children.append(replace(child, outputs={"output": through[0]}))
            continue
        children.append(_applied(reader, item, child, through, {}))
        outputs = tuple(children[-1].outputs.values())
        given.append(outputs[0])
        through = outputs if original.carries else (outputs[0], *types[1:])
    passed = dict(zip(original.ports, through, strict=False))
    each = {copy_port(n): x for n, x in enumerate(given) if original.collects}
    return replace(original, outputs=passed | each, body=tuple(children))
