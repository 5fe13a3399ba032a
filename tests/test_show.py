"""`netgen show`: the table of a network, right in numbers and at any width."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from torch_netgen.analysis.prediction import check_source
from torch_netgen.spec.source import parse
from torch_netgen.views.bars import short
from torch_netgen.views.show import HEADS, show

from .command import netgen
from .conftest import CONFIGS, ROOT, by_depth
from .networks import built, checked, config

RESNET = ROOT / "configs" / "resnet18.yaml"
SHOWN = ROOT / "tests" / "golden" / "shown"


@pytest.mark.parametrize("name", ["lenet", "resnet18", "gpt2", "unet", "googlenet"])
def test_tables_are_as_reviewed(name: str, request: pytest.FixtureRequest) -> None:
    found = checked(config(name))
    table = show(found, "table", 1, 2, None)
    expected = SHOWN / f"{name}.txt"
    if request.config.getoption("--renew"):
        expected.write_text(table, encoding="utf-8")
    assert table == expected.read_text(encoding="utf-8")


@pytest.mark.parametrize("path", by_depth(CONFIGS))
def test_the_numbers_are_those_of_the_build(path: Path) -> None:
    result = built(path)
    tree: dict[str, Any] = json.loads(show(checked(path), "json", 2, 1, None))
    assert tree["parameters"] == result.parameter_count
    assert tree["macs"] == result.costs.macs == sum(entry["macs"] for entry in tree["entries"])
    assert tree["memory"]["training"] == result.costs.memory.training
    assert sum(entry["kept"] for entry in tree["entries"]) <= tree["memory"]["training"]


def test_activations_are_for_the_batch() -> None:
    text = "name: Net\ninput: [3, 28, 28]\nlayers:\n"
    text += "  - Conv2d: {out_channels: 10, kernel_size: 3, padding: 1}\n"
    tree = json.loads(show(check_source(parse(text, "net.yaml"), {}), "json", 16, 1, None))
    (entry,) = tree["entries"]
    assert entry["activations"] == 125_440
    assert entry["weights"] == [["weight", [10, 3, 3, 3]], ["bias", [10]]]


@pytest.mark.parametrize("width", [30, 44, 60, 79, 80, 100, 132, 250])
@pytest.mark.parametrize("name", ["lenet", "resnet18", "gpt2", "inception_v3"])
def test_it_fits_where_there_is_room_for_it(name: str, width: int) -> None:
    found = checked(config(name))
    lines = show(found, "table", 1, 3, width).splitlines()
    assert max(map(len, lines)) <= max(width, 56)
    assert lines[0].split()[:2] == ["layer", "type"]


def test_skips_and_ports_show_what_is_read() -> None:
    rows = {row["layer"]: row for row in table_of(RESNET)}
    assert rows["layer1.0.downsample" if "layer1.0.downsample" in rows else "conv1"]["reads"] == ""
    adds = [row["reads"] for row in table_of(RESNET) if row["type"] == "Add"]
    assert adds[0] == "bn2, maxpool"
    assert "bn2, downsample" in adds


def table_of(path: Path) -> list[dict[str, str]]:
    text = show(checked(path), "csv", 1, 99, None)
    return list(csv.DictReader(text.splitlines()))


def test_what_is_called_again_is_numbered_and_nothing_else() -> None:
    text = """\
name: Net
input: [4]
blocks:
  Twice: {layers: [{Linear: {name: fc, out_features: 4}}, ReLU, {Add: {from: [relu, input]}}]}
layers:
  - Twice: {name: body}
  - Linear: {name: head, out_features: 4}
  - ReLU
  - Reuse: {name: again, layer: body}
  - Reuse: {name: last, layer: head}
  - ReLU
"""
    tree = json.loads(show(check_source(parse(text, "net.yaml"), {}), "json", 2, 1, None))
    names = [entry["name"] for entry in tree["entries"]]
    assert names == ["body", "head", "relu", "body (call 2)", "head (call 2)", "relu"]


def test_a_spreadsheet_has_every_module_by_its_path() -> None:
    rows = table_of(RESNET)
    paths = [row["layer"] for row in rows]
    assert "layer2.0.downsample.1" in paths
    leaves = [row for row in rows if row["type"] in ("Conv2d", "BatchNorm2d", "Linear")]
    assert sum(int(row["parameters"]) for row in leaves) == 11_689_512
    assert tuple(rows[0]) == HEADS


def test_depth_folds_blocks(tmp_path: Path) -> None:
    flat = netgen("show", RESNET, "--depth", "1", cwd=tmp_path).stdout
    deep = netgen("show", RESNET, "--depth", "4", cwd=tmp_path).stdout
    assert "BasicBlock" not in flat
    assert deep.count("BasicBlock") == 8
    totals = [shown.splitlines()[-3].split() for shown in (flat, deep)]
    assert totals[0] == totals[1]


def test_markdown_is_a_table(tmp_path: Path) -> None:
    lines = netgen("show", RESNET, "--format", "markdown", cwd=tmp_path).stdout.splitlines()
    table = [line for line in lines if line.startswith("|")]
    assert len({line.count("|") for line in table}) == 1
    assert set(table[1]) == set("|-: ")


def test_a_batch_that_a_norm_can_not_take_is_refused_if_it_was_asked_for(tmp_path: Path) -> None:
    config = ROOT / "configs" / "siamese.yaml"
    assert "for a batch of 2;" in netgen("show", config, cwd=tmp_path).stdout
    run = netgen("show", config, "--batch", "1", cwd=tmp_path)
    assert run.returncode == 1
    assert "error[NG211]: the network can't take a batch of 1" in run.stderr


def test_a_mistake_is_told_as_ever(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("name: Net\ninput: [4]\nlayers: [{Linear: none}]\n")
    run = netgen("show", "bad.yaml", "--format", "json", cwd=tmp_path)
    assert run.returncode == 1
    assert "bad.yaml:3:19" in run.stderr
    assert run.stdout == ""


def test_no_torch_and_no_black_for_a_look() -> None:
    code = "import sys; from torch_netgen.cli.cli import main; main(['show', sys.argv[1]]); "
    code += "assert not {'torch', 'black', 'jinja2'} & {*sys.modules}"
    subprocess.run([sys.executable, "-c", code, str(RESNET)], check=True, capture_output=True)


@pytest.mark.parametrize("width", [20, 44, 80, 100, 200])
@pytest.mark.parametrize("name", ["lenet", "resnet18", "gpt2", "inception_v3"])
def test_bars_fit(name: str, width: int) -> None:
    lines = show(checked(config(name)), "bars", None, 3, width).splitlines()
    assert max(map(len, lines)) <= max(width, 26), "a name, a bar of one, and a number"
    assert lines[0].startswith("layer")


@pytest.mark.parametrize("depth", [1, 2])
@pytest.mark.parametrize("column", ["parameters", "macs", "kept"])
def test_bars_are_as_long_as_what_they_stand_for(column: str, depth: int) -> None:
    found = checked(RESNET)
    tree = json.loads(show(found, "json", None, 1, None))
    total = tree["memory"]["training"] if column == "kept" else tree[column]
    costs = ("parameters", "macs", "kept")
    parts = [
        (level, entry)
        for top in tree["entries"]
        for level, entry in [(0, top), *((1, child) for child in top["children"])]
        if level < depth and any(entry[cost] for cost in costs)
    ]
    head, *lines = show(found, "bars", None, depth, 120).splitlines()
    starts = [head.index(name) for name in ("parameters", "MACs", "kept")]
    start = starts[costs.index(column)]
    cells = [line[start : start + starts[1] - starts[0]].rstrip() for line in lines[: len(parts)]]
    whole = [level + 1 == depth or not entry["children"] for level, entry in parts]
    most = max(entry[column] for (_, entry), one in zip(parts, whole, strict=True) if one)
    room = max(cell.count("#") for cell in cells)
    for (level, entry), cell, one, line in zip(parts, cells, whole, lines, strict=False):
        assert line.startswith(f"{'  ' * level}{entry['name']} ")
        wanted = max(round(room * entry[column] / most), 1) if one and entry[column] else 0
        assert cell.count("#") == wanted
        if entry[column]:
            share = 100 * entry[column] / total
            assert cell.split()[-1] == ("<1%" if share < 0.5 else f"{share:.0f}%")


def test_numbers_beside_bars_have_three_digits() -> None:
    told = [short(n, (("M", 10**6), ("K", 10**3))) for n in (0, 999, 1000, 9_996, 99_960, 999_400)]
    assert told == ["0", "999", "1.00K", "10.0K", "100K", "999K"]
    assert short(999_500, (("M", 10**6), ("K", 10**3))) == "1.00M"


def test_bars_are_for_a_terminal(tmp_path: Path) -> None:
    run = netgen("show", RESNET, "--bars", "--format", "json", cwd=tmp_path)
    assert run.returncode == 2
    told = "--bars are for a terminal; `--format json` has the same numbers"
    assert run.stderr.endswith(f"{told}\n")


@pytest.mark.parametrize(("name", "ties"), [("gpt2", True), ("resnet18", False)])
def test_a_weight_of_two_layers_is_told(name: str, ties: bool) -> None:
    told = "a weight that layers share counts for each of them, and once in the total"
    for form in ("table", "bars", "markdown", "html"):
        assert (told in show(checked(config(name)), form, None, 1, 200)) == ties
