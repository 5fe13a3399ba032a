"""Diagnostics as the page shows them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from ..diagnostics.diagnostics import Diagnostic, printable, told
from ..lsp.positions import Positions
from .places import positions, span

# what messages say of the command line, as it is called in the page
_HERE = tuple(
    (re.compile(before), after)
    for before, after in (
        (r"`netgen init (\w+)` has one", r"the network `\1` under `Start from…` has one"),
        (r",? ?(?:is torch installed\? )?`--no-smoke` builds (?:it|all) without a run", ""),
        (r"`--timeout` gives it more time(, )?", ""),
        (r"`--allow-imports` allows that, for", "`netgen build --allow-imports` runs it, for"),
        (r"`--variant` builds one alone", "one variant alone may be chosen above the parameters"),
        (r"`--variant ([^`]+)`", r"the variant `\1`"),
        (r"what `--variant` gives", "what the spec gives for the variant"),
        (r"members of the class tried: each is", "other sets of arguments tried: each gives"),
        (r"what `--set` gives", "what the spec gives for the same values"),
        (r"`--set ([^`]+)`", r"`\1`"),
        (r"`--device (\w+)`", r"the device `\1`"),
        (r" `--no-smoke` builds without it", ""),
    )
)
NOT_RUN = "NG209"  # code that a spec imports: no mistake, but nothing is known behind it


def problems(found: Iterable[Diagnostic], file: str = "", text: str = "") -> list[dict[str, Any]]:
    """Diagnostics for the page, of the text of a file or of none."""
    at = positions(text)
    return [_problem(one, file, at) for one in found]


def in_page(text: str) -> str:
    """A text in which what is done on the command line is what is done in the page."""
    for before, after in _HERE:
        text = before.sub(after, text)
    return text


def _problem(found: Diagnostic, file: str, at: Positions) -> dict[str, Any]:
    """A diagnostic for the page; its `place` is one in the text, if it is of this file."""
    where = found.location
    here = where is not None and where.file == file
    help = in_page(found.help) if found.help else None
    severity = "info" if found.code == NOT_RUN else found.severity
    return {
        "severity": severity,
        "code": found.code,
        "message": told(in_page(found.message)),
        "notes": [told(in_page(note)) for note in found.notes],
        "help": told(help) if help else None,
        "where": "" if where is None else f"{where.line}:{where.column}",
        "file": "" if where is None or here else printable(where.file),
        "place": span(where, at) if where is not None and here else None,
    }
