"""One process of `ddp` and `fsdp`: its part of a step, compared with a single process's."""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh

from .arithmetic import compute_exactly
from .distributed import WORLD, step, weights_after
from .parent import end_with_parent
from .subject import Disproof, load, samples
from .values import hold_equal


def main(folder: str) -> None:
    """Do this rank's part, write the result to its file in `folder`, and end the process."""
    end_with_parent()
    warnings.simplefilter("ignore")
    rank = int(os.environ["RANK"])
    finding, where, difference = "", "", 0.0
    try:
        difference = take_part(Path(folder), rank)
    except Disproof as disproof:
        finding, where = str(disproof), disproof.where
    except Exception as error:
        lines = str(error).strip().split("\n")
        finding = f"{type(error).__name__}: {lines[0][:500]}"
    facts = {"finding": finding, "where": where, "difference": difference}
    Path(folder, f"rank{rank}.json").write_text(json.dumps(facts), encoding="utf-8")
    os._exit(1 if finding else 0)  # an orderly exit may wait for the other process forever


def take_part(folder: Path, rank: int) -> float:
    """Make a step with this rank's shard of the batch, and return the largest difference.

    Raises `Disproof` if loss, gradients or weights are not those of a single process.
    """
    torch.set_num_threads(1)
    compute_exactly()
    request = json.loads((folder / "request.json").read_text(encoding="utf-8"))
    device = f"cuda:{rank}" if request["gpus"] else "cpu"
    if request["gpus"]:
        torch.cuda.set_device(rank)
    dist.init_process_group("nccl" if request["gpus"] else "gloo")
    plan = request["plan"]
    network = _network(folder, request).to(device)
    inputs = [x.to(device) for x in _shard(plan, request["seed"], rank)]
    expected = torch.load(folder / "reference.pt")
    if request["kind"] == "ddp":
        parallel = nn.parallel.DistributedDataParallel(
            network, find_unused_parameters=bool(plan["idle"])
        )
        loss = step(parallel, inputs)
    else:
        shard(network, init_device_mesh(torch.device(device).type, (WORLD,)))
        loss = step(network, inputs)
    mean = torch.tensor(loss, device=device)
    dist.all_reduce(mean)
    hold_equal("the loss", mean / WORLD, torch.tensor(expected["loss"]))
    return _compare(network, expected)


def _network(folder: Path, request: Mapping[str, Any]) -> nn.Module:
    source = (folder / "source.py").read_text(encoding="utf-8")
    module, _ = load(source, request["plan"]["class_name"])
    network: nn.Module = getattr(module, request["plan"]["class_name"])()
    network.load_state_dict(torch.load(folder / "weights.pt"))
    return network.eval()


def _shard(plan: Mapping[str, Any], seed: int, rank: int) -> list[torch.Tensor]:
    """This rank's part of the batch of the first run; inputs without a batch are whole."""
    run = plan["runs"][0]
    torch.manual_seed(seed + 1)
    shards = []
    for value, request in zip(samples(run, "cpu"), run["samples"], strict=True):
        dim = request["batch"]
        shards.append(value if dim is None else value.chunk(WORLD, dim)[rank].contiguous())
    return shards


def shard(network: nn.Module, mesh: DeviceMesh) -> None:
    """Apply `fully_shard` to each child that is called as a module, then to the network.

    With tied weights it is applied to the network only. The mesh is given because torch would
    else take the accelerator, if there is one, even for a network on the CPU.
    """
    from torch.distributed.fsdp import fully_shard

    tied = len(list(network.named_parameters(remove_duplicate=False))) > len(
        list(network.parameters())
    )
    for child in network.children() if not tied else ():
        listed = isinstance(child, (nn.ModuleList, nn.ModuleDict))
        if not listed and any(True for _ in child.parameters()):
            fully_shard(child, mesh=mesh)
    fully_shard(network, mesh=mesh)


def _compare(network: nn.Module, expected: Mapping[str, Any]) -> float:
    """The largest difference of gradients and weights from a single process's.

    Raises `Disproof` if it is too large.
    """
    found, worst = weights_after(network), 0.0
    for what in ("gradients", "weights"):
        wanted = expected[what]
        if found[what].keys() != wanted.keys():
            missing = ", ".join(sorted(wanted.keys() ^ found[what].keys()))
            raise Disproof(f"there are other {what}: {missing}")
        real = {name: found[what][name] for name in wanted}
        worst = max(worst, hold_equal(f"the {what}", real, wanted))
    return worst
