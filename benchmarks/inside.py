"""What is measured inside of a process that has torch: ``python -m benchmarks.inside WHAT ...``.

The process that times commands asks a child for it, and so stays small itself.
"""

from __future__ import annotations

import gc
import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from . import ROOT

WARM = 3
RUNS = 10


@dataclass(frozen=True, slots=True)
class Forwards:
    """The generated network's forward against the other: peak bytes, and the aten calls.

    `other` tells which calls the other makes instead.
    """

    ours: int
    theirs: int
    calls: int
    other: str


def propagation(config: Path, pairs: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Seconds of working out the shapes of a spec's graph, and of its forward without data."""
    ours, theirs = _child("propagation", str(config), str(pairs))
    return (*ours,), (*theirs,)


def forward(config: Path) -> Forwards:
    """The forward of a generated ResNet-50 against that of one written by hand."""
    return Forwards(**_child("forward", str(config)))


def _child(*words: str) -> Any:
    command = [sys.executable, "-m", __name__, *words]
    return json.loads(subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True).stdout)


def _propagation(config: str, pairs: str) -> list[list[float]]:
    import torch
    from torch_netgen import build
    from torch_netgen.ir.trace import propagate

    gc.disable()  # as when netgen runs
    result = build(config, smoke=False)
    sizes = {**result.graph.sizes, "N": 2}
    shape = [int(size) for size in result.graph.inputs[0].type.shape[1:]]
    with torch.device("meta"):
        network, x = result.module_class().eval(), torch.empty(2, *shape)

    @torch.no_grad()
    def run() -> None:
        network(x)

    actions: list[Callable[[], object]] = [lambda: propagate(result.graph, sizes), run]
    for action in actions * WARM:
        action()
    rounds = [[_seconds(action) for action in actions] for _ in range(int(pairs))]
    return [list(samples) for samples in zip(*rounds, strict=True)]


def _seconds(action: Callable[[], object]) -> float:
    """The mean of some runs, after one that fills the processor's caches again."""
    action()
    began = time.perf_counter()
    for _ in range(RUNS):
        action()
    return (time.perf_counter() - began) / RUNS


def _forward(config: str) -> dict[str, Any]:
    import torch
    from torch_netgen import build

    from .live import watched
    from .resnet import ResNet50

    torch.set_num_threads(1)
    torch.manual_seed(0)
    generated, written = build(config, smoke=False).module_class(), ResNet50()
    written.load_state_dict(generated.state_dict(), strict=True)
    x = torch.randn(2, 3, 224, 224)
    ours, theirs = watched(generated.eval(), x), watched(written.eval(), x)
    if not torch.equal(ours.output, theirs.output):
        raise RuntimeError("the two networks do not give the same")
    return asdict(
        Forwards(ours.peak, theirs.peak, len(ours.calls), _other(ours.calls, theirs.calls))
    )


def _other(ours: list[str], theirs: list[str]) -> str:
    """How the calls of the others differ, in words; an empty text if they do not."""
    if len(ours) != len(theirs):
        return f"{len(theirs)} calls"
    found = Counter((a, b) for a, b in zip(ours, theirs, strict=True) if a != b)
    return ", ".join(f"{number} times `{b}` for `{a}`" for (a, b), number in found.items())


_DO: dict[str, Callable[..., Any]] = {"propagation": _propagation, "forward": _forward}

if __name__ == "__main__":
    print(json.dumps(_DO[sys.argv[1]](*sys.argv[2:])))
