"""`load`: what a notebook shows of a spec, and what can be done with it."""

from __future__ import annotations

import base64
import csv
import re
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
import torch_netgen
from torch_netgen import NetgenError
from torch_netgen.views.notebook import Network

from .command import netgen
from .conftest import ROOT

RESNET = ROOT / "configs" / "resnet18.yaml"
LENET = ROOT / "configs" / "lenet.yaml"
MARKUP = "<script>alert(1)</script>&\"'"
HOSTILE = {
    "name": "Net",
    "input": [4],
    "layers": [
        {
            "Sequential": {
                "name": "body",
                "layers": [{"Linear": {"name": MARKUP, "out_features": 2}}],
            }
        }
    ],
}


def shown(network: Network) -> ElementTree.Element:
    """What a notebook shows, which must be well-formed."""
    return ElementTree.fromstring(f"<div>{network._repr_html_()}</div>")


def cells(network: Network) -> list[list[str]]:
    """The texts in the table."""
    return [["".join(cell.itertext()) for cell in row] for row in shown(network).iter("tr")]


@pytest.mark.parametrize("config", ["lenet", "resnet18", "gpt2", "siamese"])
def test_the_table_is_that_of_show(config: str, tmp_path: Path) -> None:
    path = ROOT / "configs" / f"{config}.yaml"
    network = torch_netgen.load(path)
    assert f"{network!r}\n" == netgen("show", path, cwd=tmp_path).stdout
    markdown = netgen("show", path, "--format", "markdown", cwd=tmp_path).stdout
    assert network._repr_markdown_() == markdown
    heads, *rows = cells(network)
    text = netgen("show", path, "--format", "csv", cwd=tmp_path).stdout
    numbers = [f"{int(row['parameters'] or 0):,}" for row in csv.DictReader(text.splitlines())]
    place = heads.index("parameters")
    assert [row[place] or "0" for row in rows[:-1]] == numbers
    assert rows[-1][place] == f"{network.prediction.graph.parameter_count:,}"


def test_the_picture_is_an_image_with_all_boxes() -> None:
    (image,) = shown(torch_netgen.load(RESNET)).iter("img")
    kind, _, data = image.attrib["src"].partition(",")
    assert kind == "data:image/svg+xml;base64"
    svg = ElementTree.fromstring(base64.b64decode(data))
    texts = ["".join(text.itertext()) for text in svg.iter("{http://www.w3.org/2000/svg}text")]
    assert {"layer1", "layer4", "avgpool", "fc"} <= {text.split(" ")[0] for text in texts}


def test_names_are_text() -> None:
    network = torch_netgen.load(HOSTILE)
    assert f"body.{MARKUP}" in [row[0].strip() for row in cells(network)]
    assert not [*shown(network).iter("script")]


def test_without_graphviz_the_table_is_there_and_says_how_to_get_pictures(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "pygraphviz", None)  # as if it were not installed
    network = torch_netgen.load(LENET)
    assert not [*shown(network).iter("img")]
    *_, last = shown(network).iter("p")
    assert "pip install 'torch-netgen[graph]'" in (last.text or "")
    assert cells(network)[-1][0] == "total"


def test_overrides_hold_for_all_that_is_done() -> None:
    network = torch_netgen.load(LENET, overrides={"size": 64})
    assert "(N, 1, 64, 64)" in repr(network)
    assert re.search(r"^  2704 += 16 \* 13 \* 13 ", repr(network.explain("fc1")), re.M)
    assert "nn.Linear(16 * 13 * 13, 120)" in network.build(smoke=False).source


def test_what_was_loaded_is_built_whatever_the_file_has_become(tmp_path: Path) -> None:
    path = tmp_path / "net.yaml"
    path.write_text("name: Net\ninput: [4]\nlayers: [{Linear: 2}]\n")
    network = torch_netgen.load(path)
    path.write_text("no spec at all")
    result = network.build(tmp_path / "net.py", device="cpu")
    assert result.parameter_count == 10
    assert (tmp_path / "net.py").read_text() == result.source
    assert [level.level for level in result.proofs[0].levels] == ["forward", "backward", "eval"]


def test_code_of_a_spec_is_run_if_that_is_allowed(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text("from torch import nn\n\n\nclass Mine(nn.Tanh):\n    pass\n")
    path = tmp_path / "net.yaml"
    text = "name: Net\ninput: [4]\nimports: {Mine: own.Mine}\nlayers: [Mine, {Linear: 2}]\n"
    path.write_text(text)
    with pytest.raises(NetgenError, match="NG209"):
        torch_netgen.load(path)
    network = torch_netgen.load(path, allow_imports=True)
    assert "Mine" in repr(network)
    assert "from own import Mine" in network.build(smoke=False).source


def test_mistakes_are_told_as_build_tells_them(tmp_path: Path) -> None:
    wrong = {"name": "Net", "input": [4], "layers": [{"Linear": "none"}]}
    with pytest.raises(NetgenError) as loaded:
        torch_netgen.load(wrong)
    with pytest.raises(NetgenError) as built:
        torch_netgen.build(wrong)
    assert str(loaded.value) == str(built.value)
    with pytest.raises(NetgenError, match="NG101"):
        torch_netgen.load(tmp_path / "none.yaml")
    with pytest.raises(NetgenError, match="NG204"):
        torch_netgen.load(LENET).explain("fc9")
