"""Operations on one tensor, element by element or over some dimensions; scaled attention."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from ..symbolic.sizes import Size
from .base import (
    ALL,
    BOOLEAN,
    COMPLEX,
    FLOATS,
    INEXACT,
    INTS,
    WIDE,
    Arg,
    Args,
    Layer,
    dimension,
    pointwise,
    promoting,
    refuse,
)
from .kinds import BOOL, FLOAT, INDEX, INT, NUMBER, TEXT, either, items, optional
from .saved import Saves, saves_both, saves_inputs, saves_nothing, saves_output
from .scaled_attention import SCALED_ATTENTION
from .tensor import TensorType

REAL_OF = {"complex64": "float32", "complex128": "float64"}


def places_of(a: Args, x: TensorType) -> list[int]:
    """The indices of the dimensions in `dim`; raises `Refusal` if it names one twice."""
    dims = a.dim if isinstance(a.dim, tuple) else (a.dim,)
    if not dims:  # torch's functions do not agree on what it means
        refuse("`dim` names no dimension", "dim")
    places = [dimension(x, dim) for dim in dims]
    if len({*places}) < len(places):
        refuse("`dim` names a dimension twice", "dim")
    return places


def _reduced(x: TensorType, places: Sequence[int], keepdim: bool) -> TensorType:
    """The type without these dimensions, or with sizes of 1 there if `keepdim`."""
    shape: list[Size] = []
    for place, size in enumerate(x.shape):
        if place not in places:
            shape.append(size)
        elif keepdim:
            shape.append(1)
    batch = None if x.batch in places else x.batch
    if batch is not None and not keepdim:
        batch -= sum(place < batch for place in places)
    return TensorType(tuple(shape), x.dtype, batch, x.lost)


def reduction(gives: Callable[[str], str], a: Args, x: TensorType) -> TensorType:
    """The shape without the dimensions `dim`, which are of size 1 with `keepdim`."""
    return _reduced(x, places_of(a, x), a.keepdim).with_dtype(gives(x.dtype))


def cumulation(a: Args, x: TensorType) -> TensorType:
    """The input's shape: each place of `dim` holds the sum or product of all up to it."""
    dimension(x, a.dim)
    return x.with_dtype(_total(x.dtype))


def _same(dtype: str) -> str:
    return dtype


def _total(dtype: str) -> str:
    return dtype if dtype in INEXACT else "int64"


def _floating(dtype: str) -> str:
    return dtype if dtype in INEXACT else "float32"


def _real(dtype: str) -> str:
    return REAL_OF.get(dtype, dtype)


def _truth(dtype: str) -> str:
    return "uint8" if dtype == "uint8" else "bool"


def _place(dtype: str) -> str:
    return "int64"


def norm(a: Args, x: TensorType) -> TensorType:
    """As a reduction: the `p`-norm over `dim`."""
    return reduction(_real, a, x)


def normalize(a: Args, x: TensorType) -> TensorType:
    """The input's shape, scaled to a norm of 1 along `dim`, as in `F.normalize`."""
    places_of(a, x)
    return pointwise(a, x)


def absolute(a: Args, x: TensorType) -> TensorType:
    """The input's shape; complex numbers become real."""
    return x.with_dtype(_real(x.dtype))


def rounding(a: Args, x: TensorType) -> TensorType:
    """The input's shape, each number rounded to `decimals` places."""
    if a.decimals and x.dtype not in FLOATS:
        refuse(f"`{x.dtype}` is rounded to whole numbers only", "decimals")
    return pointwise(a, x)


def negation(a: Args, x: TensorType) -> TensorType:
    """The input's shape: true where it is 0 or false."""
    return x.with_dtype("bool")


def power(a: Args, x: TensorType) -> TensorType:
    """The input's shape; a fractional exponent makes whole numbers floating."""
    if x.dtype in INEXACT:
        return pointwise(a, x)
    if isinstance(a.exponent, float):
        return x.with_dtype("float32")
    if a.exponent < 0:
        refuse("whole numbers have no negative powers", "exponent")
    return x.with_dtype("int64" if x.dtype == "bool" else x.dtype)


def clamp(a: Args, x: TensorType) -> TensorType:
    """The input's shape, its values cut off at `min` and `max`."""
    if a.min is None and a.max is None:
        refuse("give `min`, `max` or both", "min")
    floating = isinstance(a.min, float) or isinstance(a.max, float)
    if floating and x.dtype not in FLOATS:
        return x.with_dtype("float32")
    return pointwise(a, x)


def scale(a: Args, x: TensorType) -> TensorType:
    """The input's shape, times `factor`."""
    if x.dtype in INEXACT:
        return pointwise(a, x)
    if isinstance(a.factor, float):
        return x.with_dtype("float32")
    return x.with_dtype("int64" if x.dtype == "bool" else x.dtype)


def cast(a: Args, x: TensorType, like: TensorType | None = None) -> TensorType:
    """The input's shape in another type: `dtype`, or that of the tensor `like`."""
    if (a.dtype is None) == (like is None):
        refuse("`Cast` needs either `dtype`, or `like`: a tensor whose type it takes")
    if like is not None:
        return x.with_dtype(like.dtype)
    if a.dtype not in ALL:
        refuse(f"`{a.dtype}` is no element type", "dtype")
    return x.with_dtype(a.dtype)


def _is_cast_to_itself(a: Args, x: TensorType, like: TensorType | None = None) -> bool:
    return x.dtype == cast(a, x, like).dtype


def triangle(a: Args, x: TensorType) -> TensorType:
    """The input's shape, one triangle of its last two dimensions set to zero."""
    if x.rank < 2:
        refuse(f"a triangle needs 2 dimensions or more, but {x} has {x.rank}")
    return pointwise(a, x)


def _operation(name: str, rule: Callable[..., TensorType], *args: Arg, **more: Any) -> Layer:
    """The row of an operation; by default it calls the function of `torch` with its name."""
    fields: dict[str, Any] = {"stem": name.lower(), "functional": f"torch.{name.lower()}", **more}
    return Layer(name=name, rule=rule, args=args, operation=True, **fields)


_DIM = Arg("dim", either(INDEX, items(INDEX)))
_ONE = Arg("dim", INDEX)
_KEEP = Arg("keepdim", BOOL, False)
_CORRECTION = Arg("correction", FLOAT, 1, free=True)
SMOOTH = ALL - frozenset({"bool"})


def _reduction(
    name: str,
    gives: Callable[[str], str],
    dtypes: frozenset[str],
    saves: Saves,
    *more: Arg,
    dim: Arg = _DIM,
) -> Layer:
    """The row of a reduction, which is a method of the tensor and `gives` a type for a type."""
    return _operation(
        name,
        partial(reduction, gives),
        dim,
        *more,
        _KEEP,
        dtypes=dtypes,
        functional=f".{name.lower()}",
        list_argument="dim" if dim is _DIM else "",
        saves=saves,
    )


LAYERS: tuple[Layer, ...] = (
    _reduction("Mean", _same, INEXACT, saves_nothing),
    _reduction("Sum", _total, ALL, saves_nothing),
    _reduction("Prod", _total, ALL, saves_both, dim=_ONE),
    _reduction("Amax", _same, FLOATS | INTS | BOOLEAN, saves_both),
    _reduction("Amin", _same, FLOATS | INTS | BOOLEAN, saves_both),
    _reduction("ArgMax", _place, FLOATS | INTS, saves_nothing, dim=_ONE),
    _reduction("ArgMin", _place, FLOATS | INTS, saves_nothing, dim=_ONE),
    _reduction("LogSumExp", _floating, ALL, saves_both),
    _reduction("Var", _real, INEXACT, saves_inputs, _CORRECTION),
    _reduction("Std", _real, INEXACT, saves_both, _CORRECTION),
    _reduction("Any", _truth, ALL, saves_nothing),
    _reduction("All", _truth, ALL, saves_nothing),
    _operation("CumSum", cumulation, _ONE, dtypes=ALL, functional=".cumsum", saves=saves_nothing),
    _operation("CumProd", cumulation, _ONE, dtypes=ALL, functional=".cumprod", saves=saves_both),
    _operation(
        "Norm",
        norm,
        Arg("p", NUMBER, 2.0, free=True),
        _DIM,
        _KEEP,
        dtypes=INEXACT,
        functional=".norm",
        functional_defaults=(("p", None),),  # TorchScript needs it in the call
        saves=saves_both,
    ),
    _operation(
        "Normalize",
        normalize,
        Arg("p", FLOAT, 2.0, free=True),
        Arg("dim", INDEX, 1),
        Arg("eps", FLOAT, 1e-12, free=True),
        dtypes=INEXACT,
        functional="F.normalize",
    ),
    *(
        _operation(name, promoting, dtypes=ALL - WIDE, saves=saves)
        for name, saves in (
            ("Exp", saves_output),
            ("Log", saves_inputs),
            ("Sqrt", saves_output),
            ("Sin", saves_inputs),
            ("Cos", saves_inputs),
        )
    ),
    *(
        _operation(name, promoting, dtypes=ALL, saves=saves_output)
        for name in ("Reciprocal", "Rsqrt")
    ),
    _operation("Erf", promoting, dtypes=ALL - COMPLEX),
    _operation(
        "Round",
        rounding,
        Arg("decimals", INT, 0),
        dtypes=FLOATS | INTS | WIDE,
        saves=saves_nothing,
    ),
    *(
        _operation(name, pointwise, dtypes=FLOATS | INTS | WIDE, saves=saves_nothing)
        for name in ("Floor", "Ceil")
    ),
    _operation("Sign", pointwise, dtypes=FLOATS | INTS | BOOLEAN, saves=saves_nothing),
    _operation(
        "LogicalNot",
        negation,
        dtypes=ALL - WIDE,
        stem="logical_not",
        functional="torch.logical_not",
        saves=saves_nothing,
    ),
    _operation("Neg", pointwise, dtypes=FLOATS | INTS | COMPLEX, prefix="-", saves=saves_nothing),
    _operation("Abs", absolute, dtypes=FLOATS | INTS | COMPLEX),
    _operation(
        "Pow",
        power,
        Arg("exponent", FLOAT, positional=True),
        brief="{exponent}",
        dtypes=SMOOTH,
        operator="**",
    ),
    _operation(
        "Clamp",
        clamp,
        Arg("min", optional(FLOAT), None),
        Arg("max", optional(FLOAT), None),
        brief="[from {min}][, to {max}]",
        dtypes=FLOATS | INTS,
    ),
    _operation(
        "Scale",
        scale,
        Arg("factor", FLOAT, positional=True, doc="Factor"),
        brief="{factor}",
        dtypes=ALL,
        operator="*",
        saves=saves_nothing,
    ),
    _operation(
        "Cast",
        cast,
        Arg("dtype", TEXT, code=True, instead="like"),
        brief="[{dtype}]",
        dtypes=ALL,
        functional=".to",
        call="cast",
        saves=saves_nothing,
        view=_is_cast_to_itself,
        in_order=True,
        optional_tensors=("like",),
    ),
    _operation(
        "RandnLike",
        pointwise,
        dtypes=FLOATS,
        stem="randn_like",
        functional="torch.randn_like",
        saves=saves_nothing,
    ),
    *(
        _operation(
            name,
            triangle,
            Arg("diagonal", INT, 0),
            dtypes=FLOATS | INTS | BOOLEAN | COMPLEX,
            saves=saves_nothing,
        )
        for name in ("Tril", "Triu")
    ),
    SCALED_ATTENTION,
)
