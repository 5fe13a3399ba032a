"""`netgen watch`: specs built at the start and after each change, by one worker that has torch."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from os.path import abspath, realpath

import watchfiles
from msgspec import Struct

from ..diagnostics.diagnostics import Diagnostic, NetgenError, printable
from ..jobs.job import Job, Outcome
from ..jobs.work import work
from ..run.smoke import Worker

_BEAT = 100  # milliseconds until it is known that the system tells of changes


class _Round(Struct, frozen=True):
    """The jobs to be done now, and whether `code` has changed that specs import."""

    jobs: Sequence[Job]
    code: bool = False


def build_again(
    jobs: Sequence[Job], timeout: float, most_memory: int | None
) -> Generator[Iterable[Outcome], None, None]:
    """For each round what its jobs come to, while they are done one after the other.

    `timeout` is in seconds for one spec, `most_memory` in bytes for the process that runs them.
    """
    run = any(job.demand is not None for job in jobs)
    with Worker(timeout, most_memory) as worker:
        for now in _rounds(jobs):
            if now.code:
                worker.stop()  # it has the code as it was
            yield (work(job, worker) for job in now.jobs)
            if run:
                worker.start(worker.folder)  # torch loads while a person writes


def _rounds(jobs: Sequence[Job]) -> Iterator[_Round]:
    """All jobs, and then for ever those that a change concerns.

    Folders are watched, not files: editors put new files in the place of old ones, and a spec
    may go and come back. What changes while jobs are done is the next round. Code is looked for
    in a spec's folder and below, if specs may import it.
    """
    code = any(job.allow_imports for job in jobs)
    outputs = {realpath(job.target) for job in jobs if job.target is not None}

    def is_code(path: str) -> bool:
        return code and path.endswith(".py") and realpath(path) not in outputs

    def concerns(change: watchfiles.Change, path: str) -> bool:
        return is_code(path) or any(realpath(path) == realpath(job.config) for job in jobs)

    folders = {folder: _identity(folder) for folder in sorted(_folders(jobs))}
    changes = watchfiles.watch(
        *folders,
        watch_filter=concerns,
        rust_timeout=_BEAT,
        yield_on_timeout=True,
        recursive=code,
    )
    next(changes)
    yield _Round(jobs)
    for changed in changes:
        _check_there(folders)
        paths = [path for _, path in changed]
        if any(map(is_code, paths)):
            yield _Round(jobs, code=True)
        elif paths:
            real = {*map(realpath, paths)}
            yield _Round([job for job in jobs if realpath(job.config) in real])


def _identity(folder: str) -> tuple[int, int]:
    """What tells a folder from another one of its name."""
    found = os.stat(folder)
    return found.st_dev, found.st_ino


def _check_there(folders: Mapping[str, tuple[int, int]]) -> None:
    """Refuse to wait for what can't come: the system tells nothing of a folder that is gone."""
    for folder, identity in folders.items():
        try:
            same = _identity(folder) == identity
        except OSError:
            same = False
        if not same:
            message = f"the folder `{printable(folder)}` is gone: it can't be watched any more"
            help = "start `netgen watch` again when it is back"
            raise NetgenError(Diagnostic("NG101", message, help=help))


def _folders(jobs: Sequence[Job]) -> set[str]:
    """Where the specs stand; of a link, where it points to as well."""
    places = [place(job.config) for job in jobs for place in (abspath, realpath)]
    return {os.path.dirname(place) for place in places}
