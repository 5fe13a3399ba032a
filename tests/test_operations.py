"""Operations against torch's functions: the same shapes and types, or a refusal on both sides."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch_netgen.layers import OPERATIONS
from torch_netgen.layers.applying import apply
from torch_netgen.layers.base import Refusal
from torch_netgen.layers.models import read_arguments
from torch_netgen.layers.tensor import TensorType

from .conftest import Builder

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
}


REDUCTIONS = ("Mean", "Sum", "Amax", "Amin", "Norm", "LogSumExp", "Any", "All")


def _shape(draws: random.Random) -> tuple[int, ...]:
    return tuple(draws.choice((1, 2, 3, 4, 6)) for _ in range(draws.randint(1, 4)))


def _near(draws: random.Random, shape: tuple[int, ...]) -> tuple[int, ...]:
    """A shape that often goes together with another one."""
    other = tuple(1 if draws.random() < 0.2 else size for size in shape)
    return other[draws.random() < 0.2 :] if draws.random() < 0.9 else _shape(draws)


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
        },
        "Roll": {"shifts": 1, "dims": dim},
        "Flip": {"dims": some},
        "Scale": {"factor": draws.choice((2, 0.5))},
        "Normalize": {"dim": dim},
        "Tril": {"diagonal": dim},
        "CumSum": {"dim": dim},
        "CumProd": {"dim": dim},
        "Round": {"decimals": draws.choice((0, 2))},
    }
    args = choices.get(name, {})
    if name in ("Prod", "ArgMax", "ArgMin"):
        args = {"dim": dim, "keepdim": draws.random() < 0.5}
    if name in (*REDUCTIONS, "Var", "Std"):
        args = {"dim": draws.choice((dim, some)), "keepdim": draws.random() < 0.5}
    if name in ("Var", "Std"):
        args["correction"] = draws.choice((0, 0.5))
    shapes = [shape]
    if name in ("Add", "Sub", "Mul", "Div", "Remainder", "FloorDiv", "Eq", "Lt"):
        args = {} if other is None else {"other": other}
        shapes += [_near(draws, shape) for _ in range(draws.choice((0, 1, 1, 2)))]
    elif name in ("Maximum", "Minimum", "Atan2", "LogicalAnd", "LogicalOr"):
        shapes.append(_near(draws, shape))
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
        shapes = [(*shape[:-1], 4, 6), (*shape[:-1], 3, 6), (*shape[:-1], 3, draws.choice((6, 2)))]
    return args, shapes


def sample(shape: tuple[int, ...], dtype: str) -> torch.Tensor:
    return (torch.rand(shape) * 3 + 1).to(getattr(torch, dtype))


def facts(result: Any) -> list[tuple[tuple[int, ...], str]]:
    parts = [result] if isinstance(result, torch.Tensor) else list(result)
    return [(tuple(part.shape), str(part.dtype).removeprefix("torch.")) for part in parts]


@pytest.mark.parametrize("name", REAL)
def test_operation_agrees_with_torch(name: str) -> None:
    draws = random.Random(name)
    taken = 0
    for _ in range(300):
        args, shapes = draw(draws, name)
        types = [draws.choice(TYPES)] * len(shapes)
        if draws.random() < 0.1:
            types = [draws.choice(TYPES) for _ in shapes]
        if name == "Where":
            types[0] = "bool"
        if name == "MaskedFill":
            types[1] = draws.choice(["bool"] * 9 + ["uint8"])
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
        if theirs is not None and any(0 in shape for shape, _ in theirs):
            theirs = None
        if name == "Chunk" and theirs is not None and len(theirs) != args["chunks"]:
            theirs = None  # torch gives fewer parts without a word
        assert ours == theirs, (name, args, shapes, types, reason if None in (ours, theirs) else "")
        taken += theirs is not None
    assert taken > 20


def test_every_operation_is_built_and_run(build_text: Builder) -> None:
    from .conftest import SPECS

    built: set[str] = set()
    for stem in ("operations", "comparisons", "heads", "residual", "rounding"):
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
