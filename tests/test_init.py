"""`netgen init`: what it writes can be built at once, and nothing is overwritten."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from torch_netgen.views.templates import listed, templates

from .command import netgen
from .conftest import CONFIGS, ROOT, STARTERS

NAMES = ["lenet", "mnist", "resnet18", "transformer", "unet", "lstm", "vae", "gpt2"]


def as_written(path: Path) -> str:
    """A template without its first line, which names a file beside it, if it has such a line."""
    first, rest = path.read_text().split("\n", 1)
    return rest if "$schema=" in first else f"{first}\n{rest}"


def test_the_starter_is_built_by_the_command_that_it_names(tmp_path: Path) -> None:
    run = netgen("init", cwd=tmp_path)
    assert run.returncode == 0, run.stderr
    wrote, _, command = run.stdout.rstrip("\n").partition("; next: ")
    assert wrote == "wrote starter.yaml"
    program, *words = shlex.split(command)
    assert program == "netgen"
    built = netgen(*words, "--strict", "--device", "cpu", cwd=tmp_path)
    assert built.returncode == 0, built.stderr
    golden = ROOT / "tests" / "golden" / "starters" / "starter.py"
    assert (tmp_path / "starter.py").read_text() == golden.read_text()


def test_what_is_written_is_a_template_as_it_came(tmp_path: Path) -> None:
    shipped = {path.name: as_written(path) for path in (*STARTERS, *CONFIGS)}
    for name in NAMES:  # `lstm` and `transformer` are the beginnings of names
        assert netgen("init", name, cwd=tmp_path).returncode == 0
    written = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert len(written) == len(NAMES)
    assert written.items() <= shipped.items()
    run = netgen("check", *written, cwd=tmp_path)
    assert run.returncode == 0, run.stderr


def test_it_goes_where_it_is_told(tmp_path: Path) -> None:
    assert netgen("init", "lenet", "-o", "my own.yaml", cwd=tmp_path).stdout == (
        "wrote my own.yaml; next: netgen build 'my own.yaml' -o my_own.py\n"
    )
    lenet = as_written(ROOT / "configs" / "lenet.yaml")
    assert (tmp_path / "my own.yaml").read_text() == lenet
    assert netgen("init", "lenet", "-o", "-", cwd=tmp_path).stdout == lenet
    assert [path.name for path in tmp_path.iterdir()] == ["my own.yaml"]
    run = netgen("init", "lenet", "-o", "new/lenet.yaml", cwd=tmp_path)
    assert run.returncode == 0
    assert (tmp_path / "new" / "lenet.yaml").read_text() == lenet


@pytest.mark.linux
@pytest.mark.parametrize("what", ["file", "empty file", "folder", "link to nowhere"])
def test_nothing_is_overwritten(what: str, tmp_path: Path) -> None:
    target = tmp_path / "starter.yaml"
    if what == "folder":
        target.mkdir()
    elif what == "link to nowhere":
        target.symlink_to(tmp_path / "nowhere")
    else:
        target.write_text("" if what == "empty file" else "name: Mine\n")
    before = target.lstat()
    run = netgen("init", cwd=tmp_path)
    assert run.returncode == 1
    assert run.stdout == ""
    assert run.stderr == (
        "error[NG502]: `starter.yaml` is there already: it is left as it is\n"
        " = help: give another file with `-o`\n"
    )
    assert target.lstat() == before
    assert [path.name for path in tmp_path.iterdir()] == ["starter.yaml"]


def test_all_templates_are_listed_with_a_line_each(tmp_path: Path) -> None:
    lines = netgen("init", "--list", cwd=tmp_path).stdout.splitlines()
    assert [line.split()[0] for line in lines] == [path.stem for path in (*STARTERS, *CONFIGS)]
    found = dict(line.split(maxsplit=1) for line in lines)
    assert found["lenet"] == "LeNet-5 (LeCun et al., 1998) for 32x32 grayscale images."
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "help"),
    [("lenett", "; did you mean lenet?"), ("restnet18", "; did you mean resnet18?"), ("q?", "")],
)
def test_a_slip_is_pointed_out(name: str, help: str, tmp_path: Path) -> None:
    run = netgen("init", name, cwd=tmp_path)
    assert run.returncode == 1
    lines = [*listed(templates()), "", f"netgen: there is no template {name!r}{help}", ""]
    assert run.stderr == "\n".join(lines)
    assert not list(tmp_path.iterdir())


def test_the_beginning_of_several_names_is_none(tmp_path: Path) -> None:
    run = netgen("init", "resnet", cwd=tmp_path)
    assert run.returncode == 1
    *found, blank, told = run.stderr.splitlines()
    assert [line.split()[0] for line in found] == ["resnet18", "resnet50"]
    assert (blank, told) == ("", "netgen: several templates begin with 'resnet': give one")
    assert netgen("init", "vgg16", cwd=tmp_path).returncode == 0  # a whole name, and a beginning
    assert [path.name for path in tmp_path.iterdir()] == ["vgg16.yaml"]
