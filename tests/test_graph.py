"""`netgen graph`: pictures have the layers, values and skips of the network, folded or not."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import pytest
from torch_netgen.analysis.prediction import check_source
from torch_netgen.ir.trace import call_names, traced
from torch_netgen.spec.source import parse
from torch_netgen.views.copies import without_copies
from torch_netgen.views.dot import Look, dot, drawn, mermaid
from torch_netgen.views.lines import SpecLines, source_lines
from torch_netgen.views.picture import Picture, picture

from .command import netgen
from .conftest import CONFIGS, ROOT, by_depth
from .networks import built, checked, config

SOURCES = ["input", "Arange", "Buffer", "Full", "Linspace", "Parameter", "Zeros"]
SOURCES += ["Grid", "EncoderBuckets", "DecoderBuckets"]  # blocks that read no more than a size
SVG = "{http://www.w3.org/2000/svg}"


def picture_of(name: str, depth: int | None = None) -> Picture:
    found = without_copies(picture(checked(config(name)).graph))
    return found if depth is None else found.folded(found.at_depth(depth))


def named(found: Picture, *, skips: bool) -> set[tuple[str, str]]:
    """The arrows by the names of their boxes."""
    names = {box.key: box.name for box in found.boxes}
    return {(names[a.source], names[a.target]) for a in found.arrows if a.skip or not skips}


@pytest.mark.parametrize("depth", [1, 2, 3, 9])
@pytest.mark.parametrize("path", by_depth(CONFIGS))
def test_every_box_lies_on_a_way_from_an_input_to_an_output(path: Path, depth: int) -> None:
    graph = checked(path).graph
    whole = picture(graph)
    found = whole.folded(whole.at_depth(depth))
    seen = {""}
    for box in found.boxes:
        assert box.parent in seen, "what is around a box comes before it"
        seen.add(box.key)
    around = {box.parent for box in found.boxes}
    inner = {box.key for box in found.boxes} - around
    ends = [{a.source for a in found.arrows}, {a.target for a in found.arrows}]
    assert ends[0] | ends[1] <= inner, "arrows begin and end at what shows nothing in it"
    sources = {box.key for box in found.boxes if box.type in SOURCES}
    unread = {f"i{n}" for n in range(len(graph.inputs))} - ends[0]
    # of the last copy of a loop that carries two tensors, only one is read
    unread |= {box.key for box in found.boxes if box.name.endswith(".scan.steps.4.product")}
    assert inner - sources <= ends[1], "what reads nothing is an input or a source"
    assert {key for key in inner - unread if key[0] != "o"} <= ends[0]
    assert all(a.source != a.target for a in found.arrows)


@pytest.mark.parametrize("path", by_depth(CONFIGS))
def test_arrows_are_what_the_layers_read(path: Path) -> None:
    graph = checked(path).graph
    trace = traced(graph, {**graph.sizes, "N": 2})
    found = picture(graph)
    by_key = {box.key: box for box in found.boxes}
    for box in found.boxes:
        if box.call is None or trace.calls[box.call].layer is None:
            continue
        reads = list(trace.calls[box.call].inputs)
        arrows = [a for a in found.arrows if a.target == box.key]
        for x, arrow in zip(reads, arrows, strict=True):
            sizes = [str(int(s)) for dim, s in enumerate(x.shape) if dim != x.batch]
            assert arrow.shape == ("x".join(sizes) or "scalar")
            source = by_key[arrow.source]
            if source.call is not None:
                assert x in trace.calls[source.call].outputs.values()
    outside = [box for box in found.boxes if not box.parent]
    assert sum(box.parameters for box in outside) >= graph.parameter_count  # ties count twice


def test_skips_are_what_merges_read_from_before() -> None:
    skips = named(picture_of("unet", 1), skips=True)
    assert skips == {("inc", "up4"), ("down1", "up3"), ("down2", "up2"), ("down3", "up1")}
    blocks = named(picture(checked(config("resnet18")).graph), skips=True)
    around = {("maxpool", "layer1.0.add")}
    for n in (2, 3, 4):  # through a convolution and a norm
        ends = (f"layer{n - 1}.1.relu (call 2)", f"layer{n}.0.add")
        down = [f"layer{n}.0.downsample.{k}" for k in (0, 1)]
        around |= {*pairwise([ends[0], *down, ends[1]])}
    straight = {(f"layer{n}.0.relu (call 2)", f"layer{n}.1.add") for n in (1, 2, 3, 4)}
    assert blocks == around | straight
    lateral = {pair for pair in named(picture_of("fpn_resnet50"), skips=True) if "fpn" in pair[1]}
    assert len(lateral) == 6, "three levels are added to the one above, each by a convolution"
    assert not named(picture_of("inception_v3"), skips=True)
    assert not named(picture_of("googlenet"), skips=True)
    assert not named(picture_of("vgg16"), skips=True)


def test_blocks_are_folded_unless_one_looks_into_them() -> None:
    names = [box.name for box in picture_of("resnet18", 1).boxes]
    assert names == ["x", "conv1", "bn1", "relu", "maxpool", "layer1", "layer2", "layer3",
                     "layer4", "avgpool", "flatten", "fc", "output"]  # fmt: skip
    deeper = {box.name for box in picture_of("resnet18", 2).boxes} - set(names)
    blocks = {f"layer{n}.{k}" for n in (1, 2, 3, 4) for k in (0, 1)}
    assert deeper == blocks - {"layer1.1"}, "the second block of the first layer equals the first"


@pytest.mark.parametrize("depth", [1, 3])
@pytest.mark.parametrize("name", ["lenet", "resnet18", "googlenet", "unet", "gpt2"])
def test_svg_shows_every_box_and_arrow(name: str, depth: int, tmp_path: Path) -> None:
    config = str(ROOT / "configs" / f"{name}.yaml")
    run = netgen("graph", config, "-o", "net.svg", "--depth", str(depth), cwd=tmp_path)
    assert (run.returncode, run.stdout, run.stderr) == (0, "wrote net.svg\n", "")
    tree = ElementTree.parse(tmp_path / "net.svg")
    groups = [(g.get("class", "").split()[0], g) for g in tree.iter(f"{SVG}g")]
    expected = picture_of(name, depth)
    keys = {g.get("id") or "" for kind, g in groups if kind in ("node", "cluster")}
    around = {box.parent for box in expected.boxes} - {""}
    assert keys == {box.key for box in expected.boxes} | {f"t{key}" for key in around}
    texts = {g.get("id"): " ".join(t.text or "" for t in g.iter(f"{SVG}text")) for _, g in groups}
    for box in expected.boxes:
        told = texts[f"t{box.key}" if box.key in around else box.key]
        assert box.label in told
        assert box.name if box.group == "end" else box.title in told
    edges = [g.findtext(f"{SVG}title") for kind, g in groups if kind == "edge"]
    assert sorted(map(str, edges)) == sorted(f"{a.source}->{a.target}" for a in expected.arrows)


def test_png_is_an_image(tmp_path: Path) -> None:
    run = netgen("graph", str(ROOT / "configs" / "lenet.yaml"), "-o", "net.png", cwd=tmp_path)
    assert run.returncode == 0, run.stderr
    data = (tmp_path / "net.png").read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = (int.from_bytes(data[at : at + 4], "big") for at in (16, 20))
    assert height > 3 * width > 600


@pytest.mark.parametrize("path", by_depth(CONFIGS))
def test_mermaid_says_the_same(path: Path) -> None:
    whole = without_copies(picture(checked(path).graph))
    found = whole.folded(whole.at_depth(2))
    lines = [line.strip() for line in mermaid(found, Look(direction="LR")).splitlines()]
    assert lines[0] == "flowchart LR"
    arrow = re.compile(r'(\w+) (--|-\.) "(.*)" (?:-->|\.->) (\w+)')
    read_back = [m.groups() for m in map(arrow.fullmatch, lines) if m]
    assert read_back == [
        (a.source, "-." if a.skip else "--", a.shape, a.target) for a in found.arrows
    ]
    boxes = [line for line in lines if re.match(r"(subgraph )?[nio]\d+[\[(]", line)]
    assert len(boxes) == len(found.boxes)
    assert lines.count("end") == sum(line.startswith("subgraph") for line in lines)


@pytest.mark.slow
@pytest.mark.parametrize("path", by_depth(CONFIGS))
def test_lines_of_spec_and_source_are_those_of_the_layer(path: Path) -> None:
    found = checked(path)
    trace = traced(found.graph, {**found.graph.sizes, "N": 2})
    text = built(path).source
    lines, spec = text.splitlines(), SpecLines(found.source)
    for name, call, places in zip(
        call_names(trace), trace.calls, source_lines(found, trace, text), strict=True
    ):
        assert places, name
        shown = " ".join(lines[place - 1] for place in places)
        last = call.node.target.strip(".").split(".")
        if call.is_module and not last[-1].isdecimal():
            assert f"self.{last[0]}" in shown or last[-1].rstrip("0123456789") in shown, name
        if call.layer is not None and not call.node.places and call.node.callee is None:
            assert call.node.row is not None
            number, written = spec.numbered[spec.of(call)[0] - 1]
            assert spec.of(call)[1] == f"line {number} of the spec"
            assert call.node.row.name in written or "Reuse" in written or ":" in written


@pytest.mark.parametrize(("suffix", "library"), [("svg", "pygraphviz"), ("html", "easydot.assets")])
def test_what_is_not_installed_is_said(suffix: str, library: str, tmp_path: Path) -> None:
    code = f"import sys; sys.modules[{library!r}] = None; from torch_netgen.cli.cli import main; "
    code += "sys.exit(main(sys.argv[1:]))"
    args = ["graph", str(ROOT / "configs" / "lenet.yaml"), "-o", f"net.{suffix}"]
    run = subprocess.run(
        [sys.executable, "-P", "-c", code, *args],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 1
    assert run.stderr.startswith("error[NG504]: ")
    assert "pip install 'torch-netgen[graph]'" in run.stderr
    assert not list(tmp_path.iterdir())


def test_a_suffix_that_is_not_known_is_wrong_usage(tmp_path: Path) -> None:
    run = netgen("graph", "net.yaml", "-o", "net.gif", cwd=tmp_path)
    assert run.returncode == 2
    assert "'net.gif' ends with none of .svg, .png, .pdf, .html, .dot, .mmd" in run.stderr


def test_a_folder_that_is_a_file_is_one_diagnostic(tmp_path: Path) -> None:
    (tmp_path / "nowhere").write_text("")
    config = str(ROOT / "configs" / "lenet.yaml")
    run = netgen("graph", config, "-o", "nowhere/net.dot", cwd=tmp_path)
    assert run.returncode == 1
    message = "can't write `nowhere/net.dot`: `nowhere` is no folder"
    assert run.stderr == f"error[NG501]: {message}\n"


def drawn_of(text: str) -> Picture:
    return picture(check_source(parse(text, "net.yaml"), {}).graph)


def test_what_a_block_computes_is_drawn_though_nobody_reads_it() -> None:
    found = drawn_of(
        "name: Net\ninput: [4]\nblocks:\n  Two:\n    layers:\n"
        "      - Linear: {name: first, out_features: 3}\n"
        "      - Linear: {name: second, from: input, out_features: 2}\n"
        "    outputs: {a: first, b: second}\n"
        "layers:\n  - Two: {name: two}\n  - Linear: {from: two.b, out_features: 1}\n"
    )
    names = {box.name for box in found.boxes}
    assert {"two", "two.first", "two.second"} <= names


def test_a_skip_has_another_way_beside_it() -> None:
    towers = drawn_of(
        "name: Net\ninput: [4]\nlayers:\n  - Linear: {name: ta, out_features: 3}\n"
        "  - Linear: {name: tb, from: input, out_features: 3}\n  - Add: [ta, tb]\n"
        "  - Linear: {name: aux, from: ta, out_features: 2}\noutputs: [add, aux]\n"
    )
    assert not named(towers, skips=True)


def test_what_is_empty_is_no_box() -> None:
    found = drawn_of(
        "name: Net\ninput: [4]\nblocks:\n  B:\n    params: {on: false}\n"
        "    layers: [{Linear: {out_features: 4, when: $on}}]\n"
        "layers:\n  - B: {name: b}\n  - Linear: {name: fc, out_features: 2}\n"
    )
    assert [box.name for box in found.boxes] == ["x", "fc", "output"]


def test_sizes_that_only_a_run_knows_are_told_as_samples(tmp_path: Path) -> None:
    (tmp_path / "net.yaml").write_text(
        "name: Net\ninput: [3, H, W]\nlayers: [{Conv2d: [4, 3]}, {AdaptiveAvgPool2d: 1}]\n"
    )
    assert netgen("graph", "net.yaml", "-o", "net.svg", cwd=tmp_path).returncode == 0
    texts = [t.text for t in ElementTree.parse(tmp_path / "net.svg").iter(f"{SVG}text")]
    assert "for H = 64, W = 96" in texts


def test_an_image_that_nobody_could_read_is_refused(tmp_path: Path) -> None:
    layers = "  - Linear: 4\n  - ReLU\n" * 300
    (tmp_path / "net.yaml").write_text(f"name: Net\ninput: [4]\nlayers:\n{layers}")
    run = netgen("graph", "net.yaml", "-o", "net.png", cwd=tmp_path)
    assert run.returncode == 1
    assert run.stderr.startswith("error[NG501]: the image would be ")
    assert "write .svg or .html" in run.stderr
    assert not (tmp_path / "net.png").exists()


def test_without_a_name_the_picture_is_called_like_the_spec(tmp_path: Path) -> None:
    config = (ROOT / "configs" / "yolov8n.yaml").read_text()
    (tmp_path / "yolo.yaml").write_text(config)
    assert netgen("graph", "yolo.yaml", cwd=tmp_path).stdout == "wrote yolo.svg\n"
    run = netgen("graph", "yolo.yaml", "--variant", "s", cwd=tmp_path)
    assert run.stdout == "wrote yolo_s.svg\n"
    run = subprocess.run(
        [sys.executable, "-m", "torch_netgen", "graph", "-"],
        cwd=tmp_path, input=config, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 2
    assert run.stderr.endswith("the picture of a spec from standard input needs -o FILE\n")


def test_mermaid_gets_no_more_arrows_than_it_draws(tmp_path: Path) -> None:
    block = "{params: {k: 4}, layers: [{Linear: {out_features: $(k + index), repeat: 60}}]}"
    block = f"blocks: {{B: {block}}}\n"
    layers = "".join(f"- B: {{name: b{n}, k: {4 + n}}}\n" for n in range(10))
    (tmp_path / "net.yaml").write_text(f"name: Net\ninput: [4]\n{block}layers:\n{layers}")
    run = netgen("graph", "net.yaml", "-o", "net.mmd", "--depth", "3", cwd=tmp_path)
    assert run.stdout == "wrote net.mmd, folded at `--depth 1`: Mermaid draws 500 arrows\n"
    assert 0 < (tmp_path / "net.mmd").read_text().count("-->") <= 500
    alternating = "- ReLU\n- Tanh\n" * 300
    (tmp_path / "net.yaml").write_text(f"name: Net\ninput: [4]\nlayers:\n{alternating}")
    run = netgen("graph", "net.yaml", "-o", "net.mmd", "--force", cwd=tmp_path)
    told = "it has 601 arrows, but Mermaid draws 500, unless its `maxEdges` says more"
    assert run.stdout == f"wrote net.mmd: {told}\n"


WIDE = """\
name: Net
input: [8]
blocks:
  B:
    params: {by: 1.0}
    inputs: [a, b, c]
    layers:
    - Add: {name: p, from: [a, b, c]}
    - Mul: {name: m, from: [b, c, p]}
    - Scale: {name: q, factor: $by}
    - Maximum: {name: r, from: [a, q]}
    outputs: [p, q, r]
layers:
- B: {name: many, from: [input, input, input], by: $(1 + index), repeat: 700, carry: true}
- Add: [many.0, many.1, many.2]
"""


def _heeds_interrupts() -> None:
    """A shell's background jobs, such as a run of all tests may be, ignore Ctrl-C."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.mark.linux
@pytest.mark.parametrize("by", ["time", "Ctrl-C"])
def test_a_layout_that_takes_long_can_be_ended(by: str, tmp_path: Path) -> None:
    """Graphviz works on such a picture for minutes."""
    (tmp_path / "net.yaml").write_text(WIDE)
    command = [sys.executable, "-m", "torch_netgen", "graph", "net.yaml", "--depth", "9"]
    command += ["--timeout", "3"] if by == "time" else []
    with subprocess.Popen(
        command, cwd=tmp_path, stderr=subprocess.PIPE, text=True, preexec_fn=_heeds_interrupts
    ) as process:
        if by == "Ctrl-C":
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(timeout=3)
            process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=30)
    assert process.returncode == (1 if by == "time" else 130)
    assert not list(tmp_path.glob("*.svg"))
    if by == "time":
        assert "within 3 seconds" in told


@pytest.mark.linux
def test_a_long_picture_reaches_a_layout_that_begins_late(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More text than a pipe holds, and a process that reads it after some of the waits for it."""
    late = tmp_path / "python"
    late.write_text(f'#!/bin/sh\nsleep 0.7\nexec {sys.executable} "$@"\n')
    late.chmod(0o755)
    layers = "".join(f"- Tanh: {{name: layer_with_a_long_name_{i}}}\n" for i in range(700))
    spec = parse(f"name: Net\ninput: [4]\nlayers:\n{layers}", "net.yaml")
    long = picture(check_source(spec, {}).graph)
    assert len(dot(long, Look())) > 100_000
    monkeypatch.setattr(sys, "executable", str(late))
    assert drawn(long, "svg", Look()).count(b"layer_with_a_long_name_") >= 700
