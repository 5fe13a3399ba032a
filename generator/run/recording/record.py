"""What a network does when it is called: its runs, watched call by call."""

from __future__ import annotations

import copy
import inspect
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from traceback import clear_frames
from types import MappingProxyType
from typing import Any

import torch
from torch import nn
from torch._ops import OpOverload
from torch.nn.modules import transformer
from torch.overrides import TorchFunctionMode, resolve_name

from .agreement import Differs, Run, agreed
from .constants import constants_of
from .modules import Keep, layer_of, modules_of, tensors_of
from .names import Names, name_in_python
from .recorded import (
    CHANGED,
    READS,
    UNSEEN,
    Constant,
    Enter,
    Event,
    FunctionCall,
    Held,
    Input,
    Leave,
    Meta,
    ModuleCall,
    Place,
    Recording,
    Tree,
    Value,
)
from .runs import Limits, Sizes, choices


class Unrecordable(Exception):
    """The network can't be run, or does not do the same each time; `source` is where."""

    def __init__(self, message: str, source: str = "") -> None:
        super().__init__(message)
        self.source = source


def record(
    network: nn.Module,
    inputs: Sequence[Input],
    keep: Keep = frozenset(),
    limits: Limits = MappingProxyType({}),
) -> Recording:
    """The recording of a network in evaluation mode; raises `Unrecordable`.

    It is run on the meta device, or with numbers if its code looks at them. Modules of the classes
    to `keep` are taken down as layers.
    """
    failed: list[Exception] = []
    for sizes in choices(inputs, limits):
        with suppress(Exception):  # it looks at numbers, or takes no such sizes
            return _recorded(network, inputs, keep, sizes, "meta")
        try:
            return _recorded(network, inputs, keep, sizes, "cpu")
        except Exception as error:
            clear_frames(error.__traceback__)  # which hold a copy of the network
            failed.append(error)
    # the usual sizes come first; but how runs differ says more than why one could not be made
    raise next((error for error in failed if isinstance(error, Differs)), failed[0])


def _recorded(
    network: nn.Module,
    inputs: Sequence[Input],
    keep: Keep,
    sizes: Sequence[Sizes],
    device: str,
) -> Recording:
    runs = [_run(network, inputs, keep, each, device) for each in sizes]
    if device == "meta" and len(runs) > 2:  # do numbers fit, too, such as positions in a table?
        for each in sizes[2:]:
            _run(network, inputs, keep, each, "cpu")
    try:
        return _together(network, inputs, keep, sizes, runs)
    except Differs as error:
        error.first = _together(network, inputs, keep, [sizes[0]] * 2, runs[:1] * 2)
        raise


def _together(
    network: nn.Module,
    inputs: Sequence[Input],
    keep: Keep,
    sizes: Sequence[Sizes],
    runs: Sequence[Run],
) -> Recording:
    """The recording of runs with these sizes; raises `Differs`."""
    values, events, output = agreed(runs)
    wanted = constants_of(events, values)
    constants: tuple[Constant, ...] = ()
    if wanted:  # once more with numbers, to see them
        constants = _run(network, inputs, keep, sizes[0], "cpu", wanted).constants
    called = {event.path for event in events if isinstance(event, ModuleCall)}
    return Recording(
        inputs=tuple(inputs),
        runs=tuple(tuple(each.items()) for each in sizes),
        modules=tuple(modules_of(network, Names(network), keep)),
        parameters=tuple(inspect.signature(type(network).forward).parameters)[1:],
        tensors=tuple(tensors_of(network, keep, called)),
        keys=tuple(network.state_dict()),
        values=values,
        events=events,
        output=output,
        constants=constants,
    )


def _run(
    network: nn.Module,
    inputs: Sequence[Input],
    keep: Keep,
    sizes: Sizes,
    device: str,
    wanted: frozenset[int] = frozenset(),
) -> Run:
    """One run of a copy, so that nothing is left from the run before.

    The elements of the values that are `wanted` are taken down, and nothing after them.
    """
    twin = copied(network, device).eval()
    tensors = [sample(one, sizes, device) for one in inputs]
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(0)
        watcher = _Watcher(twin, tensors, keep, wanted)
        with torch.device(device), watcher:
            return watcher.run(tensors, [one.name for one in inputs])


def copied(network: nn.Module, device: str) -> nn.Module:
    """A copy of the network on a device; on the meta device no weight is copied."""
    memo: dict[int, Any] = {}
    if device == "meta":
        for module in network.modules():
            held = [*module._parameters.values(), *module._buffers.values()]
            held += [x for x in vars(module).values() if isinstance(x, torch.Tensor)]
            for tensor in held:
                if tensor is not None and id(tensor) not in memo:
                    empty = tensor.detach().to("meta")
                    if isinstance(tensor, nn.Parameter):
                        empty = nn.Parameter(empty, tensor.requires_grad)
                    memo[id(tensor)] = empty
    return copy.deepcopy(network, memo)


def sample(one: Input, sizes: Sizes, device: str) -> torch.Tensor:
    """A sample of an input with these sizes."""
    shape = [sizes[x] if isinstance(x, str) else x for x in one.whole]
    dtype: torch.dtype = getattr(torch, one.dtype)
    if device == "meta":
        return torch.empty(shape, dtype=dtype, device="meta")
    low = 0 if one.low is None else one.low
    if dtype == torch.bool:
        return torch.ones(shape, dtype=dtype)
    if dtype.is_floating_point or dtype.is_complex:
        real = torch.randn(shape, dtype=dtype)
        return real if one.high is None else torch.rand(shape).to(dtype) * (one.high - low) + low
    return torch.randint(low, low + 2 if one.high is None else one.high, shape, dtype=dtype)


class _Seen(BaseException):
    """All elements that are wanted have been taken down: no need to run on."""


class _Numbers(Names):
    """The tensors of a run with their numbers."""

    def __init__(self, network: nn.Module, wanted: frozenset[int]) -> None:
        super().__init__(network)
        self.network = network
        self.wanted = wanted
        self.constants: list[Constant] = []
        self.values: list[Meta] = []
        self.events: list[Event] = []
        # the number of each tensor, and how often it had been written to
        self.known: dict[int, tuple[torch.Tensor, int, int]] = {}
        self.held: dict[int, str] = {}
        self.alive = [*_held(network)]  # a module may let go of one, and another get its `id`
        for path, tensor in self.alive:
            self.held.setdefault(id(tensor), path)

    def new(self, tensor: torch.Tensor) -> Value:
        """A tensor with its next number."""
        self.values.append(Meta(tuple(tensor.shape), name_in_python(tensor.dtype)))
        number = len(self.values) - 1
        self.known[id(tensor)] = (tensor, number, tensor._version)
        if number in self.wanted:
            elements = tuple(tensor.detach().reshape(-1).tolist())
            self.constants.append(Constant(number, elements))
            if len(self.constants) == len(self.wanted):
                raise _Seen
        return Value(number)

    def tensor(self, tensor: torch.Tensor) -> Tree:
        """A tensor that is read: what was written to by another name is another value."""
        if id(tensor) in self.held:
            return Held(self.held[id(tensor)])
        if id(tensor) not in self.known:
            where = self.source()
            made = self.new(tensor)
            self.events.append(FunctionCall(UNSEEN, (), (), made, "", where))
            return made
        _, number, version = self.known[id(tensor)]
        if tensor._version == version:
            return Value(number)
        made = self.new(tensor)
        where = self.source()
        self.events.append(FunctionCall(CHANGED, (Value(number),), (), made, "", where))
        return made

    def source(self) -> str:
        """The line of the code that is being run."""
        known = program_place(self.network)
        return source_line() if known is None else known.source

    def given(self, result: Any, inputs: Sequence[torch.Tensor], before: Sequence[int]) -> Any:
        """What a call gives, with new numbers; what is an input itself gets another name."""
        changed = {id(x) for x, old in zip(inputs, before, strict=True) if x._version != old}
        same = {id(x) for x in inputs} - changed
        return self._numbered(result, same)

    def _numbered(self, result: Any, same: set[int]) -> Any:
        if isinstance(result, torch.Tensor):
            if id(result) in same or id(result) in self.held:
                result = result.view_as(result)
            self.new(result)
            return result
        if type(result) in (tuple, list):
            return type(result)(self._numbered(item, same) for item in result)
        for tensor in tensors_in(result):  # a type of its own, such as that of `torch.max`
            self.new(tensor)
        return result


class _Watcher(TorchFunctionMode):
    """Writes down the calls of modules and functions while it is entered."""

    def __init__(
        self,
        network: nn.Module,
        inputs: Sequence[torch.Tensor],
        keep: Keep,
        wanted: frozenset[int],
    ) -> None:
        super().__init__()
        self.network = network
        self.keep = keep
        self.numbers = _Numbers(network, wanted)
        for tensor in inputs:
            self.numbers.new(tensor)
        self.scopes: list[str] = []
        self.quiet = 0
        self.layers: dict[int, str] = {}
        self.original = nn.Module.__call__
        self.detect = transformer._detect_is_causal_mask

    def run(self, inputs: Sequence[torch.Tensor], names: Sequence[str]) -> Run:
        """What the network's run with these inputs leaves."""
        by_name = {n: x for n, x in zip(names, inputs, strict=True) if n}
        by_place = [x for n, x in zip(names, inputs, strict=True) if not n]
        numbers = self.numbers
        try:
            output = self.network(*by_place, **by_name)
        except _Seen:
            return Run((), (), None, tuple(numbers.constants))
        with self.unwatched():
            tree = numbers.tree(output)
        made = (tuple(numbers.values), tuple(numbers.events), tree)
        return Run(*made, tuple(numbers.constants))

    def __enter__(self) -> _Watcher:
        watcher = self

        def called(module: nn.Module, *args: Any, **named: Any) -> Any:
            return watcher.module(module, args, named)

        nn.Module.__call__ = called  # type: ignore[method-assign]
        transformer._detect_is_causal_mask = _hinted
        super().__enter__()  # type: ignore[no-untyped-call]
        return self

    def __exit__(self, *error: object) -> None:
        nn.Module.__call__ = self.original  # type: ignore[method-assign]
        transformer._detect_is_causal_mask = self.detect
        super().__exit__(*error)  # type: ignore[no-untyped-call]

    def module(self, module: nn.Module, args: Sequence[Any], named: Mapping[str, Any]) -> Any:
        """Call a module, and write down the call of a layer, or what happens in it."""
        path = self.numbers.paths.get(id(module))
        if self.quiet or path is None:  # inside of a layer, or not of this network
            return self.original(module, *args, **named)
        if id(module) not in self.layers:
            self.layers[id(module)] = layer_of(module, self.keep) if path else ""
        if not self.layers[id(module)]:
            return self.frame(module, path, args, named)
        with self.unwatched():
            source, scope = source_line(), self.scope
            _, words = self.arguments((), _by_name(module, args, named))
            inputs = [*tensors_in((args, named))]
            before = [x._version for x in inputs]
            result = self.original(module, *args, **named)
            result = self.numbers.given(result, inputs, before)
            call = ModuleCall(path, words, self.numbers.tree(result), scope, source)
            self.numbers.events.append(call)
        return result

    @contextmanager
    def unwatched(self) -> Iterator[None]:
        """Write down nothing in the ``with`` block."""
        self.quiet += 1
        try:
            yield
        finally:
            self.quiet -= 1

    def frame(
        self, module: nn.Module, path: str, args: Sequence[Any], named: Mapping[str, Any]
    ) -> Any:
        """Call a module, and write down what happens in it."""
        with self.unwatched():
            trees, words = self.arguments(args, named)
        self.numbers.events.append(Enter(path, trees, words, source_line()))
        self.scopes.append(path)
        try:
            result = self.original(module, *args, **named)
        finally:
            self.scopes.pop()
        with self.unwatched():
            self.numbers.events.append(Leave(path, self.numbers.tree(result)))
        return result

    def arguments(
        self, args: Sequence[Any], named: Mapping[str, Any]
    ) -> tuple[tuple[Tree, ...], tuple[tuple[str, Tree], ...]]:
        """The arguments of a call as records."""
        tree = self.numbers.tree
        return tuple(map(tree, args)), tuple((name, tree(x)) for name, x in named.items())

    def __torch_function__(
        self,
        func: Any,
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        named = kwargs or {}
        if self.quiet:
            return func(*args, **named)
        inputs = [*tensors_in((args, named))]
        before = [x._version for x in inputs]
        trees: Any = None
        if any(id(x) in self.numbers.known or id(x) in self.numbers.held for x in inputs):
            trees = self.arguments(args, named)  # before they may be written to
        result = func(*args, **named)
        written = [x for x, old in zip(inputs, before, strict=True) if x._version != old]
        name = name_of(func)
        if not written and name not in READS and not any(True for _ in tensors_in(result)):
            return result  # a shape, a type: nothing that is computed
        at = self.place()
        if trees is None:
            trees = self.arguments(args, named)
        result = self.numbers.given(result, inputs, before)
        given = {id(x) for x in tensors_in(result)}
        writes = tuple(
            (trees[0][0], self.numbers.new(x).number)
            for x in written[:1]
            if id(x) not in given and trees[0]
        )
        made = self.numbers.tree(result)
        args_, named_ = trees
        call = FunctionCall(name, args_, named_, made, at.scope, at.source, writes, at.node)
        self.numbers.events.append(call)
        return result

    @property
    def scope(self) -> str:
        """The path of the module whose code is running; of a graph, the node that it is `doing`."""
        module = self.scopes[-1] if self.scopes else ""
        return module or str(getattr(self.network, "doing", ""))

    def place(self) -> Place:
        """Where a call comes from: the code, or the program of `torch.export` that is run."""
        known = program_place(self.network)
        return known or Place(self.scope, source_line())


def _hinted(mask: Any, is_causal: bool | None = None, size: int | None = None) -> bool:
    """Whether a mask is said to be causal; torch looks at its numbers, to be faster if it is."""
    return is_causal is True


def program_place(network: nn.Module) -> Place | None:
    """Where the program of `torch.export` is that a network runs, if it runs one."""
    known = getattr(network, "place", None)
    return known if isinstance(known, Place) else None


def _by_name(module: nn.Module, args: Sequence[Any], named: Mapping[str, Any]) -> Mapping[str, Any]:
    """The arguments of a module's `forward`, each by its name."""
    names = [*inspect.signature(type(module).forward).parameters][1:]
    return {**dict(zip(names, args, strict=False)), **named}


def name_of(function: Any) -> str:
    """The full name of a function or method of torch, as its documentation has it.

    An operator, as programs of `torch.export` call them, is called ``aten.view``.
    """
    if isinstance(function, OpOverload):
        return function._schema.name.replace("::", ".")
    own = getattr(function, "__name__", "")
    if getattr(torch, own, None) == function:  # `spmm` is another name of `mm`
        return f"torch.{own}"
    name = resolve_name(function) or name_in_python(function)
    return name.removesuffix(".__get__")


def tensors_in(x: Any) -> Iterator[torch.Tensor]:
    """The tensors in arguments or results, in order."""
    if isinstance(x, torch.Tensor):
        yield x
    elif isinstance(x, Mapping):
        for item in x.values():
            yield from tensors_in(item)
    elif isinstance(x, (tuple, list)) and not isinstance(x, torch.Size):
        for item in x:
            yield from tensors_in(item)


def _held(network: nn.Module) -> Iterator[tuple[str, torch.Tensor]]:
    """The tensors of a network by path: parameters, buffers, and others that modules have."""
    yield from network.named_parameters()
    yield from network.named_buffers()
    for path, module in network.named_modules():
        for name, value in vars(module).items():
            if isinstance(value, torch.Tensor):
                yield f"{path}.{name}" if path else name, value


_OWN = str(__file__).rpartition("run")[0]
_PYTHON = str(inspect.__file__).rpartition("inspect")[0] + "importlib"
_TORCH = str(torch.__file__).rpartition("__init__")[0]


def is_own_code(file: str) -> bool:
    """Whether a file is neither torch's nor netgen's, nor Python's own."""
    return not file.startswith((_OWN, _TORCH, _PYTHON, "<"))


def source_line() -> str:
    """The line of the network's code that is being run, with its file."""
    frame = sys._getframe(1)
    while frame is not None:
        file = frame.f_code.co_filename
        if is_own_code(file):
            return f"{file}:{frame.f_lineno}"
        frame = frame.f_back  # type: ignore[assignment]
    return ""
