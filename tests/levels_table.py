"""Which config passes which proof on this machine, as a page: ``python -m tests.levels_table``.

With names of configs only these are run, and their rows are put into the page that is there. Rows
from before there was one of the proofs are dropped: their cells would stand in the wrong columns.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from torch_netgen import NetgenError
from torch_netgen.ir.levels import DEFAULT_LEVELS, LEVELS, Demand
from torch_netgen.pipeline import build_source
from torch_netgen.run.smoke import Worker
from torch_netgen.spec.given import read

from .conftest import CONFIGS, ROOT

PAGE = ROOT / "docs" / "proofs-of-configs.md"
MORE = tuple(level for level in LEVELS if level not in DEFAULT_LEVELS)
TIMEOUT = 1500.0  # seconds for one level: compiling takes minutes


def passed(path: Path, levels: tuple[str, ...], worker: Worker) -> str:
    """An empty text, or why the levels could not be shown."""
    try:
        build_source(read(path), {}, worker, Demand("cpu", levels=("forward", *levels)))
    except NetgenError as error:
        return error.diagnostics[0].message
    return ""


def row(path: Path) -> tuple[str, list[str]]:
    """The row of a config, and notes on what failed."""
    cells, notes = [], []
    with Worker(TIMEOUT) as worker:
        for levels in (DEFAULT_LEVELS, *((level,) for level in MORE)):
            why = passed(path, levels, worker)
            cells.append("no" if why else "yes")
            if why:
                notes.append(f"- `{path.stem}`: {why}")
            print(path.stem, *levels, why or "yes", flush=True)
    return f"| `{path.stem}` | {' | '.join(cells)} |", notes


def page(rows: list[str], notes: list[str]) -> str:
    """The page."""
    columns = ["forward, backward, eval", *MORE]
    head = f"| config | {' | '.join(columns)} |\n|---|{'---|' * len(columns)}"
    failed = "\n".join(notes) or "Nothing failed."
    return (
        "# What was shown of each config\n\n"
        "Made by `make levels`, on a CPU with 2 cores, torch "
        f"{torch.__version__.partition('+')[0]}. [Proofs](proofs.md) says what each level is.\n\n"
        f"{head}\n" + "\n".join(rows) + f"\n\n## What failed, and why\n\n{failed}\n"
    )


def main(names: list[str]) -> None:
    """Run, and write the page."""
    lines = PAGE.read_text(encoding="utf-8").splitlines() if PAGE.is_file() else []
    whole = [line for line in lines if line.startswith("| `") and line.count("|") == 3 + len(MORE)]
    rows = {line.split("`")[1]: line for line in whole}
    notes = [line for line in lines if line.startswith("- `")]
    for path in CONFIGS:
        if not names or path.stem in names:
            rows[path.stem], found = row(path)
            notes = [note for note in notes if note.split("`")[1] != path.stem] + found
            ordered = [rows[name] for name in sorted(rows)]
            PAGE.write_text(page(ordered, sorted(notes)), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
