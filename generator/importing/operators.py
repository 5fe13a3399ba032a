"""Calls of operators in a program of `torch.export`, as those of torch's functions that they are.

Operators have other names and other arguments than functions; all of them are given by name here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from ..run.recording.recorded import (
    Event,
    FunctionCall,
    Held,
    Items,
    Recording,
    Span,
    Tree,
    Value,
)
from .steps import tensors_of, values_in

_PREFIX = "aten."
# arguments that say where and how a tensor is stored
_SILENT = frozenset(
    """device layout pin_memory memory_format non_blocking copy cudnn_enable cudnn_enabled
    half_to_float sparse_grad implicit""".split()
)
Named = Mapping[str, Tree]
Makers = Mapping[int, FunctionCall]  # the call that made each value
Made = tuple[str, tuple[Tree, ...], dict[str, Tree]]  # a function, and its arguments
Rewrite = Callable[[dict[str, Tree], Recording, Makers], Made | None]

# operator: function, other names of its arguments; those in brackets come first, by place
_NAMES = """
_softmax: softmax
_log_softmax: log_softmax
_safe_softmax: softmax
dropout: dropout train=training
alpha_dropout: alpha_dropout train=training
feature_alpha_dropout: feature_alpha_dropout train=training
_adaptive_avg_pool2d: adaptive_avg_pool2d
_adaptive_avg_pool3d: adaptive_avg_pool3d
max_pool1d_with_indices: max_pool1d
max_pool2d_with_indices: max_pool2d
max_pool3d_with_indices: max_pool3d
native_batch_norm: batch_norm
cudnn_batch_norm: batch_norm
_native_batch_norm_legit: batch_norm
_native_batch_norm_legit_functional: batch_norm
constant_pad_nd: pad
clamp_min: clamp
clamp_max: clamp
addmm: addmm mat1=a mat2=b
baddbmm: baddbmm batch1=a batch2=b
addcmul: addcmul tensor1=a tensor2=b
embedding: embedding indices=input
_unsafe_view: view
reshape: view
repeat: repeat repeats=dims
linalg_vector_norm: linalg.vector_norm
im2col: unfold
col2im: fold
numpy_T: T
bitwise_not: __invert__ (self)
bitwise_and: __and__
bitwise_or: __or__
einsum: einsum (equation tensors)
contiguous: contiguous (self)
clone: clone (self)
alias: clone (self)
lift_fresh_copy: clone (self)
lift_fresh: clone (self)
detach: detach (self)
_to_copy: to
"""
# operators that give several tensors of which the first is that of the function
_FIRST = frozenset(
    """native_layer_norm native_group_norm native_batch_norm _native_batch_norm_legit
    _native_batch_norm_legit_no_training _native_batch_norm_legit_functional
    _batch_norm_with_update _batch_norm_no_update cudnn_batch_norm native_dropout
    max_pool1d_with_indices max_pool2d_with_indices max_pool3d_with_indices
    adaptive_max_pool1d adaptive_max_pool2d adaptive_max_pool3d _fused_rms_norm
    _scaled_dot_product_flash_attention_for_cpu _scaled_dot_product_flash_attention
    _scaled_dot_product_efficient_attention _scaled_dot_product_cudnn_attention""".split()
)
_GRID = {
    "interpolation_mode": ("bilinear", "nearest", "bicubic"),
    "padding_mode": ("zeros", "border", "reflection"),
}


def _row(line: str) -> tuple[str, tuple[str, dict[str, str], tuple[str, ...]]]:
    """A line of the table: the function, its arguments' names, and those that come by place."""
    name, _, rest = line.partition(": ")
    head, _, placed = rest.partition(" (")
    function, *words = head.split()
    others = dict(word.split("=") for word in words)
    return name, (function, others, tuple(placed.rstrip(")").split()))


_TABLE = dict(map(_row, _NAMES.strip().split("\n")))


def with_functions(recording: Recording) -> Recording:
    """The recording with functions in the place of operators; others stay as they are."""
    if not any(_is_operator(event) for event in recording.events):
        return recording
    read = {n for event in recording.events for n in _read_by(event)}
    read |= {*values_in(recording.output)}
    makers: dict[int, FunctionCall] = {}
    events: list[Event] = []
    for event in recording.events:
        if isinstance(event, FunctionCall) and _is_operator(event):
            event = _as_function(event, recording, read, makers)
            makers |= dict.fromkeys(values_in(event.result), event)
        events.append(event)
    return replace(recording, events=tuple(_with_linear(events, recording)))


def _is_operator(event: Event) -> bool:
    return isinstance(event, FunctionCall) and event.function.startswith(_PREFIX)


def _read_by(event: Event) -> Iterator[int]:
    if isinstance(event, FunctionCall):
        for x in tensors_of(Items((*event.args, *(x for _, x in event.named)))):
            if isinstance(x, Value):
                yield x.number


def _as_function(
    call: FunctionCall, recording: Recording, read: set[int], makers: Makers
) -> FunctionCall:
    """The call of the function that does what an operator's call does."""
    name = call.function.removeprefix(_PREFIX)
    base = name.removesuffix("_") if not name.endswith("__") else name
    given = {key: _own(x, call.scope, recording) for key, x in call.named if key not in _SILENT}
    result = call.result
    if base in _FIRST and isinstance(result, Items):
        if any(number in read for number in values_in(Items(result.items[1:]))):
            return call
        result = result.items[0]
    made = _BY_NAME[base](given, recording, makers) if base in _BY_NAME else None
    if made is None:
        own, others, placed = _TABLE.get(base, (base, {}, ()))
        args = tuple(given.pop(key) for key in placed if key in given)
        made = own, args, {others.get(key, key): x for key, x in given.items()}
    function, args, named = made
    return replace(call, function=_PREFIX + function, args=args, named=_pairs(named), result=result)


def _own(x: Tree, scope: str, recording: Recording) -> Tree:
    """A tensor under the name that it has in the module that calls, if it has several."""
    if isinstance(x, Items):
        return replace(x, items=tuple(_own(item, scope, recording) for item in x.items))
    if isinstance(x, Held):
        tensor = recording.held[x.path]
        name = f"{scope}.{x.path.rpartition('.')[2]}"
        return Held(name) if name in tensor.others else x
    return x


def _pairs(given: Named) -> tuple[tuple[str, Tree], ...]:
    return tuple(given.items())


def _rank(x: Tree, recording: Recording) -> int:
    if isinstance(x, Held):
        return len(recording.held[x.path].shape)
    return len(recording.values[x.number].shape) if isinstance(x, Value) else 0


def _without(given: Named, *names: str) -> dict[str, Tree]:
    return {name: x for name, x in given.items() if name not in names}


def _convolution(given: dict[str, Tree], recording: Recording, makers: Makers) -> Made:
    """`convolution`, which is all of them."""
    n = _rank(given["weight"], recording) - 2
    left = _without(given, "transposed", "output_padding")
    if given.get("transposed"):
        return f"conv_transpose{n}d", (), {**left, "output_padding": given["output_padding"]}
    return f"conv{n}d", (), left


def _renamed(function: str, names: str, **others: str) -> Rewrite:
    """An operator as a function with these arguments alone; `others` are the operator's names."""
    pairs = [(own, others.get(own, own)) for own in names.split()]

    def rewrite(given: dict[str, Tree], recording: Recording, makers: Makers) -> Made:
        return function, (), {own: given[name] for own, name in pairs if name in given}

    return rewrite


def _batch_norm(given: dict[str, Tree], recording: Recording, makers: Makers) -> Made:
    """A batch norm in evaluation."""
    return "batch_norm", (), {**given, "training": False}


def _hardtanh(given: dict[str, Tree], recording: Recording, makers: Makers) -> Made:
    bounds = (given.get("min_val"), given.get("max_val"))
    return ("relu6", (), {"input": given["self"]}) if bounds == (0, 6) else ("hardtanh", (), given)


def _dropout_of_features(given: dict[str, Tree], recording: Recording, makers: Makers) -> Made:
    n = _rank(given["input"], recording) - 2
    own = {"training" if name == "train" else name: x for name, x in given.items()}
    return f"dropout{n}d", (), own


def _sliced(given: dict[str, Tree], recording: Recording, makers: Makers) -> Made:
    """`slice`, as what stands in brackets."""
    dim = given.get("dim", 0)
    rank = _rank(given["self"], recording)
    assert isinstance(dim, int)
    end = given.get("end")
    end = None if isinstance(end, int) and end >= 1 << 31 else end
    full: Tree = Span(None, None, None)
    index = (*[full] * (dim % rank), Span(given.get("start"), end, given.get("step")))
    return "__getitem__", (given["self"], Items(index)), {}


def _indexed(given: dict[str, Tree], recording: Recording, makers: Makers) -> Made:
    """`index`, as what stands in brackets."""
    indices = given["indices"]
    assert isinstance(indices, Items)
    full: Tree = Span(None, None, None)
    index = tuple(full if x is None else x for x in indices.items)
    return "__getitem__", (given["self"], Items(index)), {}


def _from(given: dict[str, Tree], recording: Recording, makers: Makers) -> Made:
    """`arange`, whose start and step may be the usual ones."""
    own = dict(given)
    if own.get("start", 0) == 0:
        own.pop("start", None)
    if own.get("step", 1) == 1:
        own.pop("step", None)
    if "start" in own:
        return "arange", (own.pop("start"), own.pop("end")), own
    return "arange", (own.pop("end"),), own


def _padded(mode: str) -> Rewrite:
    def rewrite(given: dict[str, Tree], recording: Recording, makers: Makers) -> Made:
        return "pad", (), {"input": given["self"], "pad": given["padding"], "mode": mode}

    return rewrite


def _resized(mode: str) -> Rewrite:
    """`upsample_bilinear2d` and its like."""

    def rewrite(given: dict[str, Tree], recording: Recording, makers: Makers) -> Made:
        own: dict[str, Tree] = {"input": given.get("input", given.get("self")), "mode": mode}
        if given.get("scale_factors") is not None:
            own["scale_factor"] = given["scale_factors"]
        else:
            own["size"] = given["output_size"]
        if "align_corners" in given and not mode.startswith("nearest"):
            own["align_corners"] = given["align_corners"]
        return "interpolate", (), own

    return rewrite


def _sampled(given: dict[str, Tree], recording: Recording, makers: Makers) -> Made:
    """`grid_sampler`, whose modes are numbers."""
    own = {"input": given["input"], "grid": given["grid"], "align_corners": given["align_corners"]}
    for name, words in _GRID.items():
        number = given[name]
        assert isinstance(number, int)
        own["mode" if name == "interpolation_mode" else name] = words[number]
    return "grid_sample", (), own


def _recurrent(function: str) -> Rewrite:
    """A recurrent network; states that are zeros are those that it begins with by itself."""

    def rewrite(given: dict[str, Tree], recording: Recording, makers: Makers) -> Made:
        states = [x for x in tensors_of(given["hx"]) if isinstance(x, Value)]
        zeros = [
            x.number in makers and makers[x.number].function.removeprefix(_PREFIX) == "zeros"
            for x in states
        ]
        return function, (), _without(given, "hx") if all(zeros) and zeros else given

    return rewrite


def _copied(given: dict[str, Tree], recording: Recording, makers: Makers) -> Made | None:
    """`copy`, which gives what it reads if that is alike."""
    ours, theirs = given["self"], given["src"]
    if not isinstance(ours, Value) or not isinstance(theirs, Value):
        return None
    same = recording.values[ours.number] == recording.values[theirs.number]
    return ("clone", (theirs,), {}) if same else None


def _filled_like(given: dict[str, Tree], recording: Recording, makers: Makers) -> Made | None:
    """`full_like`, with a number that has a function of its own."""
    named = {0: "zeros_like", 1: "ones_like"}
    value = given["fill_value"]
    if "dtype" in given or not isinstance(value, int | float) or value not in named:
        return None
    return named[int(value)], (), {"input": given["self"]}


def _shaped(given: dict[str, Tree], recording: Recording, makers: Makers) -> Made | None:
    """`view` to a shape; that to another type of elements is another function."""
    if "dtype" in given:
        return "view_dtype", (), given
    return None


def _divided(given: dict[str, Tree], recording: Recording, makers: Makers) -> Made | None:
    sizes = given.get("split_size", given.get("split_sizes", given.get("chunks")))
    own = {"self": given["self"], "sizes": sizes, "dim": given.get("dim", 0)}
    return ("chunk" if "chunks" in given else "split"), (), own


_ATTENTION = "query key value attn_mask dropout_p is_causal scale"
_BY_NAME: Mapping[str, Rewrite] = {
    "convolution": _convolution,
    "native_layer_norm": _renamed("layer_norm", "input normalized_shape weight bias eps"),
    "_fused_rms_norm": _renamed("rms_norm", "input normalized_shape weight eps"),
    "native_group_norm": _renamed(
        "group_norm", "input num_groups weight bias eps", num_groups="group"
    ),
    "_native_batch_norm_legit_no_training": _batch_norm,
    "_batch_norm_no_update": _batch_norm,
    "native_dropout": _renamed("dropout", "input p training", training="train"),
    "feature_dropout": _dropout_of_features,
    "hardtanh": _hardtanh,
    "slice": _sliced,
    "index": _indexed,
    "arange": _from,
    "copy": _copied,
    "full_like": _filled_like,
    "view": _shaped,
    **{f"reflection_pad{n}d": _padded("reflect") for n in (1, 2, 3)},
    **{f"replication_pad{n}d": _padded("replicate") for n in (1, 2, 3)},
    **{f"upsample_nearest{n}d": _resized("nearest") for n in (1, 2, 3)},
    **{f"_upsample_nearest_exact{n}d": _resized("nearest-exact") for n in (1, 2, 3)},
    "upsample_linear1d": _resized("linear"),
    "upsample_bilinear2d": _resized("bilinear"),
    "upsample_bicubic2d": _resized("bicubic"),
    "upsample_trilinear3d": _resized("trilinear"),
    **dict.fromkeys(("grid_sampler", "grid_sampler_2d", "grid_sampler_3d"), _sampled),
    **dict.fromkeys(("split", "split_with_sizes", "chunk"), _divided),
    **dict.fromkeys(
        (
            "_scaled_dot_product_flash_attention_for_cpu",
            "_scaled_dot_product_flash_attention",
            "_scaled_dot_product_cudnn_attention",
        ),
        _renamed("scaled_dot_product_attention", _ATTENTION),
    ),
    "_scaled_dot_product_efficient_attention": _renamed(
        "scaled_dot_product_attention", _ATTENTION, attn_mask="attn_bias"
    ),
    **{name: _recurrent(name) for name in ("lstm", "gru", "rnn_tanh", "rnn_relu")},
}


def _with_linear(events: Sequence[Event], recording: Recording) -> Iterator[Event]:
    """The events with `linear` where a program has it taken apart.

    That is a product with a weight that was turned, and maybe a sum, and before and after it
    a change of shape that takes all dimensions but the last for one.
    """
    makers: dict[int, FunctionCall] = {}
    for event in events:
        if isinstance(event, FunctionCall) and _is_operator(event):
            event = _unfolded(_joined(event, makers), recording, makers)
            makers |= dict.fromkeys(values_in(event.result), event)
        yield event


def _joined(call: FunctionCall, makers: Makers) -> FunctionCall:
    """A product with a turned weight as `linear`."""
    name, given = call.function.removeprefix(_PREFIX), dict(call.named)
    if name == "addmm":
        bias, x, turned = given.get("self"), given.get("a"), given.get("b")
        if "beta" in given or "alpha" in given:
            return call
    elif name in ("mm", "matmul"):
        bias, x, turned = None, given.get("self"), given.get("mat2", given.get("other"))
    else:
        return call
    weight = _turned(turned, makers)
    if weight is None or not isinstance(bias, Held | None) or not isinstance(x, Value):
        return call
    more: dict[str, Tree] = {} if bias is None else {"bias": bias}
    own: dict[str, Tree] = {"input": x, "weight": weight, **more}
    return replace(call, function=f"{_PREFIX}linear", named=_pairs(own))


def _turned(x: Any, makers: Makers) -> Held | None:
    """The matrix of a module whose dimensions were turned to give a value."""
    if not isinstance(x, Value) or x.number not in makers:
        return None
    made = makers[x.number]
    name, given = made.function.removeprefix(_PREFIX), dict(made.named)
    dims = given.get("dims")
    swaps = name == "permute" and isinstance(dims, Items) and dims.items in ((1, 0), (-1, 0))
    both = {given.get("dim0"), given.get("dim1")}
    swaps = swaps or (name == "transpose" and both <= {0, 1, -1, -2})
    weight = given.get("self")
    return weight if (swaps or name == "t") and isinstance(weight, Held) else None


def _unfolded(call: FunctionCall, recording: Recording, makers: Makers) -> FunctionCall:
    """A change of shape after `linear` as `linear` itself, if one before it is undone."""
    if call.function != f"{_PREFIX}view":
        return call
    given = dict(call.named)
    y, out = given.get("self"), call.result
    linear = makers.get(y.number) if isinstance(y, Value) else None
    if linear is None or linear.function != f"{_PREFIX}linear" or not isinstance(out, Value):
        return call
    own = dict(linear.named)
    folded = own["input"]
    before = makers.get(folded.number) if isinstance(folded, Value) else None
    if before is None or before.function != f"{_PREFIX}view":
        return call
    x = dict(before.named).get("self")
    if not isinstance(x, Value):
        return call
    start, end = recording.values[x.number].shape, recording.values[out.number].shape
    if start[:-1] != end[:-1] or len(start) < 2:
        return call
    own["input"] = x
    return replace(linear, named=_pairs(own), result=out)
