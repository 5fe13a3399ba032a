"""The values that ``forward`` needs: constructor arguments that are kept as attributes."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Any

from msgspec import Struct, field

from ..ir.graph import Module, Node
from ..ir.substitute import rebind
from ..lower.parameters import bare
from ..symbolic.provenance import wrap
from ..symbolic.sizes import Coded, exact, symbols_in


class Attributes(Struct):
    """The attributes of one class that hold values for ``forward``: `kept`, by name.

    `terms` are the values of the names in its expressions, `taken` the names of other attributes.
    """

    terms: Mapping[str, Any]
    taken: frozenset[str]
    kept: dict[str, Any] = field(default_factory=dict)

    def read(self, value: Any) -> Any:
        """The value as an expression in `forward`, with attributes for constructor arguments."""
        symbols = [s for s in symbols_in(value) if not s.runtime]
        if not symbols:
            return value
        terms = {**self.terms}
        for symbol in symbols:
            inner = terms.get(symbol.name, value)
            attribute = ast.Attribute(ast.Name("self"), self.keep(symbol.name, inner))
            terms[symbol.name] = wrap(bare(inner), attribute, symbols_in(inner))
        return rebind(value, terms)

    def keep(self, name: str, value: Any) -> str:
        """Keep a value for ``forward``; gives the attribute: `name`, with a `_` if it is taken."""
        attribute = name
        while attribute in self.taken or (
            attribute in self.kept and exact(self.kept[attribute]) != exact(value)
        ):
            attribute += "_"
        self.kept[attribute] = value
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
            return f"self.{self.keep(condition.code, condition)}"
        for attribute, known in self.kept.items():
            if isinstance(known, Coded) and known.code == condition.code:
                return f"self.{attribute}"
        return f"self.{self.keep(word.replace('.', '_'), condition)}"
