"""`Cast` to an element type, or to that of another tensor, against `Tensor.to`."""

from __future__ import annotations

import random
from typing import Any

import pytest
import torch
from torch import Tensor
from torch_netgen.layers import OPERATIONS
from torch_netgen.layers.applying import apply
from torch_netgen.layers.base import ALL, Refusal
from torch_netgen.layers.models import read_arguments
from torch_netgen.layers.tensor import TensorType
from torch_netgen.pipeline import build_source
from torch_netgen.spec.source import parse

from .networks import built, config
from .references import REFERENCES


def cast_by_torch(x: Tensor, other: Tensor | None, dtype: str | None) -> Tensor:
    if (other is None) == (dtype is None):
        raise ValueError
    return x.to(other.dtype if other is not None else getattr(torch, str(dtype)))


@pytest.mark.filterwarnings("ignore:Casting complex values to real")
def test_types_agree_with_torch() -> None:
    draws, verdicts = random.Random("Cast"), []
    for _ in range(300):
        dtype = draws.choice((None, *sorted(ALL), "float8"))
        kinds = [draws.choice(sorted(ALL)) for _ in range(2)]
        shapes = [[draws.randint(1, 3) for _ in range(draws.randint(0, 3))] for _ in range(2)]
        given = draws.random() < (0.8 if dtype is None else 0.2)
        x, other = (
            torch.ones(shape).to(getattr(torch, kind))
            for shape, kind in zip(shapes, kinds, strict=True)
        )
        try:
            y = cast_by_torch(x, other if given else None, dtype)
            theirs: Any = tuple(y.shape), str(y.dtype)
        except (AttributeError, ValueError):
            theirs = None
        checked = read_arguments(OPERATIONS["Cast"], {} if dtype is None else {"dtype": dtype})
        assert isinstance(checked, dict)
        types = [TensorType((*s,), kind, None) for s, kind in zip(shapes, kinds, strict=True)]
        like = {"like": types[1]} if given else {}
        try:
            (found,) = apply(OPERATIONS["Cast"], checked, types[:1], like).outputs.values()
            ours: Any = (*map(int, found.shape),), f"torch.{found.dtype}"
        except Refusal:
            ours = None
        assert ours == theirs, (dtype, kinds, shapes, given)
        verdicts.append(ours is not None)
    assert 150 < sum(verdicts) < 270


WIDE = """
name: Net
input: [6]
blocks:
  Wide:
    inputs: [x, offset]
    layers:
      - Cast: {from: x, dtype: float64}
      - Add: [cast, offset]
      - Exp
      - Cast: {like: x}
layers:
  - Linear: {name: a, out_features: 4}
  - Arange: {name: offset, size: 4}
  - Wide: {from: [a, offset]}
  - Linear: 3
"""


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_a_part_computes_in_its_own_type_whatever_the_network_has(dtype: torch.dtype) -> None:
    network: Any = build_source(parse(WIDE, "net.yaml"), {}, None).module_class().to(dtype)
    x = torch.randn(2, 6, dtype=dtype)
    wide = torch.exp(network.a(x).double() + torch.arange(4))
    torch.testing.assert_close(network(x), network.fc1(wide.to(dtype)))


def test_rotary_angles_of_llama_are_the_same_in_bfloat16() -> None:
    """Rounded to 8 bits, position 4,000 is 4,000 or 4,016, and its angle anything."""
    network: Any = built(config("llama")).module_class(**REFERENCES["llama"].small).eval()
    found: list[tuple[Tensor, ...]] = []
    network.model["layers"][0].register_forward_pre_hook(lambda _, given: found.append(given))
    tokens = torch.randint(50, (1, 4001))
    with torch.no_grad():
        network(tokens)
        logits = network.bfloat16()(tokens)
    assert logits.dtype is torch.bfloat16
    (_, *single), (_, *half) = found
    powers = torch.arange(4, dtype=torch.float64).repeat(2) / 4
    angles = torch.arange(4001)[:, None] * 100000.0**-powers
    for one, other, exact in zip(single, half, (angles.cos(), angles.sin()), strict=True):
        assert torch.equal(one, other)
        torch.testing.assert_close(other[4000].double(), exact[4000], atol=1e-3, rtol=0)
