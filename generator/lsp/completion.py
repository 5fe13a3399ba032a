"""Completion: what may be written at the cursor.

The text may be invalid YAML there. A mark replaces the word at the cursor, and the text after it
is mended or left out until the whole is valid YAML. Then the mark's path says what may be written.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from ..diagnostics.codes import WARNINGS
from ..diagnostics.diagnostics import NetgenError
from ..ir.graph import ALL
from ..layers import CATALOGUE, GROUPING, TYPES
from ..layers.base import Arg, Layer
from ..layers.parametrizations import FUNCTIONS as PARAMETRIZATIONS
from ..layers.tensor import TensorType
from ..spec.source import Source, parse
from ..spec.spec import COMMON_KEYS, EXPECTED, LOOP_KEYS, PARAMETRIZE
from ..symbolic.functions import FUNCTIONS
from ..views.catalogue import default, kind, origin
from ..views.forms import USUAL, Form
from ..views.schema_values import common_keys, repeat_keys
from .cursor import (
    Cursor,
    argument,
    known_keys,
    mapping_at,
    refers,
    row_at,
    spot_at,
    type_at,
    value_at,
)
from .hover import OF_INPUT
from .mending import endings
from .scopes import declared, forms_of, graph_of, numbers, parameters, references
from .snapshot import Snapshot

MARK = "cursorOfTheEditor"
_WORD = re.compile(r"[\w.]*$")
_REST = re.compile(r"^[\w.]*")
_IN_EXPRESSION = re.compile(rf"\$(\([^$]*)?{MARK}")
_OF_DIMENSIONS = re.compile(r"([123])d$")
_IN_SHAPE = re.compile(rf"shape\(\s*{MARK}")


class Suggestion(Struct, frozen=True):
    """A text that may be written at the cursor, with its sort and a description.

    For the type of a layer there are the `forms` in which it is written with its arguments.
    """

    text: str
    sort: str  # key, argument, type, block, reference, name, function, value or form
    detail: str = ""
    forms: tuple[Form, ...] = ()


class Completion(Struct, frozen=True):
    """The suggestions to replace the text from a column up to the cursor."""

    column: int
    suggestions: tuple[Suggestion, ...]


def complete(text: str, line: int, column: int, right: Snapshot | None = None) -> Completion:
    """The completion at the cursor; `right`, the last valid snapshot, gives inferred names."""
    lines = f"{text}\n".splitlines()
    before = lines[line - 1][: column - 1] if line <= len(lines) else ""
    word = _WORD.search(before)
    begin = len(before) + 1 - len(word[0] if word else "")
    found: Iterable[Suggestion] = ()
    for marked in _mended(lines, line, begin):
        try:
            source = parse(marked, "")
        except NetgenError:
            continue
        if right is not None:
            source = source.taking(right.source.homes)
        cursor = spot_at(source, line, begin)
        there = cursor.path[-1] if cursor.key else value_at(source.values, cursor.path)
        if isinstance(there, str) and MARK in there:
            fresh = not before[: begin - 1].strip(" -")
            found = _suggestions(source, cursor, there, right, fresh=fresh)
            if there == MARK and not fresh and begin == len(before) + 1:
                found = (*_values_of_forms(source, cursor), *found)
            break
    return Completion(begin, tuple(dict.fromkeys(found)))


def _mended(lines: list[str], line: int, begin: int) -> Iterator[str]:
    """Variants of the text with the mark, to try: with and without what follows, and a colon."""
    here = lines[line - 1] if line <= len(lines) else ""
    above, below = lines[: line - 1], lines[line:]
    head, rest = here[: begin - 1], _REST.sub("", here[begin - 1 :])
    ends = endings("\n".join([*above, head]))
    for tail in (rest, ends):
        for after in (below, []):
            for colon in ("", ":"):  # a key needs its colon
                yield "\n".join([*above, f"{head}{MARK}{colon}{tail}", *after])


def _suggestions(
    source: Source, cursor: Cursor, there: str, right: Snapshot | None, *, fresh: bool
) -> Iterator[Suggestion]:
    """The suggestions for a cursor; a `fresh` one has nothing before its word on its line."""
    asked = None if cursor.key else _IN_EXPRESSION.search(there)
    if _IN_SHAPE.search(there):
        yield from _references(source, cursor, right)
    elif asked and not (asked[1] and asked[1].count("(") <= asked[1].count(")")):
        yield from _names(source, cursor, whole=not asked[1])
    elif there != MARK:
        return
    elif refers(source, cursor):
        yield from _references(source, cursor, right)
    elif cursor.names_type:
        yield from _types(source, cursor, _read(cursor, right))
    elif cursor.key and cursor.inner[:1] == ("repeat",) and len(cursor.inner) == 2:
        written = mapping_at(source.values, *cursor.path[:-1])
        for key, schema in repeat_keys().items():
            if key not in written:
                yield Suggestion(key, "key", schema["description"])
    elif cursor.inner[:1] == (PARAMETRIZE,) and not (cursor.key and len(cursor.inner) == 1):
        yield from _parametrizations(cursor)
    elif (cursor.key and len(cursor.inner) == 1) or (fresh and cursor.item and not cursor.inner):
        yield from _arguments(source, cursor)
    elif cursor.item:
        yield from _values(source, cursor)
    elif cursor.key or fresh:
        path = cursor.path if cursor.key else (*cursor.path, MARK)
        yield from _keys(source, path)
    else:
        words = {"style": ("modules", "functional"), "allow": (*WARNINGS,)}
        known = words.get(str(cursor.path[0]), ()) if cursor.path else ()
        yield from (Suggestion(word, "value") for word in known)


def _keys(source: Source, path: tuple[str | int, ...]) -> Iterator[Suggestion]:
    written = mapping_at(source.values, *path[:-1])
    for key, about in (*known_keys(path).items(), *_own_keys(source, path)):
        if key not in written:
            yield Suggestion(key, "key", about)


def _own_keys(source: Source, path: tuple[str | int, ...]) -> Iterator[tuple[str, str]]:
    """The keys that are names of the spec's own: parameters in a variant, variants in `expect`."""
    match path:
        case ("variants", _, _):
            for name, raw in parameters(source.values, ()).items():
                yield name, "; ".join(filter(None, declared(raw)))
        case ("expect", _):
            yield from ((name, "") for name in EXPECTED)
            yield from ((name, "a variant") for name in mapping_at(source.values, "variants"))
        case ("expect", _, _):
            yield from ((name, "") for name in EXPECTED)


def _types(source: Source, cursor: Cursor, read: TensorType | None = None) -> Iterator[Suggestion]:
    """The types that a layer may have; for a layer as an argument only those of torch.nn.

    Those for the dimensions of what it would `read` come first.
    """
    blocks = {} if cursor.module else mapping_at(source.values, "blocks")
    for name in blocks:
        if name not in cursor.scope:
            about = mapping_at(blocks, name).get("description")
            told = str(about or "a block of this spec")
            yield Suggestion(name, "block", told, forms_of(source, name))
    for name, path in ({} if cursor.module else mapping_at(source.values, "imports")).items():
        yield Suggestion(name, "block", str(path))
    known = CATALOGUE if cursor.module else TYPES
    about = {name: origin(row) for name, row in known.items() if name not in blocks}
    about |= {} if cursor.module else dict.fromkeys(GROUPING, "part of the language")
    for name in _in_order(about, read):
        forms = () if cursor.module else forms_of(source, name)
        yield Suggestion(name, "type", about[name], forms)


def _in_order(known: Iterable[str], read: TensorType | None) -> list[str]:
    """The types in the order in which they are offered: the usual ones first."""
    usual = {name: place for place, name in enumerate(USUAL)}
    if read is None or read.rank not in (3, 4, 5):
        return sorted(known, key=lambda name: usual.get(name, len(usual)))
    own = read.rank - 2  # without the batch and the channels

    def order(name: str) -> tuple[bool, int]:
        found = _OF_DIMENSIONS.search(name)
        place = usual.get(_OF_DIMENSIONS.sub("2d", name), len(usual))
        return bool(found and int(found[1]) != own), place

    fit = (name for name in known if not (name.endswith("3d") and own < 3))
    return sorted(fit, key=order)


def _read(cursor: Cursor, right: Snapshot | None) -> TensorType | None:
    """What a layer at the cursor reads unless it says otherwise; ``None`` if it is not known."""
    graph = None if right is None or cursor.module else graph_of(right, cursor.scope)
    if graph is None:
        return None
    above = [node for node in graph.nodes if _above(node.path, cursor.item)]
    types = [*above[-1].outputs.values()] if above else [one.type for one in graph.inputs]
    return types[0] if types else None


def _values_of_forms(source: Source, cursor: Cursor) -> Iterator[Suggestion]:
    """What may be written after the type of a layer: its arguments by name, or in order."""
    if cursor.key or cursor.inner or cursor.bare or not cursor.item:
        return
    begin = f"{cursor.type}: "
    for form in forms_of(source, cursor.type):
        first = form.parts[0].removeprefix(begin)
        value = Form((first, *form.parts[1:]))
        if value.text.startswith(("{", "[")) and first != form.parts[0]:
            yield Suggestion(value.text, "form", "", (value,))


def _arguments(source: Source, cursor: Cursor) -> Iterator[Suggestion]:
    """The arguments of a layer, or the parameters of a block, that are not written yet."""
    written = mapping_at(source.values, *cursor.item)
    row = row_at(source, cursor)
    known = dict(_of_row(row)) if row is not None else {}
    for name, raw in mapping_at(source.values, "blocks", cursor.type, "params").items():
        known[name] = "; ".join(filter(None, declared(raw)))
    if cursor.type in GROUPING:
        known["layer" if cursor.type == "Reuse" else "layers"] = "required"
    for name, detail in known.items():
        if name not in written:
            yield Suggestion(name, "argument", detail)
    weightless = row is None or not row.has_weights
    for key in COMMON_KEYS if not cursor.module else ():
        if key not in written and not (key == PARAMETRIZE and weightless):
            yield Suggestion(key, "key", common_keys()[key]["description"])


def _of_row(row: Layer) -> Iterator[tuple[str, str]]:
    """The arguments of a type, each with its kind and default, inferred ones last."""
    for arg in sorted((*row.args, *row.options), key=lambda arg: arg.inferred):
        end = "inferred: written only to be checked" if arg.inferred else default(arg)
        yield arg.name, f"{kind(arg)}; {end}"
    for name in row.optional_tensors:
        yield name, "a tensor that it may read"
    if row.variadic is not None:
        yield "branches", "lists of layers, each run from what the merge reads"


def _values(source: Source, cursor: Cursor) -> Iterator[Suggestion]:
    """The words that an argument takes."""
    name, row = argument(source, cursor), row_at(source, cursor)
    if name in ("when", *LOOP_KEYS):
        yield from (Suggestion(word, "value") for word in ("true", "false"))
    args: tuple[Arg, ...] = () if row is None else (*row.args, *row.options)
    for arg in args:
        if arg.name == name:
            for word in _words(arg.kind.schema):
                yield Suggestion(word, "value", default(arg))
            if arg.kind.module:
                yield from _types(source, replace(cursor, module=True))


def _parametrizations(cursor: Cursor) -> Iterator[Suggestion]:
    """The functions that compute a weight, or the arguments of one of them."""
    match cursor.key, cursor.inner:
        case True, (_, _):  # the name of a weight
            return
        case True, (_, _, str(function), _) if function in PARAMETRIZATIONS:
            for arg in PARAMETRIZATIONS[function].args:
                yield Suggestion(arg.name, "argument", f"{kind(arg)}; {default(arg)}")
        case _, (_,) | (_, _) | (_, _, _):
            for name in PARAMETRIZATIONS:
                yield Suggestion(name, "value", "of torch.nn.utils.parametrizations")


def _words(schema: Mapping[str, Any]) -> Iterator[str]:
    """The fixed choices in what a kind of value takes."""
    for side in schema.get("anyOf", ()):
        yield from _words(side)
    yield from schema.get("enum", ())
    yield from {"boolean": ("true", "false"), "null": ("null",)}.get(str(schema.get("type")), ())


def _names(source: Source, cursor: Cursor, *, whole: bool) -> Iterator[Suggestion]:
    """The names for an expression; functions only if it is not a name as a `whole` (`$name`)."""
    for name, raw in parameters(source.values, cursor.scope).items():
        yield Suggestion(name, "name", "; ".join(filter(None, declared(raw))))
    for name in numbers(source.values, cursor.path):
        yield Suggestion(name, "name", OF_INPUT["index"])
    for name, about in OF_INPUT.items():
        if cursor.item:
            yield Suggestion(name, "name", about)
    for name in () if whole else (*FUNCTIONS, "shape", "range"):
        yield Suggestion(name, "function")


def _references(source: Source, cursor: Cursor, right: Snapshot | None) -> Iterator[Suggestion]:
    """The inputs and the layers above; layers without a written name as the last valid spec had."""
    now = Snapshot(source)
    known = {name: (now, path) for name, path in references(now, cursor.scope).items()}
    if right is not None:
        written = references(Snapshot(right.source), cursor.scope)
        graph = graph_of(right, cursor.scope)
        nodes = () if graph is None else graph.nodes
        above = [x.name for x in nodes if not cursor.item or _above(x.path, cursor.item)]
        for name, path in references(right, cursor.scope).items():
            if name not in written and above.count(name) <= 1:  # else it is unclear which is meant
                known.setdefault(name, (right, path))
    for name, (snapshot, path) in known.items():
        layer = "layers" in path[len(cursor.scope) :]
        if not layer or not cursor.item or _above(path, cursor.item):
            detail = type_at(snapshot.source.values, path) if layer else "an input"
            yield Suggestion(name, "reference", detail)
            if mapping_at(snapshot.source.values, *path).get("collect") is True:
                yield Suggestion(f"{name}.{ALL}", "reference", "what each copy gives")


def _above(path: tuple[str | int, ...], item: tuple[str | int, ...]) -> bool:
    """Whether a layer is written before another one."""
    for step, other in zip(path, item, strict=False):
        if isinstance(step, int) and isinstance(other, int) and step != other:
            return step < other
    return False
