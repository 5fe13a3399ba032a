"""torch's rules of broadcasting and type promotion for two tensors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..symbolic.equality import Meeting, same, smallest
from ..symbolic.sizes import Size, code, is_unknown, symbols_in
from .base import COMPLEX, FLOATS, WIDE, Args, Layer, nothing_met, refuse
from .tensor import TensorType


def broadcast(left: TensorType, right: TensorType) -> tuple[Size, ...]:
    """The common shape of two tensors by torch's rules of broadcasting; raises `Refusal`."""
    more = left.rank - right.rank
    shape: list[Size] = []
    for a, b in zip((1,) * -more + left.shape, (1,) * more + right.shape, strict=True):
        if a != b and not _is_one(a) and not _is_one(b):
            refuse(f"shapes {left} and {right} don't go together: {a} is not {b}")
        shape.append(common_size(a, b))
    return tuple(shape)


def common_size(a: Size, b: Size) -> Size:
    """The size that two broadcast sizes give: the one that is not 1.

    Of two equal sizes it is the one with the shorter expression.
    """
    if type(b) is int and b == 1:  # what is 1 by its name alone keeps the name
        return a
    if _is_one(a) or _is_one(b):
        return b if _is_one(a) else a
    if type(a) is int or type(b) is int:
        return a if type(a) is int else b
    return b if len(code(b)) < len(code(a)) else a


def _is_one(size: Size) -> bool:
    """Whether a size is 1 in every run, not only in this one."""
    return size == 1 and (type(size) is int or not is_unknown(size))


def joined_batch(left: TensorType, right: TensorType, rank: int) -> tuple[int | None, bool]:
    """The batch's dimension after broadcasting to a rank, and whether it is lost.

    Counted from the end, the dimension stays the same.
    """
    if left.batch == right.batch and left.rank == right.rank and not (left.lost or right.lost):
        return left.batch, False
    places = {x.batch + rank - x.rank for x in (left, right) if x.batch is not None and not x.lost}
    lost = left.lost or right.lost or len(places) > 1
    return (None if lost or not places else places.pop()), lost


def promoted(left: str, right: str) -> str:
    """The common element type by torch's rules of promotion; raises `Refusal` if there is none."""
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
    """The key that orders types by width; of two equally wide ones the signed one is wider."""
    return 2 * int("".join(filter(str.isdigit, dtype))) + (dtype[0] == "i")


def common_type(x: TensorType, y: TensorType) -> str:
    """The element type that two tensors give together.

    A tensor without dimensions only counts if its category (bool, whole, real, complex) is higher.
    """
    if x.dtype == y.dtype:
        return x.dtype
    if bool(x.rank) == bool(y.rank):
        return promoted(x.dtype, y.dtype)
    whole, single = (x, y) if x.rank else (y, x)
    if single.dtype in COMPLEX and whole.dtype in FLOATS:
        return _complex(whole.dtype)
    higher = _category(single.dtype) > _category(whole.dtype)
    return single.dtype if higher else whole.dtype


def _complex(dtype: str) -> str:
    """The complex type whose parts are of a floating type; raises `Refusal` if there is none."""
    if dtype == "float16":
        refuse("`float16` and a single complex number have no common type")
    return "complex128" if dtype == "float64" else "complex64"


def _category(dtype: str) -> int:
    return 3 if dtype in COMPLEX else 2 if dtype in FLOATS else 0 if dtype == "bool" else 1


_SPREADING = """Atan2 Complex Cross LogicalAnd LogicalOr MaskedFill Maximum Minimum""".split()


_ROWS = ("Cdist", "MatMul")  # they read rows, in whose length both tensors agree


def _inner(row: Layer, other: TensorType) -> Size:
    """The size of the second tensor that must be the length of the first one's rows."""
    return other.shape[-2 if other.rank > 1 and row.name == "MatMul" else -1]


def met(
    row: Layer, a: Args, inputs: Sequence[TensorType], named: Mapping[str, TensorType]
) -> list[Meeting]:
    """The pairs of sizes that must fit in a layer, and may not do so for other arguments."""
    first, *others = inputs or [TensorType(())]
    if row.meets is not nothing_met:
        return [*row.meets(a, *inputs, **named)]
    if row.name in ("Concat", "Stack"):
        joined = int(a.dim) % first.rank if row.name == "Concat" else None
        places = [at for at in range(first.rank) if at != joined]
        pairs = [(first.shape[at], x.shape[at]) for x in others for at in places]
        return [Meeting(*pair) for pair in pairs if not same(*pair)]
    if row.name == "Split" and isinstance(a.sizes, tuple) and first.rank:
        whole, parts = first.shape[int(a.dim)], sum(a.sizes)
        return [] if same(whole, parts) else [Meeting(whole, parts)]
    if row.name == "Slice" and first.rank:
        size = first.shape[int(a.dim)]
        return [each for bound in (a.start, a.end) for each in _clipped(bound, size)]
    if row.name in _ROWS:
        columns, rows = first.shape[-1], _inner(row, others[0])
        inner = [] if same(columns, rows) else [Meeting(columns, rows)]
        return [*inner, *_spread(first.shape[:-2], others[0].shape[:-2])]
    if row.name == "Where":
        first, *others = (*inputs[1:], inputs[0])
    elif row.name == "Einsum" or (row.variadic is None and row.name not in _SPREADING):
        return []
    found = []
    for x in others:
        found += _spread(first.shape, x.shape)
        first = TensorType(broadcast(first, x))
    return found


def _clipped(bound: Size | None, size: Size) -> list[Meeting]:
    """The meeting of a slice's bound and the size: which of them is less decides silently.

    A bound of 0 meets nothing, as no size is below it.
    """
    if bound is None or not symbols_in([bound, size]) or not (bound or symbols_in(bound)):
        return []
    left, right = (bound, size) if bound >= 0 else (size + bound, 0)
    least = smallest(left, right)
    found = left if left <= right else right
    return [] if same(least, found) else [Meeting(least, found, silent=True)]


def facing(row: Layer, a: Args, inputs: Sequence[TensorType]) -> list[tuple[Size, Size]]:
    """All pairs of sizes of two inputs that a layer puts together: they are equal, or one is 1."""
    several = row.variadic is not None or row.name in (*_SPREADING, *_ROWS, "Where")
    if not several or row.name == "Einsum":
        return []
    first = inputs[0]
    pairs: list[tuple[Size, Size]] = []
    for other in inputs[1:]:
        rank = min(first.rank, other.rank)
        places = range(-rank, 0)
        if row.name in _ROWS:
            pairs.append((first.shape[-1], _inner(row, other)))
            places = range(-rank, -2)
        if row.name == "Concat":
            places = range(-rank, 0)
            joined = int(a.dim) % first.rank - first.rank
            pairs += [(first.shape[at], other.shape[at]) for at in places if at != joined]
        else:
            pairs += [(first.shape[at], other.shape[at]) for at in places]
    return pairs


def _spread(left: Sequence[Size], right: Sequence[Size]) -> list[Meeting]:
    """The meetings of two shapes that are broadcast together."""
    found = []
    for one, two in zip(reversed(left), reversed(right), strict=False):
        if not same(one, two) and not any(size == 1 and type(size) is int for size in (one, two)):
            kept = common_size(one, two)
            found.append(Meeting(kept, one if kept is two else two, spreads=True))
    return found


def joined(left: TensorType, right: TensorType, dtype: str) -> TensorType:
    """The common shape of two tensors, with the batch that they have in common."""
    shape = broadcast(left, right)
    batch, lost = joined_batch(left, right, len(shape))
    return TensorType(shape, dtype, batch, lost)
