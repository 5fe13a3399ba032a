"""Dropouts: elements or whole channels set to zero in training."""

from __future__ import annotations

from functools import partial

from .activation import INPLACE
from .base import ALL, FLOATS, Arg, Args, Layer, check_rank, pointwise, refuse
from .kinds import FLOAT
from .saved import saves_mask
from .tensor import TensorType


def dropout(name: str, ranks: tuple[int, ...], a: Args, x: TensorType) -> TensorType:
    """The input's shape; `p` is a probability."""
    if not 0 <= a.p <= 1:
        refuse(f"`p` is a probability from 0 to 1, but is {a.p}", "p")
    scaling = 0 < a.p < 1
    if scaling and x.dtype not in FLOATS:
        refuse(f"`{name}` can't read `{x.dtype}`: it scales what it keeps", "p")
    if ranks:
        check_rank(name, x, *ranks)
    elif name in ("Dropout2d", "FeatureAlphaDropout") and x.rank < 2 and scaling:
        refuse(f"`{name}` reads 2 dimensions or more, batch included, but {x} has {x.rank}")
    return pointwise(a, x)


def _mask_rank(name: str, x: TensorType) -> int:
    """How many leading dimensions the mask has: all, or those up to the channels that are dropped.

    `Dropout1d` and `Dropout3d` also read inputs without a batch: the first dimension is channels.
    """
    if name in ("Dropout", "AlphaDropout"):
        return x.rank
    batched = {"Dropout1d": 3, "Dropout3d": 5}.get(name, x.rank)
    return 2 if x.rank == batched else 1


def _dropout(name: str, *ranks: int) -> Layer:
    doc = "Dropout probability"
    p = Arg("p", FLOAT, 0.5, positional=True, free=True, doc=doc)
    rule = partial(dropout, name, ranks)
    return Layer(
        name=name,
        stem="dropout",
        rule=rule,
        brief="{p}",
        args=(p, INPLACE),
        dtypes=ALL,
        saves=saves_mask(partial(_mask_rank, name)),
        view=lambda a, *inputs: a.p == 0 or (a.inplace and "Alpha" not in name),
    )


LAYERS = (
    _dropout("AlphaDropout"),
    _dropout("Dropout"),
    _dropout("Dropout1d", 2, 3),
    _dropout("Dropout2d"),
    _dropout("Dropout3d"),
    _dropout("FeatureAlphaDropout"),
)
