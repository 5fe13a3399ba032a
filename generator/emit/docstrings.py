"""The docstrings of generated classes: description, arguments and shapes, as in `torch.nn`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from msgspec import Struct

from ..ir.graph import Graph, Module, Parameter
from ..ir.needs import UNUSED
from ..layers.tensor import TensorType
from ..symbolic.literals import literal, paragraphs, prose, summary, wrapped
from ..symbolic.sizes import symbols_in
from .construct import arguments_of

_MEANINGS = {
    "in_channels": "Channels of the input.",
    "in_features": "Size of the input's last dimension.",
    "out_channels": "Number of output channels.",
    "out_features": "Number of output features.",
    "num_classes": "Number of output classes.",
    "kernel_size": "Size of the convolving kernel.",
    "stride": "Stride of the convolution.",
    "padding": "Padding added to all sides of the input.",
    "dilation": "Spacing between kernel elements.",
    "groups": "Number of groups of channels that are convolved apart.",
    "dropout": "Probability of an element to be zeroed.",
    "num_heads": "Number of attention heads.",
    "activation": "Type of the activation.",
}
_OF_CONVOLUTIONS = frozenset({"kernel_size", "stride", "padding", "dilation", "groups"})


def description(graph: Graph) -> str:
    """The spec's description of the class, or else a sentence with its name."""
    kind = "block" if graph.is_block else "network"
    return graph.description or f"The {graph.name} {kind}."


def class_docstring(graph: Graph, least: Mapping[str, int] | None = None) -> list[str]:
    """The lines of the class's docstring: description, ``Args:``, ``Shape:``, fixed parameters.

    `least` has lower bounds of arguments; they are written because torch accepts smaller values
    without an error.
    """
    first, *others = paragraphs(description(graph)) or [graph.name]
    lines = wrapped(summary(first), 4)
    for paragraph in others:
        lines += ["", *wrapped(paragraph, 4)]
    arguments = arguments_of(graph)
    if arguments:
        lines += ["", "Args:"]
        decided = _decided(graph)
        for parameter in arguments:
            doc = _parameter_doc(graph, parameter, decided)
            bound = (least or {}).get(parameter.name)
            doc = _at_least(doc, bound) if bound else doc
            text = f"{parameter.name}: {doc}"
            lines += [f"    {line}" for line in wrapped(text, 8, hanging=4)]
    lines += ["", "Shape:", *_shape_lines(graph)]
    fixed = [parameter for parameter in graph.params if parameter not in arguments]
    if fixed and not graph.is_block:
        lines += ["", "Fixed when this file was generated:"]
        for parameter in fixed:
            doc = f"{summary(prose(parameter.doc))} " if parameter.doc else ""
            why = summary(prose(why_fixed(parameter)).replace("`", "``"))
            value = prose(literal(parameter.value))
            text = f"- ``{parameter.name} = {value}``: {doc}{why[0].upper()}{why[1:]}"
            lines += [f"    {line}" for line in wrapped(text, 8, hanging=2)]
    return lines


def why_fixed(parameter: Parameter) -> str:
    """Why a parameter is no argument of the class, in words without line numbers."""
    return parameter.reason.text if parameter.reason else UNUSED


def _parameter_doc(graph: Graph, parameter: Parameter, decided: _Decided) -> str:
    """The spec's `doc` of a parameter, or else a derived text; then its computed default."""
    doc = (
        summary(prose(parameter.doc)) if parameter.doc else _derived_doc(graph, parameter, decided)
    )
    if parameter.code is not None:
        doc = f"{doc} Default: ``{prose(parameter.code)}``."
    return doc


def _at_least(doc: str, bound: int) -> str:
    one_sentence = doc.endswith(".") and ". " not in doc
    return f"{doc[:-1]}, at least {bound}." if one_sentence else f"{doc} At least {bound}."


class _Decided(Struct):
    """For each parameter the arguments that it decides, and the modules whose condition it is in.

    All are texts for a docstring.
    """

    places: dict[str, list[str]]
    modules: dict[str, list[str]]


def _decided(graph: Graph) -> _Decided:
    found = _Decided({}, {})
    for path, args in _arguments(graph):
        for name, value in args.items():
            for parameter in _names(value):
                found.places.setdefault(parameter, []).append(f"``{name}`` of ``{prose(path)}``")
    for path, condition in _conditions(graph):
        for parameter in _names(condition):
            found.modules.setdefault(parameter, []).append(path)
    for node in graph.nodes:
        for name in {name: None for choice in node.choices for name in _names(choice.value)}:
            found.places.setdefault(name, []).append(f"what ``{prose(node.name)}`` reads")
    return found


def _conditions(graph: Graph) -> Iterator[tuple[str, Any]]:
    """Conditional modules and operations, in words, each with its condition."""
    waiting = [("", module) for module in graph.modules]
    for owner, module in waiting:  # the list grows while it is iterated
        path = f"{owner}.{module.name}".strip(".")
        if module.condition is not None and (module.name or module.row is not None):
            yield _called(owner, module), module.condition
        waiting += [(path, child) for _, child in module.entries()]
    for node in graph.nodes:
        if node.functional and node.condition is not None:
            yield f"``{prose(node.name)}``", node.condition


def _called(owner: str, module: Module) -> str:
    """The words for a module: its path or, where it only has a number, its type."""
    if module.name:
        return f"``{prose(f'{owner}.{module.name}'.strip('.'))}``"
    type_ = module.row.name if module.row is not None else module.node.kind
    return f"a ``{prose(type_)}``" + (f" in ``{prose(owner)}``" if owner else "")


def _derived_doc(graph: Graph, parameter: Parameter, decided: _Decided) -> str:
    """The text for an argument without `doc`: torch's words for its name, or what it decides."""
    places = decided.places.get(parameter.name, [])
    convolves = any(place.startswith(f"``{parameter.name}``") for place in places)
    if parameter.name in _MEANINGS and (convolves or parameter.name not in _OF_CONVOLUTIONS):
        return _MEANINGS[parameter.name]
    sizes = {"length": "Length", "width": "Width"}
    for word, what in sizes.items():
        if parameter.required and parameter.value is None and parameter.name.endswith(word):
            for place, placeholder in enumerate(graph.inputs):
                name = "the input" if place == 0 else f"``{placeholder.name}``"
                if parameter.name == (word if place == 0 else f"{placeholder.name}_{word}"):
                    return f"{what} of {name}."
    for placeholder in graph.inputs:
        if parameter.name == f"{placeholder.name}_channels":
            return f"Channels of ``{placeholder.name}``."
        if parameter.name == f"{placeholder.name}_features":
            return f"Size of the last dimension of ``{placeholder.name}``."
    conditions = decided.modules.get(parameter.name, [])
    if not places and conditions:
        return f"Whether there is {conditions[0]}."
    if not places:
        return "Decides on other arguments."
    more = f" and {len(places) - 1} more" if len(places) > 1 else ""
    return f"Decides {places[0]}{more}."


def _names(value: object) -> Iterable[str]:
    return dict.fromkeys(symbol.name for symbol in symbols_in(value))


def _arguments(graph: Graph) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The arguments of all modules and functional calls of a class, each with a path or name."""
    for module in graph.modules:
        yield from _module_arguments(module.name, module)
    for node in graph.nodes:
        if node.functional:
            yield node.name, node.args


def _module_arguments(path: str, module: Module) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if module.row is not None:
        yield path or "the layers", module.node.args
    if module.node.count is not None:
        yield path or "the layers", {"number of copies": module.node.count}
    for child in module.children:
        yield from _module_arguments(".".join(filter(None, (path, child.name))), child)


def _shape_lines(graph: Graph) -> list[str]:
    """The lines of ``Shape:``: inputs, outputs, and which run-time sizes fit."""
    inputs = [placeholder.type for placeholder in graph.inputs]
    outputs = [graph.type_of(ref) for _, ref in graph.outputs]
    if graph.shapes is not None:
        inputs, outputs = list(graph.shapes[0]), list(graph.shapes[1])
    rows = []
    for placeholder, type_ in zip(graph.inputs, inputs, strict=True):
        rows.append(("Input" if len(inputs) == 1 else placeholder.name, type_))
    for place, ((key, _), type_) in enumerate(zip(graph.outputs, outputs, strict=True)):
        name = "Output" if key is None else prose(key)
        rows.append((f"Output {place}" if key is None and len(outputs) > 1 else name, type_))
    texts = [f"{name}: {_type_text(type_)}" for name, type_ in rows]
    texts += map(_fit_text, graph.fit.written or graph.fit.texts)
    return [f"    {line}" for text in texts for line in wrapped(f"- {text}", 8, hanging=2)]


def _fit_text(text: str) -> str:
    """A text on sizes with its names or its condition in double backticks."""
    what, colon, words = text.partition(": ")
    return f"``{what}``{colon}{words}"


def _type_text(type_: TensorType) -> str:
    kind = "" if type_.dtype == "float32" else f", {type_.dtype}"
    return f"``{type_.text}``{kind}"
