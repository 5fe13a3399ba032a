"""A page of the documentation followed as a reader would follow it, block by block.

What a page does with its blocks:

- "save this as `FILE`" before a block: it is written to that file; so is one that begins with
  ``# FILE.py`` or ``# FILE.yaml``.
- `diff`, after "in `FILE`": the lines with a minus are replaced by those with a plus.
- `console`: each line that begins with ``$`` is run, and what stands below it is what it prints.
  ``...`` alone on a line stands for any lines; where nothing is shown anything may be printed.
- `sh`: each line is run.
- `python`: it is run, after the blocks above it; `text` right below it is what it prints. Lines of
  a generated file are looked for in what the page's specs give.

What differs from run to run is made equal: seconds, digests, torch's version, the device, and the
numbers of a training.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

# commands of the pages that are not run, and why
NOT_RUN = {
    "make baselines": "sets up an environment, for minutes; `.ci/run` begins with it",
    "make test": "would run this test in itself",
    "make train": "needs what `make` sets up; tests/test_examples.py trains",
    "make train-text": "the same",
    "make vscode": "needs npm; tests/test_vscode.py tests and packs the extension",
    "code --install-extension editors/vscode/netgen.vsix": "needs VS Code",
    "make golden": "writes what the tests expect",
    "docker build -t netgen .": "needs Docker",
    'docker run --rm -v "$PWD:/work" netgen build net.yaml': "needs Docker",
    "pipx run --spec dist/*.whl torch-netgen build net.yaml": "needs pipx, and takes a new torch",
    "uvx --from dist/*.whl netgen build net.yaml": "needs uv, and takes a new torch",
    "source .venv/bin/activate": "the tests have an environment already",
    "netgen completion bash > ~/.local/share/bash-completion/completions/netgen": "writes to home",
    'netgen completion zsh > "${fpath[1]}/_netgen"': "writes to home",
    "netgen completion fish > ~/.config/fish/completions/netgen.fish": "writes to home",
    "claude mcp add netgen -- netgen mcp": "needs Claude Code",
    "pip install 'torch-netgen[mcp]'": "takes what the index has",
    "pip install 'torch-netgen[studio]'": "takes what the index has",
    "netgen studio": "serves a page for ever",
    "netgen watch starter.yaml": "waits for changes for ever",
    "torchrun --nnodes 4 --nproc-per-node 8 --rdzv-backend c10d"
    " --rdzv-endpoint first:29500 train.py": "needs four machines with GPUs",
}
SHOWN_ONLY = ("", "lua", "text")  # languages of blocks that are nothing to run
VARIES = (
    (r"\d+(\.\d+)? ?s\b", "<seconds>"),
    (r"\d+ deselected", "<others> deselected"),
    (r"digest [0-9a-f]{12}", "digest <digest>"),
    (r"\(torch [^)]+\)", "(torch <version>)"),
    (r"smoke-run on \S+:", "smoke-run on <device>:"),
    (r"fell from \S+ to \S+ in \d+ steps?", "fell"),
    (r"\bloss \d+\.\d+", "loss <number>"),
    (r"largest difference [^)]+", "largest difference <number>"),
)
_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_SAVED = re.compile(r"[Ss]ave (?:this|it) as `([^`]+)`")
_EDITED = re.compile(r"[Ii]n `([^`]+\.\w+)`")
_NAMED = re.compile(r"# ([\w/]+\.(?:py|yaml))\n")


@dataclass(frozen=True, slots=True)
class Block:
    """A block of a page: its language, its text, and what the page says right before it."""

    language: str
    text: str
    before: str

    @property
    def file(self) -> str | None:
        """The file that it is saved as, if it is."""
        said = _SAVED.findall(self.before)
        named = _NAMED.match(self.text) if self.language in ("python", "yaml") else None
        return said[-1] if said else named[1] if named else None

    @property
    def is_excerpt(self) -> bool:
        """Whether it shows some lines of a generated file."""
        shown = self.language == "python" and re.search(r"^\s*self\.", self.text, re.M)
        return bool(shown) and self.file is None

    def commands(self) -> list[tuple[str, list[str]]]:
        """The commands, each with the lines that it prints."""
        if self.language == "sh":
            return [(line, []) for line in self.text.splitlines() if not line.startswith("#")]
        parts = re.split(r"^\$ ", self.text, flags=re.MULTILINE)
        assert parts[0] == "", f"a console shows a command first: {self.text}"
        return [(part.splitlines()[0], part.splitlines()[1:]) for part in parts[1:]]


def blocks(page: Path) -> list[Block]:
    """All blocks of a page."""
    text, end, found = page.read_text(encoding="utf-8"), 0, []
    for block in _BLOCK.finditer(text):
        found.append(Block(block[1], block[2], text[end : block.start()]))
        end = block.end()
    return found


def bare(command: str) -> str:
    """A command without what is said of it behind a hash."""
    return re.sub(r"\s+# .*", "", command).strip()


def alike(line: str) -> str:
    """A line without what differs from run to run."""
    for pattern, name in VARIES:
        line = re.sub(pattern, name, line)
    return line.rstrip()


def fits(shown: list[str], printed: list[str]) -> bool:
    """Whether lines are as they are shown."""
    parts = (
        "(?:.*\n)*?" if line.strip() == "..." else re.escape(f"{alike(line)}\n") for line in shown
    )
    return re.fullmatch("".join(parts), "".join(f"{alike(line)}\n" for line in printed)) is not None


class Walkthrough:
    """A reader in a folder; `env` are variables of the commands that are run there."""

    def __init__(self, folder: Path, env: dict[str, str]) -> None:
        self.folder, self.env = (
            folder,
            {
                **os.environ,
                "CUDA_VISIBLE_DEVICES": "",
                "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
                "PYTHONUNBUFFERED": "1",  # what is printed comes in order, as on a terminal
                "XDG_CACHE_HOME": f"{folder}/.cache",
                **env,
            },
        )
        self.names: dict[str, Any] = {"__name__": "__page__"}
        self.saved: set[str] = set()
        self.ran: list[str] = []

    def follow(self, page: list[Block]) -> None:
        """Do what the page says."""
        for block, following in zip_longest(page, page[1:]):
            if block.file is not None:
                self.save(block.file, block.text)
            elif block.language == "diff":
                self.edit(_EDITED.findall(block.before)[-1], block.text)
            elif block.language in ("console", "sh"):
                for command, shown in block.commands():
                    self.run(bare(command), shown)
            elif block.language == "python" and not block.is_excerpt:
                printed = self.execute(block.text)
                if following and following.language == "text" and not following.before.strip():
                    assert fits(following.text.splitlines(), printed), "\n".join(printed)
            elif block.language == "json":
                json.loads(block.text)
            else:
                assert block.language in ("python", "yaml", *SHOWN_ONLY), block.language

    def save(self, name: str, text: str) -> None:
        """Write a file; it must be one that can be read, if it is Python."""
        if name.endswith(".py"):
            compile(text, name, "exec")
        self.saved.add(name)
        (self.folder / name).write_text(text, encoding="utf-8")

    def edit(self, name: str, diff: str) -> None:
        """Change a file as it is shown, at the one place where the lines stand."""
        path, lines = self.folder / name, diff.splitlines(keepends=True)
        old, new = ("".join(ln[1:] for ln in lines if ln[0] in signs) for signs in (" -", " +"))
        text = path.read_text(encoding="utf-8")
        assert text.count(old) == 1, f"{name} does not hold once:\n{old}"
        path.write_text(text.replace(old, new), encoding="utf-8")

    def run(self, command: str, shown: list[str]) -> None:
        """Run a command in a shell; it fails if it is shown to, and prints what is shown."""
        self.ran.append(command)
        if command in NOT_RUN:
            return
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=self.folder,
            env=self.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        fails = any(line.startswith(("error[", "netgen: ")) for line in shown)
        assert done.returncode == fails, f"{command}\n{done.stdout}"
        assert not shown or fits(shown, done.stdout.splitlines()), f"{command}\n{done.stdout}"

    def execute(self, code: str) -> list[str]:
        """What Python prints; names stay known for the blocks below."""
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            exec(compile(code, "<the page>", "exec"), self.names)
        return said.getvalue().splitlines()
