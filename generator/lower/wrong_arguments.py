"""What is wrong with a layer's arguments, and what was probably meant."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from ..diagnostics.diagnostics import MOST_FINDINGS, Diagnostic, NetgenError, SpecPath, printable
from ..layers.base import Layer
from ..layers.models import Problem, read_arguments, show_value
from ..layers.parametrizations import FUNCTIONS
from ..spec.spec import COMMON_KEYS, Item
from ..symbolic.hints import (
    as_expression,
    bracketed,
    instead_of_argument,
    is_sum,
    meant_argument,
    run_together,
    same_type,
    values_in,
    whole,
)
from ..symbolic.sizes import plain
from .context import Context
from .python_calls import as_arguments, as_called, is_named


def wrong_arguments(
    context: Context, item: Item, row: Layer, problems: list[Problem], paths: Mapping[str, SpecPath]
) -> list[Diagnostic]:
    """A diagnostic for each problem; after a misspelt argument none is reported as missing."""
    called = _as_call(context, item, row)
    if called is not None:
        return [called]
    misspelt = any(found.kind == "unknown" for found in problems)
    tuples = [value for value in _values(item.written) if bracketed(value) or _cut(value)]
    if tuples:  # YAML has cut a tuple at its commas: the rest seems to be missing or unknown
        problems = [found for found in problems if found.kind == "value"][:1] or problems
    return [
        _diagnostic(context, item, row, found, paths)
        for found in problems
        if found.kind != "missing" or not misspelt
    ]


def _diagnostic(
    context: Context, item: Item, row: Layer, found: Problem, paths: Mapping[str, SpecPath]
) -> Diagnostic:
    path = paths.get(found.argument, item.path)
    code, help = "NG203", None
    if found.kind == "unknown":
        known = [arg.name for arg in (*row.args, *row.options)]
        meant = meant_argument(found.argument, [*known, *row.optional_tensors], COMMON_KEYS)
        instead = instead_of_argument(found.argument) or _takes(row)
        help = f"did you mean `{meant}`?" if meant else instead
        help = run_together(found.argument, known) or _behind(context, item, found) or help
        if found.argument in FUNCTIONS and row.has_weights:
            help = f"write `parametrize: {found.argument}`"
    message, of_list = found.message, None
    if found.kind == "value" and isinstance(item.written, list):
        of_list = _named_in_list(context, row, item.written)
        inferred = _inferred_in_list(row, item.written)
        of_list, path = (of_list, path) if inferred is None else (inferred, item.at(0))
    if found.kind == "missing" and row.axes:
        help = _of_pattern(row, item)
    key = found.kind == "unknown" or (path == item.path and item.written is not None)
    if found.kind == "value":
        key = False
        help = found.help or _kind_help(context, item, row, found, paths)
    if of_list is not None:
        message, help = of_list
    location = context.source.locate(path, key=key)
    if found.span is not None:
        location = context.source.inside(path, plain(found.value), found.span)
    return Diagnostic(code, printable(message), location, help=help)


def as_meant(
    context: Context,
    item: Item,
    row: Layer,
    problems: list[Problem],
    args: Mapping[str, Any],
    paths: dict[str, SpecPath],
) -> dict[str, Any]:
    """The arguments with misspelt names corrected, so that the reading can go on.

    The problems are reported. Raises them as a `NetgenError` if it is unclear what was meant, or if
    the right name needs another way of reading.
    """
    problems = problems[:MOST_FINDINGS]
    wrong = NetgenError(*wrong_arguments(context, item, row, problems, paths))
    known = [arg.name for arg in (*row.args, *row.options)]
    meant = {
        found.argument: meant_argument(found.argument, known, ())
        for found in problems
        if found.kind == "unknown"
    }
    kept = {
        name: args[name] for name in args if meant.get(name, name) or not instead_of_argument(name)
    }
    names = [meant.get(name) or name for name in kept]
    checked = read_arguments(row, dict(zip(names, kept.values(), strict=True)))
    read_before = {arg.name for arg in row.args if arg.kind.module} | {"value", "init"}
    if len({*names}) < len(names) or isinstance(checked, list) or read_before & {*meant.values()}:
        raise wrong
    context.shared.findings.caught(wrong)
    paths.update({right: paths[word] for word, right in meant.items() if right})
    return checked


def _values(written: Any) -> list[Any]:
    if isinstance(written, dict):
        return [*written.values()]
    return written if isinstance(written, list) else [written]


def _cut(value: Any) -> bool:
    """Whether a value is the first half of a tuple that YAML has cut at its comma."""
    return isinstance(value, str) and re.fullmatch(r"\(\s*[\d.]+", value) is not None


def _kind_help(
    context: Context, item: Item, row: Layer, found: Problem, paths: Mapping[str, SpecPath]
) -> str | None:
    """The help for a value of the wrong kind: what to write instead."""
    for value in _values(item.written):
        if bracketed(value) or _cut(value):
            return bracketed(value) or "a list has square brackets: `[3, 3]`"
    written = item.written
    if row.variadic is not None and isinstance(written, str) and not written.startswith("$"):
        return f"what it reads is a list of names: `{row.name}: [..., {printable(written)}]`"
    if paths.get(found.argument, item.path) != item.path and isinstance(written, (dict, list)):
        written = written[paths[found.argument][-1]]  # type: ignore[index]
        if isinstance(item.written, list) and isinstance(written, dict):
            return _by_name(context, row, item.written, written)
    given = [plain(value) for value in values_in(found.value)]
    if any(isinstance(value, float) for value in given) and "whole" in found.message:
        return whole(written)
    sizes = [x for x in given if isinstance(x, str) and x.isidentifier()]
    if context.parent is None and sizes and (told := context.size_of_input(sizes[0])):
        if not (row.operation or row.fresh):  # a module is made before the network runs
            return f"`{sizes[0]}` is known only at run time: give the input's shape in numbers"
        return f'write `"$({told})"`: `{sizes[0]}` is known only at run time'
    if given and isinstance(given[0], str) and is_sum(given[0]):
        return f"write `$({given[0]})`: without `$` it is a word"
    help = as_expression(written, context.declared())
    outside = as_expression(given, context.document.params) if context.parent else None
    if help or outside:
        return help or f"where the block is used {outside}"
    return None


def _named_in_list(context: Context, row: Layer, written: Sequence[Any]) -> tuple[str, str] | None:
    """What is wrong with a list that has names in it (`[6, padding=1]`), and the help."""
    named = [value for value in written if is_named(value)]
    if not named:
        return None
    told = as_arguments(context, row, [*map(str, written)])
    message = f"`{named[0]}`: named arguments stand in braces, not in a list"
    return message, f"write `{row.name}{printable(told)}`"


def _inferred_in_list(row: Layer, written: Sequence[Any]) -> tuple[str, str] | None:
    """What is wrong with a list that begins with what is inferred, and the help."""
    if not row.args[0].inferred:
        return None
    rest = next((written[n:] for n in (1, len(written)) if _fits(row, written[n:])), None)
    if rest is None:
        return None
    values = [show_value(value).strip("`'") for value in rest]
    told = f": [{', '.join(values)}]" if len(values) > 1 else "".join(f": {x}" for x in values)
    message = f"`{row.args[0].name}` is inferred: by position it is left out"
    return message, f"write `{row.name}{told}`"


def _fits(row: Layer, written: Sequence[Any]) -> bool:
    """Whether these values are right by position, as far as they have no expressions."""
    given = {arg.name: value for arg, value in zip(row.written, written, strict=False)}
    known = {name: value for name, value in given.items() if "$" not in str(value)}
    checked = read_arguments(row, known)
    wrong = checked if isinstance(checked, list) else []
    return all(found.kind == "missing" and found.argument in given for found in wrong)


def _as_call(context: Context, item: Item, row: Layer) -> Diagnostic | None:
    """What is wrong with arguments as in a call of Python: `Conv2d: (6, 5, padding=1)`."""
    text = item.written
    if not isinstance(text, str) or "$" in text or bracketed(text):
        return None
    if row.axes or row.variadic is not None:
        return None
    help = as_called(context, text)
    if help is None and "," in text:
        help = as_called(context, f"{row.name} {text.strip().removeprefix('(').removesuffix(')')}")
    if help is None:
        return None
    message = f"`{printable(text)}`: arguments stand in a list or in braces"
    return Diagnostic("NG203", message, context.source.locate(item.path), help=printable(help))


def _by_name(
    context: Context, row: Layer, given: Sequence[Any], named: Mapping[str, Any]
) -> str | None:
    """The help for arguments that are given by position and, at the end, by name."""
    known = {arg.name for arg in row.args}
    if given[-1] is not named or not named or not named.keys() <= known:
        return None
    values = [show_value(value).strip("`'") for value in (*given[:-1], *named.values())]
    parts = [*values[: len(given) - 1]]
    parts += [f"{name}={value}" for name, value in zip(named, values[len(parts) :], strict=True)]
    told = as_arguments(context, row, parts)
    return f"by position and by name do not mix: write `{row.name}{printable(told)}`"


def _of_pattern(row: Layer, item: Item) -> str | None:
    """The help for a missing argument of a pattern: what it may be."""
    if row.axes and isinstance(item.written, dict) and "layers" in item.written:
        return "copies of layers are a `Group` with the key `repeat`"
    return None


def _behind(context: Context, item: Item, found: Problem) -> str | None:
    """The help for a layer that is given as an argument that the type does not have."""
    word = item.written.get(found.argument) if isinstance(item.written, dict) else None
    type_ = same_type(word, context.known.rows, None) if isinstance(word, str) else None
    if type_ is None or instead_of_argument(found.argument) is None:
        return None
    return f"it is a layer of its own: put `- {type_}` behind this one"


def _takes(row: Layer) -> str | None:
    """The help that lists the arguments of a type."""
    if row.axes:
        names = [f"`{arg.name}`" for arg in row.args if arg.keyword_only]
        return f"its axes are {', '.join(names)}" if names else "it has no axes"
    names = [f"`{arg.name}`" for arg in (*row.args, *row.options) if not arg.inferred]
    return f"`{row.name}` takes {', '.join(names)}" if names else f"`{row.name}` takes none"
