"""`netgen watch`: specs built at the start and after each change, by one worker that has torch."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from os.path import abspath, realpath

import watchfiles
from msgspec import Struct

from ..diagnostics.diagnostics import Diagnostic, NetgenError, printable
from ..jobs.job import Job, Outcome
from ..jobs.work import work
from ..run.smoke import Worker
from ..spec.given import read

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
    specs' folders and below are watched too. What a spec includes belongs to it; where that comes
    to lie in other folders, watching begins anew, and all jobs are done again, lest a change be
    missed meanwhile. Raises `NetgenError` if a spec's folder is gone.
    """
    code = any(job.allow_imports for job in jobs)
    outputs = {realpath(job.target) for job in jobs if job.target is not None}
    own = {folder: _identity(folder) for folder in sorted(_folders(jobs))}
    files: dict[str, frozenset[str]] = {}

    def is_code(path: str) -> bool:
        return code and path.endswith(".py") and realpath(path) not in outputs

    def concerns(change: watchfiles.Change, path: str) -> bool:
        return is_code(path) or any(realpath(path) in found for found in files.values())

    now = _Round(jobs)
    while True:
        files |= {job.config: _files_of(job.config, files.get(job.config)) for job in jobs}
        folders = {**_folders_of(files.values()), **own}
        changes = watchfiles.watch(
            *folders,
            watch_filter=concerns,
            rust_timeout=_BEAT,
            yield_on_timeout=True,
            recursive=code,
        )
        next(changes)
        yield now
        for changed in changes:
            _check_there(own)
            paths = {realpath(path) for _, path in changed}
            if not paths:
                continue
            meant = [job for job in jobs if files[job.config] & paths]
            files |= {job.config: _files_of(job.config, files[job.config]) for job in meant}
            anew = {**_folders_of(files.values()), **own} != folders
            again = any(map(is_code, paths))
            now = _Round(jobs if anew or again else meant, code=again)
            if anew:
                changes.close()
                break
            yield now


def _files_of(config: str, before: frozenset[str] | None) -> frozenset[str]:
    """The real paths of what a spec is made from, and of the folders on the way to it.

    While the spec can't be read they are those of `before`.
    """
    real = realpath(config)
    try:
        sought = read(config).sought
    except NetgenError:
        return before or frozenset({real})
    folder = os.path.dirname(abspath(config))
    around = (above for path in sought for above in _above(path, realpath(folder)))
    return frozenset({real, *sought, *around})


def _above(path: str, folder: str) -> Iterator[str]:
    """The folders around a path that lie below another folder."""
    while (path := os.path.dirname(path)) != folder:
        yield path


def _folders_of(files: Iterable[frozenset[str]]) -> dict[str, tuple[int, int]]:
    """The folders among some paths that are there, with what tells them from others."""
    found: dict[str, tuple[int, int]] = {}
    for path in sorted(frozenset().union(*files)):
        with suppress(OSError):  # it may go at any moment
            if os.path.isdir(path):
                found[path] = _identity(path)
    return found


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
