"""The results of jobs as plain data, for programs: what `--format json` tells."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec import Struct, to_builtins

from ..diagnostics.diagnostics import Diagnostic, Location, told
from ..version import __version__
from .job import Outcome


class Finding(Struct, frozen=True):
    """A diagnostic as a program reads it; lines and columns count from 1."""

    severity: str
    code: str
    message: str
    file: str
    line: int | None
    column: int | None
    end_column: int | None
    notes: tuple[str, ...]
    help: str | None


def results(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """All that the jobs of a command came to."""
    return {
        "netgen": __version__,
        "ok": all(outcome.ok for outcome in outcomes),
        "diagnostics": [
            to_builtins(finding(diagnostic, outcome.config))
            for outcome in outcomes
            for diagnostic in outcome.diagnostics
        ],
        "results": [result(outcome) for outcome in outcomes],
    }


def result(outcome: Outcome) -> dict[str, Any]:
    """What one job came to, without its diagnostics."""
    names = (
        "config variant verb ok fresh diff parameters macs memory sizes fit layers fixed variants "
        "proofs seconds"
    )
    found = {name: getattr(outcome, name) for name in names.split()}
    return {**found, "output": outcome.target if outcome.ok else None}


def finding(diagnostic: Diagnostic, config: str) -> Finding:
    """A diagnostic of a spec, with its place."""
    where = diagnostic.location
    file, line, column, end = config, None, None, None
    if where is not None:
        file, line, column, end = where.file, where.line, where.column, end_of(where)
    message, notes = told(diagnostic.message), tuple(map(told, diagnostic.notes))
    help = None if diagnostic.help is None else told(diagnostic.help)
    severity, code = diagnostic.severity, diagnostic.code
    return Finding(severity, code, message, file, line, column, end, notes, help)


def end_of(where: Location) -> int:
    """The column after the characters that are meant, as far as the line goes."""
    rest = len(where.text) - where.column + 1
    return where.column + max(1, min(where.length, rest))
