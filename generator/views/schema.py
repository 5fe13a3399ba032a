"""`netgen schema`: the language of specs as a JSON Schema, for editors.

The keys are those of the records in `spec`, the layers those of the catalogue. It is draft 7,
because that is what the language servers of editors know.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ..analysis.expect import BOUND
from ..diagnostics.codes import WARNINGS
from ..layers.base import ALL
from ..lower.initial import FUNCTIONS, WORDS
from ..lower.inputs import ALIASES, MOST_DIMENSIONS
from ..lower.parameters import MEANINGS, REQUIRED
from ..spec.block_spec import BlockSpec
from ..spec.models import json_schema
from ..spec.spec import EXPECTED, OF_BLOCKS, RESERVED, Document, InputSpec, ParamSpec
from ..symbolic.names import IDENTIFIER, VARIANT
from .schema_layers import layers
from .schema_values import (
    EXPRESSION,
    NAME,
    Schema,
    any_of,
    common_keys,
    keys_of,
    mapping_to,
    one_of_keys,
    one_word_of,
    parametrization,
    ref,
    values,
)

WIDTH = 100
PATH = rf"^{IDENTIFIER.pattern}(\.{IDENTIFIER.pattern})+$"
INCLUDED = r"^(?!/|[A-Za-z]:)[^\\]*\.[yY][aA]?[mM][lL]$"
SHAPE: Schema = {"items": ref("size"), "maxItems": MOST_DIMENSIONS}
OUTPUTS: Mapping[str, Schema] = {"array": {"minItems": 1}, "object": {"minProperties": 1}}


def schema() -> str:
    """The schema as text, with one line for what fits into one."""
    return f"{_text(_document(), '')}\n"


def _text(value: Any, indent: str) -> str:
    line = json.dumps(value)
    if len(indent) + len(line) < WIDTH or not isinstance(value, (dict, list)):
        return line
    inner = f"{indent} "
    if isinstance(value, list):
        opening, closing = "[]"
        parts = [_text(item, inner) for item in value]
    else:
        opening, closing = "{}"
        parts = [f"{json.dumps(key)}: {_text(item, inner)}" for key, item in value.items()]
    between = f",\n{inner}".join(parts)
    return f"{opening}\n{inner}{between}\n{indent}{closing}"


def _document() -> Schema:
    sides = {
        "name": {"string": {"pattern": NAME}},
        "input": {"array": SHAPE},
        "inputs": {"object": {**_named(ref("input")), "minProperties": 1}},
        "params": {"object": _parameters({"not": {"const": REQUIRED}})},
        "variants": {"object": _variants(mapping_to(ref("plain")))},
        "blocks": {"object": _named({}, {"enum": sorted(RESERVED)})},
        "include": {"array": {"items": {"type": "string", "pattern": INCLUDED}}},
        "outputs": OUTPUTS,
        "init": {"object": mapping_to(mapping_to(ref("initial")))},
        "sizes": {"object": mapping_to({"type": "integer", "minimum": 1})},
        "expect": {"object": keys_of(_expected(), **_variants(keys_of(_expected())))},
        "allow": {"array": {"items": {"enum": [*WARNINGS]}}},
        "imports": {"object": _named({"type": "string", "pattern": PATH}, ref("known"))},
    }
    found = _model(json_schema(Document), sides)
    whole = {
        "required": found.pop("required"),
        "oneOf": [
            {"required": ["input"], "properties": {"input": {"type": "array"}}},
            {"required": ["inputs"], "properties": {"inputs": {"type": "object"}}},
        ],
    }
    of_blocks = {"propertyNames": {"enum": [*OF_BLOCKS]}, "minProperties": 1}
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "$comment": "made by `netgen schema`",
        "title": "netgen spec",
        **found,
        "allOf": [{"if": of_blocks, "else": whole}],  # a file of blocks has nothing else
        **_layers_by_type(),
        "definitions": {**values(), **common_keys(), **_parts(), **layers()},
    }


def _layers_by_type() -> Schema:
    """The schemas of layers by type, applied only if no block has the name of a known type."""
    blocks = {"additionalProperties": ref("block")}
    return {
        "if": {"properties": {"blocks": {"propertyNames": {"not": ref("known")}}}},
        "then": {"properties": {"layers": ref("layers"), "blocks": blocks}},
    }


def _model(made: Schema, sides: Mapping[str, Mapping[str, Schema]]) -> Schema:
    """A model's schema; `sides` adds to the schema of a key, by the JSON type of the value."""
    found = made["properties"].items()
    properties = {name: _narrowed(schema, sides.get(name, {})) for name, schema in found}
    return {
        "description": made["description"],
        **keys_of(properties, required=made["required"]),
    }


def _narrowed(found: Schema, sides: Mapping[str, Schema]) -> Schema:
    """A key's schema without pydantic's title and empty defaults, and with the additions."""
    found = {key: value for key, value in found.items() if key != "title"}
    if not found.get("default"):
        found.pop("default", None)
    if "anyOf" in found:
        found["anyOf"] = [side | sides.get(side["type"], {}) for side in found["anyOf"]]
        return found
    return found | sides.get(found.get("type", ""), {})


def _named(value: Schema, taken: Schema | None = None) -> Schema:
    """A mapping from names, except those that are `taken`, to values of one kind."""
    names = {"pattern": NAME} | ({} if taken is None else {"not": taken})
    return {"propertyNames": names, "additionalProperties": value}


def _parameters(more: Schema) -> Schema:
    """Parameters by name."""
    value = any_of(ref("plain"), ref("parameter"))
    return _named({**value, **more}, {"enum": [*MEANINGS]})


def _expected() -> Mapping[str, Schema]:
    """The schemas of the keys under `expect`."""
    shape = {"type": "array", "items": {"type": ["integer", "string"]}}
    bound = {"type": "string", "pattern": f"^({BOUND.pattern})$|{EXPRESSION}"}
    figure = any_of({"type": "integer", "minimum": 0}, bound)
    shapes = any_of(shape, mapping_to(shape))
    return {key: shapes if key == "output" else figure for key in EXPECTED}


def _variants(value: Schema) -> Schema:
    """What stands for each variant, by its name."""
    pattern = f"^(?!({'|'.join(EXPECTED)})$){VARIANT.pattern}$"
    return {"patternProperties": {pattern: value}, "additionalProperties": False}


def _parts() -> Mapping[str, Schema]:
    """The definitions of inputs, parameters, blocks and initial weights."""
    parameter = _model(json_schema(ParamSpec), {})
    parameter["properties"]["default"] |= ref("plain")
    inputs = {
        "shape": {"array": SHAPE},
        "dtype": {"string": {"enum": [*sorted(ALL), *ALIASES]}},
        "range": {"array": {"items": ref("number")}},
    }
    block = {
        "layers": {"array": {"items": ref("layer")}},
        "params": {"object": _parameters({})},
        "inputs": {"array": {"items": {"type": "string", "pattern": NAME}, "uniqueItems": True}},
        "outputs": OUTPUTS,
    }
    return {
        "input": any_of({"type": "array", **SHAPE}, _model(json_schema(InputSpec), inputs)),
        "parameter": parameter,
        "block": _model(json_schema(BlockSpec), block),
        "initial": _initial(),
        "parametrization": parametrization(),
    }


def _initial() -> Schema:
    """A function of `torch.nn.init`, alone or with its arguments."""
    bare = one_word_of(name for name, (_, needed) in FUNCTIONS.items() if not needed)
    functions = {name: _function(*known) for name, known in FUNCTIONS.items()}
    return any_of({"type": "string", "pattern": bare}, one_of_keys(functions))


def _function(names: tuple[str, ...], needed: int) -> Schema:
    """A function's arguments by name, by position, or the first one alone."""
    args = {
        name: any_of({"enum": [*WORDS[name]]}, ref("text")) if name in WORDS else ref("number")
        for name in names
    }
    listed: Schema = {"type": "array", "minItems": needed, "maxItems": len(names)}
    if not names:
        return any_of(keys_of({}), listed)
    listed["items"] = [*args.values()]
    return any_of(keys_of(args, required=[*names[:needed]]), listed, args[names[0]])
