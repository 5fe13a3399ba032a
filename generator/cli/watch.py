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

_BEAT = 100  # milliseconds after which watching is known to have begun


class _Round(Struct, frozen=True):
    """The jobs to be done now, and whether `code` that specs may import has changed."""

    jobs: Sequence[Job]
    code: bool = False


def build_again(
    jobs: Sequence[Job], timeout: float, most_memory: int | None
) -> Generator[Iterable[Outcome], None, None]:
    """For each round the outcomes of its jobs, which are done while they are iterated.

    `timeout` is in seconds for one spec, `most_memory` in bytes for the process that runs them.
    """
    run = any(job.demand is not None for job in jobs)
    with Worker(timeout, most_memory) as worker:
        for now in _rounds(jobs):
            if now.code:
                worker.stop()  # it has imported the old code
            yield (work(job, worker) for job in now.jobs)
            if run:
                worker.start(worker.folder)  # torch loads while a person writes


def _rounds(jobs: Sequence[Job]) -> Iterator[_Round]:
    """A round of all jobs, and then, endlessly, one for each change of a spec or of imported code.

    Folders are watched, not files: editors replace files, and a spec may vanish and come back.
    Changes while jobs are done make the next round. If specs may import code, Python files in the
    specs' folders and below are watched too. Raises `NetgenError` if a folder is gone.
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
    """The device and inode of a folder, which differ if it is replaced."""
    found = os.stat(folder)
    return found.st_dev, found.st_ino


def _check_there(folders: Mapping[str, tuple[int, int]]) -> None:
    """Raise `NetgenError` if a folder is gone: the system reports no changes in it any more."""
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
    """The folders of the specs; for a link also the folder that it points to."""
    places = [place(job.config) for job in jobs for place in (abspath, realpath)]
    return {os.path.dirname(place) for place in places}
