"""One spec of a run: read, built, proven and written, or refused."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from .diagnostics import Diagnostic, NetgenError
from .files import check_target, read_output, write
from .records import inputs_text, recall, record_key, remember
from .smoke import Worker
from .source import Source, parse, read


@dataclass(frozen=True, slots=True)
class Job:
    """What is asked for one spec; `target` is the file to write, ``None`` for standard output."""

    config: str
    target: Path | None
    overrides: Mapping[str, Any]
    device: str = "auto"
    seed: int = 0
    smoke: bool = True
    strict: bool = False
    force: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a job came to, errors and warnings in the order of the file.

    `layers` are the rows of the table, `proof` what the smoke-run showed, if it ran. `fresh`
    tells that the output stood there already, proven. After an error `table` shows the layers
    up to the failing one.
    """

    config: str
    ok: bool
    target: str | None
    seconds: float
    diagnostics: tuple[Diagnostic, ...] = ()
    layers: tuple[dict[str, Any], ...] = ()
    parameters: int = 0
    proof: dict[str, Any] | None = None
    fresh: bool = False
    source: str = ""
    table: str = ""


def work(job: Job, worker: Worker) -> Outcome:
    """Do a job; mistakes become diagnostics."""
    start = time.perf_counter()
    target = None if job.target is None else str(job.target)
    try:
        source = parse(sys.stdin.read(), "<stdin>") if job.config == "-" else read(job.config)
        if job.target is not None:
            _check_target(job, job.target)
        found = _built(job, source, worker)
    except NetgenError as error:
        seconds = time.perf_counter() - start
        problems = tuple(error.diagnostics)
        return Outcome(job.config, False, target, seconds, problems, table=error.table)
    return Outcome(job.config, True, target, time.perf_counter() - start, **found)


def _check_target(job: Job, target: Path) -> None:
    config = Path(job.config)
    if job.config != "-" and target.exists() and target.samefile(config):
        message = f"`{target}` is the spec itself: give another output with -o"
        raise NetgenError(Diagnostic("NG501", message))
    check_target(target, force=job.force)


def _built(job: Job, source: Source, worker: Worker) -> dict[str, Any]:
    """What there is to say of a spec that builds; its output is written."""
    record = _recalled(job, source)
    if record is not None:
        return {**record, "layers": tuple(record["layers"]), "fresh": True}
    if job.smoke:
        worker.start()  # torch loads while the spec is read
    from .pipeline import build_source

    used = worker if job.smoke else None
    result = build_source(source, job.overrides, used, job.device, job.seed, strict=job.strict)
    proof = None if result.proof is None else asdict(result.proof)
    layers = tuple(asdict(row) for row in result.shapes)
    facts = {"layers": layers, "parameters": result.parameter_count, "proof": proof}
    if job.target is not None:
        write(job.target, result.source)
        if proof is not None and not result.warnings:
            remember(_key(job, source, result.source), facts)
    return {**facts, "diagnostics": result.warnings, "source": result.source}


def _recalled(job: Job, source: Source) -> dict[str, Any] | None:
    """The record of the run that proved what stands in the target, if nothing has changed."""
    if job.target is None or not job.smoke:
        return None
    output = read_output(job.target)
    record = None if output is None else recall(_key(job, source, output))
    return record if record and record.keys() == {"layers", "proof", "parameters"} else None


def _key(job: Job, source: Source, output: str) -> str:
    inputs = inputs_text(source.text, job.overrides)
    return record_key(inputs, Path(source.name).name, output, job.device, job.seed)
