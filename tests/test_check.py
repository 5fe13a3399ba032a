"""`netgen check`, `netgen build --check`, and what a spec expects of itself."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch_netgen
import yaml
from torch_netgen import NetgenError

from .command import netgen
from .conftest import CONFIGS, ROOT
from .deep import is_deep

LENET = ROOT / "configs" / "lenet.yaml"
WRONG = "name: Net\ninput: [4]\nlayers:\n  - Linear: {in_features: 5, out_features: 2}\n"


def test_check_writes_nothing_and_loads_nothing_heavy(tmp_path: Path) -> None:
    specs = [path for path in CONFIGS if not is_deep(path)]
    heavy = {"torch", "black", "jinja2"}
    code = (
        "import sys; from torch_netgen.cli.cli import main; "
        f"code = main(['check', *{[str(path) for path in specs]!r}]); "
        f"print(sorted({heavy!r} & set(sys.modules))); sys.exit(code)"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    *told, loaded = run.stdout.splitlines()
    assert loaded == "[]"
    assert len([line for line in told if "can be built" in line]) == len(specs)
    assert f"{LENET} can be built: 12 layers, 61,706 parameters" in told
    assert not list(tmp_path.iterdir())


def test_check_reads_only_the_families_of_the_layers_that_a_spec_has() -> None:
    """A `Sequential` is no layer, so no family is searched for it."""
    resnet = str(ROOT / "configs" / "resnet18.yaml")
    code = f"""import sys; from torch_netgen.cli.cli import main; main(['check', {resnet!r}])
from torch_netgen.layers import TYPES
read = [name for name in TYPES.families if f'torch_netgen.layers.{{name}}' in sys.modules]
print(*read)"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    families = {*run.stdout.splitlines()[-1].split()}
    assert {"conv", "batchnorm", "combining"} <= families
    assert not families & {"einops", "fourier", "indexing", "rnn", "transformer"}


def test_check_says_what_build_says(tmp_path: Path) -> None:
    (tmp_path / "wrong.yaml").write_text(WRONG)
    checked = netgen("check", "wrong.yaml", cwd=tmp_path)
    built = netgen("build", "wrong.yaml", "--no-smoke", cwd=tmp_path)
    assert (checked.returncode, checked.stderr) == (built.returncode, built.stderr)
    told = netgen("check", "wrong.yaml", LENET, "--format", "json", cwd=tmp_path)
    results = json.loads(told.stdout)["results"]
    assert [(result["verb"], result["ok"]) for result in results] == [
        ("check", False),
        ("check", True),
    ]


def test_a_generated_file_is_held_against_its_spec(tmp_path: Path) -> None:
    missing = netgen("build", LENET, "--check", cwd=tmp_path)
    assert missing.returncode == 1
    assert "error[NG503]: `lenet.py` is not there" in missing.stderr
    assert netgen("build", LENET, "--no-smoke", cwd=tmp_path).returncode == 0
    right = netgen("build", LENET, "--check", cwd=tmp_path)
    assert right.returncode == 0, right.stderr
    assert right.stdout == f"lenet.py is what {LENET} gives\n"
    other = netgen("build", LENET, "--check", "--set", "size=64", cwd=tmp_path)
    assert other.returncode == 1
    assert "`lenet.py` is not what the spec gives" in other.stderr
    lines = other.stdout.splitlines()
    assert lines[:2] == ["--- lenet.py", "+++ what the spec gives"]
    assert "+        self.fc1 = nn.Linear(16 * 13 * 13, 120)" in lines
    file = tmp_path / "lenet.py"
    before = file.read_text()
    file.write_text(f"{before}# mine\n")
    assert netgen("build", LENET, "--check", cwd=tmp_path).returncode == 1
    assert file.read_text() == f"{before}# mine\n"
    assert netgen("build", LENET, "--check", "-o", "-", cwd=tmp_path).returncode == 2


def test_the_hooks_are_commands_that_work(tmp_path: Path) -> None:
    (tmp_path / "lenet.yaml").write_text(LENET.read_text())
    assert netgen("build", "lenet.yaml", "--no-smoke", cwd=tmp_path).returncode == 0
    hooks = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
    assert {hook["id"] for hook in hooks} == {"netgen-check", "netgen-build-check"}
    for hook in hooks:
        command, *args = hook["entry"].split()
        assert command == "netgen"
        assert netgen(*args, "lenet.yaml", cwd=tmp_path).returncode == 0


def spec(**more: Any) -> dict[str, Any]:
    layers = [{"Conv2d": [8, 3]}, {"AdaptiveAvgPool2d": 1}, "Flatten", {"Linear": "$classes"}]
    head = {"name": "Net", "input": [3, 10, 10], "params": {"classes": 5}, "layers": layers}
    return {**head, **more}


@pytest.mark.parametrize(
    "expect",
    [
        {},
        {"output": [5]},
        {"output": ["N", 5]},
        {"output": ["$classes"]},
        {"parameters": 269},
        {"parameters": "269"},
        {"parameters": "<= 0.27k"},
        {"parameters": ">200"},
        {"parameters": "== 269"},
        {"macs": 8 * 8 * 8 * 27 + 40},
        {"macs": "< 14k", "parameters": ">= 1", "output": [5]},
        {"macs": "<=1_000M"},
        {"macs": "$(14000 + classes) "},
    ],
    ids=str,
)
def test_what_is_expected_and_comes_out(expect: dict[str, Any]) -> None:
    if "14000" in str(expect):
        with pytest.raises(NetgenError, match="13,864 multiply-adds"):
            torch_netgen.build(spec(expect=expect), smoke=False)
        return
    assert torch_netgen.build(spec(expect=expect), smoke=False).parameter_count == 269


def test_expectations_hold_for_what_is_built() -> None:
    expecting = spec(expect={"output": [5]})
    with pytest.raises(NetgenError, match=r"the output is \(7,\), but `\[5\]` is expected"):
        torch_netgen.build(expecting, smoke=False, overrides={"classes": 7})


def test_several_outputs_are_expected_by_name() -> None:
    layers = [
        {"Linear": {"name": "a", "out_features": 3}},
        {"Linear": {"name": "b", "out_features": 2}},
    ]
    for outputs, expect in (
        ({"first": "a", "second": "b"}, {"first": [3], "second": [2]}),
        (["a", "b"], {"a": [3], "b": [2]}),
        (["a", "b"], {"b": [2]}),
    ):
        head = {"name": "Net", "input": [4], "layers": layers, "outputs": outputs}
        torch_netgen.build({**head, "expect": {"output": expect}}, smoke=False)
        wrong = {name: [9] for name in expect}
        with pytest.raises(NetgenError, match="NG212"):
            torch_netgen.build({**head, "expect": {"output": wrong}}, smoke=False)
        with pytest.raises(NetgenError, match="several outputs"):
            torch_netgen.build({**head, "expect": {"output": [3]}}, smoke=False)
    symbolic = {"name": "Net", "input": ["T", 4], "layers": [{"Linear": 3}]}
    torch_netgen.build({**symbolic, "expect": {"output": ["T", 3]}}, smoke=False)
    with pytest.raises(NetgenError, match="NG212"):
        torch_netgen.build({**symbolic, "expect": {"output": ["S", 3]}}, smoke=False)
