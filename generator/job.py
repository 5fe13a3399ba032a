"""One spec of a run: read, built, proven and written, or refused."""

from __future__ import annotations

import contextlib
import difflib
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .diagnostics import Diagnostic, NetgenError, printable
from .files import check_target, read_output, write
from .levels import Demand, Proof
from .records import inputs_text, recall, record_key, remember
from .smoke import Worker
from .source import Source, read, read_stdin

if TYPE_CHECKING:
    from .figures import Figures
    from .prediction import Prediction


@dataclass(frozen=True, slots=True)
class Job:
    """What is asked for one spec; `target` is the file to write, ``None`` for standard output.

    `demand` is what a run is to show, ``None`` if there is to be no run.

    The `verb` is ``build``, ``compare`` (hold what stands in the target against what the spec
    gives), ``check`` (the spec alone, without source) or ``view`` (what the `view` makes of it).
    """

    config: str
    target: Path | None
    overrides: Mapping[str, Any]
    verb: str = "build"
    demand: Demand | None = None
    strict: bool = False
    force: bool = False
    allow_imports: bool = False
    view: Callable[[Prediction], str] | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a job came to, errors and warnings in the order of the file.

    `layers` are the rows of the table, `proofs` what the run showed on each device. `fresh`
    tells that the output stood there already, proven. After an error `table` shows the layers
    up to the failing one, `diff` how the target differs from what the spec gives.
    """

    config: str
    verb: str
    ok: bool
    target: str | None
    seconds: float
    diagnostics: tuple[Diagnostic, ...] = ()
    layers: tuple[dict[str, Any], ...] = ()
    parameters: int = 0
    macs: int = 0
    memory: Mapping[str, int] = field(default_factory=dict)
    proofs: tuple[dict[str, Any], ...] = ()
    fresh: bool = False
    source: str = ""
    table: str = ""
    diff: str = ""
    view: str = ""


class _Differs(NetgenError):
    """The target is not what the spec gives: the `diff` tells how."""

    diff = ""


def work(job: Job, worker: Worker) -> Outcome:
    """Do a job; mistakes become diagnostics."""
    start = time.perf_counter()
    target = None if job.target is None else str(job.target)
    try:
        source = read_stdin() if job.config == "-" else read(job.config)
        with worker.one_spec():
            found = _DO[job.verb](job, source, worker)
    except NetgenError as error:
        seconds = time.perf_counter() - start
        problems, diff = tuple(error.diagnostics), getattr(error, "diff", "")
        facts: dict[str, Any] = {"diagnostics": problems, "table": error.table, "diff": diff}
        return Outcome(job.config, job.verb, False, target, seconds, **facts)
    except Exception as error:
        seconds = time.perf_counter() - start
        return Outcome(job.config, job.verb, False, target, seconds, (own_mistake(error),))
    return Outcome(job.config, job.verb, True, target, time.perf_counter() - start, **found)


def own_mistake(error: Exception) -> Diagnostic:
    """What should never happen, told without a traceback."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    message = f"this is a mistake of netgen's own: {type(error).__name__}: {error}"
    note = f"in {Path(last.filename).name}, line {last.lineno}"
    help = "please report it with the spec; nothing was written"
    return Diagnostic("NG601", printable(message)[:300], notes=(note,), help=help)


def _predicted(job: Job, source: Source, worker: Worker) -> Prediction:
    """All that is known of a spec without running it."""
    from .prediction import check_source

    ask = worker.asker(source.folder, allowed=job.allow_imports)
    return check_source(source, job.overrides, strict=job.strict, ask=ask)


def _checked(job: Job, source: Source, worker: Worker) -> dict[str, Any]:
    """What there is to say of a spec that can be built."""
    found = _predicted(job, source, worker)
    return {**_facts(found.plan.figures), "diagnostics": found.warnings}


def _viewed(job: Job, source: Source, worker: Worker) -> dict[str, Any]:
    """A view of a spec that can be built."""
    assert job.view is not None
    return {"view": job.view(_predicted(job, source, worker))}


def _facts(figures: Figures) -> dict[str, Any]:
    """The figures of a network as plain data."""
    layers = tuple(asdict(row) for row in figures.rows)
    totals = {"parameters": figures.parameters, "macs": figures.macs}
    return {"layers": layers, **totals, "memory": asdict(figures.memory)}


def _compared(job: Job, source: Source, worker: Worker) -> dict[str, Any]:
    """What there is to say of a spec whose output stands where it should."""
    from .pipeline import build_source

    allowed = job.allow_imports
    result = build_source(source, job.overrides, worker, strict=job.strict, allow_imports=allowed)
    there = "" if job.target is None else read_output(job.target)
    if there != result.source:
        what = "is not what the spec gives" if there else "is not there"
        message = f"`{printable(str(job.target))}` {what}"
        error = _Differs(
            Diagnostic("NG503", message, help="run `netgen build` and keep the result")
        )
        error.diff = _diff(str(job.target), there or "", result.source)
        raise error
    return {**_facts(result.figures), "diagnostics": result.warnings, "fresh": True}


def _diff(name: str, old: str, new: str) -> str:
    lines = difflib.unified_diff(
        old.splitlines(True), new.splitlines(True), printable(name), "what the spec gives"
    )
    return "".join(lines)


def _check_target(job: Job, target: Path) -> None:
    same = False
    with contextlib.suppress(OSError):
        same = job.config != "-" and target.samefile(job.config)
    if same:
        message = f"`{target}` is the spec itself: give another output with -o"
        raise NetgenError(Diagnostic("NG501", message))
    check_target(target, force=job.force)


def _built(job: Job, source: Source, worker: Worker) -> dict[str, Any]:
    """What there is to say of a spec that builds; its output is written."""
    if job.target is not None:
        _check_target(job, job.target)
    record = _recalled(job, source)
    if record is not None:
        lists = {key: tuple(record[key]) for key in ("layers", "proofs")}
        return {**record, **lists, "fresh": True}
    if job.demand is not None:  # torch loads while the spec is read
        worker.start(source.folder if job.allow_imports else "")
    from .pipeline import build_source

    result = build_source(
        source,
        job.overrides,
        worker,
        job.demand,
        strict=job.strict,
        allow_imports=job.allow_imports,
    )
    facts = {**_facts(result.figures), "proofs": tuple(map(_as_record, result.proofs))}
    if job.target is not None:
        _check_target(job, job.target)  # once more: a run takes its time
        write(job.target, result.source)
        timed = job.demand is not None and job.demand.timed
        if result.proofs and not (result.warnings or source.folder or timed):
            remember(_key(job, source, result.source), facts)
    return {**facts, "diagnostics": result.warnings, "source": result.source}


def _as_record(proof: Proof) -> dict[str, Any]:
    """A proof as plain data; its doubts are told as warnings."""
    return {name: value for name, value in asdict(proof).items() if name != "findings"}


def _recalled(job: Job, source: Source) -> dict[str, Any] | None:
    """The record of the run that proved what stands in the target, if nothing has changed."""
    again = job.demand is None or job.demand.timed or source.folder  # that may change
    if job.target is None or again:
        return None
    output = read_output(job.target)
    return None if output is None else recall(_key(job, source, output))


def _key(job: Job, source: Source, output: str) -> str:
    inputs = inputs_text(source.text, job.overrides)
    return record_key(inputs, Path(source.name).name, output, repr(job.demand))


_DO: Mapping[str, Callable[[Job, Source, Worker], dict[str, Any]]] = {
    "build": _built,
    "check": _checked,
    "compare": _compared,
    "view": _viewed,
}
