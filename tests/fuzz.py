"""Specs made at random: text, values, and good specs with something changed in them.

``python -m tests.fuzz --count 50000`` tries as many: each is built, or refused by diagnostics, in
seconds; what is built compiles, and one in a few is run and held against every prediction.
"""

from __future__ import annotations

import argparse
import copy
import random
import sys
import time
import traceback
from dataclasses import dataclass, field
from multiprocessing import get_context
from typing import Any

from torch_netgen import NetgenError
from torch_netgen.diagnostics.codes import CODES
from torch_netgen.pipeline import build_source
from torch_netgen.run.smoke import Worker
from torch_netgen.spec.source import Source, from_mapping, parse

from .conftest import CONFIGS, CPU, ROOT, SPECS

SECONDS = 15  # far more than any of these takes

VALUES: list[Any] = [
    None, True, False, 0, -1, 1, 2, 3, 1000, 10**9, 2**31, 10**25, 1.5, -0.5, float("inf"),
    float("nan"), "", "x", "input", "same", "$(in_channels)", "$index", "$(1//0)", "$(in_shape)",
    "a.b", "N", "T", "é", "relu", "flatten", "conv1", "class", "self", "torch", '"""', "a\nb", [],
    [1], [1, 2], [2, -1], [0], {}, {"a": 1}, ["x", "x"], [[1, 2]], "$(min(3,4))", "$width",
    "Linear", {"Linear": 3}, {"ReLU": None},
]  # fmt: skip
KEYS = (
    "name from repeat when else padding stride bias dim groups num_layers return_indices x".split()
)


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [path] if path else []
    items: Any = ()
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, list):
        items = enumerate(value)
    for key, inner in items:
        found += _places(inner, (*path, key))
    return found


def mutated(draws: random.Random, spec: Any) -> Any:
    """The spec with one or two of its values replaced, removed, added or doubled."""
    for _ in range(draws.randint(1, 2)):
        *outer, last = draws.choice(_places(spec) or [("name",)])
        holder = spec
        for step in outer:
            holder = holder[step]
        kind = draws.random()
        if kind < 0.5:
            holder[last] = copy.deepcopy(draws.choice(VALUES))
        elif kind < 0.4:
            del holder[last]
        elif kind < 0.8 and isinstance(holder[last], dict):
            holder[last][draws.choice(KEYS)] = copy.deepcopy(draws.choice(VALUES))
        elif isinstance(holder, list):
            holder.insert(last, copy.deepcopy(holder[last]))
    return spec


GOOD = [path.read_text(encoding="utf-8") for path in (*SPECS, *SPECS, *CONFIGS)]
BAD = [path.read_text(encoding="utf-8") for path in sorted((ROOT / "tests/bad").glob("*.yaml"))]
PIECES = [
    *"[]{}:,-$()#&*!|>'\"%@`?\\\t\n .0919azN",
    *("\n  - ", ": ", "$(", "))", "'''", '"""', "<<: *a", "&a ", "*a", "---", "\u202e", "\x00"),
    *("Conv2d", "Linear", "repeat: 3", "when: false", "from: [x, x]", "name: a", "null", "1e400"),
    *(
        "99999999999",
        "-1",
        "$in_channels",
        "$(index)",
        "layers:",
        "branches:",
        "{{ x }}",
        "é",
        "💥",
    ),
]


def changed_text(draws: random.Random, text: str) -> str:
    """A text with a few pieces put in, taken out or moved."""
    for _ in range(draws.randint(1, 2)):
        place, length = draws.randrange(len(text) + 1), draws.choice((0, 1, 1, 2, 5, 20))
        piece = draws.choice((*PIECES, "")) if draws.random() < 0.8 else text[:place][-length:]
        text = text[:place] + piece + text[place + length :]
    return text


def random_value(draws: random.Random, depth: int = 0) -> Any:
    """A tree of values that know nothing of specs."""
    kind = draws.random()
    if depth > 4 or kind < 0.4:
        return copy.deepcopy(draws.choice(VALUES))
    if kind < 0.7:
        return [random_value(draws, depth + 1) for _ in range(draws.randint(0, 4))]
    words = [*KEYS, *CODES, "Linear", "Conv2d", "ReLU", "Add", "Sequential", "layers", "branches"]
    return {draws.choice(words): random_value(draws, depth + 1) for _ in range(draws.randint(0, 4))}


def random_spec(draws: random.Random) -> Any:
    """A document with known keys, and anything under them."""
    layers = [random_value(draws, 2) for _ in range(3)]
    spec: dict[str, Any] = {"name": "A", "input": [4], "layers": layers}
    for key in (
        "params",
        "blocks",
        "outputs",
        "init",
        "tie",
        "alias",
        "inputs",
        "sizes",
        "style",
        "layers",
    ):
        if draws.random() < 0.2:
            spec[key] = random_value(draws)
    return spec


def source(draws: random.Random) -> Source:
    """A spec of one of the kinds; raises `NetgenError` where it is not even YAML."""
    kind = draws.random()
    if kind < 0.3:
        return parse(changed_text(draws, draws.choice(GOOD)), "fuzz.yaml")
    if kind < 0.35:
        return parse(changed_text(draws, draws.choice(BAD)), "fuzz.yaml")
    if kind < 0.4:
        return parse("".join(draws.choices(PIECES, k=draws.randint(0, 60))), "fuzz.yaml")
    if kind < 0.5:
        return from_mapping(random_spec(draws))
    spec = mutated(draws, parse(draws.choice(GOOD), "fuzz.yaml").values)
    return from_mapping(spec if isinstance(spec, dict) else {"name": spec})


@dataclass
class Tally:
    """What became of the specs, and how long the slowest took in seconds."""

    built: int = 0
    refused: int = 0
    run: int = 0
    slowest: float = 0.0
    codes: dict[str, int] = field(default_factory=dict)
    defects: list[str] = field(default_factory=list)

    def __add__(self, other: Tally) -> Tally:
        codes = {c: self.codes.get(c, 0) + other.codes.get(c, 0) for c in self.codes | other.codes}
        sums = (self.built + other.built, self.refused + other.refused, self.run + other.run)
        slowest = max(self.slowest, other.slowest)
        return Tally(*sums, slowest, codes, [*self.defects, *other.defects])


def fuzz(count: int, seed: int, run_every: int) -> Tally:
    """Try so many specs; whatever is neither built nor refused in seconds is a defect."""
    tally = Tally()
    with Worker() as worker:
        for number in range(count):
            draws = random.Random(f"{seed}/{number}")
            start = time.perf_counter()
            try:
                attempt(draws, tally, worker if number % run_every == 0 else None)
            except Exception:
                defect = f"seed {seed}, number {number}:\n{traceback.format_exc(-3)}"
                tally.defects.append(defect)
                print(defect, flush=True)
            seconds = time.perf_counter() - start
            tally.slowest = max(tally.slowest, seconds)
            if seconds > SECONDS:
                tally.defects.append(f"seed {seed}, number {number}: {seconds:.0f} s")
    return tally


def attempt(draws: random.Random, tally: Tally, worker: Worker | None) -> None:
    """Build one spec, and run it where there is a worker."""
    try:
        spec = source(draws)
        result = build_source(spec, {}, None)
    except NetgenError as error:
        check_refusal(error)
        tally.refused += 1
        for refusal in error.diagnostics:
            tally.codes[refusal.code] = tally.codes.get(refusal.code, 0) + 1
        return
    compile(result.source, "fuzz.py", "exec")
    tally.built += 1
    if worker is None or result.parameter_count > 10**8:
        return
    tally.run += 1
    try:
        build_source(spec, {}, worker, CPU)
    except NetgenError as error:
        (found,) = error.diagnostics
        # too large, not finite, or overwritten in place: all else is a wrong prediction
        reasons = ("not finite", "modified by an inplace operation")
        meant = found.code == "NG404" or any(reason in found.message for reason in reasons)
        assert meant, f"{found.render()}\n{spec.text}"


def check_refusal(error: NetgenError) -> None:
    """Hold what a refusal says against the rules of messages."""
    assert error.diagnostics
    for found in error.diagnostics:
        assert found.code in CODES
        assert not found.code.startswith("NG4"), found.render()
        assert all(char.isprintable() or char == "\n" for char in found.render())


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--count", type=int, default=50_000)
    arguments.add_argument("--seed", type=int, default=0)
    arguments.add_argument("--jobs", type=int, default=2)
    options = arguments.parse_args()
    start = time.perf_counter()
    share = [(options.count // options.jobs, options.seed + job, 50) for job in range(options.jobs)]
    with get_context("spawn").Pool(options.jobs) as pool:
        total = sum(pool.starmap(fuzz, share), Tally())
    print(f"{total.built} built ({total.run} of them run), {total.refused} refused")
    print(f"slowest {total.slowest:.1f} s; all in {time.perf_counter() - start:.0f} s")
    print(f"{len(total.defects)} defects")
    print(", ".join(f"{code}: {number}" for code, number in sorted(total.codes.items())))
    sys.exit(bool(total.defects))


if __name__ == "__main__":
    main()
