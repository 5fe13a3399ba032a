"""Well-known networks: the keys, shapes and figures of the reference models, and torch's tools."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from msgspec.structs import asdict
from torch.nn.utils.parametrize import is_parametrized
from torch_netgen.run.proofs.subject import samples
from torch_netgen.spec.given import read

from .conftest import CONFIGS, ROOT
from .deep import is_deep
from .networks import built, checked, config

FACTS = {path.stem: json.loads(path.read_text()) for path in (ROOT / "tests/facts").glob("*.json")}
SHALLOW = [path for path in CONFIGS if not is_deep(path)]
NAMES = [pytest.param(x, marks=[pytest.mark.slow] * is_deep(config(x))) for x in sorted(FACTS)]


def inputs(name: str) -> list[torch.Tensor]:
    """Sample inputs as the smoke-run makes them."""
    plan = checked(config(name)).plan
    return samples({"samples": [asdict(s) for s in plan.runs[0].samples]}, "cpu")


def test_every_fact_has_a_config() -> None:
    assert {*FACTS} <= {path.stem for path in CONFIGS}
    assert len(FACTS) == 34


# their reference models make some layers in another order than they call them
UNORDERED = frozenset(
    """clip diffusion_unet dlrm ft_transformer llama mamba t5_small whisper_tiny_encoder
    yolov8n""".split()
)


@pytest.mark.parametrize("name", NAMES)
def test_weights_are_those_of_the_reference_model(name: str) -> None:
    """The same keys in the same order, and the same shapes: published weights load strictly."""
    with torch.device("meta"):
        network = built(config(name)).module_class()
    found = [[key, list(value.shape)] for key, value in network.state_dict().items()]
    wanted = FACTS[name]["state_dict"]
    assert (found == wanted) != (name in UNORDERED)
    assert sorted(found) == sorted(wanted)


@pytest.mark.parametrize("name", NAMES)
def test_figures_are_those_of_the_reference_model(name: str) -> None:
    result, facts = built(config(name)), FACTS[name]
    graph = result.graph
    assert graph.parameter_count == facts["parameters"]
    assert result.costs.macs == facts["macs"]
    wanted = facts["outputs"]
    wanted = [shape for shape in wanted if shape] if isinstance(wanted[0], list) else [wanted]
    shapes = [[*map(int, graph.type_of(ref).shape)][1:] for _, ref in graph.outputs]
    assert shapes == [shape[1:] for shape in wanted]


def first(value: Any) -> torch.Tensor:
    found = value[0] if isinstance(value, tuple) else value
    assert isinstance(found, torch.Tensor)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("path", SHALLOW, ids=lambda path: path.stem)
def test_torch_scripts_and_exports_it(path: Path) -> None:
    """`torch.jit.script` and `torch.export` take the network, and compute the same."""
    network = built(path).module_class().eval()
    arguments = inputs(path.stem)
    with warnings.catch_warnings(), torch.no_grad():
        # torch's own: scripting is deprecated, and the exporter uses what is
        warnings.simplefilter("ignore")
        others: list[Any] = [torch.export.export(network, tuple(arguments)).module()]
        if not any(map(is_parametrized, network.modules())):  # torch can't script these
            others.append(torch.jit.script(network))
        found = []
        for called in (network, *others):
            torch.manual_seed(0)
            found.append(first(called(*arguments)))
    assert all(torch.allclose(found[0], other, atol=1e-5) for other in found[1:])


# the published counts; 16 of them are the weights that follow the maps (`dfl.conv`)
YOLOV8 = {"n": 3_157_200, "s": 11_166_560, "m": 25_902_640, "l": 43_691_520, "x": 68_229_648}


@pytest.mark.slow
def test_yolov8_is_there_in_all_its_sizes() -> None:
    variants = built(config("yolov8n")).variants
    assert {variant.name: variant.parameters + 16 for variant in variants} == YOLOV8


def test_few_lines_of_spec_are_enough() -> None:
    assert len(config("llama").read_text().splitlines()) <= 60
    assert len(config("yolov8n").read_text().splitlines()) <= 100
    attention = read(config("gpt2")).values["blocks"]["CausalSelfAttention"]
    assert len(attention["layers"]) <= 8


def test_resnet50_is_no_longer_than_a_person_would_write_it() -> None:
    assert built(config("resnet50")).source.count("\n") <= 135


@pytest.mark.parametrize("name", NAMES)
def test_no_class_is_there_twice(name: str) -> None:
    classes = [line for line in built(config(name)).source.split("\n") if line.startswith("class ")]
    assert len(classes) == len({line.partition("(")[0] for line in classes})


def test_width_of_resnet50_is_an_argument() -> None:
    with torch.device("meta"):
        network: Any = built(config("resnet50")).module_class(width=32, num_classes=7)
    assert network.layer4[0].conv2.weight.shape == (256, 256, 3, 3)
    assert network.fc.weight.shape == (7, 1024)
