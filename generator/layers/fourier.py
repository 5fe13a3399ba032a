"""Fourier transforms, and complex numbers: their parts, sizes and angles."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from ..symbolic.sizes import Size, shown
from .base import ALL, COMPLEX, FLOATS, Arg, Args, Layer, refuse
from .broadcasting import joined
from .elementwise import REAL_OF, places_of
from .kinds import INDEX, INT, choice, either, items, optional
from .saved import Saved, Saves, always, saves_inputs, saves_nothing
from .splits import operation, with_size
from .tensor import TensorType

COMPLEX_OF = {"float64": "complex128", "complex128": "complex128"}  # of all others complex64
HALF = frozenset({"float16", "bfloat16"})  # torch transforms none of them on a CPU


def _lengths(a: Args, places: Sequence[int]) -> Sequence[Size | None]:
    """The written length for each transformed dimension; None where it is left out."""
    if not isinstance(a.dim, tuple):
        if a.s is not None:
            refuse("`s` goes with a list in `dim`: for one dimension it is `n`", "s")
        return (a.n,)
    if a.n is not None:
        refuse("`n` goes with one dimension: for a list in `dim` it is `s`, a list, too", "n")
    if a.s is None:
        return (None,) * len(places)
    if len(a.s) != len(places):
        refuse(f"`s` is a list of {len(a.s)}, but `dim` names {len(places)} dimensions", "s")
    return [None if length == -1 else length for length in a.s]


def _resized(name: str, a: Args, x: TensorType) -> TensorType:
    """The input cut or filled up to the lengths; for `Irfft` these are of what comes out."""
    places = places_of(a, x)
    if not x.rank:
        refuse(f"`{name}` needs at least one dimension")
    argument = "s" if isinstance(a.dim, tuple) else "n"
    y = x
    for place, length in zip(places, _lengths(a, places), strict=True):
        help = None
        if length is None:
            length = x.shape[place]
            if name == "Irfft" and place == places[-1]:
                length, help = 2 * (length - 1), f"give the size of what comes out in `{argument}`"
        if length < 1:
            found = f"the length in dimension {place} is {shown(length)}, but must be 1 or more"
            refuse(found, None if help else argument, help)
        y = with_size(y, place, length)
    return y


def transform(name: str, a: Args, x: TensorType) -> TensorType:
    """Complex numbers in the input's shape: its discrete Fourier transform along `dim`."""
    return _resized(name, a, x).with_dtype(COMPLEX_OF.get(x.dtype, "complex64"))


def half_transform(a: Args, x: TensorType) -> TensorType:
    """The half of `Fft` that real numbers need: ``n // 2 + 1`` places in the last `dim`."""
    y = transform("Rfft", a, x)
    last = places_of(a, x)[-1]
    return with_size(y, last, y.shape[last] // 2 + 1)


def inverse_half_transform(a: Args, x: TensorType) -> TensorType:
    """Real numbers, what `Rfft` had read: ``2 * (n - 1)`` in the last `dim`, or its length."""
    return _real(transform("Irfft", a, x))


def _transform_saves(a: Args, xs: Sequence[TensorType], ys: Sequence[TensorType]) -> Saved:
    """A transform of real numbers keeps what it has read: the input or a part, or a longer copy."""
    if xs[0].dtype in COMPLEX:
        return Saved()
    read = _resized("", a, xs[0])
    if all(int(new) <= int(old) for new, old in zip(read.shape, xs[0].shape, strict=True)):
        return Saved((xs[0],))
    return Saved((), (8 if read.dtype == "float64" else 4) * read.numel)


def _complex_saves(a: Args, xs: Sequence[TensorType], ys: Sequence[TensorType]) -> Saved:
    """Along several dimensions the numbers are made complex before, which keeps nothing."""
    return Saved() if isinstance(a.dim, tuple) else _transform_saves(a, xs, ys)


def _real(x: TensorType) -> TensorType:
    return x.with_dtype(REAL_OF.get(x.dtype, x.dtype))


def part(a: Args, x: TensorType) -> TensorType:
    """The input's shape; complex numbers become real."""
    return _real(x)


def angle(a: Args, x: TensorType) -> TensorType:
    """The input's shape: the angle of each number, from -pi to pi; whole numbers become float32."""
    y = _real(x)
    return y if y.dtype in FLOATS else y.with_dtype("float32")


def complex_(a: Args, real: TensorType, imag: TensorType) -> TensorType:
    """Complex numbers of real and imaginary parts, in the common shape of both tensors."""
    if real.dtype != imag.dtype:
        refuse(f"`Complex` joins one type, not `{real.dtype}` with `{imag.dtype}`")
    return joined(real, imag, COMPLEX_OF.get(real.dtype, "complex64"))


_LENGTHS = (
    Arg("dim", either(INDEX, items(INDEX)), -1),
    Arg("n", optional(INT), None),
    Arg("s", optional(items(INT)), None),
    Arg("norm", optional(choice("backward", "ortho", "forward")), None),
)


def _transform(
    name: str, rule: Callable[..., TensorType], reads: frozenset[str], saves: Saves
) -> Layer:
    """The row of a transform: a list in `dim` makes `torch.fft.fftn` of `torch.fft.fft`."""
    return operation(
        name,
        rule,
        *_LENGTHS,
        dtypes=reads - HALF,
        function=f"torch.fft.{name.lower()}",
        stem=name.lower(),
        list_argument="dim",
        call="fourier",
        saves=saves,
    )


LAYERS: Sequence[Layer] = (
    _transform("Fft", partial(transform, "Fft"), ALL, _complex_saves),
    _transform("Ifft", partial(transform, "Ifft"), ALL, _complex_saves),
    _transform("Rfft", half_transform, ALL - COMPLEX, _transform_saves),
    _transform("Irfft", inverse_half_transform, ALL, saves_nothing),
    operation("Real", part, function="torch.real", stem="real", view=always),
    operation("Imag", part, dtypes=COMPLEX, function="torch.imag", stem="imag", view=always),
    operation("Angle", angle, function="torch.angle", stem="angle", saves=saves_inputs),
    operation(
        "Complex",
        complex_,
        dtypes=frozenset({"float32", "float64"}),
        function="torch.complex",
        stem="complex",
        tensors=("real", "imag"),
        saves=saves_inputs,
    ),
)
