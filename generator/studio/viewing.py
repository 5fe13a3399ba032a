"""What a right text gives: its source, its picture, its table, its weights, and why they are so."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from msgspec import Struct

from ..analysis.prediction import Prediction
from ..ir.graph import Graph
from ..ir.trace import BATCHES, Trace, call_names, traced
from ..layers.base import Refusal
from ..lsp.snapshot import Snapshot
from ..pipeline import rendered
from ..views.bars import COLUMNS, Column, short, total_of
from ..views.copies import without_copies
from ..views.dot import Look
from ..views.lines import SpecLines, source_lines
from ..views.outline import Entry, Outline, outline_of_calls
from ..views.picture import Box, picture
from ..views.show import HEADS, NUMBERS, cells, footnotes, total
from .asked import Explain, OfText, View
from .checking import checked_text

DEPTH = 2  # levels of boxes that are open at first


class _Known(Struct, frozen=True):
    """The last right text, and what it is."""

    asked: tuple[str, str, dict[str, str]]
    right: Snapshot


class Viewer:
    """Shows texts, and keeps the last one that was right."""

    def __init__(self) -> None:
        self.known: _Known | None = None

    def view(self, asked: View) -> dict[str, Any]:
        """Source, picture, table and weights of a text; not `ok` if it is wrong."""
        right = self._right(asked)
        if right is None or right.found is None:
            return {"ok": False}
        return {"ok": True, **_shown(right.found)}

    def explain(self, asked: Explain) -> dict[str, Any]:
        """Why the numbers of a call are what they are, as text; empty if there is no such call."""
        right = self._right(asked)
        network = None if right is None else right.network
        if network is None or not 0 <= asked.call < len(network.trace.calls):
            return {"text": ""}
        return {"text": "\n".join(network.lines(asked.call))}

    def _right(self, asked: OfText) -> Snapshot | None:
        """The snapshot of a text, if it is right."""
        key = (asked.text, asked.file, asked.values)
        if self.known is None or self.known.asked != key:
            right = checked_text(asked).right
            if right is None:
                return None
            self.known = _Known(key, right)
        return self.known.right


def _shown(found: Prediction) -> dict[str, Any]:
    trace = traced(found.graph, {**found.graph.sizes, "N": BATCHES[0]})
    text = rendered(found)
    spec, source = SpecLines(found.source), source_lines(found, trace, text)
    lines = [(spec.of(call)[0], source[number]) for number, call in enumerate(trace.calls)]
    return {
        "name": found.graph.name,
        "source": text,
        "picture": _drawn(found.graph),
        "spec_lines": [place for place, _ in lines],
        "source_lines": [places for _, places in lines],
        "table": _table(found.graph, call_names(trace)),
        "weights": [*_weights(found.graph, trace)],
    }


def _drawn(graph: Graph) -> dict[str, Any]:
    """The picture as what the page lays out, folds and unfolds."""
    drawing, look = without_copies(picture(graph)), Look()

    def told(box: Box) -> dict[str, Any]:
        facts = {name: getattr(box, name) for name in "key parent name type output inner".split()}
        facts |= {"title": box.title, "others": box.others, "held": box.held, "call": box.call}
        facts |= {"node": look.node(box), "cluster": look.cluster(box)}
        return facts | ({"heading": look.heading(box)} if box.inner else {})

    return {
        "style": look.header(drawing.sizes),
        "boxes": [told(box) for box in drawing.boxes],
        "arrows": [
            {
                "source": arrow.source,
                "target": arrow.target,
                "shape": arrow.shape,
                "skip": arrow.skip,
                "look": look.edge(arrow),
            }
            for arrow in drawing.arrows
        ],
        "closed": sorted(drawing.at_depth(DEPTH)),
    }


def _table(graph: Graph, names: Sequence[str]) -> dict[str, Any]:
    """The table of `netgen show`, with the number and the name of the call in each row."""
    try:
        tree, calls = outline_of_calls(graph, 1)
    except Refusal:
        tree, calls = outline_of_calls(graph, BATCHES[0])
    rows = [
        {
            "level": level,
            "call": call,
            "name": entry.name if call is None else names[call],
            "cells": cells(0, entry, "table"),
            "costs": [_cost(column, entry, total_of(tree, column)) for column in COLUMNS],
            "parted": bool(entry.children),
        }
        for (level, entry), call in zip(_walked(tree), calls, strict=True)
    ]
    return {
        "heads": HEADS,
        "numbers": [head in NUMBERS for head in HEADS],
        "rows": rows,
        "total": total(tree),
        "bars": [
            {"head": column.head, "total": short(total_of(tree, column), column.units)}
            for column in COLUMNS
        ],
        "notes": footnotes(tree),
    }


def _cost(column: Column, entry: Entry, whole: int) -> dict[str, Any]:
    """A cost of an entry: as a number, in short, and as a share of the whole."""
    cost = int(getattr(entry, column.name))
    share = cost / whole if whole else 0
    return {"cost": cost, "text": short(cost, column.units) if cost else "", "share": share}


def _walked(tree: Outline) -> Iterator[tuple[int, Any]]:
    for entry in (*tree.inputs, *tree.entries):
        yield from entry.walk()


def _weights(graph: Graph, trace: Trace) -> Iterator[dict[str, Any]]:
    """The keys of the `state_dict`, each with its shape, its type, and the call that holds it."""
    holders = {call.path: number for number, call in reversed([*enumerate(trace.calls)])}
    for weight in graph.weights:
        parts = weight.name.split(".")
        paths = (".".join(parts[:length]) for length in range(len(parts), 0, -1))
        holder = next((holders[path] for path in paths if path in holders), None)
        yield {
            "name": weight.name,
            "shape": "x".join(str(int(size)) for size in weight.shape) or "scalar",
            "dtype": weight.dtype,
            "trainable": weight.trainable,
            "call": holder,
        }
