"""`repeat`: copies in the scope itself or in a container, one by one or as a loop.

A loop is one expression for all copies, a comprehension in the generated class. For that the copies
are read one by one, a `Rule` is looked for in what they read, and they are read again by the rule.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from ..diagnostics.diagnostics import SpecPath
from ..ir.graph import Node, Ref
from ..ir.needs import Need
from ..ir.substitute import rebind, rebind_type
from ..layers.tensor import TensorType
from ..spec.spec import Item
from ..symbolic.algebra import Symbols
from ..symbolic.equality import same
from ..symbolic.expressions import code_in_text
from ..symbolic.provenance import both, chosen, more_than
from ..symbolic.sizes import Dim, Size, normal_tree, poly_of, symbols_in
from ..symbolic.syntax import ExpressionError
from ..symbolic.tree import Expression
from . import keys
from .conditions import absent, hang
from .context import INDEX
from .reader import Reader
from .scope import LayerNames
from .static_check import check_layers


def copies(reader: Reader, item: Item, reads: tuple[Ref, ...], count: Size) -> None:
    """Read copies in the scope itself: the first input is chained, the others are read unchanged.

    Where the uses of a block have different numbers of copies, all uses have places for the largest
    number, and a copy that some uses lack is under a condition.
    """
    least, most = keys.copy_bounds(reader.context, item, count)
    if least < most and not reads:
        message = f"`{item.type}` reads nothing: all uses of the block must have equally many"
        reader.context.error("NG210", message, item.at("repeat"))
    for copy in range(most):
        names = LayerNames(reader.scope, reader.first_type(reads), copy)
        condition = more_than(count, copy) if copy >= least else None
        reader.scope.conditions += condition is not None
        with reader.numbered(item, copy):
            if copy >= int(count):
                absent(reader, item, condition, reads, names, copied=True)
            else:
                reader.layer(item, reads, reader.name(item, names), copy, repeated=True)
        reader.scope.conditions -= condition is not None
        if condition is not None and copy < int(count):
            own = both(condition, reader.scope.calls[-1].condition)
            reader.scope.set(-1, condition=own, otherwise=reads[0])
        reads = (*reader.current, *reads[1:]) if reads else ()


def container(
    reader: Reader, item: Item, reads: tuple[Ref, ...], count: Size, names: LayerNames
) -> None:
    """Read a named repeat: a `Sequential`, or a `ModuleList` where copies read several tensors.

    In a chain it is under a condition if it may have no copies: then the chain has no child for it,
    and the numbers of the children after it are others. So it is where something else passes if
    there is nothing.
    """
    hangs = reader.chain is not None or item.passes is not None
    hangs = hangs and bool(symbols_in(count)) and keys.may_be_none(count)
    if hangs and count == 0 and reader.context.parent is not None:
        reader.context.fix(count, Need(item.at("repeat"), "is 0"))
        absent(reader, item, more_than(count, 0), reads, names)
        return
    if reader.reads_nothing(item):
        message = f"copies with one name are a chain, but `{item.type}` reads nothing"
        help = "with `$index` in its `name` each copy stands by itself"
        reader.context.error("NG210", message, item.at("repeat"), help=help)
    name = reader.name(item, names)
    common = {key: value for key, value in item.common.items() if key != "name"}
    unnamed = replace(item, common=common)
    several = reader.chain is None and several_tensors(reader, item, reads)
    ports: Sequence[str] = ()
    if item.carries:
        from .loops import ports_of  # few repeats carry

        ports = ports_of(reader.context, item, reads)
    call = reader.sequential(
        item,
        reads,
        name,
        lambda: repeated(reader, unnamed, count),
        several=several,
        carries=ports,
    )
    if item.collects:
        from .loops import with_copies

        call = with_copies(reader.scope, item, call, count)
    condition = more_than(count, 0) if hangs else call.condition
    reader.take(replace(call, repeated=True, condition=condition), item)
    label_copy(reader, item, names)


def over_several(
    reader: Reader, item: Item, condition: Any, reads: tuple[Ref, ...], names: LayerNames
) -> None:
    """Read a named repeat that carries or collects: where it is absent, it has no copies."""
    count = keys.count(reader.scope, item, names)
    assert count is not None
    if symbols_in(condition):
        count = chosen(condition, count, 0)
    elif not condition:
        count = 0
    if not reads:
        message = f"`{item.type}` comes first and must say what it reads"
        reader.context.error("NG204", message, item.path, key=True)
    container(reader, item, reads, count, names)


def several_tensors(reader: Reader, item: Item, reads: Sequence[Ref]) -> bool:
    """Whether the copies stand in an `nn.ModuleList`: they read or give more than one tensor."""
    row, block = reader.context.row(item.type), reader.context.known.blocks.get(item.type)
    if item.carries or item.collects:
        return True
    if row is not None:
        written = item.written if isinstance(item.written, Mapping) else {}
        masks = any(name in written for name in row.optional_tensors)
        return len(row.tensors) > 1 or len(reads) > 1 or masks or len(row.ports) > 1
    ports = block.outputs if block is not None else None
    return len(reads) > 1 or (ports is not None and len(ports) > 1)


def repeated(reader: Reader, item: Item, count: Size) -> None:
    """Read copies in a container: one by one, or as a loop where the count is an argument."""
    assert reader.chain is not None
    repeats = reader.repeats
    because: Need | None = None
    if symbols_in(count) and item.path not in repeats.unrolled:
        if count == 0:
            reader.context.fix(count, Need(item.at("repeat"), "is 0"))
            repeats.looped.add(item.path)
            if reader.context.parent is not None:
                no_copies(reader, item, count)
            return
        if loop(reader, item, count):
            repeats.looped.add(item.path)
            return
        because = repeats.because
    if symbols_in(count):
        repeats.unlooped.add(item.path)
    one_by_one(reader, item, count, because)


def one_by_one(reader: Reader, item: Item, count: Size, because: Need | None = None) -> None:
    """Read copies each of which is written out in the generated source, `because` of a need.

    Where the uses of a block have different numbers of copies, all uses have places for the largest
    number, and a copy that some uses lack is under a condition.
    """
    least, most = keys.copy_bounds(reader.context, item, count, because)
    for copy in range(most):
        condition = more_than(count, copy) if copy >= least else None
        known = len(reader.calls)
        reader.scope.conditions += condition is not None
        if copy >= int(count):
            names = LayerNames(reader.scope, reader.first_type(reader.current), copy)
            with reader.numbered(item, copy):
                absent(reader, item, condition, reader.current, names, copied=True)
        else:
            turn(reader, item, copy)
        reader.scope.conditions -= condition is not None
        if condition is not None and copy < int(count):
            hang(reader, item, condition, known)


def no_copies(reader: Reader, item: Item, count: Size) -> None:
    """Keep places for copies that other uses of the block have, by the rule that those show."""
    assert reader.chain is not None
    repeats = reader.repeats
    repeats.short.add(item.path)
    first = repeats.rules.get(item.path)
    if first is None:
        return
    names = LayerNames(reader.scope, reader.through[0], 0)
    if first and keys.may_be_none(count):
        absent(reader, item, more_than(count, 0), (), names, copied=True)
    reader.chain.append(
        Node(
            path=item.path,
            kind="copies",
            outputs={"output": reader.through[0]},
            count=count,
            start=first,
            label=label_of(reader, item),
            number=item.number,
        )
    )


def label_copy(reader: Reader, item: Item, names: LayerNames) -> None:
    """Name the child that was read last, in a copy of a loop, by an expression."""
    if reader.chain is not None and reader.scope.loop is not None and "name" in item.common:
        _label_last(reader, item, names)


def _label_last(reader: Reader, item: Item, names: LayerNames) -> None:
    """Label the child that was read last if its name varies; each copy of a loop needs its own."""
    assert reader.chain is not None
    label = code_in_text(item.common["name"], names, reader.context.budget)
    reader.chain[-1] = replace(reader.chain[-1], label=label if "{" in label else "")
    if reader.scope.loop is not None and not re.search(rf"{{[^{{}}]*\b{INDEX}\b", label):
        reader.repeats.needs_index = True


def label_of(reader: Reader, item: Item) -> str:
    """The expression that names the copies of a loop, if they have names."""
    if "name" not in item.common:
        return ""
    index = Dim.named(INDEX, 0)
    with reader.numbered(item, index):
        names = LayerNames(reader.scope, None, index)
        return code_in_text(item.common["name"], names, reader.context.budget)


class Rule(Struct, frozen=True):
    """The types that the copies of a loop read, and the output's, in terms of the copy's number.

    The `first` copies at the head, 0 or 1, are unlike the others. `gives` is the type that a copy
    gives where its sizes are not linear in the copy's number (say, an item of a list).
    """

    first: int
    types: Sequence[TensorType]
    gives: TensorType | None = None

    def after(self, copy: int, index: Size, terms: Mapping[str, Any]) -> TensorType:
        """The type that a copy gives by this rule, in terms of its number."""
        if self.gives is not None:
            return rebind_type(self.gives, {**terms, INDEX: index})
        return rebind_type(self.types[copy], {**terms, INDEX: index + 1})

    def end(self, count: Size, terms: Mapping[str, Any]) -> TensorType:
        """The type after all copies, in terms of the count."""
        last = self.types[-1]
        if self.gives is not None and not keys.may_be_none(count):
            return rebind_type(self.gives, {**terms, INDEX: count - 1})
        return replace(last, shape=rebind(last.shape, {**terms, INDEX: count}))


def turn(reader: Reader, item: Item, index: Size) -> None:
    """Read one copy in a container: a layer, or the layers of a `Group`."""
    with reader.numbered(item, index):
        if item.type == "Group":
            reader.items(check_layers(reader.context, item), item.at("layers"), index)
            return
        names = LayerNames(reader.scope, reader.through[0], index)
        reader.layer(item, (), reader.name(item, names), index, repeated=True)
        if "name" in item.common and not symbols_in(index):
            _label_last(reader, item, names)


def chained(reader: Reader, item: Item, copies: range, rule: Rule | None) -> list[TensorType]:
    """Read copies one after the other; gives the type before the first and after each of them.

    With a `rule`, each copy reads the type that the rule gives for its number.
    """
    assert reader.chain is not None
    found, terms = [reader.through[0]], reader.scope.terms()
    for copy in copies:
        if rule is None:
            turn(reader, item, copy)
        else:
            # where the first copy is apart, the numbers of the others are known to be above 0
            index = Dim.named(INDEX, copy, known=rule.first > 0)
            reader.flows(rule.types[copy])
            turn(reader, item, index)
            if not _alike(reader.through[0], rule.after(copy, index, terms)):
                reader.repeats.needs_index = True  # the rule is seen, but does not hold
            reader.flows(rebind_type(reader.through[0], {**terms, INDEX: copy}))
        found.append(reader.through[0])
    return found


def loop(reader: Reader, item: Item, count: Size) -> bool:
    """Whether copies can be written as a loop over their number; if so, read them as one.

    If not, the reader is as it was before.
    """
    assert reader.chain is not None
    outside, repeats = reader.frame, reader.repeats
    children, needs_index = reader.chain, repeats.needs_index

    def begin() -> None:
        reader.frame, repeats.needs_index = replace(outside, chain=[*children]), False
        reader.context.forget(known)

    known, repeats.because = reader.context.noted(), None
    begin()
    reached = chained(reader, item, range(int(count)), None)
    for rule_of in (progression, by_number):
        begin()
        rule = rule_of(reader, item, reached)
        begin()
        if rule is not None and written_by(reader, item, count, rule):
            repeats.needs_index = needs_index
            return True
    begin()
    reader.frame, repeats.needs_index = outside, needs_index
    return False


def written_by(reader: Reader, item: Item, count: Size, rule: Rule) -> bool:
    """Whether the copies are a loop by this rule; if so, add the loop to the container."""
    assert reader.chain is not None
    before, start, first = [*reader.chain], reader.through[0], rule.first
    chained(reader, item, range(first), None)
    split = len(reader.chain)
    chained(reader, item, range(first, int(count)), rule)
    head: Sequence[Node] = reader.chain[len(before) : split]
    copies = reader.chain[split:]
    each = max(len(copies) // max(int(count) - first, 1), 1)
    if not alike_in_turn(copies, each):
        return False
    never = [call for call in copies[:each] if not any(_there(copies, call.path))]
    for call in never:  # no copy shows what the call would be
        need = Need((*call.path, "when"), "is false")
        reader.context.fix(count, need)
        if call.would is None:
            decides = [s for s in symbols_in(call.condition) if s.name != INDEX]
            reader.context.fix_names(Symbols(decides), need)
    label = label_of(reader, item)
    if reader.repeats.needs_index:
        return False
    through = rule.end(count, reader.scope.terms())
    if first and keys.may_be_none(count):
        head, through = headless(reader, item, count, head, through, start)
    loop = Node(
        path=item.path,
        kind="copies",
        outputs={"output": through},
        body=tuple(copies),
        count=count,
        start=first,
        each=each,
        label=label,
        number=item.number,
    )
    reader.frame.chain = [*before, *head]
    keys.keep_apart(reader.context, reader.chain, loop, item)
    reader.chain.append(loop)
    reader.flows(through)
    return True


def alike_in_turn(copies: Sequence[Node], each: int) -> bool:
    """Whether each copy of a loop consists of the same `each` layers, with no loop among them."""
    places = [call.path for call in copies[:each]]
    turns = [copies[at : at + each] for at in range(0, len(copies), each)]
    same_places = all([call.path for call in turn] == places for turn in turns)
    return same_places and not any(call.kind == "copies" for call in copies)


def _there(copies: Sequence[Node], path: SpecPath) -> Iterator[bool]:
    return (call.kind != "absent" for call in copies if call.path == path)


def headless(
    reader: Reader,
    item: Item,
    count: Size,
    head: Sequence[Node],
    after: TensorType,
    before: TensorType,
) -> tuple[Sequence[Node], TensorType]:
    """The first copy, which is apart and absent if there is no copy, and the type after all copies.

    Its sizes are conditional expressions where they differ from those of the type before. Where
    the types differ in more than sizes, the count is fixed.
    """
    alike = _alike(replace(after, shape=()), replace(before, shape=()))
    if not alike or after.rank != before.rank:
        why = "has a first copy that is unlike the others"
        reader.context.fix(count, Need(item.at("repeat"), why))
        return head, after
    test = more_than(count, 0)
    head = [replace(call, condition=both(test, call.condition)) for call in head]
    pairs = zip(after.shape, before.shape, strict=True)
    shape = tuple(a if same(a, b) else chosen(test, a, b) for a, b in pairs)
    return head, replace(after, shape=shape)


def progression(reader: Reader, item: Item, reached: Sequence[TensorType]) -> Rule | None:
    """The rule of copies whose sizes are all linear in the copy's number.

    How many copies at the head are unlike the others may be known from another use of the block.
    `None` if there is no rule, or if there are too few copies to see one.
    """
    repeats = reader.repeats
    known = repeats.rules.get(item.path)
    for first in (0, 1) if known is None else (known,):
        tail = reached[first:]
        alike = bool(tail) and all(_alike(tail[0], other) for other in tail)
        shown = len(tail) > 2 or (alike and len(reached) > 2 * first)
        types = _linear(tail, first) if tail and (shown or known is not None) else None
        if types is not None:
            if len(reached) > 2 or item.path not in repeats.seen:  # more copies show it better
                repeats.seen[item.path] = first
            return Rule(first, [*reached[:first], *types])
    if len(reached) == 2:
        repeats.short.add(item.path)  # other uses of the block may show the rule
    return None


def by_number(reader: Reader, item: Item, reached: Sequence[TensorType]) -> Rule | None:
    """The rule of copies whose output sizes depend on the number in other ways: as items of a list.

    Each copy reads what the one before it gives, the first what comes in. `None` if there is no
    such rule.
    """
    turn(reader, item, Dim.named(INDEX, 0))
    gives = reader.through[0]
    if len({x.rank for x in (*reached, gives)}) > 1 or not any(map(_in_a_list, gives.shape)):
        return None
    terms, following = reader.scope.terms(), Dim.named(INDEX, 0) + 1
    shapes: list[list[Size]] = []
    given: list[Size] = []
    for size, sizes in zip(gives.shape, zip(*(x.shape for x in reached), strict=True), strict=True):
        if _in_a_list(size):
            read = read_by_number(size, sizes[0], terms)
            expression = Expression(read.normal, normal_tree(read))
            shapes.append([Dim.opaque(expression, int(x), read.symbols) for x in sizes])
            given.append(size)
        elif (known := _line(sizes, 0)) is not None:
            shapes.append(known)
            given.append(rebind(known[0], {**terms, INDEX: following}))
        else:
            return None
    reader.repeats.seen[item.path] = 0
    types = [replace(x, shape=tuple(shape)) for x, *shape in zip(reached, *shapes, strict=True)]
    return Rule(0, types, replace(gives, shape=tuple(given)))


def read_by_number(gives: Size, start: Size, terms: Mapping[str, Any]) -> Dim:
    """The size that a copy reads: what the copy before it `gives`, or `start` for the first.

    It is one expression where what a copy before the first would give is the same as `start`.
    """
    index = Dim.named(INDEX, 1)  # the first copy that has one before it
    before: Dim = rebind(gives, {**terms, INDEX: index - 1})
    with suppress(ExpressionError):
        if same(rebind(gives, {**terms, INDEX: -1}), start):
            return before
    found: Dim = chosen(more_than(index, 0), before, start)
    return found


def _in_a_list(size: Size) -> bool:
    """Whether a size depends on the number of a copy in another way than as a sum with it."""
    atoms = [atom for _, factors in poly_of(size).terms.values() for atom in factors]
    return any(atom.text != INDEX and INDEX in {s.name for s in atom.symbols} for atom in atoms)


def _linear(tail: Sequence[TensorType], first: int) -> list[TensorType] | None:
    """The types in terms of the copy's number, or `None` if sizes don't grow in equal steps."""
    start = replace(tail[0], shape=())
    same_kind = all(_alike(replace(other, shape=()), start) for other in tail)
    if not same_kind or len({other.rank for other in tail}) > 1:
        return None
    lines = [_line(sizes, first) for sizes in zip(*(other.shape for other in tail), strict=True)]
    if not all(line is not None for line in lines):
        return None
    shapes = zip(*lines, strict=True) if lines else [()] * len(tail)
    return [replace(other, shape=shape) for other, shape in zip(tail, shapes, strict=True)]


def _line(sizes: Sequence[Size], first: int) -> list[Size] | None:
    """Sizes in terms of the copy's number, or `None` if they don't grow in equal steps."""
    start, step = sizes[0], sizes[min(1, len(sizes) - 1)] - sizes[0]
    if not all(same(start + copy * step, size) for copy, size in enumerate(sizes)):
        return None
    if not step and not symbols_in(step):
        return [start] * len(sizes)
    numbers = range(first, first + len(sizes))
    known = first > 0
    return [start + (Dim.named(INDEX, number, known=known) - first) * step for number in numbers]


def _alike(left: TensorType, right: TensorType) -> bool:
    """Whether two types are the same whatever the names in their sizes stand for."""
    return (left.dtype, left.batch, left.lost, left.rank) == (
        right.dtype,
        right.batch,
        right.lost,
        right.rank,
    ) and all(same(a, b) for a, b in zip(left.shape, right.shape, strict=True))
