"""The extension for VS Code: its types, its tests against the language server, and its package."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

from .conftest import ROOT

EXTENSION = ROOT / "editors" / "vscode"
NPM = shutil.which("npm")
# what `make vscode` and VS Code leave there
MADE = ("node_modules", "dist", "out", "*.vsix")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(NPM is None, reason="npm is not installed"),
]


def npm(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    assert NPM is not None
    found = {**os.environ, "NETGEN": str(Path(sys.executable).with_name("netgen"))}
    return subprocess.run([NPM, *words], cwd=folder, env=found, capture_output=True, text=True)


@pytest.fixture(scope="module")
def extension(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the extension with what it needs installed."""
    folder = tmp_path_factory.mktemp("extension") / "vscode"
    shutil.copytree(EXTENSION, folder, ignore=shutil.ignore_patterns(*MADE))
    if npm(folder, "ping").returncode:
        pytest.skip("npm's registry can't be reached")
    made = npm(folder, "ci", "--no-audit", "--no-fund")
    assert made.returncode == 0, made.stderr
    return folder


def test_its_client_talks_to_the_server(extension: Path) -> None:
    run = npm(extension, "test")
    assert run.returncode == 0, run.stdout + run.stderr
    assert "# fail 0" in run.stdout


def test_it_is_packed_with_what_it_runs(extension: Path) -> None:
    run = npm(extension, "run", "pack")
    assert run.returncode == 0, run.stdout + run.stderr
    with ZipFile(extension / "netgen.vsix") as packed:
        about = json.loads(packed.read("extension/package.json"))
        held = {name.lower() for name in packed.namelist()}
        bundle = packed.read(f"extension/{about['main'].removeprefix('./')}").decode()
    assert {"extension/readme.md", "extension/license.txt"} <= held
    assert not [name for name in held if "node_modules" in name or name.endswith(".ts")]
    assert 'require("vscode")' in bundle  # which is the editor's own
