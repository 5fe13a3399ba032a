"""Of numbers: where they stop being finite, whether inputs make a difference, what is equal."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from .subject import Disproof, Subject, named_outputs, sample, tensors_in
from .watch import gather


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
    """A finding for each input that can change without any effect, in evaluation."""
    requests = subject.plan["runs"][0]["samples"]
    inputs = subject.inputs(0)
    before = [value.clone() for value in tensors_in(subject.network(*inputs))]
    for place, request in enumerate(requests):
        changed = sample(request).to(subject.device)
        if torch.equal(changed, inputs[place]):
            continue  # a mask, or one of very few values
        others = [*inputs[:place], changed, *inputs[place + 1 :]]
        after = tensors_in(subject.network(*others))
        if all(map(_same, before, after)):
            name = request["name"]
            message = f"the input `{name}` makes no difference: the outputs stay the same"
            help = "look for what always gives the same, like a softmax over one value"
            finding = {"code": "NG308", "message": message, "where": f"input:{name}", "help": help}
            subject.findings.append(finding)


def _same(left: torch.Tensor, right: torch.Tensor) -> bool:
    if left.is_sparse:
        left, right = left.to_dense(), right.to_dense()
    return torch.equal(left, right)


def seeded(subject: Subject, network: Callable[..., Any], inputs: list[torch.Tensor]) -> Any:
    """What a network gives whose random draws, if it has any, are those of the seed."""
    torch.manual_seed(subject.seed)
    return network(*inputs)


def refuse_random(subject: Subject, what: str) -> None:
    """Refuse to compare runs of a network that draws random numbers in evaluation."""
    network, inputs = subject.twin(), subject.inputs(0)
    with torch.no_grad():
        first = tensors_in(seeded(subject, network, inputs))
        second = tensors_in(network(*inputs))
    if not all(map(_same, first, second)):
        message = f"the network draws random numbers in evaluation, and {what} draws others"
        raise Disproof(message, code="NG407")


def hold_equal(
    what: str, real: Any, expected: Any, relative: float = 1e-3, absolute: float = 1e-4
) -> float:
    """Hold outputs against those of the network itself; the largest difference.

    A number may differ by `relative` of its own size and by `absolute` of the largest one's,
    as the order of additions differs.
    """
    pairs = zip(tensors_in(real), named_outputs(expected), strict=True)
    largest = 0.0
    for found, (name, wanted) in pairs:
        label = f"`{name}` of {what}"
        if found.shape != wanted.shape:
            raise Disproof(f"{label} has the shape {tuple(found.shape)}, not {tuple(wanted.shape)}")
        largest = max(largest, _hold_close(label, found, wanted, relative, absolute))
    return largest


def _hold_close(
    label: str, found: torch.Tensor, wanted: torch.Tensor, relative: float, absolute: float
) -> float:
    found, wanted = (_as_numbers(value) for value in (found, wanted))
    scale = float(wanted[torch.isfinite(wanted)].abs().max()) if wanted.numel() else 0.0
    close = torch.isclose(
        found, wanted, rtol=relative, atol=absolute * max(scale, 1e-3), equal_nan=True
    )
    differences = (found - wanted).abs()
    differences = differences[torch.isfinite(differences)]
    worst = float(differences.max()) if differences.numel() else 0.0
    if not bool(close.all()):
        raise Disproof(f"{label} differs from the network's own by up to {worst:.3g}")
    return worst


def _as_numbers(value: torch.Tensor) -> torch.Tensor:
    value = value.detach().cpu()
    if value.is_sparse:
        value = value.to_dense()
    return torch.view_as_real(value).double() if value.is_complex() else value.double()
