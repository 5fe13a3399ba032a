"""Diagnostics for failures that are no mistakes in a spec."""

from __future__ import annotations

import traceback
from pathlib import Path

from ..diagnostics.diagnostics import Diagnostic, printable
from ..output.files import reason


def refused(error: OSError) -> Diagnostic:
    """The diagnostic for an error of the operating system."""
    named = f": `{error.filename}`" if isinstance(error.filename, str) else ""
    message = f"the system refuses what netgen needs: {reason(error)}{named}"
    help = "see whether the folder is still there, and what is left of disk and memory"
    return Diagnostic("NG507", printable(message), help=help)


def own_mistake(error: Exception) -> Diagnostic:
    """The diagnostic for an unexpected exception, without a traceback."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    message = f"this is a mistake of netgen's own: {type(error).__name__}: {error}"
    note = f"in {Path(last.filename).name}, line {last.lineno}"
    help = "please report it with the spec; nothing was written"
    return Diagnostic("NG601", printable(message)[:300], notes=(note,), help=help)
