"""Generated source, held against files that are reviewed in the diff; and its quality."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from torch_netgen.pipeline import build_source
from torch_netgen.run.smoke import Worker
from torch_netgen.spec.given import read

from .conftest import CONFIGS, CPU, ROOT, SPECS, STARTERS, by_depth, by_size
from .networks import built

OPERATIONS = {"DropPath", "LayerNorm2d", "Permute"}
GOLDEN = ROOT / "tests" / "golden"
REVIEWED = [*CONFIGS, *STARTERS, *SPECS]


# several networks in one, whose runs take as long as twenty others
LONG = "blocks buckets conformer edges gaps output_names patterns unet_skips".split()


@pytest.mark.parametrize("path", by_size(REVIEWED, LONG))
def test_reviewed_source_runs(path: Path, worker: Worker) -> None:
    """The run shows what was predicted, and leaves the source as it is without one."""
    source = build_source(read(path), {}, worker, CPU).source
    assert source == built(path).source


@pytest.mark.parametrize("path", by_depth(REVIEWED))
def test_source_is_as_reviewed(path: Path, request: pytest.FixtureRequest) -> None:
    """It is equal to the golden file (see ``--renew``)."""
    source = built(path).source
    golden = GOLDEN / path.parent.name / f"{path.stem}.py"
    if request.config.getoption("--renew"):
        golden.write_text(source, encoding="utf-8")
    assert source == golden.read_text(encoding="utf-8")


def test_no_golden_file_is_left_over() -> None:
    kept = {path.stem for path in REVIEWED}
    assert {path.stem for path in GOLDEN.rglob("*.py")} == kept


@pytest.mark.parametrize(
    "command",
    [
        [sys.executable, "-m", "black", "--check", "--quiet"],
        [sys.executable, "-m", "ruff", "check", "--isolated"],
        pytest.param(
            [sys.executable, "-m", "mypy", "--strict", "--config-file="], marks=pytest.mark.slow
        ),
    ],
    ids=["black", "ruff", "mypy"],
)
def test_golden_files_pass(command: list[str]) -> None:
    files = sorted(map(str, GOLDEN.rglob("*.py")))
    run = subprocess.run([*command, *files], capture_output=True, text=True, cwd=ROOT, check=False)
    assert run.returncode == 0, run.stdout + run.stderr


def test_every_argument_of_a_config_is_described() -> None:
    """Its class has a line for each in the docstring; the class of one operation needs none."""
    missing = []
    for path in sorted((GOLDEN / "configs").glob("*.py")):
        for made in ast.parse(path.read_text(encoding="utf-8")).body:
            if not isinstance(made, ast.ClassDef) or made.name in OPERATIONS:
                continue
            doc = ast.get_docstring(made) or ""
            inits = [
                x for x in made.body if isinstance(x, ast.FunctionDef) and x.name == "__init__"
            ]
            names = [arg.arg for init in inits for arg in init.args.args[1:]]
            missing += [(path.stem, made.name, x) for x in names if f"\n    {x}: " not in doc]
    assert missing == []
