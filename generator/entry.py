"""The process around the command line: little before the work, and nothing after it."""

from __future__ import annotations

import os
import sys
from typing import NoReturn

from .version import __version__


def run() -> None:
    """Run netgen as a process of its own, and end it."""
    _fill_descriptors()
    if sys.stderr is None:  # closed by who has started us, as standard output may be
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

    gc.disable()  # what is made lives to the end: to look for garbage costs more than all else
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")  # we use none, and look for none
    _defer_metadata()
    try:
        from .cli.cli import main
        from .output.terminal import Unheard, finish

        try:
            code = main()
        except SystemExit as end:  # of what reads arguments, after help or wrong usage
            code = int(end.code or 0)
        finish()
    except Unheard as unheard:
        _end(str(unheard))
    except KeyboardInterrupt:
        code = 130
    os._exit(code)  # there is nothing to tear down


def _fill_descriptors() -> None:
    """Have the standard streams' numbers taken: a file that is opened must get no such number."""
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest that is free


def _end(why: str) -> NoReturn:
    """End at once, whatever is still to be written."""
    try:
        os.write(2, f"netgen: {why}\n".encode())
    finally:
        os._exit(1)


def _defer_metadata() -> None:
    """Have `importlib.metadata` read when somebody asks it something, not when it is imported.

    This replaces its import by pydantic, which looks for plugins even where it is told not to, and
    which brings readers of mail and of archives along: a tenth of the time that a check takes. The
    tests import it in each way that Python knows, and get the module itself.
    """
    import importlib

    name = "importlib.metadata"
    if name in sys.modules:
        return
    deferred = type(sys)(name)
    deferred.__path__ = [f"{importlib.__path__[0]}/metadata"]  # what is in it can be imported, too

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
