"""The one file that the studio reads a spec from, and writes it to."""

from __future__ import annotations

from difflib import unified_diff
from pathlib import Path
from typing import Any

from msgspec import Struct

from ..diagnostics.diagnostics import Diagnostic, NetgenError, printable
from ..output.files import SOURCE, State, Target, reason, state_of
from ..spec.source import LARGEST_TEXT
from ..spec.text_files import text_in, why_unreadable

AROUND = 2  # lines around each change
NEW = ""  # the version of a file that is not there


class SpecFile(Struct, frozen=True):
    """A spec's file, which need not be there yet."""

    path: str

    def version(self) -> str:
        """The file's version, which changes with each save; raises `NetgenError`."""
        try:
            return _version(state_of(Path(self.path)))
        except (OSError, ValueError) as error:
            raise _refused(self.path, f"can't read `{{}}`: {reason(error)}", "NG101") from None

    def load(self) -> dict[str, Any]:
        """The text with its version; that of a file that is not there is empty."""
        version = self.version()  # before it is read: what is saved after that is noticed
        text = ""
        if version != NEW:
            try:
                text = text_in(self.path)
            except (OSError, ValueError) as error:
                why = f"can't read `{{}}`: {why_unreadable(error)}"
                raise _refused(self.path, why, "NG101") from None
        if len(text) > LARGEST_TEXT:
            why = f"can't open `{{}}`: a spec has {LARGEST_TEXT:,} characters at most"
            raise _refused(self.path, why, "NG103")
        return {"text": _editors(text), "version": version}

    def compare(self, text: str) -> dict[str, Any]:
        """The file with its version, and the lines in which the text differs from it.

        Raises `NetgenError`.
        """
        found = self.load()
        there, here = found["text"].splitlines(), text.splitlines()
        changed = [*unified_diff(there, here, n=AROUND, lineterm="")]
        return {**found, "changes": changed[2:]}  # without the files' names

    def save(self, text: str, version: str) -> str:
        """Write the text over the version that it was made from, and give the new version.

        Raises `NetgenError` if the file is another one by now.
        """
        seen = tuple(map(int, version.split("-"))) if version != NEW else None
        try:
            breaks = "\r\n" if version != NEW and "\r\n" in text_in(self.path) else "\n"
        except (OSError, ValueError):
            breaks = "\n"
        if self.version() != version:
            self._keep()
        target = Target(Path(self.path), SOURCE, False, seen, False)
        try:
            target.write(text.replace("\n", breaks).encode())
        except NetgenError as error:
            if error.diagnostics[0].code == "NG502":
                self._keep()
            raise
        return self.version()

    def _keep(self) -> None:
        message = f"`{printable(self.path)}` has been saved by somebody else meanwhile: it is kept"
        help = "compare the two: then save yours over it, or load it"
        raise NetgenError(Diagnostic("NG502", message, help=help)) from None


def _version(state: State | None) -> str:
    return NEW if state is None else "-".join(map(str, state))


def _refused(path: str, message: str, code: str) -> NetgenError:
    return NetgenError(Diagnostic(code, message.format(printable(path))))


def _editors(text: str) -> str:
    """The text with the editor's line breaks."""
    return text.replace("\r\n", "\n").replace("\r", "\n")
