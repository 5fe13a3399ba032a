"""Programs that were exported for one batch, with another: which of their numbers are the batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

import torch
from torch._ops import OpOverload
from torch.fx import Node

# operators with a list of sizes, by the name of that argument
_SHAPES = {
    **dict.fromkeys(("view", "_unsafe_view", "expand"), "size"),
    **dict.fromkeys(("zeros", "ones", "full", "empty", "randn", "rand"), "size"),
    **dict.fromkeys(("new_zeros", "new_ones", "new_full"), "size"),
    "reshape": "shape",
    "repeat": "repeats",
    "unflatten": "sizes",
}
_RECURRENT = ("lstm", "gru", "rnn_tanh", "rnn_relu")


class Rebatched:
    """The calls of a program that was exported for the batch `old`, with the batch `new`.

    `outer` is, for a tensor whose batch is folded into a dimension, how many elements of the
    dimension come before the batch.
    """

    def __init__(self, old: int, new: int) -> None:
        self.old = old
        self.new = new
        self.outer: dict[Node, int] = {}

    def place(self, node: Any, value: Any) -> int | None:
        """The dimension that is not as it was exported: that of the batch."""
        if not isinstance(node, Node) or not isinstance(value, torch.Tensor):
            return None
        own = shape_of(node)
        if own is None or len(own) != value.dim():
            return None
        pairs = enumerate(zip(own, value.shape, strict=True))
        return next((place for place, (a, b) in pairs if a not in (b, -1)), None)

    def call(
        self, node: Node, function: OpOverload, given: dict[str, Any], values: Mapping[Node, Any]
    ) -> Any:
        """What a call gives for the other batch."""
        name = function._schema.name.removeprefix("aten::")
        read = next((x for x in node.all_input_nodes if self.place(x, values[x]) is not None), None)
        at = None if read is None else self.place(read, values[read])
        if read is not None:
            self._inherit(node, read, at)
        argument = _SHAPES.get(name, "")
        if argument in given:
            x = given.get("self", given.get("input"))
            sizes = self._sizes(name, node, given[argument], x, at, given.get("dim", 0))
            given = {**given, argument: sizes}
        elif name == "native_group_norm" and given["N"] == self.old:
            given = {**given, "N": self.new}
        return function(**given)

    def _inherit(self, node: Node, read: Node, at: int | None) -> None:
        """What is folded stays so where the dimension stays."""
        shape, own, outer = shape_of(node), shape_of(read), self.outer.get(read, 1)
        if outer > 1 and at is not None and shape and own and own[at] in shape:
            self.outer[node] = outer

    def _sizes(
        self,
        name: str,
        node: Node,
        sizes: Sequence[int],
        x: torch.Tensor | None,
        at: int | None,
        dim: int,
    ) -> list[int]:
        """The sizes of a call with the other batch; it reads `x`, whose batch is `at` a place."""
        if name in ("view", "_unsafe_view", "reshape"):
            if x is None or at is None:
                return [*sizes]
            before = [*x.shape]
            before[at] = before[at] // self.new * self.old
            known = prod(size for size in sizes if size != -1)
            after = [prod(before) // max(known, 1) if size == -1 else size for size in sizes]
            return self._reshaped(node, before, after, at)
        if name == "unflatten" and at is not None and x is not None:
            if at != dim % x.dim():
                return [*sizes]
            raise NotImplementedError("it takes a dimension apart for one batch only")
        found = [*sizes]
        if at is not None and x is not None:
            if name == "expand":
                found[at + len(sizes) - x.dim()] = -1
            return found
        place = self._new_place(name, node, sizes, None if x is None else x.shape)
        if place is not None:
            found[place] = self.new
        return found

    def _new_place(
        self, name: str, node: Node, sizes: Sequence[int], own: Sequence[int] | None
    ) -> int | None:
        """The place of the batch in the sizes of a tensor that is made without one."""
        if any(_is_recurrent(user) for user in node.users) and len(sizes) == 3:
            return 1
        if not sizes or sizes[0] != self.old:
            return None
        if own is not None and len(own) == len(sizes) and name in ("expand", "repeat"):
            return 0 if own[0] == 1 else None
        return 0

    def _reshaped(
        self, node: Node, before: Sequence[int], after: Sequence[int], at: int
    ) -> list[int]:
        """The sizes of a reshape; the order of the elements tells where the batch goes."""
        (read,) = node.all_input_nodes[:1]
        ahead = prod(before[:at]) * self.outer.get(read, 1)  # elements before the batch
        folded = []
        for place, size in enumerate(after):
            left = prod(after[:place])
            if left == ahead and size == self.old:
                self.outer.pop(node, None)
                return [*after[:place], self.new, *after[place + 1 :]]
            if left and ahead % left == 0 and size % (ahead // left * self.old) == 0:
                folded.append(place)
        if not folded:
            raise NotImplementedError("the batch can't be told from the other sizes")
        inner = [place for place in folded if place + 1 < len(after)]
        place = (inner or folded)[-1]
        self.outer[node] = ahead // prod(after[:place])
        size = after[place] // self.old * self.new
        return [*after[:place], size, *after[place + 1 :]]


def _is_recurrent(node: Node) -> bool:
    function = node.target
    return isinstance(function, OpOverload) and function._schema.name[6:] in _RECURRENT


def shape_of(node: Node) -> tuple[int, ...] | None:
    """The shape of what a node gave when it was exported, if that is one tensor of known sizes."""
    value = node.meta.get("val")
    if not isinstance(value, torch.Tensor):
        return None
    return tuple(size if isinstance(size, int) else -1 for size in value.shape)
