"""Lower a spec to a graph: read the document, shapes included, until no reading finds more.

A parameter on which something depends that no expression can carry is fixed, and the document is
read again with its value as a plain number. It is also read again where a default name is written
further down, and where an absent layer must keep its number.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from msgspec import Struct, field
from msgspec.structs import replace

from ..diagnostics.diagnostics import Enough, Findings, NetgenError, SpecPath, Unknowable
from ..ir.graph import Graph, Node, Parameter, Use, uses_in
from ..ir.needs import Need
from ..spec.spec import CHAIN_DECLARES, Reading
from ..symbolic.algebra import Symbol, Symbols
from . import keys
from .application import is_stateless
from .blocks import may_hold_weights
from .containers import module_tree
from .context import Context, Imported, KnownTypes, ParameterNames, Repeats, Shared
from .inputs import read_inputs
from .naming import Names, written_names
from .outputs import describe, ending, mark_fixed, read_outputs
from .parameters import bare, read_parameters
from .scope import Scope
from .walk import Walk

if TYPE_CHECKING:
    from ..spec.block_spec import BlockSpec


class _Found(Struct):
    """What earlier readings of the document have found out.

    `fixed` are the parameters that are plain numbers, `taken` the names that numbering must leave
    out. For the others see `Shared` and `Repeats`.
    """

    fixed: dict[str, Need] = field(default_factory=dict)
    taken: set[str] = field(default_factory=set)
    reserved: dict[SpecPath, bool] = field(default_factory=dict)
    never: set[SpecPath] = field(default_factory=set)
    rules: dict[SpecPath, int] = field(default_factory=dict)
    counts: dict[SpecPath, tuple[int, int]] = field(default_factory=dict)
    unrolled: set[SpecPath] = field(default_factory=set)
    scope: Scope | None = None  # the network's, of the last reading


def lower(
    reading: Reading,
    overrides: Mapping[str, Any],
    samples: Mapping[str, int],
    imported: Imported,
    *,
    fixed: Collection[str] = (),
) -> Graph:
    """The graph of a document; `samples` are values for run-time sizes that have none in it.

    Parameters have the values of `overrides`, else those of the variant that is meant, else their
    defaults. Those in `fixed` are fixed from the start, whether anything needs that or not.

    The document is read again until a reading finds out nothing new. Nothing looks ahead for what
    must be fixed: what a layer needs of a parameter is known only when the layer is read. Each
    reading fixes one more parameter, takes one more name or learns more about a repeat, so the
    readings end. Raises `NetgenError` with all mistakes that were found.
    """
    found = _Found({name: Need(("params", name)) for name in fixed})
    first = Findings((*reading.mistakes, *imported.mistakes))
    if reading.document.variants:
        from ..spec.variants import check_variants  # few specs have them

        check_variants(reading, first)
    given = {**reading.given, **overrides}
    of_variant: dict[str, SpecPath] = {
        name: ("variants", reading.variant, name) for name in given if name not in overrides
    }
    known = _known_types(reading, imported, first)
    while True:
        findings = Findings(first.found.values(), eager=True)
        repeats = Repeats(found.rules, found.counts, found.unrolled)
        shared = Shared(known, findings, repeats, found.reserved, found.never)
        context = Context(reading.source, reading.document, given, found.fixed, shared, of_variant)
        try:
            with findings.collecting():
                graph = _read(context, found, samples, reading.bad)
            look_at_the_rest(context, found, reading.bad)
        except keys.Taken as name:
            found.taken.add(name.name)
            continue
        except Enough:
            pass
        context.fix_meetings()
        # what is refused while a parameter is a symbol may fit once it is a number
        done = context.fixed.keys() <= found.fixed.keys()
        if not findings.found:
            done = _nothing_new(found, graph, shared) and done
        if done and not findings.found:
            if shared.unmatched:  # the layers that are named must exist without `--set`
                lower(replace(reading, variant=""), {}, samples, imported)
            return graph
        if done:
            from .partial_table import table_so_far

            table = table_so_far(found.scope)
            raise NetgenError(*findings.sorted(), table=table, read=shared.taken)
        found.fixed = {**context.fixed, **found.fixed}


def _known_types(reading: Reading, imported: Imported, first: Findings) -> KnownTypes:
    """The types that the spec may use; what is wrong with blocks is added to the findings."""
    blocks = _blocks(reading, first)
    return KnownTypes(
        blocks,
        imported.types(),
        tuple(imported.rows.values()),
        frozenset({*reading.document.blocks, *imported.lost} - {*blocks}),
        nameless=bool({"blocks", "include"} & reading.bad),
    )


def _nothing_new(found: _Found, graph: Graph, shared: Shared) -> bool:
    """Whether this reading has found out nothing new; what is new is recorded for the next one."""
    uses = uses_in(graph)
    reserved, never = _sometimes_absent(uses, shared), _never_there(graph, uses)
    repeats = shared.repeats
    rules = {path: repeats.seen[path] for path in repeats.short & repeats.seen.keys()}
    counts = {**found.counts}
    for path, (least, most) in repeats.counted.items():
        if least < most:  # bounds only ever widen, so that the readings end
            known = counts.get(path, (least, most))
            counts[path] = (min(least, known[0]), max(most, known[1]))
    done = reserved.keys() <= found.reserved.keys() and rules.keys() <= found.rules.keys()
    if done:  # a repeat that has shown no rule by now has none
        unrolled = found.unrolled | (repeats.looped & repeats.unlooped)
        done, found.unrolled = unrolled == found.unrolled, unrolled
    done = done and counts == found.counts and never <= found.never
    found.reserved |= reserved
    found.never |= never
    found.rules |= rules
    found.counts = counts
    return done


def _read(
    context: Context, found: _Found, samples: Mapping[str, int], bad: frozenset[str]
) -> Graph:
    """The graph of one reading of the document.

    If the document has `bad` keys, raises `Unknowable` once the parameters are read.
    """
    document, found.scope = context.document, None
    parameters, values = read_parameters(context)
    if bad:
        raise Unknowable
    inputs, sizes = read_inputs(context, values, samples)
    if document.sequential:
        _check_chain(context, len(inputs))
    walk = Walk(context, inputs, values, Names(written_names(document.layers) | found.taken))
    found.scope = walk.scope
    with ending(walk.scope, ("inputs",)):
        walk.whole(document.layers, ("layers",), sequential=document.sequential)
        outputs = read_outputs(walk.scope, document.outputs, walk.current, ("outputs",))
    nodes, modules = module_tree(walk.scope, document.declare, ("declare",))
    graph = Graph(
        document.name,
        describe(context, values),
        _with_types(context, mark_fixed(context, parameters)),
        walk.scope.inputs,
        modules,
        nodes,
        outputs,
        document.style,
        sizes,
        {name: bare(value) for name, value in values.items()},
        document.sequential,
        imports=context.known.imports,
    )
    if document.tie:
        from .ties import read_ties

        graph = read_ties(context, graph)
    if document.init:
        from .initial import read_initial

        graph = read_initial(context, graph, values)
    if document.alias:
        from .aliases import read_aliases

        graph = read_aliases(context, graph)
    if context.types:
        from .type_words import read_as_words  # few networks have types as values

        for name, where in read_as_words(graph, context.types):
            context.fix_names(Symbols((Symbol(name),)), Need(where, "reads the word, not the type"))
    return graph


def _with_types(context: Context, parameters: Sequence[Parameter]) -> tuple[Parameter, ...]:
    """The parameters, those that are types of layers with the others that fit."""
    known = context.types
    return tuple(
        replace(x, types=tuple(sorted(known[x.name])), is_type=True)
        if x.name in known and not x.fixed
        else x
        for x in parameters
    )


def _check_chain(context: Context, inputs: int) -> None:
    """Refuse what an `nn.Sequential` can't have: several inputs, and `outputs`."""
    if inputs != 1:
        message = f"an `nn.Sequential` reads one tensor, but there are {inputs} inputs"
        context.error("NG210", message, ("inputs",), key=True)
    if context.document.outputs is not None:
        message = "an `nn.Sequential` gives what its last layer gives: it has no `outputs`"
        context.error("NG210", message, ("outputs",), key=True)
    if context.document.declare:
        context.error("NG210", CHAIN_DECLARES, ("declare",), key=True)


def _blocks(reading: Reading, findings: Findings) -> dict[str, BlockSpec]:
    """The document's blocks by name, without those that have mistakes in their keys."""
    if not reading.document.blocks:
        return {}
    from ..spec.block_spec import read_blocks

    return read_blocks(reading, findings)


def look_at_the_rest(context: Context, found: _Found, bad: frozenset[str]) -> None:
    """Check what was not read: blocks that nothing uses, and after a mistake layers and `init`."""
    shared, words = context.shared, [*context.document.params]
    read = {key[0] for key in shared.bodies.graphs}
    unread = {name: block for name, block in shared.known.blocks.items() if name not in read}
    if found.scope is not None and not (shared.findings.found or unread or shared.known.lost):
        return
    from .static_check import StaticCheck

    check = StaticCheck(context, None if "params" in bad else words)
    if found.scope is None and "layers" not in bad:
        chained = replace(check, chained=context.document.sequential)
        chained.items(context.document.layers, ("layers",))
    if shared.findings.found:
        names = ParameterNames(dict.fromkeys(words, 1), context)
        check.initial(context.document.init, names)
    for name, block in unread.items():
        check.block(name, block)
    for name, raw in context.document.blocks.items():
        if name in shared.known.lost:
            check.lost_block(name, raw)


def _sometimes_absent(uses: Mapping[str, list[Use]], shared: Shared) -> dict[SpecPath, bool]:
    """The paths of layers that are present in one use of a block and absent in another.

    The value says whether the layer's name is numbered among those of layers with weights.
    """
    nodes = [node for known in uses.values() for use in known for node in use.graph.nodes]
    absent = {node.path for node in nodes if node.kind == "absent"}
    there = [node for node in nodes if node.path in absent and node.target]
    return {node.path: _is_numbered(node, shared) for node in there}


def _never_there(graph: Graph, uses: Mapping[str, list[Use]]) -> set[SpecPath]:
    """The paths of layers that choose what they read, but are absent in all uses of their block."""
    graphs = [graph, *(use.graph for known in uses.values() for use in known)]
    nodes = [node for own in graphs for node in own.nodes]
    made = {node.path for node in nodes if not node.absent or node.would is not None}
    return {node.path for node in nodes if node.choices} - made


def _is_numbered(node: Node, shared: Shared) -> bool:
    if node.use is not None:
        spec = node.use.spec
        return not node.use.graph.is_stateless or may_hold_weights(shared, spec.layers)
    return node.row is None or not is_stateless(node.row, node.args)
