"""`repeat`: copies one after the other, in the scope itself, in a container, or as a loop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from msgspec.structs import replace

from .binding import rebind, rebind_type
from .carried import both, chosen, more_than
from .context import INDEX
from .equality import same
from .expressions import code_in_text
from .layers.tensor import TensorType
from .needs import Need
from .node import Ref
from .presence import absent
from .scope import Draft, LayerNames
from .sizes import Dim, Size, poly_of, symbols_in
from .spec import Item

if TYPE_CHECKING:
    from .walk import Walk

ONE_BY_ONE = "writes its copies one by one"  # why a number of copies is no loop's


def copies(walk: Walk, item: Item, reads: tuple[Ref, ...], count: Size) -> None:
    """Copies in the scope itself: the first input is chained, the others read unchanged.

    Where the uses of a block have different numbers of them, all uses have places for the most,
    and a copy that some of them lack hangs on a condition.
    """
    note_count(walk, item, count)
    least, most = walk.context.shared.counts.get(item.path, (int(count), int(count)))
    for copy in range(most):
        names = LayerNames(walk.scope, walk.first_type(reads), copy)
        condition = more_than(count, copy) if copy >= least else None
        walk.scope.conditions += condition is not None
        if copy >= int(count):
            absent(walk, item, condition, reads, names)
        else:
            walk.layer(item, reads, walk.name(item, names), copy, repeated=True)
        walk.scope.conditions -= condition is not None
        if copy < int(count):
            draft = walk.scope.drafts[-1]
            draft.condition = both(condition, draft.condition) if condition else draft.condition
            draft.otherwise = reads[0] if condition else draft.otherwise
        reads = (*walk.current, *reads[1:])


def note_count(walk: Walk, item: Item, count: Size) -> None:
    """Take down how many copies a block's use has, for the other uses."""
    if walk.context.parent is not None and symbols_in(count):
        least, most = walk.context.shared.counted.get(item.path, (int(count), int(count)))
        walk.context.shared.counted[item.path] = (min(least, int(count)), max(most, int(count)))


def container(
    walk: Walk, item: Item, reads: tuple[Ref, ...], count: Size, names: LayerNames
) -> None:
    """A named repeat: a `Sequential`, or a `ModuleList` where copies read several tensors.

    The numbers of those after it in a chain hang on whether it is there.
    """
    hangs = walk.chain is not None and bool(symbols_in(count)) and may_be_none(count)
    if hangs and count == 0 and walk.context.parent is not None:
        absent(walk, item, more_than(count, 0), reads, names)
        return
    name = walk.name(item, names)
    common = {key: value for key, value in item.common.items() if key != "name"}
    unnamed = replace(item, common=common)
    several = walk.chain is None and several_tensors(walk, item, reads)
    draft = walk.sequential(
        item, reads, name, lambda: repeated(walk, unnamed, count), several=several
    )
    draft.repeated = True
    if hangs:
        draft.condition = more_than(count, 0)
    walk.take(draft, item)


def several_tensors(walk: Walk, item: Item, reads: Sequence[Ref]) -> bool:
    """Whether the copies read or give more than one tensor."""
    row, block = walk.context.row(item.type), walk.context.shared.blocks.get(item.type)
    if row is not None:
        written = item.written if isinstance(item.written, Mapping) else {}
        masks = any(name in written for name in row.optional_tensors)
        return len(row.tensors) > 1 or len(reads) > 1 or masks or len(row.ports) > 1
    ports = block.outputs if block is not None else None
    return len(reads) > 1 or (ports is not None and len(ports) > 1)


def repeated(walk: Walk, item: Item, count: Size) -> None:
    """Copies in a container: children one by one, or a loop where the count is an argument."""
    assert walk.chain is not None
    if count == 0:
        walk.context.settle(count, Need(item.at("repeat"), "is 0"))
        if symbols_in(count) and walk.context.parent is not None:
            no_copies(walk, item, count)
        return
    if symbols_in(count) and loop(walk, item, count):
        return
    walk.context.settle(count, Need(item.at("repeat"), ONE_BY_ONE))
    chained(walk, item, range(int(count)), None)


def no_copies(walk: Walk, item: Item, count: Size) -> None:
    """The places of copies that other uses of the block have, as their rule is found out there."""
    assert walk.chain is not None
    shared = walk.context.shared
    shared.short.add(item.path)
    first = shared.rules.get(item.path)
    if first is None:
        return
    names = LayerNames(walk.scope, walk.through[0], 0)
    if first and may_be_none(count):
        absent(walk, item, more_than(count, 0), (), names)
    loop = Draft(None, {}, (), (), {"output": walk.through[0]}, item.path, "", kind="copies")
    loop.count, loop.start, loop.label = count, first, label_of(walk, item)
    walk.chain.append(loop)


def label_of(walk: Walk, item: Item) -> str:
    """The expression that names the copies of a loop, if they have names."""
    if "name" not in item.common:
        return ""
    names = LayerNames(walk.scope, None, Dim.named(INDEX, 0))
    return code_in_text(item.common["name"], names, walk.context.budget)


def chained(
    walk: Walk, item: Item, copies: range, types: Sequence[TensorType] | None
) -> list[TensorType]:
    """Children one after the other; with `types`, what each of a loop's copies reads."""
    assert walk.chain is not None
    found = [walk.through[0]]
    for copy in copies:
        # the first copy stands apart where others differ from it: they know that they are not it
        later = copies.start > 0
        index = copy if types is None else Dim.named(INDEX, copy, known=later)
        if types is not None:
            walk.through = (types[copy], *walk.through[1:])
        names = LayerNames(walk.scope, walk.through[0], copy)
        walk.layer(item, (), walk.name(item, names), index, repeated=True)
        if types is None and "name" in item.common:
            label = code_in_text(item.common["name"], names, walk.context.budget)
            walk.chain[-1].label = label if "{" in label else ""
        if types is not None:
            following = rebind_type(types[copy], {**walk.scope.terms(), INDEX: index + 1})
            if not _alike(walk.through[0], following):
                walk.context.shared.index_decides = True  # the rule is seen, but does not hold
            terms = {**walk.scope.terms(), INDEX: copy}
            walk.through = (rebind_type(walk.through[0], terms), *walk.through[1:])
        found.append(walk.through[0])
    return found


def loop(walk: Walk, item: Item, count: Size) -> bool:
    """Copies as a loop over their number; whether they can be written as one."""
    assert walk.chain is not None
    outside, start, shared = walk.chain, walk.through, walk.context.shared
    decided = shared.index_decides

    def begin() -> None:
        walk.chain, walk.through, shared.index_decides = [], start, False

    begin()
    reached = chained(walk, item, range(int(count)), None)
    known = shared.rules.get(item.path)
    first, types = progression(reached, known)
    if types is None and len(reached) == 2:
        shared.short.add(item.path)  # other uses of the block may show the rule
    elif types is not None and len(reached) > 2:
        shared.seen[item.path] = first
    begin()
    if types is not None:
        chained(walk, item, range(first), None)
        head = len(walk.chain)
        chained(walk, item, range(first, int(count)), types)
    if types is None or shared.index_decides:
        begin()
        walk.chain, shared.index_decides = outside, decided
        return False
    copies = walk.chain[head:]
    end = rebind(types[-1].shape, {**walk.scope.terms(), INDEX: count})
    through = replace(types[-1], shape=end)
    if first and may_be_none(count):
        through = headless(walk, item, count, walk.chain[:head], through, start[0])
    loop = Draft(None, {}, (), (), {"output": through}, item.path, "", kind="copies")
    loop.children, loop.count, loop.start = copies, count, first
    loop.label = label_of(walk, item)
    walk.chain = [*outside, *walk.chain[:head], loop]
    walk.through, shared.index_decides = (through, *start[1:]), decided
    return True


def may_be_none(count: Size) -> bool:
    """Whether there may be no copy: not where one is added to what is never negative."""
    terms = poly_of(count).terms
    return not (all(factor > 0 for factor, _ in terms.values()) and () in terms)


def headless(
    walk: Walk,
    item: Item,
    count: Size,
    head: Sequence[Draft],
    after: TensorType,
    before: TensorType,
) -> TensorType:
    """What comes out of copies of which the first stands apart: it, too, is there if any is.

    Where what comes out is of another kind than what goes in, the count is fixed.
    """
    alike = _alike(replace(after, shape=()), replace(before, shape=()))
    if not alike or after.rank != before.rank:
        why = "has a first copy that is unlike the others"
        walk.context.settle(count, Need(item.at("repeat"), why))
        return after
    test = more_than(count, 0)
    for draft in head:
        draft.condition = both(test, draft.condition)
    pairs = zip(after.shape, before.shape, strict=True)
    return replace(after, shape=tuple(a if same(a, b) else chosen(test, a, b) for a, b in pairs))


def progression(
    reached: Sequence[TensorType], known: int | None = None
) -> tuple[int, list[TensorType] | None]:
    """What each copy reads, and what comes out last, as types in terms of the copy's number.

    Beside them the number of copies at the head that are unlike the others: 0 or 1, `known` if
    another repeat of the same layer has shown it. No types where there is no rule, or too few
    copies to see one.
    """
    for first in (0, 1) if known is None else (known,):
        tail = reached[first:]
        alike = bool(tail) and all(_alike(tail[0], other) for other in tail)
        shown = len(tail) > 2 or (alike and len(reached) > 2 * first)
        types = _linear(tail, first) if tail and (shown or known is not None) else None
        if types is not None:
            return first, [*reached[:first], *types]
    return 0, None


def _linear(tail: Sequence[TensorType], first: int) -> list[TensorType] | None:
    """The types with sizes that grow by one step from copy to copy, or none if they don't."""
    start, following = tail[0], tail[min(1, len(tail) - 1)]
    if following.rank != start.rank:
        return None
    steps = [b - a for a, b in zip(start.shape, following.shape, strict=True)]
    types = []
    for copy, other in enumerate(tail):
        if not _alike(replace(other, shape=()), replace(start, shape=())):
            return None
        if other.rank != start.rank:
            return None
        pairs = list(zip(start.shape, steps, strict=True))
        if not all(same(a + copy * s, b) for (a, s), b in zip(pairs, other.shape, strict=True)):
            return None
        index = Dim.named(INDEX, copy + first, known=first > 0)
        shape = tuple(a + (index - first) * s if s or symbols_in(s) else a for a, s in pairs)
        types.append(replace(other, shape=shape))
    return types


def _alike(left: TensorType, right: TensorType) -> bool:
    """Whether two types are the same whatever the names in their sizes stand for."""
    return (left.dtype, left.batch, left.lost, left.rank) == (
        right.dtype,
        right.batch,
        right.lost,
        right.rank,
    ) and all(same(a, b) for a, b in zip(left.shape, right.shape, strict=True))
