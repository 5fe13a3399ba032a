"""What `netgen show` says of the memory of training, held against torch's own tensors."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch_netgen import build
from torch_netgen.analysis.prediction import check_source
from torch_netgen.analysis.training import DTYPES, STATES, Share, Terms, training
from torch_netgen.run.proofs.subject import samples, tensors_in
from torch_netgen.spec.source import from_mapping

from .command import netgen as run_netgen
from .conftest import CONFIGS
from .networks import built, checked
from .test_memory import SHALLOW, Saving

TOLERANCE = {"lstm_tagger": 0.07}  # in bfloat16 torch's LSTM computes some of it in float32


def inputs_of(path: Path, batch: int, dtype: str) -> list[torch.Tensor]:
    """Random inputs of a config for a batch of this size, floats of this type."""
    run = checked(path).plan.request()["runs"][0]
    asked = []
    for one in run["samples"]:
        shape = [batch if at == one["batch"] else size for at, size in enumerate(one["shape"])]
        type_ = dtype if one["dtype"] == "float32" else one["dtype"]
        asked.append({**one, "shape": shape, "dtype": type_})
    return samples({"samples": asked}, "cpu")


def bytes_of(tensors: Any) -> int:
    """The bytes of tensors, those that share their memory once."""
    places = {x.untyped_storage().data_ptr(): x.numel() * x.element_size() for x in tensors}
    return sum(places.values())


def trained(network: nn.Module, inputs: list[torch.Tensor], optimizer: str) -> Share:
    """What a training step takes, as torch has it."""
    saving = Saving(network)
    with saving.hooks:
        outputs = list(tensors_in(network(*inputs)))
        for value in outputs:
            saving._keep(value)
    kept = saving.bytes
    loss = sum(x.float().abs().sum() for x in outputs if x.requires_grad)
    assert isinstance(loss, torch.Tensor)
    loss.backward()  # type: ignore[no-untyped-call]
    classes = {name.lower(): getattr(torch.optim, name) for name in dir(torch.optim)}
    stepping = classes[optimizer](network.parameters())
    stepping.step()
    state = [x for held in stepping.state.values() for x in held.values()]
    parameters = [*network.parameters()]
    gradients = [p.grad for p in parameters if p.grad is not None]
    weights = network.state_dict(keep_vars=True).values()
    tensors = bytes_of(x for x in state if isinstance(x, torch.Tensor))
    return Share(bytes_of(weights), bytes_of(gradients), tensors, kept)


@pytest.mark.slow
@pytest.mark.parametrize("path", SHALLOW, ids=lambda path: path.stem)
def test_training_in_bfloat16_takes_what_is_said(path: Path) -> None:
    terms = Terms("bfloat16", "adamw")
    found = training(checked(path).graph, 5, terms).whole
    network = built(path).module_class().to(torch.bfloat16)
    real = trained(network, inputs_of(path, 5, "bfloat16"), "adamw")
    assert (found.weights, found.gradients, found.optimizer) == (
        real.weights,
        real.gradients,
        real.optimizer,
    )
    assert found.total == pytest.approx(real.total, rel=TOLERANCE.get(path.stem, 0.05))


@pytest.mark.parametrize("optimizer", STATES)
@pytest.mark.parametrize("dtype", sorted({*DTYPES.values()} - {"float16"}))
def test_each_optimizer_keeps_what_is_said(optimizer: str, dtype: str) -> None:
    (path,) = (path for path in CONFIGS if path.stem == "lenet")
    found = training(checked(path).graph, 3, Terms(dtype, optimizer)).whole
    network = built(path).module_class().to(getattr(torch, dtype))
    assert found == trained(network, inputs_of(path, 3, dtype), optimizer)


BLOCKS = {
    "name": "Net",
    "input": [7],
    "blocks": {
        "Block": {
            "params": {"width": "required"},
            "layers": [{"Linear": "$width"}, {"BatchNorm1d": {}}, {"Linear": 7}],
        }
    },
    "layers": [{"Block": 33}, {"Block": 12}, {"Linear": {"name": "head", "out_features": 5}}],
}

SHARDED = """
import json, sys
import torch, torch.distributed as dist
from torch.distributed.fsdp import fully_shard
from net import Block, Net

torch.manual_seed(0)
dist.init_process_group("gloo")
network = Net()
for module in network.modules():
    if isinstance(module, Block):
        fully_shard(module)
fully_shard(network)
stepping = torch.optim.AdamW(network.parameters())
network(torch.randn(4, 7)).sum().backward()
stepping.step()

def held(tensors):
    local = [x.to_local() if hasattr(x, "to_local") else x for x in tensors]
    return sum(x.numel() * x.element_size() for x in local)

parameters = [*network.parameters()]
state = [x for held in stepping.state.values() for x in held.values()]
found = [held([*parameters, *network.buffers()]), held(p.grad for p in parameters), held(state)]
if dist.get_rank() == 0:
    print(json.dumps(found))
dist.destroy_process_group()
"""


@pytest.mark.slow
def test_a_rank_holds_what_is_said(tmp_path: Path) -> None:
    """With a block as a unit, as `fully_shard` has it."""
    build(BLOCKS, tmp_path / "net.py", smoke=False)
    (tmp_path / "sharded.py").write_text(SHARDED)
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=3"]
    run = subprocess.run(
        [*launch, "sharded.py"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    found = training(check_source(from_mapping(BLOCKS), {}).graph, 4, Terms(ranks=3)).sharded
    assert found is not None
    assert [found.weights, found.gradients, found.optimizer] == json.loads(run.stdout)
    block, rest = 4 * (7 * 33 + 33 + 33 + 33 + 33 * 7 + 7), 4 * (7 * 5 + 5)
    assert found.gathered == 2 * (block + rest)


def test_the_memory_of_training_stands_below_the_table(tmp_path: Path) -> None:
    (tmp_path / "net.yaml").write_text(json.dumps(BLOCKS))
    asked = ("--batch", 4, "--dtype", "bf16", "--optimizer", "sgd", "--ranks", 2)
    run = run_netgen("show", "net.yaml", *asked, cwd=tmp_path)
    assert run.stdout.partition("\n\n")[2].splitlines() == [
        "training in bfloat16 with sgd and a batch of 4:",
        "                one machine  each of 2 ranks",
        "weights             1.8 KiB         1.1 KiB",
        "gradients           1.6 KiB       884 bytes",
        "activations         1.1 KiB         1.1 KiB",
        "gathered            0 bytes         2.4 KiB",
        "total               4.5 KiB         5.4 KiB",
    ]
    told = json.loads(
        run_netgen("show", "net.yaml", *asked, "--format", "json", cwd=tmp_path).stdout
    )
    assert told["training"]["terms"] == {"dtype": "bfloat16", "optimizer": "sgd", "ranks": 2}
    refused = run_netgen("show", "net.yaml", "--ranks", 2, "--format", "csv", cwd=tmp_path)
    assert refused.returncode == 2
    assert "--ranks is for `--format table` or `json`" in refused.stderr
