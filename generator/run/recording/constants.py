"""Which values of a recording hang on no input and no weight, and what they are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import prod

from .recorded import (
    Event,
    Fields,
    FunctionCall,
    Held,
    Items,
    Leave,
    Meta,
    ModuleCall,
    Tree,
    Value,
)

# calls that read nothing of a tensor but its shape, type or device
_SHAPES = (
    "new_zeros",
    "new_ones",
    "new_full",
    "new_tensor",
    "zeros_like",
    "ones_like",
    "full_like",
)
_RANDOM = ("rand", "bernoulli", "multinomial", "normal", "dropout", "empty")


MOST_ELEMENTS = 1 << 13  # of a constant that is taken down


def constants_of(events: Sequence[Event], values: Sequence[Meta]) -> frozenset[int]:
    """The values that Python's numbers make, and no input: none if no other call reads any.

    What is larger than `MOST_ELEMENTS` is not among them, but what it is made of is.
    """
    constant: set[int] = set()
    read: set[int] = set()
    for event in events:
        if isinstance(event, FunctionCall):
            deps = [*tensors((*event.args, *(x for _, x in event.named)))]
            short = event.function.rpartition(".")[2]
            made = {x.number for x in tensors((event.result,)) if isinstance(x, Value)}
            made |= {number for _, number in event.writes}
            own = short in _SHAPES or all(
                isinstance(x, Value) and x.number in constant for x in deps
            )
            if own and not any(word in short for word in _RANDOM):
                constant |= made
            else:
                read |= {x.number for x in deps if isinstance(x, Value)}
        elif isinstance(event, ModuleCall):
            named = tensors(x for _, x in event.named)
            read |= {x.number for x in named if isinstance(x, Value)}
        elif isinstance(event, Leave) and not event.path:
            read |= {x.number for x in tensors((event.result,)) if isinstance(x, Value)}
    if not constant & read:
        return frozenset()
    return frozenset(number for number in constant if _is_small(values[number]))


def _is_small(value: Meta) -> bool:
    sizes = [size for size in value.shape if isinstance(size, int)]
    return len(sizes) == len(value.shape) and prod(sizes) <= MOST_ELEMENTS


def tensors(trees: Sequence[Tree] | Iterator[Tree]) -> Iterator[Value | Held]:
    """The tensors in arguments or results, in order."""
    for tree in trees:
        if isinstance(tree, (Value, Held)):
            yield tree
        elif isinstance(tree, Items):
            yield from tensors(tree.items)
        elif isinstance(tree, Fields):
            yield from tensors(x for _, x in tree.items)
