"""Which sizes a network takes: what is said of them is what torch takes, size by size."""

from __future__ import annotations

import inspect
import random
import re
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from msgspec import to_builtins
from msgspec.structs import replace
from torch_netgen import NetgenError
from torch_netgen.analysis.plan import Outside
from torch_netgen.analysis.prediction import Prediction, check_source
from torch_netgen.ir.graph import Graph
from torch_netgen.ir.substitute import number_of
from torch_netgen.ir.trace import Misfit, concrete, propagate
from torch_netgen.pipeline import build_source
from torch_netgen.run.proofs.calls import Recorder
from torch_netgen.run.proofs.subject import named_outputs, samples
from torch_netgen.run.smoke import Worker
from torch_netgen.spec.source import parse

from .conftest import CONFIGS, CPU, SPECS, STARTERS
from .deep import is_deep
from .networks import built, checked

_INPUTS = re.compile(r"^inputs?:.*?(?=^\w)", re.DOTALL | re.MULTILINE)
_NAME = re.compile(r"[\[ ](?!N\b)[A-Z]\b")

IMAGE = "name: Net\ninput: [3, H, W]\nlayers:\n"
SEQUENCE = "name: Net\ninput: [T, 8]\nlayers:\n"
SKIP = """\
  - Conv2d: {name: a, out_channels: 4, kernel_size: 3, padding: 1}
  - Conv2d: {name: b, out_channels: 4, kernel_size: 3, padding: 1, stride: 2}
  - Upsample: {name: up, scale_factor: 2}
  - Add: [a, up]
"""
UNET = """\
  - Conv2d: {name: a, out_channels: 2, kernel_size: 1}
  - MaxPool2d: {name: p1, kernel_size: 2}
  - Conv2d: {name: b, out_channels: 2, kernel_size: 1}
  - MaxPool2d: {name: p2, kernel_size: 2}
  - MaxPool2d: {name: p3, kernel_size: 2}
  - MaxPool2d: {name: p4, kernel_size: 2}
  - ConvTranspose2d: {name: u1, out_channels: 2, kernel_size: 4, stride: 4}
  - Concat: [p2, u1]
  - ConvTranspose2d: {name: u2, out_channels: 2, kernel_size: 2, stride: 2}
  - Concat: [b, u2]
  - ConvTranspose2d: {name: u3, out_channels: 2, kernel_size: 2, stride: 2}
  - Concat: [a, u3]
"""

# layers, sizes that are given, and what is said of those that fit
CASES: dict[str, tuple[str, tuple[str, ...]]] = {
    "what a `from` passes by": (
        "name: Net\ninputs: {a: [8], b: [T]}\nparams: {p: false, n: 0}\nlayers:\n"
        "  - Add: {name: sum, from: [a, b]}\n  - ReLU: {name: relu}\n"
        '  - Dropout: {from: $("relu" if p else "a"), repeat: $n}\n',
        (),
    ),
    "all": (IMAGE + "  - Conv2d: [4, 3, 2, 1]\n", ()),
    "a skip": (IMAGE + SKIP, ("H, W: even",)),
    "a u": (IMAGE + UNET, ("H, W: multiples of 16",)),
    "one axis": (
        IMAGE + "  - AvgPool2d: {name: p, kernel_size: [4, 1]}\n"
        "  - Upsample: {name: u, scale_factor: [4.0, 1.0]}\n  - Sub: [input, u]\n",
        ("H: multiples of 4",),
    ),
    "odd": (
        IMAGE + "  - Conv2d: {name: c, out_channels: 3, kernel_size: 1, stride: 2}\n"
        "  - ConvTranspose2d: {name: u, out_channels: 3, kernel_size: 1, stride: 2}\n"
        "  - Add: [input, u]\n",
        ("H, W: odd",),
    ),
    "a kernel": (IMAGE + "  - Conv2d: [4, [7, 5]]\n", ("H >= 7", "W >= 5")),
    "pools": (IMAGE + "  - MaxPool2d: 2\n" * 4, ("H, W >= 16",)),
    "pools that round up": (
        IMAGE + "  - MaxPool2d: {kernel_size: 3, stride: 2, ceil_mode: true}\n" * 3,
        ("H, W >= 8",),
    ),
    "a place for each": (
        IMAGE + "  - Conv2d: {name: c, out_channels: 4, kernel_size: 4, stride: 4}\n"
        "  - Parameter: {name: p, shape: [8, 10]}\n  - Mul: [c, p]\nsizes: {H: 32, W: 40}\n",
        ("32 <= H <= 35", "40 <= W <= 43"),
    ),
    "pixels": (
        IMAGE + "  - PixelUnshuffle: 3\n  - Conv2d: [4, 3]\n",
        ("H, W: multiples of 3 from 9",),
    ),
    "squares": (
        IMAGE + "  - Transpose: {name: t, dim0: 2, dim1: 3}\n  - Add: [input, t]\n",
        ("H = W",),
    ),
    "positions": (
        SEQUENCE + "  - Parameter: {name: pos, shape: [1, 50, 8]}\n  - Add: [input, pos]\n",
        ("T = 50",),
    ),
    "positions behind a mean": (
        SEQUENCE + "  - Parameter: {name: pos, shape: [1, 50, 8]}\n  - Add: [input, pos]\n"
        "  - Mean: {dim: 1}\n",
        ("T = 50",),
    ),
    "positions and a token": (
        SEQUENCE + "  - Parameter: {name: one, shape: [1, 1, 8]}\n"
        "  - Expand: {name: cls, from: one, shape: [1, -1]}\n"
        "  - Concat: {name: all, from: [cls, input]}\n"
        "  - Parameter: {name: pos, shape: [1, 50, 8]}\n  - Add: [all, pos]\n",
        ("T = 49",),
    ),
    "a slice": (
        SEQUENCE + "  - Parameter: {name: pos, shape: [1, 40, 8]}\n"
        '  - Slice: {name: p, from: pos, dim: 1, end: "$(shape(input)[0])"}\n'
        "  - Add: [input, p]\n",
        ("T <= 40",),
    ),
    "a table": (
        SEQUENCE + '  - Arange: {name: r, size: "$(shape(input)[0])"}\n'
        "  - Embedding: {name: pos, from: r, num_embeddings: 30, embedding_dim: 8}\n"
        "  - Add: [input, pos]\n",
        ("T <= 30",),
    ),
    "windows": (
        SEQUENCE + '  - Reshape: ["$(shape(input)[0] // 4)", 4, 8]\n  - Mean: {dim: 2}\n',
        ("T: multiples of 4",),
    ),
    "what is divided": (SEQUENCE + "  - Unflatten: [1, [-1, 3]]\n", ("T: multiples of 3",)),
    "windows and a table": (
        SEQUENCE + "  - Unflatten: {name: w, dim: 1, unflattened_size: [-1, 4]}\n"
        "  - Mean: {name: m, dim: 2}\n  - Parameter: {name: pos, shape: [10, 8]}\n"
        '  - Slice: {name: p, from: pos, dim: 0, end: "$(shape(m)[0])"}\n  - Add: [m, p]\n',
        ("T: multiples of 4 up to 40",),
    ),
    "an index": (SEQUENCE + "  - Select: {dim: 1, index: 5}\n", ("T >= 6",)),
    "parts": (
        SEQUENCE + "  - Split: {name: s, sizes: [3, 5], dim: 1}\n"
        "  - Linear: {from: s.1, out_features: 3}\n",
        ("T = 8",),
    ),
    "a part of nothing": (
        SEQUENCE + "  - Slice: {dim: 1, start: 4}\n  - Linear: 3\n",
        ("T >= 5",),
    ),
    "a step": (
        "name: Net\ninputs: {a: [T, 4], b: [S, 4]}\nlayers:\n"
        "  - Slice: {name: every, from: b, dim: 1, step: 2}\n  - Add: [a, every]\n"
        "sizes: {T: 16, S: 32}\n",
        ("T = (S + 1) // 2",),
    ),
    "equal lengths": (
        "name: Net\ninputs: {a: [T, 4], b: [S, 4]}\nlayers:\n  - Add: [a, b]\n",
        ("T = S",),
    ),
    "a mask": (
        "name: Net\ninputs: {q: [L, 4], k: [S, 4], mask: {shape: [L, S], dtype: bool, "
        "batch: false}}\nlayers:\n"
        "  - ScaledDotProductAttention: {from: [q, k, k], attn_mask: mask}\n",
        (),
    ),
    "two at once": (
        "name: Net\ninput: [H, W]\nlayers:\n  - Flatten\n  - Unflatten: [1, [-1, 12]]\n",
        ("H, W: some sizes only, such as (1, 96), (64, 3), (64, 6), (64, 9)",),
    ),
    "odd and few": (
        IMAGE + "  - Conv2d: {out_channels: 2, kernel_size: 3, stride: 2}\n  - Conv2d: [2, 1]\n"
        "  - Parameter: {name: weight, shape: [3, 2]}\n"
        "  - FunctionalLinear: {from: [conv2, weight]}\n",
        ("H >= 3", "5 <= W <= 6"),
    ),
    "one of four": (
        "name: Net\ninput: [2, T]\nlayers:\n  - Conv1d: [2, 3]\n  - Unflatten: [2, [-1, 4]]\n",
        ("T: multiples of 4 plus 2 from 6",),
    ),
    "rounded up": (
        IMAGE + "  - MaxPool2d: {name: p, kernel_size: 1, stride: 8}\n"
        "  - Interpolate: {name: u, from: p, scale_factor: 2}\n"
        "  - MaxPool2d: {name: q, from: input, kernel_size: 1, stride: 4}\n  - Add: [u, q]\n",
        ("H, W: multiples of 8, or up to 3 less",),
    ),
    "rounded down": (
        IMAGE + "  - MaxPool2d: {name: p, kernel_size: 8}\n"
        "  - Interpolate: {name: u, from: p, scale_factor: 2}\n"
        "  - MaxPool2d: {name: q, from: input, kernel_size: 4}\n  - Add: [u, q]\n",
        ("H, W: multiples of 8, or up to 3 more",),
    ),
    "rounded after a kernel": (
        SEQUENCE + "  - Transpose: [1, 2]\n  - Conv1d: {name: c, out_channels: 8, kernel_size: 6}\n"
        "  - MaxPool1d: {name: p, kernel_size: 4}\n"
        "  - Interpolate: {name: u, from: p, scale_factor: 2}\n"
        "  - MaxPool1d: {name: q, from: c, kernel_size: 2}\n  - Add: [u, q]\n",
        ("T: multiples of 4 plus 1 or 2 from 9",),
    ),
    "two kinds": (
        SEQUENCE + "  - Unflatten: {name: w, dim: 1, unflattened_size: [-1, 6]}\n"
        "  - Mean: {dim: 2}\n  - MaxPool1d: {kernel_size: [3], stride: [1]}\n",
        ("T: multiples of 6",),
    ),
}


def predicted(text: str) -> Prediction:
    return check_source(parse(text, "spec.yaml"), {})


@pytest.mark.parametrize("name", CASES)
def test_what_is_said(name: str) -> None:
    text, said = CASES[name]
    assert predicted(text).graph.fit.texts == said


def tried(graph: Graph) -> Iterator[dict[str, int]]:
    """Each name from 1 to 70 alone, and all of them together at random."""
    for name, own in graph.fit.ranges.items():
        ends = [own.least - 1, *([] if own.most is None else [own.most, own.most + 1])]
        for size in (*range(1, 71), *(end for end in ends if end > 70)):
            yield {**graph.sizes, name: size}
    draws = random.Random(0)
    for _ in range(60 if len(graph.sizes) > 1 else 0):
        yield {
            name: draws.choice([draws.randint(1, 40), size]) for name, size in graph.sizes.items()
        }


def given(found: Prediction, sizes: dict[str, int]) -> list[torch.Tensor]:
    requests = []
    for x, one in zip(found.graph.inputs, found.plan.runs[0].samples, strict=True):
        requests.append(to_builtins(replace(one, shape=concrete(x.type, {**sizes, "N": 2}).shape)))
    return samples({"samples": requests}, "cpu")


def runs(network: torch.nn.Module, found: Prediction, sizes: dict[str, int]) -> bool:
    """Whether torch takes these sizes, and all that comes out has the shape that is written."""
    try:
        outputs = [value for _, value in named_outputs(network(*given(found, sizes)))]
    except (RuntimeError, ValueError, IndexError, AssertionError):
        return False
    graph, values = found.graph, {**found.graph.values, **sizes, "N": 2}
    written = [graph.type_of(ref).shape for _, ref in graph.outputs]
    wanted = [tuple(number_of(size, values) for size in shape) for shape in written]
    return [tuple(x.shape) for x in outputs] == wanted


def repeats(graph: Graph, sizes: dict[str, int]) -> bool:
    """Whether a size of 1 is repeated where an equal one is written: then torch is silent."""
    try:
        propagate(graph, {**sizes, "N": 2}, exact=True)
    except Misfit as misfit:
        return misfit.runs
    return False


def leaves_nothing(network: torch.nn.Module, found: Prediction, sizes: dict[str, int]) -> bool:
    """Whether a tensor comes out without elements: torch computes with those, too."""
    with Recorder({}) as recorder:
        network(*given(found, sizes))
    found_any: bool = recorder.has_empty
    return found_any


def has_names(path: Path) -> bool:
    return bool(_NAME.search(_INPUTS.findall(path.read_text(encoding="utf-8"))[0]))


# GPT-2 takes a minute
NAMED = {
    x.stem: x
    for x in (*CONFIGS, *SPECS, *STARTERS)
    if has_names(x) and x.stem != "gpt2" and not is_deep(x)
}


# many layers for each of hundreds of sizes
LONG = ("conformer", "transformer_classifier", "unet_skips")
SIZED = [pytest.param(name, marks=[pytest.mark.slow] * (name in LONG)) for name in NAMED]


@pytest.mark.parametrize("name", [*CASES, *SIZED])
def test_what_is_said_is_what_torch_takes(name: str) -> None:
    """Size by size, both ways."""
    if name in NAMED:
        found, result = checked(NAMED[name]), built(NAMED[name])
    else:
        source = parse(CASES[name][0], "spec.yaml")
        found, result = check_source(source, {}), build_source(source, {}, None)
    network = result.module_class()
    fit = found.graph.fit
    seen = set()
    warnings.simplefilter("ignore")  # torch's opinion of masks of two types
    with torch.no_grad():
        for sizes in tried(found.graph):
            real = runs(network, found, sizes)
            if fit.some:
                assert real or sizes not in [dict(zip(sizes, x, strict=True)) for x in fit.some]
                continue
            said = fit.holds(sizes)
            seen.add(said)
            if real and not said:
                empty = leaves_nothing(network, found, sizes)
                assert empty or repeats(found.graph, sizes), sizes
            assert real or not said, sizes
    assert fit.some or len(seen) == 1 + bool(fit.texts)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("a u", "H = 32, W = 48 taken; H = 15, W = 96 refused; H = 17, W = 96 refused; "),
        ("positions", "T = 49 refused; T = 51 refused"),
        ("equal lengths", "T = 4, S = 4 taken; T = 65, S = 64 refused"),
        ("a mask", "L = 3, S = 4 taken"),
        ("a part of nothing", "T = 6 taken; T = 4 leaves a tensor without elements"),
    ],
)
def test_a_run_shows_sizes_on_each_side(name: str, shown: str, worker: Worker) -> None:
    result = build_source(parse(CASES[name][0], "spec.yaml"), {}, worker, CPU)
    assert result.proofs[0].notes[0].startswith(shown)


def test_a_run_disproves_what_is_said_of_sizes(worker: Worker) -> None:
    """Both ways: what fits is refused, and what does not is taken."""
    source = parse(CASES["a u"][0], "spec.yaml")
    found, text = check_source(source, {}), build_source(source, {}, None).source
    taken = replace(found.plan, outside=(Outside(found.plan.runs[0].samples, "H = 64"),))
    with pytest.raises(NetgenError, match="torch takes H = 64, but was to take no others than H"):
        worker.prove(text, taken, CPU)
    fixed = text.replace("a = self.a(x)", "a = self.a(x[:, :, : x.shape[2] // 48 * 64])", 1)
    assert fixed != text
    with pytest.raises(NetgenError, match="the network raised"):
        worker.prove(fixed, found.plan, CPU)


TABLE = (
    "  - Parameter: {{name: pos, shape: [1, $({}), 8]}}\n"
    '  - Slice: {{name: p, from: pos, dim: 1, end: "$(shape(input)[0])"}}\n  - Add: [input, p]\n'
)
OF_ARGUMENTS: dict[str, tuple[str, str, str]] = {
    "itself": ("{places: 20}", TABLE.format("places"), "``T <= places``"),
    "a sum": ("{places: 20}", TABLE.format("places + 1"), "``T <= places + 1``"),
    "a multiple": ("{places: 20}", TABLE.format("2 * places"), "``T <= 2 * places``"),
    "neither": ("{a: 4, b: 5}", TABLE.format("a * b"), "``T <= 20, with the default arguments``"),
    "a step": (
        "{step: 4}",
        "  - AvgPool1d: {kernel_size: [1], stride: [1]}\n"
        "  - Unflatten: {dim: 1, unflattened_size: [-1, $step]}\n",
        "``T``: multiples of step",
    ),
    "nothing": ("{width: 4}", "  - Linear: $width\n", "Output: ``(N, T, width)``"),
    "nothing by default": (
        "{size: 1}",
        "  - Transpose: {dim0: 1, dim1: 2}\n  - AvgPool1d: {kernel_size: [$size], stride: [1]}\n",
        "``T``: any, with the default arguments",
    ),
    "others": (
        "{width: 4, bias: true, drop: 0.1}",
        "  - Linear: {out_features: $width, bias: $bias}\n  - Dropout: $drop\n  - MaxPool1d: [1]\n"
        "  - Select: {dim: 1, index: 5}\n",
        "``T >= 6``",
    ),
}


@pytest.mark.parametrize("name", OF_ARGUMENTS)
def test_a_docstring_speaks_of_all_members(name: str) -> None:
    """What hangs on an argument bears its name, or is said of the default ones."""
    params, layers, said = OF_ARGUMENTS[name]
    text = SEQUENCE.replace("layers", f"params: {params}\nlayers") + layers
    result = build_source(parse(text, "spec.yaml"), {}, None)
    assert f"- {said}" in str(inspect.getdoc(result.module_class)).split("\n    ")[-1]


def test_a_bound_that_follows_an_argument_is_that_of_the_member() -> None:
    text = SEQUENCE.replace("layers", "params: {places: 20}\nlayers") + TABLE.format("places + 1")
    class_ = build_source(parse(text, "spec.yaml"), {}, None).module_class
    for places in (3, 20, 90):
        network = class_(places=places)
        assert network(torch.zeros(2, places + 1, 8)).shape == (2, places + 1, 8)
        with pytest.raises(RuntimeError):
            network(torch.zeros(2, places + 2, 8))
