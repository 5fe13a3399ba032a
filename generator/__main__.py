"""``python -m torch_netgen``."""

import os
import sys

# Python puts the current folder first, where anything may lie; this package is loaded already
if sys.path and sys.path[0] in ("", os.getcwd()) and not sys.flags.safe_path:
    del sys.path[0]

from .entry import run

run()
