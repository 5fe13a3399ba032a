"""Operations against torch's functions: the same shapes and types, or a refusal on both sides."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch_netgen.layers import LOCAL, OPERATIONS
from torch_netgen.layers.applying import apply
from torch_netgen.layers.base import ALL, COMPLEX, INEXACT, Refusal
from torch_netgen.layers.models import read_arguments
from torch_netgen.layers.tensor import TensorType
from torch_netgen.pipeline import build_source
from torch_netgen.spec.given import read

from .conftest import SPECS, Builder

pytestmark = [
    pytest.mark.filterwarnings("ignore:Since version 1.3.0"),  # torch says so of grids of one place
    pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel"),
]

Tensors = list[torch.Tensor]
TYPES = ["float32"] * 20 + ["float64", "float16", "int64", "int32", "uint8", "bool", "complex64"]


def _fold(combine: Callable[[Any, Any], Any]) -> Callable[[Tensors, dict[str, Any]], Any]:
    def run(xs: Tensors, a: dict[str, Any]) -> Any:
        result: Any = xs[0]
        if (len(xs) > 1) == (a.get("other") is not None):
            raise ValueError
        for other in xs[1:] or [a["other"]]:
            result = combine(result, other)
        return result

    return run


def _pair(combine: Callable[[Any, Any], Any]) -> Callable[[Tensors, dict[str, Any]], Any]:
    folded = _fold(combine)

    def run(xs: Tensors, a: dict[str, Any]) -> Any:
        if len(xs) > 2:
            raise ValueError
        return folded(xs, a)

    return run


def _reading(function: Callable[..., Any]) -> Callable[[Tensors, dict[str, Any]], Any]:
    return lambda xs, a: function(*xs, **a)


def _below(index: torch.Tensor, x: torch.Tensor, dim: int) -> torch.Tensor:
    """The index with its values below the size of `dim`."""
    return index % x.size(dim) if x.dim() else index * 0


def _transform(name: str) -> Callable[[Tensors, dict[str, Any]], Any]:
    """A transform along one dimension, or along those in a list."""

    def run(xs: Tensors, a: dict[str, Any]) -> Any:
        several = "n" if isinstance(a["dim"], list) else ""
        return getattr(torch.fft, name + several)(xs[0], **a)

    return run


REAL: dict[str, Callable[[Tensors, dict[str, Any]], Any]] = {
    "Add": _fold(lambda x, y: x + y),
    "Sub": _pair(lambda x, y: x - y),
    "Mul": _fold(lambda x, y: x * y),
    "Div": _pair(lambda x, y: x / y),
    "Eq": _pair(lambda x, y: x == y),
    "Lt": _pair(lambda x, y: x < y),
    "Maximum": lambda xs, a: torch.maximum(*xs),
    "Minimum": lambda xs, a: torch.minimum(*xs),
    "MatMul": lambda xs, a: xs[0] @ xs[1],
    "Concat": lambda xs, a: torch.cat(xs, **{"dim": 1, **a}),
    "Stack": lambda xs, a: torch.stack(xs, **a),
    "Chunk": lambda xs, a: xs[0].chunk(**a),
    "Split": lambda xs, a: torch.split(xs[0], a["sizes"], a["dim"]),
    "Select": lambda xs, a: xs[0].select(**a),
    "Permute": lambda xs, a: xs[0].permute(*a["dims"]),
    "Transpose": lambda xs, a: xs[0].transpose(a["dim0"], a["dim1"]),
    "Squeeze": lambda xs, a: xs[0].squeeze(a["dim"]),
    "Unsqueeze": lambda xs, a: xs[0].unsqueeze(a["dim"]),
    "Reshape": lambda xs, a: xs[0].reshape(a["shape"]),
    "Pad": lambda xs, a: F.pad(xs[0], **a),
    "Roll": lambda xs, a: torch.roll(xs[0], **a),
    "Flip": lambda xs, a: xs[0].flip(a["dims"]),
    "TopK": lambda xs, a: xs[0].topk(**a),
    "Sort": lambda xs, a: xs[0].sort(**a),
    "ArgSort": lambda xs, a: xs[0].argsort(**a),
    "Gather": lambda xs, a: xs[0].gather(a["dim"], _below(xs[1], xs[0], a["dim"])),
    "ScatterAdd": lambda xs, a: xs[0].scatter_add(a["dim"], _below(xs[1], xs[0], a["dim"]), xs[2]),
    "AffineGrid": lambda xs, a: F.affine_grid(
        xs[0], [xs[0].shape[0], *a["size"]], align_corners=a["align_corners"]
    ),
    "GridSample": lambda xs, a: F.grid_sample(xs[0], xs[1], **a),
    "Fft": _transform("fft"),
    "Ifft": _transform("ifft"),
    "Rfft": _transform("rfft"),
    "Irfft": _transform("irfft"),
    "Real": lambda xs, a: torch.real(xs[0]),
    "Imag": lambda xs, a: torch.imag(xs[0]),
    "Angle": lambda xs, a: torch.angle(xs[0]),
    "Complex": lambda xs, a: torch.complex(*xs),
    "OneHot": lambda xs, a: F.one_hot(xs[0] % max(a["num_classes"], 1), **a),
    "Window": lambda xs, a: xs[0].unfold(*a.values()),
    "RepeatInterleave": lambda xs, a: xs[0].repeat_interleave(**a),
    "Tile": lambda xs, a: xs[0].tile(a["dims"]),
    "Diagonal": lambda xs, a: xs[0].diagonal(**{"dim1": -2, "dim2": -1, **a}),
    "ZerosLike": lambda xs, a: torch.zeros_like(*xs),
    "OnesLike": lambda xs, a: torch.ones_like(*xs),
    "Cross": lambda xs, a: torch.linalg.cross(*xs, **a),
    "Cdist": lambda xs, a: torch.cdist(xs[0], xs[1], **a),
    "Mean": lambda xs, a: xs[0].mean(**a),
    "Sum": lambda xs, a: xs[0].sum(**a),
    "Amax": lambda xs, a: xs[0].amax(**a),
    "Amin": lambda xs, a: xs[0].amin(**a),
    "Prod": lambda xs, a: xs[0].prod(**a),
    "ArgMax": lambda xs, a: xs[0].argmax(**a),
    "ArgMin": lambda xs, a: xs[0].argmin(**a),
    "LogSumExp": lambda xs, a: xs[0].logsumexp(**a),
    "Var": lambda xs, a: xs[0].var(**a),
    "Std": lambda xs, a: xs[0].std(**a),
    "Any": lambda xs, a: xs[0].any(**a),
    "All": lambda xs, a: xs[0].all(**a),
    "CumSum": lambda xs, a: xs[0].cumsum(**a),
    "CumProd": lambda xs, a: xs[0].cumprod(**a),
    "Round": lambda xs, a: xs[0].round(**{} if a == {"decimals": 0} else a),
    "Floor": lambda xs, a: xs[0].floor(),
    "Ceil": lambda xs, a: xs[0].ceil(),
    "Sign": lambda xs, a: xs[0].sign(),
    "Reciprocal": lambda xs, a: xs[0].reciprocal(),
    "Rsqrt": lambda xs, a: xs[0].rsqrt(),
    "Erf": lambda xs, a: xs[0].erf(),
    "Remainder": _pair(lambda x, y: x % y),
    "FloorDiv": _pair(lambda x, y: x // y),
    "Atan2": lambda xs, a: torch.atan2(*xs),
    "LogicalAnd": lambda xs, a: torch.logical_and(*xs),
    "LogicalOr": lambda xs, a: torch.logical_or(*xs),
    "LogicalNot": lambda xs, a: xs[0].logical_not(),
    "Norm": lambda xs, a: xs[0].norm(**a),
    "Normalize": lambda xs, a: F.normalize(xs[0], **a),
    "Exp": lambda xs, a: xs[0].exp(),
    "Neg": lambda xs, a: -xs[0],
    "Abs": lambda xs, a: xs[0].abs(),
    "Scale": lambda xs, a: xs[0] * a["factor"],
    "Tril": lambda xs, a: xs[0].tril(**a),
    "Where": lambda xs, a: torch.where(*xs),
    "MaskedFill": lambda xs, a: xs[0].masked_fill(xs[1], **a),
    "ScaledDotProductAttention": lambda xs, a: F.scaled_dot_product_attention(
        xs[0], xs[1], xs[2], **a
    ),
    "FunctionalLinear": lambda xs, a: F.linear(*xs),
    "FunctionalConv1d": _reading(F.conv1d),
    "FunctionalConv2d": _reading(F.conv2d),
    "FunctionalConv3d": _reading(F.conv3d),
    "FunctionalConvTranspose1d": _reading(F.conv_transpose1d),
    "FunctionalConvTranspose2d": _reading(F.conv_transpose2d),
    "FunctionalConvTranspose3d": _reading(F.conv_transpose3d),
}


REDUCTIONS = ("Mean", "Sum", "Amax", "Amin", "Norm", "LogSumExp", "Any", "All")


def _shape(draws: random.Random) -> tuple[int, ...]:
    return tuple(draws.choice((1, 2, 3, 4, 6)) for _ in range(draws.randint(1, 4)))


def _near(draws: random.Random, shape: tuple[int, ...]) -> tuple[int, ...]:
    """A shape that often goes together with another one."""
    other = tuple(1 if draws.random() < 0.2 else size for size in shape)
    return other[draws.random() < 0.2 :] if draws.random() < 0.9 else _shape(draws)


# operations that also read every type, and tensors without dimensions
_WIDE_READERS = """ArgSort Diagonal Gather OneHot OnesLike RepeatInterleave Sort Tile TopK
    Window ZerosLike Cross Cdist""".split()
_COMPLEX = ("Fft", "Ifft", "Irfft", "Real", "Imag", "Angle", "Rfft", "Complex")


def _lengths(draws: random.Random, dim: int | list[int]) -> dict[str, Any]:
    """Arguments of a transform along `dim`."""
    args: dict[str, Any] = {"dim": dim}
    if draws.random() < 0.2:
        args["norm"] = draws.choice(("backward", "ortho", "forward"))
    if draws.random() < 0.5:
        one = isinstance(dim, int) if draws.random() < 0.9 else draws.random() < 0.5
        count = len(dim) if isinstance(dim, list) else 1
        count += draws.choice((0,) * 9 + (1,))
        lengths = [draws.choice((1, 2, 3, 5, 8, -1, 0)) for _ in range(count)]
        args |= {"n": lengths[0]} if one else {"s": lengths}
    return args


def _sampled(draws: random.Random, rank: int) -> tuple[dict[str, Any], list[tuple[int, ...]]]:
    """Arguments of a sampling, the input's shape and that of the grid."""
    args: dict[str, Any] = {"align_corners": draws.random() < 0.5}
    args["mode"] = draws.choice(("bilinear", "nearest", "bicubic"))
    args["padding_mode"] = draws.choice(("zeros", "border", "reflection"))
    places = [draws.randint(1, 4) for _ in range(rank)]
    grid = (places[0], *places[2:], rank - 2)
    if draws.random() < 0.2:
        grid = _near(draws, grid)
    return args, [(places[0], *(draws.randint(1, 4) for _ in places[1:])), grid]


def _weighted(
    draws: random.Random, n: int, transposed: bool
) -> tuple[dict[str, Any], list[tuple[int, ...]]]:
    """Arguments of a convolution that reads its weight, and the shapes of all that it reads."""

    def each(*values: int) -> int | list[int]:
        return draws.choice(values) if draws.random() < 0.6 else [draws.choice(values)] * n

    groups = draws.choice((1, 1, 1, 2, 3))
    read, given = groups * draws.randint(1, 2), groups * draws.randint(1, 2)
    kernel = [draws.choice((1, 2, 3)) for _ in range(n)]
    args: dict[str, Any] = {"groups": draws.choice((groups,) * 12 + (0, 2, -1))}
    for key, values in {
        "stride": (1, 1, 2, 3),
        "dilation": (1, 1, 2),
        "padding": (0, 0, 1),
    }.items():
        if draws.random() < 0.5:
            args[key] = each(*values) if draws.random() < 0.95 else each(0, -1)
    if transposed and draws.random() < 0.4:
        args["output_padding"] = each(0, 1)
    if not transposed and draws.random() < 0.25:
        args["padding"] = draws.choice(("same", "valid"))
    weight = (read, given // groups) if transposed else (given, read // groups)
    sizes = [draws.randint(1, 6) for _ in range(n)]
    shapes: list[tuple[int, ...]] = [(*draws.choice(((2,), (2,), ())), read, *sizes)]
    shapes.append((*weight, *kernel))
    if draws.random() < 0.4:
        shapes.append((given,))
    if draws.random() < 0.2:
        wrong = draws.randrange(len(shapes))
        shapes[wrong] = draws.choice((shapes[wrong][1:], (*shapes[wrong], 2)))
    if draws.random() < 0.2:
        wrong = draws.randrange(len(shapes))
        shapes[wrong] = (*(size + draws.choice((0, 1)) for size in shapes[wrong]),)
    return args, shapes


def _mapped(draws: random.Random) -> list[tuple[int, ...]]:
    """The shapes of an input, a weight and a bias of a linear map."""
    shape = _shape(draws)
    weight = (shape[-1],) if draws.random() < 0.15 else (draws.randint(2, 4), shape[-1])
    shapes = [shape, weight if draws.random() < 0.85 else _near(draws, weight)]
    if draws.random() < 0.5:
        shapes.append(weight[:1] if draws.random() < 0.85 else (weight[0] + 1,))
    return shapes


def draw(draws: random.Random, name: str) -> tuple[dict[str, Any], list[tuple[int, ...]]]:
    """Arguments and shapes that often fit."""
    shape = _shape(draws)
    dim = draws.randint(-3, 3)
    some = sorted({draws.randint(0, 3) for _ in range(draws.randint(1, 2))})
    dims = draws.sample(range(len(shape)), len(shape))
    other = draws.choice((None, None, 2, 0.5, 0))
    choices: dict[str, dict[str, Any]] = {
        "Concat": {"dim": dim},
        "Stack": {"dim": dim},
        "Chunk": {"chunks": draws.randint(1, 4), "dim": dim},
        "Split": {"sizes": draws.choice((1, 2, [1, 2], [2, 2], [3])), "dim": dim},
        "Select": {"dim": dim, "index": draws.randint(-3, 3)},
        "Permute": {"dims": dims if draws.random() < 0.9 else [*dims, 0]},
        "Transpose": {"dim0": dim, "dim1": draws.randint(-3, 3)},
        "Squeeze": {"dim": draws.choice((dim, some))},
        "Unsqueeze": {"dim": dim},
        "Reshape": {"shape": draws.choice(([-1], [2, -1], [1, -1, 2], [-1, 3], [-1, -1], [4, 6]))},
        "Pad": {
            "pad": [draws.randint(-1, 2) for _ in range(draws.choice((2, 2, 4, 3)))],
            "mode": draws.choice(("constant", "constant", "reflect", "replicate", "circular")),
            "value": draws.choice((None, None, 1, -math.inf)),
        },
        "Roll": {"shifts": 1, "dims": dim},
        "Flip": {"dims": some},
        "TopK": {"k": draws.randint(0, 4), "dim": dim, "largest": draws.random() < 0.5},
        "Sort": {"dim": dim, "descending": draws.random() < 0.5},
        "ArgSort": {"dim": dim, "stable": draws.random() < 0.5},
        "Gather": {"dim": dim},
        "OneHot": {"num_classes": draws.randint(0, 4)},
        "Window": {"dim": dim, "size": draws.randint(0, 4), "step": draws.randint(0, 3)},
        "RepeatInterleave": {
            "repeats": draws.randint(-1, 3),
            "dim": draws.choice((dim, dim, dim, None)),
        },
        "Tile": {"dims": [draws.choice((0, 1, 2, 3)) for _ in range(draws.randint(1, 4))]},
        "Diagonal": {"offset": draws.randint(-3, 3)},
        "Cross": {"dim": draws.choice((dim, -1))},
        "Cdist": {"p": draws.choice((2.0, 1, 0, 0.5, float("inf"), -1))},
        "Scale": {"factor": draws.choice((2, 0.5))},
        "Normalize": {"dim": dim},
        "Tril": {"diagonal": dim},
        "CumSum": {"dim": dim},
        "CumProd": {"dim": dim},
        "Round": {"decimals": draws.choice((0, 2))},
    }
    args = choices.get(name, {})
    if name in ("Fft", "Ifft", "Rfft", "Irfft"):
        args = _lengths(draws, draws.choice((dim, dim, dims[:2], some, [dim])))
    if name in ("Prod", "ArgMax", "ArgMin"):
        args = {"dim": dim, "keepdim": draws.random() < 0.5}
    if name in (*REDUCTIONS, "Var", "Std"):
        args = {"dim": draws.choice((dim, some)), "keepdim": draws.random() < 0.5}
    if name in ("Var", "Std"):
        args["correction"] = draws.choice((0, 0.5))
    if name == "Diagonal" and draws.random() < 0.7:
        args |= {"dim1": dim, "dim2": draws.randint(-3, 3)}
    if name in (*_WIDE_READERS[:-2], *_COMPLEX) and draws.random() < 0.1:
        shape = ()
    shapes = [shape]
    if name in ("Add", "Sub", "Mul", "Div", "Remainder", "FloorDiv", "Eq", "Lt"):
        args = {} if other is None else {"other": other}
        shapes += [_near(draws, shape) for _ in range(draws.choice((0, 1, 1, 2)))]
    elif name == "ScatterAdd":
        args = {"dim": dim}
        shapes += [_near(draws, shape)] * (1 + (draws.random() < 0.7))
        shapes += [_near(draws, shape)][: 3 - len(shapes)]
    elif name == "FunctionalLinear":
        shapes = _mapped(draws)
    elif name.startswith("Functional"):
        args, shapes = _weighted(draws, int(name[-2]), "Transpose" in name)
    elif name == "GridSample":
        args, shapes = _sampled(draws, draws.choice((4, 4, 5, 5, 3)))
    elif name == "AffineGrid":
        args = {
            "size": [draws.choice((1, 2, 3, 3, 3, 4, 0)) for _ in range(draws.choice((3, 4, 4, 2)))]
        }
        args["align_corners"] = draws.random() < 0.5
        n = len(args["size"]) - 1
        shapes = [(2, n, n + 1) if draws.random() < 0.8 else shape]
    elif name in ("Complex", "Gather", "Maximum", "Minimum", "Atan2", "LogicalAnd", "LogicalOr"):
        shapes.append(_near(draws, shape))
    elif name == "Cross":
        shape = tuple(draws.choice((size, 3, 3)) for size in shape)
        shapes = [shape, _near(draws, shape)]
    elif name == "Cdist":
        other_rows = (*_near(draws, shape)[:-2], draws.randint(1, 4), shape[-1])
        shapes.append(other_rows if draws.random() < 0.8 else _near(draws, shape))
    elif name in ("Concat", "Stack"):
        shapes += [shape if draws.random() < 0.9 else _shape(draws)]
    elif name == "Where":
        shapes += [_near(draws, shape), _near(draws, shape)]
    elif name == "MaskedFill":
        args = {"value": draws.choice((0, 2))}
        shapes.append(_near(draws, shape))
    elif name == "MatMul":
        inner = shape[-1]
        shapes.append((*_near(draws, shape)[:-2], inner, 3) if draws.random() < 0.9 else shape)
    elif name == "ScaledDotProductAttention":
        front, value = shape[:-1], draws.choice((6, 2))
        shared = front
        if draws.random() < 0.5:  # of the last dimension before, the heads
            args = {"enable_gqa": True}
            shared = (*front[:-1], draws.choice((1, 2, 3))) if front else front
        shapes = [(*front, 4, 6), (*shared, 3, 6), (*shared, 3, value)]
    return args, shapes


def sample(shape: tuple[int, ...], dtype: str) -> torch.Tensor:
    return (torch.rand(shape) * 3 + 1).to(getattr(torch, dtype))


def facts(result: Any) -> list[tuple[tuple[int, ...], str]]:
    parts = [result] if isinstance(result, torch.Tensor) else list(result)
    return [(tuple(part.shape), str(part.dtype).removeprefix("torch.")) for part in parts]


def hold(name: str, args: dict[str, Any], shapes: list[tuple[int, ...]], types: list[str]) -> bool:
    """Whether torch takes these inputs, after netgen's verdict was held against torch's."""
    inputs = [TensorType(s, t, None) for s, t in zip(shapes, types, strict=True)]
    checked = read_arguments(OPERATIONS[name], args)
    ours: Any = None
    try:
        assert isinstance(checked, dict)
        outputs = apply(OPERATIONS[name], checked, inputs).outputs.values()
        ours = [(tuple(map(int, y.shape)), y.dtype) for y in outputs]
    except (Refusal, TypeError) as refusal:
        reason = str(refusal)
    try:
        tensors = [sample(s, t) for s, t in zip(shapes, types, strict=True)]
        theirs: Any = facts(REAL[name](tensors, args))
    except (RuntimeError, ValueError, IndexError, TypeError, ZeroDivisionError) as error:
        theirs, reason = None, str(error)
    except UserWarning as warning:  # on complex numbers of half precision
        assert types[0] == "float16"
        theirs, reason = None, str(warning)
    if theirs is not None and theirs[0][1] == "complex32":
        theirs = None  # of which torch itself says that they are an experiment
    if args.get("dim") == []:
        theirs = None
    if theirs is not None and any(0 in shape for shape, _ in theirs):
        theirs = None
    if name == "TopK" and args["k"] == 0:
        theirs = None  # of a tensor without dimensions torch gives one element, not none
    if name.startswith("Functional") and (types[0] not in INEXACT or len({*types}) > 1):
        theirs = None  # some of torch's kernels take whole numbers, or look at no bias
    if name == "FunctionalLinear" and shapes[2:] and shapes[2] != shapes[1][:1]:
        theirs = None  # torch broadcasts the bias
    if name == "AffineGrid" and 0 in args["size"]:
        theirs = None  # where torch warns of grids of one place it forgets to look
    if name == "Chunk" and theirs is not None and len(theirs) != args["chunks"]:
        theirs = None  # torch gives fewer parts without a word
    if ours is None and name in _TAKEN_LATER and torch.__version__ >= "2.14":
        theirs = None  # torch takes unsigned numbers then, and bicubic volumes
    assert ours == theirs, (name, args, shapes, types, reason if None in (ours, theirs) else "")
    return theirs is not None


_TAKEN_LATER = ("Gather", "ScatterAdd", "GridSample")


@pytest.mark.parametrize("name", REAL)
def test_operation_agrees_with_torch(name: str) -> None:
    draws = random.Random(name)
    taken = 0
    for _ in range(300):
        args, shapes = draw(draws, name)
        wide = name in (*_WIDE_READERS, *_COMPLEX, "ScatterAdd")
        usual = [*TYPES, *sorted(ALL)] if wide else TYPES
        if name == "Imag":
            usual = [*TYPES, *sorted(COMPLEX)]
        types = [draws.choice(usual)] * len(shapes)
        if draws.random() < 0.1:
            types = [draws.choice(TYPES) for _ in shapes]
        if name == "Where":
            types[0] = "bool"
        if name == "MaskedFill":
            types[1] = draws.choice(["bool"] * 9 + ["uint8"])
        if name in ("Gather", "OneHot", "ScatterAdd"):
            types[1 if name == "ScatterAdd" else -1] = draws.choice(
                ["int64"] * 9 + ["int32", "int16", "float32"]
            )
        taken += hold(name, args, shapes, types)
    assert taken > 20


@pytest.mark.parametrize("name", sorted({*REAL} - {"OneHot"}))
def test_complex_numbers_are_read_or_refused_as_by_torch(name: str) -> None:
    """All operations on complex numbers, beside other types in every fourth case."""
    draws = random.Random(f"complex {name}")
    other = {"Where": (0, "bool"), "MaskedFill": (1, "bool"), "Gather": (1, "int64")}
    other["ScatterAdd"] = (1, "int64")
    for _ in range(60):
        args, shapes = draw(draws, name)
        types = [draws.choice(sorted(COMPLEX))] * len(shapes)
        if draws.random() < 0.25:
            types = [draws.choice(["float32", "float64", "int64", *types]) for _ in shapes]
        if name in other:
            types[other[name][0]] = other[name][1]
        hold(name, args, shapes, types)


BATCHED = (
    *("AffineGrid", "Complex", "GridSample", "Irfft", "Real", "Rfft", "ScatterAdd"),
    *("ArgSort", "Cdist", "Cross", "Diagonal", "Gather", "OneHot", "RepeatInterleave", "Sort"),
    *("Tile", "TopK", "Window"),
)


@pytest.mark.parametrize("name", BATCHED)
def test_the_batch_is_where_samples_stay_apart(name: str) -> None:
    """What an operation gives for one sample is that sample of what it gives for all."""
    draws = random.Random(name)
    apart = 0
    for _ in range(400):
        args, shapes = draw(draws, name)
        batch = draws.randrange(3)
        if min(map(len, shapes)) <= batch or len({shape[batch] for shape in shapes}) > 1:
            continue
        if shapes[0][batch] == 1 or len({len(shape) for shape in shapes}) > 1:
            continue
        dtype = "int64" if name == "OneHot" else "float32"
        types = [dtype, "int64" if name in ("Gather", "ScatterAdd") else dtype, dtype]
        types = types[: len(shapes)]
        inputs = [TensorType(s, t, batch) for s, t in zip(shapes, types, strict=True)]
        checked = read_arguments(OPERATIONS[name], args)
        try:
            assert isinstance(checked, dict)
            outputs = [*apply(OPERATIONS[name], checked, inputs).outputs.values()]
        except Refusal:
            continue
        dims = args["dim"] if isinstance(args.get("dim"), list) else [args.get("dim")]
        if {batch, batch - len(shapes[0])} & {*dims} and not outputs[0].lost:
            continue  # along the batch: the place stays, and the run finds that samples mix
        apart += outputs[0].batch is not None
        assert outputs[0].lost == (outputs[0].batch is None)
        if outputs[0].batch is None:
            continue
        xs = [sample(s, t) for s, t in zip(shapes, types, strict=True)]
        whole = REAL[name](xs, args)
        parts = [REAL[name]([x.narrow(batch, at, 1) for x in xs], args) for at in range(2)]
        for port, output in enumerate(outputs):
            assert output.batch is not None
            both = [y if isinstance(y, torch.Tensor) else y[port] for y in (whole, *parts)]
            for at, part in enumerate(both[1:]):
                assert torch.allclose(both[0].narrow(output.batch, at, 1), part, atol=1e-4)
    assert apart > 5


def _source(draws: random.Random, name: str) -> dict[str, Any]:
    """Arguments of a source, some of which make no tensor."""
    sizes = [draws.choice((1, 2, 3, 3, 5, 0, -1)) for _ in range(draws.randint(0, 3))]
    ends = [draws.choice((0, 7, 0.5, -3)) for _ in range(2)]
    args: dict[str, Any] = {"size": sizes}
    if name == "Full":
        args["fill_value"] = draws.choice((0, 7, 0.5, 3.0))
    if name == "Arange":
        args = {"size": [*sizes, 4][0]}
    if name == "Eye":
        args = dict(zip("nm", [*sizes, 4][: draws.randint(1, 2)], strict=False))
    if name == "Linspace":
        args = {"start": ends[0], "end": ends[1], "steps": [*sizes, 4][0]}
    dtype = draws.choice([None, None, *sorted(ALL), "float8"])
    return args if dtype is None else {**args, "dtype": dtype}


def test_sources_agree_with_torch() -> None:
    draws = random.Random(0)
    verdicts = []
    for name in ("Zeros", "Ones", "Full", "Randn", "Eye", "Linspace", "Arange"):
        for _ in range(300):
            args = _source(draws, name)
            checked = read_arguments(LOCAL[name], args)
            y: Any = None
            try:
                assert isinstance(checked, dict)
                (y,) = apply(LOCAL[name], checked, []).outputs.values()
                ours: Any = (y.shape, y.dtype)
            except Refusal:
                ours = None
            try:
                known = {k: getattr(torch, v) for k, v in args.items() if k == "dtype"}
                places = ("n", "m", "size") if name == "Arange" else ("n", "m")
                given = {k: v for k, v in args.items() if k not in ("dtype", *places)}
                first = [args[k] for k in places if k in args]
                z = getattr(torch, name.lower())(*first, **given, **known)
                theirs: Any = facts(z)[0] if z.numel() else None
                assert y is None or y.bound is None or int(z.min()) >= 0 > int(z.max()) - y.bound
            except (RuntimeError, AttributeError) as error:
                theirs, ours = None, ours and str(error)
            assert ours == theirs, (name, args)
            verdicts.append(ours is not None)
    assert 500 < sum(verdicts) < 1300


@pytest.mark.slow
@pytest.mark.parametrize(
    ("stem", "changes"),
    [
        ("indexing", [{"k": 2}, {"num_classes": 7}, {"k": 5, "num_classes": 9}]),
        ("patterns", [{"heads": 8}, {"patch": 4, "groups": 4}, {"heads": 2, "groups": 8}]),
        ("windows", [{"size": 3}, {"step": 4}, {"repeats": 3}, {"copies": 1, "size": 6}]),
    ],
)
def test_arguments_of_the_class_are_those_of_operations(
    stem: str, changes: list[dict[str, Any]]
) -> None:
    (path,) = (path for path in SPECS if path.stem == stem)
    default = build_source(read(path), {}, None)
    xs = [
        torch.randint(0, 5, shape) if x.type.dtype == "int64" else torch.randn(shape)
        for x in default.graph.inputs
        for shape in [(*map(int, x.type.shape),)]
    ]
    for change in changes:
        one = default.module_class(**change)
        other = build_source(read(path), change, None).module_class()
        other.load_state_dict(one.state_dict(), strict=True)
        torch.testing.assert_close(one(*xs), other(*xs))


@pytest.mark.slow
def test_every_operation_is_built_and_run(build_text: Builder) -> None:
    built: set[str] = set()
    for stem in (
        "operations",
        "comparisons",
        "heads",
        "residual",
        "rounding",
        "indexing",
        "windows",
        "complex",
        "sampled",
        "patterns",
        "edges",
        "weighted",
    ):
        (path,) = (path for path in SPECS if path.stem == stem)
        result = build_text(path.read_text())
        built |= {node.row.name for node in result.graph.nodes if node.row is not None}
    assert built >= set(OPERATIONS)


@pytest.mark.parametrize(("layer", "word"), [("ReLU", "relu"), ("Neg", "neg")])
def test_a_types_name_means_the_layer_that_has_no_other(
    layer: str, word: str, build_text: Builder
) -> None:
    text = (
        f"name: Net\ninput: [4]\nlayers:\n- Linear: {{name: a, out_features: 4}}\n- {layer}\n"
        f"- Linear: {{name: b, from: x, out_features: 4}}\n- {layer}: {{name: second}}\n"
        f"- Sub: [{word}, second]\n"
    )
    network = build_text(text).module_class()
    x = torch.randn(3, 4)
    function = {"ReLU": torch.relu, "Neg": torch.neg}[layer]
    first, second = network.get_submodule("a")(x), network.get_submodule("b")(x)
    assert torch.equal(network(x), function(first) - function(second))


@pytest.mark.parametrize("size", [(12, 10), (11, 9), (20, 13)])
def test_a_fourier_block_computes_what_its_authors_wrote(size: tuple[int, int]) -> None:
    """The layer of Li et al. (2020), which fills zeros in place, with the same weights."""
    (path,) = (path for path in SPECS if path.stem == "fourier_block")
    network: Any = build_source(read(path), {}, None).module_class()
    torch.manual_seed(0)
    x = torch.randn(2, 3, *size)
    lifted = network.lift(x)
    spectrum, modes = torch.fft.rfft2(lifted), slice(None, 4)
    kept = torch.zeros_like(spectrum)
    for rows, block in ((modes, network.spectral.low), (slice(-4, None), network.spectral.high)):
        weight = torch.complex(*block.pairs)
        part = spectrum[:, :, rows, modes]
        kept[:, :, rows, modes] = torch.einsum("bixy,ioxy->boxy", part, weight)
    both = torch.fft.irfft2(kept, s=size) + network.skip(lifted)
    torch.testing.assert_close(network(x), network.project(F.gelu(both)))


def test_dimensions_and_sizes_may_be_arguments_of_a_block(build_text: Builder) -> None:
    """A list in `dim` decides on the function; a list of sizes may be longer than it is here."""
    text = """
name: Net
input: [2, 3]
params: {size: [1, 4, 5]}
layers:
- Linear: 3
- AffineGrid: {name: grid, size: $size}
- Block: {name: back, from: grid, dim: [1, 2]}
outputs: {back: back, grid: grid}
blocks:
  Block:
    params: {dim: required}
    layers: [{Ifft: {dim: $dim}}]
"""
    result = build_text(text)
    found = result.module_class()(x := torch.randn(2, 2, 3))
    torch.testing.assert_close(found["back"], torch.fft.ifftn(found["grid"], dim=(1, 2)))
    with pytest.raises(NotImplementedError, match="only supports 4D and 5D sizes"):
        result.module_class(size=(1, 4, 5, 6, 7))(x)


def test_a_list_of_sizes_is_an_argument_as_a_whole(build_text: Builder) -> None:
    """A list of another length is what torch makes of it: nothing is left out."""
    text = (
        "name: Net\ninput: [3, 4]\nparams: {shape: [6, 2], wide: [6, 2]}\n"
        "layers: [{Reshape: $shape}, {Expand: $wide}, Flatten]\n"
    )
    network = build_text(text).module_class
    x = torch.randn(2, 3, 4)
    assert network(shape=(2, 1, 6), wide=(2, 5, 6))(x).shape == (2, 60)
    with pytest.raises(RuntimeError, match="is invalid for input of size 24"):
        network(shape=(6, 2, 3))(x)


class StdConv2d(nn.Conv2d):
    """The convolution of Big Transfer (Kolesnikov et al., 2020): its kernels are standardised."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        v, m = torch.var_mean(self.weight, dim=[1, 2, 3], keepdim=True, unbiased=False)
        weight = (self.weight - m) / torch.sqrt(v + 1e-10)
        return F.conv2d(x, weight, self.bias, self.stride, self.padding, self.dilation, self.groups)


class BlurPool2d(nn.Module):
    """Zhang's pool (2019): a blur of each channel before every second place is taken."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        line = torch.tensor([1.0, 2.0, 1.0]) / 4
        self.register_buffer("filt", (line[:, None] * line[None]).repeat(channels, 1, 1, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        filt = self.get_buffer("filt")
        padded = F.pad(x, (1, 1, 1, 1), "reflect")
        return F.conv2d(padded, filt, stride=2, groups=x.shape[1])


BIT = """
name: Bit
input: [3, 12, 12]
blocks:
  StdConv2d:
    params: {out_channels: required, kernel_size: 3, stride: 1}
    layers:
      - Parameter:
          name: weight
          shape: [$out_channels, "$(shape(input)[0])", $kernel_size, $kernel_size]
          init: {normal_: {std: 0.1}}
      - Parameter: {name: bias, shape: [$out_channels]}
      - Mean: {name: m, from: weight, dim: [1, 2, 3], keepdim: true}
      - Var: {name: v, from: weight, dim: [1, 2, 3], correction: 0, keepdim: true}
      - Add: {name: safe, from: v, other: 1.0e-10}
      - Sqrt: {name: std}
      - Sub: {name: centred, from: [weight, m]}
      - Div: {name: standard, from: [centred, std]}
      - FunctionalConv2d:
          from: [input, standard, bias]
          stride: $stride
          padding: $(kernel_size // 2)
  BlurPool2d:
    params: {rows: [1, 2, 1]}
    layers:
      - Buffer:
          name: filt
          value: "$([[[[a / 16, a / 8, a / 16] for a, _ in zip(rows, rows)]]] * 6)"
      - Pad: {name: padded, from: input, pad: [1, 1, 1, 1], mode: reflect}
      - FunctionalConv2d: {from: [padded, filt], stride: 2, groups: 6}
layers:
  - StdConv2d: {name: "0", out_channels: 6, kernel_size: 5, stride: 2}
  - BlurPool2d: {name: "1"}
  - StdConv2d: {name: "2", out_channels: 4}
sequential: true
"""


def test_standardised_and_blurred_weights_compute_what_their_authors_wrote(
    build_text: Builder,
) -> None:
    network = build_text(BIT).module_class().eval()
    model = nn.Sequential(
        StdConv2d(3, 6, 5, stride=2, padding=2), BlurPool2d(6), StdConv2d(6, 4, 3, padding=1)
    )
    assert torch.equal(network.state_dict()["1.filt"], model.state_dict()["1.filt"])
    network.load_state_dict(model.state_dict(), strict=True)
    x = torch.randn(2, 3, 12, 12)
    torch.testing.assert_close(network(x), model(x))


def test_a_parameter_that_is_expanded_beside_another_call_stays_a_parameter(
    build_text: Builder,
) -> None:
    result = build_text(
        "name: Pool\n"
        "input: [4, 8]\n"
        "layers:\n"
        "  - Parameter: {name: latent, shape: [1, 1, 8], init: normal_}\n"
        "  - Expand: {from: latent, shape: [-1, -1]}\n"
        "  - Linear: {name: q, out_features: 8}\n"
        "  - Linear: {name: kv, from: input, out_features: 16}\n"
        "  - Chunk: {name: both, chunks: 2, dim: -1}\n"
        "  - ScaledDotProductAttention: [q, both.0, both.1]\n"
    )
    network: Any = result.module_class()
    x = torch.randn(3, 4, 8)
    keys, values = network.kv(x).chunk(2, -1)
    query = network.q(network.latent).expand(3, -1, -1)
    expected = F.scaled_dot_product_attention(query, keys, values)
    torch.testing.assert_close(network(x), expected)


def test_indices_in_one_pair_of_brackets_are_one_value_of_the_line(build_text: Builder) -> None:
    text = """\
name: Corner
input: [3, 6]
layers:
  - Slice: {dim: 1, end: 1}
  - Slice: {dim: 2, start: 4}
  - Select: {dim: 2, index: 1}
  - Unsqueeze: 2
  - Expand: {name: corner, shape: [3, 6]}
  - Add: [input, corner]
"""
    x = torch.randn(2, 3, 6)
    assert torch.equal(build_text(text).module_class()(x), x + x[:, :1, 5:])
