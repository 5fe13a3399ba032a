"""The records of an ONNX graph: what it is given, its nodes, its constants."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from msgspec import Struct

Array = np.ndarray[Any, Any]
Size = int | str  # what a file calls a size that varies; empty if it has no name for it


class Port(Struct, frozen=True):
    """An input or output of the graph; no `shape` if the file does not tell it."""

    name: str
    shape: tuple[Size, ...] | None
    dtype: str


class Node(Struct, frozen=True):
    """A call of an operator. `inputs` that are left out are empty.

    `scope` is the path of the module of torch that made it, `made_by` that module's class; both
    are empty where the file does not tell.
    """

    name: str
    type: str
    domain: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]
    scope: str = ""
    made_by: str = ""


class Constant(Struct, frozen=True, eq=False):
    """A tensor of the file, or what follows from such; `roots` are those that it is made of."""

    value: Array
    roots: frozenset[str] = frozenset()
