"""One spec of a run: what is asked for it, and what it comes to."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct, field
from msgspec.structs import asdict

from ..diagnostics.diagnostics import Diagnostic, NetgenError, printable
from ..ir.levels import Demand
from ..ir.needs import told
from ..spec.source import Source, parse, read, stdin_text

if TYPE_CHECKING:
    from ..analysis.costs import Figures
    from ..analysis.prediction import Prediction
    from ..ir.graph import Graph
    from ..run.smoke import Worker


class Job(Struct, frozen=True):
    """What is asked for one spec; `target` is the file to write, ``None`` for standard output.

    Its name is the spec's, unless it was `named` in the command. `demand` is what a run is to
    show, ``None`` if there is to be no run.

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
    named: bool = False


class Outcome(Struct, frozen=True):
    """What a job came to, errors and warnings in the order of the file.

    `layers` are the rows of the table, `fixed` the parameters that are no arguments, `sizes` those
    known only at run time, and `fit` says which of them the network takes; `proofs` are what the
    run showed on each device. `fresh` tells that the output stood there already, proven. After an
    error `table` shows the layers up to the failing one, `diff` how the target differs from what
    the spec gives.
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
    fixed: tuple[dict[str, Any], ...] = ()
    sizes: tuple[dict[str, Any], ...] = ()
    fit: tuple[str, ...] = ()
    proofs: tuple[dict[str, Any], ...] = ()
    fresh: bool = False
    source: str = ""
    table: str = ""
    diff: str = ""
    view: str = ""


def work(job: Job, worker: Worker) -> Outcome:
    """Do a job; mistakes become diagnostics."""
    start = time.perf_counter()
    target = None if job.target is None else str(job.target)
    try:
        text = stdin_text() if job.config == "-" else None  # which comes when it comes
        with worker.one_spec():
            with worker.in_time():
                source = read(job.config) if text is None else parse(text, "<stdin>")
            found = _DO[job.verb](job, source, worker)
    except NetgenError as error:
        seconds = time.perf_counter() - start
        problems, diff = tuple(error.diagnostics), getattr(error, "diff", "")
        facts: dict[str, Any] = {"diagnostics": problems, "table": error.table, "diff": diff}
        return Outcome(job.config, job.verb, False, target, seconds, **facts)
    except OSError as error:
        seconds = time.perf_counter() - start
        return Outcome(job.config, job.verb, False, target, seconds, (refused(error),))
    except Exception as error:
        seconds = time.perf_counter() - start
        return Outcome(job.config, job.verb, False, target, seconds, (own_mistake(error),))
    return Outcome(job.config, job.verb, True, target, time.perf_counter() - start, **found)


def refused(error: OSError) -> Diagnostic:
    """What the system does not let netgen do."""
    from ..output.files import reason

    named = f": `{error.filename}`" if isinstance(error.filename, str) else ""
    message = f"the system refuses what netgen needs: {reason(error)}{named}"
    help = "see whether the folder is still there, and what is left of disk and memory"
    return Diagnostic("NG507", printable(message), help=help)


def own_mistake(error: Exception) -> Diagnostic:
    """What should never happen, told without a traceback."""
    import traceback

    last = traceback.extract_tb(error.__traceback__)[-1]
    message = f"this is a mistake of netgen's own: {type(error).__name__}: {error}"
    note = f"in {Path(last.filename).name}, line {last.lineno}"
    help = "please report it with the spec; nothing was written"
    return Diagnostic("NG601", printable(message)[:300], notes=(note,), help=help)


def _predicted(job: Job, source: Source, worker: Worker) -> Prediction:
    """All that is known of a spec without running it."""
    from ..analysis.prediction import check_source

    ask = worker.asker(source.folder, allowed=job.allow_imports)
    with worker.in_time():
        return check_source(source, job.overrides, strict=job.strict, ask=ask)


def _checked(job: Job, source: Source, worker: Worker) -> dict[str, Any]:
    """What there is to say of a spec that can be built."""
    found = _predicted(job, source, worker)
    facts = facts_of(found.figures, found.classes[-1], source)
    return {**facts, "diagnostics": found.warnings}


def _viewed(job: Job, source: Source, worker: Worker) -> dict[str, Any]:
    """A view of a spec that can be built."""
    assert job.view is not None
    return {"view": job.view(_predicted(job, source, worker))}


def facts_of(figures: Figures, network: Graph, source: Source) -> dict[str, Any]:
    """The figures of a network, why which parameters are fixed, and which sizes fit, as data."""
    layers = tuple(asdict(row) for row in figures.rows)
    totals = {"parameters": figures.parameters, "macs": figures.macs}
    return {
        "layers": layers,
        **totals,
        "memory": asdict(figures.memory),
        "fixed": tuple(told(network.params, source)),
        "sizes": network.fit.facts(network.sizes),
        "fit": network.fit.texts,
    }


def _built(job: Job, source: Source, worker: Worker) -> dict[str, Any]:
    """What there is to say of a spec that is built, or held against what was built."""
    from .building import build, compare  # nothing else needs what writes files

    return (compare if job.verb == "compare" else build)(job, source, worker)


_DO: Mapping[str, Callable[[Job, Source, Worker], dict[str, Any]]] = {
    "build": _built,
    "check": _checked,
    "compare": _built,
    "view": _viewed,
}
