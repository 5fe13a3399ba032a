"""Records of the keys that a person may write, checked by pydantic.

A record is no model of pydantic's: its validator is made by pydantic's core, from the types of its
fields, as those for the arguments of layers are. Models, and what is imported for the first one,
would take a third of a check.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from msgspec import NODEFAULT, Struct
from msgspec.structs import fields
from pydantic_core import CoreSchema, SchemaValidator, core_schema

T = TypeVar("T", bound=Struct)


def read_keys(model: type[T], values: Any) -> T:
    """The values as a record; raises `ValidationError` with all that is wrong with them."""
    return model(**validator(model).validate_python(values, strict=True))


def described_keys(model: type[Struct]) -> Mapping[str, str]:
    """The keys of a record, each with what it is for."""
    return {key: get_args(hint)[1].description for key, hint in _hints(model).items()}


def json_schema(model: type[Struct]) -> dict[str, Any]:
    """The JSON Schema of a record."""
    from pydantic.json_schema import GenerateJsonSchema

    made, descriptions = GenerateJsonSchema().generate(_schema(model)), described_keys(model)
    for field in fields(model):
        found = {**made["properties"][field.name], "description": descriptions[field.name]}
        if field.default_factory is not NODEFAULT:
            found["default"] = field.default_factory()
        elif field.default is not NODEFAULT:
            found["default"] = field.default
        made["properties"][field.name] = dict(sorted(found.items()))
    return {**made, "description": model.__doc__}


@cache
def validator(model: type[Struct]) -> SchemaValidator:
    """The validator for the keys of a record."""
    return SchemaValidator(_schema(model))


def _schema(model: type[Struct]) -> CoreSchema:
    """What may stand under the keys of a record. Its defaults are the record's own."""
    hints, keys = _hints(model), {}
    for field in fields(model):
        value = _allowed(hints[field.name])
        keys[field.name] = core_schema.typed_dict_field(value, required=field.required)
    return core_schema.typed_dict_schema(keys, extra_behavior="forbid")


def _hints(model: type[Struct]) -> Mapping[str, Any]:
    """The types of a record's fields, annotated."""
    return get_type_hints(model, include_extras=True)


def _allowed(type_: Any) -> CoreSchema:
    """What values are of a type."""
    kind, parts = get_origin(type_), get_args(type_)
    if kind is Annotated:
        lengths = {"min_length": parts[1].min_length, "max_length": parts[1].max_length}
        given = {key: length for key, length in lengths.items() if length is not None}
        return {**_allowed(parts[0]), **given}
    if kind is Union or kind is UnionType:
        sides: list[Any] = [_allowed(part) for part in parts if part is not NoneType]
        side = core_schema.union_schema(sides) if len(sides) > 1 else sides[0]
        return core_schema.nullable_schema(side) if NoneType in parts else side
    if kind is Literal:
        return core_schema.literal_schema([*parts])
    if kind is list:
        return core_schema.list_schema(_allowed(*parts))
    if kind is dict:
        return core_schema.dict_schema(*map(_allowed, parts))
    return _PLAIN[type_]()


_PLAIN: Mapping[Any, Callable[[], CoreSchema]] = {
    Any: core_schema.any_schema,
    bool: core_schema.bool_schema,
    float: core_schema.float_schema,
    int: core_schema.int_schema,
    str: core_schema.str_schema,
}
