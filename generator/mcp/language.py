"""The page on the language of specs, by section, and after it what each diagnostic means."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from .. import docs
from ..diagnostics.codes import CODES

DIAGNOSTICS = "Diagnostics"  # the section that the page itself does not have
_FENCE = "```"


def page() -> str:
    """The whole page."""
    return (Path(next(iter(docs.__path__))) / "language.md").read_text(encoding="utf-8")


def of_diagnostics() -> dict[str, str]:
    """What each code of a diagnostic means, by code, with all of them under `diagnostics`."""
    told = {name: f"{name}: {code.title}\n{code.cure}\n" for name, code in CODES.items()}
    examples = {
        name: f"\nA spec that has it:\n\n{_FENCE}yaml\n{code.example}{_FENCE}\n"
        for name, code in CODES.items()
        if code.example
    }
    alone = {name: text + examples.get(name, "") for name, text in told.items()}
    return {DIAGNOSTICS: "\n".join(told.values()), **alone}


def sections(text: str) -> dict[str, str]:
    """The sections of a page by their headings, each with those that are inside of it."""
    lines = text.splitlines(keepends=True)
    found = [*_headings(lines)]
    ends = {
        start: next((later for later, deep, _ in found[place + 1 :] if deep <= depth), len(lines))
        for place, (start, depth, _) in enumerate(found)
    }
    return {name: "".join(lines[start : ends[start]]) for start, _, name in found}


def contents(text: str) -> str:
    """The headings of a page, those of sections inside of others indented, with their length."""
    lines = text.splitlines(keepends=True)
    lengths = {name: len(section) for name, section in sections(text).items()}
    told = (
        f"{'  ' * (depth - 2)}{name} ({lengths[name]:,} characters)"
        for _, depth, name in _headings(lines)
        if depth > 1
    )
    return "".join(f"{line}\n" for line in told)


def _headings(lines: list[str]) -> Iterator[tuple[int, int, str]]:
    """Each heading: the number of its line, its depth, and its words."""
    code = False
    for number, line in enumerate(lines):
        code ^= line.startswith(_FENCE)
        marks, _, name = line.partition(" ")
        if not code and marks and not marks.strip("#"):
            yield number, len(marks), name.strip().replace("`", "")
