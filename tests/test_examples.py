"""The examples: generated files in training loops, which learn."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from .command import netgen
from .conftest import ROOT

EXAMPLES = ROOT / "examples"
# a script in a process that can't import netgen
ALONE = """
import runpy, sys
sys.modules["torch_netgen"] = None
del sys.argv[0]
sys.path.insert(0, "")
runpy.run_path(sys.argv[0], run_name="__main__")
"""
EPOCH = re.compile(r"epoch +\d+  loss (\S+)  held out +(\S+)%")


def build(config: Path, folder: Path) -> None:
    run = netgen("build", config, "--no-smoke", "--output-dir", folder, cwd=folder)
    assert run.returncode == 0, run.stderr


def ran(*command: object, cwd: Path) -> str:
    """What a script prints that can't import netgen."""
    words = [sys.executable, "-c", ALONE, *map(str, command)]
    env = {**os.environ, "OMP_NUM_THREADS": "1"}  # threads that wait for each other hold others up
    run = subprocess.run(words, cwd=cwd, env=env, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return run.stdout


@pytest.mark.slow
@pytest.mark.parametrize("network", ["lenet", "mnist"])
def test_a_baseline_learns_to_read_digits(network: str, tmp_path: Path) -> None:
    config = ROOT / "configs" / f"{network}.yaml"
    build(config, tmp_path)
    options = ("--network", network, "--folder", tmp_path, "--epochs", 8)
    told = ran(EXAMPLES / "train.py", *options, cwd=tmp_path)
    epochs = [(float(loss), float(share)) for loss, share in EPOCH.findall(told)]
    assert len(epochs) == 8
    assert epochs[-1][0] < epochs[0][0] / 4
    assert epochs[-1][1] > 90  # of one in ten by chance
    assert re.search(r"trained in \d+ s: \S+% of 359 digits\n$", told)


@pytest.mark.slow
@pytest.mark.huge
def test_a_transformer_learns_where_sentences_come_from(tmp_path: Path) -> None:
    build(ROOT / "configs" / "transformer_classifier.yaml", tmp_path)
    options = ("--folder", tmp_path, "--sentences", 1500, "--epochs", 4)
    told = ran(EXAMPLES / "classify.py", *options, cwd=tmp_path)
    epochs = [(float(loss), float(share)) for loss, share in EPOCH.findall(told)]
    assert len(epochs) == 4
    assert epochs[-1][0] < 0.9 * epochs[0][0]
    assert epochs[-1][1] > 50  # of one in three by chance
    assert re.search(r"trained in \d+ s: \S+% of 900 sentences\n$", told)


@pytest.mark.slow
def test_the_loop_of_lightning_that_the_page_shows_learns(tmp_path: Path) -> None:
    build(ROOT / "configs" / "lenet.yaml", tmp_path)
    page = (ROOT / "docs" / "training.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(# digits\.py\n.*?)```", page, re.DOTALL)
    (tmp_path / "digits.py").write_text(code, encoding="utf-8")
    told = ran(tmp_path / "digits.py", cwd=tmp_path)
    (accuracy,) = re.findall(r"accuracy\D+([0-9.]+)", told)
    assert float(accuracy) > 0.9
