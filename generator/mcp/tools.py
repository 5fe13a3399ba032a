"""The tools: each is a function from what is asked, and the folder it may use, to the answer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from ..diagnostics.diagnostics import Diagnostic, NetgenError, printable, spelt
from ..ir.levels import Demand, in_order
from ..jobs.job import Job, Outcome
from ..jobs.run import work_all
from ..layers import TYPES
from ..output.files import SOURCE, claim
from ..spec.include import SUFFIXES
from ..spec.source import from_mapping
from ..symbolic.hints import closest_word, help_for_type
from ..views import catalogue, templates
from ..views.diff import Comparison
from ..views.explain import explain as explanation
from ..views.show import show as table
from .answers import Answer, of_failure, of_outcomes, of_text, readable, with_facts
from .asked import (
    Asked,
    Build,
    Check,
    Diff,
    Explain,
    Language,
    Layers,
    OfNetworks,
    OfSpec,
    Show,
    Templates,
)
from .folder import Folder
from .language import DIAGNOSTICS, contents, of_diagnostics, page, sections

TEXT = "<spec>"  # what a spec is called that is given as text


class Unknown(Exception):
    """What is asked for is not there; the message says what is."""


class Tool(Struct, frozen=True):
    """A tool: what it does, what it is asked, how it answers, and whether it may write a file."""

    about: str
    asked: type[Asked]
    answer: Callable[[Any, Folder], Answer]
    writes: bool = False


def check(asked: Check, folder: Folder) -> Answer:
    job = replace(_job(asked, folder), verb="check", strict=asked.strict)
    return _of_network(_done([job], asked), asked)


def build(asked: Build, folder: Folder) -> Answer:
    levels = in_order(asked.prove)
    demand = None if asked.no_smoke else Demand(asked.device, asked.seed, levels)
    job = replace(_job(asked, folder), strict=asked.strict, demand=demand)
    if asked.output is None:
        return _of_network(_done([job], asked), asked)
    # written here, not by the job, which remembers in the user's cache what it has proven
    path = folder.output(asked.output)
    specs = () if job.text is not None else (job.config,)
    target = claim(path, SOURCE, force=False, specs=specs)
    [outcome] = _done([job], asked)
    if outcome.ok:
        target.write(outcome.source.encode())
        outcome = replace(outcome, target=str(path), source="")
    return _of_network([outcome], asked)


def show(asked: Show, folder: Folder) -> Answer:
    view = partial(table, form="table", batch=asked.batch, depth=asked.depth, width=None)
    return _viewed([replace(_job(asked, folder), verb="view", view=view)], asked, asked.line)


def explain(asked: Explain, folder: Folder) -> Answer:
    view = partial(explanation, name=spelt(asked.name))
    return _viewed([replace(_job(asked, folder), verb="view", view=view)], asked, asked.line)


def diff(asked: Diff, folder: Folder) -> Answer:
    values = _values(asked.set)
    sides = ((asked.old, "<old>", asked.old_variant), (asked.new, "<new>", asked.new_variant))
    jobs = [
        Job(name, None, values, "view", variant=variant, text=text)
        for spec, called, variant in sides
        for name, text in [_given(spec, folder, called)]
    ]
    view = Comparison((jobs[0].config, jobs[1].config))
    return _viewed([replace(job, view=view) for job in jobs], asked, asked.line)


def layers(asked: Layers, folder: Folder) -> Answer:
    name = asked.name
    if name is None:
        text = catalogue.catalogue().replace("netgen layers NAME tells", "`name` tells")
        return of_text(text, asked.line)
    if name not in TYPES:
        raise _unknown("layer type", name, help_for_type(name, TYPES))
    return of_text(catalogue.described(name), asked.line)


def language(asked: Language, folder: Folder) -> Answer:
    text, name = page(), asked.section
    if name is None:
        codes = f"{DIAGNOSTICS} (what each code means; a code is a section, too)\n"
        return of_text(contents(text) + codes, asked.line)
    found = {**sections(text), **of_diagnostics()}
    known = {heading.lower(): section for heading, section in found.items()}
    wanted = name.strip("# `").lower()
    if wanted not in known:
        raise _unknown("section", name, _meant(wanted, found))
    return of_text(known[wanted], asked.line)


def templates_of_netgen(asked: Templates, folder: Folder) -> Answer:
    known, name = templates.templates(), asked.name
    if name is None:
        return of_text("\n".join(templates.listed(known)), asked.line)
    if name not in known:
        raise _unknown("template", name, _meant(name, known))
    return of_text(templates.text_of(known[name]), asked.line)


def _meant(name: str, known: Iterable[str]) -> str | None:
    meant = closest_word(name, known)
    return f"did you mean {meant}?" if meant else None


def _unknown(kind: str, name: str, help: str | None) -> Unknown:
    return Unknown(f"there is no {kind} {printable(name)!r}{f'; {help}' if help else ''}")


def _given(spec: str, folder: Folder, called: str) -> tuple[str, str | None]:
    """The name of a spec, and its text if it is given as text."""
    if "\n" in spec:
        return called, spec
    if spec.lower().endswith(SUFFIXES):
        return folder.spec(spec), None
    if ":" not in spec:
        message = f"`{printable(spec)}` is neither the text of a spec nor the path of its file"
        help = "a path ends with `.yaml` or `.yml`; the text has lines such as `name: Net`"
        raise NetgenError(Diagnostic("NG101", message, help=help))
    return called, spec


def _job(asked: OfSpec, folder: Folder) -> Job:
    name, text = _given(asked.spec, folder, TEXT)
    return Job(name, None, _values(asked.set), variant=asked.variant, text=text)


def _values(given: dict[str, Any]) -> dict[str, Any]:
    """Values of parameters, with the limits of those that a spec has."""
    values: dict[str, Any] = from_mapping(given).values
    return values


def _done(jobs: list[Job], asked: OfNetworks) -> list[Outcome]:
    return [*work_all(jobs, timeout=asked.timeout)]


def _of_network(outcomes: list[Outcome], asked: Check) -> Answer:
    """The answer with facts and source, or with the table of the layers before a mistake."""
    [outcome] = outcomes
    table = readable(outcome.table) if asked.verbose else ""
    answer = of_outcomes([outcome], outcome.source if outcome.ok else table, asked.line)
    return with_facts(answer, outcome) if outcome.ok else answer


def _viewed(jobs: list[Job], asked: OfNetworks, line: int) -> Answer:
    """The answer with the text that the last job gives."""
    outcomes = _done(jobs, asked)
    text = outcomes[-1].view if all(outcome.ok for outcome in outcomes) else ""
    return of_outcomes(outcomes, readable(text), line)


def answered(tool: Tool, asked: Asked, folder: Folder) -> Answer:
    """A tool's answer; what is refused before there is a job is in it, too."""
    try:
        return tool.answer(asked, folder)
    except NetgenError as error:
        return of_failure(error.diagnostics, TEXT)


TOOLS: Mapping[str, Tool] = {
    "check": Tool(
        "Check a spec: work out every shape, without a run. All mistakes are told at once, each "
        "with its code, its place and its cure.",
        Check,
        check,
    ),
    "build": Tool(
        "Build a spec: its PyTorch source, which is run before it is given, and what the run has "
        "proven. Without `output` the source is `text`; with it, it is written to that file. "
        "A file that netgen did not write, or that was edited since, is never overwritten.",
        Build,
        build,
        writes=True,
    ),
    "show": Tool(
        "The layers of a spec as a table: what they read, shapes, weights, parameters, "
        "multiply-adds, activations and memory.",
        Show,
        show,
    ),
    "explain": Tool(
        "Why each number of a layer is what it is, back to the input; of a parameter, what it "
        "reaches.",
        Explain,
        explain,
    ),
    "diff": Tool(
        "How two specs differ in layers, arguments, shapes and parameters, and which weights of "
        "the old one the new one would load.",
        Diff,
        diff,
    ),
    "layers": Tool(
        "The types of layers and operations; with `name` what one takes, infers and gives.",
        Layers,
        layers,
    ),
    "language": Tool(
        "The language of specs: the headings of its page; with `section` one of them, with "
        "examples, or what the code of a diagnostic means.",
        Language,
        language,
    ),
    "templates": Tool(
        "The specs that come with netgen, well-known networks among them; with `name` the text "
        "of one, to begin with.",
        Templates,
        templates_of_netgen,
    ),
}
