"""What calls of functions become: steps of the catalogue, with their arguments and shapes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from ..layers import TYPES
from ..layers.base import REQUIRED, is_default
from ..layers.kinds import INDEX
from ..run.recording.recorded import (
    FunctionCall,
    Held,
    Items,
    Size,
    Tree,
    Value,
    Word,
)
from .functions import Row
from .layers import shortened, without_echo
from .sizes import Sized, Sizes, factored, groups
from .steps import Inexpressible, Step

_PREFIXES = (
    "torch.nn.functional.",
    "torch.Tensor.",
    "torch.functional.",
    "torch._C._nn.",
    "aten.",
    "torch.",
)
# the same argument under its other names
_ALSO = {
    "self": "input",
    "axis": "dim",
    "dimension": "dim",
    "keepdims": "keepdim",
    "lambda": "lambd",
    "axis0": "dim0",
}


def short_name(function: str) -> str:
    """The name of a function without its module, and without the mark of what works in place."""
    prefix = next((p for p in _PREFIXES if function.startswith(p)), "")
    name = function.removeprefix(prefix)
    return name.removesuffix("_") if not name.endswith("__") else name


class Operations:
    """Recorded calls of functions as steps; new values get numbers after the recorded ones.

    `near` are values whose shapes may tell a size that a call computes with, beside those that it
    reads.
    """

    def __init__(self, sizes: Sizes) -> None:
        self.sizes = sizes
        self.made: dict[int, tuple[tuple[Sized, ...], str]] = {}  # shapes of new values
        self.near: Sequence[Value] = ()

    def shape(self, tensor: Value | Held) -> tuple[Sized, ...]:
        """The shape of a recorded or new value."""
        if isinstance(tensor, Value) and tensor.number in self.made:
            return self.made[tensor.number][0]
        return self.sizes.shape(tensor)

    def dtype(self, tensor: Value | Held) -> str:
        """The element type of a recorded or new value."""
        if isinstance(tensor, Value) and tensor.number in self.made:
            return self.made[tensor.number][1]
        return self.sizes.dtype(tensor)

    def new(self, shape: Sequence[Sized], like: Value | Held) -> Value:
        """A new value, between two steps of one call."""
        number = len(self.sizes.recording.values) + len(self.made)
        self.made[number] = (tuple(shape), self.dtype(like))
        return Value(number)

    def same(self, tensor: Value | Held, out: int) -> Step:
        """A step that changes nothing; it is left out later."""
        return Step("Identity", (tensor,), (out,), {})

    def plain(self, row: Row, call: FunctionCall, out: Sequence[int]) -> list[Step]:
        """The steps of a call with the same arguments as its operation.

        With a `dtype`, torch casts what the operation reads.
        """
        given = bound(call, (*row.tensors, *row.arguments))
        reads = [tensor_of(given.pop(name, None)) for name in row.tensors]
        silent = {name: given.pop(name) for name in row.silent & given.keys()}
        if silent.get("dtype") is None or self.dtype(Value(out[0])) == self.dtype(reads[0]):
            return self.of_type(row.type, reads, out, given)
        cast = self.new(self.shape(reads[0]), Value(out[0]))
        before = Step("Cast", (reads[0],), (cast.number,), {"dtype": self.dtype(cast)})
        return [before, *self.of_type(row.type, [cast, *reads[1:]], out, given)]

    def of_type(
        self,
        type: str,
        reads: Sequence[Value | Held],
        out: Sequence[int],
        given: Mapping[str, Tree],
    ) -> list[Step]:
        """The steps of a type with these arguments; a reduction without `dim` is over all of them.

        Raises `Inexpressible` if a batch is among these: its samples would be mixed.
        """
        row, x = TYPES[type], reads[0]
        required = "dim" in row.known and row.arg("dim").default is REQUIRED
        over_some = given.get("dim") not in (None, Items(()))
        if not required or "keepdim" not in row.known or over_some:
            return [self.layer(type, reads, out, given)]
        shape = self.shape(x)
        if not shape or any(map(self.sizes.has_batch, shape)):
            raise Inexpressible("over all elements")
        if len(shape) == 1:
            return [self.layer(type, reads, out, {**given, "dim": 0})]
        if row.arg("dim").kind != INDEX:  # it takes a list
            return [self.layer(type, reads, out, {**given, "dim": Items((*range(len(shape)),))})]
        counts = [size for size in shape if isinstance(size, int)]
        if len(counts) < len(shape) or given.get("keepdim"):
            raise Inexpressible("over all elements")
        flat = self.new((math.prod(counts),), x)
        return [*self.reshape(x, flat), self.layer(type, [flat], out, {**given, "dim": 0})]

    def layer(
        self,
        type: str,
        reads: Sequence[Value | Held],
        out: Sequence[int],
        given: Mapping[str, Tree],
    ) -> Step:
        """A step of a type with these arguments, without those that are the defaults."""
        row = TYPES[type]
        tensors: list[Value | Held] = [*reads]
        arguments: dict[str, Any] = {}
        for name, value in given.items():
            if name not in row.known:
                if isinstance(value, (Value, Held)):
                    tensors.append(value)
                    continue
                if value is None or value is False:
                    continue
                raise Inexpressible(f"with `{name}`")
            plain = shortened(name, self.plain_value(value, tensors))
            arg = row.arg(name)
            if arg.default is REQUIRED or not is_default(arg, plain):
                arguments[name] = plain
        return Step(type, tuple(tensors), tuple(out), without_echo(row, arguments))

    def plain_value(self, value: Tree, tensors: Sequence[Value | Held]) -> Any:
        """An argument as a spec has it; sizes that vary are told from the shapes of tensors."""
        if isinstance(value, (Value, Held)):
            return value
        if isinstance(value, Size):
            return self.sizes.written(value, [*tensors, *self.near])
        if isinstance(value, Items):
            return [self.plain_value(item, tensors) for item in value.items]
        if isinstance(value, Word):
            return value.text
        if value is None or isinstance(value, (bool, int, float, str)):
            return value
        raise Inexpressible("with an argument that a spec has no word for")

    def between(self, type: str, call: FunctionCall, out: int) -> list[Step]:
        """A step between two tensors, or a tensor and a number."""
        given = bound(call, ("input", "other", "alpha"))
        rounding = given.pop("rounding_mode", None)
        if rounding == "floor":
            type = "FloorDiv"
        elif rounding is not None or given.pop("alpha", 1) != 1:
            raise Inexpressible("with `alpha`" if rounding is None else "rounding towards zero")
        a, b = given["input"], given["other"]
        if not isinstance(a, (Value, Held)):
            if type not in ("Add", "Mul"):
                raise Inexpressible("with a number on the left")
            a, b = b, a
        first = tensor_of(a)
        if isinstance(b, (Value, Held)):
            return [Step(type, (first, b), (out,), {})]
        if type.startswith("Logical"):
            raise Inexpressible("with a number")
        other = self.plain_value(b, [first])
        if isinstance(other, float) and not math.isfinite(other):
            raise Inexpressible("with a number that is not finite")
        nothing = type in ("Add", "Sub") and repr(other) == "0"  # as `sum` begins
        if nothing and self.sizes.dtype(first) == self.sizes.dtype(Value(out)):
            return [self.same(first, out)]
        return [Step(type, (first,), (out,), {"other": other})]

    def reshape(self, x: Value | Held, out: Value) -> list[Step]:
        """The step that gives a tensor another shape, with the elements in the same order."""
        before, after = self.shape(x), self.shape(out)
        if before == after:
            return [self.same(x, out.number)]
        is_batch, has_batch = self.sizes.is_batch, self.sizes.has_batch
        keeps = bool(before and after) and is_batch(before[0]) and is_batch(after[0])
        rest = after[1:] if keeps else after
        if keeps and len(rest) == 1 and len(before) > 2:
            return [Step("Flatten", (x,), (out.number,), {})]
        varying = [size for size in rest if isinstance(size, Size)]
        free = not any(map(has_batch, (*before, *rest)))
        if (keeps or free) and len(varying) <= 1 and not any(map(has_batch, rest)):
            shape = [-1 if isinstance(size, Size) else size for size in rest]
            return [Step("Reshape", (x,), (out.number,), {"shape": shape})]
        return [self.rearrange(x, out)]

    def rearrange(self, x: Value | Held, out: Value) -> Step:
        """A reshape as a pattern: dimensions split and joined."""
        letters = iter("abcdefghijklmopqrstuvwxyz")  # n is the batch
        left: list[str] = []
        right: list[str] = []
        sizes: dict[str, Any] = {}
        for ours, theirs in groups(self.sizes, self.shape(x), self.shape(out)):
            if not (ours and theirs):
                (left if ours else right).append("1")
                continue
            factors, *counts = factored(self.sizes, ours, theirs)
            axes = ["n" if self.sizes.is_batch(size) else next(letters) for size in factors]
            for side, numbers in zip((left, right), counts, strict=True):
                place = 0
                for count in numbers:
                    own = slice(place, place + count)
                    joined = " ".join(axes[own])
                    side.append(f"({joined})" if count > 1 else joined)
                    if side is left and count > 1:
                        sizes |= self.known(dict(zip(axes[own], factors[own], strict=True)), x)
                    place += count
        if not left:
            left.append("()")
        pattern = f"{' '.join(left)} -> {' '.join(right)}"
        return Step("Rearrange", (x,), (out.number,), {"pattern": pattern, **sizes})

    def known(self, factors: Mapping[str, Sized], x: Value | Held) -> dict[str, Any]:
        """What a pattern is told of the factors of one dimension: all but the one that follows."""
        varying = [axis for axis, size in factors.items() if isinstance(size, Size)]
        batch = [axis for axis in varying if self.sizes.is_batch(factors[axis])]
        follows = next(iter((*batch, *varying)), "")
        near = [x, *self.near]
        return {
            axis: self.sizes.written(size, near)
            for axis, size in factors.items()
            if axis != follows
        }

    def expand(self, x: Value | Held, out: Value, like: Sequence[Value | Held] = ()) -> list[Step]:
        """The step that repeats sizes of 1 without a copy; `like` are tensors of such sizes."""
        before, after = self.shape(x), self.shape(out)
        if before == after:
            return [self.same(x, out.number)]
        batch = bool(after) and self.sizes.is_batch(after[0])
        rest = after[1:] if batch else after
        known = (*(None for _ in range(len(after) - len(before))), *before)[
            len(after) - len(rest) :
        ]
        near = [*like, *self.near]
        grown = {at: size for at, size in enumerate(rest) if size != known[at]}
        if any(map(self.sizes.has_batch, grown.values())):
            raise Inexpressible("along a batch that does not come first")
        if any(map(self.sizes.has_batch, rest)) and len(before) == len(after):
            copies = [self.sizes.written(grown.get(at, 1), near) for at in range(len(rest))]
            return [Step("Tile", (x,), (out.number,), {"dims": copies})]
        shape = [
            -1 if size == old else self.sizes.written(size, near, at)
            for at, (size, old) in enumerate(zip(rest, known, strict=True), len(after) - len(rest))
        ]
        more = {} if batch else {"batch": False}
        return [Step("Expand", (x,), (out.number,), {"shape": shape, **more})]


def tensor_of(x: Any) -> Value | Held:
    """An argument that is a tensor; raises `Inexpressible` if it is none."""
    if not isinstance(x, (Value, Held)):
        raise Inexpressible("of what is no tensor")
    return x


def bound(call: FunctionCall, names: Sequence[str]) -> dict[str, Tree]:
    """The arguments of a call by name; `names` are those of its positions."""
    if len(call.args) > len(names):
        raise Inexpressible("with more arguments than are known")
    found: dict[str, Tree] = dict(zip(names, call.args, strict=False))
    for name, value in call.named:
        own = name if name in names else _ALSO.get(name, name)
        if own == "other" and "mat2" in names:
            own = "mat2"
        found[own] = value
    return found
