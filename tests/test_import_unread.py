"""`netgen import`: weights that evaluation does not read are in the `state_dict` all the same."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
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


def imported(recorder: Worker, name: str, size: int, *, flat: bool = False) -> Imported:
    asked = Asked(live.__file__, name, (Input("", (size,)),))
    with recorder.one_spec():
        return import_network(asked, recorder, "net.yaml", flat=flat)


@pytest.mark.parametrize("flat", [False, True])
def test_what_evaluation_does_not_call_is_held(
    flat: bool, recorder: Worker, build_text: Builder
) -> None:
    made = imported(recorder, "Auxiliary", 8, flat=flat)
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
    made = imported(recorder, "Auxiliary", 8)
    network = live.Auxiliary(num_classes=7)
    twin = build_text(made.text).module_class(num_classes=7)
    twin.load_state_dict(network.state_dict(), strict=True)
