"""The proofs on a GPU, where there is one: the same specs, levels and measurements."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest
import torch
from torch_netgen import NetgenError
from torch_netgen.analysis.prediction import check_source
from torch_netgen.ir.levels import LEVELS, Demand
from torch_netgen.pipeline import build_source
from torch_netgen.run.smoke import Worker
from torch_netgen.spec.given import read
from torch_netgen.spec.source import parse

from .command import process as netgen
from .conftest import CONFIGS, ROOT

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of a driver that is too old for torch
    there = torch.cuda.is_available()
pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not there, reason="there is no CUDA device on this machine"),
]


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_every_config_passes_the_default_proofs(path: Path, worker: Worker) -> None:
    (proof,) = build_source(read(path), {}, worker, Demand("cuda")).proofs
    assert proof.device == "cuda"


def test_lenet_passes_every_proof(worker: Worker) -> None:
    source = read(ROOT / "configs" / "lenet.yaml")
    demand = Demand("cuda:0", levels=tuple(LEVELS), timed=True)
    (proof,) = build_source(source, {}, worker, demand).proofs
    assert proof.speed is not None
    for key in ("forward", "forward_backward"):
        assert proof.speed[key]["peak_memory"] > 0
        assert proof.speed[key]["median"] > 0


def test_recurrence_takes_its_step_on_several_processes(worker: Worker) -> None:
    source = read(ROOT / "configs" / "lstm_tagger.yaml")
    demand = Demand("cuda", levels=("forward", "ddp", "fsdp"))
    (proof,) = build_source(source, {}, worker, demand).proofs
    assert [shown.level for shown in proof.levels] == ["forward", "ddp", "fsdp"]


def test_after_a_failure_the_next_spec_is_run_all_the_same(worker: Worker) -> None:
    source = read(ROOT / "configs" / "lenet.yaml")
    found = check_source(source, {})
    text = build_source(source, {}, None).source
    wrong = text.replace("return x", "return x[torch.full((len(x),), 99, device=x.device)]")
    with pytest.raises(NetgenError):
        worker.prove(wrong, found.plan, Demand("cuda"))
    assert build_source(source, {}, worker, Demand("cuda")).proofs


def test_all_devices_are_shown(worker: Worker) -> None:
    source = read(ROOT / "configs" / "lenet.yaml")
    proofs = build_source(source, {}, worker, Demand("all")).proofs
    assert len(proofs) == 1 + torch.cuda.device_count()


def test_what_does_not_fit_is_one_diagnostic_with_its_size(worker: Worker) -> None:
    rows = torch.cuda.get_device_properties(0).total_memory // 2**20  # of 4 MiB for each sample
    pad = f"{{padding: [0, {2**20 - 1}, 0, {rows - 1}], value: 0}}"
    spec = f"name: Net\ninput: [1, 1, 1]\nlayers:\n  - ConstantPad2d: {pad}\n"
    with pytest.raises(NetgenError, match="NG404"):
        build_source(parse(spec, "net.yaml"), {}, worker, Demand("cuda"))


def test_a_peak_is_that_of_the_tensors(worker: Worker) -> None:
    """On both devices: weights of 64 MiB, with as much for their gradients in training."""
    spec = "name: Net\ninput: [4096]\nlayers:\n  - Linear: {out_features: 4096, bias: false}\n"
    demand = Demand("all", timed=True)
    proofs = build_source(parse(spec, "net.yaml"), {}, worker, demand).proofs
    assert len(proofs) > 1
    for proof in proofs:
        assert proof.speed is not None
        for key, times in (("forward", 1), ("forward_backward", 2)):
            peak = proof.speed[key]["peak_memory"]
            assert times * 2**26 <= peak < times * 2**26 + 2**25, proof.device


def test_recurrence_is_measured_and_half_as_precise(worker: Worker) -> None:
    source = read(ROOT / "configs" / "lstm_tagger.yaml")
    demand = Demand("cuda", levels=("forward", "learn", "dtype"), timed=True)
    (proof,) = build_source(source, {}, worker, demand).proofs
    assert proof.speed is not None


def test_two_at_a_time_share_a_device(tmp_path: Path) -> None:
    run = netgen("build", *CONFIGS[:4], "-j", "2", "--device", "cuda", cwd=tmp_path)
    assert run.returncode == 0, run.stderr
    assert run.stdout.count("smoke-run on cuda: passed") == 4
