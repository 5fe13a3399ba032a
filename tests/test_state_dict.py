"""The keys of the `state_dict` and their order: those of a network that is written by hand."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from torch_netgen.pipeline import build_source
from torch_netgen.run.smoke import Worker
from torch_netgen.spec.source import parse

from .conftest import CPU


def loaded(text: str, model: nn.Module, worker: Worker | None = None) -> nn.Module:
    """The network of a spec with the weights of a model, whose keys it has in the same order."""
    demand = () if worker is None else (CPU,)
    network: nn.Module = build_source(parse(text, "net.yaml"), {}, worker, *demand).module_class()
    assert list(network.state_dict()) == list(model.state_dict())
    network.load_state_dict(copy.deepcopy(model.state_dict()), strict=True)
    return network.eval()


class Embeddings(nn.Module):
    """The first part of a vision transformer, as a class of its own."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.cls_token = nn.Parameter(torch.randn(1, 1, dim))
        self.register_buffer("scale", torch.rand(dim))
        self.position = nn.Parameter(torch.randn(1, 5, dim))
        self.proj = nn.Conv2d(3, dim, 4, stride=4)


class Vision(nn.Module):
    def __init__(self, dim: int) -> None:
        super().__init__()
        self.embeddings = Embeddings(dim)
        self.queries = nn.ParameterList([torch.randn(dim), torch.randn(dim)])
        self.fc = nn.Linear(dim, 3)

    def forward(self, x: Tensor) -> Tensor:
        inner = self.embeddings
        x = inner.proj(x).flatten(2).transpose(1, 2)
        x = torch.cat([inner.cls_token.expand(len(x), -1, -1), x], dim=1) + inner.position
        x = x * inner.get_buffer("scale") * self.queries[0] + self.queries[1]
        found: Tensor = self.fc(x.mean(dim=1))
        return found


VISION = """
name: Vision
input: [3, 8, 8]
params: {dim: 6}
layers:
  - Parameter: {name: embeddings.cls_token, shape: [1, 1, $dim], init: {normal_: {std: 0.02}}}
  - Buffer: {name: embeddings.scale, value: 1.0, shape: [$dim]}
  - Parameter: {name: embeddings.position, shape: [1, 5, $dim]}
  - Parameter: {name: queries.0, shape: [$dim], init: ones_}
  - Parameter: {name: queries.1, shape: [$dim]}
  - Conv2d: {name: embeddings.proj, out_channels: $dim, kernel_size: 4, stride: 4}
  - Rearrange: {name: tokens, pattern: n c h w -> n (h w) c}
  - Expand: {name: first, from: embeddings.cls_token, shape: [1, -1]}
  - Concat: [first, tokens]
  - Add: {name: placed, from: [concat, embeddings.position]}
  - Mul: {name: scaled, from: [placed, embeddings.scale]}
  - Mul: {name: asked, from: [scaled, queries.0]}
  - Add: [asked, queries.1]
  - Mean: 1
  - Linear: {name: fc, out_features: 3}
"""


def test_tensors_of_a_container_are_where_a_class_of_ones_own_has_them(worker: Worker) -> None:
    model = Vision(6).eval()
    network = loaded(VISION, model, worker)
    x = torch.randn(2, 3, 8, 8)
    torch.testing.assert_close(network(x), model(x))
