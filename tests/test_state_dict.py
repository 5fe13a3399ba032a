"""The keys of the `state_dict` and their order: those of a network that is written by hand."""

from __future__ import annotations

import copy
from itertools import permutations
from typing import Any

import torch
from torch import Tensor, nn
from torch_netgen import build
from torch_netgen.lsp.completion import complete
from torch_netgen.lsp.hover import hover
from torch_netgen.lsp.snapshot import check
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


class Residual(nn.Module):
    """A part of which the last layers are declared first, as many a repository has it."""

    def __init__(self, channels: int, *, downsample: bool) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels)
        self.shortcut = nn.Conv2d(channels, channels, 1) if downsample else None
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        skip = x if self.shortcut is None else self.shortcut(x)
        found: Tensor = self.norm(self.conv(x) + skip)
        return found


class Reordered(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(6, 3)
        self.blocks = nn.ModuleList([Residual(6, downsample=True), Residual(6, downsample=False)])
        self.parts = nn.ModuleDict({"scale": nn.Conv2d(6, 6, 1), "mix": nn.Conv2d(6, 6, 1)})
        self.stem = nn.Conv2d(3, 6, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for block in self.blocks:
            x = block(x)
        x = self.parts["scale"](self.parts["mix"](x))
        found: Tensor = self.head(x.mean((2, 3)))
        return found


REORDERED = """
name: Reordered
input: [3, 8, 8]
blocks:
  Residual:
    params: {downsample: false}
    declare: [norm, shortcut]
    layers:
      - Conv2d: {name: conv, out_channels: $in_channels, kernel_size: 3, padding: 1}
      - Conv2d:
          name: shortcut
          from: input
          when: $downsample
          out_channels: $in_channels
          kernel_size: 1
      - Add: [conv, shortcut]
      - BatchNorm2d: {name: norm}
declare: [head, blocks, parts.scale]
layers:
  - Conv2d: {name: stem, out_channels: 6, kernel_size: 3}
  - Residual: {name: blocks.0, downsample: true}
  - Residual: {name: blocks.1}
  - Conv2d: {name: parts.mix, out_channels: 6, kernel_size: 1}
  - Conv2d: {name: parts.scale, out_channels: 6, kernel_size: 1}
  - Mean: [2, 3]
  - Linear: {name: head, out_features: 3}
"""


def test_layers_are_declared_in_the_order_that_is_asked_for(worker: Worker) -> None:
    model = Reordered().eval()
    network = loaded(REORDERED, model, worker)
    x = torch.randn(2, 3, 8, 8)
    torch.testing.assert_close(network(x), model(x))


def test_every_order_can_be_declared() -> None:
    names = ["a", "b", "c.x", "c.y", "fc1"]
    layers = [{"Linear": {"name": name, "out_features": 4}} for name in names[:-1]]
    for order in [*permutations(["a", "b", "c", "fc1"])][::3]:
        spec = {
            "name": "Net",
            "input": [4],
            "declare": [*order],
            "layers": [*layers, {"Linear": 4}],
        }
        children = [name for name, _ in build(spec, smoke=False).module_class().named_children()]
        assert children == [*order]


def test_what_is_in_a_numbered_container_can_be_declared() -> None:
    """The numbers come in their order all the same."""
    names = [f"parts.{number}.{part}" for number in (0, 1) for part in ("a", "b.x", "b.y")]
    layers = [{"Linear": {"name": name, "out_features": 4}} for name in ("stem", *names)]
    declared = ["parts.1.b.y", "parts.0.b"]
    spec = {"name": "Net", "input": [4], "declare": declared, "layers": layers}
    keys = [*build(spec, smoke=False).module_class().state_dict()]
    owners = [*dict.fromkeys(key.rpartition(".")[0] for key in keys)]
    parts = ["parts.0.b.x", "parts.0.b.y", "parts.0.a", "parts.1.b.y", "parts.1.b.x", "parts.1.a"]
    assert owners == [*parts, "stem"]


def test_a_layer_that_arguments_leave_out_may_be_declared() -> None:
    layers: list[dict[str, Any]] = [{"Linear": {"name": "fc", "out_features": 4}}]
    layers += [
        {"Linear": {"name": name, "out_features": 4, "when": "$deep"}} for name in ("a", "b.c")
    ]
    spec = {"name": "Net", "input": [4], "params": {"deep": True}, "declare": ["b", "a"]}
    for deep in (True, False):
        network = build({**spec, "layers": layers}, overrides={"deep": deep}, smoke=False)
        children = [name for name, _ in network.module_class().named_children()]
        assert children == ["b", "a", "fc"]


def test_an_editor_knows_the_names_that_are_declared() -> None:
    lines = REORDERED.splitlines()
    place = lines.index("declare: [head, blocks, parts.scale]") + 1
    column = lines[place - 1].index("head") + 2
    snapshot = check(REORDERED, "net.yaml").right
    assert snapshot is not None
    found = hover(snapshot, place, column)
    assert found is not None
    assert "Linear" in found.text
    offered = complete(REORDERED, place, column - 1).suggestions
    assert {"stem", "head", "parts.mix"} <= {suggestion.text for suggestion in offered}


LOADED = """
name: Tables
input: [5]
params: {rows: 5}
allow: [NG308, NG316]
layers:
  - Buffer: {name: table, shape: [$rows], persistent: true}
  - Mul: {name: scaled, from: [input, table]}
  - Buffer: {name: own.places, shape: [1, 5], dtype: int64}
  - Add: [scaled, own.places]
"""


def test_numbers_of_a_buffer_may_come_with_the_weights() -> None:
    model, own = nn.Module(), nn.Module()
    model.register_buffer("table", torch.randn(5))
    model.own = own
    own.register_buffer("places", torch.randint(0, 9, (1, 5)))
    network = loaded(LOADED, model)
    x = torch.randn(3, 5)
    y = x * model.get_buffer("table") + model.get_buffer("own.places")
    torch.testing.assert_close(network(x), y)
