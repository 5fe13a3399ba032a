"""The output: whole or as it was, never over what a person wrote, not proven twice."""

from __future__ import annotations

import json
import os
import random
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch_netgen
from torch_netgen import NetgenError
from torch_netgen.cli.cli import main
from torch_netgen.output import files as files
from torch_netgen.output.files import KINDS, SOURCE, claim
from torch_netgen.output.module_names import TORCHS, why_no_module

from .command import netgen
from .conftest import ROOT

LENET = ROOT / "configs" / "lenet.yaml"
BUILD = [sys.executable, "-P", "-m", "torch_netgen", "build"]


def untouched(text: str) -> bool:
    return files.untouched(text.encode(), SOURCE)


def test_what_a_person_wrote_or_edited_is_kept(tmp_path: Path) -> None:
    target = tmp_path / "lenet.py"
    target.write_text("print('mine')\n")
    run = netgen("build", LENET, "--no-smoke", cwd=tmp_path)
    assert run.returncode == 1
    assert "error[NG502]: `lenet.py` was not written by netgen" in run.stderr
    assert target.read_text() == "print('mine')\n"
    assert netgen("build", LENET, "--no-smoke", "--force", cwd=tmp_path).returncode == 0
    generated = target.read_text()
    target.write_text(generated.replace("kernel_size=5", "kernel_size=3"))
    run = netgen("build", LENET, "--no-smoke", cwd=tmp_path)
    assert run.returncode == 1
    assert "`lenet.py` has been edited since netgen wrote it" in run.stderr
    assert "kernel_size=3" in target.read_text()
    with pytest.raises(NetgenError, match="NG502"):
        torch_netgen.build(LENET, target, smoke=False)
    torch_netgen.build(LENET, target, smoke=False, force=True)
    assert target.read_text() == generated


def test_what_netgen_wrote_is_replaced_whatever_it_was_made_from(tmp_path: Path) -> None:
    target = tmp_path / "net.py"
    for config in ("lenet", "mnist", "lenet"):
        spec = ROOT / "configs" / f"{config}.yaml"
        run = netgen("build", spec, "-o", "net.py", "--no-smoke", cwd=tmp_path)
        assert run.returncode == 0, run.stderr
        assert untouched(target.read_text())
    target.write_text("")  # an empty file holds nothing that could be lost
    assert netgen("build", LENET, "-o", "net.py", "--no-smoke", cwd=tmp_path).returncode == 0


@pytest.mark.linux
def test_a_link_is_followed_and_the_spec_is_never_the_target(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "net.py").symlink_to(tmp_path / "real" / "net.py")
    assert netgen("build", LENET, "-o", "net.py", "--no-smoke", cwd=tmp_path).returncode == 0
    assert (tmp_path / "net.py").is_symlink()
    assert untouched((tmp_path / "real" / "net.py").read_text())
    spec = tmp_path / "lenet.yaml"
    spec.write_text(LENET.read_text())
    (tmp_path / "other.py").symlink_to(spec)
    run = netgen("build", "lenet.yaml", "-o", "other.py", "--no-smoke", "--force", cwd=tmp_path)
    assert run.returncode == 1
    assert "is the spec itself" in run.stderr
    assert spec.read_text() == LENET.read_text()


@pytest.mark.linux
@pytest.mark.parametrize(
    ("target", "message"),
    [
        (".", "can't write `.`: it is no ordinary file"),
        ("/dev/full", "can't write `/dev/full`: it is no ordinary file"),
        ("pipe", "can't write `pipe`: it is no ordinary file"),
        ("lenet.yaml/net.py", "can't write `lenet.yaml/net.py`: `lenet.yaml` is no folder"),
        ("pipe/a/b/net.py", "can't write `pipe/a/b/net.py`: `pipe` is no folder"),
    ],
)
def test_what_can_not_be_written_is_one_message(tmp_path: Path, target: str, message: str) -> None:
    (tmp_path / "lenet.yaml").write_text(LENET.read_text())
    os.mkfifo(tmp_path / "pipe")
    run = netgen("build", "lenet.yaml", "-o", target, "--no-smoke", "--force", cwd=tmp_path)
    assert run.returncode == 1
    assert run.stderr.splitlines()[0] == f"error[NG501]: {message}"


@pytest.mark.parametrize(
    ("words", "written"),
    [
        (("build", "-o", "a/b/net.py", "--no-smoke"), "a/b/net.py"),
        (("build", "--output-dir", "a/b", "--no-smoke"), "a/b/lenet.py"),
        (("graph", "-o", "a/net.svg"), "a/net.svg"),
    ],
)
def test_a_folder_that_is_missing_is_made(
    tmp_path: Path, words: tuple[str, ...], written: str
) -> None:
    run = netgen(words[0], LENET, *words[1:], cwd=tmp_path)
    assert run.returncode == 0, run.stderr
    assert [str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.*")] == [written]


def test_no_folder_is_made_for_a_file_that_is_not_written(tmp_path: Path) -> None:
    (tmp_path / "net.yaml").write_text("name: Net\ninput: [4]\nlayers: [{Linear: 0.5}]\n")
    assert netgen("build", "net.yaml", "-o", "a/b/net.py", cwd=tmp_path).returncode == 1
    assert [path.name for path in tmp_path.iterdir()] == ["net.yaml"]


@pytest.mark.linux
def test_a_full_target_leaves_the_former_file(tmp_path: Path) -> None:
    """A limit on the size of files stands for a full disk."""
    (tmp_path / "net.py").write_text("old\n")
    command = ["bash", "-c", 'ulimit -f 1; exec "$@"', "bash", *BUILD]
    args = [str(LENET), "-o", "net.py", "--no-smoke", "--force"]
    env = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    run = subprocess.run(
        [*command, *args], cwd=tmp_path, env=env, capture_output=True, text=True, check=False
    )
    assert run.returncode == 1
    assert run.stderr == "error[NG501]: can't write `net.py`: file too large\n"
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"net.py": "old\n"}


@pytest.mark.linux
@pytest.mark.slow
def test_a_kill_at_any_moment_leaves_the_former_file_and_nothing_else(tmp_path: Path) -> None:
    chance = random.Random(0)
    folder = tmp_path / "out"
    folder.mkdir()
    target = folder / "net.py"
    former = ""
    texts = {torch_netgen.build(LENET, smoke=False, overrides={"size": s}).source for s in (32, 64)}
    texts = {text.replace("spec", "lenet.yaml") for text in texts}
    for round_ in range(24):
        size = (32, 64)[round_ % 2]
        command = [*BUILD, str(LENET), "-o", str(target), "--set", f"size={size}", "--no-smoke"]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(chance.uniform(0.05, 0.4))
        process.send_signal(chance.choice([signal.SIGKILL, signal.SIGTERM, signal.SIGINT]))
        process.wait()
        left = [path.name for path in folder.iterdir()]
        assert left == ([] if not target.exists() else ["net.py"])
        if target.exists():
            now = target.read_text()
            assert untouched(now)
            former = now
    assert not former or target.read_text() == former


def test_two_builds_of_one_output_are_both_whole(tmp_path: Path) -> None:
    commands = [
        [*BUILD, str(LENET), "-o", "net.py", "--set", f"size={size}", "--no-smoke"]
        for size in (32, 64) * 3
    ]
    running = [
        subprocess.Popen(
            command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        for command in commands
    ]
    told = [process.communicate()[1] for process in running]
    assert [process.returncode for process in running] == [0] * 6, told
    assert [path.name for path in tmp_path.iterdir()] == ["net.py"]
    assert untouched((tmp_path / "net.py").read_text())


@pytest.mark.linux
def test_writing_goes_another_way_where_files_need_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "O_TMPFILE", raising=False)
    target = tmp_path / "net.py"
    target.write_text("old")
    target.chmod(0o640)
    claim(target, SOURCE, force=True).write(b"new\n")
    assert target.read_text() == "new\n"
    assert target.stat().st_mode & 0o777 == 0o640
    assert [path.name for path in tmp_path.iterdir()] == ["net.py"]
    with pytest.raises(NetgenError, match="NG501"):
        claim(target / "net.py", SOURCE, force=True)


def test_what_is_proven_is_not_run_again_until_anything_changes(tmp_path: Path) -> None:
    cache = {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    spec = tmp_path / "lenet.yaml"
    spec.write_text(LENET.read_text())

    def fresh(*args: str) -> bool:
        told = netgen("build", "lenet.yaml", "--format", "json", *args, cwd=tmp_path, **cache)
        assert told.returncode == 0, told.stderr
        (result,) = json.loads(told.stdout)["results"]
        assert result["parameters"] > 0
        assert result["proofs"][0]["device"] == "cpu"
        return bool(result["fresh"])

    cpu = ("--device", "cpu")
    assert not fresh(*cpu)
    written = (tmp_path / "lenet.py").stat().st_mtime_ns
    assert fresh(*cpu)
    assert (tmp_path / "lenet.py").stat().st_mtime_ns == written
    assert "lenet.py is up to date" in netgen("build", spec, *cpu, cwd=tmp_path, **cache).stdout
    assert not fresh(*cpu, "--seed", "1")
    assert not fresh(*cpu, "--set", "size=64")
    assert not fresh(*cpu)
    spec.write_text(f"{spec.read_text()}# a remark\n")
    assert not fresh(*cpu)
    assert fresh(*cpu)
    (tmp_path / "lenet.py").unlink()
    assert not fresh(*cpu)
    cache["CUDA_VISIBLE_DEVICES"] = "7"  # another machine, as far as one can tell
    assert not fresh(*cpu)
    for record in (tmp_path / "cache").rglob("*.json"):
        record.write_text("[1, 2")
    assert not fresh(*cpu)
    assert fresh(*cpu)


def test_what_is_up_to_date_is_known_without_the_generator(tmp_path: Path) -> None:
    subprocess.run([*BUILD, str(LENET), "--device", "cpu"], cwd=tmp_path, check=True)
    code = "import sys; from torch_netgen.cli.cli import main; main(sys.argv[1:]); "
    code += "heavy = {'torch', 'black', 'jinja2', 'pydantic_core', 'torch_netgen.ir.graph'}; "
    code += "assert not heavy & {*sys.modules}, heavy & {*sys.modules}"
    args = ["build", str(LENET), "--device", "cpu"]
    run = subprocess.run(
        [sys.executable, "-c", code, *args],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "up to date" in run.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    "record",
    [
        "null",
        "[" * 100_000,
        '{"layers": null, "proofs": null, "parameters": null}',
        '{"layers": [], "proofs": null, "parameters": 3}',
        '{"layers": [{"a": 1}], "proofs": [{}], "parameters": 3}',
        '{"layers": 5, "proofs": "x", "parameters": "x"}',
    ],
)
def test_a_record_that_is_none_proves_nothing(tmp_path: Path, record: str) -> None:
    cache = {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    args = ("build", LENET, "--device", "cpu")
    assert netgen(*args, cwd=tmp_path, **cache).returncode == 0
    (place,) = (tmp_path / "cache").rglob("*.json")
    place.write_text(record)
    run = netgen(*args, cwd=tmp_path, **cache)
    assert run.returncode == 0, run.stderr
    assert "smoke-run on cpu: passed in" in run.stdout
    assert "wrote lenet.py" in run.stdout


def test_what_is_written_while_a_build_runs_is_kept(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [*BUILD, str(LENET), "--device", "cpu"], cwd=tmp_path, stderr=subprocess.PIPE, text=True
    )
    target = tmp_path / "lenet.py"
    target.write_text("# mine\n")
    _, told = process.communicate()
    assert process.returncode == 1
    assert "NG502" in told
    assert target.read_text() == "# mine\n"


@pytest.mark.parametrize("length", [1, 30, 44, 46, 50, 60, 120])
def test_a_file_is_known_by_its_digest_whatever_it_is_called(tmp_path: Path, length: int) -> None:
    spec = tmp_path / f"{'n' * length}.yaml"
    about = "x " * 3000 + "(digest 8f62d93970fe) (digest 000000000000)."
    spec.write_text(f"name: A\ndescription: {about}\ninput: [4]\nlayers: [Tanh]\n")
    for _ in range(2):
        run = netgen("build", spec.name, "-o", "a.py", "--no-smoke", cwd=tmp_path)
        assert run.returncode == 0, run.stderr
    assert untouched((tmp_path / "a.py").read_text())


def test_an_edit_is_found_however_small(tmp_path: Path) -> None:
    text = torch_netgen.build(LENET, smoke=False).source
    assert untouched(text)
    chance = random.Random(0)
    for _ in range(300):
        place = chance.randrange(len(text))
        edited = text[:place] + chr(ord(text[place]) ^ 1) + text[place + 1 :]
        assert not untouched(edited), place
        assert not untouched(text[:place] + text[place + 1 :]), place


@pytest.mark.linux
@pytest.mark.parametrize("suffix", ["svg", "png", "html", "dot", "mmd"])
def test_a_picture_takes_no_other_files_place(suffix: str, tmp_path: Path) -> None:
    name = f"net.{suffix}"
    words = ("graph", LENET, "-o", name)
    for _ in range(2):  # its own place it may take again
        assert netgen(*words, cwd=tmp_path).returncode == 0
    drawn = (tmp_path / name).read_bytes()
    kept(drawn, tmp_path / name, *words)
    (tmp_path / "mine").write_text("mine: Drawn by netgen\n")  # its words without a digest
    (tmp_path / name).unlink()
    (tmp_path / name).symlink_to("mine")
    run = netgen(*words, cwd=tmp_path)
    assert run.returncode == 1
    assert f"error[NG502]: `{name}` was not written by netgen" in run.stderr
    assert (tmp_path / "mine").read_text() == "mine: Drawn by netgen\n"
    assert netgen(*words, "--force", cwd=tmp_path).returncode == 0
    assert (tmp_path / "mine").read_bytes() == drawn


def kept(data: bytes, target: Path, *words: object) -> None:
    """An edit anywhere is found in what netgen wrote, and told where it is one of text."""
    (kind,) = (kind for kind in KINDS if files.untouched(data, kind))
    chance = random.Random(0)
    for _ in range(30):
        place = chance.randrange(len(data))
        edited = data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]
        assert not files.untouched(edited, kind), place
    half = len(data) // 2
    target.write_bytes(edited := data[:half] + b" " + data[half:])
    run = netgen(*words, cwd=target.parent)
    assert run.returncode == 1
    assert f"`{target.name}` has been edited since netgen wrote it" in run.stderr
    assert "help: give another output, or overwrite it with `--force`" in run.stderr
    assert target.read_bytes() == edited


@pytest.mark.slow
def test_a_report_takes_no_other_files_place(tmp_path: Path) -> None:
    spec = tmp_path / "lenet.yaml"
    spec.write_text(LENET.read_text())
    words = ("build", "lenet.yaml", "--device", "cpu", "--prove", "forward", "--report")
    run = netgen(*words, "lenet.yaml", cwd=tmp_path)
    assert run.returncode == 1
    assert run.stderr == "error[NG501]: `lenet.yaml` is the spec itself: give another output\n"
    assert spec.read_text() == LENET.read_text()
    assert not (tmp_path / "lenet.py").exists()
    for _ in range(2):
        assert netgen(*words, "report.json", cwd=tmp_path).returncode == 0
    report = tmp_path / "report.json"
    assert len(json.loads(report.read_text())["digest"]) == 12
    kept(report.read_bytes(), report, *words, "report.json")
    run = netgen(*words, "lenet.py", "--force", cwd=tmp_path)  # who insists is obeyed
    assert json.loads((tmp_path / "lenet.py").read_text())["ok"] is True
    (tmp_path / "lenet.py").unlink()
    run = netgen(*words, "lenet.py", cwd=tmp_path)  # where the run itself writes
    assert run.returncode == 1
    assert "class LeNet" in (tmp_path / "lenet.py").read_text()


TINY = "name: Net\ninput: [4]\nlayers: [Tanh]\n"
TAKEN = "would be taken for a module that torch imports"
PYTHONS = "would be taken for Python's own module"
NO_NAME = "can't be imported: it is no Python identifier"
NO_MODULES = {  # why a stem is no module's, and a name to take instead
    "torch": (TAKEN, "net_torch"),
    "numpy": (TAKEN, "net_numpy"),
    "typing_extensions": (TAKEN, "net_typing_extensions"),
    "typing": (PYTHONS, "net_typing"),
    "sitecustomize": (PYTHONS, "net_sitecustomize"),
    "__main__": (PYTHONS, "main"),
    "class": ("can't be imported: it is a keyword of Python", "net_class"),
    "1st": (NO_NAME, "net_1st"),
    "my net": (NO_NAME, "my_net"),
    "my-net.v2": (NO_NAME, "my_net_v2"),
    ".torch": (NO_NAME, "net_torch"),
}


@pytest.mark.parametrize("stem", NO_MODULES)
@pytest.mark.parametrize("more", [[], ["--check"], ["--output-dir", "a b"]], ids=" ".join)
def test_a_name_that_is_no_modules_is_refused_with_another(
    stem: str,
    more: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a b").mkdir()
    (tmp_path / f"{stem}.yaml").write_text(TINY)
    command = ["build", f"./{stem}.yaml", "--no-smoke"]
    assert main([*command, *more]) == 1
    told, (reason, other) = capsys.readouterr().err, NO_MODULES[stem]
    assert f"error[NG505]: `{stem}.py` {reason}\n" in told
    folder = "a b/" if "--output-dir" in more else ""
    one, this = shlex.quote(f"{folder}{other}.py"), shlex.quote(f"{folder}{stem}.py")
    assert f"help: take another name, `-o {one}`, or this one, `-o {this}`\n" in told
    assert not list(tmp_path.rglob("*.py"))
    assert why_no_module(other) is None
    assert main([*command, f"-o{stem}.py"]) == 0
    assert main([*command, f"-o{stem}.py", "--check"]) == 0
    torch_netgen.build(f"{stem}.yaml", f"a b/{stem}.py", smoke=False)
    assert len(list(tmp_path.rglob("*.py"))) == 2


@pytest.mark.parametrize("stem", ["lenet", "match", "_", "größe", "torchy", "NumPy"])
def test_other_names_are_taken(stem: str) -> None:
    assert why_no_module(stem) is None


@pytest.mark.slow
def test_no_module_that_torch_looks_for_is_another_name() -> None:
    """Whether it is there or not: a file of this name would be found."""
    lines = (
        "import sys",
        "class Asked:",
        "    def find_spec(self, name, path=None, target=None):",
        "        asked.add(name.partition('.')[0])",
        "asked = set()",
        "sys.meta_path.insert(0, Asked())",
        "import torch, torch.export",
        "torch.nn.Linear(3, 3, device='meta')(torch.rand(2, 3, device='meta'))",
        "print(*asked - sys.stdlib_module_names)",
    )
    run = subprocess.run(
        [sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True, check=True
    )
    found = {name for name in run.stdout.split() if not name.startswith("_")}
    assert {"torch", "sympy", "numpy"} <= found <= TORCHS


def meddle(monkeypatch: pytest.MonkeyPatch, target: Path, text: str) -> None:
    """Let somebody else save a text when all but the rename is done."""
    fsync = os.fsync

    def saved(descriptor: int) -> None:
        fsync(descriptor)
        target.write_text(text)

    monkeypatch.setattr(os, "fsync", saved)


@pytest.mark.parametrize("named", [False, True])
@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize("before", [None, "generated", "mine"])
def test_a_save_before_the_rename_is_kept(
    named: bool, force: bool, before: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if before == "mine" and not force:
        return  # kept anyway
    if named:
        monkeypatch.delattr(os, "O_TMPFILE", raising=False)
    target, text = tmp_path / "net.py", torch_netgen.build(LENET, smoke=False).source
    if before is not None:
        target.write_text(text if before == "generated" else "mine\n")
    claimed = claim(target, SOURCE, force=force)
    meddle(monkeypatch, target, "saved just now\n")
    with pytest.raises(NetgenError, match="saved by somebody else while netgen ran"):
        claimed.write(text.encode())
    assert target.read_text() == "saved just now\n"
    assert [path.name for path in tmp_path.iterdir()] == ["net.py"]
    meddle(monkeypatch, target, "")  # a save that has just begun
    with pytest.raises(NetgenError, match="NG502"):
        claim(target, SOURCE, force=True).write(b"new\n")
    meddle(monkeypatch, target, text)  # by another netgen
    claim(target, SOURCE, force=True).write(b"new\n")
    assert target.read_text() == "new\n"
    assert [path.name for path in tmp_path.iterdir()] == ["net.py"]


def test_a_new_file_takes_no_name_that_was_given_at_the_last_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name is given to a file only where there is none: the system itself sees to that."""
    target, link = tmp_path / "net.py", os.link

    def late(source: str, to: Path, **options: Any) -> None:
        if not target.exists():
            target.write_text("mine\n")
        link(source, to, **options)

    monkeypatch.setattr(os, "link", late)
    with pytest.raises(NetgenError, match="NG502"):
        claim(target, SOURCE, force=False).write(b"new\n")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("net.py", "mine\n")]


@pytest.mark.parametrize("name", ["p" * 251, "\u6f22" * 83 + "ab"])
@pytest.mark.parametrize("suffix", [".py", ".dot"])
def test_a_name_may_be_as_long_as_the_system_has_it(name: str, suffix: str, tmp_path: Path) -> None:
    verb = ("build", LENET, "--no-smoke") if suffix == ".py" else ("graph", LENET)
    length = 255 - len(suffix)
    name = name.encode()[:length].decode(errors="ignore") + suffix
    for _ in range(2):
        run = netgen(*verb, "-o", name, cwd=tmp_path)
        assert run.returncode == 0, run.stderr
    assert [path.name for path in tmp_path.iterdir()] == [name]
    run = netgen(*verb, "-o", f"pppp{name}", cwd=tmp_path)
    assert run.returncode == 1
    assert run.stderr == f"error[NG501]: can't write `pppp{name}`: file name too long\n"


@pytest.mark.linux
def test_links_that_lead_nowhere(tmp_path: Path) -> None:
    (tmp_path / "a.py").symlink_to("new/b.py")
    (tmp_path / "b.py").symlink_to("c.py")
    (tmp_path / "loop.py").symlink_to("loop.py")
    build = ("build", LENET, "--no-smoke", "-o")
    assert netgen(*build, "a.py", cwd=tmp_path).returncode == 0
    assert untouched((tmp_path / "new" / "b.py").read_text())
    run = netgen(*build, "loop.py", cwd=tmp_path)
    assert run.stderr == "error[NG501]: can't write `loop.py`: too many levels of symbolic links\n"
    assert netgen(*build, "b.py", cwd=tmp_path).returncode == 0
    assert (tmp_path / "b.py").is_symlink()
    assert untouched((tmp_path / "c.py").read_text())
    run = netgen(*build, "loop.py", "--check", cwd=tmp_path)
    assert run.stderr == "error[NG501]: can't read `loop.py`: too many levels of symbolic links\n"


@pytest.mark.linux
def test_a_spec_is_no_output_whoever_insists(tmp_path: Path) -> None:
    spec = tmp_path / "net.mmd"
    spec.write_text(LENET.read_text())
    (tmp_path / "link.py").symlink_to(spec)
    commands: list[list[object]] = [
        ["build", "net.mmd", "-o", "link.py", "--no-smoke"],
        ["build", "net.mmd", "-o", "net.py", "--report", "link.py"],
        ["graph", "net.mmd", "-o", "net.mmd"],
    ]
    for command in commands:
        run = netgen(*command, "--force", cwd=tmp_path)
        assert run.returncode == 1
        assert re.match(r"error\[NG501\]: `(link.py|net.mmd)` is the spec itself", run.stderr)
    with pytest.raises(NetgenError, match="is the spec itself"):
        torch_netgen.build(spec, tmp_path / "link.py", smoke=False, force=True)
    assert spec.read_text() == LENET.read_text()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link.py", "net.mmd"]
