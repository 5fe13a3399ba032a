"""The arguments that a person writes for a layer, checked by a pydantic validator of its row.

A row is no class, so its validator is made by pydantic's core, when a spec first uses its type:
forty times as fast as a model around it would be.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from msgspec import Struct
from pydantic_core import SchemaValidator, ValidationError, core_schema

from ..symbolic.sizes import Coded, Dim, shown
from .base import REQUIRED, Layer


class Problem(Struct, frozen=True):
    """What is wrong with one argument: `kind` is ``unknown``, ``missing`` or ``value``."""

    kind: str
    argument: str
    message: str
    value: Any = None  # the value that was given
    span: tuple[int, int] | None = None  # the part of the text that is wrong
    help: str | None = None


@cache
def validator(row: Layer) -> SchemaValidator:
    """The validator for the arguments of a type."""
    fields = {}
    for arg in (*row.args, *row.options):
        required = arg.default is REQUIRED and not (arg.inferred or arg.instead)
        value = core_schema.no_info_plain_validator_function(arg.kind.read)
        fields[arg.name] = core_schema.typed_dict_field(value, required=required)
    return SchemaValidator(core_schema.typed_dict_schema(fields, extra_behavior="forbid"))


def read_arguments(row: Layer, written: Mapping[str, Any]) -> dict[str, Any] | list[Problem]:
    """The written arguments in their normal form, or all that is wrong with them.

    Arguments that are not written are left out: defaults and inferred values come later.
    """
    try:
        found: dict[str, Any] = validator(row).validate_python(written)
    except ValidationError as error:
        return [_problem(row, written, found) for found in error.errors(include_url=False)]
    return {name: found[name] for name in written}


def _problem(row: Layer, written: Mapping[str, Any], found: Any) -> Problem:
    argument = str(found["loc"][0])
    if found["type"] == "extra_forbidden":
        what = f"`{argument}` is no axis of the pattern" if row.axes else None
        return Problem("unknown", argument, what or f"`{row.name}` has no argument `{argument}`")
    if found["type"] == "missing":
        return Problem("missing", argument, f"`{row.name}` needs `{argument}`")
    error = found.get("ctx", {}).get("error", "")
    reason = str(error)
    value = show_value(written[argument])
    expected = reason or f"expected {row.arg(argument).kind.label}, found {value}"
    own = getattr(error, "span", None), getattr(error, "help", None)
    return Problem("value", argument, f"`{argument}`: {expected}", written[argument], *own)


def _bare(value: Any) -> Any:
    """A value without the expression that it comes from, and so the items of lists."""
    value = value.value if isinstance(value, Coded) else value
    if isinstance(value, list):
        return [_bare(item) for item in value]
    return int(value) if isinstance(value, Dim) else value


def show_value(value: Any) -> str:
    """A value as a spec writes it, cut short."""
    value = value.value if isinstance(value, Coded) else value
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int):
        return f"`{shown(value)}`"
    text = repr([_bare(item) for item in value] if isinstance(value, list) else value)
    return f"`{text if len(text) <= 40 else text[:37] + '...'}`"
