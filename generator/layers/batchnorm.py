"""Batch normalisation."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from .base import MIXED, Arg, Args, Layer, Weight, check_equal, check_rank, pointwise, refuse
from .kinds import BOOL, FLOAT, INT, Kind, optional
from .saved import saves_statistics
from .tensor import TensorType

NULL = Kind(
    "null", lambda value: None if value is None else INT.check("null"), "None", {"type": "null"}
)


def batch_norm(name: str, a: Args, x: TensorType) -> TensorType:
    """The input's shape. In training each channel needs two values or more."""
    check_equal("`num_features`", a.num_features, x.shape[1], "the number of channels")
    if a.eps <= 0:
        refuse(f"`eps` must be greater than 0 in training, but is {a.eps}", "eps")
    if x.shape[0] == 1 and x.numel == x.shape[1]:
        refuse(f"`{name}` needs two values or more per channel in training, but reads {x}")
    return pointwise(a, x)


def infer_features(name: str, ranks: tuple[int, ...], a: Args, x: TensorType) -> dict[str, Any]:
    """The number of channels; raises `Refusal` for another rank than `ranks` (empty: 2 or more)."""
    if ranks:
        check_rank(name, x, *ranks)
    elif x.rank < 2:
        refuse(f"`{name}` reads 2 dimensions or more, batch included, but {x} has {x.rank}")
    return {"num_features": x.shape[1]}


def norm_weights(a: Args) -> Sequence[Weight]:
    """Scale and shift if `affine`; running mean, variance and number of batches if tracked."""
    shape = (a.num_features,)
    weights = []
    if a.affine:
        weights.append(Weight("weight", shape))
        if a.bias:
            weights.append(Weight("bias", shape, zeros=True))
    if a.track_running_stats:
        weights.append(Weight("running_mean", shape, trainable=False))
        weights.append(Weight("running_var", shape, trainable=False))
        weights.append(Weight("num_batches_tracked", (), trainable=False, dtype="int64"))
    return weights


def norm_args(affine: bool, momentum: Kind, *more: Arg) -> tuple[Arg, ...]:
    """The arguments that batch norms and instance norms share."""
    return (
        Arg("num_features", INT, inferred=True, positional=True),
        Arg("eps", FLOAT, 1e-05, free=True, doc="Epsilon"),
        Arg("momentum", momentum, 0.1, free=True, doc="Momentum"),
        Arg("affine", BOOL, affine, free=True),
        Arg("track_running_stats", BOOL, affine, free=True),
        *more,
        Arg("bias", BOOL, True, free=True, keyword_only=True),
    )


def _norm(name: str, ranks: tuple[int, ...], *more: Arg) -> Layer:
    return Layer(
        name=name,
        stem="bn",
        rule=partial(batch_norm, name),
        args=norm_args(True, optional(FLOAT), *more),
        dtypes=MIXED,
        infer=partial(infer_features, name, ranks),
        weights=norm_weights,
        saves=saves_statistics(lambda a, x: a.num_features),
    )


LAYERS = (
    _norm("BatchNorm1d", (2, 3)),
    _norm("BatchNorm2d", (4,)),
    _norm("BatchNorm3d", (5,)),
    _norm("SyncBatchNorm", (), Arg("process_group", NULL, None)),
)
