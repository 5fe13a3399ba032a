"""`netgen explain`: the arithmetic that is told gives the numbers that it is told of."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import pytest
from torch_netgen.analysis.derivation import Derivation, derive, derive_call
from torch_netgen.analysis.prediction import check_source
from torch_netgen.ir.trace import traced
from torch_netgen.layers import CATALOGUE
from torch_netgen.layers.applying import Applied, apply
from torch_netgen.layers.base import Refusal
from torch_netgen.layers.models import read_arguments
from torch_netgen.layers.tensor import TensorType
from torch_netgen.spec.source import parse
from torch_netgen.views.explain import explain

from .cases import Case, Draw, draw
from .command import netgen
from .conftest import CONFIGS, ROOT, by_depth
from .networks import checked, config
from .oracle import nested

NAME = re.compile(r"\$|[A-Za-z_]\w*+(?!\()")  # of anything but a function
EXPLAINED = ROOT / "tests" / "golden" / "explained"


def hold(told: Derivation, outputs: Iterable[tuple[int, ...]], weights: list[object]) -> int:
    """Hold each formula, worked out by Python, against the number that it is said to give."""
    pairs = [
        (size, number)
        for shape, real in zip(told.outputs.values(), outputs, strict=True)
        for size, number in zip(shape, real, strict=True)
    ]
    assert [weight for weight, _ in told.weights] == weights
    pairs += [
        (size, number)
        for weight, shape in told.weights
        for size, number in zip(shape, weight.shape, strict=True)
    ]
    for size, number in pairs:
        assert size.value == number
        assert eval(size.numbers, {}) == number, size
        assert size.formula in size.names or not size.names or size.formula != size.numbers
    return sum(bool(size.names) for size, _ in pairs)


def applied(case: Case) -> tuple[Applied, list[TensorType], dict[str, TensorType]] | None:
    """A random layer, applied; nothing where netgen refuses it."""
    row, written = CATALOGUE[case.layer], nested(case.args | case.options)
    args = written if isinstance(written, str) else read_arguments(row, written)
    if isinstance(args, (str, list)):
        return None
    inputs = [TensorType(x.shape, x.dtype, None, bound=x.high) for x in case.inputs]
    named = {name: TensorType(x.shape, x.dtype, None) for name, x in case.named.items()}
    try:
        return apply(row, args, inputs, named), inputs, named
    except Refusal:
        return None


@pytest.mark.parametrize("name", CATALOGUE)
def test_formulas_of_random_layers_give_their_sizes(name: str) -> None:
    draws, row, told = Draw(f"explained {name}"), CATALOGUE[name], 0
    for _ in range(40):
        case = draw(draws, name)
        found = applied(case)
        if found is not None:
            result, inputs, named = found
            derivation = derive(row, result.a, inputs, named, case.args | case.options)
            shapes = [tuple(map(int, y.shape)) for y in result.outputs.values()]
            told += hold(derivation, shapes, list(row.weights(result.a)))
    assert told


@pytest.mark.parametrize("path", by_depth(CONFIGS))
def test_formulas_of_networks_give_their_sizes(path: Path) -> None:
    graph = checked(path).graph
    for call in traced(graph, {**graph.sizes, "N": 3}).calls:
        if call.layer is not None:
            shapes = [tuple(map(int, y.shape)) for y in call.outputs.values()]
            hold(derive_call(call), shapes, list(call.layer.weights(call.a)))


def equations(text: str) -> list[tuple[int, str]]:
    """The numbers with the arithmetic that is told of them on the way back to the input.

    There are none where each size is one of an input.
    """
    _, _, way = text.partition("\nback to the input\n")
    found = re.findall(r"^  (\d+) += (.+?)(?:  |$)", way.partition("\n\n")[0], re.MULTILINE)
    return [(int(value), told) for value, told in found if not NAME.search(told)]


@pytest.mark.parametrize(
    ("config", "layer"),
    [
        ("lenet", "conv1"),
        ("lenet", "fc1"),
        ("resnet18", "layer2.0"),
        ("resnet18", "layer2.0.downsample.0"),
        ("densenet121", "classifier"),
        ("gpt2", "lm_head"),
        ("transformer_classifier", "encoder"),
        ("unet", "up1.concat"),
    ],
)
def test_explanations_are_as_reviewed(
    config: str, layer: str, request: pytest.FixtureRequest
) -> None:
    run = netgen("explain", f"configs/{config}.yaml", layer, cwd=ROOT)
    assert run.returncode == 0, run.stderr
    expected = EXPLAINED / f"{config}-{layer}.txt"
    if request.config.getoption("--renew"):
        expected.write_text(run.stdout, encoding="utf-8")
    assert run.stdout == expected.read_text(encoding="utf-8")
    for value, told in equations(run.stdout):
        assert eval(told, {}) == value


@pytest.mark.parametrize("path", by_depth(CONFIGS))
def test_every_layer_of_the_end_is_explained_back_to_an_input(path: Path) -> None:
    found = checked(path)
    node = next(node for node in reversed(found.graph.nodes) if node.kind != "absent")
    name = node.target if node.target.strip(".") else node.name
    for value, told in equations(explain(found, name)):
        assert eval(told, {}) == value, (value, told)


def test_names_lead_to_where_they_are_given(tmp_path: Path) -> None:
    (tmp_path / "net.yaml").write_text(
        "name: Net\ninput: [3, $size, 8]\nparams: {size: 8, width: 4}\n"
        "blocks:\n  Wide:\n    params: {channels: 2}\n"
        "    layers: [{Conv2d: [$(2 * channels), 3]}]\n"
        "layers:\n- Wide: {channels: $(width + 1)}\n- Flatten\n"
        "- Linear: {name: fc, out_features: 2}\n"
    )
    run = netgen("explain", "net.yaml", "fc", "--set", "size=9", cwd=tmp_path)
    lines = [" ".join(line.split()) for line in run.stdout.splitlines()]
    assert "420 = 10 * 7 * 6 flatten, line 10" in lines
    assert "10 = out_channels = 2 * channels wide1.conv1, line 7" in lines
    assert "9 = $size the input x, line 2" in lines
    assert "channels of wide1 5 line 9 = width + 1" in lines
    assert "width 4 line 3" in lines


def test_a_layer_that_is_not_there_is_one_diagnostic(tmp_path: Path) -> None:
    run = netgen("explain", str(ROOT / "configs" / "lenet.yaml"), "conv3", cwd=tmp_path)
    assert run.returncode == 1
    assert "error[NG204]: the network has no layer and no parameter `conv3`" in run.stderr
    assert "did you mean `conv2`?" in run.stderr
    assert not run.stdout


PARAMETERS = """\
name: Net
input: [3, $size, 8]
params: {size: 8, width: 4, wide: $(2 * width), norm: BatchNorm2d, more: [1, 2], spare: 1}
variants: {big: {width: 16}}
blocks:
  Own:
    params: {width: 2}
    layers: [{Conv2d: [$width, 3]}]
layers:
- Own: {width: $(width + 1)}
- $norm
- Conv2d: {name: conv, out_channels: $wide, kernel_size: 1}
- ReLU: {name: act, when: $(width > 2 and len(more) > 1)}
"""


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("width", [
            "width: a parameter, net.yaml:3:19", "value 4", "argument Net(width=4)", "read by",
            "`wide` $(2 * width) line 3", "`width` of `Own` $(width + 1) line 10",
            "`when` of `act` $(width > 2 and len(more) > 1) line 13", "variants", "big 16 line 4",
        ]),
        ("size", [
            "size: a parameter, net.yaml:3:10", "value 8",
            "fixed the input's shape on line 2 needs it", "read by",
            "the input's shape $size line 2",
        ]),
        ("norm", [
            "norm: a parameter, net.yaml:3:49", "value \"BatchNorm2d\"",
            "argument Net(norm=nn.BatchNorm2d)", "read by", "`$norm` $norm line 11",
        ]),
        ("spare", ["spare: a parameter, net.yaml:3:82", "value 1", "fixed no layer uses it"]),
    ],
)  # fmt: skip
def test_what_reads_a_parameter(name: str, lines: list[str], tmp_path: Path) -> None:
    (tmp_path / "net.yaml").write_text(PARAMETERS)
    run = netgen("explain", "net.yaml", name, cwd=tmp_path)
    assert [" ".join(line.split()) for line in run.stdout.splitlines() if line] == lines


def test_a_misspelt_parameter_is_known(tmp_path: Path) -> None:
    (tmp_path / "net.yaml").write_text(PARAMETERS)
    run = netgen("explain", "net.yaml", "widht", cwd=tmp_path)
    assert run.returncode == 1
    assert "did you mean `width`?" in run.stderr


def test_the_last_part_of_a_name_leads_to_the_whole(tmp_path: Path) -> None:
    run = netgen("explain", str(ROOT / "configs" / "gpt2.yaml"), "wte", cwd=tmp_path)
    assert run.returncode == 1
    assert "did you mean `transformer.wte`?" in run.stderr


def test_names_in_the_arguments_of_operations_are_followed() -> None:
    found = checked(config("gpt2"))
    text = explain(found, "transformer.h.0.attn.rearrange")
    assert re.search(r"output\[1\] +36 += h\n", text)
    assert re.search(r"h +36 +line \d+ = 3 \* n_head\n", text)
    assert re.search(r"n_head of transformer.h.0.attn +12 +line \d+ = n_head\n", text)


def test_the_number_of_a_copy_in_a_loop_is_told() -> None:
    text = "name: Net\ninput: [8]\nparams: {n: 3}\nlayers:\n  - Linear:\n"
    text += "      {name: fc, out_features: $(8 * (i + 1)), repeat: {times: $n, as: i}}\n"
    told = explain(check_source(parse(text, "net.yaml"), {}), "fc.2")
    assert re.search(r"index of fc.2 +2 +the number of the copy\n", told)
    assert re.search(r"index of fc.1 +1 +the number of the copy\n", told)
