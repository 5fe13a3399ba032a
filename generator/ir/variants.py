"""A variant of a spec, as what is made from the spec knows it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from .graph import Parameter


class Variant(Struct, frozen=True):
    """A variant of a spec: the `values` of its parameters, its figures, and its function.

    `factory` is the name of the function that makes it. There is none (the name is empty) where
    the variant gives a value to a parameter that is no argument of the class: `fixed`.
    """

    name: str
    factory: str
    values: Mapping[str, Any]
    parameters: int
    macs: int
    fixed: Parameter | None = None
