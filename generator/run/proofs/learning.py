"""`learn`: a few steps on one small batch bring the loss down."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import nn

from .subject import Disproof, Subject, differentiable
from .values import is_finite, seeded

RATES = (1e-3, 1e-4, 1e-5, 1e-6, 1e-2)  # learning rates, tried in turn
FEW, MOST = 5, 30  # steps
ENOUGH = 0.9  # of the first loss: after a few steps no more are needed
LEAST = 0.99  # of the first loss: what must be reached


def learn(subject: Subject) -> str:
    """Train fresh networks on one batch with fixed targets; one seed gives the same weights."""
    _check_same(subject, subject.fresh())
    best, begun = math.inf, math.inf
    for rate in RATES:
        losses = train(subject, rate)
        if not losses:
            return "nothing to learn: no parameters, or no output that can be differentiated"
        begun, best = losses[0], min(best, *losses)
        if best <= LEAST * begun:
            path = f"from {begun:.3g} to {best:.3g} in {len(losses) - 1} steps of Adam"
            return f"the loss on one batch fell {path}; the same seed gave the same weights"
    # targets that are random can't be met by every network, nor by small first weights at once
    return (
        f"the loss on one batch went from {begun:.4g} to {best:.4g} in {MOST} steps of Adam, too "
        "little to tell whether it learns; gradients are finite and not zero, and the same seed "
        "gave the same weights"
    )


def train(subject: Subject, rate: float) -> list[float]:
    """The loss before and after each step, as long as it is a number."""
    network = subject.fresh().train()
    first = [value.detach() for value in differentiable(_run(subject, network))]
    if not first:
        return []
    if not all(map(is_finite, first)):
        raise Disproof("the outputs are not finite, so there is nothing to learn", code="NG407")
    goals = [_goal(value) for value in first]
    optimizer = torch.optim.Adam(network.parameters(), lr=rate)
    losses: list[float] = []
    alive = False
    for done in range(MOST + 1):
        loss = _loss(differentiable(_run(subject, network)), goals)
        if not is_finite(loss):
            break
        losses.append(float(loss.detach()))
        if done >= FEW and min(losses) <= ENOUGH * losses[0]:
            break
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        gradients = _gradients(network)
        if not all(map(is_finite, gradients)):
            break
        alive = alive or any(bool(value.any()) for value in gradients)
        optimizer.step()
    if not alive:  # later steps may go too far, the first one does not
        what = f"fall: from {losses[0]:.3g} to {min(losses):.3g}" if losses else "begin"
        why = "no gradient is a finite number other than zero"
        raise Disproof(f"the loss on one batch did not {what}, as {why}", code="NG407")
    return losses


def _gradients(network: nn.Module) -> list[torch.Tensor]:
    """The gradients of all parameters that have one, of sparse ones what is in them."""
    given = [p.grad for p in network.parameters() if p.grad is not None]
    return [value.coalesce().values() if value.is_sparse else value for value in given]


def _run(subject: Subject, network: nn.Module) -> Any:
    """One pass; what falls to chance, dropout for one, falls the same way in every step."""
    return seeded(subject, network, subject.inputs(0))


def _check_same(subject: Subject, network: nn.Module) -> None:
    """The weights of two networks of one seed are equal to the last bit."""
    pairs = zip(subject.network.named_parameters(), network.parameters(), strict=True)
    for (name, first), second in pairs:
        if not torch.equal(first, second):
            where = name.rpartition(".")[0] or name
            message = f"the same seed gives other weights: `{name}` differs"
            raise Disproof(message, where, "NG407")


Goal = tuple[torch.Tensor, float]


def _goal(value: torch.Tensor) -> Goal:
    """What is to be learned, the first outputs disturbed by as much as they vary; how far it is."""
    spread = float(value.float().std()) if value.numel() > 1 else 0.0
    target = value + torch.randn_like(value) * (spread or 1.0)
    return target, float((target - value).float().square().mean()) or 1.0


def _loss(outputs: list[torch.Tensor], goals: list[Goal]) -> torch.Tensor:
    """The mean squared error, each output's in units of what there was to learn of it."""
    parts = [
        (value - target).float().square().mean() / way
        for value, (target, way) in zip(outputs, goals, strict=True)
    ]
    return torch.stack(parts).mean()
