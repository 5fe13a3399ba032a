"""The command line: files, tables, verdicts, streams and exit codes."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch_netgen import __version__

from .command import netgen, process
from .conftest import CONFIGS, ROOT

LENET = ROOT / "configs" / "lenet.yaml"
WRONG = "name: Net\ninput: [4]\nlayers:\n  - Linear: {in_features: 5, out_features: 2}\n"


def test_build_writes_beside_the_caller_and_says_what_it_showed(tmp_path: Path) -> None:
    run = process("build", LENET, "--device", "cpu", cwd=tmp_path)
    assert run.returncode == 0, run.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["lenet.py"]
    golden = ROOT / "tests" / "golden" / "configs" / "lenet.py"
    assert (tmp_path / "lenet.py").read_text() == golden.read_text()
    assert re.search(r"^  conv2 +Conv2d +\(N, 16, 10, 10\) +2,416$", run.stdout, re.M)
    assert re.search(r"^  total +61,706$", run.stdout, re.M)
    assert re.search(r"^smoke-run on cpu: passed in \d+\.\d\d s \(torch 2\.", run.stdout, re.M)
    assert re.search(r"^wrote lenet\.py in \d+\.\d\d s$", run.stdout, re.M)


def test_one_parameter_gives_the_same_spec_other_sizes(tmp_path: Path) -> None:
    run = netgen("build", LENET, "--set", "size=64", "--no-smoke", cwd=tmp_path)
    assert run.returncode == 0, run.stderr
    assert "nn.Linear(16 * 13 * 13, 120)" in (tmp_path / "lenet.py").read_text()
    assert "not run: --no-smoke" in run.stdout


def test_several_specs_go_to_a_folder(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    run = netgen("build", *CONFIGS[:3], "--output-dir", "out", "--no-smoke", cwd=tmp_path)
    assert run.returncode == 0, run.stderr
    names = {path.stem for path in (tmp_path / "out").iterdir()}
    assert names == {path.stem for path in CONFIGS[:3]}


def test_standard_input_to_standard_output(tmp_path: Path) -> None:
    spec = "name: Net\ninput: [4]\nlayers: [{Linear: 2}]\n"
    run = process("build", "-", "-o", "-", "--no-smoke", cwd=tmp_path, stdin=spec)
    assert run.returncode == 0, run.stderr
    compile(run.stdout, "stdout", "exec")
    assert "total" in run.stderr
    assert not list(tmp_path.iterdir())


def test_a_wrong_spec_writes_nothing_and_the_right_ones_are_still_built(tmp_path: Path) -> None:
    (tmp_path / "wrong.yaml").write_text(WRONG)
    run = netgen("build", "wrong.yaml", LENET, "--no-smoke", cwd=tmp_path)
    assert run.returncode == 1
    assert "wrong.yaml:4:27" in run.stderr
    assert "Traceback" not in run.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["lenet.py", "wrong.yaml"]


def test_no_torch_is_needed_without_the_smoke_run(tmp_path: Path) -> None:
    code = (
        "import sys; from torch_netgen.cli.cli import main; "
        f"code = main(['build', {str(LENET)!r}, '--no-smoke']); "
        "print('torch' in sys.modules); sys.exit(code)"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.splitlines()[-1] == "False"


def test_version_and_help_load_nothing_heavy(tmp_path: Path) -> None:
    heavy = {"torch", "pydantic_core", "black", "jinja2", "yaml"}
    code = (
        "import sys\nfrom torch_netgen.cli.cli import main\n"
        "try: main(['--version'])\nexcept SystemExit as end: assert end.code == 0\n"
        f"print(sorted({heavy!r} & set(sys.modules)))"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert run.stdout.splitlines() == [f"netgen {__version__}", "[]"]
    help = process("build", "--help", cwd=tmp_path)
    assert help.returncode == 0
    assert "examples:" in help.stdout


@pytest.mark.parametrize(
    "args",
    [
        [],
        ["build"],
        ["bild", "lenet.yaml"],
        ["build", "a.yaml", "b.yaml", "-o", "c.py"],
        ["build", "a.yaml", "x/a.yaml"],
        ["build", "a.yaml", "--device", "tpu"],
        ["build", "a.yaml", "--set", "size"],
        ["build", "a.yaml", "--seed", "-1"],
        ["build", "a.yaml", "--seed", str(2**63)],
        ["build", "a.yaml", "--report", "-"],
        ["check", "-", "-"],
        ["diff", "-", "-"],
        ["build", "a.yaml", "-o", "b.py", "--output-dir", "c"],
    ],
    ids=" ".join,
)
def test_wrong_usage_is_exit_code_2(args: list[str], tmp_path: Path) -> None:
    run = netgen(*args, cwd=tmp_path)
    assert run.returncode == 2
    assert run.stderr.startswith("usage: netgen")


@pytest.mark.parametrize(
    "args",
    [
        ["check", str(LENET)],
        ["check", str(LENET), "gone.yaml"],
        ["check"],
        ["check", "--help"],
        ["init", "nothing"],
    ],
)
def test_a_process_tells_what_the_function_does(args: list[str], tmp_path: Path) -> None:
    """Most tests call the function."""
    run, called = process(*args, cwd=tmp_path), netgen(*args, cwd=tmp_path)
    assert (run.returncode, run.stdout, run.stderr) == (
        called.returncode,
        called.stdout,
        called.stderr,
    )


@pytest.mark.linux
@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        (["build", "gone.yaml"], "NG101", "no such file"),
        (["build", str(LENET), "--no-smoke", "-o", "/dev/null/net.py"], "NG501", "can't write"),
        (["build", str(LENET), "--no-smoke", "--set", "siz=3"], "NG208", "did you mean `size`?"),
        (["build", str(LENET), "--no-smoke", "--set", "size=big"], "NG208", "a whole number"),
    ],
)
def test_what_can_not_be_done_is_exit_code_1(
    args: list[str], code: str, words: str, tmp_path: Path
) -> None:
    run = netgen(*args, cwd=tmp_path)
    assert run.returncode == 1
    assert f"error[{code}]" in run.stderr
    assert words in run.stderr
    assert "Traceback" not in run.stderr
    assert not list(tmp_path.iterdir())


def test_a_missing_device_is_said(tmp_path: Path) -> None:
    # no machine has both
    missing = "cuda" if torch.backends.mps.is_available() else "mps"
    run = netgen("build", LENET, "--device", missing, cwd=tmp_path)
    assert run.returncode == 1
    assert f"error[NG403]: the device `{missing}` is not there" in run.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.linux
def test_what_stands_at_the_target_is_replaced_whole(tmp_path: Path) -> None:
    target = tmp_path / "lenet.py"
    target.write_text("old")
    target.chmod(0o640)
    run = netgen("build", LENET, "--no-smoke", "--force", cwd=tmp_path)
    assert run.returncode == 0, run.stderr
    assert target.read_text().startswith('"""Generated by netgen from lenet.yaml')
    assert target.stat().st_mode & 0o777 == 0o640


CANARIES = ("torch", "json", "yaml", "black", "sitecustomize", "numpy", "netgen_generated")


@pytest.mark.slow
@pytest.mark.parametrize("more", [{}, {"PYTHONPATH": ":"}, {"PYTHONPATH": "."}], ids=str)
@pytest.mark.parametrize("flags", [["-P"], []], ids=str)
def test_the_run_imports_nothing_from_the_current_folder(
    tmp_path: Path, flags: list[str], more: dict[str, str]
) -> None:
    """Nor from the output's; only who puts the folder on Python's own path gets what is there."""
    theirs = bool(more)
    for name in CANARIES if not theirs else ("torch", "numpy", "netgen_generated"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('imported from the current folder')")
    command = [sys.executable, *flags, "-m", "torch_netgen", "build", str(LENET)]
    run = subprocess.run(
        [*command, "--device", "cpu"],
        cwd=tmp_path,
        env={**os.environ, **more},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert "smoke-run on cpu: passed" in run.stdout


@pytest.mark.linux
@pytest.mark.parametrize(("closed", "code"), [("2>&-", 0), (">&-", 1), (">&- 2>&-", 1)])
def test_closed_streams_are_no_reason_to_lose_what_the_other_says(
    closed: str, code: int, tmp_path: Path
) -> None:
    run = shell(f"NETGEN check {LENET} {closed}", tmp_path)
    assert run.returncode == code
    assert ("can be built" in run.stdout) is (code == 0)
    told = "netgen: standard output is closed\n" if closed == ">&-" else ""
    assert run.stderr == told


def shell(script: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    script = script.replace("NETGEN", f"{sys.executable} -P -m torch_netgen")
    command = ["bash", "-c", script]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


UNHEARD = {  # ways to run a command so that nobody reads what it says, with what is told
    "NETGEN {} >&- <&-": "standard output is closed",
    "NETGEN {} 1< /dev/null": "standard output can only be read",
    # the reader has gone when there is something to be read
    "mkfifo p; : < p & exec > p; wait; NETGEN {}": "nobody reads standard output any more",
    "NETGEN {} > /dev/full": "can't write to standard output: no space left on device",
}


@pytest.mark.linux
@pytest.mark.parametrize("way", UNHEARD)
@pytest.mark.parametrize(
    "verb",
    [
        f"build {LENET} --no-smoke",
        f"build {LENET} --report lenet.json",
        f"graph {LENET} -o lenet.dot",
        "init",
    ],
)
def test_nothing_is_written_that_nobody_would_learn_of(way: str, verb: str, tmp_path: Path) -> None:
    run = shell(way.format(verb), tmp_path)
    assert run.returncode == 1
    assert run.stderr.count(UNHEARD[way]) == 1
    assert "Traceback" not in run.stderr
    assert {path.name for path in tmp_path.iterdir()} <= {"p"}


VERBS = (
    "--version",
    "--help",
    "build --help",
    f"build {LENET} --no-smoke -o -",
    f"build {LENET} --no-smoke --check -o none.py",
    f"check {LENET} --format json",
    f"show {LENET}",
    f"explain {LENET} fc1",
    f"diff {LENET} {LENET}",
    "layers",
    "layers Conv2d",
    "init --list",
    "init -o -",
    "schema",
    "completion zsh",
)


@pytest.mark.linux
@pytest.mark.parametrize("verb", VERBS)
def test_what_can_not_be_said_is_an_error_and_told(verb: str, tmp_path: Path) -> None:
    run = shell(f"NETGEN {verb} > /dev/full", tmp_path)
    assert run.returncode == 1
    told = "netgen: can't write to standard output: no space left on device\n"
    assert run.stderr.endswith(told)
    assert "Traceback" not in run.stderr


@pytest.mark.linux
@pytest.mark.parametrize("verb", ["check", "show", "diff", "build --no-smoke", "build", "watch"])
def test_the_current_folder_may_be_gone(verb: str, tmp_path: Path) -> None:
    """What needs no folder works; what would be written there is refused."""
    name, *more = verb.split()
    output = f"-o {tmp_path}/net.py --device cpu" if verb == "build" else ""
    specs = f"{LENET} {LENET}" if name == "diff" else str(LENET)
    command = " ".join(["NETGEN", name, specs, *more, output])
    run = shell(f"mkdir d; cd d; rmdir ../d; {command}", tmp_path)
    assert "Traceback" not in run.stderr
    refused = bool(more) or verb == "watch"
    assert run.returncode == refused, run.stderr
    assert ("the current folder is gone" in run.stderr) is refused
    assert [path.name for path in tmp_path.iterdir()] == (["net.py"] if output else [])


ASCII = {"LC_ALL": "C", "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
UMLAUTS = """\
name: Net
description: Größe
input: [4]
layers:
  - Sequential: {layers: [{Linear: {name: größe, out_features: 3}}, {Tanh: {name: 漢}}]}
"""


def test_a_locale_without_the_letters_hides_nothing(tmp_path: Path) -> None:
    """Words are written out; files and data are in UTF-8, and the same as anywhere."""
    spec = tmp_path / "größe.yaml"
    spec.write_text(UMLAUTS, encoding="utf-8")
    (tmp_path / "bad.yaml").write_text(UMLAUTS.replace("3}", "drü}"), encoding="utf-8")
    source = process("build", spec, "-o", "-", "--no-smoke", cwd=tmp_path).stdout
    run = process("build", "größe.yaml", "--no-smoke", cwd=tmp_path, **ASCII)
    assert run.returncode == 0, run.stderr
    assert "wrote gr\\xf6\\xdfe.py in" in run.stdout
    assert (tmp_path / "größe.py").read_text(encoding="utf-8") == source
    run = process("build", "größe.yaml", "-o", "-", "--no-smoke", cwd=tmp_path, **ASCII)
    assert run.stdout == source
    run = process("check", "bad.yaml", cwd=tmp_path, **ASCII)
    assert run.returncode == 1
    assert "expected a whole number, found `'dr\\xfc'`" in run.stderr
    for verb in (["show"], ["explain", "sequential1.größe"], ["graph", "-o", "größe.dot"]):
        run = process(verb[0], "größe.yaml", *verb[1:], cwd=tmp_path, **ASCII)
        assert run.returncode == 0, run.stderr
        assert "gr\\xf6\\xdfe" in run.stdout
