"""What a run tells: text for people, JSON for programs, annotations for GitHub."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from typing import Any, TextIO

from .diagnostics import Diagnostic, Location, printable
from .job import Outcome
from .table import Row, table_text
from .version import __version__

FORMATS = ("text", "json", "github")


def tell(outcome: Outcome, form: str, *, verbose: bool) -> None:
    """Tell what one job came to; JSON is told of all jobs at the end."""
    if form == "json":
        sys.stdout.write(outcome.source if outcome.target is None else "")
        return
    if form == "github":
        for diagnostic in outcome.diagnostics:
            print(annotation(diagnostic, outcome.config))
    elif outcome.diagnostics:
        _tell_problems(outcome, verbose=verbose)
    sys.stdout.write(outcome.diff)
    if outcome.ok and outcome.verb == "check":
        count = f"{outcome.parameters:,} parameters"
        print(f"{printable(outcome.config)} can be built: {len(outcome.layers)} calls, {count}")
    elif outcome.ok and outcome.verb == "compare":
        print(f"{outcome.target} is what {printable(outcome.config)} gives")
    elif outcome.ok:
        if outcome.target is None:
            sys.stdout.write(outcome.source)
        _tell_success(outcome, sys.stderr if outcome.target is None else sys.stdout)


def _tell_problems(outcome: Outcome, *, verbose: bool) -> None:
    if verbose and outcome.table:
        print(f"{outcome.table}\n", file=sys.stderr)
    colour = wants_colour(sys.stderr)
    texts = [diagnostic.render(colour=colour) for diagnostic in outcome.diagnostics]
    print("\n\n".join(texts), file=sys.stderr)
    if len(texts) > 1:
        print(f"\n{_counted(outcome.diagnostics)}", file=sys.stderr)


def _counted(diagnostics: Sequence[Diagnostic]) -> str:
    """How many errors and warnings there are."""
    parts = []
    for severity in ("error", "warning"):
        number = sum(diagnostic.severity == severity for diagnostic in diagnostics)
        if number:
            parts.append(f"{number} {severity}{'s' if number > 1 else ''}")
    return " and ".join(parts)


def wants_colour(to: TextIO) -> bool:
    """Whether colours are welcome: on a terminal, unless ``NO_COLOR`` says otherwise."""
    dumb = os.environ.get("TERM") == "dumb"
    return to.isatty() and not os.environ.get("NO_COLOR") and not dumb


def _tell_success(outcome: Outcome, to: TextIO) -> None:
    """The table of shapes, the verdict of the smoke-run, and what was written."""
    rows = [Row(**row) for row in outcome.layers]
    print(table_text(rows, outcome.parameters), file=to)
    print(_verdict(outcome), file=to)
    if outcome.target is not None:
        written = f"wrote {outcome.target} in {outcome.seconds:.2f} s"
        print(f"{outcome.target} is up to date" if outcome.fresh else written, file=to)


def _verdict(outcome: Outcome) -> str:
    proof = outcome.proof
    if proof is None:
        return "not run: --no-smoke"
    notes = "".join(f"; {note}" for note in proof["notes"])
    before = "before, " if outcome.fresh else ""
    what = "forward" if proof["device"] == "meta" else "forward, backward and eval"
    return (
        f"smoke-run on {proof['device']}: passed {before}in {proof['seconds']:.2f} s "
        f"(torch {proof['torch']}): {what}, batches of 2 and 3{notes}"
    )


def tell_json(outcomes: Sequence[Outcome]) -> None:
    """All that a run came to, as one JSON object."""
    result = {
        "netgen": __version__,
        "ok": all(outcome.ok for outcome in outcomes),
        "diagnostics": [
            _diagnostic(diagnostic, outcome.config)
            for outcome in outcomes
            for diagnostic in outcome.diagnostics
        ],
        "results": [_result(outcome) for outcome in outcomes],
    }
    printed = any(outcome.source and outcome.target is None for outcome in outcomes)
    to = sys.stderr if printed else sys.stdout
    print(json.dumps(result, indent=2), file=to)


def _result(outcome: Outcome) -> dict[str, Any]:
    keys = ("config", "verb", "ok", "fresh", "diff", "parameters", "layers", "proof", "seconds")
    found = {key: getattr(outcome, key) for key in keys}
    return {**found, "output": outcome.target if outcome.ok else None}


def _diagnostic(diagnostic: Diagnostic, config: str) -> dict[str, Any]:
    where = diagnostic.location
    place: dict[str, Any] = {"file": config, "line": None, "column": None, "end_column": None}
    if where is not None:
        place = {"file": where.file, "line": where.line, "column": where.column}
        place["end_column"] = where.column + _length(where)
    return {
        "severity": diagnostic.severity,
        "code": diagnostic.code,
        "message": printable(diagnostic.message),
        **place,
        "notes": [printable(note) for note in diagnostic.notes],
        "help": None if diagnostic.help is None else printable(diagnostic.help),
    }


def _length(where: Location) -> int:
    """The characters that are meant, as far as the line goes."""
    return max(1, min(where.length, len(where.text) - where.column + 1))


def annotation(diagnostic: Diagnostic, config: str) -> str:
    """A diagnostic as a workflow command of GitHub Actions."""
    where = diagnostic.location
    place = {"file": config if where is None else where.file}
    if where is not None:
        place |= {"line": str(where.line), "col": str(where.column)}
        place["endColumn"] = str(where.column + _length(where))
    place["title"] = f"netgen {diagnostic.code}"
    properties = ",".join(f"{name}={_escaped(text, ':,')}" for name, text in place.items())
    lines = [diagnostic.message, *(f"note: {note}" for note in diagnostic.notes)]
    lines += [f"help: {diagnostic.help}"] if diagnostic.help else []
    text = "\n".join(map(printable, lines))
    return f"::{diagnostic.severity} {properties}::{_escaped(text)}"


def _escaped(text: str, more: str = "") -> str:
    for char in f"%\r\n{more}":
        text = text.replace(char, f"%{ord(char):02X}")
    return text
