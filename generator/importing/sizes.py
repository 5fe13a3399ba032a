"""What sizes are: the batch, a named size, or something that follows from these."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import prod

from msgspec import Struct

from ..run.recording.recorded import BATCH, Held, Recording, Size, Value
from .steps import Inexpressible, Shaped

Sized = int | Size


class Sizes(Struct, frozen=True):
    """The sizes of a recording: shapes of its values, and which sizes are the batch."""

    recording: Recording

    def shape(self, tensor: Value | Held) -> tuple[Sized, ...]:
        """The shape of a tensor."""
        if isinstance(tensor, Held):
            return self.recording.held[tensor.path].shape
        return self.recording.values[tensor.number].shape

    def dtype(self, tensor: Value | Held) -> str:
        """The element type of a tensor."""
        if isinstance(tensor, Held):
            return self.recording.held[tensor.path].dtype
        return self.recording.values[tensor.number].dtype

    def numbers(self, size: Sized) -> tuple[int, ...]:
        """The size in each run."""
        return size.values if isinstance(size, Size) else (size,) * len(self.recording.runs)

    @property
    def batches(self) -> tuple[int, ...]:
        """The batch of each run."""
        return tuple(dict(run)[BATCH] for run in self.recording.runs)

    def is_batch(self, size: Sized) -> bool:
        """Whether a size is the batch."""
        return isinstance(size, Size) and size.values == self.batches

    def has_batch(self, size: Sized) -> bool:
        """Whether a size is a multiple of the batch, in whatever runs differ by it alone."""
        first, second = self.numbers(size)[:2]  # these two differ by the batch
        return first != second

    def batch_of(self, tensor: Value | Held) -> int | None:
        """The dimension of the batch in a tensor; `None` if there is none, or it is folded."""
        found = [i for i, size in enumerate(self.shape(tensor)) if self.is_batch(size)]
        return found[0] if found else None

    def written(
        self, size: Sized, tensors: Sequence[Value | Held], at: int | None = None
    ) -> int | Shaped:
        """A size in an argument, from the dimensions of tensors that are there.

        A tensor's own size `at` the same place is asked first. Raises `Inexpressible`.
        """
        if not isinstance(size, Size):
            return size
        for tensor in tensors:
            shape, batch = self.shape(tensor), self.batch_of(tensor)
            places = sorted(range(len(shape)), key=lambda place: place != at)
            for place in places:
                known = shape[place]
                if isinstance(known, Size) and place != batch:
                    for times, over in _ratio(size.values, known.values):
                        own = place if batch is None or place < batch else place - 1
                        return Shaped(tensor, own, times, over)
        raise Inexpressible("with a size that can't be told from the shapes it reads")


def _ratio(wanted: Sequence[int], known: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Factor and divisor (rounding down) that make the wanted numbers of the known ones."""
    if len({*wanted}) == 1:
        return
    if all(known) and all(w % k == 0 for w, k in zip(wanted, known, strict=True)):
        times = wanted[0] // known[0]
        if [k * times for k in known] == [*wanted]:
            yield times, 1
    if all(wanted):
        over = known[0] // wanted[0]
        if over > 1 and [k // over for k in known] == [*wanted]:
            yield 1, over


def groups(
    sizes: Sizes, before: Sequence[Sized], after: Sequence[Sized]
) -> list[tuple[list[Sized], list[Sized]]]:
    """Which dimensions of one shape become which of another, in the same order of elements.

    Dimensions of size 1 stand alone. Raises `Inexpressible`.
    """
    found: list[tuple[list[Sized], list[Sized]]] = []
    left, right = [*before], [*after]
    while left or right:
        if left and left[0] == 1 and not (right and right[0] == 1):
            found.append(([left.pop(0)], []))
            continue
        if right and right[0] == 1 and not (left and left[0] == 1):
            found.append(([], [right.pop(0)]))
            continue
        if not (left and right):
            raise Inexpressible("to take a shape apart in a way that has no pattern")
        ours, theirs = [left.pop(0)], [right.pop(0)]
        while True:
            a, b = _product(sizes, ours), _product(sizes, theirs)
            if a == b:
                break
            if all(x <= y for x, y in zip(a, b, strict=True)):
                if not left:
                    raise Inexpressible("to take a shape apart in a way that has no pattern")
                ours.append(left.pop(0))
            else:
                if not right:
                    raise Inexpressible("to take a shape apart in a way that has no pattern")
                theirs.append(right.pop(0))
        found.append((ours, theirs))
    return found


def factored(
    sizes: Sizes, ours: Sequence[Sized], theirs: Sequence[Sized]
) -> tuple[list[Sized], list[int], list[int]]:
    """The factors that the sizes of both have in common, and how many of them each one takes.

    Raises `Inexpressible`.
    """
    factors: list[Sized] = []
    left, right = ([sizes.numbers(size) for size in side] for side in (ours, theirs))
    counts = [0] * len(left), [0] * len(right)
    i = j = 0
    while i < len(left) and j < len(right):
        a, b = left[i], right[j]
        small = min(a, b)
        if any(x % n or y % n for x, y, n in zip(a, b, small, strict=True)):
            raise Inexpressible("to join dimensions and take them apart at once")
        factors.append(small[0] if len({*small}) == 1 else Size(small))
        counts[0][i] += 1
        counts[1][j] += 1
        left[i], right[j] = (tuple(x // n for x, n in zip(y, small, strict=True)) for y in (a, b))
        i, j = i + (a == small), j + (b == small)
    return factors, *counts


def _product(sizes: Sizes, several: Sequence[Sized]) -> tuple[int, ...]:
    return tuple(map(prod, zip(*map(sizes.numbers, several), strict=True)))
