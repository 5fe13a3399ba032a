"""Records of earlier proofs, in the user's cache: an unchanged spec need not be run again.

The key of a record covers the spec's text and values, the generated file, the demand, the devices,
and the versions of torch and netgen. If any of them differs, no record is found.
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

from ..version import __version__

MOST_BYTES = 20_000_000  # the largest record that is read


def inputs_text(spec: str, overrides: Mapping[str, Any], variant: str | None = None) -> str:
    """All that a file is made from, as one text: netgen's version, spec, values, variant."""
    values = {name: overrides[name] for name in sorted(overrides)}
    return json.dumps([__version__, spec, values, *([variant] if variant else [])])


def record_key(inputs: str, name: str, output: bytes, demand: str) -> str:
    """The key of the record for a generated file and a `demand`, on the present devices."""
    parts = [inputs, name, demand, _torch(), _devices(), _own()]
    text = "\0".join(parts).encode(errors="surrogateescape")
    return hashlib.sha256(text + b"\0" + output).hexdigest()


def recall(key: str) -> dict[str, Any] | None:
    """The record with this key; ``None`` if there is none, or none that is sound."""
    place = _place(key)
    try:
        if place is None or not place.is_file() or place.stat().st_size > MOST_BYTES:
            return None
        found = json.loads(place.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return found if _sound(found) else None


_KEYS = {"layers", "parameters", "macs", "memory", "fixed", "variants", "sizes", "fit", "proofs"}


def _sound(found: Any) -> bool:
    """Whether a record has the fields and types that `remember` writes."""
    if not isinstance(found, dict) or found.keys() != _KEYS:
        return False
    proofs, layers = found["proofs"], found["layers"]
    columns = {"name": str, "type": str, "output": str, "parameters": int}
    columns |= {"macs": int, "activations": int, "kept": int}
    sizes = dict.fromkeys(("weights", "gradients", "training", "inference"), int)
    rows = isinstance(layers, list) and all(_of_kinds(row, columns) for row in layers)
    why = {"name": str, "file": str, "line": int, "why": str}
    variants = isinstance(found["variants"], list) and all(map(_is_variant, found["variants"]))
    told = isinstance(found["fixed"], list) and all(_of_kinds(one, why) for one in found["fixed"])
    proven = isinstance(proofs, list) and bool(proofs) and all(map(_is_proof, proofs))
    counted = type(found["parameters"]) is int and type(found["macs"]) is int
    known = variants and _is_fit(found["sizes"], found["fit"])
    return proven and rows and told and counted and known and _of_kinds(found["memory"], sizes)


def _is_variant(value: Any) -> bool:
    """Whether this is a variant: it has a `factory`, or the reason `why` it has none."""
    kinds = {"name": str, "line": int, "values": dict, "parameters": int, "macs": int}
    made = isinstance(value, dict) and value.get("why") is None
    left_out = "why" if made else "factory"
    return _of_kinds(value, {**kinds, "factory": str, "why": str, left_out: type(None)})


def _is_fit(sizes: Any, texts: Any) -> bool:
    if not isinstance(sizes, list) or not isinstance(texts, list):
        return False
    kinds = {"name": str, "sample": int}
    bounds = ("least", "most", "step")
    named = all(isinstance(x, dict) and {*x} == {*kinds, *bounds} for x in sizes)
    numbers = (x[bound] for x in sizes if named for bound in bounds)
    return (
        named
        and all(_of_kinds({key: x[key] for key in kinds}, kinds) for x in sizes)
        and all(number is None or type(number) is int for number in numbers)
        and all(isinstance(text, str) for text in texts)
    )


def _is_proof(value: Any) -> bool:
    kinds = {"device": str, "seconds": float, "torch": str, "levels": list, "notes": list}
    if not _of_kinds(value, {**kinds, "speed": type(None)}):
        return False
    shown = {"level": str, "seconds": float, "found": str}
    levels = all(_of_kinds(level, shown) for level in value["levels"])
    return levels and all(isinstance(note, str) for note in value["notes"])


def _of_kinds(value: Any, kinds: Mapping[str, type]) -> bool:
    if not isinstance(value, dict) or value.keys() != kinds.keys():
        return False
    return all(type(value[name]) is kind for name, kind in kinds.items())


def remember(key: str, record: Mapping[str, Any]) -> None:
    """Write a record; a cache that can't be written is ignored."""
    place = _place(key)
    if place is None:
        return
    with contextlib.suppress(OSError):
        place.parent.mkdir(parents=True, exist_ok=True)
        part = place.with_suffix(f".{os.getpid()}")
        part.write_text(json.dumps(record), encoding="utf-8")
        os.replace(part, place)


def _place(key: str) -> Path | None:
    """The path of a record; ``None`` for a user without a home."""
    home = os.environ.get("XDG_CACHE_HOME", "")
    if not os.path.isabs(home):  # the XDG standard says to ignore relative paths
        try:
            home = str(Path.home() / ".cache")
        except RuntimeError:
            return None
    return Path(home) / "torch-netgen" / "proofs" / f"{key}.json"


def _torch() -> str:
    """The installed torch's version, read without importing it."""
    found = importlib.util.find_spec("torch")
    if found is None or found.origin is None:
        return "none"
    version = Path(found.origin).with_name("version.py")
    return version.read_text(encoding="utf-8") if version.is_file() else found.origin


def _devices() -> str:
    """The visible GPUs, found without torch; a home may be shared by several machines."""
    there = sorted(str(path) for path in Path("/dev").glob("nvidia[0-9]*"))
    return repr([there, Path("/dev/dxg").exists(), os.environ.get("CUDA_VISIBLE_DEVICES")])


def _own() -> str:
    """A fingerprint of netgen's own files, so that a changed netgen finds no old records."""
    package = Path(__file__).parents[1]
    from .. import templates

    folders = [folder for folder, _, _ in os.walk(package) if not folder.endswith("__pycache__")]
    folders.append(next(iter(templates.__path__)))
    files = [entry for folder in folders for entry in os.scandir(folder) if entry.is_file()]
    facts = sorted((entry.name, entry.stat().st_size, entry.stat().st_mtime_ns) for entry in files)
    return hashlib.sha256(repr(facts).encode()).hexdigest()
