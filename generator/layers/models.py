"""The arguments that a person writes for a layer, checked by a pydantic model of its row.

A model is built when a spec first uses its type: building all of them would cost more than
everything else that netgen does.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any

from msgspec import Struct
from pydantic import BaseModel, ConfigDict, PlainValidator, ValidationError, create_model

from ..sizes import Coded, shown
from .base import REQUIRED, Layer


class Problem(Struct, frozen=True):
    """What is wrong with one argument: `kind` is ``unknown``, ``missing`` or ``value``."""

    kind: str
    argument: str
    message: str


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


@cache
def _model(row: Layer) -> type[BaseModel]:
    fields: dict[str, Any] = {}
    for arg in (*row.args, *row.options):
        required = arg.default is REQUIRED and not arg.inferred
        annotation = Annotated[Any, PlainValidator(arg.kind.read)]
        fields[arg.name] = (annotation, ... if required else None)
    return create_model(row.name, __base__=_Model, **fields)


def read_arguments(row: Layer, written: Mapping[str, Any]) -> dict[str, Any] | list[Problem]:
    """The written arguments in their normal form, or all that is wrong with them.

    Arguments that are not written are left out: defaults and inferred values come later.
    """
    try:
        model = _model(row).model_validate(dict(written))
    except ValidationError as error:
        return [_problem(row, written, found) for found in error.errors(include_url=False)]
    return {name: getattr(model, name) for name in written}


def _problem(row: Layer, written: Mapping[str, Any], found: Any) -> Problem:
    argument = str(found["loc"][0])
    if found["type"] == "extra_forbidden":
        return Problem("unknown", argument, f"`{row.name}` has no argument `{argument}`")
    if found["type"] == "missing":
        return Problem("missing", argument, f"`{row.name}` needs `{argument}`")
    reason = str(found.get("ctx", {}).get("error", ""))
    value = show_value(written[argument])
    expected = reason or f"expected {row.arg(argument).kind.label}, found {value}"
    return Problem("value", argument, f"`{argument}`: {expected}")


def show_value(value: Any) -> str:
    """A value as a spec writes it, cut short."""
    value = value.value if isinstance(value, Coded) else value
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int):
        return f"`{shown(value)}`"
    text = repr(value)
    return f"`{text if len(text) <= 40 else text[:37] + '...'}`"
