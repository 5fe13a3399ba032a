"""A self-contained HTML page with picture, numbers, spec and generated source, linked together."""

from __future__ import annotations

import html
import json
from importlib.resources import files
from string import Template
from typing import Any

from ..analysis.prediction import Prediction
from ..diagnostics.diagnostics import Diagnostic, NetgenError
from ..ir.trace import BATCHES, traced
from ..pipeline import rendered
from .copies import without_copies
from .dot import Look
from .explain import Explained
from .lines import SpecLines, source_lines
from .picture import GROUPS, Box, Picture, picture
from .themes import DARK, LIGHT, variables


def page(found: Prediction, depth: int, direction: str, theme: str | None) -> str:
    """The page of a network, with the blocks below a depth folded at first.

    Without a `theme` it is as the reader's system is.
    """
    drawing = without_copies(picture(found.graph))
    assets = files(__package__).joinpath("assets")
    return Template(assets.joinpath("page.html").read_text(encoding="utf-8")).substitute(
        title=html.escape(found.graph.name),
        theme=theme or "",
        style=_style(assets.joinpath("page.css").read_text(encoding="utf-8")),
        script=assets.joinpath("page.js").read_text(encoding="utf-8"),
        data=_script(_data(found, drawing, depth, Look(direction=direction))),
        graphviz=_script(_graphviz()),
    )


def _graphviz() -> str:
    """Graphviz for browsers, as a JavaScript module."""
    try:
        return files("easydot.assets").joinpath("index.js").read_text(encoding="utf-8")
    except ImportError:
        message = "the page is laid out by Graphviz for browsers, which is not installed"
        help = "`pip install 'torch-netgen[graph]'` brings it"
        raise NetgenError(Diagnostic("NG504", message, help=help)) from None


def _script(value: Any) -> str:
    """A value as JSON that is safe inside a ``script`` element."""
    return json.dumps(value, ensure_ascii=False).replace("<", "\\u003c")


def _style(rest: str) -> str:
    """The style sheet, with the colours of both themes."""
    light, dark = (" ".join(variables(theme)) for theme in (LIGHT, DARK))
    groups = (
        f"#picture .{group} > path, #picture .{group} > ellipse "
        f"{{ fill: var(--{group}); stroke: var(--{group}-line); }}"
        for group in GROUPS
    )
    return "\n".join([f":root {{ {light} }}", f":root.dark {{ {dark} }}", rest, *groups])


def _data(found: Prediction, drawing: Picture, depth: int, look: Look) -> dict[str, Any]:
    trace = traced(found.graph, {**found.graph.sizes, "N": BATCHES[0]})
    text = rendered(found)
    lines, written = source_lines(found, trace, text), SpecLines(found.source)
    explained = Explained(found)

    def told(box: Box) -> dict[str, Any]:
        facts = {name: getattr(box, name) for name in "key parent name type output inner".split()}
        facts |= {"title": box.title, "others": box.others, "held": box.held}
        facts |= {"node": look.node(box), "cluster": look.cluster(box)}
        facts |= {"heading": look.heading(box)} if box.inner else {}
        if box.call is None:
            return {**facts, "text": "", "line": "", "spec": [], "source": []}
        place, line = written.of(trace.calls[box.call])
        why = "\n".join(explained.lines(box.call))
        return {**facts, "text": why, "line": line, "spec": [place], "source": lines[box.call]}

    return {
        "style": look.header(drawing.sizes),
        "boxes": [told(box) for box in drawing.boxes],
        "arrows": [
            {
                "source": a.source,
                "target": a.target,
                "shape": a.shape,
                "skip": a.skip,
                "look": look.edge(a),
            }
            for a in drawing.arrows
        ],
        "closed": sorted(drawing.at_depth(depth)),
        "spec": written.numbered,
        "source": [*enumerate(text.splitlines(), 1)],
    }
