"""`parametrize`: weights of a layer that are computed from others, as by a weight norm."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..diagnostics.diagnostics import NetgenError, SpecPath, printable
from ..ir.needs import Need
from ..layers import GROUPING
from ..layers.base import Args, Layer, Parametrization, Refusal, is_default
from ..layers.models import read_arguments
from ..layers.parametrizations import FUNCTIONS, SPARSE, check_parametrized, parametrized
from ..spec.spec import PARAMETRIZE, Item
from ..symbolic.hints import closest
from ..symbolic.sizes import nameless, plain
from .context import Context
from .initial import deciding
from .scope import LayerNames, Scope
from .wrong_arguments import wrong_arguments

WEIGHT = "weight"  # where a function stands alone
_FORM = "write `parametrize: weight_norm`, or `parametrize: {weight: weight_norm}`"
Ways = tuple[Parametrization, ...]


def with_parametrizations(scope: Scope, item: Item, row: Layer, names: LayerNames) -> Layer:
    """The row for an item with a `parametrize`, whose parameters are fixed."""
    value = _evaluated(scope.context, item.common[PARAMETRIZE], names, item.at(PARAMETRIZE))
    ways = read_parametrizations(scope.context, item, value)
    return parametrized(row, ways) if ways else row


def _evaluated(context: Context, value: Any, names: LayerNames, path: SpecPath) -> Any:
    """A plain value in place of each expression, in mappings, too."""
    if isinstance(value, dict):
        return {key: _evaluated(context, x, names, (*path, key)) for key, x in value.items()}
    found = context.evaluate(value, names, path)
    context.fix_at(found, path)
    return nameless(plain(found))


def read_parametrizations(context: Context, item: Item, value: Any) -> Ways:
    """What a `parametrize` says of each weight, in order; raises `NetgenError` for mistakes."""
    if isinstance(value, dict) and len(value) == 1 and next(iter(value)) in FUNCTIONS:
        ((function, args),) = value.items()
        help = f"write `parametrize: {{{WEIGHT}: {{{function}: ...}}}}`" if args else _FORM
        message = f"`{function}` stands where the weight's name belongs"
        context.error("NG203", message, item.at(PARAMETRIZE, function), key=True, help=help)
    if not isinstance(value, dict):
        return tuple(_way(context, item, WEIGHT, value, item.at(PARAMETRIZE)))
    return tuple(
        way
        for weight, how in value.items()
        for way in _way(context, item, str(weight), how, item.at(PARAMETRIZE, weight))
    )


def _way(
    context: Context, item: Item, weight: str, how: Any, path: SpecPath
) -> Iterator[Parametrization]:
    """How one weight is computed; nothing if it is not."""
    written: Any = {}
    if isinstance(how, dict) and len(how) == 1:
        ((how, written),) = how.items()
        path = (*path, how)
    if how is None and not written:
        return
    if not isinstance(how, str) or how not in FUNCTIONS:
        known = ", ".join(f"`{name}`" for name in FUNCTIONS)
        help = closest(how, FUNCTIONS) if isinstance(how, str) else None
        help = help or _FORM
        message = f"`{WEIGHT}` is parametrized by one of {known}"
        if weight != WEIGHT:
            message = message.replace(WEIGHT, printable(weight), 1)
        context.error("NG203", message, path, key=path[-1] == how, help=help)
    yield Parametrization(weight, how, _arguments(context, item, FUNCTIONS[how], written, path))


def _arguments(
    context: Context, item: Item, row: Layer, written: Any, path: SpecPath
) -> tuple[tuple[str, Any], ...]:
    """The arguments of a function that are no defaults."""
    if not isinstance(written, Mapping):
        first = row.args[0].name
        help = f"write `{row.name}: {{{first}: ...}}`, or `{row.name}` alone"
        context.error("NG203", f"`{row.name}` takes its arguments by name", path, help=help)
    found = read_arguments(row, written)
    if isinstance(found, list):
        paths = {name: (*path, name) for name in written}
        own = Item(row.name, dict(written), {}, path)
        raise NetgenError(*wrong_arguments(context, own, row, found, paths))
    return tuple((n, value) for n, value in found.items() if not is_default(row.arg(n), value))


def check_ways(scope: Scope, item: Item, row: Layer, a: Args, args: Mapping[str, Any]) -> None:
    """Refuse what torch would refuse; fix arguments on which it depends that a weight exists."""
    assert row.bare is not None
    for way in row.parametrized:
        path = item.at(PARAMETRIZE)
        if isinstance(item.common[PARAMETRIZE], dict):
            path = (*path, way.weight)
        try:
            check_parametrized(row.bare, a, way)
        except Refusal as refusal:
            if refusal.argument:
                path = (*path, way.function, refusal.argument)
            key = not refusal.argument and isinstance(item.common[PARAMETRIZE], dict)
            scope.context.error("NG211", refusal.message, path, key=key, help=refusal.help)
        for value in (*deciding(row.bare, args, way.weight), args.get(SPARSE)):
            scope.context.fix(value, Need(item.at(PARAMETRIZE), f"needs `{way.weight}`"))


def check_type(context: Context, item: Item) -> None:
    """Refuse a `parametrize` beside a type that never has weights of its own."""
    row = context.row(item.type)
    if row is not None and row.has_weights:
        return
    what = f"`{item.type}` has no weights"
    help = None
    if item.type in GROUPING or item.type in context.known.blocks:
        what = f"`{item.type}` has no weights of its own"
        help = "write `parametrize` at the layers inside of it"
        if item.type == "Reuse":
            help = "write `parametrize` where the layer is made"
    elif row is not None and row.source:
        what = f"`{item.type}` is no layer"
    message = f"{what}: `parametrize` is a key of layers with weights"
    context.error("NG210", message, item.at(PARAMETRIZE), key=True, help=help)
