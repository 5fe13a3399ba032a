"""Times and memory of every config on this machine's devices: ``python -m tests.device_figures``.

Rows of other devices stay in the page, so that one page holds several machines.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import torch
from torch_netgen.analysis.memory import shown
from torch_netgen.ir.levels import Demand
from torch_netgen.pipeline import build_source
from torch_netgen.run.smoke import Worker
from torch_netgen.spec.given import read

from .conftest import CONFIGS, ROOT

PAGE = ROOT / "docs" / "figures-of-configs.md"
HEAD = """\
# Figures of each config

Made by `make figures` on each machine, which measures the devices that are there: a batch of 2,
the median and the quartiles in milliseconds ([how](proofs.md#a-report)). A CPU runs on one thread.
Beside them what was computed: multiply-adds for a sample, and what training keeps of the batch.

| config | multiply-adds | kept | device | forward | forward and backward | peak memory |
|---|---|---|---|---|---|---|
"""


def rows(path: Path, worker: Worker) -> dict[tuple[str, str], str]:
    """The rows of a config by its name and the device's."""
    result = build_source(read(path), {}, worker, Demand("all", timed=True))
    figures, found = result.costs, {}
    for proof in result.proofs:
        assert proof.speed is not None
        kind = proof.device.partition(":")[0]
        device = f"{proof.speed['name']} ({kind}, torch {torch.__version__.partition('+')[0]})"
        cells = [f"`{path.stem}`", f"{figures.macs:,}", shown(figures.memory.training), device]
        cells += [_time(proof.speed[key]) for key in ("forward", "forward_backward")]
        peak = proof.speed["forward_backward"]["peak_memory"]
        cells.append("" if peak is None else shown(peak))
        found[path.stem, device] = f"| {' | '.join(cells)} |"
    return found


def _time(measured: dict[str, Any]) -> str:
    low, median, high = (1000 * measured[key] for key in ("low", "median", "high"))
    return f"{median:.2f} ({low:.2f} to {high:.2f})"


def main() -> None:
    """Measure, and write the page."""
    lines = PAGE.read_text(encoding="utf-8").splitlines() if PAGE.is_file() else []
    table = [line for line in lines if line.startswith("| `")]
    known = {(line.split("`")[1], line.split(" | ")[3]): line for line in table}
    with Worker() as worker:
        for path in CONFIGS:
            known |= rows(path, worker)
            print(path.stem, file=sys.stderr, flush=True)
            text = HEAD + "".join(f"{known[key]}\n" for key in sorted(known))
            PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
