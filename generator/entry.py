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
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")  # looking for plugins is slow
    _defer_metadata()
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


def _defer_metadata() -> None:
    """Load `importlib.metadata` on first use, not when it is imported.

    pydantic imports it even where plugins are turned off. With the modules for mail and archives
    that it imports, that takes a tenth of the time of a check. The tests import it in each way
    that Python has, and get the real module.
    """
    import importlib

    name = "importlib.metadata"
    if name in sys.modules:
        return
    deferred = type(sys)(name)
    deferred.__path__ = [f"{importlib.__path__[0]}/metadata"]  # its submodules can be imported

    def ask(attribute: str) -> object:
        if attribute.startswith("__"):
            raise AttributeError(attribute)
        if sys.modules.get(name) is deferred:
            sys.modules.pop(name, None)
        return getattr(importlib.import_module(name), attribute)

    def entry_points(**wanted: str) -> object:
        found: object = ask("entry_points")
        assert callable(found)
        return found(**wanted)

    vars(deferred).update(__getattr__=ask, entry_points=entry_points)
    sys.modules[name] = deferred
    vars(importlib).update(metadata=deferred)
