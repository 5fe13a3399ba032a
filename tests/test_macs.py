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
    assert sum(row.macs for row in result.shapes) == result.graph.macs
    assert sum(row.parameters for row in result.shapes) >= result.parameter_count


@pytest.mark.parametrize("layer", CASES)
def test_macs_are_half_of_the_counted_operations(layer: str) -> None:
    inputs, args = CASES[layer]
    result = build({"name": "Net", **inputs, "layers": [{layer: args}]}, smoke=False)
    samples = [torch.randn([int(size) for size in x.type.shape]) for x in result.graph.inputs]
    with FlopCounterMode(display=False) as counter:
        result.module_class()(*samples)
    batch = samples[0].shape[0]
    assert result.graph.macs == counter.get_total_flops() // 2 // batch
    assert result.graph.macs > 0
