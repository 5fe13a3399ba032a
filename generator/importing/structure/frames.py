"""The calls of modules as a tree: which steps stand in which module, and what goes in and out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from typing import Any

from msgspec.structs import replace

from ...layers import TYPES
from ...run.recording.recorded import (
    Enter,
    Held,
    Leave,
    Module,
    Recording,
    Value,
)
from ..flat import steps_of_calls, tensor_step
from ..kept import row_of
from ..layers import shortened
from ..sizes import Sizes
from ..steps import Shaped, Step, tensors_of
from ..unread import unread
from .batch_folds import told_by_shapes
from .bodies import Body, Item, Opened, Ref, Shape, SizeOf, Table, Unstructured
from .results import with_results


class Frame:
    """A call of a module; what it does are steps, and calls of other modules."""

    def __init__(
        self, path: str, module: Module, asked: Mapping[int, str], is_sequential: bool = False
    ) -> None:
        self.path = path
        self.is_sequential = is_sequential  # an `nn.Sequential` itself, or written as one
        self.module = module
        self.asked = asked  # the values of its arguments in order, with their names
        self.parts: list[Step | Frame] = []
        self.result: list[int] = []
        self.number = -1
        self.reads: list[int] = []
        self.makes: set[int] = set()
        self.gives: list[int] = []  # what is read outside of it
        self.lends: dict[str, int] = {}  # weights that modules in it read, as values

    @property
    def type(self) -> str:
        """The class of the module."""
        return self.module.type

    @property
    def inner(self) -> Iterator[Frame]:
        """The calls in it."""
        return (part for part in self.parts if isinstance(part, Frame))

    def all(self) -> Iterator[Frame]:
        """This call and all in it, inner ones first."""
        for part in self.inner:
            yield from part.all()
        yield self


_LENT = 10**9  # the numbers of weights that are read as values begin here
Change = Callable[[Frame], None]


class Frames:
    """All calls of a recording, as a tree; raises `Unstructured` for what is none.

    Calls of the classes in `opened` stand in their callers, and those in `plain` are written
    as a `Sequential` each. `changes` are made to the tree.
    """

    def __init__(
        self,
        recording: Recording,
        opened: Set[str],
        plain: Set[str],
        changes: Sequence[Change] = (),
    ) -> None:
        self.recording = recording
        self.sizes = Sizes(recording)
        self.opened = opened
        self.plain = plain
        self.same: dict[int, Value | Held] = {}
        self.root = self._tree()
        self.outputs = [self._source(x) for x in tensors_of(recording.output)]
        self._open(self.root)
        for change in changes:
            change(self.root)
        self.lent: dict[int, Value | Held] = {}
        self._lend(self.root, ())
        self._connect()

    def _source(self, tensor: Value | Held) -> Value | Held:
        while isinstance(tensor, Value) and tensor.number in self.same:
            tensor = self.same[tensor.number]
        return tensor

    def _tree(self) -> Frame:
        """The frames with their steps, in order; what changes nothing is left out."""
        calls = steps_of_calls(with_results(self.recording))
        steps = {id(event): found for event, found in calls}
        asked = dict.fromkeys(range(len(self.recording.inputs)), "")
        root = Frame("", self.recording.by_path[""], asked)
        stack = [root]
        for event in self.recording.events:
            if isinstance(event, Enter):
                if event.path:
                    module = self.recording.by_path[event.path]
                    plain = module.is_sequential or module.type in self.plain
                    stack.append(Frame(event.path, module, self._asked(event, module), plain))
            elif isinstance(event, Leave):
                if event.path:
                    done = stack.pop()
                    given = [*map(self._source, tensors_of(event.result))]
                    done.result = [x.number for x in given if isinstance(x, Value)]
                    self._add(stack[-1], done)
            else:
                for step in steps.get(id(event), ()):
                    self._step(stack[-1], step)
        self._hold(root, [step for own in steps.values() for step in own])
        return root

    def _hold(self, root: Frame, steps: Sequence[Step]) -> None:
        """Put weights that no step reads into the calls of the modules that have them."""
        frames: dict[str, list[Frame]] = {}
        for frame in root.all():
            frames.setdefault(frame.path, []).append(frame)
        for tensor in unread(self.recording, steps):
            path = tensor.path.rpartition(".")[0]
            while path not in frames:
                path = path.rpartition(".")[0]
            for frame in frames[path]:
                frame.parts.append(tensor_step(tensor))

    def _asked(self, event: Enter, module: Module) -> dict[int, str]:
        """The values that a module is called with, each with the name of its argument."""
        names = [*module.reads, *("" for _ in event.args)]
        given = [*zip(names, event.args, strict=False), *event.named]
        found: dict[int, str] = {}
        for name, value in given:
            for tensor in map(self._source, tensors_of(value)):
                if isinstance(tensor, Value):
                    found.setdefault(tensor.number, name)
        return found

    def _add(self, frame: Frame, inner: Frame) -> None:
        """Put a call into the frame that it stands in."""
        if inner.parts:
            frame.parts.append(inner)
        elif frame.module.is_chain and inner.asked:  # its number counts
            reads = (Value(next(iter(inner.asked))),)
            frame.parts.append(Step("Identity", reads, (), {}, inner.path))

    def _step(self, frame: Frame, step: Step) -> None:
        if step.type == "Identity" and not (frame.module.is_chain and step.path):
            self.same[step.gives[0]] = self._source(step.reads[0])
            return
        frame.parts.append(step.reading(self._source))

    def _open(self, frame: Frame) -> None:
        """Replace calls that are a single layer, or no block, by what they do."""
        parts: list[Step | Frame] = []
        for part in frame.parts:
            if isinstance(part, Step):
                parts.append(part)
                continue
            self._open(part)
            single = self._single(part)
            if single is not None:
                parts.append(single)
            elif self._is_open(part):
                parts += [one for one in part.parts if not _is_nothing(one)]
            else:
                parts.append(part)
        frame.parts = parts

    def _single(self, frame: Frame) -> Step | None:
        """The one layer that a call is, under its path."""
        steps = [part for part in frame.parts if isinstance(part, Step)]
        if len(steps) < len(frame.parts):
            return None
        if len(steps) == 1 and steps[0].path in ("", frame.path) and len(steps[0].reads) == 1:
            one = steps[0]
            if not any(isinstance(x, Held) for x in one.needs):
                return replace(one, path=frame.path)
        return _norm_of_channels(steps, frame.path)

    def _is_open(self, frame: Frame) -> bool:
        """Whether a call stands in its caller, layer by layer."""
        if frame.type in self.opened:
            return True
        if any(isinstance(part, Step) and part.path == frame.path for part in frame.parts):
            return True  # it holds the weights of a layer itself
        return frame.is_sequential and not self.is_chain(frame)

    def is_chain(self, frame: Frame) -> bool:
        """Whether a call of an `nn.Sequential` is its children, one after the other."""
        before: int | None = None
        if None in own_names(self.recording, frame):
            return False
        for part in frame.parts:
            if isinstance(part, Step):
                if _is_nothing(part):
                    continue
                reads = [x.number for x in part.needs if isinstance(x, Value)]
                gives = part.gives[0]
                if any(isinstance(x, Held) for x in part.needs):
                    return False
            else:
                reads, gives = [*part.asked][:1], (part.result or [-1])[0]
            if before is not None and reads != [before]:
                return False
            before = gives
        return True

    def _lend(self, frame: Frame, around: tuple[Frame, ...]) -> None:
        """Let a module that reads a weight of another one get it from the module around both."""
        inside = (*around, frame)

        def own(tensor: Value | Held) -> Value | Held:
            if isinstance(tensor, Value) or _is_below(tensor.path, frame.path):
                return tensor
            owner = next(one for one in around[::-1] if _is_below(tensor.path, one.path))
            if tensor.path not in owner.lends:
                owner.lends[tensor.path] = _LENT + len(self.lent)
                self.lent[owner.lends[tensor.path]] = tensor
            number = owner.lends[tensor.path]
            for one in inside[inside.index(owner) + 1 :]:
                one.asked = {**one.asked, number: tensor.path.rpartition(".")[2]}
            return Value(number)

        parts: list[Step | Frame] = []
        for part in frame.parts:
            if isinstance(part, Frame):
                self._lend(part, inside)
                parts.append(part)
            else:
                parts.append(part.reading(own))
        if frame.lends:
            steps = [
                replace(tensor_step(self.recording.held[path]), gives=(number,))
                for path, number in frame.lends.items()
            ]
            lends = frame.lends

            def lent(x: Value | Held) -> Value | Held:
                return Value(lends[x.path]) if isinstance(x, Held) and x.path in lends else x

            given = (x if isinstance(x, Frame) else x.reading(lent) for x in parts)
            parts = [*steps, *given]
        frame.parts = parts

    def _connect(self) -> None:
        """What each call reads and gives."""
        where: dict[int, tuple[Frame, ...]] = {}  # in which calls a value is made

        def made(frame: Frame, around: tuple[Frame, ...]) -> None:
            inside = (*around, frame)
            for part in frame.parts:
                if isinstance(part, Frame):
                    made(part, inside)
                    frame.makes |= part.makes
                else:
                    frame.makes |= {*part.gives}
                    where.update(dict.fromkeys(part.gives, inside))

        made(self.root, ())
        escapes: dict[int, set[int]] = {}

        def read(frame: Frame, around: tuple[Frame, ...]) -> None:
            inside = (*around, frame)
            for part in frame.parts:
                if isinstance(part, Frame):
                    read(part, inside)
                    continue
                for tensor in part.needs:
                    if isinstance(tensor, Held):
                        continue
                    for one in inside:
                        if tensor.number not in one.makes and tensor.number not in one.reads:
                            one.reads.append(tensor.number)
                    for one in where.get(tensor.number, ()):
                        if one not in inside:
                            escapes.setdefault(id(one), set()).add(tensor.number)

        read(self.root, ())
        for tensor in self.outputs:
            if isinstance(tensor, Value):
                for one in where.get(tensor.number, ())[1:]:
                    escapes.setdefault(id(one), set()).add(tensor.number)
        for frame in self.root.all():
            wanted = escapes.get(id(frame), set())
            if frame is not self.root and not wanted <= {*frame.result}:
                raise Opened([frame.type], "it leaves something beside its result")
            frame.gives = [number for number in frame.result if number in wanted]
            names = [*frame.module.reads]  # the order of `forward`, not that of the call
            given = sorted(frame.asked.items(), key=lambda one: _rank(one[1], names))
            order = [number for number, _ in given]
            frame.reads.sort(key=lambda number: _rank(number, order))
        self.root.reads = [*range(len(self.recording.inputs))]


def _norm_of_channels(steps: Sequence[Step], path: str) -> Step | None:
    """The `LayerNorm2d` that a module computes with a `LayerNorm` over channels put last."""
    if [step.type for step in steps] != ["Permute", "LayerNorm", "Permute"]:
        return None
    first, norm, last = steps
    turned = (first.arguments["dims"], last.arguments["dims"])
    only = {*norm.arguments} <= {"eps"} and norm.path == path
    if turned != ([0, 2, 3, 1], [0, 3, 1, 2]) or not only:
        return None
    eps = norm.arguments.get("eps", TYPES["LayerNorm"].arg("eps").default)
    usual = TYPES["LayerNorm2d"].arg("eps").default
    arguments = {} if eps == usual else {"eps": eps}
    return Step("LayerNorm2d", first.reads, last.gives, arguments, path)


def _is_nothing(part: Step | Frame) -> bool:
    return isinstance(part, Step) and not (part.gives or TYPES[part.type].held)


def _rank(one: object, order: Sequence[object]) -> int:
    """The place of something in an order; what it does not know comes last."""
    return order.index(one) if one in order else len(order)


def _is_below(path: str, module: str) -> bool:
    return not module or path.startswith(f"{module}.")


def own_names(recording: Recording, frame: Frame) -> list[str | None]:
    """The name that each part of a call has in its module; `None` if it is no direct child.

    What is there several times has all its names in turn; if it has weights, only the first.
    """
    found: list[str | None] = []
    for part in frame.parts:
        names = [*_names_in(recording, part.path, frame.path)]
        if names[1:] and any(key.startswith(f"{part.path}.") for key in recording.keys):
            names = names[:1]
        found.append(next((name for name in names if name not in found), None))
    return found


def _names_in(recording: Recording, path: str, parent: str) -> Iterator[str]:
    """The names that a module has in another one, if it has a path of its own."""
    module = recording.by_path.get(path) if path else None  # a weight is no module
    before = f"{parent}." if parent else ""
    for known in (module.path, *module.others) if module else ():
        name = known.removeprefix(before)
        if known.startswith(before) and "." not in name:
            yield name


LONG = 16  # numbers in a list
Refs = dict[int | str, Ref]  # what each value is in a body, by its number, and each weight by path


class Bodies:
    """Makes the body of each call."""

    def __init__(self, frames: Frames, tables: dict[str, Table]) -> None:
        self.frames = frames
        self.recording = frames.recording
        self.tables = tables

    def ports(self, frame: Frame, places: Sequence[int]) -> list[int]:
        """The values that a call gives, for the places in its result that its class gives."""
        if any(place >= len(frame.result) for place in places):
            raise Unstructured(f"`{frame.path}` does not always give the same")
        return [frame.result[place] for place in places]

    def body(self, frame: Frame, ports: Sequence[Sequence[int]]) -> Body:
        """The body of a call; `ports` are what each frame gives, by its number."""
        refs: Refs = {n: Ref(-1 - place) for place, n in enumerate(frame.reads)}
        if self.is_whole_chain(frame):
            shape = self.shape(frame.reads[0])
            return Body(
                (Item("Sequential", "", (Ref(-1),), {}, shape, self.chain(frame)),), (Ref(0),)
            )
        items: list[Item] = []
        called: set[str] = set()
        for part in frame.parts:
            if isinstance(part, Step):
                for tensor in part.needs:
                    if isinstance(tensor, Held) and tensor.path not in refs:
                        refs[tensor.path] = Ref(len(items))
                        step = tensor_step(self.recording.held[tensor.path])
                        items.append(self.item(step, frame.path, refs, called))
                item = self.item(part, frame.path, refs, called)
                gives: Sequence[int] = part.gives
            else:
                item = self.call(part, frame.path, refs, called)
                gives = ports[part.number]
            items.append(item)
            for port, number in enumerate(gives):
                refs[number] = Ref(len(items) - 1, port)
        if frame is self.frames.root:
            outputs = [self.ref(x, refs) for x in self.frames.outputs]
        else:
            outputs = [refs[number] for number in ports[frame.number]]
            items = told_by_shapes(items)
        return Body(tuple(items), tuple(outputs))

    def is_whole_chain(self, frame: Frame) -> bool:
        """Whether a call of a class is its children, one after the other, by their numbers."""
        names = own_names(self.recording, frame)
        numbered = names == [*map(str, range(len(names)))]
        inner = frame.path and frame.is_sequential
        if inner or not (numbered or frame.module.is_chain):
            return False
        last = frame.parts[-1]
        ends = last.gives[:1] if isinstance(last, Step) else last.result[:1]
        outputs = [x.number for x in self.frames.outputs if isinstance(x, Value)]
        gives = frame.gives if frame.path else outputs
        return [*ends] == gives and len(frame.reads) == 1 and self.frames.is_chain(frame)

    def ref(self, tensor: Value | Held, refs: Refs) -> Ref:
        """The reference to a tensor."""
        key = tensor.number if isinstance(tensor, Value) else tensor.path
        if isinstance(key, str) and key not in refs:
            raise Unstructured(f"`{key}` is read before it is there")
        return refs[key]

    def name(self, path: str, scope: str) -> str:
        """The name of a module in a scope; empty for none, and for what stands elsewhere."""
        if not path:
            return ""
        before = f"{scope}." if scope else ""
        module = self.recording.by_path.get(path)
        known = (module.path, *module.others) if module else (path,)
        name = next((p.removeprefix(before) for p in known if p.startswith(before)), "")
        if name[:1].isdigit() and scope:
            raise Opened([self.recording.by_path[scope].type], "its layers have numbers for names")
        return name

    def item(self, step: Step, scope: str, refs: Refs, called: set[str]) -> Item:
        """A step as an item."""
        row = row_of(step.type)
        heavy = bool(step.path) and (row.has_weights or bool(row.source))
        name = self.name(step.path, scope)
        if heavy and not name:
            raise Unstructured(f"`{step.path}` belongs to several modules")
        reads = tuple(self.ref(x, refs) for x in step.reads)
        shape = self.shape(step.reads[0]) if step.reads else ()
        if heavy and not row.source:
            if step.path in called:
                again = {
                    n: self.ref(x, refs)
                    for n, x in step.arguments.items()
                    if isinstance(x, (Value, Held))
                }
                return Item("Reuse", "", reads, {"layer": name, **again}, shape)
            called.add(step.path)
        arguments = {n: shortened(n, self.leaf(x, refs)) for n, x in step.arguments.items()}
        return Item(step.type, name, reads, arguments, shape, has_weights=heavy)

    def leaf(self, value: Any, refs: Refs) -> Any:
        """An argument with references."""
        if isinstance(value, (Value, Held)):
            return self.ref(value, refs)
        if isinstance(value, Shaped):
            ref = self.ref(value.value, refs)
            return SizeOf(ref, value.place, value.times, value.over)
        if isinstance(value, list):
            sized = any(True for _ in tensors_of(value))
            text = "" if sized else repr(value)
            if len(text) > LONG * 4:
                return self.tables.setdefault(text, Table(len(self.tables), value))
            return [self.leaf(x, refs) for x in value]
        return value

    def shape(self, tensor: Value | Held | int) -> Shape:
        """The shape of a tensor without the batch."""
        value = Value(tensor) if isinstance(tensor, int) else tensor
        if isinstance(value, Value):
            value = self.frames.lent.get(value.number, value)
        if isinstance(value, Value) and value.number >= len(self.recording.values):
            return ()
        sizes = self.frames.sizes
        shape, batch = sizes.shape(value), sizes.batch_of(value)
        if batch is None and any(map(sizes.has_batch, shape)):
            return ()  # it has no shape without the batch
        return tuple(
            size if isinstance(size, int) else None
            for place, size in enumerate(shape)
            if place != batch
        )

    def call(self, frame: Frame, scope: str, refs: Refs, called: set[str]) -> Item:
        """A call of a module as an item."""
        name = self.name(frame.path, scope)
        if not name:
            raise Unstructured(f"`{frame.path}` belongs to several modules")
        reads = tuple(refs[number] for number in frame.reads)
        shape = self.shape(frame.reads[0]) if frame.reads else ()
        if frame.path in called:
            return Item("Reuse", "", reads, {"layer": name}, shape, frame=frame.number)
        called.add(frame.path)
        if not frame.is_sequential:
            weights = self.has_weights(frame)
            return Item(frame.type, name, reads, {}, shape, (), frame.number, weights)
        return Item("Sequential", name, reads, {}, shape, self.chain(frame), has_weights=True)

    def chain(self, frame: Frame) -> tuple[Item, ...]:
        """The children of an `nn.Sequential`, with their own names."""
        items = []
        names = own_names(self.recording, frame)
        for part, name in zip(frame.parts, names, strict=True):
            if name is None:
                raise Unstructured(f"`{part.path}` belongs to several modules")
            if isinstance(part, Step):
                given = {n: shortened(n, x) for n, x in part.arguments.items()}
                if any(True for x in given.values() for _ in tensors_of(x)):
                    raise Unstructured(f"`{part.path}` reads a size in a Sequential")
                row = row_of(part.type)
                shape = self.shape(part.reads[0])
                items.append(Item(part.type, name, (), given, shape, has_weights=row.has_weights))
            elif part.is_sequential:
                shape = self.shape(part.reads[0])
                inner = self.chain(part)
                items.append(Item("Sequential", name, (), {}, shape, inner, has_weights=True))
            else:
                shape = self.shape(part.reads[0])
                weights = self.has_weights(part)
                items.append(Item(part.type, name, (), {}, shape, (), part.number, weights))
        return tuple(items)

    def has_weights(self, frame: Frame) -> bool:
        """Whether a call's module has anything that a `state_dict` knows."""
        return any(key.startswith(f"{frame.path}.") for key in self.recording.keys)
