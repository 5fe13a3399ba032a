"""The memory that the machine has left, and sizes in bytes as text."""

from __future__ import annotations

import os
import sys
from pathlib import Path

GIB = 2**30


def available() -> int | None:
    """The bytes that a process may still take; ``None`` where neither system nor container says."""
    found = [_free(), _left_in_group()]
    known = [size for size in found if size is not None]
    return min(known) if known else None


def _free() -> int | None:
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvail"))
    except (OSError, StopIteration, ValueError):
        pass
    if sys.platform == "win32":
        return None
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return None


def _left_in_group() -> int | None:
    """The bytes that the control group (of a container) has left; ``None`` without a limit."""
    folder = Path("/sys/fs/cgroup")
    for most, now in (
        ("memory.max", "memory.current"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"),
    ):
        try:
            left = int((folder / most).read_text()) - int((folder / now).read_text())
        except (OSError, ValueError):
            continue
        return max(left, 0)
    return None


def shown(size: int) -> str:
    """A number of bytes as text: ``1.5 GiB``."""
    for unit, name in ((GIB, "GiB"), (2**20, "MiB"), (2**10, "KiB")):
        if size >= unit:
            return f"{size / unit:,.1f} {name}"
    return f"{size} bytes"
