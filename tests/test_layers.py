"""`netgen layers`: every type is listed, and says what it takes."""

from __future__ import annotations

from pathlib import Path

import pytest
from torch_netgen.layers import TYPES
from torch_netgen.layers.base import REQUIRED
from torch_netgen.views.catalogue import catalogue, described

from .command import netgen


def test_every_type_is_listed_once() -> None:
    words = catalogue().replace(",", " ").split()
    assert [name for name in TYPES if words.count(name) != 1] == []


@pytest.mark.parametrize("name", TYPES)
def test_a_type_tells_each_argument_with_its_default(name: str) -> None:
    text, row = described(name), TYPES[name]
    lines = {line.split()[0]: line for line in text.splitlines() if line.startswith("    ")}
    for arg in (*row.args, *row.options):
        if arg.inferred:
            assert arg.name in text
        else:
            required = arg.default is REQUIRED
            assert ("required" in lines[arg.name]) == required
    assert max(map(len, text.splitlines())) < 130


def test_what_conv2d_says(tmp_path: Path) -> None:
    run = netgen("layers", "Conv2d", cwd=tmp_path)
    assert run.returncode == 0
    assert run.stdout.splitlines()[0] == "Conv2d: torch.nn.Conv2d"
    assert "  inferred  in_channels: written only to be checked" in run.stdout
    assert "    stride        a whole number or a list of 2 whole numbers" in run.stdout


def test_a_slip_is_pointed_out(tmp_path: Path) -> None:
    run = netgen("layers", "conv2D", cwd=tmp_path)
    assert run.returncode == 1
    assert run.stderr == "netgen: there is no layer type 'conv2D'; did you mean Conv2d?\n"
