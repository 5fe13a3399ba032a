"""The pipeline: source -> spec -> lower -> classes -> emit -> audit -> run -> write."""

from __future__ import annotations

import linecache
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zlib import crc32

from msgspec import Struct
from msgspec.structs import replace

from .analysis.costs import Costs
from .analysis.locations import Locations
from .analysis.prediction import Prediction, check_source
from .diagnostics.diagnostics import Diagnostic, NetgenError, as_errors, spelt
from .ir.graph import Graph
from .ir.levels import DEFAULT_LEVELS, TIMEOUT, Demand, Proof, in_order
from .ir.table import Row
from .ir.variants import Variant
from .output.files import SOURCE, Target, claim
from .run.records import inputs_text
from .run.smoke import Worker
from .spec.given import given
from .spec.source import Source

if TYPE_CHECKING:
    from torch import nn

    from .lower.context import Ask


class Result(Struct, frozen=True):
    """A built network: its generated source, its graph, and the run's proof for each device.

    Unless it is one of them itself, its spec's `variants` have functions in the source.
    """

    source: str
    graph: Graph
    costs: Costs
    proofs: tuple[Proof, ...] = ()
    path: Path | None = None
    warnings: tuple[Diagnostic, ...] = ()
    variants: tuple[Variant, ...] = ()

    @property
    def shapes(self) -> tuple[Row, ...]:
        """The layers with their output shapes and parameters, in the order of the calls."""
        return self.costs.rows

    @property
    def parameter_count(self) -> int:
        """The number of trainable elements."""
        return self.graph.parameter_count

    @property
    def module_class(self) -> type[nn.Module]:
        """The generated class. Imports torch."""
        file = f"<netgen {self.graph.name} {crc32(self.source.encode()):x}>"
        # torch.jit.script and tracebacks ask for the lines
        linecache.cache[file] = (len(self.source), None, self.source.splitlines(True), file)
        namespace: dict[str, Any] = {"__name__": f"netgen_{self.graph.name}"}
        exec(compile(self.source, file, "exec", dont_inherit=True), namespace)
        found: type[nn.Module] = namespace[self.graph.name]
        return found


def build(
    spec: str | Path | Mapping[str, Any] | Source,
    output: str | Path | None = None,
    *,
    variant: str | None = None,
    overrides: Mapping[str, Any] | None = None,
    device: str = "auto",
    smoke: bool = True,
    prove: Sequence[str] = DEFAULT_LEVELS,
    seed: int = 0,
    timed: bool = False,
    piecewise: bool = False,
    timeout: float = TIMEOUT,
    max_memory: int | None = None,
    allow_imports: bool = False,
    force: bool = False,
) -> Result:
    """Build a network from its spec.

    Args:
        spec: Path of a YAML file, the spec itself as a mapping, or one that has been read.
        output: Where to write the source; by default it is only returned.
        variant: Which of the spec's variants to build; without it the source makes all of them.
        overrides: Values of parameters, as ``--set`` gives them.
        device: Where to run it: ``auto``, ``cpu``, ``cuda``, ``cuda:1``, ``mps``, ``all``, or
            ``meta``: without data.
        smoke: Whether to run the generated source and check every prediction.
        prove: What the run is to show, names of `levels.LEVELS`.
        seed: For weights and sample values.
        timed: Whether to measure time and memory, too.
        piecewise: Whether to run each module alone, as a network that takes too much memory is.
        timeout: Seconds that the build may take, the run included.
        max_memory: Bytes that the run may take, where the system can enforce that.
        allow_imports: Whether to run code that the spec imports, for a spec that is trusted.
        force: Whether to overwrite a file that netgen did not write.

    Raises:
        NetgenError: The spec is wrong, the run disproved it, or it can't be written.
        ValueError: There is no such level, or no device of this kind can show it.
    """
    source = given(spec)
    target = None
    if output is not None:
        target = claim(Path(output), SOURCE, force=force, specs=source.files)
    demand = Demand(device, seed, in_order(prove), timed, piecewise) if smoke else None
    with Worker(timeout, max_memory) as worker, worker.one_spec():
        if demand is not None:  # torch loads while the spec is read
            worker.start(source.folder if allow_imports else "")
        return build_source(
            source,
            overrides or {},
            worker,
            demand,
            target,
            variant=variant,
            allow_imports=allow_imports,
        )


def build_source(
    source: Source,
    overrides: Mapping[str, Any],
    worker: Worker | None,
    demand: Demand | None = None,
    target: Target | None = None,
    *,
    variant: str | None = None,
    strict: bool = False,
    allow_imports: bool = False,
    ask: Ask | None = None,
) -> Result:
    """Build the network of a spec that has been read, stage by stage; raises `NetgenError`.

    With a `worker` and a `demand` the generated source is run. Then it is written to the `target`,
    if there is one. With `strict`, warnings are errors. Classes that the spec imports are only
    used with `allow_imports`, and need the `worker`, which looks in the spec's folder for them; or
    else with an `ask`, which is asked about them.
    """
    if worker is not None and ask is None:
        ask = worker.asker(source.folder, allowed=allow_imports)
    with nullcontext() if worker is None else worker.in_time():
        found = check_source(source, overrides, variant=variant, strict=strict, ask=ask)
        text = rendered(found)
    proofs: tuple[Proof, ...] = ()
    if worker is not None and demand is not None:
        proofs = _proofs(found, text, worker, demand)
    doubts = _doubts(proofs, found)
    if strict and doubts:
        raise NetgenError(*as_errors(doubts))
    if target is not None:
        target.write(text.encode())
    graph = replace(found.graph, params=found.classes[-1].params)
    path = None if target is None else target.path
    warnings = (*found.warnings, *doubts)
    return Result(text, graph, found.costs, proofs, path, warnings, found.variants)


def rendered(found: Prediction) -> str:
    """The generated source of a prediction, audited; raises `NetgenError`."""
    from .emit.audit import audit
    from .emit.render import render  # black is only needed for specs that can be built

    if found.graph.sizes:
        from .analysis.bounds import for_all_arguments  # few specs name sizes

        found = for_all_arguments(found)
    inputs = inputs_text(found.source.inputs, found.overrides, found.variant)
    name = spelt(Path(found.source.name).name)
    text = render(found.classes, found.statements, name, inputs, found.variants)
    audit(text, {row.name: row.imported for row in found.graph.imports})
    return text


def _proofs(found: Prediction, text: str, worker: Worker, demand: Demand) -> tuple[Proof, ...]:
    """What the run of the generated source shows; raises `NetgenError` if it disproves anything."""
    from .analysis.members import family_of, variants_to_run

    locate = Locations(found.source, found.graph).locate
    with worker.in_time():
        plan, family = found.plan, family_of(found)
        variants = [*variants_to_run(found)]
    try:
        return worker.prove(text, plan, demand, locate, family, variants, found.pieces)
    except NetgenError as error:  # the warnings may explain the failure
        raise NetgenError(*found.warnings, *error.diagnostics) from None


def _doubts(proofs: Sequence[Proof], prediction: Prediction) -> tuple[Diagnostic, ...]:
    """The findings of the runs that the spec does not allow, each once for all devices.

    What has been predicted for the same place is not said again.
    """
    found = dict.fromkeys(doubt for proof in proofs for doubt in proof.findings)
    said = {(warning.code, warning.location) for warning in prediction.warnings}
    return tuple(
        doubt
        for doubt in found
        if doubt.code not in prediction.allowed and (doubt.code, doubt.location) not in said
    )
