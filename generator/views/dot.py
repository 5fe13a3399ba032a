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

from msgspec import Struct

from ..diagnostics.diagnostics import Diagnostic, NetgenError
from .picture import Arrow, Box, Picture
from .themes import LIGHT, Theme

FONT = "Helvetica"  # Graphviz knows its widths, wherever it runs
DIRECTIONS = ("TB", "LR")
_SVG = "http://www.w3.org/2000/svg"
MOST_PIXELS = 32_767
DPI = 144  # of a png
_BEAT = 0.2  # seconds
_SMALL = 9
_DATE = re.compile(rb"/CreationDate \([^)]*\)")  # the same picture is the same file


class Look(Struct, frozen=True):
    """How a picture is drawn: its colours, and whether it goes down or to the right."""

    theme: Theme = LIGHT
    direction: str = "TB"

    def header(self, sizes: str) -> str:
        """The default attributes of graph, boxes and arrows, with a note on the run-time sizes."""
        ink, faint, paper = self.theme.ink, self.theme.faint, self.theme.background
        font = f'fontname="{FONT}"'
        note = f" label={_quoted(f'for {sizes}')} labelloc=b fontsize={_SMALL}" if sizes else ""
        graph = f'bgcolor="{paper}" rankdir={self.direction} nodesep=0.25 ranksep=0.13 pad=0.1'
        node = 'shape=box style="rounded,filled" fontsize=12 margin="0.12,0.03" height=0.25'
        edge = f'fontsize={_SMALL} fontcolor="{faint}" color="{faint}" arrowsize=0.6'
        return (
            f'graph [{graph} {font} fontcolor="{ink}"{note}]; '
            f'node [{node} {font} fontcolor="{ink}"]; edge [{edge} {font}];'
        )

    def node(self, box: Box) -> str:
        """The attributes of a box that is drawn without boxes inside of it."""
        fill, border = self.theme.fills[box.group], self.theme.borders[box.group]
        end = box.group == "end"
        notes = [box.output if end else f"{box.label} \u00b7 {box.output}"]
        notes += [box.held] if box.inner and box.held else []
        small = "".join(
            f'<BR/><FONT POINT-SIZE="{_SMALL}">{html.escape(note)}</FONT>' for note in notes
        )
        shape = ' style="rounded,filled,bold"' if box.inner else ""
        shape = " shape=ellipse style=filled" if end else shape
        label = f"<<B>{html.escape(box.name if end else box.title)}</B>{small}>"
        return (
            f'id={box.key} class={box.group} label={label} fillcolor="{fill}" color="{border}"'
            f"{shape}"
        )

    def cluster(self, box: Box) -> str:
        """The attributes of a box around others."""
        fill, border = self.theme.fills["block"], self.theme.borders["block"]
        return (
            f'id={box.key} class=block label="" style="rounded,filled" margin=8 '
            f'fillcolor="{fill}80" color="{border}"'
        )

    def heading(self, box: Box) -> str:
        """The attributes of the title of a box around others, which is a box of its own.

        So it has its place: boxes do not overlap, and arrows go around them.
        """
        parted = "\n" if self.direction == "LR" else " \u00b7 "  # a column of its own is narrow
        title = _quoted(f"{box.title}{parted}{box.label}")
        return f"id=t{box.key} class=heading shape=plain style=solid fontsize=11 label={title}"

    def edge(self, arrow: Arrow) -> str:
        """The attributes of an arrow."""
        look = f'class=skip style=dashed penwidth=1.4 color="{self.theme.skip}"'
        return look if arrow.skip else "weight=20"


def dot(picture: Picture, look: Look) -> str:
    """The picture in Graphviz's language."""
    outputs = {box.key: box.output for box in picture.boxes}
    nest = _Nest(picture)
    lines = [f"digraph {_quoted(picture.name)} {{", f"  {look.header(picture.sizes)}"]
    lines += _nested(picture, look, "", 1)
    lines += [f"  {above} -> {below} [style=invis weight=0];" for above, below in nest.headings()]
    for arrow in picture.arrows:
        # the box that it comes from says what it gives
        told = "" if arrow.shape == outputs[arrow.source] else f' label=" {arrow.shape}"'
        far = f"minlen={1 + nest.entered(arrow)} {look.edge(arrow)}{told}"
        lines.append(f"  {arrow.source} -> {arrow.target} [{far}];")
    return "\n".join([*lines, "}", ""])


def _nested(picture: Picture, look: Look, parent: str, level: int) -> Iterator[str]:
    indent = "  " * level
    around = {box.parent for box in picture.boxes}
    for box in picture.boxes:
        if box.parent != parent:
            continue
        if box.key not in around:
            yield f"{indent}{box.key} [{look.node(box)}];"
            continue
        yield f"{indent}subgraph cluster_{box.key} {{"
        yield f"{indent}  graph [{look.cluster(box)}];"
        yield f"{indent}  t{box.key} [{look.heading(box)}];"
        yield from _nested(picture, look, box.key, level + 1)
        yield f"{indent}}}"


class _Nest:
    """Which boxes are around which."""

    def __init__(self, picture: Picture) -> None:
        self.picture = picture
        self.parents = {box.key: box.parent for box in picture.boxes}

    def around(self, key: str) -> list[str]:
        """The boxes around a box, outer ones first, and the box itself."""
        found = []
        while key:
            found.append(key)
            key = self.parents[key]
        return found[::-1]

    def entered(self, arrow: Arrow) -> int:
        """How many boxes an arrow enters before it comes to its target."""
        return (
            len([key for key in self.around(arrow.target) if key not in self.around(arrow.source)])
            - 1
        )

    def headings(self) -> Iterator[tuple[str, str]]:
        """The titles of open boxes, each with what is below it: what reads from elsewhere alone."""
        opened = {*self.parents.values()}
        fed = set()
        for arrow in self.picture.arrows:
            source, target = self.around(arrow.source), self.around(arrow.target)
            apart = next(n for n, (a, b) in enumerate(zip(source, target, strict=False)) if a != b)
            if apart:
                fed.add(target[apart])
        for key, parent in self.parents.items():
            if parent and key not in fed:
                yield f"t{parent}", f"t{key}" if key in opened else key


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def mermaid(picture: Picture, look: Look) -> str:
    """The picture in Mermaid's language, which READMEs on GitHub and GitLab draw."""
    lines = [
        f"flowchart {look.direction}",
        *([f"  %% for {picture.sizes}"] if picture.sizes else []),
    ]
    lines += _subgraphs(picture, "", 1)
    for arrow in picture.arrows:
        line = f'-. "{arrow.shape}" .->' if arrow.skip else f'-- "{arrow.shape}" -->'
        lines.append(f"  {arrow.source} {line} {arrow.target}")
    used = dict.fromkeys(box.group for box in picture.boxes)
    for group in used:
        fill, border = look.theme.fills[group], look.theme.borders[group]
        lines.append(f"  classDef {group}_ fill:{fill},stroke:{border},color:{look.theme.ink}")
    return "\n".join([*lines, ""])


def _subgraphs(picture: Picture, parent: str, level: int) -> Iterator[str]:
    indent = "  " * level
    around = {box.parent for box in picture.boxes}
    for box in picture.boxes:
        if box.parent != parent:
            continue
        if box.key in around:
            yield f'{indent}subgraph {box.key}["{_entities(f"{box.title} {box.label}")}"]'
            yield from _subgraphs(picture, box.key, level + 1)
            yield f"{indent}end"
            continue
        first, second = (box.label, box.output) if box.group == "end" else (box.title, box.label)
        text = f"{_entities(first)}<br/>{_entities(second)}"
        ends = ('(["', '"])') if box.group == "end" else ('["', '"]')
        yield f"{indent}{box.key}{ends[0]}{text}{ends[1]}:::{box.group}_"


def _entities(text: str) -> str:
    return "".join(c if c.isalnum() or c in " ._()-" else f"#{ord(c)};" for c in text)


def drawn(picture: Picture, form: str, look: Look) -> bytes:
    """The picture as ``svg``, ``png`` or ``pdf``, laid out by Graphviz.

    Raises `NetgenError` if Graphviz is not installed, or if a ``png`` would be too large.
    """
    if not find_spec("pygraphviz"):
        message = "pictures are laid out by Graphviz, which is not installed"
        help = "`pip install 'torch-netgen[graph]'` brings it; `.dot` and `.mmd` need nothing"
        raise NetgenError(Diagnostic("NG504", message, help=help))
    most = MOST_PIXELS if form == "png" else sys.maxsize
    length, _, image = _laid_out(dot(picture, look), form, most).partition(b"\n")
    if int(length) > most:
        message = f"the image would be {int(length):,} pixels long; {most:,} are the most"
        help = "write .svg or .html, or fold more of it with a smaller `--depth`"
        raise NetgenError(Diagnostic("NG501", message, help=help))
    if form == "pdf":
        return _DATE.sub(lambda found: b" " * len(found[0]), image)
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
