"""Networks of pytorch/examples, imported with and without blocks, and the page on all of them."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch_netgen import import_module

from . import example_networks, imports_table
from .conftest import Builder

IMAGES = torch.randn(2, 1, 28, 28)
SAMPLE: dict[str, Tensor] = {
    "Mnist": IMAGES,
    "MnistHogwild": IMAGES,
    "SuperResolution": torch.randn(2, 1, 8, 6),
    "Reinforce": torch.randn(2, 4),
    "ActorCritic": torch.randn(2, 4),
    "ForwardForward": torch.randn(2, 784),
    "ToyModel": torch.randn(2, 10),
    "GPT": torch.randint(0, 100, (2, 16)),
}


def given(network: nn.Module, x: Tensor) -> list[Tensor]:
    with torch.no_grad():
        output = network.eval()(x)
    return [*output] if isinstance(output, tuple) else [output]


@pytest.mark.parametrize("flat", [False, True], ids=["blocks", "flat"])
@pytest.mark.parametrize("name", SAMPLE)
def test_an_example_and_its_import_are_one(name: str, flat: bool, build_text: Builder) -> None:
    network: nn.Module = getattr(example_networks, name)()
    text = import_module(network, SAMPLE[name], flat=flat)
    twin = build_text(text).module_class()
    twin.load_state_dict(network.state_dict(), strict=True)
    assert [*twin.state_dict()] == [*network.state_dict()]
    pairs = zip(given(network, SAMPLE[name]), given(twin, SAMPLE[name]), strict=True)
    assert all(torch.allclose(a, b, atol=1e-6) for a, b in pairs)


def test_the_page_has_a_row_for_each_network() -> None:
    rows, notes = imports_table.parts_of(imports_table.PAGE.read_text(encoding="utf-8"))
    assert {known.name for known in imports_table.networks()} <= rows.keys()
    assert {note.split("`")[1] for note in notes} <= rows.keys()


def test_a_row_takes_the_place_of_the_one_before() -> None:
    def row(name: str, blocks: str) -> str:
        return f"| pytorch/examples | `{name}` | 5 | {blocks} | equal | 4 | 3 |"

    text = imports_table.with_row("", "ToyModel", row("ToyModel", "refused"), ["- `ToyModel`: so"])
    text = imports_table.with_row(text, "GPT", row("GPT", "refused"), ["- `GPT`: too"])
    assert "| pytorch/examples | 0 of 2 | 2 refused | 2 of 2 |  |" in text.split("\n")
    text = imports_table.with_row(text, "ToyModel", row("ToyModel", "equal"), [])
    assert "| pytorch/examples | 1 of 2 | 1 refused | 2 of 2 |  |" in text.split("\n")
    rows = {"ToyModel": row("ToyModel", "equal"), "GPT": row("GPT", "refused")}
    assert imports_table.parts_of(text) == (rows, ["- `GPT`: too"])
