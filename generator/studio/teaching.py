"""What the tab `Forms` shows: how the parts of a spec are written, to be put into the text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

from msgspec import Struct

from ..layers import GROUPING, TYPES
from ..mcp.language import page, sections
from ..views.catalogue import plain
from ..views.forms import USUAL, forms

_CODE = re.compile(r"`([^`]+)`")
_LINK = re.compile(r"\[([^]]*)\]\([^)]*\)")
_OWN = re.compile("«([^»]*)»")
_LEFT_OUT = "..."


class Piece(Struct, frozen=True):
    """Some layers, with the block that they use, if they use one.

    A value between « and » is one's own. The `words` find a piece, too.
    """

    about: str
    layers: str
    block: str = ""
    words: str = ""


PIECES = (
    Piece(
        "Convolution, normalisation, activation",
        """\
- Conv2d: {out_channels: «64», kernel_size: «3», padding: «1», bias: false}
- BatchNorm2d
- ReLU
""",
    ),
    Piece(
        "Residual connection: what comes in is added to what the layers give",
        """\
- Add:
    branches:
      - []
      - - Conv2d: {out_channels: $in_channels, kernel_size: «3», padding: «1»}
        - BatchNorm2d
        - ReLU
""",
        words="skip",
    ),
    Piece(
        "Residual block, a class of your own: its shortcut changes the shape where it must",
        """\
- Residual: {out_channels: «64»}
- Residual: {out_channels: «128», stride: «2»}
""",
        """\
Residual:
  params: {out_channels: required, stride: 1}
  layers:
    - Conv2d: {out_channels: $out_channels, kernel_size: 3, stride: $stride, padding: 1}
    - BatchNorm2d
    - ReLU
    - Conv2d: {out_channels: $out_channels, kernel_size: 3, padding: 1}
    - BatchNorm2d: {name: last}
    - Conv2d:                      # only where the shape changes
        name: shortcut
        from: input
        when: $(stride != 1 or in_channels != out_channels)
        out_channels: $out_channels
        kernel_size: 1
        stride: $stride
    - Add: [last, shortcut]
    - ReLU
""",
        words="skip shortcut projection downsample",
    ),
    Piece(
        "Residual block with a shortcut where the shape changes: a 1x1 convolution",
        "- Downsample: {channels: «128», stride: «2»}\n",
        """\
Downsample:
  params: {channels: required, stride: 2}
  layers:
    - Conv2d: {out_channels: $channels, kernel_size: 3, stride: $stride, padding: 1, bias: false}
    - BatchNorm2d
    - ReLU
    - Conv2d: {out_channels: $channels, kernel_size: 3, padding: 1, bias: false}
    - BatchNorm2d: {name: last}
    - Sequential:
        name: shortcut
        from: input                # what the block reads
        layers:
          - Conv2d: {out_channels: $channels, kernel_size: 1, stride: $stride, bias: false}
          - BatchNorm2d
    - Add: [last, shortcut]
    - ReLU
""",
        words="skip projection",
    ),
    Piece(
        "A layer that reads earlier ones, by their names",
        """\
- Conv2d: {name: stem, out_channels: «64», kernel_size: 3, padding: 1}
- ReLU
- Conv2d: {name: body, out_channels: «64», kernel_size: 3, padding: 1}
- Add: {from: [stem, body]}
""",
        words="skip",
    ),
    Piece(
        "Three copies, each with its own weights",
        "- Conv2d: {out_channels: «64», kernel_size: «3», padding: «1», repeat: «3»}\n",
    ),
    Piece(
        "The end of a classifier",
        """\
- AdaptiveAvgPool2d: 1
- Flatten
- Linear: «10»
""",
    ),
)


@cache
def taught() -> dict[str, Any]:
    """The pieces, the language at a glance, and all types of layers with their forms."""
    names = dict.fromkeys((*USUAL, *TYPES, *GROUPING))
    return {
        "pieces": [_told(piece) for piece in PIECES],
        "glance": [*_glance()],
        "layers": [{"name": name, "forms": [form.parts for form in forms(name)]} for name in names],
    }


def _told(piece: Piece) -> dict[str, Any]:
    """A piece as the page puts it in: text and a value, which is one's own, take turns."""
    parts = _OWN.split(piece.layers.rstrip())
    return {"about": piece.about, "parts": parts, "block": piece.block, "words": piece.words}


def _glance() -> Iterator[dict[str, Any]]:
    """The rows of the language's overview: what there is, and how it is written."""
    rows = [line for line in sections(page())["At a glance"].splitlines() if line.startswith("|")]
    for row in rows[2:]:
        what, written, *_ = row.strip("| ").split(" | ")
        told = [text for text in _CODE.findall(written) if _LEFT_OUT not in text]
        if told:
            yield {"about": plain(_LINK.sub(r"\1", what)), "forms": told}
