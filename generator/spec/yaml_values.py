"""YAML nodes to plain values: mappings, lists and scalars as YAML 1.2 has them, within limits.

``yes``, ``no``, ``on`` and ``off`` are strings, ``1e-5`` is a number. Only plain YAML is taken: no
tags, no key twice in one mapping, limits on size, depth and what aliases may unfold to.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NoReturn

import yaml

from ..diagnostics.diagnostics import Diagnostic, Location, NetgenError, printable
from .yaml_nodes import is_merge, pairs, quoted

MOST_VALUES = 1_000_000  # after aliases are unfolded
DEEPEST = 60

INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
WORDS = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf"), float("inf")),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), float("-inf")),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
}


class Reader:
    """Reads nodes as values; raises `NetgenError` for what a spec must not have.

    `mistakes` are those that leave the values readable, `count` the values that have been read.
    """

    def __init__(self, locate: Callable[[yaml.Node], Location], count: int = 0) -> None:
        self.locate = locate
        self.count = count
        self.open: set[yaml.Node] = set()  # the lists and mappings that are being read
        self.mistakes: list[Diagnostic] = []

    def value(self, node: yaml.Node, depth: int) -> Any:
        self.count += 1
        if self.count > MOST_VALUES:
            self.refuse(node, f"the spec holds more than {MOST_VALUES} values")
        if depth > DEEPEST:
            self.refuse(node, f"the values are nested more than {DEEPEST} deep")
        if isinstance(node, yaml.ScalarNode):
            return self.scalar(node)
        if node in self.open:
            self.refuse(node, "an alias stands inside what it names")
        self.open.add(node)
        if isinstance(node, yaml.MappingNode):
            self.plain(node, "tag:yaml.org,2002:map")
            result: Any = self.mapping(node, depth)
        else:
            self.plain(node, "tag:yaml.org,2002:seq")
            result = [self.value(item, depth + 1) for item in node.value]
        self.open.discard(node)
        return result

    def mapping(self, node: yaml.MappingNode, depth: int) -> dict[str, Any]:
        own: set[str] = set()
        for name, value in node.value:
            if is_merge(name):
                self.merge(value)
                continue
            key = self.key(name)
            if key in own:
                message = f"`{printable(key)}` stands twice in this mapping"
                where = self.locate(name)
                self.mistakes.append(Diagnostic("NG104", message, where))
            own.add(key)
        return {self.key(name): self.value(value, depth + 1) for name, value in pairs(node)}

    def merge(self, node: yaml.Node) -> None:
        mappings = node.value if isinstance(node, yaml.SequenceNode) else [node]
        for mapping in mappings:
            if not isinstance(mapping, yaml.MappingNode):
                self.refuse(node, "`<<` merges a mapping or a list of mappings")
            if mapping in self.open:
                self.refuse(node, "an alias stands inside what it names")
            self.count += len(mapping.value)
            if self.count > MOST_VALUES:
                self.refuse(node, f"the spec holds more than {MOST_VALUES} values")
            self.open.add(mapping)
            for name, value in mapping.value:
                if is_merge(name):
                    self.merge(value)
            self.open.discard(mapping)

    def key(self, node: yaml.Node) -> str:
        if not isinstance(node, yaml.ScalarNode):
            self.refuse(node, "a key is a word, not a list or a mapping")
        if not isinstance(self.scalar(node), str):
            self.refuse(node, f"a key is a word: put `{printable(node.value)}` in quotes")
        return str(node.value)

    def scalar(self, node: yaml.ScalarNode) -> Any:
        text: str = node.value
        self.plain(node, "tag:yaml.org,2002:str")
        if quoted(node):
            return text
        if text in WORDS:
            return WORDS[text]
        if text[:1] not in "-+.0123456789":
            return text
        if INT.fullmatch(text):
            return self.number(node, text)
        return float(text) if FLOAT.fullmatch(text) else text

    def number(self, node: yaml.ScalarNode, text: str) -> int:
        if len(text) > 30:
            self.refuse(node, f"a number of {len(text)} digits is too long")
        return int(text, 0) if text[:2] in ("0x", "0o") else int(text)

    def plain(self, node: yaml.Node, tag: str) -> None:
        if node.tag not in (tag, "!"):
            self.refuse(node, f"tags are not taken: `{printable(str(node.tag))}`")

    def refuse(self, node: yaml.Node, message: str, code: str = "NG103") -> NoReturn:
        raise NetgenError(Diagnostic(code, message, self.locate(node)))
