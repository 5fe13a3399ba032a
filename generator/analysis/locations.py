"""Places in the spec for a run's findings: of layers by their paths, of inputs and parameters."""

from __future__ import annotations

from ..diagnostics.diagnostics import Location, SpecPath
from ..ir.graph import Graph
from ..spec.source import Source

INPUT = "input:"  # before the name of an input
PARAM = "param:"  # before the name of a parameter
VARIANT = "variant:"  # before the name of a variant


class Locations:
    """The places of a network's layers in the spec, collected on the first request."""

    def __init__(self, source: Source, graph: Graph) -> None:
        self.source = source
        self.graph = graph
        self.paths: dict[str, SpecPath] = {}

    def locate(self, where: str) -> Location:
        """The place of a layer, input (`INPUT`), parameter (`PARAM`) or variant (`VARIANT`).

        For an unknown path it is that of the nearest layer around it, else of the network's name.
        """
        if where.startswith(INPUT):
            return self.source.locate(self._input(where.removeprefix(INPUT)), key=True)
        if where.startswith(PARAM):
            return self.source.locate(("params", where.removeprefix(PARAM)), key=True)
        if where.startswith(VARIANT):
            return self.source.locate(("variants", where.removeprefix(VARIANT)), key=True)
        if not self.paths:
            self.paths = {node.name: node.path for node in self.graph.nodes}
            self.paths |= {path: layer.path for path, layer in self.graph.layers()}
        while where and where not in self.paths:
            where = where.rpartition(".")[0]
        path = self.paths[where] if where else ("name",)
        return self.source.locate(path, key=bool(where))

    def _input(self, name: str) -> SpecPath:
        values = self.source.values
        return ("inputs", name) if "inputs" in values else ("input",)
