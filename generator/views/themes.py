"""The colours of pictures and pages, for paper and for the dark."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from msgspec import Struct


class Theme(Struct, frozen=True):
    """The colours of a picture: each group of boxes has a fill and a border.

    `paper` is behind all, `ink` the text, `faint` the notes and the arrows, `skip` the skips.
    """

    paper: str
    ink: str
    faint: str
    skip: str
    background: str  # behind an image: nothing, or the paper
    fills: Mapping[str, str]
    borders: Mapping[str, str]


_BORDERS = {
    "activation": "#d9822b",
    "attention": "#c4407a",
    "block": "#5c7080",
    "conv": "#2f6fd0",
    "end": "#30404d",
    "linear": "#7157d9",
    "merge": "#d9480f",
    "norm": "#7a8b99",
    "operation": "#8a9ba8",
    "pooling": "#1f8a55",
    "recurrent": "#a67908",
    "shape": "#8a9ba8",
}

LIGHT = Theme(
    paper="#ffffff",
    ink="#182026",
    faint="#5c7080",
    skip="#d9480f",
    background="transparent",
    fills={
        "activation": "#fdebd3",
        "attention": "#fbdbe6",
        "block": "#f5f7fa",
        "conv": "#d6e6ff",
        "end": "#ffffff",
        "linear": "#e4dbfa",
        "merge": "#ffe0d6",
        "norm": "#e6eaee",
        "operation": "#f4f4f4",
        "pooling": "#d3f2e0",
        "recurrent": "#fbf0bd",
        "shape": "#eef1f4",
    },
    borders=_BORDERS,
)
DARK = Theme(
    paper="#15191d",
    ink="#e6ebef",
    faint="#9fb0bd",
    skip="#ff7a45",
    background="#15191d",
    fills={
        "activation": "#4a3519",
        "attention": "#4d2236",
        "block": "#20272e",
        "conv": "#1d3558",
        "end": "#15191d",
        "linear": "#35295c",
        "merge": "#522a1b",
        "norm": "#333c45",
        "operation": "#2b2f33",
        "pooling": "#1b4430",
        "recurrent": "#4a4010",
        "shape": "#2a3138",
    },
    borders={**_BORDERS, "end": "#9fb0bd"},
)
THEMES = {"light": LIGHT, "dark": DARK}


def variables(theme: Theme) -> Iterator[str]:
    """The colours as declarations of a style sheet."""
    for name in ("paper", "ink", "faint", "skip"):
        yield f"--{name}: {getattr(theme, name)};"
    for group, fill in theme.fills.items():
        yield f"--{group}: {fill}; --{group}-line: {theme.borders[group]};"
