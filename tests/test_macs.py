"""Multiply-adds against torch's own counter, for the kinds of layers that it counts."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode
from torch_netgen import build

from .conftest import CONFIGS, by_depth
from .networks import built

IMAGES: dict[str, Any] = {"input": [4, 9, 9]}
ONE: dict[str, Any] = {"input": [5, 8]}
TWO: dict[str, Any] = {"inputs": {"a": [5, 8], "b": [7, 8]}}
READS = {"from": ["a", "b"], "batch_first": True}
SMALL = {"nhead": 2, "batch_first": True, "dim_feedforward": 12}

CASES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "Conv2d": (IMAGES, {"out_channels": 8, "kernel_size": 3, "groups": 2, "stride": 2}),
    "ConvTranspose2d": (IMAGES, {"out_channels": 8, "kernel_size": 3, "groups": 2, "stride": 2}),
    "Linear": (ONE, {"out_features": 7}),
    "GRUCell": ({"input": [5]}, {"hidden_size": 6}),
    "LSTMCell": ({"input": [5]}, {"hidden_size": 6}),
    "MultiheadAttention": (TWO, {"num_heads": 2, **READS}),
    "TransformerEncoderLayer": (ONE, SMALL),
    "TransformerDecoderLayer": (TWO, {**SMALL, **READS}),
    "Transformer": (TWO, {**SMALL, **READS, "num_encoder_layers": 2, "num_decoder_layers": 1}),
    "FunctionalConv2d": (
        {"inputs": {"a": [4, 9, 9], "w": {"shape": [8, 2, 3, 3], "batch": False}}},
        {"from": ["a", "w"], "groups": 2, "stride": 2},
    ),
    "FunctionalConvTranspose1d": (
        {"inputs": {"a": [4, 9], "w": {"shape": [4, 3, 3], "batch": False}}},
        {"from": ["a", "w"], "groups": 2, "stride": 2},
    ),
    "FunctionalLinear": (
        {"inputs": {"a": [5, 6], "w": {"shape": [7, 6], "batch": False}}},
        {"from": ["a", "w"]},
    ),
    "MatMul": ({"inputs": {"a": [5, 6], "b": [6, 7]}}, {"from": ["a", "b"]}),
    "Einsum": (
        {"inputs": {"a": [5, 6], "b": [6, 7]}},
        {"from": ["a", "b"], "equation": "nij,njk->nik"},
    ),
}


@pytest.mark.parametrize("path", by_depth(CONFIGS))
def test_the_layers_macs_are_the_networks(path: Path) -> None:
    result = built(path)
    assert sum(row.macs for row in result.shapes) == result.costs.macs
    assert sum(row.parameters for row in result.shapes) >= result.parameter_count


@pytest.mark.parametrize("layer", CASES)
def test_macs_are_half_of_the_counted_operations(layer: str) -> None:
    inputs, args = CASES[layer]
    result = build({"name": "Net", **inputs, "layers": [{layer: args}]}, smoke=False)
    samples = [torch.randn([int(size) for size in x.type.shape]) for x in result.graph.inputs]
    with FlopCounterMode(display=False) as counter:
        result.module_class()(*samples)
    batch = samples[0].shape[0]
    assert result.costs.macs == counter.get_total_flops() // 2 // batch
    assert result.costs.macs > 0


FRAMES = [{"Flatten": {"start_dim": 0, "end_dim": 1}}]
# what a batch becomes a part of, or meets itself in, and the shape of a sample
MIXED: dict[str, tuple[list[int], list[dict[str, Any]]]] = {
    "conv": ([5, 3, 8, 8], [*FRAMES, {"Conv2d": [4, 3]}]),
    "linear": ([5, 8], [*FRAMES, {"Linear": 4}]),
    "attention": (
        [5, 6, 8],
        [*FRAMES, {"MultiheadAttention": {"num_heads": 2, "batch_first": True}}],
    ),
    "encoder": ([5, 6, 8], [*FRAMES, {"TransformerEncoderLayer": SMALL}]),
    "normed": ([5, 8], [{"BatchNorm1d": None}, *FRAMES, {"Linear": 4}]),
    "similarity": (
        [8],
        [
            {"Linear": {"name": "z", "out_features": 6}},
            {"Transpose": {"name": "t", "dim0": 0, "dim1": 1}},
            {"MatMul": {"from": ["z", "t"]}},
        ],
    ),
    "similarity twice": (
        [8],
        [
            {"Linear": {"name": "z", "out_features": 6}},
            {"Transpose": {"name": "t", "dim0": 0, "dim1": 1}},
            {"MatMul": {"name": "similar", "from": ["z", "t"]}},
            {"MatMul": {"from": ["similar", "z"]}},
        ],
    ),
    "windows over samples": (
        [5, 8],
        [*FRAMES, {"Unsqueeze": 0}, {"Transpose": [1, 2]}, {"Conv1d": [4, 3, 4]}],
    ),
}


@pytest.mark.parametrize("kind", MIXED)
def test_macs_of_a_sample_are_those_of_a_batch_of_one(kind: str) -> None:
    shape, layers = MIXED[kind]
    result = build({"name": "Net", "input": shape, "layers": layers}, smoke=False)
    with FlopCounterMode(display=False) as counter:
        result.module_class().train(kind != "normed")(torch.randn(1, *shape))
    assert result.costs.macs == counter.get_total_flops() // 2
    assert sum(row.macs for row in result.shapes) == result.costs.macs > 0


EQUATIONS: list[tuple[str, list[list[int]]]] = [
    ("nij,njk,nkl->nil", [[2, 7, 5], [2, 5, 6], [2, 6, 3]]),
    ("ij,kl,jk->il", [[7, 5], [6, 3], [5, 6]]),  # the first two are an outer product
    ("ij,jk,k->i", [[7, 5], [5, 6], [6]]),
    ("i,i,i->i", [[7], [7], [7]]),
    ("ii,ij->j", [[5, 5], [5, 3]]),
    ("ij,jk,ik->", [[7, 5], [5, 6], [7, 6]]),
    ("ij,jk,kl->il", [[7, 1], [5, 6], [1, 3]]),  # what is 1 broadcasts
    ("...ij,...jk,k", [[2, 4, 3, 5], [4, 5, 6], [6]]),
    ("i...,j->j", [[3, 4, 5], [2]]),
]


def random_equations(count: int, seed: int) -> Iterator[tuple[str, list[list[int]]]]:
    """Equations with letters more than once, with `...`, and with sizes of 1."""
    chance = random.Random(seed)
    for _ in range(count):
        sizes = {letter: chance.choice((1, 2, 3, 5)) for letter in "ijk"}
        under = [chance.choice((1, 2, 3)) for _ in range(chance.randint(0, 2))]
        terms, shapes = [], []
        for _ in range(chance.randint(1, 4)):
            ones = {letter: size if chance.random() < 0.9 else 1 for letter, size in sizes.items()}
            term = chance.choices("ijk", k=chance.randint(0, 3))
            shape = [ones[letter] for letter in term]
            if chance.random() < 0.3:
                place, some = chance.randint(0, len(term)), under[chance.randint(0, len(under)) :]
                term[place:place] = ["..."]
                shape[place:place] = [chance.choice((1, size, size)) for size in some]
            terms.append("".join(term))
            shapes.append(shape)
        right = sorted({letter for term in terms for letter in term if letter != "."})
        chosen = [*chance.sample(right, chance.randint(0, len(right))), "..."]
        arrow = chance.choice(("", " -> " + "".join(chosen), "->" + "".join(chosen[:-1])))
        yield ",".join(terms) + arrow, shapes


def test_einsum_is_counted_as_torch_contracts_it(monkeypatch: pytest.MonkeyPatch) -> None:
    # from left to right, whatever is installed
    monkeypatch.setattr(torch.backends.opt_einsum, "enabled", False)
    counted = 0
    for equation, shapes in [*EQUATIONS, *random_equations(150, seed=0)]:
        inputs = {
            f"x{place}": {"shape": shape, "batch": False} for place, shape in enumerate(shapes)
        }
        layers = [{"Einsum": {"equation": equation, "from": list(inputs)}}]
        result = build({"name": "Net", "inputs": inputs, "layers": layers}, smoke=False)
        with FlopCounterMode(display=False) as counter:
            out = result.module_class()(*map(torch.randn, shapes))
        assert str(tuple(out.shape)) == result.shapes[-1].output, equation
        assert result.costs.macs == counter.get_total_flops() // 2, equation
        counted += result.costs.macs > 0
    assert counted > 40


@pytest.mark.parametrize("when", ["$on", "$(not on)", False])
@pytest.mark.parametrize("on", [True, False])
def test_what_no_output_needs_is_not_computed(when: str | bool, on: bool) -> None:
    """`a` feeds a merge that may be absent. Its weights are there; it is called if the merge may
    be there for other arguments, as `forward` is one for all.
    """
    layers = [
        {"Linear": {"name": "a", "out_features": 8}},
        {"Linear": {"name": "c", "from": "input", "out_features": 8}},
        {"Add": {"from": ["a", "c"], "when": when}},
        "ReLU",
    ]
    spec = {"name": "Net", "input": [8], "params": {"on": on}, "layers": layers}
    result = build(spec, smoke=False)
    with FlopCounterMode(display=False) as counter:
        result.module_class()(torch.randn(1, 8))
    assert result.costs.macs == counter.get_total_flops() // 2 == (128 if when else 64)
    assert result.costs.parameters == 144


def test_what_one_use_of_a_block_needs_all_compute() -> None:
    """`forward` is one for all uses: `a` is computed where nothing is added, too."""
    layers = [
        {"Linear": {"name": "a", "out_features": 8}},
        {"Linear": {"name": "c", "from": "input", "out_features": 8}},
        {"Add": {"from": ["a", "c"], "when": "$on"}},
    ]
    blocks = {"B": {"params": {"on": True}, "layers": layers}}
    spec = {"name": "Net", "input": [8], "blocks": blocks, "layers": ["B", {"B": {"on": False}}]}
    result = build(spec, smoke=False)
    with FlopCounterMode(display=False) as counter:
        result.module_class()(torch.randn(1, 8))
    assert result.costs.macs == counter.get_total_flops() // 2 == 256
