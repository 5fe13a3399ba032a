"""How things of Python stand in records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import torch
from torch import nn

from .recorded import Fields, Items, Part, Span, Tree, Word


def name_in_python(x: Any) -> str:
    """The name of a class, a function or a type of torch; else the beginning of its `repr`."""
    if isinstance(x, (torch.dtype, torch.device, torch.memory_format)):
        return str(x).removeprefix("torch.") if isinstance(x, torch.dtype) else str(x)
    name = getattr(x, "__qualname__", None)
    if name is None:
        return repr(x)[:200]
    module = getattr(x, "__module__", None)
    return f"{module}.{name}" if module else str(name)


def first_line(error: BaseException, most: int = 300) -> str:
    """The first line of an error's text, as far as that is short."""
    return str(error).strip().split("\n")[0][:most]


class Names:
    """How things of Python stand in records; modules of the network by their paths."""

    def __init__(self, network: nn.Module) -> None:
        self.paths = {id(module): path for path, module in network.named_modules()}

    def tensor(self, tensor: torch.Tensor) -> Tree:
        """A tensor in a record."""
        return Word(f"a tensor of the shape {tuple(tensor.shape)}")

    def tree(self, x: Any) -> Tree:
        """An argument or a result as a record."""
        if x is None or isinstance(x, (bool, int, float, str)):
            kinds = (bool, int, float, str)
            return x if x is None else next(kind(x) for kind in kinds if isinstance(x, kind))
        if isinstance(x, torch.Tensor):
            return self.tensor(x)
        if isinstance(x, nn.Module):
            path = self.paths.get(id(x))
            return Word(type(x).__name__) if path is None else Part(path)
        if isinstance(x, Mapping):
            return Fields(tuple((str(name), self.tree(item)) for name, item in x.items()))
        if isinstance(x, (tuple, list)):
            return Items(tuple(map(self.tree, x)), isinstance(x, list))
        if isinstance(x, slice):
            return Span(self.tree(x.start), self.tree(x.stop), self.tree(x.step))
        if is_dataclass(x) and not isinstance(x, type):
            return Fields(tuple((f.name, self.tree(getattr(x, f.name))) for f in fields(x)))
        if _is_record(x):
            own = [(name, value) for name, value in vars(x).items() if not name.startswith("_")]
            return Fields(tuple((name, self.tree(value)) for name, value in own))
        return Word("..." if x is ... else name_in_python(x))


def _is_record(x: Any) -> bool:
    """Whether something is of a class of a network's own that only holds values."""
    plain = type(x).__module__.partition(".")[0] not in ("builtins", "torch", "functools")
    return plain and hasattr(x, "__dict__") and not callable(x) and not isinstance(x, type)
