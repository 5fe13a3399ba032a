"""The reports of a command: text for people, JSON for programs, annotations for GitHub."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from ..analysis.memory import shown
from ..diagnostics.diagnostics import Diagnostic, listed, told
from ..ir.levels import DEFAULT_LEVELS
from ..ir.table import Row, table_text
from ..jobs.job import Outcome
from ..jobs.results import end_of, results
from ..output.terminal import annotate, coloured, complain, give, say
from ..version import __version__

if TYPE_CHECKING:
    from ..output.files import Target

MOST_TOLD = 50_000  # characters of one spec's diagnostics that are printed


def tell(outcome: Outcome, form: str, verbose: bool) -> None:
    """Print the outcome of one job; with ``json`` only the source, as facts come at the end."""
    if form == "json":
        if outcome.target is None:
            give(outcome.source)
        return
    if form == "github":
        for diagnostic in outcome.diagnostics:
            annotate(annotation(diagnostic, outcome.config))
    elif outcome.diagnostics:
        _tell_problems(outcome, verbose=verbose)
    say(*outcome.diff.split("\n")[:-1])
    if outcome.verb == "view":
        say(*outcome.view.split("\n")[:-1])
    elif outcome.ok and outcome.verb == "check":
        layers = sum(row["type"] != "input" for row in outcome.layers)
        count = f"{layers} layer{'' if layers == 1 else 's'}, {outcome.parameters:,} parameters"
        sizes = "".join(f"; {text}" for text in outcome.fit)
        built = f"{outcome.config} can be built: {count}{sizes}"
        say(built, *_fixed(outcome), *_variants(outcome))
    elif outcome.ok and outcome.verb == "compare":
        say(f"{outcome.target} is what {outcome.config} gives")
    elif outcome.ok and outcome.target is None:
        give(outcome.source)
        complain(*_success(outcome))
    elif outcome.ok:
        say(*_success(outcome))


def _tell_problems(outcome: Outcome, *, verbose: bool) -> None:
    if verbose and outcome.table:
        complain(*outcome.table.split("\n"), "")
    texts = _read_by_people(
        diagnostic.render(colour=coloured()) for diagnostic in outcome.diagnostics
    )
    complain(*"\n\n".join(texts).split("\n"))
    more = len(outcome.diagnostics) - len(texts)
    if len(outcome.diagnostics) > 1:
        told = f", {more} of them not shown" if more else ""
        complain("", f"{_counted(outcome.diagnostics)}{told}")


def _read_by_people(texts: Iterable[str]) -> list[str]:
    """The first of the texts, up to about `MOST_TOLD` characters."""
    told = [*texts]
    before = accumulate(map(len, told), initial=0)
    return [text for text, length in zip(told, before, strict=False) if length < MOST_TOLD]


def _counted(diagnostics: Sequence[Diagnostic]) -> str:
    """The numbers of errors and warnings, in words."""
    parts = []
    for severity in ("error", "warning"):
        number = sum(diagnostic.severity == severity for diagnostic in diagnostics)
        if number:
            parts.append(f"{number} {severity}{'s' if number > 1 else ''}")
    return " and ".join(parts)


def _success(outcome: Outcome) -> Iterator[str]:
    """The lines on a successful build: table, figures, results of the run, file."""
    rows = [Row(**row) for row in outcome.layers]
    yield from table_text(rows, outcome.parameters).split("\n")
    yield _figures(outcome)
    if outcome.fit:
        yield f"sizes that fit: {'; '.join(outcome.fit)}"
    yield from _fixed(outcome)
    yield from _variants(outcome)
    yield from _verdicts(outcome)
    if outcome.target is not None:
        written = f"wrote {outcome.target} in {outcome.seconds:.2f} s"
        yield f"{outcome.target} is up to date" if outcome.fresh else written


def _fixed(outcome: Outcome) -> Iterator[str]:
    """A line for each fixed parameter, with the reason."""
    for fixed in outcome.fixed:
        yield f"`{fixed['name']}` is fixed: {fixed['why']}"


def _variants(outcome: Outcome) -> Iterator[str]:
    """A line for each variant: its figures, and the function that makes it."""
    for one in outcome.variants:
        figures = f"{one['parameters']:,} parameters, {one['macs']:,} multiply-adds"
        made = f"`{one['factory']}`" if one["why"] is None else f"no function, as {one['why']}"
        yield f"variant `{one['name']}`: {figures}; {made}"


def _figures(outcome: Outcome) -> str:
    """The line with computed figures; memory is for the smoke-run's batch of 2."""
    training, inference = (shown(outcome.memory[key]) for key in ("training", "inference"))
    memory = f"activations of a batch of 2: {inference} at most, {training} kept in training"
    return f"{outcome.macs:,} multiply-adds for a sample; {memory}"


def _verdicts(outcome: Outcome) -> Iterator[str]:
    """A line for each device of the run, and one for each level beyond the default ones."""
    if not outcome.proofs:
        yield "not run: --no-smoke"
    before = "before, " if outcome.fresh else ""
    for proof in outcome.proofs:
        names = [level["level"] for level in proof["levels"]]
        usual = [name for name in names if name in DEFAULT_LEVELS]
        batched = any("batches" in level["found"] for level in proof["levels"])
        parts = [listed(usual) + (", batches of 2 and 3" if batched else "")]
        what = "; ".join([*parts, *proof["notes"]])
        seconds = f"{before}in {proof['seconds']:.2f} s (torch {proof['torch']})"
        yield f"smoke-run on {proof['device']}: passed {seconds}{': ' if what else ''}{what}"
        for level in proof["levels"]:
            if level["level"] not in DEFAULT_LEVELS:
                yield f"  {level['level']}: {level['found']} ({level['seconds']:.2f} s)"
        if proof["speed"] is not None:
            yield f"  {_speed(proof['speed'])}"


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
    give(f"{json.dumps(results(outcomes), indent=2)}\n", aside=printed)


def write_report(target: Target, outcomes: Sequence[Outcome]) -> None:
    """The same with the machine it was measured on, in a file; none that a spec is made from."""
    import json
    import platform

    from ..output.files import UNSIGNED, check_no_spec, sign

    check_no_spec(target.path, [file for outcome in outcomes for file in outcome.files])
    machine = {"system": platform.platform(), "python": platform.python_version()}
    facts = {**results(outcomes), "machine": {**machine, "processors": os.cpu_count()}}
    report = {"netgen": facts.pop("netgen"), "digest": UNSIGNED, **facts}
    text = json.dumps(report, indent=2) + "\n"
    target.write(sign(text.encode(), target.kind, __version__))


def annotation(diagnostic: Diagnostic, config: str) -> str:
    """A diagnostic as a workflow command of GitHub Actions."""
    where = diagnostic.location
    place = {"file": config if where is None else where.file}
    if where is not None:
        place |= {"line": str(where.line), "col": str(where.column)}
        place["endColumn"] = str(end_of(where))
    place["title"] = f"netgen {diagnostic.code}"
    properties = ",".join(f"{name}={_escaped(text, ':,')}" for name, text in place.items())
    lines = [diagnostic.message, *(f"note: {note}" for note in diagnostic.notes)]
    lines += [f"help: {diagnostic.help}"] if diagnostic.help else []
    text = "\n".join(map(told, lines))
    return f"::{diagnostic.severity} {properties}::{_escaped(text)}"


def _escaped(text: str, more: str = "") -> str:
    for char in f"%\r\n{more}":
        text = text.replace(char, f"%{ord(char):02X}")
    return text
