"""Other defaults of a spec's parameters, written into its text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from ..diagnostics.diagnostics import Diagnostic, NetgenError, printable
from .source import Source, parse
from .yaml_nodes import pairs
from .yaml_writing import in_flow


def with_defaults(source: Source, values: Mapping[str, Any]) -> str:
    """The text with these values as defaults.

    Raises `NetgenError` if that would change anything else.
    """
    declared = _children(_children(source.root).get("params"))
    text, starts = source.text, _starts(source.text)
    places = []
    for name, value in values.items():
        if name in declared:
            node = _children(declared[name]).get("default", declared[name])
            begin = starts[node.start_mark.line] + node.start_mark.column
            end = starts[node.end_mark.line] + node.end_mark.column
            places.append((begin, begin + len(text[begin:end].rstrip()), in_flow(value)))
    for begin, end, written in sorted(places, reverse=True):
        text = text[:begin] + written + text[end:]
    if not {*values} <= {*declared} or _read(text) != _with(source.values, values):
        names = ", ".join(f"`{printable(name)}`" for name in values)
        help = "change the spec by hand: its default is written in a way that this can't change"
        raise NetgenError(Diagnostic("NG208", f"can't write {names} into the text", help=help))
    return text


def _children(node: yaml.Node | None) -> dict[str, yaml.Node]:
    if not isinstance(node, yaml.MappingNode):
        return {}
    return {key.value: value for key, value in pairs(node)}


def _starts(text: str) -> list[int]:
    """Where each line of a text begins."""
    found = [0]
    for line in text.split("\n"):
        found.append(found[-1] + len(line) + 1)
    return found


def _read(text: str) -> Any:
    try:
        return parse(text, "").values
    except NetgenError:
        return None


def _with(values: Any, given: Mapping[str, Any]) -> Any:
    """The values of a spec with other defaults."""
    params = {**values["params"]}
    for name, value in given.items():
        raw = params.get(name)
        params[name] = {**raw, "default": value} if isinstance(raw, dict) else value
    return {**values, "params": params}
