"""One expression for all uses of a block, to stand in its class for the numbers of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct, field

from ..ir.substitute import rebind
from ..lower.context import INDEX
from ..symbolic.equality import same
from ..symbolic.literals import literal
from ..symbolic.sizes import PLAIN, Dim, plain, symbols_in
from ..symbolic.syntax import ExpressionError


class Inexpressible(Exception):
    """No expression gives the value in all uses."""


class Case(Struct, frozen=True):
    """One use of a block (in a loop, one copy): the values of the block's names.

    `own` has them in the block's own terms, those in `constant` as plain numbers; `outer` in the
    user's terms. `number` is that of the use.
    """

    number: int
    own: Mapping[str, Any]
    outer: Mapping[str, Any]
    constant: frozenset[str] = frozenset()

    def normal(self, value: Any) -> Any:
        """The value with plain numbers for sizes that are the same in all uses."""
        if not self.constant or not any(s.name in self.constant for s in symbols_in(value)):
            return value
        return rebind(value, self.own)

    def copy(self, index: int) -> Case:
        """The case of one copy in a loop, with the copy's number."""
        named = Dim.named(INDEX, index)
        own, outer = {**self.own, INDEX: named}, {**self.outer, INDEX: index}
        return Case(self.number, own, outer, self.constant)


Group = Sequence[tuple[Case, Any]]


def is_settled(group: Group) -> bool:
    """Whether it is one plain value in all cases."""
    first = group[0][1]
    return type(first) in PLAIN and (
        len(group) == 1 or all(_is_same(value, first) for _, value in group)
    )


class Expressions(Struct):
    """The expressions in one class; `allowed` are the names that its `__init__` may use.

    `used` collects the names that the expressions need.
    """

    allowed: frozenset[str]
    used: set[str] = field(default_factory=set)

    def common(self, group: Group, *, forward: bool = False) -> Any:
        """The value that is right in every case: an expression, or a number that never varies.

        In ``forward``, expressions may use sizes of tensors, too. Raises `Inexpressible` if there
        is no such value.
        """
        if is_settled(group):
            return group[0][1]
        values = [case.normal(value) for case, value in group]
        texts = {literal(value): value for value in values}
        for value in texts.values():
            if self._visible(value, forward) and (
                len(texts) == 1 or all(_is_right(value, case, own) for case, own in group)
            ):
                break
        else:
            value = _number(group)
        self.note(value, forward=forward)
        return value

    def note(self, value: Any, *, forward: bool = False) -> None:
        """Record which names a value needs."""
        for symbol in symbols_in(value):
            if not (forward and symbol.runtime):
                self.used.add(symbol.name)

    def _visible(self, value: Any, forward: bool) -> bool:
        return all(
            (forward and symbol.runtime) or symbol.name in self.allowed
            for symbol in symbols_in(value)
        )


def _is_same(value: Any, other: Any) -> bool:
    return type(value) is type(other) and repr(value) == repr(other)


def _is_right(value: Any, case: Case, own: Any) -> bool:
    """Whether an expression evaluates to a case's own value, both in the terms of the user."""
    try:
        found, wanted = rebind(value, case.outer), rebind(own, case.outer)
    except (ExpressionError, KeyError):  # it can't be evaluated with what this use gives
        return False
    if literal(found) == literal(wanted):
        return True
    if isinstance(found, int) and isinstance(wanted, int) and not isinstance(found, bool):
        return same(found, wanted)
    return not symbols_in([found, wanted]) and bool(plain(found) == plain(wanted))


def _number(group: Group) -> Any:
    """The one number that is the value in all cases; or raises `Inexpressible`."""
    found = [rebind(value, case.outer) for case, value in group]
    if symbols_in(found) or len({literal(value) for value in found}) > 1:
        raise Inexpressible
    return found[0]
