"""`netgen graph`: the network as an image, as text for Graphviz or Mermaid, or as a page."""

from __future__ import annotations

import struct
from pathlib import Path

from ..analysis.prediction import Prediction
from ..diagnostics.diagnostics import printable
from ..output.files import DRAWING, IMAGE, UNSIGNED, claim, sign
from ..run.records import inputs_text
from .copies import without_copies
from .dot import Look, dot, drawn, mermaid
from .picture import Picture, picture
from .themes import THEMES

MOST_ARROWS = 500  # that Mermaid draws, by default
_MARK = f"Drawn by netgen (digest {UNSIGNED})".encode()
# the last line with the mark, by suffix
_REMARKS = {
    ".svg": b"<!-- %b -->",
    ".pdf": b"%% %b",
    ".html": b"<!-- %b -->",
    ".dot": b"// %b",
    ".mmd": b"%%%% %b",
}


def graph(
    found: Prediction, output: Path, depth: int, direction: str, theme: str | None, force: bool
) -> str:
    """Draw a network into a file in the format of its suffix, and return a message for the user.

    Blocks below a `depth` are folded; 1 folds all. Without a `theme` an image is light, and a page
    is as its reader likes it. A file that netgen did not draw, or that has been edited since, is
    only overwritten with `force`; else `NetgenError` is raised.
    """
    kind = DRAWING if output.suffix in _REMARKS else IMAGE
    target = claim(output, kind, force=force, specs=found.source.files, told=True)
    content, remark = _content(found, output.suffix, depth, direction, theme)
    data = _marked(content, output.suffix)
    target.write(sign(data, kind, inputs_text(found.source.inputs, found.overrides, found.variant)))
    return f"wrote {printable(str(output))}{remark}\n"


def _content(
    found: Prediction, suffix: str, depth: int, direction: str, theme: str | None
) -> tuple[str | bytes, str]:
    """What is written, and a remark on it for the user, or nothing."""
    if suffix == ".html":
        from .page import page

        return page(found, depth, direction, theme), ""
    whole = without_copies(picture(found.graph))
    folded = whole.folded(whole.at_depth(depth))
    look = Look(THEMES[theme or "light"], direction)
    if suffix in (".svg", ".png", ".pdf"):
        return drawn(folded, suffix[1:], look), ""
    if suffix == ".dot":
        return dot(folded, look), ""
    folded, remark = _for_mermaid(whole, depth)
    return mermaid(folded, look), remark


def _for_mermaid(whole: Picture, depth: int) -> tuple[Picture, str]:
    """The picture folded until Mermaid draws it, with what there is to say of that."""
    tried = [(at, whole.folded(whole.at_depth(at))) for at in range(depth, 0, -1)]
    fits = ((at, folded) for at, folded in tried if len(folded.arrows) <= MOST_ARROWS)
    at, folded = next(fits, tried[-1])
    if len(folded.arrows) > MOST_ARROWS:
        arrows = f"{len(folded.arrows):,} arrows, but Mermaid draws {MOST_ARROWS}"
        return folded, f": it has {arrows}, unless its `maxEdges` says more"
    less = f", folded at `--depth {at}`: Mermaid draws {MOST_ARROWS} arrows"
    return folded, less if at < depth else ""


def _marked(content: str | bytes, suffix: str) -> bytes:
    """The content with the place for netgen's digest, still unsigned."""
    data = content.encode() if isinstance(content, str) else content
    if suffix in _REMARKS:
        return data.rstrip() + b"\n" + _REMARKS[suffix] % _MARK + b"\n"
    # a PNG chunk before the last one: its length, its type with the text, and room for its CRC
    text = b"Comment\0" + _MARK
    chunk = struct.pack(">I", len(text)) + b"tEXt" + text + b"0000"
    return data[:-12] + chunk + data[-12:]
