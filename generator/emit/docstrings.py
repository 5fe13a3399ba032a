"""The docstrings of generated classes: description, arguments and shapes, as in `torch.nn`."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from operator import eq
from typing import Any

from msgspec import Struct, field

from ..diagnostics.diagnostics import listed
from ..ir.graph import Graph, Module, Node, Parameter
from ..ir.needs import UNUSED
from ..layers.base import Layer, Nested
from ..layers.tensor import TensorType
from ..symbolic.literals import WIDTH, literal, paragraphs, prose, summary, wrapped
from ..symbolic.sizes import Coded, Dim, bracketed, shape_text
from .construct import arguments_of

# what arguments of these names mean, whatever they are given to
_MEANINGS = {
    "in_channels": "Channels of the input",
    "in_features": "Size of the input's last dimension",
    "out_channels": "Number of output channels",
    "out_features": "Number of output features",
    "num_classes": "Number of output classes",
}
_OF_ATTENTION = {
    **dict.fromkeys(("heads", "n_head", "n_heads", "num_heads"), "Number of attention heads"),
    **dict.fromkeys(
        ("kv_heads", "n_kv_heads", "num_kv_heads"), "Number of heads of keys and values"
    ),
    "head_dim": "Size of each head",
}
_ZEROED = "Dropout probability"
_MOST_PARTS = 5  # types that are named instead of a description
_LONGEST = 30  # characters of a size in a shape
_WIDEST = WIDTH - 8


def description(graph: Graph) -> str:
    """The spec's description of the class; else what it is made of, or its name."""
    if graph.description:
        return graph.description
    calls = [call for node in graph.nodes for call in node.walk() if call.kind != "Sequential"]
    names = [call.row.name if call.row is not None else "" for call in calls]
    chain = all(map(_is_sure_layer, calls)) and _is_chain(graph)
    if 1 < len(names) <= _MOST_PARTS and chain and not any(map(eq, names, names[1:])):
        return f"{listed(names)}."
    parts = [*dict.fromkeys(call.row.name for call in calls if call.row and _tells(call.row))]
    if 1 < len(parts) <= _MOST_PARTS:
        return f"Made of {listed(parts)}."
    return f"The {graph.name} {'block' if graph.is_block else 'network'}."


def _tells(row: Layer) -> bool:
    """Whether a type says what a class does: a layer or a block, or attention."""
    return row.attends or not (row.operation or row.source or row.moves)


def _is_sure_layer(call: Node) -> bool:
    """Whether it is a layer of torch's that is there in all uses."""
    return call.is_layer and call.condition is None and not (call.row and call.row.operation)


def _is_chain(graph: Graph) -> bool:
    """Whether each call of a class reads what the one before it gives, and nothing else."""
    first = len(graph.inputs) - 1
    reads = [[ref.node for ref in node.reads] for node in graph.nodes]
    return reads == [[place] for place in range(first, first + len(reads))]


def class_docstring(
    graph: Graph, meanings: Mapping[str, Meaning], least: Mapping[str, int] | None = None
) -> list[str]:
    """The lines of the class's docstring: description, ``Args:``, ``Shape:``, fixed parameters.

    An argument of which nothing is known but its name has no line. `least` has lower bounds of
    arguments: they are written because torch accepts smaller values without an error.
    """
    first, *others = paragraphs(description(graph)) or [graph.name]
    lines = wrapped(summary(first), 4, opening=3)
    for paragraph in others:
        lines += ["", *wrapped(paragraph, 4)]
    arguments = arguments_of(graph)
    docs = {x.name: _argument_doc(x, meanings.get(x.name), least or {}) for x in arguments}
    if any(docs.values()):
        lines += ["", "Args:"]
    for name, said in docs.items():
        if said:
            lines += [f"    {line}" for line in wrapped(f"{name}: {said}", 8, hanging=4)]
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


def _argument_doc(parameter: Parameter, meaning: Meaning | None, least: Mapping[str, int]) -> str:
    """The spec's `doc` of an argument, or what is known of it; empty if there is nothing to say."""
    doc = summary(prose(parameter.doc)) if parameter.doc else meaning.text if meaning else ""
    bound = least.get(parameter.name, 0)
    if bound > 1 and doc.endswith(".") and ". " not in doc:
        doc = f"{doc[:-1]}, at least {bound}."
    elif bound > 1:
        doc = f"{doc} At least {bound}."
    if parameter.code is not None:
        doc = f"{doc} Default: ``{prose(parameter.code)}``."
    return doc.strip()


class Owner(Struct, frozen=True):
    """A module of which something is said: its path, or its type in the container of this path."""

    path: str
    type: str = ""

    def text(self, article: str) -> str:
        """The words for it, with this article before a type."""
        place = f"``{prose(self.path)}``" if self.path else ""
        return " in ".join(filter(None, (self.type and f"{article} ``{prose(self.type)}``", place)))

    def inside(self, name: str) -> Owner:
        """The same for those who use the class `name`; a module deep inside names its own class."""
        if self.path[:1].isupper():
            return self
        return Owner(f"{name}.{self.path}".strip("."), self.type)


class Meaning(Struct, frozen=True):
    """What an argument of a class means: a phrase, and the modules of which it is said."""

    phrase: str
    owners: tuple[Owner, ...] = ()

    @property
    def text(self) -> str:
        """A sentence for a docstring."""
        if not self.owners:
            return f"{self.phrase}."
        if self.phrase == _THERE:
            return f"{self.phrase} {self.owners[0].text('a')}."
        texts = [*dict.fromkeys(owner.text("the") for owner in self.owners)]
        place = " and ".join(texts if len(texts) < 3 else [texts[0], "others"])
        counts = self.phrase.startswith(("Number", "Probability", "Whether"))
        return f"{self.phrase} {'in' if counts else 'of'} {place}."


_THERE = "Whether there is"


def argument_meanings(
    graph: Graph, classes: Mapping[str, Mapping[str, Meaning]]
) -> dict[str, Meaning]:
    """What the arguments of a class mean: by their names, or by what they are given to.

    `classes` has the same for the blocks that it uses.
    """
    said: dict[str, list[Meaning]] = {}
    for name, meaning in _said(graph, classes):
        said.setdefault(name, []).append(meaning)
    attends = any(node.row is not None and node.row.attends for node in graph.nodes)
    found = {}
    for parameter in arguments_of(graph):
        known = said.get(parameter.name, [])
        by_name = _by_name(graph, parameter, attends=attends)
        if parameter.doc:
            found[parameter.name] = Meaning(prose(parameter.doc).rstrip("."))
        elif by_name:
            found[parameter.name] = Meaning(by_name)
        elif known:
            # what blocks say of an argument of the same name says more than one layer
            first = next((meaning for meaning in known if not meaning.owners), known[0])
            alike = [meaning for meaning in known if meaning.phrase == first.phrase]
            owners = tuple(owner for meaning in alike for owner in meaning.owners)
            found[parameter.name] = Meaning(first.phrase, owners)
    return found


def _by_name(graph: Graph, parameter: Parameter, *, attends: bool) -> str:
    """What an argument means by its name, or by the input that it is a size of; or nothing."""
    name, first = parameter.name, graph.inputs[0].name if len(graph.inputs) > 1 else ""
    if first and parameter.inferred and name in ("in_channels", "in_features"):
        name = f"{first}_{name.removeprefix('in_')}"  # of the first of several inputs
    if name in _MEANINGS:
        return _MEANINGS[name]
    if attends and name in _OF_ATTENTION:
        return _OF_ATTENTION[name]
    if name == "dropout" and type(parameter.value) is float:
        return _ZEROED
    if parameter.is_type and name == "activation":
        return "Type of the activation"
    if not parameter.inferred:
        return ""
    for place, placeholder in enumerate(graph.inputs):
        own = f"{placeholder.name}_"
        for word, what in {"length": "Length", "width": "Width"}.items():
            if name == (word if place == 0 else own + word):
                return f"{what} of {f'``{placeholder.name}``' if first else 'the input'}"
        if name == f"{own}channels":
            return f"Channels of ``{placeholder.name}``"
        if name == f"{own}features":
            return f"Size of the last dimension of ``{placeholder.name}``"
    return ""


def _said(
    graph: Graph, classes: Mapping[str, Mapping[str, Meaning]]
) -> Iterator[tuple[str, Meaning]]:
    """What is said of each argument that is given as it is: to a layer, a block or a loop.

    After that: which modules and operations are there only if an argument is true.
    """
    there: list[tuple[str, Meaning]] = []
    for owner, module in _owned(graph):
        if module.node.count is not None:
            name, *more = [child.row.name for child in module.children if child.row] or [""]
            what = "repeats" if more or not name else f"``{prose(name)}`` modules"
            place = (Owner(owner.path),) if owner.path else ()
            yield _name_of(module.node.count), Meaning(f"Number of {what}", place)
        if module.node.callee is not None:
            yield _name_of(module.node.callee), Meaning("Type", (Owner(owner.path),))
        if module.row is not None:
            yield from _given(owner, module.row, module.node.args, classes)
        if module.condition is not None and (module.name or module.row is not None):
            there.append((_name_of(module.condition), Meaning(_THERE, (owner,))))
    for node in graph.nodes:
        owner = Owner(node.name)
        if node.functional and node.row is not None:
            yield from _given(owner, node.row, node.args, classes)
            there.append((_name_of(node.condition), Meaning(_THERE, (owner,))))
        for choice in node.choices:
            there.append((_name_of(choice.value), Meaning("Selects the input", (owner,))))
    yield from there


def _owned(graph: Graph) -> Iterator[tuple[Owner, Module]]:
    """All modules of a class in order, each by its path; by its type where it only has a number."""
    waiting = [("", module) for module in reversed(graph.modules)]
    while waiting:
        owner, module = waiting.pop()
        path = f"{owner}.{module.name}".strip(".") if module.name else owner
        type_ = module.row.name if module.row is not None and not module.name else ""
        yield Owner(path, type_), module
        waiting += [(path, child) for child in reversed(module.children)]


def _given(
    owner: Owner,
    row: Layer,
    args: Mapping[str, Any],
    classes: Mapping[str, Mapping[str, Meaning]],
) -> Iterator[tuple[str, Meaning]]:
    """What a layer, or a block's class, says of the arguments that it is given as they are."""
    inner = classes.get(row.name, {})
    for arg in row.args:
        value = args[arg.name]
        if isinstance(value, Nested):
            yield from _given(owner, value.row, value.args, classes)
        name = _name_of(value)
        if not name or arg.inferred:
            continue
        if arg.name in _OUTPUTS:
            yield name, Meaning(_OUTPUTS[arg.name], (owner,))
        elif arg.doc:
            yield name, Meaning(arg.doc, (owner,))
        elif arg.name in inner and (inner[arg.name].owners or name == arg.name):
            own = inner[arg.name]
            yield name, Meaning(own.phrase, tuple(x.inside(row.name) for x in own.owners))


_OUTPUTS = {"out_channels": "Output channels", "out_features": "Output features"}


def _name_of(value: Any) -> str:
    """The argument of a class that a value is, and nothing else; or an empty text."""
    code = value.code if isinstance(value, (Dim, Coded)) else ""
    return code if code.isidentifier() else ""


def _shape_lines(graph: Graph) -> list[str]:
    """The lines of ``Shape:``: inputs, outputs, names of long sizes, and which sizes fit."""
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
    taken = frozenset(parameter.name for parameter in graph.params)
    sizes = _SizeNames([_texts(type_) for type_ in inputs], taken)
    texts = [sizes.row(name, type_) for name, type_ in rows]
    texts += [*sizes.definitions(), *map(_fit_text, graph.fit.written or graph.fit.texts)]
    return [f"    {line}" for text in texts for line in wrapped(f"- {text}", 8, hanging=2)]


def _texts(type_: TensorType) -> list[str]:
    return [shape_text([size])[1:-2] for size in type_.shape]


class _SizeNames(Struct):
    """Names for the sizes of a docstring whose formulas are too long to stand in a shape.

    A name has the letter of the size of the `inputs` that stands at the same place. Formulas of one
    form, which differ in this letter alone, get their names together: `known`, by their form.
    Arguments have names that are `taken`.
    """

    inputs: Sequence[Sequence[str]]
    taken: frozenset[str]
    known: dict[str, dict[str, str]] = field(default_factory=dict)

    def row(self, name: str, type_: TensorType) -> str:
        """The line for an input or output. Where it is too long, the longest sizes get names."""
        sizes = _texts(type_)
        kind = "" if type_.dtype == "float32" else f", {type_.dtype}"
        shown = [self.named(size) or size for size in sizes]
        while True:
            line = f"{name}: ``{bracketed(shown)}``{kind}"
            longest = max(shown, key=len, default="")
            fits = len(longest) <= _LONGEST and len(line) + 2 <= _WIDEST
            if fits or longest.isidentifier() or longest.isdecimal():
                return line
            self.name(sizes, sizes.index(longest))
            shown = [self.named(size) or size for size in sizes]

    def named(self, formula: str) -> str:
        """The name of a formula, if it has one."""
        return next((own[formula] for own in self.known.values() if formula in own), "")

    def name(self, sizes: Sequence[str], place: int) -> None:
        """Give names to the formula of the size at a place, and to all sizes of the same form."""
        letters = [self.letter(number, len(sizes)) for number in range(len(sizes))]
        forms = [*map(_form, sizes, letters)]
        own = self.known.setdefault(forms[place], {})
        for formula, letter, form in zip(sizes, letters, forms, strict=True):
            if form == forms[place] and formula not in own:
                used = (name for names in self.known.values() for name in names.values())
                taken = {*self.taken, *used}
                own[formula] = next(name for name in _names_out(letter) if name not in taken)

    def letter(self, place: int, rank: int) -> str:
        """What the inputs call their size at a place, or else a name for it."""
        own = [sizes[place] for sizes in self.inputs if len(sizes) == rank]
        other = "in_features" if place == 1 and rank == 2 else f"D{place}"
        return next(filter(str.isidentifier, own), other)

    def definitions(self) -> Iterator[str]:
        """A line for each form: what its first name stands for, and which others are like it."""
        for own in self.known.values():
            (formula, name), *others = own.items()
            likewise = "".join(f", ``{other}`` likewise" for _, other in others)
            yield f"``{name} = {formula}``{likewise}"


def _names_out(letter: str) -> Iterator[str]:
    """Names for a size of an output: ``H_out``; instead of ``in_channels``, ``out_channels``."""
    word = letter.removeprefix("in_")
    yield f"out_{word}" if word != letter else f"{letter}_out"
    yield f"{word}_out"
    yield from (f"{word}_out{number}" for number in itertools.count(2))


def _form(formula: str, letter: str) -> str:
    return re.sub(rf"\b{letter}\b", "?", formula)


def _fit_text(text: str) -> str:
    """A text on sizes with its names or its condition in double backticks."""
    what, colon, words = text.partition(": ")
    return f"``{what}``{colon}{words}"
