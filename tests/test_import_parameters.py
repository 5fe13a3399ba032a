"""`netgen import` finds sizes in a constructor again as parameters, and holds the spec to them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import torch_netgen
from torch_netgen.importing.asked import Asked
from torch_netgen.importing.built import Imported
from torch_netgen.importing.importing import import_network
from torch_netgen.run.recording.recorded import Input
from torch_netgen.run.smoke import Worker
from torch_netgen.spec.source import parse

from . import sized

FILE = Path(sized.__file__)
IMAGE, ROWS = Input("", (3, 8, 8)), Input("", (4, 5))
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    with Worker() as process:
        process.start(str(FILE.parent))
        yield process


def imported(name: str, taken: Input, worker: Worker, **more: Any) -> Imported:
    with worker.one_spec():
        return import_network(Asked(str(FILE), name, (taken,)), worker, "net.yaml", **more)


@pytest.mark.parametrize(
    ("name", "taken", "values", "shown"),
    [
        (
            "Sized",
            IMAGE,
            {"width": 10, "depth": 5, "num_classes": 4},
            "7, depth = 4, num_classes = 12",
        ),
        ("Heads", ROWS, {"dim": 20, "num_layers": 1}, "36, num_layers = 5"),
    ],
)
def test_the_class_takes_the_sizes_of_the_network(
    name: str, taken: Input, values: dict[str, int], shown: str, worker: Worker
) -> None:
    made = imported(name, taken, worker)
    assert made.shown[-1] == f"equal with {next(iter(values))} = {shown}"
    network, twin = getattr(sized, name)(**values), made.result.module_class(**values)
    twin.load_state_dict(network.state_dict(), strict=True)
    x = torch.randn(2, *map(int, taken.shape))
    assert torch.allclose(network(x), twin(x), atol=1e-6)
    again = torch_netgen.build(parse(made.text, FILE.name), overrides=values, smoke=False)
    assert again.parameter_count == sum(x.numel() for x in network.parameters())


def test_what_holds_for_two_values_alone_is_no_parameter(worker: Worker) -> None:
    made = imported("Rounded", ROWS, worker)
    assert made.shown[-1] == "equal with num_classes = 5"
    assert "params: {num_classes: 3}\n" in made.text
    assert made.text.endswith(
        "expect: {output: [4, $num_classes], parameters: $(48 + 9 * num_classes), "
        "macs: $(160 + 32 * num_classes)}\n"
    )


def test_nothing_is_held_without_a_comparison(worker: Worker) -> None:
    made = imported("Sized", IMAGE, worker, verify=False)
    assert made.shown == ("all weights begin in the same way",)
    assert "params: {width: 6, depth: 2, num_classes: 10}\n" in made.text
