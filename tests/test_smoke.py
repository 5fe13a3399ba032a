"""The smoke-run disproves what is wrong: each kind of prediction corrupted, one by one."""

from __future__ import annotations

import gc
import os
import signal
import time
import weakref
from collections.abc import Callable
from typing import Any

import pytest
import torch
from msgspec.structs import replace
from torch_netgen import NetgenError
from torch_netgen.analysis.plan import Plan
from torch_netgen.analysis.prediction import predict
from torch_netgen.pipeline import build_source
from torch_netgen.run.proofs.subject import subject_of
from torch_netgen.run.proofs.watch import observe
from torch_netgen.run.smoke import Worker
from torch_netgen.spec.source import parse
from torch_netgen.spec.spec import read_document
from torch_netgen.version import TORCH

from .conftest import CPU, ROOT

SPEC = """\
name: Net
input: [3, 12, 12]
layers:
  - Sequential: {name: features, layers: [{Conv2d: [4, 3]}, BatchNorm2d, ReLU]}
  - Flatten
  - Linear: {name: fc, out_features: 5}
"""


# `split` and `heads` share a line of the source: there is no variable for what `split` gives
ONE_LINE = """\
name: Net
input: [12, 6]
layers:
  - Linear: {name: q, out_features: 8}
  - Reshape: {name: split, shape: [12, 4, 2]}
  - Transpose: {name: heads, dim0: 2, dim1: 3}
  - Add: [heads, heads]
"""


def planned(text: str = SPEC) -> tuple[str, Plan]:
    source = parse(text, "spec.yaml")
    plan = predict(read_document(source), {}).plan
    return build_source(source, {}, None).source, plan


def with_run(plan: Plan, place: int, **changes: Any) -> Plan:
    runs = list(plan.runs)
    runs[place] = replace(runs[place], **changes)
    return replace(plan, runs=tuple(runs))


def variable(plan: Plan, statement: int, shape: list[int], dtype: str = "float32") -> Plan:
    variables = list(plan.runs[1].variables)
    variables[statement] = (("x", shape, dtype),)
    return with_run(plan, 1, variables=tuple(variables))


def weight(plan: Plan, place: int, *changed: object) -> Plan:
    weights: list[Any] = list(plan.weights)
    weights[place] = changed
    return replace(plan, weights=tuple(weights))


CORRUPTIONS: dict[str, tuple[Callable[[Plan], Plan], str]] = {
    "shape of a line": (lambda p: variable(p, 1, [3, 401]), r"`x`, given by `flatten`"),
    "type of a line": (lambda p: variable(p, 1, [3, 400], "float64"), "float64 was predicted"),
    "shape in a container": (
        lambda p: with_run(p, 0, calls={"features.1": [([2, 4, 10, 11], "float32")]}),
        "`features.1`",
    ),
    "output": (lambda p: with_run(p, 0, outputs=((None, [2, 6], "float32"),)), "`output`"),
    "parameter count": (
        lambda p: replace(p, parameters=p.parameters + 1),
        "parameters, but",
    ),
    "weight's shape": (
        lambda p: weight(p, 0, "features.0.weight", [4, 3, 3, 2], "float32", True),
        "a weight is",
    ),
    "weight's name": (
        lambda p: weight(p, 1, "features.0.bios", [4], "float32", True),
        "features.0.bias",
    ),
    "buffer that is no parameter": (
        lambda p: weight(p, 4, "features.1.running_mean", [4], "float32", True),
        "running_mean",
    ),
    "missing weight": (
        lambda p: replace(p, weights=p.weights[:-1]),
        "weights, but",
    ),
}


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_a_wrong_prediction_is_disproved(name: str, worker: Worker) -> None:
    corrupt, words = CORRUPTIONS[name]
    source, plan = planned()
    assert worker.prove(source, plan, CPU)[0].device == "cpu"
    with pytest.raises(NetgenError, match=words) as caught:
        worker.prove(source, corrupt(plan), CPU)
    assert caught.value.diagnostics[0].code == "NG401"


def test_a_wrong_prediction_inside_of_a_line_is_disproved(worker: Worker) -> None:
    """What is given from one call to the next has no variable, and is held all the same."""
    source, plan = planned(ONE_LINE)
    assert worker.prove(source, plan, CPU)[0].device == "cpu"
    inner = [[*steps] for steps in plan.runs[1].inner]
    place, steps = next((place, steps) for place, steps in enumerate(inner) if steps)
    (name, number, shape, dtype), *rest = steps
    assert (name, shape, rest) == ("split", [3, 12, 4, 2], [])
    inner[place] = [(name, number, [3, 12, 2, 4], dtype)]
    with pytest.raises(NetgenError, match=r"`split` is \(3, 12, 4, 2\)"):
        worker.prove(source, with_run(plan, 1, inner=tuple(map(tuple, inner))), CPU)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("kernel_size=3", "kernel_size=3, shape=3", "got an unexpected keyword argument 'shape'"),
        ("nn.Linear(", "nn.Straight(", "module 'torch.nn' has no attribute 'Straight'"),
    ],
)
def test_what_this_torch_lacks_is_told(old: str, new: str, message: str, worker: Worker) -> None:
    source, plan = planned()
    with pytest.raises(NetgenError, match=message) as caught:
        worker.prove(source.replace(old, new), plan, CPU)
    told = f"netgen knows the layers of torch {TORCH}; this is torch {torch.__version__}"
    assert [error.notes for error in caught.value.diagnostics] == [(told,)]
    assert f"\ntorch=={TORCH}." in (ROOT / "constraints.txt").read_text()


SABOTAGE = {
    "another size": ("nn.Linear(4 * 10 * 10, 5)", "nn.Linear(4 * 10 * 11, 5)", "a weight is"),
    "another kernel": ("kernel_size=3", "kernel_size=1", "a weight is"),
    "detached": ("x = self.fc(x)", "x = self.fc(x.detach())", "`features.0.weight` gets no"),
    "infinite": ("x = self.fc(x)", 'x = self.fc(x) * float("inf")', "is not finite"),
    "raising": ("x = self.fc(x)", "x = self.fc(x[:, 1:])", "the network raised RuntimeError"),
    "skipped": ("x = self.fc(x)", "x = self.fc(x)[:1]", "`x`, given by `fc`"),
    "only in training": (
        "x = self.fc(x)",
        "x = self.fc(x) if self.training else self.fc(x)[:1]",
        "`x`, given by `fc`",
    ),
    "leaving": ("x = self.fc(x)", "x = __import__('os')._exit(3)", "ended with code 3"),
}


@pytest.mark.parametrize("name", SABOTAGE)
def test_wrong_source_is_disproved(name: str, worker: Worker) -> None:
    before, after, words = SABOTAGE[name]
    source, plan = planned()
    assert before in source
    with pytest.raises(NetgenError, match=words):
        worker.prove(source.replace(before, after), plan, CPU)


@pytest.mark.slow
def test_a_run_that_does_not_end_is_ended() -> None:
    source, plan = planned()
    endless = source.replace("x = self.fc(x)", "x = [0 for _ in iter(int, 1)]")
    with (
        Worker(timeout=8.0) as worker,
        pytest.raises(NetgenError, match="within 8 seconds"),
    ):
        worker.prove(endless, plan, CPU)


@pytest.mark.linux
def test_a_worker_that_dies_is_one_diagnostic_and_the_next_one_works() -> None:
    source, plan = planned()
    with Worker() as worker:
        worker.prove(source, plan, CPU)
        assert worker.process is not None
        os.kill(worker.process.pid, signal.SIGSEGV)
        with pytest.raises(NetgenError, match="was killed by signal 11"):
            worker.prove(source, plan, CPU)
        assert worker.prove(source, plan, CPU)[0].device == "cpu"


@pytest.mark.slow
def test_time_is_a_specs_own_and_a_worker_may_grow_old() -> None:
    """What a worker did before takes nothing of the time of what it does now."""
    source, plan = planned()
    with Worker(timeout=6.0) as worker:
        worker.prove(source, plan, CPU)
        time.sleep(6.5)
        worker.prove(source, plan, CPU)
        with worker.one_spec():
            time.sleep(6.5)
            with pytest.raises(NetgenError, match="within 6 seconds"):
                worker.prove(source, plan, CPU)


def test_networks_without_gradients_say_so(worker: Worker) -> None:
    source = parse("name: Net\ninput: [4]\nlayers: [ReLU]", "spec.yaml")
    (proof,) = build_source(source, {}, worker, CPU).proofs
    assert proof.notes == ("no parameters, so no gradients",)


def test_a_watched_run_holds_on_to_nothing() -> None:
    """Not even for as long as it takes until garbage is looked for, which a GPU can't wait for."""
    source, plan = planned()
    demand = {"source": source, "plan": plan.request(), "seed": 0, "levels": ["forward"]}
    subject = subject_of(demand, "cpu")
    outputs: list[weakref.ref[Any]] = []
    for module in subject.network.children():
        module.register_forward_hook(lambda _, inputs, output: outputs.append(weakref.ref(output)))
    gc.disable()
    try:
        observe(subject, 0)
        assert outputs
        assert not [there for output in outputs if (there := output()) is not None]
    finally:
        gc.enable()


def test_indices_that_a_block_reads_are_drawn_below_the_places_that_it_fills() -> None:
    text = """
name: Net
inputs: {x: [2, 4, 4], where: {shape: [2, 4, 4], dtype: int64}}
blocks:
  Up: {inputs: [x, where], layers: [{MaxUnpool2d: {from: [x, where], kernel_size: 2}}]}
  Outer: {inputs: [x, where], layers: [{Up: {from: [x, where]}}]}
layers: [{Outer: {from: [x, where]}}]
"""
    samples = predict(read_document(parse(text, "net.yaml")), {}).plan.runs[0].samples
    assert [sample.high for sample in samples] == [None, 64]
