"""The outline of a spec: its blocks and layers."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from ..diagnostics.diagnostics import Location, SpecPath, printable
from ..spec.source import Source
from .cursor import mapping_at, value_at
from .scopes import names_in


class Symbol(Struct, frozen=True):
    """A block, or a layer by its name or else its type, with the layers inside of it."""

    name: str
    detail: str
    place: Location
    block: bool
    children: tuple[Symbol, ...] = ()


def symbols(source: Source) -> tuple[Symbol, ...]:
    """The blocks and layers of a spec."""
    blocks = [
        Symbol(
            printable(name) or "?",
            "block",
            source.locate(("blocks", name), key=True),
            True,
            tuple(_layers(source, ("blocks", name, "layers"))),
        )
        for name in mapping_at(source.values, "blocks")
        if name not in source.homes  # those of included files stand there
    ]
    return (*blocks, *_layers(source, ("layers",)))


def _layers(source: Source, path: SpecPath) -> Iterator[Symbol]:
    """The layers of a list, with those inside of them."""
    layers = value_at(source.values, path)
    for place, item in enumerate(layers if isinstance(layers, list) else ()):
        if isinstance(item, str):
            yield Symbol(printable(item) or "?", "", source.locate((*path, place)), False)
        elif isinstance(item, dict) and len(item) == 1:
            ((type_, written),) = item.items()
            yield _layer(source, (*path, place, type_), type_, written)


def _layer(source: Source, path: SpecPath, type_: str, written: object) -> Symbol:
    name = ", ".join(names_in(written)) if isinstance(written, dict) else ""
    own, detail = (name, type_) if name else (type_, "")
    branches = value_at(source.values, (*path, "branches"))
    pairs = branches.items() if isinstance(branches, dict) else enumerate(branches or ())
    inner = [*_layers(source, (*path, "layers"))] if isinstance(written, dict) else []
    for step, _ in pairs if isinstance(branches, (dict, list)) else ():
        inner += _layers(source, (*path, "branches", step))
    place = source.locate(path, key=True)
    return Symbol(printable(own) or "?", printable(detail), place, False, tuple(inner))
