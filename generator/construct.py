"""The `__init__` of a network: the expression that makes each of its modules."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from .graph import Graph, Module, Parameter
from .layers.base import REQUIRED, Arg, Layer, Nested
from .literals import literal
from .sizes import Coded, Dim, symbols_in

SHORTEST_RUN = 3  # so many equal children in a row become a comprehension


def init_lines(graph: Graph) -> list[str]:
    """The statements after ``super().__init__()``, one attribute each."""
    lines = []
    for parameter in arguments_of(graph):
        if parameter.code is not None:
            lines += [f"if {parameter.name} is None:", f"    {parameter.name} = {parameter.code}"]
    return lines + [f"self.{module.name} = {module_source(module)}" for module in graph.modules]


def arguments_of(graph: Graph) -> list[Parameter]:
    """The parameters that are arguments of the class."""
    return [parameter for parameter in graph.params if parameter.used and not parameter.fixed]


def module_source(module: Module) -> str:
    """The expression that makes a module."""
    if module.row is not None and module.args is not None:
        return layer_source(module.row, module.args)
    if module.kind == "ModuleDict":
        pairs = (f"{literal(child.name)}: {module_source(child)}," for child in module.children)
        return f"nn.ModuleDict({{{' '.join(pairs)}}})"
    if module.kind == "Sequential" and any(child.named for child in module.children):
        pairs = (f"({literal(child.name)}, {module_source(child)})," for child in module.children)
        return f"nn.Sequential(OrderedDict([{' '.join(pairs)}]))"
    runs = list(_runs([module_source(child) for child in module.children]))
    if module.kind == "Sequential":
        parts = [
            f"*[{source} for _ in range({count})]" if count else source for source, count in runs
        ]
        exploded = "," if len(parts) > 1 else ""  # black keeps one child a line
        return f"nn.Sequential({', '.join(parts)}{exploded})"
    if len(runs) == 1 and runs[0][1]:
        return f"nn.ModuleList([{runs[0][0]} for _ in range({runs[0][1]})])"
    parts = [source for source, count in runs for _ in range(count or 1)]
    exploded = "," if len(parts) > 1 else ""
    return f"nn.ModuleList([{', '.join(parts)}{exploded}])"


def _runs(sources: Sequence[str]) -> Iterator[tuple[str, int]]:
    """Equal sources in a row with their number, 0 for each of a short row."""
    for source, group in groupby(sources):
        count = len(list(group))
        if count >= SHORTEST_RUN:
            yield source, count
        else:
            yield from [(source, 0)] * count


def layer_source(row: Layer, args: Mapping[str, Any]) -> str:
    """``nn.Conv2d(1, 6, kernel_size=5)``: defaults left out, channels and features by position."""
    written = [arg for arg in row.args if not is_default(arg, args[arg.name])]
    parts, positional = [], True
    for arg in row.args:
        if arg not in written:
            positional = False
            continue
        positional = positional and arg.positional
        parts.append(argument_source(arg, args[arg.name], named=not positional))
    return f"nn.{row.name}({', '.join(parts)})"


def argument_source(arg: Arg, value: Any, *, named: bool) -> str:
    """An argument of a call."""
    if isinstance(value, Nested):
        source = layer_source(value.row, value.args)
    else:
        source = literal(value, brackets=arg.brackets)
    return f"{arg.name}={source}" if named else source


def is_default(arg: Arg, value: Any) -> bool:
    """Whether a value can be left out of a call."""
    if arg.default is REQUIRED or isinstance(value, (Nested, Coded)):
        return False
    if isinstance(value, Dim) and symbols_in(value):
        return False
    return bool(value == arg.default) and isinstance(value, bool) == isinstance(arg.default, bool)


def signature(graph: Graph) -> str:
    """The arguments of ``__init__`` after ``self``."""
    return "".join(f", {_parameter_source(parameter)}" for parameter in arguments_of(graph))


def _parameter_source(parameter: Parameter) -> str:
    if parameter.code is not None:
        return f"{parameter.name}: {annotation(parameter.value)} | None = None"
    return f"{parameter.name}: {annotation(parameter.value)} = {literal(parameter.value)}"


def annotation(value: Any) -> str:
    """The type of an argument with this default."""
    if isinstance(value, list):
        return f"tuple[{', '.join(annotation(item) for item in value)}]"
    return type(value).__name__
