"""Linear and bilinear maps, and the identity."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .base import ALL, PARAMETERS, Arg, Args, Layer, Weight, check_equal, pointwise, refuse
from .kinds import BOOL, INT
from .saved import always, saves_nothing
from .tensor import TensorType


def check_features(a: Args) -> None:
    """Raise `Refusal` for an output without features."""
    if a.out_features < 1:
        refuse(f"`out_features` is {a.out_features}, but must be 1 or more", "out_features")


def linear(a: Args, x: TensorType) -> TensorType:
    """The last dimension becomes `out_features`, as in `torch.nn.Linear`."""
    if not x.rank:
        refuse("`Linear` needs at least one dimension")
    check_features(a)
    check_equal("`in_features`", a.in_features, x.shape[-1], "the last dimension read")
    return x.with_shape((*x.shape[:-1], a.out_features))


def bilinear(a: Args, x1: TensorType, x2: TensorType) -> TensorType:
    """The last dimension becomes `out_features`; all others are equal in both inputs."""
    if not x1.rank or [*map(int, x1.shape[:-1])] != [*map(int, x2.shape[:-1])]:
        refuse(f"both inputs of `Bilinear` are alike but for the last size, but are {x1} and {x2}")
    check_features(a)
    check_equal("`in1_features`", a.in1_features, x1.shape[-1], "the first input's last dimension")
    check_equal("`in2_features`", a.in2_features, x2.shape[-1], "the second input's last dimension")
    return x1.with_shape((*x1.shape[:-1], a.out_features))


def infer_linear(a: Args, x: TensorType) -> dict[str, Any]:
    """The number of input features."""
    return {"in_features": x.shape[-1]} if x.rank else {}


def infer_bilinear(a: Args, x1: TensorType, x2: TensorType) -> dict[str, Any]:
    """The numbers of features of both inputs."""
    if not (x1.rank and x2.rank):
        return {}
    return {"in1_features": x1.shape[-1], "in2_features": x2.shape[-1]}


def biased(a: Args, weight: tuple[int, ...], bias: int) -> Sequence[Weight]:
    """A weight of this shape and, unless ``bias: false``, a bias of this size."""
    weights = (Weight("weight", weight),)
    return (*weights, Weight("bias", (bias,))) if a.bias else weights


def linear_macs(a: Args, xs: Sequence[TensorType], ys: Sequence[TensorType]) -> int:
    """The multiply-adds: one for each output element and input feature."""
    return int(ys[0].numel * a.in_features)


def bilinear_macs(a: Args, xs: Sequence[TensorType], ys: Sequence[TensorType]) -> int:
    """The multiply-adds: for each output, a matrix by the first input, and that by the second."""
    return int(ys[0].numel * (a.in1_features + 1) * a.in2_features)


_OUT = (
    Arg("out_features", INT, positional=True, positive=True, doc="Output features"),
    Arg("bias", BOOL, True, free=True, doc="Whether there is a bias"),
)

LAYERS = (
    Layer(
        name="Bilinear",
        stem="bilinear",
        rule=bilinear,
        brief="{out_features}",
        args=(
            Arg("in1_features", INT, inferred=True, positional=True),
            Arg("in2_features", INT, inferred=True, positional=True),
            *_OUT,
        ),
        dtypes=PARAMETERS,
        infer=infer_bilinear,
        weights=lambda a: biased(
            a, (a.out_features, a.in1_features, a.in2_features), a.out_features
        ),
        macs=bilinear_macs,
        tensors=("input1", "input2"),
    ),
    Layer(
        name="Identity",
        moves=True,
        in_order=True,
        stem="identity",
        rule=pointwise,
        dtypes=ALL,
        saves=saves_nothing,
        view=always,
    ),
    Layer(
        name="Linear",
        stem="fc",
        rule=linear,
        brief="{out_features}",
        args=(Arg("in_features", INT, inferred=True, positional=True), *_OUT),
        dtypes=PARAMETERS,
        infer=infer_linear,
        weights=lambda a: biased(a, (a.out_features, a.in_features), a.out_features),
        macs=linear_macs,
    ),
)
