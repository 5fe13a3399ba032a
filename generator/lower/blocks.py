"""A use of a block: what its body is read with, and the call that it becomes.

A body is read in the block's own terms (its parameters and the sizes of its inputs) with the
numbers of one use. The types that it gives are put back into the terms of the scope that uses it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from string import digits
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import replace

from ..diagnostics.diagnostics import Diagnostic, SpecPath, Unknowable, printable
from ..ir.graph import Graph, Module, Node, Parameter, Placeholder, Ref, Use, is_steady
from ..ir.needs import FALSE
from ..ir.substitute import rebind_type
from ..layers.base import Layer, no_weights
from ..layers.kin import dimensions_read
from ..layers.models import show_value
from ..layers.tensor import TensorType
from ..spec.spec import COMMON_KEYS, Item
from ..symbolic.hints import closest, instead_of_argument
from ..symbolic.names import snake_case
from ..symbolic.sizes import Dim, Size, is_unknown
from .containers import module_tree
from .context import Context, Shared
from .keys import counts
from .naming import Names, written_names
from .outputs import ending, read_outputs
from .parameters import bare, check_known, check_value, read_block_parameters
from .scope import LayerNames, Scope

if TYPE_CHECKING:
    from ..spec.block_spec import BlockSpec

DEEPEST_BLOCKS = 40
_QUOTED = r"'[^']*'"
_WORD = r"[A-Za-z_]\w*"
_PLACES = {2: ("1d", "places"), 3: ("2d", "places"), 4: ("3d", "places")}  # by sizes of an input
_SPATIAL = {3: ("H",), 4: ("D", "H")}  # between channels and the last dimension


class Body(Struct):
    """What a use of a block gives to its body, and the body's graph once it is known.

    `context`, `inputs`, `values` and `parameters` are the body's own, in the block's terms.
    """

    name: str
    spec: BlockSpec
    context: Context
    inputs: tuple[Placeholder, ...]
    values: dict[str, Any]
    parameters: list[Parameter]
    given: dict[str, Any]  # the written arguments, in the user's terms
    types: tuple[TensorType, ...]  # of the inputs, in the user's terms
    used_at: SpecPath
    graph: Graph | None = None

    @property
    def path(self) -> SpecPath:
        """The place of the body's layers."""
        known = self.name in self.context.known.blocks
        return ("blocks", self.name, "layers") if known else self.used_at

    def key(self) -> Any:
        """A key that is equal for uses whose bodies have the same graph."""
        types = [
            (tuple((int(s), is_unknown(s)) for s in x.shape), x.dtype, x.batch, x.lost, x.bound)
            for x in self.types
        ]
        return (self.name, repr(self.key_values()), repr(types), self.path, repr(self.spec.layers))

    def key_values(self) -> list[tuple[str, Any]]:
        """The parameters by name, each with its plain value and whether the use gives it."""
        outer = self.context.outer
        return [(p.name, (bare(outer[p.name]), p.name in self.given)) for p in self.parameters]

    def noted(self, found: Diagnostic) -> Diagnostic:
        """A diagnostic of the body with notes on which use it is about, and with which values."""
        line = self.context.source.line(self.used_at, found.location)
        shapes = ", ".join(map(str, self.types)) or "nothing"
        notes = [f"in the use of `{self.name}` on {line}, which reads {shapes}"]
        text = " ".join((found.message, *found.notes))
        outer, words = self.context.outer, {*re.findall(_WORD, re.sub(_QUOTED, "", text))} - {"N"}
        # a quoted word may be a parameter without its `$`, but it is no size
        words |= {p.name for p in self.parameters} & {*re.findall(_WORD, text)}
        values = [
            f"{name} = {show_value(bare(outer[name])).strip('`')}"
            for name in outer
            if name in words
        ]
        if values and not any(note.startswith("with ") for note in found.notes):
            notes.insert(0, f"with {', '.join(values)}")
        return replace(found, notes=(*found.notes, *notes))


def enter(
    scope: Scope,
    item: Item,
    spec: BlockSpec,
    types: tuple[TensorType, ...],
    index: Size | None,
    given: dict[str, Any] | None = None,
) -> Body:
    """Begin to read a block for an item; `given` arguments are not evaluated again.

    A body that was read before with the same numbers has its graph already. Raises `NetgenError` if
    the block contains itself, or its inputs or arguments are wrong.
    """
    shared = scope.context.shared
    if item.type in shared.bodies.open:
        path = " -> ".join([*shared.bodies.open[shared.bodies.open.index(item.type) :], item.type])
        scope.context.error("NG210", f"a block can't contain itself: {path}", item.path, key=True)
    if len(shared.bodies.open) > DEEPEST_BLOCKS:
        message = f"blocks are nested more than {DEEPEST_BLOCKS} deep"
        scope.context.error("NG210", message, item.path, key=True)
    if not spec.inputs and item.common.get("from", []) != []:
        scope.context.error("NG210", f"`{item.type}` reads nothing", item.at("from"), key=True)
    if len(types) != len(spec.inputs):
        wanted = ", ".join(f"`{name}`" for name in spec.inputs)
        message = f"`{item.type}` reads {len(spec.inputs)} ({wanted}), but {len(types)} given"
        scope.context.error("NG204", message, item.path, key=item.written is not None)
    if chain_of_copies(spec):
        # an `nn.Sequential` has the same keys, and one class serves any number of copies
        spec = replace(spec, sequential=True)
    if given is None:
        first = types[0] if types else None
        given = _given(scope, item, spec, LayerNames(scope, first, index))
    outer: dict[str, Any] = {}
    context = replace(scope.context, parent=scope.context, outer=outer, to_fix=[])
    inputs = tuple(_placeholder(spec, place, type_, outer) for place, type_ in enumerate(types))
    read = inputs[0].type if inputs else None
    inner = LayerNames(Scope(context, {}, inputs, Names(set())), read, None)
    parameters, values = read_block_parameters(context, spec, item.type, given, inner)
    body = Body(item.type, spec, context, inputs, values, parameters, given, types, item.path)
    known = shared.bodies.graphs.get(body.key())
    if known is None or any(need.why == FALSE and context.is_open(v) for v, need in known[1]):
        shared.bodies.open.append(item.type)
    else:
        body.graph, to_fix = known
        context.fix_again(to_fix)
    return body


def read_body(context: Context, body: Body, read: Callable[[Body], Graph]) -> Graph:
    """The graph of a body that was not read before; notes on its mistakes name the use.

    Raises `Unknowable` if the body has mistakes, which are reported once for equal bodies.
    """
    shared, known = context.shared, len(context.shared.findings.found)
    key = body.key()
    try:
        if key in shared.bodies.broken:
            raise Unknowable
        before = shared.findings.count
        with shared.findings.collecting():
            return read(body)
        for place in list(shared.findings.found)[known:]:
            shared.findings.found[place] = body.noted(shared.findings.found[place])
        assert shared.findings.count > before
        shared.bodies.broken.add(key)
        raise Unknowable
    finally:
        shared.bodies.open.pop()


def chain_of_copies(spec: BlockSpec) -> bool:
    """Whether a block has one input and holds nothing but copies of one layer, each with a name."""
    layers = spec.layers
    plain = spec.outputs is None and spec.inputs == ["input"] and not spec.declare
    if len(layers) != 1 or not plain or not isinstance(layers[0], dict) or len(layers[0]) != 1:
        return False
    (written,) = layers[0].values()
    if not isinstance(written, dict) or "from" in written or "when" in written:
        return False
    repeat = written.get("repeat")
    number = str(repeat.get("as", "")) if isinstance(repeat, dict) else ""
    return repeat is not None and counts(written.get("name"), number)


def _given(scope: Scope, item: Item, spec: BlockSpec, names: LayerNames) -> dict[str, Any]:
    """The written arguments of a use, evaluated; positional ones are in the order of `params`."""
    written, context = item.written, scope.context
    paths: dict[str, SpecPath]
    if written is None:
        written, paths = {}, {}
    elif isinstance(written, dict):
        paths = {name: item.at(name) for name in written}
    else:
        values = written if isinstance(written, list) else [written]
        if len(values) > len(spec.params):
            message = f"`{item.type}` has {len(spec.params)} parameters, but {len(values)} given"
            context.error("NG203", message, item.path, key=True)
        many = isinstance(written, list)
        paths = {n: item.at(i) if many else item.path for i, n in enumerate(spec.params)}
        written = dict(zip(spec.params, values, strict=False))
    for name in written:
        if name not in spec.params:
            message = f"the block `{item.type}` has no parameter `{printable(str(name))}`"
            near = closest(str(name), [*spec.params, *COMMON_KEYS])
            help = near or instead_of_argument(str(name))
            context.shared.mistakes.undeclared.setdefault(item.type, []).append(str(name))
            context.error("NG208", message, paths[name], key=True, help=help)
    for name, raw in spec.params.items():
        default = raw.get("default") if isinstance(raw, dict) else raw
        if default == "required" and name not in written:
            message = f"the block `{item.type}` needs `{name}`"
            context.error("NG203", message, item.path, key=item.written is not None)
    given = {name: context.evaluate(value, names, paths[name]) for name, value in written.items()}
    for name, value in given.items():
        check_value(context, name, bare(value), paths[name])
        check_known(context, name, value, paths[name])
    return given


def _placeholder(
    spec: BlockSpec, place: int, type_: TensorType, outer: dict[str, Any]
) -> Placeholder:
    """An input of the body, its sizes named by the block; `outer` gets the user's sizes."""
    name = spec.inputs[place]
    names = iter(dim_names(spec, place, type_.rank - (type_.batch is not None)))
    shape: list[Size] = []
    for at, size in enumerate(type_.shape):
        dim = "N" if at == type_.batch else next(names)
        known = at != type_.batch and not is_unknown(size)
        shape.append(Dim.named(dim, int(size), runtime=True, known=known))
        outer[dim] = size
    bound = None if type_.bound is None else int(type_.bound)
    type_ = replace(type_, shape=tuple(shape), bound=bound)
    alone = spec.inputs == ["input"]
    return Placeholder("x" if alone else name, type_, words=("input",) if alone else ())


def dim_names(spec: BlockSpec, place: int, rank: int) -> list[str]:
    """Names for the sizes of an input of `rank` dimensions, the batch not counted.

    Channels are first and features last, unless the block's layers show that it reads images,
    sequences or indices.
    """
    alone = place == 0 and not _are_numbered(spec.inputs)
    prefix, own = ("in", "") if alone else (spec.inputs[place], f"{spec.inputs[place]}_")
    between = _SPATIAL.get(rank, tuple(f"S{number}" for number in range(1, rank - 1)))
    ends = [f"{prefix}_channels", *(f"{own}{name}" for name in between), f"{prefix}_features"]
    kind = next(kinds(spec.layers), "")
    if kind in _PLACES.get(rank, ()):  # the last size is no number of features
        ends[-1] = f"{own}{'length' if rank == 2 else 'width'}"
    elif rank == 1 and kind == "numbers":
        ends[-1] = f"{own}length"
    elif rank == 2 and kind == "last":
        ends[0] = f"{own}length"
    names = ends[-1:] if rank == 1 else ends if rank else []
    taken = {*spec.params, *spec.inputs, *written_names(spec.layers)}
    return [f"input_{name}" if name in taken else name for name in names]


def _are_numbered(inputs: Sequence[str]) -> bool:
    """Whether inputs differ by a number, as ``c2, c3``: then none of them is the main one."""
    stems = {name.rstrip(digits) for name in inputs}
    return len(inputs) > 1 and len(stems) == 1 and all(name[-1] in digits for name in inputs)


def kinds(layers: Any) -> Iterator[str]:
    """What the layers of a block read, in their order: `1d`, `2d`, `3d`, `last` and the like.

    A `Conv2d` reads `2d`, an `Interpolate` any `places` behind channels, a `Linear` the `last`
    dimension, an `Embedding` `numbers` (indices).
    """
    if isinstance(layers, list):
        for item in layers:
            yield from kinds(item)
    elif isinstance(layers, dict):
        for word, inner in layers.items():
            yield from kinds(word)
            yield from kinds(inner)
    elif isinstance(layers, str) and (found := dimensions_read(layers)):
        yield found


def graph_of(body: Body, scope: Scope, current: tuple[Ref, ...]) -> Graph:
    """The graph of a body whose layers have been read; it is kept for uses with an equal key."""
    path: SpecPath = ("blocks", body.name)
    with ending(scope, (*path, "inputs")):
        outputs = read_outputs(scope, body.spec.outputs, current, (*path, "outputs"))
        if not outputs:
            message = "what the block gives must be named under `outputs`"
            scope.context.error("NG210", message, (*path, "layers"), key=True)
        if not scope.inputs:
            _check_device(scope)
    nodes, modules = module_tree(scope, body.spec.declare, (*path, "declare"))
    graph = Graph(
        body.name,
        body.spec.description,
        tuple(body.parameters),
        scope.inputs,
        modules,
        nodes,
        outputs,
        scope.context.document.style,
        {},
        {name: bare(value) for name, value in body.context.outer.items()},
        body.spec.sequential,
    )
    shared = body.context.shared
    shared.bodies.inside[graph] = sum(_calls(call, shared.bodies.inside) for call in scope.calls)
    shared.bodies.graphs[body.key()] = (graph, body.context.to_fix)
    return graph


def _check_device(scope: Scope) -> None:
    """Refuse sources that need a device in a block without inputs that has no weights, either."""
    fresh = [call for call in scope.calls if call.row is not None and call.row.fresh]
    modules = (Module.of(call, "") for call in scope.calls if not call.name.count("."))
    if fresh and not any(map(is_steady, modules)):
        type_ = fresh[0].row.name if fresh[0].row else ""
        message = f"`{type_}` has no device here: the block reads nothing and has no weights"
        help = "write a `Buffer` instead, or give the block an input"
        scope.context.error("NG210", message, fresh[0].path, key=True, help=help)


def _calls(call: Node, inside: dict[Graph, int]) -> int:
    """The number of calls in a call, those in containers and blocks included."""
    own = 1 if call.use is None else inside[call.use.graph]
    return own + sum(_calls(child, inside) for child in call.body)


def holds_weights(body: Body) -> bool:
    """Whether a use of a block has weights, or would have some with other arguments."""
    if body.context.holds_types or (body.graph is not None and not body.graph.is_stateless):
        return True
    return may_hold_weights(body.context.shared, body.spec.layers)


def may_hold_weights(shared: Shared, written: Any, seen: frozenset[str] = frozenset()) -> bool:
    """Whether a type that may have weights, or a block with one in it, is named in layers."""
    if isinstance(written, (dict, list)):
        inner = [*written, *written.values()] if isinstance(written, dict) else written
        return any(may_hold_weights(shared, item, seen) for item in inner)
    if not isinstance(written, str) or written in seen:
        return False
    block, row = shared.known.blocks.get(written), shared.known.rows.get(written)
    if block is not None:
        return may_hold_weights(shared, block.layers, seen | {written})
    return row is not None and row.weights is not no_weights


def call_of(scope: Scope, item: Item, body: Body, reads: tuple[Ref, ...], name: str | None) -> Node:
    """The call of a block whose body's graph is known."""
    graph = body.graph
    assert graph is not None
    shared = scope.context.shared
    calls = shared.bodies.inside.get(graph, 0)
    scope.context.count(calls, item.path, key=item.written is not None)
    use = Use(body.name, graph, dict(body.context.outer), body.given, body.spec, item.path)
    outputs = {
        port: rebind_type(graph.type_of(ref), body.context.outer)
        for port, ref in zip(ports(graph), (ref for _, ref in graph.outputs), strict=True)
    }
    row = Layer(
        name=body.name,
        stem=snake_case(body.name),
        rule=no_rule,
        weights=lambda a: graph.weights,
        tensors=tuple(body.spec.inputs),
        ports=tuple(outputs) if len(outputs) > 1 else (),
        local=True,
    )
    return Node(
        path=item.path,
        row=row,
        inputs=reads,
        outputs=outputs,
        use=use,
        callee=item.callee,
        stem=row.stem,
        name=name or "",
        written=name is not None,
    )


def no_rule(*_: Any) -> TensorType:
    """Stands for the rule of a block, whose shapes are those of its body; never called."""
    raise AssertionError("the shapes of a block are those of its body")


def ports(graph: Graph) -> list[str]:
    """The names of a block's outputs."""
    if graph.outputs[0][0] is None and len(graph.outputs) == 1:
        return ["output"]
    return [key if key is not None else str(i) for i, (key, _) in enumerate(graph.outputs)]
