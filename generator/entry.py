"""The process around the command line: little before the work, and nothing after it."""

from __future__ import annotations

import sys

from .version import __version__


def run() -> None:
    """Run netgen as a process of its own, and end it."""
    if sys.argv[1:] == ["--version"]:
        print(f"netgen {__version__}")
        return
    import gc
    import os

    gc.disable()  # what is made lives to the end: to look for garbage costs more than all else
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")  # we use none, and look for none
    from .cli import main

    code = main()
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except (BrokenPipeError, ValueError):  # nobody listens any more
        code = code or 1
    os._exit(code)  # there is nothing to tear down
