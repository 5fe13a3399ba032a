"""The pipeline: source -> spec -> lower (with shapes) -> emit -> render -> smoke -> write."""

from __future__ import annotations

import contextlib
import linecache
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import source as sources
from .advice import advice
from .audit import audit
from .classes import class_graphs
from .diagnostics import Diagnostic, NetgenError
from .files import check_target, write
from .graph import Graph, lint
from .layers.base import Refusal
from .lower import lower
from .plan import Plan, make_plan
from .records import inputs_text
from .render import render
from .rows import rows
from .shapes import propagate
from .smoke import Proof, Worker
from .source import Source
from .spec import Document, Reading, read_document
from .table import Row

if TYPE_CHECKING:
    from torch import nn

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


@dataclass(frozen=True, slots=True)
class Result:
    """A built network: its source, its graph, and what the smoke-run showed (if it ran)."""

    source: str
    graph: Graph
    proof: Proof | None = None
    path: Path | None = None
    warnings: tuple[Diagnostic, ...] = ()

    @property
    def shapes(self) -> tuple[Row, ...]:
        """The layers with their output shapes and parameters, in the order of the calls."""
        return rows(self.graph)

    @property
    def parameter_count(self) -> int:
        """The number of trainable elements."""
        return self.graph.parameter_count

    @property
    def module_class(self) -> type[nn.Module]:
        """The generated class. Imports torch."""
        file = f"<netgen {self.graph.name} {hash(self.source):x}>"
        # torch.jit.script and tracebacks ask for the lines
        linecache.cache[file] = (len(self.source), None, self.source.splitlines(True), file)
        namespace: dict[str, Any] = {"__name__": f"netgen_{self.graph.name}"}
        exec(compile(self.source, file, "exec"), namespace)
        found: type[nn.Module] = namespace[self.graph.name]
        return found


def build(
    spec: str | Path | Mapping[str, Any],
    output: str | Path | None = None,
    *,
    overrides: Mapping[str, Any] | None = None,
    device: str = "auto",
    smoke: bool = True,
    seed: int = 0,
    force: bool = False,
) -> Result:
    """Build a network from a spec's path or mapping.

    Args:
        spec: Path of a YAML file, or the spec itself as a mapping.
        output: Where to write the source; by default it is only returned.
        overrides: Values of parameters, as ``--set`` gives them.
        device: Where to run it: ``auto``, ``cpu``, ``cuda``, ``mps``, or ``meta``: without data.
        smoke: Whether to run the source and hold every prediction against it.
        seed: For weights and sample values.
        force: Whether to overwrite a file that netgen did not write.

    Raises:
        NetgenError: The spec is wrong, the run disproved it, or it can't be written.
    """
    source = sources.from_mapping(spec) if isinstance(spec, Mapping) else sources.read(spec)
    path = None if output is None else Path(output)
    if path is not None:
        check_target(path, force=force)
    with Worker() as worker:
        if smoke:
            worker.start()
        result = build_source(source, overrides or {}, worker if smoke else None, device, seed)
    if path is not None:
        write(path, result.source)
    return replace(result, path=path)


def build_source(
    source: Source,
    overrides: Mapping[str, Any],
    worker: Worker | None,
    device: str = "auto",
    seed: int = 0,
    *,
    strict: bool = False,
) -> Result:
    """The network of a spec that has been read; a `worker` runs it.

    If it is `strict`, warnings are errors.
    """
    reading = read_document(source)
    graph, plan, classes = predict(reading, overrides)
    warnings = tuple(advice(reading, graph))
    if strict and warnings:
        raise NetgenError(*(replace(warning, severity="error") for warning in warnings))
    name = Path(source.name).name
    text = render(classes, name, inputs_text(source.text, overrides))
    audit(text)
    proof = None if worker is None else worker.prove(text, plan, device, seed)
    return Result(text, replace(graph, params=classes[-1].params), proof, warnings=warnings)


def predict(
    reading: Reading, overrides: Mapping[str, Any]
) -> tuple[Graph, Plan, tuple[Graph, ...]]:
    """The graph, and all that the smoke-run will hold against reality.

    Sizes that are known only at run time get the first sample values that the network takes.
    """
    source, names = reading.source, _runtime_names(reading.document)
    refused: list[NetgenError] = []
    for number, samples in enumerate(SAMPLES if names else SAMPLES[:1]):
        sizes = _sized(names, samples)
        try:
            graph = lower(reading, overrides, sizes)
            lint(graph)
            classes = class_graphs(graph, source)
            plan = _plan(source, graph, classes[-1])
        except NetgenError as error:
            refused.append(error)
            continue
        if names and not _takes_another(graph, names, SAMPLES[number + 1 :]):
            break
        return graph, plan, classes
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


def _plan(source: Source, graph: Graph, network: Graph) -> Plan:
    try:
        return make_plan(graph, network)
    except Refusal as refusal:
        # what fits a batch of 2 by accident does not fit one of 3
        message = f"this fits some batch sizes only: {refusal.message}"
        location = source.locate(("layers",), key=True)
        raise NetgenError(Diagnostic("NG211", message, location)) from None
