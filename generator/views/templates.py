"""The specs that come with netgen, to begin with."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from .. import configs, starters
from ..spec.given import read
from ..symbolic.expressions import has_expression


def templates() -> dict[str, Path]:
    """The templates by name: the commented starters, then the networks."""
    folders = [Path(next(iter(package.__path__))) for package in (starters, configs)]
    return {path.stem: path for folder in folders for path in sorted(folder.glob("*.yaml"))}


def chosen(name: str) -> dict[str, Path]:
    """The template with this name, or else those whose names begin with it."""
    known = templates()
    if name in known:
        return {name: known[name]}
    return {stem: path for stem, path in known.items() if name and stem.startswith(name)}


def listed(known: Mapping[str, Path]) -> list[str]:
    """The templates, a line each."""
    width = max(map(len, known))
    return [f"{name:<{width}}  {_about(path)}" for name, path in known.items()]


def _about(path: Path) -> str:
    """The first line of a template's description, with the values of its parameters."""
    source = read(path)
    text = str(source.values["description"])
    if has_expression(text):
        from ..analysis.prediction import check_source

        text = check_source(source, {}).graph.description or ""
    return text.strip().partition("\n")[0]


def text_of(template: Path) -> str:
    """The text of a template without its line for language servers."""
    lines = template.read_text(encoding="utf-8").splitlines(keepends=True)
    return "".join(line for line in lines if not line.startswith("# yaml-language-server:"))
