"""Makes a process end with its parent, whatever either is doing."""

from __future__ import annotations

import os
import time

# the first lines of the process's code: on Linux the kernel then kills it with its parent
ENDS_WITH_PARENT = """\
try:
    import ctypes
    ctypes.CDLL(None).prctl(1, 9)
except (AttributeError, ImportError, OSError):
    pass
"""


def end_with_parent() -> None:
    """Start a thread that ends the process when its parent is gone, on any system."""
    import threading  # the parent imports this module, too, and needs no threads

    threading.Thread(target=_watch, args=(os.getppid(),), daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)
