"""Operations that pick: chunks, splits, slices, places."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from msgspec.structs import replace

from ..symbolic.sizes import Size, shape_text
from .base import ALL, INDICES, Arg, Args, Layer, Outputs, dimension, refuse, refuse_values
from .kinds import INDEX, either, items, optional
from .saved import always, saves_nothing, saves_second
from .tensor import TensorType


def with_size(x: TensorType, dim: int, size: Size) -> TensorType:
    """The type with another size in one dimension; a batch that is cut is a batch no more."""
    shape = (*x.shape[:dim], size, *x.shape[dim + 1 :])
    if x.batch == dim and int(size) != int(x.shape[dim]):
        return TensorType(shape, x.dtype, None, True)
    return x.with_shape(shape)


def chunk(a: Args, x: TensorType) -> Outputs:
    """Equal parts in `dim`, the last one smaller where the size does not divide."""
    dim = dimension(x, a.dim)
    if a.chunks < 1:
        refuse("`chunks` must be 1 or more", "chunks")
    if not x.rank:
        refuse("`Chunk` needs at least one dimension")
    size = x.shape[dim]
    part = (size + a.chunks - 1) // a.chunks
    if int(part) * (int(a.chunks) - 1) >= int(size):
        refuse(f"a size of {size} does not give {a.chunks} chunks", "chunks")
    sizes = [part] * int(a.chunks - 1) + [size - part * (a.chunks - 1)]
    return {str(place): with_size(x, dim, part) for place, part in enumerate(sizes)}


def split(a: Args, x: TensorType) -> Outputs:
    """Parts of the given sizes in `dim`."""
    dim = dimension(x, a.dim)
    if not x.rank:
        refuse("`Split` needs at least one dimension")
    size, sizes = x.shape[dim], a.sizes
    if not isinstance(sizes, tuple):
        if sizes < 1:
            refuse("`sizes` must be 1 or more", "sizes")
        rest = size % sizes
        sizes = (sizes,) * int(size // sizes) + ((rest,) if rest else ())
    total: Size = 0
    for part in sizes:
        total = total + part
    if total != size or min(sizes) < 1:
        refuse(f"the parts {shape_text(sizes)} do not add up to {size}", "sizes")
    return {str(place): with_size(x, dim, part) for place, part in enumerate(sizes)}


def parts(a: Args, x: TensorType) -> Size:
    """The number of tensors that `Split` gives."""
    if isinstance(a.sizes, tuple):
        return len(a.sizes)
    size: Size = a.sizes
    return (x.shape[dimension(x, a.dim)] + size - 1) // size


def without(x: TensorType, dim: int) -> TensorType:
    """The type without one dimension."""
    batch, lost = x.batch, x.lost
    if batch is not None:
        batch = None if batch == dim else batch - (batch > dim)
    return TensorType((*x.shape[:dim], *x.shape[dim + 1 :]), x.dtype, batch, lost)


def select(a: Args, x: TensorType) -> TensorType:
    """One place of `dim`, which is gone."""
    dim = dimension(x, a.dim)
    if not x.rank or not -int(x.shape[dim]) <= a.index < x.shape[dim]:
        refuse(f"index {a.index} is out of range for dimension {a.dim} of {x}", "index")
    return without(x, dim)


def slice_(a: Args, x: TensorType) -> TensorType:
    """From `start` to `end` (excluded) by `step` in `dim`, as Python slices."""
    dim = dimension(x, a.dim)
    if not x.rank:
        refuse("`Slice` needs at least one dimension")
    if a.step < 1:
        refuse("`step` must be 1 or more", "step")
    size = x.shape[dim]
    low, high = (_clipped(bound, size) for bound in (a.start, size if a.end is None else a.end))
    if low >= high:
        refuse(f"nothing lies from {a.start} to {a.end} in a size of {size}", "start")
    return with_size(x, dim, (high - low + a.step - 1) // a.step)


def _clipped(bound: Size, size: Size) -> Size:
    if bound < 0:
        bound = size + bound
    return 0 if bound < 0 else size if bound > size else bound


def index_select(a: Args, x: TensorType, index: TensorType) -> TensorType:
    """The places of `dim` that `index` names."""
    dim = dimension(x, a.dim)
    if index.rank > 1 or index.dtype not in INDICES:
        refuse(f"the index must be int32 or int64 of 1 dimension, but is {index.dtype} of {index}")
    if index.bound is not None and index.bound > x.shape[dim]:
        refuse_values(f"the index goes up to {index.bound - 1}, but the size is {x.shape[dim]}")
    size = index.shape[0] if index.rank else 1
    return (
        with_size(x, dim, size)
        if x.batch != dim
        else replace(
            x, shape=(*x.shape[:dim], size, *x.shape[dim + 1 :]), batch=index.batch and dim
        )
    )


def operation(
    name: str, rule: Callable[..., Outputs], *args: Arg, function: str, stem: str, **more: Any
) -> Layer:
    """A row for an operation that takes every element type unless said otherwise."""
    fields: dict[str, Any] = {"dtypes": ALL, "functional": function, "stem": stem, **more}
    fields.setdefault("saves", saves_nothing)
    return Layer(name=name, rule=rule, args=args, operation=True, **fields)


_DIM = Arg("dim", INDEX)


def is_tuple(sizes: Any) -> bool:
    """Whether the sizes are a list: then the number of parts is written."""
    return isinstance(sizes, tuple)


def is_negative(place: Any) -> bool:
    """Whether a bound is counted from the end: then it is added to the size."""
    return isinstance(place, int) and place < 0


LAYERS: Sequence[Layer] = (
    operation(
        "Chunk",
        chunk,
        Arg("chunks", INDEX, positional=True),
        _DIM,
        view=always,
        function=".chunk",
        stem="chunk",
        brief="{chunks}",
        ports=("*",),
        moves=True,
    ),
    operation(
        "Split",
        split,
        Arg("sizes", either(INDEX, items(INDEX)), positional=True, brackets=True, adds=is_tuple),
        _DIM,
        parts=parts,
        view=always,
        function="torch.split",
        stem="split",
        brief="{sizes:,}",
        ports=("*",),
        moves=True,
    ),
    operation(
        "Select",
        select,
        Arg("dim", INDEX, positional=True),
        Arg("index", INDEX, positional=True),
        view=always,
        function=".select",
        stem="select",
        brief="{index} of dim {dim}",
        moves=True,
    ),
    operation(
        "Slice",
        slice_,
        Arg("dim", INDEX, code=True),
        Arg("start", INDEX, 0, adds=is_negative),
        Arg("end", optional(INDEX), None, adds=is_negative),
        Arg("step", INDEX, 1, adds=is_negative),
        view=always,
        function="",
        stem="slice",
        call="slice",
        moves=True,
    ),
    operation(
        "IndexSelect",
        index_select,
        _DIM,
        function="torch.index_select",
        stem="index_select",
        tensors=("input", "index"),
        saves=saves_second,
        call="{0}, {args}, index={1}",
    ),
)
