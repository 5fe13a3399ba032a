"""Activations: functions of each element, and softmaxes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .base import (
    BOOLEAN,
    COMPLEX,
    FLOATS,
    INTS,
    PARAMETERS,
    SIGNED,
    WIDE,
    Arg,
    Args,
    Layer,
    Weight,
    check_rank,
    dimension,
    pointwise,
    promoting,
    refuse,
)
from .kinds import BOOL, FLOAT, INDEX, INT, choice, optional
from .saved import (
    in_place,
    never,
    saves_copy,
    saves_input_and_copy,
    saves_original,
    saves_output,
)
from .tensor import TensorType

INPLACE = Arg("inplace", BOOL, False, free=True)


def softmax(a: Args, x: TensorType) -> TensorType:
    """The input's shape; without `dim` torch takes 0 for 0, 1 or 3 dimensions and else 1."""
    dim = (0 if x.rank in (0, 1, 3) else 1) if a.dim is None else a.dim
    dimension(x, dim)
    return pointwise(a, x)


def softmax2d(a: Args, x: TensorType) -> TensorType:
    """The input's shape: a softmax over the channels of images."""
    check_rank("Softmax2d", x, 4, 3)
    return pointwise(a, x)


def glu(a: Args, x: TensorType) -> TensorType:
    """Half the size in `dim`: one half is the gate of the other."""
    if not x.rank:
        refuse("`GLU` needs at least one dimension")
    dim = dimension(x, a.dim)
    if x.shape[dim] % 2:
        refuse(f"`GLU` halves dimension {a.dim}, but its size {x.shape[dim]} is odd", "dim")
    return x.with_shape((*x.shape[:dim], x.shape[dim] // 2, *x.shape[dim + 1 :]))


def prelu(a: Args, x: TensorType) -> TensorType:
    """The input's shape; one slope for all, or one for each channel (dimension 1)."""
    if a.num_parameters < 1:
        refuse("`num_parameters` must be 1 or more", "num_parameters")
    if a.num_parameters == 1:
        return pointwise(a, x)
    channels = x.shape[1] if x.rank > 1 else 1
    if not x.rank or a.num_parameters != channels:
        refuse(
            f"`num_parameters` is {a.num_parameters}, but {x} has {channels} channels",
            "num_parameters",
        )
    return pointwise(a, x)


def prelu_weights(a: Args) -> Sequence[Weight]:
    """The learned slopes."""
    return (Weight("weight", (a.num_parameters,)),)


def hardtanh(a: Args, x: TensorType) -> TensorType:
    """The input's shape; the range must not be empty."""
    low = a.min_val if a.min_value is None else a.min_value
    high = a.max_val if a.max_value is None else a.max_value
    if low >= high:
        refuse(f"`max_val` must be greater than `min_val`, but {high} <= {low}", "max_val")
    if x.dtype == "uint8" and low < 0:
        refuse("`Hardtanh` can't read `uint8` with a negative `min_val`", "min_val")
    return pointwise(a, x)


def rrelu(a: Args, x: TensorType) -> TensorType:
    """The input's shape; the slopes are drawn from `lower` to `upper`."""
    if a.lower > a.upper:
        refuse(f"`lower` must not exceed `upper`, but {a.lower} > {a.upper}", "lower")
    return pointwise(a, x)


def celu(a: Args, x: TensorType) -> TensorType:
    """The input's shape; `alpha` divides."""
    if not a.alpha:
        refuse("`alpha` divides, so it must not be 0", "alpha")
    return pointwise(a, x)


def softshrink(a: Args, x: TensorType) -> TensorType:
    """The input's shape; what is nearer to 0 than `lambd` becomes 0."""
    if a.lambd < 0:
        refuse(f"`lambd` is {a.lambd}, but must be 0 or more", "lambd")
    return pointwise(a, x)


def _named(name: str, *args: Arg, stem: str, **more: Any) -> Layer:
    """The row of an activation; by default its rule is `pointwise`, its function ``F.stem``."""
    more.setdefault("rule", pointwise)
    more.setdefault("view", in_place if INPLACE in args else never)
    more.setdefault("functional", f"F.{stem}")
    return Layer(name=name, stem=stem, args=args, **more)


def _number(name: str, default: float | None = None) -> Arg:
    """A floating-point argument that changes no shape; required if it has no default."""
    if default is None:
        return Arg(name, FLOAT, free=True)
    return Arg(name, FLOAT, default, free=True)


DIM = Arg("dim", optional(INDEX), None, free=True)
SMOOTH = FLOATS | SIGNED | COMPLEX | {"uint8"}

LAYERS = (
    _named("CELU", _number("alpha", 1.0), INPLACE, stem="celu", rule=celu),
    _named("ELU", _number("alpha", 1.0), INPLACE, stem="elu"),
    _named("GELU", Arg("approximate", choice("none", "tanh"), "none"), stem="gelu"),
    _named("GLU", Arg("dim", INDEX, -1), stem="glu", rule=glu),
    _named("Hardshrink", _number("lambd", 0.5), stem="hardshrink"),
    _named("Hardsigmoid", INPLACE, saves=saves_original, stem="hardsigmoid"),
    _named("Hardswish", INPLACE, saves=saves_original, stem="hardswish"),
    _named(
        "Hardtanh",
        _number("min_val", -1.0),
        _number("max_val", 1.0),
        INPLACE,
        Arg("min_value", optional(FLOAT), None, free=True),
        Arg("max_value", optional(FLOAT), None, free=True),
        stem="hardtanh",
        rule=hardtanh,
        saves=saves_original,
        dtypes=FLOATS | INTS,
    ),
    _named(
        "LeakyReLU",
        _number("negative_slope", 0.01),
        INPLACE,
        brief="{negative_slope}",
        stem="leaky_relu",
    ),
    _named("LogSigmoid", saves=saves_input_and_copy, stem="logsigmoid"),
    _named("LogSoftmax", DIM, saves=saves_output, stem="log_softmax", rule=softmax),
    _named("Mish", INPLACE, saves=saves_original, stem="mish"),
    _named(
        "PReLU",
        Arg("num_parameters", INT, 1),
        _number("init", 0.25),
        stem="prelu",
        rule=prelu,
        dtypes=PARAMETERS,
        weights=prelu_weights,
        functional="",
    ),
    _named(
        "RReLU",
        _number("lower", 1 / 8),
        _number("upper", 1 / 3),
        INPLACE,
        stem="rrelu",
        rule=rrelu,
        saves=saves_input_and_copy,
        dtypes=FLOATS - {"float16"},
        functional="",
    ),
    _named("ReLU", INPLACE, saves=saves_output, stem="relu", dtypes=FLOATS | INTS),
    _named("ReLU6", INPLACE, saves=saves_original, stem="relu6", dtypes=FLOATS | INTS),
    _named("SELU", INPLACE, stem="selu"),
    _named("SiLU", INPLACE, saves=saves_original, stem="silu", dtypes=FLOATS),
    _named(
        "Sigmoid",
        saves=saves_output,
        stem="sigmoid",
        rule=promoting,
        dtypes=SMOOTH | WIDE | BOOLEAN,
        functional="torch.sigmoid",
    ),
    _named("Softmax", DIM, saves=saves_output, stem="softmax", rule=softmax),
    _named(
        "Softmax2d",
        saves=saves_output,
        stem="softmax2d",
        rule=softmax2d,
        functional="F.softmax",
        functional_args=lambda a: {"dim": -3},
    ),
    _named("Softmin", DIM, saves=saves_output, stem="softmin", rule=softmax),
    _named(
        "Softplus",
        Arg("beta", FLOAT, 1.0, free=True, divides=True),
        _number("threshold", 20.0),
        stem="softplus",
    ),
    _named("Softshrink", _number("lambd", 0.5), stem="softshrink", rule=softshrink),
    _named("Softsign", saves=saves_input_and_copy, stem="softsign", rule=promoting, dtypes=SMOOTH),
    _named(
        "Tanh",
        saves=saves_output,
        stem="tanh",
        rule=promoting,
        dtypes=SMOOTH | WIDE | BOOLEAN,
        functional="torch.tanh",
    ),
    _named("Tanhshrink", saves=saves_copy, stem="tanhshrink", rule=promoting, dtypes=SMOOTH | WIDE),
    _named(
        "Threshold",
        _number("threshold"),
        _number("value"),
        INPLACE,
        stem="threshold",
        saves=saves_original,
        dtypes=FLOATS | INTS,
    ),
)
