"""A process that ends with the one that has started it, whatever either is doing."""

from __future__ import annotations

import os
import time

# the first lines of such a process: Linux then kills it with its parent
ENDS_WITH_PARENT = """\
try:
    import ctypes
    ctypes.CDLL(None).prctl(1, 9)
except (AttributeError, ImportError, OSError):
    pass
"""


def end_with_parent() -> None:
    """Stop at once when nobody waits for an answer any more, on other systems, too."""
    import threading  # who starts such a process needs none

    threading.Thread(target=_watch, args=(os.getppid(),), daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)
