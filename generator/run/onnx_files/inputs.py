"""What a graph is given: its inputs in the language's terms, and the batch that it is made for."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from msgspec.structs import replace

from ..recording.construction import Unloadable
from ..recording.recorded import BATCH, Input
from .graph import Graph
from .names import variables
from .records import Port, Size


def inputs_of(graph: Graph, asked: Sequence[Input]) -> tuple[tuple[Input, ...], int | None]:
    """The inputs, and the batch of the file if that has one only; raises `Unloadable`.

    What is `asked` for says what sizes inputs have that vary in the file.
    """
    if not graph.inputs:
        raise Unloadable("the graph has no inputs")
    own = _asked_by_name(graph, asked)
    plain = len(graph.inputs) == 1 and graph.inputs[0].dtype == "float32"
    named = [""] if plain else variables(port.name for port in graph.inputs)
    found, batches = [], set[int]()
    sizes = _Sizes(graph)
    for port, name in zip(graph.inputs, named, strict=True):
        if port.shape is None and port.name not in own:
            message = f"the file does not tell the shape of `{port.name}`: give it with `--input`"
            raise Unloadable(message)
        file = port.shape if port.shape is not None else own[port.name].whole
        whole = sizes.shape(file)
        if port.name in own:
            _check_asked(port, own[port.name])
            whole = own[port.name].whole
        place = whole.index(BATCH) if BATCH in whole else None
        if place is None:
            raise Unloadable(f"`{port.name}` has no dimension for the batch")
        if isinstance(file[place], int):
            batches.add(int(file[place]))
        shape = whole[1:] if place == 0 else whole
        one = Input(name, shape, port.dtype or "float32")
        bounds = own.get(port.name, one)
        found.append(replace(one, low=bounds.low, high=bounds.high))
    if len(batches) > 1:
        raise Unloadable("its inputs have batches of different sizes")
    return tuple(found), next(iter(batches), None)


def _asked_by_name(graph: Graph, asked: Sequence[Input]) -> dict[str, Input]:
    """What is asked for, by the names that inputs have in the file.

    What is asked for without a name is meant for the first inputs that are not named.
    """
    own = [port.name for port in graph.inputs]
    names = dict(zip(variables(own), own, strict=True))
    known = ", ".join(f"`{name}`" for name in names)
    if len(asked) > len(own):
        raise Unloadable(f"{len(asked)} inputs are asked for, and the file has {known}")
    found = {}
    rest = (name for name in names if all(name != one.name for one in asked))
    for one in asked:
        if one.name and one.name not in names:
            raise Unloadable(f"the file has no input `{one.name}`, but {known}")
        found[names[one.name or next(rest)]] = one
    return found


def _check_asked(port: Port, asked: Input) -> None:
    """Raise `Unloadable` if the file has another shape of an input than is asked for."""
    if port.shape is None:
        return
    fits = len(asked.whole) == len(port.shape) and all(
        own in (BATCH, size) or isinstance(size, str)
        for own, size in zip(asked.whole, port.shape, strict=True)
    )
    if not fits:
        shown = ", ".join(str(size or "?") for size in port.shape)
        raise Unloadable(
            f"`{port.name}` has the shape ({shown}) in the file, and not the one asked for"
        )


class _Sizes:
    """What sizes are called: the batch, which comes first, and those that vary."""

    def __init__(self, graph: Graph) -> None:
        self.names: dict[str, str] = {}
        self.taken = {BATCH}
        shapes = [port.shape for port in graph.inputs if port.shape]
        free = [x for shape in shapes for x in shape if isinstance(x, str) and x]
        batched = [x for x in free if "batch" in x.lower()]
        first = [shape[0] for shape in shapes if isinstance(shape[0], str) and shape[0]]
        self.batch = next(iter((*batched, *first)), "")
        self.unnamed = self._letters()

    def shape(self, shape: Sequence[Size]) -> tuple[Size, ...]:
        """A shape with its batch, and other names as the language has them."""
        named = [self.name(size) if isinstance(size, str) else size for size in shape]
        if BATCH not in named and named:
            named[0] = BATCH
        return tuple(named)

    def name(self, size: str) -> str:
        """The name of a size that varies."""
        if size == BATCH or (size and size == self.batch):
            return BATCH
        if size in self.names:
            return self.names[size]
        word = re.sub(r"\W", "", size, flags=re.ASCII).title().replace("_", "")
        if not word[:1].isalpha() or word in self.taken:
            word = next(x for x in self.unnamed if x not in self.taken)
        self.taken.add(word)
        if size:  # sizes without a name are each its own
            self.names[size] = word
        return word

    def _letters(self) -> Iterator[str]:
        yield from "HWDTLMKPQRS"
        number = 1
        while True:
            yield f"S{number}"
            number += 1
