"""The subject of proofs: the generated source as a module, its network, and sample inputs."""

from __future__ import annotations

import ast
import copy
import linecache
import sys
import types
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from msgspec import Struct, field
from torch import nn

from .devices import MissingDevice

FILE = "<generated>"


class Disproof(Exception):
    """A prediction is wrong or a proof failed; `where` is the path of the layer, if it is known."""

    def __init__(self, message: str, where: str = "", code: str = "NG401") -> None:
        super().__init__(message)
        self.where = where
        self.code = code


class Subject(Struct):
    """A network with the plan of its predictions.

    `outputs` are those of a forward pass that `backward` has not differentiated yet. `findings`
    are warnings with ``code``, ``message``, ``where`` and ``help``. `notes` are remarks, mostly on
    what could not be shown.
    """

    source: str
    plan: Mapping[str, Any]
    device: str
    seed: int
    module: types.ModuleType
    forward: ast.FunctionDef | None  # the network's `forward`, if it has one: `watch` traces it
    network: nn.Module
    levels: Sequence[str] = ()
    outputs: Any = None
    findings: list[dict[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def fresh(self) -> nn.Module:
        """A new network with initial weights of the same seed."""
        torch.manual_seed(self.seed)
        network: nn.Module = getattr(self.module, self.plan["class_name"])()
        return network.to(self.device)

    def copied(self) -> nn.Module:
        """A copy of the network."""
        try:
            return copy.deepcopy(self.network)
        except RuntimeError:  # recurrent layers hold on to weights that they have computed
            with torch.random.fork_rng(devices=[]):
                network = self.fresh()
            network.load_state_dict(self.network.state_dict())
            return network

    def twin(self) -> nn.Module:
        """A copy of the network in evaluation mode."""
        # `to` makes the copied recurrent weights contiguous again, as cuDNN needs them
        return self.copied().to(self.device).eval()

    def run(self, run: int, inputs: Sequence[torch.Tensor]) -> Any:
        """What the network gives for the inputs of a run."""
        return self.network(*inputs)

    def inputs(self, run: int) -> list[torch.Tensor]:
        """Random inputs for a run, the same ones each time."""
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(self.seed + run + 1)  # they are made on the CPU
            return samples(self.plan["runs"][run], self.device)

    def parameters(self) -> Iterator[tuple[str, nn.Parameter]]:
        """The parameters, each by its module's own path; torch takes the first of its names."""
        for name, parameter in self.network.named_parameters():
            yield self._own(name), parameter

    def _own(self, name: str) -> str:
        aliases = self.plan["aliases"]
        alias, own = next((p for p in aliases if name.startswith(f"{p[0]}.")), ("", ""))
        return self._own(f"{own}{name.removeprefix(alias)}") if alias else name

    @property
    def batch_dims(self) -> list[int | None]:
        """The dimension of the batch in each input."""
        return [request["batch"] for request in self.plan["runs"][0]["samples"]]


def load(source: str, class_name: str) -> tuple[types.ModuleType, ast.FunctionDef | None]:
    """The source imported as a module, and the syntax tree of the class's `forward`.

    An `nn.Sequential` has none of its own.
    """
    linecache.cache[FILE] = (len(source), None, source.splitlines(True), FILE)
    tree = ast.parse(source, FILE)
    module = types.ModuleType("netgen_generated")
    sys.modules[module.__name__] = module
    # without this file's own `from __future__` imports
    exec(compile(tree, FILE, "exec", dont_inherit=True), module.__dict__)
    network = next(
        node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == class_name
    )
    defined = (node for node in network.body if isinstance(node, ast.FunctionDef))
    forward = next((node for node in defined if node.name == "forward"), None)
    return module, forward


def subject_of(request: Mapping[str, Any], device: str) -> Subject:
    """The subject of a request, instantiated on a device; raises `Disproof` for wrong weights."""
    plan = request["plan"]
    module, forward = load(request["source"], plan["class_name"])
    torch.manual_seed(request["seed"])
    if device == "meta":
        check_meta(plan)
    with torch.device("meta" if device == "meta" else "cpu"):
        network: nn.Module = getattr(module, plan["class_name"])()
    check_weights(network, plan)
    network.to(device)
    levels = request["levels"]
    return Subject(
        request["source"], plan, device, request["seed"], module, forward, network, levels
    )


def reread(request: Mapping[str, Any], device: str) -> Subject:
    """The subject of a request with its source imported again, but no network of it."""
    plan = request["plan"]
    module, forward = load(request["source"], plan["class_name"])
    return Subject(request["source"], plan, device, request["seed"], module, forward, nn.Identity())


def check_meta(plan: Mapping[str, Any]) -> None:
    """Raise `MissingDevice` for a network that torch does not make without data."""
    for name, *_ in plan["weights"]:
        path, _, part = name.partition(".parametrizations.")
        if part.endswith(".base"):  # an orthogonal map, which is worked out from values
            raise MissingDevice(f"torch makes no orthogonal weight, as in `{path}`, without data")


def check_weights(network: nn.Module, plan: Mapping[str, Any]) -> None:
    """Compare names, shapes, types and order of weights with the plan; raises `Disproof`."""
    parameters = network.named_parameters(remove_duplicate=False)
    trainable = {name for name, weight in parameters if weight.requires_grad}
    real = [
        [name, list(value.shape), type_name(value), name in trainable]
        for name, value in network.state_dict().items()
    ]
    for found, predicted in zip(real, plan["weights"], strict=False):
        if found != list(predicted):
            path = str(found[0]).rpartition(".")[0]
            message = f"a weight is {found}, but {list(predicted)} was predicted"
            raise Disproof(message, path)
    if len(real) != len(plan["weights"]):
        raise Disproof(f"there are {len(real)} weights, but {len(plan['weights'])} were predicted")
    count = sum(weight.numel() for weight in network.parameters() if weight.requires_grad)
    if count != plan["parameters"]:
        raise Disproof(f"there are {count} parameters, but {plan['parameters']} were predicted")


def samples(run: Mapping[str, Any], device: str) -> list[torch.Tensor]:
    """Random inputs of the shapes and types that the network declares."""
    return [sample(request).to(device) for request in run["samples"]]


def sample(request: Mapping[str, Any]) -> torch.Tensor:
    """One random input."""
    shape: list[int] = request["shape"]
    dtype: torch.dtype = getattr(torch, request["dtype"])
    low: float | None = request["low"]
    high: float | None = request["high"]
    if request["kind"] == "zeros":
        return torch.zeros(shape, dtype=dtype)
    if request["kind"] == "ones" and dtype == torch.bool:
        return torch.ones(shape, dtype=dtype)
    if dtype == torch.bool:
        return _choices(shape, low, high)
    if dtype.is_floating_point or dtype.is_complex:
        if high is None:
            small = dtype.is_floating_point and dtype.itemsize < 4
            real = torch.float32 if small else dtype
            return torch.randn(shape, dtype=real).to(dtype)
        start = 0.0 if low is None else low
        values: torch.Tensor = torch.rand(shape) * (high - start) + start
        return values.to(dtype)
    assert high is not None
    start = int(low or 0)
    return torch.randint(start, max(int(high), start + 1), shape).to(dtype)


def _choices(shape: list[int], low: float | None, high: float | None) -> torch.Tensor:
    """Random booleans, mostly true and at least one in each row, for masks of what counts."""
    if low == 1 or high == 1:  # the range has one value: all true, or all false
        return torch.full(shape, low == 1)
    chosen = torch.rand(shape) < 0.75
    if shape and shape[-1]:
        chosen[..., 0] = True
    return chosen


def type_name(value: torch.Tensor) -> str:
    """torch's name of an element type."""
    return str(value.dtype).removeprefix("torch.")


def tensors_in(outputs: Any) -> list[torch.Tensor]:
    """The tensors in a network's outputs, in order."""
    return [value for _, value in named_outputs(outputs)]


def named_outputs(outputs: Any) -> Iterator[tuple[str, torch.Tensor]]:
    """The outputs with their names."""
    if isinstance(outputs, Mapping):
        yield from outputs.items()
    elif isinstance(outputs, (tuple, list)):
        for place, value in enumerate(outputs):
            yield f"output {place}", value
    else:
        yield "output", outputs


def differentiable(outputs: Any) -> list[torch.Tensor]:
    """The outputs that require a gradient, complex ones as absolute values."""
    smooth = [value for value in tensors_in(outputs) if value.requires_grad]
    return [value.abs() if value.is_complex() else value for value in smooth]
