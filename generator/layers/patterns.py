"""einops' notation, ``n t (h d) -> n h t d``: read with the place of each word."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cached_property, lru_cache

from msgspec import Struct

from ..spec.spec import COMMON_KEYS

ARROW = "->"
ELLIPSIS = "..."
MOST_AXES = 40  # on a side
LONGEST = 1000  # characters of a pattern
_WORD = re.compile(r"[()]|[^() ]+")
_NUMBER = re.compile(r"\d{1,9}")
# keys of an item that are no sizes of axes
KEYS = frozenset({*COMMON_KEYS, "branches", "pattern", "reduction"})

Span = tuple[int, int]
Keys = tuple[str, ...]  # what one dimension is made of, the outermost axis first
Sides = tuple[tuple[Keys, ...], tuple[Keys, ...]]


class Misread(ValueError):
    """A text that is no pattern; the mistake stands at `span` in it."""

    def __init__(self, message: str, span: Span, help: str | None = None) -> None:
        super().__init__(message)
        self.span = span
        self.help = help


class Axis(Struct, frozen=True):
    """A word of a pattern, at `start` in its text: a name, a number, or ``...``."""

    text: str
    start: int

    @property
    def span(self) -> Span:
        return self.start, self.start + len(self.text)

    @property
    def number(self) -> int | None:
        return int(self.text) if self.text.isdecimal() else None

    @property
    def key(self) -> str:
        """What is equal for one axis on both sides; no two numbers are one axis."""
        return f"{self.text}@{self.start}" if self.number is not None else self.text


class Group(Struct, frozen=True):
    """The axes that are one dimension, without those of size 1; `span` is where it stands."""

    axes: tuple[Axis, ...]
    span: Span


class Pattern(Struct, frozen=True, dict=True):
    """What is read, and what comes out of it: the dimensions in order."""

    left: tuple[Group, ...]
    right: tuple[Group, ...]

    @cached_property
    def axes(self) -> dict[str, Axis]:
        """The axes of both sides by their keys."""
        found: dict[str, Axis] = {}
        for group in (*self.left, *self.right):
            for axis in group.axes:
                found.setdefault(axis.key, axis)
        return found

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The axes that may be given a size, in order."""
        axes = self.axes.values()
        return tuple(axis.text for axis in axes if axis.number is None and not _is_rest(axis))

    @cached_property
    def least(self) -> int:
        """The number of dimensions of the left side without ``...``."""
        return sum(not _is_open(group) for group in self.left)

    @cached_property
    def sides(self) -> dict[int, Sides]:
        """The `dimensions` that are known, by the rank."""
        return {}

    def reads(self, rank: int) -> bool:
        """Whether the left side may read a tensor with so many dimensions."""
        return rank == self.least or (rank > self.least and self.least < len(self.left))

    def read(self, rank: int) -> list[Group]:
        """The groups of the left side, one for each dimension of a tensor of this rank."""
        more = rank - self.least
        return [group for group in self.left for _ in range(more if _is_open(group) else 1)]

    def dimensions(self, rank: int) -> Sides:
        """Both sides as dimensions, ``...`` as those that a tensor of this rank has there."""
        if rank not in self.sides:
            others = tuple(f"{ELLIPSIS}{place}" for place in range(rank - self.least))
            left, right = (
                tuple(keys for group in side for keys in _opened(group, others))
                for side in (self.left, self.right)
            )
            self.sides[rank] = (left, right)
        return self.sides[rank]


def _is_open(group: Group) -> bool:
    """Whether a group is ``...`` alone, without brackets."""
    return len(group.axes) == 1 and group.span == group.axes[0].span and _is_rest(group.axes[0])


def _is_rest(axis: Axis) -> bool:
    return axis.text == ELLIPSIS


def _opened(group: Group, others: Keys) -> Iterator[Keys]:
    if _is_open(group):
        yield from ((key,) for key in others)
        return
    keys: list[str] = []
    for axis in group.axes:
        keys += others if _is_rest(axis) else (axis.key,)
    yield tuple(keys)


@lru_cache(1024)
def parse(text: str, operation: str) -> Pattern:
    """The pattern in a text, for `Rearrange`, `Reduce` or `Repeat`; raises `Misread`."""
    if len(text) > LONGEST:
        raise Misread(f"more than {LONGEST} characters are no pattern", (0, LONGEST))
    left, arrow, right = text.partition(ARROW)
    if not arrow:
        raise Misread(f"there is no `{ARROW}`", (0, len(text)), "write `n c h w -> n (c h w)`")
    if ARROW in right:
        at = len(left) + len(ARROW) + right.index(ARROW)
        raise Misread(f"`{ARROW}` stands here for the second time", (at, at + len(ARROW)))
    pattern = Pattern(_side(left, 0), _side(right, len(left) + len(ARROW)))
    _check_rest(pattern)
    _CHECKS[operation](pattern)
    return pattern


def _side(text: str, start: int) -> tuple[Group, ...]:
    """The dimensions of one side, which begins at `start` of the pattern."""
    groups: list[Group] = []
    inside: list[Axis] | None = None
    opened, seen = 0, set[str]()
    for found in _WORD.finditer(text):
        word, at = found[0], start + found.start()
        if word == "(":
            if inside is not None:
                raise Misread("brackets do not stand in brackets", (at, at + 1))
            inside, opened = [], at
        elif word == ")":
            if inside is None:
                raise Misread("nothing is open that this `)` closes", (at, at + 1))
            groups.append(Group(tuple(inside), (opened, at + 1)))
            inside = None
        else:
            axis = _axis(word, at)
            if axis.key in seen:
                raise Misread(f"`{word}` stands on this side twice", axis.span)
            seen.add(axis.key)
            own = () if axis.number == 1 else (axis,)
            if inside is None:
                groups.append(Group(own, axis.span))
            else:
                inside += own
        if len(seen) > MOST_AXES:
            raise Misread(f"a side has {MOST_AXES} axes at most", (at, at + len(word)))
    if inside is not None:
        raise Misread("nothing closes this `(`", (opened, opened + 1))
    return tuple(groups)


def _axis(word: str, at: int) -> Axis:
    """A word as an axis; raises `Misread` if it can be none."""
    axis = Axis(word, at)
    if word == ELLIPSIS:
        return axis
    if "." in word:
        raise Misread(f"`{word}` is no axis: `{ELLIPSIS}` stands alone", axis.span)
    if word.isdecimal():
        if not _NUMBER.fullmatch(word) or int(word) < 1:
            raise Misread(f"`{word}` is no size", axis.span)
        return axis
    if not word.isascii() or not word.isidentifier() or "_" in (word[0], word[-1]):
        help = "an axis is a word of letters, digits and `_`, which begins with a letter"
        raise Misread(f"`{word}` is no name of an axis", axis.span, help)
    if word in KEYS:
        raise Misread(f"`{word}` is a key of the layer, so no axis may be called so", axis.span)
    return axis


def _check_rest(pattern: Pattern) -> None:
    """Refuse a ``...`` in brackets on the left, or on the right alone."""
    for group in pattern.left:
        for axis in filter(_is_rest, group.axes):
            if not _is_open(group):
                raise Misread(f"`{ELLIPSIS}` has no brackets on the left side", axis.span)
    left = [axis for group in pattern.left for axis in group.axes]
    for axis in (axis for group in pattern.right for axis in group.axes if _is_rest(axis)):
        if not any(map(_is_rest, left)):
            raise Misread(f"`{ELLIPSIS}` is not on the left side", axis.span)


def _only(side: Sequence[Group], other: Sequence[Group]) -> list[Axis]:
    """The axes of a side that the other one does not have."""
    known = {axis.key for group in other for axis in group.axes}
    return [axis for group in side for axis in group.axes if axis.key not in known]


def _rearranges(pattern: Pattern) -> None:
    for side, other, word in (
        (pattern.left, pattern.right, "right"),
        (pattern.right, pattern.left, "left"),
    ):
        for axis in _only(side, other):
            _refuse_number(axis, "`Rearrange`")
            help = "`Reduce` takes axes away" if word == "right" else "`Repeat` adds axes"
            raise Misread(f"`{axis.text}` is not on the {word} side", axis.span, help)


def _reduces(pattern: Pattern) -> None:
    for axis in _only(pattern.right, pattern.left):
        _refuse_number(axis, "the right side of a `Reduce`")
        raise Misread(f"`{axis.text}` is not on the left side", axis.span, "`Repeat` adds axes")


def _repeats(pattern: Pattern) -> None:
    for axis in _only(pattern.left, pattern.right):
        _refuse_number(axis, "the left side of a `Repeat`")
        help = "`Reduce` takes axes away"
        raise Misread(f"`{axis.text}` is not on the right side", axis.span, help)


def _refuse_number(axis: Axis, where: str) -> None:
    if axis.number is not None:
        help = f"give it a name, and its size beside the pattern: `a: {axis.number}`"
        raise Misread(f"{where} has no number but 1", axis.span, help)


_CHECKS = {"Rearrange": _rearranges, "Reduce": _reduces, "Repeat": _repeats}
