"""Diagnostics for wrong keys and values in a document, block, input or parameter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from ..diagnostics.diagnostics import Diagnostic, SpecPath, printable
from ..symbolic.hints import meant_key, structural_help
from .source import Source


class Written(Struct, frozen=True):
    """The values for one model, and their place in the spec."""

    source: Source
    path: SpecPath
    values: Any


def wrong_keys(
    model: str, known: Sequence[str], problems: Sequence[Mapping[str, Any]], written: Written
) -> list[Diagnostic]:
    """A diagnostic for each wrong key; `problems` are pydantic's errors for a `model`."""
    places: dict[SpecPath, Diagnostic] = {}
    # a misspelt key is one mistake: that the right one is missing follows from it
    unknown = [str(found["loc"][-1]) for found in problems if found["type"] == "extra_forbidden"]
    meant = {meant_key(word, known) for word in unknown}
    missing = [found["loc"][0] for found in problems if found["type"] == "missing"]
    absent = [f"`{key}`" for key in missing if key not in meant]
    if absent:
        what = "key {} is" if len(absent) == 1 else "keys {} are"
        message = f"the {what.format(' and '.join(absent))} missing"
        places[()] = Diagnostic("NG201", message, written.source.locate(written.path))
    for found in problems:
        if found["type"] != "missing":
            # a union reports each of its sides: one mistake is one message
            place = _real(found["loc"], written.values)
            places.setdefault(place, _diagnostic(model, known, found, written))
    outer = {place for place in places if any(place == p[: len(place)] != p for p in places)}
    return [places[place] for place in places if not place or place not in outer]


def _real(loc: tuple[Any, ...], values: Any) -> SpecPath:
    """The path in the values that pydantic's place means, without the sides of unions in it."""
    real: list[str | int] = []
    for step in loc:
        inside = isinstance(values, dict) and step in values
        if inside or (isinstance(values, list) and isinstance(step, int) and step < len(values)):
            real.append(step)
            values = values[step]
    return tuple(real)


def _diagnostic(model: str, known: Sequence[str], found: Any, written: Written) -> Diagnostic:
    loc, kind = found["loc"], found["type"]
    key = printable(str(loc[0])) if loc else ""
    place = (*written.path, *_real(loc, written.values))
    if kind == "extra_forbidden":
        message = f"there is no key `{printable(str(loc[-1]))}` here"
        meant = meant_key(str(loc[-1]), known)
        help = f"did you mean `{meant}`?" if meant else _ONLY.get(model)
        return Diagnostic("NG201", message, written.source.locate(place, key=True), help=help)
    expected = _EXPECTED.get((model, str(loc[0])), "something else") if loc else "a mapping"
    message = f"`{key}` should be {expected}" if loc else f"this should be {expected}"
    help = structural_help(model, str(loc[0]) if loc else "", found["input"])
    return Diagnostic("NG201", message, written.source.locate(place), help=help)


_ONLY = {"BlocksFile": "an included file has `blocks` and `include` only"}
_EXPECTED = {
    **dict.fromkeys(
        (("Document", "include"), ("BlocksFile", "include")), "a list of paths of files"
    ),
    ("BlocksFile", "blocks"): "a mapping from names to blocks",
    ("Document", "name"): "a Python class name",
    ("Document", "layers"): "a list of one layer or more",
    ("Document", "description"): "text",
    ("Document", "language"): "1, the only version there is",
    ("Document", "input"): "a shape: a list of numbers and names",
    ("Document", "inputs"): "a mapping from names to shapes",
    ("Document", "params"): "a mapping from names to defaults",
    ("Document", "variants"): "a mapping from names to values of parameters",
    ("Document", "blocks"): "a mapping from names to blocks",
    ("Document", "init"): "a mapping from types, names or paths to their initial weights",
    ("Document", "tie"): "a mapping from a parameter's path to another one's",
    ("Document", "sequential"): "true or false",
    ("Document", "declare"): "a list of names of layers",
    ("Document", "alias"): "a mapping from a module's further name to its path",
    ("BlockSpec", "layers"): "a list of one layer or more",
    ("BlockSpec", "description"): "text",
    ("BlockSpec", "params"): "a mapping from names to defaults, or to `required`",
    ("BlockSpec", "inputs"): "a list of names",
    ("BlockSpec", "outputs"): "a list of references, or a mapping from names to references",
    ("BlockSpec", "sequential"): "true or false",
    ("BlockSpec", "declare"): "a list of names of layers",
    ("Document", "outputs"): "a list of references, or a mapping from names to references",
    ("Document", "expect"): "a mapping with `output`, `parameters` or `macs`",
    ("Document", "style"): "`modules` or `functional`",
    ("Document", "sizes"): "a mapping from names to whole numbers",
    ("Document", "allow"): "a list of codes of warnings",
    ("Document", "imports"): "a mapping from names to import paths",
    ("InputSpec", "shape"): "a list of numbers and names",
    ("InputSpec", "dtype"): "a torch dtype name",
    ("InputSpec", "batch"): "true or false",
    ("InputSpec", "range"): "a list of two numbers, [low, high]",
    ("ParamSpec", "doc"): "text",
}
