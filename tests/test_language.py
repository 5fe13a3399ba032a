"""The language: what specs mean, shown by the networks that they give."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch
import torch_netgen
import yaml
from jsonschema import Draft7Validator
from torch import nn
from torch_netgen import NetgenError
from torch_netgen.views.schema import schema

from .conftest import ROOT, Builder

HEAD = "name: Net\ninput: [3, 8, 8]\n"


def attributes(text: str, build_text: Builder) -> list[str]:
    return list(dict(build_text(text).module_class().named_children()))


def test_a_mapping_is_built_like_a_file(tmp_path: Path) -> None:
    spec = {"name": "Tiny", "input": [4], "layers": [{"Linear": 2}, "ReLU"]}
    result = torch_netgen.build(spec, tmp_path / "tiny.py", device="cpu")
    assert [proof.device for proof in result.proofs] == ["cpu"]
    assert result.path is not None
    assert result.path.read_text() == result.source
    assert [row.output for row in result.shapes] == ["(N, 4)", "(N, 2)", "(N, 2)"]
    assert result.parameter_count == 10
    assert result.module_class()(torch.randn(3, 4)).shape == (3, 2)


def test_the_three_ways_to_give_arguments() -> None:
    ways = [
        {"MaxPool2d": 2},
        {"MaxPool2d": [2]},
        {"MaxPool2d": {"kernel_size": 2}},
        {"MaxPool2d": [[2, 2]]},
    ]
    for way in ways:
        spec = {"name": "Net", "input": [3, 8, 8], "layers": [way]}
        network: Any = torch_netgen.build(spec, smoke=False).module_class()
        assert network(torch.randn(1, 3, 8, 8)).shape == (1, 3, 4, 4)


def test_default_names_follow_the_convention(build_text: Builder) -> None:
    text = HEAD + (
        "layers: [{Conv2d: [4, 3]}, BatchNorm2d, ReLU, {Conv2d: [4, 3]}, BatchNorm2d, ReLU, "
        "{Dropout: 0.1}, Flatten, {Linear: 4}, PReLU, LayerNorm, {Dropout: 0.2}, {Linear: 2}]"
    )
    expected = "conv1 bn1 relu conv2 bn2 dropout1 fc1 prelu1 norm1 dropout2 fc2"
    assert attributes(text, build_text) == expected.split()


def test_numbers_go_on_from_written_ones_and_leave_them_free(build_text: Builder) -> None:
    text = HEAD + (
        "layers: [{Conv2d: [4, 1]}, {Conv2d: {name: conv5, out_channels: 4, kernel_size: 1}}, "
        "{Conv2d: [4, 1]}, {Conv2d: {name: conv7, out_channels: 4, kernel_size: 1}}, "
        "{Conv2d: [4, 1]}]"
    )
    assert attributes(text, build_text) == ["conv1", "conv5", "conv6", "conv7", "conv8"]


def test_a_name_written_by_an_expression_below_is_taken_too(build_text: Builder) -> None:
    text = HEAD + (
        "layers: [{Conv2d: [4, 1]}, "
        "{Conv2d: {name: conv$(index + 1), out_channels: 4, kernel_size: 1, repeat: 2}}]"
    )
    assert attributes(text, build_text) == ["conv3", "conv1", "conv2"]


def test_repeats_have_weights_of_their_own(build_text: Builder) -> None:
    text = "name: Net\ninput: [4]\nlayers: [{Linear: {name: deep, out_features: 4, repeat: 3}}]"
    network: Any = build_text(text).module_class()
    assert isinstance(network.deep, nn.Sequential)
    assert len({id(weight) for weight in network.deep.parameters()}) == 3 * 2


def test_an_absent_layer_passes_its_input_through(build_text: Builder) -> None:
    text = (
        "name: Net\ninput: [4]\nparams: {wide: false}\nlayers:\n"
        "  - Linear: 6\n"
        "  - Linear: {name: extra, out_features: 9, when: $wide}\n"
        "  - Linear: {name: last, from: extra, out_features: 2}\n"
    )
    networks: list[Any] = [build_text(text, wide=wide).module_class() for wide in (False, True)]
    assert [network.last.in_features for network in networks] == [6, 9]


def test_expressions_see_what_the_layer_reads(build_text: Builder) -> None:
    text = HEAD + (
        "layers:\n"
        '  - Conv2d: {out_channels: $(2 * in_channels), kernel_size: "$(in_shape[1] // 2)"}\n'
        "  - ReLU\n  - Flatten\n  - Linear: $(divisible(in_features * 0.1, 8) + shape(input)[0])\n"
    )
    network: Any = build_text(text).module_class()
    assert network.conv1.out_channels == 6
    assert network.conv1.kernel_size == (4, 4)
    assert network.fc1.out_features == 16 + 3


def test_text_holds_expressions_and_plain_dollars(build_text: Builder) -> None:
    text = (
        "name: Net\ndescription: Takes $n numbers for 5$$.\ninput: [$n]\nparams: {n: 4}\n"
        "layers: [Tanh]"
    )
    source = build_text(text).source
    assert '"""Takes 4 numbers for 5$.' in source


def test_a_parameter_with_an_expression_follows_the_others(build_text: Builder) -> None:
    text = (
        "name: Net\ninput: [4]\nparams: {width: 6, hidden: $(4 * width)}\n"
        "layers: [{Linear: $width}, {Linear: $hidden}]"
    )
    network: Any = build_text(text).module_class
    assert network().fc2.out_features == 24
    assert network(width=5).fc2.out_features == 20
    assert network(width=5, hidden=3).fc2.out_features == 3


def test_merge_keys_and_anchors(build_text: Builder) -> None:
    text = HEAD + (
        "layers:\n  - Conv2d: &base {out_channels: 4, kernel_size: 3, padding: 1}\n"
        "  - Conv2d: {<<: *base, out_channels: 6}\n  - Conv2d: *base\n"
    )
    network: Any = build_text(text).module_class()
    assert (network.conv2.out_channels, network.conv2.padding) == (6, (1, 1))
    assert network.conv3.out_channels == 4


def test_scalars_are_those_of_yaml_1_2(build_text: Builder) -> None:
    text = HEAD + (
        "params: {on: 0.5, eps: 1e-3}\nlayers: [{BatchNorm2d: {eps: $eps}}, {Dropout: $on}]"
    )
    network: Any = build_text(text).module_class()
    assert network.bn1.eps == 1e-3
    assert network.dropout.p == 0.5


def test_a_chained_value_is_freed_and_a_kept_one_survives(build_text: Builder) -> None:
    text = (
        "name: Net\ninput: [6]\nlayers:\n"
        "  - Linear: {name: first, out_features: 6}\n  - Tanh\n"
        "  - Bilinear: {from: [tanh, input], out_features: 6}\n"
        "  - CosineSimilarity: {from: [bilinear1, first]}\n"
    )
    network: Any = build_text(text).module_class()
    x = torch.randn(3, 6)
    first = network.first(x)
    expected = network.cosine_similarity(network.bilinear1(torch.tanh(first), x), first)
    assert torch.equal(network(x), expected)


def test_the_same_seed_gives_the_same_weights(build_text: Builder) -> None:
    network: Any = build_text(HEAD + "layers: [{Conv2d: [4, 3]}]").module_class
    torch.manual_seed(3)
    first: Any = network()
    torch.manual_seed(3)
    plain = nn.Conv2d(3, 4, kernel_size=3)
    assert torch.equal(first.conv1.weight, plain.weight)


def test_a_size_known_at_run_time_can_not_be_an_argument(build_text: Builder) -> None:
    text = "name: Net\ninput: [3, H, W]\nlayers: [Flatten, {Linear: 4}]"
    with pytest.raises(NetgenError, match=r"3 \* H \* W, which is known only at run time"):
        build_text(text)


def test_what_fits_a_batch_of_two_by_accident_is_refused(build_text: Builder) -> None:
    text = (
        "name: Net\ninputs: {x: [5], y: {shape: [2, 5], batch: false}}\n"
        "layers: [{Bilinear: {from: [x, y], out_features: 3}}]"
    )
    with pytest.raises(NetgenError, match="this fits some batch sizes only"):
        build_text(text)


LANGUAGE = (ROOT / "docs" / "language.md").read_text(encoding="utf-8")
AT_A_GLANCE = LANGUAGE.partition("\n## At a glance\n")[2].partition("\n## ")[0]
KEYS = set(json.loads(schema())["properties"])


@pytest.mark.parametrize("row", AT_A_GLANCE.strip().splitlines()[2:])
def test_what_the_overview_shows_has_the_form_of_a_spec(row: str) -> None:
    spec: dict[str, Any] = {"name": "Net", "input": [8], "layers": ["ReLU"]}
    found = re.findall(r"`([^`]+)`", row.split(" | ")[1])
    assert found
    for written in found:
        if written.startswith("$"):
            spec["layers"] = [{"Linear": written}]
            continue
        read = yaml.safe_load(written.replace("[...]", "[ReLU]"))
        if isinstance(read, list):
            spec["layers"] = [*spec["layers"], *read]
        elif {*read} <= KEYS:
            spec |= read
        else:  # a key of a layer
            spec["layers"] = [*spec["layers"], {"Block": read}]
    if "inputs" in spec:
        del spec["input"]
    errors = [error.message for error in Draft7Validator(json.loads(schema())).iter_errors(spec)]
    assert errors == []
