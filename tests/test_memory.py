"""What a run takes of memory: held against torch, and refused where there is less."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import torch_netgen
from torch import nn
from torch_netgen import NetgenError
from torch_netgen.levels import Demand
from torch_netgen.memory import available, needed
from torch_netgen.prediction import check_source
from torch_netgen.smoke import Worker
from torch_netgen.source import from_mapping

from .conftest import CONFIGS, ROOT
from .test_cli import netgen

HUGE = """\
name: Huge
input: [100000]
layers:
  - Linear: 1000000
  - Linear: {out_features: 1000000, bias: false}
"""


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_weights_take_what_torch_says(path: Path) -> None:
    result = torch_netgen.build(path, smoke=False)
    with torch.device("meta"):
        network = result.module_class()
    tied = (
        dict(network.named_parameters(remove_duplicate=False)).keys()
        - dict(network.named_parameters()).keys()
    )
    bytes_ = sum(p.numel() * p.element_size() * 2 for p in network.parameters())
    bytes_ += sum(
        value.numel() * value.element_size()
        for name, value in network.state_dict().items()
        if name not in dict(network.named_parameters(remove_duplicate=False))
    )
    found = needed(result.graph).weights
    assert found == bytes_ if not tied else found >= bytes_


def saved_bytes(network: nn.Module, inputs: list[torch.Tensor]) -> int:
    """What autograd keeps of a forward pass beside the weights."""
    own = {weight.data_ptr() for weight in network.state_dict().values()}
    kept: dict[int, int] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        if tensor.data_ptr() not in own:
            storage = tensor.untyped_storage()
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        outputs = network(*inputs)
        tensors = [outputs] if isinstance(outputs, torch.Tensor) else [*outputs]
        held = [tensor.untyped_storage().nbytes() for tensor in tensors]
    return sum(kept.values()) + sum(held)


@pytest.mark.parametrize("name", ["lenet", "mnist", "resnet18", "autoencoder"])
def test_a_run_takes_no_less_than_is_asked_for(name: str) -> None:
    result = torch_netgen.build(ROOT / "configs" / f"{name}.yaml", smoke=False)
    shapes = [[int(size) for size in x.type.shape] for x in result.graph.inputs]
    real = saved_bytes(result.module_class(), [torch.randn(shape) for shape in shapes])
    assert real / 3 < needed(result.graph).activations < real * 1.05


def test_what_is_too_large_is_refused_by_its_size(tmp_path: Path) -> None:
    (tmp_path / "huge.yaml").write_text(HUGE)
    left = available()
    assert left is not None
    assert left < 4 * 10**12
    run = netgen("build", "huge.yaml", "--device", "cpu", cwd=tmp_path)
    assert run.returncode == 1
    assert run.stderr.startswith("error[NG404]: `Huge` needs 8,195.7 GiB of memory, but ")
    assert "weights with their gradients take 8,195.6 GiB" in run.stderr
    assert not (tmp_path / "huge.py").exists()
    meta = netgen("build", "huge.yaml", "--device", "meta", cwd=tmp_path)
    assert meta.returncode == 0, meta.stderr
    assert "smoke-run on meta: passed" in meta.stdout
    assert "shapes only: nothing was computed" in meta.stdout
    (tmp_path / "huge.py").unlink()
    assert netgen("build", "huge.yaml", "--no-smoke", cwd=tmp_path).returncode == 0


def test_the_device_without_data_disproves_what_is_wrong(worker: Worker) -> None:
    """Shapes and weights are held against the plan there, too."""
    spec: dict[str, Any] = {"name": "Net", "input": [4], "layers": [{"Linear": 3}]}
    source = torch_netgen.build(spec, smoke=False).source
    wrong = check_source(from_mapping({**spec, "layers": [{"Linear": 2}]}), {})
    with pytest.raises(NetgenError, match="was predicted"):
        worker.prove(source, wrong.plan, Demand("meta"))
