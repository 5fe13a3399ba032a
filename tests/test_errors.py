"""Bad specs, each beside the exact message that it gets."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from torch import nn
from torch_netgen import NetgenError
from torch_netgen.diagnostics.codes import CODES
from torch_netgen.layers import GROUPING, TYPES
from torch_netgen.pipeline import build_source
from torch_netgen.spec.source import parse
from torch_netgen.symbolic import other_names

from .conftest import BAD, ROOT, Builder


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_message_is_as_reviewed(path: Path, request: pytest.FixtureRequest) -> None:
    """``--renew`` writes the expected message beside the spec."""
    with pytest.raises(NetgenError) as caught:
        build_source(parse(path.read_text(encoding="utf-8"), path.name), {}, None)
    for diagnostic in caught.value.diagnostics:
        assert diagnostic.code in CODES
        assert diagnostic.location is not None
        assert not diagnostic.message.endswith(".")
    message = f"{caught.value}\n"
    expected = path.with_suffix(".txt")
    if request.config.getoption("--renew"):
        expected.write_text(message, encoding="utf-8")
    assert message == expected.read_text(encoding="utf-8")


MISFIT = """\
name: Net
input: [8, SIZE]
layers:
  - MaxPool2d: 2
  - ConvTranspose2d: {name: up, out_channels: 8, kernel_size: 2, stride: 2}
  - Identity: {name: same}
  - Add: [same, x]
sizes: SAMPLES
"""
# the size of the input, its samples, what a message says, and what is written instead of what
CURES = [
    ("25, 25", "{}", "`output_padding: 1`", "stride: 2}", "stride: 2, output_padding: 1}"),
    ("25, 25", "{}", "`Pad: [0, 1, 0, 1]`", "Identity: {", "Pad: {pad: [0, 1, 0, 1], "),
    (
        "25, 25",
        "{}",
        "`Interpolate: {size: [25, 25]}`",
        "Identity: {",
        "Interpolate: {size: [25, 25], ",
    ),
    (
        "H, W",
        "{H: 25, W: 25}",
        '`Interpolate: {size: "$(shape(x)[1:])"}`',
        "Identity: {",
        'Interpolate: {size: "$(shape(x)[1:])", ',
    ),
]


@pytest.mark.parametrize(("size", "samples", "said", "old", "new"), CURES)
def test_a_misfit_is_mended_by_what_its_help_says(
    size: str, samples: str, said: str, old: str, new: str
) -> None:
    text = MISFIT.replace("SIZE", size).replace("SAMPLES", samples)
    with pytest.raises(NetgenError) as caught:
        build_source(parse(text, "net.yaml"), {}, None)
    (found,) = caught.value.diagnostics
    assert said in str(found.help)
    build_source(parse(text.replace(old, new), "net.yaml"), {}, None)


@pytest.mark.parametrize("name", ["a_shortcut_in_a_block", "a_shortcut_in_branches_of_a_block"])
def test_a_shortcut_is_put_in_as_the_help_says(name: str, build_text: Builder) -> None:
    """And the use of the block that changes no shape has none."""
    text = (ROOT / "tests" / "bad" / f"{name}.yaml").read_text(encoding="utf-8")
    with pytest.raises(NetgenError) as caught:
        build_source(parse(text, "net.yaml"), {}, None)
    (found,) = caught.value.diagnostics
    said = re.search("put `(.+?)`", str(found.help))
    assert said is not None
    if said[1].startswith("["):
        text = text.replace("- []", f"- {said[1]}")
    else:
        text = text.replace("- Add: [c2, input]", f"- {said[1]}\n      - Add: [c2, shortcut]")
    network = build_text(text).module_class()
    first, second = (network.get_submodule(f"block{n}") for n in (1, 2))
    assert count(first, nn.Identity) == count(second, nn.Conv2d) - count(first, nn.Conv2d) == 1


def count(module: nn.Module, kind: type[nn.Module]) -> int:
    return sum(isinstance(one, kind) for one in module.modules())


ITEMS = (
    *("nn.Conv2d(3, 32, 3)", "nn.Conv2d(32, 3, padding=1)", "Conv2d (32, 3, padding=1),"),
    *("Conv2d(32, 3, padding=1", "conv: Conv2d(32, 3, pad=1)", "conv: nn.ReLU", "nn.ReLU()"),
    *("self.conv = nn.Conv2d(3, 32, kernel_size=(3, 3), padding='same', bias=False)",),
    *("Conv2d: [32, 3, padding=1]", "Conv2d: [1, 1, bias=False]", "Conv2d: (32, 3, padding=1)"),
    *("Conv2d: 32, 3, bias=False", "Conv2d: [32, 3, padding: 1]", "Conv2d:[32, 3, padding=1]"),
    *("Linear: [8, 10]", "Linear(8*3*3)", "Linear: 8*3*3", "Linear(width, bias=False)"),
    *("Linear: [8, $width]", "Linear: [8, 10, false]", "LayerNorm: [3, 8, 8]", "Linear: width"),
)


@pytest.mark.parametrize("item", ITEMS)
def test_arguments_as_in_python_are_mended_by_what_their_help_says(item: str) -> None:
    text = f"name: Net\ninput: [3, 8, 8]\nparams: {{width: 4}}\nlayers:\n  - {item}\n"
    with pytest.raises(NetgenError) as caught:
        build_source(parse(text, "net.yaml"), {}, None)
    (found,) = caught.value.diagnostics
    said = re.search("write `(.+?)`", str(found.help))
    assert said is not None
    mended = said[1] if said[1][0].isupper() else f"Linear: {said[1]}"
    build_source(parse(text.replace(item, mended), "net.yaml"), {}, None)


@pytest.mark.parametrize("length", ["12", "T"])
@pytest.mark.parametrize(
    "layer", ["MultiheadAttention: {num_heads", "TransformerEncoderLayer: {nhead"]
)
def test_a_mask_is_given_by_what_the_help_says(length: str, layer: str) -> None:
    written = f"{layer}: 4, batch_first: true, is_causal: true}}"
    text = f"name: Net\ninput: [{length}, 32]\nlayers: [{{{written}}}]\n"
    with pytest.raises(NetgenError) as caught:
        build_source(parse(text, "net.yaml"), {}, None)
    (found,) = caught.value.diagnostics
    _, ones, _, later, _, mask, *_ = str(found.help).split("`")
    masked = written.replace("{", f"{{from: x, {mask}, ")
    text = text.replace(f"[{{{written}}}]", f"[{{{ones}}}, {{{later}}}, {{{masked}}}]")
    build_source(parse(text, "net.yaml"), {}, None)


def test_words_of_other_libraries_mean_types_that_there_are() -> None:
    """What the tables say in the place of a word is right for any number of dimensions."""
    words = {word.lower() for word in (*TYPES, *GROUPING)}
    assert not words & {*other_names.TYPES, *other_names.INSTEAD}
    said = [f"`{name}`" for name in other_names.TYPES.values()]
    said += [*other_names.INSTEAD.values(), *other_names.ARGUMENTS_INSTEAD.values()]
    written = {item for text in said for item in re.findall("`([A-Z][^`.]*)`", text)}
    items = {item.replace("*", dims) for item in written for dims in "123"}
    assert {item.partition(":")[0] for item in items} <= {*TYPES, *GROUPING}
    layers = "".join(f"      - {item}\n" for item in sorted(items) if ":" in item)
    text = f"name: Net\ninput: [3]\nblocks:\n  Unused:\n    layers:\n{layers}layers: [Tanh]\n"
    [unused] = build_source(parse(text, "net.yaml"), {}, None).warnings  # with no mistake in it
    assert unused.code == "NG301"


def test_no_message_is_left_over() -> None:
    texts = {path.stem for path in (ROOT / "tests" / "bad").glob("*.txt")}
    assert texts == {path.stem for path in BAD}
