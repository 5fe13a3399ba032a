"""How two tensors become one: torch's rules of broadcasting and promotion."""

from __future__ import annotations

from collections.abc import Sequence

from ..equality import same
from ..sizes import Size, symbols_in
from .base import COMPLEX, FLOATS, WIDE, Args, Layer, refuse
from .tensor import TensorType


def broadcast(left: TensorType, right: TensorType) -> tuple[Size, ...]:
    """The common shape of two tensors by torch's rules of broadcasting."""
    more = left.rank - right.rank
    shape: list[Size] = []
    for a, b in zip((1,) * -more + left.shape, (1,) * more + right.shape, strict=True):
        if a == 1:
            shape.append(b)
        elif b == 1 or (a == b and type(b) is int):
            shape.append(a)
        elif a == b:
            shape.append(b if symbols_in(b) and not symbols_in(a) else a)
        else:
            refuse(f"shapes {left} and {right} don't go together: {a} is not {b}")
    return tuple(shape)


def joined_batch(left: TensorType, right: TensorType, rank: int) -> tuple[int | None, bool]:
    """Where the batch is after broadcasting: counted from the end it stays in place."""
    if left.batch == right.batch and left.rank == right.rank and not (left.lost or right.lost):
        return left.batch, False
    places = {x.batch + rank - x.rank for x in (left, right) if x.batch is not None and not x.lost}
    lost = left.lost or right.lost or len(places) > 1
    return (None if lost or not places else places.pop()), lost


def promoted(left: str, right: str) -> str:
    """The common type of two tensors by torch's rules of promotion."""
    if left == right or right == "bool":
        return left
    if left == "bool":
        return right
    for kind in (COMPLEX, FLOATS):
        found = {dtype for dtype in (left, right) if dtype in kind}
        if kind is COMPLEX and found and "float64" in (left, right):
            return "complex128"
        if len(found) == 1:
            return found.pop()
        if found:
            return "float32" if found == {"float16", "bfloat16"} else max(found, key=_bits)
    if {left, right} & WIDE:
        refuse(f"`{left}` and `{right}` have no common type")
    return "int16" if {left, right} == {"int8", "uint8"} else max(left, right, key=_bits)


def _bits(dtype: str) -> int:
    """How wide a type is; of two equally wide ones the signed one is wider."""
    return 2 * int("".join(filter(str.isdigit, dtype))) + (dtype[0] == "i")


def common_type(x: TensorType, y: TensorType) -> str:
    """The type of two tensors together: one without dimensions counts only by its category."""
    if x.dtype == y.dtype:
        return x.dtype
    if bool(x.rank) == bool(y.rank):
        return promoted(x.dtype, y.dtype)
    whole, single = (x, y) if x.rank else (y, x)
    higher = _category(single.dtype) > _category(whole.dtype)
    return single.dtype if higher else whole.dtype


def _category(dtype: str) -> int:
    return 3 if dtype in COMPLEX else 2 if dtype in FLOATS else 0 if dtype == "bool" else 1


def meeting(row: Layer, a: Args, inputs: Sequence[TensorType]) -> list[tuple[Size, Size]]:
    """Pairs of sizes of tensors that are put together, equal by their numbers and not by name."""
    several = row.variadic is not None or row.name in ("MaskedFill", "MatMul", "Where")
    several = several or row.name in ("Maximum", "Minimum")
    if not several or row.name == "Einsum":
        return []
    first = inputs[0]
    pairs: list[tuple[Size, Size]] = []
    for other in inputs[1:]:
        rank = min(first.rank, other.rank)
        places = range(-rank, 0)
        if row.name == "MatMul":
            pairs.append((first.shape[-1], other.shape[-2 if other.rank > 1 else -1]))
            places = range(-rank, -2)
        if row.name == "Concat":
            places = range(-rank, 0)
            joined = int(a.dim) % first.rank - first.rank
            pairs += [(first.shape[at], other.shape[at]) for at in places if at != joined]
        else:
            pairs += [(first.shape[at], other.shape[at]) for at in places]
    return [
        pair
        for pair in pairs
        if pair[0] == pair[1] and not same(*pair) and not any(_plain_one(size) for size in pair)
    ]


def _plain_one(size: Size) -> bool:
    return size == 1 and not symbols_in(size)


def joined(left: TensorType, right: TensorType, dtype: str) -> TensorType:
    """The common shape of two tensors, with the batch that they have in common."""
    shape = broadcast(left, right)
    batch, lost = joined_batch(left, right, len(shape))
    return TensorType(shape, dtype, batch, lost)
