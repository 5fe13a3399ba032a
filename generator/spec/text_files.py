"""The text of a file, if it is an ordinary one: reading a pipe may block, or never end."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from .source import LARGEST_TEXT


class NotOrdinary(ValueError):
    """What is no ordinary file: a folder, a pipe, a device."""


def text_in(path: str | Path, flags: int = 0) -> str:
    """The text of a file, up to what a spec may have; `flags` are more of those to open it with.

    Raises `OSError` or `ValueError` if it can't be read; `NotOrdinary` is one of these.
    """
    _check_ordinary(os.stat(path).st_mode)  # before it is opened: that may have an effect
    at_once = getattr(os, "O_NONBLOCK", 0)  # Windows' files have no such thing
    descriptor = os.open(path, os.O_RDONLY | at_once | flags)
    with open(descriptor, "rb") as file:
        _check_ordinary(os.fstat(descriptor).st_mode)  # another may have taken its place
        return file.read(4 * LARGEST_TEXT + 1).decode("utf-8-sig")


def _check_ordinary(mode: int) -> None:
    if not stat.S_ISREG(mode):
        folder = stat.S_ISDIR(mode)
        raise NotOrdinary("it is a folder" if folder else "it is no ordinary file")


def why_unreadable(error: OSError | ValueError) -> str:
    """Why the text of a file can't be had, in words."""
    if isinstance(error, UnicodeDecodeError):
        return f"it is not UTF-8 text (byte {error.start})"
    return (getattr(error, "strerror", None) or str(error)).lower()
