"""The variants of a spec: what each of them gives, and which are members of the class."""

from __future__ import annotations

from collections.abc import Iterable

from ..emit.construct import arguments_of
from ..ir.graph import Parameter
from ..ir.variants import Variant
from ..spec.variants import factory_name
from .prediction import Prediction


def variants_of(found: Prediction) -> tuple[Variant, ...]:
    """The variants of a spec with their functions; those of one variant are none."""
    return tuple(_variant(found, other) for other in found.family)


def _variant(found: Prediction, other: Prediction) -> Variant:
    written = found.reading.document.variants[other.variant]
    values = {x.name: x.value for x in other.graph.params if x.name in written}
    fixed = _fixed(found, written)
    name = "" if fixed is not None else factory_name(found.graph.name, other.variant)
    figures = other.figures
    return Variant(other.variant, name, values, figures.parameters, figures.macs, fixed)


def _fixed(found: Prediction, written: Iterable[str]) -> Parameter | None:
    """The first of these parameters that is no argument of the class."""
    network = found.classes[-1]
    arguments = [parameter.name for parameter in arguments_of(network)]
    others = (x for x in network.params if x.name not in arguments)
    return next((x for x in others if x.name in written), None)
