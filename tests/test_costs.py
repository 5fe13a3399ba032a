"""What netgen costs, in counts: they are the same on each machine, however busy it is.

A bound stands about 3 % above what is counted now: a small addition anywhere is no failure.
Where a change lowers a count, lower the bound.
"""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.costs import Costs, counted, growth, imported
from benchmarks.growth import instructions
from benchmarks.specs import GROWING, chain, equal

from .conftest import ROOT

LENET = ROOT / "configs" / "lenet.yaml"
COMMAND = (sys.executable, "-P", "-m", "torch_netgen")
BUILD = ("build", "--no-smoke", "-o", "-")


def own(modules: set[str]) -> set[str]:
    return {name for name in modules if name.partition(".")[0] == "torch_netgen"}


def folders(modules: set[str]) -> set[str]:
    """The folders of netgen that some of the modules are in."""
    return {name.split(".")[1] for name in own(modules) if "." in name}


def third_party(modules: set[str]) -> set[str]:
    """The packages that pip has installed."""
    installed = importlib.metadata.packages_distributions()
    return {name.partition(".")[0] for name in modules} & {*installed} - {"torch_netgen"}


def costs_of(text: str, folder: Path, *verb: str) -> Costs:
    path = folder / "spec.yaml"
    path.write_text(text)
    costs = counted(folder, *verb, path)
    assert costs.code == 0
    return costs


def test_the_version_is_told_without_the_rest(tmp_path: Path) -> None:
    modules = imported(tmp_path, *COMMAND, "--version")
    assert third_party(modules) == set()
    names = {"torch_netgen", "torch_netgen.__main__", "torch_netgen.entry", "torch_netgen.version"}
    assert own(modules) <= names
    assert "typing" not in modules  # it takes a third of the time


def test_a_check_imports_what_it_needs(tmp_path: Path) -> None:
    modules = imported(tmp_path, *COMMAND, "check", LENET)
    # no jinja2, no black, no torch, and of pydantic its core alone: what a check does not need is
    # not waited for
    assert third_party(modules) == {"msgspec", "pydantic_core", "typing_extensions", "yaml"}
    # what writes, runs and draws is not needed either
    assert not folders(modules) & {"emit", "lsp", "pipeline", "views"}
    assert not modules & {"importlib.metadata", "email", "zipfile", "shutil", "json", "difflib"}


def test_the_run_imports_little_beside_torch(tmp_path: Path) -> None:
    """The process that runs the generated source reads no specs."""
    code = "import sys, torch; had = {*sys.modules}; import torch_netgen.run.worker; "
    code += "print(*sys.modules.keys() - had)"
    command = [sys.executable, "-c", code]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    modules = {*run.stdout.split()}
    assert third_party(modules) == {"msgspec"}
    assert not folders(modules) & {"cli", "emit", "jobs", "lower", "pipeline", "spec", "views"}


def test_a_check_builds_what_the_spec_needs(tmp_path: Path) -> None:
    costs = counted(tmp_path, "check", LENET)
    # the document, an input, a parameter; Conv2d, ReLU, MaxPool2d, Flatten, Linear
    assert costs.validators == 8


@pytest.mark.linux
@pytest.mark.slow
def test_a_check_takes_few_instructions_beside_its_libraries() -> None:
    found = instructions()
    if not found:
        pytest.skip("there is no valgrind on this machine")
    # now 0.98 times as many as the import of the libraries, of which it leaves out a part
    assert found["check"] <= 1.01 * found["libraries"]


@pytest.mark.parametrize(("text", "lines"), [(LENET.read_text(), 50), (equal(1000), 31)])
def test_black_is_called_once(text: str, lines: int, tmp_path: Path) -> None:
    costs = costs_of(text, tmp_path, *BUILD)
    assert costs.formats == 1
    # black takes as long as all else together, and the more the more lines it gets
    assert costs.formatted <= lines


def test_each_rule_is_evaluated_five_times(tmp_path: Path) -> None:
    """As the layer is read, and for batches of 2, 3, 7 and 1,000: for 1,000 layers as for 100."""
    for layers in (100, 1000):
        assert costs_of(chain(layers), tmp_path, "check").rules == 5 * layers


# how often functions are called, by the first number of a thing; and what one more from the middle
# number on costs against one more up to there: 1 if cost grows as the number does, 2 if as its
# square. Blocks in blocks grow a little more, as the paths in them do
CALLS = {
    "layers": (67_100, 1.02),
    "blocks": (112_900, 1.02),
    "uses": (100_700, 1.02),
    "branches": (72_100, 1.02),
    "depth": (75_900, 1.12),
}


# more calls are made by `re` and `typing` of newer Pythons, as modules are read
NEWER = 4_000 if sys.version_info >= (3, 13) else 0


@pytest.mark.parametrize("key", GROWING)
def test_cost_grows_as_the_spec_does(key: str, tmp_path: Path) -> None:
    _, make, sizes = GROWING[key]
    small, middle, large = (costs_of(make(size), tmp_path, "check").calls for size in sizes)
    base, most = CALLS[key]
    assert small <= base + NEWER
    assert growth(small, middle, large, sizes) <= most
