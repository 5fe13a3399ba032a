"""A call in ``forward``, and what it reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from msgspec import Struct, field

from ..diagnostics.diagnostics import SpecPath
from ..layers.base import Args, Layer, arguments
from ..layers.tensor import TensorType
from ..symbolic.sizes import PLAIN, is_runtime, nameless, plain

if TYPE_CHECKING:
    from .graph import Use


class Ref(Struct, frozen=True):
    """One output of a node: `node` is its place in the graph, inputs first.

    `choice` tells what a call chooses from several tensors from the tensors themselves.
    """

    node: int
    port: str = "output"
    choice: int = 0


class Pick(Struct, frozen=True):
    """How ``forward`` finds which of several tensors is read: the names that `from` gives them."""

    test: str
    first: Pick | str
    other: Pick | str


class Choice(Struct, frozen=True):
    """What a call reads in one place, where `from` hangs on arguments: `value` names one of `refs`.

    `pick` is how ``forward`` finds it, once the class is known.
    """

    place: int
    value: Any
    refs: Mapping[str, Ref]
    pick: Pick | str = ""


class Node(Struct, frozen=True, dict=True):
    """A call: of a layer, of a block, or of a container with its own calls in `body`.

    `kind` is ``layer``, ``Sequential``, ``ModuleList`` (its children chain the first input and
    all read the others), ``copies`` in a body, or ``absent``: then the call is not made and the
    value is that of `otherwise`. `target` is the path of the module that is called; `functional`
    calls have no module. `name` is what diagnostics and tables call the node. `repeated` marks a
    copy of a repeat.
    """

    name: str
    target: str
    row: Layer | None
    args: Mapping[str, Any]
    inputs: tuple[Ref, ...]
    named: tuple[tuple[str, Ref], ...]
    outputs: Mapping[str, TensorType]
    path: SpecPath
    functional: bool = False
    body: tuple[Node, ...] = ()
    repeated: bool = False
    kind: str = "layer"
    use: Use | None = None
    condition: Any = None
    otherwise: Ref | None = None
    callee: Any = None
    start: int = 0  # the number of the first of `copies`
    each: int = 1  # the calls that one of `copies` comes to
    test: str = ""  # what `forward` asks before a conditional call
    places: Mapping[str, SpecPath] = field(default_factory=dict)  # where arguments are written
    choices: tuple[Choice, ...] = ()  # of what it reads, those that hang on arguments
    would: Node | None = None  # of an absent one the call that other arguments make

    @cached_property
    def a(self) -> Args:
        """The arguments as rules read them."""
        return arguments(self.args)

    @cached_property
    def is_layer(self) -> bool:
        """Whether it is the call of a layer: not of a block or container, and not absent."""
        return self.row is not None and self.use is None and self.kind != "absent"

    @cached_property
    def settled(self) -> tuple[Args, dict[str, Any]]:
        """The arguments that are the same in all runs, as plain numbers, and all others."""
        same, others = {}, {}
        for name, value in self.args.items():
            if type(value) in PLAIN:
                same[name] = value
            elif is_runtime(value):
                others[name] = value
            else:
                same[name] = nameless(plain(value))
        return Args(**same), others

    @property
    def is_replaceable(self) -> bool:
        """Whether ``nn.Identity()``, or an empty list, can stand for it where it is absent."""
        alone = self.kind == "ModuleList" or (len(self.inputs) == 1 and not self.named)
        passes = self.otherwise is None or self.inputs[:1] == (self.otherwise,)
        return alone and len(self.outputs) == 1 and passes

    @property
    def output(self) -> TensorType:
        """The type of the default output."""
        return next(iter(self.outputs.values()))

    @property
    def reads(self) -> tuple[Ref, ...]:
        """All that it may read."""
        other = () if self.otherwise is None else (self.otherwise,)
        others = (ref for choice in self.choices for ref in choice.refs.values())
        would = () if self.would is None else self.would.reads
        return (*self.inputs, *(ref for _, ref in self.named), *other, *others, *would)

    def calls(self) -> Iterator[Node]:
        """The calls in a container, copies one by one; of anything else itself."""
        if self.kind in ("Sequential", "ModuleList", "copies"):
            for node in self.body:
                yield from node.body if node.kind == "copies" else (node,)
        else:
            yield self

    def walk(self) -> Iterator[Node]:
        """The call and all that are written in it; what is in a block is not."""
        yield self
        for node in self.body:
            yield from node.walk()

    def leaves(self) -> Iterator[Node]:
        """The calls of layers and blocks in it, itself included."""
        return (node for node in self.walk() if node.row is not None)
