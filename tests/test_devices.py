"""Sources and proofs on a device that takes no tensor of the CPU, without a GPU being there."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from .conftest import CONFIGS, ROOT, SPECS, STARTERS

pytestmark = pytest.mark.slow

SMALL = ("lenet", "lstm_tagger", "transformer_classifier", "vae")
PATHS = [*SPECS, *STARTERS, *(path for path in CONFIGS if path.stem in SMALL)]
LENET = ROOT / "configs" / "lenet.yaml"
SHARD = """\
import sys, torch
from tests.accelerator import DEVICE, install
from torch_netgen.run.proofs import rank
install()
assert str(torch.accelerator.current_accelerator()) == DEVICE.partition(":")[0]
rank.dist.init_process_group("gloo", init_method=f"file://{sys.argv[1]}", rank=0, world_size=1)
network = torch.nn.Sequential(torch.nn.Linear(3, 4))
rank.shard(network, rank.init_device_mesh("cpu", (1,)))
print(network(torch.ones(2, 3)).device)
"""

LACKING = """\
import json, pathlib, sys
from tests.accelerator import DEVICE, MISSING, install, request
from torch_netgen.run import worker as worker
install()
MISSING.add(sys.argv[2])
worker.find_devices = lambda wanted: [DEVICE]
asked = request(pathlib.Path(sys.argv[1]), ["forward", "backward", "eval"])
for device in ("auto", DEVICE):
    print(json.dumps(worker.answer({**asked, "device": device})))
"""


def run(*words: object) -> str:
    command = [sys.executable, *map(str, words)]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
    return found.stdout


def prove(*words: object) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """What the worker says of each spec on the CPU, and on the device."""
    answers = map(json.loads, run("-m", "tests.accelerator", *words).splitlines())
    return [tuple(map(_comparable, answer.values())) for answer in answers]  # type: ignore[misc]


def _comparable(answer: dict[str, Any]) -> dict[str, Any]:
    """An answer without its device and times, and how far half precision is off."""
    text = json.dumps({**answer, "device": "", "seconds": 0})
    found = json.loads(re.sub(r"[\d.]+%", "few %", text))
    for level in found.get("levels", ()):
        level["seconds"] = 0
    return dict(found)


@pytest.fixture(scope="module")
def answers() -> dict[Path, tuple[dict[str, Any], dict[str, Any]]]:
    levels = "forward,backward,eval,learn,dtype"
    return dict(zip(PATHS, prove(*PATHS, "--levels", levels), strict=True))


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_an_accelerator_shows_what_the_cpu_shows(path: Path, answers: Any) -> None:
    cpu, there = answers[path]
    assert there == cpu
    if cpu["ok"]:
        assert len(cpu["levels"]) == 5
    else:
        assert {failure["level"] for failure in cpu["failures"]} <= {"learn", "dtype"}


def test_what_is_made_of_a_network_on_an_accelerator_computes_the_same() -> None:
    ((cpu, there),) = prove(LENET, "--levels", "forward,backward,eval,onnx,script")
    assert there["ok"], there
    assert there == cpu


def test_a_source_that_names_no_device_is_disproved() -> None:
    """So the device does what it is there for."""
    ((cpu, there),) = prove(ROOT / "configs" / "gpt2.yaml", "--without", ", device=idx.device")
    assert cpu["ok"]
    (failure,) = there["failures"]
    assert "tensors of acc:0 and of cpu" in failure["finding"]


def test_fsdp_stays_on_the_cpu_where_it_is_wanted(tmp_path: Path) -> None:
    assert run("-c", SHARD, tmp_path / "meeting").split() == ["cpu"]


@pytest.mark.parametrize("missing", ["aten::addmm", "aten::add.Tensor"])
def test_what_the_best_device_lacks_is_shown_on_the_cpu(missing: str) -> None:
    """One operation of the network, and one without which nothing can be done there."""
    lines = run("-c", LACKING, LENET, missing.partition(".")[0]).splitlines()
    best, named = map(json.loads, lines)
    (proof,) = best["proofs"]
    (failure,) = named["failures"]
    assert proof["device"] == "cpu"
    assert len(proof["levels"]) == 3
    assert failure["code"] == "NG403"
    assert failure["finding"] in proof["notes"]
    expected = {
        "aten::addmm": "`acc:0` can't run the network, which raised NotImplementedError: "
        "aten::addmm is not there on acc:0, in `x = self.fc1(x)  # (N, 400) -> (N, 120)`",
        "aten::add.Tensor": "the device `acc:0` can't be used: aten::add is not there on acc:0",
    }
    assert failure["finding"] == expected[missing]
