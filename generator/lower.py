"""Spec to graph: layers applied one after the other, with names, references and repeats.

What a layer is may hang on what it reads (``when: $(in_channels > 64)``), so shapes are worked
out here as the graph grows, by the rules of the catalogue.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from . import keys
from .application import apply_layer
from .arguments import read_layer
from .containers import module_tree
from .diagnostics import Diagnostic, NetgenError, SpecPath, closest, printable
from .finish import check_used, describe, mark_used, read_outputs
from .graph import Graph, Ref
from .inputs import Context, read_inputs, read_parameters
from .layers import TYPES
from .layers.base import TensorType
from .names import snake_case
from .naming import Names, written_names
from .reuse import again
from .scope import Draft, LayerNames, Scope
from .sizes import plain
from .source import Source
from .spec import Document, Item, read_item

MOST_NODES = 20_000
GROUPING = ("Group", "Reuse", "Sequential")


def lower(
    source: Source,
    document: Document,
    overrides: Mapping[str, Any],
    samples: Mapping[str, int],
) -> Graph:
    """The graph of a document; `samples` are values for run-time sizes without one.

    Raises `NetgenError` for the first mistake found.
    """
    fixed: frozenset[str] = frozenset()
    taken: set[str] = set()
    while True:
        context = Context(source, document, overrides, fixed)
        try:
            graph = _Lowering(context, taken, samples).graph()
        except keys.Taken as name:
            taken.add(name.name)
            continue
        except NetgenError:
            # what is refused with a name may fit once the name is a number
            if context.pinned <= fixed:
                raise
        else:
            if context.pinned <= fixed:
                return graph
        fixed |= context.pinned


class _Lowering:
    """One reading of the document."""

    def __init__(self, context: Context, taken: set[str], samples: Mapping[str, int]) -> None:
        self.context = context
        self.parameters, values = read_parameters(context)
        self.values = values
        inputs, self.sizes = read_inputs(context, values, samples)
        names = Names(written_names(context.document.layers) | taken)
        self.scope = Scope(context, values, inputs, names)
        self.read = 0  # items, those that give no layer included
        # the layer before: the only input, or none if there are several
        self.current: tuple[Ref, ...] = (Ref(0),) if len(inputs) == 1 else ()
        self.chain: list[Draft] | None = None  # the children of the Sequential that is read
        self.through: TensorType | None = None  # what flows through it

    def graph(self) -> Graph:
        self.items(self.context.document.layers, ("layers",), None)
        outputs = read_outputs(self.scope, self.current)
        check_used(self.scope)
        nodes, modules = module_tree(self.scope)
        return Graph(
            self.context.document.name,
            describe(self.context, self.values),
            mark_used(self.parameters, nodes, self.context.pinned),
            self.scope.inputs,
            modules,
            nodes,
            outputs,
            self.context.document.style,
            self.sizes,
        )

    def items(self, items: Any, path: SpecPath, index: int | None) -> None:
        if not isinstance(items, list) or not items:
            self.context.error("NG201", "`layers` should be a list of one layer or more", path)
        for place, raw in enumerate(items):
            item = read_item(raw, self.context.source, (*path, place))
            self.item(item, index)

    def item(self, item: Item, index: int | None) -> None:
        self.read += 1
        if self.read > MOST_NODES:
            message = f"the spec unfolds to more than {MOST_NODES} layers"
            self.context.error("NG210", message, item.path)
        item = listed(self.typed(item, index))
        if item.type == "Group":
            for key in ("name", "from"):
                if key in item.common:
                    message = f"a `Group` only groups: it has no `{key}`"
                    self.context.error("NG210", message, item.at(key), key=True)
        reads = keys.reads(self.scope, item, self.current, index, chained=self.chain is not None)
        first = self.first_type(reads)
        names = LayerNames(self.scope, first, index)
        if not keys.present(self.scope, item, names):
            self.pass_through(item, reads, names)
            return
        count = keys.count(self.scope, item, names)
        if item.type == "Group":
            self.group(item, count, index)
        elif item.type == "Reuse":
            self.reuse(item, reads, names)
        elif isinstance(item.written, dict) and "branches" in item.written:
            self.branches(item, reads, index)
        elif count is None:
            self.layer(item, reads, self.name(item, names), index)
        elif count == 0:
            self.pass_through(item, reads[:1], names)
        elif "name" in item.common and not _counts(item.common["name"]):
            self.container(item, reads, count, names)
        else:
            self.copies(item, reads, count)

    def typed(self, item: Item, index: int | None) -> Item:
        """The item with its type evaluated and known."""
        if "$" in item.type:
            names = LayerNames(self.scope, None, index)
            value = self.context.evaluate(item.type, names, item.path)
            self.context.decide(value, item.path)
            item = replace(item, type=str(plain(value)))
        if item.type in TYPES or item.type in GROUPING:
            return item
        where = item.path[:-1] if item.path[-1] == item.type else item.path
        location = self.context.source.locate(item.path, key=where != item.path)
        help = closest(item.type, [*TYPES, *GROUPING])
        message = f"there is no layer type `{printable(item.type)}`"
        raise NetgenError(Diagnostic("NG202", message, location, help=help))

    def first_type(self, reads: Sequence[Ref]) -> TensorType | None:
        """The type of what an item's expressions are about."""
        if self.chain is not None:
            return self.through
        return self.scope.type_of(reads[0]) if reads else None

    def name(self, item: Item, names: LayerNames) -> str | None:
        """The written name."""
        if self.chain is None:
            return keys.name(self.scope, item, names)
        return keys.child_name(self.scope, item, names, [child.name for child in self.chain])

    # what becomes of an item

    def pass_through(self, item: Item, reads: tuple[Ref, ...], names: LayerNames) -> None:
        """An absent layer: its name stands for what it would have read."""
        if item.type == "Group" or self.chain is not None:
            return
        if not reads:
            message = "an absent layer passes its input through, but this one reads nothing"
            self.context.error("NG210", message, item.path)
        numbered = "repeat" in item.common and _counts(item.common.get("name"))
        name = None if numbered else self.name(item, names)
        # the one computed last; the inputs are there together
        inputs = len(self.scope.inputs)
        last = max(reads, key=lambda ref: max(ref.node, inputs - 1))
        if name is not None:
            self.scope.written[name] = (last,)
        self.current = (last,)

    def group(self, item: Item, count: int | None, index: int | None) -> None:
        written = item.written if isinstance(item.written, dict) else {}
        for key in written:
            if key != "layers":
                self.context.error(
                    "NG203", f"`Group` has no `{printable(key)}`", item.at(key), key=True
                )
        for copy in range(1 if count is None else count):
            inner = index if count is None else copy
            self.items(written.get("layers"), item.at("layers"), inner)

    def copies(self, item: Item, reads: tuple[Ref, ...], count: int) -> None:
        """Copies in the scope itself: the first input is chained, the others read unchanged."""
        for copy in range(count):
            names = LayerNames(self.scope, self.first_type(reads), copy)
            self.layer(item, reads, self.name(item, names), copy, repeated=True)
            reads = (*self.current, *reads[1:])

    def container(self, item: Item, reads: tuple[Ref, ...], count: int, names: LayerNames) -> None:
        """A named repeat: a `Sequential`, or a `ModuleList` where copies read several tensors."""
        name = self.name(item, names)
        row = TYPES.get(item.type)
        single = row is None or (len(row.tensors) == 1 and len(reads) == 1)
        if (single and not (row and len(row.ports) > 1)) or self.chain is not None:
            common = {key: value for key, value in item.common.items() if key != "name"}
            unnamed = replace(item, common=common)
            self.sequential(
                item, reads, name, lambda: self.copies(unnamed, (), count), repeated=True
            )
            return
        for copy in range(count):
            self.layer(item, reads, f"{name}.{copy}", copy, repeated=True)
            reads = (*self.current, *reads[1:])
        if name is not None:
            self.scope.written[name] = self.current

    def layer(
        self,
        item: Item,
        reads: tuple[Ref, ...],
        name: str | None,
        index: int | None,
        *,
        repeated: bool = False,
    ) -> None:
        if item.type == "Sequential":
            written = item.written if isinstance(item.written, dict) else {}
            for key in written:
                if key != "layers":
                    message = f"`Sequential` has no `{printable(key)}`"
                    self.context.error("NG203", message, item.at(key), key=True)
            if isinstance(item.written, list):
                help = "write `Sequential: {layers: [...]}`"
                message = "`Sequential` has a mapping with `layers`"
                self.context.error("NG201", message, item.path, key=True, help=help)
            layers, path = written.get("layers"), item.at("layers")
            self.sequential(
                item, reads, name, lambda: self.items(layers, path, index), repeated=repeated
            )
            return
        if len(self.scope.drafts) >= MOST_NODES:
            self.context.error("NG210", f"a network of more than {MOST_NODES} layers", item.path)
        row = TYPES[item.type]
        inner = self.through if self.chain is not None else None
        read = read_layer(self.scope, item, row, reads, inner, index)
        draft = apply_layer(self.scope, item, row, read, name, chained=self.chain is not None)
        draft.repeated = repeated
        self.take(draft, item)

    def take(self, draft: Draft, item: Item) -> None:
        """The call becomes part of the scope, or of the `Sequential` that is read."""
        if self.chain is None:
            ref = self.scope.add(draft)
            self.current = () if draft.portless else (ref,)
            return
        if len(draft.outputs) > 1:
            message = f"`{item.type}` gives several tensors and can't stand in a `Sequential`"
            self.context.error("NG210", message, item.path, key=True)
        self.chain.append(draft)
        self.through = next(iter(draft.outputs.values()))

    def sequential(
        self,
        item: Item,
        reads: tuple[Ref, ...],
        name: str | None,
        fill: Any,
        *,
        repeated: bool,
    ) -> None:
        """Read the children of a `Sequential` as a chain of their own."""
        outer, before = self.chain, self.through
        if outer is None:
            if len(reads) != 1:
                message = f"`Sequential` reads one tensor, but reads {len(reads)}"
                self.context.error("NG210", message, item.path, key=True)
            self.through = self.scope.type_of(reads[0])
        self.chain = []
        fill()
        children, self.chain = self.chain, outer
        through, self.through = self.through, before
        assert through is not None
        stem = snake_case(item.type) if name is None else name
        draft = Draft(None, {}, reads, (), {"output": through}, item.path, stem, name)
        draft.children, draft.repeated, draft.written = children, repeated, name is not None
        if name is None and outer is None:
            draft.name = self.scope.names.numbered(stem)
        self.take(draft, item)

    def reuse(self, item: Item, reads: tuple[Ref, ...], names: LayerNames) -> None:
        """Apply a layer that is there already, with the same weights."""
        if self.chain is not None or "repeat" in item.common:
            message = "`Reuse` applies one layer once, outside a `Sequential`"
            self.context.error("NG210", message, item.path, key=True)
        draft = again(self.scope, item, reads, names)
        draft.name = self.name(item, names)
        self.take(draft, item)

    def branches(self, item: Item, reads: tuple[Ref, ...], index: int | None) -> None:
        """A merge whose tensors are computed by branches, each from what the merge reads."""
        if TYPES[item.type].variadic is None or len(reads) != 1 or self.chain is not None:
            message = f"`{item.type}` can't have branches here"
            help = "branches stand in a merge that reads one tensor, outside a `Sequential`"
            self.context.error("NG210", message, item.at("branches"), key=True, help=help)
        written = dict(item.written)
        branches = written.pop("branches")
        if not isinstance(branches, (list, dict)) or not branches:
            message = "`branches` should be a list of lists of layers, or a mapping from names"
            self.context.error("NG201", message, item.at("branches"))
        pairs = branches.items() if isinstance(branches, dict) else enumerate(branches)
        ends: list[Ref] = []
        for key, layers in pairs:
            self.current = reads
            self.branch(key, layers, item.at("branches", key), index)
            ends += self.current
        self.scope.used.update(ref.node for ref in reads)
        merged = replace(item, written=written)
        names = LayerNames(self.scope, self.first_type(tuple(ends)), index)
        self.layer(merged, tuple(ends), self.name(merged, names), index)

    def branch(self, key: str | int, layers: Any, path: SpecPath, index: int | None) -> None:
        """One branch: of a list its layers stand in the scope, of a mapping it has a name."""
        if isinstance(key, int):
            if layers != []:
                self.items(layers, path, index)
            return
        several = isinstance(layers, list)
        written = {"layers": layers} if several else None
        named = {"name": key}
        if several:
            item = Item("Sequential", written, named, path)
        else:
            item = read_item(layers, self.context.source, path)
            item = replace(item, common={**item.common, **named})
        self.item(item, index)


def listed(item: Item) -> Item:
    """The item with a list of references as its `from`, for types that read several tensors."""
    row = TYPES.get(item.type)
    if row is None or not row.operation or not isinstance(item.written, list):
        return item
    several = row.variadic is not None or len(row.tensors) > 1
    if several and all(isinstance(text, str) for text in item.written):
        return replace(item, written=None, common={**item.common, "from": item.written})
    return item


def _counts(name: Any) -> bool:
    """Whether a name has the number of the copy in it."""
    return isinstance(name, str) and "$" in name and "index" in name
