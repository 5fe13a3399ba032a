"""Does a job: one spec, with errors turned into diagnostics."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from ..diagnostics.diagnostics import NetgenError
from ..spec.source import Source, parse, read, stdin_text
from .facts import facts_of
from .job import Job, Outcome

if TYPE_CHECKING:
    from ..analysis.prediction import Prediction
    from ..run.smoke import Worker


def work(job: Job, worker: Worker) -> Outcome:
    """The outcome of a job; any exception in it becomes a diagnostic of the outcome."""
    start = time.perf_counter()
    target = None if job.target is None else str(job.target)
    try:
        text = stdin_text() if job.config == "-" else None  # waiting for it counts for no limit
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
        from .failures import refused

        seconds = time.perf_counter() - start
        return Outcome(job.config, job.verb, False, target, seconds, (refused(error),))
    except Exception as error:
        from .failures import own_mistake

        seconds = time.perf_counter() - start
        return Outcome(job.config, job.verb, False, target, seconds, (own_mistake(error),))
    return Outcome(job.config, job.verb, True, target, time.perf_counter() - start, **found)


def _predicted(job: Job, source: Source, worker: Worker) -> Prediction:
    """The prediction for a job's spec, within its time limit."""
    from ..analysis.prediction import check_source

    ask = worker.asker(source.folder, allowed=job.allow_imports)
    with worker.in_time():
        return check_source(source, job.overrides, strict=job.strict, ask=ask)


def _checked(job: Job, source: Source, worker: Worker) -> dict[str, Any]:
    """The facts of a spec that is only checked."""
    found = _predicted(job, source, worker)
    facts = facts_of(found.figures, found.classes[-1], source)
    return {**facts, "diagnostics": found.warnings}


def _viewed(job: Job, source: Source, worker: Worker) -> dict[str, Any]:
    """The text of the job's view."""
    assert job.view is not None
    return {"view": job.view(_predicted(job, source, worker))}


def _built(job: Job, source: Source, worker: Worker) -> dict[str, Any]:
    """The facts of a spec that is built, or compared with its target."""
    from .building import build, compare  # only these verbs need the code that writes files

    return (compare if job.verb == "compare" else build)(job, source, worker)


_DO: Mapping[str, Callable[[Job, Source, Worker], dict[str, Any]]] = {
    "build": _built,
    "check": _checked,
    "compare": _built,
    "view": _viewed,
}
