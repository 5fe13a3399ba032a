"""Arguments of generated classes do what ``--set`` does, on every spec and on hard cases."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch_netgen import NetgenError
from torch_netgen.emit.construct import arguments_of
from torch_netgen.ir.graph import Parameter
from torch_netgen.pipeline import Result, build_source
from torch_netgen.spec.given import read
from torch_netgen.spec.source import Source, parse

from .conftest import CONFIGS, SPECS, by_size
from .networks import built

HARD = {
    "scale factor": "input: [3, 20, 20]\nparams: {k: 3}\n"
    "layers: [{Upsample: {scale_factor: $k}}, Flatten, {Linear: 3}]",
    "list default": 'input: [3]\nparams: {a: 2, l: "$([a, a + 1])"}\n'
    'layers: [{Linear: $a}, {Linear: "$(l[1])"}]',
    "list default alone": 'input: [3]\nparams: {a: 2, l: "$([a, a + 1])"}\n'
    'layers: [{Linear: "$(l[1])"}]',
    "written and inferred": "input: [6]\nparams: {n: 6}\n"
    "layers: [{Linear: {in_features: $n, out_features: 4}}]",
    "inferred and written": "input: [6]\nparams: {n: 8}\n"
    "layers: [{Linear: $n}, {Linear: {in_features: 8, out_features: 4}}]",
    "both from one": "input: [6]\nparams: {n: 8}\n"
    "layers: [{Linear: $n}, {Linear: {in_features: $n, out_features: 4}}]",
    "normalized shape": "input: [8, 6]\nparams: {n: 6}\n"
    "layers: [{Linear: $n}, {LayerNorm: {normalized_shape: [8, 6]}}]",
    "unflatten": "input: [16]\nparams: {k: 4}\nlayers: [{Unflatten: [1, [4, $k]]}, {Linear: 2}]",
    "kernel and padding": "input: [3, 9, 9]\nparams: {k: 3}\n"
    "layers: [{Conv2d: {out_channels: 4, kernel_size: $k, padding: $(k // 2)}}, Flatten, "
    "{Linear: 2}]",
    "stride": "input: [3, 19, 19]\nparams: {s: 2}\n"
    "layers: [{Conv2d: {out_channels: 4, kernel_size: 3, stride: $s}}, {MaxPool2d: 2}, Flatten, "
    "{Linear: 2}]",
    "groups": "input: [8, 5, 5]\nparams: {g: 2, c: 8}\n"
    "layers: [{Conv2d: {out_channels: $c, kernel_size: 1, groups: $g}}, {GroupNorm: $g}, "
    "{PixelShuffle: $g}, Flatten, {Linear: 2}]",
    "recurrent": "input: [5, 8]\nparams: {h: 6, l: 2, both: true}\n"
    "layers: [{LSTM: {hidden_size: $h, num_layers: $l, batch_first: true, bidirectional: $both}}, "
    "{Linear: 2}]",
    "attention": "input: [5, 8]\nparams: {e: 8, h: 2}\n"
    "layers: [{Linear: $e}, {MultiheadAttention: $h}, {Linear: 3}]",
    "conditions": "input: [8]\nparams: {w: 8, deep: true, n: 2}\n"
    "layers: [{Linear: $w}, {Linear: {out_features: $w, when: $deep}}, "
    "{Linear: {out_features: $w, repeat: $n}}, {Linear: $(4 if w > 7 else 5)}, "
    "{Linear: $(w if in_features == 4 else 3)}]",
    "operations": "input: [4, 8]\nparams: {h: 2, w: 8}\n"
    "layers: [{Linear: $w}, {Reshape: [4, $h, -1]}, {Linear: 3}, {Scale: $w}]",
    "mathematics": "input: [8]\nparams: {w: 8}\n"
    'layers: [{Linear: $(int(sqrt(w)) + 1)}, {Linear: "$(divisible(w, 3))"}, '
    '{Linear: "$(round(w / 3) + abs(-w) + min(w, 9) % 4 + w ** 2)"}]',
    "pads": "input: [2, 8, 8]\nparams: {p: 1}\n"
    "layers: [{ReflectionPad2d: $p}, {ZeroPad2d: [[$p, 0, 2, $(p + 1)]]}, Flatten, {Linear: 2}]",
    "adaptive": "input: [2, 8, 8]\nparams: {s: 3}\n"
    "layers: [{AdaptiveAvgPool2d: $s}, {Unfold: 2}, Flatten, {Linear: 2}]",
    "ceil": "input: [2, 9, 9]\nparams: {s: 2}\n"
    "layers: [{AvgPool2d: {kernel_size: 2, stride: $s, ceil_mode: true}}, Flatten, {Linear: 2}]",
}


def others(parameter: Parameter) -> list[Any]:
    """Other values of the same kind."""
    value = parameter.value
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, int):
        return [value + 1, value * 2, max(value - 1, 1), value + 4]
    if isinstance(value, float):
        return [value / 2]
    if isinstance(value, list) and value and isinstance(value[0], int):
        return [[item + 2 for item in value]]
    return []


def described(result: Result, **arguments: Any) -> list[str]:
    """The network as torch shows it, and its weights; what stands for absent layers left out."""
    with torch.device("meta"):
        network = result.module_class(**arguments)
    weights = [f"{name} {tuple(w.shape)}" for name, w in network.state_dict().items()]
    lines = [line for line in str(network).split("\n") if not line.endswith(": Identity()")]
    return [*lines, *weights]


def hold(source: Source) -> int:
    """Compare the two ways for every parameter that is an argument; the number of comparisons."""
    default = build_source(source, {}, None)
    compared = 0
    for parameter in default.graph.params:
        if parameter.fixed or not parameter.used:
            continue
        for value in others(parameter):
            try:
                other = build_source(source, {parameter.name: value}, None)
            except NetgenError:
                continue
            argument = tuple(value) if isinstance(value, list) else value
            assert described(default, **{parameter.name: argument}) == described(other), (
                f"{source.name}: {parameter.name} = {value}"
            )
            compared += 1
    return compared


# specs with many arguments, each with several values
LONG = (
    "as_written blocks buckets c2f chain conformer edges film fourier_block ft_transformer gpt "
    "heads lists llama named_values otherwise output_names parametrized patterns "
    "relative_positions res2net sngan_discriminator stages ties transformer_classifier unet_skips "
    "variants weighted windows"
).split()


@pytest.mark.parametrize("path", by_size([*CONFIGS, *SPECS], LONG))
def test_on_every_spec(path: Path) -> None:
    arguments = [p for p in built(path).graph.params if p.used]
    assert hold(read(path)) >= bool(arguments and path.stem != "groups")


@pytest.mark.parametrize("name", HARD)
def test_on_hard_cases(name: str) -> None:
    source = parse(f"name: Net\n{HARD[name]}\n", name)
    hold(source)
    default = build_source(source, {}, None)
    for parameter in default.graph.params:
        fixed = f"``{parameter.name} = " in default.source
        argument = parameter.name in {p.name for p in arguments_of(default.graph)}
        assert fixed != argument, parameter.name


def test_a_fixed_parameter_is_said_to_be(tmp_path: Path) -> None:
    source = parse(f"name: Net\n{HARD['conditions']}\n", "conditions")
    graph = build_source(source, {}, None).graph
    assert {p.name for p in graph.params if p.fixed} >= {"deep", "n"}
