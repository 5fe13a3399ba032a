"""Spec to graph: the document read as often as it takes, with shapes.

A parameter on which something hangs that no expression can carry is fixed, and the document is
read again with its number; so it is where a name, or the number of an absent layer, is taken.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from . import keys
from .containers import module_tree
from .context import Context, Shared
from .diagnostics import NetgenError, SpecPath
from .finish import check_used, describe, mark_fixed, read_outputs
from .graph import Graph, Use, uses_in
from .initial import read_initial
from .inputs import read_inputs
from .layers.base import arguments
from .naming import Names, written_names
from .parameters import bare, read_parameters
from .source import Source
from .spec import Document, read_blocks
from .ties import read_ties
from .walk import Walk


@dataclass(slots=True)
class _Found:
    """What earlier readings have found out."""

    fixed: frozenset[str] = frozenset()
    taken: set[str] = field(default_factory=set)
    reserved: set[SpecPath] = field(default_factory=set)
    rules: dict[SpecPath, int] = field(default_factory=dict)
    counts: dict[SpecPath, tuple[int, int]] = field(default_factory=dict)


def lower(
    source: Source,
    document: Document,
    overrides: Mapping[str, Any],
    samples: Mapping[str, int],
) -> Graph:
    """The graph of a document; `samples` are values for run-time sizes without one.

    Raises `NetgenError` for the first mistake found.
    """
    found = _Found()
    blocks = read_blocks(document, source)
    while True:
        shared = Shared(blocks, found.reserved, rules=found.rules, counts=found.counts)
        context = Context(source, document, overrides, found.fixed, shared)
        try:
            graph = _read(context, found, samples)
        except keys.Taken as name:
            found.taken.add(name.name)
            continue
        except NetgenError:
            # what is refused with a name may fit once the name is a number
            if context.pinned <= found.fixed:
                raise
        else:
            reserved = _sometimes_absent(uses_in(graph))
            rules = {path: shared.seen[path] for path in shared.short & shared.seen.keys()}
            counts = {path: (a, b) for path, (a, b) in shared.counted.items() if a < b}
            settled = reserved <= found.reserved and rules.keys() <= found.rules.keys()
            settled = settled and counts == found.counts
            if settled and context.pinned <= found.fixed:
                return graph
            found.reserved |= reserved
            found.rules |= rules
            found.counts = counts
        found.fixed |= context.pinned


def _read(context: Context, found: _Found, samples: Mapping[str, int]) -> Graph:
    """One reading of the document."""
    document = context.document
    parameters, values = read_parameters(context)
    inputs, sizes = read_inputs(context, values, samples)
    walk = Walk(context, inputs, values, Names(written_names(document.layers) | found.taken))
    walk.items(document.layers, ("layers",), None)
    outputs = read_outputs(walk.scope, document.outputs, walk.current, ("outputs",))
    check_used(walk.scope)
    nodes, modules = module_tree(walk.scope)
    graph = Graph(
        document.name,
        describe(context, values),
        mark_fixed(parameters, context.pinned),
        walk.scope.inputs,
        modules,
        nodes,
        outputs,
        document.style,
        sizes,
        {name: bare(value) for name, value in values.items()},
    )
    return read_initial(context, read_ties(context, graph), values)


def _sometimes_absent(uses: Mapping[str, list[Use]]) -> set[SpecPath]:
    """The places of layers with weights that are there in one use and absent in another."""
    nodes = [node for known in uses.values() for use in known for node in use.graph.nodes]
    absent = {node.path for node in nodes if node.kind == "absent"}
    numbered = {node.path for node in nodes if node.row and node.row.weights(arguments(node.args))}
    return absent & numbered
