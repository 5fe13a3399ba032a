"""The forms in which layers are written: what completion, hover and the studio tell is valid."""

from __future__ import annotations

import pytest
from torch_netgen.layers import GROUPING, TYPES
from torch_netgen.lsp.completion import Suggestion, complete
from torch_netgen.lsp.snapshot import check
from torch_netgen.views.forms import USUAL, forms

HEAD = "name: Net\ninput: [4]\nlayers:\n  - Linear: 4\nblocks:\n"
NO_USE = "NG301"


@pytest.mark.parametrize("name", [*TYPES, *GROUPING])
def test_every_form_is_right(name: str) -> None:
    """In a block without a use all is checked that needs no shape."""
    blocks = "".join(
        f"  B{place}:\n    inputs: [a, b, c, encoder, relu]\n    layers:\n      - {form.text}\n"
        for place, form in enumerate(forms(name))
    )
    found = {one.code for one in check(HEAD + blocks, "").diagnostics}
    assert found == {NO_USE}, [form.text for form in forms(name)]


@pytest.mark.parametrize("wrong", ["Conv2d: {out_channel: 64}", "Linear: [1, 2, 3]", "Conv2d"])
def test_a_wrong_form_would_be_found(wrong: str) -> None:
    block = f"  B:\n    inputs: [a, b, c]\n    layers:\n      - {wrong}\n"
    assert {one.code for one in check(HEAD + block, "").diagnostics} - {NO_USE}


@pytest.mark.parametrize(
    ("name", "found"),
    [
        (
            "Conv2d",
            ["Conv2d: {out_channels: 64, kernel_size: 3, padding: 1}", "Conv2d: [64, 3]"],
        ),
        ("Linear", ["Linear: {out_features: 10}", "Linear: 10"]),
        ("Dropout", ["Dropout", "Dropout: {p: 0.5}"]),
        ("MatMul", ["MatMul: {from: [a, b]}"]),
        (
            "Add",
            ["Add: [a, b]", "Add: {from: [a, b]}", "Add: {branches: [[], [{Linear: 64}, ReLU]]}"],
        ),
        ("Crop", ["Crop: {to: a, dims: [2, 3]}"]),
        ("Tanh", ["Tanh"]),
    ],
)
def test_forms(name: str, found: list[str]) -> None:
    assert [form.text for form in forms(name)] == found


def offered(text: str) -> list[Suggestion]:
    """What may be written at the `|` of a text."""
    line, column = text[: text.index("|")].count("\n"), len(text[: text.index("|")].split("\n")[-1])
    return [*complete(text.replace("|", ""), line + 1, column + 1).suggestions]


BLOCK = """\
name: Net
input: [4]
blocks:
  Body:
    inputs: [left, right]
    params: {out_channels: required, heads: {default: required}, depth: 2}
    layers: [{Add: [left, right]}]
layers:
  - |
"""


def test_a_type_is_offered_with_its_forms() -> None:
    known = {one.text: one.forms for one in offered(BLOCK)}
    assert [form.text for form in known["Body"]] == [
        "Body: {from: [a, b], out_channels: 64, heads: 1}"
    ]
    assert known["Conv2d"] == forms("Conv2d")
    first = [one.text for one in offered(BLOCK)]
    assert first[: len(USUAL) + 1] == ["Body", *USUAL]
    assert {*TYPES, *GROUPING} <= {*first}


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("Conv2d: |", ["{out_channels: 64, kernel_size: 3, padding: 1}", "[64, 3]"]),
        ("Conv2d: 1|", []),  # somebody writes a number
        ("Conv2d: {out_channels: |}", []),
        ("Linear: $|", []),
        ("ReLU|", []),
        ("Body: |", ["{from: [a, b], out_channels: 64, heads: 1}"]),
        ("Add: |", ["[a, b]", "{from: [a, b]}", "{branches: [[], [{Linear: 64}, ReLU]]}"]),
    ],
)
def test_the_arguments_of_a_type_are_offered_after_it(line: str, found: list[str]) -> None:
    told = [one.text for one in offered(BLOCK.replace("|", line)) if one.sort == "form"]
    assert told == found
