"""Where what a spec names is written: layers, inputs, blocks and parameters."""

from __future__ import annotations

from ..diagnostics.diagnostics import Location, SpecPath
from .cursor import Spot, argument, mapping_at, refers, spot_at, value_at
from .scopes import named, parameters, word_at
from .snapshot import Look


def definition(look: Look, line: int, column: int) -> Location | None:
    """The place of what is named at a place."""
    source = look.source
    spot = spot_at(source, line, column)
    place = source.locate(spot.path, key=spot.key)
    word = word_at(place.text, column) if place.line == line else ""
    path = _target(look, spot, word)
    return None if path is None else source.locate(path, key=True)


def _target(look: Look, spot: Spot, word: str) -> SpecPath | None:
    values = look.source.values
    if spot.names_type:
        block = ("blocks", spot.type)
        return block if spot.type in mapping_at(values, "blocks") else None
    if refers(look.source, spot):
        found = named(look, spot.scope, word)
        return None if found is None else found[1]
    value = value_at(values, spot.path)
    if not spot.key and isinstance(value, str) and "$" in value:
        if word in parameters(values, spot.scope):
            return (*spot.scope, "params", word)
        found = named(look, spot.scope, word)
        return None if found is None else found[1]
    name = argument(look.source, spot)
    own = name in mapping_at(values, "blocks", spot.type, "params")
    return ("blocks", spot.type, "params", name) if spot.key and own else None
