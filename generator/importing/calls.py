"""Recorded calls of functions and methods of torch as steps.

Most calls are an operation with the same arguments: those are in the table of `functions`. Others
are a function each, here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from msgspec.structs import replace

from ..run.recording.recorded import FunctionCall, Held, Items, Size, Tree, Value
from .assigning import assigned
from .functions import BETWEEN, SAME
from .held_layers import recurrent, with_weights
from .indexing import indexed
from .operations import Operations, bound, short_name, tensor_of
from .steps import Inexpressible, Step, tensors_of, values_in

# calls that give what they read
KEEPS = frozenset("contiguous clone detach view_as_self requires_grad_ cpu cuda data".split())

Translate = Callable[[Operations, FunctionCall, tuple[int, ...]], list[Step]]


def steps_of(own: Operations, call: FunctionCall) -> list[Step]:
    """The steps that do what a call does; raises `Inexpressible`."""
    name = short_name(call.function)
    out = values_in(call.result)
    if name == "__setitem__":
        return assigned(own, call)
    if call.writes or not out:
        raise Inexpressible("")
    if name in KEEPS:
        return [own.same(tensor_of(call.args[0]), out[0])]
    if name in BETWEEN:
        return own.between(BETWEEN[name], call, out[0])
    if name in _BY_NAME:
        return _BY_NAME[name](own, call, out)
    if name in SAME:
        return own.plain(SAME[name], call, out)
    raise Inexpressible("")


def _spread(call: FunctionCall, name: str) -> dict[str, Tree]:
    """The arguments of a method that takes its numbers one by one or as a list."""
    given = dict(call.named)
    x, *numbers = call.args or (given.pop("input", given.pop("self", None)),)
    if not numbers:
        return {"input": x, name: given.get(name, given.get("size", Items(())))}
    single = len(numbers) == 1 and isinstance(numbers[0], Items)
    return {"input": x, name: numbers[0] if single else Items(tuple(numbers))}


def _reshaped(own: Operations, call: FunctionCall, out: tuple[int, ...]) -> list[Step]:
    return own.reshape(tensor_of(_first(call)), Value(out[0]))


def _first(call: FunctionCall) -> Tree:
    named = dict(call.named)
    return call.args[0] if call.args else named.get("input", named.get("self"))


def _expanded(own: Operations, call: FunctionCall, out: tuple[int, ...]) -> list[Step]:
    x, *others = tensors_of([*call.args, *(x for _, x in call.named)])
    return own.expand(tensor_of(x), Value(out[0]), others)


def _repeated(own: Operations, call: FunctionCall, out: tuple[int, ...]) -> list[Step]:
    given = _spread(call, "dims")
    x = tensor_of(given["input"])
    copies = given["dims"]
    assert isinstance(copies, Items)
    shape = (*(1 for _ in range(len(copies.items) - len(own.shape(x)))), *own.shape(x))
    if all(n == 1 or size == 1 for n, size in zip(copies.items, shape, strict=True)):
        return own.expand(x, Value(out[0]))
    return [own.layer("Tile", [x], out, given | {"input": None})]


def _along(type: str) -> Translate:
    """`permute` and `flip`: an operation with a list of dimensions."""

    def along(own: Operations, call: FunctionCall, out: tuple[int, ...]) -> list[Step]:
        given = _spread(call, "dims")
        return [own.layer(type, [tensor_of(given["input"])], out, {"dims": given["dims"]})]

    return along


def _moved(own: Operations, call: FunctionCall, out: tuple[int, ...]) -> list[Step]:
    """`movedim`, by the permutation that it is."""
    given = bound(call, ("input", "source", "destination"))
    x = tensor_of(given["input"])
    rank = len(own.shape(x))
    source, target = (
        [int(i) % rank for i in (v.items if isinstance(v, Items) else (v,))]  # type: ignore[arg-type]
        for v in (given["source"], given["destination"])
    )
    rest = iter(i for i in range(rank) if i not in source)
    to = dict(zip(target, source, strict=True))
    dims = [to[i] if i in to else next(rest) for i in range(rank)]
    return [Step("Permute", (x,), out, {"dims": dims})]


def _turned(own: Operations, call: FunctionCall, out: tuple[int, ...]) -> list[Step]:
    """`t`, `T` and `mT`: the last two dimensions in each other's place."""
    x = tensor_of(_first(call))
    if len(own.shape(x)) < 2:
        return [own.same(x, out[0])]
    if len(own.shape(x)) > 2 and short_name(call.function) == "T":
        return [Step("Permute", (x,), out, {"dims": [*reversed(range(len(own.shape(x))))]})]
    return [Step("Transpose", (x,), out, {"dim0": -2, "dim1": -1})]


def _squeezed(own: Operations, call: FunctionCall, out: tuple[int, ...]) -> list[Step]:
    given = bound(call, ("input", "dim"))
    x = tensor_of(given["input"])
    if own.shape(x) == own.shape(Value(out[0])):
        return [own.same(x, out[0])]
    dim = given.get("dim")
    if dim is None:
        found = [i for i, size in enumerate(own.shape(x)) if size == 1]
        dim = found[0] if len(found) == 1 else Items(tuple(found))
    return [own.layer("Squeeze", [x], out, {"dim": dim})]


def _flat(own: Operations, call: FunctionCall, out: tuple[int, ...]) -> list[Step]:
    given = bound(call, ("input", "start_dim", "end_dim"))
    x = tensor_of(given["input"])
    if own.shape(x) == own.shape(Value(out[0])):
        return [own.same(x, out[0])]
    rank, batch = len(own.shape(x)), own.sizes.batch_of(x) if isinstance(x, Value) else None
    start, end = (int(given.get(k, d)) % rank for k, d in (("start_dim", 0), ("end_dim", -1)))  # type: ignore[arg-type]
    if batch is not None and start <= batch <= end:
        return own.reshape(x, Value(out[0]))
    arguments = {} if start == 1 else {"start_dim": start}
    return [Step("Flatten", (x,), out, arguments | ({} if end == rank - 1 else {"end_dim": end}))]


def _joined(type: str) -> Translate:
    def joined(own: Operations, call: FunctionCall, out: tuple[int, ...]) -> list[Step]:
        given = bound(call, ("tensors", "dim"))
        tensors = given["tensors"]
        assert isinstance(tensors, Items)
        reads = [tensor_of(x) for x in tensors.items]
        rank = len(own.shape(reads[0]))
        dim = given.get("dim", 0)
        if type == "Concat" and isinstance(dim, int) and dim % rank == 1:
            dim = 1
        return [own.layer(type, reads, out, {"dim": dim})]

    return joined


def _einsum(own: Operations, call: FunctionCall, out: tuple[int, ...]) -> list[Step]:
    equation, *operands = call.args
    if len(operands) == 1 and isinstance(operands[0], Items):
        operands = [*operands[0].items]
    return [own.layer("Einsum", [*map(tensor_of, operands)], out, {"equation": equation})]


def _attention(own: Operations, call: FunctionCall, out: tuple[int, ...]) -> list[Step]:
    names = ("query", "key", "value", "attn_mask", "dropout_p", "is_causal", "scale", "enable_gqa")
    given = bound(call, names)
    reads = [tensor_of(given.pop(name)) for name in names[:3]]
    given = {name: value for name, value in given.items() if value is not None}
    mask = given.pop("attn_mask", None)
    step = own.layer("ScaledDotProductAttention", reads, out, given)
    if mask is None:
        return [step]
    return [replace(step, arguments={"attn_mask": tensor_of(mask), **step.arguments})]


def _pow(own: Operations, call: FunctionCall, out: tuple[int, ...]) -> list[Step]:
    given = bound(call, ("input", "exponent"))
    return [own.layer("Pow", [tensor_of(given["input"])], out, {"exponent": given["exponent"]})]


def _square(own: Operations, call: FunctionCall, out: tuple[int, ...]) -> list[Step]:
    return [Step("Pow", (tensor_of(_first(call)),), out, {"exponent": 2})]


def _from_number(own: Operations, call: FunctionCall, out: tuple[int, ...]) -> list[Step]:
    """A number minus a tensor: what is added to the negative."""
    given = bound(call, ("input", "other"))
    x = tensor_of(given["input"])
    if isinstance(given["other"], (Value, Held)):
        return [Step("Sub", (given["other"], x), out, {})]
    minus = own.new(own.shape(x), x)
    other = own.plain_value(given["other"], [x])
    return [
        Step("Neg", (x,), (minus.number,), {}),
        Step("Add", (minus,), out, {"other": other}),
    ]


def _by_tensor(own: Operations, call: FunctionCall, out: tuple[int, ...]) -> list[Step]:
    """A number divided by a tensor: what is multiplied with the reciprocal."""
    given = bound(call, ("input", "other"))
    x = tensor_of(given["input"])
    other = own.plain_value(given["other"], [x])
    if other == 1:
        return [Step("Reciprocal", (x,), out, {})]
    inverse = own.new(own.shape(x), x)
    return [
        Step("Reciprocal", (x,), (inverse.number,), {}),
        Step("Mul", (inverse,), out, {"other": other}),
    ]


def _divided(own: Operations, call: FunctionCall, out: tuple[int, ...]) -> list[Step]:
    """`chunk`, `split` and their like: parts along a dimension, by their sizes."""
    given = bound(call, ("input", "sizes", "dim"))
    x = tensor_of(given["input"])
    dim = given.get("dim", 0)
    assert isinstance(dim, int)
    sizes = [own.shape(Value(number))[dim] for number in out]
    varies = any(isinstance(size, Size) for size in sizes)
    if len({*sizes}) == 1 and (not varies or short_name(call.function) == "chunk"):
        return [Step("Chunk", (x,), out, {"chunks": len(out), "dim": dim})]
    if varies:
        raise Inexpressible("into parts whose sizes vary")
    return [Step("Split", (x,), out, {"sizes": sizes, "dim": dim})]


def _unbound(own: Operations, call: FunctionCall, out: tuple[int, ...]) -> list[Step]:
    given = bound(call, ("input", "dim"))
    x, dim = tensor_of(given["input"]), given.get("dim", 0)
    return [
        Step("Select", (x,), (number,), {"dim": dim, "index": place})
        for place, number in enumerate(out)
    ]


def _extreme(word: str) -> Translate:
    def extreme(own: Operations, call: FunctionCall, out: tuple[int, ...]) -> list[Step]:
        given = bound(call, ("input", "dim", "keepdim"))
        x, other = tensor_of(given["input"]), given.get("dim", given.get("other"))
        if isinstance(other, (Value, Held)):
            return [Step({"max": "Maximum", "min": "Minimum"}[word], (x, other), out, {})]
        given = {"dim": other, "keepdim": given.get("keepdim", False)}
        if other is None:
            return own.of_type(f"A{word}", [x], out, given)
        steps = [own.layer(f"A{word}", [x], out[:1], given)]
        return [*steps, own.layer(f"Arg{word.title()}", [x], out[1:], given)] if out[1:] else steps

    return extreme


def _spread_out(own: Operations, call: FunctionCall, out: tuple[int, ...]) -> list[Step]:
    """`var` and `std`."""
    given = bound(call, ("input", "dim", "unbiased", "keepdim"))
    x = tensor_of(given.pop("input"))
    if isinstance(given.get("dim"), bool):
        given["unbiased"] = given.pop("dim")
    unbiased = given.pop("unbiased", None)
    if unbiased is not None:
        given["correction"] = int(bool(unbiased))
    type = {"var": "Var", "std": "Std"}[short_name(call.function)]
    return own.of_type(type, [x], out, given)


def _norm(own: Operations, call: FunctionCall, out: tuple[int, ...]) -> list[Step]:
    method = call.function in ("torch.Tensor.norm", "torch.norm", "torch.functional.norm")
    names = ("input", "p", "dim", "keepdim") if method else ("input", "ord", "dim", "keepdim")
    given = bound(call, names)
    x, p = tensor_of(given["input"]), given.get(names[1])
    dim = given.get("dim")
    if isinstance(dim, Items) and len(dim.items) == 1:
        dim = dim.items[0]
    if short_name(call.function) == "linalg.norm" and p not in (None, "fro"):
        over = dim.items if isinstance(dim, Items) else own.shape(x) if dim is None else (dim,)
        if len(over) == 2:
            raise Inexpressible("for matrices")
    known = {"dim": dim, "keepdim": given.get("keepdim", False)}
    return own.of_type("Norm", [x], out, {"p": 2.0 if p in (None, "fro") else p, **known})


def _cast(own: Operations, call: FunctionCall, out: tuple[int, ...]) -> list[Step]:
    """`to`, `float` and their like: another element type, or nothing at all."""
    x = tensor_of(_first(call))
    before, after = own.sizes.dtype(x), own.sizes.dtype(Value(out[0]))
    if before == after:
        return [own.same(x, out[0])]
    return [Step("Cast", (x,), out, {"dtype": after})]


def _linear_with(own: Operations, call: FunctionCall, out: tuple[int, ...]) -> list[Step]:
    """`addmm` and `baddbmm`: a product and a sum."""
    given = bound(call, ("input", "a", "b"))
    if given.get("beta", 1) != 1 or given.get("alpha", 1) != 1:
        raise Inexpressible("with `alpha` or `beta`")
    x, a, b = (tensor_of(given[name]) for name in ("input", "a", "b"))
    product = own.new((*own.shape(a)[:-1], own.shape(b)[-1]), a)
    return [
        Step("MatMul", (a, b), (product.number,), {}),
        Step("Add", (product, x), out, {}),
    ]


def _multiplied_sum(own: Operations, call: FunctionCall, out: tuple[int, ...]) -> list[Step]:
    """`addcmul`: a sum with a product."""
    given = bound(call, ("input", "a", "b"))
    if given.get("value", 1) != 1:
        raise Inexpressible("with `value`")
    x, a, b = (tensor_of(given[name]) for name in ("input", "a", "b"))
    product = own.new(own.shape(Value(out[0])), a)
    return [
        Step("Mul", (a, b), (product.number,), {}),
        Step("Add", (x, product), out, {}),
    ]


def _narrowed(own: Operations, call: FunctionCall, out: tuple[int, ...]) -> list[Step]:
    given = bound(call, ("input", "dim", "start", "length"))
    start, length = given["start"], given["length"]
    if isinstance(start, int) and isinstance(length, int):
        span = {"dim": given["dim"], "start": start, "end": start + length}
        return [own.layer("Slice", [tensor_of(given["input"])], out, span)]
    raise Inexpressible("by sizes that vary")


def _windows(own: Operations, call: FunctionCall, out: tuple[int, ...]) -> list[Step]:
    """`unfold`: that of a tensor gives windows of one dimension, the function those of images."""
    if not call.function.startswith("torch.Tensor."):
        return own.plain(SAME["unfold"], call, out)
    given = bound(call, ("input", "dim", "size", "step"))
    return [own.layer("Window", [tensor_of(given.pop("input"))], out, given)]


def _where(own: Operations, call: FunctionCall, out: tuple[int, ...]) -> list[Step]:
    given = bound(call, ("condition", "input", "other"))
    condition, a, b = given["condition"], given.get("input"), given.get("other")
    if isinstance(a, (Value, Held)) and isinstance(b, (Value, Held)):
        return [Step("Where", (tensor_of(condition), a, b), out, {})]
    if isinstance(b, (Value, Held)):  # a number where it holds
        return [own.layer("MaskedFill", [b, tensor_of(condition)], out, {"value": a})]
    if isinstance(a, (Value, Held)):
        mask = tensor_of(condition)
        other = own.new(own.shape(mask), mask)
        return [
            Step("LogicalNot", (mask,), (other.number,), {}),
            own.layer("MaskedFill", [a, other], out, {"value": b}),
        ]
    raise Inexpressible("between two numbers")


def _dropped(own: Operations, call: FunctionCall, out: tuple[int, ...]) -> list[Step]:
    given = bound(call, ("input", "p", "training", "inplace"))
    if given.get("p") == 0:
        return [own.same(tensor_of(given["input"]), out[0])]
    return own.plain(SAME["dropout"], call, out)


def _counted(own: Operations, call: FunctionCall, out: tuple[int, ...]) -> list[Step]:
    """`arange` from 0 on."""
    if len(call.args) != 1 or dict(call.named).get("step", 1) != 1:
        raise Inexpressible("with a start")
    size = own.plain_value(call.args[0], own.near)
    step = Step("Arange", (), out, {"size": size})
    if own.sizes.dtype(Value(out[0])) == "int64":
        return [step]
    whole = own.new(own.shape(Value(out[0])), Value(out[0]))
    cast = {"dtype": own.sizes.dtype(Value(out[0]))}
    return [Step("Arange", (), (whole.number,), {"size": size}), Step("Cast", (whole,), out, cast)]


def _filled(type: str) -> Translate:
    def filled(own: Operations, call: FunctionCall, out: tuple[int, ...]) -> list[Step]:
        result = Value(out[0])
        size = [
            "N" if own.sizes.is_batch(x) else own.sizes.written(x, own.near)
            for x in own.shape(result)
        ]
        given: dict[str, Any] = {"size": size}
        if type == "Full":
            value = dict(call.named).get("fill_value", call.args[-1] if call.args else None)
            given["fill_value"] = own.plain_value(value, [])
        dtype = own.sizes.dtype(result)
        whole = isinstance(given.get("fill_value"), int)
        if dtype != ("int64" if whole else "float32"):
            given["dtype"] = dtype
        return [Step(type, (), out, given)]

    return filled


_BY_NAME: Mapping[str, Translate] = {
    **dict.fromkeys(("view", "reshape", "view_as", "reshape_as", "unflatten", "ravel"), _reshaped),
    **dict.fromkeys(("expand", "expand_as", "broadcast_to"), _expanded),
    **dict.fromkeys(("cat", "concat", "concatenate"), _joined("Concat")),
    **dict.fromkeys(("chunk", "split", "tensor_split", "split_with_sizes"), _divided),
    **dict.fromkeys(("t", "T", "mT"), _turned),
    **dict.fromkeys(("movedim", "moveaxis"), _moved),
    **dict.fromkeys(("pow", "__pow__", "__ipow__", "float_power"), _pow),
    **dict.fromkeys(("rsub", "__rsub__"), _from_number),
    **dict.fromkeys(("__rtruediv__", "__rdiv__"), _by_tensor),
    **dict.fromkeys(
        ("to", "float", "half", "double", "long", "int", "bool", "type", "type_as"), _cast
    ),
    **dict.fromkeys(("norm", "vector_norm", "linalg.norm", "linalg.vector_norm"), _norm),
    **dict.fromkeys(("var", "std"), _spread_out),
    **dict.fromkeys(("addmm", "baddbmm"), _linear_with),
    "stack": _joined("Stack"),
    "permute": _along("Permute"),
    "flip": _along("Flip"),
    "repeat": _repeated,
    "squeeze": _squeezed,
    "flatten": _flat,
    "unbind": _unbound,
    "__iter__": _unbound,
    "einsum": _einsum,
    "scaled_dot_product_attention": _attention,
    "square": _square,
    "max": _extreme("max"),
    "min": _extreme("min"),
    "__getitem__": indexed,
    "__invert__": lambda own, call, out: [Step("LogicalNot", (tensor_of(call.args[0]),), out, {})],
    "__matmul__": lambda own, call, out: [
        Step("MatMul", (tensor_of(call.args[0]), tensor_of(call.args[1])), out, {})
    ],
    "__rmatmul__": lambda own, call, out: [
        Step("MatMul", (tensor_of(call.args[1]), tensor_of(call.args[0])), out, {})
    ],
    "arange": _counted,
    **dict.fromkeys(("zeros", "new_zeros"), _filled("Zeros")),
    **dict.fromkeys(("ones", "new_ones"), _filled("Ones")),
    **dict.fromkeys(("full", "new_full"), _filled("Full")),
    "randn": _filled("Randn"),
    "dropout": _dropped,
    "addcmul": _multiplied_sum,
    "narrow": _narrowed,
    "unfold": _windows,
    "where": _where,
    "linear": with_weights("Linear"),
    **{f"conv{n}d": with_weights(f"Conv{n}d") for n in (1, 2, 3)},
    **{f"conv_transpose{n}d": with_weights(f"ConvTranspose{n}d") for n in (1, 2, 3)},
    "layer_norm": with_weights("LayerNorm"),
    "rms_norm": with_weights("RMSNorm"),
    "group_norm": with_weights("GroupNorm"),
    "batch_norm": with_weights("BatchNorm"),
    "embedding": with_weights("Embedding"),
    "prelu": with_weights("PReLU"),
    "instance_norm": with_weights("InstanceNorm"),
    "lstm": recurrent("LSTM"),
    "gru": recurrent("GRU"),
    "rnn_tanh": recurrent("RNN"),
    "rnn_relu": recurrent("RNN"),
}
