"""What netgen tells people: one clear diagnostic per mistake, at the place of the mistake."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

CODES = {
    "NG101": "the file can't be read",
    "NG102": "the text is not YAML",
    "NG103": "YAML that netgen does not take",
    "NG104": "a key stands twice in one mapping",
    "NG201": "a key is missing, unknown or of the wrong kind",
    "NG202": "an unknown layer type",
    "NG203": "an argument is missing, unknown or of the wrong kind",
    "NG204": "an unknown reference",
    "NG205": "a name that can't be used",
    "NG206": "an expression is wrong",
    "NG207": "nothing uses this",
    "NG208": "an unknown parameter",
    "NG209": "part of the language that this version does not know yet",
    "NG210": "a structure that can't be built",
    "NG211": "the layer can't take its input or its arguments",
    "NG401": "the run disproved the generated source",
    "NG402": "the run did not end",
    "NG403": "the device is not there",
    "NG501": "the output can't be written",
}


SpecPath = tuple[str | int, ...]
"""The way to a value of a spec: keys of mappings, places in lists."""


@dataclass(frozen=True, slots=True)
class Location:
    """A place in a file: lines and columns count from 1; `length` characters are meant."""

    file: str
    line: int
    column: int
    length: int = 1
    text: str = ""

    def __str__(self) -> str:
        return f"{printable(self.file)}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One mistake: what is wrong, where, what else is known about it, and how to mend it."""

    code: str
    message: str
    location: Location | None = None
    notes: tuple[str, ...] = ()
    help: str | None = None

    def render(self) -> str:
        """The diagnostic as text, with an excerpt of the line where its place is known."""
        lines = [f"error[{self.code}]: {self.message}"]
        gutter = ""
        if self.location is not None:
            gutter = " " * len(str(self.location.line))
            lines.append(f"{gutter}--> {self.location}")
            lines += _excerpt(self.location, gutter)
        lines += [f"{gutter} = note: {note}" for note in self.notes]
        if self.help:
            lines.append(f"{gutter} = help: {self.help}")
        return "\n".join(map(printable, lines))


def _excerpt(location: Location, gutter: str) -> list[str]:
    if not location.text:
        return []
    start = location.column - 1
    length = max(1, min(location.length, len(location.text) - start))
    return [
        f"{gutter} |",
        f"{location.line} | {printable(location.text)}",
        f"{gutter} | {' ' * start}{'^' * length}",
    ]


class NetgenError(Exception):
    """Something is wrong with what was asked; `diagnostics` say what."""

    def __init__(self, *diagnostics: Diagnostic) -> None:
        super().__init__("\n\n".join(diagnostic.render() for diagnostic in diagnostics))
        self.diagnostics: Sequence[Diagnostic] = diagnostics


def closest_word(word: str, words: Iterable[str]) -> str | None:
    """The word that was probably meant."""
    words = list(words)
    folded = {known.lower(): known for known in words}
    if word.lower() in folded:
        return folded[word.lower()]
    return next(iter(difflib.get_close_matches(word, words, n=1, cutoff=0.6)), None)


def closest(word: str, words: Iterable[str]) -> str | None:
    """The help for a misspelt word: the one that was probably meant."""
    found = closest_word(word, words)
    return f"did you mean `{found}`?" if found else None


def printable(text: str) -> str:
    """The text in one line with invisible characters made visible."""
    return "".join(
        char if char.isprintable() else " " if char == "\t" else f"\\u{ord(char):04x}"
        for char in text
    )
