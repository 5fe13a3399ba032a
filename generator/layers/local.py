"""What torch has no class for: tensors that the network holds, and small common modules.

`Parameter`, `Buffer`, `Arange`, `Linspace`, `Eye`, `Zeros`, `Ones`, `Full` and `Randn` read
nothing. `DropPath` and `LayerNorm2d` are written into the generated file.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from ..symbolic.buffers import LOADED
from ..symbolic.sizes import Size, is_batch, shape_text
from .base import (
    ALL,
    BOOLEAN,
    FLOATS,
    INDICES,
    INEXACT,
    INTS,
    PARAMETERS,
    WIDE,
    Arg,
    Args,
    Layer,
    Weight,
    check_equal,
    check_rank,
    pointwise,
    refuse,
)
from .kinds import ANY, BOOL, FLOAT, INT, NUMBER, TEXT, optional, sizes
from .normalization import infer_num_channels
from .saved import saves_mask, saves_statistics
from .tensor import TensorType


def parameter(a: Args) -> TensorType:
    """A tensor of its own shape, without a batch."""
    _not_empty(a.shape)
    return TensorType(a.shape, batch=None)


def buffer(a: Args) -> TensorType:
    """The shape of the value, or `shape` filled with a number."""
    own = a.value.shape
    if a.value.later and a.shape is None:
        refuse("`Buffer` has neither a `value` nor a `shape` alone, for what a `state_dict` brings")
    if a.value.later and not a.persistent:
        help = "give it a `value`, or take `persistent: false` out"
        refuse("no `state_dict` brings the numbers of this buffer", "persistent", help)
    if a.shape is not None and own and [*map(int, a.shape)] != [*map(int, own)]:
        refuse(f"`shape` is {shape_text(a.shape)}, but `value` is {shape_text(own)}", "shape")
    _not_empty(a.shape or ())
    dtype = a.value.dtype if a.dtype is None else a.dtype
    if dtype not in ALL:
        refuse(f"`{dtype}` is no element type", "dtype")
    return TensorType(a.value.shape if a.shape is None else a.shape, dtype, batch=None)


def _not_empty(shape: Sequence[Size], argument: str = "shape") -> None:
    """Raise `Refusal` for a size below 1."""
    for size in shape:
        if size < 1:
            refuse(f"a size is {size}, but must be 1 or more", argument)


def arange(a: Args) -> TensorType:
    """The numbers from 0 to `size`, excluded."""
    if a.size < 1:
        refuse(f"`size` is {a.size}, but must be 1 or more", "size")
    dtype = _element_type(a, "Arange", FLOATS | INTS, "int64")
    return TensorType((a.size,), dtype, batch=None, bound=a.size if dtype in INDICES else None)


def linspace(a: Args) -> TensorType:
    """As many numbers as there are `steps`, evenly spaced from `start` to `end`, included."""
    if a.steps < 1:
        refuse(f"`steps` is {a.steps}, but must be 1 or more", "steps")
    # torch fills a single place with `start`, of every type
    dtype = _element_type(a, "Linspace", ALL if a.steps == 1 else ALL - WIDE - BOOLEAN)
    counts = dtype in INDICES and min(a.start, a.end) >= 0
    bound = int(max(a.start, a.end)) + 1 if counts else None
    return TensorType((a.steps,), dtype, batch=None, bound=bound)


def eye(a: Args) -> TensorType:
    """`n` rows of `m` numbers (of `n`, if `m` is left out), 1 on the diagonal and 0 elsewhere."""
    shape = (a.n, a.n if a.m is None else a.m)
    for name, size in zip("nm", shape, strict=True):
        if size < 1:
            refuse(f"`{name}` is {size}, but must be 1 or more", name)
    dtype = _element_type(a, "Eye", ALL - WIDE)
    return TensorType(shape, dtype, batch=None, bound=2 if dtype in INDICES else None)


def zeros(a: Args) -> TensorType:
    """A tensor of this `size`, in which ``N`` is the batch's, filled with 0."""
    return _filled(a, 0)


def ones(a: Args) -> TensorType:
    """A tensor of this `size`, in which ``N`` is the batch's, filled with 1."""
    return _filled(a, 1)


def full(a: Args) -> TensorType:
    """A tensor of this `size`, in which ``N`` is the batch's, filled with `fill_value`."""
    return _filled(a, a.fill_value)


def randn(a: Args) -> TensorType:
    """A tensor of this `size`, in which ``N`` is the batch's, of normal random numbers."""
    return _sized(a, _element_type(a, "Randn", INEXACT))


def _filled(a: Args, value: float) -> TensorType:
    """A tensor of this `size` and `dtype`; a whole number without one makes whole numbers."""
    usual = "int64" if hasattr(a, "fill_value") and isinstance(value, int) else "float32"
    dtype = _element_type(a, "", ALL, usual)
    bound = int(value) + 1 if dtype in INDICES and value >= 0 else None
    return replace(_sized(a, dtype), bound=bound)


def _sized(a: Args, dtype: str) -> TensorType:
    """A tensor of this `size`, with the batch where ``N`` stands."""
    _not_empty(a.size, "size")
    batches = [place for place, size in enumerate(a.size) if is_batch(size)]
    if len(batches) > 1:
        refuse("`N` stands twice in `size`", "size")
    return TensorType(a.size, dtype, batches[0] if batches else None)


def _element_type(a: Args, name: str, known: frozenset[str], usual: str = "float32") -> str:
    """The written `dtype`, or the usual one; raises `Refusal` where `name` can't make it."""
    dtype: str = usual if a.dtype is None else a.dtype
    if dtype not in ALL:
        refuse(f"`{dtype}` is no element type", "dtype")
    if dtype not in known:
        refuse(f"`{name}` can't make `{dtype}`", "dtype")
    return dtype


def _buffer_weights(a: Args) -> Sequence[Weight]:
    """The buffer itself, unless it is not persistent: then the `state_dict` leaves it out."""
    if not a.persistent:
        return ()
    found = buffer(a)
    return (Weight("", found.shape, trainable=False, dtype=found.dtype),)


def layer_norm_2d(a: Args, x: TensorType) -> TensorType:
    """The shape stays; channels are normalised at each place."""
    check_rank("LayerNorm2d", x, 4)
    check_equal("`num_channels`", a.num_channels, x.shape[1], "the number of channels read")
    return x.with_shape(x.shape)


def drop_path(a: Args, x: TensorType) -> TensorType:
    """The shape stays; in training whole samples are zeroed."""
    if not 0 <= a.p <= 1:
        refuse(f"`p` is {a.p}, but must be from 0 to 1", "p")
    if not x.rank:
        refuse("`DropPath` needs at least one dimension")
    return pointwise(a, x)


_DROPPED = "Probability of a sample to be zeroed"
_SIZE = Arg("size", sizes(), positional=True)
_DTYPE = Arg("dtype", optional(TEXT), None, code=True)

LAYERS: Sequence[Layer] = (
    Layer(
        name="Parameter",
        stem="parameter",
        rule=parameter,
        args=(Arg("shape", sizes(), positional=True), Arg("init", ANY, None, free=True)),
        weights=lambda a: (Weight("", a.shape),),
        tensors=(),
        list_argument="shape",
        source="parameter",
    ),
    Layer(
        name="Buffer",
        stem="buffer",
        rule=buffer,
        args=(
            Arg("value", ANY, LOADED, positional=True),
            Arg("shape", optional(sizes()), None),
            _DTYPE,
            Arg("persistent", BOOL, True),
        ),
        weights=_buffer_weights,
        tensors=(),
        source="buffer",
    ),
    Layer(
        name="Arange",
        stem="arange",
        rule=arange,
        args=(Arg("size", INT, positional=True), _DTYPE),
        tensors=(),
        source="arange",
        functional="torch.arange",
    ),
    Layer(
        name="Linspace",
        stem="linspace",
        rule=linspace,
        args=(
            Arg("start", FLOAT, positional=True),
            Arg("end", FLOAT, positional=True),
            Arg("steps", INT),
            _DTYPE,
        ),
        tensors=(),
        source="linspace",
        functional="torch.linspace",
    ),
    Layer(
        name="Eye",
        stem="eye",
        rule=eye,
        args=(
            Arg("n", INT, positional=True),
            Arg("m", optional(INT), None, positional=True),
            _DTYPE,
        ),
        tensors=(),
        source="eye",
        functional="torch.eye",
    ),
    *(
        Layer(
            name=name,
            stem=name.lower(),
            rule=rule,
            args=(_SIZE, *values, _DTYPE),
            tensors=(),
            list_argument="size",
            batch_in="size",
            source=name.lower(),
            functional=f"torch.{name.lower()}",
        )
        for name, rule, values in (
            ("Zeros", zeros, ()),
            ("Ones", ones, ()),
            ("Full", full, (Arg("fill_value", NUMBER, positional=True),)),
            ("Randn", randn, ()),
        )
    ),
    Layer(
        name="DropPath",
        stem="drop_path",
        rule=drop_path,
        args=(Arg("p", FLOAT, 0.0, positional=True, free=True, doc=_DROPPED),),
        saves=saves_mask(lambda x: 1),
        view=lambda a, *inputs: bool(a.p == 0),
        dtypes=FLOATS,
        local=True,
    ),
    Layer(
        name="LayerNorm2d",
        stem="norm",
        rule=layer_norm_2d,
        args=(
            Arg("num_channels", INT, inferred=True, positional=True),
            Arg("eps", FLOAT, 1e-6, free=True),
        ),
        dtypes=PARAMETERS,
        infer=infer_num_channels,
        weights=lambda a: (
            Weight("weight", (a.num_channels,)),
            Weight("bias", (a.num_channels,), zeros=True),
        ),
        saves=saves_statistics(lambda a, x: x.numel // a.num_channels),
        local=True,
    ),
)
