"""The catalogue: one row for each layer type of `torch.nn`, by family as in `torch.nn.modules`.

A row holds all that netgen knows about a type, so that a new layer is a new row and nothing
else. Importing the catalogue builds no pydantic models and does not import torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

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
    merge,
    normalization,
    padding,
    pooling,
    rnn,
    shapes,
    sparse,
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

CATALOGUE: Mapping[str, Layer] = MappingProxyType(
    {layer.name: layer for family in FAMILIES for layer in family.LAYERS}
)
"""The layer types of `torch.nn`."""

OPERATIONS: Mapping[str, Layer] = MappingProxyType(
    {layer.name: layer for family in (elementwise, merge, tensors) for layer in family.LAYERS}
)
"""What torch has as functions and operators only."""

TYPES: Mapping[str, Layer] = MappingProxyType({**CATALOGUE, **OPERATIONS})
