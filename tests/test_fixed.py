"""Parameters that are no arguments of the class: few, and each says why."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from torch_netgen.cli import main
from torch_netgen.needs import UNUSED
from torch_netgen.pipeline import build_source
from torch_netgen.source import parse

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
        "input: [4]\nparams: {a: GELU}\nlayers:\n- Linear: 4\n- $a",
        {"a": "`$a` on line 6 gets its type from it"},
    ),
    "an argument that decides on shapes": (
        "input: [2, 4]\nparams: {a: 1}\nlayers:\n- Concat: {name: both, from: [x, x], dim: $a}",
        {"a": "`dim` of `both` on line 5 needs it"},
    ),
    "an index": (
        "input: [4]\nparams: {a: 1, widths: [4, 8]}\nlayers:\n- Linear: $(widths[a])",
        {"a": "`Linear` on line 5 needs it as an index"},
    ),
    "a condition without a value": (
        "input: [4]\nparams: {a: 0}\nlayers:\n- Linear: $(8 if a == 0 else 8 // a)",
        {"a": "`Linear` on line 5 needs it for a condition"},
    ),
    "layers that are not there": (
        "input: [4]\nparams: {a: false}\nlayers:\n- Linear: 4\n"
        "- Linear: {name: more, out_features: 4, when: $a}",
        {"a": "`when` of `more` on line 6 is false"},
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
    "copies one by one": (
        "input: [4]\nparams: {a: 2}\nlayers:\n- Linear: {out_features: 4, repeat: $a}",
        {"a": "`repeat` of `Linear` on line 5 writes its copies one by one"},
    ),
    "no copies": (
        "input: [4]\nparams: {a: 0}\nlayers:\n- Linear: 4\n"
        "- Linear: {name: more, out_features: 4, repeat: $a}",
        {"a": "`repeat` of `more` on line 6 is 0"},
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
        {"a": "`Add` of `B` on line 9 needs `4` and `2 * a` to be equal"},
    ),
    "in a block's own block": (
        "input: [4]\nparams: {a: 1}\nblocks:\n"
        "  A:\n    params: {n: 1}\n    layers: [{B: $(n - 1)}]\n"
        "  B:\n    params: {dim: 0}\n    layers:\n    - Softmax: $(dim + 1)\n"
        "layers: [{A: $a}]",
        {},
    ),
    "what another fixed one is worked out from": (
        "input: [$b]\nparams: {a: 4, b: $(2 * a)}\nlayers: [{Linear: 2}]",
        {"a": "`b` on line 3 needs `2 * a`", "b": "the input's shape on line 2 needs it"},
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
