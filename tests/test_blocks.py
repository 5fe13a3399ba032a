"""Blocks and what they are made of: specs that are hard to get right, and what they compute."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from typing import Any

import pytest
import torch
import yaml
from torch import Tensor
from torch_netgen import NetgenError
from torch_netgen.layers.base import Layer, Nested
from torch_netgen.pipeline import build_source
from torch_netgen.spec.given import read
from torch_netgen.spec.source import parse
from torch_netgen.symbolic.sizes import plain

from . import family
from .conftest import ROOT, Builder
from .test_parameters import hold

TRICKY = {
    text.split("\n")[0].removeprefix("name: "): text
    for text in (ROOT / "tests" / "tricky.yaml").read_text().split("\n---\n")
}

VARIED = yaml.safe_load((ROOT / "tests" / "varied.yaml").read_text())
# one calls a block what its type is called, the other reads indices of a narrow range
NOT_APART = {"OwnNames", "C31"}


@pytest.mark.parametrize("name", TRICKY)
def test_tricky_specs_run_and_their_arguments_do_what_set_does(
    name: str, build_text: Builder
) -> None:
    build_text(TRICKY[name])
    hold(parse(TRICKY[name], name))


def torch_makes(row: Layer, args: Mapping[str, Any]) -> torch.nn.Module:
    """The layer of torch with these arguments."""
    values = {arg.name: plain(args[arg.name]) for arg in row.args}
    for name, value in values.items():
        if isinstance(value, Nested):
            values[name] = torch_makes(value.row, value.args)
    made: torch.nn.Module = getattr(torch.nn, row.name)(**values)
    return made


@pytest.mark.parametrize("name", TRICKY)
def test_each_layer_of_a_block_is_what_its_use_says(name: str) -> None:
    found = build_source(parse(TRICKY[name], name), {}, None)
    network = found.module_class()
    for path, layer in found.graph.layers():
        row, args = layer.row, layer.node.args
        if row is not None and not row.source and hasattr(torch.nn, row.name):
            assert repr(network.get_submodule(path)) == repr(torch_makes(row, args)), path


def apart(spec: dict[str, Any]) -> dict[str, Any]:
    """The spec with a block of its own for each use of a block."""
    blocks, made = spec["blocks"], dict(spec["blocks"])

    def own(block: str) -> str:
        name = f"{block}Number{len(made)}"
        made[name] = None  # the name is taken
        made[name] = {**blocks[block], "layers": items(blocks[block]["layers"])}
        return name

    def items(value: Any, *, listed: bool = False) -> Any:
        if isinstance(value, list):
            return [items(item, listed=True) for item in value]
        if isinstance(value, dict):
            return {own(key) if key in blocks else key: items(value[key]) for key in value}
        return own(value) if listed and value in blocks else value

    return {**spec, "layers": items(spec["layers"]), "blocks": made}


def hold_apart(spec: dict[str, Any]) -> None:
    """Hold the class for all uses of a block against a class for each."""
    found, other = (family.predicted(each, {}) for each in (spec, apart(spec)))
    network, several = (family.class_of(family.printed(each))() for each in (found, other))
    own = network.state_dict().values()
    weights = [torch.arange(w.numel()).cos().reshape(w.shape) for w in own]
    for each in (network, several):
        each.load_state_dict(dict(zip(each.state_dict(), weights, strict=True)))
    for given in family.inputs(found):
        wanted = family.run(several, given, training=False)
        assert not isinstance(wanted, str), wanted
        assert family.alike(family.run(network, given, training=False), wanted)


@pytest.mark.parametrize(
    "name", [name for name in TRICKY if "\nblocks:" in TRICKY[name] and name not in NOT_APART]
)
def test_a_class_for_all_uses_does_what_a_class_for_each_does(name: str) -> None:
    hold_apart({**yaml.safe_load(TRICKY[name]), "name": "Net"})


@pytest.mark.parametrize("place", range(len(VARIED)))
def test_uses_that_differ_in_an_argument_are_what_they_are_alone(place: int) -> None:
    one = VARIED[place]
    block = {"params": one["params"], "layers": one["layers"]}
    layers = one["uses"]
    hold_apart({"name": "Net", "input": one["input"], "blocks": {"B": block}, "layers": layers})


def test_each_use_draws_its_own_initial_values() -> None:
    source = parse(TRICKY["HiddenSizes"], "sizes")
    network: Any = build_source(source, {}, None).module_class()
    assert network.first.shift.tolist() == [7.5] * 8
    assert network.mix1.shift.tolist() == [6.0] * 8


def test_operands_keep_their_brackets(build_text: Builder) -> None:
    network: Any = build_text(TRICKY["C1"]).module_class()
    a, b = 3, 4
    expected = ((torch.full((1, 8), 9.0) - (a - 1)) / (a * 2)) ** (a - 1) * (a + b) * b * -a
    assert torch.allclose(network(torch.full((1, 8), 9.0)), expected)


def test_copies_read_their_other_inputs_unchanged(build_text: Builder) -> None:
    network: Any = build_text(TRICKY["C29"]).module_class().eval()
    x = torch.randn(2, 8)
    found = x
    for layer in network.b:
        found = layer.fc1(found) + x
    context = network.ctx(found)
    for layer in network.stack:
        found = layer.fc1(found) + context
    assert torch.allclose(network(x), found)


def test_one_class_serves_any_number_of_copies(build_text: Builder) -> None:
    result = build_text(TRICKY["Stages"])
    network: Any = result.module_class(w=6, d=4)
    assert [len(stage.blocks) for stage in (network.s1, network.s2, network.s3)] == [1, 4, 3]
    assert network(torch.randn(2, 3, 32, 32)).shape == (2, 3)
    assert result.source.count("class Stage(") == 1


def test_conditions_of_a_block_follow_its_arguments(build_text: Builder) -> None:
    network: Any = build_text(TRICKY["Stages"]).module_class
    assert isinstance(network(w=3).s1.blocks[0].short, torch.nn.Identity)
    assert isinstance(network(w=4).s1.blocks[0].short, torch.nn.Conv2d)


def test_tied_weights_are_one_parameter(build_text: Builder) -> None:
    result = build_text(TRICKY["C22"])
    network: Any = result.module_class()
    assert network.h.lm.weight is network.e.weight
    assert list(network.state_dict()) == ["e.weight", "h.lm.weight"]
    assert result.parameter_count == sum(p.numel() for p in network.parameters()) == 66


def test_initial_weights_are_those_of_the_spec(build_text: Builder) -> None:
    text = (
        "name: Net\ninput: [4]\nparams: {v: 0.25}\nlayers:\n"
        "  - Linear: {name: first, out_features: 4, repeat: 2}\n"
        "  - Linear: {name: head, out_features: 4}\n"
        "init:\n  Linear: {weight: ones_, bias: zeros_}\n"
        "  head: {bias: {constant_: $v}}\n  first.1: {weight: {constant_: $(3 * v)}}\n"
    )
    network: Any = build_text(text).module_class(v=0.5)
    assert network.first[0].weight.unique().tolist() == [1.0]
    assert network.first[1].weight.unique().tolist() == [1.5]
    assert network.head.bias.unique().tolist() == [0.5]
    assert network.head.weight.unique().tolist() == [1.0]


def test_initial_weights_of_a_type_inside_of_a_path(build_text: Builder) -> None:
    """An inner path beats an outer one, both beat the type alone, and a name beats them all."""
    text = """
name: Net
input: [3, 6, 6]
params: {v: 0.25, aux: true}
blocks:
  Head:
    layers:
      - Conv2d: {name: a, out_channels: 3, kernel_size: 1, bias: false}
      - Sequential: {name: tail, layers: [{Conv2d: {out_channels: 3, kernel_size: 1}}]}
layers:
  - Head: {name: plain}
  - Head: {name: extra, when: $aux}
  - Head: {name: deep.first}
  - Head: {name: deep.last}
  - Conv2d: {name: stages, out_channels: 3, kernel_size: 1, repeat: 2}
  - Flatten: 2
  - TransformerEncoder:
      name: enc
      num_layers: 1
      encoder_layer: {TransformerEncoderLayer: {nhead: 2, dim_feedforward: 8, batch_first: true}}
init:
  deep.last.tail.Conv2d: {weight: {constant_: 5}}
  deep.last.Conv2d: {weight: {constant_: 4}, bias: {constant_: 4}}
  extra.Conv2d: {weight: {constant_: $v}}
  Conv2d: {weight: ones_, bias: zeros_}
  stages.Conv2d: {weight: {constant_: 6}}
  stages.1: {weight: {constant_: 7}}
  enc.Linear: {weight: zeros_}
"""
    network: Any = build_text(text).module_class(v=0.5)

    def value(tensor: Any) -> float:
        (found,) = tensor.unique().tolist()
        return float(found)

    assert value(network.plain.a.weight) == value(network.deep.first.tail[0].weight) == 1
    assert value(network.extra.a.weight) == value(network.extra.tail[0].weight) == 0.5
    assert value(network.extra.tail[0].bias) == 0
    assert value(network.deep.last.a.weight) == value(network.deep.last.tail[0].bias) == 4
    assert value(network.deep.last.tail[0].weight) == 5
    assert [value(layer.weight) for layer in network.stages] == [6, 7]
    assert value(network.enc.layers[0].linear1.weight) == 0
    assert value(network.enc.layers[0].norm1.weight) == 1
    without: Any = build_text(text).module_class(aux=False)
    assert not [*without.extra.parameters()]


def test_drop_path_keeps_the_mean(build_text: Builder) -> None:
    text = "name: Net\ninput: [3]\nlayers: [{DropPath: 0.25}]"
    network: Any = build_text(text).module_class()
    x = torch.ones(4000, 3)
    assert torch.equal(network.eval()(x), x)
    dropped = network.train()(x)
    assert {round(value, 4) for value in dropped.flatten().tolist()} == {0.0, 1.3333}
    assert abs(dropped.mean().item() - 1) < 0.05


def test_layer_norm_over_channels(build_text: Builder) -> None:
    text = "name: Net\ninput: [5, 4, 4]\nlayers: [LayerNorm2d]"
    network: Any = build_text(text).module_class()
    x = torch.randn(2, 5, 4, 4)
    rows = torch.nn.functional.layer_norm(x.permute(0, 2, 3, 1), (5,), eps=1e-6)
    assert torch.allclose(network(x), rows.permute(0, 3, 1, 2), atol=1e-6)


@pytest.mark.parametrize("layer", ["LayerNorm2d: {eps: 0.1}", "DropPath: 0.25"])
def test_a_file_imports_what_the_classes_that_it_defines_need(
    layer: str, build_text: Builder
) -> None:
    text = f"name: Net\ninput: [4, 2, 2]\nsequential: true\nlayers: [{{{layer}}}]"
    network: Any = build_text(text).module_class()
    assert network(torch.randn(2, 4, 2, 2)).shape == (2, 4, 2, 2)


def bottleneck(block: Any, x: Tensor, *, first: bool) -> Tensor:
    """What Res2Net's bottleneck gives."""
    parts = torch.relu(block.bn1(block.reduce(x))).chunk(4, dim=1)
    found = [block.conv1(parts[0])]
    for part, conv in ((parts[1], block.conv2), (parts[2], block.conv3)):
        found.append(conv(part if first else found[-1] + part))
    together = torch.cat([*found, parts[3]], dim=1)
    return torch.relu(block.expand(together) + block.shortcut(x))


@pytest.mark.parametrize("hierarchical", [False, True])
def test_uses_of_a_block_read_different_tensors(hierarchical: bool) -> None:
    source = read(ROOT / "tests" / "specs" / "res2net.yaml")
    network: Any = build_source(source, {}, None).module_class(hierarchical=hierarchical)
    other = build_source(source, {"hierarchical": hierarchical}, None).module_class()
    other.load_state_dict(network.state_dict())
    x = torch.randn(2, 3, 16, 16)
    found = network.eval()(x)
    assert torch.equal(found, other.eval()(x))
    for block, first in (
        (network.first, not hierarchical),
        (network.second, False),
        (network.third, True),
    ):
        x = bottleneck(block, x, first=first)
    assert torch.allclose(found, network.fc1(x.mean((2, 3))), atol=1e-6)


def through(mlp: Any, x: Tensor, count: int) -> Tensor:
    """What a tower of linear layers gives, each but the last followed by a ReLU."""
    for number in range(count):
        x = mlp.get_submodule(f"layer_{number}")(x)
        x = torch.relu(x) if number < count - 1 else x
    return x


@pytest.mark.parametrize("bottom", [[12, 10, 8], [9], [7, 4, 4, 5]])
@pytest.mark.parametrize("top", [[16, 9, 6, 1], [2], []])
def test_one_class_serves_lists_of_all_lengths(bottom: list[int], top: list[int]) -> None:
    source = read(ROOT / "tests" / "specs" / "dlrm.yaml")
    values = {"bottom": bottom, "top": top}
    network: Any = build_source(source, {}, None).module_class(**values)
    other = build_source(source, values, None).module_class()
    assert list(other.state_dict()) == list(network.state_dict())
    other.load_state_dict(network.state_dict())
    dense, sparse = torch.randn(2, 13), torch.randint(20, (2, 3))
    found = network.eval()(dense, sparse)
    assert torch.equal(found, other.eval()(dense, sparse))
    own = through(network.bottom, dense, len(bottom))
    vectors = torch.cat([own[:, None], network.embed(sparse)], dim=1)
    pairs = (vectors @ vectors.transpose(1, 2)).flatten(1)
    assert torch.equal(found, through(network.top, torch.cat([own, pairs], dim=1), len(top)))


LOOPS = """
name: Net
input: [6]
params: {sizes: [4, 3], n: 2}
layers:
  - Sequential:
      name: parts
      layers: [BODY]
"""


def test_copies_of_a_loop_have_different_names() -> None:
    body = "{Group: {repeat: 2, layers: [{Linear: {name: a_$index, repeat: $n, out_features: 6}}]}}"
    with pytest.raises(NetgenError) as caught:
        build_source(parse(LOOPS.replace("BODY", body), "loops"), {}, None)
    (wrong,) = caught.value.diagnostics
    assert (wrong.code, wrong.message) == ("NG205", "the name `a_0` is given twice")


PORTS = """
name: Net
input: [8, 6]
params: {on: true, port: parts.1}
layers:
  - Chunk: {name: parts, chunks: 2, dim: 1, when: $on}
  - LSTM: {name: rnn, from: parts.0, hidden_size: 5, batch_first: true, when: $on}
  - Linear: {name: a, from: $port, out_features: 3}
  - Linear: {name: b, from: rnn, out_features: 3}
  - Linear: {name: c, from: rnn.c_n, out_features: 3}
outputs: [a, b, c]
"""


def test_an_absent_layers_ports_are_what_it_would_have_read() -> None:
    x = torch.randn(2, 8, 6)
    there: Any = build_source(parse(PORTS, "ports"), {}, None).module_class()
    left, right = x.chunk(2, dim=1)
    states, (_, last) = there.rnn(left)
    for found, layer, given in zip(there(x), "abc", (right, states, last), strict=True):
        assert torch.equal(found, there.get_submodule(layer)(given))
    absent: Any = build_source(parse(PORTS, "ports"), {"on": False}, None).module_class()
    for found, layer in zip(absent(x), "abc", strict=True):
        assert torch.equal(found, absent.get_submodule(layer)(x))


@pytest.mark.parametrize(
    ("port", "known"), [("parts.first", "`0`, `1`, ..."), ("rnn.h", "`output`, `h_n`, `c_n`")]
)
@pytest.mark.parametrize("on", [False, True])
def test_an_absent_layer_has_the_ports_of_its_type(port: str, known: str, on: bool) -> None:
    text = PORTS.replace("  - Linear: {name: a, from: $port, out_features: 3}\n", "")
    text = text.replace("[a, b", "[d, b").replace(
        "outputs:", "  - Linear: {name: d, from: $port, out_features: 3}\noutputs:"
    )
    with pytest.raises(NetgenError) as caught:
        build_source(parse(text, "ports"), {"on": on, "port": port}, None)
    (wrong,) = caught.value.diagnostics
    known = "`0`, `1`" if on and "parts" in port else known
    assert wrong.message == f"`{port}`: there is no port `{port.split('.')[1]}`"
    assert wrong.help == f"the ports are {known}"


CHOOSING = """
name: Net
params: {early: true, mode: b}
input: [8]
layers:
  - Linear: {name: a, out_features: 8}
  - ReLU: {name: b}
  - Linear: {name: c, from: $("a" if early else "b"), out_features: 8}
  - Add: {name: d, from: [$("a" if mode == "a" else ("b" if mode == "b" else "c")), c]}
  - ReLU: {name: e, when: $early, from: $("c" if mode == "b" else "d")}
  - Concat: {name: f, from: [b, $("d" if early else "a"), $("e" if mode == "a" else "c"), d, e]}
"""


@pytest.mark.parametrize("early", [True, False])
@pytest.mark.parametrize("mode", ["a", "b", "z"])
def test_a_network_chooses_what_it_reads_by_its_arguments(early: bool, mode: str) -> None:
    source = parse(CHOOSING, "choosing")
    values = {"early": early, "mode": mode}
    network: Any = build_source(source, {}, None).module_class(**values)
    other = build_source(source, values, None).module_class()
    other.load_state_dict(network.state_dict())
    x = torch.randn(2, 8)
    a = network.a(x)
    b = a.relu()
    c = network.c(a if early else b)
    d = {"a": a, "b": b}.get(mode, c) + c
    passed = c if mode == "b" else d
    e = passed.relu() if early else passed
    expected = torch.cat([b, d if early else a, e if mode == "a" else c, d, e], dim=1)
    assert torch.equal(network(x), expected)
    assert torch.equal(other(x), expected)


WAYS = """
name: Net
input: [8]
blocks:
  Word:
    params: {left: required}
    layers:
      - Linear: {name: a, out_features: 8}
      - Linear: {name: b, from: input, out_features: 8}
      - Mul: {from: [$left, a, b]}
  Deep:
    params: {deep: required, first: true}
    layers:
      - Linear: {name: a, out_features: 16}
      - Linear: {name: b, out_features: 8}
      - ReLU: {name: r, when: $deep, from: $("b" if first else "input")}
      - Linear: {name: c, from: $("a" if deep else "b"), out_features: 8}
      - Add: [r, c, b]
layers:
  - Word: {name: one, left: a}
  - Word: {name: two, left: b}
  - Deep: {name: three, deep: true, first: false}
  - Deep: {name: four, deep: false, first: false}
  - Deep: {name: five, deep: false}
  - Word: {name: copies, left: '$("a" if index == 0 else "b")', repeat: 2}
"""


def test_words_and_conditions_say_what_a_use_reads(build_text: Builder) -> None:
    network: Any = build_text(WAYS).module_class()
    x = torch.randn(2, 8)

    def word(block: Any, x: Tensor, left: str) -> Tensor:
        a: Tensor = block.a(x)
        b: Tensor = block.b(x)
        return (a if left == "a" else b) * a * b

    def deep(block: Any, x: Tensor, deep: bool, first: bool) -> Tensor:
        a: Tensor = block.a(x)
        b: Tensor = block.b(a)
        read = b if first else x
        last: Tensor = block.c(a if deep else b)
        return (read.relu() if deep else read) + last + b

    expected = word(network.two, word(network.one, x, "a"), "b")
    expected = deep(network.three, expected, True, False)
    expected = deep(network.four, expected, False, False)
    expected = deep(network.five, expected, False, True)
    expected = word(network.copies[1], word(network.copies[0], expected, "a"), "b")
    assert torch.allclose(network(x), expected)


def test_what_no_use_computes_can_not_be_chosen(build_text: Builder) -> None:
    text = WAYS.replace("[$left, a, b]", "[$left, a]")
    with pytest.raises(NetgenError, match="nothing reads what `b` gives"):
        build_text(text)


def test_branches_that_begin_at_different_tensors_are_refused(build_text: Builder) -> None:
    begun = "Mul: {from: $left, branches: [[{Linear: 8}], [ReLU]]}\n      - Add: [mul, a, b]"
    text = WAYS.replace("Mul: {from: [$left, a, b]}", begun)
    with pytest.raises(NetgenError) as caught:
        build_text(text)
    (wrong,) = caught.value.diagnostics
    assert wrong.message == "`fc1` does not read the same in all uses of the block"
    cure = 'write `from: $("left" if first else "right")` in each branch, not in the merge'
    assert wrong.help == cure


def test_each_branch_may_begin_at_a_tensor_that_varies(build_text: Builder) -> None:
    begun = (
        "Mul: {branches: [[{Linear: {from: $left, out_features: 8}}], [{ReLU: {from: $left}}]]}"
        "\n      - Add: [mul, a, b]"
    )
    network: Any = build_text(WAYS.replace("Mul: {from: [$left, a, b]}", begun)).module_class()
    x = torch.randn(2, 8)
    for block, first in ((network.one, True), (network.two, False)):
        a, b = block.a(x), block.b(x)
        left = a if first else b
        assert torch.allclose(block(x), block.fc1(left) * left.relu() + a + b)


LISTED = """
name: Net
inputs: {t: [4, 8], m1: {shape: [4, 4], batch: false}, m2: {shape: [4, 4], batch: false}}
params: {early: true}
blocks:
  Listed:
    params: {early: true}
    layers:
      - Linear: {name: a, out_features: 8}
      - Linear: {name: b, out_features: 8}
      - Linear: {name: c, out_features: 8}
      - Sub: {name: d, from: '$(["a", "b"] if early else ["c", "b"])'}
      - Concat: {from: [d, a, c, b], dim: 2}
  Masked:
    inputs: [t, mask]
    layers:
      - MultiheadAttention: {name: m, from: t, num_heads: 2, batch_first: true, attn_mask: mask}
layers:
  - Listed: {name: one, from: t, early: $early}
  - Listed: {name: two, early: false}
  - Masked: {name: three, from: [two, $("m1" if early else "m2")]}
  - Masked: {name: four, from: [three, m1]}
  - Add: {name: masks, from: [m1, m2]}
outputs: [four, masks]
"""


@pytest.mark.parametrize("early", [True, False])
def test_a_list_of_what_is_read_may_vary(early: bool) -> None:
    network: Any = build_source(parse(LISTED, "l"), {}, None).module_class(early=early)
    x = torch.randn(2, 4, 8)
    for block, first in ((network.one, early), (network.two, False)):
        a = block.a(x)
        b = block.b(a)
        c = block.c(b)
        expected = torch.cat([(a if first else c) - b, a, c, b], dim=2)
        x, given = expected, x
        assert torch.equal(block(given), expected)


MASKED = """
name: Net
inputs: {t: [4, 8], m1: {shape: [4, 4], batch: false}, m2: {shape: [4, 4], batch: false}}
blocks:
  Masked:
    inputs: [t, left, right]
    params: {which: left}
    layers:
      - MultiheadAttention: {name: m, from: t, num_heads: 2, batch_first: true, attn_mask: $which}
      - Add: {name: both, from: [left, right]}
    outputs: [m, both]
layers:
  - Masked: {name: one, from: [t, m1, m2]}
  - Masked: {name: two, from: [one.0, m1, m2], which: right}
outputs: [one.1, two.0, two.1]
"""


def test_a_mask_that_varies_is_an_input_of_the_block() -> None:
    with pytest.raises(NetgenError) as caught:
        build_source(parse(MASKED, "masked"), {}, None)
    (wrong,) = caught.value.diagnostics
    assert wrong.message == "`m` does not read the same in all uses of the block"
    assert wrong.help == "give the block an input for what varies, and choose where it is used"


PASSED = """
name: Passed
input: [3, 8]
blocks:
  B:
    params: {f: 1}
    layers:
      - Linear: {name: first, out_features: $in_features}
      - Softshrink: {name: second, lambd: 0.1}
      - LayerNorm: {when: $(f == 0), %s: '$("second" if f > 1 else "first")'}
      - Scale: {factor: 2}
layers: %s
"""


@pytest.mark.parametrize("uses", ["[B, B: {f: 4}]", "[B: {f: 0}, B, B: {f: 4}]"])
@pytest.mark.parametrize("key", ["from", "else"])
def test_what_an_absent_layer_passes_on_must_be_the_same(key: str, uses: str) -> None:
    """Where the layer is there in one use, ``forward`` chooses what it reads and passes on."""
    reading = parse(PASSED % (key, uses), "passed")
    if key == "from" and "f: 0" in uses:
        build_source(reading, {}, None)
        return
    with pytest.raises(NetgenError) as caught:
        build_source(reading, {}, None)
    (wrong,) = caught.value.diagnostics
    text = "`norm1` does not pass on the same in all uses of the block where it is absent"
    assert wrong.message == text
    assert wrong.help is not None
    assert "Identity: {name: out, from:" in wrong.help


SIZED = """
name: Sized
inputs: {a: [3, 8, 8], b: [3, 12, 12], s: [8, 16], t: [10, 16]}
blocks:
  Rows:
    layers: [{Conv2d: {out_channels: 4, kernel_size: 1}}, {Linear: $in_features}]
  Positions:
    layers:
      - LayerNorm
      - Parameter: {name: positions, shape: [1, "$(shape(norm1)[0])", "$(shape(norm1)[1])"]}
      - Add: [norm1, positions]
layers:
  - Rows: {name: rows, from: a}
  - Rows: {name: others, from: b}
  - Positions: {name: first, from: s}
  - Positions: {name: second, from: t}
outputs: [rows, others, first, second]
allow: [NG312]
"""


def test_sizes_are_called_what_they_are(build_text: Builder) -> None:
    """A width is no number of features, nor a length one of channels."""
    network = build_text(SIZED).module_class()
    arguments = [list(inspect.signature(type(m).__init__).parameters) for m in network.children()]
    assert ["self", "width"] in arguments
    assert ["self", "length"] in arguments


def test_numbered_copies_in_a_chain_may_be_absent(build_text: Builder) -> None:
    """`$index` has its meaning where the copies are left out, too."""
    text = (
        "name: Net\ninput: [4]\nparams: {width: 6}\nblocks:\n  B:\n    sequential: true\n"
        "    layers:\n"
        "    - Linear: $in_features\n"
        "    - ELU: {name: part_$index, when: $(in_features != 4), repeat: 2}\n    - Tanh\n"
        "layers: [B, {Linear: $width}, B]\n"
    )
    network: Any = build_text(text).module_class()
    assert [*dict(network.b1.named_children())] == ["0", "1"]
    assert [*dict(network.b2.named_children())] == ["0", "part_0", "part_1", "3"]
    hold(parse(text, "net.yaml"))


def test_an_absent_repeat_keeps_one_place_for_its_one_name(build_text: Builder) -> None:
    """A name that an argument gives names the container, though it is no plain word."""
    text = (
        "name: Net\ninput: [4]\nblocks:\n  B:\n    params: {on: true, part: a}\n    layers:\n"
        "    - Linear: {name: of_$part, out_features: 4, repeat: 2, when: $on}\n    - Linear: 4\n"
        "layers: [B, {B: {on: false}}]\n"
    )
    network: Any = build_text(text).module_class()
    assert [*dict(network.b1.of_a.named_children())] == ["0", "1"]
    assert isinstance(network.b2.of_a, torch.nn.Identity)
    hold(parse(text, "net.yaml"))


def test_an_argument_may_be_called_like_the_list_of_layers(build_text: Builder) -> None:
    text = (
        "name: Net\ninput: [4]\nparams: {depth: 3}\nblocks:\n  B:\n    sequential: true\n"
        "    params: {hidden: required, layers: 3}\n    layers:\n"
        "    - Group: {repeat: $layers, layers: [{Linear: $hidden}, ReLU]}\n    - Linear: 2\n"
        "layers: [{B: {hidden: 5, layers: $depth}}]\n"
    )
    network: Any = build_text(text).module_class()
    assert [layer.out_features for layer in list(network.b1)[::2]] == [5, 5, 5, 2]
    hold(parse(text, "net.yaml"))


HEADS = """\
name: Net
inputs:
  q: [2, A, 4]
  k: [2, B, 4]
  v: [2, B, 4]
  mask: {shape: [2, A, B], dtype: bool}
  image: [3, P, Q]
sizes: {A: 5, B: 7, P: 8, Q: 9}
blocks:
  Attend:
    inputs: [q, k, v, mask]
    layers: [ScaledDotProductAttention: {from: [q, k, v], attn_mask: mask}]
  Mix: {layers: [Linear: 8]}
  Skip:
    inputs: [x, skip]
    layers:
      - Conv2d: {name: same, from: x, out_channels: "$(shape(skip)[0])", kernel_size: 1}
      - Add: [same, skip]
layers:
  - Attend: {from: [q, k, v, mask]}
  - Mix: {name: mixed}
  - Conv2d: {name: more, from: image, out_channels: 6, kernel_size: 1}
  - Skip: {name: joined, from: [image, more]}
outputs: [mixed, joined]
"""


def test_only_images_have_channels_and_places() -> None:
    """What is attended to, and what ends in features, is no image."""
    result = build_source(parse(HEADS, "net.yaml"), {}, None)
    classes = result.module_class.forward.__globals__
    told = {
        name: re.findall("``(.*)``", classes[name].__doc__) for name in ("Attend", "Mix", "Skip")
    }
    assert told["Attend"][:3] == ["(N, 2, S1, 4)", "(N, 2, S2, 4)", "(N, 2, S2, 4)"]
    assert told["Attend"][3:] == ["(N, 2, S1, S2)", "(N, 2, S1, 4)"]
    assert told["Mix"] == ["(N, 2, S1, 4)", "(N, 2, S1, 8)"]
    assert told["Skip"] == ["(N, 3, H, W)", "(N, 6, H, W)", "(N, 6, H, W)"]


PYRAMID = """
name: Pyramid
input: [3, H, W]
params: {width: 6}
blocks:
  Pair:
    inputs: [c2, c3]
    layers:
      - Conv2d: {name: one, from: c2, out_channels: 4, kernel_size: 1}
      - Conv2d: {name: two, from: c3, out_channels: 4, kernel_size: 1}
    outputs: {p2: one, p3: two}
layers:
  - Conv2d: {name: fine, out_channels: $width, kernel_size: 1}
  - Conv2d: {name: coarse, out_channels: $(2 * width), kernel_size: 3, stride: 2, padding: 1}
  - Pair: {name: pair, from: [fine, coarse]}
outputs: {p2: pair.p2, p3: pair.p3}
"""


def test_numbered_inputs_name_an_argument_each() -> None:
    result = build_source(parse(PYRAMID, "net.yaml"), {}, None)
    pair = result.module_class.forward.__globals__["Pair"]
    assert list(inspect.signature(pair).parameters) == ["c2_channels", "c3_channels"]


def test_what_init_says_of_a_block_that_set_leaves_out_is_left_out() -> None:
    text = """
        name: Net
        input: [4]
        params: {on: true}
        blocks: {B: {layers: [{Parameter: {name: own, shape: [4]}}, {Add: [input, own]}]}}
        layers:
        - B: {name: b, when: $on}
        - Linear: {out_features: 5, when: $on}
        - Linear: {out_features: 5}
        init: {B: {own: {constant_: 3}}}
        """
    given: tuple[dict[str, Any], ...] = ({}, {"on": False})
    made: list[Any] = [build_source(parse(text, "a.yaml"), x, None).module_class() for x in given]
    whole, part = made
    assert whole.b.own.tolist() == [3, 3, 3, 3]
    assert [name for name, _ in part.named_parameters()] == ["fc1.weight", "fc1.bias"]


def test_what_only_a_layer_that_is_never_there_would_read_is_not_called(
    build_text: Builder,
) -> None:
    text = """
        name: Net
        input: [2, 6, 6]
        params: {size: 2, kind: GELU, word: reflect}
        layers:
        - AdaptiveAvgPool2d: $size
        - Own: {on: $(kind == 'ReLU'), word: $word}
        blocks:
          Own:
            params: {on: required, word: required, many: true}
            layers:
            - PReLU: {name: first}
            - InstanceNorm2d: {name: norm}
            - Conv2d:
                {name: last, out_channels: 2, kernel_size: 3, padding: 1, padding_mode: $word,
                when: $on, repeat: $(2 if many else 1),
                from: "$('norm' if word == 'zeros' else 'first')"}
        """
    network: Any = build_text(text).module_class()
    x = torch.randn(2, 2, 6, 6)
    pooled = torch.nn.functional.adaptive_avg_pool2d(x, 2)
    torch.testing.assert_close(network(x), network.own1.first(pooled))
