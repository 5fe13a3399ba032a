"""Diagnostics: one for each mistake, with the place of the mistake in the spec."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

from msgspec import Struct
from msgspec.structs import replace

SpecPath = tuple[str | int, ...]
"""The path to a value of a spec: keys of mappings, indices of lists."""


class Location(Struct, frozen=True):
    """A place in a file: `length` characters at a line and column, both counted from 1.

    `text` is the line's text.
    """

    file: str
    line: int
    column: int
    length: int = 1
    text: str = ""

    def __str__(self) -> str:
        return f"{printable(self.file)}:{self.line}:{self.column}"


class Diagnostic(Struct, frozen=True):
    """One mistake: what is wrong, where, notes on it, and how to fix it.

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
    """A text made printable and cut to `LONGEST_MESSAGE` characters."""
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
    if len(text) > LONGEST_LINE:  # show the part around the place
        first = max(0, start - LONGEST_LINE // 2)
        start, text = start - first, text[first : first + LONGEST_LINE]
    length = max(1, min(location.length, len(text) - start))
    before, meant = text[:start], text[start : start + length]
    # an invisible character is shown as several characters
    indent, carets = len(printable(before)), max(1, len(printable(meant)))
    bar, number = paint(f"{gutter} |", "frame"), paint(f"{location.line} |", "frame")
    return [
        bar,
        f"{number} {printable(text)}",
        f"{bar} {' ' * indent}{paint('^' * carets, severity)}",
    ]


class NetgenError(Exception):
    """A request failed; `diagnostics` say why.

    `table` shows the layers up to the first one that failed, if shapes were wrong, and `read` is
    how many calls of layers could be read all the same.
    """

    def __init__(self, *diagnostics: Diagnostic, table: str = "", read: int | None = None) -> None:
        super().__init__("\n\n".join(diagnostic.render() for diagnostic in diagnostics))
        self.diagnostics: Sequence[Diagnostic] = diagnostics
        self.table = table
        self.read = read


def as_errors(warnings: Iterable[Diagnostic]) -> list[Diagnostic]:
    """Warnings as errors (`--strict`)."""
    return [replace(warning, severity="error") for warning in warnings]


MOST_FINDINGS = 100  # mistakes that are shown in one run


class Enough(Exception):
    """There are more than `MOST_FINDINGS` mistakes."""


class Unknowable(NetgenError):
    """Raised for what follows from a mistake that is reported already; it has no diagnostics."""


class Findings:
    """Collects the diagnostics of a spec, one for each place.

    There is a limit of about `MOST_FINDINGS`; an `eager` collection raises `Enough` beyond it.
    """

    def __init__(self, found: Iterable[Diagnostic] = (), *, eager: bool = False) -> None:
        self.eager = eager
        self.found: dict[object, Diagnostic] = {}
        self.count = 0  # of all that were added, also of those for known places
        for diagnostic in found:
            self.add(diagnostic)

    def add(self, diagnostic: Diagnostic) -> None:
        """Add a diagnostic, unless there is one for its place; may raise `Enough`."""
        place = diagnostic.location
        key = diagnostic.message if place is None else (place.file, place.line, place.column)
        self.count += 1
        if len(self.found) <= MOST_FINDINGS:
            self.found.setdefault(key, diagnostic)
        elif self.eager:
            raise Enough

    def caught(self, error: NetgenError) -> None:
        """Add the diagnostics of an error."""
        self.count += not error.diagnostics
        for diagnostic in error.diagnostics:
            self.add(diagnostic)

    def sorted(self) -> list[Diagnostic]:
        """The diagnostics in the order of the file, `MOST_FINDINGS` at most."""
        found = in_file_order(self.found.values())
        if len(found) > MOST_FINDINGS:
            last = found[MOST_FINDINGS - 1]
            note = f"there are more mistakes than these {MOST_FINDINGS}"
            found[MOST_FINDINGS - 1 :] = [replace(last, notes=(*last.notes, note))]
        return found

    @contextmanager
    def collecting(self) -> Iterator[None]:
        """Collect a `NetgenError` that is raised inside of the ``with``, and go on after it."""
        try:
            yield
        except NetgenError as error:
            self.caught(error)


def in_file_order(diagnostics: Iterable[Diagnostic]) -> list[Diagnostic]:
    """The diagnostics by file, line and column; those without a place come first."""

    def place(diagnostic: Diagnostic) -> tuple[str, int, int]:
        where = diagnostic.location
        return (where.file, where.line, where.column) if where is not None else ("", 0, 0)

    return sorted(diagnostics, key=place)


def printable(text: str) -> str:
    """The text in one line, with invisible characters escaped."""
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else " " if char == "\t" else f"\\u{ord(char):04x}"
        for char in spelt(text)
    )


def listed(words: Sequence[str]) -> str:
    """The words one after the other: ``a, b and c``."""
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1])))


def spelt(name: str) -> str:
    """A file's name decoded as UTF-8, whatever the locale with which Python decoded it."""
    try:
        return name.encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # no file has such a name
        return name
