"""JSON Schemas of the values in a spec, each of which may also be an expression."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..layers.parametrizations import FUNCTIONS
from ..lower.inputs import LARGEST_SIZE
from ..lower.keys import MOST_COPIES
from ..spec.spec import COMMON_KEYS, REPEAT_KEYS
from ..symbolic.names import IDENTIFIER

Schema = dict[str, Any]

NAME = f"^{IDENTIFIER.pattern}$"
# a value that is one expression keeps its type; other texts may have expressions in them
_INNER = rf"({IDENTIFIER.pattern}|\((.|\n)*\))"
EXPRESSION = rf"^\${_INNER}$"
TEXT_WITH_EXPRESSION = rf"^[^$]*\$(\$|{_INNER})"
_TEXT = f"^[^$]+$|{TEXT_WITH_EXPRESSION}"


def ref(name: str) -> Schema:
    """A reference to a definition."""
    return {"$ref": f"#/definitions/{name}"}


# definitions that admit an expression already
_OPEN = [ref(name) for name in "integer number boolean text word numbers module".split()]


def any_of(*schemas: Schema) -> Schema:
    """One of several schemas, each named once."""
    sides: list[Schema] = []
    for schema in schemas:
        sides += [side for side in sides_of(schema) if side not in sides]
    if any(side in _OPEN for side in sides):
        sides = [side for side in sides if side != ref("expression")]
    return sides[0] if len(sides) == 1 else {"anyOf": sides}


def sides_of(schema: Schema) -> list[Schema]:
    """The schemas of which a value has to fit one."""
    sides: list[Schema] = schema.get("anyOf", [schema])
    return sides


def mapping_to(value: Schema) -> Schema:
    """A mapping from any keys to values of one kind."""
    return {"type": "object", "additionalProperties": value}


def keys_of(properties: Mapping[str, Schema], **more: Any) -> Schema:
    """A mapping with these keys and, unless `more` says so, no others."""
    return {"type": "object", "properties": properties, "additionalProperties": False} | more


def one_of_keys(properties: Mapping[str, Schema], **more: Any) -> Schema:
    """A mapping with one key, one of these."""
    return keys_of(properties, minProperties=1, maxProperties=1, **more)


def one_word_of(words: Iterable[str]) -> str:
    """A pattern for some words.

    It stands where a choice (`enum`) would be read loosely by language servers while they
    complete, or would be offered beside a key of the same name.
    """
    return f"^({'|'.join(words)})$"


def admitting(schema: Schema) -> Schema:
    """The schema of a kind of value, with an expression allowed for each value in it."""
    if "anyOf" in schema:
        return any_of(*map(admitting, schema["anyOf"]))
    if "enum" in schema:
        return any_of(schema, ref("text"))
    match schema.get("type"):
        case "integer" | "number" | "boolean" as scalar:
            return ref(scalar)
        case "string":
            return any_of(schema, ref("text")) if "pattern" in schema else ref("word")
        case "array":
            return any_of({**schema, "items": admitting(schema["items"])}, ref("expression"))
        case ["object", "string"]:
            return ref("module")
        case "null":
            return any_of(schema, ref("expression"))
    return schema


def label(schema: Schema) -> str:
    """A name that identifies a schema; empty if it has none, as a choice of words."""
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if schema.get("type") == "null":
        return "null"
    if schema.get("type") == "array":
        inner, length = label(schema["items"]), schema.get("maxItems")
        return f"list-{length or 'any'}-{inner.replace('-or-', '_')}" if inner else ""
    sides = [label(side) for side in schema.get("anyOf", ())]
    return "-or-".join(sides) if all(sides) else ""


def values() -> Mapping[str, Schema]:
    """The definitions of plain values."""
    return {
        "expression": {"type": "string", "pattern": EXPRESSION},
        "text": {"type": "string", "pattern": TEXT_WITH_EXPRESSION},
        "integer": _scalar("integer", "a whole number"),
        "number": _scalar("number", "a number"),
        "boolean": _scalar("boolean", "true or false"),
        "numbers": any_of(
            ref("number"),
            ref("boolean"),
            {"type": "array", "items": ref("numbers"), "minItems": 1},
        ),
        "plain": {
            "type": ["number", "boolean", "string", "null", "array"],
            "items": ref("plain"),
        },
        "size": {
            "type": ["integer", "string"],
            "minimum": 1,
            "maximum": LARGEST_SIZE,
            "pattern": f"{NAME}|{EXPRESSION}",
        },
        "word": {"type": "string", "pattern": _TEXT},
        "reference": {"type": "string", "pattern": _TEXT},
    }


def _scalar(type_: str, what: str) -> Schema:
    return {
        "type": [type_, "string"],
        "pattern": EXPRESSION,
        "patternErrorMessage": f"this should be {what}, or an expression",
    }


def common_keys() -> Mapping[str, Schema]:
    """The definitions of the keys that all layers know."""
    references = {"type": "array", "items": ref("reference"), "minItems": 1}
    keys: Mapping[str, Schema] = {
        "name": {
            "description": "The attribute; a dotted name stands in a container. "
            "A list has a name for each output.",
            **any_of(ref("reference"), references),
        },
        "from": {
            "description": "What it reads: a reference, or a list of them.",
            **any_of(ref("reference"), references, ref("expression")),
        },
        "repeat": {
            "description": "So many copies, one after the other.",
            **any_of(_copies(), keys_of(repeat_keys(), required=[*REPEAT_KEYS])),
        },
        "when": {
            "description": "A condition; where it is false the layer is not there.",
            **_scalar("boolean", "true or false"),
        },
        "else": {
            "description": "What passes where `when` is false: a reference.",
            **any_of(ref("reference"), ref("expression")),
        },
        "carry": {
            "description": "With `repeat`: a copy of a block reads all that the one before gives.",
            "type": "boolean",
        },
        "collect": {
            "description": "With `repeat`: `name.all` is what each copy gives, in a list.",
            "type": "boolean",
        },
        "parametrize": {
            "description": "Weights that are computed from others: `weight_norm`, "
            "`spectral_norm` or `orthogonal`, for `weight` or by the names of weights.",
            **any_of(ref("parametrization"), mapping_to(ref("parametrization"))),
        },
    }
    return {key: keys[key] for key in COMMON_KEYS}


def parametrization() -> Schema:
    """The definition of what computes a weight: a function, with arguments if there are any."""
    functions = {
        name: keys_of({arg.name: admitting(arg.kind.schema) for arg in row.args})
        for name, row in FUNCTIONS.items()
    }
    words = {"type": "string", "pattern": one_word_of(FUNCTIONS)}
    return any_of(words, one_of_keys(functions), {"type": "null"}, ref("expression"))


def repeat_keys() -> Mapping[str, Schema]:
    """The definitions of the keys of `repeat`, where it gives a copy's number a name."""
    keys: Mapping[str, Schema] = {
        "times": {"description": "The number of copies.", **_copies()},
        "as": {
            "description": "The name that a copy's number has in expressions, inside of it.",
            "type": "string",
            "pattern": NAME,
        },
    }
    return {key: keys[key] for key in REPEAT_KEYS}


def _copies() -> Schema:
    return _scalar("integer", "a whole number") | {"minimum": 0, "maximum": MOST_COPIES}
