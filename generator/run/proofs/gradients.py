"""`backward`: every parameter gets a finite gradient; one that is always zero is reported."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from .subject import Disproof, Subject, differentiable, samples
from .values import first_infinite, is_finite, other_weights

PARAMETRIZED = ".parametrizations."  # in the names of what weights are computed from


def backward(subject: Subject) -> str:
    """Differentiate a random combination of the outputs, and check all gradients.

    Raises `Disproof` for a gradient that is missing or not finite.
    """
    outputs, subject.outputs = subject.outputs, None
    parameters, idle = _trained(subject), subject.plan["idle"]
    for path in (path for path in idle if path not in subject.plan["unread"]):
        _learns_nothing(subject, path, "no output that can be differentiated hangs on it")
    if not parameters:
        return _not_shown(subject, f"no parameters{' that get one' * bool(idle)}, so no gradients")
    if not differentiable(outputs):
        return _not_shown(subject, "no output can be differentiated, so no gradients")
    differentiate(outputs)
    _check_finite(subject, parameters)
    _check_there(subject, parameters)
    given = [(name, p.grad) for name, p in parameters if p.grad is not None]
    zero = {name for name, gradient in given if not bool(_values(gradient).any())}
    subject.network.zero_grad()
    if zero:
        _doubt(subject, zero)
    count = sum(gradient.numel() for _, gradient in given)
    return f"{count:,} parameters have finite gradients"


Parameters = Sequence[tuple[str, torch.nn.Parameter]]


def check_reached(subject: Subject, outputs: object) -> None:
    """Check that every parameter gets a gradient, whatever its values; raises `Disproof`."""
    parameters = _trained(subject)
    if parameters and differentiable(outputs):
        differentiate(outputs)
        _check_there(subject, parameters)
        subject.network.zero_grad()


def _trained(subject: Subject) -> Parameters:
    """The parameters that an output depends on."""
    idle = subject.plan["idle"]
    return [
        (name, parameter)
        for name, parameter in subject.parameters()
        if parameter.requires_grad and not _within(name, idle)
    ]


def _check_finite(subject: Subject, parameters: Parameters) -> None:
    for name, parameter in parameters:
        if parameter.grad is not None and not is_finite(parameter.grad):
            first = first_infinite(subject) or layer_of(name)
            raise Disproof(f"the gradient of `{name}` is not finite", first, "NG406")


def _check_there(subject: Subject, parameters: Parameters) -> None:
    """Raise `Disproof` for a parameter without a gradient; in imported classes only report it."""
    custom = subject.plan["custom"]
    for name in (name for name, parameter in parameters if parameter.grad is None):
        if not _within(name, custom):
            raise Disproof(f"the parameter `{name}` gets no gradient", layer_of(name))
        _learns_nothing(subject, layer_of(name), f"`{name}` gets no gradient")


def _within(name: str, paths: Sequence[str]) -> bool:
    """Whether a parameter belongs to a layer at one of the paths, or to a layer inside of it."""
    return any(not path or f"{name}.".startswith(f"{path}.") for path in paths)


def layer_of(name: str) -> str:
    """The path of the layer that a parameter belongs to; the name of the network's own ones."""
    if PARAMETRIZED in name:  # a part of a computed weight belongs to the layer of that
        return name.partition(PARAMETRIZED)[0]
    return name.rpartition(".")[0] or name


def _not_shown(subject: Subject, why: str) -> str:
    subject.notes.append(why)
    return why


def differentiate(outputs: object) -> None:
    """Compute the gradients of a random linear combination of the outputs."""
    parts = differentiable(outputs)
    loss = sum((part * torch.randn_like(part)).sum() for part in parts)
    assert isinstance(loss, torch.Tensor)
    loss.backward()  # type: ignore[no-untyped-call]


def _values(gradient: torch.Tensor) -> torch.Tensor:
    return gradient.coalesce().values() if gradient.is_sparse else gradient


def _doubt(subject: Subject, zero: set[str]) -> None:
    """Add a finding for each layer whose gradients are all zero, with other weights too.

    A single parameter may well have a gradient of zero: a bias before a norm, for one. With the
    initial weights so may a layer: behind a scale that begins at zero, or where no unit of a small
    layer happens to be active.
    """
    network = subject.network
    with torch.random.fork_rng(devices=[]):
        for _ in other_weights(network):
            differentiate(subject.run(1, samples(subject.plan["runs"][1], subject.device)))
            for name, parameter in subject.parameters():
                if parameter.grad is not None and bool(_values(parameter.grad).any()):
                    zero.discard(name)
            network.zero_grad()
    alive = {layer_of(name) for name, _ in subject.parameters() if name not in zero}
    for path in sorted(set(map(layer_of, zero)) - alive):
        _learns_nothing(subject, path, "its gradient is always zero")


def _learns_nothing(subject: Subject, path: str, why: str) -> None:
    help = "look at what reads it: a softmax over one value, a sign, a rounding, or nothing at all"
    message = f"`{path}` learns nothing: {why}"
    subject.findings.append({"code": "NG307", "where": path, "message": message, "help": help})
