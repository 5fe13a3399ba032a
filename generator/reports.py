"""What a run tells: text for people, JSON for programs, annotations for GitHub."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

from .diagnostics import Diagnostic, Location, printable
from .job import Outcome
from .levels import DEFAULT_LEVELS
from .memory import shown
from .table import Row, table_text
from .version import __version__


def tell(outcome: Outcome, form: str, verbose: bool) -> None:
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
    if outcome.verb == "view":
        sys.stdout.write(outcome.view)
    elif outcome.ok and outcome.verb == "check":
        layers = sum(row["type"] != "input" for row in outcome.layers)
        count = f"{layers} layer{'' if layers == 1 else 's'}, {outcome.parameters:,} parameters"
        print(f"{printable(outcome.config)} can be built: {count}")
        _tell_fixed(outcome, sys.stdout)
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
    print(_figures(outcome), file=to)
    _tell_fixed(outcome, to)
    for line in _verdicts(outcome):
        print(line, file=to)
    if outcome.target is not None:
        written = f"wrote {outcome.target} in {outcome.seconds:.2f} s"
        print(f"{outcome.target} is up to date" if outcome.fresh else written, file=to)


def _tell_fixed(outcome: Outcome, to: TextIO) -> None:
    """Why which parameters are no arguments of the class, a line for each."""
    for fixed in outcome.fixed:
        print(f"`{fixed['name']}` is fixed: {fixed['why']}", file=to)


def _figures(outcome: Outcome) -> str:
    """Computed figures; memory is that of the smoke-run's batch."""
    training, inference = (shown(outcome.memory[key]) for key in ("training", "inference"))
    memory = f"activations of a batch of 2: {inference} at most, {training} kept in training"
    return f"{outcome.macs:,} multiply-adds for a sample; {memory}"


def _verdicts(outcome: Outcome) -> Iterator[str]:
    """What the run showed on each device, a line more for each level that was asked for."""
    if not outcome.proofs:
        yield "not run: --no-smoke"
    before = "before, " if outcome.fresh else ""
    for proof in outcome.proofs:
        names = [level["level"] for level in proof["levels"]]
        usual = [name for name in names if name in DEFAULT_LEVELS]
        batched = any("batches" in level["found"] for level in proof["levels"])
        parts = [_listed(usual) + (", batches of 2 and 3" if batched else "")]
        what = "; ".join([*parts, *proof["notes"]])
        seconds = f"{before}in {proof['seconds']:.2f} s (torch {proof['torch']})"
        yield f"smoke-run on {proof['device']}: passed {seconds}{': ' if what else ''}{what}"
        for level in proof["levels"]:
            if level["level"] not in DEFAULT_LEVELS:
                yield f"  {level['level']}: {level['found']} ({level['seconds']:.2f} s)"
        if proof["speed"] is not None:
            yield f"  {_speed(proof['speed'])}"


def _listed(words: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1])))


def _speed(speed: Mapping[str, Any]) -> str:
    """The measured times in milliseconds, with their quartiles."""
    parts = []
    for key, name in (("forward", "forward"), ("forward_backward", "forward and backward")):
        low, median, high = (1000 * speed[key][part] for part in ("low", "median", "high"))
        parts.append(f"{name} {median:.2f} ms ({low:.2f} to {high:.2f})")
    batch = "" if speed["batch"] is None else f", a batch of {speed['batch']}"
    return f"{speed['name']}{batch}: {', '.join(parts)}"


def tell_json(outcomes: Sequence[Outcome]) -> None:
    """All that a run came to, as one JSON object."""
    import json

    printed = any(outcome.source and outcome.target is None for outcome in outcomes)
    to = sys.stderr if printed else sys.stdout
    print(json.dumps(_results(outcomes), indent=2), file=to)


def check_report(path: Path, *, force: bool) -> None:
    """Refuse to put a report in place of anything but another one."""
    from .files import check_marked

    check_marked(path, b'{\n  "netgen": ', force=force)


def write_report(path: Path, outcomes: Sequence[Outcome], *, force: bool) -> None:
    """The same with the machine it was measured on, in a file."""
    import json
    import platform

    from .files import write

    machine = {"system": platform.platform(), "python": platform.python_version()}
    report = {**_results(outcomes), "machine": {**machine, "processors": os.cpu_count()}}
    check_report(path, force=force)  # once more: a run takes its time, and may have written there
    write(path, json.dumps(report, indent=2) + "\n")


def _results(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    return {
        "netgen": __version__,
        "ok": all(outcome.ok for outcome in outcomes),
        "diagnostics": [
            _diagnostic(diagnostic, outcome.config)
            for outcome in outcomes
            for diagnostic in outcome.diagnostics
        ],
        "results": [_result(outcome) for outcome in outcomes],
    }


def _result(outcome: Outcome) -> dict[str, Any]:
    names = "config verb ok fresh diff parameters macs memory layers fixed proofs seconds"
    found = {name: getattr(outcome, name) for name in names.split()}
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
