"""`when`: layers that are present, absent ones that pass their input through, and conditions.

A condition that depends on a constructor argument stays a condition in the generated class.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from msgspec.structs import replace

from ..diagnostics.diagnostics import NetgenError, SpecPath
from ..ir.graph import Node, Ref
from ..ir.needs import FALSE, Need
from ..ir.substitute import rebind, rebind_type
from ..layers.base import no_weights
from ..layers.tensor import TensorType
from ..spec.spec import Item, read_item
from ..symbolic.equality import same
from ..symbolic.names import SKIPPED, snake_case
from ..symbolic.provenance import both, chosen, equal_unless
from ..symbolic.sizes import Size, TooLong, plain, symbols_in
from ..symbolic.syntax import ExpressionError
from . import keys
from .application import is_functional, stem_of
from .blocks import may_hold_weights
from .context import INDEX
from .item_types import typed
from .reader import Reader
from .scope import LayerNames, neutral

SHAPES = "changes shapes"


def pass_through(reader: Reader, item: Item, reads: tuple[Ref, ...], names: LayerNames) -> None:
    """Read an absent layer: its name refers to what it would have read, or to its `else`."""
    if item.type == "Group" and item.passes is not None:
        reader.current = (item.passes,)
    if item.type == "Group" or reader.chain is not None:
        return
    passed = last(reader, item, reads)
    name = None if _is_numbered(item) else reader.name(item, names)
    if name is not None:
        reader.scope.written[name] = (passed,)
        reader.scope.passed[name] = ports_of(reader, item)
    _ports_for_names(reader, item)
    for name in (name for name in item.names if name != SKIPPED):
        reader.scope.written[name] = (passed,)
        reader.scope.passed[name] = ()
    if reads:
        reader.current = (passed,)


def ports_of(reader: Reader, item: Item) -> tuple[str, ...]:
    """The ports that an absent item would have, if several; `*` for any whole number."""
    row, block = reader.context.row(item.type), reader.context.known.blocks.get(item.type)
    if row is not None:
        return row.ports
    given = None if block is None else block.outputs
    if isinstance(given, dict):
        return tuple(given)
    return tuple(map(str, range(len(given)))) if isinstance(given, list) else ()


def _ports_for_names(reader: Reader, item: Item) -> Sequence[str]:
    """The ports of an absent item, at least one; refuses more names of outputs than ports.

    Which of its type's ports a call has may depend on arguments, which are not read.
    """
    ports = ports_of(reader, item) or ("output",)
    if "*" in ports and item.names:
        return [str(place) for place in range(len(item.names))]
    if len(item.names) > len(ports):
        keys.output_names(reader.context, item, ports)
    return ports


def _is_numbered(item: Item) -> bool:
    """Whether each copy of the item has a name of its own."""
    return "repeat" in item.common and keys.counts(item.common.get("name"), item.number)


def last(reader: Reader, item: Item, reads: tuple[Ref, ...]) -> Ref:
    """What passes where a layer is absent: its `else`, or of what it reads the latest."""
    return latest(reader, item, reads) if item.passes is None else item.passes


def latest(reader: Reader, item: Item, reads: tuple[Ref, ...]) -> Ref:
    """Of all that an absent layer would read, what is computed last."""
    if not reads:
        message = "an absent layer passes its input through, but this one reads nothing"
        reader.context.error("NG210", message, item.path)
    inputs = len(reader.scope.inputs)  # all inputs count as equally late: the first of them wins
    found = max(reads, key=lambda ref: max(ref.node, inputs - 1))
    maker = reader.scope.maker(found)
    if maker is not None and maker.collects and found.port not in maker.ports:
        return replace(found, port=maker.default_port)  # of a list of copies, what the last gives
    return found


def conditional(
    reader: Reader,
    item: Item,
    condition: Any,
    reads: tuple[Ref, ...],
    names: LayerNames,
    index: Size | None,
) -> None:
    """Read an item whose condition depends on arguments.

    It becomes a call under the condition, or an absent one that keeps its place. The condition is
    fixed if it changes shapes or the names of other layers, or an absent call can't be foreseen.
    """
    if item.passes is not None and not reads and item.type != "Group":
        need = Need(item.at("when"), "is that of a layer that reads nothing")
        reader.context.fix(condition, need)
        if plain(condition):
            reader.present(item, reads, names, index)
        else:
            pass_through(reader, item, reads, names)
        return
    of_a_copy = reader.chain is not None and INDEX in {s.name for s in symbols_in(condition)}
    if plain(condition):
        why = under(reader, item, condition, reads, names, index)
        if why == SHAPES and (either := joined(reader, item, condition)):
            why = ""
            reader.scope.set(end_of(reader), outputs=either)
    elif of_a_copy:  # other copies of the loop show what the call would be
        absent(reader, item, condition, reads, names)
        return
    elif reader.context.is_open(condition):
        why = foreseen(reader, item, condition, reads, names, index)
    else:
        why = FALSE
    if why:
        reader.context.fix(condition, Need(item.at("when"), why))
    if plain(condition) or not why:
        return
    if reader.context.parent is None:
        # the condition is fixed: the next reading finds it plainly false
        pass_through(reader, item, reads, names)
    else:
        absent(reader, item, condition, reads, names)


def under(
    reader: Reader,
    item: Item,
    condition: Any,
    reads: tuple[Ref, ...],
    names: LayerNames,
    index: Size | None,
) -> str:
    """Read an item as present, and put its calls under the condition.

    Gives the reason, in words, if the condition must be fixed; else an empty string.
    """
    scope = reader.scope
    known = len(reader.calls)
    before = reader.first_type(reads) if reader.chain is not None or reads else None
    if reader.chain is None and reads:
        before = scope.type_of(last(reader, item, reads))
    scope.conditions += 1
    try:
        reader.present(item, reads, names, index)
    finally:
        scope.conditions -= 1
    if len(reader.calls) == known:  # no line of the class has the condition
        return "has nothing under it"
    after = reader.through[0] if reader.chain is not None else output(reader)
    if reader.chain is None and reads:
        passed = last(reader, item, reads)
        if not passing(reader, item, passed, known):
            why = "ends with a layer for which another value passes"
            if reader.context.parent is not None:  # uses may differ in the condition
                help = "end the group before that layer, or leave its `else` out"
                message = f"what is under this condition {why}"
                reader.context.error("NG210", message, item.at("when"), help=help)
            return why
    hang(reader, item, condition, known)
    # the numbers in the names of later layers would depend on the condition, too
    if reader.context.parent is None and any(
        call.name and not call.written for call in reader.calls[known:]
    ):
        return "changes the names of the layers after it"
    if any(call.carries or call.collects for call in reader.calls[known:]):
        return "is around a loop that passes on several tensors"
    if before is None or after is None or not harmless(reader, condition, before, after, index):
        return SHAPES
    return ""


def end_of(reader: Reader) -> int:
    """The place among the scope's calls of the one that was read last."""
    return reader.current[0].node - len(reader.scope.inputs)


def joined(reader: Reader, item: Item, condition: Any) -> Mapping[str, TensorType] | None:
    """The type of what comes out of an item, or passes instead by its `else`: sizes for both cases.

    `None` if they differ in more than sizes, or if the item gives several tensors.
    """
    if item.passes is None:
        return None
    call = reader.scope.calls[end_of(reader)]
    type_, other = call.output, reader.scope.type_of(item.passes)
    kinds = [(x.dtype, x.batch, x.lost, x.rank) for x in (type_, other)]
    if len(call.outputs) > 1 or call.names or kinds[0] != kinds[1]:
        return None
    pairs = zip(type_.shape, other.shape, strict=True)
    with suppress(TooLong):
        shape = tuple(a if same(a, b) else chosen(condition, a, b) for a, b in pairs)
        return dict.fromkeys(call.outputs, replace(type_, shape=shape, bound=None))
    return None


def hang(reader: Reader, item: Item, condition: Any, known: int) -> None:
    """Put the calls from number `known` on under a condition.

    Where it does not hold, each passes on what it reads.
    """
    for place, call in enumerate(reader.calls[known:], known):
        otherwise = call.otherwise
        if (call.carries or call.collects) and reader.context.parent is not None:
            message = f"`{call.name}` passes on several tensors and can't be under this condition"
            help = "write `when` beside its `repeat`"
            reader.context.error("NG210", message, item.path, key=True, help=help)
        if reader.chain is None and otherwise is None and call.inputs:
            otherwise = latest(reader, item, call.inputs)
            reader.scope.used.add(otherwise.node)
        both_hold = both(condition, call.condition)
        reader.calls[place] = replace(call, condition=both_hold, otherwise=otherwise)


def passing(reader: Reader, item: Item, passed: Ref, known: int) -> bool:
    """Set what stands for an item's calls, those from number `known` on, where they are not made.

    For each call it is what it reads last, for the item's last call what the item passes through.
    Says whether that can be: a last call with a condition of its own has one thing that passes,
    whichever of the two conditions does not hold; and what no call of the item gives, as its last
    layer is never there, can't be given under a condition.
    """
    scope = reader.scope
    inputs = len(scope.inputs)
    begin, end = inputs + known, inputs + end_of(reader)
    varies = end >= begin and scope.calls[end - inputs].otherwise is not None
    ends: dict[int, Ref] = {}  # for each call, what stands for it in the end: not one of them
    for place, call in enumerate(scope.calls[known:], known):
        otherwise = call.otherwise
        if otherwise is None and call.inputs:
            made = [ref for ref in call.inputs if ref.node < begin or ref.node in ends]
            otherwise = latest(reader, item, tuple(made)) if made else passed
            scope.used.add(otherwise.node)
            scope.set(place, otherwise=otherwise)
        if otherwise is not None:
            ends[inputs + place] = ends.get(otherwise.node, otherwise)
    several = passed.port == "*" or scope.portless(passed)  # tensors none of which is passed on
    if end < begin and not several:
        return reader.current[:1] == (passed,)
    if end in ends and ends[end] != passed and not several:
        if varies:
            return False
        scope.set(end - inputs, otherwise=passed)
    return True


def foreseen(
    reader: Reader,
    item: Item,
    condition: Any,
    reads: tuple[Ref, ...],
    names: LayerNames,
    index: Size | None,
) -> str:
    """Keep the place of an absent item, with the calls that it makes where its condition holds.

    They are read as an attempt, which is undone if it fails or fixes a parameter. Gives the reason,
    in words, if the condition must be fixed; else an empty string.
    """
    before, findings = reader.scope.as_it_is(), reader.context.shared.findings
    frame, current, mistakes = replace(reader.frame), reader.current, findings.count
    known = len(reader.calls)
    with reader.context.trying() as fixes:
        try:
            why = under(reader, item, condition, reads, names, index)
        except (NetgenError, ExpressionError, TooLong):
            why = FALSE
    either = joined(reader, item, condition) if why == SHAPES else None
    why = "" if either else why
    calls = reader.calls
    # copies would only get as many places as there are now; a layer that is applied again is none
    placeless = any(
        call.kind == "copies" or (call.repeated and not call.body) or call.reuses is not None
        for call in calls[known:]
    )
    reader.frame.through = frame.through
    if why or fixes or placeless or findings.count > mistakes:
        reader.scope.go_back(before)
        reader.current, reader.frame = current, frame
        if frame.chain is not None:
            del frame.chain[known:]
        return why or FALSE
    for place, call in enumerate(calls[known:], known):
        if call.kind != "absent":
            calls[place] = unmade(reader, call)
    if either:
        reader.scope.set(end_of(reader), outputs=either)
    return ""


def unmade(reader: Reader, call: Node) -> Node:
    """An absent call in place of one that is not made, which it would be for other arguments."""
    passed = call.otherwise
    type_ = reader.through[0] if reader.chain is not None else call.output
    type_ = type_ if passed is None else reader.scope.type_of(passed)
    return Node(
        path=call.path,
        kind="absent",
        outputs=dict.fromkeys(call.outputs, type_),
        functional=call.functional,
        condition=call.condition,
        otherwise=passed,
        would=call,
        callee=call.callee,
        stem=call.stem,
        name=call.name,
        written=call.written,
        shared=call.shared,
        names=call.names,
    )


def output(reader: Reader) -> TensorType | None:
    """The type of the output of the layer before, if there is one."""
    return reader.scope.type_of(reader.current[0]) if reader.current else None


def absent(
    reader: Reader,
    item: Item,
    condition: Any,
    reads: tuple[Ref, ...],
    names: LayerNames,
    *,
    copied: bool = False,
) -> None:
    """Keep the places of an absent item's calls, so that all uses of a block have the same calls.

    If the item is `copied`, this is the place of one of its copies.
    """
    written = item.written if isinstance(item.written, dict) else {}
    alone = "name" not in item.common and reader.chain is None
    if "repeat" in item.common and not copied and (alone or _is_numbered(item)):
        _absent_copies(reader, item, condition, reads, names)
    elif item.type == "Group":
        path = item.at("layers")
        _absent_items(reader, written.get("layers") or (), path, condition, names.index)
        if item.passes is not None:
            outputs = {"output": reader.scope.type_of(item.passes)}
            reader.scope.set(end_of(reader), otherwise=item.passes, outputs=outputs)
    else:
        item = keys.name_outputs(reader.scope, item, names, chained=reader.chain is not None)
        if "branches" in written:
            absent_branches(reader, item, condition, reads, written["branches"])
        _absent_call(reader, item, condition, reads, names)


def _absent_copies(
    reader: Reader, item: Item, condition: Any, reads: tuple[Ref, ...], names: LayerNames
) -> None:
    """Keep the places of the copies of an absent item, each with a name of its own or with none."""
    count = keys.count(reader.scope, item, names)
    assert count is not None
    most = keys.copy_bounds(reader.context, item, count)[1]
    if most == 0:
        pass_through(reader, item, reads, names)
    for copy in range(most):
        own = LayerNames(reader.scope, None, copy)
        with reader.numbered(item, copy):
            absent(reader, item, condition, reads, own, copied=True)
        reads = (*reader.current, *reads[1:])


def _absent_items(
    reader: Reader, layers: Iterable[Any], path: SpecPath, condition: Any, index: Size | None
) -> None:
    """Keep the places of all layers of a list."""
    for place, raw in enumerate(layers):
        inner = typed(reader, read_item(raw, reader.context.source, (*path, place)), index)
        names = LayerNames(reader.scope, None, index)
        absent(reader, inner, condition, reader.reads(inner, index), names)


def _absent_call(
    reader: Reader, item: Item, condition: Any, reads: tuple[Ref, ...], names: LayerNames
) -> None:
    """Keep the place of one call."""
    row = reader.context.row(item.type)
    stem = row.stem if row is not None else snake_case(item.type)
    name = reader.name(item, names)
    call = Node(
        path=item.path,
        kind="absent",
        condition=condition,
        callee=item.callee,
        stem=stem,
        name=name or "",
        written=name is not None,
    )
    if row is not None:
        stateless = row.weights is no_weights and reader.chain is None
        functional = is_functional(reader.scope, item, call, row, stateless=stateless)
        call = replace(call, functional=functional)
    if reader.chain is not None:
        reader.chain.append(replace(call, outputs={"output": reader.through[0]}))
        return
    call = reserved(reader, item, call)
    otherwise = last(reader, item, reads)
    outputs = dict.fromkeys(_ports_for_names(reader, item), reader.scope.type_of(otherwise))
    call = replace(call, outputs=outputs, otherwise=otherwise, names=item.names)
    reader.current = (reader.scope.add(call),)


def reserved(reader: Reader, item: Item, call: Node) -> Node:
    """An absent call with its number kept, so that names do not depend on the arguments."""
    if call.name:
        return call
    numbered = reader.context.shared.reserved.get(call.path)  # as in other uses
    if numbered or (numbered is None and may_hold(reader, item)):
        return replace(call, name=reader.scope.names.numbered(call.stem))
    if numbered is None:
        return call
    call = replace(call, stem=stem_of(call))
    return replace(call, shared=reader.scope.shared(call, None))


def may_hold(reader: Reader, item: Item) -> bool:
    """Whether a layer that is absent in all uses of the block may have weights."""
    block = reader.context.known.blocks.get(item.type)
    if block is not None:
        return may_hold_weights(reader.context.shared, block.layers)
    row = reader.context.row(item.type)
    return row is None or row.weights is not no_weights


def absent_branches(
    reader: Reader, item: Item, condition: Any, reads: tuple[Ref, ...], branches: Any
) -> None:
    """Keep the places of the calls in the branches of an absent merge."""
    pairs = branches.items() if isinstance(branches, dict) else enumerate(branches)
    for key, layers in pairs:
        reader.current = reader.begin = reads
        path = item.at("branches", key)
        if layers == []:
            continue
        if isinstance(key, str):
            inner = Item("Sequential", None, {"name": key}, path)
            absent(reader, inner, condition, reads, LayerNames(reader.scope, None, None))
            continue
        _absent_items(reader, layers, path, condition, None)


def harmless(
    reader: Reader, condition: Any, before: TensorType, after: TensorType, index: Size | None
) -> bool:
    """Whether a layer that reads `before` and gives `after` may be absent without a change of type.

    Where a condition like ``stride != 1 or in_channels != out_channels`` does not hold, its sides
    are equal: sizes that differ by name may be the same then.
    """
    number = index if reader.scope.loop is None else reader.scope.loop
    terms = {**reader.scope.terms(), INDEX: number}
    # if the condition does not hold now, `before` flows on, with its own names
    apart = equal_unless(condition) if plain(condition) else {}
    equal = {name: rebind(value, terms) for name, value in apart.items()}
    now = {**terms, **equal}
    return neutral(rebind_type(before, now), rebind_type(after, now))
