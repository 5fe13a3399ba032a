"""Run-time sizes: torch takes other sizes that fit, and refuses sizes that do not."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import torch

from .subject import Disproof, Subject, samples
from .watch import observe


def hold_sizes(subject: Subject) -> None:
    """Run the plan's sizes that fit, and check that torch refuses its `outside` sizes.

    Raises `Disproof` where torch does otherwise. Without run-time sizes it does nothing.
    """
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
    """Raise `Disproof` unless torch raises an error for these inputs.

    It runs on the CPU: an index out of range would leave a GPU unusable.
    """
    network = subject.network
    if subject.device != "cpu":
        network = copy.deepcopy(network).to("cpu")
    try:
        network(*samples(outside, "cpu"))
    except Exception:  # torch has no error type for wrong sizes
        return
    fit = subject.plan["fit"]
    raise Disproof(f"torch takes {outside['sizes']}, but was to take no others than {fit}")
