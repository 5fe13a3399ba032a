"""Networks of pytorch/examples, imported with and without blocks, and the page on all of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch_netgen.importing.asked import Asked, input_of
from torch_netgen.importing.importing import import_network
from torch_netgen.run.recording.record import sample, tensors_in
from torch_netgen.run.smoke import Worker

from . import example_networks, imports_table
from .conftest import Builder

QUICK = "MnistHogwild Reinforce ActorCritic ForwardForward ToyModel Sequence LSTMModel".split()
SLOW = "Mnist SuperResolution GPT RNNModel TransformerModel Translator SNLIClassifier".split()
SAMPLE = [*QUICK, *(pytest.param(name, marks=pytest.mark.slow) for name in SLOW)]
SIZES = {"N": 2, "S": 5, "T": 3, "H": 8, "W": 6}


@pytest.fixture(scope="module")
def recorder() -> Iterator[Worker]:
    with Worker() as worker:
        yield worker


def given(network: nn.Module, inputs: list[Tensor]) -> list[Tensor]:
    with torch.no_grad():
        return [*tensors_in(network.eval()(*inputs))]


@pytest.mark.filterwarnings("ignore:enable_nested_tensor is True:UserWarning")
@pytest.mark.parametrize("flat", [False, True], ids=["blocks", "flat"])
@pytest.mark.parametrize("name", SAMPLE)
def test_an_example_and_its_import_are_one(
    name: str, flat: bool, recorder: Worker, build_text: Builder
) -> None:
    inputs = tuple(map(input_of, imports_table.EXAMPLE_INPUTS[name]))
    asked = Asked(str(Path(example_networks.__file__)), name, inputs)
    with recorder.one_spec():
        made = import_network(asked, recorder, "net.yaml", flat=flat)
    network: nn.Module = getattr(example_networks, name)()
    twin = build_text(made.text).module_class()
    twin.load_state_dict(network.state_dict(), strict=True)
    assert [*twin.state_dict()] == [*network.state_dict()]
    tensors = [sample(one, SIZES, "cpu") for one in inputs]
    pairs = zip(given(network, tensors), given(twin, tensors), strict=True)
    assert all(torch.allclose(a, b, atol=1e-6) for a, b in pairs)


def test_the_page_has_a_row_for_each_network() -> None:
    rows, notes = imports_table.parts_of(imports_table.PAGE.read_text(encoding="utf-8"))
    assert imports_table.EXAMPLE_INPUTS.keys() <= rows.keys()
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
