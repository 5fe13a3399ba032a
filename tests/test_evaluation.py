"""In evaluation a network is quiet: what draws at random in training draws nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn
from torch_netgen.analysis.prediction import check_source
from torch_netgen.layers import CATALOGUE
from torch_netgen.pipeline import build_source
from torch_netgen.run.proofs.subject import samples, tensors_in
from torch_netgen.spec.given import read
from torch_netgen.spec.source import Source, from_mapping

from .cases import Draw, draw
from .conftest import SPECS
from .networks import built
from .oracle import netgen
from .test_catalogue import spec_of

# torch has opinions of random arguments
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

# what draws in evaluation, too: torch's own pools do, and `Randn` and `RandnLike` are meant to
DRAWS = {"FractionalMaxPool2d", "FractionalMaxPool3d", "Randn", "RandnLike"}


def run_twice(source: Source, network: nn.Module, *, training: bool) -> bool:
    """Whether a network gives the same twice, from equal inputs and with other random numbers."""
    network.train(training)
    results = []
    for seed in (1, 2):
        torch.manual_seed(0)
        inputs = samples(check_source(source, {}).plan.request()["runs"][0], "cpu")
        torch.manual_seed(seed)
        with torch.no_grad():
            results.append(tensors_in(network(*inputs)))
    return all(
        torch.allclose(first, second, rtol=0, atol=0, equal_nan=True)
        for first, second in zip(*results, strict=True)
    )


@pytest.mark.parametrize("style", ["modules", "functional"])
def test_no_layer_draws_in_evaluation(style: str) -> None:
    for name in CATALOGUE:
        draws = Draw(f"evaluation {name}")
        case = draw(draws, name)
        while netgen(case, {}).result is None:
            case = draw(draws, name)
        source = from_mapping(spec_of(case) | {"style": style})
        network = build_source(source, {}, None).module_class()
        assert run_twice(source, network, training=False) or name in DRAWS, case


@pytest.mark.slow
@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_no_operation_draws_in_evaluation(path: Path) -> None:
    source = read(path)
    result = built(path)
    types = {node.row.name for node in result.graph.nodes if node.row is not None}
    if not types & DRAWS:
        assert run_twice(source, result.module_class(), training=False)
    if path.stem in ("quiet", "operations"):
        assert not run_twice(source, result.module_class(), training=True)


@pytest.mark.parametrize("p", [0.5, "$p", "$(p if strong else 0.1)", "$(p / 2)"])
def test_attention_draws_in_training_alone(p: float | str) -> None:
    attention = {"from": ["input", "input", "input"], "dropout_p": p}
    source = from_mapping(
        {
            "name": "Net",
            "input": [8, 16],
            "params": {"p": 0.5, "strong": True},
            "layers": [{"ScaledDotProductAttention": attention}],
        }
    )
    network = build_source(source, {}, None).module_class()
    assert not run_twice(source, network, training=True)
    assert run_twice(source, network, training=False)


def test_a_probability_of_zero_draws_nothing() -> None:
    attention = {"from": ["input", "input", "input"], "dropout_p": 0}
    spec = {"name": "Net", "input": [8, 16], "layers": [{"ScaledDotProductAttention": attention}]}
    source = from_mapping(spec)
    network = build_source(source, {}, None).module_class()
    assert run_twice(source, network, training=True)
