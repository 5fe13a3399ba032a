"""The aten calls of a run, and the most bytes of tensors that are alive at a time in it.

Counted as an allocator would be asked for them, so the same on each machine and in each run.
"""

from __future__ import annotations

import weakref
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


@dataclass(frozen=True, slots=True)
class Watched:
    """What a run gave, which aten calls it made, and its peak memory, weights included."""

    output: Tensor
    calls: list[str]
    peak: int


def watched(network: nn.Module, x: Tensor) -> Watched:
    """Run a network's forward without gradients."""
    weights = {w.untyped_storage() for w in (*network.parameters(), *network.buffers())}
    mode = _Watch()
    with torch.no_grad(), mode:
        output = network(x)
    return Watched(output, mode.calls, mode.most + sum(held.nbytes() for held in weights))


class _Watch(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Notes each call, and counts the storages that are new."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.calls: list[str] = []
        self.alive: dict[int, int] = {}
        self.now = self.most = 0

    def __torch_dispatch__(self, f: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = {x.untyped_storage()._cdata for x in _tensors((args, kwargs))}
        outputs = f(*args, **(kwargs or {}))
        self.calls.append(str(f).removeprefix("aten."))
        for tensor in _tensors(outputs):
            storage = tensor.untyped_storage()
            if storage._cdata not in given and storage._cdata not in self.alive:
                self.alive[storage._cdata] = storage.nbytes()
                self.now += storage.nbytes()
                weakref.finalize(storage, self.gone, storage._cdata)
        self.most = max(self.most, self.now)
        return outputs

    def gone(self, key: int) -> None:
        self.now -= self.alive.pop(key)


def _tensors(values: Any) -> list[Tensor]:
    return [value for value in tree_leaves(values) if isinstance(value, Tensor)]
