"""Where the time goes that is left: imports by who asked for them, and work by rooms."""

from __future__ import annotations

import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

from .commands import NETGEN, environment, fresh_folder, in_turn, netgen, python
from .costs import rooms
from .rows import LENET, RESNET
from .specs import chain

RUNS = 5
MOST_ROOMS = 12  # that are told of
CHECKS = "import yaml, msgspec, pydantic_core"  # what netgen imports of its libraries
BUILDS = f"{CHECKS}, jinja2, black"
# netgen looks for no garbage and tears nothing down, so it is fair that the libraries do not
_AS_NETGEN = "import gc, os; gc.disable()\n{}\nos._exit(0)"

Times = dict[str, float]


def where(pairs: int) -> dict[str, Any]:
    """The parts of the time that commands take, in seconds."""
    with fresh_folder() as folder:
        large = folder / "chain.yaml"
        large.write_text(chain(1000), encoding="utf-8")
        build = ("build", "--no-smoke", "-o", "out.py")
        return {
            "check lenet": _parts(CHECKS, ("check", LENET), pairs),
            "check resnet50": _parts(CHECKS, ("check", RESNET), pairs),
            "build lenet": _parts(BUILDS, (*build, LENET), pairs),
            "build resnet50": _parts(BUILDS, (*build, RESNET), pairs),
            "build 1,000 layers": _parts(BUILDS, (*build, large), pairs),
        }


def _parts(libraries: str, words: tuple[object, ...], pairs: int) -> dict[str, Any]:
    """Start-up, libraries, own modules, other modules, and the work that is left."""
    base, empty = (python(_AS_NETGEN.format(code)) for code in (libraries, "pass"))
    samples = in_turn((netgen(*words), base, empty), pairs)
    whole, both, start = (statistics.median(s.seconds for s in turn) for turn in samples)
    own, other = _modules(libraries, words, both - start)
    with fresh_folder() as folder:
        seconds = rooms(folder, *words)
    found = {"start": start, "libraries": both - start, "own": sum(own.values())}
    found["other"] = sum(other.values())
    found["work"] = whole - both - found["own"] - found["other"]
    most = sorted(seconds, key=lambda room: seconds[room], reverse=True)[:MOST_ROOMS]
    shares = {room: seconds[room] / sum(seconds.values()) for room in most}
    return {"whole": whole, **found, "rooms": shares, "modules": own, "others": other}


def _modules(libraries: str, words: tuple[object, ...], whole: float) -> tuple[Times, Times]:
    """Seconds of netgen's own modules, and of others that the libraries do not import.

    Python is slower where it times its imports: how much is known from the libraries, which
    take so many seconds on the `whole` when it does not.
    """
    base, start = (_import_times(sys.executable, "-c", code) for code in (libraries, "pass"))
    slower = sum(seconds for name, seconds in base.items() if name not in start) / whole
    found = {
        name: seconds / slower
        for name, seconds in _import_times(NETGEN, *words).items()
        if name not in base and "__editable__" not in name
    }
    own = {name: seconds for name, seconds in found.items() if name.startswith("torch_netgen")}
    return own, {name: seconds for name, seconds in found.items() if name not in own}


def _import_times(*command: object) -> Times:
    """The modules that a command imports with the time that each takes itself: medians."""
    runs: dict[str, list[float]] = {}
    for _ in range(RUNS):
        for line in _import_lines([str(word) for word in command]):
            itself, _, name = line.removeprefix("import time:").split("|")
            runs.setdefault(name.strip(), []).append(int(itself) / 1_000_000)
    return {name: statistics.median(times) for name, times in runs.items()}


def _import_lines(words: list[str]) -> list[str]:
    with fresh_folder() as folder:
        env = {**environment(Path(folder)), "PYTHONPROFILEIMPORTTIME": "1"}
        run = subprocess.run(words, cwd=folder, env=env, capture_output=True, text=True, check=True)
    lines = [line for line in run.stderr.splitlines() if line.startswith("import time:")]
    return lines[1:]  # the first one is the head of the table
