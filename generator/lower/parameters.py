"""Parameters: the document's, with defaults and overrides, and a block's, as one use gives them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from ..diagnostics.diagnostics import Diagnostic, NetgenError, SpecPath, printable
from ..ir.graph import Parameter
from ..ir.needs import Need
from ..ir.substitute import rebind
from ..spec.spec import ParamSpec, validate
from ..symbolic.expressions import has_expression, texts, words_in
from ..symbolic.functions import KNOWN
from ..symbolic.hints import closest
from ..symbolic.literals import literal
from ..symbolic.names import why_no_variable
from ..symbolic.provenance import named
from ..symbolic.sizes import Coded, Dim, plain, symbols_in
from .context import INDEX, Context, ParameterNames

if TYPE_CHECKING:
    from ..spec.block_spec import BlockSpec

REQUIRED = "required"
LONGEST_VALUE = 10_000  # items of a list, or characters
MEANINGS = {
    "N": "means the batch",
    INDEX: "means the number of a copy",
    "pi": "is a constant of expressions",
}


def read_parameters(context: Context) -> tuple[list[Parameter], dict[str, Any]]:
    """The document's parameters, and their values as expressions see them.

    Mistakes are reported; a parameter with one is lost.
    """
    parameters: list[Parameter] = []
    values: dict[str, Any] = {}
    for name, raw in context.document.params.items():
        with losing(context, name):
            parameters.append(_read_parameter(context, name, raw, values))
    for name in context.overrides:
        if name not in context.document.params and name not in context.of_variant:
            message = f"`--set {printable(name)}`: the spec has no such parameter"
            diagnostic = Diagnostic("NG208", message, help=closest(name, context.document.params))
            context.shared.findings.add(diagnostic)
    return parameters, values


@contextmanager
def losing(context: Context, name: str) -> Iterator[None]:
    """Report mistakes raised inside and mark the parameter as lost; the reading goes on.

    An expression that names a lost parameter raises `Unknowable`.
    """
    try:
        yield
    except NetgenError as error:
        context.shared.findings.caught(error)
        context.lost.add(name)


def _read_parameter(context: Context, name: str, raw: Any, values: dict[str, Any]) -> Parameter:
    """One parameter of the document; its value is added to `values`."""
    path: SpecPath = ("params", name)
    default, doc, path = _declared(context, name, raw, path)
    doc = plain_text(context, doc, values, (*path[:2], "doc"))
    value = _default(context, name, default, values, path)
    if value == REQUIRED:
        message = "the network's own parameters have defaults: only a block's may be `required`"
        context.error("NG201", message, path)
    parameter = _parameter(context, name, value, doc, path)
    values[name] = parameter.value if parameter.fixed else named(name, bare(value))
    if isinstance(value, Coded) and not value.code.isidentifier():
        context.computed.add(name)
    if name in context.overrides:
        value = bare(_override(context, name, value))
        parameter = replace(parameter, value=value, code=None, depends=frozenset())
        values[name] = value if parameter.fixed else named(name, value)
    context.outer[name] = value
    return parameter


def _default(
    context: Context, name: str, default: Any, values: Mapping[str, Any], path: SpecPath
) -> Any:
    """A parameter's default, evaluated.

    Where it can't be evaluated with the given values of others, but the parameter itself is
    given, it is what is given: nothing asks for the default.
    """
    try:
        return context.evaluate(default, ParameterNames(values, context), path)
    except NetgenError as error:
        others = context.overrides.keys() - {name}
        if name in context.overrides and others and _is_of_values(error, default):
            return context.overrides[name]
        raise


def _is_of_values(error: NetgenError, default: Any) -> bool:
    """Whether the values of others are why a default can't be evaluated, say a division by 0."""
    hangs = any(words_in(text).difference(KNOWN) for _, text in texts(default, ()))
    return hangs and all(diagnostic.code == "NG206" for diagnostic in error.diagnostics)


def _declared(
    context: Context, name: str, raw: Any, path: SpecPath
) -> tuple[Any, str | None, SpecPath]:
    """A parameter's default and doc as written, and the place of the default; checks the name."""
    reason = why_no_variable(name) or MEANINGS.get(name)
    if reason:
        context.error("NG205", f"`{printable(name)}` {reason}", path, key=True)
    if not isinstance(raw, dict):
        return raw, None, path
    checked = validate(ParamSpec, raw, context.source, path)
    return checked.default, checked.doc, (*path, "default")


def plain_text(
    context: Context, text: str | None, values: Mapping[str, Any], path: SpecPath
) -> str | None:
    """A description or doc in which expressions are replaced by their plain values."""
    if text is None or not has_expression(text):
        return text
    numbers = {name: bare(value) for name, value in values.items()}
    return str(context.evaluate(text, ParameterNames(numbers, context), path))


def _parameter(
    context: Context, name: str, value: Any, doc: str | None, path: SpecPath
) -> Parameter:
    """A parameter of the document, fixed if its value has no type that an argument could have."""
    number = bare(value)
    kinds = (bool, int, float, str)
    is_list = isinstance(number, list) and number and len({type(item) for item in number}) == 1
    check_value(context, name, number, path)
    first = number[0] if isinstance(number, list) and is_list else None
    typed = isinstance(number, kinds) or isinstance(first, kinds)
    if not typed:
        context.fixed.setdefault(name, Need(path, "has a value that no argument can have"))
    fixed = name in context.fixed_before or not typed
    if fixed:
        context.fix(value, Need(path))
    depends = frozenset() if fixed else frozenset(symbol.name for symbol in symbols_in(value))
    code = literal(value) if depends else None
    return Parameter(name, number, doc, code, depends, fixed, default=value)


def check_known(context: Context, name: str, value: Any, path: SpecPath) -> None:
    """Refuse a block's parameter that would be a size known only at run time."""
    unknown = [symbol.name for symbol in symbols_in(value) if symbol.runtime and not symbol.known]
    if unknown:
        message = f"`{name}` depends on `{unknown[0]}`, which is known only at run time"
        help = "a block reads such a size itself: write `shape(input)` in it"
        context.error("NG206", message, path, help=help)


def check_value(context: Context, name: str, value: Any, path: SpecPath) -> None:
    """Refuse a value that no argument could have, by its type or its length."""
    if not is_plain(value):
        context.error("NG201", f"`{name}` should be a number, a word, a boolean or a list", path)
    if _length(value) > LONGEST_VALUE:
        message = (
            f"`{name}` is too long: a parameter has {LONGEST_VALUE} items or characters at most"
        )
        context.error("NG201", message, path)


def _length(value: Any) -> int:
    """The number of characters of a text, or of items of a list with all that they hold."""
    if isinstance(value, list):
        return len(value) + sum(map(_length, value))
    return len(value) if isinstance(value, str) else 0


def is_plain(value: Any) -> bool:
    """Whether a value is a number, a word, a boolean, or lists of them."""
    if isinstance(value, list):
        return all(map(is_plain, value))
    return value is None or isinstance(value, (bool, int, float, str))


def _override(context: Context, name: str, default: Any) -> Any:
    value, wanted = context.overrides[name], bare(default)
    if isinstance(wanted, float) and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if type(value) is not type(wanted) or not is_plain(value):
        kinds = {bool: "true or false", int: "a whole number", float: "a number", str: "a word"}
        kind = kinds.get(type(wanted), "a list" if isinstance(wanted, list) else "null")
        if name in context.of_variant:
            message = f"`{name}` should be {kind}, as its default is"
            context.error("NG201", message, context.of_variant[name])
        message = f"`--set {name}={printable(str(value))}`: `{name}` is {kind}"
        raise NetgenError(Diagnostic("NG208", message, context.source.locate(("params", name))))
    return value


def bare(value: Any) -> Any:
    """The value without the expression that it came from, and so for the items of lists."""
    value = plain(value)
    if isinstance(value, (list, tuple)):
        return type(value)(map(bare, value))
    return int(value) if isinstance(value, Dim) else value


def read_block_parameters(
    context: Context,
    spec: BlockSpec,
    block: str,
    written: Mapping[str, Any],
    names: Any,
) -> tuple[list[Parameter], dict[str, Any]]:
    """The parameters of one use of a block, and their values as its expressions see them.

    `written` holds the arguments of the use, in the terms of the scope around. `names` are the
    names that a default's expression sees: the block's first input, and the parameters before it.
    """
    parameters: list[Parameter] = []
    values: dict[str, Any] = names.scope.params
    for name, raw in spec.params.items():
        default, doc, path = _declared(context, name, raw, ("blocks", block, "params", name))
        required = default == REQUIRED
        try:
            found = None if required else context.evaluate(default, names, path)
        except NetgenError as error:
            if name not in written or not _is_of_values(error, default):
                raise
            found, required = None, True  # nothing asks for the default
        check_value(context, name, bare(found), path)
        depends = frozenset(symbol.name for symbol in symbols_in(found))
        code = literal(found) if depends else None
        outer = written[name] if name in written else rebind(found, context.outer)
        if name not in written:
            check_known(context, name, outer, path)
        context.outer[name] = outer
        number = bare(context.outer[name])
        values[name] = named(name, number)
        parameters.append(
            Parameter(name, bare(found), doc, code, depends, default=found, required=required)
        )
    return parameters, values
