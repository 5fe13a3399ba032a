"""`netgen init`: copies one of the specs that come with netgen, to begin with."""

from __future__ import annotations

import os
from pathlib import Path

from ..diagnostics.diagnostics import Diagnostic, NetgenError, printable
from ..output.files import SOURCE, claim
from ..views.templates import text_of


def begin(template: Path, output: str | None) -> Path:
    """Write a template to a new file, and return its path; raises `NetgenError` if it exists."""
    target = Path(output or template.name)
    if os.path.lexists(target):
        message = f"`{printable(str(target))}` is there already: it is left as it is"
        raise NetgenError(Diagnostic("NG502", message, help="give another file with `-o`"))
    claim(target, SOURCE, force=False, told=True).write(text_of(template).encode())
    return target
