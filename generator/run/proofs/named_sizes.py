"""Sizes that inputs name: others that fit are run, and those that do not are refused by torch."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import torch

from .subject import Disproof, Subject, samples
from .watch import observe


def hold_sizes(subject: Subject) -> None:
    """Hold sizes on each side of what is said of them against torch, if inputs name any."""
    plan = subject.plan
    if not plan["fit"] and not plan["sizes"]:
        return
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        if plan["sizes"]:
            observe(subject, 2)
        for outside in plan["outside"]:
            _hold_refused(subject, outside)
    taken = [f"{plan['sizes']} taken"] if plan["sizes"] else []
    refused = [f"{outside['sizes']} refused" for outside in plan["outside"]]
    subject.notes.append("; ".join([*taken, *refused]))


def _hold_refused(subject: Subject, outside: Mapping[str, Any]) -> None:
    """Torch must raise; on the CPU, as a GPU is lost that looks up what is not there."""
    network = subject.network
    if subject.device != "cpu":
        network = copy.deepcopy(network).to("cpu")
    try:
        network(*samples(outside, "cpu"))
    except Exception:  # torch has no type for it
        return
    fit = subject.plan["fit"]
    raise Disproof(f"torch takes {outside['sizes']}, but was to take no others than {fit}")
