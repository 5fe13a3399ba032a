"""Other systems than Linux: what they lack is taken away here, and all goes on."""

from __future__ import annotations

import contextlib
import io
import os
import select
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch_netgen
from torch_netgen.ir.levels import Demand
from torch_netgen.output import terminal
from torch_netgen.pipeline import build_source
from torch_netgen.run.smoke import Worker
from torch_netgen.spec.given import read

from .command import netgen
from .conftest import ROOT

LENET = ROOT / "configs" / "lenet.yaml"
GOLDEN = (ROOT / "tests" / "golden" / "configs" / "lenet.py").read_text()
LACKING = {
    os: "O_NONBLOCK O_NOFOLLOW O_ACCMODE fchmod nice sysconf".split(),
    signal: "SIGHUP SIGALRM setitimer pthread_sigmask".split(),
    select: "poll epoll".split(),
}


@pytest.fixture
def windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """A system that says that it is Windows, and has only what that has."""
    torch_netgen.build(LENET, smoke=False)  # libraries are imported as they are for this system
    monkeypatch.setattr(sys, "platform", "win32")
    for module, names in LACKING.items():
        for name in names:
            monkeypatch.delattr(module, name, raising=False)
    for library in ("fcntl", "grp", "pwd", "resource", "termios"):
        monkeypatch.setitem(sys.modules, library, None)

    def select_sockets(*args: Any) -> None:
        raise OSError(10038, "an operation was attempted on something that is not a socket")

    monkeypatch.setattr(select, "select", select_sockets)


@pytest.mark.usefixtures("windows")
def test_a_network_is_built_and_shown_on_windows(tmp_path: Path) -> None:
    run = netgen("build", LENET, cwd=tmp_path)
    assert run.returncode == 0, run.stderr
    assert (tmp_path / "lenet.py").read_text() == GOLDEN
    for words in (
        ("build", LENET, "--force"),
        ("build", LENET, "--check"),
        ("check", LENET),
        ("show", LENET),
        ("explain", LENET, "fc1"),
        ("graph", LENET, "-o", "lenet.svg"),
        ("graph", LENET, "-o", "lenet.html"),
        ("init",),
    ):
        run = netgen(*words, cwd=tmp_path)
        assert run.returncode == 0, (words, run.stderr)
    names = ["lenet.html", "lenet.py", "lenet.svg", "starter.yaml"]
    assert sorted(path.name for path in tmp_path.iterdir()) == names


@pytest.mark.usefixtures("windows")
def test_a_run_is_limited_and_ended_where_pipes_cannot_be_waited_for() -> None:
    """In a process of its own, as long as the limit allows; one that dies is told of."""
    with Worker() as worker:
        demand = Demand("cpu")
        result = build_source(read(LENET), {}, worker, demand)
        assert [proof.device for proof in result.proofs] == ["cpu"]
        assert worker.process is not None
        worker.process.kill()
        with pytest.raises(torch_netgen.NetgenError, match="NG402"):
            build_source(read(LENET), {}, worker, demand)
    with (
        Worker(timeout=0.01) as hurried,
        pytest.raises(torch_netgen.NetgenError, match=r"did not end within 0\.01 seconds"),
        hurried.one_spec(),
    ):
        hurried.ask({"task": "prove"})


@pytest.mark.usefixtures("windows")
def test_the_old_terminal_of_windows_gets_no_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    class Screen(io.StringIO):
        def isatty(self) -> bool:
            return True

    for name in ("NO_COLOR", "TERM", "TERM_PROGRAM", "WT_SESSION"):
        monkeypatch.delenv(name, raising=False)
    with contextlib.redirect_stderr(Screen()):
        assert not terminal.coloured()
        monkeypatch.setenv("WT_SESSION", "a number")
        assert terminal.coloured()


def test_a_device_that_can_not_be_waited_for_is_no_closed_output(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """macOS says of a device that it can't be waited for, and of a pipe whether it is closed."""
    told = select.POLLNVAL

    class Poll:
        def register(self, descriptor: int, events: int) -> None:
            pass

        def poll(self, timeout: int) -> list[tuple[int, int]]:
            return [(1, told)]

    monkeypatch.setattr(select, "poll", Poll)
    with open(os.devnull, "w") as nothing, contextlib.redirect_stdout(nothing):
        assert terminal.deaf() == ""
        told = select.POLLERR
        assert terminal.deaf() == "nobody reads standard output any more"


@pytest.mark.parametrize("system", ["linux", "win32"])
def test_a_file_that_another_program_holds_open_is_kept(
    system: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Windows renames nothing onto an open file."""
    (tmp_path / "lenet.py").write_text(GOLDEN)
    monkeypatch.setattr(sys, "platform", system)

    def replace(source: Path, target: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "replace", replace)
    run = netgen("build", LENET, "--set", "size=64", "--no-smoke", cwd=tmp_path)
    assert run.returncode == 1
    assert run.stderr == "error[NG501]: can't write `lenet.py`: permission denied\n"
    assert [path.name for path in tmp_path.iterdir()] == ["lenet.py"]
    assert (tmp_path / "lenet.py").read_text() == GOLDEN


def test_an_open_file_is_not_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a write fails, the temporary file is closed before it is removed."""
    monkeypatch.setattr(sys, "platform", "win32")
    opened: set[int] = set()
    close, unlink = os.close, Path.unlink

    def fail(descriptor: int) -> None:
        opened.add(descriptor)
        raise OSError(28, "No space left on device")

    def closed(descriptor: int) -> None:
        opened.discard(descriptor)
        close(descriptor)

    def removed(path: Path, missing_ok: bool = False) -> None:
        assert not opened
        unlink(path, missing_ok)

    monkeypatch.setattr(os, "fsync", fail)
    monkeypatch.setattr(os, "close", closed)
    monkeypatch.setattr(Path, "unlink", removed)
    run = netgen("build", LENET, "--no-smoke", cwd=tmp_path)
    assert run.stderr == "error[NG501]: can't write `lenet.py`: no space left on device\n"
    assert [*tmp_path.iterdir()] == []


def test_git_may_change_the_line_breaks(tmp_path: Path) -> None:
    """With `core.autocrlf`, as on Windows, a checkout has other breaks; what is edited is kept."""
    target, spec = tmp_path / "lenet.py", tmp_path / "lenet.yaml"
    spec.write_bytes(LENET.read_bytes().replace(b"\n", b"\r\n"))
    target.write_bytes(GOLDEN.encode().replace(b"\n", b"\r\n"))
    assert netgen("build", "lenet.yaml", "--check", cwd=tmp_path).returncode == 0
    assert netgen("build", "lenet.yaml", "--no-smoke", cwd=tmp_path).returncode == 0
    assert target.read_bytes() == GOLDEN.encode()
    edited = GOLDEN.replace("kernel_size=5", "kernel_size=3").replace("\n", "\r\n").encode()
    target.write_bytes(edited)
    for words in (("--check",), ("--no-smoke",)):
        assert netgen("build", "lenet.yaml", *words, cwd=tmp_path).returncode == 1
        assert target.read_bytes() == edited


def test_what_is_included_has_one_name_on_every_system(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The digest covers the names of all files, so they are written in one way."""
    (tmp_path / "parts").mkdir()
    block = "layers: [{Linear: 3}]"
    (tmp_path / "net.yaml").write_text(
        "name: Net\ninput: [4]\ninclude: [parts/one.yaml]\nlayers: [One, Two]\n"
    )
    (tmp_path / "parts" / "one.yaml").write_text(
        f"include: [../two.yaml]\nblocks:\n  One: {{{block}}}\n"
    )
    (tmp_path / "two.yaml").write_text(f"blocks:\n  Two: {{{block}}}\n")
    spec = tmp_path / "net.yaml"
    here = torch_netgen.build(spec, smoke=False)
    relpath = os.path.relpath
    monkeypatch.setattr(os.path, "relpath", lambda *a: relpath(*a).replace("/", "\\"))
    monkeypatch.setattr(os, "sep", "\\")
    assert torch_netgen.build(spec, smoke=False).source == here.source


def test_a_process_ends_with_its_input_whatever_it_is_doing() -> None:
    code = """
        import sys, time
        from torch_netgen.run.proofs.parent import requests
        print(next(requests(sys.stdin)), end="", flush=True)
        time.sleep(60)
    """
    lines = "\n".join(line.strip() for line in code.strip().split("\n"))
    command = [sys.executable, "-c", lines]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(b"a request\n")
    process.stdin.flush()
    assert process.stdout.readline() == b"a request\n"
    process.stdin.close()
    assert process.wait(10) == 0
    process.stdout.close()
