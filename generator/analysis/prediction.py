"""Checks a spec without running it, and gives the prediction: graph, classes, costs and plan.

Neither torch nor black is needed for it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import chain
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import replace

from ..classes.classes import class_graphs
from ..diagnostics.diagnostics import Diagnostic, Findings, NetgenError, as_errors, in_file_order
from ..ir.graph import Graph, lint
from ..ir.trace import BATCHES, Misfit, Trace, propagate, traced
from ..lower.context import Ask, Imported
from ..lower.lower import lower
from ..spec.source import Source
from ..spec.spec import Document, Reading, read_document
from ..symbolic.sizes import TooLong
from .costs import Costs
from .doubts import doubts
from .warnings import advice

if TYPE_CHECKING:
    from ..emit.statements import Statement
    from ..ir.variants import Variant
    from .pieces import Piece
    from .plan import Plan

# sample values for run-time sizes like `H` that `sizes` leaves out: the first ones that the
# network takes are used; different names get different numbers, lest they agree by accident
SAMPLES = (
    (64, 96, 128),
    (224, 256, 192),
    (32, 48, 40),
    (299, 331, 315),
    (16, 24, 20),
    (8, 12, 10),
    (7, 9, 11),
    (512, 384, 448),
    (60, 120, 180),
    (84, 168, 252),
    (72, 144, 108),
    (420, 840, 630),
    (4, 6, 5),
    (2, 3, 1),
    (1, 2, 3),
)
REST = (*range(3, 19), *range(65, 72))  # of each remainder: only every fourth size may fit, say
UNKNOWN = "which is known only at run time"  # ends a refusal that no sample changes
ALIKE = 3  # samples that are refused in the same words, so that others will be, too
MORE_BATCHES = (3, 7, 1000)  # batch sizes that a network must take beside 2
MOST_NUMBERS = 6  # numbers in a refusal's message that are tried as sizes
LARGEST_NUMBER = 4096


class Prediction(Struct, frozen=True, dict=True):
    """A spec that has been checked: its graph, what is predicted of it, and warnings.

    The `reading` is the spec it was made from, `imported` the types that the spec imports. The
    `trace` is a run with a batch of 2, and the `costs` are those of this run. The last of the
    `classes` is the network's. `allowed` are the codes whose warnings the spec silences.
    The network of the defaults has a `family`: the predictions for all variants of the spec.
    """

    reading: Reading
    imported: Imported
    source: Source
    overrides: Mapping[str, Any]
    graph: Graph
    trace: Trace
    costs: Costs
    classes: tuple[Graph, ...]
    allowed: tuple[str, ...]
    warnings: tuple[Diagnostic, ...] = ()
    family: tuple[Prediction, ...] = ()

    @property
    def variant(self) -> str:
        """The variant of the spec that this is; empty for the network of the defaults."""
        return self.reading.variant

    @cached_property
    def variants(self) -> tuple[Variant, ...]:
        """The variants of the spec with their functions; those of one variant are none."""
        if not self.family:
            return ()
        from .variants import variants_of  # few specs have variants

        others = ((other.reading, other.graph, other.costs) for other in self.family)
        return variants_of(self.classes[-1], others)

    @cached_property
    def statements(self) -> Sequence[Statement]:
        """The statements of the network's ``forward``."""
        from ..emit.flow import forward_statements  # only those that build need source

        return forward_statements(self.classes[-1])

    @cached_property
    def other_sizes(self) -> Mapping[str, int] | None:
        """Values of the named sizes that fit, besides the samples; ``None`` if none are known."""
        if not self.graph.fit.ranges:
            return None
        from .fitting import sizes_that_fit

        return sizes_that_fit(self.graph)

    @cached_property
    def traces(self) -> tuple[Trace, ...]:
        """The runs that are planned: two batch sizes, then other sizes if there are any."""
        others = (traced(self.graph, {**self.graph.sizes, "N": batch}) for batch in BATCHES[1:])
        traces = (self.trace, *others)
        if self.other_sizes is None:
            return traces
        return (*traces, traced(self.graph, {**self.other_sizes, "N": BATCHES[0]}))

    @cached_property
    def plan(self) -> Plan:
        """The predictions that a smoke-run is checked against."""
        from .plan import make_plan, with_sizes

        plan = make_plan(self.graph, self.statements, self.traces, self.costs.memory)
        return with_sizes(plan, self.graph, self.other_sizes) if self.graph.fit.ranges else plan

    def pieces(self, most: float) -> Sequence[Piece]:
        """The modules that are run alone; blocks are taken apart that need `most` bytes or more."""
        from .pieces import pieces_of  # few networks are as large

        return pieces_of(self.graph, self.traces, most)


def check_source(
    source: Source,
    overrides: Mapping[str, Any],
    *,
    variant: str | None = None,
    strict: bool = False,
    ask: Ask | None = None,
) -> Prediction:
    """The prediction for a spec, with its warnings; raises `NetgenError` for mistakes in it.

    Without a `variant` all variants of the spec are predicted, too. With `strict`, warnings are
    errors. `ask` answers questions about classes that the spec imports; without it, a spec that
    imports any is refused.
    """
    reading = read_document(source)
    if variant is not None:
        from ..spec.variants import in_variant

        reading = in_variant(reading, variant)
    found = _checked(reading, overrides, _imported(reading, ask))
    if not found.variant:
        found = _with_family(found)
    if reading.document.expect:
        from .expect import check_expected

        check_expected((x.reading, x.graph, x.costs) for x in (found, *found.family))
    if strict and found.warnings:
        raise NetgenError(*as_errors(found.warnings))
    return found


def _with_family(found: Prediction) -> Prediction:
    """The prediction with its family, the predictions for all variants, and their warnings.

    The function that makes a variant gives its values, whatever `--set` says of their defaults;
    other overrides hold for it. Raises `NetgenError` with the mistakes of all variants.
    """
    family: list[Prediction] = []
    findings, warnings = Findings(), [*found.warnings]
    for variant, values in found.reading.document.variants.items():
        others = {name: value for name, value in found.overrides.items() if name not in values}
        reading = replace(found.reading, variant=variant)
        try:
            family.append(_checked(reading, others, found.imported))
        except NetgenError as error:
            for wrong in error.diagnostics:
                findings.add(_said_of(variant, wrong, found.source))
            continue
        known = {(warning.code, warning.location) for warning in warnings}
        new = (x for x in family[-1].warnings if (x.code, x.location) not in known)
        warnings += (_said_of(variant, warning, found.source) for warning in new)
    if findings.found:
        raise NetgenError(*findings.sorted())
    return replace(found, family=tuple(family), warnings=tuple(in_file_order(warnings)))


def _said_of(variant: str, diagnostic: Diagnostic, source: Source) -> Diagnostic:
    """The diagnostic with a note on the variant, unless it points to one of its values."""
    line = source.line(("variants", variant), diagnostic.location)
    values = source.values["variants"][variant]
    if diagnostic.location in [source.locate(("variants", variant, name)) for name in values]:
        return diagnostic
    note = f"this is so in the variant `{variant}`, {line}"
    return replace(diagnostic, notes=(*diagnostic.notes, note))


def _checked(reading: Reading, overrides: Mapping[str, Any], imported: Imported) -> Prediction:
    """The prediction for one network of a spec, with its warnings; raises `NetgenError`."""
    source = reading.source
    try:
        found = _fitted(predict(reading, overrides, imported))
    except (TooLong, RecursionError):
        message = "the sizes of this network are expressions too long to be written"
        help = "write numbers, or fewer parameters that decide on sizes"
        where = source.locate(("layers",), key=True)
        raise NetgenError(Diagnostic("NG206", message, where, help=help)) from None
    warnings = tuple(
        in_file_order(
            [
                *advice(reading, found.graph),
                *_overwritten(reading, found.costs),
                *doubts(reading, found.graph, found.trace),
            ]
        )
    )
    return replace(found, warnings=warnings)


def _fitted(found: Prediction) -> Prediction:
    """The prediction with the `fit` of its run-time sizes, if it has any."""
    if not found.graph.sizes:
        return found
    from .fitting import fit_of  # few specs name sizes

    fit = fit_of(found.graph)
    *blocks, network = found.classes
    classes = (*blocks, replace(network, fit=fit))
    return replace(found, graph=replace(found.graph, fit=fit), classes=classes)


def _overwritten(reading: Reading, costs: Costs) -> Iterable[Diagnostic]:
    """Warnings about values that a layer overwrites in place although another needs them."""
    found: dict[str, Diagnostic] = {}
    for case in costs.overwritten if "NG310" not in reading.document.allow else ():
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
    from ..lower.imports import read_imports  # few specs have them

    return read_imports(reading, ask)


def predict(
    reading: Reading,
    overrides: Mapping[str, Any],
    imported: Imported | None = None,
    *,
    fixed: Collection[str] = (),
    sizes: Mapping[str, int] | None = None,
) -> Prediction:
    """The prediction for a spec, without warnings; raises `NetgenError`.

    Parameters in `fixed` are no arguments of the class. Run-time `sizes` are tried before others.

    Run-time sizes get the first sample values that the network takes. If it takes none of them, it
    raises the error that is most likely the spec's own.
    """
    source, names = reading.source, _runtime_names(reading.document)
    imported = imported or Imported()
    refused: list[NetgenError] = []
    first = () if sizes is None else ({name: sizes[name] for name in names},)
    for samples in chain(first, _samples(names, refused)):
        try:
            graph = lower(reading, overrides, samples, imported, fixed=fixed)
            lint(graph)
            classes = class_graphs(graph, source)
            trace = _trace(source, graph)
        except NetgenError as error:
            refused.append(error)
            continue
        allowed = tuple(reading.document.allow)
        found = Costs(graph, trace)
        return Prediction(
            reading, imported, source, overrides, graph, trace, found, classes, allowed
        )
    raise _likeliest(refused)


def _likeliest(refused: Sequence[NetgenError]) -> NetgenError:
    """The error that is most likely the spec's own, and not that of samples that don't fit.

    Samples that don't fit give more mistakes, or hide those of what depends on the layer that they
    don't fit: then fewer layers can be read.
    """
    most = max((error.read for error in refused if error.read is not None), default=None)
    furthest = [error for error in refused if error.read in (None, most)]
    return min(furthest, key=lambda error: len(error.diagnostics))


def _samples(names: Sequence[str], refused: Sequence[NetgenError]) -> Iterator[dict[str, int]]:
    """Run-time sizes to try in turn: usual ones, equal ones, the rest, then numbers from a message.

    The last are numbers in the first refusal's message: it may name a size that would fit, such
    as the length of a table of positions. Once a few refusals are alike and speak of no such size,
    only these numbers are left. Where a number is needed that no size is, there is but one try.
    """
    if not names:
        yield {}
        return
    usual = [{n: samples[i % 3] + i // 3 for i, n in enumerate(names)} for samples in SAMPLES]
    yield usual[0]
    if _first(refused[0]).message.endswith(UNKNOWN):
        return
    yield from usual[1:ALIKE]
    said = {(wrong.message, wrong.location) for wrong in map(_first, refused)}
    if len(said) > 1 or {*names}.intersection(re.findall(r"\w+", _first(refused[0]).message)):
        yield from usual[ALIKE:]
        yield from (dict.fromkeys(names, samples[0]) for samples in SAMPLES if len(names) > 1)
        yield from (dict.fromkeys(names, size) for size in REST)
    first, small = usual[0], usual[5]
    for number in _numbers(refused[0]):
        yield from ({**first, name: number} for name in names)
        yield {name: number * size for name, size in small.items()}


def _first(error: NetgenError) -> Diagnostic:
    return error.diagnostics[0]


def _numbers(error: NetgenError) -> list[int]:
    """The numbers in an error's message, each with the number below it; the last ones first."""
    texts = re.findall(r"\b\d{1,4}\b", _first(error).message)
    found = [number for text in reversed(texts) for number in (int(text), int(text) - 1)]
    return [x for x in dict.fromkeys(found) if 1 < x <= LARGEST_NUMBER][:MOST_NUMBERS]


def _runtime_names(document: Document) -> list[str]:
    """The names of run-time sizes in input shapes for which `sizes` has no value."""
    shapes = [document.input or []]
    for raw in (document.inputs or {}).values():
        shape = raw.get("shape") if isinstance(raw, Mapping) else raw
        shapes.append(shape if isinstance(shape, list) else [])
    names = [
        size for shape in shapes for size in shape if isinstance(size, str) and "$" not in size
    ]
    return [name for name in dict.fromkeys(names) if name != "N" and name not in document.sizes]


def _trace(source: Source, graph: Graph) -> Trace:
    """The run with a batch of 2; raises `NetgenError` if other batch sizes do not fit."""
    batched = any(x.type.batch is not None for x in graph.inputs)
    others = MORE_BATCHES if batched else ()
    for batch in others[:1] if graph.imports else others:
        sizes = {**graph.sizes, "N": batch}
        try:
            propagate(graph, sizes, exact=True)
        except Misfit:
            from ..lower.refusals import refused_in_run

            # what fits a batch of 2 by accident does not fit one of 3
            wrong = refused_in_run(source, graph, sizes)
            message = f"this fits some batch sizes only: {wrong.message}"
            notes = (f"the batch is {batch} here; one of {BATCHES[0]} fits", *wrong.notes)
            raise NetgenError(replace(wrong, message=message, notes=notes)) from None
    return traced(graph, {**graph.sizes, "N": BATCHES[0]})
