"""Instance normalisation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import Any

from .base import FLOATS, MIXED, Args, Layer, check_equal, check_rank, pointwise, refuse
from .batchnorm import norm_args, norm_weights
from .kinds import FLOAT
from .saved import Saved
from .tensor import TensorType


def instance_norm(n: int, a: Args, x: TensorType) -> TensorType:
    """The input's shape. Each channel of a sample needs two values or more in training."""
    name = f"InstanceNorm{n}d"
    check_equal("`num_features`", a.num_features, x.shape[-n - 1], "the number of channels")
    if math.prod(x.shape[-n:]) == 1:
        refuse(f"`{name}` needs two values or more per channel, but reads {x}")
    if a.affine and x.dtype not in MIXED:
        refuse(f"`{name}` with `affine: true` can't read `{x.dtype}`", "affine")
    return pointwise(a, x)


def infer_features(n: int, a: Args, x: TensorType) -> dict[str, Any]:
    """The number of channels; raises `Refusal` for the wrong rank."""
    check_rank(f"InstanceNorm{n}d", x, n + 2, n + 1)
    return {"num_features": x.shape[-n - 1]}


def _saved(n: int, a: Args, xs: Sequence[TensorType], ys: Sequence[TensorType]) -> Saved:
    """The input is kept; for each channel of each sample mean, deviation, copies of the weights.

    The running statistics are copied for each sample, too.
    """
    channels = xs[0].numel // math.prod(map(int, xs[0].shape[-n:]))
    copies = 2 + bool(a.affine) + 2 * bool(a.track_running_stats)
    return Saved((xs[0],), 4 * copies * channels)


def _norm(n: int) -> Layer:
    return Layer(
        name=f"InstanceNorm{n}d",
        stem="norm",
        rule=partial(instance_norm, n),
        args=norm_args(False, FLOAT),
        dtypes=FLOATS,
        infer=partial(infer_features, n),
        weights=norm_weights,
        saves=partial(_saved, n),
    )


LAYERS = (_norm(1), _norm(2), _norm(3))
