"""netgen's places in a text as those of the editor in the page, and back."""

from __future__ import annotations

from typing import Any

from ..diagnostics.diagnostics import Location
from ..lsp.positions import Positions


def units(text: str) -> int:
    """The length of a text as JavaScript counts it."""
    return len(text) + sum(char > "\uffff" for char in text)


def positions(text: str) -> Positions:
    """The places of a text."""
    return Positions(text, units)


def span(place: Location, at: Positions) -> dict[str, Any]:
    """A place as two of the editor's, each a line and a character from 0."""
    return {
        "from": at.to_editor(place.line, place.column),
        "to": at.to_editor(place.line, place.column + place.length),
    }
