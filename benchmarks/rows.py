"""The table: what is held against what, and the goals."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from . import CONFIGS
from .commands import NETGEN, Measure, Sample, fresh_folder, in_turn, netgen, own_peak, python, run
from .figures import Figure
from .inside import forward, propagation
from .proving import proving
from .specs import blocks, chain

LENET, RESNET = CONFIGS / "lenet.yaml", CONFIGS / "resnet50.yaml"
LLAMA = CONFIGS / "llama.yaml"
WRONG = "name: Net\ninput: [4]\nlayers:\n  - Linear: {in_features: 5, out_features: 2}\n"
BUILDS = "import yaml, jinja2, black; from pydantic import BaseModel"
CHECKS = "import yaml; from pydantic import BaseModel"
ONCE = "made, trained for a step with a batch of 2, evaluated with one of 3, on one thread"
SIZES = (100, 1000, 10_000)
DEFAULT, OTHERS = "the default proofs of", "the proofs of other members of"
FEW = 3  # pairs, where each takes many seconds


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the table: `measure` gives its figure, from so many pairs."""

    key: str
    goal: float
    measure: Callable[[Row, int], Figure]


def _commands(what: str, ours: Measure, against: str, theirs: Measure, row: Row, n: int) -> Figure:
    mine, others = in_turn((ours, theirs), n)
    return _figure(row, what, against, mine, [sample.seconds for sample in others])


def _figure(row: Row, what: str, against: str, ours: list[Sample], theirs: list[float]) -> Figure:
    peak = int(statistics.median(sample.peak for sample in ours))
    seconds = (*(sample.seconds for sample in ours),)
    seen = peak if peak > own_peak() else None
    return Figure(row.key, what, against, row.goal, "s", seconds, (*theirs,), seen)


def _build(path: Path) -> Measure:
    return netgen("build", "--no-smoke", "-o", "out.py", path)


def _built(config: Path) -> Callable[[Row, int], Figure]:
    what = f"`netgen build --no-smoke configs/{config.name}`"
    return lambda row, n: _commands(what, _build(config), f"`{BUILDS}`", python(BUILDS), row, n)


def _thousand(row: Row, pairs: int) -> Figure:
    with fresh_folder() as folder:
        path = _write(folder, chain(1000))
        what = "`netgen build --no-smoke` of 1,000 layers"
        return _commands(what, _build(path), f"`{BUILDS}`", python(BUILDS), row, pairs)


def _write(folder: Path, text: str, name: str = "spec.yaml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def _each_layer(row: Row, pairs: int) -> Figure:
    """What a layer more costs: from 1,000 to 10,000 against from 100 to 1,000."""
    with fresh_folder() as folder:
        paths = [_write(folder, chain(size), f"chain{size}.yaml") for size in SIZES]
        few, many, most = in_turn([_build(path) for path in paths], pairs)
    theirs = _each(few, many, SIZES[1] - SIZES[0])
    ours = (*_each(many, most, SIZES[2] - SIZES[1]),)
    what, against = "a layer of 10,000 beyond 1,000", "a layer of 1,000 beyond 100"
    peak = int(statistics.median(sample.peak for sample in most))
    return Figure(row.key, what, against, row.goal, "s", ours, (*theirs,), peak)


def _each(few: list[Sample], many: list[Sample], number: int) -> list[float]:
    return [(b.seconds - a.seconds) / number for a, b in zip(few, many, strict=True)]


def _smoke(row: Row, pairs: int) -> Figure:
    ours = netgen("build", "--device", "cpu", "-o", "out.py", LENET)
    what, torch = "`netgen build configs/lenet.yaml`", "import torch"
    return _commands(what, ours, f"`{torch}`", python(torch), row, pairs)


def _check(row: Row, pairs: int) -> Figure:
    what, theirs = "`netgen check configs/lenet.yaml`", python(CHECKS)
    return _commands(what, netgen("check", LENET), f"`{CHECKS}`", theirs, row, pairs)


def _wrong(row: Row, pairs: int) -> Figure:
    with fresh_folder() as folder:
        ours = netgen("check", _write(folder, WRONG), code=1)
        what = "`netgen check` of a wrong spec"
        return _commands(what, ours, f"`{CHECKS}`", python(CHECKS), row, pairs)


def _version(row: Row, pairs: int) -> Figure:
    return _commands(
        "`netgen --version`", netgen("--version"), "`pass`", python("pass"), row, pairs
    )


def _all_configs(row: Row, pairs: int) -> Figure:
    configs = sorted(CONFIGS.glob("*.yaml"))
    together = netgen("build", "--no-smoke", "--output-dir", ".", *configs)
    ours, *alone = in_turn((together, *map(_build, configs)), pairs)
    sums = [sum(sample.seconds for sample in turn) for turn in zip(*alone, strict=True)]
    what = f"the {len(configs)} configs in one run, `--no-smoke`"
    return _figure(row, what, "each alone, added up", ours, sums)


def _again(row: Row, pairs: int) -> Figure:
    """A second build in the folder and the cache of the first one."""
    words = (str(NETGEN), "build", "--device", "cpu", "-o", "out.py", str(LENET))
    first: list[Sample] = []
    second: list[Sample] = []
    for _ in range(pairs + 1):
        with fresh_folder() as folder:
            first.append(run(words, folder))
            second.append(run(words, folder))
    theirs = [sample.seconds for sample in first[1:]]  # the first of all was to warm up
    return _figure(row, "a second build of `configs/lenet.yaml`", "the first", second[1:], theirs)


def _propagated(row: Row, pairs: int) -> Figure:
    ours, theirs = propagation(RESNET, pairs)
    what, against = "shapes of resnet50 worked out", "its forward on torch's meta device"
    return Figure(row.key, what, against, row.goal, "s", ours, theirs)


def _proving(config: str, part: str, what: str) -> Callable[[Row, int], Figure]:
    """A part of what the proofs take against what no proof can save."""

    def measure(row: Row, pairs: int) -> Figure:
        found = proving(CONFIGS / f"{config}.yaml", min(pairs, FEW))
        ours = tuple(getattr(costs, part) for costs in found)
        least = tuple(costs.least for costs in found)
        return Figure(row.key, f"{what} {config}", ONCE, row.goal, "s", ours, least)

    return measure


def _llama(layers: int) -> list[str]:
    """The options that give a Llama of this many layers the sizes of the one with 7B parameters."""
    sizes = {"vocab_size": 32000, "hidden_size": 4096, "intermediate_size": 11008}
    sizes |= {"num_heads": 32, "num_kv_heads": 32, "num_layers": layers}
    return [word for name, size in sizes.items() for word in ("--set", f"{name}={size}")]


def _equal_blocks(row: Row, pairs: int) -> Figure:
    many, few = (netgen("check", *_llama(layers), LLAMA) for layers in (32, 2))
    what, against = "`netgen check` of a Llama of 7B parameters", "of one with 2 of its 32 layers"
    return _commands(what, many, against, few, row, pairs)


def _piecewise(row: Row, pairs: int) -> Figure:
    words = ("build", "--device", "cpu", "--piecewise", *_llama(32), "-o", "out.py", LLAMA)
    what, torch = "`netgen build --piecewise` of a Llama of 7B parameters", "import torch"
    pairs = min(pairs, FEW)
    return _commands(what, netgen(*words), f"`{torch}`", python(torch), row, pairs)


def _blocks(verb: str, against: str) -> Callable[[Row, int], Figure]:
    """What a spec of 1,000 blocks takes, each of another class."""

    def measure(row: Row, pairs: int) -> Figure:
        with fresh_folder() as folder:
            path = _write(folder, blocks(1000))
            ours = _build(path) if verb == "build" else netgen("check", path)
            what = f"`netgen {verb}{' --no-smoke' * (verb == 'build')}` of 1,000 different blocks"
            pairs = min(pairs, FEW)
            return _commands(what, ours, f"`{against}`", python(against), row, pairs)

    return measure


def _forward(row: Row, pairs: int) -> Figure:
    found = forward(RESNET)
    what = "the generated resnet50's forward: peak memory"
    note = f"{found.calls} aten calls, " + (f"but {found.other}" if found.other else "the same")
    ours, theirs = (float(found.ours),), (float(found.theirs),)
    against = "written by hand as torchvision does"
    return Figure(
        row.key, what, against, row.goal, "bytes", ours, theirs, None, not found.other, note
    )


ROWS: Mapping[str, Row] = {
    row.key: row
    for row in (
        Row("lenet", 1.25, _built(LENET)),
        Row("resnet50", 1.6, _built(RESNET)),
        Row("layers_1000", 1.8, _thousand),
        Row("layers_10000", 1.2, _each_layer),
        Row("smoke", 0.9, _smoke),
        Row("check", 1.35, _check),
        Row("wrong", 1.35, _wrong),
        Row("version", 2.0, _version),
        Row("propagation", 0.01, _propagated),
        Row("configs", 0.60, _all_configs),
        Row("again", 0.15, _again),
        Row("forward", 1.02, _forward),
        Row("proofs_vgg16", 1.8, _proving("vgg16", "proofs", DEFAULT)),
        Row("proofs_resnet50", 1.8, _proving("resnet50", "proofs", DEFAULT)),
        Row("proofs_gpt2", 1.5, _proving("gpt2", "proofs", DEFAULT)),
        Row("members_resnet50", 0.6, _proving("resnet50", "members", OTHERS)),
        Row("equal_blocks", 2.0, _equal_blocks),
        Row("blocks_check", 80, _blocks("check", CHECKS)),
        Row("blocks_build", 100, _blocks("build", BUILDS)),
        Row("piecewise", 120, _piecewise),
    )
}
