"""Parameters that are no arguments of the class: few, and each says why."""

from __future__ import annotations

import contextlib
import json
import random
import warnings
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import torch
from torch_netgen import NetgenError
from torch_netgen.cli.cli import main
from torch_netgen.ir.graph import Graph, Parameter
from torch_netgen.ir.needs import UNUSED
from torch_netgen.pipeline import Result, build_source
from torch_netgen.spec.given import read
from torch_netgen.spec.source import Source, parse

from .conftest import ROOT

# what fixes which parameters: on which line, and in which words
WHY = {
    "an input's shape": (
        "input: [$(2 * a), 8]\nparams: {a: 4}\nlayers: [{Linear: 2}]",
        {"a": "the input's shape on line 2 needs `2 * a`"},
    ),
    "the shape of one of several inputs": (
        "inputs: {left: [$a], right: [4]}\nparams: {a: 4}\nlayers: [{Concat: [left, right]}]",
        {"a": "the shape of `left` on line 2 needs it"},
    ),
    "a name": (
        'input: [4]\nparams: {a: 4}\nlayers:\n- Linear: {name: "fc$a", out_features: 2}',
        {"a": "`name` of `Linear` on line 5 needs it in a text"},
    ),
    "a reference": (
        "input: [4]\nparams: {a: one}\nlayers:\n- Linear: {name: one, out_features: 4}\n"
        "- ReLU: {name: act, from: $a}",
        {"a": "`from` of `act` on line 6 needs it"},
    ),
    "an output": (
        "input: [4]\nparams: {a: one}\nlayers:\n- Linear: {name: one, out_features: 4}\n"
        "outputs: [$a]",
        {"a": "`outputs` on line 6 needs it"},
    ),
    "a type": (
        "input: [4]\nparams: {a: Flatten}\nlayers:\n- Linear: 4\n- $a",
        {"a": "`$a` on line 6 gets its type from it, and no other type fits there"},
    ),
    "an argument that decides on shapes": (
        "input: [2, 4]\nparams: {a: 1}\nlayers:\n- Concat: {name: both, from: [x, x], dim: $a}",
        {"a": "`dim` of `both` on line 5 needs it"},
    ),
    "an index": (
        "input: [4]\nparams: {a: 1, widths: [4, 8]}\nlayers:\n- Linear: $(widths[a])",
        {"a": "`Linear` on line 5 needs it as an index"},
    ),
    "the numbers of layers that are not there": (
        "input: [4]\nparams: {c: 2, e: 1}\nblocks:\n  B:\n    params: {a: 1, k: false}\n"
        "    layers:\n    - Linear:\n        out_features: $in_features\n        repeat: $(1 + k)\n"
        "        when: $(in_features != a * 2)\n"
        "    - Linear: 2\nlayers: [{B: {a: $c, k: $(e > 1)}}]",
        {
            "c": "`when` of `Linear` of `B` on line 11 is false",
            "e": "`repeat` of `Linear` of `B` on line 10 writes its copies one by one",
        },
    ),
    "a layer that is not there to be applied again": (
        "input: [4]\nparams: {b: 2}\nlayers:\n- Linear: {name: fc, out_features: 4}\n"
        "- Reuse: {layer: fc, when: $(b > 3)}\n- Tanh",
        {"b": "`when` of `Reuse` on line 6 is false"},
    ),
    "a layer that is not there and that nothing would read": (
        "input: [4]\nparams: {b: false}\nlayers:\n- Linear: {name: fc, out_features: 4}\n"
        "- Tanh: {when: $b}\n- Linear: {name: head, from: fc, out_features: 2}",
        {"b": "`when` of `Tanh` on line 6 is false"},
    ),
    "a condition without a value": (
        "input: [4]\nparams: {a: 0}\nlayers:\n- Linear: $(8 if a == 0 else 8 // a)",
        {"a": "`Linear` on line 5 needs it for a condition"},
    ),
    "layers that are not there, and do not fit": (
        "input: [4]\nparams: {a: false}\nlayers:\n- Linear: 4\n"
        "- Linear: {name: more, in_features: 5, out_features: 4, when: $a}",
        {"a": "`when` of `more` on line 6 is false"},
    ),
    "layers that are not there, and would fix others": (
        "input: [4]\nparams: {a: false, b: 6}\nlayers:\n- Linear: $b\n"
        "- Linear: {name: next, out_features: 4}\n"
        "- Add: {name: sum, from: [next, fc1], when: $a}",
        {"a": "`when` of `sum` on line 7 is false"},
    ),
    "copies that are not there": (
        "input: [4]\nparams: {a: false}\nlayers:\n- Linear: 4\n- ReLU: {when: $a, repeat: 2}",
        {"a": "`when` of `ReLU` on line 6 is false"},
    ),
    "layers that are not there, and change shapes": (
        "input: [4]\nparams: {a: false}\nlayers:\n- Linear: 4\n"
        "- Linear: {name: more, out_features: 8, when: $a}",
        {"a": "`when` of `more` on line 6 changes shapes"},
    ),
    "layers that change shapes": (
        "input: [4]\nparams: {a: true}\nlayers:\n"
        "- Linear: {name: more, out_features: 8, when: $a}\n- Linear: 2",
        {"a": "`when` of `more` on line 5 changes shapes"},
    ),
    "layers that others are numbered after": (
        "input: [4]\nparams: {a: true}\nlayers: [{Linear: {out_features: 4, when: $a}}]",
        {"a": "`when` of `Linear` on line 4 changes the names of the layers after it"},
    ),
    "parameters that are tied": (
        "input: [4]\nparams: {a: true, b: 4}\nblocks:\n"
        "  B: {params: {f: true, n: 1}, layers: [{Linear: {out_features: $n, bias: $f}}]}\n"
        "layers:\n- B: {name: p, f: $a, n: $b}\n- Linear: {name: q, out_features: 4}\n"
        "tie: {q.bias: p.fc1.bias}",
        {
            "a": "`q.bias` on line 9 needs two parameters of one shape",
            "b": "`q.bias` on line 9 needs two parameters of one shape",
        },
    ),
    "copies one by one": (
        "input: [4]\nparams: {a: 2}\nlayers:\n- Linear: {out_features: 4, repeat: $a}",
        {"a": "`repeat` of `Linear` on line 5 writes its copies one by one"},
    ),
    "copies whose sizes follow a rule by chance": (
        "input: [4]\nparams: {a: 2}\nlayers:\n"
        "- Linear: {name: more, out_features: $(in_features // 2 + 1), repeat: $a}\n- Linear: 2",
        {"a": "`repeat` of `more` on line 5 writes its copies one by one"},
    ),
    "a copy that may be called like what stands before it": (
        "input: [4]\nparams: {a: 2}\nlayers:\n- Sequential:\n    layers:\n"
        "    - Linear: {name: fc2, out_features: 4}\n"
        "    - Linear: {name: fc$index, out_features: 4, repeat: $a}",
        {"a": "`name` of `Linear` on line 8 may be the name of two children"},
    ),
    "a copy that may be called like what stands after it": (
        "input: [4]\nparams: {a: 2}\nlayers:\n- Sequential:\n    layers:\n"
        "    - Linear: {name: fc$index, out_features: 4, repeat: $a}\n"
        "    - Linear: {name: fc2, out_features: 4}",
        {"a": "`name` of `fc2` on line 8 may be the name of two children"},
    ),
    "copies that may be called like other copies": (
        "input: [4]\nparams: {a: 1, b: 1, c: 1}\nlayers:\n- Sequential:\n    layers:\n"
        "    - Linear: {name: fc$index, out_features: 4, repeat: $a}\n"
        "    - Linear: {name: fc_$index, out_features: 4, repeat: $b}\n"
        "    - Linear: {name: fc$(index + 1), out_features: 4, repeat: $c}",
        {
            "a": "`name` of `Linear` on line 9 may be the name of two children",
            "c": "`name` of `Linear` on line 9 may be the name of two children",
        },
    ),
    "copies of a group that may be called like what stands before them": (
        "input: [4]\nparams: {a: 2}\nlayers:\n- Sequential:\n    layers:\n"
        "    - Linear: {name: fc7, out_features: 4}\n    - Group:\n        repeat: $a\n"
        "        layers: [ReLU, {Linear: {name: fc$index, out_features: 4}}]",
        {"a": "`repeat` of `Group` on line 9 may give two children one name"},
    ),
    "copies of a group that may be called like what stands after them": (
        "input: [4]\nparams: {a: 2}\nlayers:\n- Sequential:\n    layers:\n    - Group:\n"
        "        repeat: $a\n        layers: [ReLU, {Linear: {name: fc$index, out_features: 4}}]\n"
        "    - Linear: {name: fc7, out_features: 4}",
        {"a": "`name` of `fc7` on line 10 may be the name of two children"},
    ),
    "copies that may be called like one another": (
        "input: [4]\nparams: {a: 2}\nlayers:\n- Sequential:\n    layers:\n"
        "    - Linear: {name: fc$(index % 2), out_features: 4, repeat: $a}",
        {"a": "`name` of `Linear` on line 7 may be the name of two children"},
    ),
    "no copies": (
        "input: [4]\nparams: {a: 0}\nlayers:\n- Linear: 4\n"
        "- Linear: {name: more, out_features: 4, repeat: $a}",
        {"a": "`repeat` of `more` on line 6 is 0"},
    ),
    "no copies in a block": (
        "input: [4]\nparams: {a: 1}\nblocks:\n  B:\n    params: {n: 1}\n    sequential: true\n"
        "    layers:\n    - Linear: {name: more, out_features: 4, repeat: $(n - 1)}\n"
        "    - ReLU\nlayers: [{B: $a}, {Linear: 2}]",
        {"a": "`repeat` of `more` of `B` on line 9 is 0"},
    ),
    "groups": (
        "input: [4]\nparams: {a: 2}\nlayers:\n- Group: {repeat: $a, layers: [{Linear: 4}]}",
        {"a": "`repeat` of `Group` on line 5 writes its copies one by one"},
    ),
    "sizes that are equal for one value": (
        "input: [4]\nparams: {a: 4}\nlayers:\n- Linear: $a\n- Add: [x, fc1]",
        {"a": "`Add` on line 6 needs `4` and `a` to be equal"},
    ),
    "in a block": (
        "input: [4]\nparams: {a: 2}\nblocks:\n  B:\n    params: {n: 1}\n    layers:\n"
        "    - Linear: {name: fc, out_features: $n}\n    - Add: [input, fc]\n"
        "layers: [{B: $(2 * a)}]",
        {"a": "`Add` of `B` on line 9 needs `2 * a` and `4` to be equal"},
    ),
    "in a block's own block": (
        "input: [4]\nparams: {a: 1}\nblocks:\n"
        "  A:\n    params: {n: 1}\n    layers: [{B: $(n - 1)}]\n"
        "  B:\n    params: {dim: 0}\n    layers:\n    - Softmax: $(dim + 1)\n"
        "layers: [{A: $a}]",
        {},
    ),
    "copies that follow no rule": (
        "input: [4]\nparams: {n: 2}\nlayers:\n- Sequential:\n    layers:\n"
        "    - Group: {repeat: $n, layers: [{Linear: $(2 * in_features)}, Tanh]}",
        {"n": "`repeat` of `Group` on line 7 writes its copies one by one"},
    ),
    "a copy's layer that no copy shows": (
        "input: [4]\nparams: {s: [4, 3]}\nlayers:\n- Sequential:\n    layers:\n"
        "    - Group:\n        repeat: $(len(s))\n        layers:\n"
        '        - Linear: "$(s[index])"\n        - ReLU: {when: $(index > 2)}',
        {"s": "`when` of `ReLU` on line 11 is false"},
    ),
    "copies with one name": (
        "input: [4]\nparams: {n: 1}\nlayers:\n- Sequential:\n    layers:\n"
        "    - Group: {repeat: $n, layers: [{Linear: {name: only, out_features: 5}}]}",
        {"n": "`repeat` of `Group` on line 7 writes its copies one by one"},
    ),
    "a list that is joined": (
        'input: [4]\nparams: {s: [4, 3]}\nlayers:\n- Linear: "$((s + [1])[2])"',
        {"s": "`Linear` on line 5 joins it with a list"},
    ),
    "what another fixed one is worked out from": (
        "input: [$b]\nparams: {a: 4, b: $(2 * a)}\nlayers: [{Linear: 2}]",
        {"a": "`b` on line 3 needs `2 * a`", "b": "the input's shape on line 2 needs it"},
    ),
    "what a norm is divided by": (
        "input: [4]\nparams: {a: 2, b: 3, c: 4}\nlayers:\n"
        "- Linear: {name: one, out_features: 2, parametrize: spectral_norm}\n"
        "- Linear: {name: two, out_features: 2, parametrize: {weight: weight_norm}}\n"
        "- Linear: {name: three, out_features: 2, parametrize: orthogonal}\n"
        "init:\n  one: {weight: {constant_: $(a - 1)}}\n  two: {weight: {constant_: $b}}\n"
        "  three: {weight: {constant_: $c}}",
        {
            "a": "`weight` on line 9 must not be 0, as `spectral_norm` divides by its norm",
            "b": "`weight` on line 10 must not be 0, as `weight_norm` divides by its norm",
        },
    ),
    "copies whose number a size in them meets": (
        "input: [2, L]\nparams: {levels: 3}\nblocks:\n  Level:\n"
        "    params: {cut: required}\n    layers:\n    - Conv1d: [2, 3]\n"
        "    - Slice: {name: chomp, dim: 2, start: $cut}\nlayers:\n"
        "- Level: {name: levels, cut: $(2 ** index), repeat: $levels}",
        {
            "levels": "`repeat` of `levels` on line 11 writes its copies one by one:"
            " `start` of `chomp` of `Level` needs the number of each"
        },
    ),
    "copies of a group that is never there": (
        "input: [6]\nparams: {a: 2}\nblocks:\n  B:\n    params: {many: true, on: false}\n"
        "    layers:\n    - Group:\n        layers: [{Linear: {name: one, out_features: 6}}]\n"
        "        when: $on\n        repeat: $(2 if many else 0)\n    - Tanh\n"
        "layers: [{Linear: 6}, {B: {many: $(in_features != a + 4)}}]",
        {"a": "`repeat` of `Group` of `B` on line 11 writes its copies one by one"},
    ),
    "parameters of copies that are tied": (
        "input: [4]\nparams: {sizes: [3, 3]}\nlayers:\n- Sequential:\n    name: body\n"
        "    layers:\n    - Group:\n        layers:\n"
        "        - Linear: {name: fc_$i, out_features: '$(sizes[i])'}\n"
        "        repeat: {times: $(len(sizes)), as: i}\ntie: {body.fc_0.bias: body.fc_1.bias}",
        {"sizes": "`body.fc_0.bias` on line 12 needs two parameters of one shape"},
    ),
    "parameters of a block's copies that are tied": (
        "input: [4]\nparams: {a: 3}\nblocks:\n  B:\n    params: {sizes: required}\n    layers:\n"
        "    - Sequential:\n        name: body\n        layers:\n        - Group:\n"
        "            layers:\n            - Linear: {name: fc_$i, out_features: '$(sizes[i])'}\n"
        "            repeat: {times: $(len(sizes)), as: i}\n"
        "layers: [{B: {name: b, sizes: '$([a, 3])'}}]\ntie: {b.body.fc_0.bias: b.body.fc_1.bias}",
        {"a": "`b.body.fc_0.bias` on line 16 needs two parameters of one shape"},
    ),
    "a number in a name": (
        "input: [4]\nparams: {a: true, b: 2}\nlayers:\n- LeakyReLU\n"
        "- Add:\n    when: $a\n    branches:\n"
        "    - [{Linear: {name: more, out_features: 4, repeat: $(b - 2)}}]\n"
        "    - [{LeakyReLU: 0.2}]\nalias: {again: leaky_relu1}",
        {
            "a": "`again` on line 11 needs modules that are always there",
            "b": "`repeat` of `more` on line 9 is 0",
        },
    ),
    "the word of a type": (
        "input: [4]\nparams: {a: ReLU, b: GELU}\nlayers:\n- $a\n- $b\n"
        "- Linear: {out_features: $(len(a)), bias: $(b != 'ReLU')}",
        {"a": "`Linear` on line 7 reads the word, not the type"},
    ),
    "the word of a type in a block": (
        "input: [4]\nparams: {a: ReLU}\nblocks:\n  B:\n    params: {f: required}\n"
        "    layers: [{Linear: {out_features: 4, bias: $(f != 'ReLU')}}]\nlayers: [$a, {B: $a}]",
        {"a": "`B` on line 8 reads the word, not the type"},
    ),
    "the word of a type in a parameter": (
        "input: [4]\nparams: {a: ReLU, b: $(len(a))}\nlayers: [$a, {Linear: $b}]",
        {"a": "`b` on line 3 reads the word, not the type"},
    ),
    "a value of no type": (
        "input: [4]\nparams:\n  a: null\nlayers: [{LayerNorm: {eps: 1, bias: $(a is None)}}]",
        {"a": "`a` on line 4 has a value that no argument can have"},
    ),
    "nothing": (
        "inputs: {x: {shape: [4], range: [0, $a]}}\nparams: {a: 4}\nlayers: [{Linear: 2}]",
        {"a": "no layer uses it"},
    ),
}


@pytest.mark.parametrize("name", WHY)
def test_a_fixed_parameter_says_why(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In JSON, in text, and in the docstring, where no line stands."""
    text, why = f"name: Net\n{WHY[name][0]}\n", WHY[name][1]
    spec = tmp_path / "net.yaml"
    spec.write_text(text, encoding="utf-8")
    assert main(["check", str(spec), "--format", "json"]) == 0
    found = json.loads(capsys.readouterr().out)["results"][0]["fixed"]
    assert {fixed["name"]: fixed["why"] for fixed in found} == why
    assert all(f"on line {f['line']} " in f["why"] for f in found if f["why"] != UNUSED)
    assert main(["check", str(spec)]) == 0
    told = capsys.readouterr().out.splitlines()[1:]
    assert told == [f"`{name}` is fixed: {text}" for name, text in why.items()]
    document = build_source(parse(text, "net.yaml"), {}, None).module_class.__doc__ or ""
    lines = " ".join(document.split()).partition("Fixed when this file was generated: ")[2]
    assert len(lines.split("- ``")[1:]) == len(why)
    assert "line" not in lines


# networks as they are written from their references, and what of their parameters is fixed
FEW = {
    "buckets": set(),
    "conformer": {"features"},
    "ft_transformer": {"numbers", "categories"},
    "gpt": set(),
    "llama": {"seq_len"},
    "unet_skips": {"channels", "bilinear"},
}


@pytest.mark.parametrize("name", FEW)
def test_what_an_expression_can_carry_is_free(name: str) -> None:
    """That the class does what `--set` does for all of them is held in `test_members`."""
    source = read(ROOT / "tests" / "specs" / f"{name}.yaml")
    params = build_source(source, {}, None).graph.params
    assert {p.name for p in params if p.fixed or not p.used} == FEW[name]


# sizes that meet: what is fixed, and other arguments that must do what `--set` does
MEETINGS = {
    "a product and what it was divided from": (
        "input: [24]\nparams: {dim: 24, heads: 4}\nlayers:\n- Linear: $dim\n"
        "- Reshape: {name: cut, shape: [$heads, $(dim // heads)]}\n"
        "- Reshape: {name: back, shape: [$(heads * (dim // heads))]}\n"
        "- Add: [fc1, back]\n- Linear: 2",
        set(),
    ),
    "what is cut off the end of each copy": (
        "input: [2, L]\nparams: {levels: 3, channels: 4}\nblocks:\n  Level:\n"
        "    params: {channels: required, size: 3, dilation: required}\n    layers:\n"
        "    - Conv1d: {out_channels: $channels, kernel_size: $size, dilation: $dilation,"
        " padding: $((size - 1) * dilation)}\n"
        "    - Slice: {dim: 2, end: $(-(size - 1) * dilation)}\n    - ReLU\nlayers:\n"
        "- Level: {name: levels, channels: $channels, dilation: $(2 ** index),"
        " repeat: $levels}\n- Mean: 2\n- Linear: 2",
        set(),
    ),
    "written and read": (
        "input: [24]\nparams: {dim: 24, heads: 4}\nlayers:\n- Linear: $dim\n"
        "- Linear: {in_features: $(heads * (dim // heads)), out_features: 2}",
        set(),
    ),
    "joined": (
        "input: [6, 5]\nparams: {k: 3}\nlayers:\n"
        "- Conv1d: {name: c, out_channels: 2, kernel_size: $k, padding: $(k // 2)}\n"
        "- Concat: [x, c]\n- Flatten\n- Linear: 2",
        set(),
    ),
    "stacked": (
        "input: [6, T]\nparams: {k: 3}\nlayers:\n"
        "- Conv1d: {name: c, out_channels: 6, kernel_size: $k, padding: $(k // 2)}\n"
        "- Stack: {from: [c, x], dim: 1}\n- Mean: [3]\n- Flatten\n- Linear: 2",
        set(),
    ),
    "multiplied": (
        "input: [4, 24]\nparams: {dim: 24, heads: 4}\nlayers:\n"
        "- Linear: {name: a, from: x, out_features: $dim}\n"
        "- Linear: {name: b, from: x, out_features: $(heads * (dim // heads))}\n"
        "- Transpose: {name: t, dim0: 1, dim1: 2}\n- MatMul: [a, t]\n- Linear: 2",
        set(),
    ),
    "two that are equal for more than these values": (
        "input: [4]\nparams: {a: 6, b: 3}\nlayers:\n"
        "- Linear: {name: one, from: x, out_features: $(a + 2)}\n"
        "- Linear: {name: two, from: x, out_features: $(2 * b + 2)}\n"
        "- Add: [one, two]\n- Linear: 2",
        set(),
    ),
    "what spreads under the name of the other where a parameter is 0": (
        "input: [4]\nparams: {a: 6, b: 3}\nlayers:\n"
        "- Linear: {name: one, from: x, out_features: $(a + 1)}\n"
        "- Linear: {name: two, from: x, out_features: $(2 * b + 1)}\n"
        "- Add: [one, two]\n- Linear: 2",
        {"a", "b"},
    ),
    "what spreads under the name of the other": (  # with a = 1 the sum is b wide, and a with b = 1
        "input: [4]\nparams: {a: 6, b: 3}\nlayers:\n"
        "- Linear: {name: one, from: x, out_features: $a}\n"
        "- Linear: {name: two, from: x, out_features: $(b + b)}\n- Add: [one, two]\n- Linear: 2",
        {"a", "b"},
    ),
    "what is 1, spread over a number": (
        "input: [4]\nparams: {a: 1}\nlayers:\n"
        "- Linear: {name: one, from: x, out_features: $a}\n- Mul: [x, one]\n- Linear: 2",
        set(),
    ),
    "what is 1, spread over an argument": (
        "input: [4]\nparams: {a: 1, b: 6}\nlayers:\n"
        "- Linear: {name: one, from: x, out_features: $a}\n"
        "- Linear: {name: two, from: x, out_features: $b}\n- Mul: [one, two]\n- Linear: 2",
        {"a", "b"},
    ),
    "what is 1, squeezed": (
        "input: [4, 6]\nparams: {a: 1}\nlayers:\n- Conv1d: [$a, 3]\n- Squeeze: 1\n- Linear: 2",
        {"a"},
    ),
    "an equality of one value": (
        "input: [24]\nparams: {dim: 24}\nlayers:\n- Linear: $dim\n- Add: [x, fc1]",
        {"dim"},
    ),
    "a mask": (
        "input: [6, 8]\nparams: {heads: 2, dim: 8}\nlayers:\n"
        "- Reshape: {name: cut, shape: [6, -1, $heads]}\n- Gt: {name: mask, other: 0.0}\n"
        "- MaskedFill: {from: [cut, mask], value: 0.0}\n- Flatten\n- Linear: $dim",
        set(),
    ),
    "parts, and what is split": (
        "input: [8]\nparams: {a: 3, b: 4}\nlayers:\n- Linear: $(a + 2 * b)\n"
        "- Split: {name: parts, sizes: [$a, $b, $b], dim: -1}\n- Mul: [parts.1, parts.2]\n"
        "- Linear: 2\n- Linear: {name: rest, from: parts.0, out_features: 2}\n- Add: [fc2, rest]",
        set(),
    ),
    "parts of one number": (
        "input: [8]\nparams: {a: 4}\nlayers:\n- Split: {name: parts, sizes: [$a, 4], dim: 1}\n"
        "- Add: [parts.0, parts.1]\n- Linear: 2",
        {"a"},
    ),
    "so many parts as a list has": (
        "input: [8]\nparams: {sizes: [3, 5]}\nlayers:\n"
        "- Split: {name: parts, sizes: $sizes, dim: 1}\n"
        "- Concat: [parts.1, parts.0]\n- Linear: 2",
        {"sizes"},
    ),
    "in two uses of a block": (
        "input: [12]\nparams: {dim: 12, a: 3, b: 2}\n"
        "blocks:\n  B:\n    params: {n: 1}\n    layers:\n"
        '    - Reshape: [$n, "$(shape(input)[0] // n)"]\n'
        "    - Flatten\n    - Add: [input, flatten]\n"
        "layers: [{Linear: $dim}, {B: $a}, {B: $b}, {Linear: 2}]",
        set(),
    ),
}


@pytest.mark.parametrize("name", MEETINGS)
def test_sizes_that_meet(name: str) -> None:
    text, fixed = MEETINGS[name]
    source = parse(f"name: Net\n{text}\n", name)
    params = build_source(source, {}, None).graph.params
    assert {p.name for p in params if p.fixed} == fixed
    assert bool(hold(source)) == (fixed < {p.name for p in params})


# layers that the defaults leave out, and their parameters are arguments all the same
ABSENT = {
    "a layer with weights": (
        "input: [4]\nparams: {pre: false}\nlayers:\n- Linear: 4\n"
        "- LayerNorm: {name: norm, when: $pre}\n- ReLU"
    ),
    "one without": (
        "input: [4]\nparams: {p: 0.0}\nlayers:\n- Linear: 4\n- ReLU\n"
        "- Dropout: {name: drop, p: $p, when: $(p > 0)}\n- ReLU"
    ),
    "a merge": (
        "input: [4]\nparams: {skip: false}\nlayers:\n- Linear: {name: a, out_features: 4}\n"
        "- Add: {name: sum, from: [x, a], when: $skip}\n- Linear: {name: b, out_features: 2}"
    ),
    "a group with a source": (
        "input: [6, 4]\nparams: {pos: false}\nlayers:\n- Linear: {name: a, out_features: 4}\n"
        "- Group:\n    when: $pos\n    layers:\n"
        "    - Parameter: {name: emb, shape: [6, 4], init: {normal_: {}}}\n    - Add: [a, emb]\n"
        "- Linear: {name: b, out_features: 2}"
    ),
    "a group with a source that is there": (
        "input: [6, 4]\nparams: {pos: true}\nlayers:\n- Linear: {name: a, out_features: 4}\n"
        "- Group:\n    when: $pos\n    layers:\n"
        "    - Parameter: {name: emb, shape: [6, 4], init: {normal_: {}}}\n    - Add: [a, emb]\n"
        "- Linear: {name: b, out_features: 2}"
    ),
    "conditions in conditions": (
        "input: [4]\nparams: {a: false, b: false}\nlayers:\n- Linear: {name: in, "
        "out_features: 4}\n- Group:\n    when: $a\n    layers:\n    - ReLU\n"
        "    - LayerNorm: {name: norm, when: $b}\n- Linear: {name: out, out_features: 2}"
    ).replace("name: in,", "name: first,"),
    "a child of a chain": (
        "input: [4]\nparams: {pre: false}\nlayers:\n- Sequential:\n    name: net\n    layers:\n"
        "    - Linear: 4\n    - LayerNorm: {when: $pre}\n    - Linear: 2"
    ),
    "in a block": (
        "input: [4]\nparams: {norm: false, width: 6}\n"
        "blocks:\n  B:\n    params: {n: required, norm: false}\n    layers:\n    - Linear: $n\n"
        "    - LayerNorm: {when: $norm}\n    - ReLU\n    - Linear: $n\n"
        "layers: [{B: {n: $width}}, {B: {n: $width, norm: $norm}}, {B: {n: 2, norm: $norm}}]"
    ),
    "a block that nothing else uses": (
        "input: [4]\nparams: {extra: false}\n"
        "blocks:\n  B:\n    layers: [{Linear: 4}, ReLU]\n"
        "layers: [{Linear: 4}, {B: {name: more, when: $extra}}, {Linear: 2}]"
    ),
    "what one use says and another is told": (
        "input: [4]\nparams: {a: false}\n"
        "blocks:\n  B:\n    params: {norm: false}\n    layers:\n    - Linear: 4\n"
        "    - LayerNorm: {when: $norm}\n"
        "layers: [{B: {norm: false}}, {B: {norm: $a}}, {B: {norm: $a}}]"
    ),
    "a reference to it": (
        "input: [4]\nparams: {pre: false}\nlayers:\n- Linear: {name: a, out_features: 4}\n"
        "- LayerNorm: {name: norm, when: $pre}\n- Linear: {name: b, out_features: 4}\n"
        "- Add: [norm, b]"
    ),
}


@pytest.mark.parametrize("name", ABSENT)
def test_what_the_defaults_leave_out_is_there_for_others(name: str) -> None:
    source = parse(f"name: Net\n{ABSENT[name]}\n", name)
    params = build_source(source, {}, None).graph.params
    assert {p.name for p in params if p.fixed} == set()
    assert hold(source) >= len(params)


REFUSED = (RuntimeError, ValueError, IndexError, ZeroDivisionError)


def hold(source: Source) -> int:
    """Compare the class with what ``--set`` gives, argument by argument and in pairs.

    Keys, shapes and outputs are equal with the same weights, or both refuse. Gives the number of
    comparisons.
    """
    default = build_source(source, {}, None)
    arguments = [p for p in default.graph.params if p.used and not p.fixed]
    changes = [{p.name: value} for p in arguments for value in others(p)]
    pairs = [{**a, **b} for a, b in combinations(changes, 2) if a.keys() != b.keys()]
    changes += random.Random(source.name).sample(pairs, min(len(pairs), 4))
    for change in changes:
        compare(source, default, change)
    return len(changes)


def others(parameter: Parameter) -> list[Any]:
    value = parameter.value
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, int):
        return [v for v in dict.fromkeys((1, value // 2, 2 * value)) if v and v != value]
    return [value / 2] if isinstance(value, float) else []


def compare(source: Source, default: Result, change: dict[str, Any]) -> None:
    """One member of the class beside the network that ``--set`` gives."""
    expected: Result | None = None
    with contextlib.suppress(NetgenError):
        expected = build_source(source, change, None)
    torch.manual_seed(0)
    if expected is None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what torch thinks of sizes of 0
            with pytest.raises(REFUSED):
                default.module_class(**change).eval()(*samples(default.graph))
        return
    network, other = (
        made.eval() for made in (default.module_class(**change), expected.module_class())
    )
    keys = [(key, weight.shape) for key, weight in network.state_dict().items()]
    assert keys == [(key, weight.shape) for key, weight in other.state_dict().items()], change
    other.load_state_dict(network.state_dict())
    inputs = samples(expected.graph)
    torch.testing.assert_close(network(*inputs), other(*inputs), msg=str(change))


def samples(graph: Graph) -> list[torch.Tensor]:
    """Random inputs; positions are 0, which each table has."""
    return [
        torch.randn([*map(int, x.type.shape)])
        if x.type.dtype == "float32"
        else torch.zeros([*map(int, x.type.shape)], dtype=torch.int64)
        for x in graph.inputs
    ]
