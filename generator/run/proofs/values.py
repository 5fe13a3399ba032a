"""Checks of values: whether they are finite, whether inputs have an effect, what is equal."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import nn

from .subject import Disproof, Subject, named_outputs, sample, tensors_in
from .watch import gather

RELATIVE, ABSOLUTE = 1e-3, 1e-4
TRIES = 8  # sets of other weights that are tried before something counts as always so


def is_finite(value: Any) -> bool:
    """Whether all elements of a tensor are finite; true for values that are no tensors."""
    if not isinstance(value, torch.Tensor):
        return True
    if value.is_sparse:
        value = value.coalesce().values()
    return bool(torch.isfinite(value).all())


def doubt_infinite(subject: Subject, outputs: Any) -> None:
    """Add a finding if an output is not finite, with the first call that gives such a value."""
    if all(map(is_finite, tensors_in(outputs))):
        return
    where = first_infinite(subject)
    what = f"`{where}` gives" if where else "the network gives"
    help = "say under `inputs` in which `range` the values lie, if not every number is meant"
    message = f"{what} values that are not finite"
    finding = {"code": "NG309", "message": message, "where": where, "help": help}
    if finding not in subject.findings:
        subject.findings.append(finding)


def first_infinite(subject: Subject) -> str:
    """The path or name of the first call whose result is not finite; empty if there is none."""
    found: list[str] = []

    def note(name: str, value: Any) -> None:
        if not is_finite(value):
            found.append(name)

    with torch.no_grad():
        gather(subject, 0, note)
    return found[0] if found else ""


def doubt_idle_inputs(subject: Subject, before: Sequence[torch.Tensor]) -> None:
    """Add a finding for each input that has no effect on the outputs, in evaluation.

    `before` are the outputs for the subject's inputs. A change may have no effect by chance, so
    others are tried, with other weights.
    """
    requests = subject.plan["runs"][0]["samples"]
    silent = {place for place in range(len(requests)) if not _matters(subject, place, before)}
    if not silent:
        return
    for _ in other_weights(subject.network):
        before = given(subject, subject.inputs(0))
        silent = {place for place in silent if not _matters(subject, place, before)}
    for place in sorted(silent):
        name = requests[place]["name"]
        message = f"the input `{name}` makes no difference: the outputs stay the same"
        help = "look for what always gives the same, like a softmax over one value"
        finding = {"code": "NG308", "message": message, "where": f"input:{name}", "help": help}
        subject.findings.append(finding)


def given(subject: Subject, inputs: list[torch.Tensor]) -> list[torch.Tensor]:
    """The outputs for these inputs, the network's random draws from the subject's seed."""
    with torch.no_grad():
        return tensors_in(seeded(subject, subject.network, inputs))


def _matters(subject: Subject, place: int, before: Sequence[torch.Tensor]) -> bool:
    """Whether the outputs are others than `before` with another input.

    It is also true if the other sample is equal, as for inputs of constant or very few values.
    """
    changed = sample(subject.plan["runs"][0]["samples"][place]).to(subject.device)
    inputs = subject.inputs(0)
    if torch.equal(changed, inputs[place]):
        return True
    inputs[place] = changed
    return not all(map(same, before, given(subject, inputs)))


def other_weights(network: nn.Module) -> Iterator[None]:
    """Change the weights `TRIES` times by adding noise; at the end restore them."""
    kept = {name: value.clone() for name, value in network.state_dict().items()}
    for _ in range(TRIES):
        with torch.no_grad():
            for parameter in network.parameters():
                if parameter.is_floating_point() or parameter.is_complex():
                    parameter.add_(torch.randn_like(parameter), alpha=0.5)
        yield
    network.load_state_dict(kept)


def same(left: torch.Tensor, right: torch.Tensor) -> bool:
    """Whether two tensors have the same values."""
    if left.is_sparse:
        left, right = left.to_dense(), right.to_dense()
    return torch.equal(left, right)


def seeded(subject: Subject, network: Callable[..., Any], inputs: list[torch.Tensor]) -> Any:
    """The outputs of a network with random draws, if any, from the subject's seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(subject.seed)
        return network(*inputs)


def refuse_random(subject: Subject, what: str) -> None:
    """Raise `Disproof` for a network that draws random numbers in evaluation."""
    if draws(subject):
        message = f"the network draws random numbers in evaluation, and {what} draws others"
        raise Disproof(message, code="NG407")


def draws(subject: Subject) -> bool:
    """Whether a network draws random numbers in evaluation.

    It does if two runs, of which one is seeded, differ by more than `hold_equal` allows.
    """
    network = subject.twin()
    with torch.no_grad():
        first = seeded(subject, network, subject.inputs(0))
        second = network(*subject.inputs(0))
    try:
        hold_equal("the second run", second, first)
    except Disproof:
        return True
    return False


def hold_equal(what: str, real: Any, expected: Any) -> float:
    """Compare tensors with the expected ones, and return the largest difference.

    A number may differ by `RELATIVE` of its own size plus `ABSOLUTE` of the largest number of all,
    as the order of additions may differ. Raises `Disproof` for other shapes or values.
    """
    names = [name for name, _ in named_outputs(expected)]
    found, wanted = (list(map(as_numbers, tensors_in(x))) for x in (real, expected))
    scale = max((float(x[torch.isfinite(x)].abs().amax()) for x in wanted if _any(x)), default=0)
    worst = 0.0
    for name, left, right in zip(names, found, wanted, strict=True):
        label = f"`{name}` of {what}"
        if left.shape != right.shape:
            shapes = f"{tuple(left.shape)}, not {tuple(right.shape)}"
            raise Disproof(f"{label} has the shape {shapes}", name)
        close = torch.isclose(left, right, RELATIVE, ABSOLUTE * scale, equal_nan=True)
        apart = (left - right).abs()
        largest = float(apart[torch.isfinite(apart)].amax()) if _any(apart) else 0.0
        if not bool(close.all()):
            message = f"{label} differs from the network's own by up to {largest:.3g}"
            raise Disproof(message, name)
        worst = max(worst, largest)
    return worst


def _any(value: torch.Tensor) -> bool:
    """Whether a tensor has a finite element."""
    return bool(torch.isfinite(value).any())


def as_numbers(value: torch.Tensor) -> torch.Tensor:
    """A tensor as dense float64 on the CPU, complex elements as pairs."""
    value = value.detach().cpu()
    if value.is_sparse:
        value = value.to_dense()
    if value.is_complex():
        value = torch.view_as_real(value.resolve_conj())
    return value.double()
