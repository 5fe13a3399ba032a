"""Blocks and bodies as items of a spec: names and `from` only where they are needed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from ...layers import TYPES
from .. import spec_text
from ..steps import size_text
from .bodies import First, Ramp, Ref, SizeOf, Table, refs_in, same
from .explanations import Text
from .groups import Group, Merge, Part, groups
from .unified import Block, Laid


class Scope:
    """Writes the items of one block, or of the network."""

    def __init__(
        self, items: Sequence[Laid], inputs: Sequence[str], blocks: Mapping[str, Block]
    ) -> None:
        self.items = items
        self.inputs = inputs
        self.blocks = blocks
        self.names: dict[int, str] = {}
        self.groups: Mapping[int, Group] = {}  # by the place of their first layer
        self.taken = {"input", "x", "self", *inputs}

    def layers(
        self, outputs: Sequence[Ref], *, keep: bool = False, grouped: bool = True
    ) -> list[Any]:
        """The items of `layers`; with `keep`, no output is that of the last layer by itself.

        Unlike layers that do the same several times over are `grouped`.
        """
        if grouped:
            found = groups(self.items, self._first(), outputs, named=keep)
            self.groups = {one.start: one for one in found}
        self._name_all(outputs, keep)
        layers = []
        before = self._first()
        for place, item in self._alone():
            if place in self.groups:
                layers.append(self._group(self.groups[place]))
                before = Ref(self.groups[place].end - 1)
                continue
            layers.append(self._item(place, item, before))
            if item.reads:
                before = Ref(place)
        return layers

    def _alone(self) -> Iterator[tuple[int, Laid]]:
        """The items with their places, and of a group the first."""
        end = 0
        for place, item in enumerate(self.items):
            if place >= end:
                yield place, item
                end = self.groups[place].end if place in self.groups else end

    def _group(self, group: Group) -> Any:
        """The copies of unlike layers as one item."""
        layers = [self._part(part, group) for part in group.parts]
        return {"Group": {"repeat": group.count, "layers": layers}}

    def _part(self, part: Part, group: Group) -> Any:
        """A layer in a group, or a merge with its branches."""
        place = part.place if isinstance(part, Merge) else part
        item = self.items[place]
        found: dict[str, Any] = {}
        if place in group.names:
            found["name"] = group.names[place]
        if isinstance(part, Merge):
            branches = [[self._part(one, group) for one in branch] for branch in part.branches]
            found["branches"] = branches
        arguments = {**item.arguments, **group.arguments.get(place, {})}
        return self._rest(replace(item, arguments=arguments), found)

    def attributes(self) -> dict[str, str]:
        """The layers with weights in the order in which they stand, each with its type."""
        return {
            item.name: item.type if isinstance(item.type, str) else ""
            for item in self.items
            if item.has_weights and item.name
        }

    def last(self) -> Ref | None:
        """What the layer after the last one would read."""
        places = [place for place, item in enumerate(self.items) if item.reads]
        return Ref(places[-1]) if places else self._first()

    def _first(self) -> Ref | None:
        return Ref(-1) if len(self.inputs) == 1 else None

    def _name_all(self, outputs: Sequence[Ref], keep: bool) -> None:
        for place, item in enumerate(self.items):
            if item.has_weights and item.name:
                self.names[place] = item.name
                self.taken.add(item.name.partition(".")[0])
        before = self._first()
        for place, item in self._alone():
            if place in self.groups:
                before = Ref(self.groups[place].end - 1)
                continue
            if item.reads != (before,) or not self._is_default(item.reads[0]):
                for ref in item.reads:
                    self._need(ref)
            for value in item.arguments.values():
                for ref in refs_in(value):
                    self._need(ref)
            if item.reads:
                before = Ref(place)
        if keep or [*outputs] != [self.last()]:
            for ref in outputs:
                self._need(ref)

    def _need(self, ref: Ref) -> None:
        if ref.item < 0 or ref.item in self.names:
            return
        item = self.items[ref.item]
        name = item.arguments["layer"] if item.type == "Reuse" else item.name
        stem = str(name).rpartition(".")[2]
        if not stem or stem.isdigit():
            kind = item.type if isinstance(item.type, str) else item.type.text
            stem = TYPES[kind].stem if kind in TYPES else kind.lower()
        self.names[ref.item] = self._free(re.sub(r"\W", "_", stem))

    def _free(self, stem: str) -> str:
        name, number = stem, 1
        while name in self.taken:
            number += 1
            name = f"{stem}_{number}"
        self.taken.add(name)
        return name

    def _row(self, item: Laid) -> tuple[str, ...]:
        if item.type == "Reuse" and item.frame < 0:
            called = (one for one in self.items if one.name == item.arguments["layer"])
            item = next(called, item)
        if isinstance(item.type, str) and item.type in TYPES and item.frame < 0:
            return TYPES[item.type].ports
        return ()

    def _is_default(self, ref: Ref) -> bool:
        if ref.item < 0:
            return True
        return ref.port == 0 and self._row(self.items[ref.item]) != ("*",)

    def reference(self, ref: Ref) -> str:
        """How a tensor is called."""
        if ref.item < 0:
            return self.inputs[-1 - ref.item]
        item, name = self.items[ref.item], self.names[ref.item]
        ports = self._row(item)
        if ports == ("*",):
            return f"{name}.{ref.port}"
        if ref.port:
            return f"{name}.{ports[ref.port] if ports else ref.port}"
        return name

    def _item(self, place: int, item: Laid, before: Ref | None) -> Any:
        found: dict[str, Any] = {}
        if place in self.names:
            found["name"] = self.names[place]
        if item.reads and (item.reads != (before,) or not self._is_default(item.reads[0])):
            references = [self.reference(ref) for ref in item.reads]
            found["from"] = references[0] if len(references) == 1 else references
        return self._rest(item, found)

    def _rest(self, item: Laid, found: dict[str, Any]) -> Any:
        """An item with its condition and arguments."""
        if item.when is not None:
            found["when"] = expression(item.when.text)
        given = {name: self._argument(x) for name, x in item.arguments.items() if name != "repeat"}
        kind = item.type if isinstance(item.type, str) else f"${item.type.text}"
        block = self.blocks.get(kind)
        if block is not None:
            given = {
                name: value
                for name, value in given.items()
                if not same(value, block.defaults[name])
            }
            order = [*block.defaults]
        else:
            order = [arg.name for arg in TYPES[kind].args] if kind in TYPES else []
        rank = {name: place for place, name in enumerate(order)}
        found |= dict(sorted(given.items(), key=lambda pair: rank.get(pair[0], -1)))
        if item.layers:
            found["layers"] = [self.child(child) for child in item.layers]
        if "repeat" in item.arguments:
            found["repeat"] = self._argument(item.arguments["repeat"])
        return self._short(kind, found, block)

    def _short(self, kind: str, found: Mapping[str, Any], block: Block | None) -> Any:
        """An item in its shortest form."""
        if block is not None and len(found) == 1:
            ((name, value),) = found.items()
            if name == next(iter(block.defaults), "") and not isinstance(value, (list, dict)):
                return {kind: value}
        return spec_text.item(kind, found)

    def child(self, item: Laid) -> Any:
        """A child of a `Sequential`."""
        return self._rest(item, {"name": item.name} if item.name else {})

    def _argument(self, value: Any) -> Any:
        if isinstance(value, Text):
            return expression(value.text)
        if isinstance(value, Table):
            return value.value
        if isinstance(value, Ramp):
            return f"$({value.text})"
        if isinstance(value, First):
            return f"$({_inner(value.first)} if index == 0 else {_inner(value.rest)})"
        if isinstance(value, Ref):
            return self.reference(value)
        if isinstance(value, SizeOf):
            return size_text(self.reference(value.ref), value.place, value.times, value.over)
        if isinstance(value, list):
            return [self._argument(x) for x in value]
        if isinstance(value, dict):
            return {name: self._argument(x) for name, x in value.items()}
        return value


def expression(text: str) -> str:
    """A value that is an expression."""
    return f"${text}" if text.isidentifier() else f"$({text})"


def _inner(value: Any) -> str:
    """A value inside of an expression."""
    if isinstance(value, Text):
        return value.text
    if isinstance(value, list):
        return f"[{', '.join(map(_inner, value))}]"
    return repr(value)
