"""What the figures were taken on: without it they mean nothing."""

from __future__ import annotations

import datetime
import importlib.metadata
import os
import platform
import subprocess
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from . import ROOT

LIBRARIES = ("torch-netgen", "black", "jinja2", "pydantic", "pyyaml", "torch")


def machine() -> dict[str, Any]:
    """The machine, the versions and the date, as plain data."""
    return {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "versions": {name: importlib.metadata.version(name) for name in LIBRARIES},
        "commit": _commit(),
        "installed": _installed(),
        "load": os.getloadavg()[0],  # of the minute before: others may be at work
    }


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    names = (line.partition(":")[2].strip() for line in lines if "model name" in line)
    return next(names, platform.machine())


def _commit() -> str:
    """The commit of this checkout, and whether it was changed."""
    command = ["git", "describe", "--always", "--dirty"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return run.stdout.strip()


def _installed() -> str:
    """How netgen is installed: what is measured should be what people install."""
    found = find_spec("torch_netgen")
    origin = "" if found is None or found.origin is None else found.origin
    return "wheel" if "site-packages" in Path(origin).parts else "editable"
