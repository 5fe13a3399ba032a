"""Which run-time sizes a network takes, found by shape propagation.

Shapes are propagated for many sizes (`trace.propagate`). The result is a simple description
(`Fit`) that agrees with all of these trials. A size fits where every layer accepts its inputs, and
every shape is what its expressions evaluate to: a size of 1 that is broadcast by accident does
not fit.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence

from msgspec.structs import replace

from ..ir.graph import Graph, uses_in
from ..ir.ranges import Equation, Fit, Range
from ..ir.substitute import number_of
from ..ir.trace import Trace, propagate, traced
from ..layers.base import Refusal
from ..symbolic.algebra import Atom, Poly
from ..symbolic.equality import same
from ..symbolic.sizes import Dim, Size, TooLong, code, is_unknown, poly_of, symbols_in

LARGEST = 2**17  # the largest size that is tried
MOST_WORK = 10_000  # calls of layers in all trials together
LEAST_TRIES = 60  # sets of sizes that are tried in any case, however long the network is
MOST_EXAMPLES = 4
_DIVISOR = re.compile(r"(?:%|//) (\d+)|\* (\d*\.\d+(?:e-?\d+)?)")

Fits = Callable[[int], bool]


def fit_of(graph: Graph) -> Fit:
    """Which values of the run-time sizes in the graph's inputs fit."""
    tries = _Tries(graph)
    trace = _named(graph)
    names = [*graph.sizes]
    equations = _equations(trace, tries) if trace is not None and len(names) > 1 else ()
    period = 1 if trace is None else math.lcm(*map(_period, _sizes(trace)))
    bound = {poly_of(x.left).text() for x in equations}
    ranges = {}
    for name in names:
        free = name not in bound
        ranges[name] = _range(_Line(tries, name, equations), period) if free else Range()
    found = Fit(ranges, equations)
    return _agreed(found, tries, period)


def agrees(fit: Fit, graph: Graph) -> bool:
    """Whether a description holds for another graph, judged by sizes at and near its bounds."""
    if fit.some:
        return False
    tries = _Tries(graph)
    for name, own in fit.ranges.items():
        ends = [own.least, *([] if own.most is None else [own.most])]
        steps = (-own.step, -1, 0, 1, own.span, own.step)
        for size in (end + step for end in ends for step in steps):
            sizes = _solved({**graph.sizes, name: size}, fit.equations)
            alone = {**graph.sizes, name: size}
            for one in (sizes, alone):
                if min(one.values()) > 0 and fit.holds(one) != tries.fits(one):
                    return False
    return True


class _Tries:
    """The sets of sizes that were tried for a graph, each with whether it fits."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.known: dict[tuple[int, ...], bool] = {}
        graphs = {graph, *(use.graph for uses in uses_in(graph).values() for use in uses)}
        calls = sum(1 for x in graphs for node in x.nodes for _ in node.walk())
        self.most = max(LEAST_TRIES, MOST_WORK // max(calls, 1))
        if graph.imports:
            self.most = LEAST_TRIES  # each trial asks the worker process

    @property
    def left(self) -> int:
        """How many more sets of sizes may be tried."""
        return self.most - len(self.known)

    def fits(self, sizes: Mapping[str, int]) -> bool:
        """Whether the network takes these sizes."""
        key = tuple(sizes[name] for name in self.graph.sizes)
        if key not in self.known:
            self.known[key] = _fits(self.graph, sizes)
        return self.known[key]


def _fits(graph: Graph, sizes: Mapping[str, int]) -> bool:
    """Whether a network takes these sizes, with the shapes that it says."""
    if min(sizes.values()) < 1:
        return False
    try:
        propagate(graph, {**sizes, "N": 2}, exact=True)
    except Refusal:
        return False
    return True


class _Line:
    """Trials in which one size varies; others keep their samples or follow by equations."""

    def __init__(self, tries: _Tries, name: str, equations: Sequence[Equation]) -> None:
        self.tries = tries
        self.start = tries.graph.sizes[name]
        self.name = name
        self.equations = equations

    def sizes(self, size: int) -> dict[str, int]:
        return _solved({**self.tries.graph.sizes, self.name: size}, self.equations)

    def __call__(self, size: int) -> bool:
        return 0 < size <= LARGEST and self.tries.fits(self.sizes(size))


def _solved(sizes: dict[str, int], equations: Sequence[Equation]) -> dict[str, int]:
    """The sizes, with each name on the left of an equation set to the value of its right side."""
    for equation in equations:
        name = poly_of(equation.left).text()
        if name in sizes:
            sizes[name] = number_of(equation.right, sizes)
    return sizes


def _range(fits: _Line, period: int) -> Range:
    """The range of sizes around the sample that fit, at equal steps that divide `period`."""
    start = fits.start
    steps = [step for step in range(1, period + 1) if period % step == 0]
    near = (step for step in steps if fits(start + step) or fits(start - step))
    step = next(near, None)
    if step is None:
        return Range(start, start)
    least, most = _last(fits, start, -step), _last(fits, start, step)
    span = 1
    row = most - least + 1
    far = (step for step in steps if step > row and _has_row(fits, least, most, step))
    further = next(far, None) if step == 1 else None
    if further is not None:  # the same row of sizes fits again and again
        step, span = further, row
        least, most = _last(fits, least, -step), _last(fits, most, step)
    return Range(least, None if most + step > LARGEST else most, step, span)


def _has_row(fits: Fits, least: int, most: int, step: int) -> bool:
    """Whether the sizes that fit are in a row of this length again, one step away."""
    for low, high in ((least + step, most + step), (least - step, most - step)):
        if fits(low) and fits(high) and not (fits(low - 1) or fits(high + 1)):
            return True
    return False


def _last(fits: Fits, start: int, step: int) -> int:
    """The last size that fits in a direction, by doubling and bisection.

    It takes for granted that the sizes which fit in this direction have no gaps.
    """
    count = 1
    while fits(start + count * step):
        count *= 2
    low, high = count // 2, count  # the first fits, the second does not
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(start + middle * step) else (low, middle)
    return start + low * step


def _agreed(found: Fit, tries: _Tries, period: int) -> Fit:
    """The description if it agrees with further trials; else one with examples."""
    more: dict[str, list[int]] = {}
    for sizes in _trials(found, tries, period):
        if tries.left <= 0:
            break
        said, real = found.holds(sizes), tries.fits(sizes)
        if said and not real:
            return _some(found, tries)
        if real and not said:
            wrong = [name for name, own in found.ranges.items() if not own.holds(sizes[name])]
            if len(wrong) != 1:
                return _some(found, tries)
            more.setdefault(wrong[0], []).append(sizes[wrong[0]])
    ranges = dict(found.ranges)
    for name, others in more.items():
        own = ranges[name]
        if own.least == own.most:
            return _some(found, tries)
        examples = tuple(sorted({*others})[:MOST_EXAMPLES])
        ranges[name] = replace(own, others=examples)
    return Fit(ranges, found.equations)


def _some(found: Fit, tries: _Tries) -> Fit:
    """A description by examples alone: sizes that fit and differ as much as possible."""
    fitting = sorted((key for key, fits in tries.known.items() if fits), key=lambda x: (max(x), x))
    chosen: list[tuple[int, ...]] = []
    for shared in range(len(found.ranges)):
        for key in fitting:
            alike = (sum(map(int.__eq__, key, other)) for other in chosen)
            if key not in chosen and max(alike, default=0) <= shared:
                chosen.append(key)
    return Fit(found.ranges, (), tuple(sorted(chosen[:MOST_EXAMPLES])))


def _trials(found: Fit, tries: _Tries, period: int) -> Iterator[dict[str, int]]:
    """Sizes with which to test a description: each name alone, then all names together."""
    names = [*found.ranges]
    for name in names:
        line = _Line(tries, name, found.equations)
        points = _points(found.ranges[name], line.start, period)
        for size in points[: max(tries.left // (2 * len(names)), 20)]:
            yield line.sizes(size)
            if found.equations:
                yield {**tries.graph.sizes, name: size}
    for turn in range(60 if len(names) > 1 else 0):
        sizes = {
            name: _drawn(own, turn * len(names) + place)
            for place, (name, own) in enumerate(found.ranges.items())
        }
        yield sizes
        yield _solved(dict(sizes), found.equations)


def _points(own: Range, start: int, period: int) -> list[int]:
    """Sizes at which a range may be wrong: near its bounds, and spread over all sizes."""
    ends = [own.least, start, *([] if own.most is None else [own.most])]
    steps = {1, own.step, own.span, period, *(period // x for x in (2, 3, 5, 7) if period % x == 0)}
    close = [end + sign * step for end in ends for step in steps for sign in (-1, 1)]
    powers = [2**n + more for n in range(6, 16) for more in (0, 1, own.step)]
    points = [
        *ends,
        *close,
        *range(1, 71),
        *(own.least + n * own.step + more for n in range(1, 12) for more in {0, own.span - 1}),
        *powers,
    ]
    return [size for size in dict.fromkeys(points) if 0 < size <= LARGEST]


def _drawn(own: Range, turn: int) -> int:
    """A pseudo-random size that fits, or in about one of four turns any size.

    It depends on `turn` alone, so each run of netgen draws the same ones.
    """
    draw = turn * 2654435761 % 2**32 >> 8
    if draw % 4 == 0:
        return 1 + draw // 4 % 200
    room = 40 if own.most is None else (own.most - own.least) // own.step + 1
    return own.least + draw // 4 % room * own.step


# the expressions of sizes


def _named(graph: Graph) -> Trace | None:
    """The trace at the sample sizes with named sizes; ``None`` if expressions get too long."""
    sizes = {**graph.sizes, "N": 2}
    try:
        return traced(graph, {n: Dim.named(n, size, runtime=True) for n, size in sizes.items()})
    except TooLong:
        return None


def _sizes(trace: Trace) -> list[Size]:
    """All sizes in a run that depend on names, each expression once."""
    made = [x for call in trace.calls if call.layer is not None for x in call.outputs.values()]
    sizes = (size for x in (*trace.inputs, *made) for size in x.shape if is_unknown(size))
    return [*{code(size): size for size in sizes}.values()]


def _period(size: Size) -> int:
    """A number after which the remainders of the divisions in a size's expression repeat."""
    return _period_of(poly_of(size))


def _period_of(poly: Poly) -> int:
    atoms = (atom for _, atoms in poly.terms.values() for atom in atoms)
    return math.lcm(*map(_period_in, atoms))


def _period_in(atom: Atom) -> int:
    if atom.quotient is not None:
        over, under = atom.quotient
        return _period_of(over) * (under.constant or 1)
    found = 1
    for whole, part in _DIVISOR.findall(atom.text):
        found *= int(whole) if whole else 1000 // math.gcd(1000, round(float(part) * 1000))
    return found


def _equations(trace: Trace, tries: _Tries) -> tuple[Equation, ...]:
    """Equations that layers with several inputs require, each solved for a name if possible."""
    found: list[Equation] = []
    solved: set[str] = set()
    for left, right in _pairs(trace):
        names = {s.name for s in symbols_in(left) | symbols_in(right)} - {"N"}
        if len(names) < 2 or names & solved:
            continue
        equation = _solve(left, right)
        if equation is not None and not _is_free(equation, tries):
            found.append(equation)
            solved |= {poly_of(equation.left).text()}
    return tuple(found)


def _pairs(trace: Trace) -> Iterator[tuple[Size, Size]]:
    """Pairs of sizes of two inputs of a layer, equal at the sample sizes but not as expressions."""
    seen: set[tuple[str, str]] = set()
    for call in trace.calls:
        for place, x in enumerate(call.inputs):
            for y in call.inputs[:place]:
                for right in x.shape:
                    for left in y.shape:
                        if left == right and is_unknown(left) and is_unknown(right):
                            key = (poly_of(left).text(), poly_of(right).text())
                            if key not in seen and not same(left, right):
                                seen.add(key)
                                yield left, right


def _solve(left: Size, right: Size) -> Equation | None:
    """The equation of two sizes, with a single name on its left if one side is only a name."""
    for one, other in ((left, right), (right, left)):
        only = poly_of(one).only_atom()
        names = {symbol.name for symbol in symbols_in(one)}
        if only and only.text in names and not names & {s.name for s in symbols_in(other)}:
            return Equation(one, other)
    return Equation(left, right)


def _is_free(equation: Equation, tries: _Tries) -> bool:
    """Whether the network also takes sizes for which the equation does not hold."""
    for name in tries.graph.sizes:
        for step in (1, 2, 4, 8, 16, 32, 64):
            sizes = {**tries.graph.sizes, name: tries.graph.sizes[name] + step}
            if not equation.holds(sizes) and tries.fits(sizes):
                return True
    return False


# sizes for the smoke-run: some that fit, and some that do not


def sizes_that_fit(graph: Graph) -> dict[str, int] | None:
    """Small sizes that fit, other than the samples and mostly 2 or more, if there are any."""
    fit, turns = graph.fit, range(1, 6)
    found = [dict(zip(graph.sizes, key, strict=True)) for key in fit.some]
    for turn in () if fit.some else turns:
        own = ((name, range_, turn + at) for at, (name, range_) in enumerate(fit.ranges.items()))
        sizes = {name: _step(range_, count, graph.sizes[name]) for name, range_, count in own}
        found.append(_solved(sizes, fit.equations))
    fits = (sizes for sizes in found if sizes != graph.sizes and _fits(graph, sizes))
    return next(fits, None)


def _step(own: Range, count: int, sample: int) -> int:
    """A small size that fits, which is not the sample if there is another."""
    sizes = (own.least + place * own.step for place in range(count + 2))
    fits = [size for size in sizes if own.holds(size) and size != sample]
    return ([size for size in fits if size > 1] or fits or [sample])[: count + 1][-1]


def sizes_that_do_not(graph: Graph) -> list[dict[str, int]]:
    """For each bound, step and equation, sizes that violate it and that a layer refuses."""
    if graph.fit.some:
        return []
    found = []
    for name, own in graph.fit.ranges.items():
        ends = [own.least - 1, *([own.least + own.span] if own.step > 1 else [])]
        ends += [] if own.most is None else [own.most + 1]
        tried = [_solved({**graph.sizes, name: size}, graph.fit.equations) for size in ends]
        found += [sizes for sizes in tried if not graph.fit.ranges[name].holds(sizes[name])]
    for equation in graph.fit.equations:
        name = poly_of(equation.left).text()
        tried = [{**graph.sizes, n: size + 1} for n, size in graph.sizes.items() if n == name]
        found += tried
    return [sizes for sizes in found if _is_refused(graph, sizes)]


def _is_refused(graph: Graph, sizes: Mapping[str, int]) -> bool:
    """Whether a layer's rule refuses these sizes, so that torch must refuse them too."""
    if graph.fit.holds(sizes) or min(sizes.values()) < 1:
        return False
    try:
        propagate(graph, {**sizes, "N": 2})
    except Refusal as refusal:
        return not (refusal.by_values or refusal.runs)
    return False
