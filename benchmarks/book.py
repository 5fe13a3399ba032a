"""The figures as a file, and the page that is written from it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from . import PAGE, tables
from .figures import Figure

BEGIN, END = "<!-- {} begins -->\n", "<!-- {} ends -->"


def read(path: Path) -> dict[str, Any]:
    """All that was measured so far."""
    if not path.is_file():
        return {}
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def write(path: Path, found: Mapping[str, Any]) -> None:
    """Keep what has been measured."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def figures(found: Mapping[str, Any]) -> dict[str, Figure]:
    """The figures of the table by their keys."""
    return {record["key"]: Figure.of(record) for record in found.get("figures", [])}


def write_page(found: Mapping[str, Any]) -> None:
    """Put the figures between the page's marks; what was not measured stays as it is."""
    text = PAGE.read_text(encoding="utf-8")
    for name, part in _parts(found).items():
        begin, end = BEGIN.format(name), END.format(name)
        before, _, rest = text.partition(begin)
        _, mark, after = rest.partition(end)
        if not mark:
            raise RuntimeError(f"{PAGE.name} has no place for the {name}")
        text = f"{before}{begin}\n{part}\n{end}{after}"
    PAGE.write_text(text, encoding="utf-8")


def _parts(found: Mapping[str, Any]) -> dict[str, str]:
    parts: dict[str, str] = {}
    if "figures" in found:
        rows = tables.figures(figures(found).values())
        parts["figures"] = tables.markdown(tables.HEADS, rows)
        parts["machine"] = _machine(found["machine"])
    if "growth" in found:
        parts["growth"] = tables.markdown(tables.GROWTH, tables.growths(found["growth"]))
    if "where" in found:
        where = found["where"]
        parts["parts"] = tables.markdown(tables.PARTS, tables.parts(where))
        parts["rooms"] = tables.markdown(tables.ROOMS, tables.rooms(where))
        parts["modules"] = tables.markdown(tables.MODULES, tables.modules(where))
    if found.get("instructions"):
        parts["instructions"] = _instructions(found["instructions"])
    if "rivals" in found:
        parts["rivals"] = tables.markdown(tables.RIVALS, found["rivals"])
    return parts


def _machine(found: Mapping[str, Any]) -> str:
    memory = f"{found['memory'] / 2**30:.0f} GiB"
    versions = ", ".join(f"{name} {version}" for name, version in found["versions"].items())
    return (
        f"{found['processor']}, {found['cores']} cores, {memory}, {found['system']}, "
        f"Python {found['python']}, {versions}; {found['date']}, commit {found['commit']}, "
        f"installed as {found['installed']}, load {found['load']:.1f} before.\n"
    )


def _instructions(found: Mapping[str, int]) -> str:
    check, libraries = found["check"], found["libraries"]
    return (
        f"`netgen check configs/lenet.yaml` takes {check / 1e6:,.0f} million instructions, its "
        f"libraries {libraries / 1e6:,.0f} million: {check / libraries:.2f} times as many.\n"
    )
