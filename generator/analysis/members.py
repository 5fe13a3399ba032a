"""Other members of a generated class: which arguments are tried, and what the spec gives for them.

A class is a family of networks. Other values of each argument are tried, alone and in pairs. This
module predicts what `--set` gives for the same values, as a network whose class takes no argument;
`proofs/members.py` compares the class with it.
"""

from __future__ import annotations

import ast
import contextlib
import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import combinations, zip_longest
from typing import Any

from msgspec import Struct, field

from ..classes.reach import deciding, least
from ..diagnostics.diagnostics import Diagnostic, NetgenError, SpecPath
from ..emit.construct import arguments_of
from ..ir.graph import Graph, Parameter, Use
from ..ir.substitute import rebind
from ..symbolic.sizes import TooLong
from ..symbolic.syntax import ExpressionError
from .memory import available, shown
from .plan import make_plan
from .prediction import Prediction, predict

MOST_TYPES = 5  # of layers, that are tried for one


class Member(Struct, frozen=True):
    """A member of a class: the `values` of some arguments, and what the spec gives for them.

    `source` is the Python source for these values, which is run beside the class; `plan` has its
    predictions. Where the spec can't be built with these values both are empty, and `refused` is
    the message. If it is `undecided`, numbers in tensors decide whether torch refuses it, too.

    The arguments in `types` are types of layers, by their names. A `variant` of the spec is made by
    the function `factory`. Where that is empty it is no member of the class, and runs alone.
    """

    values: Mapping[str, Any]
    source: str = ""
    plan: Mapping[str, Any] = {}
    refused: str = ""
    undecided: bool = False
    variant: str = ""
    factory: str = ""
    types: tuple[str, ...] = ()


class Family(Struct):
    """The members of a class to try: their number, those still to predict, those `ready`.

    Those that are undecided can't be tried: they leave the number once they are predicted.
    """

    total: int
    coming: Iterator[Member]
    ready: list[Member] = field(default_factory=list)

    def prepare(self, enough: Callable[[], bool]) -> None:
        """Predict one member after the other until `enough()` is true or all are ready."""
        while not enough():
            member = next(self.coming, None)
            if member is None:
                return
            if member.undecided:
                self.total -= 1
            else:
                self.ready.append(member)


def family_of(found: Prediction) -> Family:
    """The members to try of a network's class, those that are most likely to differ first."""
    chosen = other_arguments(found.classes)
    made = (_member(found, values) for values in chosen)
    return Family(len(chosen), (member for member in made if member is not None))


def _member(found: Prediction, values: Mapping[str, Any]) -> Member | None:
    """What the spec gives with other values; ``None`` where that is too large to be tried."""
    from ..emit.render import unformatted

    try:
        other = without_arguments(found, values)
    except NetgenError as error:
        wrong = error.diagnostics[0]
        return Member(values, refused=wrong.message, undecided=is_undecided(found, wrong))
    except (TooLong, RecursionError):
        return Member(values, refused="its sizes are expressions too long to be written")
    left = available()
    if left is not None and _needed(other) > left / 4:
        return None
    types = tuple(p.name for p in found.classes[-1].params if p.is_type and p.name in values)
    source = unformatted(other.classes, other.statements)
    return Member(values, source, _plan_of(other), types=types)


def without_arguments(found: Prediction, values: Mapping[str, Any]) -> Prediction:
    """What `--set` gives with these values, as a network whose class takes no argument if it can.

    Its source has other lines where the class has conditions and loops: a mistake in those is no
    mistake of both. Some layers can be left out only by an argument. Raises `NetgenError` where the
    spec is refused, and what `predict` raises for long expressions.
    """
    overrides = {**found.overrides, **values}
    sizes = found.graph.sizes  # with which the class is run
    fixed = [parameter.name for parameter in found.classes[-1].params if not parameter.is_type]
    with contextlib.suppress(NetgenError, TooLong):
        return predict(found.reading, overrides, found.imported, fixed=fixed, sizes=sizes)
    return predict(found.reading, overrides, found.imported, sizes=sizes)


def _plan_of(found: Prediction) -> Mapping[str, Any]:
    """The predictions for a member of a class."""
    return make_plan(found.graph, found.statements, (found.trace,), found.costs.memory).request()


def _needed(found: Prediction) -> int:
    """The memory that it takes to hold a member against the class, in bytes: it is made twice."""
    memory = found.costs.memory
    return 2 * memory.weights + memory.inference


def variants_to_run(found: Prediction) -> Iterator[Member]:
    """The variants of a network's spec, each with its function and what the spec gives for it.

    Raises `NetgenError` for one that needs more memory than there is.
    """
    from ..emit.render import unformatted

    for variant, other in zip(found.variants, found.family, strict=True):
        _check_memory(variant.name, other)
        source = unformatted(other.classes, other.statements)
        plan, name, factory = _plan_of(other), variant.name, variant.factory
        yield Member(variant.values, source, plan, variant=name, factory=factory)


def _check_memory(variant: str, found: Prediction) -> None:
    """Raise `NetgenError` for a variant that can't be run beside the class."""
    need, left = _needed(found), available()
    if left is None or need <= left:
        return
    message = f"the variant `{variant}` needs {shown(need)} of memory, but {shown(left)} are left"
    where = found.source.locate(("variants", variant), key=True)
    help = "`--variant` builds one alone, `--no-smoke` builds all without a run"
    raise NetgenError(Diagnostic("NG404", message, where, help=help))


def is_undecided(found: Prediction, wrong: Diagnostic) -> bool:
    """Whether the class may run although the spec with other values is refused.

    A refusal may depend on numbers in tensors, or concern what the class does not have: a call
    that ``forward`` does not make, a parameter that nothing uses, or what is given for one.
    """
    if wrong.code == "NG214":
        return True
    if wrong.location is None:
        return False
    file = found.source.of(wrong.location.file)
    at, is_key = file.at(wrong.location.line, wrong.location.column)
    needed = {graph.name: {p.name for p in graph.params if p.used} for graph in found.classes}
    match at:
        case ("params", parameter, *_):
            return parameter not in needed[found.graph.name]
        case ("blocks", block, "params", parameter, *_):
            return parameter not in needed.get(str(block), {parameter})
    for call in found.trace.calls:
        use, path = call.node.use, call.node.path
        if at[: len(path)] != path:
            continue
        if not call.made:
            return True
        name = None if use is None else _argument_at(use, at[len(path) :], is_key)
        if use is not None and name is not None and name not in needed[use.block]:
            return True
    return False


def _argument_at(use: Use, steps: SpecPath, is_key: bool) -> str | None:
    """The block's parameter that is given at a place inside of a use, by name or by position."""
    names = [*use.spec.params]
    first = steps[0] if steps else None if is_key else 0
    if isinstance(first, int):
        return names[first] if first < len(names) else None
    return first if first in names else None


def other_arguments(classes: Sequence[Graph]) -> list[Mapping[str, Any]]:
    """The changed arguments of each member to try: single ones, then some random pairs (seeded).

    Arguments that reach conditions, repeats and operations come first.
    """
    deep, bounds = deciding(classes), least(classes)
    arguments = arguments_of(classes[-1])
    arguments.sort(key=lambda parameter: parameter.name not in deep)
    tried = [
        [{p.name: value} for value in other_values(p, bounds.get(p.name, 0))] for p in arguments
    ]
    known = [parameter.name in deep for parameter in arguments].count(True)
    found = [*_in_turn(tried[:known]), *_in_turn(tried[known:]), *_pairs(tried)]
    return [values for values in found if _in_bounds(values, classes[-1], bounds)]


def _in_bounds(values: Mapping[str, Any], graph: Graph, bounds: Mapping[str, int]) -> bool:
    """Whether arguments whose defaults depend on others keep their lower bounds."""
    known, following = {**graph.values, **values}, []
    for parameter in graph.params:
        if parameter.code is not None and parameter.name not in values:
            with contextlib.suppress(ExpressionError):
                known[parameter.name] = rebind(parameter.default, known)
            following.append(parameter.name)
    return all(known[name] >= bounds[name] for name in following if name in bounds)


def _in_turn(lists: Sequence[Sequence[Mapping[str, Any]]]) -> Iterator[Mapping[str, Any]]:
    """The first items of all lists, then the second ones, and so on."""
    for row in zip_longest(*lists):
        yield from (values for values in row if values is not None)


def _pairs(singles: Sequence[Sequence[Mapping[str, Any]]]) -> list[Mapping[str, Any]]:
    """Some pairs of changed arguments, at most as many as there are arguments."""
    seeded = random.Random(0)
    both = [*combinations(filter(None, singles), 2)]
    chosen = sorted(seeded.sample(range(len(both)), min(len(both), len(singles))))
    return [{**seeded.choice(both[n][0]), **seeded.choice(both[n][1])} for n in chosen]


def other_values(parameter: Parameter, bound: int) -> list[Any]:
    """Other values of an argument, at most five, none of them below a `bound` other than 0."""
    value = parameter.value
    found: Iterable[Any] = ()
    if isinstance(value, bool):
        found = (not value,)
    elif isinstance(value, (int, float)):
        near = map(type(value), (value + 1, value - 1, 2 * value, 1, 0))
        found = (other for other in near if other >= bound or not bound)
    elif parameter.is_type:
        found = parameter.types[:MOST_TYPES]
    elif isinstance(value, str):
        found = _words(parameter.hint)
    elif isinstance(value, list):
        others = [item + 1 if type(item) in (int, float) else item for item in value]
        found = ([*value, value[-1]], value[:-1] or value, others)
    different: list[Any] = []
    for other in found:
        if other != value and other not in different:
            different.append(other)
    return different


def _words(hint: str) -> Sequence[str]:
    """The words of a ``Literal`` annotation; empty for other annotations."""
    inner = hint.removeprefix("Literal[").removesuffix("]")
    return () if inner == hint else ast.literal_eval(f"({inner},)")
