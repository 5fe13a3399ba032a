"""Functions with weights that a module holds: the module's layer, called by hand."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from ..layers import TYPES
from ..run.recording.recorded import FunctionCall, Held, Items, Tree, Value
from .layers import shortened
from .operations import Operations, bound, tensor_of
from .steps import Inexpressible, Step


def with_weights(type: str) -> Callable[..., list[Step]]:
    """Norms and maps with weights that a module holds: the module's layer, called by hand."""

    def normed(own: Operations, call: FunctionCall, out: tuple[int, ...]) -> list[Step]:
        given = bound(call, _WITH_WEIGHTS[type])
        if type == "BatchNorm" and given.get("training") and not _is_held(given):
            return _standardised(own, given, out)
        if f"Functional{type}" in TYPES and not _is_held(given):
            return [_functional(own, type, given, out)]
        return [_layer(own, type, given, out)]

    return normed


def _is_held(given: Mapping[str, Tree]) -> bool:
    """Whether all weights are those of one module, under the names that its layer has for them."""
    names = ("weight", "bias", "running_mean", "running_var")
    found = {name: given[name] for name in names if given.get(name) is not None}
    owners = set()
    for name, x in found.items():
        owner, _, own = x.path.rpartition(".") if isinstance(x, Held) else ("", "", "")
        if own != name or not owner:
            return False
        owners.add(owner)
    return len(owners) == 1


def _functional(own: Operations, type: str, given: dict[str, Tree], out: Sequence[int]) -> Step:
    """A layer whose weights are tensors that it reads."""
    names = [name for name in ("input", "weight", "bias") if given.get(name) is not None]
    reads = [tensor_of(given[name]) for name in names]
    others = {name: x for name, x in given.items() if name not in ("input", "weight", "bias")}
    step = own.layer(f"Functional{type}", reads, out, others)
    return replace(step, arguments=_short(step.arguments))


def _standardised(own: Operations, given: dict[str, Tree], out: Sequence[int]) -> list[Step]:
    """A batch norm with the statistics of what it reads, such as of weights."""
    x, shape = tensor_of(given["input"]), own.shape(tensor_of(given["input"]))
    if any(map(own.sizes.has_batch, shape)):
        raise Inexpressible("with the statistics of the batch")
    over = {"dim": [dim for dim in range(len(shape)) if dim != 1], "keepdim": True}
    small = [size if dim == 1 else 1 for dim, size in enumerate(shape)]
    mean, var, shifted, root, centred, normed = (
        own.new(size, x) for size in (small, small, small, small, shape, shape)
    )
    steps = [
        Step("Mean", (x,), (mean.number,), over),
        Step("Var", (x,), (var.number,), {"dim": over["dim"], "correction": 0, "keepdim": True}),
        Step("Add", (var,), (shifted.number,), {"other": given.get("eps", 1e-5)}),
        Step("Rsqrt", (shifted,), (root.number,), {}),
        Step("Sub", (x, mean), (centred.number,), {}),
        Step("Mul", (centred, root), (normed.number,), {}),
    ]
    for name, type in (("weight", "Mul"), ("bias", "Add")):
        if given.get(name) is not None:
            row, scaled = own.new(small, x), own.new(shape, x)
            weight = tensor_of(given[name])
            steps.append(Step("Reshape", (weight,), (row.number,), {"shape": small}))
            steps.append(Step(type, (Value(steps[-2].gives[0]), row), (scaled.number,), {}))
    last = steps[-1]
    return [*steps[:-1], replace(last, gives=tuple(out))]


_WITH_WEIGHTS = {
    "Linear": ("input", "weight", "bias"),
    **{
        f"Conv{n}d": ("input", "weight", "bias", "stride", "padding", "dilation", "groups")
        for n in (1, 2, 3)
    },
    **{
        f"ConvTranspose{n}d": (
            *("input", "weight", "bias", "stride", "padding", "output_padding"),
            *("groups", "dilation"),
        )
        for n in (1, 2, 3)
    },
    "LayerNorm": ("input", "normalized_shape", "weight", "bias", "eps"),
    "RMSNorm": ("input", "normalized_shape", "weight", "eps"),
    "GroupNorm": ("input", "num_groups", "weight", "bias", "eps"),
    "BatchNorm": (
        *("input", "running_mean", "running_var", "weight", "bias", "training"),
        *("momentum", "eps"),
    ),
    "Embedding": (
        *("input", "weight", "padding_idx", "max_norm", "norm_type", "scale_grad_by_freq"),
        "sparse",
    ),
    "PReLU": ("input", "weight"),
}


def _layer(own: Operations, type: str, given: dict[str, Tree], out: Sequence[int]) -> Step:
    """The layer whose weights a function was given, at the path of the module that holds them."""
    x = tensor_of(given.pop("input"))
    names = ("weight", "bias", "running_mean", "running_var")
    weights = {name: given.pop(name) for name in names if given.get(name) is not None}
    for name in names:
        given.pop(name, None)
    paths = set()
    for name, weight in weights.items():
        if not isinstance(weight, Held) or weight.path.rpartition(".")[2] != name:
            raise Inexpressible("with weights that are computed, or have other names")
        paths.add(weight.path.rpartition(".")[0])
    if len(paths) > 1:
        raise Inexpressible("with weights of several modules")
    shape = own.sizes.shape(weights["weight"]) if "weight" in weights else ()  # type: ignore[arg-type]
    rank = len(own.shape(x))
    arguments: dict[str, Tree] = {}
    bias = {} if "bias" in weights else {"bias": False}
    if type == "Linear":
        arguments = {"out_features": shape[0], **bias}
    elif type.startswith("ConvTranspose"):
        groups = given.get("groups", 1)
        arguments = {
            "out_channels": shape[1] * int(groups),  # type: ignore[operator, arg-type]
            "kernel_size": Items(tuple(shape[2:])),
            **given,
            **bias,
        }
    elif type.startswith("Conv"):
        size = Items(tuple(shape[2:]))
        arguments = {"out_channels": shape[0], "kernel_size": size, **given, **bias}
    elif type in ("LayerNorm", "RMSNorm"):
        over = given.pop("normalized_shape")
        assert isinstance(over, Items)
        arguments = dict(given)
        if len(over.items) > 1:
            arguments["normalized_shape"] = over
        if "weight" not in weights:
            arguments["elementwise_affine"] = False
        elif type == "LayerNorm":
            arguments |= bias
    elif type == "GroupNorm":
        arguments = {**given, **({} if weights else {"affine": False})}
    elif type == "BatchNorm":
        type = {2: "BatchNorm1d", 3: "BatchNorm1d", 4: "BatchNorm2d", 5: "BatchNorm3d"}[rank]
        training = given.pop("training", False)
        if training or "running_mean" not in weights:
            raise Inexpressible("with the statistics of the batch in evaluation")
        arguments = {"eps": given.get("eps", 1e-5)}
        path = next(iter(paths))
        known = dict(own.sizes.recording.by_path[path].arguments)
        arguments["momentum"] = known.get("momentum", given.get("momentum", 0.1))
        if "weight" not in weights:
            arguments["affine"] = False
        elif "bias" not in weights:
            arguments["bias"] = False
    elif type == "Embedding":
        arguments = {"num_embeddings": shape[0], "embedding_dim": shape[1], **given}
    elif type == "PReLU":
        arguments = {"num_parameters": shape[0]}
    step = own.layer(type, [x], out, arguments)
    path = next(iter(paths), "")
    if weights and not path:
        raise Inexpressible("with weights of the network itself")
    return replace(step, arguments=_short(step.arguments), path=path)


def _short(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments in which several equal numbers are one."""
    return {name: shortened(name, value) for name, value in arguments.items()}
