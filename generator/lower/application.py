"""A layer applied to what it reads: its call, the parameters it fixes, and its attribute."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from msgspec.structs import replace

from ..diagnostics.diagnostics import Diagnostic, NetgenError
from ..ir.graph import Node
from ..ir.needs import Need
from ..layers.applying import Applied, apply
from ..layers.base import Dims, Layer, Refusal, arguments, no_weights, wants_nothing
from ..layers.tensor import TensorType
from ..spec.spec import Item
from ..symbolic.algebra import Symbols
from ..symbolic.expressions import has_expression
from ..symbolic.sizes import Coded, is_unknown, plain, symbols_in
from .arguments import Arguments
from .naming import key_of
from .scope import Scope


def apply_layer(
    scope: Scope, item: Item, row: Layer, read: Arguments, name: str | None, *, chained: bool
) -> Node:
    """The call of a layer, by its shape rule; `chained` layers stand in a `Sequential`.

    Raises `NetgenError` if the rule refuses, unless the output is known all the same.
    """
    args = dict(read.args)
    if row.wants_batch is not wants_nothing and row.wants_batch(
        arguments({"batch": True, **args}), *read.types
    ):
        args["batch_size"] = scope.batch_size()
    try:
        row, args = _annotated(scope, item, row, args, read)
        applied = apply(row, args, read.listed_types(), dict(read.named_types))
    except Refusal as refusal:
        from .refusals import refused

        wrong = refused(scope, item, row, refusal, read, chained=chained)
        applied = _without(row, args, refusal.argument, read, wrong)
        scope.context.shared.findings.add(wrong)
    if row.parametrized:
        from .parametrizations import check_ways

        check_ways(scope, item, row, applied.a, applied.args)
    call = Node(
        path=item.path,
        row=row,
        args=applied.args,
        inputs=read.inputs,
        named=read.named,
        collected=read.lists,
        outputs=applied.outputs,
        callee=item.callee,
        places=read.paths,
        stem=row.stem,
        name=name or "",
        written=name is not None,
    )
    _fix(scope, item, row, read, applied)
    if item.callee is not None:
        _note_types(scope, item, row, read, applied)
    if row.imported:  # how its output depends on the sizes that it reads is unknown
        sizes = [size for x in read.types for size in x.shape]
        known = [size for size in sizes if not is_unknown(size)]
        scope.context.fix(known, Need(item.path, "says nothing of how its shapes come about"))
    return call if chained else _placed(scope, item, call, row)


def _annotated(
    scope: Scope, item: Item, row: Layer, args: dict[str, Any], read: Arguments
) -> tuple[Layer, dict[str, Any]]:
    """The layer in a form that torch's annotations allow, where torch itself takes others, too."""
    if row.annotated is None:
        return row, args
    from ..layers import TYPES

    name, more = row.annotated(arguments(args), read.types[0])
    for changed, value in more.items():
        if isinstance(args[changed], Coded):  # its value says how many numbers there are
            scope.context.fix_at(args[changed], item.at(changed))
            more = {**more, changed: tuple(map(int, value))}
    return row if item.callee is not None else TYPES[name], {**args, **more}


def _note_types(scope: Scope, item: Item, row: Layer, read: Arguments, applied: Applied) -> None:
    """Note which other types fit in place of one that an expression gives."""
    from .context import OtherTypes
    from .other_types import fitting

    names = fitting(scope.context, item, row, read, applied)
    need = Need(item.path, "gets its type from it, and no other type fits there")
    scope.context.narrow(OtherTypes(item.callee, names), need)


def stem_of(call: Node) -> str:
    """The stem of the name of a call without a written name."""
    if isinstance(call.callee, Coded) and call.callee.code.isidentifier():
        return call.callee.code  # the type varies, so its stem would, too
    return call.stem


def is_stateless(row: Layer, args: Mapping[str, Any], told: Collection[str] = ()) -> bool:
    """Whether a layer has no weights, with all flags that are expressions set to true, too.

    Those in `told` are written as expressions, though what they hang on may be fixed by now.
    """
    if row.weights is no_weights:
        return True
    if row.weights(arguments(args)):
        return False
    flags = [name for name, value in args.items() if isinstance(plain(value), bool)]
    flags = [name for name in flags if symbols_in(args[name]) or name in told]
    return not (flags and row.weights(arguments({**args, **dict.fromkeys(flags, True)})))


def _expressions(item: Item, call: Node) -> list[str]:
    """The arguments that the spec gives as expressions."""
    found, several = [], isinstance(item.written, (dict, list))
    for name, path in call.places.items():
        raw = item.written[path[-1]] if several else item.written
        if isinstance(raw, str) and has_expression(raw):
            found.append(name)
    return found


def _without(
    row: Layer, args: dict[str, Any], name: str | None, read: Arguments, wrong: Diagnostic
) -> Applied:
    """The layer applied without a wrong value for an inferred argument, so that reading goes on.

    Raises `wrong` as a `NetgenError` if the rule refuses something else.
    """
    known = {arg.name for arg in row.args if arg.inferred}
    if name not in known or args.pop(name, None) is None:
        raise NetgenError(wrong)
    try:
        return apply(row, args, read.types, dict(read.named_types))
    except Refusal:
        raise NetgenError(wrong) from None


def _fix(scope: Scope, item: Item, row: Layer, read: Arguments, applied: Applied) -> None:
    """Fix the parameters on which shapes depend in a way that arithmetic can't express."""
    for arg in (*row.args, *row.options):
        value = applied.args[arg.name]
        decides = arg.kind.index or (arg.kind.structural and isinstance(value, Coded))
        decides = decides or (arg.kind.zero and value == 0)
        decides = decides and not arg.adds(value)
        if row.operation and decides and not arg.free:
            symbols = Symbols(s for s in symbols_in(value) if s.known or not s.runtime)
            scope.context.fix_names(symbols, Need(item.at(arg.name)))
        elif (decides and not arg.free) or arg in row.options:
            scope.context.fix_at(value, item.at(arg.name))
    if row.parts is not None:
        parts = row.parts(applied.a, *read.types)
        if not is_unknown(parts):
            need = Need(item.path, "gives more or fewer tensors for other values")
            scope.context.fix(parts, need)
    _fix_dropped(scope, item, row.drops(applied.a), *read.types[:1])
    for meeting in applied.meetings:
        scope.context.meet(meeting, Need(item.path))


def _fix_dropped(scope: Scope, item: Item, dims: Dims, *read: TensorType) -> None:
    """Fix sizes that decide whether a dimension is dropped: an argument would not always be 1."""
    for dim in dims if isinstance(dims, tuple) else (dims,):
        for x in read:
            if x.rank and not is_unknown(x.shape[dim]):
                scope.context.fix(x.shape[dim], Need(item.path))


def is_functional(scope: Scope, item: Item, call: Node, row: Layer, *, stateless: bool) -> bool:
    """Whether a call of this type is an expression in `forward`, without an attribute."""
    given = item.callee is not None or bool(item.type_name)  # then other types have no function
    functional = scope.context.document.style == "functional" and not given
    by_style = functional and bool(row.functional)
    inline = row.inline and not call.name
    return row.operation or row.fresh or (stateless and (by_style or inline))


def _placed(scope: Scope, item: Item, call: Node, row: Layer) -> Node:
    """The call, as an expression in `forward` or with an attribute that has a name."""
    stateless = is_stateless(row, call.args)
    if stateless and row.weights is not no_weights:
        stateless = is_stateless(row, call.args, _expressions(item, call))
    if is_functional(scope, item, call, row, stateless=stateless):
        return replace(call, functional=True)
    if call.name:
        return call
    if item.type_name or (call.callee is not None and scope.context.parent is None):
        name = scope.names.numbered(item.type_name or stem_of(call))  # others may have weights
        return replace(call, name=name)
    if not stateless or row.source:
        return replace(call, name=scope.names.numbered(call.stem))
    call = replace(call, stem=stem_of(call))
    return replace(call, shared=scope.shared(call, key_of(row.name, call.args)))
