"""`netgen completion`: what a shell completes, as a script made from the parser.

The script holds all that can be completed, so that no Python is started at a TAB.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence

import shtab

from ..ir.levels import LEVELS
from ..layers import TYPES
from .init import templates

_SPECS = shtab.glob("*.yaml", "*.yml")
# what arguments take, by their names in the parser
_FILES: Mapping[str, shtab.CompleteType] = {
    "configs": _SPECS,
    "output": shtab.FILE,
    "output_dir": shtab.DIRECTORY,
    "report": shtab.FILE,
}
_WORDS: Mapping[str, Sequence[str]] = {
    "device": ("auto", "cpu", "cuda", "mps", "all", "meta"),
    "name": tuple(TYPES),
    "prove": LEVELS,
    "template": tuple(templates()),
}


def script(top: argparse.ArgumentParser, shell: str) -> str:
    """The script of a shell, for a parser that is used for nothing else."""
    for action in _actions(top):
        if action.dest in _FILES:
            action.complete = _FILES[action.dest]  # type: ignore[attr-defined]
        elif action.dest in _WORDS:
            action.choices = _WORDS[action.dest]
        if action.nargs == 2:
            action.nargs = "+"  # shtab knows one and several
    found = shtab.complete(top, shell)
    # of several specs shtab has zsh complete the first alone: `*` says that each is one
    return found.replace('"(*):', '"*:') if shell == "zsh" else found


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """The arguments of a parser and of its verbs."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for verb in action.choices.values():
                yield from _actions(verb)
        else:
            yield action
