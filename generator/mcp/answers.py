"""What an agent is answered: bounded in length, with what is left out and how to get it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, TypeVar

from msgspec import Meta, Struct, to_builtins
from msgspec.structs import replace

from ..diagnostics.diagnostics import Diagnostic, printable
from ..jobs.job import Outcome
from ..jobs.results import Finding, finding, result

# characters of an answer: of its text, of its diagnostics, and of each list of facts
MOST_TEXT, MOST_TOLD, MOST_LISTED = 16_000, 12_000, 2_000

# what `facts` has, and what it says
FACTS: Mapping[str, str] = {
    "output": "the file that was written, or null",
    "parameters": "how many numbers the network learns; tied ones count once",
    "macs": "multiply-adds for one sample",
    "memory": "bytes for a batch of 2: `weights`, their `gradients`, what `training` keeps for the "
    "backward pass, and the most that is alive at a time in `inference`",
    "sizes": "the sizes known only at run time, by `name`: `sample` is what the run takes; from "
    "`least` to `most` (null: without end) each `step`-th fits, with it `span` sizes in a row",
    "fit": "which sizes fit, in words; empty if all do",
    "fixed": "parameters of the spec that are no arguments of the class, with `why` and where",
    "variants": "for each variant of the spec its `values` and figures, and `factory`, the "
    "function of the source that makes it (null: there is none, and `why`)",
    "proofs": "what was run: on which `device`, and in `levels` what each proof has `found`; "
    "`notes` tell the sizes that were tried; empty without a run",
}
_COMMAND = re.compile(r"`netgen (build|check|diff|explain|layers|show)`")
_TEMPLATE = re.compile(r"`netgen init (\w+)`")
_OPTION = re.compile(
    r"`--(depth|device|no-smoke|prove|set|strict|timeout|variant)(?:[ =]([^`]*))?`"
)
_FORCE = "give another `output`; in a terminal, `netgen build --force` overwrites it"

T = TypeVar("T")


class Answer(Struct, frozen=True, kw_only=True):
    """An answer; `left_out` says what it lacks for its length, and how to get that.

    `ok` says whether what was asked for could be done; if not, `diagnostics` tell why.
    """

    ok: bool
    diagnostics: tuple[Finding, ...] = ()
    facts: Annotated[
        dict[str, Any] | None,
        Meta(description=". ".join(f"`{name}`: {what}" for name, what in FACTS.items())),
    ] = None
    text: str = ""
    left_out: tuple[str, ...] = ()


def of_text(text: str, line: int) -> Answer:
    """The part of a text that begins with a line, as an answer."""
    part, left_out = _part(text, line)
    return Answer(ok=True, text=part, left_out=left_out)


def of_failure(diagnostics: Iterable[Diagnostic], config: str) -> Answer:
    """What is wrong with a request, as an answer."""
    told, left_out = _told([_here(finding(one, config)) for one in diagnostics])
    return Answer(ok=False, diagnostics=told, left_out=left_out)


def of_outcomes(outcomes: Sequence[Outcome], text: str, line: int) -> Answer:
    """What jobs came to, as an answer, with a part of the text that they gave."""
    found = [
        _here(finding(one, outcome.config)) for outcome in outcomes for one in outcome.diagnostics
    ]
    told, untold = _told(found)
    part, more = _part(text, line)
    return Answer(
        ok=all(outcome.ok for outcome in outcomes),
        diagnostics=told,
        text=part,
        left_out=(*untold, *more),
    )


def with_facts(answer: Answer, outcome: Outcome) -> Answer:
    """The answer with what is known of a network that can be built."""
    facts, left_out = {}, list(answer.left_out)
    known = result(outcome)
    for name in FACTS:
        value = _with_tools(to_builtins(known[name], enc_hook=int))
        if isinstance(value, (list, tuple)):
            all_of_it = len(value)
            value = _within(value, MOST_LISTED)
            if len(value) < all_of_it:
                left_out.append(f"{all_of_it - len(value)} of {all_of_it} `{name}`")
        facts[name] = value
    return replace(answer, facts=facts, left_out=tuple(left_out))


def readable(text: str) -> str:
    """A text that may hold anything from a spec, made printable line by line."""
    return "\n".join(map(printable, text.split("\n")))


def _part(text: str, line: int) -> tuple[str, tuple[str, ...]]:
    """As many lines of a text as an answer holds, from a line on, and what is left out."""
    lines = text.removesuffix("\n").split("\n") if text else []
    if line > max(len(lines), 1):
        return "", (f"`text` has {len(lines)} lines: there is no line {line}",)
    taken = _within(lines[line - 1 :], MOST_TEXT)
    if lines and not taken:
        taken = [f"{lines[line - 1][: MOST_TEXT - 100]}... (the line goes on)"]
    last = line - 1 + len(taken)
    if last == len(lines):
        return "".join(f"{one}\n" for one in taken), ()
    more = f"`line: {last + 1}` gives lines {last + 1} to {len(lines)} of `text`"
    return "".join(f"{one}\n" for one in taken), (more,)


def _told(found: Sequence[Finding]) -> tuple[tuple[Finding, ...], tuple[str, ...]]:
    """The first of the diagnostics, and what is left out."""
    taken = tuple(_within(found, MOST_TOLD))
    if len(taken) == len(found):
        return taken, ()
    number = len(found) - len(taken)
    return taken, (f"{number} of {len(found)} `diagnostics`: mend these first, and ask again",)


def _within(items: Sequence[T], most: int) -> list[T]:
    """The first of the items, as many as so many characters of JSON hold."""
    taken: list[T] = []
    for item in items:
        most -= len(json.dumps(to_builtins(item))) + 1
        if most < 0:
            break
        taken.append(item)
    return taken


def _here(found: Finding) -> Finding:
    """A diagnostic whose cure can be taken here: options are arguments of the tools."""
    help = found.help
    if found.code == "NG209":
        file = "spec.yaml" if found.file.startswith("<") else found.file
        help = (
            "no code that a spec imports runs here: use types of netgen's own and blocks; a person "
            f"who trusts the code builds it in a terminal: `netgen build {file} --allow-imports`"
        )
    elif help is not None and "`--force`" in help:
        help = _FORCE
    notes, help = tuple(map(_of_tools, found.notes)), help and _of_tools(help)
    return replace(found, message=_of_tools(found.message), notes=notes, help=help)


def _of_tools(text: str) -> str:
    """A text in which commands and options of the command line are tools and their arguments."""
    text = _COMMAND.sub(r"`\1`", text)
    text = _TEMPLATE.sub(r"the template `\1`, which `templates` gives,", text)
    return _OPTION.sub(_argument, text)


def _with_tools(value: Any) -> Any:
    """Plain data with all its texts so."""
    if isinstance(value, str):
        return _of_tools(value)
    if isinstance(value, dict):
        return {name: _with_tools(inner) for name, inner in value.items()}
    return [*map(_with_tools, value)] if isinstance(value, (list, tuple)) else value


def _argument(option: re.Match[str]) -> str:
    """An option of the command line as an argument of a tool."""
    name, value = option[1].replace("-", "_"), option[2]
    if value is None:
        return f"`{name}`"
    name_of_parameter, equals, its_value = value.partition("=")
    if name == "set" and equals:
        return f"`set: {{{name_of_parameter}: {its_value}}}`"
    return f"`{name}: {value}`"
