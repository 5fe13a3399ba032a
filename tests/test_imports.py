"""Custom layers: a person's own modules, asked for their shapes, imported by what is generated."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch_netgen import NetgenError, build

from .command import netgen

pytestmark = pytest.mark.slow

LAYERS = '''\
"""Layers of a person's own."""

import torch
from torch import Tensor, nn


class SqueezeExcite(nn.Module):
    def __init__(
        self, channels: int, ratio: float = 0.25, act: type = nn.ReLU, *, gate: bool = True
    ) -> None:
        super().__init__()
        hidden = max(1, int(channels * ratio))
        self.down = nn.Conv2d(channels, hidden, 1)
        self.up = nn.Conv2d(hidden, channels, 1)
        self.act = act()
        self.gate = gate

    def forward(self, x: Tensor) -> Tensor:
        y = self.up(self.act(self.down(x.mean((2, 3), keepdim=True))))
        return x * torch.sigmoid(y) if self.gate else x + y


class Half(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x[:, : x.shape[1] // 2]


class Mix(nn.Module):
    def forward(self, left: Tensor, right: Tensor, bias: Tensor | None = None) -> Tensor:
        return left + right if bias is None else left + right + bias


class Every(nn.Module):
    """Every second step."""

    def forward(self, x: Tensor) -> Tensor:
        return x[:, ::2]


class MyDrop(nn.Module):
    def __init__(self, inplace: bool = True) -> None:
        super().__init__()

    def forward(self, x: Tensor, cond: Tensor | None = None, bias: Tensor | None = None) -> Tensor:
        x = x if cond is None else torch.cat((x, cond), 1)
        return x if bias is None else x + bias


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(4, 4), nn.Linear(4, 4)
        self.b.weight = self.a.weight

    def forward(self, x: Tensor) -> Tensor:
        return self.b(self.a(x))


class Lazy(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.LazyLinear(3)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(x)


class Slow(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        import time

        time.sleep(60)
        return x


class NoWayBack(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: Tensor) -> Tensor:
        return 2 * x

    @staticmethod
    def backward(ctx, gradient: Tensor) -> Tensor:
        raise RuntimeError("no way back")


class OneWay(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return NoWayBack.apply(x)


class Noise(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        import random

        return x * (1 + random.random())


class Pair(nn.Module):
    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return x, x


def function(x: Tensor) -> Tensor:
    return x
'''

SPEC = """\
name: Net
input: [3, 16, 16]
params: {width: 8, num_classes: 10}
imports: {SE: own.layers.SqueezeExcite, Half: own.layers.Half, Mix: own.layers.Mix}
blocks:
  Stage:
    params: {out_channels: required}
    layers:
      - Conv2d: {out_channels: $out_channels, kernel_size: 3, padding: 1}
      - SE: {channels: $out_channels, ratio: 0.5, gate: false}
layers:
  - Conv2d: {name: stem, out_channels: $width, kernel_size: 3, padding: 1}
  - SE: [$width]
  - Half
  - Stage: {name: one, out_channels: 8}
  - Stage: {name: two, out_channels: 8}
  - Mix: {from: [one, two]}
  - Sequential: {name: tail, layers: [{SE: 8}, ReLU]}
  - AdaptiveAvgPool2d: 1
  - Flatten
  - Linear: $num_classes
init:
  SE: {down.weight: {normal_: {std: 0.02}}}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "__init__.py").write_text("")
    (tmp_path / "own" / "layers.py").write_text(LAYERS)
    (tmp_path / "net.yaml").write_text(SPEC)
    return tmp_path


def spec(folder: Path, text: str) -> Path:
    path = folder / "spec.yaml"
    path.write_text(text)
    return path


def small(folder: Path, layer: str, import_: str, shape: str = "[4, 8]") -> Path:
    lines = ["name: Net", f"input: {shape}", f"imports: {{Own: {import_}}}", "layers:"]
    return spec(folder, "\n".join([*lines, f"  - {layer}", ""]))


def test_custom_layers_are_asked_imported_and_run(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = netgen("build", "net.yaml", "--allow-imports", "--device", "cpu", cwd=folder)
    assert run.returncode == 0, run.stderr
    assert "smoke-run on cpu: passed" in run.stdout
    monkeypatch.syspath_prepend(folder)
    for name in ("own", "own.layers", "net"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    network = importlib.import_module("net").Net(num_classes=4)
    assert network(torch.randn(2, 3, 16, 16)).shape == (2, 4)
    assert not network.one.se1.gate
    assert network.se1.down.weight.std() < 0.05
    assert [type(layer).__name__ for layer in network.tail] == ["SqueezeExcite", "ReLU"]
    assert build(folder / "net.yaml", allow_imports=True, smoke=False).parameter_count == sum(
        parameter.numel() for parameter in importlib.import_module("net").Net().parameters()
    )


def test_no_code_runs_unless_it_is_allowed(folder: Path) -> None:
    dead = folder / "dead"
    (folder / "own" / "layers.py").write_text(f"open({str(dead)!r}, 'w').close()\n{LAYERS}")
    for verb in ("check", "build"):
        run = netgen(verb, "net.yaml", cwd=folder)
        assert run.returncode == 1
        assert "error[NG209]: this spec imports code" in run.stderr
        assert not dead.exists()
    assert not (folder / "net.py").exists()
    run = netgen("check", "net.yaml", "--allow-imports", cwd=folder)
    assert run.returncode == 0, run.stderr
    assert dead.exists()


@pytest.mark.parametrize("name", ["torch", "json", "tokenize", "sitecustomize", "numpy"])
def test_what_stands_beside_a_spec_takes_no_one_elses_place(name: str, folder: Path) -> None:
    """Neither without leave, when nothing beside the spec is read, nor with it."""
    dead = folder / "dead"
    (folder / f"{name}.py").write_text(f"open({str(dead)!r}, 'w').close()\n")
    assert netgen("build", "net.yaml", "--device", "cpu", cwd=folder).returncode == 1
    with pytest.raises(NetgenError, match="NG209"):
        build(folder / "net.yaml", device="cpu")
    assert not dead.exists()
    run = netgen("build", "net.yaml", "--allow-imports", "--device", "cpu", cwd=folder)
    assert run.returncode == 0, run.stderr
    assert not dead.exists()


def test_check_and_no_smoke_ask_as_well(folder: Path) -> None:
    run = netgen("check", "net.yaml", "--allow-imports", cwd=folder)
    assert "net.yaml can be built: 11 layers" in run.stdout
    run = netgen("build", "net.yaml", "--allow-imports", "--no-smoke", cwd=folder)
    assert run.returncode == 0, run.stderr
    assert (folder / "net.py").is_file()


REFUSED: dict[str, tuple[str, str, str, str]] = {
    "module": ("Own", "nowhere.Thing", "NG213", "No module named 'nowhere'"),
    "class": ("Own", "own.layers.Missing", "NG213", "has no attribute 'Missing'"),
    "kind": ("Own", "own.layers.function", "NG213", "no subclass of `nn.Module`"),
    "path": ("Own", "layers", "NG205", "`layers` is no import path"),
    "several": ("Own", "own.layers.Pair", "NG211", "gives a tuple"),
    "argument": ("Own: {size: 3}", "own.layers.Half", "NG203", "has no argument `size`"),
    "missing": ("Own", "own.layers.SqueezeExcite", "NG203", "`channels`"),
    "raises": ("Own: 4", "own.layers.SqueezeExcite", "NG211", "refuses: "),
    "tied": ("Own", "own.layers.Tied", "NG211", "two of its weights are one"),
    "lazy": ("Own", "own.layers.Lazy", "NG211", "no shapes before it is first called"),
    "type": ("Own: [[1, 2]]", "own.layers.SqueezeExcite", "NG211", "refuses: TypeError"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_can_not_be_used_is_refused(name: str, folder: Path) -> None:
    layer, import_, code, words = REFUSED[name]
    with pytest.raises(NetgenError) as caught:
        build(small(folder, layer, import_), allow_imports=True)
    assert code in {found.code for found in caught.value.diagnostics}
    assert words in str(caught.value)


@pytest.mark.parametrize("taken", ["Conv2d", "Sequential", "Net", "width", "torch"])
def test_names_that_are_taken_are_refused(taken: str, folder: Path) -> None:
    text = f"name: Net\ninput: [4]\nparams: {{width: 4}}\nimports: {{{taken}: own.layers.Half}}\n"
    with pytest.raises(NetgenError, match="NG205"):
        build(spec(folder, f"{text}layers: [{{Linear: $width}}]\n"), allow_imports=True)


def test_sizes_known_only_at_run_time_pass_through(folder: Path) -> None:
    text = "name: Net\ninput: [T, 6]\nimports: {Own: own.layers.Mix}\n"
    layers = "layers:\n  - Own: {from: [input, input]}\n  - Linear: 3\n"
    result = build(spec(folder, text + layers), allow_imports=True)
    assert [row.output for row in result.shapes][-1] == "(N, T, 3)"
    with pytest.raises(NetgenError, match="known only at run time"):
        build(small(folder, "Own", "own.layers.Every", "[T, 6]"), allow_imports=True)


def test_optional_tensors_go_by_name_and_unused_imports_stay_away(folder: Path) -> None:
    text = """\
name: Net
inputs: {x: [3, 4], b: [3, 4]}
imports: {Own: own.layers.MyDrop, Other: own.layers.Half}
layers:
  - Own: {from: x, bias: b}
  - Linear: 2
"""
    result = build(spec(folder, text), allow_imports=True, device="cpu")
    assert [row.output for row in result.shapes][-1] == "(N, 3, 2)"
    assert "import Half" not in result.source


def test_noise_of_a_persons_own_is_not_taken_for_mixed_samples(folder: Path) -> None:
    path = small(folder, "Linear: 4\n  - Own", "own.layers.Noise")
    run = netgen("build", path, "--allow-imports", "--device", "cpu", "--strict", cwd=folder)
    assert run.returncode == 0, run.stderr


def test_what_fails_while_it_is_measured_is_one_diagnostic(folder: Path) -> None:
    path = small(folder, "Linear: 4\n  - Own", "own.layers.OneWay")
    words = ("build", path, "--allow-imports", "--device", "cpu")
    run = netgen(*words, "--prove", "forward", cwd=folder)
    assert run.returncode == 0, run.stderr
    run = netgen(*words, "--prove", "forward", "--report", "r.json", "--force", cwd=folder)
    assert run.returncode == 1
    assert run.stderr.startswith("error[NG401]: the smoke-run failed on cpu: the network raised")
    assert "RuntimeError: no way back" in run.stderr


def test_code_that_takes_too_long_is_ended_by_check_too(folder: Path) -> None:
    path = small(folder, "Own", "own.layers.Slow")
    run = netgen("check", path, "--allow-imports", "--timeout", "5", cwd=folder)
    assert run.returncode == 1
    assert "error[NG402]: the run did not end within 5 seconds" in run.stderr


def test_leave_that_is_not_needed_starts_nothing(tmp_path: Path) -> None:
    (tmp_path / "net.yaml").write_text("name: Net\ninput: [4]\nlayers: [{Linear: 2}]\n")
    code = "import sys, subprocess; subprocess.Popen = None; "
    code += "from torch_netgen.cli.cli import main; sys.exit(main(sys.argv[1:]))"
    for verb in ("check", "show"):
        args = [sys.executable, "-c", code, verb, "net.yaml", "--allow-imports"]
        subprocess.run(args, cwd=tmp_path, check=True, capture_output=True)


def test_a_change_of_the_code_is_seen(folder: Path) -> None:
    args = ("build", "net.yaml", "--allow-imports", "--device", "cpu")
    assert netgen(*args, cwd=folder).returncode == 0
    before = (folder / "net.py").read_text()
    changed = LAYERS.replace("return x[:, : x.shape[1] // 2]", "return x")
    (folder / "own" / "layers.py").write_text(changed)
    run = netgen(*args, cwd=folder)
    assert "up to date" not in run.stdout
    assert (folder / "net.py").read_text() != before


def test_each_folder_has_its_own_modules(folder: Path) -> None:
    other = folder / "other"
    (other / "own").mkdir(parents=True)
    (other / "own" / "layers.py").write_text(LAYERS.replace("// 2", "// 4"))
    paths = []
    for place in (folder, other):
        path = small(place, "Own", "own.layers.Half", "[8, 3]")
        paths.append(path.rename(path.with_name(f"in_{place.name}.yaml")))
    run = netgen("check", *paths, "--allow-imports", "--format", "json", cwd=folder)
    assert run.returncode == 0, run.stderr
    assert '"output": "(N, 4, 3)"' in run.stdout
    assert '"output": "(N, 2, 3)"' in run.stdout


@pytest.mark.parametrize("code", ["import os; os._exit(9)", "raise SystemExit", "1 / 0", "("])
def test_code_that_breaks_is_one_diagnostic(code: str, folder: Path) -> None:
    (folder / "own" / "layers.py").write_text(code)
    run = netgen("check", small(folder, "Own", "own.layers.Half"), "--allow-imports", cwd=folder)
    assert run.returncode == 1
    assert run.stderr.count("error[") == 1
    assert "Traceback" not in run.stderr


def test_a_mapping_may_import_what_is_installed() -> None:
    layer: dict[str, Any] = {"Attend": {"dim": 2, "unflattened_size": [2, 2]}}
    spec: dict[str, Any] = {"name": "Net", "input": [3, 4], "layers": [layer]}
    spec["imports"] = {"Attend": "torch.nn.Unflatten"}
    result = build(spec, allow_imports=True, device="cpu")
    assert result.module_class()(torch.randn(2, 3, 4)).shape == (2, 3, 2, 2)
