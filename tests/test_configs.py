"""The specs that come with netgen: published figures, and arguments that really change things."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch_netgen.pipeline import build

from .conftest import CONFIGS, ROOT, Builder

PARAMETERS = {
    "autoencoder": 210_369,  # worked out by hand below
    "lenet": 61_706,
    "lstm_tagger": 10_000 * 100 + 2 * (4 * 128 * (100 + 128) + 8 * 128) + 257 * 17,
    # embeddings, four layers of attention, MLP and norms, the last norm, the head
    "transformer_classifier": (20_000 + 512) * 256
    + 4 * (4 * 256 * 257 + 1024 * 257 + 256 * 1025 + 4 * 256)
    + 2 * 256
    + 4 * 257,
    "qvga": 16 * (3 * 25 + 1) + 32 * (16 * 25 + 1) + 512 * (140_448 + 1),
}
# multiply-adds for one sample, as counted on the reference implementations
MACS = {
    "lenet": 28 * 28 * 6 * 25 + 10 * 10 * 16 * 6 * 25 + 400 * 120 + 120 * 84 + 84 * 10,
}


def config(name: str) -> str:
    return str(ROOT / "configs" / f"{name}.yaml")


def test_every_config_is_held_here() -> None:
    facts = {path.stem for path in (ROOT / "tests" / "facts").glob("*.json")}
    assert {path.stem for path in CONFIGS} == {*PARAMETERS, *facts}


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
    assert build(config(name), smoke=False).costs.macs == MACS[name]


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
