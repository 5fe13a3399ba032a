"""Runs the jobs of a command: one after the other with one worker, or several at a time."""

from __future__ import annotations

from collections.abc import Generator, Sequence

from ..ir.levels import TIMEOUT
from ..run.smoke import Worker
from .job import Job, Outcome
from .work import work


def work_all(
    jobs: Sequence[Job],
    number: int = 1,
    timeout: float = TIMEOUT,
    most_memory: int | None = None,
) -> Generator[Outcome, None, None]:
    """The outcomes of jobs, in their order; `number` of them are done at a time.

    `timeout` is in seconds for one spec, `most_memory` in bytes for each process that runs one.
    """
    number = min(number, len(jobs))
    if number == 1:
        with Worker(timeout, most_memory) as worker:
            for job in jobs:
                yield work(job, worker)
        return
    yield from _side_by_side(jobs, [Worker(timeout, most_memory) for _ in range(number)])


def _side_by_side(jobs: Sequence[Job], workers: Sequence[Worker]) -> Generator[Outcome, None, None]:
    """The outcomes of jobs done in one thread for each worker.

    The worker processes run in parallel; the threads' own work takes turns.
    """
    from concurrent.futures import ThreadPoolExecutor
    from queue import SimpleQueue

    free: SimpleQueue[Worker] = SimpleQueue()
    for worker in workers:
        free.put(worker)

    def one(job: Job) -> Outcome:
        worker = free.get()
        try:
            return work(job, worker)
        finally:
            free.put(worker)

    pool = ThreadPoolExecutor(len(workers))
    try:
        yield from pool.map(one, jobs)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        for worker in workers:
            worker.close()
