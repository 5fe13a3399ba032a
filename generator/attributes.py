"""The values that ``forward`` needs: constructor arguments, kept as attributes of the module."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct, field

from .binding import rebind
from .carried import coded
from .node import Node
from .parameters import bare
from .sizes import Coded, symbols_in


class Attributes(Struct):
    """The attributes of one class that are values: `kept`, by name.

    `terms` are the names that its expressions are written in, `taken` those of other attributes.
    """

    terms: Mapping[str, Any]
    taken: frozenset[str]
    kept: dict[str, Any] = field(default_factory=dict)

    def read(self, value: Any) -> Any:
        """The value as `forward` reads it, constructor arguments as attributes."""
        symbols = [s for s in symbols_in(value) if not s.runtime]
        if not symbols:
            return value
        terms = {**self.terms}
        for symbol in symbols:
            inner = terms.get(symbol.name, value)
            attribute = f"self.{self.keep(symbol.name, inner)}"
            terms[symbol.name] = coded(bare(inner), attribute, symbols_in(inner))
        return rebind(value, terms)

    def keep(self, name: str, value: Any) -> str:
        """The attribute that holds a value for ``forward``."""
        attribute = name
        while attribute in self.taken or (
            attribute in self.kept and self.kept[attribute] is not value
        ):
            attribute += "_"
            if repr(self.kept.get(attribute)) == repr(value):
                break
        self.kept[attribute] = value
        return attribute

    def test(self, node: Node, condition: Any) -> str:
        """What ``forward`` asks before a conditional call; nothing where an identity stands in."""
        if node.target and node.is_replaceable:
            return ""
        if node.target and "." not in node.target:
            return f"self.{node.target} is not None"
        if isinstance(condition, Coded) and condition.code.isidentifier():
            return f"self.{self.keep(condition.code, condition)}"
        for attribute, known in self.kept.items():
            if isinstance(known, Coded) and known.code == condition.code:
                return f"self.{attribute}"
        return f"self.{self.keep(f'use_{node.name}', condition)}"
