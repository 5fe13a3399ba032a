"""What pictures look like: titles that nothing touches, boxes that say what matters, copies."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
from torch_netgen.analysis.prediction import check_source
from torch_netgen.layers import TYPES
from torch_netgen.layers.brief import NAMED
from torch_netgen.spec.source import parse
from torch_netgen.views.copies import without_copies
from torch_netgen.views.dot import DIRECTIONS, Look, dot
from torch_netgen.views.picture import GROUPS, Picture, picture
from torch_netgen.views.themes import THEMES

from .command import netgen
from .conftest import CONFIGS, ROOT, by_depth
from .geometry import laid_out
from .networks import checked, config

SVG = "{http://www.w3.org/2000/svg}"
MOST_BOXES = 160  # Graphviz is slow with more, and so is the comparison


def drawn(text: str, depth: int = 9) -> Picture:
    """The picture of a spec, with copies and blocks folded."""
    found = without_copies(picture(check_source(parse(text, "net.yaml"), {}).graph))
    return found.folded(found.at_depth(depth))


def titles(found: Picture) -> list[str]:
    return [box.title for box in found.boxes if box.group != "end"]


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("path", by_depth(CONFIGS))
def test_nothing_touches_a_title(path: Path, direction: str) -> None:
    whole = without_copies(picture(checked(path).graph))
    depths = [
        depth for depth in (2, 3) if len(whole.folded(whole.at_depth(depth)).boxes) < MOST_BOXES
    ]
    for depth in depths:
        found = whole.folded(whole.at_depth(depth))
        places = laid_out(dot(found, Look(direction=direction)))
        around = {box.parent for box in found.boxes} - {""}
        assert places.titles.keys() == places.clusters.keys() == around
        for key, title in places.titles.items():
            assert places.clusters[key].holds(title)
            others = [frame for other, frame in places.titles.items() if other != key]
            assert not any(title.meets(frame) for frame in [*others, *places.boxes.values()])
            for frame in places.clusters.values():
                assert frame.holds(title) or not frame.meets(title)
        for ends, points in places.arrows.items():
            boxes = [frame for key, frame in places.boxes.items() if key not in ends]
            for frame in [*boxes, *places.titles.values()]:
                assert not any(frame.has(*point) for point in points), ends


def test_a_small_resnet_fits_a_page() -> None:
    """With nothing folded but equal blocks, it fits A4 at 45 % of its size."""
    text = config("resnet18").read_text()
    blocks = text[text.index("blocks:") : text.index("layers:\n  - Conv2d: {name: conv1")]
    stages = "".join(
        f"  - BasicBlock: {{name: layer{n}, out_channels: {8 << n}, repeat: 3, "
        f"stride: $({min(n, 2)} if index == 0 else 1)}}\n"
        for n in (1, 2, 3)
    )
    spec = f"name: Net\ninput: [3, 32, 32]\n{blocks}layers:\n  - Conv2d: [16, 3, 1, 1]\n"
    spec += f"  - BatchNorm2d\n  - ReLU\n{stages}  - AdaptiveAvgPool2d: 1\n  - Flatten\n"
    found = drawn(f"{spec}  - Linear: 10\n", 3)
    places = laid_out(dot(found, Look()))
    frames = [*places.boxes.values(), *places.clusters.values()]
    assert max(frame.high for frame in frames) * 0.45 < 842
    assert max(frame.right for frame in frames) * 0.45 < 595


BRIEFS = {
    "Conv2d: [64, 3, 2, 1]": "Conv2d 3x3, 64, /2",
    "Conv2d: {out_channels: 8, kernel_size: [1, 5], stride: [1, 2], groups: 4}":
        "Conv2d 1x5, 8, /1x2, groups 4",
    "ConvTranspose2d: [6, 2, 2]": "ConvTranspose2d 2x2, 6, stride 2",
    "BatchNorm2d": "BatchNorm2d",
    "GroupNorm: 4": "GroupNorm 4 groups",
    "MaxPool2d: 2": "MaxPool2d 2x2",
    "MaxPool2d: [3, 2]": "MaxPool2d 3x3, /2",
    "AdaptiveAvgPool2d: 1": "AdaptiveAvgPool2d 1x1",
    "Dropout": "Dropout 0.5",
    "LeakyReLU: 0.2": "LeakyReLU 0.2",
    "Upsample: {scale_factor: 2, mode: bilinear}": "Upsample x2, bilinear",
    "Upsample: {size: [9, 8]}": "Upsample 9x8",
    "Linear: $(3 * 4)": "Linear 12",
    "Permute: [0, 2, 3, 1]": "Permute 0, 2, 3, 1",
    "Clamp: {max: 6.0}": "Clamp to 6",
    "Flatten": "Flatten",
    "ReLU": "ReLU",
}  # fmt: skip


@pytest.mark.parametrize("layer", BRIEFS)
def test_a_box_says_what_matters(layer: str) -> None:
    assert titles(drawn(f"name: Net\ninput: [8, 16, 16]\nlayers:\n- {layer}\n")) == [BRIEFS[layer]]


def test_a_box_of_a_sequence_says_what_matters() -> None:
    layers = (
        "[{Embedding: [100, 32]}, {LSTM: {hidden_size: 16, num_layers: 2, bidirectional: true, "
    )
    layers += "batch_first: true}}, {TransformerEncoderLayer: {nhead: 4, batch_first: true}}]"
    found = drawn(f"name: Net\ninputs: {{x: {{shape: [9], dtype: int64}}}}\nlayers: {layers}\n")
    assert titles(found) == [
        "Embedding 100, 32",
        "LSTM 16, 2 layers, both ways",
        "TransformerEncoderLayer 4 heads, 2048",
    ]


def test_what_a_box_says_are_arguments_of_its_layer() -> None:
    for row in TYPES.values():
        assert {name for name, _ in NAMED.findall(row.brief)} <= row.known.keys(), row.name
        assert "{" not in NAMED.sub("", row.brief), row.name


@pytest.mark.parametrize("path", by_depth(CONFIGS))
def test_equal_copies_are_equal(path: Path) -> None:
    whole = picture(checked(path).graph)
    found = without_copies(whole)
    named = {box.name: box for box in whole.boxes}
    told = [name for box in found.boxes for name in (box.name, *box.others)]
    assert sorted(told) == sorted(box.name for box in whole.boxes), "none is lost, none told twice"
    for box in found.boxes:
        for name in box.others:
            other = named[name]
            same = (box.type, box.told, box.kind, box.output, box.parameters, box.group)
            assert same == (other.type, other.told, other.kind, other.output, other.parameters,
                            other.group)  # fmt: skip
    kept = {
        (a.source, a.target, a.shape)
        for a in whole.arrows
        if a.target in {b.key for b in found.boxes}
    }
    assert len(found.arrows) == len(
        [a for a in whole.arrows if (a.source, a.target, a.shape) in kept]
    )


def test_copies_in_a_row_are_one_box() -> None:
    def blocks(name: str) -> dict[str, int]:
        found = without_copies(picture(checked(config(name)).graph))
        return {box.name: box.times for box in found.boxes if box.times > 1}

    assert blocks("gpt2") == {"transformer.h.0": 12}
    assert blocks("resnet50") == {"layer1.1": 2, "layer2.1": 3, "layer3.1": 5, "layer4.1": 2}
    assert blocks("densenet121") == {}


COPIES = """\
name: Net
input: [8]
blocks:
  B:
    params: {{p: 0.1, width: 8}}
    layers:
    - Linear: {{name: fc, out_features: $width}}
    - Dropout: {{name: drop, p: $p}}
    - Add: [input, drop]
layers:
- Linear: {{name: stem, out_features: 8}}
- B: {{name: one}}
- B: {{name: two{two}}}
- B: {{name: three}}
- Linear: {{name: head, out_features: 2}}
{rest}"""


def runs(text: str) -> list[str]:
    return [f"{box.title} {box.label}" for box in drawn(text, 1).boxes if box.type == "B"]


def test_only_what_is_equal_is_one() -> None:
    assert runs(COPIES.format(two="", rest="")) == ["B x3 one \N{HORIZONTAL ELLIPSIS} three"]
    assert runs(COPIES.format(two=", p: 0.2", rest="")) == ["B one", "B two", "B three"]
    assert runs(COPIES.format(two=", from: stem", rest="outputs: [one, head]\n")) == [
        "B one",
        "B x2 two \N{HORIZONTAL ELLIPSIS} three",
    ]
    assert runs(COPIES.format(two="", rest="outputs: [one, head]\n")) == [
        "B one",
        "B x2 two \N{HORIZONTAL ELLIPSIS} three",
    ]


@pytest.mark.parametrize("theme", THEMES)
def test_the_theme_is_in_all_colours(theme: str, tmp_path: Path) -> None:
    path = str(ROOT / "configs" / "resnet18.yaml")
    for form in ("svg", "mmd"):
        run = netgen("graph", path, "-o", f"net.{form}", "--theme", theme, cwd=tmp_path)
        assert run.returncode == 0, run.stderr
    colours = THEMES[theme]
    used = {*colours.fills.values(), *colours.borders.values(), colours.ink, colours.paper}
    used |= {colours.faint, colours.skip, "none", "transparent", f"{colours.fills['block']}80"}
    tree = ElementTree.parse(tmp_path / "net.svg")
    fills = {item.get(name) for item in tree.iter() for name in ("fill", "stroke")} - {None}
    assert fills <= used
    text = (tmp_path / "net.mmd").read_text()
    assert {*re.findall(r"#[0-9a-f]{6}(?=[,\n])", text)} <= used


def test_both_themes_have_all_groups() -> None:
    for theme in THEMES.values():
        assert theme.fills.keys() == theme.borders.keys() == {*GROUPS}


def test_it_goes_to_the_right_if_asked(tmp_path: Path) -> None:
    path = str(ROOT / "configs" / "lenet.yaml")
    sides = {}
    for direction in DIRECTIONS:
        args = ["-o", "net.svg", "--direction", direction, "--force"]
        assert netgen("graph", path, *args, cwd=tmp_path).returncode == 0
        box = ElementTree.parse(tmp_path / "net.svg").getroot().get("viewBox", "")
        sides[direction] = [float(side) for side in box.split()[2:]]
    assert sides["TB"][1] > 3 * sides["TB"][0]
    assert sides["LR"][0] > 3 * sides["LR"][1]


def test_pdf_is_whole_and_the_same_each_time(tmp_path: Path) -> None:
    path = str(ROOT / "configs" / "unet.yaml")
    run = netgen("graph", path, "-o", "net.pdf", cwd=tmp_path)
    assert (run.returncode, run.stdout) == (0, "wrote net.pdf\n"), run.stderr
    data = (tmp_path / "net.pdf").read_bytes()
    assert data.startswith(b"%PDF-")
    place = int(data[data.rindex(b"startxref") :].split()[1])
    assert data[place : place + 4] == b"xref", "no byte has moved"
    assert b"CreationDate" not in data
    assert netgen("graph", path, "-o", "again.pdf", cwd=tmp_path).returncode == 0
    assert (tmp_path / "again.pdf").read_bytes() == data
    (tmp_path / "net.pdf").write_bytes(data.replace(b"startxref", b"startxxxx"))
    run = netgen("graph", path, "-o", "net.pdf", cwd=tmp_path)
    assert run.returncode == 1, "what was edited is kept"
