"""YAML text to plain values that remember their place.

Scalars follow YAML 1.2: ``yes``, ``no``, ``on`` and ``off`` are strings, ``1e-5`` is a number.
Only plain YAML is taken: no tags, no key twice in one mapping, limits on size, depth and what
aliases may unfold to.
"""

from __future__ import annotations

import contextlib
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, NoReturn

import yaml
from msgspec import Struct, field
from msgspec.structs import replace

from .diagnostics import MOST_FINDINGS, Diagnostic, Location, NetgenError, SpecPath, printable

LARGEST_TEXT = 8_000_000  # characters
MOST_VALUES = 1_000_000  # after aliases are unfolded
DEEPEST = 60

MOST_BRACKETS = 2_000  # open at once, or columns of indentation

_INDENT = re.compile(r"^(?:[ \t]|- |\? |-\t)+", re.MULTILINE)
_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_WORDS = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf"), float("inf")),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), float("-inf")),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
}

_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_Base):  # type: ignore[misc]
    """The fast loader without YAML 1.1's ideas of what a scalar is."""

    yaml_implicit_resolvers: ClassVar[dict[str, Any]] = {}


class Source(Struct, frozen=True, eq=False):
    """A spec's text, its values, and where each of them stands."""

    name: str
    text: str
    values: Any
    root: yaml.Node | None
    meant: Mapping[str, str] = field(default_factory=dict)  # misspelt keys, by what was meant
    mistakes: tuple[Diagnostic, ...] = ()  # that leave the values readable
    # the lines of the text, and the children of mappings by their keys, once they are asked for
    lines: list[str] = field(default_factory=list)
    children: dict[int, Any] = field(default_factory=dict)

    @property
    def folder(self) -> str:
        """Where the code that the spec imports is looked for: beside it. Empty if it has none."""
        imports = isinstance(self.values, dict) and self.values.get("imports")
        return str(Path(self.name).absolute().parent) if imports else ""

    def locate(self, path: SpecPath, *, key: bool = False) -> Location:
        """The place of the value at a path (of its key, with `key`), or of what is nearest."""
        node = self.root
        for place, step in enumerate(path):
            step = self.meant.get(str(step), step) if place == 0 else step
            found = self._child(node, step, key and place == len(path) - 1)
            if found is None:
                break
            node = found
        return self._location(node)

    def at(self, line: int, column: int) -> tuple[SpecPath, bool]:
        """The path of the innermost value at a place, and whether its key stands there."""
        path: SpecPath = ()
        node, place = self.root, (line - 1, column - 1)
        while True:
            found: tuple[str | int, yaml.Node] | None = None
            for step, name, value in _steps(node):
                if name is not None and _holds(name, place):
                    return (*path, step), True
                # that of an alias stands elsewhere, so the last that begins is the innermost
                if _holds(value, place) and (found is None or _begin(value) > _begin(found[1])):
                    found = step, value
            if found is None:
                return path, False
            path, node = (*path, found[0]), found[1]

    def _child(self, node: yaml.Node | None, step: str | int, key: bool) -> yaml.Node | None:
        """What stands in a mapping under a key (or the key itself), or in a place of a list."""
        found: yaml.Node | None = None
        if isinstance(node, yaml.MappingNode):
            if id(node) not in self.children:
                self.children[id(node)] = {
                    name.value: (name, value) for name, value in _pairs(node)
                }
            pair = self.children[id(node)].get(step)
            found = None if pair is None else pair[0 if key else 1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(step, int):
            found = node.value[step] if step < len(node.value) else None
        return found

    def _location(self, node: yaml.Node | None) -> Location:
        if node is None:
            return Location(self.name, 1, 1)
        start, end = node.start_mark, node.end_mark
        if not self.lines:
            self.lines.extend(self.text.splitlines() or [""])
        line = self.lines[start.line] if start.line < len(self.lines) else ""
        one_line = end.line == start.line
        length = end.column - start.column if one_line else len(line.rstrip()) - start.column
        return Location(self.name, start.line + 1, start.column + 1, max(length, 1), line)


def _pairs(node: yaml.MappingNode) -> Iterator[tuple[yaml.ScalarNode, yaml.Node]]:
    """The keys and values of a mapping: merged ones first, so that its own come last."""
    for name, value in node.value:
        if _is_merge(name):
            merged = value.value if isinstance(value, yaml.SequenceNode) else [value]
            for mapping in reversed(merged):
                yield from _pairs(mapping)
    for name, value in node.value:
        if not _is_merge(name):
            yield name, value


def _steps(node: yaml.Node | None) -> Iterator[tuple[str | int, yaml.Node | None, yaml.Node]]:
    """What stands in a node itself: the step to each value, its key's node, and the value's."""
    if isinstance(node, yaml.MappingNode):
        yield from ((n.value, n, value) for n, value in node.value if not _is_merge(n))
    elif isinstance(node, yaml.SequenceNode):
        yield from ((place, None, value) for place, value in enumerate(node.value))


def _begin(node: yaml.Node) -> tuple[int, int]:
    return node.start_mark.line, node.start_mark.column


def _holds(node: yaml.Node, place: tuple[int, int]) -> bool:
    return _begin(node) <= place <= (node.end_mark.line, node.end_mark.column)


def _is_merge(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and node.value == "<<" and not _quoted(node)


def _quoted(node: yaml.ScalarNode) -> bool:
    return bool(node.style) and node.style in "'\"|>"


def read(path: str | Path) -> Source:
    """The spec in a file."""
    name = str(path)
    try:
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


def given(spec: str | Path | Mapping[str, Any] | Source) -> Source:
    """The spec as it is given to a function: its path, a mapping, or what has been read."""
    if isinstance(spec, Source):
        return spec
    return from_mapping(spec) if isinstance(spec, Mapping) else read(spec)


def read_stdin() -> Source:
    """The spec on standard input."""
    try:
        data = sys.stdin.buffer.read(4 * LARGEST_TEXT + 1)
        return parse(data.decode("utf-8-sig"), "<stdin>")
    except (AttributeError, OSError, UnicodeDecodeError) as error:
        reason = "it is not UTF-8 text" if isinstance(error, UnicodeDecodeError) else "it is closed"
        raise NetgenError(Diagnostic("NG101", f"can't read standard input: {reason}")) from None


def parse(text: str, name: str) -> Source:
    """The spec in a text; `name` stands for the file in diagnostics."""
    if len(text) > LARGEST_TEXT:
        message = f"the spec has {len(text)} characters; {LARGEST_TEXT} are the most"
        raise NetgenError(Diagnostic("NG103", message, Location(name, 1, 1)))
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    _check_depth(text, name)
    root = _compose(text, name)
    source = Source(name, text, None, root)
    if root is None:
        return source
    reader = _Reader(source)
    values = reader.value(root, 0)
    return replace(source, values=values, mistakes=tuple(reader.mistakes[:MOST_FINDINGS]))


def _check_depth(text: str, name: str) -> None:
    """Refuse what is nested so deeply that the parser's own stack would not hold it."""
    deepest = sum(text.count(bracket) for bracket in "[{")  # at the most: some stand in texts
    if deepest > MOST_BRACKETS:
        deepest = _deepest(text)
    indents = (len(found) for found in _INDENT.findall(text))
    if deepest > MOST_BRACKETS or max(indents, default=0) > MOST_BRACKETS:
        raise NetgenError(
            Diagnostic("NG103", "the values are nested too deeply", Location(name, 1, 1))
        )


def _deepest(text: str) -> int:
    """How deep lists and mappings are nested, found without recursion."""
    depth = deepest = 0
    with contextlib.suppress(yaml.YAMLError):  # what is no YAML is told later
        for event in yaml.parse(text, Loader=_Loader):
            depth += isinstance(event, yaml.CollectionStartEvent)
            depth -= isinstance(event, yaml.CollectionEndEvent)
            deepest = max(deepest, depth)
            if deepest > MOST_BRACKETS:
                break
    return deepest


def _compose(text: str, name: str) -> yaml.Node | None:
    try:
        return yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        from .garbled import not_yaml

        raise NetgenError(not_yaml(error, text, name)) from None
    except yaml.YAMLError as error:
        reason = printable(str(getattr(error, "reason", error)).lower())
        place = Location(name, 1, 1)
        raise NetgenError(Diagnostic("NG102", f"not YAML: {reason}", place)) from None
    except (RecursionError, ValueError):
        message = "the values are nested too deeply"
        raise NetgenError(Diagnostic("NG103", message, Location(name, 1, 1))) from None


class _Reader:
    """The walk from nodes to values."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.count = 0
        self.open: set[int] = set()
        self.mistakes: list[Diagnostic] = []

    def value(self, node: yaml.Node, depth: int) -> Any:
        self.count += 1
        if self.count > MOST_VALUES:
            self.refuse(node, f"the spec holds more than {MOST_VALUES} values")
        if depth > DEEPEST:
            self.refuse(node, f"the values are nested more than {DEEPEST} deep")
        if isinstance(node, yaml.ScalarNode):
            return self.scalar(node)
        if id(node) in self.open:
            self.refuse(node, "an alias stands inside what it names")
        self.open.add(id(node))
        if isinstance(node, yaml.MappingNode):
            self.plain(node, "tag:yaml.org,2002:map")
            result: Any = self.mapping(node, depth)
        else:
            self.plain(node, "tag:yaml.org,2002:seq")
            result = [self.value(item, depth + 1) for item in node.value]
        self.open.discard(id(node))
        return result

    def mapping(self, node: yaml.MappingNode, depth: int) -> dict[str, Any]:
        own: set[str] = set()
        for name, value in node.value:
            if _is_merge(name):
                self.merge(value)
                continue
            key = self.key(name)
            if key in own:
                message = f"`{printable(key)}` stands twice in this mapping"
                where = self.source._location(name)
                self.mistakes.append(Diagnostic("NG104", message, where))
            own.add(key)
        return {self.key(name): self.value(value, depth + 1) for name, value in _pairs(node)}

    def merge(self, node: yaml.Node) -> None:
        mappings = node.value if isinstance(node, yaml.SequenceNode) else [node]
        for mapping in mappings:
            if not isinstance(mapping, yaml.MappingNode):
                self.refuse(node, "`<<` merges a mapping or a list of mappings")
            if id(mapping) in self.open:
                self.refuse(node, "an alias stands inside what it names")
            self.count += len(mapping.value)
            if self.count > MOST_VALUES:
                self.refuse(node, f"the spec holds more than {MOST_VALUES} values")
            self.open.add(id(mapping))
            for name, value in mapping.value:
                if _is_merge(name):
                    self.merge(value)
            self.open.discard(id(mapping))

    def key(self, node: yaml.Node) -> str:
        if not isinstance(node, yaml.ScalarNode):
            self.refuse(node, "a key is a word, not a list or a mapping")
        if not isinstance(self.scalar(node), str):
            self.refuse(node, f"a key is a word: put `{printable(node.value)}` in quotes")
        return str(node.value)

    def scalar(self, node: yaml.ScalarNode) -> Any:
        text: str = node.value
        self.plain(node, "tag:yaml.org,2002:str")
        if _quoted(node):
            return text
        if text in _WORDS:
            return _WORDS[text]
        if text[:1] not in "-+.0123456789":
            return text
        if _INT.fullmatch(text):
            return self.number(node, text)
        return float(text) if _FLOAT.fullmatch(text) else text

    def number(self, node: yaml.ScalarNode, text: str) -> int:
        if len(text) > 30:
            self.refuse(node, f"a number of {len(text)} digits is too long")
        return int(text, 0) if text[:2] in ("0x", "0o") else int(text)

    def plain(self, node: yaml.Node, tag: str) -> None:
        if node.tag not in (tag, "!"):
            self.refuse(node, f"tags are not taken: `{printable(str(node.tag))}`")

    def refuse(self, node: yaml.Node, message: str, code: str = "NG103") -> NoReturn:
        raise NetgenError(Diagnostic(code, message, self.source._location(node)))


def from_mapping(spec: Mapping[str, Any]) -> Source:
    """The spec in a mapping, written out as YAML so that diagnostics can point into it."""
    try:
        plain = _Plain().value(spec)
        text = yaml.dump(plain, Dumper=_Dumper, sort_keys=False, allow_unicode=True)
    except (yaml.YAMLError, RecursionError, ValueError, TypeError) as error:
        reason = printable(str(error))[:200]
        message = f"the mapping can't be written as YAML: {reason or type(error).__name__}"
        raise NetgenError(Diagnostic("NG103", message)) from None
    return parse(text, "<mapping>")


class _Plain:
    """A mapping's values as plain mappings, lists and scalars, as many as a spec may hold."""

    def __init__(self) -> None:
        self.count = 0

    def value(self, value: Any) -> Any:
        self.count += 1
        if self.count > MOST_VALUES:
            raise ValueError(f"it holds more than {MOST_VALUES} values")
        if isinstance(value, Mapping):
            return {self.key(key): self.value(item) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.value(item) for item in value]
        if value is None or isinstance(value, bool):
            return value
        for kind in (int, float, str):
            if isinstance(value, kind):
                return kind(value)
        raise TypeError(f"a {type(value).__name__} has no place in a spec")

    def key(self, key: Any) -> str:
        if not isinstance(key, str):
            raise TypeError(f"a key is a word, not a {type(key).__name__}")
        return str(key)


class _Dumper(yaml.SafeDumper):
    """Writes strings in quotes wherever YAML 1.2 would read something else."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _string(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    looks = text in _WORDS or _INT.fullmatch(text) or _FLOAT.fullmatch(text) or text == "<<"
    style = '"' if looks or "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _string)
