"""Diagnostics as the page shows them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..diagnostics.diagnostics import Diagnostic, printable, told
from ..lsp.positions import Positions
from .places import positions, span

NOT_RUN = "NG209"  # code that a spec imports: no mistake, but nothing is known behind it


def problems(found: Iterable[Diagnostic], file: str = "", text: str = "") -> list[dict[str, Any]]:
    """Diagnostics for the page, of the text of a file or of none."""
    at = positions(text)
    return [_problem(one, file, at) for one in found]


def _problem(found: Diagnostic, file: str, at: Positions) -> dict[str, Any]:
    """A diagnostic for the page; its `place` is one in the text, if it is of this file."""
    where = found.location
    here = where is not None and where.file == file
    severity = "info" if found.code == NOT_RUN else found.severity
    return {
        "severity": severity,
        "code": found.code,
        "message": told(found.message),
        "notes": [*map(told, found.notes)],
        "help": None if found.help is None else told(found.help),
        "where": "" if where is None else f"{where.line}:{where.column}",
        "file": "" if where is None or here else printable(where.file),
        "place": span(where, at) if where is not None and here else None,
    }
