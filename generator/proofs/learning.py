"""`learn`: a few steps on one small batch bring the loss down."""

from __future__ import annotations

import torch
from torch import nn

from .subject import Disproof, Subject, differentiable, tensors_in

RATES = (1e-3, 1e-4, 1e-5, 1e-6, 1e-2)  # learning rates, tried in turn
FEW, MOST = 5, 30  # steps
ENOUGH = 0.9  # of the first loss: after a few steps no more are needed
LEAST = 0.99  # of the first loss: what must be reached


def learn(subject: Subject) -> str:
    """Train fresh networks on one batch with fixed targets; one seed gives the same weights."""
    _check_same(subject, subject.fresh())
    losses: list[float] = []
    for rate in RATES:
        losses = train(subject, rate)
        if not losses:
            return "nothing to learn: no parameters, or no output that can be differentiated"
        path = f"from {losses[0]:.3g} to {min(losses):.3g} in {len(losses) - 1} steps of Adam"
        if min(losses) <= LEAST * losses[0]:
            return f"the loss on one batch fell {path}; the same seed gave the same weights"
    raise Disproof(f"the loss on one batch did not fall: {path}", code="NG407")


def train(subject: Subject, rate: float) -> list[float]:
    """The loss before and after each step."""
    network = subject.fresh().train()
    inputs = subject.inputs(0)
    # what falls to chance, dropout for one, falls the same way in every step
    torch.manual_seed(subject.seed + 1)
    outputs = differentiable(network(*inputs))
    if not outputs:
        return []
    targets = [_target(value.detach()) for value in outputs]
    optimizer = torch.optim.Adam(network.parameters(), lr=rate)
    losses: list[float] = []
    for done in range(MOST + 1):
        torch.manual_seed(subject.seed + 1)
        loss = _loss(differentiable(network(*inputs)), targets)
        losses.append(float(loss.detach()))
        if done >= FEW and min(losses) <= ENOUGH * losses[0]:
            break
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return losses


def _check_same(subject: Subject, network: nn.Module) -> None:
    """The weights of two networks of one seed are equal to the last bit."""
    pairs = zip(subject.network.named_parameters(), network.parameters(), strict=True)
    for (name, first), second in pairs:
        if not torch.equal(first, second):
            where = name.rpartition(".")[0]
            message = f"the same seed gives other weights: `{name}` differs"
            raise Disproof(message, where, "NG407")


def _target(value: torch.Tensor) -> torch.Tensor:
    """What is to be learned: the first outputs, disturbed by as much as they vary."""
    spread = float(value.std()) if value.numel() > 1 else 0.0
    return value + torch.randn_like(value) * (spread or 1.0)


def _loss(outputs: list[torch.Tensor], targets: list[torch.Tensor]) -> torch.Tensor:
    """The mean squared error, each output's in units of what there is to learn of it."""
    parts = [
        (value - target).square().mean()
        for value, target in zip(tensors_in(outputs), targets, strict=True)
    ]
    return torch.stack([part.float() for part in parts]).sum()
