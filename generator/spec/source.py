"""A spec as it is given: its text, its values, and the place of each value in the text."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

import yaml
from msgspec import Struct, field
from msgspec.structs import replace

from ..diagnostics.diagnostics import (
    MOST_FINDINGS,
    Diagnostic,
    Location,
    NetgenError,
    SpecPath,
    printable,
)
from .yaml_nodes import begin, check_depth, compose, holds, pairs, steps
from .yaml_values import Reader

LARGEST_TEXT = 1_000_000  # characters: each may be a value, which takes 200 bytes and more


class Source(Struct, frozen=True, eq=False):
    """A spec's text, its values, and the YAML nodes that have the places of values.

    `name` is the file's name for diagnostics.
    """

    name: str
    text: str
    values: Any
    root: yaml.Node | None
    meant: Mapping[str, str] = field(default_factory=dict)  # misspelt keys, by what was meant
    mistakes: tuple[Diagnostic, ...] = ()  # that leave the values readable
    # the lines of the text, and the children of mappings by their keys, once they are asked for
    lines: list[str] = field(default_factory=list)
    children: dict[yaml.Node, Any] = field(default_factory=dict)

    @property
    def folder(self) -> str:
        """The spec's folder, where imported code is looked for; empty if nothing is imported."""
        imports = isinstance(self.values, dict) and self.values.get("imports")
        return str(Path(self.name).absolute().parent) if imports else ""

    def locate(self, path: SpecPath, *, key: bool = False) -> Location:
        """The place of the value at a path (with `key`, of its key), or of what is around it."""
        node = self.root
        for place, step in enumerate(path):
            step = self.meant.get(str(step), step) if place == 0 else step
            found = self._child(node, step, key and place == len(path) - 1)
            if found is None:
                break
            node = found
        return self.place_of(node)

    def inside(self, path: SpecPath, text: str, span: tuple[int, int]) -> Location:
        """The place of a part of the text at a path.

        Where the text is not written as it is, on one line, it is that of the text's key.
        """
        whole = self.locate(path)
        start = whole.text.find(text, whole.column - 1)
        if not 0 <= start - whole.column + 1 <= 1 or whole.length - len(text) not in (0, 2):
            return self.locate(path, key=True)
        return replace(whole, column=start + span[0] + 1, length=max(span[1] - span[0], 1))

    def at(self, line: int, column: int) -> tuple[SpecPath, bool]:
        """The path of the innermost value at a place, and whether its key stands there."""
        path: SpecPath = ()
        node, place = self.root, (line - 1, column - 1)
        while True:
            found: tuple[str | int, yaml.Node] | None = None
            for step, name, value in steps(node):
                if name is not None and holds(name, place):
                    return (*path, step), True
                # the value of an alias stands elsewhere: the last one to begin is the innermost
                if holds(value, place) and (found is None or begin(value) > begin(found[1])):
                    found = step, value
            if found is None:
                return path, False
            path, node = (*path, found[0]), found[1]

    def _child(self, node: yaml.Node | None, step: str | int, key: bool) -> yaml.Node | None:
        """The node under a mapping's key (with `key`, the key's own), or in a place of a list."""
        found: yaml.Node | None = None
        if isinstance(node, yaml.MappingNode):
            if node not in self.children:
                self.children[node] = {name.value: (name, value) for name, value in pairs(node)}
            pair = self.children[node].get(step)
            found = None if pair is None else pair[0 if key else 1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(step, int):
            found = node.value[step] if step < len(node.value) else None
        return found

    def place_of(self, node: yaml.Node | None) -> Location:
        """The place of a node, or the begin of the text if there is none."""
        if node is None:
            return Location(self.name, 1, 1)
        start, end = node.start_mark, node.end_mark
        if not self.lines:
            self.lines.extend(self.text.splitlines() or [""])
        line = self.lines[start.line] if start.line < len(self.lines) else ""
        one_line = end.line == start.line
        length = end.column - start.column if one_line else len(line.rstrip()) - start.column
        return Location(self.name, start.line + 1, start.column + 1, max(length, 1), line)


def read(path: str | Path) -> Source:
    """The spec in a file; raises `NetgenError` if it can't be read or is no YAML."""
    name = str(path)
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):  # reading a pipe may block, or never end
            _refuse_odd(Path(path))
        with open(path, "rb") as file:
            text = file.read(4 * LARGEST_TEXT + 1).decode("utf-8-sig")
    except (OSError, ValueError) as error:
        if isinstance(error, UnicodeDecodeError):
            message = f"can't read `{printable(name)}`: it is not UTF-8 text (byte {error.start})"
            raise NetgenError(Diagnostic("NG101", message)) from None
        reason = (getattr(error, "strerror", None) or str(error)).lower()
        help = "check the path" if isinstance(error, FileNotFoundError) else None
        raise NetgenError(
            Diagnostic("NG101", f"can't read `{printable(name)}`: {reason}", help=help)
        ) from None
    return parse(text, name)


def _refuse_odd(path: Path) -> NoReturn:
    """Refuse what is no ordinary file: a folder, a pipe, a device."""
    name = printable(str(path))
    what = "it is a folder" if path.is_dir() else "it is no ordinary file"
    help = "give the file of a spec" if path.is_dir() else "`-` reads a spec from standard input"
    raise NetgenError(Diagnostic("NG101", f"can't read `{name}`: {what}", help=help))


def given(spec: str | Path | Mapping[str, Any] | Source) -> Source:
    """The source of a spec that a caller gives: as a path, a mapping, or the source itself."""
    if isinstance(spec, Source):
        return spec
    return from_mapping(spec) if isinstance(spec, Mapping) else read(spec)


def stdin_text() -> str:
    """The text on standard input; raises `NetgenError` if it can't be read."""
    try:
        return sys.stdin.buffer.read(4 * LARGEST_TEXT + 1).decode("utf-8-sig")
    except (AttributeError, OSError, UnicodeDecodeError) as error:
        reason = "it is not UTF-8 text" if isinstance(error, UnicodeDecodeError) else "it is closed"
        raise NetgenError(Diagnostic("NG101", f"can't read standard input: {reason}")) from None


def parse(text: str, name: str) -> Source:
    """The spec in a text; `name` stands for the file in diagnostics.

    Raises `NetgenError` if the text is too long or no YAML that a spec may have.
    """
    if len(text) > LARGEST_TEXT:
        message = f"the spec has {len(text)} characters; {LARGEST_TEXT} are the most"
        raise NetgenError(Diagnostic("NG103", message, Location(name, 1, 1)))
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    check_depth(text, name)
    root = compose(text, name)
    source = Source(name, text, None, root)
    if root is None:
        return source
    reader = Reader(source.place_of)
    values = reader.value(root, 0)
    return replace(source, values=values, mistakes=tuple(reader.mistakes[: MOST_FINDINGS + 1]))


def from_mapping(spec: Mapping[str, Any]) -> Source:
    """The spec in a mapping, written as YAML so that diagnostics can point into it."""
    from .yaml_writing import as_yaml

    return parse(as_yaml(spec), "<mapping>")
