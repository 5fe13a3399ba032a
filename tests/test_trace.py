"""A run worked out as types alone is the run that is recorded, and is refused where that is."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import pytest
from torch_netgen.ir.graph import Graph
from torch_netgen.ir.trace import Maker, propagate, traced
from torch_netgen.layers.base import Refusal
from torch_netgen.layers.tensor import TensorType

from .conftest import CONFIGS, SPECS, STARTERS, by_depth
from .deep import is_deep
from .networks import checked

REVIEWED = [*CONFIGS, *STARTERS, *SPECS]


def recorded(graph: Graph, sizes: dict[str, int]) -> object:
    trace = traced(graph, sizes)
    values = (trace.read(ref) for _, ref in graph.outputs)
    return tuple(TensorType(x.shape, x.dtype, x.batch, x.lost, x.bound) for x in values)


def outcome(how: object, graph: Graph, sizes: dict[str, int]) -> object:
    assert callable(how)
    try:
        return how(graph, sizes)
    except Refusal as refusal:
        return refusal.message


@pytest.mark.parametrize("path", by_depth(REVIEWED))
def test_types_alone_are_those_of_the_recorded_run(path: Path) -> None:
    """With the sample sizes that were found, and with others, which may be too small."""
    graph, draws = checked(path).graph, random.Random(path.stem)
    for batch in (1, 2, 3, 7):
        for _ in range(1 if not graph.sizes else 6):
            sizes = {
                name: draws.choice([size, draws.randint(1, 2 * size)])
                for name, size in graph.sizes.items()
            }
            found = [outcome(how, graph, {**sizes, "N": batch}) for how in (propagate, recorded)]
            assert found[0] == found[1], sizes


def test_some_are_refused() -> None:
    """Else the test above would hold refusals against nothing."""
    seen: Counter[bool] = Counter()
    for path in (path for path in REVIEWED if not is_deep(path)):
        graph = checked(path).graph
        for batch in (1, 2):
            tiny = {**dict.fromkeys(graph.sizes, 1), "N": batch}
            found = [outcome(how, graph, tiny) for how in (propagate, recorded)]
            assert found[0] == found[1]
            seen[isinstance(found[0], str)] += 1
    assert seen[True] > 0
    assert seen[False] > 50


@pytest.mark.parametrize("path", by_depth(REVIEWED))
def test_a_value_is_the_same_wherever_it_is_read(path: Path) -> None:
    """Each number is an input's or a layer's output's, also behind blocks and containers."""
    graph = checked(path).graph
    trace = traced(graph, {**graph.sizes, "N": 2})
    known = [*trace.inputs]
    for number, call in enumerate(trace.calls):
        assert all(x == known[x.number] for x in call.inputs)
        for port, x in call.outputs.items():
            if call.layer is not None:
                assert trace.makers[x.number] == Maker(number, port)
                known.append(x)
            assert x == known[x.number]
    assert [x.number for x in known] == [*range(len(trace.makers))]
    assert [trace.maker(x) for x in trace.inputs] == [None] * len(graph.inputs)
    assert all(trace.read(ref) == known[trace.read(ref).number] for _, ref in graph.outputs)
