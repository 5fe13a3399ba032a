"""What has been proven before, in the user's cache: an unchanged spec need not be run again.

A record belongs to a spec's text and values, a generated file's text, a device, a seed, a
version of torch and of netgen itself: where any of them differs there is none.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .version import __version__


def inputs_text(spec: str, overrides: Mapping[str, Any]) -> str:
    """All that a file is made from, as one text."""
    values = {name: overrides[name] for name in sorted(overrides)}
    return json.dumps([__version__, spec, values])


def record_key(inputs: str, name: str, output: str, device: str, seed: int) -> str:
    """The name of the record of one proof."""
    parts = [inputs, name, output, device, str(seed), _torch(), _own()]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def recall(key: str) -> dict[str, Any] | None:
    """The record of this name, if there is one."""
    try:
        found = json.loads(_place(key).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def remember(key: str, record: Mapping[str, Any]) -> None:
    """Keep a record; a cache that can't be written is no cache."""
    place = _place(key)
    with contextlib.suppress(OSError):
        place.parent.mkdir(parents=True, exist_ok=True)
        part = place.with_suffix(f".{os.getpid()}")
        part.write_text(json.dumps(record), encoding="utf-8")
        os.replace(part, place)


def _place(key: str) -> Path:
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "torch-netgen" / "proofs" / f"{key}.json"


def _torch() -> str:
    """The installed torch's version, read without importing it."""
    found = importlib.util.find_spec("torch")
    if found is None or found.origin is None:
        return "none"
    version = Path(found.origin).with_name("version.py")
    return version.read_text(encoding="utf-8") if version.is_file() else found.origin


def _own() -> str:
    """A fingerprint of netgen's own files, so that a changed netgen proves anew."""
    package = Path(__file__).parent
    from . import templates

    folders = (package, package / "layers", Path(next(iter(templates.__path__))))
    files = [entry for folder in folders for entry in os.scandir(folder) if entry.is_file()]
    facts = sorted((entry.name, entry.stat().st_size, entry.stat().st_mtime_ns) for entry in files)
    return hashlib.sha256(repr(facts).encode()).hexdigest()
