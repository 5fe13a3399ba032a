"""Other tools that generate PyTorch models: ``python -m benchmarks.rivals``, `make bench-rivals`.

Each lives in an environment of its own below `build/`. None of them runs what it generates, so
netgen's time beside theirs is that of `--no-smoke`.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import CONFIGS, KEPT, ROOT, book, tables
from .commands import PAIRS, command, fresh_folder, in_turn, netgen, run
from .figures import shown, spread

HOMES = ROOT / "build" / "rivals"
SPECS = Path(__file__).parent / "rival_specs"
PINNED = ("torch==2.13.0",)  # none of them needs torch to generate: this keeps another one out
SHAPES = {"lenet": (2, 1, 32, 32), "mnist": (2, 1, 28, 28)}


@dataclass(frozen=True, slots=True)
class Rival:
    """A tool: what pip installs, and the command that generates a network into a file."""

    name: str
    version: str
    command: str
    output: str = "out.py"

    def words(self, net: str) -> list[str]:
        """The command for a network."""
        places = {"bin": HOMES / self.name / "bin", "spec": SPECS / net}
        return [word.format(**places) for word in self.command.split()]


RIVALS = (
    Rival("structcast-model", "6.0.1", "{bin}/scm torch create model {spec}.scm.yaml -o out.py"),
    Rival("n-orca", "0.2.0", "{bin}/n-orca compile pytorch {spec}.n.orca.md --out out.py"),
    Rival("besser", "8.4.1", "{bin}/python {spec}.besser .", "pytorch_nn_subclassing.py"),
)


def install(rival: Rival) -> None:
    """Put a tool into its environment, unless it is there."""
    home = HOMES / rival.name
    wanted = f"{rival.name}=={rival.version}"
    mark = home / wanted
    if not mark.is_file():
        venv.create(home, with_pip=True, clear=True)
        pinned = HOMES / "pinned.txt"
        pinned.write_text("\n".join(PINNED) + "\n", encoding="utf-8")
        pip = [str(home / "bin" / "python"), "-m", "pip", "install", "--quiet"]
        subprocess.run([*pip, "--constraint", str(pinned), wanted], check=True)
        mark.touch()


def row(rival: Rival, net: str, pairs: int) -> list[str]:
    """What a tool takes for a network, what netgen takes, and what comes out of the tool."""
    install(rival)
    words = rival.words(net)
    ours = netgen("build", "--no-smoke", "-o", "out.py", CONFIGS / f"{net}.yaml")
    theirs, mine = in_turn((command(*words), ours), pairs)
    seconds = [sample.seconds for sample in theirs]
    low, high = (shown(value, "s") for value in spread(seconds))
    netgens = shown(statistics.median(sample.seconds for sample in mine), "s")
    with fresh_folder() as folder:
        run(words, folder)
        text = (folder / rival.output).read_text(encoding="utf-8")
    median = shown(statistics.median(seconds), "s")
    name = f"{rival.name} {rival.version}"
    return [name, net, median, f"{low} to {high}", netgens, _looked_at(text, net)]


def _looked_at(text: str, net: str) -> str:
    """What a generated source comes to when it is run."""
    code = "import sys; from benchmarks.rivals import tell; tell(sys.stdin.read(), sys.argv[1])"
    words = [sys.executable, "-c", code, net]
    found = subprocess.run(words, cwd=ROOT, input=text, capture_output=True, text=True, check=True)
    return found.stdout.strip()


def tell(text: str, net: str) -> None:
    """Print what a generated source comes to: its parameters, and whether its output is right."""
    import torch
    from torch import nn
    from torch_netgen import build

    names: dict[str, Any] = {"__name__": "rival"}
    exec(compile(text, "rival", "exec"), names)
    kinds = [x for x in names.values() if isinstance(x, type) and issubclass(x, nn.Module)]
    (kind,) = (x for x in kinds if x.__module__ == "rival")
    torch.manual_seed(0)
    network, x = kind().eval(), torch.randn(SHAPES[net])
    reference = build(CONFIGS / f"{net}.yaml", smoke=False).module_class().eval()
    weights = reference.state_dict().values()
    network.load_state_dict(dict(zip(network.state_dict(), weights, strict=True)))
    same = torch.allclose(network(x), reference(x), atol=1e-5)
    count = sum(weight.numel() for weight in network.parameters())
    print(f"{count:,} parameters, {'the same output' if same else 'another output'}")


def main() -> None:
    """Measure, print and keep."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.rivals", description=__doc__)
    parser.add_argument("--json", type=Path, default=KEPT, help="where the figures are kept")
    options = parser.parse_args()
    HOMES.mkdir(parents=True, exist_ok=True)
    rows = [row(rival, net, PAIRS) for rival in RIVALS for net in SHAPES]
    book.write(options.json, {**book.read(options.json), "rivals": rows})
    print(tables.text(tables.RIVALS, rows), end="")


if __name__ == "__main__":
    main()
