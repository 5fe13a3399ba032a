"""The kinds of values that a layer's arguments take, each with its check.

A check returns the value in its normal form (lists become tuples) or raises `ValueError`.
Sizes with a name (`Dim`) pass as the whole numbers that they are.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from ..symbolic.sizes import Coded

LARGEST = 2**31 - 1  # sums and products of a few stay within torch's 64 bits


class Kind(Struct, frozen=True):
    """A kind of value: its name in messages, its check, its annotation, its JSON schema.

    A `structural` kind decides on shapes in ways that arithmetic can't carry along, so its
    value must be known when the source is generated.
    """

    label: str
    check: Callable[[Any], Any]
    annotation: str
    schema: dict[str, Any]
    structural: bool = False
    module: bool = False
    index: bool = False  # structural even as a whole number
    zero: bool = False  # structural where it is 0, which means that there is none

    def read(self, value: Any) -> Any:
        """The value in its normal form, with its expression if it has one; raises `ValueError`."""
        if isinstance(value, Coded):
            return replace(value, value=self.check(value.value))
        return self.check(value)


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _int(value: Any) -> Any:
    if not _is_int(value):
        raise ValueError
    if abs(value) > LARGEST:
        raise ValueError(f"{value:.3g} is too large for a size in torch")
    return value


def _float(value: Any) -> Any:
    if _is_int(value) and abs(value) <= LARGEST:
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    raise ValueError


def _number(value: Any) -> Any:
    return value if isinstance(value, float) and math.isinf(value) else _float(value)


def _bool(value: Any) -> Any:
    if not isinstance(value, bool):
        raise ValueError
    return value


INT = Kind("a whole number", _int, "int", {"type": "integer"})
COUNT_OR_NONE = Kind("a whole number", _int, "int", {"type": "integer"}, zero=True)
INDEX = Kind("a whole number", _int, "int", {"type": "integer"}, structural=True, index=True)
FLOAT = Kind("a number", _float, "float", {"type": "number"})
NUMBER = Kind("a number", _number, "float", {"type": "number"})
BOOL = Kind("true or false", _bool, "bool", {"type": "boolean"}, structural=True)


def _any(value: Any) -> Any:
    return value


ANY = Kind("a value", _any, "Any", {})
LIST = Kind("a list", _any, "Any", {})  # of any length: a loop goes through it


def _data(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return tuple(_data(item) for item in value)
    if value is None or isinstance(value, (bool, int, str)):
        return value
    return _float(value)


PLAIN = Kind("a plain value", _data, "Any", {}, structural=True, index=True)


def _text(value: Any) -> Any:
    if not isinstance(value, str):
        raise ValueError
    return value


TEXT = Kind("a word", _text, "str", {"type": "string"}, structural=True)


def optional(kind: Kind) -> Kind:
    """The kind, or null."""

    def check(value: Any) -> Any:
        return None if value is None else kind.check(value)

    schema = {"anyOf": [kind.schema, {"type": "null"}]}
    annotation = f"{kind.annotation} | None"
    return replace(
        kind, label=f"{kind.label} or null", check=check, annotation=annotation, schema=schema
    )


def items(item: Kind, length: int | None = None) -> Kind:
    """A list of values of one kind, of a fixed length where one is given."""

    def check(value: Any) -> Any:
        if not isinstance(value, (list, tuple)) or length not in (None, len(value)):
            raise ValueError
        return tuple(item.check(part) for part in value)

    schema: dict[str, Any] = {"type": "array", "items": item.schema}
    if length is not None:
        schema |= {"minItems": length, "maxItems": length}
    inner = ", ".join([item.annotation] * length) if length else f"{item.annotation}, ..."
    plural = " or ".join(f"{label.removeprefix('a ')}s" for label in item.label.split(" or "))
    label = f"a list of {length} {plural}" if length and length > 1 else f"a list of {plural}"
    annotation = f"tuple[{inner}]"
    return replace(item, label=label, check=check, annotation=annotation, schema=schema)


def sizes() -> Kind:
    """A list of whole numbers; a single one is a list of one."""
    several = items(INT)

    def check(value: Any) -> Any:
        return several.check(value if isinstance(value, (list, tuple)) else [value])

    schema = {"anyOf": [INT.schema, several.schema]}
    return replace(several, label=f"{INT.label} or {several.label}", check=check, schema=schema)


def either(first: Kind, second: Kind, label: str = "") -> Kind:
    """A value of the first kind or else of the second."""

    def check(value: Any) -> Any:
        try:
            return first.check(value)
        except ValueError as error:
            if error.args:
                raise
            return second.check(value)

    return Kind(
        label or f"{first.label} or {second.label}",
        check,
        f"{first.annotation} | {second.annotation}",
        {"anyOf": [first.schema, second.schema]},
        first.structural or second.structural,
        first.module or second.module,
        first.index or second.index,
    )


def each(item: Kind, length: int) -> Kind:
    """One value for all dimensions, or a list of one for each."""
    return either(item, items(item, length))


def loosely(item: Kind, length: int) -> Kind:
    """As `each`, but a list of one value stands for all dimensions, as in torch's pools."""
    strict = each(item, length)

    def check(value: Any) -> Any:
        single = isinstance(value, (list, tuple)) and len(value) == 1
        return item.check(value[0]) if single else strict.check(value)

    schema = {"anyOf": [strict.schema, items(item, 1).schema]}
    return replace(strict, check=check, schema=schema)


def sides(dimensions: int) -> Kind:
    """One padding for all sides, or two for each dimension, the last dimension first.

    The list may be shorter: then the first dimensions are not padded.
    """
    lengths = range(2, 2 * dimensions + 1, 2)
    counted = [items(INT, length) for length in lengths]

    def check(value: Any) -> Any:
        if isinstance(value, (list, tuple)) and len(value) in lengths:
            return tuple(map(_int, value))
        return _int(value)

    numbers = " or ".join(map(str, lengths))
    return Kind(
        f"a whole number or a list of {numbers} whole numbers",
        check,
        " | ".join(kind.annotation for kind in (INT, *counted)),
        {"anyOf": [INT.schema, *(kind.schema for kind in counted)]},
    )


def floats(length: int) -> Kind:
    """A factor for all dimensions, or a list of one for each; it decides on shapes."""
    return replace(each(FLOAT, length), structural=True, index=True)


def choice(*words: str) -> Kind:
    """One of a few words."""

    def check(value: Any) -> Any:
        if not isinstance(value, str) or value not in words:
            raise ValueError
        return value

    label = " or ".join(f"`{word}`" for word in words)
    names = ", ".join(f'"{word}"' for word in words)
    return Kind(label, check, f"Literal[{names}]", {"enum": list(words)}, structural=True)


def _module(value: Any) -> Any:
    # `lower` has turned what is written into a layer before this check
    if not hasattr(value, "row"):
        raise ValueError
    return value


MODULE = Kind("a layer", _module, "nn.Module", {"type": ["object", "string"]}, True, True)
