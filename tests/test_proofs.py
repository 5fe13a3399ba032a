"""Every proof shows what it says, and fails where the network does not do it."""

from __future__ import annotations

import json
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import pytest
from torch_netgen import NetgenError, build
from torch_netgen.analysis.prediction import check_source
from torch_netgen.ir.levels import DEFAULT_LEVELS, LEVELS, Demand
from torch_netgen.pipeline import build_source
from torch_netgen.run.proofs.devices import find_devices
from torch_netgen.run.smoke import Worker
from torch_netgen.spec.source import parse

from .command import netgen
from .conftest import CPU, ROOT

LENET = ROOT / "configs" / "lenet.yaml"
SPEC = """\
name: Net
input: [3, 12, 12]
layers:
  - Conv2d: {name: stem, out_channels: 4, kernel_size: 3}
  - BatchNorm2d
  - ReLU
  - Flatten
  - Linear: {name: fc, out_features: 5}
"""
FC = "x = self.fc(x)"
RANK = "__import__('os').environ"
HOOK = f"y.requires_grad and y.register_hook(lambda g: g * (1 + ('RANK' in {RANK})))"
HOOKED = f"x = (lambda y: ({HOOK}, y)[1])(self.fc(x))"
# what is put in the place of a line of the source, and what the level says of it
SABOTAGE: dict[str, list[tuple[str, str, str]]] = {
    "learn": [
        (FC, "x = (lambda y: y.detach() + 0 * y)(self.fc(x))", "did not fall: from"),
        ("super().__init__()", "super().__init__(); torch.seed()", "the same seed gives other"),
    ],
    "dtype": [
        (FC, "x = self.fc(x.float())", "it raised RuntimeError: mat1 and mat2"),
        (FC, "x = self.fc(x) * (1e6 if x.dtype == torch.float16 else 1)", "in float16 `output`"),
    ],
    "export": [
        (FC, "x = self.fc(x) if x.sum() > 0 else -self.fc(x)", "it raised"),
        (FC, "x = self.fc(x) if x.shape[0] == 2 else -self.fc(x)", "it raised"),
        (FC, "x = self.fc(x) * (2 if torch.compiler.is_exporting() else 1)", "program differs"),
    ],
    "compile": [
        (FC, "x = self.fc(x) * (2 if torch.compiler.is_compiling() else 1)", "network differs"),
    ],
    "onnx": [
        (FC, "x = self.fc(x) * (2 if torch.compiler.is_exporting() else 1)", "model differs"),
        (FC, "x = self.fc(x) + torch.rand(1)", "draws random numbers in evaluation"),
    ],
    "script": [
        (FC, "x = self.fc(eval('x'))", "it raised"),
        (FC, "x = self.fc(x) * (2 if torch.jit.is_scripting() else 1)", "the script differs"),
    ],
    "ddp": [
        (FC, f"x = self.fc(x) * (2 if 'RANK' in {RANK} else 1)", "of the loss differs"),
        (FC, HOOKED, "of the gradients differs"),
    ],
    "fsdp": [
        (FC, "x = self.fc(x - x.mean(0, keepdim=True))", "of the loss differs"),
        (FC, HOOKED, "of the gradients differs"),
    ],
}
MORE = tuple(level for level in LEVELS if level not in (*DEFAULT_LEVELS, "arguments"))
CASES = [(level, number) for level in MORE for number in range(len(SABOTAGE[level]))]


@pytest.mark.slow
@pytest.mark.parametrize(("level", "number"), CASES)
def test_a_proof_fails_where_the_network_does_not_do_it(
    level: str, number: int, worker: Worker
) -> None:
    before, after, words = SABOTAGE[level][number]
    source = parse(SPEC, "spec.yaml")
    plan, text = check_source(source, {}).plan, build_source(source, {}, None).source
    assert before in text
    demand = Demand("cpu", levels=("forward", level))
    with pytest.raises(NetgenError) as caught:
        worker.prove(text.replace(before, after), plan, demand)
    (found,) = caught.value.diagnostics
    assert found.code == "NG407"
    assert words in found.message
    assert f"`{level}`" in found.message


@pytest.mark.slow
def test_lenet_passes_every_proof(worker: Worker) -> None:
    result = build_source(
        parse(LENET.read_text(), "lenet.yaml"), {}, worker, Demand("cpu", levels=tuple(LEVELS))
    )
    (proof,) = result.proofs
    assert [shown.level for shown in proof.levels] == list(LEVELS)
    assert all(shown.found for shown in proof.levels)
    assert result.warnings == ()


def test_the_command_line_tells_each_level(tmp_path: Path) -> None:
    """And what has been proven on one demand is not taken for what another one asks."""
    args = ("build", LENET, "--device", "cpu", "--seed", "77")
    run = netgen(*args, "--prove", "eval,learn", cwd=tmp_path)
    assert run.returncode == 0, run.stderr
    assert ": forward and eval, batches of 2 and 3" in run.stdout
    assert "  learn: the loss on one batch fell from " in run.stdout
    again = netgen(*args, "--prove", "eval,learn", cwd=tmp_path)
    assert "lenet.py is up to date" in again.stdout
    assert "  learn: the loss on one batch fell from " in again.stdout
    assert "up to date" not in netgen(*args, cwd=tmp_path).stdout


@pytest.mark.parametrize(
    "args",
    [
        ("--prove", "everything"),
        ("--prove", "learn", "--device", "meta"),
        ("--prove", "learn", "--no-smoke"),
        ("--report", "r.json", "--no-smoke"),
        ("--device", "tpu"),
        ("--timeout", "0"),
        ("--max-memory", "much"),
        ("-j", "0"),
    ],
)
def test_what_makes_no_sense_is_wrong_usage(args: tuple[str, ...], tmp_path: Path) -> None:
    run = netgen("build", LENET, *args, cwd=tmp_path)
    assert run.returncode == 2
    assert not list(tmp_path.iterdir())


def test_the_same_in_python() -> None:
    with pytest.raises(ValueError, match="there is no level 'everything'"):
        build(LENET, prove=["everything"])
    with pytest.raises(ValueError, match="can't be shown on meta"):
        build(LENET, prove=["learn"], device="meta")


# doubts: the layer's place, and what is said of it


def doubts(worker: Worker, spec: str) -> list[tuple[str, int, str]]:
    found = build_source(parse(spec, "spec.yaml"), {}, worker, CPU).warnings
    assert all(doubt.location is not None for doubt in found)
    return [(d.code, d.location.line, d.message) for d in found if d.location is not None]


TIME = """name: Net
input: [12, 32]
layers:
  - Linear: 16
  - GRU: {name: gru, hidden_size: 8}
  - Mean: 1
  - Linear: 3
"""


@pytest.mark.parametrize(
    ("right", "wrong", "name", "line"),
    [
        ("hidden_size: 8, batch_first: true", "hidden_size: 8", "gru", 5),
        ("Mean: 1", "Softmax: {name: soft, dim: 0}", "soft", 6),
        ("Linear: 16", "MultiheadAttention: {name: attn, num_heads: 4}", "attn", 4),
        ("Linear: 16", "TransformerEncoderLayer: {name: encoder, nhead: 4}", "encoder", 4),
    ],
)
def test_a_batch_that_is_taken_for_something_else_is_found(
    right: str, wrong: str, name: str, line: int, worker: Worker
) -> None:
    spec = TIME.replace("hidden_size: 8", "hidden_size: 8, batch_first: true")
    assert doubts(worker, spec) == []
    message = f"`{name}` mixes samples: what one of them gives changes with the others of its batch"
    assert doubts(worker, spec.replace(right, wrong)) == [("NG311", line, message)]


def test_a_batch_that_stands_elsewhere_is_found_when_it_is_taken_for_time(worker: Worker) -> None:
    spec = "name: Net\ninput: [T, N, 10]\nlayers:\n  - LSTM: {hidden_size: 4}\n  - Linear: 3\n"
    assert doubts(worker, spec) == []
    wrong = spec.replace("hidden_size: 4", "hidden_size: 4, batch_first: true")
    assert [code for code, _, _ in doubts(worker, wrong)] == ["NG311"]


DEAD = """name: Net
input: [1, 8]
layers:
  - Linear: {name: useful, out_features: 8}
  - Add:
      branches:
        - [{Linear: {name: dead, out_features: 1}}, {Softmax: {dim: 2}}]
        - []
"""


def test_a_layer_that_learns_nothing_is_found_at_its_line(worker: Worker) -> None:
    assert doubts(worker, DEAD) == [
        ("NG307", 7, "`dead` learns nothing: its gradient is always zero")
    ]
    quiet = DEAD.replace("layers:", "allow: [NG307]\nlayers:", 1)
    assert doubts(worker, quiet) == []
    with pytest.raises(NetgenError, match=r"error\[NG307\]"):
        build_source(parse(DEAD, "spec.yaml"), {}, worker, CPU, strict=True)


def test_a_scale_that_begins_at_zero_is_no_cause_for_doubt(worker: Worker) -> None:
    spec = """name: Net
input: [3, 8, 8]
layers:
  - Add:
      branches:
        - [{Conv2d: [3, 1]}, {BatchNorm2d: {name: last}}]
        - []
init:
  last: {weight: zeros_, bias: zeros_}
"""
    assert doubts(worker, spec) == []


def test_an_input_without_effect_is_found(worker: Worker) -> None:
    spec = """name: Net
inputs: {x: [4], aside: [1]}
layers:
  - Linear: {from: x, out_features: 4}
  - Softmax: {from: aside, dim: 1}
  - Add: [fc, softmax]
"""
    message = "the input `aside` makes no difference: the outputs stay the same"
    assert doubts(worker, spec) == [("NG308", 2, message)]


def test_values_that_are_not_finite_are_found_where_they_begin(worker: Worker) -> None:
    spec = "name: Net\ninput: [8]\nlayers:\n  - Tanh\n  - Log\n  - Cos\n"
    assert doubts(worker, spec) == [("NG309", 5, "`log` gives values that are not finite")]
    ranged = "name: Net\ninputs: {x: {shape: [8], range: [1, 2]}}\nlayers:\n  - Log\n  - Cos\n"
    assert doubts(worker, ranged) == []


def test_a_gradient_that_is_not_finite_names_the_first_layer(worker: Worker) -> None:
    spec = "name: Net\ninput: [8]\nlayers:\n  - Linear: 4\n  - Log\n  - Linear: 2\n"
    with pytest.raises(NetgenError) as caught:
        build_source(parse(spec, "spec.yaml"), {}, worker, CPU)
    (found,) = caught.value.diagnostics
    assert (found.code, found.location and found.location.line) == ("NG406", 5)


def test_what_matters_by_chance_only_is_no_cause_for_doubt(worker: Worker) -> None:
    """One unit of a ReLU is silent for every other input: other weights are tried."""
    spec = """\
name: Net
inputs: {x: [4], aside: [3]}
layers:
  - Linear: {from: x, out_features: 2}
  - Linear: {name: unit, from: aside, out_features: 1}
  - ReLU
  - Add: [fc1, relu]
"""
    for seed in range(12):
        found = build_source(parse(spec, "spec.yaml"), {}, worker, Demand("cpu", seed)).warnings
        assert found == (), seed


def test_a_layer_that_no_smooth_output_hangs_on_is_found(worker: Worker) -> None:
    spec = """\
name: Net
input: [4]
layers:
  - Linear: {name: score, out_features: 3}
  - Linear: {name: guard, from: input, out_features: 1}
  - Gt: {other: 0.0, name: open}
outputs: [score, open]
"""
    message = "`guard` learns nothing: no output that can be differentiated hangs on it"
    assert doubts(worker, spec) == [("NG307", 5, message)]


@pytest.mark.parametrize(
    ("operation", "why"),
    [
        *((name, "its gradient is always zero") for name in ("Round", "Floor", "Ceil", "Sign")),
        ("FloorDiv: 2", "its gradient is always zero"),
        *(
            (name, "no output that can be differentiated hangs on it")
            for name in ("ArgMax: 1", "Any: 1", "LogicalNot")
        ),
    ],
)
def test_what_only_an_operation_without_slope_reads_is_named(
    operation: str, why: str, worker: Worker
) -> None:
    spec = f"""\
name: Net
input: [4]
layers:
  - Linear: {{name: guard, out_features: 3}}
  - {operation}
  - Scale: {{name: seen, factor: 0.5}}
  - Linear: {{name: fc, from: input, out_features: 2}}
outputs: [seen, fc]
"""
    assert doubts(worker, spec) == [("NG307", 4, f"`guard` learns nothing: {why}")]


IN_PLACE = """\
name: Net
input: [6]
layers:
  - ELU: {inplace: true}
  - Linear: 3
"""


@pytest.mark.parametrize(
    "levels",
    [
        ("forward", "learn"),
        pytest.param(("forward", "export", "onnx", "script", "ddp"), marks=pytest.mark.slow),
    ],
    ids=" ".join,
)
def test_an_input_that_is_overwritten_is_made_anew(levels: tuple[str, ...], worker: Worker) -> None:
    source = parse(IN_PLACE, "spec.yaml")
    (proof,) = build_source(source, {}, worker, Demand("cpu", levels=levels)).proofs
    assert [shown.level for shown in proof.levels] == list(levels)


# the last layer of FSRCNN begins near zero; a gate can't meet targets that are random
PUBLISHED = {
    "fsrcnn": """
input: [1, 8, 8]
layers:
  - Conv2d: {out_channels: 8, kernel_size: 5, padding: 2}
  - PReLU
  - ConvTranspose2d: {name: last, out_channels: 1, kernel_size: 8, stride: 2, padding: 3}
init: {last: {weight: {normal_: {std: 0.001}}, bias: zeros_}}
""",
    "cbam": """
input: [64, 16, 16]
layers:
  - Mean: {dim: 1, keepdim: true}
  - Amax: {from: input, dim: 1, keepdim: true}
  - Concat: [mean, amax]
  - Conv2d: {out_channels: 1, kernel_size: 7, padding: 3, bias: false}
  - Sigmoid
  - Mul: [input, sigmoid]
""",
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_published_network_is_not_called_wrong(name: str, worker: Worker) -> None:
    """What thirty steps tell of it is said, however little."""
    source = parse(f"name: Net{PUBLISHED[name]}", "spec.yaml")
    demand = Demand("cpu", levels=("forward", "learn"))
    result = build_source(source, {}, worker, demand)
    assert result.warnings == ()
    said = result.proofs[0].levels[-1].found
    assert "the same seed gave the same weights" in said
    if name == "cbam":
        assert "too little to tell whether it learns" in said


HOPELESS = {
    "learn": ("[{Linear: 3}, {Scale: 1.0e+38}, {Scale: 1.0e+38}]", "not finite"),
    "ddp": ("[{Linear: 3}, {Mean: {dim: 0}}]", "an output has no batch"),
}


@pytest.mark.parametrize("level", HOPELESS)
def test_what_can_not_be_shown_is_said(level: str, worker: Worker) -> None:
    layers, words = HOPELESS[level]
    source = parse(f"name: Net\ninput: [4]\nlayers: {layers}\n", "spec.yaml")
    with pytest.raises(NetgenError, match=words):
        build_source(source, {}, worker, Demand("cpu", levels=("forward", level)))


def test_outputs_without_a_number_can_be_compared(worker: Worker) -> None:
    source = parse("name: Net\ninput: [4]\nlayers: [Abs, Neg, Log]\n", "spec.yaml")
    build_source(source, {}, worker, Demand("cpu", levels=("forward", "export")))


@pytest.mark.slow
def test_the_processes_of_a_proof_end_with_it(tmp_path: Path) -> None:
    """Nothing is left behind: no process, and no folder of the launcher."""
    before = {path.name for path in Path(tempfile.gettempdir()).glob("torchelastic_*")}
    run = netgen("build", LENET, "--prove", "ddp", "--device", "cpu", cwd=tmp_path)
    assert run.returncode == 0, run.stderr
    after = {path.name for path in Path(tempfile.gettempdir()).glob("torchelastic_*")}
    assert after == before
    commands = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True)
    assert "proofs.rank" not in commands.stdout


# limits and reports


def test_a_limit_of_memory_is_told_before_the_run_and_held_in_it(tmp_path: Path) -> None:
    spec = "name: Net\ninput: [2000]\nlayers:\n  - Linear: 2000\n"
    (tmp_path / "net.yaml").write_text(spec)
    run = netgen("build", "net.yaml", "--max-memory", "30M", "--device", "cpu", cwd=tmp_path)
    assert run.returncode == 1
    assert "error[NG404]: `Net` needs 30.6 MiB of memory, but 30.0 MiB are allowed" in run.stderr
    source = parse(spec, "net.yaml")
    plan, text = check_source(source, {}).plan, build_source(source, {}, None).source
    greedy = text.replace(
        "x = self.fc1(x)", "x = self.fc1(x) + 0 * __import__('torch').ones(2**31).sum()"
    )
    with Worker(most_memory=3 * 2**30) as worker, pytest.raises(NetgenError) as caught:
        worker.prove(greedy, plan, CPU)
    (found,) = caught.value.diagnostics
    assert found.code == "NG404"
    assert found.message == "`Net` does not fit into the memory of cpu"
    assert any("needs 30.6 MiB or more" in note for note in found.notes)


@pytest.mark.slow
def test_a_run_has_the_time_that_it_is_given(tmp_path: Path) -> None:
    """A network that is read at once, and takes a minute to run: the limit is met in the run."""
    vit = ROOT / "configs" / "vit_b_16.yaml"
    run = netgen("build", vit, "--timeout", "4", "--device", "cpu", cwd=tmp_path)
    assert run.returncode == 1
    assert "error[NG402]: the run did not end within 4 seconds" in run.stderr
    assert "note: the proof `" in run.stderr
    assert "`--timeout` gives it more time" in run.stderr


def test_a_run_that_takes_too_long_says_which_proof_was_running() -> None:
    source = parse("name: Net\ninput: [4]\nlayers: [{Linear: 4}]\n", "net.yaml")
    plan, text = check_source(source, {}).plan, build_source(source, {}, None).source
    endless = text.replace("x = self.fc1(x)", "x = [self.fc1(x) for _ in iter(int, 1)][0]")
    with Worker() as worker:
        worker.best_device()  # torch is loaded
        worker.timeout = 2
        with pytest.raises(NetgenError) as caught:
            worker.prove(endless, plan, CPU)
    (found,) = caught.value.diagnostics
    assert found.code == "NG402"
    assert found.message == "the run did not end within 2 seconds"
    assert found.notes == ("the proof `forward` was running",)


def test_several_at_a_time_give_what_one_gives(tmp_path: Path) -> None:
    names = ("lenet", "mnist", "vae", "dcgan_generator")
    configs = [ROOT / "configs" / f"{name}.yaml" for name in names]
    bad = tmp_path / "bad.yaml"
    bad.write_text("name: Net\ninput: [4]\nlayers: [{Linear: none}]\n")
    (tmp_path / "out").mkdir()
    run = netgen(
        "build", *configs, bad, "-j", "2", "--output-dir", "out", "--device", "cpu", cwd=tmp_path
    )
    assert run.returncode == 1
    assert run.stdout.count("smoke-run on cpu: passed") == 4
    places = [run.stdout.index(f"out/{name}.py") for name in names]
    assert places == sorted(places)
    for name in names:
        golden = ROOT / "tests" / "golden" / "configs" / f"{name}.py"
        assert (tmp_path / "out" / f"{name}.py").read_text() == golden.read_text()
    assert not (tmp_path / "out" / "bad.py").exists()


def test_a_report_holds_what_was_measured(tmp_path: Path) -> None:
    run = netgen(
        "build", LENET, "--report", "report.json", "--device", "all", "--prove", "backward",
        cwd=tmp_path,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    report: dict[str, Any] = json.loads((tmp_path / "report.json").read_text())
    assert report["machine"].keys() == {"system", "python", "processors"}
    (result,) = report["results"]
    assert result["macs"] == 416_520
    assert result["memory"]["weights"] == 4 * 61_706
    assert sum(layer["kept"] for layer in result["layers"]) <= result["memory"]["training"]
    assert result["proofs"][0]["device"] == "cpu"
    for proof in result["proofs"]:
        assert [level["level"] for level in proof["levels"]] == ["forward", "backward"]
        for key in ("forward", "forward_backward"):
            figures = proof["speed"][key]
            assert 0 < figures["low"] <= figures["median"] <= figures["high"]
            assert figures["runs"] >= 5
    assert [proof["device"] for proof in result["proofs"]] == find_devices("all")


def test_a_device_that_is_not_there_is_said_to_be_missing(tmp_path: Path) -> None:
    run = netgen("build", LENET, "--device", "cuda:99", cwd=tmp_path)
    assert run.returncode == 1
    assert "error[NG403]: the device `cuda:99` is not there; `cpu`, `meta`" in run.stderr
    assert not (tmp_path / "lenet.py").exists()


def test_a_layer_that_learns_is_no_dead_one(worker: Worker) -> None:
    """Its bias alone has no gradient: it is subtracted from itself."""
    text = "name: Net\ninputs: {a: [4], b: [4]}\nlayers:\n"
    text += "  - Linear: {name: enc, from: a, out_features: 3}\n"
    text += "  - Reuse: {name: other, layer: enc, from: b}\n  - Sub: [enc, other]\n"
    result = build_source(parse(text, "spec.yaml"), {}, worker, Demand("cpu"))
    assert not result.warnings
