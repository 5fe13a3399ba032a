"""Networks in pieces: what is proven of each module alone, and of what joins them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from torch_netgen import NetgenError, build
from torch_netgen.analysis.pieces import Piece
from torch_netgen.analysis.plan import Plan
from torch_netgen.analysis.prediction import Prediction, check_source
from torch_netgen.ir.levels import Demand
from torch_netgen.pipeline import rendered
from torch_netgen.run import smoke
from torch_netgen.run.smoke import Worker
from torch_netgen.spec.given import read
from torch_netgen.spec.source import parse

from .command import netgen as run_netgen
from .conftest import SPECS

PIECEWISE = Demand("cpu", piecewise=True)
MIB = 2**20
BLOCKS = ("blocks.0", "blocks.1", "blocks.2", "last")

SPEC = """\
name: Net
inputs: {ids: {shape: [5], dtype: int64}, mask: {shape: [5], dtype: bool}}
params: {width: 8, depth: 3}
blocks:
  Inner:
    layers: [{Linear: {name: fc, out_features: $in_features}}, {LayerNorm: {name: norm}}]
  Block:
    inputs: [x, mask]
    params: {heads: required}
    layers:
      - MultiheadAttention:
          {name: attn, from: x, key_padding_mask: mask, num_heads: $heads, batch_first: true}
      - Add: [attn, x]
      - Inner: {name: inner}
layers:
  - Embedding: {name: embed, from: ids, num_embeddings: 12, embedding_dim: $width}
  - Block: {name: blocks, from: [embed, mask], heads: 2, repeat: $depth}
  - Block: {name: last, from: [blocks, mask], heads: 4}
  - LSTM: {name: lstm, hidden_size: 5, batch_first: true}
  - Linear: {name: head, from: lstm, out_features: 4}
"""


def predicted(text: str = SPEC) -> Prediction:
    return check_source(parse(text, "net.yaml"), {})


def notes(worker: Worker, found: Prediction, source: str | None = None) -> tuple[str, ...]:
    """What a run in pieces remarks."""
    source = source or rendered(found)
    (proof,) = worker.prove(source, found.plan, PIECEWISE, pieces=found.pieces)
    assert [level.level for level in proof.levels] == ["forward", "backward", "eval"]
    return proof.notes


def test_equal_modules_are_run_once(worker: Worker) -> None:
    how = "piece by piece: 7 modules, 5 of them different, each alone, and the whole without data"
    left = "not shown: values and gradients of the whole, doubts"
    assert notes(worker, predicted()) == (how, left)


def test_blocks_are_taken_apart_where_they_are_too_large() -> None:
    found = predicted()
    whole = found.pieces(float("inf"))
    assert [x.path for x in whole] == ["embed", *BLOCKS, "lstm", "head"]
    parts = [f"{path}.{name}" for path in BLOCKS for name in ("attn", "inner")]
    apart = found.pieces(min(piece.bytes for piece in whole[1:5]) - 1)
    assert [x.path for x in apart] == ["embed", *parts, "lstm", "head"]


def corrupted(plan: Plan) -> Iterator[Plan]:
    """The plan with one wrong prediction: each weight, each call and each output in turn."""
    for place, (name, shape, dtype, trainable) in enumerate(plan.weights):
        weights = [*plan.weights]
        weights[place] = (name, [*shape[:-1], shape[-1] + 1], dtype, trainable)
        yield replace(plan, weights=tuple(weights))
    for number, run in enumerate(plan.runs):
        runs = [*plan.runs]
        for path, ((shape, dtype), *others) in run.calls.items():
            calls = {**run.calls, path: [([*shape[:-1], shape[-1] + 1], dtype), *others]}
            runs[number] = replace(run, calls=calls)
            yield replace(plan, runs=tuple(runs))
        for place, (key, shape, _) in enumerate(run.outputs):
            outputs = [*run.outputs]
            outputs[place] = (key, shape, "float64")
            runs[number] = replace(run, outputs=tuple(outputs))
            yield replace(plan, runs=tuple(runs))
        for place, one in enumerate(run.samples):
            samples = [*run.samples]
            samples[place] = replace(one, shape=(*one.shape, 2))
            runs[number] = replace(run, samples=tuple(samples))
            yield replace(plan, runs=tuple(runs))


def only(piece: Piece, most: float) -> tuple[Piece, ...]:
    return (piece,)


def test_each_wrong_prediction_is_disproved_alone(worker: Worker) -> None:
    found = predicted()
    source, pieces = rendered(found), found.pieces(float("inf"))
    tried = 0
    for piece in pieces:
        for plan in corrupted(piece.plan):
            one = partial(only, Piece(piece.path, plan))
            with pytest.raises(NetgenError) as caught:
                worker.prove(source, found.plan, PIECEWISE, pieces=one)
            (diagnostic,) = caught.value.diagnostics
            assert diagnostic.code == "NG401"
            assert f"`{piece.path}` alone: " in diagnostic.message
            tried += 1
    assert tried > 100


def test_each_wrong_prediction_is_disproved_where_pieces_are_joined(worker: Worker) -> None:
    found = predicted()
    source = rendered(found)
    for plan in corrupted(found.plan):
        with pytest.raises(NetgenError, match="NG401"):
            worker.prove(source, plan, PIECEWISE, pieces=found.pieces)


SABOTAGE = {
    "another size": ("nn.Linear(5, 4)", "nn.Linear(5, 3)", "a weight is"),
    "detached in a block": ("x = self.fc(x)", "x = self.fc(x.detach())", "gets no gradient"),
    "detached between blocks": ("self.head(x)", "self.head(x.detach())", "gets no gradient"),
    "cut in a block": ("x = self.norm(x)", "x = self.norm(x)[:, :1]", "raised"),
    "cut for large weights": (
        "x = self.norm(x)",
        "x = self.norm(x) if x.is_meta else self.norm(x)[:1]",
        "`blocks.0` alone: ",
    ),
    "raising": ("x = self.norm(x)", "x = self.norm(x[:, :, 1:])", "raised RuntimeError"),
}


@pytest.mark.parametrize("name", SABOTAGE)
def test_wrong_source_is_disproved(name: str, worker: Worker) -> None:
    before, after, words = SABOTAGE[name]
    found = predicted()
    source = rendered(found)
    assert before in source
    with pytest.raises(NetgenError, match=words):
        notes(worker, found, source.replace(before, after))


MADE_OF_VALUES = "parametrized"


@pytest.mark.parametrize(
    "path", [x for x in SPECS if x.stem != MADE_OF_VALUES], ids=lambda path: path.stem
)
def test_each_network_holds_in_pieces(path: Any, worker: Worker) -> None:
    found = check_source(read(path), {})
    assert notes(worker, found)


def test_what_is_not_finite_alone_is_a_warning(worker: Worker) -> None:
    found = predicted()
    source = rendered(found).replace("x = self.norm(x)", "x = self.norm(x) / 0")
    (proof,) = worker.prove(source, found.plan, PIECEWISE, pieces=found.pieces)
    told = {(finding.code, finding.message) for finding in proof.findings}
    words = "gives values that are not finite for random inputs"
    assert told == {("NG309", f"`blocks.0` {words}"), ("NG309", f"`last` {words}")}


WIDE = {
    "name": "Wide",
    "input": [1024],
    "blocks": {"Block": {"layers": [{"Linear": {"out_features": 1024, "repeat": 2}}]}},
    "layers": [{"Block": {"name": "blocks", "repeat": 4}}, {"Linear": 10}],
}


def test_a_network_larger_than_the_memory_is_run_in_pieces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole takes 64 MiB, a block 16 MiB."""
    monkeypatch.setattr(smoke, "available", lambda: 40 * MIB)
    result = build(WIDE, tmp_path / "wide.py", device="cpu")
    assert result.proofs[0].notes[0].startswith("piece by piece: 5 modules, 2 of them different")
    monkeypatch.setattr(smoke, "available", lambda: 12 * MIB)
    result = build(WIDE, tmp_path / "wide.py", device="cpu")
    assert result.proofs[0].notes[0].startswith("piece by piece: 9 modules, 2 of them different")


@pytest.mark.parametrize(
    ("room", "prove", "note"),
    [
        (4 * MIB, [], "its largest piece, `blocks.0.fc1`, needs 8.0 MiB"),
        (40 * MIB, ["learn"], "weights with their gradients take 64.1 MiB"),
    ],
)
def test_what_can_not_be_run_in_pieces_is_refused(
    room: int, prove: list[str], note: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(smoke, "available", lambda: room)
    with pytest.raises(NetgenError) as caught:
        build(WIDE, tmp_path / "wide.py", device="cpu", prove=prove)
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code == "NG404"
    assert note in diagnostic.notes
    assert not (tmp_path / "wide.py").exists()


def test_what_needs_the_whole_network_is_not_asked_of_pieces(tmp_path: Path) -> None:
    (tmp_path / "net.yaml").write_text(SPEC)
    run = run_netgen("build", "net.yaml", "--piecewise", "--prove", "learn", cwd=tmp_path)
    assert run.returncode == 2
    told = "netgen: error: learn can't be shown piece by piece: it needs the whole network"
    assert told in run.stderr.splitlines()


def test_the_verdict_says_what_was_shown_of_pieces_and_what_was_not(tmp_path: Path) -> None:
    (tmp_path / "net.yaml").write_text(SPEC)
    run = run_netgen("build", "net.yaml", "--piecewise", cwd=tmp_path)
    assert run.returncode == 0, run.stderr
    (verdict,) = (x for x in run.stdout.splitlines() if x.startswith("smoke-run on "))
    what = "forward, backward and eval, batches of 2 and 3"
    how = "piece by piece: 7 modules, 5 of them different, each alone, and the whole without data"
    left = "not shown: values and gradients of the whole, doubts"
    assert verdict.partition("): ")[2] == f"{what}; {how}; {left}"


CUSTOM = """\
name: Net
input: [3, 8]
imports: {Doubled: own.Doubled}
blocks: {Block: {layers: [{Linear: {name: fc, out_features: 8}}, {Doubled: {name: own}}]}}
layers: [{Block: {name: blocks, repeat: 3}}, {Doubled: {name: last}}]
"""
OWN = """\
import torch
from torch import nn

class Doubled(nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))

    def forward(self, x):
        return {gives}
"""


@pytest.mark.parametrize(
    ("gives", "wrong"),
    [
        ("2 * x * self.scale", []),
        ("x if x.is_meta else x.double()", ["`blocks.0` alone: `own` is (3, 3, 8) float64"]),
    ],
)
def test_custom_layers_are_run_in_pieces(gives: str, wrong: list[str], tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(OWN.format(gives=gives))
    (tmp_path / "net.yaml").write_text(CUSTOM)
    run = run_netgen("build", "net.yaml", "--piecewise", "--allow-imports", cwd=tmp_path)
    assert run.returncode == len(wrong)
    assert all(text in run.stderr for text in wrong), run.stderr
    assert ("piece by piece: 4 modules, 2 of them different" in run.stdout) is (not wrong)


@pytest.mark.parametrize("how", [["--piecewise"], ["--device", "meta"]])
def test_what_torch_does_not_make_without_data_is_refused(how: list[str], tmp_path: Path) -> None:
    (path,) = (path for path in SPECS if path.stem == MADE_OF_VALUES)
    run = run_netgen("build", path, *how, cwd=tmp_path)
    assert run.returncode == 1
    told = "error[NG403]: torch makes no orthogonal weight, as in `attn`, without data"
    assert told in run.stderr.splitlines()
