"""The variants of a spec: what each of them gives, and which are members of the class."""

from __future__ import annotations

from collections.abc import Container, Iterable

from ..emit.construct import arguments_of
from ..ir.graph import Graph, Parameter
from ..ir.variants import Variant
from ..spec.spec import Reading
from ..spec.variants import factory_name
from .costs import Costs


def variants_of(
    network: Graph, others: Iterable[tuple[Reading, Graph, Costs]]
) -> tuple[Variant, ...]:
    """The variants of a spec with their functions; `others` are their networks.

    The `network` is the class of the defaults' network.
    """
    return tuple(_variant(network, *other) for other in others)


def _variant(network: Graph, reading: Reading, graph: Graph, costs: Costs) -> Variant:
    values = {x.name: x.value for x in graph.params if x.name in reading.given}
    fixed = _fixed(network, values)
    name = "" if fixed is not None else factory_name(network.name, reading.variant)
    return Variant(reading.variant, name, values, costs.parameters, costs.macs, fixed)


def _fixed(network: Graph, given: Container[str]) -> Parameter | None:
    """The first of these parameters that is no argument of the class."""
    arguments = [parameter.name for parameter in arguments_of(network)]
    others = (x for x in network.params if x.name not in arguments)
    return next((x for x in others if x.name in given), None)
