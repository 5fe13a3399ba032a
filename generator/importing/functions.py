"""Which functions and methods of torch are one operation of the catalogue, with its arguments."""

from __future__ import annotations

from msgspec import Struct


class Row(Struct, frozen=True):
    """A function that is an operation: the tensors that it reads, and its other arguments.

    A spec has no word for the `silent` ones.
    """

    type: str
    tensors: tuple[str, ...]
    arguments: tuple[str, ...]
    silent: frozenset[str]


def row_of(line: str) -> tuple[str, Row]:
    """A line of the table as the function's name and its row."""
    name, _, rest = line.partition(": ")
    head, _, names = rest.partition(") ") if "(" in rest else rest.partition(" ")
    type, _, tensors = head.rstrip(")").partition("(")
    silent = frozenset(x[1:] for x in names.split() if x.startswith("~"))
    arguments = tuple(x.lstrip("~") for x in names.split())
    return name, Row(type, tuple((tensors or "input").split(", ")), arguments, silent)


# name: type, the tensors that it reads if they are not `input`, other arguments in torch's order;
# ~ is before one that a spec has no word for: it is left out, but a `dtype` is refused
_SAME = """
relu: ReLU ~inplace
relu6: ReLU6 ~inplace
elu: ELU alpha ~inplace
selu: SELU ~inplace
celu: CELU alpha ~inplace
leaky_relu: LeakyReLU negative_slope ~inplace
gelu: GELU approximate
silu: SiLU ~inplace
mish: Mish ~inplace
hardswish: Hardswish ~inplace
hardsigmoid: Hardsigmoid ~inplace
hardtanh: Hardtanh min_val max_val ~inplace
hardshrink: Hardshrink lambd
softshrink: Softshrink lambd
tanhshrink: Tanhshrink
softsign: Softsign
softplus: Softplus beta threshold
logsigmoid: LogSigmoid
sigmoid: Sigmoid
tanh: Tanh
threshold: Threshold threshold value ~inplace
softmax: Softmax dim ~_stacklevel ~dtype
log_softmax: LogSoftmax dim ~_stacklevel ~dtype
softmin: Softmin dim ~_stacklevel ~dtype
glu: GLU dim
dropout: Dropout p ~training ~inplace
dropout1d: Dropout1d p ~training ~inplace
dropout2d: Dropout2d p ~training ~inplace
dropout3d: Dropout3d p ~training ~inplace
alpha_dropout: AlphaDropout p ~training ~inplace
feature_alpha_dropout: FeatureAlphaDropout p ~training ~inplace
max_pool1d: MaxPool1d kernel_size stride padding dilation ceil_mode return_indices
max_pool2d: MaxPool2d kernel_size stride padding dilation ceil_mode return_indices
max_pool3d: MaxPool3d kernel_size stride padding dilation ceil_mode return_indices
avg_pool1d: AvgPool1d kernel_size stride padding ceil_mode count_include_pad
avg_pool2d: AvgPool2d kernel_size stride padding ceil_mode count_include_pad divisor_override
avg_pool3d: AvgPool3d kernel_size stride padding ceil_mode count_include_pad divisor_override
lp_pool1d: LPPool1d norm_type kernel_size stride ceil_mode
lp_pool2d: LPPool2d norm_type kernel_size stride ceil_mode
adaptive_avg_pool1d: AdaptiveAvgPool1d output_size
adaptive_avg_pool2d: AdaptiveAvgPool2d output_size
adaptive_avg_pool3d: AdaptiveAvgPool3d output_size
adaptive_max_pool1d: AdaptiveMaxPool1d output_size return_indices
adaptive_max_pool2d: AdaptiveMaxPool2d output_size return_indices
adaptive_max_pool3d: AdaptiveMaxPool3d output_size return_indices
pixel_shuffle: PixelShuffle upscale_factor
pixel_unshuffle: PixelUnshuffle downscale_factor
channel_shuffle: ChannelShuffle groups
unfold: Unfold kernel_size dilation padding stride
fold: Fold output_size kernel_size dilation padding stride
local_response_norm: LocalResponseNorm size alpha beta k
cosine_similarity: CosineSimilarity(x1, x2) dim eps
pairwise_distance: PairwiseDistance(x1, x2) p eps keepdim
interpolate: Interpolate size scale_factor mode align_corners recompute_scale_factor ~antialias
pad: Pad pad mode value
normalize: Normalize p dim eps ~out
mean: Mean dim keepdim ~dtype ~out
sum: Sum dim keepdim ~dtype ~out
amax: Amax dim keepdim ~out
amin: Amin dim keepdim ~out
logsumexp: LogSumExp dim keepdim ~out
prod: Prod dim keepdim ~dtype ~out
argmax: ArgMax dim keepdim ~out
argmin: ArgMin dim keepdim ~out
any: Any dim keepdim ~out
all: All dim keepdim ~out
cumsum: CumSum dim ~dtype ~out
cumprod: CumProd dim ~dtype ~out
exp: Exp ~out
log: Log ~out
sqrt: Sqrt ~out
rsqrt: Rsqrt ~out
reciprocal: Reciprocal ~out
sin: Sin ~out
cos: Cos ~out
erf: Erf ~out
round: Round decimals ~out
floor: Floor ~out
ceil: Ceil ~out
sign: Sign ~out
neg: Neg ~out
negative: Neg ~out
abs: Abs ~out
absolute: Abs ~out
logical_not: LogicalNot ~out
tril: Tril diagonal ~out
triu: Triu diagonal ~out
clamp: Clamp min max ~out
clip: Clamp min max ~out
maximum: Maximum(input, other) ~out
minimum: Minimum(input, other) ~out
atan2: Atan2(input, other) ~out
logical_and: LogicalAnd(input, other) ~out
logical_or: LogicalOr(input, other) ~out
matmul: MatMul(input, mat2) ~out
bmm: MatMul(input, mat2) ~out
mm: MatMul(input, mat2) ~out
cross: Cross(input, other) dim
cdist: Cdist(x1, x2) p ~compute_mode
masked_fill: MaskedFill(input, mask) value
index_select: IndexSelect dim index
gather: Gather dim index ~sparse_grad ~out
transpose: Transpose dim0 dim1
swapaxes: Transpose dim0 dim1
swapdims: Transpose dim0 dim1
unsqueeze: Unsqueeze dim
roll: Roll shifts dims
repeat_interleave: RepeatInterleave repeats dim ~output_size
tile: Tile dims
diagonal: Diagonal offset dim1 dim2
select: Select dim index
topk: TopK k dim largest sorted ~out
sort: Sort dim descending stable ~out
argsort: ArgSort dim descending stable
one_hot: OneHot num_classes
affine_grid: AffineGrid(theta) size align_corners
grid_sample: GridSample(input, grid) mode padding_mode align_corners
randn_like: RandnLike ~dtype ~layout ~device ~memory_format
zeros_like: ZerosLike ~dtype ~layout ~device ~memory_format
ones_like: OnesLike ~dtype ~layout ~device ~memory_format
real: Real
imag: Imag
angle: Angle ~out
complex: Complex(real, imag) ~out
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

SAME = dict(map(row_of, _SAME.strip().split("\n")))
