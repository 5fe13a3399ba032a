"""What the sizes of a block's inputs are called in its docstring and in ``forward``."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from itertools import chain, count, groupby

from msgspec import Struct

from ..ir.graph import Graph, Node, Use, own_uses, uses_in
from ..lower.blocks import dim_names, kinds
from ..symbolic.sizes import Dim, symbols_in

_LETTERS = {1: ("F",), 2: ("L", "C"), 3: ("C", "H", "W"), 4: ("C", "D", "H", "W")}


def letters_of(
    uses: Sequence[Use], given: set[str], constant: Container[str], alike: Mapping[str, str]
) -> dict[str, str]:
    """The names, by the block's own, for sizes that are no arguments.

    Sizes that are `given` are arguments, those in `constant` the same number in all uses. What is
    `alike` bears one name.
    """
    use = uses[0]
    found: dict[str, str] = {}
    numbers = count(1)
    for place, placeholder in enumerate(use.graph.inputs):
        rank = placeholder.type.rank - (placeholder.type.batch is not None)
        names = dim_names(use.spec, place, rank)
        shown = _shown(use, place, names, given)
        for name, letter in zip(names, shown or names, strict=True):
            first = alike.get(name, name)
            if name in given or (not shown and name in constant):
                continue
            if first != name and (first in found or first in given):
                found[name] = found.get(first, first)
            elif not shown:
                found[name] = f"S{next(numbers)}"
            else:
                taken = found.values()
                others = (f"{letter}{number}" for number in count(2))
                found[name] = next(x for x in chain([letter], others) if x not in taken)
    return found


def _shown(use: Use, place: int, names: Sequence[str], given: set[str]) -> tuple[str, ...]:
    """The letters for the sizes of an input; none where it is not known what they are."""
    rank = len(names)
    if rank not in _LETTERS or (rank > 2 and not _is_image(use, place, names, given)):
        return ()
    is_length = names[0].endswith("length")
    if rank == 1 and is_length:
        return ("L",)
    if rank == 2 and names[0] in given and names[1] not in given and not is_length:
        return ("C", "L")  # channels come first, as for `Conv1d`
    return _LETTERS[rank]


def _is_image(use: Use, place: int, names: Sequence[str], given: set[str]) -> bool:
    """Whether an input of three or more sizes probably has channels first, then places.

    Otherwise it may have heads, or features last. An input without a batch is a mask or a bias.
    """
    if use.graph.inputs[place].type.batch is None:
        return False
    if names[0] in given or names[-1] in given:
        return names[0] in given
    inner = [other.graph for others in uses_in(use.graph).values() for other in others]
    calls = (node for graph in (use.graph, *inner) for node in _calls(graph.nodes))
    attends = any(node.row is not None and node.row.attends for node in calls)
    return not attends and next(kinds(use.spec.layers), "") != "last"


def _calls(nodes: Sequence[Node]) -> Iterator[Node]:
    for node in nodes:
        yield node
        yield from _calls(node.body)


class _Terms(Struct, frozen=True):
    """What a size of an input is in the scope that uses the block.

    It may be known only at `run_time`; else arguments decide it.
    """

    text: str
    run_time: bool


def equal_sizes(graph: Graph, blocks: Mapping[str, Sequence[Use]]) -> dict[str, dict[str, str]]:
    """For each of the `blocks`, the size of an input before that a size equals in all uses.

    The blocks are in the order of `uses_in`. Sizes are equal if they have one expression: numbers
    may be equal by chance. So may arguments: two of one input do not equal the same one.
    """
    terms: dict[str, list[dict[str, _Terms]]] = {}
    found: dict[str, dict[str, str]] = {}
    scopes = [(name, [use.graph for use in uses]) for name, uses in blocks.items()]
    for block, graphs in (("", [graph]), *reversed(scopes)):
        known: dict[str, _Terms] = {}
        if block in terms:
            found[block], known = _joined(terms[block], graphs[0])
        for use in (use for own in dict.fromkeys(graphs) for use in own_uses(own)):
            terms.setdefault(use.block, []).append(_terms(use, known, inner=bool(block)))
    return found


def _terms(use: Use, known: Mapping[str, _Terms], *, inner: bool) -> dict[str, _Terms]:
    """The terms of each size of an input that has an expression, with what is `known` in the scope.

    In the scope of a block, an `inner` one, only that tells what is known at run time.
    """
    terms = {}
    for name, _, _ in use.graph.size_names:
        size = use.outer.get(name)
        if name == "N" or not isinstance(size, Dim) or not symbols_in(size):
            continue
        symbols = symbols_in(size)
        run_time = all(
            known[x.name].run_time if x.name in known else x.runtime and not inner for x in symbols
        )
        terms[name] = known.get(size.code) or _Terms(size.normal, run_time)
    return terms


def _joined(
    terms: Sequence[Mapping[str, _Terms]], graph: Graph
) -> tuple[dict[str, str], dict[str, _Terms]]:
    """For names that have the same terms in all uses as one of an input before, that one.

    With them, what is known of all names in the block.
    """
    firsts: dict[tuple[str, ...], list[str]] = {}
    found: dict[str, str] = {}
    known: dict[str, _Terms] = {}
    for _, names in groupby(graph.size_names, key=lambda entry: entry[1]):
        met: list[str] = []
        new: list[tuple[list[str], str]] = []
        for name, _, _ in names:
            if not all(name in own for own in terms):
                continue
            run_time = all(own[name].run_time for own in terms)
            alike = firsts.setdefault(tuple(own[name].text for own in terms), [])
            first = next((x for x in alike if run_time or x not in met), name)
            met.append(first)
            if first == name:
                new.append((alike, name))
            else:
                found[name] = first
            known[name] = _Terms(first, run_time)
        for alike, name in new:
            alike.append(name)
    return found, known
