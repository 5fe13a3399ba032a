"""All that netgen says goes through here: what people read line by line, data as it is.

A test holds that nothing else prints. Names of files, labels and what torch says come from
outside: in a line none of it moves the cursor, hides, or begins another line, and none of it is
a command to a service that reads logs.
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

_PAINT = re.compile(r"(\x1b\[(?:0|1|1;3[134])m)")  # as diagnostics are painted
# GitHub takes a line that begins with `::` for a command, white space before it or not; it and
# others take `##[...]` and `##word[...]` for one wherever it stands
_COMMAND = re.compile(r"^( *):(?=:)|##(?=\w*\[)")


class Unheard(Exception):
    """Nobody can read what is said: standard output is closed, or full."""


def say(*lines: str) -> None:
    """Print lines for people on standard output."""
    _put(sys.stdout, _lines(sys.stdout, lines))


def complain(*lines: str) -> None:
    """Print lines for people on standard error, if it is there."""
    with contextlib.suppress(Unheard):
        _put(sys.stderr, _lines(sys.stderr, lines))


def give(text: str, *, aside: bool = False) -> None:
    """Print data just as it is, in UTF-8 like all files that netgen writes.

    It goes `aside` to standard error where standard output has other data.
    """
    to = sys.stderr if aside else sys.stdout
    if to is None or not hasattr(to, "buffer"):
        _put(to, text)
        return
    with _heard():
        to.flush()
        to.buffer.write(text.encode("utf-8", "backslashreplace"))


def annotate(command: str) -> None:
    """Print a workflow command of our own: its text has been escaped."""
    _put(sys.stdout, f"::{_safe(command.removeprefix('::'))}\n")


def progress(text: str) -> None:
    """Show a line on a terminal that the next one replaces; elsewhere nothing."""
    if sys.stderr is not None and sys.stderr.isatty():
        with contextlib.suppress(Unheard):
            _put(sys.stderr, f"\r\x1b[K{_safe(text)}")
            sys.stderr.flush()


def finish() -> None:
    """Have all that was said arrive; raises `Unheard` if it can't."""
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.flush()
    with _heard():
        sys.stdout.flush()


def coloured() -> bool:
    """Whether what we complain of is painted."""
    return _wants_colour(sys.stderr)


def width() -> int | None:
    """The columns of the terminal that standard output is, if it is one."""
    if sys.stdout is None or not sys.stdout.isatty():
        return None
    import shutil

    return shutil.get_terminal_size().columns


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Without what a library in C says on standard error."""
    if sys.stderr is not None:
        sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def deaf() -> str:
    """Why nobody will read what is said on standard output; empty as far as it is not known."""
    try:
        descriptor = sys.stdout.fileno()
    except (AttributeError, OSError, ValueError):
        return "standard output is closed" if sys.stdout is None or sys.stdout.closed else ""
    with contextlib.suppress(ImportError, AttributeError, OSError):
        import fcntl
        import select

        if fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
            return "standard output can only be read"
        poll = select.poll()
        poll.register(descriptor, 0)  # what is asked for nothing still tells of ends
        if poll.poll(0):
            return "nobody reads standard output any more"
    try:
        if stat.S_ISCHR(os.fstat(descriptor).st_mode):
            os.write(descriptor, b"")  # a device that takes nothing refuses that, too
    except OSError as error:
        return _unwritable(error)
    return ""


def _wants_colour(to: TextIO | None) -> bool:
    """Whether colours are welcome: on a terminal, unless ``NO_COLOR`` says otherwise."""
    dumb = os.environ.get("TERM") == "dumb"
    return to is not None and to.isatty() and not os.environ.get("NO_COLOR") and not dumb


def _lines(to: TextIO | None, lines: tuple[str, ...]) -> str:
    colour = _wants_colour(to)
    return "".join(f"{_painted(line) if colour else _safe(line)}\n" for line in lines)


def _painted(line: str) -> str:
    """A line that keeps the colours of diagnostics."""
    parts = _PAINT.split(line)
    return "".join(part if place % 2 else _safe(part) for place, part in enumerate(parts))


def _safe(line: str) -> str:
    """A line in which nothing is invisible, and nothing a command."""
    return _COMMAND.sub(_written_out, printable(line))


def _written_out(found: re.Match[str]) -> str:
    return f"{found[1]}\\u003a" if found[1] is not None else "#\\u0023"


def _put(to: TextIO | None, text: str) -> None:
    """Write text; what the encoding of a stream does not have is written out."""
    if to is None:
        raise Unheard("standard output is closed")
    if not text:
        return  # Python writes even nothing to what takes nothing
    with _heard():
        encoding = getattr(to, "encoding", None) or "utf-8"
        to.write(text.encode(encoding, "backslashreplace").decode(encoding))


@contextlib.contextmanager
def _heard() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise Unheard("nobody reads standard output any more") from None
    except (OSError, ValueError) as error:  # a stream that was closed is a wrong value
        raise Unheard(_unwritable(error)) from None


def _unwritable(error: OSError | ValueError) -> str:
    reason = (getattr(error, "strerror", None) or str(error)).lower()
    return f"can't write to standard output: {reason}"
