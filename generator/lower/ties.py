"""`tie`: one parameter (a weight) under two names."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from ..diagnostics.diagnostics import printable
from ..ir.graph import Graph, Module
from ..ir.needs import Need
from ..ir.substitute import rebind
from ..layers.base import Parametrization, Weight
from ..symbolic.equality import same
from ..symbolic.hints import closest
from ..symbolic.literals import literal
from ..symbolic.names import is_identifier
from ..symbolic.sizes import Size, plain, shape_text, symbols_in
from .context import INDEX, Context
from .initial import varying


def read_ties(context: Context, graph: Graph) -> Graph:
    """The graph with the ties of the document; mistakes are reported, wrong ties left out."""
    weights = {weight.name: weight for weight in graph.weights if weight.trainable}
    ties = []
    for left, right in context.document.tie.items():
        with context.shared.findings.collecting():
            _check_plain(context, graph, left, right)
            _check(context, weights, left, right)
            _check_no_circle(context, left, right)
            _fix(context, graph, left, right)
            ties.append((left, right))
    return replace(graph, ties=tuple(ties))


def _check(context: Context, weights: Mapping[str, Weight], left: str, right: str) -> None:
    """Refuse a tie unless both sides are parameters of one shape."""
    for side, key in ((left, True), (right, False)):
        if side not in weights:
            message = f"there is no parameter `{printable(side)}`"
            help = _of_layers(weights, (left, right)) or closest(side, weights)
            context.error("NG204", message, ("tie", left), key=key, help=help)
    pair = (weights[left], weights[right])
    sizes = [shape_text([int(size) for size in weight.shape]) for weight in pair]
    if sizes[0] != sizes[1]:
        message = f"`{left}` {sizes[0]} can't be `{right}` {sizes[1]}"
        context.error("NG211", message, ("tie", left))


def _of_layers(weights: Mapping[str, Weight], sides: Sequence[str]) -> str | None:
    """The help for a tie of layers, where both sides are names of layers that have weights."""
    first = [next((n for n in weights if n.startswith(f"{side}.")), None) for side in sides]
    if None in first:
        return None
    one = min(sides, key=lambda side: [*weights].index(str(first[sides.index(side)])))
    other = sides[1] if one == sides[0] else sides[0]
    return (
        f"`tie` has paths of weights, such as `{first[0]}`; to apply the layer `{one}` twice, "
        f"write `Reuse: {{layer: {one}}}` in the place of `{other}`"
    )


def _check_plain(context: Context, graph: Graph, left: str, right: str) -> None:
    """Refuse weights that are computed, and those that they are computed from."""
    for path, way in _computed(graph):
        for side, key in ((left, True), (right, False)):
            inside = side.startswith(f"{path}.parametrizations.{way.weight}.")
            if inside or side == f"{path}.{way.weight}":
                message = f"`{printable(side)}` can't be tied: `{way.function}` computes the weight"
                context.error("NG211", message, ("tie", left), key=key)


def _computed(graph: Graph) -> Iterator[tuple[str, Parametrization]]:
    """The weights that are computed, each with the path of its layer."""
    for path, module in graph.layers():
        for way in () if module.row is None else module.row.parametrized:
            yield path, way


def _check_no_circle(context: Context, left: str, right: str) -> None:
    """Refuse ties in a circle: a parameter would be tied to itself."""
    ties = context.document.tie
    for _ in ties:
        if right == left:
            message = f"`{left}` would be tied to itself"
            context.error("NG211", message, ("tie", left))
        right = ties.get(right, right)


def _fix(context: Context, graph: Graph, left: str, right: str) -> None:
    """Fix arguments on which it depends that both sides exist and have one shape."""
    own = [(module.name, module) for module in graph.modules]
    sides = [_of(own, path) for path in (left, right)]
    pairs = zip(sides[0].shape, sides[1].shape, strict=True)
    unequal = [pair for pair in pairs if not same(*pair) or any(map(_is_numbered, pair))]
    need = Need(("tie", left), "needs two parameters of one shape")
    for value in (*sides[0].conditions, *sides[1].conditions, *chain(*unequal)):
        context.fix(value, need)


class _Tied(Struct, frozen=True):
    """A parameter's shape, and the values on which it depends whether it exists.

    Both are in the scope's terms.
    """

    shape: Sequence[Size]
    conditions: Sequence[Any] = ()


def _of(modules: Iterable[tuple[str, Module]], path: str) -> _Tied:
    """The parameter at a path that begins with the key of one of these modules."""
    for key, module in modules:
        if not module.absent and (not key or f"{path}.".startswith(f"{key}.")):
            return _below(module, path[len(key) :].lstrip("."))
    raise AssertionError(f"no module has {path}")


def _below(module: Module, path: str) -> _Tied:
    """The parameter at this path inside a module."""
    if module.node.use is not None:
        inner = _of([(child.name, child) for child in module.node.use.graph.modules], path)
        outer = module.node.use.outer
        values = (*inner.shape, *inner.conditions)
        conditions = [*outside(inner.conditions, outer), *behind(values, outer)]
        found = _Tied(outside(inner.shape, outer), conditions)
    elif module.row is not None:
        shape = next(weight.shape for weight in module.weights if weight.name == path)
        found = _Tied(shape, [*varying(module, path)])
    else:
        found = _of(module.entries(), path)
        found = replace(found, conditions=[*found.conditions, *moving(module, path)])
    return replace(found, conditions=[module.condition, *found.conditions])


def moving(container: Module, path: str) -> list[Any]:
    """The values that decide on which child of a container has the number that begins a path."""
    if container.node.kind == "ModuleDict" or not path.partition(".")[0].isdecimal():
        return []  # a key stays as it is
    return [value for child in container.children for value in (child.condition, child.node.count)]


def outside(values: Sequence[Any], outer: Mapping[str, Any]) -> list[Any]:
    """Values of a block in its user's terms; those with a copy's number become plain numbers."""
    return [plain(value) if _is_numbered(value) else rebind(value, outer) for value in values]


def behind(values: Sequence[Any], outer: Mapping[str, Any]) -> list[Any]:
    """What those values of a block hang on that have a copy's number, in its user's terms."""
    names = [symbol.name for x in values if _is_numbered(x) for symbol in symbols_in(x)]
    return [outer[name] for name in dict.fromkeys(names) if name in outer]


def _is_numbered(value: Any) -> bool:
    """Whether a value hangs on the number of a copy: equal expressions then have other values."""
    return INDEX in {symbol.name for symbol in symbols_in(value)}


def tie_lines(graph: Graph) -> list[str]:
    """The statements of ``__init__`` that put one parameter under a second name."""
    # to a type checker the attributes of a layer with computed weights are unknown, and so are the
    # children of an `nn.Sequential`
    opaque = {path for path, _ in _computed(graph)} if graph.ties else set()
    opaque |= {module.name for module in graph.modules[0].children} if graph.sequential else set()
    return [
        registered(_owner(graph, left), left.rpartition(".")[2], _parameter(right, opaque))
        for left, right in graph.ties
    ]


def _owner(graph: Graph, path: str) -> str:
    """The expression for the module that gets a parameter: ``self.head`` or ``self.heads[0]``."""
    module = path.rpartition(".")[0]
    if not module:
        return "self"
    container, _, key = module.partition(".")
    kind = next((own.node.kind for own in graph.modules if own.name == container), "")
    if not graph.sequential and not key:
        return f"self.{module}"
    if kind in ("ModuleDict", "ModuleList") and "." not in key:
        return f"self.{container}[{literal(key) if kind == 'ModuleDict' else key}]"
    return f"self.get_submodule({literal(module)})"


def registered(owner: str, name: str, parameter: str) -> str:
    """The statement that gives a module a parameter, whose name may be a number."""
    if name.isdecimal():
        return f"{owner}.register_parameter({literal(name)}, {parameter})"
    return f"{owner}.{name} = {parameter}"


def _parameter(path: str, opaque: Container[str]) -> str:
    module, _, name = path.rpartition(".")
    simple = is_identifier(module) and name in ("weight", "bias") and module not in opaque
    return f"self.{path}" if simple or "." not in path else f"self.get_parameter({literal(path)})"
