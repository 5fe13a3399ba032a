"""The document's inputs: their types, and the range of their sample values."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from ..diagnostics.diagnostics import SpecPath, Unknowable, printable
from ..ir.graph import Placeholder
from ..ir.needs import Need
from ..layers.base import ALL
from ..layers.tensor import TensorType
from ..spec.spec import InputSpec, validate
from ..symbolic.expressions import has_expression
from ..symbolic.hints import closest, whole
from ..symbolic.names import why_no_variable
from ..symbolic.sizes import Dim, Size
from .context import Context, ParameterNames
from .parameters import bare

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


def read_inputs(
    context: Context, values: Mapping[str, Any], samples: Mapping[str, int]
) -> tuple[tuple[Placeholder, ...], dict[str, int]]:
    """The inputs, and the sample value of each run-time size that they name.

    Raises `NetgenError` for mistakes, or `Unknowable` if those of single inputs have been reported.
    """
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
        with context.shared.findings.collecting():
            reason = why_no_variable(name)
            if reason:
                context.error("NG205", f"`{printable(name)}` {reason}", path, key=True)
            if isinstance(raw, list):
                raw, inner = {"shape": raw}, path
            else:
                inner = (*path, "shape")
            spec = validate(InputSpec, raw, context.source, path)
            inputs.append(_placeholder(context, name, spec, path, inner, values, samples, sizes))
    if len(inputs) < len(written):
        raise Unknowable
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
        help = closest(spec.dtype, sorted(ALL))
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
        shape.insert(0, _at_run_time(context, "N", samples.get("N", SAMPLE_BATCH)))
    low, high = _range(context, spec, values, (*path, "range"))
    whole = high is not None and dtype in ("int32", "int64") and float(high).is_integer()
    bound = int(high) if whole and high is not None else None
    type_ = TensorType(tuple(shape), dtype, batch if spec.batch else None, bound=bound)
    words = ("x", "input") if path == ("input",) else ()
    return Placeholder(name, type_, low, high, words)


def _range(
    context: Context, spec: InputSpec, values: Mapping[str, Any], path: SpecPath
) -> tuple[float | None, float | None]:
    """The bounds of sample values; they matter only for a run, so they fix no parameter."""
    if spec.range is None:
        return None, None
    names = ParameterNames({name: bare(value) for name, value in values.items()}, context)
    bounds = context.evaluate(spec.range, names, path)
    numbers = [b for b in bounds if isinstance(b, (int, float)) and not isinstance(b, bool)]
    if len(numbers) < 2 or not all(map(math.isfinite, numbers)):
        context.error("NG201", "`range` should be a list of two numbers, [low, high]", path)
    if bounds[0] >= bounds[1]:
        context.error("NG201", f"the range is empty: {bounds[0]} is not below {bounds[1]}", path)
    return bounds[0], bounds[1]


def _at_run_time(context: Context, name: str, sample: int) -> Size:
    """A size that is known only when the network runs; its number is that of the sample."""
    context.outer[name] = sample
    return Dim.named(name, sample, runtime=True)


def _size(
    context: Context,
    written: int | str,
    path: SpecPath,
    values: Mapping[str, Any],
    samples: Mapping[str, int],
    sizes: dict[str, int],
) -> Size:
    if written == "N":
        return _at_run_time(context, "N", samples.get("N", SAMPLE_BATCH))
    if isinstance(written, str) and not has_expression(written):
        if why_no_variable(written) or written in values:
            help = f"write `${written}` for the parameter's value" if written in values else None
            message = f"`{printable(written)}` is no name for a size"
            context.error("NG205", message, path, help=help)
        sizes[written] = context.document.sizes.get(written, samples.get(written, 0))
        if sizes[written] < 1:
            context.error("NG201", "a sample size must be 1 or more", ("sizes", written))
        return _at_run_time(context, written, sizes[written])
    value = context.evaluate(written, ParameterNames(values, context), path)
    context.fix(value, Need(path))
    value = bare(value)
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= LARGEST_SIZE:
        shown = printable(str(value))[:40]
        context.error(
            "NG201",
            f"a size is a whole number from 1 to {LARGEST_SIZE}, but this is `{shown}`",
            path,
            help=whole(written) if isinstance(value, float) else None,
        )
    return int(value)
