"""The facts of an outcome for a spec that can be built, as plain data."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from msgspec.structs import asdict

from ..diagnostics.diagnostics import SpecPath
from ..ir.needs import UNUSED
from ..spec.source import Source

if TYPE_CHECKING:
    from ..analysis.costs import Costs
    from ..ir.graph import Graph, Parameter
    from ..ir.variants import Variant


def facts_of(
    costs: Costs, network: Graph, source: Source, variants: Iterable[Variant] = ()
) -> dict[str, Any]:
    """The figures of a network and its variants, fixed parameters with reasons, sizes that fit."""
    layers = tuple(asdict(row) for row in costs.rows)
    totals = {"parameters": costs.parameters, "macs": costs.macs}
    return {
        "layers": layers,
        **totals,
        "memory": asdict(costs.memory),
        "fixed": tuple(told(network.params, source)),
        "variants": tuple(_variant(variant, source) for variant in variants),
        "sizes": network.fit.facts(network.sizes),
        "fit": network.fit.texts,
    }


def _variant(variant: Variant, source: Source) -> dict[str, Any]:
    """A variant with its function or, where there is none, the reason."""
    why = None
    if variant.fixed is not None:
        (fixed,) = told([variant.fixed], source)
        why = f"`{fixed['name']}` is fixed: {fixed['why']}"
    return {
        "name": variant.name,
        "line": source.locate(("variants", variant.name), key=True).line,
        "values": variant.values,
        "factory": variant.factory or None,
        "why": why,
        "parameters": variant.parameters,
        "macs": variant.macs,
    }


def told(parameters: Iterable[Parameter], source: Source) -> Iterator[dict[str, Any]]:
    """The parameters of the network that are no arguments of its class, with reason and place."""
    for parameter in parameters:
        reason, name = parameter.reason, parameter.name
        if reason is not None:
            why = reason.on_line(source.line(reason.path))
            yield {"name": name, **_place(source, reason.path), "why": why}
        elif not parameter.used:
            yield {"name": name, **_place(source, ("params", name)), "why": UNUSED}


def _place(source: Source, path: SpecPath) -> dict[str, Any]:
    """The line of a key, and its file as it is seen from the spec's folder."""
    where = source.locate(path, key=True)
    return {"file": source.called(where.file), "line": where.line}
