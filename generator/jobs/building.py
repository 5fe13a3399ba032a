"""Builds the spec of a job: proves and writes it, or compares it with the existing file."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

from msgspec import to_builtins

from ..diagnostics.diagnostics import Diagnostic, NetgenError, printable
from ..ir.levels import Proof
from ..output.files import SOURCE, claim, read_output, with_plain_breaks
from ..run.records import inputs_text, recall, record_key, remember
from ..run.smoke import Worker
from ..spec.source import Source
from .facts import facts_of
from .job import Job


class _Differs(NetgenError):
    """The target is not what the spec gives; `diff` is the difference as text."""

    diff = ""


def compare(job: Job, source: Source, worker: Worker) -> dict[str, Any]:
    """The outcome's facts for a spec whose target is what it gives.

    Raises `NetgenError` if the target is missing or different.
    """
    from ..pipeline import build_source

    assert job.target is not None
    _check_name(job, job.target)
    there = read_output(job.target)
    found = None if there is None else with_plain_breaks(there)  # git may have changed them
    allowed = job.allow_imports
    result = build_source(
        source,
        job.overrides,
        worker,
        variant=job.variant,
        strict=job.strict,
        allow_imports=allowed,
    )
    if found != result.source.encode():
        what = "is not there" if found is None else "is not what the spec gives"
        message = f"`{printable(str(job.target))}` {what}"
        error = _Differs(
            Diagnostic("NG503", message, help="run `netgen build` and keep the result")
        )
        error.diff = _diff(str(job.target), found or b"", result.source)
        raise error
    facts = facts_of(result.costs, result.graph, source, result.variants)
    return {**facts, "diagnostics": result.warnings, "fresh": True}


def _diff(name: str, old: bytes, new: str) -> str:
    import difflib

    there, given = _lines(old.decode("utf-8", "backslashreplace")), _lines(new)
    what = "what the spec gives"
    lines = difflib.unified_diff(there, given, printable(name), what, lineterm="")
    return "".join(f"{line}\n" for line in lines)


def _lines(text: str) -> list[str]:
    *lines, last = text.split("\n")
    return [*lines, last, "\\ no newline at the end"] if last else lines


def _check_name(job: Job, target: Path) -> None:
    """Raise `NetgenError` for a target that can't be imported, if its name is the spec's.

    A name that was given in the command is accepted as it is.
    """
    if job.named:
        return
    from ..output.module_names import instead, why_no_module

    reason = why_no_module(target.stem)
    if reason:
        other = shlex.quote(str(target.with_name(f"{instead(target.stem)}.py")))
        message = f"`{printable(target.name)}` {reason}"
        help = f"take another name, `-o {other}`, or this one, `-o {shlex.quote(str(target))}`"
        raise NetgenError(Diagnostic("NG505", message, help=printable(help)))


def build(job: Job, source: Source, worker: Worker) -> dict[str, Any]:
    """Build a spec, write its output, and return the outcome's facts; raises `NetgenError`."""
    target = None
    if job.target is not None:
        _check_name(job, job.target)
        target = claim(job.target, SOURCE, force=job.force, specs=source.files, told=True)
    record = _recalled(job, source)
    if record is not None:
        keys = ("layers", "fixed", "variants", "sizes", "fit", "proofs")
        lists = {key: tuple(record[key]) for key in keys}
        return {**record, **lists, "fresh": True}
    if job.demand is not None:  # torch loads while the pipeline is imported, and the spec read
        worker.start(source.folder if job.allow_imports else "")
    from ..pipeline import build_source

    result = build_source(
        source,
        job.overrides,
        worker,
        job.demand,
        target,
        variant=job.variant,
        strict=job.strict,
        allow_imports=job.allow_imports,
    )
    facts = facts_of(result.costs, result.graph, source, result.variants)
    facts["proofs"] = tuple(map(_as_record, result.proofs))
    if target is not None:
        timed = job.demand is not None and job.demand.timed
        if result.proofs and not (result.warnings or source.folder or timed):
            remember(_key(job, source, result.source.encode()), facts)
    return {**facts, "diagnostics": result.warnings, "source": result.source}


def _as_record(proof: Proof) -> dict[str, Any]:
    """A proof as plain data without its findings, which are among the diagnostics."""
    return {name: value for name, value in to_builtins(proof).items() if name != "findings"}


def _recalled(job: Job, source: Source) -> dict[str, Any] | None:
    """The record of the run that proved the file in the target, if nothing has changed since."""
    again = job.demand is None or job.demand.timed or source.folder  # imported code may change
    if job.target is None or again:
        return None
    output = read_output(job.target)
    return None if output is None else recall(_key(job, source, output))


def _key(job: Job, source: Source, output: bytes) -> str:
    inputs = inputs_text(source.inputs, job.overrides, job.variant)
    return record_key(inputs, Path(source.name).name, output, repr(job.demand))
