"""`export`, `compile`, `onnx`, `script`: the converted network gives the same outputs."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from torch.nn.utils.parametrize import is_parametrized

from .subject import Disproof, Subject, tensors_in
from .values import hold_equal, refuse_random, seeded

BOTH = (0, 1)  # the runs of both batch sizes


def export(subject: Subject) -> str:
    """Check `torch.export` with a dynamic batch, for both batch sizes."""
    network = subject.twin()
    program = torch.export.export(
        network, tuple(subject.inputs(0)), dynamic_shapes=_dynamic(subject)
    )
    return _compare(subject, "the exported program", program.module())


def _dynamic(subject: Subject) -> tuple[dict[int, Any], ...]:
    """`dynamic_shapes`: the batch as a dynamic dimension of each input that has one."""
    batch = torch.export.Dim("batch")
    return tuple({} if dim is None else {dim: batch} for dim in subject.batch_dims)


def _compare(subject: Subject, what: str, made: Any, runs: Sequence[int] = BOTH) -> str:
    """Compare a converted network with the network itself; raises `Disproof`."""
    network, largest = subject.twin(), 0.0
    for run in runs:
        real = seeded(subject, made, subject.inputs(run))
        expected = seeded(subject, network, subject.inputs(run))
        largest = max(largest, hold_equal(what, real, expected))
    batched = any(dim is not None for dim in subject.batch_dims)
    sizes = " for batches of 2 and 3" if batched and len(runs) > 1 else ""
    return f"{what} gives the same{sizes} (largest difference {largest:.2g})"


def compiled(subject: Subject) -> str:
    """Check `torch.compile` with the default backend, for one batch size as each takes long."""
    import torch._inductor.config as inductor

    inductor.compile_threads = 1  # no further processes: this one may be killed at any time
    inductor.fallback_random = True  # random numbers as the network itself draws them
    try:
        return _compare(subject, "the compiled network", torch.compile(subject.twin()), (0,))
    finally:
        torch.compiler.reset()


def script(subject: Subject) -> str:
    """Check `torch.jit.script`."""
    for path, module in subject.network.named_modules():
        if is_parametrized(module):
            message = f"TorchScript has no parametrizations, and `{path}` has a computed weight"
            raise Disproof(message, path, "NG407")
    return _compare(subject, "the script", torch.jit.script(subject.twin()))


def onnx(subject: Subject) -> str:
    """Check an ONNX file with a dynamic batch, run by onnxruntime on the CPU."""
    onnxruntime = _installed("onnxruntime")
    _installed("onnxscript")  # torch's exporter needs it
    refuse_random(subject, "the ONNX model")
    network = subject.twin().cpu()
    inputs = tuple(x.cpu() for x in subject.inputs(0))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.onnx"
        program = torch.onnx.export(
            network, inputs, dynamo=True, dynamic_shapes=_dynamic(subject), verbose=False
        )
        assert program is not None
        program.save(path)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        return _compare(subject, "the ONNX model", _Session(session))


def _installed(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError:
        help = "pip install 'torch-netgen[onnx]'"
        raise Disproof(f"`{name}` is not installed: {help}", code="NG407") from None


class _Session:
    """A session of onnxruntime that can be called like the network."""

    def __init__(self, session: Any) -> None:
        self.session = session
        self.names: Sequence[str] = [x.name for x in session.get_inputs()]

    def __call__(self, *inputs: torch.Tensor) -> list[torch.Tensor]:
        values = [x.cpu().numpy() for x in tensors_in(inputs)]
        found = self.session.run(None, dict(zip(self.names, values, strict=True)))
        return [torch.from_numpy(value) for value in found]
