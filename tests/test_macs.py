"""Multiply-adds against torch's own counter, for the kinds of layers that it counts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode
from torch_netgen import build

from .conftest import CONFIGS

IMAGES: dict[str, Any] = {"input": [4, 9, 9]}
ONE: dict[str, Any] = {"input": [5, 8]}
TWO: dict[str, Any] = {"inputs": {"a": [5, 8], "b": [7, 8]}}
READS = {"from": ["a", "b"], "batch_first": True}
SMALL = {"nhead": 2, "batch_first": True, "dim_feedforward": 12}

CASES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "Conv2d": (IMAGES, {"out_channels": 8, "kernel_size": 3, "groups": 2, "stride": 2}),
    "ConvTranspose2d": (IMAGES, {"out_channels": 8, "kernel_size": 3, "groups": 2, "stride": 2}),
    "Linear": (ONE, {"out_features": 7}),
    "GRUCell": ({"input": [5]}, {"hidden_size": 6}),
    "LSTMCell": ({"input": [5]}, {"hidden_size": 6}),
    "MultiheadAttention": (TWO, {"num_heads": 2, **READS}),
    "TransformerEncoderLayer": (ONE, SMALL),
    "TransformerDecoderLayer": (TWO, {**SMALL, **READS}),
    "Transformer": (TWO, {**SMALL, **READS, "num_encoder_layers": 2, "num_decoder_layers": 1}),
    "MatMul": ({"inputs": {"a": [5, 6], "b": [6, 7]}}, {"from": ["a", "b"]}),
    "Einsum": (
        {"inputs": {"a": [5, 6], "b": [6, 7]}},
        {"from": ["a", "b"], "equation": "nij,njk->nik"},
    ),
}


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_the_layers_macs_are_the_networks(path: Path) -> None:
    result = build(path, smoke=False)
    assert sum(row.macs for row in result.shapes) == result.figures.macs
    assert sum(row.parameters for row in result.shapes) >= result.parameter_count


@pytest.mark.parametrize("layer", CASES)
def test_macs_are_half_of_the_counted_operations(layer: str) -> None:
    inputs, args = CASES[layer]
    result = build({"name": "Net", **inputs, "layers": [{layer: args}]}, smoke=False)
    samples = [torch.randn([int(size) for size in x.type.shape]) for x in result.graph.inputs]
    with FlopCounterMode(display=False) as counter:
        result.module_class()(*samples)
    batch = samples[0].shape[0]
    assert result.figures.macs == counter.get_total_flops() // 2 // batch
    assert result.figures.macs > 0


FRAMES = [{"Flatten": {"start_dim": 0, "end_dim": 1}}]
# what a batch becomes a part of, or meets itself in, and the shape of a sample
MIXED: dict[str, tuple[list[int], list[dict[str, Any]]]] = {
    "conv": ([5, 3, 8, 8], [*FRAMES, {"Conv2d": [4, 3]}]),
    "linear": ([5, 8], [*FRAMES, {"Linear": 4}]),
    "attention": (
        [5, 6, 8],
        [*FRAMES, {"MultiheadAttention": {"num_heads": 2, "batch_first": True}}],
    ),
    "encoder": ([5, 6, 8], [*FRAMES, {"TransformerEncoderLayer": SMALL}]),
    "normed": ([5, 8], [{"BatchNorm1d": None}, *FRAMES, {"Linear": 4}]),
    "similarity": (
        [8],
        [
            {"Linear": {"name": "z", "out_features": 6}},
            {"Transpose": {"name": "t", "dim0": 0, "dim1": 1}},
            {"MatMul": {"from": ["z", "t"]}},
        ],
    ),
    "similarity twice": (
        [8],
        [
            {"Linear": {"name": "z", "out_features": 6}},
            {"Transpose": {"name": "t", "dim0": 0, "dim1": 1}},
            {"MatMul": {"name": "similar", "from": ["z", "t"]}},
            {"MatMul": {"from": ["similar", "z"]}},
        ],
    ),
    "windows over samples": (
        [5, 8],
        [*FRAMES, {"Unsqueeze": 0}, {"Transpose": [1, 2]}, {"Conv1d": [4, 3, 4]}],
    ),
}


@pytest.mark.parametrize("kind", MIXED)
def test_macs_of_a_sample_are_those_of_a_batch_of_one(kind: str) -> None:
    shape, layers = MIXED[kind]
    result = build({"name": "Net", "input": shape, "layers": layers}, smoke=False)
    with FlopCounterMode(display=False) as counter:
        result.module_class().train(kind != "normed")(torch.randn(1, *shape))
    assert result.figures.macs == counter.get_total_flops() // 2
    assert sum(row.macs for row in result.shapes) == result.figures.macs > 0
