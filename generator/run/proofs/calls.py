"""Records the calls of torch's functions that a network makes, to compare two networks.

A recorder sees each call of a torch function with its arguments and results. Each tensor is named
by its origin: an input, a weight's name, or the number of the call that returned it. Two networks
that make the same calls in the same order compute the same.
"""

from __future__ import annotations

import mmap
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any, Self

import torch
from msgspec import Struct, field
from torch import nn
from torch.overrides import TorchFunctionMode

LARGE = 4096  # elements: calls with smaller results are always computed
_RANDOM = frozenset(
    """uniform_ normal_ trunc_normal_ xavier_uniform_ xavier_normal_ kaiming_uniform_
    kaiming_normal_ orthogonal_ sparse_""".split()
)


class Step(Struct, frozen=True):
    """A call of a function: its arguments as text, and the shapes and types of its results."""

    function: str
    given: str
    gives: tuple[str, ...]


class Known(Struct):
    """A cache of the results of torch's functions in this process, by shapes and options.

    It replaces computing: a convolution with the same shapes and options returns a tensor of the
    same shape, so a second call costs nothing. Only shapes and types are kept, and only of large
    results that are new tensors, or arguments that the call changes in place. Views and small
    results are always computed. `tests/test_members.py` compares it with runs that compute
    everything.
    """

    new: dict[Any, tuple[torch.Size, torch.dtype]] = field(default_factory=dict)
    given: dict[Any, int] = field(default_factory=dict)  # the index of the argument returned

    def recall(self, key: Any, given: Any) -> torch.Tensor | None:
        """The cached result: zeros of its shape, or the argument that the call changes in place.

        ``None`` if no such call is known.
        """
        if key in self.given:
            return [*tensors(given)][self.given[key]]
        return _zeros(*self.new[key]) if key in self.new else None

    def note(self, key: Any, given: Any, result: Any) -> None:
        """Cache a call's result, if later calls can use it."""
        if not isinstance(result, torch.Tensor) or result.numel() < LARGE:
            return
        for place, value in enumerate(tensors(given)):
            if value is result:
                self.given[key] = place
                return
        plain = result.device.type == "cpu" and result.layout is torch.strided
        if not plain or not result.is_contiguous() or result.dtype is torch.bool:
            return
        if all(_address(result) != _address(value) for value in tensors(given)):
            self.new[key] = (result.shape, result.dtype)


KNOWN = Known()


def _zeros(shape: torch.Size, dtype: torch.dtype) -> torch.Tensor:
    """Zeros in mapped pages, which take no memory until they are written."""
    pages = mmap.mmap(-1, shape.numel() * dtype.itemsize)
    return torch.frombuffer(pages, dtype=dtype).view(shape)


class Recorder(TorchFunctionMode):
    """Records each call of a torch function that returns a tensor.

    Args:
        names: The names of tensors that exist before. (A tensor is a key by identity.)
        known: The cache of results; ``None`` to compute everything.
    """

    def __init__(self, names: Mapping[torch.Tensor, str], known: Known | None = None) -> None:
        super().__init__()
        self.names = dict(names)  # keeps the tensors alive
        self.known = known
        self.steps: list[Step] = []
        self.has_empty = False  # whether a call gave a tensor without elements

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        result = self.known and self.computed(func, args, kwargs)
        if result is None:
            result = func(*args, **kwargs)
        found = list(tensors(result))
        if found:
            given = self.told([*args, kwargs] if kwargs else args)
            for place, value in enumerate(found):
                self.names.setdefault(value, f"{len(self.steps)}.{place}")
                self.has_empty |= not value.numel()
            name = getattr(func, "__name__", repr(func))
            self.steps.append(Step(name, given, tuple(map(_facts, found))))
        return result

    def computed(self, func: Any, args: Any, kwargs: Any) -> Any:
        """A call's result: from the cache, or computed and cached."""
        assert self.known is not None
        key = _key(func, args, kwargs)
        result = self.known.recall(key, (args, kwargs))
        if result is None:
            result = func(*args, **kwargs)
            self.known.note(key, (args, kwargs), result)
        return result

    def told(self, value: Any) -> str:
        """A value as text, with tensors by their recorded names."""
        return told(value, lambda tensor: self.names.get(tensor, "?"))


def told(value: Any, name: Callable[[torch.Tensor], str]) -> str:
    """A value as text, each tensor in it by its name."""
    if isinstance(value, torch.Tensor):
        return f"<{name(value)}>"
    if isinstance(value, (list, tuple)):
        return f"({', '.join(told(item, name) for item in value)})"
    if isinstance(value, dict):
        return ", ".join(f"{key}={told(own, name)}" for key, own in sorted(value.items()))
    return repr(value)


def _key(func: Any, args: Any, kwargs: Any) -> Any:
    """The cache's key of a call: equal for calls of one function with results of equal shapes."""
    return (func, _like(args), _like(kwargs))


def _like(value: Any) -> Any:
    """The part of the key for an argument: shape, type and device of tensors, else its `repr`."""
    if isinstance(value, torch.Tensor):
        return (value.shape, value.dtype, value.device.type)
    if isinstance(value, (list, tuple)):
        return tuple(map(_like, value))
    if isinstance(value, dict):
        return tuple((key, _like(own)) for key, own in sorted(value.items()))
    return (type(value), repr(value))


def tensors(value: Any) -> Iterator[torch.Tensor]:
    """The tensors in a value, in order."""
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from tensors(item)
    elif isinstance(value, dict):
        for item in value.values():
            yield from tensors(item)


def _facts(value: torch.Tensor) -> str:
    return f"{tuple(value.shape)} {str(value.dtype).removeprefix('torch.')}"


class Learner(TorchFunctionMode):
    """Caches the results of all calls in `KNOWN`."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        KNOWN.note(_key(func, args, kwargs), (args, kwargs), result)
        return result


class Weights(TorchFunctionMode):
    """Records what is done to each tensor while a network is constructed.

    A call of a function of `torch.nn.init` is one entry. Functions that draw random numbers take
    most of the time, so they are recorded but not run on large tensors.
    """

    def __init__(self) -> None:
        super().__init__()
        self.done: dict[int, list[str]] = {}
        self.kept: list[Any] = []  # keeps tensors alive, so that no address is used again
        self.functions: dict[str, Any] = {}

    def __enter__(self) -> Self:
        names = [name for name in vars(nn.init) if name.endswith("_") and name[0] != "_"]
        self.functions = {name: getattr(nn.init, name) for name in names}
        for name, function in self.functions.items():
            setattr(nn.init, name, partial(self.filled, name, function))
        super().__enter__()  # type: ignore[no-untyped-call]
        return self

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)  # type: ignore[no-untyped-call]
        for name, function in self.functions.items():
            setattr(nn.init, name, function)

    def filled(
        self, name: str, function: Any, tensor: torch.Tensor, *args: Any, **more: Any
    ) -> Any:
        """Record a call of a function of `torch.nn.init`, and run it unless it may be skipped."""
        if name not in _RANDOM or tensor.numel() < LARGE:
            with torch._C.DisableTorchFunction():
                function(tensor, *args, **more)
        self.note(tensor, f"{name}{told([*args, more], _facts)}")
        return tensor

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name, first = getattr(func, "__name__", ""), args[0] if args else None
        drawn = name in _RANDOM and isinstance(first, torch.Tensor) and first.numel() >= LARGE
        result = first if drawn else func(*args, **kwargs)
        for value in tensors(result):
            self.note(value, f"{name}{told([*args, kwargs] if kwargs else args, _facts)}")
        return result

    def note(self, value: torch.Tensor, what: str) -> None:
        self.kept.append(value)
        self.done.setdefault(_address(value), []).append(what)

    def history(self, value: torch.Tensor) -> list[str]:
        """The recorded calls on a weight, in order; empty for a weight without elements."""
        return self.done.get(_address(value), []) if value.numel() else []


def _address(value: torch.Tensor) -> int:
    """Where a tensor's elements lie, or the tensor itself if it is sparse."""
    return value.untyped_storage().data_ptr() if value.layout is torch.strided else id(value)


def names_of(network: nn.Module, inputs: Iterable[torch.Tensor]) -> dict[torch.Tensor, str]:
    """The names of inputs and weights for a `Recorder`."""
    found = {value: f"input {place}" for place, value in enumerate(inputs)}
    for name, value in (*network.named_parameters(), *network.named_buffers()):
        found.setdefault(value, name)
    return found
