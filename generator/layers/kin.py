"""Which types are of one kind, for hints and warnings: they speak of a type as people do.

Shapes, source and runs follow from a type's row alone. What was probably meant by somebody who
wrote a type depends on what such types are used for, which is kept here, by name.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from .base import Layer
from .windows import per_dimension

CONVOLUTIONS = ("Conv1d", "Conv2d", "Conv3d")
TRANSPOSED = ("ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d")
RECURRENT = ("LSTM", "GRU", "RNN")
BATCH_NORMS = ("BatchNorm1d", "BatchNorm2d", "BatchNorm3d")
SOFTMAX = ("LogSoftmax", "Softmax", "Softmax2d")
JOINS = ("Concat", "Stack")  # of tensors that differ in one dimension, or in none
BROADCASTING = ("Add", "Sub", "Mul", "Div", "Maximum", "Minimum")
MERGES = (*BROADCASTING, *JOINS)
OF_DIFFERENT = tuple(name for name in MERGES if name != "Mul")  # a tensor twice may be a slip
WITH_BIAS = (*CONVOLUTIONS, *TRANSPOSED, "Linear", "Bilinear")  # added to each feature
LINEAR = ("Linear",)
LAYER_NORMS = ("LayerNorm",)
FLATTENING = ("Flatten",)
CONCATENATING = ("Concat",)
EMBEDDINGS = ("Embedding",)
READING_INDICES = (*EMBEDDINGS, "EmbeddingBag")
RESIZING = ("Interpolate", "Upsample", "PixelShuffle", "PixelUnshuffle")
OF_FEATURES = ("Linear", "LayerNorm", "RMSNorm")  # they work along the last dimension
OF_SEQUENCES = (*RECURRENT, "MultiheadAttention", "TransformerEncoderLayer", "TransformerEncoder")
MOVING = (
    *("Permute", "Transpose", "Reshape", "Expand", "Unflatten", "Flatten", "MatMul"),
    *("Rearrange", "Reduce", "Repeat"),
)
OF_NUMBERS_OF_VALUES = ("Var", "Std")  # they divide by a number of values less `correction`
_CHANNELS_FIRST = r"(?:Conv|ConvTranspose|\w*Pool|BatchNorm|InstanceNorm)[123]d"


def spatial_dims(name: str) -> int:
    """The spatial dimensions that a type's name ends with, as in `Conv2d`; 0 without them."""
    return int(name[-2]) if name.endswith(("1d", "2d", "3d")) else 0


def with_dims(name: str, dims: int) -> str:
    """The name of the same type for another number of spatial dimensions."""
    return f"{name[:-2]}{dims}d"


def places_behind_channels(name: str) -> int:
    """The spatial dimensions of a type that reads channels first; 0 for other types."""
    return spatial_dims(name) if re.fullmatch(_CHANNELS_FIRST, name) else 0


def joins_places(row: Layer, kernel: Any) -> bool:
    """Whether a type of one spatial dimension reads more than one place at a time."""
    return places_behind_channels(row.name) == 1 and max(per_dimension(kernel, 1)) > 1


def holds_hidden_layers(row: Layer) -> bool:
    """Whether torch builds other layers inside of it, which the graph does not hold."""
    return row.name.startswith(("Transformer", "MultiheadAttention"))


def dimensions_read(name: str) -> str:
    """What a type reads: `1d` to `3d`, `places`, the `last` dimension, or `numbers` (indices).

    Empty for a name that does not tell.
    """
    if spatial_dims(name):
        return name[-2:]
    if name in RESIZING:
        return "places"
    if name in (*OF_FEATURES, *RECURRENT, "MultiheadAttention"):
        return "last"
    return "numbers" if name in READING_INDICES else ""


def dimension_of(row: Layer) -> str | None:
    """The argument that names the dimension that a type joins, where 0 may be a slip for 1."""
    return {"Concat": "dim", "Flatten": "start_dim"}.get(row.name)


def is_odd(row: Layer, written: Sequence[Any]) -> bool:
    """Whether numbers are implausible in the order in which arguments by position are read."""
    first, second, *others = written
    if row.name in RECURRENT:
        return bool(second >= 8)  # the number of layers
    if row.name.startswith("Transformer"):
        return bool(first > 16 and second <= 16)  # the number of heads, and `dim_feedforward`
    convolves = row.name in (*CONVOLUTIONS, *TRANSPOSED)
    if not convolves or not others or type(others[0]) is not int:
        return False
    third = others[0]
    wide = second >= 12 and second > 2 * third  # the second is read as a kernel, then a stride
    odd = first <= 4 and second > third >= 3 and third % 2 == 1
    if row.name in TRANSPOSED and len(others) > 1 and third == others[1]:
        odd = odd or (third >= 2 and second >= 8 and second - 2 * third != third)
    return bool(wide or odd)
