"""`netgen graph`: the network as a picture, a text that others draw, or a page."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

from ..diagnostics import printable
from ..files import check_marked, write
from ..prediction import Prediction
from .dot import dot, drawn, mermaid
from .picture import picture

_MARK = b"Drawn by netgen"
# a last line that says so, and nothing more
_REMARKS = {".svg": b"<!-- %b -->", ".html": b"<!-- %b -->", ".dot": b"// %b", ".mmd": b"%%%% %b"}


def graph(found: Prediction, output: Path, depth: int, force: bool) -> str:
    """Draw a network into a file, in the form that its suffix tells; what to say of it.

    Blocks below a `depth` are folded; 1 folds all. What netgen did not draw is overwritten by
    `force` alone.
    """
    check_marked(output, _MARK, force=force)
    write(output, _marked(_content(found, output.suffix, depth), output.suffix))
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
    """A picture that can be told from a person's own."""
    data = content.encode() if isinstance(content, str) else content
    if suffix in _REMARKS:
        return data.rstrip() + b"\n" + _REMARKS[suffix] % _MARK + b"\n"
    comment = b"tEXtComment\0" + _MARK  # a chunk, before the 12 bytes of the last one
    chunk = struct.pack(">I", len(comment) - 4) + comment + struct.pack(">I", zlib.crc32(comment))
    return data[:-12] + chunk + data[-12:]
