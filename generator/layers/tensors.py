"""Operations that move and reshape: permutations, new and other dimensions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from itertools import combinations

from msgspec.structs import replace

from ..symbolic.equality import same, smallest
from ..symbolic.sizes import Size, exactly, is_batch, product, shape_text, shown
from .base import INDICES, Arg, Args, Layer, dimension, refuse
from .folding import split_off
from .kinds import BOOL, INDEX, INT, either, items, optional, sizes
from .saved import always
from .splits import operation, with_size, without
from .tensor import TensorType
from .upsampling import LAYERS as UPSAMPLING
from .upsampling import interpolate


def reshape(a: Args, x: TensorType) -> TensorType:
    """The batch (if it comes first) and then `shape`, in which one size may be -1."""
    batches = [place for place, size in enumerate(a.shape) if is_batch(size)]
    keeps = x.batch == 0 and not batches
    if x.lost:
        help = (
            f"`Rearrange: {split_off(x.rank)}` before it splits the batch off, with a size for `t`"
        )
        refuse(f"the batch's place in {x} is not known, so it can't be kept", help=help)
    if x.batch is not None and not keeps and len(batches) != 1:
        help = "move the batch to the front with `Permute`, or write the whole shape with `N`"
        refuse(f"the batch of {x} does not come first", help=help)
    whole = product(x.shape[1:] if keeps else x.shape)
    unknown = [place for place, size in enumerate(a.shape) if size == -1]
    rest = product(size for size in a.shape if size != -1)
    if len(unknown) > 1 or any(size < 1 and size != -1 for size in a.shape):
        refuse("sizes are 1 or more, and one of them may be -1", "shape")
    fits = int(whole) % int(rest) == 0 if unknown else int(whole) == int(rest)
    if not fits:
        many = f"{shown(whole)} elements{' of a sample' if keeps else ''}"
        cure = "the batch is kept: `shape` is that of one sample" if keeps else None
        refuse(f"{many} do not fit into {shape_text(a.shape)}", "shape", cure)
    # torch refuses what does not divide, so the divisions in here are exact
    left = _left_over(x.shape[1:] if keeps else x.shape, rest) if unknown else rest
    shape = tuple(exactly(left if size == -1 else size) for size in a.shape)
    batch = batches[0] if batches else x.batch
    return TensorType((*x.shape[:1], *shape) if keeps else shape, x.dtype, batch)


def _left_over(sizes: Sequence[Size], rest: Size) -> Size:
    """The size that -1 becomes beside the `rest`.

    Where this is some of the sizes but for a remainder, as ``heads * (dim // heads)`` is `dim`, the
    others are left.
    """
    whole = exactly(rest)
    for start, end in combinations(range(len(sizes) + 1), 2):
        if same(whole, product(sizes[start:end])):
            return math.prod((*sizes[:start], *sizes[end:]))
    return product(sizes) // rest


def permute(a: Args, x: TensorType) -> TensorType:
    """The dimensions in another order."""
    dims = [dimension(x, dim, "dims") for dim in a.dims]
    if sorted(dims) != list(range(x.rank)):
        refuse(f"`dims` must name each of the {x.rank} dimensions of {x} once", "dims")
    batch = None if x.batch is None else dims.index(x.batch)
    return TensorType(tuple(x.shape[dim] for dim in dims), x.dtype, batch, x.lost)


def transpose(a: Args, x: TensorType) -> TensorType:
    """Two dimensions in each other's place."""
    first, second = dimension(x, a.dim0, "dim0"), dimension(x, a.dim1, "dim1")
    order = list(range(x.rank))
    order[first], order[second] = order[second], order[first]
    return permute(Args(dims=order), x)


def squeeze(a: Args, x: TensorType) -> TensorType:
    """Without the dimensions `dim` that are of size 1."""
    dims = {dimension(x, dim) for dim in (a.dim if isinstance(a.dim, tuple) else (a.dim,))}
    gone = sorted((dim for dim in dims if x.shape[dim] == 1 and dim != x.batch), reverse=True)
    for dim in gone:
        x = without(x, dim)
    return x


def unsqueeze(a: Args, x: TensorType) -> TensorType:
    """A new dimension of size 1 at `dim`."""
    dim = dimension(TensorType((*x.shape, 1)), a.dim)
    batch = x.batch + (x.batch >= dim) if x.batch is not None else None
    return TensorType((*x.shape[:dim], 1, *x.shape[dim:]), x.dtype, batch, x.lost)


def roll(a: Args, x: TensorType) -> TensorType:
    """The same shape, elements moved around each of `dims`."""
    shifts = a.shifts if isinstance(a.shifts, tuple) else (a.shifts,)
    dims = a.dims if isinstance(a.dims, tuple) else (a.dims,)
    if len(shifts) != len(dims):
        refuse(f"there are {len(shifts)} shifts for {len(dims)} dimensions", "shifts")
    for dim in dims:
        dimension(x, dim, "dims")
    return x.with_shape(x.shape)


def flip(a: Args, x: TensorType) -> TensorType:
    """The same shape, the order in `dims` reversed."""
    if len({dimension(x, dim, "dims") for dim in a.dims}) < len(a.dims):
        refuse("`dims` names a dimension twice", "dims")
    return x.with_shape(x.shape)


def expand(a: Args, x: TensorType) -> TensorType:
    """Sizes of 1 repeated without a copy; the batch stands before `shape`; -1 keeps a size."""
    if x.batch not in (None, 0) or x.lost:
        refuse(f"the batch of {x} does not come first")
    first: tuple[Size, ...] = ()
    if x.batch == 0:
        first = x.shape[:1]
    elif a.batch:
        if a.batch_size is None:
            refuse("there is no batch to expand to", help="write `batch: false`")
        first = (a.batch_size,)
    shape = (*first, *a.shape)
    if len(shape) < x.rank:
        refuse(f"{x} has more dimensions than {shape_text(shape)}", "shape")
    if x.batch == 0 and len(shape) != x.rank:
        refuse(
            f"`shape` has {len(a.shape)} sizes, but {x} has {x.rank - 1} beside the batch", "shape"
        )
    known = (*(1 for _ in range(len(shape) - x.rank)), *x.shape)
    for given in shape:
        if given < 1 and given != -1:
            refuse(f"sizes are 1 or more, or -1, but one is {given}", "shape")
    if any(given == -1 for given in shape[: len(shape) - x.rank]):
        refuse("-1 keeps a size, but there is none to keep", "shape")
    sizes: list[Size] = []
    for given, size in zip(shape, known, strict=True):
        if given not in (-1, size) and size != 1:
            refuse(f"a size of {size} can't be expanded to {given}", "shape")
        sizes.append(size if given == -1 else given)
    return TensorType(tuple(sizes), x.dtype, 0 if first else None)


def window(a: Args, x: TensorType) -> TensorType:
    """Windows of `size` places along `dim`, every `step` places one, in a last dimension."""
    dim = dimension(x, a.dim)
    places = x.shape[dim] if x.rank else 1
    if not 1 <= a.size <= places:
        refuse(f"`size` is {shown(a.size)}, but must lie from 1 to {shown(places)}", "size")
    if a.step < 1:
        refuse("`step` must be 1 or more", "step")
    count = (places - a.size) // a.step + 1
    y = with_size(x, dim, count) if x.rank else x
    return y.with_shape((*y.shape, a.size))


def repeat_interleave(a: Args, x: TensorType) -> TensorType:
    """Each place of `dim`, or each element of all, comes `repeats` times, one after the other."""
    if a.repeats < 1:
        refuse("`repeats` must be 1 or more", "repeats")
    if a.dim is None:
        lost = x.lost or x.batch is not None
        return TensorType((product(x.shape) * a.repeats,), x.dtype, None, lost)
    dim = dimension(x, a.dim)
    if not x.rank:
        refuse("`RepeatInterleave` needs at least one dimension to name in `dim`", "dim")
    return with_size(x, dim, x.shape[dim] * a.repeats)


def tile(a: Args, x: TensorType) -> TensorType:
    """The whole repeated `dims` times in each dimension, the last ones if there are fewer."""
    if any(times < 1 for times in a.dims):
        refuse("`dims` are numbers of copies, 1 or more", "dims")
    rank = max(x.rank, len(a.dims))
    sizes = (*(1 for _ in range(rank - x.rank)), *x.shape)
    copies = (*(1 for _ in range(rank - len(a.dims))), *a.dims)
    shape = tuple(size * times for size, times in zip(sizes, copies, strict=True))
    if x.batch is None:
        return x.with_shape(shape)
    batch = x.batch + rank - x.rank
    cut = int(copies[batch]) != 1
    return TensorType(shape, x.dtype, None if cut else batch, cut)


def diagonal(a: Args, x: TensorType) -> TensorType:
    """Without the dimensions `dim1` and `dim2`, whose diagonal is the last dimension."""
    first, second = dimension(x, a.dim1, "dim1"), dimension(x, a.dim2, "dim2")
    if first == second or not x.rank:
        refuse(f"a diagonal needs two dimensions, but `dim1` and `dim2` of {x} are one", "dim2")
    rows, columns = x.shape[first], x.shape[second]
    if a.offset < 0:
        rows = rows + a.offset
    else:
        columns = columns - a.offset
    if rows < 1 or columns < 1:
        refuse(f"nothing of {x} lies on the diagonal {a.offset}", "offset")
    rest = without(without(x, max(first, second)), min(first, second))
    lost = x.lost or x.batch in (first, second)
    return TensorType((*rest.shape, smallest(rows, columns)), x.dtype, rest.batch, lost)


def filled_like(bound: int, a: Args, x: TensorType) -> TensorType:
    """The input's shape and type, filled with one number."""
    y = x.with_dtype(x.dtype)
    return replace(y, bound=bound) if x.dtype in INDICES else y


_DIM = Arg("dim", INDEX)
_DIMS = items(INDEX)
_ONE_OR_MORE = either(INDEX, _DIMS)


LAYERS: Sequence[Layer] = (
    operation(
        "Reshape",
        reshape,
        Arg("shape", sizes(), positional=True, spread=True),
        view=always,
        function=".reshape",
        stem="reshape",
        list_argument="shape",
        call="reshape",
        moves=True,
        in_order=True,
        batch_in="shape",
    ),
    operation(
        "Permute",
        permute,
        Arg("dims", _DIMS, positional=True),
        view=always,
        function=".permute",
        stem="permute",
        brief="{dims:,}",
        list_argument="dims",
        moves=True,
    ),
    operation(
        "Transpose",
        transpose,
        Arg("dim0", INDEX, positional=True),
        Arg("dim1", INDEX, positional=True),
        view=always,
        function=".transpose",
        stem="transpose",
        brief="{dim0}, {dim1}",
        moves=True,
    ),
    operation(
        "Squeeze",
        squeeze,
        Arg("dim", _ONE_OR_MORE, positional=True),
        view=always,
        function=".squeeze",
        stem="squeeze",
        list_argument="dim",
        moves=True,
        in_order=True,
        drops=lambda a: a.dim,
    ),
    operation(
        "Unsqueeze",
        unsqueeze,
        Arg("dim", INDEX, positional=True),
        view=always,
        function=".unsqueeze",
        stem="unsqueeze",
        moves=True,
        in_order=True,
    ),
    operation(
        "Expand",
        expand,
        Arg("shape", sizes(), positional=True, spread=True),
        Arg("batch", BOOL, True, keyword_only=True),
        Arg("batch_size", optional(INT), None, inferred=True, keyword_only=True),
        view=always,
        function=".expand",
        stem="expand",
        list_argument="shape",
        call="expand",
        moves=True,
        wants_batch=lambda a, x: x.batch is None and a.batch,
    ),
    operation(
        "Roll",
        roll,
        Arg("shifts", either(INT, items(INT))),
        Arg("dims", _ONE_OR_MORE),
        function="torch.roll",
        stem="roll",
        brief="{shifts:,}",
        moves=True,
    ),
    operation(
        "Flip",
        flip,
        Arg("dims", _DIMS, positional=True),
        function=".flip",
        stem="flip",
        brief="{dims:,}",
        list_argument="dims",
        moves=True,
    ),
    operation(
        "Window",
        window,
        Arg("dim", INDEX, positional=True),
        Arg("size", INT, positional=True),
        Arg("step", INT, positional=True),
        view=always,
        function=".unfold",
        stem="window",
        brief="{size}, step {step}",
        moves=True,
    ),
    operation(
        "RepeatInterleave",
        repeat_interleave,
        Arg("repeats", INT, positional=True),
        Arg("dim", optional(INDEX), None),
        function=".repeat_interleave",
        stem="repeat_interleave",
        brief="x{repeats}",
        moves=True,
    ),
    operation(
        "Tile",
        tile,
        Arg("dims", items(INT), positional=True),
        function=".tile",
        stem="tile",
        brief="{dims}",
        list_argument="dims",
        moves=True,
    ),
    operation(
        "Diagonal",
        diagonal,
        Arg("offset", INDEX, 0),
        Arg("dim1", INDEX, -2),
        Arg("dim2", INDEX, -1),
        view=always,
        function=".diagonal",
        functional_defaults=(("dim1", 0), ("dim2", 1)),
        stem="diagonal",
        moves=True,
    ),
    *(
        operation(
            f"{word.title()}Like",
            partial(filled_like, bound),
            function=f"torch.{word}_like",
            stem=f"{word}_like",
        )
        for word, bound in (("zeros", 1), ("ones", 2))
    ),
    operation(
        "Interpolate",
        interpolate,
        *UPSAMPLING[0].args,
        function="F.interpolate",
        stem="interpolate",
        brief="[{size}][x{scale_factor}][, {mode}]",
        dtypes=UPSAMPLING[0].dtypes,
        saves=UPSAMPLING[0].saves,
    ),
)
