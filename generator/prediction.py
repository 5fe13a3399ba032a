"""All that is known of a network without running it: the spec's graph, classes and plan.

Neither torch nor black is needed for it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import replace

from .advice import advice
from .classes import class_graphs
from .context import Ask, Imported
from .diagnostics import Diagnostic, NetgenError, as_errors, in_file_order
from .doubts import doubts
from .figures import Figures, figures
from .graph import Graph, lint
from .layers.base import Refusal
from .lower import lower
from .sizes import TooLong
from .source import Source
from .spec import Document, Reading, read_document
from .trace import BATCHES, Trace, propagate, traced

if TYPE_CHECKING:
    from .flow import Statement
    from .plan import Plan

# sample values for sizes like `H` that `sizes` leaves out: the first that the network takes;
# sizes of other names are other numbers, or they would agree by accident
SAMPLES = (
    (64, 96, 128),
    (224, 256, 192),
    (32, 48, 40),
    (299, 331, 315),
    (16, 24, 20),
    (8, 12, 10),
    (7, 9, 11),
    (512, 384, 448),
    (4, 6, 5),
    (2, 3, 1),
    (1, 2, 3),
)


class Prediction(Struct, frozen=True, dict=True):
    """A spec that has been checked: its graph, what it comes to, and what is doubtful.

    The `reading` is what it was made from, with the types that are `imported`. The `trace` is a
    run with a batch of 2, the `figures` are those of this run. The last of the `classes` is the
    network's. Of the codes that are `allowed` there are no warnings.
    """

    reading: Reading
    imported: Imported
    source: Source
    overrides: Mapping[str, Any]
    graph: Graph
    trace: Trace
    figures: Figures
    classes: tuple[Graph, ...]
    allowed: tuple[str, ...]
    warnings: tuple[Diagnostic, ...] = ()

    @cached_property
    def statements(self) -> Sequence[Statement]:
        """The statements of the network's ``forward``."""
        from .flow import forward_statements  # source is for those that build

        return forward_statements(self.classes[-1])

    @cached_property
    def plan(self) -> Plan:
        """All that a run must show."""
        from .plan import make_plan

        others = (traced(self.graph, {**self.graph.sizes, "N": batch}) for batch in BATCHES[1:])
        return make_plan(self.graph, self.statements, (self.trace, *others), self.figures)


def check_source(
    source: Source,
    overrides: Mapping[str, Any],
    *,
    strict: bool = False,
    ask: Ask | None = None,
) -> Prediction:
    """What a spec comes to; if it is `strict`, warnings are errors.

    Code that the spec imports is run by who can be asked; else none may be imported.
    """
    reading = read_document(source)
    try:
        found = predict(reading, overrides, _imported(reading, ask))
    except (TooLong, RecursionError):
        message = "the sizes of this network are expressions too long to be written"
        help = "write numbers, or fewer parameters that decide on sizes"
        where = source.locate(("layers",), key=True)
        raise NetgenError(Diagnostic("NG206", message, where, help=help)) from None
    if reading.document.expect:
        from .expect import check_expected

        check_expected(reading, found.graph, found.figures)
    warnings = tuple(
        in_file_order(
            [
                *advice(reading, found.graph),
                *_overwritten(reading, found.figures),
                *doubts(reading, found.graph, found.trace),
            ]
        )
    )
    if strict and warnings:
        raise NetgenError(*as_errors(warnings))
    return replace(found, warnings=warnings)


def _overwritten(reading: Reading, figures: Figures) -> Iterable[Diagnostic]:
    """Warnings about what another layer overwrites in place though it is needed."""
    found: dict[str, Diagnostic] = {}
    for case in figures.overwritten if "NG310" not in reading.document.allow else ():
        writer, other = case.writer.node, case.other.node
        what = f"`{other.name}` reads what `{writer.name}` has overwritten in place"
        if case.kept:
            what = f"`{writer.name}` overwrites in place what `{other.name}` keeps for its gradient"
        where = reading.source.locate((writer if case.kept else other).path, key=True)
        help = f"write `inplace: false` for `{writer.name}`"
        found[str(where)] = Diagnostic("NG310", what, where, (), help, "warning")
    return found.values()


def _imported(reading: Reading, ask: Ask | None) -> Imported:
    if not reading.document.imports:
        return Imported()
    from .imports import read_imports  # few specs have them

    return read_imports(reading, ask)


def predict(
    reading: Reading, overrides: Mapping[str, Any], imported: Imported | None = None
) -> Prediction:
    """What a spec comes to, without warnings.

    Sizes that are known only at run time get the first sample values that the network takes.
    """
    source, names = reading.source, _runtime_names(reading.document)
    imported = imported or Imported()
    refused: list[NetgenError] = []
    for number, samples in enumerate(SAMPLES if names else SAMPLES[:1]):
        sizes = _sized(names, samples)
        try:
            graph = lower(reading, overrides, sizes, imported)
            lint(graph)
            classes = class_graphs(graph, source)
            trace = _trace(source, graph)
        except NetgenError as error:
            refused.append(error)
            continue
        if names and not _takes_another(graph, names, SAMPLES[number + 1 :]):
            break
        allowed = tuple(reading.document.allow)
        found = figures(graph, trace)
        return Prediction(
            reading, imported, source, overrides, graph, trace, found, classes, allowed
        )
    else:
        raise refused[0]
    fits = ", ".join(f"{name} = {size}" for name, size in sizes.items())
    message = f"the network takes no other sizes than {fits}: write numbers into the shape"
    raise NetgenError(Diagnostic("NG211", message, source.locate(("layers",), key=True)))


def _sized(names: Sequence[str], samples: Sequence[int]) -> dict[str, int]:
    return {name: samples[i % 3] + i // 3 for i, name in enumerate(names)}


def _takes_another(graph: Graph, names: Sequence[str], others: Sequence[Sequence[int]]) -> bool:
    """Whether what holds for one set of sample sizes holds for another one, too."""
    for samples in others:
        sizes = {**graph.sizes, **_sized(names, samples), "N": 2}
        with contextlib.suppress(Refusal):
            propagate(graph, sizes)
            return True
    return False


def _runtime_names(document: Document) -> list[str]:
    """The names that shapes use for run-time sizes and that `sizes` gives no value."""
    shapes = [document.input or []]
    for raw in (document.inputs or {}).values():
        shape = raw.get("shape") if isinstance(raw, Mapping) else raw
        shapes.append(shape if isinstance(shape, list) else [])
    names = [
        size for shape in shapes for size in shape if isinstance(size, str) and "$" not in size
    ]
    return [name for name in dict.fromkeys(names) if name != "N" and name not in document.sizes]


def _trace(source: Source, graph: Graph) -> Trace:
    """The run with the first batch; the others must be possible, too."""
    first, *others = ({**graph.sizes, "N": batch} for batch in BATCHES)
    try:
        for sizes in others:
            propagate(graph, sizes)
        return traced(graph, first)
    except Refusal as refusal:
        # what fits a batch of 2 by accident does not fit one of 3
        message = f"this fits some batch sizes only: {refusal.message}"
        location = source.locate(("layers",), key=True)
        raise NetgenError(Diagnostic("NG211", message, location)) from None
