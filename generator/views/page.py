"""A self-contained HTML page with picture, numbers, spec and generated source, linked together."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterable
from importlib.resources import files
from importlib.resources.abc import Traversable
from string import Template
from typing import Any

from ..analysis.costs import Costs
from ..analysis.prediction import Prediction
from ..diagnostics.diagnostics import Diagnostic, told
from ..ir.trace import BATCHES, call_names, traced
from ..pipeline import rendered
from .bars import COLUMNS, short
from .colouring import source_words, spec_words
from .copies import without_copies
from .dot import Look
from .explain import Explained
from .in_browsers import graphviz, style
from .lines import SpecLines, source_lines
from .picture import Box, Picture, picture
from .show import footnotes, outlined


def page(found: Prediction, depth: int, direction: str, theme: str | None) -> str:
    """The page of a network, with the blocks below a depth folded at first.

    Without a `theme` it is as the reader's system is.
    """
    drawing = without_copies(picture(found.graph))
    assets = files(__package__).joinpath("assets")
    return Template(assets.joinpath("page.html").read_text(encoding="utf-8")).substitute(
        title=html.escape(found.graph.name),
        theme=theme or "",
        style=style(assets.joinpath("page.css").read_text(encoding="utf-8")),
        script=_joined(assets.joinpath(name) for name in ("canvas.js", "page.js")),
        data=_script(_data(found, drawing, depth, Look(direction=direction))),
        graphviz=_script(graphviz()),
    )


def _joined(modules: Iterable[Traversable]) -> str:
    """Modules as one script, each after those that it imports; a page is a single file."""
    text = "\n".join(module.read_text(encoding="utf-8") for module in modules)
    return re.sub(r"^(export |import \{.*\} from .*;$)", "", text, flags=re.MULTILINE)


def _script(value: Any) -> str:
    """A value as JSON that is safe inside a ``script`` element."""
    return json.dumps(value, ensure_ascii=False).replace("<", "\\u003c")


def _data(found: Prediction, drawing: Picture, depth: int, look: Look) -> dict[str, Any]:
    tree = outlined(found, None)
    sizes = {**found.graph.sizes, "N": tree.batch or BATCHES[0]}
    trace = traced(found.graph, sizes)
    costs = Costs(found.graph, trace)
    text = rendered(found)
    called = {name: number for number, name in enumerate(call_names(trace))}
    lines, written = source_lines(found, trace, text), SpecLines(found.source)
    explained = Explained(found)

    def of_box(box: Box) -> dict[str, Any]:
        facts = {name: getattr(box, name) for name in "key parent name type output inner".split()}
        facts |= {
            "title": box.title,
            "label": box.label,
            "others": box.others,
            "times": box.times,
            "held": box.held,
        }
        facts |= {"node": look.node(box), "cluster": look.cluster(box)}
        facts |= {"heading": look.heading(box)} if box.inner else {}
        if box.call is None:
            return {**facts, "text": "", "line": "", "spec": [], "source": [], "costs": []}
        # what it costs together with those that it stands for
        calls = [costs.calls[called[name]] for name in (box.name, *box.others)]
        every = [(sum(int(getattr(call, c.name)) for call in calls), c.units) for c in COLUMNS]
        facts["costs"] = [(cost, short(cost, units)) for cost, units in every]
        place, line = written.of(trace.calls[box.call])
        why = "\n".join(explained.lines(box.call))
        return {**facts, "text": why, "line": line, "spec": [place], "source": lines[box.call]}

    totals = (tree.parameters, tree.macs, tree.memory.training)
    return {
        "about": found.graph.description or "",
        "facts": footnotes(tree),
        "columns": [
            (column.head, total, short(total, column.units))
            for column, total in zip(COLUMNS, totals, strict=True)
        ],
        "warnings": [_warning(warning, written) for warning in found.warnings],
        "style": look.header(drawing.sizes),
        "boxes": [of_box(box) for box in drawing.boxes],
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
        "spec": [
            (number, spec_words(line) if number else [("", line)])
            for number, line in written.numbered
        ],
        "source": [*enumerate(source_words(text), 1)],
    }


def _warning(found: Diagnostic, written: SpecLines) -> dict[str, Any]:
    """A warning in words, with the place of its line among those of the spec."""
    place = found.location
    line = 0 if place is None else written.above.get(place.file, -place.line) + place.line
    title = f"{found.severity}[{found.code}]: {told(found.message)}"
    rest = [*found.notes, *([found.help] if found.help else [])]
    where = "" if place is None else str(place)
    return {"title": title, "rest": [*map(told, rest)], "where": where, "line": line}
