"""`carry` and `collect`: a repeat whose copies pass on several tensors, or each give theirs.

It is an `nn.ModuleList` of which ``forward`` calls one module after the other. Where it is absent,
the list is empty: a `when` is a condition in its `repeat`.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from ..ir.graph import ALL, Node, Ref, copy_port
from ..ir.needs import Need
from ..ir.substitute import rebind_type
from ..layers.tensor import TensorType
from ..spec.spec import Item
from ..symbolic.equality import Meeting, same
from ..symbolic.sizes import Size, symbols_in
from .context import INDEX, Context
from .scope import Scope


def ports_of(context: Context, item: Item, reads: Sequence[Ref]) -> Sequence[str]:
    """The ports of a repeat that carries: the outputs of its block, as many as it reads."""
    given = context.known.blocks[item.type].outputs
    found = [*given] if isinstance(given, dict) else [str(place) for place in range(len(reads))]
    if given is None and len(reads) == 1:
        return ["output"]
    if item.collects and ALL in found:
        message = f"`{ALL}` is what all copies give, and an output of `{item.type}`"
        context.error("NG205", message, item.at("collect"), key=True)
    if given is None or len(found) != len(reads):
        _miscounted(context, item, len(found) if given is not None else 1, len(reads))
    return found


def check_carried(
    context: Context, item: Item, given: Sequence[TensorType], read: Sequence[TensorType]
) -> None:
    """Refuse a copy whose outputs the next one can't read in place of its own inputs.

    Sizes that are equal for these arguments only are noted.
    """
    if len(given) != len(read):
        _miscounted(context, item, len(given), len(read))
    for place, (new, old) in enumerate(zip(given, read, strict=True)):
        pairs = [*zip(old.shape, new.shape, strict=False)]
        kinds = [(x.rank, x.dtype, x.batch, x.lost, x.bound) for x in (new, old)]
        if kinds[0] != kinds[1] or any(int(one) != int(two) for one, two in pairs):
            word = context.known.blocks[item.type].inputs[place]
            types = [f"{x}" if new.dtype == old.dtype else f"{x} {x.dtype}" for x in (old, new)]
            message = f"`{item.type}` reads {types[0]} as `{word}`, and gives {types[1]} for it"
            help = "with `carry` each copy reads what the one before it gives, by place"
            context.error("NG211", message, item.at("carry"), key=True, help=help)
        for one, two in pairs:
            if not same(one, two):
                context.meet(Meeting(one, two, silent=True), Need(item.at("carry")))


def _miscounted(context: Context, item: Item, gives: int, reads: int) -> None:
    tensors = "tensor" if reads == 1 else "tensors"
    message = f"`{item.type}` reads {reads} {tensors} and gives {gives}"
    help = "with `carry` each copy reads what the one before it gives, by place"
    context.error("NG204", message, item.at("carry"), key=True, help=help)


def with_copies(scope: Scope, item: Item, call: Node, count: Size) -> Node:
    """The call of a repeat that collects, with an output for what each copy gives.

    The number of copies is fixed unless all give the same type, whatever their number.
    """
    types: list[TensorType] = []
    varies, terms = False, scope.terms()
    for child in call.body:
        for place, copy in enumerate(child.body if child.kind == "copies" else (child,)):
            if copy.absent:
                continue
            varies |= any(symbol.name == INDEX for symbol in symbols_in(copy.output.shape))
            types.append(rebind_type(copy.output, {**terms, INDEX: child.start + place}))
    varies |= any(not _alike(types[0], x) for x in types)
    if varies and symbols_in(count):
        why = "gives tensors whose shapes differ from copy to copy"
        scope.context.fix(count, Need(item.at("repeat"), why))
        count = int(count)
    outputs = {copy_port(number): type_ for number, type_ in enumerate(types)}
    return replace(call, outputs={**call.outputs, **outputs}, collects=True, count=count)


def _alike(left: TensorType, right: TensorType) -> bool:
    kinds = [(x.rank, x.dtype, x.batch, x.lost) for x in (left, right)]
    sizes = zip(left.shape, right.shape, strict=False)
    return kinds[0] == kinds[1] and all(same(one, two) for one, two in sizes)
