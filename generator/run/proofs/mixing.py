"""Whether outputs depend on the inputs, and a sample's output on the other samples of its batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from .devices import is_out_of_memory
from .subject import Subject, samples, tensors_in
from .values import as_numbers, doubt_idle_inputs, given, same, seeded
from .watch import gather

RELATIVE, ABSOLUTE = 1e-4, 1e-5  # rounding may depend on the other samples


def beside_others(subject: Subject) -> list[torch.Tensor]:
    """The inputs of the second run with the second sample of the first run's inputs."""
    found = subject.inputs(1)
    for other, value, dim in zip(found, subject.inputs(0), subject.batch_dims, strict=True):
        if dim is not None:
            other.select(dim, 1).copy_(value.select(dim, 1))
    return found


def doubt_inputs(subject: Subject, outputs: object, others: object) -> None:
    """Add findings for inputs without effect, and for samples that change what others give.

    The `outputs` are those for the subject's inputs, the `others` those for `beside_others`. They
    show for most networks that there is nothing to find; only else the network runs again.
    """
    if _is_clear(subject, tensors_in(outputs), tensors_in(others)):
        return
    before = given(subject, subject.inputs(0))
    after = None
    if any(dim is not None for dim in subject.batch_dims):
        after = given(subject, _others(subject))
    # another first sample of the only input shows what another input would
    if len(subject.batch_dims) > 1 or after is None or all(map(same, before, after)):
        doubt_idle_inputs(subject, before)
    if after is not None:
        _doubt_mixed(subject, before, after)


def _is_clear(subject: Subject, before: list[torch.Tensor], after: list[torch.Tensor]) -> bool:
    """Whether the only input has an effect, and no sample one on another, as these outputs show.

    The second sample is the same before and after, the first is another.
    """
    if len(subject.batch_dims) > 1 or subject.batch_dims[0] is None:
        return False
    for one, other in zip(before, after, strict=True):
        dim = _batch_of(one.shape, other.shape)
        if dim is None or not _is_close(one.select(dim, 1), other.select(dim, 1)):
            return False
        if _is_close(one.select(dim, 0), other.select(dim, 0)):
            return False
    return True


def _doubt_mixed(
    subject: Subject, before: Sequence[torch.Tensor], after: Sequence[torch.Tensor]
) -> None:
    """Add a finding if another first sample has changed the second one's output."""
    first, second = (run["outputs"] for run in subject.plan["runs"][:2])
    shapes = [(one[1], other[1]) for one, other in zip(first, second, strict=True)]
    if not any(_is_mixed(*x) for x in zip(shapes, before, after, strict=True)):
        return
    again = given(subject, subject.inputs(0))
    if any(_is_mixed(*x) for x in zip(shapes, before, again, strict=True)):
        return  # an imported class gives other values each time: nothing can be said
    where = _first_mixed(subject)
    what = f"`{where}` mixes samples" if where else "the network mixes samples"
    message = f"{what}: what one of them gives changes with the others of its batch"
    help = (
        "where the batch was taken for time, write `batch_first: true`; a `dim` may be wrong, "
        "too; if samples are to meet, `allow: [NG311]`"
    )
    subject.findings.append({"code": "NG311", "message": message, "where": where, "help": help})


def _others(subject: Subject) -> list[torch.Tensor]:
    """The inputs of the first run with other values for the first sample."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(subject.seed + 3)
        others = samples(subject.plan["runs"][0], subject.device)
    for other, value, dim in zip(others, subject.inputs(0), subject.batch_dims, strict=True):
        if dim is None:
            other.copy_(value)
        else:
            other.select(dim, 1).copy_(value.select(dim, 1))
    return others


def _is_mixed(shapes: tuple[Sequence[int], Sequence[int]], before: Any, after: Any) -> bool:
    """Whether the second sample of a tensor differs before and after; no if there is no batch."""
    dim = _batch_of(*shapes)
    return dim is not None and not _is_close(before.select(dim, 1), after.select(dim, 1))


def _batch_of(two: Sequence[int], three: Sequence[int]) -> int | None:
    """The dimension of the batch: the only one that varies, from 2 to 3; ``None`` without such."""
    changing = [dim for dim, sizes in enumerate(zip(two, three, strict=True)) if len({*sizes}) > 1]
    if len(changing) != 1 or (two[changing[0]], three[changing[0]]) != (2, 3):
        return None
    return changing[0]


def _is_close(before: torch.Tensor, after: torch.Tensor) -> bool:
    """Whether two tensors are equal up to rounding."""
    left, right = as_numbers(before), as_numbers(after)
    finite = left[torch.isfinite(left)].abs()
    scale = float(finite.amax()) if finite.numel() else 0.0
    return torch.allclose(left, right, RELATIVE, ABSOLUTE * scale, equal_nan=True)


def _first_mixed(subject: Subject) -> str:
    """The path or name of the first call that mixes samples; empty if none is found."""
    runs = ((0, subject.inputs(0)), (0, _others(subject)), (1, subject.inputs(1)))
    try:
        notes = list(zip(*(_noted(subject, *run) for run in runs), strict=False))
    except Exception as error:
        if is_out_of_memory(error):  # the values of three runs may not fit
            return ""
        raise
    for (name, before), (_, after), (_, larger) in notes:
        if not isinstance(before, torch.Tensor) or before.is_sparse:
            continue
        if _is_mixed((before.shape, larger.shape), before, after):
            return str(name)
    return ""


def _noted(subject: Subject, run: int, inputs: list[torch.Tensor]) -> list[tuple[str, Any]]:
    """All values of a run, each with the name of the call that gave it."""
    found: list[tuple[str, Any]] = []

    def watched(*inputs: torch.Tensor) -> None:
        gather(subject, run, lambda name, value: found.append((name, value)), inputs)

    with torch.no_grad():
        seeded(subject, watched, inputs)
    return found
