"""Initial weights (`init`): functions of `torch.nn.init` for layers by type, name or path.

A type may stand behind the path of what holds its layers (``fpn.Conv2d``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NoReturn

from msgspec import Struct
from msgspec.structs import replace

from ..diagnostics.diagnostics import SpecPath, printable
from ..ir.graph import Graph, Initial, Module
from ..ir.needs import Need
from ..layers import CATALOGUE, LOCAL
from ..layers.base import Init, Layer, Nested, Parametrization, Weight, arguments
from ..layers.kin import CONVOLUTIONS, TRANSPOSED, holds_hidden_layers
from ..layers.models import show_value
from ..symbolic.hints import closest
from ..symbolic.literals import literal
from ..symbolic.names import is_identifier
from ..symbolic.sizes import plain, shape_text, symbols_in
from .context import Context, ParameterNames

# the functions with their arguments in torch's order, and how many must be given
FUNCTIONS: Mapping[str, tuple[tuple[str, ...], int]] = {
    "uniform_": (("a", "b"), 0),
    "normal_": (("mean", "std"), 0),
    "trunc_normal_": (("mean", "std", "a", "b"), 0),
    "constant_": (("val",), 1),
    "ones_": ((), 0),
    "zeros_": ((), 0),
    "eye_": ((), 0),
    "dirac_": (("groups",), 0),
    "xavier_uniform_": (("gain",), 0),
    "xavier_normal_": (("gain",), 0),
    "kaiming_uniform_": (("a", "mode", "nonlinearity"), 0),
    "kaiming_normal_": (("a", "mode", "nonlinearity"), 0),
    "orthogonal_": (("gain",), 0),
    "sparse_": (("sparsity", "std"), 1),
}
_LOW = {"uniform_": 0.0, "trunc_normal_": -2.0}  # the defaults of `a`; those of `b` are 1 and 2
WORDS = {
    "mode": ("fan_in", "fan_out"),
    "nonlinearity": (
        *("linear", "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d"),
        *("conv_transpose3d", "sigmoid", "tanh", "relu", "leaky_relu", "selu"),
    ),
}


def read_init(context: Context, raw: Any, names: Any, path: SpecPath) -> Init:
    """The function that is written, as its name or as its name with arguments.

    Raises `NetgenError` if torch has no such function or would refuse the arguments.
    """
    written: Any = {}
    if isinstance(raw, dict) and len(raw) == 1:
        ((raw, written),) = raw.items()
        path = (*path, raw)
    if not isinstance(raw, str) or raw not in FUNCTIONS:
        help = closest(raw, FUNCTIONS) if isinstance(raw, str) else None
        message = "this should be a function of torch.nn.init, as `normal_: {std: 0.02}`"
        context.error("NG203", message, path, help=help)
    known, needed = FUNCTIONS[raw]
    if not isinstance(written, dict):
        values = written if isinstance(written, list) else [written]
        written = dict(zip(known, values, strict=False))
        if len(values) > len(known):
            context.error("NG203", f"`{raw}` takes {len(known)} arguments", path)
    args = []
    for name in known:
        if name in written:
            value = context.evaluate(written[name], names, (*path, name))
            args.append((name, _checked(context, raw, name, value, path)))
    for name in written:
        if name not in known:
            message = f"`{raw}` has no argument `{printable(str(name))}`"
            help = closest(str(name), known)
            context.error("NG203", message, (*path, name), key=True, help=help)
    if len(args) < needed:
        context.error("NG203", f"`{raw}` needs `{known[0]}`", path, key=True)
    given = {name: plain(value) for name, value in args}
    if given.get("std", 0.0) < 0:
        context.error("NG203", "`std` must be 0 or more", (*path, "std"))
    low, high = given.get("a", _LOW.get(raw)), given.get("b", -_LOW.get(raw, 0.0) or 1.0)
    if raw in _LOW and low is not None and low > high:
        context.error("NG203", f"`{raw}` draws from `a` to `b`, but {low} is above {high}", path)
    return Init(raw, tuple(args))


def _checked(context: Context, function: str, name: str, value: Any, path: SpecPath) -> Any:
    words = WORDS.get(name)
    bare = plain(value)
    right = bare in words if words else isinstance(bare, (int, float)) and bare is not True
    if not right:
        expected = " or ".join(f"`{word}`" for word in words or ()) or "a number"
        message = f"`{name}` of `{function}` should be {expected}, but this is {show_value(value)}"
        help = closest(bare, words) if words and isinstance(bare, str) else None
        context.error("NG203", message, (*path, name), help=help)
    return value


def read_initial(context: Context, graph: Graph, values: Mapping[str, Any]) -> Graph:
    """The graph with the initial weights that the document writes; mistakes are reported."""
    names = ParameterNames(values, context)
    found: list[Initial] = []
    layers, foreseen = [*graph.layers()], [*_foreseen(graph.modules)]
    for key, weights in context.document.init.items():
        with context.shared.findings.collecting():
            selected = _selected(context, graph, key, layers, foreseen)
            if selected is None:
                continue  # with these values there is none
            for weight, raw in weights.items():
                with context.shared.findings.collecting():
                    initial = _initial(context, graph, selected, str(weight), raw, names)
                    found += [] if initial is None else [initial]
    return replace(graph, initial=tuple(found))


class _Selected(Struct, frozen=True):
    """The layers that a key of `init` means.

    `kind`, `key` and `scope` are those of `Initial`. The layers are there now (`matched`, with
    their paths), or other arguments make them (`others`); `hiding` are layers of torch that may
    hold such layers, which the graph does not have.
    """

    kind: str
    key: str
    scope: str
    matched: list[tuple[str, Module]]
    others: list[Module]
    hiding: list[Module]

    @property
    def type(self) -> str:
        """The type that the key names."""
        return self.key.rpartition(".")[2] if self.scope else self.key


def _selected(
    context: Context,
    graph: Graph,
    key: str,
    layers: Sequence[tuple[str, Module]],
    foreseen: Sequence[tuple[str, Module]],
) -> _Selected | None:
    """The layers that a key means, of all with their paths; ``None`` if none with these values.

    Raises `NetgenError` if there is none; with other values (`--set`) notes that in `unmatched`.
    """
    scope, _, last = key.rpartition(".")
    if not _is_type(context, last) or any(place == key for place, _ in (*layers, *foreseen)):
        scope = ""
    within = f"{scope}." if scope else ""
    holds = [m for place, m in (*layers, *foreseen) if f"{place}.".startswith(within)]
    kind = "type" if scope or _is_type(context, key) else "path" if "." in key else "name"
    if scope:
        layers = [*_inside(scope, layers)]
        holding = _renumbered(graph.modules, scope.split("."), anywhere=False)
        numbered = [module for one in holding for _, module in one.layers("")]
        holds += numbered
        possible = (*(module for _, module in _inside(scope, foreseen)), *numbered)
        others = [module for module in possible if _has_type(module, last)]
        matched = [(place, module) for place, module in layers if _has_type(module, last)]
    else:
        matched = [(place, module) for place, module in layers if _matches(key, place, module)]
        others = [module for place, module in foreseen if _matches(key, place, module)]
        children = _renumbered(graph.modules, key.split("."), anywhere="." not in key)
        others += [module for module in children if module.node.kind in ("layer", "absent")]
    of_torch = kind == "type" and last not in context.known.blocks
    hiding = [module for module in holds if module.row and holds_hidden_layers(module.row)]
    if matched or others or (of_torch and hiding):
        return _Selected(kind, key, scope, matched, others, hiding if of_torch else [])
    if not context.overrides:
        _refuse_unknown(context, graph, key, scope)
    context.shared.unmatched = True
    return None


def _inside(scope: str, layers: Iterable[tuple[str, Module]]) -> Iterator[tuple[str, Module]]:
    return ((place, module) for place, module in layers if place.startswith(f"{scope}."))


def _refuse_unknown(context: Context, graph: Graph, key: str, scope: str) -> NoReturn:
    layers = [*graph.layers()]
    inside = [module.row.name for _, module in _inside(scope, layers) if scope and module.row]
    if inside:
        last = key.rpartition(".")[2]
        message = f"there is no `{printable(last)}` in `{printable(scope)}`"
        help = closest(last, dict.fromkeys(inside))
    else:
        message = f"there is no layer `{printable(key)}`"
        help = closest(key, dict.fromkeys(_keys(layers, scoped="." in key)))
    context.error("NG204", message, ("init", key), key=True, help=help)


def _keys(layers: list[tuple[str, Module]], *, scoped: bool) -> Iterator[str]:
    """The keys of `init` that mean something: names, paths and types, also those in a scope."""
    yield from (place.rpartition(".")[2] for place, _ in layers)
    yield from (place for place, _ in layers)
    for place, module in layers:
        if module.row is not None:
            yield module.row.name
            parts = place.split(".") if scoped else ()
            yield from (
                f"{'.'.join(parts[:count])}.{module.row.name}" for count in range(1, len(parts))
            )


def _is_type(context: Context, key: str) -> bool:
    row = context.known.rows.get(key)
    imported = row is not None and bool(row.imported)
    return imported or any(key in known for known in (context.known.blocks, CATALOGUE, LOCAL))


def _initial(
    context: Context,
    graph: Graph,
    selected: _Selected,
    weight: str,
    raw: Any,
    names: ParameterNames,
) -> Initial | None:
    """The call for one weight of the layers that a key means.

    Raises `NetgenError` if none of them has the weight; with `--set` gives `None` instead.
    """
    key, matched, others = selected.key, selected.matched, selected.others
    path: SpecPath = ("init", key, weight)
    there = [_has(module, weight) for _, module in matched]
    hidden = _hides(selected.hiding, weight)
    possible = hidden or any(_may_have(other, weight) for other in others)
    if (matched or others) and not any(there) and not possible:
        if context.overrides:
            context.shared.unmatched = True
            return None
        message = f"`{printable(key)}` has no parameter `{printable(weight)}`"
        known = [w.name for _, module in matched for w in module.bare_weights]
        context.error("NG204", message, path, key=True, help=closest(weight, known))
    init = read_init(context, raw, names, path)
    for _, module in matched:
        for found in module.bare_weights:
            if found.name == weight:
                _check_fits(context, init, found, path)
    varies = [next(varying(module, weight), None) is not None for _, module in matched]
    meant = [m for (_, m), *has in zip(matched, there, varies, strict=True) if any(has)]
    meant += [m for m in others if _may_have(m, weight)]
    types = tuple(dict.fromkeys(module.row.name for module in meant if module.row))
    types = types or (selected.type,)
    inner = any(_may_lack_biases(hiding.node.args) for hiding in selected.hiding)
    lacking = any(not _has(m, weight) or [*varying(m, weight)] for m in others)
    guarded = not all(there) or any(varies) or lacking or (weight == "bias" and inner)
    computed = [_ways(module, weight) for module in meant]
    ways = _common_ways(context, key, weight, init, computed, path)
    mixed = bool(ways) and (() in computed or guarded or hidden)
    opaque = any(module.row is not None and bool(module.row.parametrized) for module in meant)
    top = _is_attribute(graph, selected)
    return Initial(
        selected.kind, key, types, weight, init, selected.scope, guarded, top, ways, mixed, opaque
    )


def _is_attribute(graph: Graph, selected: _Selected) -> bool:
    """Whether the scope, or the one layer that a name means, is always an attribute of the network.

    The children of an `nn.Sequential` are attributes without a type.
    """
    name = selected.scope or selected.key
    if graph.sequential or not is_identifier(name) or selected.kind == "path":
        return False
    if selected.scope:
        return any(
            module.name == name and module.condition is None and not module.absent
            for module in graph.modules
        )
    always = all(module.condition is None for _, module in selected.matched)
    return [place for place, _ in selected.matched] == [name] and always and not selected.others


def _has(module: Module, weight: str) -> bool:
    return any(found.name == weight for found in module.bare_weights)


def _ways(module: Module, weight: str) -> tuple[Parametrization, ...]:
    """How weights of the layer are computed, if the weight is one of them."""
    ways = () if module.row is None else module.row.parametrized
    return ways if any(way.weight == weight for way in ways) else ()


def _common_ways(
    context: Context,
    key: str,
    weight: str,
    init: Init,
    computed: Sequence[tuple[Parametrization, ...]],
    path: SpecPath,
) -> tuple[Parametrization, ...]:
    """The one way in which the weight is computed; refuses several, and a norm that would be 0.

    A constant that other arguments could make 0 is fixed: the class would give NaN in silence.
    """
    found = dict.fromkeys(filter(None, computed))
    if len(found) > 1:
        message = f"`{printable(weight)}` of `{printable(key)}` is parametrized in several ways"
        help = "give initial values by name or path, for each way apart"
        context.error("NG211", message, path, key=True, help=help)
    for way in next(iter(found), ()):
        if way.weight != weight or way.function == "orthogonal":
            continue
        if _gives_zeros(init):
            message = f"`{way.function}` would divide by the norm of `{weight}`, which is 0"
            context.error("NG211", message, path)
        if init.function == "constant_":
            need = Need(path, f"must not be 0, as `{way.function}` divides by its norm")
            context.fix(init.args[0][1], need)
    return next(iter(found), ())


def _gives_zeros(init: Init) -> bool:
    values = [plain(value) for _, value in init.args]
    return init.function == "zeros_" or (init.function == "constant_" and values == [0])


def _may_have(module: Module, weight: str) -> bool:
    """Whether a layer has a weight for some arguments of the class."""
    return _has(module, weight) or next(varying(module, weight), None) is not None


def _foreseen(modules: Sequence[Module], path: str = "") -> Iterator[tuple[str, Module]]:
    """The layers that other arguments make in place of absent ones, with their paths."""
    for module in modules:
        place = f"{path}{module.name}"
        if module.absent and module.would is not None:
            yield from module.would.layers(place)
        inner = module.children if module.node.use is None else module.node.use.graph.modules
        yield from _foreseen(inner, f"{place}.")


def _renumbered(
    modules: Sequence[Module], key: Sequence[str], *, anywhere: bool, shifted: bool = False
) -> Iterator[Module]:
    """What may stand at `key` for some arguments of the class, as a number in it may be another's.

    A child's number depends on how many children are there before it. With `anywhere` a container
    of any depth may hold the child; otherwise `key` is the path. `shifted`: a number before `key`
    may be another's.
    """
    if not key or not (shifted or any(map(str.isdecimal, key))):
        return
    children = [each for m in modules for each in (m.children if m.node.kind == "copies" else (m,))]
    shifts = any(m.condition is not None or symbols_in(m.node.count) for m in modules)
    for place, child in enumerate(children):
        there = child.would or child
        inner = there.children if there.node.use is None else there.node.use.graph.modules
        numbered = shifts and not child.name and not child.node.label and key[0].isdecimal()
        here = numbered or key[0] == (child.name or str(place))
        if here and len(key) == 1 and (numbered or shifted):
            yield there
        if anywhere:
            yield from _renumbered(inner, key, anywhere=True)
        elif here:
            yield from _renumbered(inner, key[1:], anywhere=False, shifted=shifted or numbered)


def varying(module: Module, weight: str) -> Iterator[Any]:
    """The arguments of a layer that depend on parameters and decide whether it has the weight."""
    if module.row is not None:
        yield from deciding(module.row.bare or module.row, module.node.args, weight)


def deciding(row: Layer, args: Mapping[str, Any], weight: str) -> Iterator[Any]:
    """The arguments, of these, that depend on parameters and decide whether a weight exists."""
    there = weight in {found.name for found in row.weights(arguments(args))}
    for name, value in args.items():
        if not symbols_in(value) or not isinstance(plain(value), int):
            continue
        for other in (False, True) if isinstance(plain(value), bool) else (1,):
            changed = row.weights(arguments({**args, name: other}))
            if (weight in {found.name for found in changed}) != there:
                yield value
                break


def _may_lack_biases(args: Mapping[str, Any]) -> bool:
    """Whether layers that torch builds inside a layer of these arguments may have no biases."""
    return any(
        (isinstance(value, Nested) and _may_lack_biases(value.args))
        or (name == "bias" and (not plain(value) or bool(symbols_in(value))))
        for name, value in args.items()
    )


def _check_fits(context: Context, init: Init, weight: Weight, path: SpecPath) -> None:
    """Refuse a function that torch refuses for a tensor of this shape."""
    least, most = _RANKS.get(init.function, (0, 99))
    rank = len(weight.shape)
    if not least <= rank <= most:
        many = f"{least} or more" if most == 99 else f"{least}" if least == most else "3 to 5"
        shape = shape_text(weight.shape)
        message = f"`{init.function}` takes {many} dimensions, but `{weight.name}` is {shape}"
        context.error("NG211", message, path)


# the least and the most dimensions that these functions take; all others take any number
_RANKS = {
    **dict.fromkeys(("xavier_uniform_", "xavier_normal_", "orthogonal_"), (2, 99)),
    **dict.fromkeys(("kaiming_uniform_", "kaiming_normal_"), (2, 99)),
    **dict.fromkeys(("eye_", "sparse_"), (2, 2)),
    "dirac_": (3, 5),
}


def _matches(key: str, place: str, module: Module) -> bool:
    if "." in key:
        return place == key
    return place.rpartition(".")[2] == key or _has_type(module, key)


def _has_type(module: Module, name: str) -> bool:
    return module.row is not None and module.row.name == name


def _hides(hiding: Iterable[Module], weight: str) -> bool:
    """Whether a layer that torch builds inside one of these has a weight of this name."""
    inner = [w.name for module in hiding for w in module.weights]
    return any(name.endswith(f".{weight}") for name in inner)


def initial_lines(graph: Graph, own: frozenset[str]) -> list[str]:
    """The statements of ``__init__`` that set initial weights: types first, paths last.

    Of two scopes the inner one comes later.
    """
    by_type = [found for found in graph.initial if found.kind == "type"]
    others = [found for kind in ("name", "path") for found in graph.initial if found.kind == kind]
    lines: list[str] = []
    for scope in sorted({found.scope: None for found in by_type}, key=_depth):
        group = [found for found in by_type if found.scope == scope]
        lines += ["", *_loop_of_types(group, scope, own)]
    top = [found for found in others if found.top]
    if top:
        lines.append("")
        for found in top:
            lines += _statement(found, f"self.{found.key}")
    deep = [found for found in others if not found.top]
    if deep:
        lines += ["", "for name, module in self.named_modules():"]
        lines += _branches(deep, lambda found: f"{_name_test(found)} and {_isinstance(found, own)}")
    return lines


def _depth(scope: str) -> int:
    return scope.count(".") + bool(scope)


def _loop_of_types(group: list[Initial], scope: str, own: frozenset[str]) -> list[str]:
    """The loop that sets the weights of all layers of some types in one scope."""
    if not scope or group[0].top:
        head = f"for module in self{scope and f'.{scope}'}.modules():"
        return [head, *_branches(group, lambda found: _isinstance(found, own))]
    inside = f"name.startswith({literal(f'{scope}.')})"
    head = "for name, module in self.named_modules():"
    return [head, *_branches(group, lambda found: f"{inside} and {_isinstance(found, own)}")]


def _branches(group: list[Initial], test: Callable[[Initial], str]) -> list[str]:
    """An ``if`` for each key; those of types exclude each other, those of names and paths don't."""
    lines = []
    for place, own in enumerate(_alike(group)):
        word = "if" if place == 0 or own[0].kind != "type" else "elif"
        lines.append(f"    {word} {test(own[0])}:")
        for found in own:
            lines += [f"        {line}" for line in _statement(found)]
    return lines


def _alike(group: list[Initial]) -> list[list[Initial]]:
    """The calls by what they select; types that follow each other with equal calls are one group.

    A name may select layers of several types, of which each has other weights.
    """
    found: list[list[Initial]] = []
    for selected in dict.fromkeys((initial.key, initial.types) for initial in group):
        own = [initial for initial in group if (initial.key, initial.types) == selected]
        before = found[-1] if found and own[0].kind == "type" else []
        if [[*_statement(x)] for x in before] == [[*_statement(x)] for x in own]:
            found[-1] = [replace(x, types=(*x.types, *own[0].types)) for x in before]
        else:
            found.append(own)
    return found


def _statement(found: Initial, module: str = "module") -> Iterator[str]:
    """The statements for one weight; one that is computed is a plain one for a while."""
    if not found.ways:
        yield from _plain_statement(found, module)
        return
    lines = [f"remove_parametrizations({module}, {literal(way.weight)})" for way in found.ways]
    lines += _plain_statement(found, module, sure=True)
    source = module
    for way in found.ways:
        source = way.source(source)
    lines.append(source)
    if not found.mixed:
        yield from lines
        return
    yield f"if is_parametrized({module}, {literal(found.weight)}):"
    yield from (f"    {line}" for line in lines)
    others = [*_plain_statement(found, module)]
    if others[0].startswith("if "):
        yield from (f"el{others[0]}", *others[1:])
    else:
        yield from ("else:", *(f"    {line}" for line in others))


def _plain_statement(found: Initial, module: str, *, sure: bool = False) -> Iterator[str]:
    """The statements for a weight that is no computed one; it is `sure` to be there."""
    weight = found.weight
    plain_name = weight in ("weight", "bias") and not (found.opaque and module != "module")
    tensor = f"{module}.{weight}" if plain_name else f"{module}.get_parameter({literal(weight)})"
    optional = weight == "bias" and bool({*found.types} & {*CONVOLUTIONS, *TRANSPOSED})
    if not sure and (found.guarded or optional):
        own = f"{literal(weight)} in dict({module}.named_parameters())"
        yield f"if {f'{module}.{weight} is not None' if plain_name else own}:"
        yield f"    {found.init.source(tensor)}"
    else:
        yield found.init.source(tensor)


def _isinstance(found: Initial, own: frozenset[str]) -> str:
    names = [name if name in own or name in LOCAL else f"nn.{name}" for name in found.types]
    return f"isinstance(module, {names[0] if len(names) == 1 else '(' + ', '.join(names) + ')'})"


def _name_test(found: Initial) -> str:
    if found.kind == "path":
        return f"name == {literal(found.key)}"
    return f'name.rpartition(".")[2] == {literal(found.key)}'
