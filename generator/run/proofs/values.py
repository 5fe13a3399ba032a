"""Of numbers: where they stop being finite, whether inputs make a difference, what is equal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import nn

from .subject import Disproof, Subject, named_outputs, sample, tensors_in
from .watch import gather

RELATIVE, ABSOLUTE = 1e-3, 1e-4
TRIES = 8  # networks of other weights, before something is said to be always so


def is_finite(value: Any) -> bool:
    """Whether a tensor holds numbers only; what is no tensor does."""
    if not isinstance(value, torch.Tensor):
        return True
    if value.is_sparse:
        value = value.coalesce().values()
    return bool(torch.isfinite(value).all())


def doubt_infinite(subject: Subject, outputs: Any) -> None:
    """A finding where an output is not finite, with the first layer that gives such a value."""
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
    """The first call in a run whose result is not finite, its path or name."""
    found: list[str] = []

    def note(name: str, value: Any) -> None:
        if not is_finite(value):
            found.append(name)

    with torch.no_grad():
        gather(subject, 0, note)
    return found[0] if found else ""


def doubt_idle_inputs(subject: Subject) -> None:
    """A finding for each input that can change without any effect, in evaluation.

    One change may have none by chance: so others are tried, with other weights.
    """
    requests = subject.plan["runs"][0]["samples"]
    silent = {place for place in range(len(requests)) if not _matters(subject, place)}
    if not silent:
        return
    for _ in other_weights(subject.network):
        silent = {place for place in silent if not _matters(subject, place)}
    for place in sorted(silent):
        name = requests[place]["name"]
        message = f"the input `{name}` makes no difference: the outputs stay the same"
        help = "look for what always gives the same, like a softmax over one value"
        finding = {"code": "NG308", "message": message, "where": f"input:{name}", "help": help}
        subject.findings.append(finding)


def _matters(subject: Subject, place: int) -> bool:
    """Whether the outputs change with an input; so does a mask, or one of very few values."""
    changed = sample(subject.plan["runs"][0]["samples"][place]).to(subject.device)
    inputs = subject.inputs(0)
    if torch.equal(changed, inputs[place]):
        return True
    others = subject.inputs(0)
    others[place] = changed
    with torch.no_grad():
        before = tensors_in(seeded(subject, subject.network, inputs))
        after = tensors_in(seeded(subject, subject.network, others))
    return not all(map(_same, before, after))


def other_weights(network: nn.Module) -> Iterator[None]:
    """Other weights again and again, each near the ones before; at the end, what they were."""
    kept = {name: value.clone() for name, value in network.state_dict().items()}
    for _ in range(TRIES):
        with torch.no_grad():
            for parameter in network.parameters():
                if parameter.is_floating_point() or parameter.is_complex():
                    parameter.add_(torch.randn_like(parameter), alpha=0.5)
        yield
    network.load_state_dict(kept)


def _same(left: torch.Tensor, right: torch.Tensor) -> bool:
    if left.is_sparse:
        left, right = left.to_dense(), right.to_dense()
    return torch.equal(left, right)


def seeded(subject: Subject, network: Callable[..., Any], inputs: list[torch.Tensor]) -> Any:
    """What a network gives whose random draws, if it has any, are those of the seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(subject.seed)
        return network(*inputs)


def refuse_random(subject: Subject, what: str) -> None:
    """Refuse to compare runs of a network that draws random numbers in evaluation."""
    if draws(subject):
        message = f"the network draws random numbers in evaluation, and {what} draws others"
        raise Disproof(message, code="NG407")


def draws(subject: Subject) -> bool:
    """Whether a network draws random numbers in evaluation.

    Two runs of any other are as near to each other as what is compared has to be.
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
    """Hold tensors against those of the network itself; the largest difference.

    A number may differ by `RELATIVE` of its own size and by `ABSOLUTE` of the largest one of all,
    as the order of additions differs.
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
    """Whether there is a number in a tensor."""
    return bool(torch.isfinite(value).any())


def as_numbers(value: torch.Tensor) -> torch.Tensor:
    """A tensor's elements as float64 on the CPU, complex ones as two."""
    value = value.detach().cpu()
    if value.is_sparse:
        value = value.to_dense()
    return torch.view_as_real(value).double() if value.is_complex() else value.double()
