"""`backward`: every parameter gets a finite gradient, and one that is not always zero."""

from __future__ import annotations

import torch

from .subject import Disproof, Subject, differentiable, samples
from .values import first_infinite, is_finite

TRIES = 5  # networks of other weights, before a gradient is said to be always zero


def backward(subject: Subject) -> str:
    """Differentiate a random combination of the outputs by every parameter."""
    outputs, subject.outputs = subject.outputs, None
    if outputs is None:
        subject.network.train()
        outputs = subject.network(*samples(subject.plan["runs"][0], subject.device))
    idle = subject.plan["idle"]
    parameters = [
        (name, parameter)
        for name, parameter in subject.network.named_parameters()
        if parameter.requires_grad and not any(name.startswith(f"{path}.") for path in idle)
    ]
    if not parameters:
        return _not_shown(subject, "no parameters, so no gradients")
    if not differentiable(outputs):
        return _not_shown(subject, "no output can be differentiated, so no gradients")
    differentiate(outputs)
    for name, parameter in parameters:
        where = name.rpartition(".")[0]
        if parameter.grad is None:
            raise Disproof(f"the parameter `{name}` gets no gradient", where)
        if not is_finite(parameter.grad):
            first = first_infinite(subject) or where
            raise Disproof(f"the gradient of `{name}` is not finite", first, "NG406")
    zero = {name for name, parameter in parameters if not bool(_values(parameter.grad).any())}
    subject.network.zero_grad()
    if zero:
        _doubt(subject, zero)
    for path in idle:
        _doubt_idle(subject, path)
    count = sum(parameter.numel() for _, parameter in parameters)
    return f"{count:,} parameters have finite gradients"


def _not_shown(subject: Subject, why: str) -> str:
    subject.notes.append(why)
    return why


def differentiate(outputs: object) -> None:
    """Gradients of a random combination of the outputs."""
    parts = differentiable(outputs)
    loss = sum((part * torch.randn_like(part)).sum() for part in parts)
    assert isinstance(loss, torch.Tensor)
    loss.backward()  # type: ignore[no-untyped-call]


def _values(gradient: torch.Tensor | None) -> torch.Tensor:
    assert gradient is not None
    return gradient.coalesce().values() if gradient.is_sparse else gradient


def _doubt(subject: Subject, zero: set[str]) -> None:
    """Findings for layers whose gradients are zero whatever the weights are.

    At the first weights a gradient may well be zero: behind a scale that begins at zero, or
    where no unit of a small layer happens to be active.
    """
    network, kept = subject.network, {}
    with torch.random.fork_rng(devices=[]):
        kept = {name: value.clone() for name, value in network.state_dict().items()}
        for _ in range(TRIES):
            _disturb(network)
            differentiate(network(*samples(subject.plan["runs"][1], subject.device)))
            for name, parameter in network.named_parameters():
                if parameter.grad is not None and bool(_values(parameter.grad).any()):
                    zero.discard(name)
            network.zero_grad()
            if not zero:
                break
    network.load_state_dict(kept)
    for path in sorted({name.rpartition(".")[0] or name for name in zero}):
        finding = {"code": "NG307", "where": path, "message": f"`{path}` learns nothing"}
        finding["message"] += ": its gradient is always zero"
        finding["help"] = "look at what reads it: a softmax over one value, a sign, a rounding"
        subject.findings.append(finding)


def _doubt_idle(subject: Subject, path: str) -> None:
    """A finding for a module with parameters on which no output hangs."""
    if any(True for _ in subject.network.get_submodule(path).parameters()):
        message = f"`{path}` learns nothing: no output hangs on it, so it gets no gradient"
        help = "use what it gives, or take it out"
        finding = {"code": "NG307", "where": path, "message": message, "help": help}
        subject.findings.append(finding)


def _disturb(network: torch.nn.Module) -> None:
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.is_floating_point() or parameter.is_complex():
                parameter.add_(torch.randn_like(parameter), alpha=0.05)
