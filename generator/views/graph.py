"""`netgen graph`: the network as a picture, a text that others draw, or a page."""

from __future__ import annotations

from pathlib import Path

from ..diagnostics import printable
from ..files import write
from ..prediction import Prediction
from .dot import dot, drawn, mermaid
from .picture import picture


def graph(found: Prediction, output: Path, depth: int) -> str:
    """Draw a network into a file, in the form that its suffix tells; what to say of it.

    Blocks below a `depth` are folded; 1 folds all.
    """
    write(output, _content(found, output.suffix, depth))
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
