"""Makes a process end with its parent, whatever either is doing."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from typing import TextIO

# the first lines of the process's code: on Linux the kernel then kills it with its parent
ENDS_WITH_PARENT = """\
import sys
if sys.platform == "linux":
    try:
        import ctypes
        ctypes.CDLL(None).prctl(1, 9)
    except (AttributeError, ImportError, OSError):
        pass
"""


def end_with_parent() -> None:
    """Start a thread that ends the process when its parent is gone.

    On Windows the number of a parent stays what it was: see `requests`.
    """
    import threading  # the parent imports this module, too, and needs no threads

    threading.Thread(target=_watch, args=(os.getppid(),), daemon=True).start()


def requests(given: TextIO) -> Iterator[str]:
    """The lines of standard input, which a thread reads: at their end it ends the process.

    So it ends with its parent on any system, whatever it is doing.
    """
    import threading
    from queue import SimpleQueue

    lines: SimpleQueue[str] = SimpleQueue()

    def hear() -> None:
        for line in given:
            lines.put(line)
        os._exit(0)  # torch takes longer to leave than to run a small network

    threading.Thread(target=hear, daemon=True).start()
    while True:
        yield lines.get()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)
