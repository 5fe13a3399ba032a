"""`netgen show`: the table of a network, for a terminal of any width, a page, or a program."""

from __future__ import annotations

import csv
import html
import io
import json
import textwrap
from collections.abc import Callable, Sequence

from msgspec import to_builtins
from msgspec.structs import replace

from ..analysis.memory import shown
from ..analysis.prediction import Prediction
from ..analysis.training import Terms, training
from ..diagnostics.diagnostics import NetgenError
from ..ir.trace import BATCHES
from ..layers.base import Refusal
from ..lower.refusals import refused_in_run
from .bars import bars
from .outline import Entry, Outline, outline
from .training import training_lines

HEADS = ("layer", "type", "reads", "output", "weights", "parameters", "MACs", "activations", "kept")
NUMBERS = frozenset(HEADS[5:])
# what goes first where a terminal is too narrow for all
LEAST_WANTED = ("weights", "kept", "activations", "MACs", "reads")
_EM_SPACE = "\u2003"
_ENTITIES = {_EM_SPACE: "&emsp;", **{char: f"&#{ord(char)};" for char in "&<>|[]`\\"}}


def show(
    found: Prediction,
    form: str,
    batch: int | None,
    depth: int,
    width: int | None,
    terms: Terms | None = None,
) -> str:
    """A network as a ``table``, ``bars``, ``markdown``, ``html``, ``json`` or ``csv``.

    Calls are shown down to `depth`; `width` is the terminal's, if there is one. With `terms` a
    table, bars and JSON tell what memory training takes, too.
    """
    tree = outlined(found, batch)
    needs = None if terms is None else training(found.graph, tree.batch or 1, terms)
    if form == "json":
        facts = to_builtins(tree, enc_hook=int)
        facts |= {} if needs is None else {"training": to_builtins(needs)}
        return json.dumps(facts, indent=2) + "\n"
    text = _told(tree, form, depth, width)
    return text if needs is None else "\n".join([text, *training_lines(needs), ""])


def _told(tree: Outline, form: str, depth: int, width: int | None) -> str:
    """An outline in one of the forms that people read."""
    if form == "bars":
        return "\n".join([*bars(tree, depth, width), *_foot(tree, width), ""])
    rows = [cells(level, entry, form) for level, entry in tree.walk(depth)]
    if form == "csv":
        return _csv(rows)
    write: Callable[[list[tuple[str, ...]], Outline, int | None], str]
    write = {"table": _table, "markdown": _markdown, "html": _html}[form]
    return write([HEADS, *rows, total(tree)], tree, width)


def outlined(found: Prediction, batch: int | None) -> Outline:
    """The tree for a batch; for one of 1, if nothing is said, or of 2 where norms want more."""
    try:
        return outline(found.graph, batch or 1)
    except Refusal:
        if batch is None:
            return outline(found.graph, BATCHES[0])
        wrong = refused_in_run(found.source, found.graph, {**found.graph.sizes, "N": batch})
        message = f"the network can't take a batch of {batch}: {wrong.message}"
        raise NetgenError(replace(wrong, message=message)) from None


def cells(level: int, entry: Entry, form: str) -> tuple[str, ...]:
    """An entry as texts; its depth shows in a table by how far its name is indented."""
    weights = ", ".join(f"{name} {_product(shape)}" for name, shape in entry.weights)
    rest = (entry.type, ", ".join(entry.reads), entry.output, weights)
    costs = (entry.parameters, entry.macs, entry.activations)
    if form == "csv":
        return (entry.path or entry.name, *rest, *map(str, (*costs, entry.kept)))
    indent = {"table": "  ", "markdown": _EM_SPACE, "html": _EM_SPACE}[form] * level
    told = (f"{cost:,}" if cost else "" for cost in costs)
    return (f"{indent}{entry.name}", *rest, *told, shown(entry.kept) if entry.kept else "")


def _product(shape: Sequence[int]) -> str:
    return "x".join(map(str, shape)) or "scalar"


def total(tree: Outline) -> tuple[str, ...]:
    """The last row: what all layers come to."""
    costs = (tree.parameters, tree.macs, tree.activations)
    kept = shown(tree.memory.training)
    return ("total", "", "", "", "", *(f"{cost:,}" for cost in costs), kept)


def _csv(rows: Sequence[tuple[str, ...]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([HEADS, *rows])
    return text.getvalue()


def _markdown(rows: list[tuple[str, ...]], tree: Outline, width: int | None) -> str:
    rule = [" ---: " if head in NUMBERS else " --- " for head in HEADS]
    lines = [f"| {' | '.join(map(_written_out, row))} |" for row in rows]
    return "\n".join([lines[0], f"|{'|'.join(rule)}|", *lines[1:], "", *footnotes(tree), ""])


def _written_out(cell: str) -> str:
    """A cell of a page as characters that mean nothing there: no tag, link, code or column."""
    return "".join(_ENTITIES.get(char, char) for char in cell)


def _html(rows: list[tuple[str, ...]], tree: Outline, width: int | None) -> str:
    """A table whose numbers are on the right, whatever the page's own style is."""
    columns = _columns(rows)
    lines = ["<table>"]
    for place in range(len(rows)):
        tag = "td" if place else "th"
        cells = (_cell(tag, head, column[place]) for head, column in columns.items())
        lines.append(f"<tr>{''.join(cells)}</tr>")
    notes = (f"<p>{html.escape(note)}</p>" for note in footnotes(tree))
    return "\n".join([*lines, "</table>", *notes, ""])


def _cell(tag: str, head: str, text: str) -> str:
    side = "right" if head in NUMBERS else "left"
    return f'<{tag} style="text-align: {side}">{html.escape(text)}</{tag}>'


def _columns(rows: list[tuple[str, ...]]) -> dict[str, list[str]]:
    """The cells of each column that is not empty, its head and its total among them."""
    columns = {head: [row[place] for row in rows] for place, head in enumerate(HEADS)}
    return {head: cells for head, cells in columns.items() if any(cells[1:-1])}


def _table(rows: list[tuple[str, ...]], tree: Outline, width: int | None) -> str:
    """Columns under each other; where they don't fit the least wanted are left out."""
    columns = _columns(rows)
    for head in LEAST_WANTED:
        if width is None or _width(columns) <= width:
            break
        columns.pop(head, None)
    if width is not None and _width(columns) > width:
        _narrow(columns, "layer", _width(columns) - width)
        _narrow(columns, "output", _width(columns) - width)
        _narrow(columns, "type", _width(columns) - width)
    widths = {head: max(map(len, cells)) for head, cells in columns.items()}
    lines = [
        "  ".join(
            columns[head][place].rjust(widths[head])
            if head in NUMBERS
            else columns[head][place].ljust(widths[head])
            for head in columns
        ).rstrip()
        for place in range(len(rows))
    ]
    if width is not None:
        lines = [line if len(line) <= width else f"{line[: width - 1]}…" for line in lines]
    ruler = "-" * min(_width(columns), width or _width(columns))
    return "\n".join([lines[0], ruler, *lines[1:-1], ruler, lines[-1], *_foot(tree, width), ""])


def _foot(tree: Outline, width: int | None) -> list[str]:
    """The footnotes in lines of at most this width."""
    notes = (textwrap.wrap(note, max(width or 1000, 20)) for note in footnotes(tree))
    return [line for note in notes for line in note]


def _width(columns: dict[str, list[str]]) -> int:
    return sum(max(map(len, cells)) + 2 for cells in columns.values()) - 2


def _narrow(columns: dict[str, list[str]], head: str, excess: int) -> None:
    """Cut the cells of a column so that the table gets narrower, if it can."""
    if excess <= 0 or head not in columns:
        return
    widest = max(max(map(len, columns[head])) - excess, 8)
    columns[head] = [
        cell if len(cell) <= widest else f"{cell[: widest - 1]}…" for cell in columns[head]
    ]


def footnotes(tree: Outline) -> list[str]:
    """What the numbers are for."""
    known = [f"{name} = {size}" for name, size in tree.sizes.items()]
    batch = "no batch" if tree.batch is None else f"a batch of {tree.batch}"
    memory = tree.memory
    fit = [f"sizes that fit: {'; '.join(tree.fit)}"] if tree.fit else []
    shared = sum(entry.parameters for entry in tree.entries) > tree.parameters
    return [
        f"for {', '.join((batch, *known))}; multiply-adds (MACs) are for one sample",
        *fit,
        *(["a weight that layers share counts for each of them, and once in the total"] * shared),
        f"memory: {shown(memory.weights)} of weights; activations take {shown(memory.inference)} "
        f"at most in inference, and training keeps {shown(memory.training)}, outputs included",
    ]
