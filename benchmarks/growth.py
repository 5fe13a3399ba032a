"""How the cost of `check` and `build` grows with layers, blocks, depth and branches."""

from __future__ import annotations

import shutil
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

from . import CONFIGS
from .commands import NETGEN, environment, fresh_folder, in_turn, netgen
from .costs import counted, growth
from .specs import GROWING

VERBS = {"check": ("check",), "build": ("build", "--no-smoke", "-o", "out.py")}


def grown(pairs: int) -> list[dict[str, Any]]:
    """For all that may grow, seconds and calls of functions of both verbs at three sizes."""
    return [_grown(key, verb, pairs) for key in GROWING for verb in VERBS]


def _grown(key: str, verb: str, pairs: int) -> dict[str, Any]:
    what, make, sizes = GROWING[key]
    with fresh_folder() as folder:
        paths = [folder / f"{key}{size}.yaml" for size in sizes]
        for path, size in zip(paths, sizes, strict=True):
            path.write_text(make(size), encoding="utf-8")
        samples = in_turn([netgen(*VERBS[verb], path) for path in paths], pairs)
        calls = [_calls(verb, path) for path in paths]
    seconds = [statistics.median(sample.seconds for sample in turn) for turn in samples]
    found = {"what": what, "verb": verb, "sizes": sizes, "seconds": seconds, "calls": calls}
    return {**found, "growth": growth(calls[0], calls[1], calls[2], sizes)}


def _calls(verb: str, path: Path) -> int:
    with fresh_folder() as folder:
        return counted(folder, *VERBS[verb], path).calls


def instructions() -> dict[str, int] | None:
    """Machine instructions of a check and of what can't be saved, if valgrind is there."""
    valgrind = shutil.which("valgrind")
    if valgrind is None:
        return None
    from .rows import CHECKS

    check = [sys.executable, str(NETGEN), "check", str(CONFIGS / "lenet.yaml")]
    commands = {"check": check, "libraries": [sys.executable, "-c", CHECKS]}
    return {name: _instructions(valgrind, words) for name, words in commands.items()}


def _instructions(valgrind: str, words: list[str]) -> int:
    with fresh_folder() as folder:
        env = {**environment(folder), "PYTHONHASHSEED": "0"}
        found = folder / "callgrind"
        command = [valgrind, "--tool=callgrind", f"--callgrind-out-file={found}", *words]
        for each in (words, command):  # once before, so that Python has compiled what it reads
            subprocess.run(each, cwd=folder, env=env, capture_output=True, check=True)
        lines = found.read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(("totals:", "summary:")))
