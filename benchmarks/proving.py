"""What a smoke-run takes beside what no proof can save: making the network, and running it once.

``python -m benchmarks.proving FILE CLASS PLAN`` prints the seconds of the latter: the generated
network is made, takes one training step with a batch of 2 and one evaluation with a batch of 3, on
one thread, in a process that has torch already.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .commands import NETGEN, environment, fresh_folder


@dataclass(frozen=True, slots=True)
class Costs:
    """Seconds of the default proofs, of those of other members, and of what can't be saved."""

    proofs: float
    members: float
    least: float


def proving(config: Path, pairs: int) -> list[Costs]:
    """The costs of so many runs, each beside a run of the least, after one to warm up."""
    return [_costs(config) for _ in range(pairs + 1)][1:]


def _costs(config: Path) -> Costs:
    from torch_netgen.analysis.prediction import check_source
    from torch_netgen.spec.given import read

    plan = check_source(read(config), {}).plan
    with fresh_folder() as folder:
        words = (NETGEN, "build", "--device", "cpu", "--format", "json", "-o", "out.py", config)
        (result,) = json.loads(_told(folder, *words))["results"]
        (proof,) = result["proofs"]
        (folder / "plan.json").write_text(json.dumps(plan.request()), encoding="utf-8")
        command = (sys.executable, "-m", __name__, "out.py", plan.class_name, "plan.json")
        least = float(_told(folder, *command))
    members = sum(x["seconds"] for x in proof["levels"] if x["level"] == "arguments")
    return Costs(proof["seconds"], members, least)


def _told(folder: Path, *command: object) -> str:
    from . import ROOT

    words, env = [*map(str, command)], {**environment(folder), "PYTHONPATH": str(ROOT)}
    run = subprocess.run(words, cwd=folder, env=env, stdout=subprocess.PIPE, check=True, text=True)
    return run.stdout


def _least(file: str, class_name: str, plan: Mapping[str, Any]) -> float:
    import torch
    from torch_netgen.run.proofs.gradients import differentiate
    from torch_netgen.run.proofs.subject import load, samples

    torch.set_num_threads(1)
    module, _ = load(Path(file).read_text(encoding="utf-8"), class_name)
    begun = time.perf_counter()
    network = getattr(module, class_name)()
    differentiate(network(*samples(plan["runs"][0], "cpu")))
    network.eval()
    with torch.no_grad():
        network(*samples(plan["runs"][1], "cpu"))
    return time.perf_counter() - begun


if __name__ == "__main__":
    planned = json.loads(Path(sys.argv[3]).read_text(encoding="utf-8"))
    print(_least(sys.argv[1], sys.argv[2], planned))
