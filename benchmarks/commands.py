"""Commands, timed as a person waits for them, each in an empty folder with an empty cache."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

NETGEN = Path(sys.executable).with_name("netgen")  # as pip has installed it
PAIRS = 9  # at least so many times is each of two things measured


@dataclass(frozen=True, slots=True)
class Sample:
    """One run of a command: its seconds, and the peak memory of its largest process in bytes."""

    seconds: float
    peak: int


Measure = Callable[[], Sample]


def command(*words: object, code: int = 0) -> Measure:
    """A command that is run in a folder of its own; it has to end with this exit code."""

    def measure() -> Sample:
        with fresh_folder() as folder:
            return run([str(word) for word in words], folder, code)

    return measure


def netgen(*words: object, code: int = 0) -> Measure:
    """netgen with these arguments."""
    return command(NETGEN, *words, code=code)


def python(code: str) -> Measure:
    """Python with a line of code: what can't be saved."""
    return command(sys.executable, "-c", code)


@contextmanager
def fresh_folder() -> Iterator[Path]:
    """An empty folder that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        yield Path(name)


def run(words: Sequence[str], folder: Path, code: int = 0) -> Sample:
    """Run a command in a folder, its cache in there, too."""
    told = folder / ".told"
    with told.open("wb") as output:
        began = time.perf_counter()
        process = subprocess.Popen(
            words,
            cwd=folder,
            env=environment(folder),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != code:
        text = told.read_text(encoding="utf-8", errors="replace")[-2000:]
        raise RuntimeError(f"{' '.join(words)} ended with {process.returncode}:\n{text}")
    return Sample(seconds, usage.ru_maxrss * 1024)


def environment(folder: Path) -> dict[str, str]:
    """The environment of a command: nothing that changes Python, and a cache of its own."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    return {**clean, "XDG_CACHE_HOME": str(folder / ".cache")}


def own_peak() -> int:
    """This process's own peak memory: Linux counts a child from there, so less can't be seen."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def in_turn(measures: Sequence[Measure], pairs: int) -> list[list[Sample]]:
    """The samples of each, taken one after the other (A B A B), once more before to warm up."""
    for measure in measures:
        measure()
    rounds = [[measure() for measure in measures] for _ in range(pairs)]
    return [list(samples) for samples in zip(*rounds, strict=True)]
