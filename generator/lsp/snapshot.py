"""Snapshots of the text in an editor: its diagnostics, or the network that it describes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from functools import cached_property
from os.path import realpath
from typing import Any

from msgspec import Struct

from ..analysis.costs import Cost, Costs
from ..analysis.prediction import Prediction, check_source
from ..diagnostics.diagnostics import Diagnostic, NetgenError
from ..jobs.failures import own_mistake
from ..spec.include import TextOf, including
from ..spec.source import Source, parse
from ..spec.spec import has_blocks_alone
from ..views.explain import Explained
from .mending import closed

_KEYS = tuple(re.compile(rf"^{key}[ \t]*:", re.MULTILINE) for key in ("name", "layers"))
_SCHEMA = re.compile(r"^# yaml-language-server:.*\$schema=\S*netgen", re.MULTILINE)


class Snapshot(Struct, frozen=True, dict=True):
    """A spec that can be parsed: its source and, if it is valid, its prediction."""

    source: Source
    found: Prediction | None = None

    @cached_property
    def network(self) -> Explained | None:
        """The network with the origin of each value; ``None`` if the spec is not valid."""
        return None if self.found is None else Explained(self.found)

    def seen_from(self, file: str) -> Snapshot | None:
        """The snapshot as it is seen from a file that the spec includes; `None` for another one."""
        own = self.source
        for source in own.included or ():
            if realpath(source.name) == realpath(file):
                homes = {name: own.homes.get(name, own) for name in own.values["blocks"]}
                return Snapshot(source.taking(homes), self.found)
        return None

    @cached_property
    def costs(self) -> tuple[Cost, ...]:
        """The cost of each call of the network."""
        if self.network is None:
            return ()
        return Costs(self.network.graph, self.network.trace).calls


class Checked(Struct, frozen=True):
    """The result of a check; `right` is the snapshot of the text if it has no errors.

    There is no `source` if the text is no YAML.
    """

    diagnostics: tuple[Diagnostic, ...]
    right: Snapshot | None = None
    source: Source | None = None


def is_spec(text: str) -> bool:
    """Whether a text looks like a spec: other YAML has other keys."""
    return bool(_SCHEMA.search(text)) or all(key.search(text) for key in _KEYS)


def check(
    text: str,
    name: str,
    text_of: TextOf | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> Checked:
    """The result of `netgen check` for a text; imported code is not run.

    The `overrides` are values of its parameters. `text_of` gives the texts of files that it
    includes. Without it the text has no folder. Of a file of blocks, which is no spec, only what it
    includes is checked.
    """
    source: Source | None = None
    try:
        source = parse(text, name)
        if source.includes and text_of is not None:
            source = including(source, text_of)
        if has_blocks_alone(source.values):
            return Checked(source.mistakes, None, source)
        found = check_source(source, overrides or {})
    except NetgenError as error:
        return Checked(tuple(error.diagnostics), None, source)
    except Exception as error:
        return Checked((own_mistake(error),), None, source)
    return Checked(found.warnings, Snapshot(found.source, found), source)


def snapshots(
    text: str, name: str, line: int, right: Snapshot | None
) -> list[tuple[Snapshot, int]]:
    """The snapshots for a line, the one that knows most first, with the line's number there.

    `right` is the last snapshot without errors; it is used for lines that have not changed since.
    """
    found: list[tuple[Snapshot, int]] = []
    there = None if right is None else line_in(text, right.source.text, line)
    if right is not None and there is not None:
        found.append((right, there))
    if right is None or right.source.text != text:
        source = _readable(text, name, line)
        if source is not None:
            known = {} if right is None else right.source.homes
            found.append((Snapshot(source.taking(known)), line))
    return found


def _readable(text: str, name: str, line: int) -> Source | None:
    """The parsed text or, if it is invalid, its part down to a line; ``None`` if both fail."""
    for part in (text, closed(text, line)):
        with suppress(NetgenError):
            return parse(part, name)
    return None


def line_in(text: str, other: str, line: int) -> int | None:
    """The number of a line in another text, if it is above or below all differences."""
    if text == other:
        return line
    lines, others = text.splitlines(), other.splitlines()
    if line <= _same(lines, others):
        return line
    if line > len(lines) - _same(lines[::-1], others[::-1]):
        return line + len(others) - len(lines)
    return None


def _same(lines: list[str], others: list[str]) -> int:
    """How many lines are the same, from the first on."""
    pairs = enumerate(zip(lines, others, strict=False))
    different = (place for place, (line, other) in pairs if line != other)
    return next(different, min(len(lines), len(others)))
