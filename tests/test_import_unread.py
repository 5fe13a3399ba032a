"""`netgen import`: all keys of the `state_dict`, those of weights that nothing reads, too."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import nn
from torch_netgen.importing.asked import Asked
from torch_netgen.importing.built import Imported
from torch_netgen.importing.importing import import_network
from torch_netgen.run.recording.recorded import Input
from torch_netgen.run.smoke import Worker

from . import live
from .conftest import Builder

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def recorder() -> Iterator[Worker]:
    with Worker() as worker:
        worker.start(str(Path(live.__file__).parent))
        yield worker


def imported(recorder: Worker, name: str, *shapes: tuple[int, ...], flat: bool = False) -> Imported:
    asked = Asked(live.__file__, name, tuple(Input("", shape) for shape in shapes))
    with recorder.one_spec():
        return import_network(asked, recorder, "net.yaml", flat=flat)


@pytest.mark.parametrize("flat", [False, True])
def test_what_evaluation_does_not_call_is_held(
    flat: bool, recorder: Worker, build_text: Builder
) -> None:
    made = imported(recorder, "Auxiliary", (8,), flat=flat)
    network, twin = live.Auxiliary(), build_text(made.text).module_class()
    twin.load_state_dict(network.state_dict(), strict=True)
    assert [*twin.state_dict()] == [*network.state_dict()]
    x = torch.randn(3, 8)
    torch.testing.assert_close(network.eval()(x), twin.eval()(x))
    assert "not the same in training: the network gives 2 tensors there, the class 1" in made.shown
    assert made.notes[-1] == (
        "in evaluation nothing reads the weights of `layers.0.scale`, `layers.0.side`, "
        "`layers.1.scale`, `layers.1.side`, `aux`, `heads.0`, and of 2 others: "
        "the class only holds them"
    )
    assert twin.get_parameter("tied.weight") is twin.get_parameter("fc.weight")


def test_a_size_that_the_user_gives_is_that_of_weights_that_are_held(
    recorder: Worker, build_text: Builder
) -> None:
    made = imported(recorder, "Auxiliary", (8,))
    network = live.Auxiliary(num_classes=7)
    twin = build_text(made.text).module_class(num_classes=7)
    twin.load_state_dict(network.state_dict(), strict=True)


@pytest.mark.parametrize("flat", [False, True])
@pytest.mark.parametrize(
    ("make", "shapes"),
    [
        (live.Skips, [(4, 12)]),
        (live.Towers, [(8,), (8,)]),
        (live.Rounds, [(8,)]),
        (live.Entry, [(8,)]),
    ],
)
def test_networks_as_people_write_them_have_blocks(
    make: type[nn.Module],
    shapes: list[tuple[int, ...]],
    flat: bool,
    recorder: Worker,
    build_text: Builder,
) -> None:
    made = imported(recorder, make.__name__, *shapes, flat=flat)
    assert not any("one scope" in note for note in made.notes)
    network, twin = make(), build_text(made.text).module_class()
    twin.load_state_dict(network.state_dict(), strict=True)
    assert [*twin.state_dict()] == [*network.state_dict()]
    inputs = [torch.randn(3, *shape) for shape in shapes]
    torch.testing.assert_close(network.eval()(*inputs), twin.eval()(*inputs))


def test_what_the_last_layer_gives_for_nothing_is_a_part_of_its_block(recorder: Worker) -> None:
    made = imported(recorder, "Skips", (4, 12))
    assert made.text.partition("\nlayers:\n")[2].partition("\n\n")[0] == (
        "  - Gated: {name: blocks.0, dilation: 1}\n"
        "  - Gated: {name: blocks.1, dilation: 2}\n"
        "  - Gated: {name: blocks.2, dilation: 4}\n"
        "  - Add: {name: add, from: [blocks.0.1, blocks.1.1]}\n"
        "  - Add: [add, blocks.2.1]"
    )
    assert made.notes == (
        "in evaluation nothing reads the weights of `blocks.2.rest`: the class only holds them",
    )


def test_a_layer_that_is_in_a_list_several_times_has_one_set_of_weights(
    recorder: Worker, build_text: Builder
) -> None:
    made = imported(recorder, "Rounds", (8,))
    twin = build_text(made.text).module_class()
    assert twin.get_parameter("layers.3.fc1.weight") is twin.get_parameter("layers.0.fc1.weight")
    assert twin.get_parameter("last.3.fc.bias") is twin.get_parameter("last.1.fc.bias")
    count = sum(x.numel() for x in live.Rounds().parameters())
    assert sum(x.numel() for x in twin.parameters()) == count
