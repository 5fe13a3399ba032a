"""The attributes of a class: the module of each call in its place, containers included."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NoReturn

from msgspec import Struct, field
from msgspec.structs import replace

from ..diagnostics.diagnostics import Diagnostic, NetgenError, SpecPath, printable
from ..ir.graph import Module, Node
from ..symbolic.hints import closest
from ..symbolic.literals import literal
from ..symbolic.names import MODULE_NAMES
from .context import Context
from .scope import Scope

DICT_NAMES = MODULE_NAMES | {"clear", "items", "keys", "update", "values"}


class _Container(Struct):
    """A container, made by names with dots, that grows call by call."""

    path: SpecPath
    children: dict[str, _Container | Module] = field(default_factory=dict)
    absent: bool = False


def module_tree(
    scope: Scope, first: Sequence[str], path: SpecPath
) -> tuple[tuple[Node, ...], tuple[Module, ...]]:
    """The calls with their final names, and the attributes: those declared `first`, then by place.

    The `path` is that of `declare`, which names them. Raises `NetgenError` where names with dots
    make no valid container.
    """
    root = _Container(())
    nodes: list[Node] = []
    for call in scope.calls:
        target = _target(scope, call)
        nameless = not call.name and call.shared is None
        if call.absent and (nameless or call.functional):
            root.children[f"?{len(nodes)}"] = Module.of(replace(call, would=None), "")
        elif not call.functional:
            _place(scope, root, target, call)
        nodes.append(_named(call, target, target))
    if first:
        _put_first(scope, root, first, path)
    modules = tuple(_finish(scope, name, child) for name, child in root.children.items())
    return tuple(nodes), modules


def _put_first(scope: Scope, root: _Container, names: Sequence[str], path: SpecPath) -> None:
    """Put what has these names before all others, in this order; a container with what is in it.

    Mistakes are reported, wrong names left out: those of nothing, those that are given twice, and
    numbers, which come in their own order; what is in one has the order that is asked for.
    """
    context, right = scope.context, []
    for place, name in enumerate(names):
        with context.shared.findings.collecting():
            if name in names[:place]:
                message = f"the name `{printable(name)}` is given twice"
                context.error("NG205", message, (*path, place))
            _check(scope, root, name, (*path, place))
            right.append(name)
    for name in reversed(right):
        container: _Container | Module = root
        for part in name.split("."):
            if not isinstance(container, _Container) or part not in container.children:
                break  # the layer is absent here, and has no name
            found = container.children[part]
            if not part.isdecimal():
                container.children = {part: found, **container.children}
            container = found


def _check(scope: Scope, root: _Container, name: str, path: SpecPath) -> None:
    """Refuse a name that is no layer, tensor or container of the scope, and a number.

    With other values (`--set`) a layer may be absent: that is noted in `unmatched`.
    """
    context = scope.context
    container: _Container | Module = root
    for part in name.split("."):
        if isinstance(container, Module):
            _inside(context, container, name, path)
        if part not in container.children:
            if any(f"{word}.".startswith(f"{name}.") for word in scope.passed):
                return
            if container is root and _is_absent(root, part):
                return
            if context.network.overrides:
                context.shared.unmatched = True
                return
            message = f"there is no layer `{printable(name)}` here that `__init__` makes"
            context.error("NG204", message, path, help=closest(name, _paths(root)))
        container = container.children[part]
    if part.isdecimal():
        message = f"`{printable(name)}`: what has numbers stands in their order"
        help = "name the container, to make all that is in it first"
        context.error("NG205", message, path, help=help)


def _inside(context: Context, module: Module, name: str, path: SpecPath) -> NoReturn:
    """Report a name of what is in a layer or a block."""
    message = f"`{printable(name)}` lies in `{module.name}`, which is no container of this scope"
    help = None if module.node.use is None else "a block has a `declare` of its own"
    context.error("NG204", message, path, help=help)


def _is_absent(root: _Container, name: str) -> bool:
    """Whether it may be the name that an absent layer without a written one gets elsewhere."""
    absent = (
        child.node
        for key, child in root.children.items()
        if isinstance(child, Module) and key[:1] == "?"
    )
    return any(re.fullmatch(rf"{re.escape(node.stem)}\d*", name) for node in absent)


def _paths(container: _Container, before: str = "") -> Iterator[str]:
    for key, child in container.children.items():
        yield f"{before}{key}"
        if isinstance(child, _Container):
            yield from _paths(child, f"{before}{key}.")


def _target(scope: Scope, call: Node) -> str:
    if call.reuses is not None:
        return _target(scope, scope.calls[call.reuses])
    if call.name:
        return call.name
    if call.shared is None:
        return call.stem
    return scope.names.final(call.stem, call.shared)


def _named(call: Node, name: str, target: str) -> Node:
    """The call, and those in it, with final names."""
    would = call.foreseen
    return replace(
        call,
        name=name,
        target="" if call.functional or call.absent else target,
        body=_body(call, name, target),
        would=None if would is None else _named(would, name, target),
    )


def _body(call: Node, name: str, target: str, place: int = 0) -> tuple[Node, ...]:
    """The calls in a container; `place` is the number of its first child."""
    body = []
    for child in call.body:
        if child.kind == "copies":
            copies = _body(child, name, target, place)
            place += sum(not copy.absent for copy in copies)
            body.append(replace(_named(child, name, target), body=copies))
            continue
        key = child.name or str(place)
        place += not child.absent
        # the children of a class that is a container have only their keys
        inner = f"{name}.{key}".lstrip("."), f"{target}.{key}".lstrip(".")
        body.append(_named(child, *inner))
    return tuple(body)


def _place(scope: Scope, root: _Container, target: str, call: Node) -> None:
    *outer, last = target.split(".")
    container: _Container = root
    for name in outer:
        child = container.children.setdefault(name, _Container(call.path))
        if not isinstance(child, _Container):
            kind = "tensor" if child.is_tensor else "layer"
            _refuse(scope, call.path, f"`{target}`: `{name}` is a {kind}, not a container")
        container = child
    known = container.children.get(last)
    if isinstance(known, _Container):
        _refuse(scope, call.path, f"`{target}` is a container already")
    if known is None or known.absent:
        container.children[last] = Module.of(call, last)


def _finish(scope: Scope, name: str, child: _Container | Module) -> Module:
    """The attribute for a child of the tree.

    A container becomes a `ModuleList` or a `ModuleDict`, which may have tensors, too; one that has
    nothing else becomes a plain `Module`.
    """
    if isinstance(child, Module):
        return child
    tensors = [key for key, each in child.children.items() if _is_tensor(each)]
    names = [key for key in child.children if key not in tensors]
    numbers = [key.isdecimal() for key in names]
    if any(numbers) and not all(numbers):
        _refuse(scope, child.path, f"`{name}` mixes numbers with words")
    if all(numbers):
        listed = _counts_up({key: child.children[key] for key in names})
        names.sort(key=int)
    else:
        listed = False
    for key in (*tensors, *names):
        if key in DICT_NAMES:
            message = f"`{name}.{key}`: `{key}` is used by `nn.ModuleDict` itself"
            _refuse(scope, child.path, message)
    children = tuple(_finish(scope, key, child.children[key]) for key in (*tensors, *names))
    kind = "Module" if not names else "ModuleList" if listed else "ModuleDict"
    return Module(name, Node(path=child.path, kind=kind), children)


def _is_tensor(child: _Container | Module) -> bool:
    return isinstance(child, Module) and child.is_tensor


def _counts_up(numbered: Mapping[str, _Container | Module]) -> bool:
    """Whether the numbers of what is in a container run from 0 without a gap, for all arguments.

    So only the last children may be absent: all under the same condition, or copies of one layer,
    of which each is there only if the one before it is.
    """
    keys = sorted(numbered, key=int)
    if keys != [str(place) for place in range(len(keys))]:
        return False
    children = [numbered[key] for key in keys]
    conditions = [child.condition for child in children if isinstance(child, Module)]
    sometimes = [condition for condition in conditions if condition is not None]
    if not sometimes:
        return True
    last = children[-len(sometimes) :]
    at_end = all(isinstance(child, Module) and child.condition is not None for child in last)
    alike = len({literal(condition) for condition in sometimes}) == 1
    in_turn = len({child.path for child in last}) == 1 and keys == [*numbered]
    return at_end and (alike or in_turn)


def _refuse(scope: Scope, path: SpecPath, message: str) -> NoReturn:
    location = scope.context.source.locate((*path, "name"))
    raise NetgenError(Diagnostic("NG205", message, location))
