"""An exported program as a network: its weights under their paths, its calls in their order."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import Any

import torch
from torch import nn
from torch._ops import HigherOrderOperator, OpOverload
from torch.export import ExportedProgram
from torch.export.graph_signature import ConstantArgument, InputKind, OutputKind
from torch.fx import GraphModule, Node
from torch.fx.node import map_arg
from torch.utils import _pytree as pytree

from .batches import Rebatched
from .comparison import by_parts
from .names import first_line
from .programs import Wanted
from .record import Unrecordable
from .recorded import BATCH, Place

_TRAINING = ("training", "train")  # arguments that say whether an operator trains
# what holds a size or a type against what it was, and computes nothing
_CHECKS = ("_assert", "sym_constrain_range")
# programs in a program that are run as they are
_PLAIN = ("wrap_with_set_grad_enabled", "wrap_with_autocast")


class _Kept:
    """What all copies of a network share; `exact` and `place` are those of the run in progress."""

    def __init__(self, program: ExportedProgram, wanted: Wanted) -> None:
        self.program = program
        self.wanted = wanted
        self.exact = False
        self.place = Place()
        signature = program.graph_signature
        self.held = {
            spec.arg.name: str(spec.target)
            for spec in signature.input_specs
            if spec.kind in (InputKind.PARAMETER, InputKind.BUFFER, InputKind.CONSTANT_TENSOR)
        }
        buffers = {n for n, path in self.held.items() if path in signature.buffers}
        self.trains = any(map(_trains, program.graph.nodes))
        # buffers that a run changes
        self.changes = {str(x.target) for x in signature.output_specs if _mutates(x)}
        self.writes = {
            node for node in program.graph.nodes if _in_place(node) and node.args[0].name in buffers
        }
        # the dimension of the batch in each output, once it is known
        self.batched: list[int | None] = []

    def __deepcopy__(self, memo: Any) -> _Kept:
        return self


def exported_network(program: ExportedProgram, wanted: Wanted) -> Exported:
    """The network of a program, of a class that is called as the one that was exported."""
    kept = _Kept(program, wanted)
    _check_sayable(kept)
    name = next(filter(None, map(_class_name, program.graph.nodes)), "Program")
    made: type[Exported] = type(name, (Exported,), {})
    return made(kept)


class Exported(nn.Module):
    """A program that computes what it did when it was exported, with the weights that it has now.

    One that was exported in training mode leaves out what belongs to training when it evaluates.
    One that was exported for one batch computes others with its literals changed; where it is
    `exact`, it computes them by parts of that batch, as it is.
    """

    def __init__(self, kept: _Kept) -> None:
        super().__init__()
        self.kept = kept  # and nothing else, as modules of the program may be called so
        program = kept.program
        passing = program.graph_signature.non_persistent_buffers
        known: dict[Any, torch.Tensor] = {}  # a file has a shared weight under each of its names
        for path, tensor in {**program.state_dict, **program.constants}.items():
            if isinstance(tensor, torch.Tensor):
                one = known.setdefault(_identity(tensor), tensor)
                self._hold(path, one, path not in passing)
        self.train(kept.trains)

    def _hold(self, path: str, tensor: torch.Tensor, persistent: bool) -> None:
        """Give a tensor to the module that had it."""
        owner, _, name = path.rpartition(".")
        module = self.module(owner)
        signature = self.kept.program.graph_signature
        if isinstance(tensor, nn.Parameter):
            module.register_parameter(name, tensor)
        elif path in signature.buffers or path in self.kept.program.state_dict:
            module.register_buffer(name, tensor, persistent)
        else:
            setattr(module, name, tensor)

    def module(self, path: str) -> nn.Module:
        """The module at a path, which is made if it is not there.

        It may be called as something that this class has, so `add_module` would refuse it.
        """
        found: nn.Module = self
        for part in filter(None, path.split(".")):
            inner = found._modules.get(part)
            if inner is None:
                inner = found._modules[part] = nn.Module()
            found = inner
        return found

    @property
    def place(self) -> Place:
        """Where the node is from that is being run."""
        return self.kept.place

    @property
    def untrained(self) -> str:
        """Why nothing is known of the network's training; empty if all is."""
        if not self.kept.trains:
            return "the program was exported in evaluation mode"
        return "the program was exported for one batch" if self.kept.wanted.batch else ""

    @property
    def note(self) -> str:
        """What is to be said of a comparison with it."""
        own = self.kept.wanted.batch
        told = f"the program takes a batch of {own} only, and was run for each such part"
        return told if own else ""

    def forward(self, *args: torch.Tensor, **named: torch.Tensor) -> Any:
        names = [one.name for one in self.kept.wanted.inputs[len(args) :]]
        inputs = [*args, *(named[name] for name in names)]
        own = self.kept.wanted.batch
        if not self.kept.exact or own in (0, self._batch(inputs)):
            return self._packed(self._run(inputs))
        return self._packed(by_parts(self._run, inputs, self._places(), own, self.kept.batched))

    def _places(self) -> list[int]:
        return [one.whole.index(BATCH) for one in self.kept.wanted.inputs]

    def _batch(self, inputs: Sequence[torch.Tensor]) -> int:
        """The batch of inputs."""
        return inputs[0].shape[self._places()[0]]

    def _run(self, inputs: Sequence[torch.Tensor]) -> list[Any]:
        """The outputs for inputs, in the order in which they come out of the program."""
        program, wanted = self.kept.program, self.kept.wanted
        given = iter(inputs)
        taken: list[Any] = []
        for spec in program.graph_signature.input_specs:
            if spec.kind is not InputKind.USER_INPUT:
                taken.append(self._tensor(self.kept.held[spec.arg.name]))
            elif isinstance(spec.arg, ConstantArgument):
                taken.append(spec.arg.value)
            else:
                taken.append(next(given))
        batch, own = self._batch(inputs), wanted.batch
        other = Rebatched(own, batch) if own not in (0, batch) else None
        found = _Run(self, inputs[0].device, other).graph(program.graph_module, taken)
        specs = program.graph_signature.output_specs
        outputs = []
        for spec, node, value in zip(specs, _ends(program), found, strict=True):
            if spec.kind is OutputKind.USER_OUTPUT:
                outputs.append((node, value))
            elif self.training and _mutates(spec):
                with torch.no_grad():
                    self._tensor(str(spec.target)).copy_(value)
        if other is not None:
            self.kept.batched = [other.place(node, value) for node, value in outputs]
        return [value for _, value in outputs]

    def _tensor(self, path: str) -> torch.Tensor:
        owner, _, name = path.rpartition(".")
        found: torch.Tensor = getattr(self.module(owner), name)
        return found

    def _packed(self, outputs: Sequence[Any]) -> Any:
        spec = self.kept.program.call_spec.out_spec
        return outputs[0] if spec is None else pytree.tree_unflatten([*outputs], spec)


def _identity(tensor: torch.Tensor) -> Any:
    """What a tensor shares with those that are the same one."""
    if not tensor.numel():
        return id(tensor)
    where = (tensor.data_ptr(), tensor.dtype, isinstance(tensor, nn.Parameter))
    return (*where, tuple(tensor.shape), tensor.stride())


class _Run:
    """One run of a program."""

    def __init__(
        self, network: Exported, device: torch.device, rebatched: Rebatched | None
    ) -> None:
        self.network = network
        self.device = device
        self.rebatched = rebatched

    def graph(self, module: GraphModule, inputs: Sequence[Any]) -> Any:
        """What a graph gives for inputs."""
        values: dict[Node, Any] = {}
        given = iter(inputs)
        for node in module.graph.nodes:
            if node.op == "placeholder":
                values[node] = next(given)
            elif node.op == "get_attr":
                values[node] = attrgetter(str(node.target))(module)
            elif node.op == "output":
                return map_arg(node.args[0], values.__getitem__)
            else:
                self.network.kept.place = place_of(node)
                try:
                    values[node] = self.call(node, values)
                except Exception as error:
                    raise self.noted(error, node) from None
        raise AssertionError

    def call(self, node: Node, values: Mapping[Node, Any]) -> Any:
        """What the call of a node gives."""
        function: Any = node.target
        args, named = map_arg((node.args, node.kwargs), values.__getitem__)
        if isinstance(function, HigherOrderOperator):
            return self.inner(function, args)
        if not isinstance(function, OpOverload):
            return function(*args, **named)
        if function._schema.name.removeprefix("aten::").startswith(_CHECKS):
            return None
        if node in self.network.kept.writes and not self.network.training:
            return args[0]  # a count of training steps
        given = self.arguments(node, function, args, named)
        self.tell_norm(node, function, given)
        if self.rebatched is not None:
            return self.rebatched.call(node, function, given, values)
        return function(**given)

    def arguments(
        self, node: Node, function: OpOverload, args: Sequence[Any], named: Mapping[str, Any]
    ) -> dict[str, Any]:
        """The arguments of an operator by name, without those that are its defaults."""
        schema = function._schema.arguments
        given = {**dict(zip((x.name for x in schema), args, strict=False)), **named}
        found = {}
        for x in schema:
            if x.name not in given:
                continue
            value = given[x.name]
            if x.name in _TRAINING:
                value = value and (self.network.training or not _has_statistics(node, function))
            elif x.name == "device" and value is not None:
                value = self.device
            if x.name == "pin_memory" or (x.has_default_value() and _is(value, x.default_value)):
                continue
            found[x.name] = value
        return found

    def inner(self, function: HigherOrderOperator, args: Sequence[Any]) -> Any:
        """What a program in a program gives."""
        place = next(i for i, x in enumerate(args) if isinstance(x, GraphModule))
        return self.graph(args[place], args[place + 1 :])

    def tell_norm(self, node: Node, function: OpOverload, given: Mapping[str, Any]) -> None:
        """Call the hooks of a norm, which sees what is normalized."""
        mean = _argument(node, function, "running_mean")
        path = self.network.kept.held.get(mean.name, "") if isinstance(mean, Node) else ""
        if path:
            owner = self.network.module(path.rpartition(".")[0])
            for hook in owner._forward_pre_hooks.values():
                hook(owner, (given["input"],), {})  # as `told_apart` has set it

    def noted(self, error: Exception, node: Node) -> Exception:
        """An error with the node that raised it."""
        if isinstance(error, Unrecordable):
            return error
        text = first_line(error)
        message = f"`{node.target}` (node `{node.name}`) raised {type(error).__name__}: {text}"
        if self.rebatched is not None:
            message = (
                f"the program was exported for the batch {self.rebatched.old}, and with "
                f"{self.rebatched.new} {message}: export it with `dynamic_shapes`, or say with "
                "--input where the batch N stands"
            )
        return Unrecordable(message, place_of(node).source)


def _argument(node: Node, function: OpOverload, *names: str) -> Any:
    """The argument that an operator's call has under one of these names; `None` for none."""
    for place, x in enumerate(function._schema.arguments):
        if x.name in names:
            return node.args[place] if place < len(node.args) else node.kwargs.get(x.name)
    return None


def _is(value: Any, default: Any) -> bool:
    """Whether an argument is the default."""
    return type(value) is type(default) and not isinstance(value, torch.Tensor) and value == default


def _ends(program: ExportedProgram) -> list[Any]:
    """The nodes that come out of a program."""
    return [*program.graph.output_node().args[0]]


def _mutates(spec: Any) -> bool:
    return spec.kind in (OutputKind.BUFFER_MUTATION, OutputKind.USER_INPUT_MUTATION)


def _in_place(node: Node) -> bool:
    """Whether a node changes the tensor that it reads."""
    function = node.target
    if node.op != "call_function" or not isinstance(function, OpOverload):
        return False
    return function._schema.name.endswith("_") and isinstance(node.args[0], Node)


def _trains(node: Node) -> bool:
    """Whether a node does what is done in training only."""
    function = node.target
    if node.op != "call_function" or not isinstance(function, OpOverload):
        return False
    return _argument(node, function, *_TRAINING) is True and _has_statistics(node, function)


def _has_statistics(node: Node, function: OpOverload) -> bool:
    """Whether an operator does something else in evaluation: a norm without statistics does not."""
    names = {x.name for x in function._schema.arguments}
    held = isinstance(_argument(node, function, "running_mean"), Node)
    return held or "running_mean" not in names


def _check_sayable(kept: _Kept) -> None:
    """Raise `Unrecordable` for what can't be run as a network of ours."""
    if any(path[:1].isdecimal() for path in kept.program.state_dict):
        raise Unrecordable(
            "the program is that of an `nn.Sequential`, whose layers have numbers for names: "
            "export a module that holds it under a name"
        )
    for node in kept.program.graph.nodes:
        function = node.target
        if isinstance(function, HigherOrderOperator):
            name = str(function)
            if name not in _PLAIN or (name == _PLAIN[1] and node.args[2]):
                raise Unrecordable(f"it calls `{name}` (node `{node.name}`)", place_of(node).source)
    if kept.changes and not kept.trains:
        raise Unrecordable(f"evaluation changes `{min(kept.changes)}`, which it holds")
    for node in kept.writes:
        if not kept.trains:
            what = f"evaluation changes `{kept.held[node.args[0].name]}`, which it holds"
            raise Unrecordable(what, place_of(node).source)


def _class_name(node: Node) -> str:
    """The name of the class that was exported, from the stack of modules of a node."""
    stack = node.meta.get("nn_module_stack") or {}
    path, type = next(iter(stack.values()), ("-", ""))
    return (type if isinstance(type, str) else type.__name__).rpartition(".")[2] if not path else ""


_LINE = re.compile(r'File "(.+?)", line (\d+)')
_LIBRARY = re.compile(r"[\\/](site-packages|dist-packages|lib)[\\/](.*[\\/])?torch[\\/]")


def place_of(node: Node) -> Place:
    """Where a node comes from."""
    stack = node.meta.get("nn_module_stack") or {}
    path = [*stack.values()][-1][0] if stack else ""
    lines = _LINE.findall(node.meta.get("stack_trace") or "")
    own = [f"{file}:{line}" for file, line in lines if not _LIBRARY.search(file)]
    return Place(path.partition("@")[0], own[-1] if own else "", node.name)
