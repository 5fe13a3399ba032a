"""Types of layers as arguments of the network's class."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from torch_netgen import NetgenError
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


WORDS = {
    "compared": ("- $kind\n- Linear: {out_features: 8, bias: $(kind != 'ReLU')}", False),
    "its length": ("- $kind\n- Linear: {out_features: $(len(kind))}", True),
    "its first letter": ("- $kind\n- Linear: {out_features: 8, bias: \"$(kind[0] != 'R')\"}", True),
    "its order": ("- $kind\n- Linear: {out_features: 8, bias: $(kind < 'S')}", True),
    "a part of a word": ("- $kind\n- Linear: {out_features: 8, bias: $(kind in 'ReLU6')}", True),
    "with a number": ("- $kind\n- Linear: {out_features: 8, bias: $(kind != 3)}", True),
    "with a parameter": ("- $kind\n- Linear: {out_features: 8, bias: $(kind == word)}", True),
    "by another parameter": ("- $kind\n- Linear: {out_features: 8, bias: $(copy != 'R')}", True),
    "a block that compares": ("- $kind\n- Compares: {f: $kind}", True),
    "a block in a block": ("- Takes: {f: $kind}\n- Hands: {f: $kind}", True),
    "a word for a block": (
        "- $kind\n- Compares: {f: \"$('GELU' if kind == 'ReLU' else 'ReLU')\"}",
        False,
    ),
}
BLOCKS = """
blocks:
  Compares: {params: {f: required}, layers: [{Linear: {out_features: 8, bias: $(f != 'ReLU')}}]}
  Takes: {params: {f: required}, layers: [{Linear: {out_features: 8}}, {$f: {name: act}}]}
  Hands: {params: {f: required}, layers: [{Compares: {f: $f}}, {$f: {name: act}}]}
"""


@pytest.mark.parametrize(("layers", "fixed"), WORDS.values(), ids=[*WORDS])
def test_a_type_that_is_read_as_a_word_is_fixed(layers: str, fixed: bool) -> None:
    """The class can't give both, so that is decided when it is generated, by `--set`, too."""
    text = (
        "name: Net\ninput: [8]\nparams: {kind: ReLU, word: GELU, copy: '$(kind + \"\")'}\n"
        f"layers:\n{layers}{BLOCKS}"
    )
    if "copy" not in layers:
        text = text.replace(", copy: '$(kind + \"\")'", "")
    result = built(text)
    assert {p.name for p in result.graph.params if p.fixed} >= ({"kind"} if fixed else set())
    assert fixed or not result.graph.params[0].fixed
    other = built(text, {"kind": "Sigmoid"}).module_class()
    assert other(torch.randn(2, 8)).shape[0] == 2
    if not fixed:
        hold(result.module_class, parse(text, "net.yaml"), {"kind": "Sigmoid"}, torch.randn(2, 8))


@pytest.mark.parametrize(
    ("bias", "biases"),
    [
        ("$(len(f) > 4)", [True, False]),
        ("$(f != 'ReLU')", [True, False]),
        ("$(f[0] == 'S')", [True, False]),
    ],
)
@pytest.mark.parametrize("inner", [False, True])
def test_a_block_is_given_the_word_beside_the_type(
    bias: str, biases: list[bool], inner: bool
) -> None:
    line = f'{{Linear: {{name: fc, out_features: 8, bias: "{bias}"}}}}'
    layer = "{Inner: {name: own, f: $f}}" if inner else line
    network = built(
        "name: Net\ninput: [8]\nlayers: [{Takes: {f: Sigmoid}}, {Takes: {f: ReLU}}]\nblocks:\n"
        f"  Takes: {{params: {{f: required}}, layers: [{layer}, {{$f: {{name: act}}}}]}}\n"
        f"  Inner: {{params: {{f: required}}, layers: [{line}]}}\n"
    ).module_class()
    found = [one.own.fc if inner else one.fc for one in (network.takes1, network.takes2)]
    assert [layer.bias is not None for layer in found] == biases
    assert isinstance(network.takes1.act, nn.Sigmoid)
    assert isinstance(network.takes2.act, nn.ReLU)


def test_a_default_that_reads_the_word_of_a_type_is_given_to_the_block() -> None:
    network = built(
        "name: Net\ninput: [8]\nlayers: [{Takes: {f: GELU}}, {Takes: {}}]\nblocks:\n"
        "  Takes: {params: {f: Sigmoid, bias: $(len(f) > 4)}, "
        "layers: [{$f: {name: act}}, {Linear: {name: fc, out_features: 8, bias: $bias}}]}\n"
    ).module_class()
    assert [one.fc.bias is not None for one in (network.takes1, network.takes2)] == [False, True]


@pytest.mark.parametrize("style", ["modules", "functional"])
def test_a_name_holds_in_each_style(style: str) -> None:
    text = HEAD.replace("TYPE", "ReLU") + '  - ELU: {when: $(kind != "CELU"), repeat: 2}\n'
    spec = parse(f"{text}  - $kind\nstyle: {style}\nalias: {{again: kind1}}", "net.yaml")
    for given in ({}, {"kind": "CELU"}):
        network = build_source(spec, given, None).module_class()
        assert network.again is network.kind1


def test_a_table_that_reads_the_word_of_a_type_is_refused() -> None:
    with pytest.raises(NetgenError) as caught:
        built(
            "name: Net\ninput: [8]\nlayers: [{Takes: {f: Sigmoid}}, {Takes: {f: ReLU}}]\nblocks:\n"
            "  Takes:\n    params: {f: required}\n    layers:\n"
            '    - Buffer: {name: table, value: "$([len(f), 2])"}\n'
            "    - {$f: {name: act, from: input}}\n    - Sum: {from: table, dim: 0}\n"
            "    - Mul: [act, sum]\n"
        )
    (found,) = caught.value.diagnostics
    assert found.code == "NG210"
    assert found.message == "`table` reads the word `f`, which gives a type of layer here"


def test_layers_are_named_after_the_parameter_that_gives_the_type_though_it_is_fixed() -> None:
    text = HEAD.replace("kind", "act").replace("TYPE", "PReLU")
    text += '  - $act: {repeat: 2}\n  - ELU: {when: $(act != "RReLU"), repeat: 2}\n  - $act\n'
    spec = parse(text + "alias: {again: act2}", "net.yaml")
    network = build_source(spec, {}, None).module_class
    assert network(act=nn.Softplus).again is not None
    fixed = build_source(spec, {"act": "RReLU"}, None).module_class()
    assert fixed.again is fixed.act2
    assert "act" not in type(fixed).__init__.__annotations__
