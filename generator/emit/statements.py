"""Statements of ``forward``: their comments, the conditions they share, blank lines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby, pairwise
from textwrap import indent

from msgspec import Struct
from msgspec.structs import replace

from ..ir.graph import Ref
from ..symbolic.literals import WIDTH

INDENT = 8
STEP = 4


class Statement(Struct, frozen=True):
    """A statement of ``forward``; `nodes` are the indices of its calls, counted without inputs.

    `comment` is what goes in and ``-> `` what comes out. `targets` are the variables with the
    values they hold afterwards, `passing` those that are there only if their calls are made;
    `inner` are values that have no variable, each with the number of torch's functions that have
    been called in the statement when it is there. The smoke-run checks them all. With a `test` it
    is done only where that is true; else the target gets what the variable `other` holds.
    """

    text: str
    comment: str = ""
    blank_before: bool = False
    nodes: tuple[int, ...] = ()
    targets: tuple[tuple[str, Ref], ...] = ()
    passing: tuple[tuple[str, Ref], ...] = ()
    inner: tuple[tuple[Ref, int], ...] = ()
    test: str = ""
    other: str = ""

    def lines(self) -> list[str]:
        """The lines, a blank one in front if a stage begins."""
        first = [""] if self.blank_before else []
        return [*first, *self.commented(INDENT)]

    def commented(self, margin: int) -> list[str]:
        """The lines with the comment: beside, or above if there is no room; whole, or the end."""
        if not self.comment:
            return [self.text]
        _, arrow, after = self.comment.partition("-> ")
        texts = (self.comment, arrow + after)
        for comment in texts:
            if margin + len(self.text) + len(comment) + 4 <= WIDTH:
                return [f"{self.text}  # {comment}"]
        above = (f"# {comment}" for comment in texts if margin + len(comment) + 2 <= WIDTH)
        return [*list(above)[:1], self.text]


def under_conditions(statements: Sequence[Statement], uses: Mapping[Ref, int]) -> list[Statement]:
    """The statements, with one ``if`` around neighbours that are done on the same condition.

    `uses` are the indices of the calls that read values last.
    """
    found: list[Statement] = []
    for test, group in groupby(statements, lambda statement: statement.test):
        run = list(group)
        found += run if not test else _conditional(test, run, uses)
    return found


def _conditional(
    test: str, run: Sequence[Statement], uses: Mapping[Ref, int]
) -> Iterator[Statement]:
    """The ``if`` for statements on one condition, or conditional expressions."""
    last = run[-1].nodes[-1]
    kept = [name for one in run for name, ref in one.targets if uses.get(ref, -1) > last]
    passed = _passed(run, dict.fromkeys(kept))
    if passed is None or (len(run) == 1 and passed):
        for one in run:
            yield replace(one, text=f"{one.text} if {test} else {one.other}", test="")
        return
    inner = [line for one in run for line in one.commented(INDENT + STEP)]
    lines = [f"if {test}:", *(indent(line, " " * STEP) for line in inner)]
    if passed:
        lines += ["else:", *(f"    {name} = {other}" for name, other in passed.items())]
    nodes = tuple(node for one in run for node in one.nodes)
    held = {name: ref for one in run for name, ref in one.targets}
    targets = tuple((name, ref) for name, ref in held.items() if name in kept)
    passing = tuple((name, ref) for name, ref in held.items() if name not in kept)
    yield Statement("\n".join(lines), "", run[0].blank_before, nodes, targets, passing)


def _passed(run: Sequence[Statement], kept: Mapping[str, None]) -> dict[str, str] | None:
    """What each variable that is `kept` gets where the condition is false, if that is another one.

    ``None`` where one ``if`` can't say it.
    """
    values: dict[str, str] = {}
    for one in run:
        if len(one.targets) != 1 or not one.other.isidentifier():
            return None
        values[one.targets[0][0]] = values.get(one.other, one.other)
    passed = {name: values[name] for name in kept if values[name] != name}
    return None if not passed.keys().isdisjoint(passed.values()) else passed


def in_stages(statements: Sequence[Statement]) -> list[Statement]:
    """The statements, with blank lines only where there are several lines before and after."""
    begun = [place for place, one in enumerate(statements) if one.blank_before]
    kept, start = set(), 0
    for place, end in pairwise([*begun, len(statements)]):
        if _size(statements[start:place]) > 1 and _size(statements[place:end]) > 1:
            kept.add(place)
            start = place
    return [replace(one, blank_before=n in kept) for n, one in enumerate(statements)]


def _size(statements: Sequence[Statement]) -> int:
    """The number of calls; a loop makes several."""
    return sum(2 if one.text.startswith("for ") else 1 for one in statements if one.nodes)
