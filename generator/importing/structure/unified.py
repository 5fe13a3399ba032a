"""All uses of a class as one block: its items, its parameters, and their values in each use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from ...layers import TYPES
from ...layers.base import REQUIRED as NEEDED
from .alignment import Row, aligned
from .bodies import Body, Item, Ref, Shape, Table, Unstructured, refs_in, same, with_refs
from .explanations import ABSENT, REQUIRED, Explanations, Parameter, Text


class Use(Struct, frozen=True):
    """A call of a module of a class: with what it was made, and what it reads and does."""

    arguments: Mapping[str, Any]
    shapes: Sequence[Shape]
    body: Body


class Laid(Struct, frozen=True):
    """An item of a block, for all uses: values that differ are expressions."""

    type: str | Text
    name: str
    reads: tuple[Ref, ...]
    arguments: Mapping[str, Any]
    layers: tuple[Laid, ...] = ()
    when: Text | None = None
    has_weights: bool = False
    frame: int = -1


class Block(Struct, frozen=True):
    """A class of the network as a block."""

    items: tuple[Laid, ...]
    outputs: tuple[Ref, ...]
    inputs: tuple[str, ...]
    defaults: Mapping[str, Any]  # its parameters; `REQUIRED` for one that has none
    values: Sequence[Mapping[str, Any]]  # the parameters in each use


def unified(
    uses: Sequence[Use], inputs: Sequence[str], counts: Sequence[int], fixed: Defaults
) -> Block:
    """The block of all uses; raises `Unstructured` if it can't be one.

    `counts` tell how often each use is made. `fixed` gives the default of a block's parameter.
    """
    return _Unifier(uses, inputs, counts, fixed).block()


Defaults = Mapping[int, Mapping[str, Any]]


class _Unifier:
    def __init__(
        self,
        uses: Sequence[Use],
        inputs: Sequence[str],
        counts: Sequence[int],
        defaults: Defaults,
    ) -> None:
        self.uses = uses
        self.inputs = tuple(inputs)
        self.counts = counts
        self.defaults = defaults
        shapes = [use.shapes for use in uses]
        self.explanations = Explanations([use.arguments for use in uses], shapes, inputs)
        self.conditions: list[tuple[list[bool], Text]] = []

    def block(self) -> Block:
        bodies = [use.body for use in self.uses]
        rows = aligned([body.items for body in bodies])
        self._not_too_different(rows)
        places = [self._places(rows, use) for use in range(len(bodies))]
        reads: list[tuple[Ref, ...]] = []
        for row in rows:
            reads.append(self._reads(row, rows, places, reads))
        outputs = self._outputs(bodies, rows, places, reads)
        # what all uses have comes first, so that its parameters are there for the rest
        order = sorted(range(len(rows)), key=lambda place: any(one is None for one in rows[place]))
        made = {place: self._draft(rows[place], places) for place in order}
        drafts = [made[place] for place in range(len(rows))]
        items = tuple(
            self._finished(draft, row, reads[place])
            for place, (draft, row) in enumerate(zip(drafts, rows, strict=True))
        )
        defaults = self._block_defaults()
        own = self.explanations.parameters
        values = [
            {name: own[name].values[use] for name in defaults} for use in range(len(self.uses))
        ]
        return Block(items, outputs, self.inputs, defaults, values)

    def _not_too_different(self, rows: Sequence[Row]) -> None:
        """Refuse what has too little in common to be read as one."""
        full = [all(item is not None for item in row) for row in rows]
        sizes = [max(1 + len(one.layers) for one in row if one is not None) for row in rows]
        if sum(n for n, all_ in zip(sizes, full, strict=True) if all_) * 5 < sum(sizes) * 2:
            raise Unstructured("its uses have little in common")

    def _places(self, rows: Sequence[Row], use: int) -> dict[int, int]:
        """The row of each item of a use."""
        items = self.uses[use].body.items
        where = {id(item): place for place, item in enumerate(items)}
        return {
            where[id(row[use])]: place for place, row in enumerate(rows) if row[use] is not None
        }

    def _reads(
        self,
        row: Row,
        rows: Sequence[Row],
        places: Sequence[Mapping[int, int]],
        earlier: Sequence[tuple[Ref, ...]],
    ) -> tuple[Ref, ...]:
        """What an item reads, so that it is right in each use."""
        there = [use for use, item in enumerate(row) if item is not None]
        own = {use: [_moved(ref, places[use]) for ref in row[use].reads] for use in there}  # type: ignore[union-attr]
        found = []
        for position in range(len(own[there[0]])):
            wanted = {use: own[use][position] for use in there}
            found.append(self._one(wanted, rows, earlier))
        return tuple(found)

    def _one(
        self, wanted: Mapping[int, Ref], rows: Sequence[Row], earlier: Sequence[tuple[Ref, ...]]
    ) -> Ref:
        """A reference that stands for the wanted one in each use."""
        for ref in sorted({*wanted.values()}, key=lambda ref: -ref.item):
            if all(
                _resolved(ref, use, rows, earlier) == _resolved(one, use, rows, earlier)
                for use, one in wanted.items()
            ):
                return ref
        raise Unstructured("its uses read different layers")

    def _outputs(
        self,
        bodies: Sequence[Body],
        rows: Sequence[Row],
        places: Sequence[Mapping[int, int]],
        reads: Sequence[tuple[Ref, ...]],
    ) -> tuple[Ref, ...]:
        if len({len(body.outputs) for body in bodies}) > 1:
            raise Unstructured("its uses give different numbers of tensors")
        found = []
        for position in range(len(bodies[0].outputs)):
            wanted = {
                use: _moved(body.outputs[position], places[use]) for use, body in enumerate(bodies)
            }
            last = Ref(len(rows) - 1)
            ends = all(
                _resolved(last, use, rows, reads) == _resolved(one, use, rows, reads)
                for use, one in wanted.items()
            )
            found.append(last if ends else self._one(wanted, rows, reads))
        return tuple(found)

    def _draft(self, row: Row, places: Sequence[Mapping[int, int]]) -> Laid:
        """An item without its condition."""
        item = next(item for item in row if item is not None)
        moved = [
            None
            if one is None
            else {n: with_refs(x, places[use]) for n, x in one.arguments.items()}
            for use, one in enumerate(row)
        ]
        read = [one.shape if one is not None else () for one in row]
        kinds = [one.type if one is not None else ABSENT for one in row]
        kind = self._type(kinds, item)
        owner = item.name.rpartition(".")[2] if item.name else ""
        arguments: dict[str, Any] = {}
        names = dict.fromkeys(name for one in moved if one is not None for name in one)
        for name in names:
            values = [
                ABSENT
                if one is None
                else one[name]
                if name in one
                else self._default(row, use, name)
                for use, one in enumerate(moved)
            ]
            known = [x for x in values if x is not ABSENT]
            if any(next(refs_in(x), None) for x in known):
                if not all(same(x, known[0]) or x == known[0] for x in known):
                    raise Unstructured(f"`{name}` of `{item.name}` reads different layers")
                arguments[name] = known[0]
                continue
            if any(map(_is_long, known)) and not all(same(x, known[0]) for x in known):
                raise Unstructured(f"`{name}` is a table, and another one in some of its uses")
            found = self.explanations.explain(name, values, read, _owner(owner))
            if isinstance(found, Text):
                self.explanations.derive(found)
            arguments[name] = found
        layers = self._children(row, item)
        return Laid(kind, item.name, (), arguments, layers, None, item.has_weights, item.frame)

    def _type(self, kinds: Sequence[Any], item: Item) -> str | Text:
        """The type of an item; a parameter where it differs."""
        there = [kind for kind in kinds if kind is not ABSENT]
        if len({*there}) == 1:
            return str(there[0])
        found = self.explanations.explain("activation", kinds, [() for _ in kinds], "")
        if not isinstance(found, Text):
            raise Unstructured(f"types of `{item.name}` differ")
        own = self.explanations.parameters[found.text]
        usual = next(x for x in own.values if isinstance(x, str))
        own.values = [usual if x is None else x for x in own.values]  # where it is absent
        return found

    def _default(self, row: Row, use: int, name: str) -> Any:
        """The value of an argument that is not written."""
        item = row[use]
        assert item is not None
        if item.frame >= 0:
            found = self.defaults[item.frame].get(name, REQUIRED)
        else:
            if item.type not in TYPES or name not in TYPES[item.type].known:
                raise Unstructured(f"`{item.type}` has no `{name}`")
            found = TYPES[item.type].arg(name).default
        if found is REQUIRED or found is NEEDED:
            raise Unstructured(f"`{name}` of `{item.name}` is not always there")
        return [*found] if isinstance(found, tuple) else found

    def _children(self, row: Row, item: Item) -> tuple[Laid, ...]:
        """The layers of a `Sequential`, in all uses."""
        if not item.layers:
            return ()
        inner = aligned([one.layers if one is not None else () for one in row])
        there = [use for use, one in enumerate(row) if one is not None]
        self._not_too_different([[each[use] for use in there] for each in inner])
        drafts = [self._draft(each, [{} for _ in row]) for each in inner]
        missing = [one is None for one in row]
        return tuple(
            self._finished(draft, each, (), missing)
            for draft, each in zip(drafts, inner, strict=True)
        )

    def _finished(
        self, draft: Laid, row: Row, reads: tuple[Ref, ...], missing: Sequence[bool] = ()
    ) -> Laid:
        """An item with its condition; in uses where all around is `missing` it may be anything."""
        there = [item is not None for item in row]
        needed = (
            [x for x, gone in zip(there, missing, strict=True) if not gone] if missing else there
        )
        when = None
        if not all(needed):
            when = self._condition(there, row, draft, missing)
        return Laid(
            draft.type,
            draft.name,
            reads,
            draft.arguments,
            draft.layers,
            when,
            draft.has_weights,
            draft.frame,
        )

    def _condition(
        self, there: Sequence[bool], row: Row, draft: Laid, missing: Sequence[bool]
    ) -> Text:
        for known, text in self.conditions:
            if known == [*there] and "in_" not in text.text:
                return text
        read = self._shapes_if_there(row)
        known_reads = next(one.reads for one in row if one is not None)
        stem = draft.name.rpartition(".")[2]
        if not stem or stem.isdigit():
            stem = str(draft.type).lower() if isinstance(draft.type, str) else draft.type.text
            stem = stem.rpartition(".")[2]
        text = self.explanations.condition(there, read, stem, bool(known_reads))
        self.conditions.append(([*there], text))
        return text

    def _shapes_if_there(self, row: Row) -> list[Shape]:
        """What an item reads; where it is absent, the block's first input, if others read that."""
        item = next(one for one in row if one is not None)
        first = [use.shapes[0] if use.shapes else () for use in self.uses]
        from_input = bool(item.reads) and item.reads[0].item == -1
        equal = all(one is None or one.shape == first[use] for use, one in enumerate(row))
        return first if from_input and equal else [() for _ in row]

    def _block_defaults(self) -> dict[str, Any]:
        """The parameters in the order of the constructor, with their defaults."""
        own = self.explanations.parameters
        order = [name for name in self.explanations.possible if name in own]
        order += [name for name in own if name not in order]
        found = {name: self._usual(own[name]) for name in order}
        required = {name: x for name, x in found.items() if x is REQUIRED}
        return {**required, **{n: x for n, x in found.items() if x is not REQUIRED}}

    def _usual(self, parameter: Parameter) -> Any:
        """The value of most uses; `REQUIRED` if there is none."""
        weights: list[tuple[int, Any]] = []
        for value in parameter.values:
            known = [
                count
                for other, count in zip(parameter.values, self.counts, strict=True)
                if same(value, other)
            ]
            weights.append((sum(known), value))
        count, value = max(weights, key=lambda one: one[0])
        total = sum(self.counts)
        small = not isinstance(value, (int, float)) or value < 16
        natural = value is None or isinstance(value, bool) or value == 1
        return value if 2 * count > total - natural and small else REQUIRED


def _is_long(value: Any) -> bool:
    """Whether a value is too long for a parameter: each use would have it among its arguments.

    A table that is an expression has more numbers than one says.
    """
    return isinstance(value, Table) or (isinstance(value, str) and value.startswith("$("))


def _owner(name: str) -> str:
    return "" if name.isdigit() else name


def _moved(ref: Ref, places: Mapping[int, int]) -> Ref:
    return Ref(places.get(ref.item, ref.item), ref.port)


def _resolved(ref: Ref, use: int, rows: Sequence[Row], reads: Sequence[tuple[Ref, ...]]) -> Ref:
    """What a reference stands for in a use: an absent item for what it would have read."""
    while ref.item >= 0 and rows[ref.item][use] is None:
        if ref.port or not reads[ref.item]:
            raise Unstructured("an absent layer gives several tensors")
        ref = max(reads[ref.item], key=lambda one: one.item)
    return ref
