"""What pages in a browser need beside what they tell: Graphviz, and the colours of pictures."""

from __future__ import annotations

from importlib.resources import files

from ..diagnostics.diagnostics import Diagnostic, NetgenError
from .themes import DARK, LIGHT, variables


def graphviz() -> str:
    """Graphviz for browsers, as a JavaScript module."""
    try:
        return files("easydot.assets").joinpath("index.js").read_text(encoding="utf-8")
    except ImportError:
        message = "the page is laid out by Graphviz for browsers, which is not installed"
        help = "`pip install 'torch-netgen[graph]'` brings it"
        raise NetgenError(Diagnostic("NG504", message, help=help)) from None


def style(rest: str) -> str:
    """A style sheet, with the colours of both themes."""
    light, dark = (" ".join(variables(theme)) for theme in (LIGHT, DARK))
    groups = (
        f"#picture .{group} > path, #picture .{group} > ellipse "
        f"{{ fill: var(--{group}); stroke: var(--{group}-line); }}"
        for group in LIGHT.fills
    )
    return "\n".join([f":root {{ {light} }}", f":root.dark {{ {dark} }}", rest, *groups])
