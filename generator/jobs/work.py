"""Does a job: one spec, with errors turned into diagnostics."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from ..diagnostics.diagnostics import NetgenError
from ..spec.given import read, stdin_text
from ..spec.source import Source, parse
from .facts import facts_of
from .job import Job, Outcome

if TYPE_CHECKING:
    from ..analysis.prediction import Prediction
    from ..run.smoke import Worker


def work(job: Job, worker: Worker) -> Outcome:
    """The outcome of a job; any exception in it becomes a diagnostic of the outcome."""
    start = time.perf_counter()
    ok, found = _tried(job, worker)
    target = None if job.target is None else str(job.target)
    seconds = time.perf_counter() - start
    return Outcome(job.config, job.verb, ok, target, seconds, variant=job.variant, **found)


def _tried(job: Job, worker: Worker) -> tuple[bool, dict[str, Any]]:
    """Whether a job was done, and the facts of its outcome."""
    files: tuple[str, ...] = ()
    try:
        name, text = job.config, job.text
        if text is None and name == "-":
            name, text = "<stdin>", stdin_text()  # waiting for it counts for no limit
        with worker.one_spec():
            with worker.in_time():
                source = read(name) if text is None else parse(text, name)
            files = source.files
            return True, {**_DO[job.verb](job, source, worker), "files": files}
    except NetgenError as error:
        facts = {"diagnostics": tuple(error.diagnostics), "table": error.table, "files": files}
        return False, {**facts, "diff": getattr(error, "diff", "")}
    except OSError as error:
        from .failures import refused

        return False, {"diagnostics": (refused(error),)}
    except Exception as error:
        from .failures import own_mistake

        return False, {"diagnostics": (own_mistake(error),)}


def _predicted(job: Job, source: Source, worker: Worker) -> Prediction:
    """The prediction for a job's spec, within its time limit."""
    from ..analysis.prediction import check_source

    ask = worker.asker(source.folder, allowed=job.allow_imports)
    with worker.in_time():
        return check_source(source, job.overrides, variant=job.variant, strict=job.strict, ask=ask)


def _checked(job: Job, source: Source, worker: Worker) -> dict[str, Any]:
    """The facts of a spec that is only checked."""
    found = _predicted(job, source, worker)
    facts = facts_of(found.costs, found.classes[-1], source, found.variants)
    return {**facts, "diagnostics": found.warnings}


def _viewed(job: Job, source: Source, worker: Worker) -> dict[str, Any]:
    """The text of the job's view."""
    assert job.view is not None
    found = _predicted(job, source, worker)
    with worker.in_time("the spec was read, but not shown"):
        return {"view": job.view(found)}


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
