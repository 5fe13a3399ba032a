"""The state of reading one scope, which the handlers of items are given and add calls to."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import replace

from ..diagnostics.diagnostics import SpecPath, Unknowable
from ..ir.graph import LIST, Module, Node, Placeholder, Ref
from ..layers.tensor import TensorType
from ..spec.spec import Item
from ..symbolic.names import snake_case
from ..symbolic.sizes import Size, symbols_in
from . import keys
from .context import Context, Repeats
from .naming import Names
from .scope import LayerNames, Scope

if TYPE_CHECKING:
    from ..spec.block_spec import BlockSpec


class Frame(Struct):
    """The container that is being read: its children so far, and the types that they read.

    The frame of the scope itself has no `chain`. The first type in `through` is what the next
    child reads; all children read the others. `called_one_by_one` says that the container is an
    `nn.ModuleList`, `carries` that each child must give what it reads, `lost` that one has a
    mistake.
    """

    chain: list[Node] | None = None
    through: tuple[TensorType, ...] = ()
    called_one_by_one: bool = False
    carries: bool = False
    lost: bool = False


class Reader(ABC):
    """One scope that is read from top to bottom.

    `current` is what the next layer reads if it has no `from`: the output of the layer before. At
    the top of the scope it is the only input, or nothing if there are several inputs. `begin` is
    what `current` was at the start of the branch that is being read.
    """

    def __init__(
        self,
        context: Context,
        inputs: Sequence[Placeholder],
        values: Mapping[str, Any],
        names: Names,
    ) -> None:
        self.context = context
        self.scope = Scope(context, values, tuple(inputs), names)
        self.current: tuple[Ref, ...] = (Ref(0),) if len(inputs) == 1 else ()
        self.begin: tuple[Ref, ...] = ()
        self.frame = Frame()

    # `Walk` implements these; handlers call them for the items inside their own

    @abstractmethod
    def items(self, items: Any, path: SpecPath, index: Size | None) -> None:
        """Read a list of layers."""

    @abstractmethod
    def item(self, item: Item, index: Size | None) -> None:
        """Read one item: decide whether it is present, and how often."""

    @abstractmethod
    def present(
        self, item: Item, reads: tuple[Ref, ...], names: LayerNames, index: Size | None
    ) -> None:
        """Read an item that is present, as often as its `repeat` says."""

    @abstractmethod
    def layer(
        self,
        item: Item,
        reads: tuple[Ref, ...],
        name: str | None,
        index: Size | None,
        *,
        repeated: bool = False,
    ) -> None:
        """Read one layer, block or `Sequential`."""

    @abstractmethod
    def block(
        self,
        item: Item,
        spec: BlockSpec,
        reads: tuple[Ref, ...],
        name: str | None,
        index: Any,
        types: tuple[TensorType, ...] = (),
        given: dict[str, Any] | None = None,
    ) -> Node:
        """The call for a use of a block: its body is read with the arguments and input types.

        `types` are those of the inputs if `reads` does not say them, `given` the arguments if they
        are evaluated already.
        """

    # what is known so far

    @property
    def chain(self) -> list[Node] | None:
        """The children of the container that is being read; `None` outside of containers."""
        return self.frame.chain

    @property
    def through(self) -> tuple[TensorType, ...]:
        """The types that the next child of the container reads; empty outside of containers."""
        return self.frame.through

    @property
    def repeats(self) -> Repeats:
        """What this reading and earlier ones know about repeats."""
        return self.context.shared.repeats

    @property
    def calls(self) -> list[Node]:
        """The calls of the container that is being read, or else of the scope."""
        return self.scope.calls if self.frame.chain is None else self.frame.chain

    def flows(self, type_: TensorType) -> None:
        """Let the next child of the container read a tensor of this type."""
        self.frame.through = (type_, *self.frame.through[1:])

    def reads(self, item: Item, index: Size | None, *, fixes: bool = True) -> tuple[Ref, ...]:
        """The references to what an item reads: its `from`, or else `current`.

        The parameters in `from` are fixed if `fixes` is true.
        """
        again = item.type == "Reuse" and item.common.get("from") == []
        if again or self.reads_nothing(item):
            return ()
        chained = self.chain is not None
        # the merge has chosen what its branches begin at; in a `Group` each layer chooses
        chosen = self.current == self.begin or item.type == "Group"
        found = keys.reads(
            self.scope, item, self.current, index, chained=chained, chosen=chosen, fixes=fixes
        )
        if any(ref.port == LIST for ref in found) and not self.takes_list(item):
            from .lists import without_lists  # few repeats collect

            return without_lists(self.scope, found, item.at("from"))
        return found

    def takes_list(self, item: Item) -> bool:
        """Whether an item reads its tensors as one list, which may be of any length."""
        row, written = self.context.row(item.type), item.written
        branches = isinstance(written, dict) and "branches" in written
        return row is not None and row.takes_list and not branches

    def reads_nothing(self, item: Item) -> bool:
        """Whether an item is a source, or a block without inputs."""
        row, block = self.context.row(item.type), self.context.known.blocks.get(item.type)
        return not block.inputs if block is not None else row is not None and bool(row.source)

    def first_type(self, reads: Sequence[Ref]) -> TensorType | None:
        """The type that `in_shape` and its like stand for in an item: that of its first input."""
        if self.chain is not None:
            return self.through[0]
        return self.scope.type_of(reads[0]) if reads else None

    def check_passed(self, item: Item, names: Iterable[str], paths: Mapping[str, SpecPath]) -> None:
        """Refuse a child of a `Sequential` that reads tensors by `names`: it is passed only one."""
        for name in names:
            message = f"with `{name}` this reads two tensors and can't stand in a `Sequential`"
            help = "put it behind or before the `Sequential`"
            help = "a named `repeat` is one, too" if "repeat" in item.common else help
            self.context.error("NG210", message, paths[name], key=True, help=help)

    def name(self, item: Item, names: LayerNames) -> str | None:
        """The name that the item gives its layer under `name`, if any."""
        if self.chain is None:
            return keys.name(self.scope, item, names)
        # the names of a loop's copies follow their numbers
        index = None if names.index is None else int(names.index)
        names = replace(names, index=index, plain=True)
        return keys.child_name(self.scope, item, names, self.children_names())

    def children_names(self) -> list[str]:
        """The names of the children that the container has so far."""
        children = self.chain or []
        inner = [copy for child in children if child.kind == "copies" for copy in child.body]
        return [child.name for child in (*children, *inner)]

    # what is added

    def take(self, call: Node, item: Item) -> None:
        """Add a call to the container that is being read, or else to the scope."""
        self.context.shared.taken += 1
        if self.chain is None:
            names = keys.output_names(self.context, item, list(call.outputs))
            ref = self.scope.add(replace(call, names=names))
            if call.inputs or not self.scope.inputs:
                self.current = (ref,)
            return
        if len(call.outputs) > 1 and not self.frame.called_one_by_one:
            message = f"`{item.type}` gives several tensors and can't stand in a `Sequential`"
            self.context.error("NG210", message, item.path, key=True)
        if call.name:
            loops = [child for child in self.chain if child.kind == "copies"]
            keys.keep_apart(self.context, loops, call, item)
        self.chain.append(call)
        if self.frame.carries:
            from .loops import check_carried

            check_carried(self.context, item, [*call.outputs.values()], self.through)
        else:
            self.flows(next(iter(call.outputs.values())))

    def sequential(
        self,
        item: Item,
        reads: tuple[Ref, ...],
        name: str | None,
        fill: Callable[[], None],
        *,
        several: bool = False,
        carries: Sequence[str] = (),
    ) -> Node:
        """A container whose children form a chain; with `several` inputs an `nn.ModuleList`.

        `fill` reads the children. If the container `carries` all that it reads, its outputs have
        these names.
        """
        through = self.through
        if self.chain is None:
            if not reads:
                message = f"`{item.type}` comes first and must say what it reads"
                self.context.error("NG204", message, item.path, key=True)
            if not several and len(reads) != 1:
                message = f"`Sequential` reads one tensor, but reads {len(reads)}"
                self.context.error("NG210", message, item.path, key=True)
            through = tuple(self.scope.type_of(ref) for ref in reads)
        with self.inside(Frame([], through, several, bool(carries))):
            fill()
            if self.frame.lost:
                raise Unknowable
            children, after = self.calls, self.through
            self.check_names(item)
        stem = snake_case(item.type) if name is None else name
        written = name is not None
        if name is None and self.chain is None:
            name = self.scope.names.numbered(stem)
        return Node(
            path=item.path,
            kind="ModuleList" if several else "Sequential",
            inputs=reads,
            outputs=dict(zip(carries or ("output",), after, strict=False)),
            carries=bool(carries),
            body=tuple(children),
            stem=stem,
            name=name or "",
            written=written,
        )

    @contextmanager
    def numbered(self, item: Item, index: Size) -> Iterator[None]:
        """Read a copy of an item inside the `with`: its number has the name that `repeat` gives."""
        scope = self.scope
        before = scope.numbers, scope.loop
        if item.number:
            scope.numbers = {**scope.numbers, item.number: index}
        if symbols_in(index):
            scope.loop = index
        try:
            yield
        finally:
            scope.numbers, scope.loop = before

    @contextmanager
    def inside(self, frame: Frame) -> Iterator[None]:
        """Read this container inside the `with`, and go on with the one around it afterwards."""
        outer, self.frame = self.frame, frame
        try:
            yield
        finally:
            self.frame = outer

    def check_names(self, item: Item) -> None:
        """Refuse two children of one name, and a name that is another child's number."""
        names = [name for name in self.children_names() if name]
        for name in names if len({*names}) < len(names) else ():
            if names.count(name) > 1:
                self.context.error(
                    "NG205", f"the name `{name}` is given twice", item.path, key=True
                )
        if not any(map(str.isdecimal, names)):
            return
        container = Node(path=item.path, kind="Sequential", body=tuple(self.calls))
        found: set[str] = set()
        for key, _ in Module.of(container, "").entries():
            if key in found:
                message = f"`{key}` is the name of one child and the number of another"
                self.context.error("NG205", message, item.path, key=True)
            found.add(key)
