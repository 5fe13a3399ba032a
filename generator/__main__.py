"""``python -m torch_netgen``."""

import sys

# Python puts the current folder first, where anything may lie; this package is loaded already
if not sys.flags.safe_path:
    from os import getcwd

    try:
        here = getcwd()
    except OSError:  # it is gone
        here = ""
    if sys.path and sys.path[0] in ("", here):
        del sys.path[0]

from .entry import run

run()
