"""The examples: generated files in training loops, which learn."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from .command import netgen
from .conftest import ROOT

EXAMPLE = ROOT / "examples" / "train.py"
# a script in a process that can't import netgen
ALONE = """
import runpy, sys
sys.modules["torch_netgen"] = None
del sys.argv[0]
runpy.run_path(sys.argv[0], run_name="__main__")
"""
EPOCH = re.compile(r"epoch +\d+  loss (\S+)  held out +(\S+)%")


@pytest.mark.slow
@pytest.mark.parametrize("network", ["lenet", "mnist"])
def test_a_baseline_learns_to_read_digits(network: str, tmp_path: Path) -> None:
    config = ROOT / "configs" / f"{network}.yaml"
    built = netgen("build", config, "--no-smoke", "--output-dir", tmp_path, cwd=tmp_path)
    assert built.returncode == 0, built.stderr
    command = [sys.executable, "-c", ALONE, str(EXAMPLE), "--network", network]
    command += ["--folder", str(tmp_path), "--epochs", "8"]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    epochs = [(float(loss), float(share)) for loss, share in EPOCH.findall(run.stdout)]
    assert len(epochs) == 8
    assert epochs[-1][0] < epochs[0][0] / 4
    assert epochs[-1][1] > 90  # of one in ten by chance
    assert re.search(r"trained in \d+ s: \S+% of 359 digits\n$", run.stdout)
