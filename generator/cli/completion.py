"""`netgen completion`: a shell's completion script, made from the argument parser.

The script has all completions in it, so that a TAB starts no Python.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence

import shtab

from ..ir.levels import LEVELS
from ..layers import TYPES
from .init import templates

_SPECS = shtab.glob("*.yaml", "*.yml")
# the kinds of files that arguments take, by the arguments' names in the parser
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
    """The completion script for a shell; it changes the parser, which has no other use then."""
    for action in _actions(top):
        if action.dest in _FILES:
            action.complete = _FILES[action.dest]  # type: ignore[attr-defined]
        elif action.dest in _WORDS:
            action.choices = _WORDS[action.dest]
        if action.nargs == 2:
            action.nargs = "+"  # shtab does not know counts
    found = shtab.complete(top, shell)
    # shtab makes zsh complete only the first of several specs; `*` makes it complete each
    return found.replace('"(*):', '"*:') if shell == "zsh" else found


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """The arguments of a parser and of its verbs."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for verb in action.choices.values():
                yield from _actions(verb)
        else:
            yield action
