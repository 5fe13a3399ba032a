"""Spec to graph: layers applied one after the other, with names, references and repeats.

What a layer is may hang on what it reads (``when: $(in_channels > 64)``), so shapes are worked
out here as the graph grows, by the rules of the catalogue.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from .arguments import Arguments, read_layer
from .containers import module_tree
from .diagnostics import Diagnostic, NetgenError, closest, printable
from .expressions import ExpressionError, symbols_in
from .graph import Graph, Node, Parameter, Placeholder, Ref, SpecPath
from .inputs import Context, ParameterNames, read_inputs, read_parameters
from .layers import CATALOGUE
from .layers.base import Layer, Refusal, TensorType
from .names import snake_case, why_no_attribute
from .naming import Names, key_of, written_names
from .scope import Draft, LayerNames, Scope
from .shapes import apply
from .sizes import Dim, plain
from .source import Source
from .spec import Document, Item, read_item

MOST_NODES = 100_000
MOST_COPIES = 10_000


class _Taken(Exception):
    """A default name that is written further down: read the scope again without it."""

    def __init__(self, name: str) -> None:
        self.name = name


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
        except _Taken as name:
            taken.add(name.name)
            continue
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
        # the layer before: the only input, or none if there are several
        self.current: tuple[Ref, ...] = (Ref(0),) if len(inputs) == 1 else ()
        self.chain: list[Draft] | None = None  # the children of the Sequential that is read
        self.through: TensorType | None = None  # what flows through it

    def graph(self) -> Graph:
        self.items(self.context.document.layers, ("layers",), None)
        outputs = self.outputs()
        self.check_used()
        nodes, modules = module_tree(self.scope)
        return Graph(
            self.context.document.name,
            self.description(),
            _mark_used(self.parameters, nodes, self.context.pinned),
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
        item = self.typed(item, index)
        if item.type == "Group":
            for key in ("name", "from"):
                if key in item.common:
                    message = f"a `Group` only groups: it has no `{key}`"
                    self.context.error("NG210", message, item.at(key), key=True)
        reads = self.reads(item, index)
        first = self.first_type(reads)
        names = LayerNames(self.scope, first, index)
        if not self.present(item, names):
            self.pass_through(item, reads, names)
            return
        count = self.count(item, names)
        if item.type == "Group":
            self.group(item, count, index)
        elif count is None:
            self.layer(item, reads, self.name(item, names), index)
        elif count == 0:
            self.pass_through(item, reads, names)
        elif "name" in item.common and not _counts(item.common["name"]):
            self.container(item, reads, count, names)
        else:
            self.copies(item, reads, count)

    def typed(self, item: Item, index: int | None) -> Item:
        """The item with its type evaluated and known."""
        if "$" in item.type:
            names = LayerNames(self.scope, None, index)
            value = self.context.evaluate(item.type, names, item.path)
            self.pin(value, item.path)
            item = replace(item, type=str(plain(value)))
        if item.type in CATALOGUE or item.type in ("Sequential", "Group"):
            return item
        where = item.path[:-1] if item.path[-1] == item.type else item.path
        location = self.context.source.locate(item.path, key=where != item.path)
        help = closest(item.type, [*CATALOGUE, "Sequential", "Group"])
        message = f"there is no layer type `{printable(item.type)}`"
        raise NetgenError(Diagnostic("NG202", message, location, help=help))

    # what a layer reads

    def reads(self, item: Item, index: int | None) -> tuple[Ref, ...]:
        """The references under `from`, or the layer before."""
        if "from" not in item.common:
            return self.current
        path = item.at("from")
        if self.chain is not None:
            self.context.error("NG210", "a `Sequential` is a chain: it has no `from`", path, key=True)
        raw = item.common["from"]
        value = self.context.evaluate(raw, LayerNames(self.scope, None, index), path)
        self.pin(value, path)
        value = plain(value)
        texts = value if isinstance(value, list) else [value]
        for text in texts:
            if not isinstance(text, str):
                self.context.error("NG201", "`from` is a reference or a list of references", path)
        inner = isinstance(raw, list)
        return tuple(
            self.scope.find(text, (*path, place) if inner else path)
            for place, text in enumerate(texts)
        )

    def first_type(self, reads: Sequence[Ref]) -> TensorType | None:
        if self.chain is not None:
            return self.through
        return self.scope.type_of(reads[0]) if reads else None

    # the keys that all layers know

    def pin(self, value: Any, path: SpecPath) -> None:
        """A value decides on the structure: the parameters in it are fixed."""
        try:
            self.context.pin(symbols_in(value))
        except ExpressionError as error:
            self.context.error("NG206", error.message, path)

    def present(self, item: Item, names: LayerNames) -> bool:
        if "when" not in item.common:
            return True
        value = self.context.evaluate(item.common["when"], names, item.at("when"))
        self.pin(value, item.at("when"))
        if not isinstance(plain(value), bool):
            self.context.error("NG201", "`when` should be a condition", item.at("when"))
        return bool(plain(value))

    def count(self, item: Item, names: LayerNames) -> int | None:
        if "repeat" not in item.common:
            return None
        path = item.at("repeat")
        value = self.context.evaluate(item.common["repeat"], names, path)
        self.pin(value, path)
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            self.context.error("NG201", "`repeat` should be a whole number of 0 or more", path)
        if value > MOST_COPIES:
            self.context.error("NG210", f"{int(value)} copies are too many: {MOST_COPIES} at most", path)
        return int(value)

    def name(self, item: Item, names: LayerNames) -> str | None:
        """The written name, evaluated and checked."""
        if "name" not in item.common:
            return None
        path = item.at("name")
        value = self.context.evaluate(item.common["name"], names, path)
        self.pin(value, path)
        value = plain(value)
        if not isinstance(value, str):
            self.context.error("NG205", "a `name` is a word", path)
        if self.chain is not None:
            return self.child_name(value, path)
        for part in value.split("."):
            reason = None if part.isdecimal() and "." in value else why_no_attribute(part)
            if reason:
                self.context.error("NG205", f"`{printable(value)}`: `{printable(part)}` {reason}", path)
        if value in self.scope.written or value in (x.name for x in self.scope.inputs):
            self.context.error("NG205", f"the name `{value}` is given twice", path)
        if any(draft.name == value for draft in self.scope.drafts):
            raise _Taken(value)
        self.scope.names.note(value)
        return value

    def child_name(self, name: str, path: SpecPath) -> str:
        """The key of a child of a `Sequential`: anything printable without a dot."""
        used = {child.name for child in self.chain or ()}
        if not name or "." in name or not name.isprintable() or name in used:
            reason = "is given twice" if name in used else "is not a key without a dot"
            self.context.error("NG205", f"`{printable(name)}` {reason}", path)
        if why_no_attribute(name) and name.isidentifier():
            reason = why_no_attribute(name)
            self.context.error("NG205", f"`{printable(name)}` {reason}", path)
        return name

    # what becomes of an item

    def pass_through(self, item: Item, reads: tuple[Ref, ...], names: LayerNames) -> None:
        """An absent layer: its name stands for what it would have read."""
        if item.type == "Group" or self.chain is not None:
            return
        name = self.name(item, names)
        if not reads:
            message = "an absent layer passes its input through, but this one reads nothing"
            self.context.error("NG210", message, item.path)
        last = max(reads, key=lambda ref: ref.node)
        if name is not None:
            self.scope.written[name] = (last,)
        self.current = (last,)

    def group(self, item: Item, count: int | None, index: int | None) -> None:
        written = item.written if isinstance(item.written, dict) else {}
        for key in written:
            if key != "layers":
                self.context.error("NG203", f"`Group` has no `{printable(key)}`", item.at(key), key=True)
        for copy in range(1 if count is None else count):
            inner = index if count is None else copy
            self.items(written.get("layers"), item.at("layers"), inner)

    def copies(self, item: Item, reads: tuple[Ref, ...], count: int) -> None:
        """Copies in the scope itself: the first input is chained, the others read unchanged."""
        for copy in range(count):
            names = LayerNames(self.scope, self.first_type(reads), copy)
            self.layer(item, reads, self.name(item, names), copy, repeated=True)
            reads = (*self.current, *reads[1:])

    def container(
        self, item: Item, reads: tuple[Ref, ...], count: int, names: LayerNames
    ) -> None:
        """A named repeat: a `Sequential`, or a `ModuleList` where copies read several tensors."""
        name = self.name(item, names)
        row = CATALOGUE.get(item.type)
        single = row is None or (len(row.tensors) == 1 and len(reads) == 1)
        if single and not (row and len(row.ports) > 1) or self.chain is not None:
            self.sequential(item, reads, name, lambda: self.copies(item, (), count), repeated=True)
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
            layers, path = written.get("layers"), item.at("layers")
            self.sequential(item, reads, name, lambda: self.items(layers, path, index), repeated=repeated)
            return
        if len(self.scope.drafts) >= MOST_NODES:
            self.context.error("NG210", f"a network of more than {MOST_NODES} layers", item.path)
        row = CATALOGUE[item.type]
        inner = self.through if self.chain is not None else None
        read = read_layer(self.scope, item, row, reads, inner, index)
        draft = self.draft(item, row, read, name)
        draft.repeated = repeated
        self.take(draft, item)

    def draft(self, item: Item, row: Layer, read: Arguments, name: str | None) -> Draft:
        """The layer applied to what it reads."""
        types = read.types
        try:
            applied = apply(row, read.args, types, {key: type_ for key, type_ in read.named_types})
        except Refusal as refusal:
            raise NetgenError(self.refusal(item, refusal, read)) from None
        draft = Draft(
            row, applied.args, read.inputs, read.named, applied.outputs, item.path, row.stem, name
        )
        for arg in row.args:
            value = applied.args[arg.name]
            if symbols_in(value) and (arg.kind.structural and not arg.free):
                self.pin(value, item.at(arg.name))
        for option in row.options:
            self.pin(applied.args[option.name], item.at(option.name))
        stateless = not row.weights(applied.a)
        functional = self.context.document.style == "functional" and bool(row.functional)
        plain_call = item.type == "Flatten" and name is None
        if self.chain is None and stateless and (functional or plain_call):
            draft.functional = True
            for value in applied.args.values():
                self.pin(value, item.path)
        elif name is None and self.chain is None:
            self.default_name(draft, stateless)
        return draft

    def default_name(self, draft: Draft, stateless: bool) -> None:
        if stateless and draft.row is not None:
            key = key_of(draft.row.name, draft.args)
            draft.shared = self.scope.names.shared(draft.stem, key)
        else:
            draft.name = self.scope.names.numbered(draft.stem)

    def take(self, draft: Draft, item: Item) -> None:
        """The call becomes part of the scope, or of the `Sequential` that is read."""
        if self.chain is None:
            self.current = (self.scope.add(draft),)
            return
        if len(draft.outputs) > 1:
            message = f"`{item.type}` gives several tensors and can't stand in a `Sequential`"
            self.context.error("NG210", message, item.path, key=True)
        draft.named_child = draft.name is not None
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
        draft.children, draft.repeated = children, repeated
        if name is None and outer is None:
            draft.name = self.scope.names.numbered(stem)
        self.take(draft, item)

    def refusal(self, item: Item, refusal: Refusal, read: Arguments) -> Diagnostic:
        """The diagnostic for what a shape rule refuses, with the shapes that came in."""
        path, key = item.path, True
        if refusal.argument and isinstance(item.written, dict) and refusal.argument in item.written:
            path, key = item.at(refusal.argument), False
        elif item.written is None:
            key = False
        location = self.context.source.locate(path, key=key)
        notes = tuple(f"`{item.type}` reads {type_} {type_.dtype}" for type_ in read.types)
        return Diagnostic("NG211", refusal.message, location, notes, refusal.help)

    # the end

    def description(self) -> str | None:
        """The description with the values as they are built."""
        bare = {name: int(v) if isinstance(v, Dim) else plain(v) for name, v in self.values.items()}
        text = self.context.document.description
        names = ParameterNames(self.context, bare)
        value = self.context.evaluate(text, names, ("description",))
        return None if value is None else str(value)

    def outputs(self) -> tuple[tuple[str | None, Ref], ...]:
        written = self.context.document.outputs
        if written is None:
            return tuple((None, ref) for ref in self.current)
        if isinstance(written, dict):
            pairs = [(name, text, ("outputs", name)) for name, text in written.items()]
        else:
            pairs = [(None, text, ("outputs", i)) for i, text in enumerate(written)]
        if not pairs:
            self.context.error("NG201", "a network has at least one output", ("outputs",))
        return tuple((name, self.scope.find(text, path)) for name, text, path in pairs)

    def check_used(self) -> None:
        """Everything is read by something: what is not, is a mistake."""
        scope, unused = self.scope, []
        used = scope.used | ({ref.node for ref in self.current} if not self.context.document.outputs else set())
        for place, placeholder in enumerate(scope.inputs):
            if place not in used:
                path: SpecPath = ("inputs", placeholder.name)
                message = f"nothing reads the input `{placeholder.name}`"
                location = scope.context.source.locate(path, key=True)
                unused.append(Diagnostic("NG207", message, location))
        for place, draft in enumerate(scope.drafts, len(scope.inputs)):
            if place not in used:
                type_ = draft.row.name if draft.row else "Sequential"
                message = f"nothing reads what `{draft.name or type_}` gives"
                help = "name it in a `from` or in `outputs`, or take it out"
                location = scope.context.source.locate(draft.path, key=True)
                unused.append(Diagnostic("NG207", message, location, help=help))
        if unused:
            raise NetgenError(*unused)


def _counts(name: Any) -> bool:
    """Whether a name has the number of the copy in it."""
    return isinstance(name, str) and "$" in name and "index" in name


def _mark_used(
    parameters: list[Parameter], nodes: Sequence[Node], pinned: set[str]
) -> tuple[Parameter, ...]:
    """The parameters, told apart: those that reach an argument of a module, and the others."""
    reached = {
        symbol.name
        for node in nodes
        for leaf in node.leaves()
        for symbol in symbols_in(list(leaf.args.values()))
    }
    result: list[Parameter] = []
    for parameter in reversed(parameters):
        used = parameter.name in reached
        if used and parameter.code:
            reached |= {name for name in (p.name for p in parameters) if name in parameter.code}
        fixed = parameter.fixed or parameter.name in pinned
        result.append(replace(parameter, used=used, fixed=fixed))
    return tuple(reversed(result))
