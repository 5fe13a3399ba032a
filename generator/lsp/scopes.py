"""The names of a scope, the network's or a block's: its parameters, inputs and layers."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from os.path import dirname, join, realpath
from typing import Any

from ..diagnostics.diagnostics import SpecPath
from ..ir.graph import Graph, uses_in
from ..layers import GROUPING, TYPES
from ..spec.source import Source
from ..symbolic.names import SKIPPED
from ..views.forms import Form, block_forms, forms
from .cursor import mapping_at, value_at
from .snapshot import Snapshot

_WORD = re.compile(r"[A-Za-z_][\w.]*")


def word_at(line: str, column: int) -> str:
    """The word at a column, with dots in it; empty if there is none."""
    words = (w for w in _WORD.finditer(line) if w.start() < column <= w.end() + 1)
    return next((word[0] for word in words), "")


def parameters(values: Any, scope: SpecPath) -> dict[str, Any]:
    """The parameters of a scope, as they are declared."""
    return mapping_at(values, *scope, "params")


def forms_of(source: Source, name: str) -> tuple[Form, ...]:
    """The ways to write a layer of a type, or a use of a block; none for an unknown name."""
    block = mapping_at(source.values, "blocks", name)
    if not block:
        return forms(name) if name in TYPES or name in GROUPING else ()
    params = mapping_at(block, "params").items()
    needed = [str(one) for one, raw in params if declared(raw)[0] == "required"]
    tensors = block.get("inputs")
    return block_forms(name, needed, len(tensors) if isinstance(tensors, list) else 1)


def numbers(values: Any, path: SpecPath) -> dict[str, SpecPath]:
    """The names that repeats around a place give to the numbers of copies, each with its path."""
    found: dict[str, SpecPath] = {}
    for length in range(len(path)):
        repeat = mapping_at(values, *path[:length], "repeat")
        if "as" in repeat:
            found[str(repeat["as"])] = (*path[:length], "repeat", "as")
    return found


def inputs(values: Any, scope: SpecPath) -> dict[str, SpecPath]:
    """The paths of a scope's inputs by the names that references use."""
    found = value_at(values, (*scope, "inputs"))
    if isinstance(found, dict):
        return {name: ("inputs", name) for name in found}
    if scope and isinstance(found, list):
        return {str(name): (*scope, "inputs", place) for place, name in enumerate(found)}
    return {"input": scope or ("input",)}


def file_at(source: Source, path: SpecPath) -> Source | None:
    """The file whose path stands under `include`; ``None`` if it is not known."""
    written = value_at(source.values, path)
    if path[:1] != ("include",) or not isinstance(written, str):
        return None
    real = realpath(join(dirname(source.name), written))
    return next((other for other in source.others if realpath(other.name) == real), None)


def references(snapshot: Snapshot, scope: SpecPath) -> dict[str, SpecPath]:
    """The inputs and layers that a reference in a scope may name, each with its path.

    Layers without a written name are only known if the snapshot has a network.
    """
    values = snapshot.source.values
    found = dict(_written(values, (*scope, "layers")))
    graph = graph_of(snapshot, scope)
    for node in graph.nodes if graph is not None else ():
        found.setdefault(node.name, node.path)
    return {**found, **inputs(values, scope)}


def named(snapshot: Snapshot, scope: SpecPath, word: str) -> tuple[str, SpecPath] | None:
    """The layer or input that a reference names, which may end in a port."""
    known = references(snapshot, scope)
    while word and word not in known:
        word = word.rpartition(".")[0]
    return (word, known[word]) if word else None


def graph_of(snapshot: Snapshot, scope: SpecPath) -> Graph | None:
    """The graph of the network, or of the first use of a block; ``None`` if there is none."""
    if snapshot.found is None or not scope:
        return None if snapshot.found is None else snapshot.found.graph
    uses = uses_in(snapshot.found.graph).get(str(scope[1]))
    return uses[0].graph if uses else None


def _written(values: Any, path: SpecPath) -> Iterator[tuple[str, SpecPath]]:
    """The written names in a list of layers, with those inside of a `Group` and of branches."""
    layers = value_at(values, path)
    for place, item in enumerate(layers if isinstance(layers, list) else ()):
        for type_, written in item.items() if isinstance(item, dict) else ():
            inner = (*path, place, type_)
            if not isinstance(written, dict):
                continue
            yield from ((name, inner) for name in names_in(written))
            if type_ == "Group":
                yield from _written(values, (*inner, "layers"))
            branches = written.get("branches")
            for branch, _ in enumerate(branches if isinstance(branches, list) else ()):
                yield from _written(values, (*inner, "branches", branch))


def names_in(written: Mapping[str, Any]) -> list[str]:
    """The names that are written for a layer, or for its outputs."""
    name = written.get("name")
    words = name if isinstance(name, list) else [name]
    return [word for word in words if isinstance(word, str) and word != SKIPPED]


def declared(raw: Any) -> tuple[str, str]:
    """A parameter's written default, and its `doc`."""
    if isinstance(raw, Mapping):
        return _default(raw.get("default")), str(raw.get("doc") or "")
    return _default(raw), ""


def _default(value: Any) -> str:
    if value == "required":
        return "required"
    told = "null" if value is None else str(value).lower() if isinstance(value, bool) else value
    return f"default {told}"
