"""`alias`: one module under several names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NoReturn

from msgspec import Struct
from msgspec.structs import replace

from ..diagnostics.diagnostics import SpecPath, printable
from ..ir.aliases import Alias
from ..ir.graph import Graph, Module
from ..ir.needs import Need
from ..symbolic.hints import closest
from ..symbolic.names import why_no_attribute
from .containers import DICT_NAMES
from .context import Context
from .ties import behind, moving, outside


class _Found(Struct, frozen=True):
    """A module, and the values on which it depends whether it is there under its path.

    These are in the scope's terms. The number in a name that is not written depends on whether
    others of its stem are there, and are like it.
    """

    module: Module
    conditions: Sequence[Any] = ()


def read_aliases(context: Context, graph: Graph) -> Graph:
    """The graph with the aliases of the document; mistakes are reported, wrong ones left out."""
    found: dict[str, Alias] = {}
    for name, own in context.document.alias.items():
        with context.shared.findings.collecting():
            found[name] = _alias(context, graph, name, own)
    if not found:
        return graph
    order: tuple[Alias, ...] = ()
    with context.shared.findings.collecting():
        order = _in_order(context, found)
    return replace(graph, aliases=order)


def _alias(context: Context, graph: Graph, name: str, own: str) -> Alias:
    """One alias; raises `NetgenError` if a module can't have this name, or there is no such one."""
    module = _found(_keyed(graph.modules), own.split("."))
    if module is None:
        _unknown(context, graph, name, own)
    if module.module.is_tensor:
        help = "a parameter under two names is a `tie`"
        context.error("NG204", f"`{own}` is a tensor, no module", ("alias", name), help=help)
    parent = name.rpartition(".")[0]
    owner = _found(_keyed(graph.modules), parent.split(".")) if parent else None
    if owner is not None:
        _check_holder(context, name, owner.module)
    elif not parent and graph.sequential:
        message = "the network is an `nn.Sequential`: it would call what stands in it by this name"
        context.error("NG205", message, ("alias", name), key=True)
    elif parent:
        message = f"there is no block and no container `{printable(parent)}`"
        meant = closest(parent, _paths(graph))
        context.error("NG204", message, ("alias", name), key=True, help=meant)
    _check_name(context, name, graph if owner is None else owner.module)
    need = Need(("alias", name), "needs modules that are always there")
    for found in (module, owner):
        for value in () if found is None else found.conditions:
            context.fix(value, need)
    return Alias(name, own, keyed=owner is not None and owner.module.node.kind == "ModuleDict")


def _unknown(context: Context, graph: Graph, name: str, own: str) -> NoReturn:
    """Report that there is no module to which a name could be given."""
    message, help = f"there is no module `{printable(own)}`", closest(own, _paths(graph))
    if own in context.document.alias:
        message = f"`{printable(own)}` is an alias itself"
        help = f"write `{printable(context.document.alias[own])}`"
    context.error("NG204", message, ("alias", name), help=help)


def _check_holder(context: Context, name: str, owner: Module) -> None:
    """Refuse a name in what is no block and no container of names."""
    parent, use = name.rpartition(".")[0], owner.node.use
    if owner.node.kind == "Sequential" or (use is not None and use.graph.sequential):
        message = f"`{parent}` is an `nn.Sequential`: it would call what stands in it by this name"
    elif owner.node.kind == "ModuleList":
        message = f"`{parent}` is an `nn.ModuleList`: what is in it has numbers, no names"
    elif owner.node.kind == "layer" and (use is None or use.block not in context.known.blocks):
        message = f"`{parent}` is a layer: only blocks and containers hold others"
    else:
        return
    context.error("NG205", message, ("alias", name), key=True)


def _check_name(context: Context, name: str, owner: Graph | Module) -> None:
    """Refuse a name that is taken where it shall stand, or can't stand there."""
    path: SpecPath = ("alias", name)
    last, keyed = name.rpartition(".")[2], False
    if isinstance(owner, Graph):
        inside = owner.modules
    elif owner.node.use is not None:
        inside = owner.node.use.graph.modules
    else:
        inside, keyed = owner.children, True
    if last in {module.name for module in inside}:
        context.error("NG205", f"`{printable(name)}` is there already", path, key=True)
    if keyed and any(module.name.isdecimal() for module in inside):
        right = last.isascii() and last.isdecimal() and str(int(last)) == last
        reason: str | None = None if right else "is no number, as the other keys are"
    elif keyed and last in DICT_NAMES:
        reason = "is used by `nn.ModuleDict` itself"
    else:
        reason = why_no_attribute(last)
    if reason:
        context.error("NG205", f"`{printable(last)}` {reason}", path, key=True)


def _in_order(context: Context, found: Mapping[str, Alias]) -> tuple[Alias, ...]:
    """The aliases in an order in which a module has all that it holds when it gets a name."""
    from graphlib import CycleError, TopologicalSorter

    inside = {
        name: [other for other in found if other.startswith(f"{alias.own}.")]
        for name, alias in found.items()
    }
    try:
        return tuple(found[name] for name in TopologicalSorter(inside).static_order())
    except CycleError as error:
        name = error.args[1][0]
        message = f"`{found[name].own}` would hold itself"
        context.error("NG211", message, ("alias", name), key=True)


def _paths(graph: Graph) -> list[str]:
    return [path for path, _ in graph.layers()]


def _keyed(modules: Iterable[Module]) -> Iterable[tuple[str, Module]]:
    return ((module.name, module) for module in modules)


def _found(modules: Iterable[tuple[str, Module]], path: Sequence[str]) -> _Found | None:
    """The module at a path that begins with the key of one of these modules, if there is one."""
    known = [*modules]
    for key, module in known:
        if module.absent or key not in ("", path[0]):
            continue
        rest = path[1:] if key else path
        if not rest:
            numbered = [] if module.node.shared is None else _of_stem(known, module.node.stem)
            return _Found(module, [module.condition, *numbered])
        use = module.node.use
        inner = _found(_keyed(use.graph.modules) if use is not None else module.entries(), rest)
        if inner is None:
            return None
        conditions = inner.conditions
        conditions = (
            [*moving(module, rest[0]), *conditions]
            if use is None
            else [*outside(conditions, use.outer), *behind(conditions, use.outer)]
        )
        return _Found(inner.module, [module.condition, *conditions])
    return None


def _of_stem(modules: Iterable[tuple[str, Module]], stem: str) -> list[Any]:
    """What decides on the numbers of the layers whose names that are not written have this stem.

    It is whether they are there, and their arguments: equal layers without weights are one.
    """
    nodes = [module.node for _, module in modules]
    named = [node for node in nodes if node.shared is not None and node.stem == stem]
    arguments = [value for node in named for value in node.args.values() if len(named) > 1]
    return [*(node.condition for node in named), *arguments]
