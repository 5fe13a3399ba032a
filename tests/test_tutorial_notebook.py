"""The notebook of the tutorial, run as a person would: cell by cell, in a folder of its own."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from typing import Any

import pytest

from .conftest import ROOT

NOTEBOOK = ROOT / "docs" / "tutorial.ipynb"
RUN = """\
import sys
import nbformat
from jupyter_client import AsyncKernelManager
from nbclient import NotebookClient

notebook = nbformat.read(sys.argv[1], 4)
kernel = AsyncKernelManager(kernel_name="python3", transport="ipc", ip="kernel")  # no port is open
NotebookClient(notebook, km=kernel, timeout=120).execute()
nbformat.write(notebook, "done.ipynb")
"""


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> list[list[dict[str, Any]]]:
    """What each cell of code gave; a cell that fails fails the run."""
    pytest.importorskip("nbclient", reason="nbclient is missing")
    pytest.importorskip("ipykernel", reason="ipykernel is missing")
    folder = tmp_path_factory.mktemp("notebook")
    run = subprocess.run(
        [sys.executable, "-c", RUN, str(NOTEBOOK)],
        cwd=folder, env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    done = json.loads((folder / "done.ipynb").read_text())
    return [cell["outputs"] for cell in done["cells"] if cell["cell_type"] == "code"]


def text_of(outputs: list[dict[str, Any]]) -> str:
    parts = [output.get("text") or output["data"]["text/plain"] for output in outputs]
    return "".join("".join(part) for part in parts)


@pytest.mark.slow
def test_it_tells_what_the_page_tells(outputs: list[list[dict[str, Any]]]) -> None:
    page = (ROOT / "docs" / "tutorial.md").read_text()
    _, table, why, wider, mistake, residual, source, losses = outputs
    for shown in (table, residual):
        (page_of_it,) = (output["data"]["text/html"] for output in shown)
        assert "<table>" in "".join(page_of_it)
        assert "data:image/svg+xml" in "".join(page_of_it)
    told = re.findall(r"^  9216 .*flatten, line 10$", text_of(why), re.MULTILINE)
    assert len(told) == 1
    assert told[0] in page
    assert re.search(r"^  7744  = 64 \* 11 \* 11 ", text_of(wider), re.MULTILINE)
    first, *_ = text_of(mistake).splitlines()
    assert first in page
    assert first.startswith("error[NG211]: ")
    assert "nn.Linear(64 * 12 * 12, 128)" in text_of(source)
    found = [float(line.split()[-1]) for line in text_of(losses).splitlines()]
    assert len(found) == 4
    assert found[-1] < 0.5 < 2 < found[0]


def test_it_is_kept_without_what_a_run_gives() -> None:
    cells = json.loads(NOTEBOOK.read_text())["cells"]
    assert all(not cell.get("outputs") and cell.get("execution_count") is None for cell in cells)
