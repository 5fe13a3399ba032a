"""What is asked while somebody types: diagnostics, hover and completion, from the language server.

A tab's last text without a mistake is kept: lines that have not changed since are told of by it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from msgspec.structs import replace

from ..analysis.memory import shown
from ..diagnostics.diagnostics import Diagnostic, NetgenError, printable
from ..lsp.completion import complete
from ..lsp.cursor import mapping_at
from ..lsp.hover import hover
from ..lsp.positions import Positions
from ..lsp.snapshot import Checked, Snapshot, check, line_in, snapshots
from ..spec.defaults import with_defaults
from ..spec.include import including, text_of_included
from ..spec.source import Source, parse
from ..symbolic.expressions import has_expression
from ..symbolic.sizes import plain
from ..views.bars import COLUMNS, short
from .asked import At, Check, Complete, Hover, OfText, Settle
from .places import positions, span
from .problems import problems

MACS = COLUMNS[1]
MOST_TABS = 8  # whose last right texts are kept


class Checker:
    """What is known of the texts in the tabs."""

    def __init__(self) -> None:
        self.right: dict[str, Snapshot] = {}

    def check(self, asked: Check) -> dict[str, Any]:
        """What is wrong with a text, its parameters, and its figures."""
        checked = checked_text(asked)
        if checked.right is not None:
            self.right.pop(asked.tab, None)
            self.right[asked.tab] = checked.right
            while len(self.right) > MOST_TABS:
                del self.right[next(iter(self.right))]
        return {
            "ok": checked.right is not None,
            "problems": problems(checked.diagnostics, asked.file, asked.text),
            "parameters": None if checked.source is None else [*_parameters(checked)],
            "variants": {} if checked.source is None else _variants(checked.source),
            "figures": _figures(checked.right),
        }

    def hover(self, asked: Hover) -> dict[str, Any] | None:
        """What stands at a place, in Markdown, and where that is."""
        at, line, column, right = self._place(asked)
        for snapshot, there in snapshots(asked.text, asked.file, line, right):
            found = hover(snapshot, there, column)
            if found is not None:
                back = line_in(snapshot.source.text, asked.text, found.place.line)
                place = None if back is None else span(replace(found.place, line=back), at)
                return {"text": found.text, "place": place}
        return None

    def complete(self, asked: Complete) -> dict[str, Any]:
        """What may be written at a place, in place of the text from a character on."""
        at, line, column, right = self._place(asked)
        found = complete(asked.text, line, column, right)
        return {
            "from": at.to_editor(line, found.column),
            "options": [
                {
                    "label": one.text,
                    "type": one.sort,
                    "detail": one.detail,
                    "forms": [form.parts for form in one.forms],
                }
                for one in found.suggestions
            ],
        }

    def settle(self, asked: Settle) -> dict[str, Any]:
        """The text with the values as its defaults."""
        try:
            source = parse(asked.text, asked.file)
            return {"ok": True, "text": with_defaults(source, given_values(asked.values))}
        except NetgenError as error:
            return {"ok": False, "problems": problems(error.diagnostics, asked.file, asked.text)}

    def _place(self, asked: At) -> tuple[Positions, int, int, Snapshot | None]:
        at = positions(asked.text)
        line, column = at.from_editor(asked.row, asked.character)
        return at, line, column, self.right.get(asked.tab)


def checked_text(asked: OfText) -> Checked:
    """The result of a check, with the values of parameters that were asked for."""
    try:
        values = given_values(asked.values)
    except NetgenError as error:
        return Checked(tuple(error.diagnostics))
    return check(asked.text, asked.file, text_of_included, values)


def given_values(values: Mapping[str, str]) -> dict[str, Any]:
    """The values of parameters, read as those of `--set`; raises `NetgenError`."""
    found = {}
    for name, text in values.items():
        try:
            found[name] = parse(text, f"the value of {name}").values
        except NetgenError:
            message = f"{printable(text)!r} is not a value for `{printable(name)}`"
            raise NetgenError(Diagnostic("NG208", message)) from None
    return found


def source_in_folder(asked: OfText) -> Source:
    """The source of a text, with what it includes, seen from its file; raises `NetgenError`."""
    source = parse(asked.text, asked.file)
    return including(source) if source.includes else source


def _figures(right: Snapshot | None) -> dict[str, Any] | None:
    """What the network comes to; `None` if the text is wrong."""
    if right is None or right.found is None:
        return None
    costs = right.found.costs
    return {
        "parameters": costs.parameters,
        "macs": costs.macs,
        "macs_in_short": short(costs.macs, MACS.units),
        "memory": shown(costs.weights),
    }


def _parameters(checked: Checked) -> Iterator[dict[str, Any]]:
    """The parameters that a text declares, each with what may be done with it."""
    assert checked.source is not None
    right = None if checked.right is None else checked.right.found
    for name, raw in mapping_at(checked.source.values, "params").items():
        default = raw.get("default") if isinstance(raw, dict) else raw
        doc = raw.get("doc") if isinstance(raw, dict) else None
        value = right.graph.values.get(name, default) if right is not None else default
        if isinstance(default, str) and has_expression(default) and right is None:
            value = None
        value = plain(value)
        yield {
            "name": str(name),
            "doc": str(doc or ""),
            "value": _written(value),
            "default": _written(default),
            **_control(default if _is_number(default) else value),
        }


def _variants(source: Source) -> dict[str, dict[str, str]]:
    """The variants of a text, each with its values for parameters."""
    known = mapping_at(source.values, "variants")
    return {
        str(name): {str(key): _written(value) for key, value in mapping_at(known, name).items()}
        for name in known
    }


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _control(value: Any) -> dict[str, Any]:
    """How a value is changed: by a switch, a slider, or as text."""
    if isinstance(value, bool):
        return {"control": "switch"}
    if isinstance(value, int):
        low = min(value, 1) if value else 0
        return {"control": "slider", "low": low, "high": max(4 * value, 8), "step": 1}
    if isinstance(value, float):
        high = 1.0 if 0 <= value <= 1 else 4 * abs(value)
        return {"control": "slider", "low": min(value, 0.0), "high": high, "step": high / 100}
    return {"control": "text"}


def _written(value: Any) -> str:
    """A value as YAML."""
    try:
        return json.dumps(value)
    except (TypeError, ValueError):
        return str(value)
