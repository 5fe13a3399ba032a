"""What a network's run takes of memory, and what the machine has: refused before it is taken."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .graph import Graph, Node
from .layers.base import TensorType, arguments

GIB = 2**30
# what gives another view of the same numbers
VIEWS = frozenset(
    """Chunk Expand Flatten Identity Permute Reshape Select Slice Split Squeeze Transpose Unflatten
    Unsqueeze""".split()
)
_BYTES = {"64": 8, "32": 4, "16": 2, "8": 1, "complex64": 8, "complex128": 16, "bool": 1}


@dataclass(frozen=True, slots=True)
class Need:
    """The bytes that a run of a network takes at the least.

    `weights` are parameters, their gradients and buffers; `activations` what a step of training
    on a batch of two keeps: the outputs of layers with weights, and at least half of all.
    """

    weights: int
    activations: int


def needed(graph: Graph) -> Need:
    """What a run takes, from the shapes alone."""
    weights = sum(
        math.prod(map(int, weight.shape)) * _width(weight.dtype) * (1 + weight.trainable)
        for weight in graph.weights()
    )
    kept, made = 0, sum(_size(x.type) for x in graph.inputs)
    for node in _calls(graph.nodes):
        sizes = sum(_size(type_) for type_ in node.outputs.values())
        if node.row is not None and node.row.name not in VIEWS:
            made += sizes
        if node.target and node.row is not None and node.row.weights(arguments(node.args)):
            kept += sizes
    return Need(weights, max(kept, made // 2))


def _calls(nodes: tuple[Node, ...]) -> Iterator[Node]:
    """All calls of layers, those in containers and blocks included."""
    for node in nodes:
        if node.kind == "absent":
            continue
        if node.use is not None:
            yield from _calls(node.use.graph.nodes)
        elif node.body:
            yield from _calls(node.body)
        else:
            yield node


def _size(type_: TensorType) -> int:
    return type_.numel * _width(type_.dtype)


def _width(dtype: str) -> int:
    """The bytes of an element."""
    digits = "".join(char for char in dtype if char.isdigit())
    return _BYTES.get(dtype) or _BYTES[digits]


def available() -> int | None:
    """The bytes that a process may still take, where the system or a container's limit tells."""
    found = [_free(), _left_in_group()]
    known = [size for size in found if size is not None]
    return min(known) if known else None


def _free() -> int | None:
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvail"))
    except (OSError, StopIteration, ValueError):
        pass
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return None


def _left_in_group() -> int | None:
    """What the control group leaves, in which containers run."""
    folder = Path("/sys/fs/cgroup")
    for most, now in (
        ("memory.max", "memory.current"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"),
    ):
        try:
            left = int((folder / most).read_text()) - int((folder / now).read_text())
        except (OSError, ValueError):
            continue
        return max(left, 0)
    return None


def shown(size: int) -> str:
    """A number of bytes for people."""
    for unit, name in ((GIB, "GiB"), (2**20, "MiB"), (2**10, "KiB")):
        if size >= unit:
            return f"{size / unit:,.1f} {name}"
    return f"{size} bytes"
