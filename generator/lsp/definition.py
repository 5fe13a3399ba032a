"""Go to definition: where layers, inputs, blocks, parameters and included files are written."""

from __future__ import annotations

from ..diagnostics.diagnostics import Location, SpecPath
from .cursor import Cursor, argument, mapping_at, refers, spot_at, value_at
from .scopes import file_at, named, numbers, parameters, word_at
from .snapshot import Snapshot


def definition(snapshot: Snapshot, line: int, column: int) -> Location | None:
    """The place where the name at a place is defined; ``None`` if there is none."""
    source = snapshot.source
    cursor = spot_at(source, line, column)
    file = file_at(source, cursor.path)
    if file is not None:
        return Location(file.name, 1, 1)
    place = source.locate(cursor.path, key=cursor.key)
    word = word_at(place.text, column) if place.line == line else ""
    path = _target(snapshot, cursor, word)
    return None if path is None else source.locate(path, key=True)


def _target(snapshot: Snapshot, cursor: Cursor, word: str) -> SpecPath | None:
    values = snapshot.source.values
    match cursor.path:
        case ("variants", _, name) if name in parameters(values, ()):
            return ("params", name)
        case ("expect", name, *_) if name in mapping_at(values, "variants"):
            return ("variants", name)
    if cursor.names_type:
        block = ("blocks", cursor.type)
        return block if cursor.type in mapping_at(values, "blocks") else None
    if refers(snapshot.source, cursor):
        found = named(snapshot, cursor.scope, word)
        return None if found is None else found[1]
    value = value_at(values, cursor.path)
    if not cursor.key and isinstance(value, str) and "$" in value:
        if word in numbers(values, cursor.path):
            return numbers(values, cursor.path)[word]
        if word in parameters(values, cursor.scope):
            return (*cursor.scope, "params", word)
        found = named(snapshot, cursor.scope, word)
        return None if found is None else found[1]
    name = argument(snapshot.source, cursor)
    own = name in mapping_at(values, "blocks", cursor.type, "params")
    return ("blocks", cursor.type, "params", name) if cursor.key and own else None
