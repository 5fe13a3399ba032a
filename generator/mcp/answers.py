"""What an agent is answered: bounded in length, with what is left out and how to get it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

from msgspec import Struct, to_builtins
from msgspec.structs import replace

from ..diagnostics.diagnostics import Diagnostic, printable
from ..jobs.job import Outcome
from ..jobs.results import Finding, finding, result

# characters of an answer: of its text, of its diagnostics, and of each list of facts
MOST_TEXT, MOST_TOLD, MOST_LISTED = 16_000, 12_000, 2_000

_FACTS = ("output", "parameters", "macs", "memory", "sizes", "fit", "fixed", "variants", "proofs")
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
    facts: dict[str, Any] | None = None
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
    for name in _FACTS:
        value = to_builtins(known[name], enc_hook=int)
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
    elif help is not None:
        help = _OPTION.sub(_argument, help)
    message = _OPTION.sub(_argument, found.message)
    return replace(found, message=message, help=help)


def _argument(option: re.Match[str]) -> str:
    """An option of the command line as an argument of a tool."""
    name, value = option[1].replace("-", "_"), option[2]
    if value is None:
        return f"`{name}`"
    name_of_parameter, equals, its_value = value.partition("=")
    if name == "set" and equals:
        return f"`set: {{{name_of_parameter}: {its_value}}}`"
    return f"`{name}: {value}`"
