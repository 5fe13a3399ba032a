"""The specs that come with netgen: published figures, and arguments that really change things."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch_netgen.pipeline import build, build_source
from torch_netgen.source import read

from .conftest import CONFIGS, ROOT, Builder

PARAMETERS = {
    "alexnet": 61_100_840,  # torchvision's
    "autoencoder": 210_369,  # worked out by hand below
    "lenet": 61_706,
    "lstm_tagger": 10_000 * 100 + 2 * (4 * 128 * (100 + 128) + 8 * 128) + 257 * 17,
    "mnist": 1_199_882,  # the net of PyTorch's MNIST example
    "qvga": 16 * (3 * 25 + 1) + 32 * (16 * 25 + 1) + 512 * (140_448 + 1),
    "vgg16": 138_357_544,  # torchvision's
}
# multiply-adds for one sample, as counted on the reference implementations
MACS = {
    "alexnet": 714_188_480,
    "lenet": 28 * 28 * 6 * 25 + 10 * 10 * 16 * 6 * 25 + 400 * 120 + 120 * 84 + 84 * 10,
    "mnist": 11_992_448,
    "vgg16": 15_470_264_320,
}
# values that differ from the defaults, for every parameter that is an argument of its class
OTHERS: dict[str, dict[str, Any]] = {
    "alexnet": {"num_classes": 7, "dropout": 0.25},
    "autoencoder": {"width": 5},
    "lenet": {"num_classes": 7},
    "lstm_tagger": {"vocab_size": 50, "embedding_dim": 6, "hidden_size": 9, "num_tags": 4},
    "mnist": {"num_classes": 3},
    "qvga": {"num_features": 11},
    "vgg16": {"num_classes": 7, "dropout": 0.1},
}


def config(name: str) -> str:
    return str(ROOT / "configs" / f"{name}.yaml")


def test_every_config_is_held_here() -> None:
    assert {path.stem for path in CONFIGS} == set(PARAMETERS) == set(OTHERS)


def test_autoencoder_by_hand() -> None:
    convs = [(1, 16, 3), (16, 32, 3), (32, 64, 7), (64, 32, 7), (32, 16, 3), (16, 1, 3)]
    assert sum(i * o * k * k + o for i, o, k in convs) == PARAMETERS["autoencoder"]


@pytest.mark.parametrize("name", PARAMETERS)
def test_parameter_counts_are_the_published_ones(name: str) -> None:
    result = build(config(name), smoke=False)
    assert result.parameter_count == PARAMETERS[name]
    real = sum(weight.numel() for weight in result.module_class().parameters())
    assert real == PARAMETERS[name]


@pytest.mark.parametrize("name", MACS)
def test_macs_are_the_counted_ones(name: str) -> None:
    assert build(config(name), smoke=False).graph.macs == MACS[name]


@pytest.mark.parametrize("name", OTHERS)
def test_arguments_of_the_class_do_what_set_does(name: str) -> None:
    """``Net(width=5)`` from the default file is the net of ``--set width=5``."""
    default = build_source(read(config(name)), {}, None)
    arguments = {p.name for p in default.graph.params if p.used and not p.fixed}
    assert arguments == set(OTHERS[name])
    other = build_source(read(config(name)), OTHERS[name], None)
    ours = default.module_class(**OTHERS[name])
    theirs = other.module_class()
    assert str(ours) == str(theirs)
    shapes = {key: value.shape for key, value in ours.state_dict().items()}
    assert shapes == {key: value.shape for key, value in theirs.state_dict().items()}


def test_lenet_takes_other_sizes(build_text: Builder) -> None:
    text = (ROOT / "configs" / "lenet.yaml").read_text()
    result = build_text(text, size=64)
    network: Any = result.module_class()
    assert network.fc1.in_features == 16 * 13 * 13
    assert network(torch.randn(2, 1, 64, 64)).shape == (2, 10)


def test_qvga_reads_the_features_that_no_one_worked_out() -> None:
    network: Any = build(config("qvga"), smoke=False).module_class()
    assert network.fc1.in_features == 32 * 57 * 77 == 140_448


def test_lstm_tagger_takes_any_length() -> None:
    network: Any = build(config("lstm_tagger"), smoke=False).module_class()
    for length in (1, 9, 33):
        assert network(torch.zeros(2, length, dtype=torch.int64)).shape == (2, length, 17)
