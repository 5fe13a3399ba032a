"""Hover: the description of a place in a spec, in Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct

from ..diagnostics.diagnostics import Location, SpecPath, printable
from ..layers import GROUPING
from ..layers.base import REQUIRED, Arg
from ..spec.spec import COMMON_KEYS, REPEAT_KEYS
from ..symbolic.functions import FUNCTIONS
from ..symbolic.sizes import bracketed
from ..views.catalogue import default, facts, kind, origin
from ..views.schema_values import common_keys, repeat_keys
from .cursor import (
    Cursor,
    argument,
    known_keys,
    mapping_at,
    refers,
    row_at,
    row_of,
    spot_at,
    type_at,
    value_at,
)
from .occurrences import (
    argument_values,
    bullets,
    calls_of,
    flows,
    listed,
    numbers_of,
    shapes_given,
    shapes_put_in,
    shapes_read,
    uses_of,
    values_of,
)
from .scopes import declared, file_at, forms_of, named, numbers, parameters, word_at
from .snapshot import Snapshot

OF_INPUT: Mapping[str, str] = {
    "in_shape": "the shape of what the layer reads, without the batch",
    "in_channels": "the first size of what the layer reads, without the batch",
    "in_features": "the last size of what the layer reads",
    "index": "the number of the copy, in a `repeat`",
    "pi": "3.14159...",
}


# characters with a meaning in Markdown: anywhere, and at the beginning of a paragraph
_MARKS = re.compile(r"[\\`*_\[\]<>&#|~!$]|^(?:[-+=]|\d+[.)])")


class Hover(Struct, frozen=True):
    """A text in Markdown, and the place that it describes."""

    text: str
    place: Location


def hover(snapshot: Snapshot, line: int, column: int) -> Hover | None:
    """The description of a place; ``None`` if nothing is known of it."""
    cursor = spot_at(snapshot.source, line, column)
    place = snapshot.source.locate(cursor.path, key=cursor.key)
    word = word_at(place.text, column) if place.line == line else ""
    for telling in (_of_expression, _of_reference, _of_layer, _of_argument, _of_key):
        text = "\n\n".join(filter(None, telling(snapshot, cursor, word)))
        if text:
            return Hover(text, place)
    return None


def _escaped(text: str) -> str:
    """Text of a spec with Markdown's characters escaped."""
    return _MARKS.sub(lambda found: f"{found[0][:-1]}\\{found[0][-1]}", printable(text).strip())


def _of_expression(snapshot: Snapshot, cursor: Cursor, word: str) -> Iterator[str]:
    """A name in an expression: what it is, and its values."""
    value = value_at(snapshot.source.values, cursor.path)
    if cursor.key or not isinstance(value, str) or "$" not in value:
        return
    if word in OF_INPUT:
        yield f"`{word}`: {OF_INPUT[word]}"
        if word.startswith("in_"):
            yield listed(
                (use, _part(word, shape)) for use, shape in shapes_read(snapshot, cursor.item)
            )
    elif word in numbers(snapshot.source.values, cursor.path):
        yield f"`{word}`: {OF_INPUT['index']}"
    elif word in parameters(snapshot.source.values, cursor.scope):
        yield from _parameter(snapshot, cursor.scope, word)
    elif word in FUNCTIONS:
        yield f"`{word}`: a function of the expression language"


def _part(word: str, shape: list[int]) -> str:
    """The value of `in_shape`, `in_channels` or `in_features` for a shape that is read."""
    sizes = {"in_shape": shape, "in_channels": shape[:1], "in_features": shape[-1:]}[word]
    return bracketed(map(str, sizes)) if word == "in_shape" else ", ".join(map(str, sizes))


def _parameter(snapshot: Snapshot, scope: SpecPath, name: str) -> Iterator[str]:
    """A parameter: its default, what it is for, and its values."""
    end, doc = declared(parameters(snapshot.source.values, scope)[name])
    owner = f"the block `{scope[1]}`" if scope else "the network"
    yield f"**{name}**, a parameter of {owner}: {_escaped(end)}"
    yield _escaped(doc)
    yield listed(values_of(snapshot, scope, name))


def _variant(snapshot: Snapshot, name: str) -> Iterator[str]:
    """A variant of the network, with its figures."""
    for other in () if snapshot.found is None else snapshot.found.family:
        if other.variant == name:
            yield f"**{_escaped(name)}**, a variant of the network"
            found = other.costs
            yield f"{found.parameters:,} parameters, {found.macs:,} multiply-adds for a sample"


def _of_reference(snapshot: Snapshot, cursor: Cursor, word: str) -> Iterator[str]:
    """What a reference names, and its shape in each use of the scope."""
    value = value_at(snapshot.source.values, cursor.path)
    if not refers(snapshot.source, cursor) and (cursor.key or not _in_shape(word, value)):
        return
    found = named(snapshot, cursor.scope, word)
    if found is None:
        return
    name, path = found
    if "layers" in path[len(cursor.scope) :]:
        yield f"`{name}`: {_escaped(type_at(snapshot.source.values, path))}"
        yield listed(shapes_given(snapshot, path, name, word[len(name) + 1 :]))
    else:
        yield f"`{name}`: an input"
        yield listed(shapes_put_in(snapshot, cursor.scope, path))


def _in_shape(word: str, value: Any) -> bool:
    """Whether a word is the argument of ``shape(...)`` in an expression."""
    return isinstance(value, str) and bool(re.search(rf"shape\(\s*{re.escape(word)}\s*\)", value))


def _of_layer(snapshot: Snapshot, cursor: Cursor, word: str) -> Iterator[str]:
    """A layer: the shapes of each of its calls, and the formulas for the numbers of the first."""
    if not cursor.names_type and cursor.inner[:1] != ("name",):
        return
    row = row_of(snapshot.source.values, cursor.type)
    about = _about(snapshot, cursor.type) if row is None else origin(row)
    if about is None:
        return
    yield f"**{_escaped(cursor.type)}**: {about if row is not None else _escaped(about)}"
    if snapshot.network is None or cursor.module:
        told = [] if row is None else [f"{title}: {text}" for title, text in facts(row)]
        yield bullets(told, len(told))
        yield _written(snapshot, cursor)
        return
    numbers = calls_of(snapshot, cursor.item)
    yield flows(snapshot, numbers)
    if numbers:
        rows = [*numbers_of(snapshot, numbers[0])]
        if rows and len(numbers) > 1:
            yield f"In `{snapshot.network.names[numbers[0]]}`:"
        yield bullets(rows, len(rows))
    elif cursor.type != "Group":
        yield "not in this network: left out by `when` or `repeat`, or in a block without a use"
    yield _written(snapshot, cursor)


def _written(snapshot: Snapshot, cursor: Cursor) -> str:
    """How a layer of this type is written, in all forms."""
    known = () if cursor.module else forms_of(snapshot.source, cursor.type)
    told = (printable(form.text).replace("`", "'") for form in known)
    return f"Written: {', '.join(f'`{text}`' for text in told)}" if known else ""


def _about(snapshot: Snapshot, name: str) -> str | None:
    """The description of a type without a row in the catalogue; ``None`` if it is unknown."""
    if name in mapping_at(snapshot.source.values, "blocks"):
        about = mapping_at(snapshot.source.values, "blocks", name).get("description")
        return str(about or "a block of this spec")
    if name in GROUPING:
        return "part of the language"
    if "$" in name:
        return "the type that this comes to"
    path = mapping_at(snapshot.source.values, "imports").get(name)
    return None if path is None else f"imported from {path}"


def _of_argument(snapshot: Snapshot, cursor: Cursor, word: str) -> Iterator[str]:
    """An argument: what it takes, its default, and its value in each call."""
    name = argument(snapshot.source, cursor)
    row = row_at(snapshot.source, cursor)
    args: tuple[Arg, ...] = () if row is None else (*row.args, *row.options)
    if cursor.inner[:1] == ("repeat",) and len(cursor.inner) == 2:
        key = str(cursor.inner[1])
        if key in REPEAT_KEYS:
            yield f"**{key}** of `repeat`: {repeat_keys()[key]['description']}"
    elif name in COMMON_KEYS:
        yield f"**{name}**: {common_keys()[name]['description']}"
    elif name in mapping_at(snapshot.source.values, "blocks", cursor.type, "params"):
        yield from _parameter(snapshot, ("blocks", cursor.type), name)
    elif row is not None and name in row.optional_tensors:
        yield f"**{name}** of {row.name}: a tensor that it may read"
    for arg in args:
        if arg.name == name:
            end = "inferred" if arg.inferred and arg.default is REQUIRED else default(arg)
            yield f"**{name}** of {cursor.type}: {kind(arg)}; {end}"
            yield listed(() if cursor.module else argument_values(snapshot, cursor.item, name))


def _of_key(snapshot: Snapshot, cursor: Cursor, word: str) -> Iterator[str]:
    """A key of the document, of a block or of an input; a parameter or a block, declared."""
    path, scope = cursor.path, cursor.scope
    rest = path[len(scope) :]
    file = file_at(snapshot.source, path)
    if file is not None:
        names = [f"`{_escaped(name)}`" for name in mapping_at(file.values, "blocks")]
        told = f"has {', '.join(names)}" if names else "has no blocks of its own"
        name = str(value_at(snapshot.source.values, path))
        yield f"**{_escaped(name)}**, an included file, {told}"
    elif rest[:1] == ("params",) and len(rest) > 1:
        if rest[1] in parameters(snapshot.source.values, scope):  # there is a mapping
            yield from _parameter(snapshot, scope, str(rest[1]))
    elif path[:1] == ("variants",) and len(path) == 2:
        yield from _variant(snapshot, str(path[1]))
    elif path[:1] == ("variants",) and len(path) > 2:
        if path[2] in parameters(snapshot.source.values, ()):
            yield from _parameter(snapshot, (), str(path[2]))
    elif path[:1] == ("blocks",) and len(path) == 2:
        name = str(path[1])
        yield f"**{_escaped(name)}**: {_escaped(_about(snapshot, name) or '')}"
        yield flows(snapshot, uses_of(snapshot, name))
    elif cursor.key and rest[-1] in known_keys(path):
        yield f"**{rest[-1]}**: {known_keys(path)[str(rest[-1])]}"
