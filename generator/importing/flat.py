"""A recording as a spec of one scope: each layer by the path that it has in the network."""

from __future__ import annotations

import keyword
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from ..run.recording.recorded import (
    CHANGED,
    READS,
    UNSEEN,
    Enter,
    Event,
    Fields,
    FunctionCall,
    Held,
    Items,
    Leave,
    ModuleCall,
    Recording,
    Rule,
    Tensor,
    Tree,
    Value,
)
from ..symbolic.names import why_no_variable
from .calls import steps_of
from .chains import chain_layers, is_chain
from .initial import rule_as_written
from .kept import row_of, with_imports
from .layers import layer_step
from .operations import Operations
from .order import declared_first
from .sizes import Sizes
from .spec_text import item
from .steps import Inexpressible, Shaped, Step, size_text, tensors_of, values_in
from .tables import shortest, table_expression
from .unread import has_alias, unread
from .waves import waves


class Unknown(Struct, frozen=True):
    """A call that a spec has no words for."""

    scope: str
    call: str
    why: str
    source: str


class Inexpressibles(Exception):
    """All calls of a network that a spec has no words for."""

    def __init__(self, unknown: Sequence[Unknown]) -> None:
        super().__init__(f"{len(unknown)} calls")
        self.unknown = tuple(unknown)


def flat_spec(recording: Recording, name: str) -> dict[str, Any]:
    """The spec of a recording in one scope; raises `Inexpressibles`."""
    if is_chain(recording):
        declared = declared_inputs(recording)
        found = {"name": name, **declared, "sequential": True, "layers": chain_layers(recording)}
        return with_imports(found, recording)
    steps = _without_identities(needed_steps(recording), recording)
    return with_imports(_Scope(recording, steps).spec(name), recording)


def needed_steps(recording: Recording) -> list[Step]:
    """The steps of all calls on which the output hangs; raises `Inexpressibles`."""
    constants = {one.number for one in recording.constants}
    buffers: dict[str, int] = {}  # one for all constants that are alike
    found: list[Step] = []
    for _, steps in steps_of_calls(recording):
        for step in steps:
            if step.type == "Buffer" and step.gives[0] in constants:
                known = buffers.setdefault(repr(step.arguments), step.gives[0])
                if known != step.gives[0]:
                    step = Step("Identity", (Value(known),), step.gives, {})
            found.append(step)
    return found


Called = FunctionCall | ModuleCall
BY_NUMBERS = "to decide by numbers"  # why a spec has no words for a call


def steps_of_calls(recording: Recording) -> list[tuple[Called, list[Step]]]:
    """The calls on which the output hangs, each with its steps; raises `Inexpressibles`."""
    sizes = Sizes(recording)
    operations = Operations(sizes)
    constants = {one.number: one.elements for one in recording.constants}
    found: list[tuple[Called, list[Step]]] = []
    unknown = {(x.call, x.source, x.why): x for x in _decided(recording)}
    for event, operations.near in _with_near(recording):
        given = [number for number in _made(event) if number in constants]
        if given:
            found.append((event, [_constant(n, constants[n], sizes) for n in given]))
            continue
        try:
            _check_numbers(event, recording)
            if isinstance(event, ModuleCall):
                found.append((event, [layer_step(event, recording)]))
            else:
                found.append((event, [*steps_of(operations, event)]))
        except Inexpressible as why:
            one = _unknown(event, str(why), recording)
            unknown.setdefault((one.call, one.source, one.why), one)
    if unknown:
        raise Inexpressibles([*unknown.values()])
    return _read(found, recording)


def _check_numbers(event: Called, recording: Recording) -> None:
    """Raise `Inexpressible` for a buffer of too many numbers that no `state_dict` has."""
    for one in reads_of(event):
        tensor = recording.held[one.path] if isinstance(one, Held) else None
        if tensor is None or tensor.kind == "parameter" or tensor.persistent:
            continue
        count = math.prod(tensor.shape)
        if tensor.value is None or (count > MOST_WRITTEN and _follows_no_rule(tensor)):
            what = f"`{tensor.path}`, whose {count:,} numbers"
            raise Inexpressible(f"on {what} follow no rule and are in no `state_dict`")


def _read(
    calls: Sequence[tuple[Called, list[Step]]], recording: Recording
) -> list[tuple[Called, list[Step]]]:
    """The calls without the steps that nothing reads, such as the places of maxima."""
    needed = {*values_in(recording.output)}
    found = []
    for event, steps in reversed(calls):
        kept = []
        for step in reversed(steps):
            if needed & {*step.gives}:
                needed |= {x.number for x in step.needs if isinstance(x, Value)}
                kept.append(step)
        found.append((event, kept[::-1]))
    return found[::-1]


def _with_near(recording: Recording) -> Iterator[tuple[Called, list[Value]]]:
    """The calls on which the output hangs, with the values that there are in their module.

    What a module is called with comes first, then what it has made, the latest first.
    """
    needed = {id(event) for event in needed_events(recording)}
    there = {*range(len(recording.inputs))}
    given = [[*there]]  # in each module that is being called
    made: list[list[int]] = [[]]
    for event in recording.events:
        if isinstance(event, Enter):
            if event.path:
                asked = values_in(Items((*event.args, *(x for _, x in event.named))))
                given.append([number for number in asked if number in there])
                made.append([])
        elif isinstance(event, Leave):
            if event.path:
                given.pop()
                made.pop()
                made[-1] += [number for number in values_in(event.result) if number in there]
        elif id(event) in needed:
            yield event, [*map(Value, (*given[-1], *made[-1][::-1]))]
            there |= {*_made(event)}
            made[-1] += _made(event)


def _decided(recording: Recording) -> Iterator[Unknown]:
    """The calls that give Python numbers which hang on an input: what it does hangs on them."""
    live = {*range(len(recording.inputs))}
    for event in recording.events:
        if isinstance(event, (FunctionCall, ModuleCall)):
            reads = {x.number for x in reads_of(event) if isinstance(x, Value)}
            if not reads & live:
                continue
            live |= {*_made(event)}
            if isinstance(event, FunctionCall) and event.function in READS:
                yield _unknown(event, BY_NUMBERS, recording)


def _constant(number: int, elements: Sequence[Any], sizes: Sizes) -> Step:
    """A buffer, which no `state_dict` has, for what is computed from numbers alone."""
    value = Value(number)
    shape = [size if isinstance(size, int) else size.values[0] for size in sizes.shape(value)]
    arguments = buffer_arguments(elements, shape, sizes.dtype(value))
    return Step("Buffer", (), (number,), {**arguments, "persistent": False})


def _unknown(event: Called, why: str, recording: Recording) -> Unknown:
    if isinstance(event, ModuleCall):
        return Unknown(event.path, recording.by_path[event.path].type, why, event.source)
    name = event.function.removeprefix("torch.") if "Tensor" in event.function else event.function
    if event.function == CHANGED:
        name, why = "an operation in place", "on what has another name, too"
    if event.function == UNSEEN:
        name, why = "code", "that gives a tensor and that torch does not tell of"
    if event.node and event.function not in (CHANGED, UNSEEN):
        name = f"`{name}` (node `{event.node}`)"
    return Unknown(event.scope, name, why, event.source)


def needed_events(recording: Recording) -> list[Called]:
    """The calls on which the output hangs, in order."""
    needed = {*values_in(recording.output)}
    constants = {one.number for one in recording.constants}
    found: list[Called] = []
    for event in reversed(recording.events):
        if isinstance(event, (FunctionCall, ModuleCall)) and needed & {*_made(event)}:
            found.append(event)
            if not constants & {*_made(event)}:
                needed |= {x.number for x in reads_of(event) if isinstance(x, Value)}
    return found[::-1]


def reads_of(event: Event) -> Iterator[Value | Held]:
    """The tensors that a call reads."""
    if isinstance(event, FunctionCall):
        for value in event.args:
            yield from tensors_of(value)
    if isinstance(event, (FunctionCall, ModuleCall)):
        for _, value in event.named:
            yield from tensors_of(value)


def _made(event: Called) -> tuple[int, ...]:
    written = tuple(n for _, n in event.writes) if isinstance(event, FunctionCall) else ()
    return (*values_in(event.result), *written)


def _without_identities(steps: Sequence[Step], recording: Recording) -> list[Step]:
    """The steps without those that give what they read, and without those that nothing reads."""
    same: dict[int, Value | Held] = {}

    def source(tensor: Value | Held) -> Value | Held:
        while isinstance(tensor, Value) and tensor.number in same:
            tensor = same[tensor.number]
        return tensor

    left = []
    for step in steps:
        if step.type == "Identity":
            same[step.gives[0]] = step.reads[0]
            continue
        left.append(step.reading(source))
    for number in values_in(recording.output):
        end = source(Value(number))
        if end != Value(number) and (isinstance(end, Held) or end.number < len(recording.inputs)):
            left.append(Step("Identity", (end,), (number,), {}))  # an input comes out
        elif end != Value(number):
            left = [_renamed(step, end, number) for step in left]
            same[end.number] = Value(number)
            left = [step.reading(source) for step in left]
    return left


def _renamed(step: Step, old: Value | Held, number: int) -> Step:
    return replace(step, gives=tuple(number if Value(n) == old else n for n in step.gives))


def buffer_arguments(elements: Sequence[Any], shape: Sequence[int], dtype: str) -> dict[str, Any]:
    """The arguments of a `Buffer` with these elements."""
    natural = "bool" if dtype == "bool" else "float32" if dtype.startswith("float") else "int64"
    types = {} if dtype == natural else {"dtype": dtype}
    if dtype == "float32":
        elements = [*map(shortest, elements)]
    if elements and len({*map(repr, elements)}) == 1 and len(elements) > 1:
        return {"value": elements[0], "shape": [*shape], **types}
    expression = table_expression(elements, shape)
    if expression is not None:
        return {"value": expression, **types}
    return {"value": _nested(elements, shape), **types}


def _nested(elements: Sequence[Any], shape: Sequence[int]) -> Any:
    if not shape:
        return elements[0]
    width = len(elements) // shape[0] if shape[0] else 0
    return [_nested(elements[i * width : (i + 1) * width], shape[1:]) for i in range(shape[0])]


class _Scope:
    """Gives layers names where something else reads them, and writes them as items."""

    def __init__(self, recording: Recording, steps: Sequence[Step]) -> None:
        self.recording = recording
        self.sizes = Sizes(recording)
        self.steps = self.with_tensors(steps)
        self.taken = {"input", "x", "self"}
        self.names: dict[int, str] = {}  # of steps, by place
        self.maker = {n: place for place, step in enumerate(self.steps) for n in step.gives}
        self.inputs = input_names(recording)
        # what the first layer reads if it says nothing
        self.first = None if len(recording.inputs) > 1 else Value(0)
        self.calls: dict[str, int] = {}  # the first call of each module with a name

    def with_tensors(self, steps: Sequence[Step]) -> list[Step]:
        """The steps with those that make parameters and buffers, each before it is read."""
        found: list[Step] = []
        made: set[str] = set()
        for step in steps:
            for tensor in step.needs:
                if isinstance(tensor, Held) and tensor.path not in made:
                    made.add(tensor.path)
                    found.append(tensor_step(self.recording.held[tensor.path]))
            found.append(step)
        return [*found, *map(tensor_step, unread(self.recording, found))]

    def spec(self, name: str) -> dict[str, Any]:
        """The whole spec."""
        self.name_all()
        found: dict[str, Any] = {"name": name, **declared_inputs(self.recording)}
        found |= self.declared()
        layers = []
        before = self.first
        for place, step in enumerate(self.steps):
            layers.append(self.item(place, step, before))
            if step.reads:
                before = Value(step.gives[0])
        found["layers"] = layers
        outputs = self.outputs(before)
        if outputs is not None:
            found["outputs"] = outputs
        return {**found, **shared(self.recording, {*self.names.values()})}

    def declared(self) -> dict[str, Any]:
        """The key `declare`, where the order of the weights asks for it."""
        kept = {
            self.names[place]: step.type
            for place, step in enumerate(self.steps)
            if place in self.names and self.has_name(step) and self.calls[step.path] == place
        }
        first = declared_first(self.recording.keys, kept)
        return {"declare": first} if first else {}

    def name_all(self) -> None:
        """Names for modules with weights, and for what anything but the next layer reads."""
        self.taken |= {*self.inputs}
        for place, step in enumerate(self.steps):
            if self.has_name(step):
                self.taken.add(step.path.partition(".")[0])
                if self.calls.setdefault(step.path, place) == place:
                    self.names[place] = step.path
        wanted = {*self.read_by_name()}
        for place, step in enumerate(self.steps):
            row = row_of(step.type)
            usual = not row.operation and row.stem in self.taken  # a container has its usual name
            if place not in self.names and (usual or wanted & {*step.gives}):
                stem = _last(step.path) if step.path else row.stem
                self.names[place] = self.free(stem)

    def read_by_name(self) -> Iterator[int]:
        """The numbers of the values that something reads which does not just follow them."""
        last = self.first
        for step in self.steps:
            plain = step.reads == (last,) and self.is_default_port(step.reads[0])
            reads = () if plain else step.reads
            others = (x for value in step.arguments.values() for x in tensors_of(value))
            yield from (x.number for x in (*reads, *others) if isinstance(x, Value))
            if step.reads:
                last = Value(step.gives[0])
        output = self.recording.output
        if output != last or not self.is_default_port(output):
            yield from values_in(output)

    def has_name(self, step: Step) -> bool:
        """Whether a step is a module with weights, or a tensor that a module holds."""
        row = row_of(step.type)
        return bool(step.path) and (row.has_weights or bool(row.source))

    def free(self, stem: str) -> str:
        """A name that nothing has, which begins with a stem."""
        stem = re.sub(r"\W", "_", stem)
        if not stem or not stem[0].isalpha() or keyword.iskeyword(stem):
            stem = f"x_{stem}" if stem else "x"
        name, number = stem, 1
        while name in self.taken:
            number += 1
            name = f"{stem}_{number}"
        self.taken.add(name)
        return name

    def reference(self, tensor: Value | Held) -> str:
        """How a tensor is called."""
        if isinstance(tensor, Held):
            return tensor.path
        if tensor.number < len(self.inputs):
            return self.inputs[tensor.number]
        place = self.maker[tensor.number]
        step = self.steps[place]
        port = step.gives.index(tensor.number)
        row = row_of(step.type)
        if row.ports == ("*",):
            return f"{self.names[place]}.{port}"
        if port:
            return f"{self.names[place]}.{row.ports[port]}"
        return self.names[place]

    def item(self, place: int, step: Step, before: Value | Held | None) -> Any:
        """A step as an item of `layers`."""
        again = step.path and self.calls.get(step.path, place) != place
        found: dict[str, Any] = {}
        if again:
            found["layer"] = step.path
        if place in self.names:
            found = {"name": self.names[place], **found}
        if step.reads and (step.reads != (before,) or not self.is_default_port(step.reads[0])):
            references = [self.reference(x) for x in step.reads]
            found["from"] = references[0] if len(references) == 1 else references
        given = step.arguments.items()
        if again:
            tensors = {n: self.argument(x) for n, x in given if isinstance(x, (Value, Held))}
            return item("Reuse", found | tensors)
        found |= {name: self.argument(value) for name, value in given}
        return item(step.type, found)

    def is_default_port(self, tensor: Tree) -> bool:
        """Whether a tensor is what the layer before gives, without the name of a port."""
        if isinstance(tensor, Value) and tensor.number in self.maker:
            step = self.steps[self.maker[tensor.number]]
            return row_of(step.type).ports != ("*",) and step.gives[0] == tensor.number
        return True

    def argument(self, value: Any) -> Any:
        """An argument, with references for tensors and expressions for sizes."""
        if isinstance(value, (Value, Held)):
            return self.reference(value)
        if isinstance(value, Shaped):
            return size_text(self.reference(value.value), value.place, value.times, value.over)
        if isinstance(value, list):
            return [self.argument(x) for x in value]
        return value

    def outputs(self, last: Value | Held | None) -> Any:
        """The key `outputs`; `None` where the last layer's output is the network's."""
        output = self.recording.output
        if output == last and self.is_default_port(output):
            return None
        if isinstance(output, Fields):
            named = dict(output.items)
            if all(isinstance(x, (Value, Held)) for x in named.values()):
                return {name: self.argument(x) for name, x in named.items()}
        return [self.reference(x) for x in tensors_of(output)]


def shared(recording: Recording, names: set[str]) -> dict[str, Any]:
    """`alias` for modules that have several paths, and `tie` for weights that have."""
    aliases: dict[str, str] = {}
    for module in recording.modules:
        inside = f"{module.path}."
        if any(name == module.path or name.startswith(inside) for name in names):
            for other in module.others:
                inner = any(other.startswith(f"{known}.") for known in aliases)
                if not inner and has_alias(recording, other):
                    aliases[other] = module.path
    ties = {
        other: tensor.path
        for tensor in recording.tensors
        if tensor.kind == "parameter"
        for other in tensor.others
        if not any(other.startswith(f"{known}.") for known in aliases)
    }
    return {**({"tie": ties} if ties else {}), **({"alias": aliases} if aliases else {})}


def _last(path: str) -> str:
    words = [word for word in path.split(".") if not word.isdigit()]
    return words[-1] if words else "layer"


def input_names(recording: Recording) -> list[str]:
    """The names of the inputs: those that they have, or else those that `forward` has for them."""
    unnamed = (name for name in recording.parameters if name not in ("args", "input", "self"))
    names = [one.name or next(unnamed, "") for one in recording.inputs]
    names = [name or f"x{place or ''}" for place, name in enumerate(names)]
    first = recording.inputs[0]
    taken = recording.by_path.keys() | recording.held.keys()
    if not names[1:] and first.dtype == "float32" and first.high is None:
        name = first.name or "input"
        return [f"{name}_" if name in taken else name]
    return [f"{name}_" if name in taken or why_no_variable(name) else name for name in names]


def declared_inputs(recording: Recording) -> dict[str, Any]:
    """The key `input` or `inputs`."""
    declared: dict[str, Any] = {}
    for one, name in zip(recording.inputs, input_names(recording), strict=True):
        bounds = {} if one.high is None else {"range": [one.low or 0, one.high]}
        types = {} if one.dtype == "float32" else {"dtype": one.dtype}
        shape = [*one.shape]
        declared[name] = {"shape": shape, **types, **bounds} if bounds or types else shape
    return declared if [*declared] == ["input"] else {"inputs": declared}


def tensor_step(tensor: Tensor) -> Step:
    """The step that makes a parameter or a buffer."""
    arguments: Mapping[str, Any]
    if tensor.kind == "parameter":
        arguments = {"shape": [*tensor.shape], **_initial(tensor)}
        return Step("Parameter", (), (), arguments, tensor.path)
    formula = formula_of(tensor)
    if formula is not None:
        types = {} if tensor.dtype == "float32" else {"dtype": tensor.dtype}
        arguments = {"value": formula, **types}
    elif comes_by_loading(tensor):
        types = {} if tensor.dtype == "float32" else {"dtype": tensor.dtype}
        arguments = {"shape": [*tensor.shape], **types}
    else:
        arguments = buffer_arguments(tensor.value or (), tensor.shape, tensor.dtype)
    kept = {} if tensor.persistent else {"persistent": False}
    return Step("Buffer", (), (), {**arguments, **kept}, tensor.path)


def formula_of(tensor: Tensor) -> str | None:
    """The formula for the numbers of a buffer that a `state_dict` has, if it comes near to them."""
    known = tensor.kind == "buffer" and tensor.persistent and tensor.dtype.startswith("float")
    return waves(tensor.value, tensor.shape) if known and tensor.value is not None else None


MOST_NUMBERS = 10_000  # of a buffer that follow no rule and are written
MOST_WRITTEN = 80_000  # of one that no `state_dict` has: more would be too long a spec


def comes_by_loading(tensor: Tensor) -> bool:
    """Whether a buffer is written by its shape, because a `state_dict` has its many numbers."""
    if not tensor.persistent or formula_of(tensor) is not None:
        return False
    if tensor.value is None:
        return True
    return len(tensor.value) > MOST_NUMBERS and _follows_no_rule(tensor)


def _follows_no_rule(tensor: Tensor) -> bool:
    """Whether a buffer's numbers have to be written one by one."""
    elements = tensor.value or ()
    if tensor.dtype.startswith("float") and len({*elements[:MOST_WRITTEN]}) > MOST_WRITTEN // 2:
        return True  # so many that differ are tried in vain, for minutes
    value = buffer_arguments(elements, tensor.shape, tensor.dtype)["value"]
    return isinstance(value, list)


def read_buffers(recording: Recording) -> list[Tensor]:
    """The buffers that calls read on which the output hangs, each once."""
    read = dict.fromkeys(
        one.path
        for event in needed_events(recording)
        for one in reads_of(event)
        if isinstance(one, Held)
    )
    tensors = map(recording.held.__getitem__, read)
    return [one for one in tensors if one.kind == "buffer"]


def _initial(tensor: Tensor) -> dict[str, Any]:
    rule = None if tensor.initial is None else tensor.initial.rule
    if rule is None and tensor.fill is not None:
        rule = Rule("constant_", (("val", tensor.fill),))
        rule = Rule("zeros_") if tensor.fill == 0 else Rule("ones_") if tensor.fill == 1 else rule
    return {"init": rule_as_written(rule)} if rule not in (None, Rule("zeros_")) else {}
