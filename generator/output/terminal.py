"""All printing of netgen: lines for people, and data as it is.

A test checks that nothing else prints.
Lines may hold text from outside: file names, labels, torch's messages. It is escaped, so that it
can neither move the cursor, nor be invisible, nor begin another line, nor be a command to a
service that reads logs.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
import sys
from collections.abc import Iterator
from typing import TextIO

from ..diagnostics.diagnostics import printable

_PAINT = r"(\x1b\[(?:0|1|1;3[134])m)"  # the colours of diagnostics
# GitHub takes a line that begins with `::` for a command, white space before it or not; it and
# others take `##[...]` and `##word[...]` for one wherever it stands
_COMMAND = r"^( *):(?=:)|##(?=\w*\[)"


class Unheard(Exception):
    """Standard output is closed or full, so nobody can read what is printed."""


def say(*lines: str) -> None:
    """Print lines for people on standard output."""
    _put(sys.stdout, _lines(sys.stdout, lines))


def complain(*lines: str) -> None:
    """Print lines for people on standard error; do nothing if it is closed."""
    with contextlib.suppress(Unheard):
        _put(sys.stderr, _lines(sys.stderr, lines))


def give(text: str, *, aside: bool = False) -> None:
    """Print data unchanged, in UTF-8, on standard output or (`aside`) on standard error."""
    to = sys.stderr if aside else sys.stdout
    if to is None or not hasattr(to, "buffer"):
        _put(to, text)
        return
    with _heard():
        to.flush()
        to.buffer.write(text.encode("utf-8", "backslashreplace"))


def annotate(command: str) -> None:
    """Print a GitHub workflow command of netgen's own, whose text is escaped already."""
    _put(sys.stdout, f"::{_safe(command.removeprefix('::'))}\n")


def progress(text: str) -> None:
    """Show a line that the next one replaces, if standard error is a terminal."""
    if sys.stderr is not None and sys.stderr.isatty() and not _dumb():
        with contextlib.suppress(Unheard):
            _put(sys.stderr, f"\r\x1b[K{_safe(text)}")
            sys.stderr.flush()


def finish() -> None:
    """Flush both streams; raises `Unheard` if standard output fails."""
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.flush()
    with _heard():
        sys.stdout.flush()


def coloured() -> bool:
    """Whether diagnostics on standard error are coloured."""
    return _wants_colour(sys.stderr)


def width() -> int | None:
    """The columns of the terminal; ``None`` if standard output is no terminal."""
    if sys.stdout is None or not sys.stdout.isatty():
        return None
    import shutil

    return shutil.get_terminal_size().columns


def deaf() -> str:
    """Why nobody can read standard output; empty if no reason is known."""
    try:
        descriptor = sys.stdout.fileno()
    except (AttributeError, OSError, ValueError):
        return "standard output is closed" if sys.stdout is None or sys.stdout.closed else ""
    if sys.platform != "win32":
        with contextlib.suppress(ImportError, AttributeError, OSError):
            import fcntl
            import select

            if fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
                return "standard output can only be read"
            poll = select.poll()
            poll.register(descriptor, 0)  # even with no events asked for, a closed end is reported
            closed = select.POLLERR | select.POLLHUP  # of a device, macOS says that it is none
            if any(event & closed for _, event in poll.poll(0)):
                return "nobody reads standard output any more"
    try:
        if stat.S_ISCHR(os.fstat(descriptor).st_mode):
            os.write(descriptor, b"")  # a full device refuses even an empty write
    except OSError as error:
        return _unwritable(error)
    return ""


def _wants_colour(to: TextIO | None) -> bool:
    """Whether a stream gets colours: a terminal that is not dumb, without ``NO_COLOR``."""
    return to is not None and to.isatty() and not os.environ.get("NO_COLOR") and not _dumb()


def _dumb() -> bool:
    """Whether a terminal shows control sequences as they are, as Windows' old one does."""
    if os.environ.get("TERM") == "dumb":
        return True
    new = ("TERM", "TERM_PROGRAM", "WT_SESSION")  # one of which a newer terminal sets
    return sys.platform == "win32" and not any(map(os.environ.get, new))


def _lines(to: TextIO | None, lines: tuple[str, ...]) -> str:
    colour = _wants_colour(to)
    return "".join(f"{_painted(line) if colour else _safe(line)}\n" for line in lines)


def _painted(line: str) -> str:
    """A line made safe, except for the colour codes of diagnostics."""
    parts = re.split(_PAINT, line)
    return "".join(part if place % 2 else _safe(part) for place, part in enumerate(parts))


def _safe(line: str) -> str:
    """A line with invisible characters and workflow commands escaped."""
    return re.sub(_COMMAND, _written_out, printable(line))


def _written_out(found: re.Match[str]) -> str:
    return f"{found[1]}\\u003a" if found[1] is not None else "#\\u0023"


def _put(to: TextIO | None, text: str) -> None:
    """Write text; characters that the stream's encoding lacks are escaped. Raises `Unheard`."""
    if to is None:
        raise Unheard("standard output is closed")
    if not text:
        return  # even an empty write would fail on a full device
    with _heard():
        encoding = getattr(to, "encoding", None) or "utf-8"
        to.write(text.encode(encoding, "backslashreplace").decode(encoding))


@contextlib.contextmanager
def _heard() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise Unheard("nobody reads standard output any more") from None
    except (OSError, ValueError) as error:  # writing to a closed stream is a `ValueError`
        raise Unheard(_unwritable(error)) from None


def _unwritable(error: OSError | ValueError) -> str:
    reason = (getattr(error, "strerror", None) or str(error)).lower()
    return f"can't write to standard output: {reason}"
