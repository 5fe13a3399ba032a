"""Tensors that a layer may read beside its input, in copies and in containers."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from .conftest import Builder

LAYER = "nhead: 2, dim_feedforward: 8, dropout: 0, batch_first: true"
MASK = """
  - Full: {name: ninf, size: ["$(shape(input)[0])", "$(shape(input)[0])"], fill_value: -.inf}
  - Triu: {name: causal, from: ninf, diagonal: 1}
"""


def layers(count: int) -> nn.ModuleList:
    return nn.ModuleList(
        nn.TransformerEncoderLayer(4, 2, 8, dropout=0, batch_first=True) for _ in range(count)
    )


def above(size: int, diagonal: int = 1) -> Tensor:
    return torch.full((size, size), float("-inf")).triu(diagonal)


@pytest.mark.parametrize("repeat", ["$n", "2"])
def test_copies_read_a_mask_that_the_network_makes(repeat: str, build_text: Builder) -> None:
    text = f"""
name: Net
input: [T, 4]
params: {{n: 2}}
layers:{MASK}
  - TransformerEncoderLayer:
      {{name: blocks, from: input, {LAYER}, src_mask: causal, repeat: {repeat}}}
"""
    network: Any = build_text(text).module_class()
    x, copies = torch.randn(2, 5, 4), layers(2)
    network.blocks.load_state_dict(copies.state_dict())
    wanted = x
    for copy in copies:
        wanted = copy(wanted, src_mask=above(5))
    assert torch.equal(network(x), wanted)


def test_copies_read_a_mask_of_the_batch_that_the_network_makes(build_text: Builder) -> None:
    text = f"""
name: Net
input: [8, 4]
layers:
  - Mean: {{name: scores, dim: 2}}
  - TransformerEncoderLayer:
      {{name: blocks, from: input, {LAYER}, src_key_padding_mask: scores, repeat: 2}}
"""
    network: Any = build_text(text).module_class()
    x, copies = torch.randn(3, 8, 4), layers(2)
    network.blocks.load_state_dict(copies.state_dict())
    wanted = x
    for copy in copies:
        wanted = copy(wanted, src_key_padding_mask=x.mean(2))
    assert torch.equal(network(x), wanted)


def test_copies_read_what_an_absent_layer_passes_on(build_text: Builder) -> None:
    """No use of the block has the layer; copies, which stand in a container, read past it."""
    text = f"""
name: Net
input: [T, 4]
blocks:
  Block:
    inputs: [x, mask]
    params: {{cut: false, n: 2}}
    layers:
      - Triu: {{name: causal, from: mask, diagonal: 2, when: $cut}}
      - TransformerEncoderLayer: {{name: blocks, from: x, {LAYER}, src_mask: causal, repeat: $n}}
layers:{MASK}
  - Block: {{name: one, from: [input, causal]}}
  - Block: {{name: two, from: [one, causal], n: 1}}
"""
    network: Any = build_text(text).module_class()
    x, copies = torch.randn(2, 5, 4), layers(3)
    network.one.blocks.load_state_dict(copies[:2].state_dict())
    network.two.blocks.load_state_dict(copies[2:].state_dict())
    wanted = x
    for copy in copies:
        wanted = copy(wanted, src_mask=above(5))
    assert torch.equal(network(x), wanted)


@pytest.mark.parametrize("key", ["when: false", "repeat: 0"])
def test_a_mask_of_a_layer_that_is_not_there_counts_as_read(key: str, build_text: Builder) -> None:
    text = f"""
name: Net
input: [T, 4]
layers:{MASK}
  - TransformerEncoderLayer: {{name: one, from: input, {LAYER}, src_mask: causal, {key}}}
"""
    x = torch.randn(2, 5, 4)
    assert torch.equal(build_text(text).module_class()(x), x)
