"""Operators of ONNX as functions and layers of torch."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from math import prod
from typing import Any

import onnx
import torch
from torch import Tensor
from torch.nn import functional as F

from .calls import Call, Operator, Refused
from .fixed_batch import expanded
from .weighted import WEIGHTED, embedded


def _same(call: Call) -> Any:
    return call.tensor(0)


def _function(function: Callable[..., Any], **given: Any) -> Operator:
    """A function of all tensors that a node reads."""

    def called(call: Call) -> Any:
        return function(*(call.tensor(place) for place in range(call.count)), **given)

    return called


def _between(function: Callable[[Any, Any], Any]) -> Operator:
    """An operator between two tensors, or a tensor and a number."""

    def called(call: Call) -> Any:
        a, b = call.operand(0), call.operand(1)
        if call.node.type == "Div" and not any(map(_is_float, (a, b))):
            raise Refused("of whole numbers")
        return function(a, b)

    return called


def _is_float(x: Any) -> bool:
    return x.is_floating_point() if isinstance(x, Tensor) else isinstance(x, float)


def _compared(function: Callable[[Any, Any], Any], turned: Callable[[Any, Any], Any]) -> Operator:
    """A comparison, whose first operand may be the number."""

    def called(call: Call) -> Any:
        a, b = call.operand(0), call.operand(1)
        return function(a, b) if isinstance(a, Tensor) else turned(b, a)

    return called


def _folded(function: Callable[[Any, Any], Any], clamp: Callable[..., Any]) -> Operator:
    """`Min` and `Max` of any number of tensors and numbers."""

    def called(call: Call) -> Any:
        found, *rest = sorted(
            (call.operand(place) for place in range(call.count)),
            key=lambda x: not isinstance(x, Tensor),
        )
        for x in rest:
            found = function(found, x) if isinstance(x, Tensor) else clamp(found, x)
        return found

    return called


def _sum(call: Call) -> Any:
    found = call.operand(0)
    for place in range(1, call.count):
        found = found + call.operand(place)
    return found


def _modulo(call: Call) -> Any:
    if call.attribute("fmod", 0):
        raise Refused("with `fmod`")
    return torch.remainder(call.tensor(0), call.operand(1))


def _clip(call: Call) -> Any:
    x = call.tensor(0)
    low, high = call.number("min", 1), call.number("max", 2)
    low, high = (
        None if bound is not None and abs(bound) > 1e38 else bound for bound in (low, high)
    )
    if (low, high) == (0, 6):
        return F.relu6(x)
    if (low, high) == (0, None):
        return F.relu(x)
    if low is None and high is None:
        return x
    given: dict[str, Any] = {"min": low, "max": high}
    return torch.clamp(x, **{name: bound for name, bound in given.items() if bound is not None})


def _hard_sigmoid(call: Call) -> Any:
    x, alpha, beta = call.tensor(0), call.attribute("alpha", 0.2), call.attribute("beta", 0.5)
    if abs(alpha - 1 / 6) < 1e-6 and beta == 0.5:
        return F.hardsigmoid(x)
    return torch.clamp(x * alpha + beta, min=0, max=1)


def _selu(call: Call) -> Any:
    alpha, gamma = call.attribute("alpha", 1.6732632), call.attribute("gamma", 1.0507010)
    if abs(alpha - 1.6732632) > 1e-5 or abs(gamma - 1.0507010) > 1e-5:
        raise Refused("with an `alpha` or `gamma` of its own")
    return F.selu(call.tensor(0))


def _softmax(function: Callable[..., Any]) -> Operator:
    def called(call: Call) -> Any:
        x = call.tensor(0)
        axis = call.axis(x, "axis", -1 if call.opset >= 13 else 1)
        if call.opset < 13 and prod(x.shape[axis + 1 :]) != 1:
            raise Refused("over several dimensions at once")
        return function(x, dim=axis - x.dim() if axis == x.dim() - 1 else axis)

    return called


def _reduced(function: Callable[..., Any]) -> Operator:
    """A reduction over some dimensions, or all."""

    def called(call: Call) -> Any:
        x, dims = call.tensor(0), call.numbers("axes", 1)
        if not dims:
            if call.attribute("noop_with_empty_axes", 0):
                return x
            dims = [*range(x.dim())]
        kept = bool(call.attribute("keepdims", 1))
        return function(x, dim=dims, keepdim=kept)

    return called


def _product(x: Tensor, dim: list[int], keepdim: bool) -> Tensor:
    if len(dim) != 1:
        raise Refused("over several dimensions at once")
    return torch.prod(x, dim=dim[0], keepdim=keepdim)


def _root_of_squares(x: Tensor, dim: list[int], keepdim: bool) -> Tensor:
    return torch.sqrt(torch.sum(x * x, dim=dim, keepdim=keepdim))


def _absolute_sum(x: Tensor, dim: list[int], keepdim: bool) -> Tensor:
    return torch.sum(torch.abs(x), dim=dim, keepdim=keepdim)


def _largest(function: Callable[..., Any]) -> Operator:
    def called(call: Call) -> Any:
        if call.attribute("select_last_index", 0):
            raise Refused("with `select_last_index`")
        x = call.tensor(0)
        kept = bool(call.attribute("keepdims", 1))
        return function(x, dim=call.axis(x, "axis", 0), keepdim=kept)

    return called


def _first_of(call: Call) -> Any:
    """`TopK`."""
    x = call.tensor(0)
    count = call.numbers("k", 1)
    if count is None or len(count) != 1:
        raise Refused("with a number that is computed")
    dim = call.axis(x, "axis", -1)
    dim = -1 if dim == x.dim() - 1 else dim
    return torch.topk(x, count[0], dim=dim, largest=bool(call.attribute("largest", 1)))


def _reshaped(call: Call) -> Any:
    x, shape = call.tensor(0), call.numbers("shape", 1)
    if shape is None:
        raise Refused("to a shape that is computed from numbers")
    if not call.attribute("allowzero", 0):
        shape = [x.shape[at] if size == 0 else size for at, size in enumerate(shape)]
    return torch.reshape(x, call.for_batch(x, shape))


def _flattened(call: Call) -> Any:
    x = call.tensor(0)
    axis = call.axis(x, "axis", 1)
    if axis == 1:
        return torch.flatten(x, 1)
    return torch.reshape(x, (prod(x.shape[:axis]), prod(x.shape[axis:])))


def _permuted(call: Call) -> Any:
    x = call.tensor(0)
    dims = call.attribute("perm", [*range(x.dim())][::-1])
    moved = [at for at, dim in enumerate(dims) if at != dim]
    if len(moved) == 2:
        return torch.transpose(x, moved[0], moved[1])
    return torch.permute(x, tuple(dims)) if moved else x


def _squeezed(call: Call) -> Any:
    x, dims = call.tensor(0), call.numbers("axes", 1)
    if dims is None:
        dims = [at for at, size in enumerate(x.shape) if size == 1]
    for dim in sorted((dim % x.dim() for dim in dims), reverse=True):
        x = torch.squeeze(x, dim)
    return x


def _unsqueezed(call: Call) -> Any:
    x, dims = call.tensor(0), call.numbers("axes", 1) or []
    rank = x.dim() + len(dims)
    for dim in sorted(dim % rank for dim in dims):
        x = torch.unsqueeze(x, dim)
    return x


def _joined(call: Call) -> Any:
    tensors = [call.tensor(place) for place in range(call.count)]
    dim = call.axis(tensors[0], "axis", 1)
    return torch.cat(call.with_one_batch(tensors, dim), dim)


def _divided(call: Call) -> Any:
    x = call.tensor(0)
    dim = call.axis(x, "axis", 0)
    sizes = call.numbers("split", 1)
    parts = len(call.node.outputs)
    if sizes is None:
        if x.shape[dim] % parts == 0:
            return torch.chunk(x, parts, dim)
        size = -(-x.shape[dim] // parts)
        return torch.split(x, size, dim)
    return torch.split(x, sizes, dim)


def _sliced(call: Call) -> Any:
    x = call.tensor(0)
    starts, ends = call.numbers("starts", 1), call.numbers("ends", 2)
    if starts is None or ends is None:
        raise Refused("by places that are computed from numbers")
    axes = call.numbers("axes", 3) or [*range(len(starts))]
    steps = call.numbers("steps", 4) or [1] * len(starts)
    index = [slice(None)] * x.dim()
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        if step < 1:
            raise Refused("backwards")
        size = x.shape[axis]
        last = end >= size
        index[axis % x.dim()] = slice(
            start if start % size or start < 0 else None, None if last else end, step
        )
    if all(one == slice(None, None, 1) or one == slice(None) for one in index):
        return x
    return x[tuple(index)]


def _picked(call: Call) -> Any:
    """`Gather`."""
    found = embedded(call)
    if found is not None:
        return found
    dim = int(call.attribute("axis", 0))
    x, places = call.tensor(0), call.array(1)
    if places is None:
        index = call.tensor(1)
        if dim % x.dim() == 0 and index.dim() != 1:
            return x[index]
        return torch.index_select(x, dim, index)
    size = x.shape[dim]
    if places.ndim == 0:
        return torch.select(x, dim, int(places))
    known = [int(at) % size for at in places.reshape(-1)]
    if places.size == 1:
        taken = torch.narrow(x, dim, known[0], 1)
        return taken if places.ndim == 1 else torch.unsqueeze(taken, dim)
    index = torch.tensor(known).reshape(places.shape)
    if places.ndim == 1:
        return torch.index_select(x, dim, index)
    return x[(slice(None),) * (dim % x.dim()) + (index,)]


def _expanded(call: Call) -> Any:
    x, shape = call.tensor(0), call.numbers("shape", 1)
    if shape is None:
        raise Refused("to a shape that is computed from numbers")
    rank = max(len(shape), x.dim())
    own = (1,) * (rank - x.dim()) + tuple(x.shape)
    wanted = [1] * (rank - len(shape)) + shape
    after = [a if b == 1 else b for a, b in zip(own, wanted, strict=True)]
    before = call.base(0)
    if before is not None and call.is_literal(shape):
        after = expanded(before, tuple(x.shape), tuple(after))
    return x if after == [*x.shape] else x.expand(after)


def _tiled(call: Call) -> Any:
    copies = call.numbers("repeats", 1)
    if copies is None:
        raise Refused("a number of times that is computed")
    x = call.tensor(0)
    return x if all(n == 1 for n in copies) else x.repeat(copies)


def _cast(call: Call) -> Any:
    numpy_type = onnx.helper.tensor_dtype_to_np_dtype(call.attribute("to", 1))
    dtype = getattr(torch, numpy_type.name, None)
    if dtype is None:
        raise Refused(f"to `{numpy_type.name}`")
    x = call.tensor(0)
    return x if x.dtype == dtype else x.to(dtype)


def _padded(call: Call) -> Any:
    x, pads = call.tensor(0), call.numbers("pads", 1)
    if pads is None:
        raise Refused("by sizes that are computed from numbers")
    axes = call.numbers("axes", 3)
    dims = [*range(x.dim())] if axes is None else [axis % x.dim() for axis in axes]
    around = {dim: (pads[at], pads[at + len(dims)]) for at, dim in enumerate(dims)}
    first = min((dim for dim, both in around.items() if any(both)), default=None)
    if first is None:
        return x
    flat = [
        size for dim in range(x.dim())[::-1] if dim >= first for size in around.get(dim, (0, 0))
    ]
    mode = {"edge": "replicate", "wrap": "circular"}.get(
        call.attribute("mode", "constant"), call.attribute("mode", "constant")
    )
    value = call.number("value", 2)
    if mode == "constant":
        return F.pad(x, flat, value=0.0 if value is None else value)
    while len(flat) < 2 * (x.dim() - 2):
        flat += [0, 0]
    return F.pad(x, flat, mode=mode)


def _resized(call: Call) -> Any:
    x = call.tensor(0)
    mode = call.attribute("mode", "nearest")
    how = call.attribute("coordinate_transformation_mode", "half_pixel")
    old = call.node.type == "Upsample" or call.opset < 11
    scales = call.floats("scales", 1 if old else 2)
    sizes = None if old else call.numbers("sizes", 3)
    if call.attribute("axes", None) not in (None, [*range(2, x.dim())]):
        raise Refused("along other dimensions than those of an image")
    if sizes is not None and len(sizes) == x.dim():
        sizes = sizes[2:]
    if scales is not None and len(scales) == x.dim():
        if scales[0] != 1 or scales[1] != 1:
            raise Refused("along other dimensions than those of an image")
        scales = scales[2:]
    given: dict[str, Any] = {}
    if sizes:
        given["size"] = sizes
    elif scales:
        whole = all(scale == int(scale) for scale in scales)
        given["scale_factor"] = [float(scale) for scale in scales]
        if not whole:
            given = {"size": [int(n * s) for n, s in zip(x.shape[2:], scales, strict=True)]}
    else:
        raise Refused("to sizes that are computed from numbers")
    rank = x.dim() - 2
    if mode == "nearest":
        floored = call.attribute("nearest_mode", "round_prefer_floor") == "floor"
        if old or (how == "asymmetric" and floored):
            return F.interpolate(x, mode="nearest", **given)
        if how == "half_pixel" and call.attribute("nearest_mode", "") == "round_prefer_ceil":
            return F.interpolate(x, mode="nearest-exact", **given)
        grown = all(s == int(s) for s in given.get("scale_factor", (0.5,)))
        if grown and how in ("half_pixel", "asymmetric", "tf_half_pixel_for_nn"):
            return F.interpolate(x, mode="nearest", **given)  # the same for whole factors
        raise Refused(f"by `{how}`")
    if old or call.attribute("antialias", 0):
        raise Refused("with `antialias`" if not old else f"by `{mode}` of an old opset")
    modes = {"linear": {1: "linear", 2: "bilinear", 3: "trilinear"}, "cubic": {2: "bicubic"}}
    name = modes.get(mode, {}).get(rank)
    aligned = how == "align_corners"
    cubic = call.attribute("cubic_coeff_a", -0.75) == -0.75 or mode != "cubic"
    if (
        name is None
        or not cubic
        or how not in ("half_pixel", "pytorch_half_pixel", "align_corners")
    ):
        raise Refused(f"by `{mode}` and `{how}`")
    return F.interpolate(x, mode=name, align_corners=aligned, **given)


def _pixels_shuffled(call: Call) -> Any:
    if call.attribute("mode", "DCR") != "CRD":
        raise Refused("with the mode `DCR`")
    return F.pixel_shuffle(call.tensor(0), call.attribute("blocksize", 1))


def _pooled(function: str, empty: float) -> Operator:
    """A pooling by windows; what can't be padded by the function is padded before."""

    def called(call: Call) -> Any:
        x = call.tensor(0)
        rank = x.dim() - 2
        if len([name for name in call.node.outputs if name]) > 1:
            raise Refused("with indices")
        kernel = call.attribute("kernel_shape", [1] * rank)
        strides = call.attribute("strides", [1] * rank)
        dilations = call.attribute("dilations", [1] * rank)
        begin, end = call.pads(x, kernel, strides, dilations)
        ceil = bool(call.attribute("ceil_mode", 0))
        counted = bool(call.attribute("count_include_pad", 0))
        given: dict[str, Any] = {"stride": strides, "ceil_mode": ceil}
        if function == "max":
            given["dilation"] = dilations
        elif any(size != 1 for size in dilations):
            raise Refused("with dilations")
        apart = begin != end or any(2 * p > k for p, k in zip(begin, kernel, strict=True))
        if apart:
            if function == "avg" and not counted:
                raise Refused("with other sizes before than after, which are not counted")
            x = F.pad(x, call.around(begin, end), value=empty)
        else:
            given["padding"] = begin
        if function == "avg":
            given["count_include_pad"] = counted or not any(begin + end)
        return getattr(F, f"{function}_pool{rank}d")(x, kernel, **given)

    return called


def _pooled_whole(function: str) -> Operator:
    def called(call: Call) -> Any:
        x = call.tensor(0)
        return getattr(F, f"adaptive_{function}_pool{x.dim() - 2}d")(x, 1)

    return called


def _chosen(call: Call) -> Any:
    return torch.where(call.tensor(0), call.operand(1), call.operand(2))


def _summed_up(call: Call) -> Any:
    if call.attribute("exclusive", 0) or call.attribute("reverse", 0):
        raise Refused("`exclusive` or `reverse`")
    dims = call.numbers("axis", 1)
    if dims is None:
        raise Refused("along a dimension that is computed")
    return torch.cumsum(call.tensor(0), dims[0])


def _triangle(call: Call) -> Any:
    function = torch.triu if call.attribute("upper", 1) else torch.tril
    diagonal = call.number("k", 1)
    return function(call.tensor(0), int(diagonal or 0))


def _attention(call: Call) -> Any:
    """`Attention` of four dimensions, which has no past."""
    query, key, value = (call.tensor(place) for place in range(3))
    if query.dim() != 4 or any(call.node.inputs[4:]) or any(call.node.outputs[1:]):
        raise Refused("with heads in the last dimension, or with a past")
    if call.attribute("softcap", 0.0):
        raise Refused("with `softcap`")
    mask = call.tensor(3) if call.has(3) else None
    given: dict[str, Any] = {} if mask is None else {"attn_mask": mask}
    if call.attribute("is_causal", 0):
        given["is_causal"] = True
    scale = call.attribute("scale", None)
    if scale is not None and abs(scale * query.shape[-1] ** 0.5 - 1) > 1e-6:
        given["scale"] = scale
    return F.scaled_dot_product_attention(query, key, value, **given)


def _normalised(call: Call) -> Any:
    x = call.tensor(0)
    return F.normalize(x, float(call.attribute("p", 2)), call.axis(x, "axis", -1), 0.0)


def _gelu(call: Call) -> Any:
    return F.gelu(call.tensor(0), approximate=call.attribute("approximate", "none"))


def _einsum(call: Call) -> Any:
    tensors = [call.tensor(place) for place in range(call.count)]
    return torch.einsum(call.attribute("equation", ""), *tensors)


def _with_attribute(function: Callable[..., Any], **names: tuple[str, float]) -> Operator:
    """A function with numbers that are attributes: torch's name, ONNX's, and ONNX's default."""

    def called(call: Call) -> Any:
        given = {own: call.short(attr, default) for own, (attr, default) in names.items()}
        return function(call.tensor(0), **given)

    return called


OPERATORS: Mapping[str, Operator] = {
    **WEIGHTED,
    **dict.fromkeys(("Identity", "Dropout"), _same),
    "Relu": _function(F.relu),
    "Sigmoid": _function(torch.sigmoid),
    "Tanh": _function(torch.tanh),
    "Exp": _function(torch.exp),
    "Log": _function(torch.log),
    "Sqrt": _function(torch.sqrt),
    "Reciprocal": _function(torch.reciprocal),
    "Erf": _function(torch.erf),
    "Neg": _function(torch.neg),
    "Abs": _function(torch.abs),
    "Floor": _function(torch.floor),
    "Ceil": _function(torch.ceil),
    "Round": _function(torch.round),
    "Sign": _function(torch.sign),
    "Sin": _function(torch.sin),
    "Cos": _function(torch.cos),
    "Not": _function(torch.logical_not),
    "And": _function(torch.logical_and),
    "Or": _function(torch.logical_or),
    "Softplus": _function(F.softplus),
    "Softsign": _function(F.softsign),
    "Mish": _function(F.mish),
    "SiLU": _function(F.silu),
    "Swish": _function(F.silu),
    "HardSwish": _function(F.hardswish),
    "Gelu": _gelu,
    "HardSigmoid": _hard_sigmoid,
    "Selu": _selu,
    "Elu": _with_attribute(F.elu, alpha=("alpha", 1.0)),
    "Celu": _with_attribute(F.celu, alpha=("alpha", 1.0)),
    "LeakyRelu": _with_attribute(F.leaky_relu, negative_slope=("alpha", 0.01)),
    "Clip": _clip,
    "Softmax": _softmax(F.softmax),
    "LogSoftmax": _softmax(F.log_softmax),
    "Add": _between(operator.add),
    "Sub": _between(operator.sub),
    "Mul": _between(operator.mul),
    "Div": _between(operator.truediv),
    "Pow": _between(torch.pow),
    "Sum": _sum,
    "Mod": _modulo,
    "Equal": _compared(torch.eq, torch.eq),
    "Less": _compared(torch.lt, torch.gt),
    "LessOrEqual": _compared(torch.le, torch.ge),
    "Greater": _compared(torch.gt, torch.lt),
    "GreaterOrEqual": _compared(torch.ge, torch.le),
    "Min": _folded(torch.minimum, lambda x, most: torch.clamp(x, max=most)),
    "Max": _folded(torch.maximum, lambda x, least: torch.clamp(x, min=least)),
    "Where": _chosen,
    "ReduceMean": _reduced(torch.mean),
    "ReduceSum": _reduced(torch.sum),
    "ReduceMax": _reduced(torch.amax),
    "ReduceMin": _reduced(torch.amin),
    "ReduceLogSumExp": _reduced(torch.logsumexp),
    "ReduceProd": _reduced(_product),
    "ReduceL1": _reduced(_absolute_sum),
    "ReduceL2": _reduced(_root_of_squares),
    "ArgMax": _largest(torch.argmax),
    "ArgMin": _largest(torch.argmin),
    "TopK": _first_of,
    "CumSum": _summed_up,
    "Trilu": _triangle,
    "Reshape": _reshaped,
    "Flatten": _flattened,
    "Transpose": _permuted,
    "Squeeze": _squeezed,
    "Unsqueeze": _unsqueezed,
    "Concat": _joined,
    "Split": _divided,
    "Slice": _sliced,
    "Gather": _picked,
    "Expand": _expanded,
    "Tile": _tiled,
    "Cast": _cast,
    "Pad": _padded,
    "Resize": _resized,
    "Upsample": _resized,
    "DepthToSpace": _pixels_shuffled,
    "MaxPool": _pooled("max", float("-inf")),
    "AveragePool": _pooled("avg", 0.0),
    "GlobalAveragePool": _pooled_whole("avg"),
    "GlobalMaxPool": _pooled_whole("max"),
    "Einsum": _einsum,
    "Attention": _attention,
    "LpNormalization": _normalised,
}
