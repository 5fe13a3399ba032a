"""What a run of netgen costs, counted: the same on each machine, however busy it is.

``python -m benchmarks.costs costs FOLDER ARGUMENTS...`` runs netgen in this process and prints
its `Costs`; with ``rooms``, where the time of a second run goes, when all is imported.
What is done in C without a call of a function is not seen: growth in it shows in seconds only.
"""

from __future__ import annotations

import contextlib
import cProfile
import gc
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from types import CodeType
from typing import Any

from . import ROOT
from .commands import environment

_IMPORT_SYSTEM = ("<frozen importlib._bootstrap>", "<frozen importlib._bootstrap_external>")


@dataclass(slots=True)
class Costs:
    """Calls of functions, of layers' rules among them; what was built; what black was given."""

    code: int = 0
    calls: int = 0
    rules: int = 0
    validators: int = 0  # of pydantic, for a record of keys or the arguments of a type of layer
    formats: int = 0  # calls of black
    formatted: int = 0  # lines that it was given


def counted(folder: Path, *arguments: object) -> Costs:
    """The costs of netgen with these arguments, in a process of its own."""
    return Costs(**_child("costs", folder, arguments))


def rooms(folder: Path, *arguments: object) -> dict[str, float]:
    """Seconds in each module of netgen and each library, by a profile."""
    found: dict[str, float] = _child("rooms", folder, arguments)
    return found


def _child(what: str, folder: Path, arguments: Sequence[object]) -> Any:
    command = [sys.executable, "-m", __name__, what, str(folder), *map(str, arguments)]
    # argparse looks for translations of its words, in more folders on some systems
    env = {**environment(folder), "PYTHONHASHSEED": "0", "LANGUAGE": "C"}
    run = subprocess.run(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, check=True)
    return json.loads(run.stdout)


def imported(folder: Path, *command: object) -> set[str]:
    """The modules that a command imports, beyond those that Python starts with."""
    started = _imports(folder, sys.executable, "-c", "pass")
    return {name for name in _imports(folder, *command) - started if "__editable__" not in name}


def _imports(folder: Path, *command: object) -> set[str]:
    env = {**environment(folder), "PYTHONPROFILEIMPORTTIME": "1"}
    words = [str(word) for word in command]
    run = subprocess.run(
        words, cwd=folder, env=env, capture_output=True, text=True, check=False, timeout=60
    )
    lines = [line for line in run.stderr.splitlines() if line.startswith("import time:")]
    return {line.rpartition("|")[2].strip() for line in lines}


def growth(small: float, middle: float, large: float, sizes: tuple[int, int, int]) -> float:
    """What one more costs from the middle size on, against what it costs up to there."""
    first, second, third = sizes
    before = (middle - small) / (second - first)
    return (large - middle) / (third - second) / before


def _run(arguments: Sequence[str], costs: Costs) -> cProfile.Profile:
    """Run netgen with a profile, quietly."""
    from torch_netgen.cli.cli import main

    profile, told = cProfile.Profile(), io.StringIO()
    with _watched_black(costs), contextlib.redirect_stdout(told), contextlib.redirect_stderr(told):
        profile.enable()
        costs.code = main(arguments)
        profile.disable()
    return profile


def _costs(arguments: Sequence[str]) -> dict[str, Any]:
    costs = Costs()
    profile = _run(arguments, costs)
    from torch_netgen.layers import TYPES, models
    from torch_netgen.spec.models import validator

    rules = {_plain(row.rule).__code__ for row in TYPES.values()}
    made = {models.validator.__wrapped__.__code__, validator.__wrapped__.__code__}
    for entry in profile.getstats():
        costs.calls += _calls(entry)
        costs.rules += entry.callcount if entry.code in rules else 0
        costs.validators += entry.callcount if entry.code in made else 0
    return asdict(costs)


def _calls(entry: Any) -> int:
    """How often a function is called, and how often it calls what is built in.

    The import system's own calls do not count: it makes more where it has bytecode to write.
    """
    if not isinstance(entry.code, CodeType) or entry.code.co_filename in _IMPORT_SYSTEM:
        return 0
    return int(entry.callcount + sum(call.callcount for call in _built_in(entry)))


def _rooms(arguments: Sequence[str]) -> dict[str, float]:
    _run(arguments, Costs())
    found: dict[str, float] = {}
    for entry in _run(arguments, Costs()).getstats():
        if isinstance(entry.code, CodeType):
            seconds = entry.inlinetime + sum(call.inlinetime for call in _built_in(entry))
            room = _room(entry.code)
            found[room] = found.get(room, 0.0) + seconds
    return found


def _built_in(entry: Any) -> Iterator[Any]:
    """What a function calls that is not written in Python."""
    return (call for call in entry.calls or () if isinstance(call.code, str))


def _plain(rule: Callable[..., Any]) -> Any:
    """The function of a rule that has some of its arguments already."""
    return rule.func if isinstance(rule, partial) else rule


def _room(code: CodeType) -> str:
    """The module of netgen that a function stands in, or the library that it belongs to."""
    path = Path(code.co_filename)
    if path == Path(__file__):
        return "black"  # what stands before it
    for folder in ("generator", "torch_netgen"):
        if folder in path.parts:
            return "/".join(path.parts[path.parts.index(folder) + 1 :]).removesuffix(".py")
    if "site-packages" in path.parts:
        return path.parts[path.parts.index("site-packages") + 1].removesuffix(".py")
    return "standard library"


@contextlib.contextmanager
def _watched_black(costs: Costs) -> Iterator[None]:
    """Counts the calls of black; it is imported for that only if netgen would import it."""
    if "build" not in sys.argv:
        yield
        return
    import black

    real = black.format_str

    def format_str(src_contents: str, **options: Any) -> str:
        costs.formats += 1
        costs.formatted += src_contents.count("\n")
        return real(src_contents, **options)

    black.format_str = format_str
    yield
    black.format_str = real


_DO: dict[str, Callable[[Sequence[str]], object]] = {"costs": _costs, "rooms": _rooms}


def main(what: str, folder: str, *arguments: str) -> None:
    """Count or profile, and print."""
    os.chdir(folder)
    gc.disable()  # as the command does
    print(json.dumps(_DO[what](arguments)))


if __name__ == "__main__":
    main(*sys.argv[1:])
