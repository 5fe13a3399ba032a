"""The parts of pages that are made from the code: options of verbs, arguments of functions.

They stand between marks, as those of `docs/performance.md` do.
"""

from __future__ import annotations

import argparse
import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch_netgen
from torch_netgen.cli.verbs import parser

from benchmarks.book import BEGIN, END


def renewed(page: str, parts: Mapping[str, str]) -> str:
    """The page with its parts as they are now; it has a place for each, and no other."""
    begin, end = re.escape(BEGIN).replace(r"\{\}", "(.+)"), END.format(r"\1")
    places = re.compile(f"{begin}.*?{end}", re.DOTALL)
    assert [found[1] for found in places.finditer(page)] == [*parts]
    return places.sub(
        lambda found: f"{BEGIN.format(found[1])}\n{parts[found[1]]}\n{END.format(found[1])}", page
    )


def verbs() -> dict[str, str]:
    """What each verb does, and the table of its arguments."""
    (found,) = (a for a in parser()._actions if isinstance(a, argparse._SubParsersAction))
    return {f"netgen {name}": _told(verb) for name, verb in found.choices.items()}


def _told(verb: argparse.ArgumentParser) -> str:
    actions = [a for a in verb._actions if not isinstance(a, argparse._HelpAction)]
    rows = "".join(f"| {_names(action)} | {_escaped(str(action.help))} |\n" for action in actions)
    table = f"\n| argument | |\n|---|---|\n{rows}" if rows else ""
    return f"{verb.description}\n{table}"


def _names(action: argparse.Action) -> str:
    """How an argument is written: ``-o FILE``, ``--output FILE``."""
    value = action.metavar or ("|".join(action.choices) if action.choices else action.dest.upper())
    if not action.option_strings:
        return f"`{_escaped(str(value))}`"
    value = "" if action.nargs == 0 else f" {value}"
    return ", ".join(f"`{_escaped(f'{name}{value}')}`" for name in action.option_strings)


def _escaped(text: str) -> str:
    return text.replace("|", "\\|")


def functions() -> dict[str, str]:
    """The arguments of the public functions."""
    public: dict[str, Callable[..., Any]] = {
        "build": torch_netgen.build,
        "load": torch_netgen.load,
        "import_module": torch_netgen.import_module,
    }
    return {name: "".join(_arguments(function)) for name, function in public.items()}


def _arguments(function: Callable[..., Any]) -> Iterator[str]:
    doc = inspect.getdoc(function) or ""
    said = dict(re.findall(r"^    (\w+): ((?:.+\n?)(?:        .+\n?)*)", doc, re.MULTILINE))
    yield "| argument | default | |\n|---|---|---|\n"
    for name, parameter in inspect.signature(function).parameters.items():
        required = parameter.default is parameter.empty
        default = "required" if required else f"`{parameter.default!r}`"
        text = re.sub(r"``?([^`]+)``?", r"`\1`", " ".join(said[name].split()))
        yield f"| `{name}` | {default} | {text} |\n"
