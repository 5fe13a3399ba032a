"""What a spec writes for one layer: its arguments, evaluated and checked, and its tensors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from ..diagnostics.diagnostics import MOST_FINDINGS, Diagnostic, NetgenError, SpecPath, printable
from ..ir.graph import LIST, Collected, Ref
from ..layers import CATALOGUE
from ..layers.base import REQUIRED, Layer, Nested
from ..layers.models import read_arguments
from ..layers.tensor import Copies, TensorType
from ..spec.spec import COMMON_KEYS, Item
from ..symbolic.buffers import Table, table
from ..symbolic.expressions import words_in
from ..symbolic.hints import closest, meant_argument
from ..symbolic.sizes import Coded, Size, plain, symbols_in
from ..symbolic.syntax import ExpressionError
from .context import Context
from .scope import LayerNames, Scope

FACTORY = ("device", "dtype")


class Arguments(Struct, frozen=True):
    """A layer's written arguments, and the tensors that it reads with their types."""

    args: Mapping[str, Any]
    inputs: tuple[Ref, ...]
    named: tuple[tuple[str, Ref], ...]
    types: tuple[TensorType, ...]
    named_types: tuple[tuple[str, TensorType], ...]
    paths: dict[str, SpecPath]  # where each argument is written
    lists: tuple[Collected, ...] = ()  # those among the inputs

    def listed_types(self) -> Sequence[TensorType]:
        """The types of the inputs, with one for each list whose length is an expression."""
        if not self.lists:
            return self.types
        found = [*self.types]
        for each in reversed(self.lists):
            if each.count and symbols_in(each.count):
                x = found[each.place]
                copies = Copies(x.shape, x.dtype, x.batch, x.lost, x.bound, count=each.count)
                found[each.place : each.place + each.count] = [copies]
        return found


def read_layer(
    scope: Scope,
    item: Item,
    row: Layer,
    reads: tuple[Ref, ...],
    through: tuple[TensorType, ...],
    index: Size | None,
) -> Arguments:
    """The arguments and tensors of an item of the type `row`.

    `through` are the types that a container's child reads; outside of containers it is empty.
    Raises `NetgenError` for mistakes in them.
    """
    try:
        written, paths = by_name(scope.context, item, row)
    except NetgenError as error:
        raise _with_cure(error, scope, item, row) from None
    named = [
        (name, reference(scope, written.pop(name), paths[name]))
        for name in row.optional_tensors
        if name in written
    ]
    lists: tuple[Collected, ...] = ()
    if any(ref.port == LIST for ref in reads):
        from .lists import lists_in  # few repeats collect

        reads, lists = lists_in(scope, reads)
    inputs, extra = _tensors(scope, item, row, reads, through)
    for name in (name for name, _ in named if name in dict(extra)):
        message = f"`{name}` is given twice: `from` names it already"
        scope.context.error("NG203", message, paths[name], key=True)
    named = [*extra, *named]
    types = through or tuple(scope.type_of(ref) for ref in inputs)
    names = LayerNames(scope, types[0] if types else None, index)
    args = {
        name: _evaluate(scope, row, name, value, names, paths[name])
        for name, value in written.items()
    }
    _check_divisors(scope, row, written, args, paths)
    checked = read_arguments(row, args)
    if isinstance(checked, list):
        from .wrong_arguments import as_meant

        try:
            checked = as_meant(scope.context, item, row, checked, args, paths)
        except NetgenError as error:
            raise _with_cure(error, scope, item, row) from None
    named_types = tuple((name, scope.type_of(ref)) for name, ref in named)
    return Arguments(checked, inputs, tuple(named), types, named_types, paths, lists)


def widened(row: Layer, item: Item) -> Layer:
    """The row for one item: of a pattern, the axes are arguments, too."""
    if not row.axes:
        return row
    from ..layers.einops import with_axes

    return with_axes(row, item.written)


def _check_divisors(
    scope: Scope,
    row: Layer,
    written: Mapping[str, Any],
    args: Mapping[str, Any],
    paths: Mapping[str, SpecPath],
) -> None:
    """Refuse a divisor that is 0 without any name in it, which torch would not.

    It would give infinite numbers. A parameter may be 0: the class takes it, too.
    """
    for arg in row.args:
        if not arg.divides:
            continue
        text = written.get(arg.name)
        named = isinstance(text, str) and words_in(text)
        if not named and plain(args.get(arg.name)) == 0:
            message = f"`{arg.name}` divides, so it must not be 0"
            scope.context.error("NG211", message, paths[arg.name])


def by_name(context: Context, item: Item, row: Layer) -> tuple[dict[str, Any], dict[str, SpecPath]]:
    """The written arguments by name, and the place of each; refuses too many by position."""
    if isinstance(item.written, dict):
        own = {arg.name for arg in row.args}
        for name in FACTORY:
            if name in item.written and name not in own:
                message = f"`{name}` is not part of a spec: the network is moved as a whole"
                context.error("NG203", message, item.at(name), key=True)
        return dict(item.written), {name: item.at(name) for name in item.written}
    if item.written is None:
        return {}, {}
    several = isinstance(item.written, list)
    if several and row.list_argument and not any(isinstance(v, list) for v in item.written):
        return {row.list_argument: item.written}, {row.list_argument: item.path}
    values = item.written if several else [item.written]
    known = row.written
    if len(values) > len(known):
        takes = ", ".join(f"`{arg.name}`" for arg in known) or "none"
        many = f"{len(known)} argument{'s' if len(known) != 1 else ''}"
        message = f"`{row.name}` takes {many} by position, but this gives {len(values)}"
        path = item.at(len(known)) if several else item.path
        inferred = [f"`{arg.name}`" for arg in row.args if arg.inferred]
        left_out = f"; inferred, and left out here: {', '.join(inferred)}" if inferred else ""
        help = f"they are: {takes}{left_out}"
        if inferred and len(values) == len(known) + 1:
            told = ", ".join(map(_as_yaml, values[1:]))
            help = f"{inferred[0]} is inferred, so it is left out: write `{row.name}: [{told}]`"
        with suppress(ValueError):
            for arg in known[:1]:
                arg.kind.check(values)
                help = f"to give them all to `{arg.name}` write `{_as_yaml([values])}`"
        context.error("NG203", message, path, help=help)
    names = [arg.name for arg in known[: len(values)]]
    paths = {name: item.at(i) if several else item.path for i, name in enumerate(names)}
    return dict(zip(names, values, strict=True)), paths


def _with_cure(error: NetgenError, scope: Scope, item: Item, row: Layer) -> NetgenError:
    """The error with a cure of its own where the one argument that is given is a reference."""
    word = item.written
    if not isinstance(word, str) or word.partition(".")[0] not in scope.written:
        return error
    more = ", ..." if any(arg.default is REQUIRED and not arg.inferred for arg in row.args) else ""
    help = f"to read `{word}` write `{row.name}: {{from: {word}{more}}}`"
    if row.variadic is not None or len(row.tensors) > 1:
        help = f"what it reads is a list: `{row.name}: [{word}, ...]`"
    return NetgenError(*(replace(one, help=help) for one in error.diagnostics))


def reference(scope: Scope, value: Any, path: SpecPath) -> Ref:
    """The tensor that an argument names."""
    value = scope.context.evaluate(value, LayerNames(scope, None, None), path)
    scope.context.fix_at(value, path)  # which mask is read is no choice in `forward`
    value = plain(value)
    if not isinstance(value, str):
        scope.context.error("NG203", "this should be a reference to a tensor", path)
    return scope.find(value, path)


def _tensors(
    scope: Scope, item: Item, row: Layer, reads: tuple[Ref, ...], through: tuple[TensorType, ...]
) -> tuple[tuple[Ref, ...], list[tuple[str, Ref]]]:
    """The required tensors in the order of torch's `forward`, and the optional ones by name.

    Both are empty in a chain and for types that read nothing. Raises `NetgenError` if there are too
    few or too many.
    """
    needed = len(row.tensors)
    if row.source:
        if through:
            message = f"`{row.name}` can't stand in a `Sequential`"
            scope.context.error("NG210", message, item.path, key=item.written is not None)
        if "from" in item.common:
            scope.context.error("NG210", f"`{row.name}` reads nothing", item.at("from"), key=True)
        return (), []
    if through:
        if needed != len(through):
            message = f"`{row.name}` reads {needed} tensors and can't stand in a `Sequential`"
            help = "a named `repeat` is one, too: without a name the copies stand by themselves"
            help = help if "repeat" in item.common else "put it behind or before the `Sequential`"
            scope.context.error("NG210", message, item.path, key=True, help=help)
        return (), []
    if row.fills and 0 < len(reads) < needed:
        reads = (*reads, *(reads[-1:] * (needed - len(reads))))
    most = needed + len(row.optional_tensors)
    if row.variadic is not None:
        needed, most = row.variadic
    if not needed <= len(reads) <= most:
        wanted = ", ".join(row.tensors)
        known = [f"`{x.name}`" for x in scope.inputs] + [f"`{name}`" for name in scope.written]
        help = f"name them under `from`; known here are {', '.join(known[:8])}"
        path, key = (item.at("from"), False) if "from" in item.common else (item.path, True)
        if not reads:
            message = f"`{row.name}` comes first and must say what it reads"
            help = help if known else "write what reads nothing before it, such as an `Arange`"
        else:
            tensors = "tensor" if needed == 1 else "tensors"
            message = f"`{row.name}` reads {needed} {tensors} ({wanted}), but {len(reads)} given"
            if row.variadic is not None and most > 2:
                message = f"`{row.name}` reads {most} tensors at most, but {len(reads)} given"
                help = "write several of them: one may read what others give"
        scope.context.error("NG204", message, path, key=key, help=help)
    if row.variadic is not None:
        return reads, []
    return reads[:needed], list(zip(row.optional_tensors, reads[needed:], strict=False))


def _evaluate(
    scope: Scope, row: Layer, name: str, value: Any, names: LayerNames, path: SpecPath
) -> Any:
    """The value of an argument, evaluated; for an argument that is a layer, the `Nested` layer."""
    if row.source == "buffer" and name == "value":
        return _table(scope, value, names, path)
    if row.source == "parameter" and name == "init":
        from .initial import read_init  # few specs have them

        return read_init(scope.context, value, names, path)
    if name == row.batch_in and isinstance(value, list) and "N" in value:
        batch = scope.batch_size()
        value = [batch if size == "N" and batch is not None else size for size in value]
    value = scope.context.evaluate(value, names, path)
    arg = row.known.get(name)
    if arg is not None and arg.kind.module and value is not None:
        scope.context.fix_at(value, path)
        try:
            return arg.kind.check(plain(value))
        except ValueError:
            return _nested(scope, plain(value), names, path, arg.kind.label)
    return value


def _table(scope: Scope, value: Any, names: LayerNames, path: SpecPath) -> Table:
    """The value of a buffer; raises `NetgenError` if it is no valid expression."""
    scope.context.shared.evaluating = path
    try:
        return table(value, names, scope.context.budget)
    except ExpressionError as error:
        return scope.context.error("NG206", printable(error.message), path)
    except (SyntaxError, ValueError):
        return scope.context.error("NG206", "this is not an expression", path)


def _nested(scope: Scope, value: Any, names: LayerNames, path: SpecPath, expected: str) -> Nested:
    """The layer that is written as an argument; `expected` says in words what it should be."""
    type_, written = value, None
    if isinstance(value, dict) and len(value) == 1:
        ((type_, written),) = value.items()
        path = (*path, type_)
    if not isinstance(type_, str) or type_ not in CATALOGUE:
        help = closest(type_, [*CATALOGUE, "relu", "gelu"]) if isinstance(type_, str) else None
        named = isinstance(value, dict)
        scope.context.error("NG202", f"this should be {expected}", path, key=named, help=help)
    row = CATALOGUE[type_]
    item = Item(type_, written, {}, path)
    given, paths = by_name(scope.context, item, row)
    for key in COMMON_KEYS:
        if key in given:
            scope.context.error(
                "NG203", f"a layer as an argument has no `{key}`", paths[key], key=True
            )
    args = {
        name: _evaluate(scope, row, name, inner, names, paths[name])
        for name, inner in given.items()
    }
    checked = read_arguments(row, args)
    if isinstance(checked, list):
        from .wrong_arguments import wrong_arguments

        raise NetgenError(*wrong_arguments(scope.context, item, row, checked, paths))
    for arg in row.args:
        value = checked.get(arg.name)
        if not arg.free and (arg.kind.index or (arg.kind.structural and isinstance(value, Coded))):
            scope.context.fix_at(value, paths.get(arg.name, path))
    return Nested(row, checked)


def listed(item: Item, row: Layer | None) -> Item:
    """The item with its list of references moved to `from`, for operations on several tensors."""
    if row is None or not row.operation or not isinstance(item.written, list):
        return item
    several = row.variadic is not None or len(row.tensors) > 1
    if several and all(isinstance(text, str) for text in item.written):
        common = {**item.common, "from": item.written}
        return replace(item, written=None, common=common, inline="from")
    return item


def respelt(context: Context, item: Item) -> Item:
    """The item with misspelt common keys (`from`, `name`, ...) corrected; each is reported."""
    if not isinstance(item.written, dict) or len(item.written) > MOST_FINDINGS:
        return item
    row, block = context.row(item.type), context.known.blocks.get(item.type)
    known = ["layers", "layer", "branches"]
    if row is not None:
        row = widened(row, item)
        known = [arg.name for arg in (*row.args, *row.options)] + [
            *row.optional_tensors,
            "branches",
        ]
    elif block is not None:
        known = list(block.params)
    written, common = dict(item.written), dict(item.common)
    for key in item.written:
        meant = None if key in known or key in FACTORY else meant_argument(key, known, COMMON_KEYS)
        if meant in COMMON_KEYS and meant not in common:
            message = f"`{item.type}` has no argument `{printable(key)}`"
            location = context.source.locate(item.at(key), key=True)
            help = f"did you mean `{meant}`?"
            context.shared.findings.add(Diagnostic("NG203", message, location, help=help))
            value = written.pop(key)
            numbered = meant == "repeat" and isinstance(value, dict)
            common[meant] = value.get("times", 1) if numbered else value
    return replace(item, written=written, common=common)


def _as_yaml(value: Any) -> str:
    """A plain value as YAML text."""
    if isinstance(value, list):
        return f"[{', '.join(map(_as_yaml, value))}]"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return str(value)
