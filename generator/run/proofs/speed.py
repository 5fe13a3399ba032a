"""Measures the time and peak memory of a forward pass and of a training step on a device."""

from __future__ import annotations

import gc
import statistics
import time
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from .arithmetic import as_usual
from .gradients import differentiate
from .subject import Subject, differentiable

WARM, LEAST, MOST = 2, 5, 50  # runs before timing; the fewest and the most timed runs
SECONDS = 1.0  # no more runs after this time, beyond the fewest


def measure(subject: Subject) -> dict[str, Any]:
    """Times in seconds and peak memory in bytes of forward, and of forward with backward."""
    network, inputs = subject.twin(), subject.inputs(0)

    def forward() -> None:
        with torch.no_grad():
            network(*inputs)

    def step() -> None:
        outputs = network(*inputs)
        if differentiable(outputs):
            differentiate(outputs)
        network.zero_grad()

    found: dict[str, Any] = {"batch": _batch(subject), "name": device_name(subject.device)}
    found["threads"] = torch.get_num_threads() if subject.device == "cpu" else None
    with as_usual():
        found["forward"] = _measured(forward, network, subject.device)
        network.train()
        found["forward_backward"] = _measured(step, network, subject.device)
    return found


def _batch(subject: Subject) -> int | None:
    requests = subject.plan["runs"][0]["samples"]
    sizes = [r["shape"][r["batch"]] for r in requests if r["batch"] is not None]
    return sizes[0] if sizes else None


def _measured(action: Callable[[], None], network: nn.Module, device: str) -> dict[str, Any]:
    """The median, the quartiles and the number of timed runs, and the peak memory."""
    for _ in range(WARM):
        action()
    _wait(device)
    times: list[float] = []
    while len(times) < LEAST or (sum(times) < SECONDS and len(times) < MOST):
        began = time.perf_counter()
        action()
        _wait(device)
        times.append(time.perf_counter() - began)
    low, median, high = statistics.quantiles(times, n=4)
    facts = {"median": median, "low": low, "high": high, "runs": len(times)}
    return {**facts, "peak_memory": _peak(action, network, device)}


def _wait(device: str) -> None:
    """Wait until the device has done all its work."""
    if device.startswith("cuda"):
        torch.cuda.synchronize(device)
    elif device == "mps":
        torch.mps.synchronize()


def _peak(action: Callable[[], None], network: nn.Module, device: str) -> int | None:
    """The peak bytes of tensors in one run, weights included; ``None`` where unknown."""
    weights = {w.untyped_storage() for w in (*network.parameters(), *network.buffers())}
    held = sum(storage.nbytes() for storage in weights)
    if device.startswith("cuda"):
        gc.collect()  # tensors freed during the run would make the difference too small
        before = torch.cuda.memory_allocated(device)  # the subject and its inputs are among it
        torch.cuda.reset_peak_memory_stats(device)
        action()
        return held + int(torch.cuda.max_memory_allocated(device)) - before
    if device != "cpu":
        return None
    allocated = _Allocated()
    with allocated:
        action()
    return held + allocated.most


class _Allocated(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Measures in `most` the peak bytes of tensors that are allocated while it is active."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.alive: dict[int, int] = {}
        self.now = self.most = 0

    def __torch_dispatch__(self, f: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        before = {_storage(x)._cdata for x in tree_leaves((args, kwargs)) if _is_held(x)}
        outputs = f(*args, **(kwargs or {}))
        for value in filter(_is_held, tree_leaves(outputs)):
            storage = _storage(value)
            key = storage._cdata
            if key not in before and key not in self.alive:
                self.alive[key] = storage.nbytes()
                self.now += storage.nbytes()
                weakref.finalize(storage, self._gone, key)
        self.most = max(self.most, self.now)
        return outputs

    def _gone(self, key: int) -> None:
        self.now -= self.alive.pop(key)


def _is_held(value: Any) -> bool:
    """Whether a value is a tensor with a storage (sparse ones have none)."""
    return isinstance(value, torch.Tensor) and value.layout == torch.strided


def _storage(value: torch.Tensor) -> torch.UntypedStorage:
    return value.untyped_storage()


def device_name(device: str) -> str:
    """The device's product name, or else its torch name."""
    if device.startswith("cuda"):
        return torch.cuda.get_device_name(device)
    if device != "cpu":
        return device
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.partition(":")[2].strip() for line in lines if "model name" in line)
    except (OSError, StopIteration):
        return device
