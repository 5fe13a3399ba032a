"""Random arguments and inputs for every layer type: mostly plausible, often a little wrong."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

DTYPES = (
    "float16 bfloat16 float32 float64 int8 int16 int32 int64 uint8 bool complex64 complex128 "
    "uint16 uint32 uint64"
).split()


@dataclass
class Tensor:
    """An input: its shape, element type, and for positions the number that all are below."""

    shape: tuple[int, ...]
    dtype: str = "float32"
    high: int | None = None


@dataclass
class Case:
    """A layer with torch's own arguments; `inferred` names those that a spec leaves out."""

    layer: str
    args: dict[str, Any]
    inputs: list[Tensor]
    inferred: dict[str, Any] = field(default_factory=dict)
    named: dict[str, Tensor] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return (
            f"{self.layer}({self.inferred | self.args}) {self.inputs} {self.named} {self.options}"
        )


class Draw(random.Random):
    """A seeded source of plausible and implausible values."""

    def chance(self, p: float) -> bool:
        return self.random() < p

    def dtype(self) -> str:
        return self.choice(DTYPES) if self.chance(0.08) else "float32"

    def number(self, low: int, high: int) -> int:
        """A whole number; now and then one that is out of order."""
        return self.choice((0, -1, 50)) if self.chance(0.02) else self.randint(low, high)

    def many(self, n: int, low: int, high: int) -> Any:
        """One number, or a list of n; now and then of another length."""
        if self.chance(0.6):
            return self.number(low, high)
        length = n + self.choice((-1, 1)) if self.chance(0.03) else n
        return [self.number(low, high) for _ in range(max(length, 1))]

    def sometimes(self, args: dict[str, Any], name: str, value: Any, p: float = 0.5) -> None:
        if self.chance(p):
            args[name] = value

    def spatial(self, n: int, low: int = 1, high: int = 12) -> tuple[int, ...]:
        """Batch or not, channels, and n sizes; now and then of another rank."""
        rank = n + self.choice((-1, 1)) if self.chance(0.04) else n
        sizes = tuple(self.randint(low, high) for _ in range(max(rank, 0)))
        channels = self.randint(1, 8)
        return (channels, *sizes) if self.chance(0.2) else (self.randint(2, 3), channels, *sizes)

    def any_shape(self, low: int = 1, high: int = 5) -> tuple[int, ...]:
        return tuple(self.randint(1, 8) for _ in range(self.randint(low, high)))


def _channels(shape: tuple[int, ...], n: int) -> int:
    return shape[-n - 1] if len(shape) > n else shape[0]


def _conv(r: Draw, name: str) -> Case:
    n = int(name[-2])
    shape = r.spatial(n)
    groups = r.choice((1, 1, 1, 2, 3, 4))
    if r.chance(0.8):
        place = max(len(shape) - n - 1, 0)
        shape = (*shape[:place], groups * r.randint(1, 3), *shape[place + 1 :])
    transposed = "Transpose" in name
    args: dict[str, Any] = {"out_channels": groups * r.number(1, 3), "kernel_size": r.many(n, 1, 4)}
    if r.chance(0.1):
        args["out_channels"] = r.number(1, 7)
    r.sometimes(args, "stride", r.many(n, 1, 3))
    r.sometimes(args, "dilation", r.many(n, 1, 3), 0.3)
    padding = r.many(n, 0, 3) if transposed or r.chance(0.75) else r.choice(("same", "valid", "x"))
    r.sometimes(args, "padding", padding)
    r.sometimes(args, "groups", groups, 1.0 if groups > 1 else 0.1)
    r.sometimes(args, "bias", r.chance(0.5), 0.3)
    modes = ("zeros", "reflect", "replicate", "circular", "mirror")
    r.sometimes(args, "padding_mode", r.choice(modes), 0.05 if transposed else 0.25)
    options = {}
    if transposed:
        r.sometimes(args, "output_padding", r.many(n, 0, 2), 0.3)
        if r.chance(0.2):
            options["output_size"] = [r.randint(3, 20) for _ in range(n)]
    dtype = r.dtype()
    return Case(
        name, args, [Tensor(shape, dtype)], {"in_channels": _channels(shape, n)}, {}, options
    )


def _pool(r: Draw, name: str) -> Case:
    n = int(name[-2])
    args: dict[str, Any] = {"kernel_size": r.many(n, 1, 4)}
    if name.startswith("LP"):
        args["norm_type"] = r.choice((1, 2.0, 3.5, 0))
        if n == 1 and isinstance(args["kernel_size"], list):
            args["kernel_size"] = args["kernel_size"][0]
    r.sometimes(args, "stride", r.many(n, 1, 4))
    r.sometimes(args, "ceil_mode", r.chance(0.5))
    if not name.startswith("LP"):
        r.sometimes(args, "padding", r.many(n, 0, 2))
    if name.startswith("Max"):
        r.sometimes(args, "dilation", r.many(n, 1, 3), 0.3)
        r.sometimes(args, "return_indices", r.chance(0.5), 0.3)
    if name.startswith("Avg"):
        r.sometimes(args, "count_include_pad", r.chance(0.5), 0.3)
        if n > 1:
            r.sometimes(args, "divisor_override", r.choice((1, 3, 0, -2)), 0.2)
    return Case(name, args, [Tensor(r.spatial(n), r.dtype())])


def _adaptive(r: Draw, name: str) -> Case:
    n = int(name[-2])
    size: Any = r.many(n, 1, 6)
    if isinstance(size, list) and n > 1 and r.chance(0.3):
        size[0] = None
    if r.chance(0.03):
        size = None
    args = {"output_size": size}
    if "Max" in name:
        r.sometimes(args, "return_indices", r.chance(0.5), 0.3)
    return Case(name, args, [Tensor(r.spatial(n), r.dtype())])


def _fractional(r: Draw, name: str) -> Case:
    n = int(name[-2])
    args: dict[str, Any] = {"kernel_size": r.many(n, 1, 3)}
    if r.chance(0.55):
        args["output_size"] = r.many(n, 1, 6)
    if r.chance(0.5):
        ratios = [r.choice((0.3, 0.5, 0.75, 0.9, 1.0, 0.0)) for _ in range(n)]
        args["output_ratio"] = ratios if r.chance(0.5) else ratios[0]
    r.sometimes(args, "return_indices", r.chance(0.5), 0.3)
    return Case(name, args, [Tensor(r.spatial(n, 2), r.dtype())])


def _unpool(r: Draw, name: str) -> Case:
    n = int(name[-2])
    shape = r.spatial(n, 1, 4)

    def sizes(low: int, high: int) -> Any:
        # torch reads as many numbers of a list as it needs and drops the rest
        return r.many(n, low, high) if r.chance(0.5) else [r.number(low, high) for _ in range(n)]

    args: dict[str, Any] = {"kernel_size": sizes(1, 3)}
    r.sometimes(args, "stride", sizes(1, 3))
    r.sometimes(args, "padding", sizes(0, 1), 0.3)
    args = {k: v for k, v in args.items() if not isinstance(v, list) or len(v) == n}
    args.setdefault("kernel_size", 2)
    indices = shape if r.chance(0.95) else (*shape[:-1], shape[-1] + 1)
    dtype = "int64" if r.chance(0.95) else r.choice(DTYPES)
    options = {}
    if r.chance(0.25):
        options["output_size"] = [r.randint(2, 10) for _ in range(n)]
    return Case(
        name, args, [Tensor(shape, r.dtype()), Tensor(indices, dtype, high=1)], options=options
    )


def _batch_norm(r: Draw, name: str) -> Case:
    n = int(name[-2]) if name[-1] == "d" else r.randint(1, 3)
    shape = r.spatial(n)
    if n == 1 and r.chance(0.4):
        shape = shape[:2]
    args: dict[str, Any] = {}
    for flag in ("affine", "track_running_stats", "bias"):
        r.sometimes(args, flag, r.chance(0.5), 0.4)
    r.sometimes(args, "eps", r.choice((1e-3, 1, 0.1, 0, -1.0)), 0.3)
    momenta = (0.5, 0.0, 1) if name.startswith("Instance") else (None, 0.5, 0.0, 1)
    r.sometimes(args, "momentum", r.choice(momenta), 0.3)
    features = _channels(shape, n) if name.startswith("Instance") else shape[min(1, len(shape) - 1)]
    return Case(name, args, [Tensor(shape, r.dtype())], {"num_features": features})


def _group_norm(r: Draw, name: str) -> Case:
    shape = r.any_shape()
    channels = shape[1] if len(shape) > 1 else shape[0]
    args: dict[str, Any] = {"num_groups": r.number(1, 4)}
    r.sometimes(args, "eps", r.choice((1e-3, 1, 0, -1.0)), 0.3)
    for flag in ("affine", "bias"):
        r.sometimes(args, flag, r.chance(0.5), 0.4)
    return Case(name, args, [Tensor(shape, r.dtype())], {"num_channels": channels})


def _shape_norm(r: Draw, name: str) -> Case:
    shape = r.any_shape()
    args: dict[str, Any] = {}
    r.sometimes(args, "elementwise_affine", r.chance(0.5), 0.4)
    r.sometimes(args, "eps", r.choice((1e-3, 0, -1.0)), 0.3)
    if name == "LayerNorm":
        r.sometimes(args, "bias", r.chance(0.5), 0.4)
    inferred: dict[str, Any] = {"normalized_shape": shape[-1]}
    if r.chance(0.3):
        args["normalized_shape"] = list(shape[-r.randint(1, len(shape)) :])
        inferred = {}
    return Case(name, args, [Tensor(shape, r.dtype())], inferred)


def _response(r: Draw, name: str) -> Case:
    args: dict[str, Any] = {"size": r.number(1, 5)}
    r.sometimes(args, "alpha", 0.01, 0.3)
    r.sometimes(args, "k", 2.0, 0.3)
    return Case(name, args, [Tensor(r.any_shape(2), r.dtype())])


def _pad(r: Draw, name: str) -> Case:
    n = int(name[-2])
    low = -2 if r.chance(0.3) else 0
    padded = r.randint(1, n) if r.chance(0.3) else n
    padding = r.many(2 * padded, low, 4)
    args: dict[str, Any] = {"padding": padding}
    if name.startswith("Constant"):
        args["value"] = r.choice((0.5, 2, -1.0, 0))
    shape = r.spatial(r.choice((n, padded)), 1, 6)
    return Case(name, args, [Tensor(shape, r.dtype())])


def _pointwise(r: Draw, name: str) -> Case:
    args: dict[str, Any] = {}
    numbers: dict[str, dict[str, tuple[float, ...]]] = {
        "CELU": {"alpha": (0.5, 2, 0, -1)},
        "ELU": {"alpha": (0.5, 2)},
        "Hardshrink": {"lambd": (0.3, 1, -0.5)},
        "Softshrink": {"lambd": (0.3, 1, 0, -0.5)},
        "LeakyReLU": {"negative_slope": (0.3, 0)},
        "RReLU": {"lower": (0.1, 0.5), "upper": (0.4, 0.7)},
        "Softplus": {"beta": (0.5, 2), "threshold": (10, 30.0)},
        "Hardtanh": {"min_val": (-2.0, 0, 0.5), "max_val": (2.0, 1, 0.5)},
        "Threshold": {"threshold": (0.1, 1), "value": (20.0, 3)},
    }
    for argument, values in numbers.get(name, {}).items():
        r.sometimes(args, argument, r.choice(values), 1.0 if name == "Threshold" else 0.4)
    if name == "GELU":
        r.sometimes(args, "approximate", r.choice(("none", "tanh", "erf")), 0.4)
    if name in ("Softmax", "LogSoftmax", "Softmin"):
        args["dim"] = r.randint(-4, 4)
    if name == "GLU":
        r.sometimes(args, "dim", r.randint(-4, 4), 0.6)
    # in place torch's verdict hangs on what stands before the layer, not on the layer
    if name in ("ReLU", "SiLU", "Hardswish"):
        r.sometimes(args, "inplace", False, 0.2)
    return Case(name, args, [Tensor(r.any_shape(), r.dtype())])


def _prelu(r: Draw, name: str) -> Case:
    shape = r.any_shape()
    args: dict[str, Any] = {}
    count = shape[1] if len(shape) > 1 and r.chance(0.8) else r.number(1, 4)
    r.sometimes(args, "num_parameters", count, 0.6)
    return Case(name, args, [Tensor(shape, r.dtype())])


def _dropout(r: Draw, name: str) -> Case:
    args: dict[str, Any] = {}
    r.sometimes(args, "p", r.choice((0, 0.3, 1, 0.9, 1.5, -0.1)))
    return Case(name, args, [Tensor(r.any_shape(), r.dtype())])


def _linear(r: Draw, name: str) -> Case:
    shape = r.any_shape()
    args: dict[str, Any] = {"out_features": r.number(1, 9)}
    r.sometimes(args, "bias", r.chance(0.5), 0.4)
    return Case(name, args, [Tensor(shape, r.dtype())], {"in_features": shape[-1]})


def _bilinear(r: Draw, name: str) -> Case:
    shape = r.any_shape(1, 4)
    other = (*shape[:-1], r.randint(1, 8)) if r.chance(0.9) else r.any_shape(1, 4)
    args: dict[str, Any] = {"out_features": r.number(1, 9)}
    r.sometimes(args, "bias", r.chance(0.5), 0.4)
    inferred = {"in1_features": shape[-1], "in2_features": other[-1]}
    return Case(name, args, [Tensor(shape, r.dtype()), Tensor(other, r.dtype())], inferred)


def _distance(r: Draw, name: str) -> Case:
    shape = r.any_shape(1, 4)
    other = tuple(1 if r.chance(0.2) else size for size in shape)
    if r.chance(0.2):
        other = other[1:] or (1,)
    if r.chance(0.05):
        other = r.any_shape(1, 4)
    args: dict[str, Any] = {}
    if name == "CosineSimilarity":
        r.sometimes(args, "dim", r.randint(-4, 3), 0.7)
    else:
        r.sometimes(args, "p", r.choice((1, 2.0, 3.5, float("inf"))), 0.5)
        r.sometimes(args, "keepdim", r.chance(0.5), 0.5)
    dtype = r.dtype()
    second = dtype if r.chance(0.9) else r.dtype()
    return Case(name, args, [Tensor(shape, dtype), Tensor(other, second)])


def _flatten(r: Draw, name: str) -> Case:
    args: dict[str, Any] = {}
    r.sometimes(args, "start_dim", r.randint(-4, 4))
    r.sometimes(args, "end_dim", r.randint(-4, 4))
    return Case(name, args, [Tensor(r.any_shape(), r.dtype())])


def _unflatten(r: Draw, name: str) -> Case:
    shape = r.any_shape()
    dim = r.randint(-4, 4)
    size = shape[dim] if -len(shape) <= dim < len(shape) else 4
    sizes = r.choice(
        ([size], [1, size], [size, 1], [2, -1], [-1], [-1, 2, 1], [2, size // 2], [-1, -1])
    )
    return Case(name, {"dim": dim, "unflattened_size": sizes}, [Tensor(shape, r.dtype())])


def _shuffle(r: Draw, name: str) -> Case:
    shape = list(r.any_shape(2))
    factor = r.number(1, 3)
    if name == "PixelShuffle" and len(shape) > 2 and r.chance(0.8):
        shape[-3] = max(factor, 1) ** 2 * r.randint(1, 3)
    if name == "PixelUnshuffle" and r.chance(0.8):
        shape[-2:] = [max(factor, 1) * r.randint(1, 3) for _ in range(2)]
    argument = {
        "ChannelShuffle": "groups",
        "PixelShuffle": "upscale_factor",
        "PixelUnshuffle": "downscale_factor",
    }[name]
    return Case(name, {argument: factor}, [Tensor(tuple(shape), r.dtype())])


def _window_args(r: Draw) -> dict[str, Any]:
    args: dict[str, Any] = {"kernel_size": r.many(2, 1, 3)}
    r.sometimes(args, "dilation", r.many(2, 1, 2), 0.3)
    r.sometimes(args, "padding", r.many(2, 0, 2), 0.4)
    r.sometimes(args, "stride", r.many(2, 1, 3))
    return args


def _unfold(r: Draw, name: str) -> Case:
    return Case(name, _window_args(r), [Tensor(r.spatial(2), r.dtype())])


def _fold(r: Draw, name: str) -> Case:
    args = _window_args(r)
    args["output_size"] = r.many(2, 3, 8)

    def pair(argument: str, default: int) -> list[int]:
        value = args.get(argument, default)
        return (value if isinstance(value, list) else [value] * 2 + [0])[:2] + [1] * 2

    size, kernel, dilation = pair("output_size", 0), pair("kernel_size", 1), pair("dilation", 1)
    padding, stride = pair("padding", 0), pair("stride", 1)
    windows = 1
    for i in range(2):
        reach = size[i] + 2 * padding[i] - dilation[i] * (kernel[i] - 1) - 1
        windows *= reach // max(stride[i], 1) + 1
    if r.chance(0.1):
        windows = r.randint(1, 20)
    rows = abs(kernel[0] * kernel[1]) * r.randint(1, 3) + r.chance(0.1)
    shape = (rows, max(abs(windows), 1)) if r.chance(0.3) else (2, rows, max(abs(windows), 1))
    return Case(name, args, [Tensor((*shape,) if r.chance(0.97) else (2, *shape), r.dtype())])


def _upsample(r: Draw, name: str) -> Case:
    n = r.randint(1, 3) if name == "Upsample" else 2 if r.chance(0.9) else 1
    args: dict[str, Any] = {}
    if r.chance(0.55):
        args["size"] = r.many(n, 1, 9)
    if r.chance(0.5):
        scales = [r.choice((1, 2, 3, 0.5, 1.5, 2.7, 0.1)) for _ in range(n)]
        args["scale_factor"] = scales if r.chance(0.4) else scales[0]
    if name == "Upsample":
        fitting = {1: ["linear"], 2: ["bilinear", "bicubic"], 3: ["trilinear"]}[n]
        modes = ["nearest", "nearest-exact", "area", *fitting * 2, "linear", "cubic"]
        r.sometimes(args, "mode", r.choice(modes), 0.8)
        r.sometimes(args, "align_corners", r.chance(0.5), 0.2)
        r.sometimes(args, "recompute_scale_factor", r.chance(0.5), 0.1)
    return Case(name, args, [Tensor(r.spatial(n, 1, 6), r.dtype())])


def _embedding(r: Draw, name: str) -> Case:
    rows = r.number(3, 9)
    args: dict[str, Any] = {"num_embeddings": rows, "embedding_dim": r.number(1, 6)}
    r.sometimes(args, "padding_idx", r.randint(-10, 10), 0.3)
    r.sometimes(args, "max_norm", 1.5, 0.2)
    r.sometimes(args, "scale_grad_by_freq", r.chance(0.5), 0.2)
    r.sometimes(args, "sparse", r.chance(0.5), 0.2)
    dtype = "int64" if r.chance(0.7) else r.choice(DTYPES)
    named: dict[str, Tensor] = {}
    shape = r.any_shape(1, 3)
    if name == "EmbeddingBag":
        r.sometimes(args, "mode", r.choice(("sum", "mean", "max", "min")), 0.6)
        r.sometimes(args, "include_last_offset", r.chance(0.5), 0.2)
        if (len(shape) == 1 and r.chance(0.9)) or r.chance(0.05):
            # offsets begin with 0 and never decrease: all zeros will do; and torch's backward
            # pass crashes the process where `include_last_offset` leaves no bag
            named["offsets"] = Tensor((r.randint(2, 4),), dtype, high=1)
        if r.chance(0.2):
            weights = shape if r.chance(0.9) else shape[1:]
            named["per_sample_weights"] = Tensor(weights, r.dtype())
    return Case(name, args, [Tensor(shape, dtype, high=max(rows, 1))], named=named)


def _rnn(r: Draw, name: str) -> Case:
    shape = tuple(r.randint(1, 5) for _ in range(r.choice((2, 3, 3, 3, 1, 4))))
    if r.chance(0.9):
        shape = shape[:3] if len(shape) > 1 else (*shape, 4)
    args: dict[str, Any] = {"hidden_size": r.number(2, 6)}
    for argument, value in (
        ("num_layers", r.number(1, 3)),
        ("bias", r.chance(0.5)),
        ("batch_first", r.chance(0.5)),
        ("dropout", r.choice((0.0, 0.5, 1, 2.0))),
        ("bidirectional", r.chance(0.5)),
    ):
        r.sometimes(args, argument, value, 0.4)
    if name == "RNN":
        r.sometimes(args, "nonlinearity", r.choice(("tanh", "relu", "gelu")), 0.3)
    if name == "LSTM":
        r.sometimes(args, "proj_size", r.number(0, 3), 0.3)
    named: dict[str, Tensor] = {}
    if r.chance(0.4):
        layers = args.get("num_layers", 1) * (2 if args.get("bidirectional") else 1)
        batch = shape[:-1][0 if args.get("batch_first") else -1 :][:1] if len(shape) == 3 else ()
        for state in ("h_0", "c_0")[: 2 if name == "LSTM" else 1]:
            size = args["hidden_size"]
            if state == "h_0":
                size = args.get("proj_size") or size
            full = (layers, *batch, size)
            if r.chance(0.05):
                full = (*full[:-1], size + 1)
            named[state] = Tensor(tuple(max(part, 1) for part in full), r.dtype())
    return Case(name, args, [Tensor(shape, r.dtype())], {"input_size": shape[-1]}, named)


def _cell(r: Draw, name: str) -> Case:
    shape = tuple(r.randint(1, 5) for _ in range(r.choice((1, 2, 2, 2, 2, 3))))
    args: dict[str, Any] = {"hidden_size": r.number(1, 6)}
    r.sometimes(args, "bias", r.chance(0.5), 0.4)
    if name == "RNNCell":
        r.sometimes(args, "nonlinearity", r.choice(("tanh", "relu", "gelu")), 0.3)
    named: dict[str, Tensor] = {}
    if r.chance(0.5):
        for state in ("h_0", "c_0")[: 2 if name == "LSTMCell" else 1]:
            full = (*shape[:-1], max(args["hidden_size"], 1))
            if r.chance(0.05):
                full = (*full[:-1], full[-1] + 1)
            named[state] = Tensor(full, r.dtype())
    return Case(name, args, [Tensor(shape, r.dtype())], {"input_size": shape[-1]}, named)


def _sequence(r: Draw, batched: bool, first: bool, batch: int, features: int) -> tuple[int, ...]:
    length = r.randint(1, 5)
    if not batched:
        return (length, features)
    return (batch, length, features) if first else (length, batch, features)


def _mask(r: Draw, *shape: int) -> Tensor:
    if r.chance(0.04):
        shape = (*shape[:-1], shape[-1] + 1)
    dtype = "bool" if r.chance(0.5) else "float32"
    return Tensor(shape, r.choice(DTYPES) if r.chance(0.03) else dtype)


def _attention(r: Draw, name: str) -> Case:
    batched, first, batch = r.chance(0.75), r.chance(0.5), r.randint(2, 3)
    heads = r.number(1, 3)
    embed = max(heads, 1) * r.randint(1, 4) + (1 if r.chance(0.05) else 0)
    query = _sequence(r, batched, first, batch, embed)
    key = (
        query
        if r.chance(0.4)
        else _sequence(r, batched, first, batch, embed if r.chance(0.5) else r.randint(1, 8))
    )
    value = key if r.chance(0.5) else (*key[:-1], r.randint(1, 8))
    if r.chance(0.04):
        value = (key[0] + 1, *key[1:])
    args: dict[str, Any] = {"num_heads": heads}
    if first:
        args["batch_first"] = True
    for argument in ("bias", "add_bias_kv", "add_zero_attn"):
        r.sometimes(args, argument, r.chance(0.5), 0.3)
    r.sometimes(args, "dropout", r.choice((0.2, 0, 1.5)), 0.2)
    options: dict[str, Any] = {}
    r.sometimes(options, "need_weights", r.chance(0.5), 0.4)
    r.sometimes(options, "average_attn_weights", r.chance(0.5), 0.3)
    r.sometimes(options, "is_causal", r.chance(0.5), 0.1)
    length = query[1] if batched and first else query[0]
    source = key[1] if batched and first else key[0]
    named: dict[str, Tensor] = {}
    if r.chance(0.25):
        samples = (batch if batched else 1) * max(heads, 1)
        named["attn_mask"] = (
            _mask(r, length, source) if r.chance(0.6) else _mask(r, samples, length, source)
        )
    if r.chance(0.25):
        named["key_padding_mask"] = _mask(r, batch, source) if batched else _mask(r, source)
    inferred = {"embed_dim": embed}
    if key[-1] != embed or value[-1] != embed:
        inferred |= {"kdim": key[-1], "vdim": value[-1]}
    tensors = [Tensor(shape, r.dtype()) for shape in (query, key, value)]
    return Case(name, args, tensors, inferred, named, options)


def _transformer(r: Draw, name: str) -> Case:
    batched, first, batch = r.chance(0.75), r.chance(0.5), r.randint(2, 3)
    heads = r.number(1, 3)
    model = max(heads, 1) * r.randint(1, 4) + (1 if r.chance(0.05) else 0)
    args: dict[str, Any] = {"nhead": heads, "dim_feedforward": r.number(1, 8)}
    if first:
        args["batch_first"] = True
    for argument, value in (
        ("dropout", r.choice((0.0, 0.5, 1.5))),
        ("activation", r.choice(("relu", "gelu", "tanh"))),
        ("norm_first", r.chance(0.5)),
        ("bias", r.chance(0.5)),
        ("layer_norm_eps", 1e-3),
    ):
        r.sometimes(args, argument, value, 0.25)
    if name == "Transformer":
        args |= {"num_encoder_layers": r.number(0, 2), "num_decoder_layers": r.number(0, 2)}
        args["num_encoder_layers"] %= 3
        args["num_decoder_layers"] %= 3
    src = _sequence(r, batched, first, batch, model)
    tgt = _sequence(r, batched, first, batch if r.chance(0.95) else batch + 1, model)
    inputs = [src]
    inferred: dict[str, Any] = {"d_model": model}
    if "Encoder" not in name:
        inputs.append(tgt)
    named: dict[str, Tensor] = {}

    def length(shape: tuple[int, ...]) -> int:
        return shape[1] if batched and first else shape[0]

    def add(mask: str, rows: int, columns: int) -> None:
        if r.chance(0.15):
            samples = (batch if batched else 1) * max(heads, 1)
            wide = (samples, rows, columns) if r.chance(0.3) else (rows, columns)
            named[mask] = _mask(r, *wide)

    def pad(mask: str, columns: int) -> None:
        if r.chance(0.15):
            named[mask] = _mask(r, batch, columns) if batched else _mask(r, columns)

    if "Encoder" in name:
        add("mask" if name == "TransformerEncoder" else "src_mask", length(src), length(src))
        pad("src_key_padding_mask", length(src))
    else:
        own, other = (
            (length(tgt), length(src))
            if name == "Transformer"
            else (
                length(src),
                length(tgt),
            )
        )
        add("tgt_mask", own, own)
        add("memory_mask", own, other)
        pad("tgt_key_padding_mask", own)
        pad("memory_key_padding_mask", other)
    if name in ("TransformerEncoder", "TransformerDecoder"):
        side = name.removeprefix("Transformer").lower()
        row = f"{name}Layer"
        args = {f"{side}_layer": {row: args}, "num_layers": r.choice((1, 1, 2))}
        if r.chance(0.3):
            args["norm"] = {r.choice(("LayerNorm", "RMSNorm", "Identity", "GLU")): {}}
        inferred = {"nested": inferred}
    tensors = [Tensor(shape, r.dtype()) for shape in inputs]
    return Case(name, args, tensors, inferred, named)


_PREFIXES: tuple[tuple[str, Callable[[Draw, str], Case]], ...] = (
    ("AdaptiveAvgPool", _adaptive),
    ("AdaptiveMaxPool", _adaptive),
    ("AvgPool", _pool),
    ("BatchNorm", _batch_norm),
    ("SyncBatchNorm", _batch_norm),
    ("InstanceNorm", _batch_norm),
    ("Bilinear", _bilinear),
    ("ChannelShuffle", _shuffle),
    ("CircularPad", _pad),
    ("ConstantPad", _pad),
    ("Conv", _conv),
    ("CosineSimilarity", _distance),
    ("PairwiseDistance", _distance),
    ("CrossMapLRN2d", _response),
    ("LocalResponseNorm", _response),
    ("AlphaDropout", _dropout),
    ("Dropout", _dropout),
    ("FeatureAlphaDropout", _dropout),
    ("Embedding", _embedding),
    ("Flatten", _flatten),
    ("Fold", _fold),
    ("FractionalMaxPool", _fractional),
    ("GRUCell", _cell),
    ("LSTMCell", _cell),
    ("RNNCell", _cell),
    ("GRU", _rnn),
    ("LSTM", _rnn),
    ("RNN", _rnn),
    ("GroupNorm", _group_norm),
    ("LPPool", _pool),
    ("LayerNorm", _shape_norm),
    ("RMSNorm", _shape_norm),
    ("Linear", _linear),
    ("MaxPool", _pool),
    ("MaxUnpool", _unpool),
    ("MultiheadAttention", _attention),
    ("PReLU", _prelu),
    ("PixelShuffle", _shuffle),
    ("PixelUnshuffle", _shuffle),
    ("ReflectionPad", _pad),
    ("ReplicationPad", _pad),
    ("Transformer", _transformer),
    ("Unflatten", _unflatten),
    ("Unfold", _unfold),
    ("Upsampl", _upsample),
    ("ZeroPad", _pad),
    ("", _pointwise),
)


def draw(r: Draw, name: str) -> Case:
    """A random case for a layer type."""
    return next(make for prefix, make in _PREFIXES if name.startswith(prefix))(r, name)
