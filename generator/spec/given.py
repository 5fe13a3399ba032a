"""The source of a spec from where it is given: a file, a mapping, standard input."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..diagnostics.diagnostics import Diagnostic, NetgenError, printable
from .source import LARGEST_TEXT, Source, from_mapping, parse
from .text_files import NotOrdinary, text_in, why_unreadable


def given(spec: str | Path | Mapping[str, Any] | Source) -> Source:
    """The source of a spec that a caller gives: as a path, a mapping, or the source itself."""
    if isinstance(spec, Source):
        return spec
    return from_mapping(spec) if isinstance(spec, Mapping) else read(spec)


def read(path: str | Path) -> Source:
    """The spec in a file, with the blocks of the files that it includes.

    Raises `NetgenError` if it can't be read or is no YAML. What is wrong with the other files is
    among the mistakes of the source.
    """
    name, help = str(path), None
    try:
        text = text_in(path)
    except (OSError, ValueError) as error:
        if isinstance(error, FileNotFoundError):
            help = "check the path"
        elif isinstance(error, NotOrdinary):
            folder = os.path.isdir(path)
            help = "give the file of a spec" if folder else "`-` reads a spec from standard input"
        message = f"can't read `{printable(name)}`: {why_unreadable(error)}"
        raise NetgenError(Diagnostic("NG101", message, help=help)) from None
    source = parse(text, name)
    if not source.includes:
        return source
    from .include import including  # few specs do

    return including(source)


def stdin_text() -> str:
    """The text on standard input; raises `NetgenError` if it can't be read."""
    try:
        return sys.stdin.buffer.read(4 * LARGEST_TEXT + 1).decode("utf-8-sig")
    except (AttributeError, OSError, UnicodeDecodeError) as error:
        reason = "it is not UTF-8 text" if isinstance(error, UnicodeDecodeError) else "it is closed"
        raise NetgenError(Diagnostic("NG101", f"can't read standard input: {reason}")) from None
