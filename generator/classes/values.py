"""How one class gives the values of all uses of a block: by an expression, or by an argument."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn

from msgspec import Struct, field
from msgspec.structs import replace

from ..diagnostics.diagnostics import Diagnostic, NetgenError
from ..ir.graph import Module, Node
from ..ir.substitute import rebind
from ..layers.base import Arg, Init, Layer, Nested
from ..layers.kinds import LIST
from ..lower.parameters import bare
from ..lower.type_words import words
from ..spec.source import Source
from ..symbolic.buffers import Table
from ..symbolic.names import is_identifier, why_no_variable
from ..symbolic.provenance import named
from ..symbolic.sizes import Coded, Dim, exact, plain, symbols_in, tree_of
from ..symbolic.tree import Expression, measured
from .attributes import Attributes
from .common_value import Expressions, Group, Inexpressible, is_settled


class Values(Struct):
    """The values of one class, and what they say of its arguments.

    A value may be a tree: a layer as an argument, the function that draws a parameter, the table
    of a buffer. It is merged leaf by leaf. A leaf is an expression that is right in all uses, else
    one more argument of the class: `extras` has its value in every use, in the user's terms. A
    `closed` class (the network's) gets no extra arguments. Each method takes the layer or call
    that the value belongs to, and raises `NetgenError` where no value can serve all uses.
    """

    expressions: Expressions
    attributes: Attributes  # the values that `forward` needs
    rows: Mapping[str, Layer]  # the classes that exist already
    source: Source
    closed: bool = False
    given_types: frozenset[str] = frozenset()  # parameters of a block that give types of layers
    extras: dict[str, dict[int, Any]] = field(default_factory=dict)
    types: set[str] = field(default_factory=set)  # parameters that name a type of layer
    hints: dict[str, str] = field(default_factory=dict)  # of parameters that are one of few words
    lists: set[str] = field(default_factory=set)  # parameters that are lists of any length

    # arguments of layers and calls

    def argument(self, part: Module | Node, arg: Arg, group: Group) -> Any:
        """An argument of a constructor."""
        if is_settled(group) and not arg.names_type:
            return group[0][1]
        if arg.code:
            return self.same(part, arg.name, group)
        if arg.names_type:
            return self.type(part, arg.name, group)
        value = self.value(part, arg.name, group)
        if isinstance(value, Coded):
            if arg.kind.annotation.startswith("Literal"):
                self.hints |= {symbol.name: arg.kind.annotation for symbol in value.symbols}
            if arg.kind is LIST:
                self.lists |= {value.code} & self.expressions.allowed
        return value

    def forward_argument(self, part: Module | Node, arg: Arg, group: Group) -> Any:
        """An argument of a call in ``forward``, where constructor arguments are attributes."""
        if is_settled(group):
            return group[0][1]
        if arg.code:
            return self.same(part, arg.name, group)
        value = self.value(part, arg.name, group, forward=True)
        return self.typed(self.attributes.read(value, arg.name))

    def count(self, part: Module, group: Group) -> Any:
        """The number of copies in a loop."""
        value = self.value(part, "count", group)
        self.lists |= measured(tree_of(value)) & self.expressions.allowed
        return value

    def type(self, part: Module | Node, name: str, group: Group) -> Any:
        """A type of layer that is right in all uses."""
        return self.as_type(self._common(part, name, group))

    def as_type(self, value: Any) -> Any:
        """A type of layer: a class, or an expression that evaluates to a class."""
        if symbols_in(value):
            self.types |= {symbol.name for symbol in symbols_in(value)}
            return value
        from .type_names import type_code

        return type_code(plain(value), self.rows)

    # trees and their leaves

    def value(self, part: Module | Node, name: str, group: Group, *, forward: bool = False) -> Any:
        """A value that is right in all uses; in ``forward`` it may read sizes of tensors."""
        if any(isinstance(value, (Nested, Init)) for _, value in group):
            return self.call(part, name, group)
        if isinstance(group[0][1], Table):
            return self.table(part, group)
        found = self._common(part, name, group, forward=forward)
        if self.given_types and any(words(found, self.given_types)):
            return self.extra(part, name, group)  # the word itself: the argument is a class
        return found

    def _common(
        self, part: Module | Node, name: str, group: Group, *, forward: bool = False
    ) -> Any:
        try:
            return self.expressions.common(group, forward=forward)
        except Inexpressible:
            return self.extra(part, name, group)

    def same(self, part: Module | Node, name: str, group: Group) -> Any:
        """A value that no argument can give: it must be the same in all uses."""
        found = {plain(value) for _, value in group}
        if len(found) > 1:
            self.refuse_another(part, name)
        return found.pop()

    def call(self, part: Module | Node, name: str, group: Group) -> Nested | Init:
        """A layer as an argument, or a function of `torch.nn.init`, with its arguments."""
        if len({_called(value) for _, value in group}) > 1:
            self.refuse_another(part, name)
        first: Nested | Init = group[0][1]
        given = [(case, dict(value.args)) for case, value in group]
        own = {name: [(case, args[name]) for case, args in given] for name in given[0][1]}
        if isinstance(first, Init):
            args = tuple((name, self.value(part, name, values)) for name, values in own.items())
            return Init(first.function, args)
        row = first.row
        return Nested(row, {n: self.argument(part, row.arg(n), own[n]) for n in own})

    def table(self, part: Module | Node, group: Group) -> Table:
        """A buffer's value: the sizes in it that are no arguments are its leaves."""
        first, *others = [value.with_numbers(c.own, c.constant) for c, value in group]
        if any(other.code != first.code for other in others):
            self.refuse(part, "has a `value` that is not the same expression in all uses")
        allowed = self.expressions.allowed
        hidden = [symbol.name for symbol in first.symbols if symbol.name not in allowed]
        given = {n: self.extra(part, n, [(c, c.own[n]) for c, _ in group]) for n in hidden}
        found: Table = first.in_terms(given) if given else first
        for word in words(found, self.given_types):
            help = "give the block the word by a parameter of its own"
            self.refuse(part, f"reads the word `{word}`, which gives a type of layer here", help)
        self.expressions.note(found)
        return found

    def extra(self, part: Module | Node, name: str, group: Group) -> Any:
        """One more argument of the class, for a leaf that no expression gives.

        Refused for the network, and where the value differs between copies of a loop.
        """
        if self.closed:
            self.refuse(part, f"needs a `{name}` that is known only at run time")
        given: dict[int, Any] = {}
        for case, value in group:
            outer = rebind(value, case.outer)
            if exact(given.setdefault(case.number, outer)) != exact(outer):
                self.refuse(part, f"has a `{name}` that differs from copy to copy without a rule")
        alike = (known for known, own in self.extras.items() if exact(own) == exact(given))
        label = next(alike, None)
        if label is None:
            label = self.free_name(part, name, group[0][0].constant)
            self.extras[label] = given
            self.expressions.used.add(label)
        return named(label, bare(group[0][1]))

    def free_name(self, part: Module | Node, name: str, constant: frozenset[str]) -> str:
        """A name for one more argument, which may have its layer's name before its own."""
        taken = {*self.expressions.allowed, *constant, *self.extras}
        if name in taken or name in ("condition", "count", "type"):
            owner = part.name if is_identifier(part.name or "") else "layer"
            name = f"{owner}_{name}"
        while name in taken or why_no_variable(name):
            name += "_"
        return name

    # types of layers in conditions

    def typed(self, value: Any) -> Any:
        """The value, or modules, with parameters that name a type compared with types, not words.

        Which parameters name a type is known once all else is merged.
        """
        if not self.types:
            return value
        if isinstance(value, Module):
            own = ("condition", "args", "count")
            facts = {name: self.typed(getattr(value.node, name)) for name in own}
            return replace(value.where(**facts), children=self.typed(value.children))
        if isinstance(value, dict):
            return {name: self.typed(item) for name, item in value.items()}
        if isinstance(value, (tuple, list)):
            return type(value)(map(self.typed, value))
        if isinstance(value, (Init, Nested)):
            return replace(value, args=self.typed(value.args))
        if not isinstance(value, (Coded, Dim, Table)):
            return value
        if not {symbol.name for symbol in value.symbols} & self.types:
            return value
        from .type_names import with_types

        if isinstance(value, Table):
            tree = with_types(value.expression.tree, self.types, self.rows)
            return replace(value, expression=Expression.of(tree))
        found = Expression.of(with_types(value.tree(), self.types, self.rows))
        if isinstance(value, Coded):
            return replace(value, expression=found, written=None)
        changed = found != Expression.of(value.tree())
        return Dim.opaque(found, int(value), value.symbols) if changed else value

    # refusals

    def refuse(self, part: Module | Node, reason: str, help: str | None = None) -> NoReturn:
        """Raise `NetgenError` for a layer that no one class can hold for all uses of the block."""
        words = [step for step in part.path if isinstance(step, str)]
        type_ = part.row.name if part.row is not None else words[-1]
        message = f"`{part.name or type_}` {reason}"
        location = self.source.locate(part.path, key=True)
        raise NetgenError(Diagnostic("NG210", message, location, help=help))

    def refuse_another(self, part: Module | Node, name: str) -> NoReturn:
        """Refuse a value that differs between uses where no argument can give it."""
        help = "write a block for each value"
        self.refuse(part, f"has another `{name}` in other uses of the block", help)


def _called(value: Any) -> Any:
    """What a layer as an argument or a function of `torch.nn.init` is, its arguments aside."""
    if isinstance(value, Nested):
        return value.row.name
    return (value.function, *dict(value.args)) if isinstance(value, Init) else None
