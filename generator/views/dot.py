"""A picture in Graphviz's language, in Mermaid's, and as an image."""

from __future__ import annotations

import html
import re
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from subprocess import DEVNULL, PIPE, Popen, TimeoutExpired
from tempfile import TemporaryFile
from xml.etree import ElementTree

from ..diagnostics.diagnostics import Diagnostic, NetgenError
from .picture import Arrow, Box, Picture

FONT = "Helvetica"  # Graphviz knows its widths, wherever it runs
# fill and border of each group of boxes
COLOURS = {
    "activation": ("#fdebd3", "#d9822b"),
    "attention": ("#fbdbe6", "#c4407a"),
    "block": ("#f5f7fa", "#5c7080"),
    "conv": ("#d6e6ff", "#2f6fd0"),
    "end": ("#ffffff", "#30404d"),
    "linear": ("#e4dbfa", "#7157d9"),
    "merge": ("#ffe0d6", "#d9480f"),
    "norm": ("#e6eaee", "#7a8b99"),
    "operation": ("#f4f4f4", "#8a9ba8"),
    "pooling": ("#d3f2e0", "#1f8a55"),
    "recurrent": ("#fbf0bd", "#a67908"),
    "shape": ("#eef1f4", "#8a9ba8"),
}
_SVG = "http://www.w3.org/2000/svg"
MOST_PIXELS = 32_767
DPI = 144  # of a png
_BEAT = 0.2  # seconds
SKIP = "#d9480f"
GRAPH = 'bgcolor="transparent" rankdir=TB nodesep=0.3 ranksep=0.35 fontname="{font}"'
NODE = (
    'shape=box style="rounded,filled" fontname="{font}" fontsize=12 margin="0.14,0.06" height=0.3'
)
EDGE = 'fontname="{font}" fontsize=9 fontcolor="#5c7080" color="#5c7080" arrowsize=0.6'


def dot(picture: Picture) -> str:
    """The picture in Graphviz's language."""
    lines = [f"digraph {_quoted(picture.name)} {{", f"  {header(picture.sizes)}"]
    lines += _nested(picture, "", 1)
    lines += [f"  {arrow.source} -> {arrow.target} [{edge(arrow)}];" for arrow in picture.arrows]
    return "\n".join([*lines, "}", ""])


def header(sizes: str) -> str:
    """The default attributes of graph, boxes and arrows, with a note on the run-time sizes."""
    note = f" label={_quoted(f'for {sizes}')} labelloc=b fontsize=9" if sizes else ""
    return f"graph [{GRAPH}{note}]; node [{NODE}]; edge [{EDGE}];".replace("{font}", FONT)


def _nested(picture: Picture, parent: str, level: int) -> Iterator[str]:
    indent = "  " * level
    around = {box.parent for box in picture.boxes}
    for box in picture.boxes:
        if box.parent != parent:
            continue
        if box.key not in around:
            yield f"{indent}{box.key} [{node(box)}];"
            continue
        yield f"{indent}subgraph cluster_{box.key} {{"
        yield f"{indent}  graph [{cluster(box)}];"
        yield from _nested(picture, box.key, level + 1)
        yield f"{indent}}}"


def node(box: Box) -> str:
    """The attributes of a box that is drawn without boxes inside of it."""
    fill, border = COLOURS[box.group]
    title, second = (box.name, box.output) if box.group == "end" else (box.type, box.label)
    notes = [second, *([f"{box.parameters:,} parameters"] if box.inner and box.parameters else [])]
    small = "".join(f'<BR/><FONT POINT-SIZE="9">{html.escape(note)}</FONT>' for note in notes)
    shape = ' shape=box style="rounded,filled,bold"' if box.inner else ""
    shape = " shape=ellipse style=filled" if box.group == "end" else shape
    label = f"<<B>{html.escape(title)}</B>{small}>"
    return (
        f'id={box.key} class={box.group} label={label} fillcolor="{fill}" color="{border}"{shape}'
    )


def cluster(box: Box) -> str:
    """The attributes of a box around others."""
    fill, border = COLOURS["block"]
    label = _quoted(f"{box.type} {box.label}")
    style = 'style="rounded,filled" labeljust=l fontsize=11 margin=10'
    return f'id={box.key} class=block label={label} {style} fillcolor="{fill}80" color="{border}"'


def edge(arrow: Arrow) -> str:
    """The attributes of an arrow."""
    look = f' class=skip style=dashed penwidth=1.4 color="{SKIP}"' if arrow.skip else ""
    return f'label=" {arrow.shape}"{look}'


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def mermaid(picture: Picture) -> str:
    """The picture in Mermaid's language, which READMEs on GitHub and GitLab draw."""
    lines = ["flowchart TB", *([f"  %% for {picture.sizes}"] if picture.sizes else [])]
    lines += _subgraphs(picture, "", 1)
    for arrow in picture.arrows:
        line = f'-. "{arrow.shape}" .->' if arrow.skip else f'-- "{arrow.shape}" -->'
        lines.append(f"  {arrow.source} {line} {arrow.target}")
    used = dict.fromkeys(box.group for box in picture.boxes)
    for group in used:
        fill, border = COLOURS[group]
        lines.append(f"  classDef {group}_ fill:{fill},stroke:{border},color:#182026")
    return "\n".join([*lines, ""])


def _subgraphs(picture: Picture, parent: str, level: int) -> Iterator[str]:
    indent = "  " * level
    around = {box.parent for box in picture.boxes}
    for box in picture.boxes:
        if box.parent != parent:
            continue
        if box.key in around:
            yield f'{indent}subgraph {box.key}["{_entities(box.type)} {_entities(box.label)}"]'
            yield from _subgraphs(picture, box.key, level + 1)
            yield f"{indent}end"
            continue
        second = box.output if box.group == "end" else box.type
        text = f"{_entities(box.label)}<br/>{_entities(second)}"
        ends = ('(["', '"])') if box.group == "end" else ('["', '"]')
        yield f"{indent}{box.key}{ends[0]}{text}{ends[1]}:::{box.group}_"


def _entities(text: str) -> str:
    return "".join(c if c.isalnum() or c in " ._()-" else f"#{ord(c)};" for c in text)


def drawn(picture: Picture, form: str) -> bytes:
    """The picture as ``svg`` or ``png``, laid out by Graphviz.

    Raises `NetgenError` if Graphviz is not installed, or if a ``png`` would be too large.
    """
    if not find_spec("pygraphviz"):
        message = "pictures are laid out by Graphviz, which is not installed"
        help = "`pip install 'torch-netgen[graph]'` brings it; `.dot` and `.mmd` need nothing"
        raise NetgenError(Diagnostic("NG504", message, help=help))
    most = MOST_PIXELS if form == "png" else sys.maxsize
    length, _, image = _laid_out(dot(picture), form, most).partition(b"\n")
    if int(length) > most:
        message = f"the image would be {int(length):,} pixels long; {most:,} are the most"
        help = "write .svg or .html, or fold more of it with a smaller `--depth`"
        raise NetgenError(Diagnostic("NG501", message, help=help))
    return _centred(image) if form == "svg" else image


def _laid_out(text: str, form: str, most: int) -> bytes:
    """What Graphviz's own process writes; it ends with this one, and when the time is up."""
    script = Path(__file__).with_name("layout.py")
    command = [sys.executable, "-I", str(script), form, str(DPI), str(most)]
    with TemporaryFile() as given:
        given.write(text.encode())
        given.seek(0)
        # the font library prints warnings on its own files
        with Popen(command, stdin=given, stdout=PIPE, stderr=DEVNULL) as process:
            try:
                found = _waited_for(process)
            except BaseException:
                process.kill()
                raise
    if process.returncode:
        message = "Graphviz could not lay out the picture"
        help = "write .html, .dot or .mmd, or fold more of it with a smaller `--depth`"
        raise NetgenError(Diagnostic("NG504", message, help=help))
    return found


def _waited_for(process: Popen[bytes]) -> bytes:
    """What a process writes; between two waits for it, this one can be interrupted."""
    while True:
        try:
            return process.communicate(timeout=_BEAT)[0]
        except TimeoutExpired:
            pass


def _centred(svg: bytes) -> bytes:
    """The SVG with the text of each box centred, so that other fonts fit as well."""
    ElementTree.register_namespace("", _SVG)
    tree = ElementTree.fromstring(svg)
    for group in tree.iter(f"{{{_SVG}}}g"):
        box = next((found for found in group if found.tag.endswith(("path", "ellipse"))), None)
        if not group.get("class", "").startswith("node") or box is None:
            continue
        corners = [float(x) for x in re.findall(r"(-?[\d.]+),", box.get("d", ""))]
        middle = (min(corners) + max(corners)) / 2 if corners else float(box.get("cx", 0))
        for text in group.iter(f"{{{_SVG}}}text"):
            text.set("text-anchor", "middle")
            text.set("x", f"{middle:.2f}")
    image: bytes = ElementTree.tostring(tree, encoding="utf-8")
    return image + b"\n"
