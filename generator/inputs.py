"""The document's parameters and inputs, evaluated."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NoReturn

from .algebra import Symbol
from .diagnostics import Diagnostic, NetgenError, SpecPath, closest, printable
from .evaluator import KNOWN
from .expressions import (
    Budget,
    ExpressionError,
    evaluate_text,
    fail,
    has_expression,
    named,
)
from .graph import Parameter, Placeholder
from .layers.base import ALL, TensorType
from .literals import literal
from .names import is_identifier, why_no_variable
from .sizes import Dim, Size, plain, symbols_in
from .source import Source
from .spec import Document, InputSpec, ParamSpec, validate

SAMPLE_BATCH = 2
ALIASES = {
    "half": "float16",
    "float": "float32",
    "double": "float64",
    "short": "int16",
    "int": "int32",
    "long": "int64",
    "cfloat": "complex64",
    "cdouble": "complex128",
}
MOST_DIMENSIONS = 12
LARGEST_SIZE = 10**9


@dataclass(slots=True)
class Context:
    """What all stages of reading one spec share.

    `pinned` collects the parameters on which something depends that no expression can carry;
    `fixed` are those of an earlier round, which are plain numbers in this one.
    """

    source: Source
    document: Document
    overrides: Mapping[str, Any]
    fixed: frozenset[str]
    budget: Budget = field(default_factory=Budget)
    pinned: set[str] = field(default_factory=set)

    def error(
        self, code: str, message: str, path: SpecPath, *, key: bool = False, **more: Any
    ) -> NoReturn:
        """Raise the diagnostic of one mistake at a place in the spec."""
        location = self.source.locate(path, key=key)
        raise NetgenError(Diagnostic(code, message, location, **more))

    def pin(self, symbols: frozenset[Symbol]) -> None:
        """Note that these parameters must be fixed; refuse sizes known only at run time."""
        for symbol in symbols:
            if symbol.runtime:
                fail(f"this depends on `{symbol.name}`, which is known only at run time")
            self.pinned.add(symbol.name)

    def decide(self, value: Any, path: SpecPath) -> None:
        """A value decides on what no expression can carry: the parameters in it are fixed."""
        try:
            self.pin(symbols_in(value))
        except ExpressionError as error:
            self.error("NG206", error.message, path)

    def evaluate(self, value: Any, names: Any, path: SpecPath) -> Any:
        """A value of the spec with its expressions evaluated, lists item by item."""
        if isinstance(value, list):
            return [self.evaluate(item, names, (*path, i)) for i, item in enumerate(value)]
        if not isinstance(value, str) or not has_expression(value):
            return value
        try:
            return evaluate_text(value, names, self.budget)
        except ExpressionError as error:
            help = closest(error.word, [*names.words(), *KNOWN]) if error.word else None
            help = None if error.word in KNOWN else help
            code = "NG208" if error.word else "NG206"
            self.error(code, printable(error.message), path, help=help)


@dataclass(slots=True)
class ParameterNames:
    """An expression's view of the parameters alone."""

    context: Context
    values: Mapping[str, Any]

    def words(self) -> list[str]:
        return list(self.values)

    def value(self, name: str) -> Any:
        if name not in self.values:
            fail(f"there is no parameter `{name}` here", name)
        return self.values[name]

    def shape(self, reference: str) -> Sequence[Any]:
        fail("`shape` has no meaning here: no layer has been read yet")

    def pin(self, symbols: frozenset[Symbol]) -> None:
        self.context.pin(symbols)


def read_parameters(context: Context) -> tuple[list[Parameter], dict[str, Any]]:
    """The parameters, and their values as expressions see them."""
    parameters: list[Parameter] = []
    values: dict[str, Any] = {}
    for name, raw in context.document.params.items():
        path: SpecPath = ("params", name)
        reason = why_no_variable(name) or ("means the batch" if name == "N" else None)
        reason = reason or ("means the number of a copy" if name == "index" else None)
        reason = reason or ("is a constant of expressions" if name == "pi" else None)
        if reason:
            context.error("NG205", f"`{printable(name)}` {reason}", path, key=True)
        doc, default = None, raw
        if isinstance(raw, dict):
            checked = validate(ParamSpec, raw, context.source, path)
            doc = plain_text(context, checked.doc, values, (*path, "doc"))
            default, path = checked.default, (*path, "default")
        names = ParameterNames(context, values)
        value = context.evaluate(default, names, path)
        parameters.append(_parameter(context, name, value, doc, path))
        values[name] = parameters[-1].value if parameters[-1].fixed else named(name, _bare(value))
        if name in context.overrides:
            value = _override(context, name, value)
            parameters[-1] = replace(
                parameters[-1], value=_bare(value), code=None, depends=frozenset()
            )
            fixed = parameters[-1].fixed
            values[name] = _bare(value) if fixed else named(name, _bare(value))
    for name in context.overrides:
        if name not in values:
            message = f"`--set {printable(name)}`: the spec has no such parameter"
            help = closest(name, values)
            raise NetgenError(Diagnostic("NG208", message, context.source.locate(()), help=help))
    return parameters, values


def plain_text(
    context: Context, text: str | None, values: Mapping[str, Any], path: SpecPath
) -> str | None:
    """Prose with the parameters in it as they are built."""
    if text is None:
        return None
    bare = {name: _bare(value) for name, value in values.items()}
    return str(context.evaluate(text, ParameterNames(context, bare), path))


def _parameter(
    context: Context, name: str, value: Any, doc: str | None, path: SpecPath
) -> Parameter:
    """A parameter; fixed where it has no type that an argument could have."""
    bare = _bare(value)
    kinds = (bool, int, float, str)
    is_list = isinstance(bare, list) and bare and all(type(item) is type(bare[0]) for item in bare)
    if not isinstance(bare, (*kinds, list)) and bare is not None:
        context.error("NG201", f"`{name}` should be a number, a word, a boolean or a list", path)
    typed = isinstance(bare, kinds) or bool(is_list and bare and isinstance(bare[0], kinds))
    fixed = name in context.fixed or not typed
    if fixed:
        context.pinned |= {symbol.name for symbol in symbols_in(value)}
    depends = frozenset() if fixed else frozenset(symbol.name for symbol in symbols_in(value))
    return Parameter(name, bare, doc, literal(value) if depends else None, depends, fixed)


def _override(context: Context, name: str, default: Any) -> Any:
    value, wanted = context.overrides[name], _bare(default)
    if isinstance(wanted, float) and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if type(value) is not type(wanted):
        kinds = {bool: "true or false", int: "a whole number", float: "a number", str: "a word"}
        kind = kinds.get(type(wanted), "a list" if isinstance(wanted, list) else "null")
        message = f"`--set {name}={printable(str(value))}`: `{name}` is {kind}"
        raise NetgenError(Diagnostic("NG208", message, context.source.locate(("params", name))))
    return value


def _bare(value: Any) -> Any:
    """The value without where it came from."""
    value = plain(value)
    if isinstance(value, list):
        return [_bare(item) for item in value]
    return int(value) if isinstance(value, Dim) else value


def read_inputs(
    context: Context, values: Mapping[str, Any], samples: Mapping[str, int]
) -> tuple[tuple[Placeholder, ...], dict[str, int]]:
    """The inputs, and the sample value of each run-time size that they name."""
    document = context.document
    if (document.input is None) == (document.inputs is None):
        both = "both" if document.input is not None else "neither"
        context.error("NG201", f"a spec has `input` or `inputs`, but this has {both}", ())
    only = document.input is not None
    written: Mapping[str, Any] = {"x": document.input} if only else document.inputs or {}
    if not written:
        context.error("NG201", "a network needs at least one input", ("inputs",))
    sizes: dict[str, int] = {}
    inputs = []
    for name, raw in written.items():
        path: SpecPath = ("input",) if only else ("inputs", name)
        reason = why_no_variable(name)
        if reason:
            context.error("NG205", f"`{printable(name)}` {reason}", path, key=True)
        if isinstance(raw, list):
            raw, inner = {"shape": raw}, path
        else:
            inner = (*path, "shape")
        spec = validate(InputSpec, raw, context.source, path)
        inputs.append(_placeholder(context, name, spec, path, inner, values, samples, sizes))
    for name in document.sizes:
        if name not in sizes:
            help = closest(name, sizes)
            context.error(
                "NG204", f"no input has a size `{name}`", ("sizes", name), key=True, help=help
            )
    return tuple(inputs), sizes


def _placeholder(
    context: Context,
    name: str,
    spec: InputSpec,
    path: SpecPath,
    inner: SpecPath,
    values: Mapping[str, Any],
    samples: Mapping[str, int],
    sizes: dict[str, int],
) -> Placeholder:
    dtype = ALIASES.get(spec.dtype, spec.dtype)
    if dtype not in ALL:
        help = closest(spec.dtype, ALL)
        message = f"`{printable(spec.dtype)}` is no element type that an input can have"
        context.error("NG201", message, (*path, "dtype"), help=help)
    if len(spec.shape) > MOST_DIMENSIONS:
        context.error("NG201", f"a shape has at most {MOST_DIMENSIONS} dimensions", inner)
    shape: list[Size] = []
    batch: int | None = None
    for place, written in enumerate(spec.shape):
        if written == "N":
            if batch is not None or not spec.batch:
                context.error(
                    "NG201", "the batch `N` stands once, and not with `batch: false`", inner
                )
            batch = place
        shape.append(_size(context, written, (*inner, place), values, samples, sizes))
    if spec.batch and batch is None:
        batch = 0
        shape.insert(0, Dim.named("N", samples.get("N", SAMPLE_BATCH), runtime=True))
    low, high = _range(context, spec, values, (*path, "range"))
    whole = high is not None and dtype in ("int32", "int64") and float(high).is_integer()
    bound = int(high) if whole and high is not None else None
    type_ = TensorType(tuple(shape), dtype, batch if spec.batch else None, bound=bound)
    return Placeholder(name, type_, low, high)


def _range(
    context: Context, spec: InputSpec, values: Mapping[str, Any], path: SpecPath
) -> tuple[float | None, float | None]:
    """The bounds of sample values; they concern the run alone, so no parameter is fixed by them."""
    if spec.range is None:
        return None, None
    bare = ParameterNames(context, {name: _bare(value) for name, value in values.items()})
    bounds = context.evaluate(spec.range, bare, path)
    numbers = [b for b in bounds if isinstance(b, (int, float)) and not isinstance(b, bool)]
    if len(numbers) < 2 or not all(map(math.isfinite, numbers)):
        context.error("NG201", "`range` should be a list of two numbers, [low, high]", path)
    if bounds[0] >= bounds[1]:
        context.error("NG201", f"the range is empty: {bounds[0]} is not below {bounds[1]}", path)
    return bounds[0], bounds[1]


def _size(
    context: Context,
    written: int | str,
    path: SpecPath,
    values: Mapping[str, Any],
    samples: Mapping[str, int],
    sizes: dict[str, int],
) -> Size:
    if written == "N":
        return Dim.named("N", samples.get("N", SAMPLE_BATCH), runtime=True)
    if isinstance(written, str) and not has_expression(written):
        if not is_identifier(written) or written in values:
            help = f"write `${written}` for the parameter's value" if written in values else None
            message = f"`{printable(written)}` is no name for a size"
            context.error("NG205", message, path, help=help)
        sizes[written] = context.document.sizes.get(written, samples.get(written, 0))
        if sizes[written] < 1:
            context.error("NG201", "a sample size must be 1 or more", ("sizes", written))
        return Dim.named(written, sizes[written], runtime=True)
    value = context.evaluate(written, ParameterNames(context, values), path)
    context.pinned |= {symbol.name for symbol in symbols_in(value)}
    value = _bare(value)
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= LARGEST_SIZE:
        shown = printable(str(value))[:40]
        context.error(
            "NG201",
            f"a size is a whole number from 1 to {LARGEST_SIZE}, but this is `{shown}`",
            path,
        )
    return int(value)
