"""How long a forward pass and a training step take on a device, and what memory they need."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from .gradients import differentiate
from .subject import Subject, differentiable

WARM, LEAST, MOST = 2, 5, 50  # runs before, and the fewest and the most that are timed
SECONDS = 1.0  # after so long no more are timed than the fewest


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
    found["forward"] = _measured(forward, subject.device)
    network.train()
    found["forward_backward"] = _measured(step, subject.device)
    return found


def _batch(subject: Subject) -> int | None:
    requests = subject.plan["runs"][0]["samples"]
    sizes = [r["shape"][r["batch"]] for r in requests if r["batch"] is not None]
    return sizes[0] if sizes else None


def _measured(action: Callable[[], None], device: str) -> dict[str, Any]:
    """The median, the quartiles and the number of timed runs, and the peak memory."""
    for _ in range(WARM):
        action()
    _wait(device)
    start = _begin_peak(device)
    times: list[float] = []
    while len(times) < LEAST or (sum(times) < SECONDS and len(times) < MOST):
        began = time.perf_counter()
        action()
        _wait(device)
        times.append(time.perf_counter() - began)
    low, median, high = statistics.quantiles(times, n=4)
    facts = {"median": median, "low": low, "high": high, "runs": len(times)}
    return {**facts, "peak_memory": _peak(device, start)}


def _wait(device: str) -> None:
    """Until the device has done what it was given."""
    if device.startswith("cuda"):
        torch.cuda.synchronize(device)
    elif device == "mps":
        torch.mps.synchronize()


def _begin_peak(device: str) -> int | None:
    """Begin to watch for the peak; what is taken now, where that is known."""
    if device.startswith("cuda"):
        torch.cuda.reset_peak_memory_stats(device)
        return 0
    if device != "cpu":
        return None
    try:
        Path("/proc/self/clear_refs").write_text("5")  # Linux forgets the peak so far
    except OSError:
        return None
    return _resident("VmRSS")


def _peak(device: str, start: int | None) -> int | None:
    """On a GPU all that was allocated at the peak; on a CPU what came to the process's memory."""
    if device.startswith("cuda"):
        return torch.cuda.max_memory_allocated(device)
    now = None if start is None else _resident("VmHWM")
    return None if now is None or start is None else max(now - start, 0)


def _resident(field: str) -> int | None:
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(field))
    except (OSError, StopIteration, ValueError):
        return None


def device_name(device: str) -> str:
    """What the device calls itself."""
    if device.startswith("cuda"):
        return torch.cuda.get_device_name(device)
    if device != "cpu":
        return device
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.partition(":")[2].strip() for line in lines if "model name" in line)
    except (OSError, StopIteration):
        return device
