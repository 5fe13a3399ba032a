"""The process of the command line: it sets up little before the work, and tears nothing down."""

from __future__ import annotations

import os
import sys

from .version import __version__

TYPE_CHECKING = False  # as type checkers know it; `typing` itself takes as long as all of this
if TYPE_CHECKING:
    from typing import NoReturn


def run() -> None:
    """Run the command line, and end the process with its exit code."""
    _fill_descriptors()
    if sys.stderr is None:  # the parent may have closed it, as it may close standard output
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - to the end
    if sys.stdout is None:
        _end("standard output is closed")
    if sys.argv[1:] == ["--version"]:
        try:
            os.write(1, f"netgen {__version__}\n".encode())
        except OSError as error:
            _end(f"can't write to standard output: {str(error.strerror).lower()}")
        return
    import gc

    gc.disable()  # most objects live to the end, so collections would cost time for nothing
    try:
        from .cli.cli import main
        from .output.terminal import Unheard, finish

        try:
            code = main()
        except SystemExit as end:  # raised by the argument parser after help or wrong usage
            code = int(end.code or 0)
        finish()
    except Unheard as unheard:
        _end(str(unheard))
    except KeyboardInterrupt:
        code = 130
    os._exit(code)  # there is nothing to tear down


def _fill_descriptors() -> None:
    """Open descriptors 0 to 2 where they are closed, so that no other file gets their numbers."""
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest free number


def _end(why: str) -> NoReturn:
    """Print why, and end the process with exit code 1, without flushing anything."""
    try:
        os.write(2, f"netgen: {why}\n".encode())
    finally:
        os._exit(1)
