"""`learn`: a few steps on one small batch reduce the loss."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import nn

from .subject import Disproof, Subject, differentiable
from .values import is_finite, seeded

RATES = (1e-3, 1e-4, 1e-5, 1e-6, 1e-2)  # learning rates, tried in turn
FEW, MOST = 5, 30  # steps
ENOUGH = 0.9  # share of the first loss at which training stops early
LEAST = 0.99  # share of the first loss that counts as learning


def learn(subject: Subject) -> str:
    """Train fresh networks on one batch with fixed targets, with one learning rate after another.

    Raises `Disproof` if one seed gives different weights, or if no gradient is usable.
    """
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
    # not every network can fit random targets, nor can small initial weights at once
    return (
        f"the loss on one batch went from {begun:.4g} to {best:.4g} in {MOST} steps of Adam, too "
        "little to tell whether it learns; gradients are finite and not zero, and the same seed "
        "gave the same weights"
    )


def train(subject: Subject, rate: float) -> list[float]:
    """The losses before each step and after the last, as long as they are finite.

    Empty if no output can be differentiated. Raises `Disproof` if the outputs are not finite, or
    if no gradient was ever finite and other than zero.
    """
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
    if not alive:  # later steps may diverge, but the first gradients should be usable
        what = f"fall: from {losses[0]:.3g} to {min(losses):.3g}" if losses else "begin"
        why = "no gradient is a finite number other than zero"
        raise Disproof(f"the loss on one batch did not {what}, as {why}", code="NG407")
    return losses


def _gradients(network: nn.Module) -> list[torch.Tensor]:
    """The gradients of all parameters that have one; for sparse gradients their values."""
    given = [p.grad for p in network.parameters() if p.grad is not None]
    return [value.coalesce().values() if value.is_sparse else value for value in given]


def _run(subject: Subject, network: nn.Module) -> Any:
    """The outputs of one pass; random draws, as of dropout, are the same in every step."""
    return seeded(subject, network, subject.inputs(0))


def _check_same(subject: Subject, network: nn.Module) -> None:
    """Raise `Disproof` unless the weights of two networks of one seed are exactly equal."""
    pairs = zip(subject.network.named_parameters(), network.parameters(), strict=True)
    for (name, first), second in pairs:
        if not torch.equal(first, second):
            where = name.rpartition(".")[0] or name
            message = f"the same seed gives other weights: `{name}` differs"
            raise Disproof(message, where, "NG407")


Goal = tuple[torch.Tensor, float]


def _goal(value: torch.Tensor) -> Goal:
    """The target for an output, and the mean squared error at the start.

    The target is the first output plus noise of the output's own standard deviation.
    """
    spread = float(value.float().std()) if value.numel() > 1 else 0.0
    target = value + torch.randn_like(value) * (spread or 1.0)
    return target, float((target - value).float().square().mean()) or 1.0


def _loss(outputs: list[torch.Tensor], goals: list[Goal]) -> torch.Tensor:
    """The mean over outputs of the squared error relative to that at the start."""
    parts = [
        (value - target).float().square().mean() / way
        for value, (target, way) in zip(outputs, goals, strict=True)
    ]
    return torch.stack(parts).mean()
