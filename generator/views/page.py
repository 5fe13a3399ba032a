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
from .dot import cluster, edge, header, node
from .explain import Explained
from .lines import SpecLines, source_lines
from .picture import Box, Picture, picture


def page(found: Prediction, depth: int) -> str:
    """The page of a network, with the blocks below a depth folded at first."""
    drawing = picture(found.graph)
    assets = files(__package__).joinpath("assets")
    return Template(assets.joinpath("page.html").read_text(encoding="utf-8")).substitute(
        title=html.escape(found.graph.name),
        style=assets.joinpath("page.css").read_text(encoding="utf-8"),
        script=assets.joinpath("page.js").read_text(encoding="utf-8"),
        data=_script(_data(found, drawing, depth)),
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


def _data(found: Prediction, drawing: Picture, depth: int) -> dict[str, Any]:
    trace = traced(found.graph, {**found.graph.sizes, "N": BATCHES[0]})
    text = rendered(found)
    lines, written = source_lines(found, trace, text), SpecLines(found.source)
    explained = Explained(found)

    def told(box: Box) -> dict[str, Any]:
        facts = {name: getattr(box, name) for name in "key parent name type output inner".split()}
        facts |= {"parameters": box.parameters, "node": node(box), "cluster": cluster(box)}
        if box.call is None:
            return {**facts, "text": "", "line": "", "spec": [], "source": []}
        place, line = written.of(trace.calls[box.call])
        why = "\n".join(explained.lines(box.call))
        return {**facts, "text": why, "line": line, "spec": [place], "source": lines[box.call]}

    return {
        "style": header(drawing.sizes),
        "boxes": [told(box) for box in drawing.boxes],
        "arrows": [
            {
                "source": a.source,
                "target": a.target,
                "shape": a.shape,
                "skip": a.skip,
                "look": edge(a),
            }
            for a in drawing.arrows
        ],
        "closed": sorted(drawing.at_depth(depth)),
        "spec": written.numbered,
        "source": [*enumerate(text.splitlines(), 1)],
    }
