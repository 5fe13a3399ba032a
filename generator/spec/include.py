"""`include`: the blocks of other files, beside a spec or below its folder.

Specs may come from strangers: no path leads out of the spec's folder, through a link neither, and
only ordinary files that are called YAML are read.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

from msgspec import Meta, Struct, field
from msgspec.structs import replace

from ..diagnostics.diagnostics import (
    MOST_FINDINGS,
    Diagnostic,
    Location,
    NetgenError,
    printable,
)
from .source import LARGEST_TEXT, Source, parse
from .spec import kind_of, validate
from .text_files import text_in, why_unreadable

MOST_FILES = 100  # that one spec includes
SUFFIXES = (".yaml", ".yml")
_DRIVE = re.compile(r"[A-Za-z]:")

TextOf = Callable[[str], str]
"""Gives the text of the file at a real path; raises `OSError` or `ValueError` if there is none."""


class BlocksFile(Struct, frozen=True):
    """A file to be included: blocks, and what it includes itself."""

    blocks: Annotated[dict[str, Any], Meta(description="The blocks, by name.")] = {}
    include: Annotated[list[str], Meta(description="More files, seen from this one's folder.")] = []


def text_of_included(path: str) -> str:
    """The text of the file at a real path, which is no link by now."""
    return text_in(path, getattr(os, "O_NOFOLLOW", 0))  # Windows has none


def including(source: Source, text_of: TextOf = text_of_included) -> Source:
    """The source of a spec, with the blocks of the files that it includes.

    Its name is the path of its file. All that is wrong with the files is among its mistakes; it is
    not `whole` if blocks may be unknown because of that.
    """
    base = os.path.realpath(os.path.dirname(source.name) or ".")
    reader = _Reader(source, base, text_of, characters=len(source.text), count=source.count)
    reader.enter(source, os.path.realpath(source.name), base)
    homes = {name: home for name, home in reader.homes.items() if home is not source}
    return replace(
        source.taking(homes),
        mistakes=(*source.mistakes, *reader.mistakes)[: MOST_FINDINGS + 1],
        included=tuple(reader.found),
        sought=tuple(reader.sought),
        whole=reader.whole,
    )


class _Refused(Exception):
    """A path that may not be included, with the reason and the cure."""

    def __init__(self, reason: str, help: str) -> None:
        super().__init__(reason)
        self.reason, self.help = reason, help


def _plain(path: str) -> str:
    """A path with `/` between its folders, on any system."""
    return path.replace(os.sep, "/")


def _real(path: str, folder: str, base: str) -> str:
    """The real path of a file that is included in a folder; raises `_Refused`.

    `base` is the spec's folder; both are real paths.
    """
    below = "put the file beside the spec, or into a folder below"
    if not path.isprintable() or not path.strip():
        raise _Refused("this is no path", "name a file, seen from this one's folder")
    if "\\" in path:
        other = path.replace("\\", "/")
        raise _Refused("folders are set apart by `/`", f"write `{other}`")
    if path.startswith("/") or _DRIVE.match(path):
        raise _Refused("the path is absolute", "write the path that is seen from this file")
    if not path.lower().endswith(SUFFIXES):
        raise _Refused("its name ends with neither `.yaml` nor `.yml`", "name a YAML file")
    depth = 0 if folder == base else len(_plain(os.path.relpath(folder, base)).split("/"))
    for step in path.split("/"):
        depth += -1 if step == ".." else step not in ("", ".")
        if depth < 0:
            raise _Refused("it is above the spec's folder", below)
    real = os.path.realpath(os.path.join(folder, path))
    if not Path(real).is_relative_to(base):
        raise _Refused("a link leads out of the spec's folder", below)
    if not real.lower().endswith(SUFFIXES):
        raise _Refused("a link leads to what is not called YAML", "name a YAML file")
    return real


class _Reader(Struct):
    """Reads what a spec includes, one file after the other, and each once.

    `homes` are the files of all blocks, the spec's own included. `opened` are the files around the
    one that is read, by their real paths. `characters` and `count` are those of all texts and
    values so far: limits hold for all files together.
    """

    spec: Source
    base: str  # the real path of the spec's folder
    text_of: TextOf
    characters: int
    count: int
    found: list[Source] = field(default_factory=list)
    homes: dict[str, Source] = field(default_factory=dict)
    opened: dict[str, str] = field(default_factory=dict)
    sought: dict[str, None] = field(default_factory=dict)
    mistakes: list[Diagnostic] = field(default_factory=list)
    whole: bool = True

    def enter(self, source: Source, real: str, folder: str) -> None:
        """Read what a file in a folder includes, then take down its own blocks."""
        self.opened[real] = source.name
        paths = source.values.get("include")
        for place, path in enumerate(paths if isinstance(paths, list) else ()):
            if isinstance(path, str):
                try:
                    self.include(path, folder, source.locate(("include", place)))
                except NetgenError as error:
                    self.lose(error)
        del self.opened[real]
        blocks = source.values.get("blocks")
        for name in blocks if isinstance(blocks, dict) else ():
            if self.homes.setdefault(name, source) is not source:
                self.twice(name, source)

    def lose(self, error: NetgenError) -> None:
        """Take down mistakes because of which blocks may be unknown."""
        self.mistakes += error.diagnostics
        self.whole = False

    def twice(self, name: str, source: Source) -> None:
        """Take down that a block is in another file, too."""
        where = source.locate(("blocks", name), key=True)
        other = self.homes[name].locate(("blocks", name), key=True)
        message = f"there are two blocks `{printable(name)}`"
        note = f"the other one is on line {other.line} of `{self.called(other.file)}`"
        help = "give one of them another name, or take it out"
        self.mistakes.append(Diagnostic("NG205", message, where, (note,), help))

    def include(self, path: str, folder: str, where: Location) -> None:
        """Read the file at a path, unless it has been read; raises `NetgenError`."""
        try:
            real = _real(path, folder, self.base)
        except _Refused as refused:
            message = f"`{printable(path)}` can't be included: {refused.reason}"
            raise NetgenError(Diagnostic("NG215", message, where, help=refused.help)) from None
        if real in self.opened:
            files = [*self.opened.values()][[*self.opened].index(real) :]
            circle = " -> ".join(map(self.called, (*files, files[0])))
            message = f"files can't include each other in a circle: {circle}"
            self.mistakes.append(Diagnostic("NG215", message, where))
        elif real not in self.sought:
            self.sought[real] = None
            if len(self.sought) > MOST_FILES:
                message = f"a spec includes {MOST_FILES} files at most"
                raise NetgenError(Diagnostic("NG215", message, where))
            source = self.read(real, path, where)
            self.found.append(source)
            self.enter(source, real, os.path.dirname(real))

    def read(self, real: str, path: str, where: Location) -> Source:
        """The source of a file, checked for its form; raises `NetgenError` if there is none."""
        try:
            text = self.text_of(real)
        except (OSError, ValueError) as error:
            message = f"can't read `{printable(path)}`: {why_unreadable(error)}"
            missing = isinstance(error, FileNotFoundError)
            help = "a path is seen from the folder of the file that it stands in"
            raise NetgenError(
                Diagnostic("NG101", message, where, help=help if missing else None)
            ) from None
        self.characters += len(text)
        if self.characters > LARGEST_TEXT:
            message = f"the spec and what it includes have more than {LARGEST_TEXT} characters"
            raise NetgenError(Diagnostic("NG103", message, where))
        folder, below = os.path.dirname(self.spec.name), _plain(os.path.relpath(real, self.base))
        name = f"{folder}/{below}" if folder else below
        source = parse(text, name, self.count)
        self.count += source.count
        self.mistakes += source.mistakes
        if not isinstance(source.values, dict):
            message = f"a file to be included has `blocks`, but this is {kind_of(source.values)}"
            raise NetgenError(Diagnostic("NG201", message, source.locate(())))
        try:
            validate(BlocksFile, source.values, source, ())
        except NetgenError as error:
            self.lose(error)
        return source

    def called(self, file: str) -> str:
        return printable(self.spec.called(file))
