"""An ONNX file as records: its nodes, its inputs and outputs, and what is constant in it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import onnx
from msgspec import Struct
from msgspec.structs import replace
from onnx import external_data_helper, numpy_helper

from ..recording.construction import Unloadable
from ..recording.names import first_line
from .folding import Folding
from .names import is_key, scope_of
from .records import Constant, Node, Port

OLDEST = 9  # the first opset whose norms and sizes are as they are now


class Graph(Struct, frozen=True):
    """What a file has: nodes in order, and constants by name."""

    opset: int
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    nodes: tuple[Node, ...]
    constants: Mapping[str, Constant]
    folding: Folding

    def __deepcopy__(self, memo: object) -> Graph:
        return self


def loaded(path: Path) -> onnx.ModelProto:
    """The model in a file with all its weights; raises `Unloadable`."""
    if not path.is_file():
        raise Unloadable(f"there is no file `{path}`")
    try:
        model = onnx.load(str(path), load_external_data=False)
    except Exception:
        model = onnx.ModelProto()
    if not model.graph.node or not model.opset_import:
        raise Unloadable(f"`{path}` is no ONNX file")
    try:
        external_data_helper.load_external_data_for_model(model, str(path.parent))
    except Exception as error:
        message = f"the weights that lie beside `{path}` can't be read: {first_line(error)}"
        raise Unloadable(message) from None
    return model


def graph_of(model: onnx.ModelProto) -> Graph:
    """The graph of a model, with what is constant worked out; raises `Unloadable`."""
    opsets = {one.domain: one.version for one in model.opset_import}
    opset = opsets.get("", opsets.get("ai.onnx", 0))
    if opset < OLDEST:
        raise Unloadable(f"it is of opset {opset}, and netgen reads those from {OLDEST} on")
    graph = model.graph
    constants = {
        one.name: Constant(numpy_helper.to_array(one), frozenset((one.name,)))
        for one in graph.initializer
    }
    nodes = [_node(one, place) for place, one in enumerate(graph.node)]
    found = Graph(
        opset=opset,
        inputs=tuple(_port(one) for one in graph.input if one.name not in constants),
        outputs=tuple(map(_port, graph.output)),
        nodes=(),
        constants=constants,
        folding=Folding(opset, {tuple(one.output): one for one in graph.node}),
    )
    return _folded(found, nodes)


def _folded(graph: Graph, nodes: Sequence[Node]) -> Graph:
    """The graph without the nodes that read constants alone."""
    constants = {**graph.constants}
    left = []
    for node in nodes:
        reads = [constants.get(name) for name in node.inputs if name]
        known = [one for one in reads if one is not None]
        live = len(known) < len(reads) or not graph.folding.is_plain(node)
        if live or _uses_weights(node, constants):
            left.append(node)
            continue
        given = [None if not name else constants[name].value for name in node.inputs]
        values = graph.folding.evaluated(node, given)
        if values is None:
            left.append(node)
            continue
        roots = frozenset[str]().union(*(one.roots for one in known))
        constants |= {n: Constant(x, roots) for n, x in zip(node.outputs, values, strict=True)}
    return replace(graph, nodes=tuple(left), constants=constants)


def _uses_weights(node: Node, constants: Mapping[str, Constant]) -> bool:
    """Whether a node makes more of weights than weights in another form.

    It looks up rows of a table, or takes a weight as often as there are samples.
    """
    if node.type == "Gather":
        return is_table(constants[node.inputs[0]])
    repeats = node.type in ("Expand", "Tile", "Concat")
    return repeats and any(is_weight(name, constants) for name in node.inputs)


def is_weight(name: str, constants: Mapping[str, Constant]) -> bool:
    """Whether a name is that of a weight of the network."""
    constant = constants.get(name)
    if constant is None or constant.value.dtype.kind != "f" or not is_key(name):
        return False
    return "." in name or (constant.roots == {name} and constant.value.ndim > 0)


def is_table(constant: Constant) -> bool:
    """Whether a constant is a table of numbers, and not just a row."""
    return constant.value.ndim == 2 and constant.value.dtype.kind == "f"


def _port(one: onnx.ValueInfoProto) -> Port:
    kind = one.type.tensor_type
    dtype = onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type).name if kind.elem_type else ""
    if not kind.HasField("shape"):
        return Port(one.name, None, dtype)
    sizes = (x.dim_value if x.HasField("dim_value") else x.dim_param for x in kind.shape.dim)
    return Port(one.name, tuple(sizes), dtype)


def _node(one: onnx.NodeProto, place: int) -> Node:
    notes = {note.key: note.value for note in one.metadata_props}
    scope, made_by = scope_of(one.name, notes)
    return Node(
        name=one.name or f"{one.op_type}_{place}",
        type=one.op_type,
        domain="" if one.domain == "ai.onnx" else one.domain,
        inputs=tuple(one.input),
        outputs=tuple(one.output),
        attributes=dict(_attributes(one)),
        scope=scope,
        made_by=made_by,
    )


def _attributes(one: onnx.NodeProto) -> Iterator[tuple[str, Any]]:
    for attribute in one.attribute:
        value = onnx.helper.get_attribute_value(attribute)
        if isinstance(value, onnx.TensorProto):
            value = numpy_helper.to_array(value)
        if isinstance(value, bytes):
            value = value.decode(errors="replace")
        yield attribute.name, value
