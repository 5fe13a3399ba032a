"""A process that answers: one line for each request, and before it a line for all that is said.

The server has one that checks, one that shows and one that runs, so that none waits for another.
"""

from __future__ import annotations

import gc
import os
import select
import sys
from collections.abc import Callable, Iterator
from typing import Any

from msgspec import Struct, json

from ..jobs.failures import own_mistake
from .asked import Build, Check, Complete, Explain, Forms, Hover, Settle, View
from .problems import problems

MOST = 20  # requests


class _Task(Struct, frozen=True):
    """What is asked, and who answers."""

    asked: type[Any]
    answer: Callable[[Any], Any]


def main(role: str) -> None:
    """Answer requests on standard input until it ends; the `role` says of which kind."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what is printed by accident is no answer

    def say(**what: Any) -> None:
        answers.write(json.encode(what, enc_hook=int) + b"\n")
        answers.flush()

    tasks = _ROLES[role](lambda level: say(said=level))
    gc.freeze()  # modules need not be looked at again
    gc.disable()
    say(said="ready")
    for line in _lines():
        name, _, body = line.partition(b" ")
        task = tasks[name.decode()]
        asked = json.decode(body, type=task.asked)
        try:
            answer = task.answer(asked)
        except Exception as error:
            answer = {"ok": False, "problems": problems([own_mistake(error)])}
        say(answer=answer)


def _lines() -> Iterator[bytes]:
    """The lines of standard input; garbage is looked for when nobody waits, or after many."""
    answered = 0
    while True:
        if answered and (answered == MOST or not _is_asked()):
            gc.collect()
            answered = 0
        line = sys.stdin.buffer.readline()
        if not line:
            return
        answered += 1
        yield line


def _is_asked() -> bool:
    """Whether somebody waits for an answer; on Windows only a socket can be looked at for that."""
    return sys.platform == "win32" or bool(select.select([sys.stdin], [], [], 0)[0])


def _checking(say: Callable[[str], None]) -> dict[str, _Task]:
    from .checking import Checker
    from .teaching import taught

    checker = Checker()
    return {
        "check": _Task(Check, checker.check),
        "complete": _Task(Complete, checker.complete),
        "forms": _Task(Forms, lambda asked: taught()),
        "hover": _Task(Hover, checker.hover),
        "settle": _Task(Settle, checker.settle),
    }


def _viewing(say: Callable[[str], None]) -> dict[str, _Task]:
    from .viewing import Viewer

    if sys.platform != "win32":
        os.nice(5)  # what is asked while somebody types comes first
    viewer = Viewer()
    return {"explain": _Task(Explain, viewer.explain), "view": _Task(View, viewer.view)}


def _building(say: Callable[[str], None]) -> dict[str, _Task]:
    from .building import Builder

    builder = Builder()

    def build(asked: Build) -> dict[str, Any]:
        return builder.build(asked, say)

    return {"build": _Task(Build, build)}


_ROLES: dict[str, Callable[[Callable[[str], None]], dict[str, _Task]]] = {
    "building": _building,
    "checking": _checking,
    "viewing": _viewing,
}
