"""`netgen diff`: what has changed between two specs, and which weights would still load."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from .command import netgen
from .conftest import CONFIGS, ROOT
from .deep import is_deep
from .networks import built, config

LENET = (ROOT / "configs" / "lenet.yaml").read_text()


def diff(tmp_path: Path, old: str, new: str, *args: str) -> list[str]:
    (tmp_path / "old.yaml").write_text(old)
    (tmp_path / "new.yaml").write_text(new)
    run = netgen("diff", "old.yaml", "new.yaml", *args, cwd=tmp_path)
    assert run.returncode == 0, run.stderr
    return run.stdout.splitlines()


def test_what_has_changed_is_told_layer_by_layer(tmp_path: Path) -> None:
    new = LENET.replace("Linear: 84", "Linear: 90")
    assert diff(tmp_path, LENET, new) == [
        "--- old.yaml",
        "+++ new.yaml",
        "parameters: 61,706 -> 62,492 (+786)",
        "multiply-adds: 416,520 -> 417,300 (+780)",
        "layers:",
        "  ~ fc2: Linear, out_features 84 -> 90, output (N, 84) -> (N, 90)",
        "  ~ relu (call 4): ReLU, output (N, 84) -> (N, 90)",
        "  ~ fc3: Linear, in_features 84 -> 90",
        "state_dict: 7 of 10 weights would load from the first",
        "  ~ fc2.weight: (84, 120) -> (90, 120)",
        "  ~ fc2.bias: (84,) -> (90,)",
        "  ~ fc3.weight: (10, 84) -> (10, 90)",
    ]


SMALL = [path for path in CONFIGS if not is_deep(path)]


@pytest.mark.parametrize("path", SMALL[:6], ids=lambda path: path.stem)
def test_a_spec_does_not_differ_from_itself(path: Path, tmp_path: Path) -> None:
    lines = diff(tmp_path, path.read_text(), path.read_text())
    assert lines[4:6] == ["layers:", "  the same"]
    count = len(built(path).graph.weights)
    assert lines[6:] == [f"state_dict: {count} of {count} weights would load from the first"]


def test_a_default_that_differs_by_its_value_only_is_seen(tmp_path: Path) -> None:
    lines = diff(tmp_path, LENET, LENET.replace("default: 10", "default: 26"))
    assert "  ~ fc3: Linear, out_features 10 -> 26, output (N, 10) -> (N, 26)" in lines


def test_the_weights_that_are_said_to_load_do_load(tmp_path: Path) -> None:
    """Held against `load_state_dict` of the two generated networks."""
    paths = [config("resnet18"), config("resnet50")]
    lines = diff(tmp_path, paths[0].read_text(), paths[1].read_text())
    with torch.device("meta"):
        old, new = (built(path).module_class().state_dict() for path in paths)
    same = sum(name in old and old[name].shape == value.shape for name, value in new.items())
    assert f"state_dict: {same} of {len(new)} weights would load from the first" in lines
    only = {line[4:].partition(":")[0] for line in lines if line.startswith("  + ")}
    assert only >= new.keys() - old.keys()


def test_a_mistake_in_either_is_told(tmp_path: Path) -> None:
    (tmp_path / "good.yaml").write_text(LENET)
    (tmp_path / "bad.yaml").write_text("name: Net\ninput: [4]\nlayers: [{Linear: none}]\n")
    for order in (("good.yaml", "bad.yaml"), ("bad.yaml", "good.yaml")):
        run = netgen("diff", *order, cwd=tmp_path)
        assert run.returncode == 1
        assert "bad.yaml:3:19" in run.stderr
        assert run.stdout == ""


NET = """\
name: Net
inputs: {x: [4], y: [4]}
layers:
  - Linear: {name: a, from: x, out_features: 4}
  - Linear: {name: b, from: y, out_features: 4}
  - Buffer: {name: k, value: 2.0}
  - Mul: {name: m, from: [b, k]}
  - Sub: {name: s, from: [a, m]}
outputs: [s, a]
init: {a: {weight: zeros_}}
"""
CHANGES = {
    "what a layer reads": ("from: x, out", "from: y, out", "~ a: Linear, reads x -> y"),
    "order of operands": ("from: [a, m]", "from: [m, a]", "~ s: Sub, reads a, m -> m, a"),
    "value of a buffer": ("value: 2.0", "value: 3.0", "~ k: Buffer, value 2.0 -> 3.0"),
    "outputs": ("outputs: [s, a]", "outputs: [a, s]", "~ output 0: s -> a"),
    "initial weights": (
        "zeros_",
        "ones_",
        "~ init a.weight: nn.init.zeros_(tensor) -> nn.init.ones",
    ),
    "ties": ("init: {a", "tie: {b.weight: a.weight}\ninit: {a", "+ tie b.weight: a.weight"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_nothing_that_matters_goes_unsaid(name: str, tmp_path: Path) -> None:
    before, after, words = CHANGES[name]
    changed = NET.replace(before, after)
    if name == "what a layer reads":
        changed = changed.replace("name: b, from: y", "name: b, from: x")
    assert any(words in line for line in diff(tmp_path, NET, changed)), name


def test_usage_is_told(tmp_path: Path) -> None:
    assert netgen("diff", "one.yaml", cwd=tmp_path).returncode == 2
    assert netgen("diff", "--help", cwd=tmp_path).returncode == 0
    assert netgen("show", "--batch", "1.5", "a.yaml", cwd=tmp_path).returncode == 2
