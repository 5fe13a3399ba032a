"""Functions with weights that a module holds: the module's layer, called by hand."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set

from msgspec.structs import replace

from ..layers import TYPES
from ..run.recording.recorded import FunctionCall, Held, Items, Tree, Value
from .operations import Operations, bound, tensor_of
from .sizes import Sized
from .steps import Inexpressible, Step, tensors_of


def with_weights(type: str) -> Callable[..., list[Step]]:
    """How a function that is given weights becomes a layer of this type."""

    def translated(own: Operations, call: FunctionCall, out: tuple[int, ...]) -> list[Step]:
        given = bound(call, _WITH_WEIGHTS[type])
        if type == "BatchNorm" and given.get("training") and not _is_held(given):
            return _standardised(own, given, out)
        if f"Functional{type}" in TYPES and not _is_held(given):
            return [_functional(own, type, given, out)]
        return [_layer(own, type, given, out)]

    return translated


_WEIGHTS = ("weight", "bias", "running_mean", "running_var")


def _weights(given: Mapping[str, Tree]) -> dict[str, Tree]:
    """The weights that a function was given."""
    return {name: given[name] for name in _WEIGHTS if given.get(name) is not None}


def _owner(weights: Mapping[str, Tree]) -> str:
    """The path of the one module that has all weights, under its layer's names for them.

    Empty if there are no weights. Raises `Inexpressible`.
    """
    owners = set()
    for name, weight in weights.items():
        owner, _, own = weight.path.rpartition(".") if isinstance(weight, Held) else ("", "", "")
        if own != name:
            raise Inexpressible("with weights that are computed, or have other names")
        owners.add(owner)
    if len(owners) > 1:
        raise Inexpressible("with weights of several modules")
    if "" in owners:
        raise Inexpressible("with weights of the network itself")
    return next(iter(owners), "")


def _is_held(given: Mapping[str, Tree]) -> bool:
    """Whether there are weights, and one module has them all."""
    try:
        return bool(_owner(_weights(given)))
    except Inexpressible:
        return False


def _functional(own: Operations, type: str, given: dict[str, Tree], out: Sequence[int]) -> Step:
    """A layer whose weights are tensors that it reads."""
    names = [name for name in ("input", "weight", "bias") if given.get(name) is not None]
    reads = [tensor_of(given[name]) for name in names]
    others = {name: x for name, x in given.items() if name not in ("input", "weight", "bias")}
    return own.layer(f"Functional{type}", reads, out, others)


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
    "InstanceNorm": (
        *("input", "running_mean", "running_var", "weight", "bias", "use_input_stats"),
        *("momentum", "eps"),
    ),
    "PReLU": ("input", "weight"),
}


def _layer(own: Operations, type: str, given: dict[str, Tree], out: Sequence[int]) -> Step:
    """The layer whose weights a function was given, at the path of the module that holds them."""
    x, weights = tensor_of(given["input"]), _weights(given)
    path = _owner(weights)
    rest = {name: value for name, value in given.items() if name not in ("input", *_WEIGHTS)}
    if type in ("BatchNorm", "InstanceNorm"):
        of_norm = _of_batch_norm if type == "BatchNorm" else _of_instance_norm
        arguments = of_norm(own, rest, weights.keys(), path)
        type = f"{type}{max(len(own.shape(x)) - 2, 1)}d"
    else:
        shape = own.shape(tensor_of(weights["weight"])) if "weight" in weights else ()
        arguments = _arguments(type, rest, weights.keys(), shape)
    return replace(own.layer(type, [x], out, arguments), path=path)


def _arguments(
    type: str, given: Mapping[str, Tree], weights: Set[str], shape: Sequence[Sized]
) -> dict[str, Tree]:
    """The arguments of a layer, from those of its function and the shape of its weight."""
    bias = {} if "bias" in weights else {"bias": False}
    if type == "Linear":
        return {"out_features": shape[0], **bias}
    if type == "Embedding":
        return {"num_embeddings": shape[0], "embedding_dim": shape[1], **given}
    if type == "PReLU":
        return {"num_parameters": shape[0]}
    if type == "GroupNorm":
        return {**given, **(bias if weights else {"affine": False})}
    if type in ("LayerNorm", "RMSNorm"):
        over = given["normalized_shape"]
        assert isinstance(over, Items)
        found = {name: value for name, value in given.items() if name != "normalized_shape"}
        if len(over.items) > 1:
            found["normalized_shape"] = over
        if "weight" not in weights:
            return {**found, "elementwise_affine": False}
        return {**found, **bias} if type == "LayerNorm" else found
    channels = shape[0]
    if type.startswith("ConvTranspose"):
        channels = shape[1] * int(given.get("groups", 1))  # type: ignore[operator, arg-type]
    return {"out_channels": channels, "kernel_size": Items(tuple(shape[2:])), **given, **bias}


def _of_batch_norm(
    own: Operations, given: Mapping[str, Tree], weights: Set[str], path: str
) -> dict[str, Tree]:
    """The arguments of a batch norm; its momentum is that of its module's constructor."""
    if given.get("training") or "running_mean" not in weights:
        raise Inexpressible("with the statistics of the batch in evaluation")
    known = dict(own.sizes.recording.by_path[path].arguments)
    momentum = known.get("momentum", given.get("momentum", 0.1))
    found: dict[str, Tree] = {"eps": given.get("eps", 1e-5), "momentum": momentum}
    if "weight" not in weights:
        found["affine"] = False
    elif "bias" not in weights:
        found["bias"] = False
    return found


def _of_instance_norm(
    own: Operations, given: Mapping[str, Tree], weights: Set[str], path: str
) -> dict[str, Tree]:
    """The arguments of an instance norm, which has weights and statistics or not."""
    found: dict[str, Tree] = {"eps": given.get("eps", 1e-5)}
    if "running_mean" in weights:
        found |= {"track_running_stats": True, "momentum": given.get("momentum", 0.1)}
    if "weight" in weights:
        found |= {"affine": True, **({} if "bias" in weights else {"bias": False})}
    return found


def recurrent(type: str) -> Callable[..., list[Step]]:
    """How the function of a recurrent network becomes the layer that has all its weights."""

    def translated(own: Operations, call: FunctionCall, out: tuple[int, ...]) -> list[Step]:
        given = dict(call.named)
        weights = given.pop("params", None)
        if not isinstance(weights, Items):
            raise Inexpressible("of what is packed")
        layers, both = given.get("num_layers", 1), bool(given.get("bidirectional"))
        bias = bool(given.pop("has_biases", True))
        assert isinstance(layers, int)
        each = len(weights.items) // (layers * (1 + both))
        projects = each > (4 if bias else 2)
        names = [
            f"{name}_l{layer}{way}"
            for layer in range(layers)
            for way in ("", "_reverse")[: 1 + both]
            for name in ("weight_ih", "weight_hh", *(["bias_ih", "bias_hh"] * bias), "weight_hr")
            if projects or name != "weight_hr"
        ]
        path = _owner(dict(zip(names, weights.items, strict=True)))
        shapes = [own.shape(tensor_of(x)) for x in weights.items[:each]]
        gates = {"LSTM": 4, "GRU": 3, "RNN": 1}[type]
        size = shapes[0][0]
        assert isinstance(size, int)
        more: dict[str, Tree] = {"proj_size": shapes[-1][0]} if projects else {}
        if call.function.endswith("rnn_relu"):
            more["nonlinearity"] = "relu"
        reads = [tensor_of(given.pop("input")), *tensors_of(given.pop("hx", None))]
        given = {name: x for name, x in given.items() if name not in ("train", "training")}
        arguments = {"hidden_size": size // gates, **given, "bias": bias, **more}
        return [replace(own.layer(type, reads, out, arguments), path=path)]

    return translated
