"""What gives a value that differs between the uses of a block: an expression, cheapest first."""

from __future__ import annotations

import keyword
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from itertools import chain, product
from typing import Any

from msgspec import Struct

from .bodies import First, Ramp, Shape, Table, Unstructured, same


class Absent:
    """The value where there is none: the item is not there in this use."""


ABSENT = Absent()
REQUIRED = "required"
# arguments that have nothing to do with numbers of channels
_WINDOW = frozenset("kernel_size stride padding dilation output_padding num_heads p dim".split())


# words that have a meaning of their own where a parameter may stand
_RESERVED = frozenset(
    """name when else repeat carry collect parametrize branches pattern reduction layers inputs
    outputs params input index shape in_channels in_features in_shape range zip min max abs round
    ceil floor int len sum any all sqrt exp log sin cos pi ceil_div divisible x self N""".split()
)


class Text(Struct, frozen=True):
    """An expression."""

    text: str


class Known(Struct, frozen=True):
    """A value that an expression may use, in each use of the block."""

    text: str
    values: Sequence[Any]
    window: bool = False  # it is the size of a window, or a step: no number of channels
    adds: str = ""  # the argument of the constructor that has to become a parameter for it


class Parameter:
    """A parameter of a block, with its value in each use; in `free` uses it may be any."""

    def __init__(self, name: str, values: list[Any], free: Set[int] = frozenset()) -> None:
        self.name = name
        self.values = values
        self.free = {*free}

    def takes(self, values: Sequence[Any]) -> bool:
        """Whether it is these values, or may be: then it is."""
        there = [use for use, x in enumerate(values) if x is not ABSENT]
        if not all(use in self.free or same(self.values[use], values[use]) for use in there):
            return False
        if {*there} <= self.free:
            return False
        for use in there:
            self.values[use] = values[use]
        self.free -= {*there}
        return True


class Explanations:
    """The parameters of one block, found one by one as values ask for them."""

    def __init__(
        self,
        arguments: Sequence[Mapping[str, Any]],
        shapes: Sequence[Sequence[Shape]],
        inputs: Sequence[str],
    ) -> None:
        self.parameters: dict[str, Parameter] = {}
        self.possible: dict[str, list[Any]] = {}  # the constructor's arguments
        for name in arguments[0] if arguments else ():
            if all(name in one for one in arguments) and _is_name(name):
                own = f"{name}_" if name in _RESERVED else name
                self.possible[own] = [one[name] for one in arguments]
        self.inputs = [*self._channels(shapes, inputs)]
        self.sizes = [*self._sizes(shapes, inputs)]
        self.derived: list[Known] = []  # expressions that explain something already
        self.taken: set[str] = {*inputs}

    def _channels(
        self, shapes: Sequence[Sequence[Shape]], inputs: Sequence[str]
    ) -> Iterator[Known]:
        """The channels and features of what the block reads."""
        for place, name in enumerate(inputs):
            own = [one[place] if place < len(one) else () for one in shapes]
            for dim in (0, -1) if max(map(len, own), default=0) > 2 else (-1, 0):
                values = [shape[dim] if shape else None for shape in own]
                if all(isinstance(x, int) for x in values):
                    yield Known(f"shape({name})[{dim}]", values)

    def _sizes(
        self, shapes: Sequence[Sequence[Shape]], inputs: Sequence[str]
    ) -> Iterator[tuple[int, int, Known]]:
        """The sizes of what the block reads behind its channels: rank, place and size."""
        for place, name in enumerate(inputs):
            own = [one[place] if place < len(one) else () for one in shapes]
            rank = len(own[0])
            if all(len(shape) == rank for shape in own):
                for dim in range(1, rank):
                    sizes = [shape[dim] for shape in own]
                    yield rank, dim, Known(f"shape({name})[{dim}]", sizes)

    def explain(self, name: str, values: Sequence[Any], read: Sequence[Shape], owner: str) -> Any:
        """A value as a constant or as a `Text`.

        `values` are those of an argument called `name`, in each use; `read` are the shapes that
        its layer reads. `owner` is the layer's name.
        """
        there = [x for x in values if x is not ABSENT]
        if all(same(there[0], x) for x in there):
            own = self._rather(name, values) if len(there) < len(values) else ""
            return Text(own) if own else there[0]
        if any(isinstance(x, First) for x in there):
            return self._first(name, values, read, owner)
        if any(isinstance(x, (Ramp, Table)) for x in there):
            raise Unstructured(f"`{name}` follows another rule in each use")
        if any(isinstance(x, dict) for x in there):
            return self._mapping(values, read, owner)
        lengths = {len(x) if isinstance(x, list) else -1 for x in there}
        if len(lengths) == 1 and lengths != {-1} and not self._exact(values):
            size = lengths.pop()
            parts = [[x if x is ABSENT else x[i] for x in values] for i in range(size)]
            return [
                (self._same_place(size, place, part) if name == "shape" else None)
                or self.explain(name, part, read, owner)
                for place, part in enumerate(parts)
            ]
        found = self._known(name, values, read)
        return found or self.new(name, values, owner)

    def _same_place(self, rank: int, place: int, values: Sequence[Any]) -> Text | None:
        """The size of a shape that what the block reads has at the same place."""
        there = [x for x in values if x is not ABSENT]
        if all(same(there[0], x) for x in there):
            return None
        for known_rank, dim, one in self.sizes:
            if (known_rank, dim) == (rank, place) and _match(values, one.values):
                return Text(one.text)
        return None

    def _rather(self, name: str, values: Sequence[Any]) -> str:
        """The parameter that equals a number in all uses that have it; others have no such item."""
        for one in self._parameters():
            alike = one.text == name or not (one.window or name in _WINDOW)
            varies = _is_number(one.values[0]) and len({*one.values}) > 1
            if alike and (one.text == name or varies) and _match(values, one.values):
                return one.text
        return ""

    def _first(self, name: str, values: Sequence[Any], read: Sequence[Shape], owner: str) -> Any:
        """A value of copies of which the first has its own."""
        first = [x.first if isinstance(x, First) else x for x in values]
        rest = [x.rest if isinstance(x, First) else x for x in values]
        later = self.explain(name, rest, read, owner)
        own = self.explain(name, first, read, f"first_{owner}" if owner else "first")
        if own == later:
            return own
        return First(own, later)

    def _mapping(self, values: Sequence[Any], read: Sequence[Shape], owner: str) -> Any:
        """A value that is a mapping, such as that of `init`."""
        there = [x for x in values if x is not ABSENT]
        if not all(isinstance(x, dict) and [*x] == [*there[0]] for x in there):
            raise Unstructured(f"`{owner}` has mappings with other keys")
        parts = {key: [x if x is ABSENT else x[key] for x in values] for key in there[0]}
        return {key: self.explain(key, part, read, owner) for key, part in parts.items()}

    def _known(self, name: str, values: Sequence[Any], read: Sequence[Shape]) -> Text | None:
        window = name in _WINDOW
        for one in self.parameters.values():
            if one.free and one.takes(values):
                return Text(one.name)
        for text, add in chain(
            self._chosen(values),
            self._reading(values, read, window),
            self._multiples([*self._parameters()], values, window),
            self._reading_multiples(values, read, window),
            self._offered(name, values),
            self._pairs([*self._parameters(), *self._read(read)], values, window),
            self._multiples([*self._offers()], values, window),
            self._pairs([*self._parameters(), *self._read(read), *self._offers()], values, window),
        ):
            if add:
                self.parameter(add)
            return Text(text)
        return None

    def parameter(self, name: str) -> None:
        """Make an argument of the constructor a parameter."""
        for part in name.split(","):
            if part not in self.parameters:
                self.parameters[part] = Parameter(part, [*self.possible[part]])

    def new(self, name: str, values: Sequence[Any], owner: str) -> Any:
        """A parameter of its own."""
        there = [x for x in values if x is not ABSENT]
        usual = max(there, key=lambda x: sum(same(x, y) for y in there))
        wanted = name if owner in ("", name) else f"{owner}_{name}"
        if name not in self.parameters and name not in self.possible:
            wanted = name
        free = self.free(wanted)
        filled = [usual if x is ABSENT else x for x in values]
        gone = {use for use, x in enumerate(values) if x is ABSENT}
        self.parameters[free] = Parameter(free, filled, gone)
        return Text(free)

    def free(self, stem: str) -> str:
        """A name for a parameter that nothing has."""
        stem = stem.replace(".", "_")
        stem = stem if _is_name(stem) else f"with_{stem}"
        stem = f"{stem}_" if stem in _RESERVED else stem
        name, number = stem, 1
        while name in self.parameters or name in self.possible or name in self.taken:
            number += 1
            name = f"{stem}_{number}"
        return name

    def _parameters(self) -> Iterator[Known]:
        for one in self.parameters.values():
            yield Known(one.name, one.values, one.name in _WINDOW)

    def _offers(self) -> Iterator[Known]:
        for name, values in self.possible.items():
            if name not in self.parameters:
                yield Known(name, values, name in _WINDOW, name)

    def _exact(self, values: Sequence[Any]) -> bool:
        known = [*self._parameters(), *self._offers()]
        return any(_match(values, one.values) for one in known)

    def _chosen(self, values: Sequence[Any]) -> Iterator[tuple[str, str]]:
        for one in self._parameters():
            if _match(values, one.values):
                yield one.text, ""

    def _offered(self, name: str, values: Sequence[Any]) -> Iterator[tuple[str, str]]:
        found = [one for one in self._offers() if _match(values, one.values)]
        for one in sorted(found, key=lambda one: one.text != name):
            yield one.text, one.adds

    def _read(self, read: Sequence[Shape]) -> Iterator[Known]:
        """`in_channels` and `in_features` of the layer, and the channels of the block's inputs."""
        for name, dim in (("in_channels", 0), ("in_features", -1)):
            sizes = [shape[dim] if shape else None for shape in read]
            yield Known(name, sizes)
        yield from self.inputs

    def _reading(
        self, values: Sequence[Any], read: Sequence[Shape], window: bool
    ) -> Iterator[tuple[str, str]]:
        for one in () if window else self._read(read):
            if _match(values, one.values):
                yield one.text, ""

    def _reading_multiples(
        self, values: Sequence[Any], read: Sequence[Shape], window: bool
    ) -> Iterator[tuple[str, str]]:
        if not window:
            yield from self._multiples([*self._read(read)], values, False)

    def _multiples(
        self, known: Sequence[Known], values: Sequence[Any], window: bool
    ) -> Iterator[tuple[str, str]]:
        """Values that are some value times a number, or divided by one."""
        for one in known:
            if one.window != window:
                continue
            pairs = [
                (x, y)
                for x, y in zip(values, one.values, strict=True)
                if x is not ABSENT and _is_number(x) and _is_number(y)
            ]
            if len(pairs) < sum(x is not ABSENT for x in values):
                continue
            times = next((x // y for x, y in pairs if y), 0)
            if times > 1 and all(x == times * y for x, y in pairs):
                yield f"{one.text} * {times}", one.adds
            over = next((y // x for x, y in pairs if x), 0)
            for by in dict.fromkeys((2, over, over + 1)):
                if by > 1 and all(x == y // by for x, y in pairs):
                    yield f"{one.text} // {by}", one.adds

    def _pairs(
        self, known: Sequence[Known], values: Sequence[Any], window: bool
    ) -> Iterator[tuple[str, str]]:
        """Values that are a product, a sum or a difference of two."""
        if window or not all(_is_number(x) for x in values if x is not ABSENT):
            return
        for one, other in product(known, known):
            if one.text == other.text:
                continue
            for sign, work in _SIGNS.items():
                if sign in ("+", "*") and one.text > other.text:
                    continue
                if all(
                    x is ABSENT or (_is_number(a) and _is_number(b) and work(a, b) == x)
                    for x, a, b in zip(values, one.values, other.values, strict=True)
                ):
                    adds = ",".join(filter(None, (one.adds, other.adds)))
                    yield f"{one.text} {sign} {other.text}", adds

    def condition(
        self, there: Sequence[bool], read: Sequence[Shape], name: str, residual: bool
    ) -> Text:
        """A condition that holds in just these uses; it may be that of a `residual` connection."""
        ours, theirs = [*self._parameters()], [*self._offers()]
        sizes = [
            one
            for one in self._read(read)
            if one.text != "in_features" and all(map(_is_number, one.values))
        ]
        usual = self._of_residuals(there, sizes) if residual else ""
        if usual:
            return Text(usual)
        atoms = [*self._atoms([*ours, *theirs], sizes)]
        for text, holds, adds in atoms:
            if holds == [*there]:
                self._add(adds)
                return Text(text)
        for word in ("or", "and"):
            for a, b in product(atoms, atoms):
                both = [
                    (x or y) if word == "or" else (x and y) for x, y in zip(a[1], b[1], strict=True)
                ]
                natural = not any(_AGAINST[word] in atom[0] for atom in (a, b))
                if natural and a[0] < b[0] and both == [*there]:
                    first, second = sorted((a, b), key=lambda atom: "in_" in atom[0])
                    self._add(a[2])
                    self._add(b[2])
                    return Text(f"{first[0]} {word} {second[0]}")
        flags = [x for x, values in self.possible.items() if _tells(values, there)]
        stem = flags[0] if flags and flags[0] not in self.parameters else f"with_{name}"
        if flags and stem == flags[0]:
            del self.possible[stem]
        free = self.free(f"with_{stem}" if not stem.startswith("with_") else stem)
        self.parameters[free] = Parameter(free, [*there])
        return Text(free)

    def _of_residuals(self, there: Sequence[bool], sizes: Sequence[Known]) -> str:
        """The condition of most residual connections, if it holds in just these uses."""
        if "stride" not in self.parameters:
            return ""
        strides = self.parameters["stride"].values
        channels = [one for one in (*self._parameters(), *self.derived) if not one.window]
        for size, one in product(sizes, channels):
            pairs = [*zip(strides, size.values, one.values, strict=True)]
            if [s == 1 and a == b for s, a, b in pairs] == [*there]:
                return f"stride == 1 and {size.text} == {one.text}"
            if [s != 1 or a != b for s, a, b in pairs] == [*there]:
                return f"stride != 1 or {size.text} != {one.text}"
        return ""

    def _add(self, adds: str) -> None:
        if adds:
            self.parameter(adds)

    def _atoms(
        self, known: Sequence[Known], sizes: Sequence[Known]
    ) -> Iterator[tuple[str, list[bool], str]]:
        """Simple conditions, with the uses in which they hold."""
        for one in known:
            if all(isinstance(x, bool) for x in one.values):
                yield one.text, [*one.values], one.adds
                yield f"not {one.text}", [not x for x in one.values], one.adds
            elif all(_is_number(x) for x in one.values):
                for number in (1, 0):
                    equal = [x == number for x in one.values]
                    yield f"{one.text} != {number}", [not x for x in equal], one.adds
                    yield f"{one.text} == {number}", equal, one.adds
        derived = [x for x in self.derived if not x.window]
        for one in (*known, *derived):
            for size in sizes:
                if one.window or not all(_is_number(x) for x in one.values):
                    continue
                equal = [x == y for x, y in zip(one.values, size.values, strict=True)]
                yield f"{size.text} != {one.text}", [not x for x in equal], one.adds
                yield f"{size.text} == {one.text}", equal, one.adds

    def derive(self, text: Text) -> None:
        """Note an expression that explains a number of channels, for conditions."""
        for one in self._parameters():
            head, _, factor = text.text.partition(" * ")
            if head == one.text and factor.isdecimal():
                values = [x * int(factor) for x in one.values]
                known = Known(text.text, values)
                if known not in self.derived:
                    self.derived.append(known)


_AGAINST = {"or": "==", "and": "!="}  # what is not asked together with others
_SIGNS: Mapping[str, Callable[[Any, Any], Any]] = {
    "*": lambda a, b: a * b,
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "//": lambda a, b: a // b if b else None,
}


def _is_number(x: Any) -> bool:
    return isinstance(x, int) and not isinstance(x, bool)


def _match(values: Sequence[Any], known: Sequence[Any]) -> bool:
    return all(x is ABSENT or same(x, y) for x, y in zip(values, known, strict=True))


def _tells(values: Sequence[Any], there: Sequence[bool]) -> bool:
    """Whether an argument is None just where something is absent."""
    return [x is not None for x in values] == [*there]


def _is_name(name: str) -> bool:
    return name.isidentifier() and not keyword.iskeyword(name) and not name.startswith("_")
