"""What `Pad` and `Crop` add and keep where another tensor gives the sizes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from ..ir.graph import Graph, Node, Ref
from ..layers.edges import pairs
from ..symbolic.algebra import Symbols
from ..symbolic.equality import same
from ..symbolic.sizes import Coded, Size
from ..symbolic.tree import Expression

# names of the dimensions behind the channels, by the rank
_GAPS = {4: ("dh", "dw"), 5: ("dd", "dh", "dw")}
_STARTS = {4: ("top", "left"), 5: ("front", "top", "left")}


class _Along(Struct, frozen=True):
    """A dimension in which a tensor gets the size of another: both sizes, and their sources.

    The sizes are known as `numbers` if they are so whatever the arguments are.
    """

    own: str
    other: str
    numbers: tuple[int, int] | None


def with_numbers(
    graph: Graph, node: Node, names: Mapping[Ref, str], fresh: Callable[[str], str]
) -> tuple[Node, list[str]]:
    """The call with numbers in the place of the tensor `to`, and the lines that work them out.

    `names` are the variables of tensors, `fresh` gives one for a number.
    """
    (ref,), ((_, to),) = node.inputs, node.named
    x, y = graph.type_of(ref), graph.type_of(to)
    found = {}
    in_numbers = not graph.is_block and _is_read(graph, to)
    for dim, other in pairs(node.a, x, y).items():
        numbers = _known(x.shape[dim], y.shape[other]) if in_numbers else None
        own, given = f"{names[ref]}.shape[{dim}]", f"{names[to]}.shape[{other}]"
        found[dim] = _Along(own, given, numbers)
    lines: list[str] = []
    if node.row is not None and node.row.call == "crop":
        kept = _kept(found, x.rank, fresh, lines)
        return replace(node, named=(), args={**node.args, "dims": kept}), lines
    added = _added(found, x.rank, fresh if node.a.side == "both" else None, lines)
    if node.a.mode == "constant":
        while added[2:] and added[-2:] == (0, 0):
            added = added[:-2]
    changes = {"pad": added, "dims": None, "side": "both"}
    return replace(node, named=(), args={**node.args, **changes}), lines


def _is_read(graph: Graph, to: Ref) -> bool:
    """Whether a tensor is read for more than its sizes: else it would be made for nothing."""
    place = to.node - len(graph.inputs)
    if place < 0 or to.node in {ref.node for _, ref in graph.outputs}:
        return True
    for node in (graph.nodes[place] for place in graph.live()):
        sized = node.row is not None and "to" in node.row.optional_tensors
        reads = replace(node, named=()).reads if sized else node.reads
        if to.node in {ref.node for ref in reads}:
            return True
    return False


def _known(own: Size, other: Size) -> tuple[int, int] | None:
    """The two sizes if the difference is a number; equal ones need not be known."""
    if same(own, other):
        return int(own), int(own)
    return (own, other) if type(own) is int and type(other) is int else None


def _added(
    found: Mapping[int, _Along], rank: int, fresh: Callable[[str], str] | None, lines: list[str]
) -> tuple[Any, ...]:
    """The numbers for `F.pad`; without `fresh` all stand at the start."""
    numbers: list[Any] = [0] * (2 * (rank - min(found)))
    for dim, along in found.items():
        if along.numbers is not None:
            more = along.numbers[1] - along.numbers[0]
            before = more if fresh is None else more // 2
            sides: tuple[Any, Any] = (before, more - before)
        elif fresh is None:
            sides = (_code(f"{along.other} - {along.own}"), 0)
        else:
            name = fresh(_name(_GAPS, rank, dim, "gap"))
            lines.append(f"{name} = {along.other} - {along.own}")
            sides = (_code(f"{name} // 2"), _code(f"{name} - {name} // 2"))
        place = 2 * (rank - 1 - dim)
        numbers[place : place + 2] = sides
    return tuple(numbers)


def _kept(
    found: Mapping[int, _Along], rank: int, fresh: Callable[[str], str], lines: list[str]
) -> tuple[Coded, ...]:
    """The slice of each dimension, up to the last one that is cut."""
    slices = [":"] * (max(found) + 1)
    for dim, along in found.items():
        if along.numbers is None:
            name = fresh(_name(_STARTS, rank, dim, "start"))
            lines.append(f"{name} = ({along.own} - {along.other}) // 2")
            slices[dim] = f"{name} : {name} + {along.other}"
        elif along.numbers[0] != along.numbers[1]:
            own, size = along.numbers
            start = (own - size) // 2
            slices[dim] = f"{start or ''}:{start + size}"
    while slices[1:] and slices[-1] == ":":
        slices.pop()
    return tuple(map(_code, slices))


def _name(names: Mapping[int, tuple[str, ...]], rank: int, dim: int, other: str) -> str:
    """The usual name for a number along a dimension."""
    return names[rank][dim - 2] if rank in names and dim >= 2 else other


def _code(text: str) -> Coded:
    return Coded(0, Expression.leaf(text), Symbols())
