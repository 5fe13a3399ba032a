"""The forms in which a layer may be written, as JSON Schema made from its row of the catalogue."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..layers import CATALOGUE, TYPES
from ..layers.base import REQUIRED, Arg, Layer
from ..spec.spec import COMMON_KEYS, LOOP_KEYS, PARAMETRIZE, RESERVED
from ..symbolic.names import IDENTIFIER
from ..symbolic.sizes import Coded
from .catalogue import CHECKED, default, facts, kind, origin, plain, written
from .schema_values import (
    NAME,
    TEXT_WITH_EXPRESSION,
    Schema,
    admitting,
    any_of,
    keys_of,
    label,
    one_of_keys,
    one_word_of,
    ref,
    sides_of,
)

KNOWN = (*TYPES, *sorted(RESERVED))
LIST = {"type": "array"}
NULL = {"type": "null"}


def layers() -> Mapping[str, Schema]:
    """The definitions for layers."""
    return {
        **_shared(),
        "known": {"pattern": one_word_of(KNOWN)},
        "layer": _item(),
        "layers": {**LIST, "items": ref("layer"), "minItems": 1},
        "branches": _branches(),
        "keyed": {"type": "object", "anyOf": [{"required": [key]} for key in COMMON_KEYS]},
        "module": _module(),
        "use": _use(),
        **_grouping(),
        **{name: _layer(row) for name, row in TYPES.items()},
    }


def _shared() -> Mapping[str, Schema]:
    """The schemas that arguments share, by their names in the definitions."""
    args = [(row, arg) for row in TYPES.values() for arg in (*row.args, *row.options)]
    values = [_value(row, arg) for row, arg in args]
    found = {label(value): value for value in values if "$ref" not in value}
    return {name: found[name] for name in sorted(found) if name}


def _short(schema: Schema) -> Schema:
    """A reference to a schema that has a name; else the schema itself."""
    name = label(schema)
    return ref(name) if name else schema


def _item() -> Schema:
    """A bare type, or a type with what is written for it."""
    own = f"^(?!({'|'.join(KNOWN)})$){IDENTIFIER.pattern}$"
    names = {"pattern": f"{NAME}|{TEXT_WITH_EXPRESSION}"}
    types = {name: ref(name) for name in KNOWN}
    called = one_of_keys(types, propertyNames=names, additionalProperties=ref("use"))
    return any_of(_bare(TYPES, own), called)


def _bare(rows: Mapping[str, Layer], *others: str) -> Schema:
    """A type alone: one of `rows` that needs no arguments, or a text that fits other patterns."""
    names = one_word_of(name for name, row in rows.items() if not _needed(row))
    message = "there is no such type, or it needs arguments"
    pattern = "|".join((names, *others, TEXT_WITH_EXPRESSION))
    return {"type": "string", "pattern": pattern, "patternErrorMessage": message}


_FROM_NOTHING = any_of(ref("from"), {**LIST, "maxItems": 0})  # such a block may read nothing


def _use() -> Schema:
    """What is written for a block, an import, or a type that an expression gives."""
    properties = {**_common(), "from": _FROM_NOTHING, "branches": ref("branches")}
    return any_of({"type": "object", "properties": properties}, ref("plain"))


def _branches() -> Schema:
    """Branches are lists of layers, the identity an empty one; a named one may be a layer."""
    branch: Schema = {**LIST, "items": ref("layer")}
    unnamed = {**LIST, "items": branch, "minItems": 1}
    named = {"type": "object", "minProperties": 1}
    return any_of(unnamed, {**named, "additionalProperties": any_of(branch, ref("layer"))})


def _module() -> Schema:
    """A layer as an argument of another one: a type of torch.nn, without the keys of items."""
    types = {name: {"allOf": [ref(name), {"not": ref("keyed")}]} for name in CATALOGUE}
    return any_of(_bare(CATALOGUE), one_of_keys(types))


def _grouping() -> Mapping[str, Schema]:
    """The types that are part of the language."""
    return {
        "Sequential": {
            "description": "An `nn.Sequential`: a chain of layers.",
            **keys_of({"layers": ref("layers"), **_common(PARAMETRIZE)}, required=["layers"]),
        },
        "Group": {
            "description": "Only groups: its layers stand where it stands.",
            **keys_of(
                {"layers": ref("layers"), **_common("name", "from", *LOOP_KEYS, PARAMETRIZE)},
                required=["layers"],
            ),
        },
        "Reuse": {
            "description": "Applies a layer that is there already, with the same weights.",
            **keys_of(
                {
                    "layer": ref("reference"),
                    **dict.fromkeys(_optional_tensors(), ref("reference")),
                    **_common("repeat", *LOOP_KEYS, PARAMETRIZE),
                    "from": _FROM_NOTHING,
                },
                required=["layer"],
            ),
            "type": ["string", "object"],
        },
    }


def _optional_tensors() -> list[str]:
    """The names of all tensors that some layer may read."""
    return sorted({name for row in TYPES.values() for name in row.optional_tensors})


def _common(*left_out: str) -> Mapping[str, Schema]:
    """The keys that all layers have, without those that are left out for this one."""
    return {key: ref(key) for key in COMMON_KEYS if key not in left_out}


# one type


def _layer(row: Layer) -> Schema:
    """What may be written for a layer of this type."""
    told = [origin(row), *(f"{title}: {plain(text)}" for title, text in facts(row))]
    forms = [_by_name(row), *_lists(row), *_single(row), *([] if _needed(row) else [NULL])]
    return {"description": "\n\n".join([*told, f"written: {written(row)}"]), "anyOf": forms}


def _needed(row: Layer) -> list[str]:
    args = (*row.args, *row.options)
    return [a.name for a in args if a.default is REQUIRED and not (a.inferred or a.instead)]


def _by_name(row: Layer) -> Schema:
    """Arguments by name, beside the keys that all layers know."""
    properties = {arg.name: _told(row, arg) for arg in (*row.args, *row.options)}
    properties |= {name: ref("reference") for name in row.optional_tensors}
    if row.variadic is not None:
        properties["branches"] = ref("branches")
    without_from = ["from"] if row.source else []
    properties |= _common(*without_from, *([] if row.has_weights else [PARAMETRIZE]))
    more: Schema = {"required": _needed(row)} if _needed(row) else {}
    if row.axes:  # the sizes of its axes
        more["additionalProperties"] = ref("integer")
    return keys_of(properties, **more)


def _told(row: Layer, arg: Arg) -> Schema:
    """An argument's schema with its kind and its default."""
    end = f"inferred: {CHECKED}" if arg.inferred else default(arg)
    schema = {**_short(_value(row, arg)), "description": f"{kind(arg)}; {end}"}
    if _is_json(arg.default) and not arg.inferred:
        schema["default"] = list(arg.default) if isinstance(arg.default, tuple) else arg.default
    return schema


def _is_json(value: Any) -> bool:
    if isinstance(value, tuple):
        return all(map(_is_json, value))
    return isinstance(value, (bool, int, float, str)) and not isinstance(value, Coded)


def _value(row: Layer, arg: Arg) -> Schema:
    """The schema of an argument's value; three kinds of arguments are special cases."""
    match row.source, row.name, arg.name:
        case "parameter", _, "init":
            return any_of(ref("initial"), NULL)
        case "buffer", _, "value":
            return ref("numbers")
        case _, _, row.batch_in:  # the batch may be one of its sizes
            size = any_of({"const": "N"}, ref("integer"))
            return any_of(ref("integer"), {**LIST, "items": size}, ref("expression"))
    return admitting(arg.kind.schema)


def _lists(row: Layer) -> Iterator[Schema]:
    """A list of references, of the one argument that takes a list, of arguments by position."""
    needed, names = _needed(row), [arg.name for arg in row.written]
    several = row.operation and (row.variadic is not None or len(row.tensors) > 1)
    if several and not needed:
        yield {**LIST, "items": ref("reference"), "minItems": 1}
    if row.list_argument and {*needed} <= {row.list_argument}:
        sides = sides_of(_value(row, row.arg(row.list_argument)))
        yield from (side for side in sides if side.get("type") == "array")
    if {*needed} <= {*names}:
        values = [_short(_value(row, arg)) for arg in row.written]
        schema = {**LIST, **({"items": values} if values else {}), "maxItems": len(names)}
        if needed:
            schema["minItems"] = max(names.index(name) + 1 for name in needed)
        # else it is that argument's list, or a list of references
        if row.list_argument:
            schema["contains"] = LIST
        elif several:
            schema["contains"] = {"not": {"type": "string"}}
        yield schema


def _single(row: Layer) -> Iterator[Schema]:
    """A value that is no list and no mapping, for the first argument."""
    first = row.written[:1]
    if first and {*_needed(row)} <= {first[0].name}:
        for side in sides_of(_value(row, first[0])):
            if side.get("type") not in ("array", "null") and side != ref("module"):
                yield ref("number") if side == ref("numbers") else side
