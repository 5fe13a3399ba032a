"""The values that ``forward`` needs: constructor arguments that are kept as attributes."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from itertools import chain, count
from typing import Any

from msgspec import Struct, field

from ..ir.graph import Module, Node
from ..symbolic.provenance import reading
from ..symbolic.sizes import Coded, exact, symbols_in
from ..symbolic.tree import Expression


class Attributes(Struct):
    """The attributes of one class that hold values for ``forward``: `kept`, by name.

    `terms` are the values of the names in its expressions, `taken` the names of other attributes.
    """

    terms: Mapping[str, Any]
    taken: frozenset[str]
    kept: dict[str, Any] = field(default_factory=dict)

    def read(self, value: Any, word: str) -> Any:
        """The value as an expression in `forward`, with attributes for constructor arguments.

        The value is that of the argument `word`.
        """
        symbols = [s for s in symbols_in(value) if not s.runtime]
        if not symbols:
            return value
        sources = {}
        for symbol in symbols:
            kept = self.terms.get(symbol.name, value)
            own = word if getattr(value, "code", None) == symbol.name else ""
            attribute = self.keep(symbol.name, kept, own)
            sources[symbol.name] = Expression.of(ast.Attribute(ast.Name("self"), attribute))
        return reading(value, sources)

    def keep(self, name: str, value: Any, word: str = "") -> str:
        """Keep a value for ``forward``; gives the attribute: `name`, or `word` if that is taken."""
        for known, other in self.kept.items():
            if exact(other) == exact(value):
                return known
        numbered = (f"{name}_value{number}" for number in count(2))
        for attribute in chain(filter(None, (name, word, f"{name}_value")), numbered):
            if attribute not in self.taken and attribute not in self.kept:
                self.kept[attribute] = value
                break
        return attribute

    def test(self, node: Node, condition: Any, module: Module | None) -> str:
        """The source of the condition that ``forward`` tests before a conditional call.

        Empty if the absent module is an ``nn.Identity()``, which may be called.
        """
        if module is not None and exact(module.condition) == exact(condition):
            return "" if node.is_replaceable else f"self.{node.target} is not None"
        return self.asked(condition, f"use_{node.name}")

    def asked(self, condition: Any, word: str) -> str:
        """The source that reads a condition in ``forward``: an attribute, which `word` may name."""
        if isinstance(condition, Coded) and condition.code.isidentifier():
            return f"self.{self.keep(condition.code, condition, word.replace('.', '_'))}"
        return f"self.{self.keep(word.replace('.', '_'), condition)}"
