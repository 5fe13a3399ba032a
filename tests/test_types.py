"""Types of layers as arguments of the network's class."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from torch_netgen.pipeline import build_source
from torch_netgen.spec.given import read
from torch_netgen.spec.source import parse

from .conftest import SPECS


def built(text: str, given: dict[str, Any] | None = None) -> Any:
    return build_source(parse(text, "net.yaml"), given or {}, None)


def hold(network: Any, spec: Any, given: dict[str, str], x: torch.Tensor) -> None:
    """The class with other types is what `--set` gives: the same keys and outputs."""
    one = network(**{name: getattr(nn, word) for name, word in given.items()}).eval()
    other = build_source(spec, given, None).module_class().eval()
    other.load_state_dict(one.state_dict(), strict=True)
    torch.testing.assert_close(one(x), other(x))


def test_a_class_with_other_types_is_what_set_gives() -> None:
    (path,) = (path for path in SPECS if path.stem == "types")
    result = build_source(read(path), {}, None)
    network, x = result.module_class, torch.randn(2, 3, 16, 16)
    for given in (
        {"norm": "InstanceNorm2d", "act": "PReLU"},
        {"norm": "SyncBatchNorm", "act": "GELU", "pool": "AvgPool2d"},
        {"act": "LeakyReLU"},
    ):
        hold(network, read(path), given, x)
    assert isinstance(network(norm=nn.InstanceNorm2d).norm1, nn.InstanceNorm2d)
    smooth = network.__init__.__globals__["types_smooth"](norm=nn.InstanceNorm2d)
    assert isinstance(smooth.act1, nn.SiLU)
    assert isinstance(smooth.first.norm, nn.InstanceNorm2d)


UNIT = "{Unit: {params: {act: GELU}, layers: "
HEAD = "name: Net\ninput: [4, 8, 8]\nparams: {kind: TYPE}\nlayers:\n"


@pytest.mark.parametrize(
    ("type_", "layers", "fits"),
    [
        ("ReLU", "[$kind]", 20),
        ("ReLU", "[{$kind: {inplace: true}}]", 5),
        ("ReLU", "[{$kind: {name: a, repeat: 2}}]", 20),
        ("MaxPool2d", "[{$kind: 2}]", 1),
        ("MaxPool2d", "[{$kind: {kernel_size: 2, dilation: 2}}]", None),
        ("Dropout", "[{$kind: 0.5}]", 4),
        ("Flatten", "[$kind]", None),
        ("Add", "[{$kind: [input, input]}]", None),
        ("Conv2d", "[{$kind: {out_channels: 4, kernel_size: 3}}]", None),
        ("ReLU", "[{$kind: {name: a}}, {Reuse: a}]", None),
        ("ReLU", "[{Sequential: {name: s, layers: [$kind, {Conv2d: [4, 1]}, $kind]}}]", 20),
        ("ReLU", f"[{{Unit: {{act: $kind}}}}]\nblocks: {UNIT}[$act]}}}}", None),
        ("ReLU", f"[{{Unit: {{act: $kind}}}}]\nblocks: {UNIT}[{{$act: {{name: a}}}}]}}}}", 20),
    ],
)
def test_types_that_fit(type_: str, layers: str, fits: int | None) -> None:
    """At least so many other types can stand there; where none can, the parameter is fixed."""
    text = HEAD.replace("TYPE", type_).replace("layers:\n", f"layers: {layers}\n")
    (parameter,) = built(text).graph.params
    assert parameter.fixed == (fits is None)
    assert len(parameter.types) >= (fits or 0)
    if fits is not None:
        network = built(text).module_class
        hold(
            network, parse(text, "net.yaml"), {"kind": parameter.types[0]}, torch.randn(2, 4, 8, 8)
        )


def test_a_layer_of_ones_own_may_stand_there() -> None:
    class Double(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return 2 * x

    network = built(HEAD.replace("TYPE", "ReLU") + "- $kind\n- $kind\n").module_class
    x = torch.randn(1, 4, 8, 8)
    torch.testing.assert_close(network(kind=Double)(x), 4 * x)


def test_expressions_compare_a_type_with_types_wherever_they_stand() -> None:
    network = built(
        """
        name: Net
        input: [6, 8]
        params: {kind: ReLU, sizes: [2], twice: "$(kind == 'ReLU')"}
        init: {Linear: {weight: {constant_: "$(3 if kind == 'ReLU' and sizes == [2] else 4)"}}}
        layers:
        - Linear: {name: fc, out_features: 8, bias: false}
        - $kind
        - Parameter: {name: offset, shape: [1], init: {constant_: "$(1 if kind == 'ReLU' else 2)"}}
        - Buffer: {name: table, value: "$([2 if kind in ['ReLU', 'ELU'] else 5 for i in range(1)])"}
        - Buffer: {name: sizes_, value: "$([6 if sizes[:1] == [2] else 7])"}
        - Buffer: {name: two, value: "$(1 if twice else 0)"}
        - Add: [kind1, offset, table, sizes_, two]
        - Scale: "$(2 if kind == 'ReLU' else 3)"
        """
    ).module_class
    x = torch.ones(1, 6, 8)
    torch.testing.assert_close(network()(x), torch.full((1, 6, 8), 2.0 * (24 + 1 + 2 + 6 + 1)))
    other = network(kind=nn.Identity, sizes=(3,))
    torch.testing.assert_close(other(x), torch.full((1, 6, 8), 3.0 * (32 + 2 + 5 + 7)))
