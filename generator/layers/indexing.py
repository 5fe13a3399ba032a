"""Operations that give indices or read them: the largest, sorted, gathered, added."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from ..symbolic.sizes import Size, shown
from .base import (
    ALL,
    COMPLEX,
    FLOATS,
    INDICES,
    INTS,
    WIDE,
    Arg,
    Args,
    Layer,
    Outputs,
    dimension,
    refuse,
    refuse_values,
)
from .kinds import BOOL, INDEX, INT
from .saved import Saved, saves_second
from .splits import operation, with_size
from .tensor import TensorType


def _size(x: TensorType, dim: int) -> Size:
    """The number of places in a dimension; a tensor without dimensions has one place."""
    return x.shape[dim] if x.rank else 1


def _indices(x: TensorType, places: Size) -> TensorType:
    """Indices in the shape of `x`, each below the number of `places`."""
    return replace(x.with_dtype("int64"), bound=places)


def top_k(a: Args, x: TensorType) -> Outputs:
    """The `k` largest (or smallest) elements in `dim`, and their indices."""
    dim = dimension(x, a.dim)
    places = _size(x, dim)
    if x.dtype in WIDE and x.rank:
        refuse(f"`TopK` can't order `{x.dtype}`")
    if not 1 <= a.k <= places:
        refuse(f"`k` is {shown(a.k)}, but must lie from 1 to {shown(places)}", "k")
    values = with_size(x, dim, a.k) if x.rank else x.with_shape(())
    return {"values": values, "indices": _indices(values, places)}


def sort(a: Args, x: TensorType) -> Outputs:
    """The elements in the order of their values in `dim`, and their indices."""
    places = _size(x, dimension(x, a.dim))
    return {"values": x.with_shape(x.shape), "indices": _indices(x, places)}


def arg_sort(a: Args, x: TensorType) -> TensorType:
    """The indices that sort `dim`, in the input's shape."""
    return _indices(x, _size(x, dimension(x, a.dim)))


def gather(a: Args, x: TensorType, index: TensorType) -> TensorType:
    """The shape of `index`: each of its elements picks a place of `dim`."""
    _check_index(x, index, dimension(x, a.dim))
    apart = x.batch is not None and x.batch != index.batch
    batch = None if apart else index.batch
    return TensorType(index.shape, x.dtype, batch, x.lost or index.lost or apart)


def scatter_add(a: Args, x: TensorType, index: TensorType, src: TensorType) -> TensorType:
    """The input, and to the places of `dim` that `index` names the elements of `src` added."""
    _check_index(x, index, dimension(x, a.dim))
    if x.dtype != src.dtype:
        refuse(f"`ScatterAdd` adds one type, not `{src.dtype}` to `{x.dtype}`")
    if max(src.rank, 1) != max(index.rank, 1):
        refuse(f"the source must have as many dimensions as the index {index}, but is {src}")
    _check_within(index, src)
    apart = len({x.batch, index.batch, src.batch}) > 1
    lost = apart or x.lost or index.lost or src.lost
    return TensorType(x.shape, x.dtype, None if lost else x.batch, lost)


def _check_index(x: TensorType, index: TensorType, dim: int) -> None:
    """Raise `Refusal` for an index that names no places of `dim`."""
    if index.dtype not in INDICES:
        refuse(f"the index must be int32 or int64, but is `{index.dtype}`")
    if max(x.rank, 1) != max(index.rank, 1):
        refuse(f"the index must have as many dimensions as {x}, but is {index}")
    _check_within(index, x, dim)
    if index.bound is not None and index.bound > _size(x, dim):
        last, places = shown(index.bound - 1), shown(_size(x, dim))
        refuse_values(f"the index goes up to {last}, but the size is {places}")


def _check_within(index: TensorType, x: TensorType, dim: int | None = None) -> None:
    """Raise `Refusal` for an index that is larger than a tensor in another dimension than `dim`."""
    for place, (wanted, size) in enumerate(zip(index.shape or (1,), x.shape or (1,), strict=True)):
        if place != dim and wanted > size:
            refuse(f"the index {index} is larger than {x} in dimension {place}")


def one_hot(a: Args, x: TensorType) -> TensorType:
    """A last dimension of `num_classes`, with a 1 at the place that the element names."""
    if a.num_classes < 1:
        refuse(f"`num_classes` is {a.num_classes}, but must be 1 or more", "num_classes")
    if x.bound is not None and x.bound > a.num_classes:
        last, classes = shown(x.bound - 1), shown(a.num_classes)
        refuse_values(f"the input goes up to {last}, but there are {classes} classes")
    return TensorType((*x.shape, a.num_classes), "int64", x.batch, x.lost, bound=2)


_LAST = Arg("dim", INDEX, -1)
_DESCENDING = Arg("descending", BOOL, False, free=True)
_STABLE = Arg("stable", BOOL, False, free=True)
_ORDERED = ALL - COMPLEX

LAYERS: Sequence[Layer] = (
    operation(
        "TopK",
        top_k,
        Arg("k", INT, positional=True),
        _LAST,
        Arg("largest", BOOL, True, free=True),
        Arg("sorted", BOOL, True, free=True),
        dtypes=FLOATS | INTS | WIDE,
        function=".topk",
        stem="topk",
        brief="{k}",
        ports=("values", "indices"),
        saves=lambda a, xs, ys: Saved((ys[1],)),
    ),
    operation(
        "Sort",
        sort,
        _LAST,
        _DESCENDING,
        _STABLE,
        dtypes=_ORDERED,
        function=".sort",
        stem="sort",
        ports=("values", "indices"),
        saves=lambda a, xs, ys: Saved((ys[1],)),
    ),
    operation(
        "ArgSort",
        arg_sort,
        _LAST,
        _DESCENDING,
        _STABLE,
        dtypes=_ORDERED,
        function=".argsort",
        stem="argsort",
    ),
    operation(
        "Gather",
        gather,
        Arg("dim", INDEX, positional=True),
        dtypes=ALL - WIDE,
        function=".gather",
        stem="gather",
        tensors=("input", "index"),
        saves=saves_second,
        call="{args}, {1}",
    ),
    operation(
        "ScatterAdd",
        scatter_add,
        Arg("dim", INDEX, positional=True),
        dtypes=ALL - WIDE,
        function=".scatter_add",
        stem="scatter_add",
        tensors=("input", "index", "src"),
        saves=saves_second,
        call="{args}, {1}, {2}",
    ),
    operation(
        "OneHot",
        one_hot,
        Arg("num_classes", INT, positional=True),
        dtypes=frozenset({"int64"}),
        function="F.one_hot",
        stem="one_hot",
        brief="{num_classes}",
        rows="num_classes",
    ),
)
