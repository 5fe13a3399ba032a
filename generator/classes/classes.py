"""All uses of a block as one class, with the arguments that its constructor needs.

Its arguments are the parameters in the spec and all that differs between the uses otherwise: the
size of an input, or a number that no expression gives.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from msgspec.structs import replace

from ..ir.graph import Graph, Node, Parameter, Ref, Use, uses_in
from ..ir.substitute import rebind
from ..layers.base import REQUIRED, Arg, Layer
from ..layers.kinds import ANY, LIST
from ..layers.tensor import TensorType
from ..lower.blocks import dim_names, no_rule
from ..lower.parameters import bare
from ..lower.type_words import words
from ..spec.source import Source
from ..symbolic.literals import literal
from ..symbolic.names import snake_case
from ..symbolic.sizes import Dim, Size, symbols_in
from ..symbolic.syntax import ExpressionError
from .common_value import Case, Expressions, Group, Inexpressible
from .letters import equal_sizes, letters_of
from .merge import Merge
from .values import Values


def class_graphs(graph: Graph, source: Source) -> tuple[Graph, ...]:
    """The classes of a file, as graphs: a block's before those that use it, the network's last."""
    rows = {row.name: row for row in graph.imports}
    also = frozenset(alias.name.rpartition(".")[2] for alias in graph.aliases)
    blocks, classes = uses_in(graph), []
    alike = equal_sizes(graph, blocks)
    for block, uses in blocks.items():
        classes.append(_block_class(uses, rows, source, also, alike.get(block, {})))
        rows[block] = _row(classes[-1])
    return (*classes, _network_class(graph, rows, source, also))


def _bypassed(graph: Graph) -> Graph:
    """The graph with each reference to a call that is never made replaced by what it passes on."""
    nodes = tuple(_reading(node, graph.origin) for node in graph.nodes)
    outputs = tuple((key, graph.origin(ref)) for key, ref in graph.outputs)
    return replace(graph, nodes=nodes, outputs=outputs)


def _reading(node: Node, real: Callable[[Ref], Ref]) -> Node:
    """The call, and those in it, with what is `real` in place of each reference."""
    choices = tuple(
        replace(choice, refs={text: real(ref) for text, ref in choice.refs.items()})
        for choice in node.choices
    )
    return replace(
        node,
        inputs=tuple(map(real, node.inputs)),
        named=tuple((name, real(ref)) for name, ref in node.named),
        otherwise=None if node.otherwise is None else real(node.otherwise),
        choices=choices,
        body=tuple(_reading(call, real) for call in node.body),
    )


def _network_class(
    graph: Graph, rows: Mapping[str, Layer], source: Source, also: frozenset[str]
) -> Graph:
    terms = graph.terms()
    allowed = frozenset({*graph.values, "index"})
    merged = Merge([graph], [Case(0, terms, terms)], allowed, rows, source, also, closed=True)
    network = merged.graph()
    used = merged.values.expressions.used
    used |= {symbol.name for found in graph.initial for symbol in symbols_in(found.init)}
    params = []
    for parameter in reversed(graph.params):
        reached = parameter.name in used
        if reached and parameter.code:
            used |= parameter.depends
            parameter = replace(parameter, code=_default_code(parameter.default, merged.values))
        if reached and not parameter.fixed and parameter.name in merged.values.lists:
            parameter = replace(parameter, hint=hint_for([parameter.value], any_length=True))
        if parameter.is_type and not parameter.fixed:
            value = merged.values.as_type(parameter.value)
            parameter = replace(parameter, value=value, hint="type[nn.Module]")
        params.append(replace(parameter, used=reached))
    initial = tuple(replace(one, init=merged.values.typed(one.init)) for one in graph.initial)
    return _bypassed(replace(network, params=tuple(reversed(params)), initial=initial))


def _block_class(
    uses: Sequence[Use],
    rows: Mapping[str, Layer],
    source: Source,
    also: frozenset[str],
    alike: Mapping[str, str],
) -> Graph:
    """The graph of a block's class; sets the constructor's arguments (`call`) of each use.

    `also` are further names that modules in it may have, `alike` sizes of inputs that are equal.
    """
    dims = [name for name in _arguable(uses[0]) if all(name in use.outer for use in uses)]
    constant = _constants(uses)
    cases = [
        Case(number, {**use.graph.terms(), **constant}, use.outer, frozenset(constant))
        for number, use in enumerate(uses)
    ]
    names = {parameter.name for parameter in uses[0].graph.params}
    allowed = frozenset({*names, *(d for d in dims if d not in constant), "index"})
    merged = Merge([use.graph for use in uses], cases, allowed, rows, source, also)
    graph, values = merged.graph(), merged.values
    params = _parameters(uses, values, cases)
    given = [name for name in dims if name in values.expressions.used]
    inferred = [
        *(_inferred(uses, name, [use.outer[name] for use in uses]) for name in given),
        *(_inferred(uses, name, list(own.values())) for name, own in values.extras.items()),
    ]
    for number, use in enumerate(uses):
        use.call.update({name: use.outer[name] for name in given})
        for name, own in values.extras.items():
            # where the layer is absent, nothing reads the argument: another use's number will do
            use.call[name] = own.get(number, bare(next(iter(own.values()))))
        for parameter in params:
            if parameter.name in use.given or parameter.required:
                use.call[parameter.name] = use.outer[parameter.name]
    arguments = {parameter.name for parameter in (*inferred, *params)}
    letters = letters_of(uses, {*given}, constant, alike)
    shapes = _shapes(uses, cases, allowed, letters, arguments)
    graph = replace(
        graph, params=(*inferred, *params), is_block=True, shapes=shapes, letters=letters
    )
    return _bypassed(graph)


def _arguable(use: Use) -> list[str]:
    """The sizes of inputs that may be arguments: the first and last of each, the batch left out."""
    found = []
    for place, placeholder in enumerate(use.graph.inputs):
        rank = placeholder.type.rank - (placeholder.type.batch is not None)
        names = dim_names(use.spec, place, rank)
        found += [name for name in names if name in (names[0], names[-1])]
    return found


def _constants(uses: Sequence[Use]) -> dict[str, Any]:
    """The sizes of inputs that are one number in all uses."""
    found = {}
    for name in dict.fromkeys(name for name, _, _ in uses[0].graph.size_names):
        values = [use.outer.get(name) for use in uses]
        if not symbols_in(values) and len({*values}) == 1:
            found[name] = values[0]
    return found


def _parameters(uses: Sequence[Use], values: Values, cases: Sequence[Case]) -> list[Parameter]:
    """The block's parameters that its class needs. Required ones come first."""
    found: list[Parameter] = []
    for parameter in reversed(uses[0].graph.params):
        if parameter.name in values.expressions.used:
            found.insert(0, _parameter(parameter, uses, values, cases))
    return sorted(found, key=lambda parameter: not parameter.required)


def _parameter(
    parameter: Parameter, uses: Sequence[Use], values: Values, cases: Sequence[Case]
) -> Parameter:
    """A parameter with a default that is right in all uses, or required if there is none."""
    name, is_type = parameter.name, parameter.name in values.types
    params = [own for use in uses for own in use.graph.params if own.name == name]
    defaults = [(case, own.default) for case, own in zip(cases, params, strict=True)]
    # where the default is another parameter's type, or reads its word, each use gives its own
    written = [default for _, default in defaults]
    follows = is_type and bool(symbols_in(written))
    follows = follows or any(words(written, values.given_types))
    default, required = None, any(own.required for own in params) or follows
    try:
        default = None if required else values.expressions.common(defaults)
    except Inexpressible:
        required = True
    if is_type:
        value, code, hint = None if required else values.as_type(default), None, "type[nn.Module]"
    else:
        value, code = bare(default), _default_code(default, values) if symbols_in(default) else None
        known = [*(bare(use.outer[name]) for use in uses), *([] if required else [value])]
        hint = values.hints.get(name) or hint_for(known, any_length=name in values.lists)
    return replace(
        parameter,
        value=value,
        code=code,
        required=required,
        hint=hint,
        is_type=is_type,
        depends=frozenset(symbol.name for symbol in symbols_in(default)),
    )


def _default_code(default: Any, values: Values) -> str:
    """The expression of a default that other parameters decide, in the class's terms."""
    return literal(values.typed(default))


def _inferred(uses: Sequence[Use], name: str, values: Sequence[object]) -> Parameter:
    """A required argument of the class that is no parameter in the spec."""
    hint = hint_for([bare(v) for v in values])
    return Parameter(name, None, None, required=True, inferred=True, hint=hint)


def hint_for(values: Sequence[Any], *, any_length: bool = False) -> str:
    """The annotation of an argument that takes these values."""
    lists = [value for value in values if isinstance(value, (list, tuple))]
    hints = dict.fromkeys(_hint(value) for value in values if value not in lists)
    if lists and not (any_length and any(lists)) and len({len(value) for value in lists}) == 1:
        places = [hint_for(items) for items in zip(*lists, strict=True)]
        hints[f"tuple[{', '.join(places) or '()'}]"] = None
    elif lists:
        hints[f"tuple[{hint_for([item for value in lists for item in value])}, ...]"] = None
    if "float" in hints:
        hints.pop("int", None)
    if "None" in hints:
        hints.pop("None")
        hints["None"] = None
    return " | ".join(hints)


def _hint(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return f"tuple[{', '.join(map(_hint, value)) or '()'}]"
    return "None" if value is None else type(value).__name__


def _row(graph: Graph) -> Layer:
    """The row for a class, with which other classes use it as a type of layer."""
    channels = _channels(graph)
    args = tuple(
        Arg(
            parameter.name,
            LIST if ", ...]" in parameter.hint else ANY,
            REQUIRED if parameter.required else None if parameter.code else parameter.value,
            positional=parameter.required,
            named=parameter.name not in channels,
            names_type=parameter.is_type,
        )
        for parameter in graph.params
    )
    return Layer(
        name=graph.name,
        stem=snake_case(graph.name),
        rule=no_rule,
        args=args,
        ports=tuple(str(place) for place in range(len(graph.outputs))),
        local=True,
    )


def _channels(graph: Graph) -> set[str]:
    """The arguments of a class that are numbers of channels or features, by name or by use.

    The class of a single operation has the operation's own.
    """
    only = graph.nodes[0].row if len(graph.nodes) == 1 else None
    if only is not None and only.name == graph.name:
        return {arg.name for arg in only.args if arg.positional}
    found = {parameter.name for parameter in graph.params if _counts_channels(parameter.name)}
    waiting = list(graph.modules)
    for module in waiting:  # the list grows while it is iterated
        waiting += module.children
        for arg in module.row.args if module.row is not None else ():
            value = module.node.args[arg.name]
            by_name = module.row is not None and (module.row.local or _counts_channels(arg.name))
            if isinstance(value, Dim) and arg.positional and not arg.named and by_name:
                found.add(value.code)
    return found


def _counts_channels(name: str) -> bool:
    return name.endswith(("channels", "features"))


def _shapes(
    uses: Sequence[Use],
    cases: Sequence[Case],
    allowed: frozenset[str],
    names: Mapping[str, str],
    arguments: set[str],
) -> tuple[tuple[TensorType, ...], tuple[TensorType, ...]]:
    """The types of inputs and outputs in all uses, with names for the sizes that vary."""
    first = uses[0].graph
    letters = {**first.terms(), **{name: Dim.named(own, 1) for name, own in names.items()}}
    expressions = Expressions(allowed)

    def merged(types: Iterable[Sequence[TensorType]]) -> tuple[TensorType, ...]:
        groups = ([*zip(cases, own, strict=True)] for own in zip(*types, strict=True))
        return tuple(_type(group, expressions, letters, arguments) for group in groups)

    inputs = merged([x.type for x in use.graph.inputs] for use in uses)
    outputs = merged([use.graph.type_of(ref) for _, ref in use.graph.outputs] for use in uses)
    return inputs, outputs


def _type(
    group: Sequence[tuple[Case, TensorType]],
    expressions: Expressions,
    letters: Mapping[str, Any],
    arguments: set[str],
) -> TensorType:
    """The type of one input or output in all uses; ``*`` stands for dimensions that vary in number.

    Sizes that are no expression of arguments get the names in `letters`.
    """
    first = group[0][1]

    def size(place: int) -> Size:
        sizes = [(case, type_.shape[place]) for case, type_ in group]
        try:
            found = expressions.common(sizes, forward=True)
        except Inexpressible:
            found = _equal_by_number(sizes, arguments)
        if found is None:
            return Dim.named(f"D{place % first.rank}", int(first.shape[place]))
        return rebind(found, letters)  # type: ignore[no-any-return]

    ranks = {type_.rank for _, type_ in group}
    if len(ranks) == 1:
        return replace(first, shape=tuple(map(size, range(first.rank))))
    varying = Dim.named("*", 0)
    return replace(first, shape=(size(0), varying, size(-1)) if all(ranks) else (varying,))


def _equal_by_number(sizes: Group, arguments: set[str]) -> Any:
    """The size, of those in `arguments` alone, that has the right number in all uses, if any has.

    A shortcut is absent where `in_channels` and `out_channels` are equal: either may be said.
    """
    for _, value in sizes:
        names = {symbol.name for symbol in symbols_in(value)}
        with suppress(ExpressionError):  # a list may have no such item in another use
            if names and names <= arguments:
                numbers = [int(rebind(value, case.own)) for case, _ in sizes]
                if numbers == [int(own) for _, own in sizes]:
                    return value
    return None
