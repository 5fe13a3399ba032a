"""Padding with a constant, zeros, reflections, copies or the other end."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from ..symbolic.sizes import Size
from .base import ALL, COMPLEX, FLOATS, INTS, WIDE, Arg, Args, Layer, check_rank, refuse
from .kinds import FLOAT, sides
from .saved import saves_inputs, saves_nothing
from .tensor import TensorType

Check = Callable[[str, Size, Size, Size], None]


def _sides(n: int, padding: Size | tuple[Size, ...]) -> tuple[tuple[Size, Size], ...]:
    """The padding before and after each dimension, the first one first (torch's is the last)."""
    flat = padding if isinstance(padding, tuple) else (padding,) * (2 * n)
    return tuple((flat[i], flat[i + 1]) for i in reversed(range(0, len(flat), 2)))


def _padded(n: int, name: str, a: Args, x: TensorType, check: Check) -> TensorType:
    """The padded type; raises `Refusal` if `check` does, or if nothing is left of a dimension."""
    sides = _sides(n, a.padding)
    n = len(sides)
    spatial = []
    for size, (before, after) in zip(x.shape[-n:], sides, strict=True):
        check(name, size, before, after)
        spatial.append(size + before + after)
        if spatial[-1] < 1:
            refuse(f"`padding` takes {-before - after} from a size of {size}", "padding")
    return x.with_shape((*x.shape[:-n], *spatial))


def constant_pad(n: int, name: str, a: Args, x: TensorType) -> TensorType:
    """Each size grows by the padding of its two sides; negative padding crops."""
    padded = len(_sides(n, a.padding))
    if x.rank < padded:
        refuse(f"`{name}` pads {padded} dimensions, but {x} has {x.rank}")
    if x.dtype in WIDE | {"uint8"} and getattr(a, "value", 0) < 0:
        refuse(f"`value` {a.value} is not a `{x.dtype}`", "value")
    return _padded(n, name, a, x, _crop)


def mirror_pad(n: int, name: str, check: Check, a: Args, x: TensorType) -> TensorType:
    """Each size grows by the padding of its two sides, which is limited by the size."""
    padded = len(_sides(n, a.padding))  # a short `padding` leaves out the first dimensions
    check_rank(f"{name}Pad{n}d", x, padded + 2, padded + 1)
    if name == "Circular":
        check_rank(f"{name}Pad{n}d", x, n + 2, n + 1)
    return _padded(n, f"{name}Pad{n}d", a, x, check)


def _crop(name: str, size: Size, before: Size, after: Size) -> None:
    """Raise `Refusal` for a negative padding that takes more than there is."""
    if size + min(before, 0) + min(after, 0) < 0:
        refuse(f"`padding` crops more than the size of {size}", "padding")


def _reflect(name: str, size: Size, before: Size, after: Size) -> None:
    """Raise `Refusal` for a padding that is not smaller than the size it reflects."""
    if max(before, after) >= size:
        refuse(f"`{name}` can't reflect {max(before, after)} out of a size of {size}", "padding")


def _replicate(name: str, size: Size, before: Size, after: Size) -> None:
    return None


def _circular(name: str, size: Size, before: Size, after: Size) -> None:
    """Raise `Refusal` for a padding larger than the size it wraps around."""
    if max(before, after) > size:
        refuse(f"`{name}` can't wrap {max(before, after)} around a size of {size}", "padding")


def _pad_call(n: int, mode: str, a: Args) -> dict[str, Any]:
    """The arguments of `F.pad`: two numbers for each dimension, the last one first."""
    padding = a.padding if isinstance(a.padding, tuple) else (a.padding,) * (2 * n)
    call: dict[str, Any] = {"pad": padding}
    if mode != "constant":
        call["mode"] = mode
    elif getattr(a, "value", 0):
        call["value"] = a.value
    return call


def _annotated(
    name: str, n: int, lacking: int, a: Args, x: TensorType
) -> tuple[str, dict[str, Any]]:
    """An equivalent layer whose padding has the length that torch annotates: its type, its padding.

    torch accepts a shorter padding, too. Zeros are added for the other dimensions. For an input
    with fewer dimensions it is the type for as many; the first `lacking` dimensions of an input
    are never padded.
    """
    if not isinstance(a.padding, tuple) or len(a.padding) == 2 * n:
        return f"{name}Pad{n}d", {}
    dimensions = max(len(a.padding) // 2, min(n, x.rank - lacking))
    zeros = (0,) * (2 * dimensions - len(a.padding))
    return f"{name}Pad{dimensions}d", {"padding": (*a.padding, *zeros)}


def _args(n: int) -> tuple[Arg, ...]:
    return (Arg("padding", sides(n), positional=True),)


def _layers(n: int) -> tuple[Layer, ...]:
    mirrored = FLOATS | INTS | COMPLEX
    kinds = (
        ("Circular", "circular", _circular, ALL),
        ("Reflection", "reflect", _reflect, mirrored),
        ("Replication", "replicate", _replicate, mirrored),
    )
    return (
        *(
            Layer(
                name=f"{name}Pad{n}d",
                stem="pad",
                rule=partial(mirror_pad, n, name, check),
                args=_args(n),
                dtypes=dtypes,
                functional="F.pad",
                functional_args=partial(_pad_call, n, mode),
                annotated=partial(_annotated, name, n, 1),
                saves=saves_nothing if mode == "circular" else saves_inputs,
            )
            for name, mode, check, dtypes in kinds
        ),
        Layer(
            name=f"ConstantPad{n}d",
            stem="pad",
            rule=partial(constant_pad, n, f"ConstantPad{n}d"),
            annotated=partial(_annotated, "Constant", n, 0),
            args=(*_args(n), Arg("value", FLOAT, free=True)),
            dtypes=ALL,
            functional="F.pad",
            functional_args=partial(_pad_call, n, "constant"),
            saves=saves_nothing,
        ),
        Layer(
            name=f"ZeroPad{n}d",
            stem="pad",
            rule=partial(constant_pad, n, f"ZeroPad{n}d"),
            annotated=partial(_annotated, "Zero", n, 0),
            args=_args(n),
            dtypes=ALL,
            functional="F.pad",
            functional_args=partial(_pad_call, n, "constant"),
            saves=saves_nothing,
        ),
    )


LAYERS = tuple(layer for n in (1, 2, 3) for layer in _layers(n))
