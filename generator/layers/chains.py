"""The shortest chain of torch's methods that does what a pattern says.

What a chain is depends on the pattern alone, never on the value of a size.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property, lru_cache
from itertools import combinations, pairwise, product
from typing import Any

from msgspec import Struct

from .patterns import Keys

MOST_PAIRS = 64  # ways that are tried for dimensions of size 1
_METHODS = {"max": "amax", "min": "amin"}  # torch's names for reductions that have others
_ONE_BY_ONE = "prod"  # torch reduces over one dimension at a time


class Step(Struct, frozen=True):
    """One call: a method with its arguments, by position and by name."""

    method: str
    args: tuple[Any, ...]
    named: tuple[tuple[str, Any], ...] = ()


class Times(Struct, frozen=True):
    """The product of the given sizes of some axes, as an argument."""

    keys: Keys


class Task(Struct, frozen=True, dict=True):
    """What a chain has to do: the dimensions before and after.

    `known` are the axes whose sizes are given.
    """

    left: tuple[Keys, ...]
    right: tuple[Keys, ...]
    known: frozenset[str]
    reduction: str = ""

    @cached_property
    def old(self) -> frozenset[str]:
        return frozenset(key for keys in self.left for key in keys)

    @cached_property
    def new(self) -> frozenset[str]:
        return frozenset(key for keys in self.right for key in keys) - self.old

    @cached_property
    def gone(self) -> frozenset[str]:
        return self.old - {key for keys in self.right for key in keys}

    def follows(self, key: str, other: str) -> bool:
        """Whether an axis comes right after another one on the right side."""
        flat = [key for keys in self.right for key in keys]
        return (key, other) in zip(flat[1:], flat, strict=False)

    def apart(self, key: str, other: str) -> int:
        """How many dimensions of the right side two of its axes are apart."""
        places = {name: place for place, keys in enumerate(self.right) for name in keys}
        return places[key] - places[other]

    def size(self, keys: Sequence[str]) -> Times | int:
        """The size of some axes as one: -1 if it has to be worked out."""
        if not self.known.issuperset(keys):
            return -1
        return Times(tuple(keys)) if keys else 1


class Chain(Struct, frozen=True):
    """The calls so far, and the dimensions that they give: what each is made of."""

    dims: tuple[Keys, ...]
    steps: tuple[Step, ...] = ()

    def then(self, dims: Sequence[Keys], *steps: Step) -> Chain:
        return Chain(tuple(dims), (*self.steps, *steps))


@lru_cache(1024)
def shortest(task: Task) -> tuple[Step, ...]:
    """The chain with the fewest calls; of equal ones that which turns the fewest dimensions."""
    return min((chain.steps for chain in _ways(task)), key=_cost)


def _cost(steps: Sequence[Step]) -> tuple[int, int]:
    return len(steps), sum(step.method == "permute" for step in steps)


@lru_cache(1024)
def looks(task: Task, keys: Keys) -> bool:
    """Whether torch refuses a dimension that the given sizes of its axes don't fit.

    It does where these sizes stand in the call that takes the dimension apart.
    """
    parts = [*_parts(task, keys, late=False)]
    given = (task.known.issuperset(part) or task.known.isdisjoint(part) for part in parts)
    return len(parts) > 1 and all(given)


def _ways(task: Task) -> Iterator[Chain]:
    """Chains that do the task."""
    keeps = (False, True) if task.gone else (False,)
    for late, keepdim, early in product((False, True), keeps, (True, False)):
        chain = _reduced(task, _split(task, late=late), keepdim=keepdim)
        chain = _joined(task, chain) if early else chain
        slots = _slots(task, chain)
        for pairs in _pairs(task, chain, slots):
            yield _repeated(task, _grouped(task, _moved(task, chain, slots, pairs)))


# before dimensions move


def _split(task: Task, *, late: bool) -> Chain:
    """Dimensions taken apart into what moves or goes as one.

    With `late`, axes that move together are taken apart only after they have moved.
    """
    chain = Chain(task.left)
    for place, keys in reversed([*enumerate(task.left)]):
        chain = _taken_apart(task, chain, place, [*_parts(task, keys, late=late)])
    return chain


def _taken_apart(task: Task, chain: Chain, place: int, parts: Sequence[Keys]) -> Chain:
    if len(parts) < 2:
        return chain
    sizes = tuple(task.size(keys) for keys in parts)
    dims = (*chain.dims[:place], *parts, *chain.dims[place + 1 :])
    return chain.then(dims, Step("unflatten", (place, sizes)))


def _parts(task: Task, keys: Keys, *, late: bool) -> Iterator[Keys]:
    """The parts of a dimension: axes that all go, or that follow each other on the right."""
    free = late and not _meets_others(task, keys)
    part: list[str] = []
    for key in keys:
        before = part[-1] if part else key
        together = {key, before} <= task.gone
        if task.follows(key, before):
            together = task.apart(key, before) <= free
        if part and not together:
            yield tuple(part)
            part = []
        part.append(key)
    if part:
        yield tuple(part)


def _meets_others(task: Task, keys: Keys) -> bool:
    """Whether an end of a dimension is joined with another dimension on the right side."""
    flat = [(key, keys) for keys in task.right for key in keys]
    for (one, mine), (two, other) in pairwise(flat):
        if mine is other and (one in keys) != (two in keys):
            return True
    return False


def _reduced(task: Task, chain: Chain, *, keepdim: bool) -> Chain:
    """The chain without the axes that go; with `keepdim` their dimensions stay, of size 1."""
    places = [place for place, keys in enumerate(chain.dims) if task.gone & {*keys}]
    if not places:
        return chain
    method = _METHODS.get(task.reduction, task.reduction)
    named = (("keepdim", True),) if keepdim else ()
    dims: list[Keys] = []
    for place, keys in enumerate(chain.dims):
        if place not in places:
            dims.append(keys)
        elif keepdim:
            dims.append(())
    over = [places] if method != _ONE_BY_ONE else [[place] for place in reversed(places)]
    for some in over:
        dim = some[0] if len(some) == 1 else tuple(some)
        chain = chain.then(dims, Step(method, (), (("dim", dim), *named)))
    return chain


def _joined(task: Task, chain: Chain) -> Chain:
    """Neighbours that are one dimension on the right side made one before they move.

    A dimension of size 1 between them is taken in.
    """
    runs: list[list[int]] = []
    for place in (place for place, keys in enumerate(chain.dims) if keys):
        last = chain.dims[runs[-1][-1]][-1] if runs else ""
        first = chain.dims[place][0]
        if task.follows(first, last) and not task.apart(first, last):
            runs[-1].append(place)
        else:
            runs.append([place])
    for run in reversed(runs):
        chain = _flattened(chain, run[0], run[-1])
    return chain


def _flattened(chain: Chain, start: int, end: int) -> Chain:
    """The dimensions from `start` to `end` as one."""
    if start == end:
        return chain
    whole = tuple(key for keys in chain.dims[start : end + 1] for key in keys)
    dims = (*chain.dims[:start], whole, *chain.dims[end + 1 :])
    args = (start, end) if end + 1 < len(chain.dims) else (start,) if start else ()
    return chain.then(dims, Step("flatten", args))


# dimensions that move, come and go


def _slots(task: Task, chain: Chain) -> list[Keys]:
    """What stands on the right side, in order, before it is taken apart and grouped.

    A slot is a dimension of the chain, some new axes in a row, or empty for a size of 1. New axes
    at the ends of a dimension are left out: they repeat the whole of it.
    """
    moving = {keys[0]: keys for keys in chain.dims if keys}
    slots: list[Keys] = []
    for keys in task.right:
        inner = _inner(task, keys)
        run: list[str] = []
        if not inner:
            slots.append(())
        for place, key in enumerate(inner):
            if key in task.new:
                run.append(key)
                if place + 1 == len(inner) or inner[place + 1] not in task.new:
                    slots.append(tuple(run))
                    run = []
            elif key in moving:
                slots.append(moving[key])
    return slots


def _inner(task: Task, keys: Keys) -> Keys:
    """A dimension of the right side without the new axes before and behind its old ones."""
    old = [place for place, key in enumerate(keys) if key not in task.new]
    return keys[old[0] : old[-1] + 1] if old else keys


def _pairs(task: Task, chain: Chain, slots: Sequence[Keys]) -> Iterator[Sequence[tuple[int, int]]]:
    """Ways to use dimensions of size 1 that are there for slots of size 1 or of new axes."""
    ones = [place for place, keys in enumerate(chain.dims) if not keys]
    open_ = [place for place, keys in enumerate(slots) if not keys or keys[0] in task.new]
    tried = 0
    for count in range(min(len(ones), len(open_)), -1, -1):
        for some in combinations(ones, count):
            for others in combinations(open_, count):
                yield [*zip(some, others, strict=True)]
                tried += 1
                if tried > MOST_PAIRS:
                    return


def _moved(
    task: Task, chain: Chain, slots: Sequence[Keys], pairs: Sequence[tuple[int, int]]
) -> Chain:
    """The dimensions of the chain in the order of the slots; slots that it lacks are put in."""
    used = dict(pairs)
    filled = {slot: one for one, slot in pairs}
    gone = [place for place, keys in enumerate(chain.dims) if not keys and place not in used]
    left = [place for place in range(len(chain.dims)) if place not in gone]
    if gone:
        dim = gone[0] if len(gone) == 1 else tuple(gone)
        chain = chain.then([chain.dims[place] for place in left], Step("squeeze", (dim,)))
    place_of = {chain.dims[new]: new for new in range(len(left)) if chain.dims[new]}
    order = []
    for slot, keys in enumerate(slots):
        if slot in filled:
            order.append(left.index(filled[slot]))
        elif keys in place_of:
            order.append(place_of[keys])
    chain = _turned(chain, order)
    there = [slot for slot, keys in enumerate(slots) if slot in filled or keys in place_of]
    return _expanded(task, chain, slots, there)


def _turned(chain: Chain, order: Sequence[int]) -> Chain:
    """The dimensions in another order."""
    moved = [place for place, other in enumerate(order) if place != other]
    if not moved:
        return chain
    swaps = len(moved) == 2
    step = Step("transpose", tuple(moved)) if swaps else Step("permute", tuple(order))
    return chain.then([chain.dims[place] for place in order], step)


def _expanded(task: Task, chain: Chain, slots: Sequence[Keys], there: Sequence[int]) -> Chain:
    """The slots that are not there put in, and new axes given their sizes."""
    news = [slot for slot, keys in enumerate(slots) if keys and keys[0] in task.new]
    first = min(there, default=len(slots)) if news else 0  # `expand` itself adds those before
    for slot in range(first, len(slots)):
        if slot not in there:
            chain = chain.then(chain.dims, Step("unsqueeze", (slot - first,)))
    if news:
        sizes = [task.size(keys) if slot in news else -1 for slot, keys in enumerate(slots)]
        sizes = [1 if slot < first and slot not in news else n for slot, n in enumerate(sizes)]
        chain = chain.then(chain.dims, Step("expand", tuple(sizes)))
    return chain.then(slots)


# after dimensions have moved


def _grouped(task: Task, chain: Chain) -> Chain:
    """Dimensions taken apart that are several on the right side, and made one that are one."""
    for place, keys in reversed([*enumerate(chain.dims)]):
        parts = [tuple(key for key in keys if key in group) for group in task.right]
        chain = _taken_apart(task, chain, place, [*filter(None, parts)])
    ends: list[tuple[int, int]] = []
    start = 0
    for group in task.right:
        end, missing = start, len(_inner(task, group)) - len(chain.dims[start])
        while missing > 0:
            end += 1
            missing -= len(chain.dims[end])
        ends.append((start, end))
        start = end + 1
    for start, end in reversed(ends):
        chain = _flattened(chain, start, end)
    return chain


def _repeated(task: Task, chain: Chain) -> Chain:
    """Copies for the new axes before and behind the old ones of a dimension.

    Those before repeat the whole of it, those behind each of its places.
    """
    sides = [_outer(task, keys) for keys in task.right]
    steps = [
        Step("repeat_interleave", (task.size(behind),), (("dim", place),))
        for place, (_, behind) in enumerate(sides)
        if behind
    ]
    if any(before for before, _ in sides):
        steps.append(Step("repeat", tuple(task.size(before) for before, _ in sides)))
    return chain.then(task.right, *steps)


def _outer(task: Task, keys: Keys) -> tuple[Keys, Keys]:
    """The new axes of a dimension before its old ones, and those behind them."""
    inner = _inner(task, keys)
    start = keys.index(inner[0]) if inner else 0
    return keys[:start], keys[start + len(inner) :]
