"""`netgen layers`: the list of layer types, and the description of one of them."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Iterable, Iterator, Mapping

from ..layers import CATALOGUE, LOCAL, OPERATIONS, TYPES
from ..layers.base import REQUIRED, Arg, Layer
from ..symbolic.buffers import Table
from ..symbolic.literals import literal
from ..symbolic.sizes import Coded

WIDTH = 88
CHECKED = "written only to be checked"


def catalogue() -> str:
    """All types by family, as they are grouped in torch."""
    groups: Mapping[str, Iterable[str]] = {
        **{family: _names(CATALOGUE.rows(family)) for family in CATALOGUE.families},
        "operations": OPERATIONS,
        "of netgen's own": LOCAL,
    }
    lines = [f"{len(CATALOGUE)} layers of torch.nn, {len(OPERATIONS)} operations", ""]
    for group, names in groups.items():
        lines.append(f"{group}:")
        lines += textwrap.wrap(", ".join(names), WIDTH, initial_indent="  ", subsequent_indent="  ")
    return "\n".join([*lines, "", "netgen layers NAME tells what one of them takes", ""])


def _names(rows: Iterable[Layer]) -> list[str]:
    return [row.name for row in rows]


def described(name: str) -> str:
    """The description of one type; raises `KeyError` for an unknown name."""
    row = TYPES[name]
    lines = [f"{name}: {origin(row)}"]
    for title, text in facts(row):
        lines += _wrapped(title, text)
    for title, args in (("arguments", row.written), ("keyword only", keyword_only(row))):
        lines += _table(title, args)
    lines += _table("of forward", row.options)
    lines += _wrapped("written", written(row))
    return "\n".join([*lines, ""])


def facts(row: Layer) -> Iterator[tuple[str, str]]:
    """What a type reads, gives and infers, each with its title; code is in backticks."""
    yield "reads", _reads(row)
    if row.ports and row.ports != ("*",):
        yield "gives", _named(row.ports)
    yield "shape", _rule(row)
    inferred = [arg.name for arg in row.args if arg.inferred]
    if row.axes:
        yield "sizes", f"of the axes in `{row.axes}`: each by its name, a whole number"
    if inferred:
        yield "inferred", f"{_named(inferred)}: {CHECKED}"


def plain(text: str) -> str:
    """A text without backticks, for terminals and editors."""
    return text.replace("`", "")


def _named(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def written(row: Layer) -> str:
    """How a layer is written in a spec, with its arguments by position."""
    order = ", ".join(arg.name for arg in row.written)
    return f"- {row.name}: [{order}], or by name" if order else f"- {row.name}"


def _wrapped(title: str, text: str) -> list[str]:
    """A text beside its title, in lines of at most `WIDTH` characters."""
    return textwrap.wrap(
        plain(text), WIDTH, initial_indent=f"  {title:<10}", subsequent_indent=" " * 12
    )


def keyword_only(row: Layer) -> tuple[Arg, ...]:
    """The arguments that a spec gives by name alone."""
    return tuple(arg for arg in row.args if arg.keyword_only and not arg.inferred)


def origin(row: Layer) -> str:
    """What a type is in torch or in the generated file."""
    if row.name in CATALOGUE:
        return f"torch.nn.{row.name}"
    if row.operation:
        return "an operation, which has no module of its own"
    return "a tensor of the network" if row.source else "a class of the generated file"


def _reads(row: Layer) -> str:
    if row.source:
        return "nothing"
    if row.variadic is not None:
        least, most = row.variadic
        return f"{least} to {most} tensors"
    optional = [f"`{name}` (optional)" for name in row.optional_tensors]
    return ", ".join([*(f"`{name}`" for name in row.tensors), *optional])


def _rule(row: Layer) -> str:
    """The docstring of the type's `rule`, which says what the output's shape is."""
    function = getattr(row.rule, "func", row.rule)
    return " ".join((inspect.getdoc(function) or "").split())


def _table(title: str, args: Iterable[Arg]) -> list[str]:
    rows = [(arg.name, kind(arg), default(arg)) for arg in args]
    widths = [max((len(row[column]) for row in rows), default=0) for column in range(2)]
    lines = [f"    {name:<{widths[0]}}  {values:<{widths[1]}}  {end}" for name, values, end in rows]
    return [f"  {title}", *lines] if lines else []


def kind(arg: Arg) -> str:
    """The kind of values that an argument takes."""
    return plain(arg.kind.label)


def default(arg: Arg) -> str:
    """The default of an argument as text, or ``required``."""
    if arg.default is REQUIRED:
        return f"required without {arg.instead}" if arg.instead else "required"
    value = arg.default
    if isinstance(value, bool) or value is None:
        return f"default {'null' if value is None else str(value).lower()}"
    coded = isinstance(value, (Coded, Table))
    return f"default {value.code if coded else literal(value, brackets=True)}"
