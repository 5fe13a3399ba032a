"""A generated class beside the file itself, which onnxruntime runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import onnx
import onnxruntime  # type: ignore[import-untyped]
import torch
from onnx import numpy_helper
from torch import Tensor, nn

from ..recording.comparison import Other, by_parts, check_equal, samples_of
from ..recording.names import first_line
from ..recording.record import tensors_in
from ..recording.recorded import BATCH
from .graph import graph_of
from .network import OnnxNetwork
from .records import Array

CLOSE = 1e-3  # of the largest value, in float32
SEED = 3


def compare_with_file(
    model: onnx.ModelProto,
    network: OnnxNetwork,
    generated: type[nn.Module],
    runs: Sequence[Mapping[str, int]],
) -> str:
    """What was shown, in words; raises `Other` if the class gives something else than the file.

    Both are run with the file's weights, and with weights that are all different.
    """
    twin = generated().eval()
    other = _redrawn(model, network.places.roots)
    redrawn = OnnxNetwork(graph_of(other), network.title, network.inputs)
    for file, own, whose in ((model, network, "its own"), (other, redrawn, "other")):
        twin.load_state_dict(own.state_dict(), strict=True)
        session = _Session(file, network)
        for sizes in _sizes(network, runs):
            tensors = samples_of(network.inputs, sizes, single=True)
            with torch.no_grad():
                theirs = [*tensors_in(twin(*tensors))]
            told = ", ".join(f"{name} = {size}" for name, size in sizes.items())
            ours = session.run(tensors, sizes[BATCH])
            what = f"output beside onnxruntime for {told} and {whose} weights"
            check_equal(ours, theirs, CLOSE, what)
    return _shown(network, len(runs))


def _shown(network: OnnxNetwork, count: int) -> str:
    weights = "with the file's weights and with others"
    if network.fixed is None:
        return f"equal outputs in onnxruntime for {count} sizes of inputs, {weights}"
    own = network.fixed.batch
    each = "sample by sample" if own == 1 else f"{own} samples at a time"
    return (
        f"equal outputs in onnxruntime, {weights}: the file is made for a batch of {own}, and a "
        f"larger one was compared {each}"
    )


def _sizes(network: OnnxNetwork, runs: Sequence[Mapping[str, int]]) -> list[Mapping[str, int]]:
    """The sizes to compare for: those of the runs, or multiples of the file's own batch."""
    if network.fixed is None:
        return [*runs]
    own = network.fixed.batch
    others = [run for run in runs if run[BATCH] == runs[0][BATCH]]
    return [*({**run, BATCH: own} for run in others), {**runs[0], BATCH: 3 * own}]


class _Session:
    """A file in onnxruntime."""

    def __init__(self, model: onnx.ModelProto, network: OnnxNetwork) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 4
        data = model.SerializeToString()
        try:
            self.session = onnxruntime.InferenceSession(
                data, options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:
            raise Other(f"onnxruntime does not load the file: {first_line(error)}") from None
        self.network = network
        self.names = [port.name for port in network.graph.inputs]

    def run(self, tensors: Sequence[Tensor], batch: int) -> list[Tensor]:
        """The outputs; of a file for one batch, those of all parts of a larger one."""
        fixed = self.network.fixed
        if fixed is None or batch == fixed.batch:
            return self._once(tensors)
        places = [one.whole.index(BATCH) for one in self.network.inputs]
        return by_parts(self._once, tensors, places, fixed.batch, self.network.batch_of_outputs())

    def _once(self, tensors: Sequence[Tensor]) -> list[Tensor]:
        feeds = {name: x.numpy() for name, x in zip(self.names, tensors, strict=True)}
        try:
            found = self.session.run(None, feeds)
        except Exception as error:
            raise Other(f"onnxruntime does not run the file: {first_line(error)}") from None
        return [torch.from_numpy(np.array(x)) for x in found]


def _redrawn(model: onnx.ModelProto, names: set[str]) -> onnx.ModelProto:
    """The model with other numbers in these tensors, each near what it was, none like another."""
    other = onnx.ModelProto()
    other.CopyFrom(model)
    numbers = np.random.default_rng(SEED)
    for one in other.graph.initializer:
        if one.name in names:
            one.CopyFrom(
                numpy_helper.from_array(_near(numpy_helper.to_array(one), numbers), one.name)
            )
    for node in other.graph.node:
        if node.op_type == "Constant" and node.output[0] in names:
            for attribute in node.attribute:
                if attribute.name == "value":
                    value = _near(numpy_helper.to_array(attribute.t), numbers)
                    attribute.t.CopyFrom(numpy_helper.from_array(value))
    return other


def _near(value: Array, numbers: np.random.Generator) -> Array:
    """Numbers with the signs of these and about their size, so that variances stay positive."""
    scale = numbers.uniform(0.6, 1.4, value.shape)
    level = float(np.abs(value).mean()) if value.size else 0.0
    moved = np.where(value == 0, numbers.normal(0, level or 0.1, value.shape), value * scale)
    return moved.astype(value.dtype)
