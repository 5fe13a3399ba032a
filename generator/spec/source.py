"""A spec as it is given: its text, its values, and the place of each value in the text."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

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

    `name` is the file's name for diagnostics. The `values` have the blocks of included files, too:
    `homes` are the files of these, by the blocks' names.
    """

    name: str
    text: str
    values: Any
    root: yaml.Node | None
    meant: Mapping[str, str] = field(default_factory=dict)  # misspelt keys, by what was meant
    mistakes: tuple[Diagnostic, ...] = ()  # that leave the values readable
    count: int = 0  # of the values, aliases unfolded
    # what it includes, each file once; `None` for a text without a folder, which may include none
    included: Sequence[Source] | None = None
    homes: Mapping[str, Source] = field(default_factory=dict)
    sought: tuple[str, ...] = ()  # the real paths of what it includes, whether or not it is there
    whole: bool = True  # whether all that it includes could be read
    # the lines of the text, and the children of mappings by their keys, once they are asked for
    lines: list[str] = field(default_factory=list)
    children: dict[yaml.Node, Any] = field(default_factory=dict)

    @property
    def folder(self) -> str:
        """The spec's folder, where imported code is looked for; empty if nothing is imported."""
        imports = isinstance(self.values, dict) and self.values.get("imports")
        return str(Path(self.name).absolute().parent) if imports else ""

    @property
    def includes(self) -> bool:
        """Whether files are written to be included."""
        return isinstance(self.values, dict) and bool(self.values.get("include"))

    @property
    def files(self) -> tuple[str, ...]:
        """The names of all its files: its own, and those that it includes."""
        return (self.name, *(source.name for source in self.included or ()))

    @property
    def inputs(self) -> str:
        """The texts of all its files as one: its own, then each of the others behind its name."""
        others = ((self.called(x.name), x.text) for x in self.included or ())
        return "\0".join([self.text, *(part for pair in others for part in pair)])

    def called(self, file: str) -> str:
        """The name of one of its files, as it is seen from the spec's folder."""
        folder = os.path.dirname(self.name)
        return file.removeprefix(f"{folder}/") if folder else file

    def of(self, file: str) -> Source:
        """The source with the name of a file: one of those whose blocks are known, or this one."""
        return next((x for x in self.others if x.name == file), self)

    @property
    def others(self) -> tuple[Source, ...]:
        """The other files that are known: those that it includes, and those of known blocks."""
        return (*(self.included or ()), *self.homes.values())

    def taking(self, homes: Mapping[str, Source]) -> Source:
        """The source with blocks of other files, each by its name; its own come before them."""
        own = self.values.get("blocks", {}) if isinstance(self.values, dict) else None
        if not homes or not isinstance(own, dict):
            return self  # what is no mapping is reported
        homes = {name: home for name, home in homes.items() if name not in own}
        others = {name: home.values["blocks"][name] for name, home in homes.items()}
        return replace(self, values={**self.values, "blocks": {**others, **own}}, homes=homes)

    def line(self, path: SpecPath, near: Location | None = None) -> str:
        """The line of the key at a path in words: `line 3`, or `line 3 of ...` in another file.

        It is said in a diagnostic with the place `near`, or else of the spec itself.
        """
        where = self.locate(path, key=True)
        if where.file == (self.name if near is None else near.file):
            return f"line {where.line}"
        return f"line {where.line} of `{printable(self.called(where.file))}`"

    def locate(self, path: SpecPath, *, key: bool = False) -> Location:
        """The place of the value at a path (with `key`, of its key), or of what is around it."""
        if self.homes and len(path) > 1 and path[0] == "blocks" and path[1] in self.homes:
            return self.homes[str(path[1])].locate(path, key=key)
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


def parse(text: str, name: str, before: int = 0) -> Source:
    """The spec in a text; `name` stands for the file in diagnostics.

    Raises `NetgenError` if the text is too long or no YAML that a spec may have, or if it has too
    many values, with those `before` it in other files.
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
    reader = Reader(source.place_of, before)
    values = reader.value(root, 0)
    mistakes = tuple(reader.mistakes[: MOST_FINDINGS + 1])
    return replace(source, values=values, mistakes=mistakes, count=reader.count - before)


def from_mapping(spec: Mapping[str, Any]) -> Source:
    """The spec in a mapping, written as YAML so that diagnostics can point into it."""
    from .yaml_writing import as_yaml

    return parse(as_yaml(spec), "<mapping>")
