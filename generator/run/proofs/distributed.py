"""`ddp` and `fsdp`: two processes of torch's own launcher compute what one does."""

from __future__ import annotations

import json
import os
import re
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from .parent import ENDS_WITH_PARENT
from .subject import Disproof, Subject, differentiable
from .values import refuse_random

WORLD = 2
LEARNING_RATE = 0.01
_RANK = """\
import sys
sys.path[:] = {path}
from {package}.rank import main
main(*sys.argv[1:])
"""


def ddp(subject: Subject) -> str:
    """Compare two processes of `DistributedDataParallel` with one; raises `Disproof`."""
    return _launch(subject, "ddp")


def fsdp(subject: Subject) -> str:
    """Compare two processes of `fully_shard` with one; raises `Disproof`."""
    return _launch(subject, "fsdp")


def reference(subject: Subject) -> dict[str, Any]:
    """A step of a single process: its loss, its gradients, and the weights after it."""
    network = subject.twin()
    loss = step(network, subject.inputs(0))
    return {"loss": loss, **weights_after(network)}


# cuDNN differentiates recurrent layers in training mode only, and rounds convolutions otherwise
@torch.backends.cudnn.flags(enabled=False)
def step(network: nn.Module, inputs: list[torch.Tensor]) -> float:
    """Make one step of SGD and return the loss.

    The loss is a mean over the batch, so the mean of equal shards' losses is the whole batch's.
    Raises `Disproof` where there is nothing to train.
    """
    if not any(parameter.requires_grad for parameter in network.parameters()):
        raise Disproof("there are no parameters, so there is no step to take", code="NG407")
    optimizer = torch.optim.SGD(network.parameters(), lr=LEARNING_RATE)
    parts = differentiable(network(*inputs))
    if not parts:
        raise Disproof("no output can be differentiated: there is no step to take", code="NG407")
    loss = torch.stack([part.float().square().mean() for part in parts]).sum()
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    return float(loss.detach())


def weights_after(network: nn.Module) -> dict[str, dict[str, torch.Tensor]]:
    """Gradients and weights by name; sharded ones are gathered."""
    gradients = {n: _whole(p.grad) for n, p in network.named_parameters() if p.grad is not None}
    weights = {name: _whole(parameter) for name, parameter in network.named_parameters()}
    return {"gradients": gradients, "weights": weights}


def _whole(value: torch.Tensor) -> torch.Tensor:
    full = getattr(value, "full_tensor", None)
    tensor: torch.Tensor = value if full is None else full()
    return tensor.detach().cpu().to_dense() if tensor.is_sparse else tensor.detach().cpu()


def _launch(subject: Subject, kind: str) -> str:
    """Start the processes, wait for them, and read their results; raises `Disproof`."""
    from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    refuse_random(subject, "each process")
    _refuse_reduced(subject)
    gpus = subject.device.startswith("cuda") and torch.cuda.device_count() >= WORLD
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        torch.save(reference(subject), folder / "reference.pt")
        weights = {name: value.cpu() for name, value in subject.network.state_dict().items()}
        torch.save(weights, folder / "weights.pt")
        request = {"kind": kind, "plan": dict(subject.plan), "seed": subject.seed, "gpus": gpus}
        source = Path(folder / "source.py")
        source.write_text(subject.source, encoding="utf-8")
        (folder / "request.json").write_text(json.dumps(request), encoding="utf-8")
        config = LaunchConfig(
            min_nodes=1,
            max_nodes=1,
            nproc_per_node=WORLD,
            run_id=f"netgen{os.getpid()}",
            rdzv_backend="c10d",
            rdzv_endpoint="127.0.0.1:0",
            local_addr="127.0.0.1",
            max_restarts=0,
            monitor_interval=0.1,
            logs_specs=DefaultLogsSpecs(log_dir=str(folder / "logs")),
        )
        code = ENDS_WITH_PARENT + _RANK.format(path=json.dumps(sys.path), package=__package__)
        command = [sys.executable, "-I", "-c", code, str(folder)]
        failure = ""
        try:
            elastic_launch(config, command[0])(*command[1:])
        except Exception as error:
            codes = re.findall(r"exitcode\s*:\s*(-?\d+)", str(error))
            failure = f"{type(error).__name__}, exit code {codes[0] if codes else 'unknown'}"
        return _read(folder, kind, failure, "nccl" if gpus else "gloo")


def _refuse_reduced(subject: Subject) -> None:
    """Raise `Disproof` for an output without a batch: two halves of a batch can't give it."""
    first, second = (run["outputs"] for run in subject.plan["runs"][:2])
    batched = any(dim is not None for dim in subject.batch_dims)
    if batched and any(one[1] == other[1] for one, other in zip(first, second, strict=True)):
        message = "an output has no batch, so what two halves of one give is not what it gives"
        raise Disproof(message, code="NG407")


def _read(folder: Path, kind: str, failure: str, backend: str) -> str:
    answers: list[Mapping[str, Any]] = []
    for rank in range(WORLD):
        path = folder / f"rank{rank}.json"
        if path.is_file():
            answers.append(json.loads(path.read_text(encoding="utf-8")))
    for answer in answers:
        if answer["finding"]:
            raise Disproof(f"{kind}: {answer['finding']}", answer["where"], "NG407")
    if failure or len(answers) < WORLD:
        raise Disproof(f"{kind}: the processes did not end well: {failure}", code="NG407")
    worst = max(answer["difference"] for answer in answers)
    return (
        f"{WORLD} processes ({backend}) have the loss, the gradients and the weights of one after "
        f"a step (largest difference {worst:.2g})"
    )
