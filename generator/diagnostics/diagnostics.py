"""What netgen tells people: one clear diagnostic per mistake, at the place of the mistake."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

from msgspec import Struct
from msgspec.structs import replace

SpecPath = tuple[str | int, ...]
"""The way to a value of a spec: keys of mappings, places in lists."""


class Location(Struct, frozen=True):
    """A place in a file: lines and columns count from 1; `length` characters are meant."""

    file: str
    line: int
    column: int
    length: int = 1
    text: str = ""

    def __str__(self) -> str:
        return f"{printable(self.file)}:{self.line}:{self.column}"


class Diagnostic(Struct, frozen=True):
    """One mistake: what is wrong, where, what else is known about it, and how to mend it.

    Its `severity` is ``error`` or ``warning``; the `code` is one of `codes.CODES`.
    """

    code: str
    message: str
    location: Location | None = None
    notes: tuple[str, ...] = ()
    help: str | None = None
    severity: str = "error"

    def render(self, *, colour: bool = False) -> str:
        """The diagnostic as text, with an excerpt of the line where its place is known."""
        paint = _paint if colour else _plain
        head = paint(f"{self.severity}[{self.code}]", self.severity)
        lines = [f"{head}{paint(f': {told(self.message)}', 'bold')}"]
        gutter = ""
        if self.location is not None:
            gutter = " " * len(str(self.location.line))
            lines.append(f"{gutter}{paint('-->', 'frame')} {self.location}")
            lines += _excerpt(self.location, gutter, self.severity, paint)
        frame = paint(f"{gutter} =", "frame")
        notes = (told(note) for note in self.notes)
        lines += [f"{frame} {paint('note', 'bold')}: {note}" for note in notes]
        if self.help:
            lines.append(f"{frame} {paint('help', 'bold')}: {told(self.help)}")
        return "\n".join(lines)


_COLOURS = {"error": "1;31", "warning": "1;33", "frame": "1;34", "bold": "1"}


LONGEST_LINE = 300  # characters of an excerpt
LONGEST_MESSAGE = 1000


def told(text: str) -> str:
    """A text of a diagnostic as it is told: printable, and no longer than anyone would read."""
    text = printable(text)
    return text if len(text) <= LONGEST_MESSAGE else f"{text[:LONGEST_MESSAGE]}..."


def _paint(text: str, role: str) -> str:
    return f"\x1b[{_COLOURS[role]}m{text}\x1b[0m"


def _plain(text: str, role: str) -> str:
    return text


def _excerpt(
    location: Location, gutter: str, severity: str, paint: Callable[[str, str], str]
) -> list[str]:
    if not location.text:
        return []
    start, text = location.column - 1, location.text
    if len(text) > LONGEST_LINE:  # a window on it
        first = max(0, start - LONGEST_LINE // 2)
        start, text = start - first, text[first : first + LONGEST_LINE]
    length = max(1, min(location.length, len(text) - start))
    before, meant = text[:start], text[start : start + length]
    # what is invisible is shown as more characters than it is
    indent, carets = len(printable(before)), max(1, len(printable(meant)))
    bar, number = paint(f"{gutter} |", "frame"), paint(f"{location.line} |", "frame")
    return [
        bar,
        f"{number} {printable(text)}",
        f"{bar} {' ' * indent}{paint('^' * carets, severity)}",
    ]


class NetgenError(Exception):
    """Something is wrong with what was asked; `diagnostics` say what.

    `table` shows the layers up to the first one that failed, where shapes did.
    """

    def __init__(self, *diagnostics: Diagnostic, table: str = "") -> None:
        super().__init__("\n\n".join(diagnostic.render() for diagnostic in diagnostics))
        self.diagnostics: Sequence[Diagnostic] = diagnostics
        self.table = table


def as_errors(warnings: Iterable[Diagnostic]) -> list[Diagnostic]:
    """Warnings for who takes them seriously."""
    return [replace(warning, severity="error") for warning in warnings]


MOST_FINDINGS = 100  # mistakes that are shown in one run


class Enough(Exception):
    """There are more mistakes than anyone would read in one go."""


class Unknowable(NetgenError):
    """What follows from a mistake that has been found: there is nothing to say about it."""


class Findings:
    """All that is wrong with a spec: one diagnostic for one place.

    There is a limit to what anyone would read; an `eager` collection raises `Enough` beyond it.
    """

    def __init__(self, found: Iterable[Diagnostic] = (), *, eager: bool = False) -> None:
        self.eager = eager
        self.found: dict[object, Diagnostic] = {}
        self.count = 0  # those that were known already included
        for diagnostic in found:
            self.add(diagnostic)

    def add(self, diagnostic: Diagnostic) -> None:
        """Take in a diagnostic, unless one of its place is known."""
        place = diagnostic.location
        key = (place.line, place.column) if place is not None else diagnostic.message
        self.count += 1
        if len(self.found) <= MOST_FINDINGS:
            self.found.setdefault(key, diagnostic)
        elif self.eager:
            raise Enough

    def caught(self, error: NetgenError) -> None:
        """Take in what an error says."""
        self.count += not error.diagnostics
        for diagnostic in error.diagnostics:
            self.add(diagnostic)

    def sorted(self) -> list[Diagnostic]:
        """The diagnostics in the order of the file, not more than anyone would read."""
        found = in_file_order(self.found.values())
        if len(found) > MOST_FINDINGS:
            last = found[MOST_FINDINGS - 1]
            note = f"there are more mistakes than these {MOST_FINDINGS}"
            found[MOST_FINDINGS - 1 :] = [replace(last, notes=(*last.notes, note))]
        return found

    @contextmanager
    def collecting(self) -> Iterator[None]:
        """What goes wrong inside is taken in, and the work goes on after it."""
        try:
            yield
        except NetgenError as error:
            self.caught(error)


def in_file_order(diagnostics: Iterable[Diagnostic]) -> list[Diagnostic]:
    """The diagnostics by line and column; those without a place come first."""

    def place(diagnostic: Diagnostic) -> tuple[int, int]:
        where = diagnostic.location
        return (where.line, where.column) if where is not None else (0, 0)

    return sorted(diagnostics, key=place)


def printable(text: str) -> str:
    """The text in one line with invisible characters made visible."""
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else " " if char == "\t" else f"\\u{ord(char):04x}"
        for char in spelt(text)
    )


def spelt(name: str) -> str:
    """A file's name as UTF-8 has it, whatever the locale that it was read in has."""
    try:
        return name.encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # no file has such a name
        return name
