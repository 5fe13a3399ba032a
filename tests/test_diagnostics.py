"""How mistakes are told: in text, in colour, as data; warnings; the page of all codes."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest
from torch_netgen import NetgenError
from torch_netgen.cli.cli import main
from torch_netgen.diagnostics.codes import CODES, WARNINGS
from torch_netgen.pipeline import build_source
from torch_netgen.run.smoke import Worker
from torch_netgen.spec.source import parse

from .command import netgen
from .conftest import CONFIGS, ROOT, by_depth
from .networks import built
from .pages import diagnostics_page, shown

DOUBTFUL = sorted((ROOT / "tests" / "doubtful").glob("*.yaml"))
TWO = """\
name: Net
input: [3, 32, 32]
params: {spare: 1}
layers:
  - Conv2d: {name: stem, out_channels: 8, kernel_size: 5}
  - MaxPool2d: 2
  - Conv2d: {name: wide, out_channels: 8, kernel_size: 15}
  - Flatten
  - Linear: {out_feature: 3}
"""
COLOUR = re.compile(r"\x1b\[[0-9;]*m")


@pytest.mark.parametrize("path", DOUBTFUL, ids=lambda path: path.stem)
def test_warnings_are_as_reviewed(path: Path, request: pytest.FixtureRequest) -> None:
    source = parse(path.read_text(encoding="utf-8"), path.name)
    warnings = build_source(source, {}, None).warnings
    assert {found.severity for found in warnings} == {"warning"}
    assert {found.code for found in warnings} <= {*WARNINGS}
    message = "\n\n".join(found.render() for found in warnings) + "\n"
    expected = path.with_suffix(".txt")
    if request.config.getoption("--renew"):
        expected.write_text(message, encoding="utf-8")
    assert message == expected.read_text(encoding="utf-8")
    with pytest.raises(NetgenError) as caught:
        build_source(source, {}, None, strict=True)
    assert f"{caught.value}\n" == message.replace("warning[", "error[")


# what comes near to a doubt, and the specs of other tests
SPECS = sorted((ROOT / "tests" / "specs").glob("*.yaml"))
SOUND = [*CONFIGS, *SPECS, *sorted((ROOT / "tests" / "sound").glob("*.yaml"))]


@pytest.mark.parametrize("path", by_depth(SOUND))
def test_our_own_specs_give_no_cause_for_warnings(path: Path) -> None:
    assert [found.render() for found in built(path).warnings] == []


@pytest.mark.parametrize("name", [name for name, code in CODES.items() if code.example])
def test_every_example_shows_its_code_and_nothing_else(name: str, worker: Worker) -> None:
    assert [found.code for found in shown(CODES[name].example, worker)] == [name]


def test_the_page_of_codes_is_made_from_the_code(
    request: pytest.FixtureRequest, worker: Worker
) -> None:
    page, made = ROOT / "docs" / "diagnostics.md", diagnostics_page(worker)
    if request.config.getoption("--renew"):
        page.write_text(made, encoding="utf-8")
    assert page.read_text(encoding="utf-8") == made


def test_json_tells_all_that_text_tells(tmp_path: Path) -> None:
    (tmp_path / "two.yaml").write_text(TWO)
    (tmp_path / "good.yaml").write_text("name: A\ninput: [4]\nlayers: [{Linear: $(1 + 1)}]\n")
    specs = ("two.yaml", "good.yaml", "none.yaml")
    run = netgen("build", *specs, "--no-smoke", "--format", "json", cwd=tmp_path)
    assert run.returncode == 1
    assert run.stderr == ""
    told = json.loads(run.stdout)
    assert told["ok"] is False
    places = [(d["file"], d["line"], d["column"], d["code"]) for d in told["diagnostics"]]
    assert places == [
        ("two.yaml", 7, 56, "NG211"),
        ("two.yaml", 9, 14, "NG203"),
        ("good.yaml", 3, 19, "NG305"),
        ("none.yaml", None, None, "NG101"),
    ]
    window = told["diagnostics"][0]
    assert window["end_column"] == 58
    assert "the largest kernel that fits is 14" in window["help"]
    assert [result["ok"] for result in told["results"]] == [False, True, False]
    built = told["results"][1]
    assert (built["output"], built["parameters"], built["proofs"]) == ("good.py", 10, [])
    assert built["layers"][1]["output"] == "(N, 2)"


def test_annotations_are_commands_of_github_actions(tmp_path: Path) -> None:
    (tmp_path / "two,x.yaml").write_text(TWO)
    run = netgen("build", "two,x.yaml", "-o-", "--no-smoke", "--format", "github", cwd=tmp_path)
    assert run.returncode == 1
    first, second = run.stdout.splitlines()
    assert first.startswith(
        "::error file=two%2Cx.yaml,line=7,col=56,endColumn=58,title=netgen NG211::a kernel of 15"
    )
    assert "%0Ahelp: the largest kernel that fits is 14" in first
    assert second.startswith("::error file=two%2Cx.yaml,line=9,col=14,endColumn=25,")


def test_the_table_goes_up_to_the_layer_that_failed(tmp_path: Path) -> None:
    (tmp_path / "two.yaml").write_text(TWO)
    run = netgen("build", "two.yaml", "--no-smoke", "-v", cwd=tmp_path)
    table, _, rest = run.stderr.partition("\n\n")
    assert re.findall(r"^  (\S+)", table, re.M) == ["layer", "x", "stem", "maxpool", "total"]
    assert re.search(r"^  maxpool +MaxPool2d +\(N, 8, 14, 14\) +0$", table, re.M)
    assert rest.startswith("error[NG211]")
    assert rest.endswith("\n2 errors\n")


def test_warnings_leave_the_build_alone_unless_it_is_strict(tmp_path: Path) -> None:
    (tmp_path / "net.yaml").write_text("name: A\ninput: [4]\nparams: {b: 1}\nlayers: [Tanh]\n")
    run = netgen("build", "net.yaml", "--no-smoke", cwd=tmp_path)
    assert run.returncode == 0
    assert run.stderr.startswith("warning[NG302]: nothing in this network uses")
    (tmp_path / "net.py").unlink()
    run = netgen("build", "net.yaml", "--no-smoke", "--strict", cwd=tmp_path)
    assert run.returncode == 1
    assert run.stderr.startswith("error[NG302]: nothing in this network uses")
    assert not (tmp_path / "net.py").exists()


def on_a_terminal(*args: str, cwd: Path, **env: str) -> str:
    """What netgen prints where its output is a terminal."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-P", "-m", "torch_netgen", *args]
    bare = {key: value for key, value in os.environ.items() if key != "NO_COLOR"}
    environment = {**bare, "TERM": "xterm", **env}
    subprocess.run(command, cwd=cwd, stdout=theirs, stderr=theirs, env=environment, check=False)
    os.close(theirs)
    found = b""
    while True:
        try:
            part = os.read(ours, 1 << 16)
        except OSError:  # Linux tells the end of a terminal so
            break
        if not part:
            break
        found += part
    os.close(ours)
    return found.decode().replace("\r\n", "\n")


@pytest.mark.linux
def test_colours_are_for_terminals_that_want_them(tmp_path: Path) -> None:
    (tmp_path / "two.yaml").write_text(TWO)
    args = ("build", "two.yaml", "--no-smoke")
    plain = netgen(*args, cwd=tmp_path).stderr
    assert "\x1b" not in plain
    coloured = on_a_terminal(*args, cwd=tmp_path)
    assert "\x1b[1;31merror[NG211]\x1b[0m" in coloured
    assert COLOUR.sub("", coloured).endswith(plain)
    for refusal in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
        assert not COLOUR.search(on_a_terminal(*args, cwd=tmp_path, **refusal))


def test_a_flood_of_mistakes_is_cut_short() -> None:
    text = "name: A\ninput: [4]\nlayers:\n" + "".join(f"  - Foo{i}\n" for i in range(5000))
    with pytest.raises(NetgenError) as caught:
        build_source(parse(text, "flood.yaml"), {}, None)
    assert len(caught.value.diagnostics) == 100


def test_a_wrong_value_for_a_parameter_is_one_mistake() -> None:
    source = parse("name: A\ninput: [4]\nparams: {n: 3}\nlayers: [{Linear: $n}]\n", "a.yaml")
    for overrides in ({"n": "x"}, {"m": 3}):
        with pytest.raises(NetgenError) as caught:
            build_source(source, overrides, None)
        assert [found.code for found in caught.value.diagnostics] == ["NG208"]


def test_a_mistake_of_our_own_is_told_without_a_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*args: object, **named: object) -> None:
        raise KeyError("x")

    monkeypatch.setattr("torch_netgen.analysis.prediction.lower", broken)
    (tmp_path / "net.yaml").write_text("name: A\ninput: [4]\nlayers: [Tanh]\n")
    monkeypatch.chdir(tmp_path)
    assert main(["build", "net.yaml", "--no-smoke"]) == 1
    told = capsys.readouterr().err
    assert told.startswith("error[NG601]: this is a mistake of netgen's own: KeyError: 'x'")
    assert "Traceback" not in told
    assert [path.name for path in tmp_path.iterdir()] == ["net.yaml"]
