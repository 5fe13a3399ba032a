"""The catalogue: one row for each layer type of `torch.nn`, by family as in `torch.nn.modules`.

A row holds all that netgen knows about a type, so that a new layer is a new row and nothing
else. Importing the catalogue builds no pydantic models and does not import torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType, ModuleType

from . import (
    activation,
    attention,
    batchnorm,
    conv,
    distance,
    dropout,
    elementwise,
    instancenorm,
    linear,
    local,
    merge,
    normalization,
    padding,
    pooling,
    rnn,
    shapes,
    sparse,
    splits,
    stacks,
    tensors,
    transformer,
    upsampling,
)
from .base import Layer

FAMILIES = (
    activation,
    attention,
    batchnorm,
    conv,
    distance,
    dropout,
    instancenorm,
    linear,
    normalization,
    padding,
    pooling,
    rnn,
    shapes,
    sparse,
    stacks,
    transformer,
    upsampling,
)


def _rows(*families: ModuleType) -> Mapping[str, Layer]:
    return MappingProxyType({row.name: row for family in families for row in family.LAYERS})


CATALOGUE = _rows(*FAMILIES)
"""The layer types of `torch.nn`."""

OPERATIONS = _rows(elementwise, merge, splits, tensors)
"""What torch has as functions and operators only."""

LOCAL = _rows(local)
"""Sources, and the small modules that are written into the generated file."""

TYPES: Mapping[str, Layer] = MappingProxyType({**CATALOGUE, **OPERATIONS, **LOCAL})
