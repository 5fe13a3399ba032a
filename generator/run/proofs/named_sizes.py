"""Run-time sizes: torch takes other sizes that fit, and refuses sizes that do not.

A size that leaves a tensor without elements does not fit, either, but torch computes with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from .calls import Recorder
from .subject import Disproof, Subject, samples
from .watch import observe


def hold_sizes(subject: Subject) -> None:
    """Run the plan's sizes that fit, and check that its `outside` sizes give nothing of use.

    Raises `Disproof` where torch does otherwise. Without run-time sizes it does nothing.
    """
    plan = subject.plan
    if not plan["fit"] and not plan["sizes"]:
        return
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        if plan["sizes"]:
            observe(subject, 2)
        ends = [_hold_outside(subject, outside) for outside in plan["outside"]]
    taken = [f"{plan['sizes']} taken"] if plan["sizes"] else []
    subject.notes.append("; ".join([*taken, *ends]))


def _hold_outside(subject: Subject, outside: Mapping[str, Any]) -> str:
    """What torch does with these inputs; `Disproof` unless it refuses or leaves a tensor empty.

    It runs on the CPU: an index out of range would leave a GPU unusable.
    """
    network = subject.network
    if subject.device != "cpu":
        network = subject.copied().to("cpu")
    sizes, fit = outside["sizes"], subject.plan["fit"]
    recorder = Recorder({})
    try:
        with recorder:
            network(*samples(outside, "cpu"))
    except Exception:  # torch has no error type for wrong sizes
        return f"{sizes} refused"
    if recorder.has_empty:
        return f"{sizes} leaves a tensor without elements"
    raise Disproof(f"torch takes {sizes}, but was to take no others than {fit}")
