"""`forward` and `eval`: shapes and types in training and in evaluation are the predicted ones."""

from __future__ import annotations

import torch

from .calls import Learner
from .mixing import beside_others, doubt_inputs
from .named_sizes import hold_sizes
from .subject import Subject
from .values import doubt_infinite
from .watch import check_outputs, observe


def forward(subject: Subject) -> str:
    """Run in training with batches of 2 and 3; `backward` differentiates the first's outputs."""
    if subject.device == "meta":
        return _on_meta(subject)
    subject.network.train()
    with torch.no_grad():
        observe(subject, 1)
    with torch.set_grad_enabled("backward" in subject.levels), Learner():
        subject.outputs = observe(subject, 0)
    doubt_infinite(subject, subject.outputs)
    hold_sizes(subject)
    batched = any(dim is not None for dim in subject.batch_dims)
    return "batches of 2 and 3 in training" if batched else "twice in training"


def _on_meta(subject: Subject) -> str:
    """Check the shapes on the meta device, which holds no data."""
    with torch.device("meta"), torch.no_grad():
        for run in range(len(subject.plan["runs"])):
            observe(subject, run)
    subject.notes.append("shapes only: nothing was computed")
    return "shapes of batches of 2 and 3"


def evaluate(subject: Subject) -> str:
    """Run in evaluation, observed and unobserved; look for inputs without effect and mixing."""
    subject.network.eval()
    with torch.no_grad():
        with Learner():
            outputs = observe(subject, 0, subject.inputs(0))
        doubt_infinite(subject, outputs)
        # once more without hooks and tracer: torch has faster paths without them
        others = subject.network(*beside_others(subject))
        check_outputs(others, subject.plan["runs"][1])
    doubt_inputs(subject, outputs, others)
    return "batches of 2 and 3 in evaluation"
