"""`netgen import` writes how weights begin, as far as that was seen and can be said."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch_netgen.importing.asked import Asked
from torch_netgen.importing.built import Imported
from torch_netgen.importing.importing import import_network
from torch_netgen.run.recording.recorded import Input
from torch_netgen.run.smoke import Worker

from . import beginnings

FILE = Path(beginnings.__file__)
IMAGE, TOKENS = Input("", (3, 12, 12)), Input("", (5,), "int64", 0, 70)
ALL = "all weights begin in the same way"


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    with Worker() as process:
        process.start(str(FILE.parent))
        yield process


def imported(name: str, taken: Input, worker: Worker, *, flat: bool = False) -> Imported:
    with worker.one_spec():
        asked = Asked(str(FILE), name, (taken,))
        return import_network(asked, worker, f"{name}.yaml", flat=flat)


def weights(made: type[nn.Module], **arguments: int) -> dict[str, Tensor]:
    """The weights of a network that has just been made."""
    torch.manual_seed(3)
    return {name: x.detach() for name, x in made(**arguments).named_parameters()}


def begin_alike(ours: Tensor, theirs: Tensor) -> bool:
    """Whether two weights may be drawn from one distribution; constants must be equal."""
    if bool((ours == ours.flatten()[0]).all()):
        return torch.equal(ours, theirs)
    few = ours.numel() < 1000
    spread = torch.allclose(ours.std(), theirs.std(), rtol=0.4 if few else 0.1)
    ends = torch.allclose(ours.aminmax().max, theirs.aminmax().max, rtol=0.5 if few else 0.3)
    far = float((ours.mean() - theirs.mean()).abs()) > 6 * float(ours.std()) / ours.numel() ** 0.5
    return spread and ends and not far


@pytest.mark.slow
@pytest.mark.parametrize("flat", [False, True])
@pytest.mark.parametrize(
    ("name", "taken"), [("Convolutions", IMAGE), ("Words", TOKENS), ("Formulas", IMAGE)]
)
def test_the_class_begins_as_the_network(
    name: str, taken: Input, flat: bool, worker: Worker
) -> None:
    made = imported(name, taken, worker, flat=flat)
    assert ALL in made.shown
    ours, theirs = weights(getattr(beginnings, name)), weights(made.result.module_class)
    assert {x for x in ours if not begin_alike(ours[x], theirs[x])} == set()


@pytest.mark.slow
def test_a_bound_that_follows_the_classes_does_so_in_the_class(worker: Worker) -> None:
    made = imported("Convolutions", IMAGE, worker).result.module_class
    for count in (16, 400):
        bounds = weights(made, num_classes=count)["fc.weight"].abs().max() * count**0.5
        assert 0.95 < float(bounds) <= 1


@pytest.mark.slow
def test_what_was_not_seen_is_left_as_torch_has_it(worker: Worker) -> None:
    made = imported("Unseen", TOKENS, worker)
    assert "3 of 5 weights begin in the same way" in made.shown
    assert "  fc: {weight: {normal_: {std: 0.3}}, bias: zeros_}\n" in made.text
    theirs = weights(made.result.module_class)
    assert 0.9 < float(theirs["embed.weight"].std()) < 1.1  # as `nn.Embedding` has it
    assert float(theirs["mix.weight"].abs().max()) <= 40**-0.5


@pytest.mark.slow
def test_what_begins_as_torch_has_it_needs_no_word(worker: Worker) -> None:
    made = imported("Usual", TOKENS, worker)
    assert ALL in made.shown
    assert "init" not in made.text
