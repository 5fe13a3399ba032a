"""The folder that the server was started in: no path of an agent leads out of it."""

from __future__ import annotations

import os
from pathlib import Path

from msgspec import Struct

from ..diagnostics.diagnostics import Diagnostic, NetgenError, printable
from ..spec.include import SUFFIXES


class Folder(Struct, frozen=True):
    """A folder by its real path, which is the current one."""

    root: str

    def spec(self, path: str) -> str:
        """Where a spec really is, seen from the folder; raises `NetgenError` if it is outside."""
        return self._real(path, "NG101", "read", SUFFIXES)

    def output(self, path: str) -> Path:
        """Where an output really is to be, seen from the folder; raises `NetgenError` likewise."""
        return Path(self._real(path, "NG501", "write", (".py",)))

    def _real(self, path: str, code: str, verb: str, suffixes: tuple[str, ...]) -> str:
        """Where a path leads, through links, too."""
        real = self._inside(path)
        if real is not None and real.lower().endswith(suffixes):
            return real
        why = f"it is outside of the folder that netgen was started in, `{printable(self.root)}`"
        help = "give a path below that folder"
        if real is not None:
            why = f"its name ends with none of {', '.join(f'`{suffix}`' for suffix in suffixes)}"
            help = "give a file of that kind"
        message = f"can't {verb} `{printable(path)}`: {why}"
        raise NetgenError(Diagnostic(code, message, help=help))

    def _inside(self, path: str) -> str | None:
        """The real path, seen from the folder; `None` for one that is not below it."""
        try:
            real = os.path.realpath(os.path.join(self.root, path))
            inside = os.path.commonpath([real, self.root]) == self.root
        except (OSError, ValueError):  # such as for a null character
            return None
        return os.path.relpath(real, self.root) if inside else None
