"""`netgen watch`: what is saved is built, whatever happens to the spec, until Ctrl-C."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from torch_netgen.pipeline import build_source
from torch_netgen.spec.source import parse

from .command import netgen

pytestmark = pytest.mark.linux  # it is ended as a terminal's Ctrl-C ends it

DEADLINE = 60.0  # seconds for a line: far more than any takes
READY = " waiting for changes; Ctrl-C ends it"


class Watch:
    """A `netgen watch` that runs, read line by line."""

    def __init__(self, args: tuple[object, ...], folder: Path) -> None:
        command = [sys.executable, "-P", "-m", "torch_netgen", "watch", *map(str, args)]
        pipe, merged = subprocess.PIPE, subprocess.STDOUT
        self.process = subprocess.Popen(command, cwd=folder, stdout=pipe, stderr=merged, text=True)
        self.lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.put(line)

    def round(self) -> str:
        """What is told until it waits for changes."""
        told = ""
        while not told.endswith(f"{READY}\n"):
            told += self.lines.get(timeout=DEADLINE)
        return told

    def children(self) -> list[int]:
        """The processes that it has started."""
        listed = subprocess.run(
            ["ps", "-A", "-o", "ppid=,pid="], capture_output=True, text=True, check=True
        )
        pairs = [line.split() for line in listed.stdout.splitlines()]
        return [int(pid) for parent, pid in pairs if int(parent) == self.process.pid]

    def interrupted(self) -> int:
        """Its exit code after Ctrl-C."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(DEADLINE)


Start = Callable[..., Watch]


@pytest.fixture
def watch(tmp_path: Path) -> Iterator[Start]:
    """Start one in the test's folder; it has ended after the test."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # an ignored one would be inherited
    started: list[Watch] = []

    def start(*args: object) -> Watch:
        started.append(Watch(args, tmp_path))
        return started[-1]

    yield start
    for one in started:
        one.process.kill()
        one.process.communicate()


def spec(features: int, more: str = "") -> str:
    return f"name: Net\ninput: [4]\n{more}layers:\n  - Linear: {features}\n"


def source(text: str) -> str:
    return build_source(parse(text, "net.yaml"), {}, None).source


def save(path: Path, text: str) -> None:
    """As editors do it: a new file in the place of the old one."""
    new = path.parent / f".{path.name}.new"
    new.write_text(text)
    os.replace(new, path)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_each_save_is_built_until_ctrl_c(tmp_path: Path, watch: Start) -> None:
    net, output = tmp_path / "net.yaml", tmp_path / "net.py"
    net.write_text(spec(2))
    running = watch("net.yaml", "--device", "cpu")
    first = running.round()
    assert "smoke-run on cpu: passed" in first
    assert output.read_text() == source(spec(2))
    worker = running.children()
    assert len(worker) == 1

    save(net, spec(3))
    told = running.round()
    assert "smoke-run on cpu: passed" in told
    assert "wrote net.py" in told
    assert output.read_text() == source(spec(3))

    save(net, spec(3).replace("Linear", "Linaer"))
    told = running.round()
    assert "error[NG202]" in told
    assert "net.yaml:4:5" in told
    assert "did you mean `Linear`?" in told
    assert output.read_text() == source(spec(3))

    net.unlink()
    assert "error[NG101]: can't read `net.yaml`: no such file" in running.round()
    assert output.read_text() == source(spec(3))

    save(net, spec(5))
    assert "wrote net.py" in running.round()
    assert output.read_text() == source(spec(5))

    assert running.children() == worker  # one has run them all
    assert running.interrupted() == 0
    assert not any(map(alive, worker))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["net.py", "net.yaml"]


def test_only_what_was_saved_is_built_again(tmp_path: Path, watch: Start) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "real").mkdir()
    (tmp_path / "out").mkdir()
    for path in ("a/one.yaml", "real/two.yaml"):
        (tmp_path / path).write_text(spec(2))
    (tmp_path / "two.yaml").symlink_to("real/two.yaml")
    running = watch("a/one.yaml", "two.yaml", "--no-smoke", "--output-dir", "out")
    first = running.round()
    assert "wrote out/one.py" in first
    assert "wrote out/two.py" in first
    (tmp_path / "a" / "other.yaml").write_text(spec(2))  # concerns nobody
    save(tmp_path / "real" / "two.yaml", spec(3))  # behind the link
    told = running.round()
    assert "wrote out/two.py" in told
    assert "one.py" not in told
    save(tmp_path / "a" / "one.yaml", spec(4))
    told = running.round()
    assert "wrote out/one.py" in told
    assert "two.py" not in told
    assert running.children() == []  # nothing is run, so nothing needs torch
    assert running.interrupted() == 0


OWN = """\
import os
from pathlib import Path

from torch import Tensor, nn

here = Path(__file__).parent
with (here / "loaded").open("a") as log:
    print("once", file=log)
if (here / "new.yaml").exists():
    os.replace(here / "new.yaml", here / "net.yaml")


class Twice(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.repeat(1, 2)
"""
IMPORTS = "imports: {Twice: own.Twice}\n"


@pytest.mark.slow
def test_a_save_during_a_build_is_the_next_one_and_code_counts_too(
    tmp_path: Path, watch: Start
) -> None:
    """The code that the first build runs changes the spec: that build still ends as it began."""
    old, new = (spec(n, IMPORTS).replace("layers:\n", "layers:\n  - Twice\n") for n in (2, 3))
    (tmp_path / "own.py").write_text(OWN)
    (tmp_path / "net.yaml").write_text(old)
    (tmp_path / "new.yaml").write_text(new)
    running = watch("net.yaml", "--allow-imports", "--device", "cpu")
    assert "wrote net.py" in running.round()
    assert "nn.Linear(8, 2)" in (tmp_path / "net.py").read_text()
    assert "wrote net.py" in running.round()
    assert "nn.Linear(8, 3)" in (tmp_path / "net.py").read_text()
    save(tmp_path / "own.py", OWN.replace("repeat(1, 2)", "repeat(1, 4)"))
    assert "wrote net.py" in running.round()
    assert "nn.Linear(16, 3)" in (tmp_path / "net.py").read_text()
    assert running.interrupted() == 0
    # what is written beside the code is no change of it
    assert (tmp_path / "loaded").read_text() == "once\n" * 2


ENDLESS = """\
import time
from pathlib import Path

Path(__file__).with_name("begun").write_text("")
time.sleep(600)
"""


def test_ctrl_c_in_the_middle_of_a_run_leaves_nothing_behind(tmp_path: Path, watch: Start) -> None:
    os.mkfifo(tmp_path / "begun")
    (tmp_path / "own.py").write_text(ENDLESS)
    (tmp_path / "net.yaml").write_text(spec(2, IMPORTS))
    running = watch("net.yaml", "--allow-imports", "--device", "cpu")
    (tmp_path / "begun").read_text()  # until that code runs
    (worker,) = running.children()
    assert running.interrupted() == 0
    assert not alive(worker)
    assert not (tmp_path / "net.py").exists()


@pytest.mark.parametrize("back", [False, True])
def test_a_folder_that_goes_is_told(back: bool, tmp_path: Path, watch: Start) -> None:
    """The system tells nothing of it any more, even if another one takes its name."""
    folder = tmp_path / "specs"
    folder.mkdir()
    (folder / "net.yaml").write_text(spec(2))
    running = watch("specs/net.yaml", "--no-smoke")
    running.round()
    folder.rename(tmp_path / "gone")
    if back:
        folder.mkdir()
    assert running.process.wait(DEADLINE) == 1
    told = ""
    while not told.endswith("when it is back\n"):
        told += running.lines.get(timeout=DEADLINE)
    assert f"error[NG101]: the folder `{folder}` is gone: it can't be watched any more\n" in told
    assert "Traceback" not in told


@pytest.mark.slow
def test_a_variant_is_built_again(tmp_path: Path, watch: Start) -> None:
    text = spec(2).replace("Linear: 2", "Linear: $out")
    text += "params: {out: 2}\nvariants: {n: {out: 3}, s: {out: 4}}\n"
    (tmp_path / "net.yaml").write_text(text)
    running = watch("net.yaml", "--variant", "n", "--no-smoke")
    assert "wrote net_n.py" in running.round()
    assert "out: int = 3" in (tmp_path / "net_n.py").read_text()
    save(tmp_path / "net.yaml", text.replace("out: 3", "out: 5"))
    assert "wrote net_n.py" in running.round()
    assert "out: int = 5" in (tmp_path / "net_n.py").read_text()
    save(tmp_path / "net.yaml", text.replace("n: {", "m: {"))
    assert "error[NG208]: `--variant n`: the spec has no such variant" in running.round()
    assert running.interrupted() == 0
    assert sorted(path.name for path in tmp_path.glob("*.py")) == ["net_n.py"]


def test_nobody_to_tell_is_the_end(tmp_path: Path) -> None:
    (tmp_path / "net.yaml").write_text(spec(2))
    command = [sys.executable, "-P", "-m", "torch_netgen", "watch", "net.yaml", "--no-smoke"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=tmp_path, stdout=pipe, stderr=pipe, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        while not process.stdout.readline().endswith(f"{READY}\n"):
            pass
        process.stdout.close()
        save(tmp_path / "net.yaml", spec(3))
        assert process.wait(DEADLINE) == 1
        assert "nobody reads standard output any more" in process.stderr.read()
    assert (tmp_path / "net.py").read_text() == source(spec(2))


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("-", "standard input can't be watched: give a file"),
        ("gone/net.yaml", "'gone/net.yaml' can't be watched: there is no such folder"),
    ],
)
def test_what_can_not_be_watched(config: str, message: str, tmp_path: Path) -> None:
    run = netgen("watch", config, "-o", "net.py", cwd=tmp_path)
    assert run.returncode == 2
    assert run.stderr.endswith(f"netgen: error: {message}\n")


def test_without_the_library_it_says_what_to_install(tmp_path: Path) -> None:
    code = "import sys; sys.modules['watchfiles'] = None; from torch_netgen.cli.cli import main; "
    code += "sys.exit(main(['watch', 'net.yaml']))"
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert run.returncode == 1
    help = "pip install 'torch-netgen[watch]'"
    assert run.stderr == f"netgen: `watch` needs watchfiles, which is not there: {help}\n"
