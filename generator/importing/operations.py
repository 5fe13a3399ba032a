"""A recorded call of a function or method of torch as steps: which operation of the catalogue it is.

Most calls are an operation with the same arguments: these are the `SAME` table. Others are a
function each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct

from ..layers import TYPES
from ..layers.base import REQUIRED, is_default
from ..run.recording.recorded import (
    FunctionCall,
    Held,
    Items,
    Size,
    Span,
    Tree,
    Value,
    Word,
)
from .sizes import Sized, Sizes, groups
from .steps import Inexpressible, Step, values_in

# name: type | tensors that are read | other arguments in torch's order; ~ is before one that a spec
# has no word for, so that it must be left out or say nothing
SAME = """
relu: ReLU | input | ~inplace
relu6: ReLU6 | input | ~inplace
elu: ELU | input | alpha ~inplace
selu: SELU | input | ~inplace
celu: CELU | input | alpha ~inplace
leaky_relu: LeakyReLU | input | negative_slope ~inplace
gelu: GELU | input | approximate
silu: SiLU | input | ~inplace
mish: Mish | input | ~inplace
hardswish: Hardswish | input | ~inplace
hardsigmoid: Hardsigmoid | input | ~inplace
hardtanh: Hardtanh | input | min_val max_val ~inplace
hardshrink: Hardshrink | input | lambd
softshrink: Softshrink | input | lambd
tanhshrink: Tanhshrink | input |
softsign: Softsign | input |
softplus: Softplus | input | beta threshold
logsigmoid: LogSigmoid | input |
sigmoid: Sigmoid | input |
tanh: Tanh | input |
threshold: Threshold | input | threshold value ~inplace
softmax: Softmax | input | dim ~_stacklevel ~dtype
log_softmax: LogSoftmax | input | dim ~_stacklevel ~dtype
softmin: Softmin | input | dim ~_stacklevel ~dtype
glu: GLU | input | dim
dropout: Dropout | input | p ~training ~inplace
dropout1d: Dropout1d | input | p ~training ~inplace
dropout2d: Dropout2d | input | p ~training ~inplace
dropout3d: Dropout3d | input | p ~training ~inplace
alpha_dropout: AlphaDropout | input | p ~training ~inplace
feature_alpha_dropout: FeatureAlphaDropout | input | p ~training ~inplace
max_pool1d: MaxPool1d | input | kernel_size stride padding dilation ceil_mode return_indices
max_pool2d: MaxPool2d | input | kernel_size stride padding dilation ceil_mode return_indices
max_pool3d: MaxPool3d | input | kernel_size stride padding dilation ceil_mode return_indices
avg_pool1d: AvgPool1d | input | kernel_size stride padding ceil_mode count_include_pad
avg_pool2d: AvgPool2d | input | kernel_size stride padding ceil_mode count_include_pad divisor_override
avg_pool3d: AvgPool3d | input | kernel_size stride padding ceil_mode count_include_pad divisor_override
lp_pool1d: LPPool1d | input | norm_type kernel_size stride ceil_mode
lp_pool2d: LPPool2d | input | norm_type kernel_size stride ceil_mode
adaptive_avg_pool1d: AdaptiveAvgPool1d | input | output_size
adaptive_avg_pool2d: AdaptiveAvgPool2d | input | output_size
adaptive_avg_pool3d: AdaptiveAvgPool3d | input | output_size
adaptive_max_pool1d: AdaptiveMaxPool1d | input | output_size return_indices
adaptive_max_pool2d: AdaptiveMaxPool2d | input | output_size return_indices
adaptive_max_pool3d: AdaptiveMaxPool3d | input | output_size return_indices
pixel_shuffle: PixelShuffle | input | upscale_factor
pixel_unshuffle: PixelUnshuffle | input | downscale_factor
channel_shuffle: ChannelShuffle | input | groups
unfold: Unfold | input | kernel_size dilation padding stride
fold: Fold | input | output_size kernel_size dilation padding stride
local_response_norm: LocalResponseNorm | input | size alpha beta k
cosine_similarity: CosineSimilarity | x1 x2 | dim eps
pairwise_distance: PairwiseDistance | x1 x2 | p eps keepdim
interpolate: Interpolate | input | size scale_factor mode align_corners recompute_scale_factor ~antialias
pad: Pad | input | pad mode value
normalize: Normalize | input | p dim eps ~out
mean: Mean | input | dim keepdim ~dtype ~out
sum: Sum | input | dim keepdim ~dtype ~out
amax: Amax | input | dim keepdim ~out
amin: Amin | input | dim keepdim ~out
logsumexp: LogSumExp | input | dim keepdim ~out
prod: Prod | input | dim keepdim ~dtype ~out
argmax: ArgMax | input | dim keepdim ~out
argmin: ArgMin | input | dim keepdim ~out
any: Any | input | dim keepdim ~out
all: All | input | dim keepdim ~out
cumsum: CumSum | input | dim ~dtype ~out
cumprod: CumProd | input | dim ~dtype ~out
exp: Exp | input | ~out
log: Log | input | ~out
sqrt: Sqrt | input | ~out
rsqrt: Rsqrt | input | ~out
reciprocal: Reciprocal | input | ~out
sin: Sin | input | ~out
cos: Cos | input | ~out
erf: Erf | input | ~out
round: Round | input | decimals ~out
floor: Floor | input | ~out
ceil: Ceil | input | ~out
sign: Sign | input | ~out
neg: Neg | input | ~out
negative: Neg | input | ~out
abs: Abs | input | ~out
absolute: Abs | input | ~out
logical_not: LogicalNot | input | ~out
tril: Tril | input | diagonal ~out
triu: Triu | input | diagonal ~out
clamp: Clamp | input | min max ~out
clip: Clamp | input | min max ~out
maximum: Maximum | input other | ~out
minimum: Minimum | input other | ~out
atan2: Atan2 | input other | ~out
logical_and: LogicalAnd | input other | ~out
logical_or: LogicalOr | input other | ~out
matmul: MatMul | input mat2 | ~out
bmm: MatMul | input mat2 | ~out
mm: MatMul | input mat2 | ~out
cross: Cross | input other | dim
cdist: Cdist | x1 x2 | p ~compute_mode
where: Where | condition input other |
masked_fill: MaskedFill | input mask | value
index_select: IndexSelect | input | dim index
gather: Gather | input | dim index ~sparse_grad ~out
permute: Permute | input | dims
transpose: Transpose | input | dim0 dim1
swapaxes: Transpose | input | dim0 dim1
swapdims: Transpose | input | dim0 dim1
unsqueeze: Unsqueeze | input | dim
roll: Roll | input | shifts dims
flip: Flip | input | dims
repeat_interleave: RepeatInterleave | input | repeats dim ~output_size
tile: Tile | input | dims
diagonal: Diagonal | input | offset dim1 dim2
select: Select | input | dim index
narrow: Slice | input | dim start length
topk: TopK | input | k dim largest sorted ~out
sort: Sort | input | dim descending stable ~out
argsort: ArgSort | input | dim descending stable
one_hot: OneHot | input | num_classes
affine_grid: AffineGrid | theta | size align_corners
grid_sample: GridSample | input grid | mode padding_mode align_corners
zeros_like: ZerosLike | input | ~dtype ~layout ~device ~memory_format
ones_like: OnesLike | input | ~dtype ~layout ~device ~memory_format
real: Real | input |
imag: Imag | input |
angle: Angle | input | ~out
complex: Complex | real imag | ~out
"""

# operators between two tensors, or a tensor and a number
BETWEEN = {
    **dict.fromkeys(("add", "__iadd__", "__radd__"), "Add"),
    **dict.fromkeys(("sub", "subtract", "__isub__"), "Sub"),
    **dict.fromkeys(("mul", "multiply", "__imul__", "__rmul__"), "Mul"),
    **dict.fromkeys(("div", "divide", "true_divide", "__truediv__", "__itruediv__"), "Div"),
    **dict.fromkeys(("eq", "__eq__"), "Eq"),
    **dict.fromkeys(("ne", "__ne__"), "Ne"),
    **dict.fromkeys(("lt", "less"), "Lt"),
    **dict.fromkeys(("le", "less_equal"), "Le"),
    **dict.fromkeys(("gt", "greater"), "Gt"),
    **dict.fromkeys(("ge", "greater_equal"), "Ge"),
    **dict.fromkeys(("remainder", "__mod__"), "Remainder"),
    **dict.fromkeys(("floor_divide", "__floordiv__"), "FloorDiv"),
    **dict.fromkeys(("__and__", "bitwise_and"), "LogicalAnd"),
    **dict.fromkeys(("__or__", "bitwise_or"), "LogicalOr"),
}
# calls that give what they read
KEEPS = frozenset("contiguous clone detach view_as_self requires_grad_ cpu cuda data".split())
_PREFIXES = (
    "torch.nn.functional.",
    "torch.Tensor.",
    "torch.functional.",
    "torch._C._nn.",
    "torch.",
)
# the same argument under its other names
_ALSO = {"self": "input", "axis": "dim", "keepdims": "keepdim", "lambda": "lambd", "axis0": "dim0"}


class _Row(Struct, frozen=True):
    type: str
    tensors: tuple[str, ...]
    arguments: tuple[str, ...]
    silent: frozenset[str]


def _row(line: str) -> tuple[str, _Row]:
    name, _, rest = line.partition(": ")
    type, tensors, arguments = (part.strip() for part in f"{rest} ".split("|"))
    names = arguments.split()
    silent = frozenset(x[1:] for x in names if x.startswith("~"))
    return name, _Row(type, tuple(tensors.split()), tuple(x.lstrip("~") for x in names), silent)


_SAME = dict(map(_row, SAME.strip().split("\n")))


def short_name(function: str) -> str:
    """The name of a function without its module, and without the mark of what works in place."""
    prefix = next((p for p in _PREFIXES if function.startswith(p)), "")
    name = function.removeprefix(prefix)
    return name.removesuffix("_") if not name.endswith("__") else name


class Operations:
    """Recorded calls of functions as steps; new values get numbers after the recorded ones."""

    def __init__(self, sizes: Sizes) -> None:
        self.sizes = sizes
        self.made: dict[int, tuple[tuple[Sized, ...], str]] = {}  # shapes of new values

    def shape(self, tensor: Value | Held) -> tuple[Sized, ...]:
        """The shape of a recorded or new value."""
        if isinstance(tensor, Value) and tensor.number in self.made:
            return self.made[tensor.number][0]
        return self.sizes.shape(tensor)

    def new(self, shape: Sequence[Sized], like: Value | Held) -> Value:
        """A new value, between two steps of one call."""
        dtype = self.made[like.number][1] if self._is_new(like) else self.sizes.dtype(like)  # type: ignore[union-attr]
        number = len(self.sizes.recording.values) + len(self.made)
        self.made[number] = (tuple(shape), dtype)
        return Value(number)

    def _is_new(self, tensor: Value | Held) -> bool:
        return isinstance(tensor, Value) and tensor.number in self.made

    def steps(self, call: FunctionCall) -> list[Step]:
        """The steps that do what a call does; raises `Inexpressible`."""
        name = short_name(call.function)
        out = values_in(call.result)
        if call.writes or not out:
            raise Inexpressible("")
        if name in KEEPS:
            return [self.same(_tensor(call.args[0]), out[0])]
        if name in BETWEEN:
            return self.between(BETWEEN[name], call, out[0])
        if name in _BY_NAME:
            return _BY_NAME[name](self, call, out)
        if name in _SAME:
            return [self.plain(_SAME[name], call, out)]
        raise Inexpressible("")

    def same(self, tensor: Value | Held, out: int) -> Step:
        """A step that changes nothing; it is left out later."""
        return Step("Identity", (tensor,), (out,), {})

    def plain(self, row: _Row, call: FunctionCall, out: Sequence[int]) -> Step:
        """The step of a call with the same arguments as its operation."""
        given = bound(call, (*row.tensors, *row.arguments))
        reads = tuple(_tensor(given.pop(name, None)) for name in row.tensors)
        for name in row.silent & given.keys():
            if given.pop(name) not in _SAYS_NOTHING:
                if name == "dtype":
                    raise Inexpressible("with a `dtype`")
        return self.layer(row.type, reads, out, given)

    def layer(
        self,
        type: str,
        reads: Sequence[Value | Held],
        out: Sequence[int],
        given: Mapping[str, Tree],
    ) -> Step:
        """A step of a type with these arguments, without those that are the defaults."""
        row = TYPES[type]
        tensors: list[Value | Held] = [*reads]
        arguments: dict[str, Any] = {}
        for name, value in given.items():
            if name not in row.known:
                if isinstance(value, (Value, Held)):
                    tensors.append(value)
                    continue
                if value is None or value is False:
                    continue
                raise Inexpressible(f"with `{name}`")
            plain = self.plain_value(value, tensors)
            arg = row.arg(name)
            if arg.default is REQUIRED or not is_default(arg, plain):
                arguments[name] = plain
        return Step(type, tuple(tensors), tuple(out), arguments)

    def plain_value(self, value: Tree, tensors: Sequence[Value | Held]) -> Any:
        """An argument as a spec has it; sizes that vary are told from the shapes of tensors."""
        if isinstance(value, (Value, Held)):
            return value
        if isinstance(value, Size):
            return self.sizes.written(value, tensors)
        if isinstance(value, Items):
            return [self.plain_value(item, tensors) for item in value.items]
        if isinstance(value, Word):
            return value.text
        if value is None or isinstance(value, (bool, int, float, str)):
            return value
        raise Inexpressible("with an argument that a spec has no word for")

    def between(self, type: str, call: FunctionCall, out: int) -> list[Step]:
        """A step between two tensors, or a tensor and a number."""
        given = bound(call, ("input", "other", "alpha"))
        rounding = given.pop("rounding_mode", None)
        if rounding == "floor":
            type = "FloorDiv"
        elif rounding is not None or given.pop("alpha", 1) != 1:
            raise Inexpressible("with `alpha`" if rounding is None else "rounding towards zero")
        a, b = given["input"], given["other"]
        if not isinstance(a, (Value, Held)):
            if type not in ("Add", "Mul"):
                raise Inexpressible("with a number on the left")
            a, b = b, a
        first = _tensor(a)
        if isinstance(b, (Value, Held)):
            return [Step(type, (first, b), (out,), {})]
        if type.startswith("Logical"):
            raise Inexpressible("with a number")
        other = self.plain_value(b, [first])
        return [Step(type, (first,), (out,), {"other": other})]

    def reshape(self, x: Value | Held, out: Value) -> list[Step]:
        """The step that gives a tensor another shape, with the elements in the same order."""
        before, after = self.shape(x), self.shape(out)
        if before == after:
            return [self.same(x, out.number)]
        is_batch, has_batch = self.sizes.is_batch, self.sizes.has_batch
        keeps = bool(before and after) and is_batch(before[0]) and is_batch(after[0])
        rest = after[1:] if keeps else after
        if keeps and len(rest) == 1 and len(before) > 2:
            return [Step("Flatten", (x,), (out.number,), {})]
        varying = [size for size in rest if isinstance(size, Size)]
        free = not any(map(has_batch, (*before, *rest)))
        if (keeps or free) and len(varying) <= 1 and not any(map(has_batch, rest)):
            shape = [-1 if isinstance(size, Size) else size for size in rest]
            return [Step("Reshape", (x,), (out.number,), {"shape": shape})]
        return [self.rearrange(x, out)]

    def rearrange(self, x: Value | Held, out: Value) -> Step:
        """A reshape as a pattern: dimensions split and joined."""
        letters = iter("abcdefghijklmopqrstuvwxyz")  # n is the batch
        left: list[str] = []
        right: list[str] = []
        sizes: dict[str, Any] = {}
        for ours, theirs in groups(self.sizes, self.shape(x), self.shape(out)):
            split = len(theirs) > 1 and len(ours) == 1
            if len(ours) > 1 and len(theirs) > 1:
                raise Inexpressible("it joins dimensions and takes them apart in one call")
            axes = []
            for size in theirs if split else ours:
                if size == 1 and not (ours and theirs):
                    axes.append("1")
                    continue
                axes.append("n" if self.sizes.is_batch(size) else next(letters))
                if split and self.sizes.is_batch(size):
                    sizes["n"] = "N"
                elif split and not isinstance(size, Size):
                    sizes[axes[-1]] = size
            joined = " ".join(axes)
            bracketed = f"({joined})" if len(axes) > 1 else joined
            if ours:
                left.append(bracketed if split else joined)
            if theirs:
                right.append(joined if split or len(axes) == 1 else bracketed)
            if not theirs and not ours:
                raise AssertionError
        if not left:
            left.append("()")
        pattern = f"{' '.join(left)} -> {' '.join(right)}"
        return Step("Rearrange", (x,), (out.number,), {"pattern": pattern, **sizes})

    def expand(self, x: Value | Held, out: Value) -> list[Step]:
        """The step that repeats sizes of 1 without a copy."""
        before, after = self.shape(x), self.shape(out)
        if before == after:
            return [self.same(x, out.number)]
        batch = bool(after) and self.sizes.is_batch(after[0])
        rest = after[1:] if batch else after
        known = (*(None for _ in range(len(after) - len(before))), *before)[
            len(after) - len(rest) :
        ]
        if any(map(self.sizes.has_batch, rest)):
            raise Inexpressible("along a batch that does not come first")
        shape = [
            -1 if size == old else self.sizes.written(size, [x])
            for size, old in zip(rest, known, strict=True)
        ]
        more = {} if batch else {"batch": False}
        return [Step("Expand", (x,), (out.number,), {"shape": shape, **more})]


_SAYS_NOTHING = (None, False, True, 3)


def _tensor(x: Any) -> Value | Held:
    if not isinstance(x, (Value, Held)):
        raise Inexpressible("of what is no tensor")
    return x


def bound(call: FunctionCall, names: Sequence[str]) -> dict[str, Tree]:
    """The arguments of a call by name; `names` are those of its positions."""
    if len(call.args) > len(names):
        raise Inexpressible("with more arguments than are known")
    found: dict[str, Tree] = dict(zip(names, call.args, strict=False))
    for name, value in call.named:
        own = name if name in names else _ALSO.get(name, name)
        if own == "other" and "mat2" in names:
            own = "mat2"
        found[own] = value
    return found


def _spread(call: FunctionCall, name: str) -> dict[str, Tree]:
    """The arguments of a method that takes its numbers one by one or as a list."""
    given = dict(call.named)
    x, *numbers = call.args or (given.pop("input", given.pop("self", None)),)
    if not numbers:
        return {"input": x, name: given.get(name, given.get("size", Items(())))}
    single = len(numbers) == 1 and isinstance(numbers[0], Items)
    return {"input": x, name: numbers[0] if single else Items(tuple(numbers))}


Translate = Callable[[Operations, FunctionCall, tuple[int, ...]], list[Step]]


def _reshaped(own: Operations, call: FunctionCall, out: tuple[int, ...]) -> list[Step]:
    return own.reshape(_tensor(_first(call)), Value(out[0]))


def _first(call: FunctionCall) -> Tree:
    named = dict(call.named)
    return call.args[0] if call.args else named.get("input", named.get("self"))


def _expanded(own: Operations, call: FunctionCall, out: tuple[int, ...]) -> list[Step]:
    return own.expand(_tensor(_first(call)), Value(out[0]))


def _repeated(own: Operations, call: FunctionCall, out: tuple[int, ...]) -> list[Step]:
    given = _spread(call, "dims")
    x = _tensor(given["input"])
    copies = given["dims"]
    assert isinstance(copies, Items)
    shape = (*(1 for _ in range(len(copies.items) - len(own.shape(x)))), *own.shape(x))
    if all(n == 1 or size == 1 for n, size in zip(copies.items, shape, strict=True)):
        return own.expand(x, Value(out[0]))
    return [own.layer("Tile", [x], out, given | {"input": None})]


def _permuted(own: Operations, call: FunctionCall, out: tuple[int, ...]) -> list[Step]:
    given = _spread(call, "dims")
    return [own.layer("Permute", [_tensor(given["input"])], out, {"dims": given["dims"]})]


def _flipped(own: Operations, call: FunctionCall, out: tuple[int, ...]) -> list[Step]:
    given = _spread(call, "dims")
    return [own.layer("Flip", [_tensor(given["input"])], out, {"dims": given["dims"]})]


def _moved(own: Operations, call: FunctionCall, out: tuple[int, ...]) -> list[Step]:
    """`movedim`, by the permutation that it is."""
    given = bound(call, ("input", "source", "destination"))
    x = _tensor(given["input"])
    rank = len(own.shape(x))
    source, target = (
        [int(i) % rank for i in (v.items if isinstance(v, Items) else (v,))]  # type: ignore[arg-type, call-overload]
        for v in (given["source"], given["destination"])
    )
    rest = iter(i for i in range(rank) if i not in source)
    to = dict(zip(target, source, strict=True))
    dims = [to[i] if i in to else next(rest) for i in range(rank)]
    return [Step("Permute", (x,), out, {"dims": dims})]


def _turned(own: Operations, call: FunctionCall, out: tuple[int, ...]) -> list[Step]:
    """`t`, `T` and `mT`: the last two dimensions in each other's place."""
    x = _tensor(_first(call))
    if len(own.shape(x)) < 2:
        return [own.same(x, out[0])]
    if len(own.shape(x)) > 2 and short_name(call.function) == "T":
        return [Step("Permute", (x,), out, {"dims": [*reversed(range(len(own.shape(x))))]})]
    return [Step("Transpose", (x,), out, {"dim0": -2, "dim1": -1})]


def _squeezed(own: Operations, call: FunctionCall, out: tuple[int, ...]) -> list[Step]:
    given = bound(call, ("input", "dim"))
    x = _tensor(given["input"])
    if own.shape(x) == own.shape(Value(out[0])):
        return [own.same(x, out[0])]
    dim = given.get("dim")
    if dim is None:
        found = [i for i, size in enumerate(own.shape(x)) if size == 1]
        dim = found[0] if len(found) == 1 else Items(tuple(found))
    return [own.layer("Squeeze", [x], out, {"dim": dim})]


def _flat(own: Operations, call: FunctionCall, out: tuple[int, ...]) -> list[Step]:
    given = bound(call, ("input", "start_dim", "end_dim"))
    x = _tensor(given["input"])
    if own.shape(x) == own.shape(Value(out[0])):
        return [own.same(x, out[0])]
    rank, batch = len(own.shape(x)), own.sizes.batch_of(x) if isinstance(x, Value) else None
    start, end = (int(given.get(k, d)) % rank for k, d in (("start_dim", 0), ("end_dim", -1)))  # type: ignore[arg-type]
    if batch is not None and start <= batch <= end:
        return own.reshape(x, Value(out[0]))
    arguments = {} if start == 1 else {"start_dim": start}
    return [Step("Flatten", (x,), out, arguments | ({} if end == rank - 1 else {"end_dim": end}))]


def _unflattened(own: Operations, call: FunctionCall, out: tuple[int, ...]) -> list[Step]:
    return own.reshape(_tensor(_first(call)), Value(out[0]))


def _joined(type: str) -> Translate:
    def joined(own: Operations, call: FunctionCall, out: tuple[int, ...]) -> list[Step]:
        given = bound(call, ("tensors", "dim"))
        tensors = given["tensors"]
        assert isinstance(tensors, Items)
        reads = [_tensor(x) for x in tensors.items]
        rank = len(own.shape(reads[0]))
        dim = given.get("dim", 0)
        if type == "Concat" and isinstance(dim, int) and dim % rank == 1:
            dim = 1
        return [own.layer(type, reads, out, {"dim": dim})]

    return joined


def _einsum(own: Operations, call: FunctionCall, out: tuple[int, ...]) -> list[Step]:
    equation, *operands = call.args
    if len(operands) == 1 and isinstance(operands[0], Items):
        operands = [*operands[0].items]
    return [own.layer("Einsum", [*map(_tensor, operands)], out, {"equation": equation})]


def _attention(own: Operations, call: FunctionCall, out: tuple[int, ...]) -> list[Step]:
    names = ("query", "key", "value", "attn_mask", "dropout_p", "is_causal", "scale", "enable_gqa")
    given = bound(call, names)
    reads = [_tensor(given.pop(name)) for name in names[:3]]
    given = {name: value for name, value in given.items() if value is not None}
    if given.pop("enable_gqa", False):
        raise Inexpressible("with `enable_gqa`")
    mask = given.pop("attn_mask", None)
    step = own.layer("ScaledDotProductAttention", reads, out, given)
    if mask is None:
        return [step]
    return [Step(step.type, step.reads, step.gives, {"attn_mask": _tensor(mask), **step.arguments})]


def _pow(own: Operations, call: FunctionCall, out: tuple[int, ...]) -> list[Step]:
    given = bound(call, ("input", "exponent"))
    return [own.layer("Pow", [_tensor(given["input"])], out, {"exponent": given["exponent"]})]


def _square(own: Operations, call: FunctionCall, out: tuple[int, ...]) -> list[Step]:
    return [Step("Pow", (_tensor(_first(call)),), out, {"exponent": 2})]


def _from_number(own: Operations, call: FunctionCall, out: tuple[int, ...]) -> list[Step]:
    """A number minus a tensor: what is added to the negative."""
    given = bound(call, ("input", "other"))
    x = _tensor(given["input"])
    if isinstance(given["other"], (Value, Held)):
        return [Step("Sub", (given["other"], x), out, {})]
    minus = own.new(own.shape(x), x)
    other = own.plain_value(given["other"], [x])
    return [
        Step("Neg", (x,), (minus.number,), {}),
        Step("Add", (minus,), out, {"other": other}),
    ]


def _by_tensor(own: Operations, call: FunctionCall, out: tuple[int, ...]) -> list[Step]:
    """A number divided by a tensor: what is multiplied with the reciprocal."""
    given = bound(call, ("input", "other"))
    x = _tensor(given["input"])
    other = own.plain_value(given["other"], [x])
    if other == 1:
        return [Step("Reciprocal", (x,), out, {})]
    inverse = own.new(own.shape(x), x)
    return [
        Step("Reciprocal", (x,), (inverse.number,), {}),
        Step("Mul", (inverse,), out, {"other": other}),
    ]


def _divided(own: Operations, call: FunctionCall, out: tuple[int, ...]) -> list[Step]:
    """`chunk`, `split` and their like: parts along a dimension, by their sizes."""
    given = bound(call, ("input", "sizes", "dim"))
    x = _tensor(given["input"])
    dim = given.get("dim", 0)
    assert isinstance(dim, int)
    sizes = [own.shape(Value(number))[dim] for number in out]
    if len({*sizes}) == 1 and not isinstance(sizes[0], Size):
        return [Step("Chunk", (x,), out, {"chunks": len(out), "dim": dim})]
    if any(isinstance(size, Size) for size in sizes):
        if short_name(call.function) == "chunk" and len({*sizes}) == 1:
            return [Step("Chunk", (x,), out, {"chunks": len(out), "dim": dim})]
        raise Inexpressible("into parts whose sizes vary")
    return [Step("Split", (x,), out, {"sizes": sizes, "dim": dim})]


def _unbound(own: Operations, call: FunctionCall, out: tuple[int, ...]) -> list[Step]:
    given = bound(call, ("input", "dim"))
    x, dim = _tensor(given["input"]), given.get("dim", 0)
    return [
        Step("Select", (x,), (number,), {"dim": dim, "index": place})
        for place, number in enumerate(out)
    ]


def _extreme(word: str) -> Translate:
    def extreme(own: Operations, call: FunctionCall, out: tuple[int, ...]) -> list[Step]:
        given = bound(call, ("input", "dim", "keepdim"))
        x, other = _tensor(given["input"]), given.get("dim", given.get("other"))
        if isinstance(other, (Value, Held)):
            return [Step({"max": "Maximum", "min": "Minimum"}[word], (x, other), out, {})]
        if other is None:
            raise Inexpressible("over all elements")
        given = {"dim": other, "keepdim": given.get("keepdim", False)}
        steps = [own.layer(f"A{word}", [x], out[:1], given)]
        return [*steps, own.layer(f"Arg{word.title()}", [x], out[1:], given)] if out[1:] else steps

    return extreme


def _spread_out(own: Operations, call: FunctionCall, out: tuple[int, ...]) -> list[Step]:
    """`var` and `std`."""
    given = bound(call, ("input", "dim", "unbiased", "keepdim"))
    x = _tensor(given.pop("input"))
    if isinstance(given.get("dim"), bool):
        raise Inexpressible("over all elements")
    unbiased = given.pop("unbiased", None)
    if unbiased is not None:
        given["correction"] = int(bool(unbiased))
    type = {"var": "Var", "std": "Std"}[short_name(call.function)]
    if given.get("dim") is None:
        raise Inexpressible("over all elements")
    return [own.layer(type, [x], out, given)]


def _norm(own: Operations, call: FunctionCall, out: tuple[int, ...]) -> list[Step]:
    method = call.function in ("torch.Tensor.norm", "torch.norm", "torch.functional.norm")
    names = ("input", "p", "dim", "keepdim") if method else ("input", "ord", "dim", "keepdim")
    given = bound(call, names)
    x, p = _tensor(given["input"]), given.get(names[1])
    if given.get("dim") is None:
        raise Inexpressible("over all elements")
    known = {"dim": given["dim"], "keepdim": given.get("keepdim", False)}
    if isinstance(given["dim"], Items) and len(given["dim"].items) == 1:
        known["dim"] = given["dim"].items[0]
    return [own.layer("Norm", [x], out, {"p": 2.0 if p in (None, "fro") else p, **known})]


def _normed(type: str) -> Translate:
    """Norms and maps with weights that a module holds: the module's layer, called by hand."""

    def normed(own: Operations, call: FunctionCall, out: tuple[int, ...]) -> list[Step]:
        given = bound(call, _WITH_WEIGHTS[type])
        return [own.held_layer(type, given, out)]

    return normed


_WITH_WEIGHTS = {
    "Linear": ("input", "weight", "bias"),
    **{
        f"Conv{n}d": ("input", "weight", "bias", "stride", "padding", "dilation", "groups")
        for n in (1, 2, 3)
    },
    **{
        f"ConvTranspose{n}d": (
            *("input", "weight", "bias", "stride", "padding", "output_padding"),
            *("groups", "dilation"),
        )
        for n in (1, 2, 3)
    },
    "LayerNorm": ("input", "normalized_shape", "weight", "bias", "eps"),
    "RMSNorm": ("input", "normalized_shape", "weight", "eps"),
    "GroupNorm": ("input", "num_groups", "weight", "bias", "eps"),
    "BatchNorm": (
        *("input", "running_mean", "running_var", "weight", "bias", "training"),
        *("momentum", "eps"),
    ),
    "Embedding": (
        *("input", "weight", "padding_idx", "max_norm", "norm_type", "scale_grad_by_freq"),
        "sparse",
    ),
    "PReLU": ("input", "weight"),
}


def _held_layer(self: Operations, type: str, given: dict[str, Tree], out: Sequence[int]) -> Step:
    """The layer whose weights a function was given, at the path of the module that holds them."""
    x = _tensor(given.pop("input"))
    names = ("weight", "bias", "running_mean", "running_var")
    weights = {name: given.pop(name) for name in names if given.get(name) is not None}
    for name in names:
        given.pop(name, None)
    paths = set()
    for name, weight in weights.items():
        if not isinstance(weight, Held) or weight.path.rpartition(".")[2] != name:
            raise Inexpressible("with weights that are computed, or have other names")
        paths.add(weight.path.rpartition(".")[0])
    if len(paths) > 1:
        raise Inexpressible("with weights of several modules")
    shape = self.sizes.shape(weights["weight"]) if "weight" in weights else ()  # type: ignore[arg-type]
    rank = len(self.shape(x))
    arguments: dict[str, Tree] = {}
    bias = {} if "bias" in weights else {"bias": False}
    if type == "Linear":
        arguments = {"out_features": shape[0], **bias}
    elif type.startswith("ConvTranspose"):
        groups = given.get("groups", 1)
        arguments = {
            "out_channels": shape[1] * int(groups),  # type: ignore[operator, arg-type]
            "kernel_size": Items(tuple(shape[2:])),
            **given,
            **bias,
        }
    elif type.startswith("Conv"):
        size = Items(tuple(shape[2:]))
        arguments = {"out_channels": shape[0], "kernel_size": size, **given, **bias}
    elif type in ("LayerNorm", "RMSNorm"):
        over = given.pop("normalized_shape")
        assert isinstance(over, Items)
        arguments = dict(given)
        if len(over.items) > 1:
            arguments["normalized_shape"] = over
        if "weight" not in weights:
            arguments["elementwise_affine"] = False
        elif type == "LayerNorm":
            arguments |= bias
    elif type == "GroupNorm":
        arguments = {**given, **({} if weights else {"affine": False})}
    elif type == "BatchNorm":
        type = {2: "BatchNorm1d", 3: "BatchNorm1d", 4: "BatchNorm2d", 5: "BatchNorm3d"}[rank]
        training = given.pop("training", False)
        if training or "running_mean" not in weights:
            raise Inexpressible("with the statistics of the batch in evaluation")
        arguments = {"eps": given.get("eps", 1e-5)}
        path = next(iter(paths))
        known = {name: value for name, value in self.sizes.recording.by_path[path].arguments}
        arguments["momentum"] = known.get("momentum", given.get("momentum", 0.1))
        if "weight" not in weights:
            arguments["affine"] = False
        elif "bias" not in weights:
            arguments["bias"] = False
    elif type == "Embedding":
        arguments = {"num_embeddings": shape[0], "embedding_dim": shape[1], **given}
    elif type == "PReLU":
        arguments = {"num_parameters": shape[0]}
    step = self.layer(type, [x], out, arguments)
    path = next(iter(paths), "")
    if weights and not path:
        raise Inexpressible("with weights of the network itself")
    return Step(step.type, step.reads, step.gives, _short(step.arguments), path)


Operations.held_layer = _held_layer  # type: ignore[attr-defined]


def _short(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments in which several equal numbers are one."""
    short = ("kernel_size", "stride", "padding", "dilation", "output_padding", "output_size")
    return {
        name: value[0]
        if name in short and isinstance(value, list) and len({*map(str, value)}) == 1
        else value
        for name, value in arguments.items()
    }


def _getitem(own: Operations, call: FunctionCall, out: tuple[int, ...]) -> list[Step]:
    """Indexing, one step for each index that is no full slice."""
    x = _tensor(call.args[0])
    index = call.args[1]
    items = [*index.items] if isinstance(index, Items) and not index.is_list else [index]
    taken = sum(1 for item in items if item is not None and item != Word("..."))
    rest = len(own.shape(x)) - taken
    full = Span(None, None, None)
    if Word("...") in items:
        place = items.index(Word("..."))
        items[place : place + 1] = [full] * rest
    steps: list[Step] = []
    dim = 0
    for item in items:
        shape = own.shape(x)
        if item == full:
            dim += 1
            continue
        if item is None:
            after = (*shape[:dim], 1, *shape[dim:])
            step: tuple[str, dict[str, Any]] = ("Unsqueeze", {"dim": dim})
        elif isinstance(item, bool):
            raise Inexpressible("by a condition")
        elif isinstance(item, int):
            after = (*shape[:dim], *shape[dim + 1 :])
            step = ("Select", {"dim": dim, "index": item})
        elif isinstance(item, Span):
            start, stop, by = (0 if item.start is None else item.start, item.stop, item.step or 1)
            if isinstance(shape[dim], int) and isinstance(stop, int) and stop >= shape[dim]:
                stop = None
            if start == 0 and stop is None and by == 1:
                dim += 1
                continue
            given = {"dim": dim, "start": start, "end": stop, "step": by}
            after = (*shape[:dim], _length(own, shape[dim], start, stop, by), *shape[dim + 1 :])
            step = ("Slice", given)
        elif isinstance(item, (Value, Held)):
            steps += own.picked(x, item, dim, out)
            if items[-1] is not item and any(i != full for i in items[items.index(item) + 1 :]):
                raise Inexpressible("by several indices at once")
            return steps
        else:
            raise Inexpressible("by an index that a spec has no word for")
        y = own.new(after, x)
        steps.append(own.layer(step[0], [x], (y.number,), step[1]))
        x = y
        dim += 1 if step[0] != "Select" else 0
    if not steps:
        return [own.same(x, out[0])]
    last = steps[-1]
    return [*steps[:-1], Step(last.type, last.reads, out, last.arguments)]


def _length(own: Operations, size: Sized, start: Any, stop: Any, step: Any) -> Sized:
    """The size that a slice leaves."""
    numbers = own.sizes.numbers
    each = [
        len(range(*slice(a, b, c).indices(n)))
        for n, a, b, c in zip(
            numbers(size),
            numbers(start),
            numbers(stop) if stop is not None else (None,) * len(own.sizes.recording.runs),
            numbers(step),
            strict=True,
        )
    ]
    return each[0] if len({*each}) == 1 else Size(tuple(each))


def _picked(
    self: Operations, x: Value | Held, index: Value | Held, dim: int, out: tuple[int, ...]
) -> Iterator[Step]:
    """Indexing by a tensor along one dimension."""
    if self.sizes.dtype(index) not in ("int64", "int32"):
        raise Inexpressible("by a mask")
    places, shape = self.shape(index), self.shape(x)
    if any(map(self.sizes.has_batch, places)):
        raise Inexpressible("by an index that has a batch")
    if len(places) == 1:
        yield Step("IndexSelect", (x, index), out, {"dim": dim})
        return
    count = 1
    for size in places:
        if isinstance(size, Size):
            raise Inexpressible("by an index whose sizes vary")
        count *= size
    row = self.new((count,), index)
    yield Step("Reshape", (index,), (row.number,), {"shape": [count]})
    taken = self.new((*shape[:dim], count, *shape[dim + 1 :]), x)
    yield Step("IndexSelect", (x, row), (taken.number,), {"dim": dim})
    yield from self.reshape(taken, Value(out[0]))


Operations.picked = _picked  # type: ignore[attr-defined]


def _cast(own: Operations, call: FunctionCall, out: tuple[int, ...]) -> list[Step]:
    """`to`, `float` and their like: another element type, or nothing at all."""
    x = _tensor(_first(call))
    before, after = own.sizes.dtype(x), own.sizes.dtype(Value(out[0]))
    if before == after:
        return [own.same(x, out[0])]
    return [Step("Cast", (x,), out, {"dtype": after})]


def _tensordot(own: Operations, call: FunctionCall, out: tuple[int, ...]) -> list[Step]:
    raise Inexpressible("")


def _linear_with(own: Operations, call: FunctionCall, out: tuple[int, ...]) -> list[Step]:
    """`addmm` and `baddbmm`: a product and a sum."""
    given = bound(call, ("input", "a", "b"))
    if given.get("beta", 1) != 1 or given.get("alpha", 1) != 1:
        raise Inexpressible("with `alpha` or `beta`")
    x, a, b = (_tensor(given[name]) for name in ("input", "a", "b"))
    product = own.new((*own.shape(a)[:-1], own.shape(b)[-1]), a)
    return [
        Step("MatMul", (a, b), (product.number,), {}),
        Step("Add", (product, x), out, {}),
    ]


def _multiplied_sum(own: Operations, call: FunctionCall, out: tuple[int, ...]) -> list[Step]:
    """`addcmul`: a sum with a product."""
    given = bound(call, ("input", "a", "b"))
    if given.get("value", 1) != 1:
        raise Inexpressible("with `value`")
    x, a, b = (_tensor(given[name]) for name in ("input", "a", "b"))
    product = own.new(own.shape(Value(out[0])), a)
    return [
        Step("Mul", (a, b), (product.number,), {}),
        Step("Add", (x, product), out, {}),
    ]


def _narrowed(own: Operations, call: FunctionCall, out: tuple[int, ...]) -> list[Step]:
    given = bound(call, ("input", "dim", "start", "length"))
    start, length = given["start"], given["length"]
    if isinstance(start, int) and isinstance(length, int):
        span = {"dim": given["dim"], "start": start, "end": start + length}
        return [own.layer("Slice", [_tensor(given["input"])], out, span)]
    raise Inexpressible("by sizes that vary")


def _where(own: Operations, call: FunctionCall, out: tuple[int, ...]) -> list[Step]:
    given = bound(call, ("condition", "input", "other"))
    condition, a, b = given["condition"], given.get("input"), given.get("other")
    if isinstance(a, (Value, Held)) and isinstance(b, (Value, Held)):
        return [Step("Where", (_tensor(condition), a, b), out, {})]
    if isinstance(b, (Value, Held)):  # a number where it holds
        return [own.layer("MaskedFill", [b, _tensor(condition)], out, {"value": a})]
    if isinstance(a, (Value, Held)):
        mask = _tensor(condition)
        other = own.new(own.shape(mask), mask)
        return [
            Step("LogicalNot", (mask,), (other.number,), {}),
            own.layer("MaskedFill", [a, other], out, {"value": b}),
        ]
    raise Inexpressible("between two numbers")


_BY_NAME: Mapping[str, Translate] = {
    **dict.fromkeys(("view", "reshape", "view_as", "reshape_as"), _reshaped),
    **dict.fromkeys(("expand", "expand_as", "broadcast_to"), _expanded),
    **dict.fromkeys(("cat", "concat", "concatenate"), _joined("Concat")),
    **dict.fromkeys(("chunk", "split", "tensor_split", "split_with_sizes"), _divided),
    **dict.fromkeys(("t", "T", "mT"), _turned),
    **dict.fromkeys(("movedim", "moveaxis"), _moved),
    **dict.fromkeys(("pow", "__pow__", "__ipow__", "float_power"), _pow),
    **dict.fromkeys(("rsub", "__rsub__"), _from_number),
    **dict.fromkeys(("__rtruediv__", "__rdiv__"), _by_tensor),
    **dict.fromkeys(
        ("to", "float", "half", "double", "long", "int", "bool", "type", "type_as"), _cast
    ),
    **dict.fromkeys(("norm", "vector_norm", "linalg.norm", "linalg.vector_norm"), _norm),
    **dict.fromkeys(("var", "std"), _spread_out),
    **dict.fromkeys(("addmm", "baddbmm"), _linear_with),
    "stack": _joined("Stack"),
    "permute": _permuted,
    "flip": _flipped,
    "repeat": _repeated,
    "squeeze": _squeezed,
    "flatten": _flat,
    "unflatten": _unflattened,
    "ravel": _reshaped,
    "unbind": _unbound,
    "__iter__": _unbound,
    "einsum": _einsum,
    "scaled_dot_product_attention": _attention,
    "square": _square,
    "max": _extreme("max"),
    "min": _extreme("min"),
    "__getitem__": _getitem,
    "__invert__": lambda own, call, out: [Step("LogicalNot", (_tensor(call.args[0]),), out, {})],
    "__matmul__": lambda own, call, out: [
        Step("MatMul", (_tensor(call.args[0]), _tensor(call.args[1])), out, {})
    ],
    "__rmatmul__": lambda own, call, out: [
        Step("MatMul", (_tensor(call.args[1]), _tensor(call.args[0])), out, {})
    ],
    "addcmul": _multiplied_sum,
    "narrow": _narrowed,
    "where": _where,
    "linear": _normed("Linear"),
    **{f"conv{n}d": _normed(f"Conv{n}d") for n in (1, 2, 3)},
    **{f"conv_transpose{n}d": _normed(f"ConvTranspose{n}d") for n in (1, 2, 3)},
    "layer_norm": _normed("LayerNorm"),
    "rms_norm": _normed("RMSNorm"),
    "group_norm": _normed("GroupNorm"),
    "batch_norm": _normed("BatchNorm"),
    "embedding": _normed("Embedding"),
    "prelu": _normed("PReLU"),
}
