"""`netgen graph`: the network as an image, as text for Graphviz or Mermaid, or as a page."""

from __future__ import annotations

import struct
from pathlib import Path

from ..analysis.prediction import Prediction
from ..diagnostics.diagnostics import printable
from ..output.files import DRAWING, IMAGE, UNSIGNED, claim, sign
from ..run.records import inputs_text
from .dot import dot, drawn, mermaid
from .picture import picture

_MARK = f"Drawn by netgen (digest {UNSIGNED})".encode()
# the last line with the mark, by suffix
_REMARKS = {".svg": b"<!-- %b -->", ".html": b"<!-- %b -->", ".dot": b"// %b", ".mmd": b"%%%% %b"}


def graph(found: Prediction, output: Path, depth: int, force: bool) -> str:
    """Draw a network into a file in the format of its suffix, and return a message for the user.

    Blocks below a `depth` are folded; 1 folds all. A file that netgen did not draw, or that has
    been edited since, is only overwritten with `force`; else `NetgenError` is raised.
    """
    kind = DRAWING if output.suffix in _REMARKS else IMAGE
    target = claim(output, kind, force=force, specs=found.source.files, told=True)
    data = _marked(_content(found, output.suffix, depth), output.suffix)
    target.write(sign(data, kind, inputs_text(found.source.inputs, found.overrides, found.variant)))
    return f"wrote {printable(str(output))}\n"


def _content(found: Prediction, suffix: str, depth: int) -> str | bytes:
    if suffix == ".html":
        from .page import page

        return page(found, depth)
    whole = picture(found.graph)
    folded = whole.folded(whole.at_depth(depth))
    if suffix in (".svg", ".png"):
        return drawn(folded, suffix[1:])
    return dot(folded) if suffix == ".dot" else mermaid(folded)


def _marked(content: str | bytes, suffix: str) -> bytes:
    """The content with the place for netgen's digest, still unsigned."""
    data = content.encode() if isinstance(content, str) else content
    if suffix in _REMARKS:
        return data.rstrip() + b"\n" + _REMARKS[suffix] % _MARK + b"\n"
    # a PNG chunk before the last one: its length, its type with the text, and room for its CRC
    text = b"Comment\0" + _MARK
    chunk = struct.pack(">I", len(text)) + b"tEXt" + text + b"0000"
    return data[:-12] + chunk + data[-12:]
