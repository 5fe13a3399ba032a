"""A recording as a spec with blocks: a class of the network is a block, for all its instances."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from math import prod
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from ...layers import TYPES
from ...run.recording.recorded import (
    Fields,
    Items,
    Module,
    Part,
    Recording,
    Tree,
    Value,
    Word,
)
from ..flat import Inexpressibles, declared_inputs, input_names, shared
from ..kept import with_imports
from ..order import declared_first, merged
from .bodies import Body, Item, Opened, Table, Unstructured, same
from .frames import Bodies, Frame, Frames
from .growing import grown
from .runs import folded
from .unified import Block, Use, unified
from .written import Scope


class Thing(Struct, frozen=True):
    """An argument of a constructor that no spec has a word for."""

    text: str


class Structured(Struct, frozen=True):
    """A spec with blocks, and the class of the network that each block is.

    `opened` are the classes whose layers stand where they are used, and why.
    """

    spec: Mapping[str, Any]
    classes: Mapping[str, str]
    opened: Mapping[str, str]

    @property
    def has_groups(self) -> bool:
        """Whether layers of the network or of a block are grouped."""
        lists = [self.spec["layers"], *(x["layers"] for x in self.spec.get("blocks", {}).values())]
        return any("Group" in layer for layers in lists for layer in layers)

    def class_at(self, text: str, line: int) -> str:
        """The class of the block in whose lines of the spec's text a line is; empty for none."""
        found = ""
        for one in text.split("\n")[:line]:
            block = re.fullmatch(r"  (\w+):", one)
            if block is not None:
                found = self.classes.get(block[1], "")
            elif one and not one.startswith(" "):
                found = ""
        return found


def structured_spec(
    recordings: Sequence[Recording],
    name: str,
    opened: Mapping[str, str] | None = None,
    *,
    grouped: bool = True,
) -> Structured:
    """The spec of a network with blocks; raises `Unstructured`, and `Inexpressibles`.

    The first of its recordings is that of the network. Others are of what it is with other
    arguments, which then become parameters. Classes that are `opened` become no blocks, for the
    reasons given. Unlike layers that do the same several times over are `grouped`.
    """
    plain: set[str] = set()
    opened = dict(opened or {})
    try:
        while True:
            try:
                structure = _Structure(recordings, name, opened.keys(), plain, grouped=grouped)
                spec = structure.spec()
            except _Plain as chain:
                plain.add(chain.type)
            except Opened as error:
                if error.types <= opened.keys():
                    raise Unstructured(str(error)) from None
                opened |= dict.fromkeys(error.types, str(error))
            else:
                classes = {name: module.type for name, module in structure.modules.items()}
                return Structured(with_imports(spec, recordings[0]), classes, opened)
    except (Unstructured, Inexpressibles):
        raise
    except Exception as error:  # a mistake of ours costs the blocks, not the import
        raise Unstructured(f"{type(error).__name__}: {error}") from error


class _Plain(Exception):
    """The calls of a class are better written as a `Sequential` each."""

    def __init__(self, type: str) -> None:
        super().__init__(type)
        self.type = type


Calls = tuple[Use, list[Frame]]  # a use, and the calls that are the same one


class _Structure:
    def __init__(
        self,
        recordings: Sequence[Recording],
        name: str,
        opened: Set[str],
        plain: Set[str],
        *,
        grouped: bool,
    ) -> None:
        self.grouped = grouped
        self.recording = recordings[0]
        self.name = name
        self.trees = [Frames(one, opened, plain, [grown]) for one in recordings]
        tables: dict[str, Table] = {}
        self.all: list[Frame] = []
        self.homes: list[Bodies] = []  # of each frame
        for tree in self.trees:
            frames = [*tree.root.all()]
            self.all += frames
            self.homes += [Bodies(tree, tables)] * len(frames)
        for number, frame in enumerate(self.all):
            frame.number = number
        self.blocks: dict[str, Block] = {}
        self.modules: dict[str, Module] = {}  # one of each block
        self.names: dict[int, str] = {}  # of the block of each frame
        self.values: dict[int, Mapping[str, Any]] = {}  # its parameters
        self.defaults: dict[int, Mapping[str, Any]] = {}
        self.ports = self._ports()

    def spec(self) -> dict[str, Any]:
        for type in self._classes():
            self._unify([f for f in self.all if f.type == type and f.path])
        block = self._network()
        found: dict[str, Any] = {"name": self.name}
        found |= declared_inputs(self.recording)
        if block.defaults:
            found["params"] = dict(block.values[0])
        written = {name: self._written(name) for name in self._used(block)}
        blocks = {"blocks": written} if written else {}
        chain = self._chain(block)
        if chain:
            found |= {**blocks, "sequential": True, "layers": chain}
        else:
            first, layers = self._layers(block, [""], self.recording.output)
            found |= {**first, **blocks, **layers}
        several = shared(self.recording, {*self.recording.keys})
        return {**found, **several, "expect": self._expected()}

    def _network(self) -> Block:
        """The network itself; its parameters are arguments in which its recordings differ."""
        roots = [tree.root for tree in self.trees]
        given = [dict(_arguments(root.module)) for root in roots]
        differ = [
            name
            for name, value in given[0].items()
            if not all(name in one and same(value, one[name]) for one in given)
        ]
        names = [name for name in differ if all(type(one.get(name)) is int for one in given)]
        uses = [
            Use({name: one[name] for name in names}, [], self._body(root))
            for one, root in zip(given, roots, strict=True)
        ]
        inputs = input_names(self.recording)
        block = unified(uses, inputs, [1] * len(uses), self.defaults)
        if not block.defaults.keys() <= {*names}:
            raise Unstructured("other arguments change what they do not give")
        return block

    def _expected(self) -> dict[str, Any]:
        """`expect`: what the network itself has and gives."""
        found: dict[str, Any] = {}
        output = self.recording.output
        if isinstance(output, Value):
            sizes = self.trees[0].sizes
            shape = sizes.shape(output)
            rest = [size for place, size in enumerate(shape) if place]
            if sizes.batch_of(output) == 0 and all(isinstance(x, int) for x in rest):
                found["output"] = rest
        counted = (x for x in self.recording.tensors if x.kind == "parameter")
        return {**found, "parameters": sum(prod(tensor.shape) for tensor in counted)}

    def _ports(self) -> list[list[int]]:
        """What each frame gives, by its number: the same places of the results in a class."""
        wanted: dict[tuple[str, int], set[int]] = {}
        for frame in self.all:
            places = {frame.result.index(number) for number in frame.gives}
            wanted.setdefault((frame.type, len(frame.result)), set()).update(places)
        return [
            [*frame.gives]
            if frame.is_sequential or not frame.path
            else home.ports(frame, sorted(wanted[frame.type, len(frame.result)]))
            for frame, home in zip(self.all, self.homes, strict=True)
        ]

    def _classes(self) -> list[str]:
        """The classes of the network, those first that others are made of."""
        inner: dict[str, set[str]] = {}
        for frame in self.all:
            if frame.path and not frame.is_sequential:
                own = inner.setdefault(frame.type, set())
                own |= {one.type for part in frame.inner for one in part.all()}
        found: list[str] = []
        while len(found) < len(inner):
            ready = [
                type
                for type, own in inner.items()
                if type not in found and not (own & inner.keys()) - {*found}
            ]
            if not ready:
                cycles = {type for type, own in inner.items() if type in own}
                raise Opened(cycles, "it is made of others of its own class")
            found += ready
        return found

    def _body(self, frame: Frame) -> Body:
        """The body of a frame, with the arguments of the blocks in it, and its runs as repeats."""
        body = self.homes[frame.number].body(frame, self.ports)
        return folded(replace(body, items=tuple(map(self._filled, body.items))))

    def _filled(self, item: Item) -> Item:
        layers = tuple(map(self._filled, item.layers))
        if item.type == "Reuse" and item.frame >= 0 and item.frame in self.names:
            path, home = self.all[item.frame].path, self.homes[item.frame]
            own = (frame for frame in self.all if self.homes[frame.number] is home)
            first = next(frame.number for frame in own if frame.path == path)
            known = (self.names[first], self.values[first])
            if known != (self.names[item.frame], self.values[item.frame]):
                raise Unstructured(f"`{path}` is called in several ways")
        if item.frame < 0 or item.type == "Reuse":
            return replace(item, layers=layers)
        return replace(item, type=self.names[item.frame], arguments=dict(self.values[item.frame]))

    def _unify(self, frames: Sequence[Frame]) -> None:
        """Make one block of the calls of a class, or several if that can't be."""
        distinct: dict[str, Calls] = {}
        for frame in frames:
            use = self._use(frame)
            distinct.setdefault(repr(use), (use, []))[1].append(frame)
        groups = self._grouped([*distinct.values()])
        chains = all(self.homes[frame.number].is_whole_chain(frame) for frame in frames)
        if chains and len(groups) > 1 and len(groups) == len(frames):
            raise _Plain(frames[0].type)
        for group, block in groups:
            name = self._free(frames[0].module.class_name)
            self.blocks[name] = block
            self.modules[name] = frames[0].module
            for (_, calls), values in zip(group, block.values, strict=True):
                for frame in calls:
                    self.names[frame.number] = name
                    self.values[frame.number] = values
                    self.defaults[frame.number] = block.defaults

    def _grouped(self, distinct: Sequence[Calls]) -> list[tuple[Sequence[Calls], Block]]:
        """The uses that become one block, with the block: all, or each with the first that fits."""
        whole = self._block(distinct)
        if whole is not None:
            return [(distinct, whole)]
        groups: list[tuple[Sequence[Calls], Block]] = []
        for one in distinct:
            for place, (group, _) in enumerate(groups):
                made = self._block([*group, one])
                if made is not None:
                    groups[place] = ([*group, one], made)
                    break
            else:
                alone = self._block([one])
                if alone is None:
                    raise Opened([one[1][0].type], "it can't be a block")
                groups.append(([one], alone))
        return groups

    def _block(self, group: Sequence[Calls]) -> Block | None:
        """The block of some uses; `None` if they can't be one."""
        frames = [frame for _, calls in group for frame in calls]
        inputs = {tuple(self._inputs(frame)) for frame in frames}
        if len(inputs) > 1:
            return None
        counts = [len(calls) for _, calls in group]
        try:
            return unified([use for use, _ in group], inputs.pop(), counts, self.defaults)
        except Unstructured:
            return None

    def _inputs(self, frame: Frame) -> list[str]:
        """The names of a block's inputs."""
        if len(frame.reads) == 1:
            return ["input"]
        found: list[str] = []
        for number in frame.reads:
            stem = frame.asked.get(number) or "x"
            stem = "x" if stem == "input" else stem
            name, count = stem, 1
            while name in found:
                count += 1
                name = f"{stem}_{count}"
            found.append(name)
        return found

    def _use(self, frame: Frame) -> Use:
        shapes = [self.homes[frame.number].shape(number) for number in frame.reads]
        return Use(dict(_arguments(frame.module)), shapes, self._body(frame))

    def _free(self, stem: str) -> str:
        """A name for a block."""
        stem = stem.strip("_") or "Block"
        stem = stem[0].upper() + stem[1:]
        if stem in TYPES and not TYPES[stem].operation:
            stem += "Block"
        name, number = stem, 1
        while name in self.blocks or name == self.name:
            number += 1
            name = f"{stem}{number}"
        return name

    def _used(self, block: Block) -> list[str]:
        """The blocks that a network has, those first that others are made of."""
        named = self._named(block)
        return [name for name in self.blocks if name in named]

    def _named(self, block: Block) -> set[str]:
        found: set[str] = set()
        stack = [*block.items]
        while stack:
            item = stack.pop()
            stack += item.layers
            if isinstance(item.type, str) and item.type in self.blocks and item.type not in found:
                found.add(item.type)
                stack += self.blocks[item.type].items
        return found

    def _written(self, name: str) -> dict[str, Any]:
        """A block as a spec has it."""
        block, module = self.blocks[name], self.modules[name]
        found: dict[str, Any] = {}
        if module.doc and len(module.doc) < 100 and module.doc.isprintable():
            found["description"] = module.doc
        chain = self._chain(block)
        if chain:
            found["sequential"] = True
        if block.inputs != ("input",):
            found["inputs"] = [*block.inputs]
        if block.defaults:
            found["params"] = dict(block.defaults)
        if chain:
            return {**found, "layers": chain}
        numbers = (number for number, own in self.names.items() if own == name)
        paths = dict.fromkeys(self.all[number].path for number in numbers)
        first, layers = self._layers(block, paths)
        return {**found, **first, **layers}

    def _chain(self, block: Block) -> list[Any]:
        """The layers of a block that is an `nn.Sequential`; none for another one."""
        only = block.items[0]
        if len(block.items) > 1 or only.type != "Sequential" or only.name:
            return []
        scope = Scope([], block.inputs, self.blocks)
        return [scope.child(child) for child in only.layers]

    def _layers(
        self, block: Block, paths: Iterable[str], output: Tree = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """The keys `declare`, and `layers` with `outputs`, as far as they are needed.

        The `paths` are those where the block stands. `output` is what the network gives, if that is
        several tensors.
        """
        scope = Scope(block.items, block.inputs, self.blocks)
        several = isinstance(output, (Items, Fields))
        found: dict[str, Any] = {
            "layers": scope.layers(block.outputs, keep=several, grouped=self.grouped)
        }
        order = declared_first(merged(map(self._keys, paths)), scope.attributes())
        first = {"declare": order} if order else {}
        if [*block.outputs] == [scope.last()] and not several:
            return first, found
        names = [scope.reference(ref) for ref in block.outputs]
        if isinstance(output, Fields):
            given = dict(zip([name for name, _ in output.items], names, strict=True))
            return first, {**found, "outputs": given}
        return first, {**found, "outputs": names}

    def _keys(self, path: str) -> list[str]:
        """The keys of the weights in a module, in their order."""
        inside = f"{path}." if path else ""
        keys = self.recording.keys
        return [key.removeprefix(inside) for key in keys if key.startswith(inside)]


def _arguments(module: Module) -> Iterator[tuple[str, Any]]:
    """The arguments of a constructor by name; those of a record by the names of its fields."""
    for name, value in module.arguments:
        if isinstance(value, Fields):
            yield from ((field, _plain(own)) for field, own in value.items)
        else:
            yield name, _plain(value)


def _plain(value: Tree) -> Any:
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, Items):
        items = [_plain(one) for one in value.items]
        return Thing(repr(value)) if any(isinstance(x, Thing) for x in items) else items
    if isinstance(value, Word) and value.text.rpartition(".")[2] in TYPES:
        return value.text.rpartition(".")[2]
    return Thing(value.path if isinstance(value, Part) else repr(value))
