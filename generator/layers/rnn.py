"""Recurrent layers and their cells."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from ..symbolic.sizes import Size
from .base import (
    COMPLEX,
    MOST_LAYERS,
    PARAMETERS,
    THIS,
    Arg,
    Args,
    Layer,
    Outputs,
    Weight,
    check_equal,
    check_rank,
    refuse,
)
from .kinds import BOOL, COUNT_OR_NONE, FLOAT, INT, choice
from .saved import Saved
from .tensor import TensorType

GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}
WIDER = COMPLEX | {"float64"}
NONLINEARITY = choice("tanh", "relu")


def _check_numbers(name: str, a: Args) -> None:
    """Raise `Refusal` for arguments outside the ranges that torch takes."""
    for argument in ("hidden_size", "num_layers"):
        if getattr(a, argument) < 1:
            refuse(f"`{argument}` is {getattr(a, argument)}, but must be 1 or more", argument)
    if a.num_layers > MOST_LAYERS:
        refuse(f"`num_layers` is {a.num_layers}; {MOST_LAYERS} are the most", "num_layers")
    if not 0 <= a.dropout <= 1:
        refuse(f"`dropout` is a probability from 0 to 1, but is {a.dropout}", "dropout")
    if name == "LSTM" and not 0 <= a.proj_size < a.hidden_size:
        refuse("`proj_size` must be less than `hidden_size`", "proj_size")


def _directions(a: Args) -> int:
    return 2 if a.bidirectional else 1


def _output_size(a: Args) -> Size:
    """The number of features that one direction gives."""
    return getattr(a, "proj_size", 0) or a.hidden_size


def rnn(name: str, a: Args, x: TensorType, **states: TensorType) -> Outputs:
    """Shapes of `torch.nn.RNN`, `GRU` and `LSTM` (under "Outputs" in their documentation)."""
    check_rank(name, x, 3, 2)
    _check_numbers(name, a)
    check_equal("`input_size`", a.input_size, x.shape[-1], "the last dimension read")
    features, layers = _output_size(a), a.num_layers * _directions(a)
    output = x.with_shape((*x.shape[:-1], features * _directions(a)))
    samples = (x.shape[0 if a.batch_first else 1],) if x.rank == 3 else ()
    in_place = x.rank == 3 and x.batch == (0 if a.batch_first else 1)
    batch = 1 if in_place else None
    lost = x.lost or (x.batch is not None and not in_place)
    outputs = {"output": output}
    for port, size in (("h", features), ("c", a.hidden_size))[: 2 if name == "LSTM" else 1]:
        state = TensorType((layers, *samples, size), x.dtype, batch, lost)
        given = states.get(f"{port}_0")
        # a projected LSTM only multiplies and adds the cell state: narrower types will do
        loose = port == "c" and features != a.hidden_size and given is not None
        narrow = loose and given is not None and given.dtype not in WIDER
        _check_state(f"{port}_0", given, state, promoted=narrow)
        outputs[f"{port}_n"] = state
    if name == "LSTM" and len(states) == 1:
        refuse("`LSTM` takes both states or none: `from: [x, h_0, c_0]`")
    return outputs


def _check_state(
    name: str, given: TensorType | None, wanted: TensorType, *, promoted: bool = False
) -> None:
    """Raise `Refusal` for a given state of another shape or, unless `promoted`, another type."""
    if given is None:
        return
    fits = promoted or given.dtype == wanted.dtype
    if [*map(int, given.shape)] != [*map(int, wanted.shape)] or not fits:
        shapes = f"{wanted} is needed, {given} given"
        if not fits:
            shapes = f"{wanted} {wanted.dtype} is needed, {given} {given.dtype} given"
        refuse(f"at `{name}` of {THIS}: {shapes}")


def cell(name: str, a: Args, x: TensorType, **states: TensorType) -> Outputs:
    """Shapes of `torch.nn.RNNCell`, `GRUCell` and `LSTMCell`: one step."""
    check_rank(name, x, 2, 1)
    if a.hidden_size < 1:
        refuse(f"`hidden_size` is {a.hidden_size}, but must be 1 or more", "hidden_size")
    check_equal("`input_size`", a.input_size, x.shape[-1], "the last dimension read")
    state = x.with_shape((*x.shape[:-1], a.hidden_size))
    for port, given in states.items():
        _check_state(port, given, state, promoted=port == "c_0")
    if name != "LSTMCell":
        return state
    if len(states) == 1:
        refuse("`LSTMCell` takes both states or none: `from: [x, h_0, c_0]`")
    # torch only multiplies and adds the cell state: it may be of a wider type
    wider = states["c_0"].dtype if states and states["c_0"].dtype in WIDER else x.dtype
    return {"h_1": state.with_dtype(wider), "c_1": state.with_dtype(wider)}


def _infer(a: Args, x: TensorType) -> dict[str, Any]:
    """The number of input features."""
    return {"input_size": x.shape[-1]} if x.rank else {}


def _rnn_weights(name: str, a: Args) -> Sequence[Weight]:
    """The weights of each layer and direction, in torch's order."""
    weights: list[Weight] = []
    rows, features = GATES[name] * a.hidden_size, _output_size(a)
    for layer in range(int(a.num_layers)):
        read = a.input_size if layer == 0 else features * _directions(a)
        for suffix in ("", "_reverse")[: _directions(a)]:
            end = f"l{layer}{suffix}"
            weights += [
                Weight(f"weight_ih_{end}", (rows, read)),
                Weight(f"weight_hh_{end}", (rows, features)),
            ]
            if a.bias:
                weights += [Weight(f"bias_ih_{end}", (rows,)), Weight(f"bias_hh_{end}", (rows,))]
            if getattr(a, "proj_size", 0):
                weights.append(Weight(f"weight_hr_{end}", (features, a.hidden_size)))
    return weights


def _cell_weights(name: str, a: Args) -> Sequence[Weight]:
    """The weights of a cell, in torch's order."""
    rows = GATES[name] * a.hidden_size
    weights = [
        Weight("weight_ih", (rows, a.input_size)),
        Weight("weight_hh", (rows, a.hidden_size)),
    ]
    return [*weights, Weight("bias_ih", (rows,)), Weight("bias_hh", (rows,))] if a.bias else weights


def _macs(weights: Any, a: Args, xs: Sequence[TensorType], ys: Sequence[TensorType]) -> int:
    """The multiply-adds: one for each weight but the biases, at each step."""
    steps = xs[0].numel // a.input_size
    used = sum(weight.shape[0] * weight.shape[1] for weight in weights(a) if len(weight.shape) == 2)
    return int(steps * used)


# how many tensors of the hidden size torch's kernels for a CPU keep at each step
KEPT = {"RNN": 2, "LSTM": 17, "GRU": 8, "RNNCell": 1, "LSTMCell": 6, "GRUCell": 7}


def _saved(name: str, a: Args, xs: Sequence[TensorType], ys: Sequence[TensorType]) -> Saved:
    """The input is kept, and about `KEPT` tensors of the hidden size for each step and layer."""
    steps = xs[0].numel // a.input_size
    layers = getattr(a, "num_layers", 1) * (1 + getattr(a, "bidirectional", False))
    return Saved((xs[0],), int(4 * KEPT[name] * layers * steps * a.hidden_size))


def _first(*more: Arg) -> tuple[Arg, ...]:
    """The arguments of all recurrent layers: the sizes, then `more`."""
    return (
        Arg("input_size", INT, inferred=True, positional=True),
        Arg("hidden_size", INT, positional=True, doc="Hidden size"),
        *more,
    )


def _rnn(name: str) -> Layer:
    lstm = name == "LSTM"
    weights = partial(_rnn_weights, name)
    return Layer(
        name=name,
        stem=name.lower(),
        rule=partial(rnn, name),
        brief="{hidden_size}[, {num_layers} layers][, both ways{bidirectional}]",
        args=_first(
            Arg("num_layers", INT, 1, doc="Number of layers"),
            *((Arg("nonlinearity", NONLINEARITY, "tanh"),) if name == "RNN" else ()),
            Arg("bias", BOOL, True, free=True),
            Arg("batch_first", BOOL, False),
            Arg("dropout", FLOAT, 0.0, free=True),
            Arg("bidirectional", BOOL, False),
            *((Arg("proj_size", COUNT_OR_NONE, 0),) if lstm else ()),
        ),
        dtypes=PARAMETERS,
        infer=_infer,
        weights=weights,
        macs=partial(_macs, weights),
        saves=partial(_saved, name),
        optional_tensors=("h_0", "c_0") if lstm else ("h_0",),
        ports=("output", "h_n", "c_n") if lstm else ("output", "h_n"),
        call="{0}, ({1}, {2})" if lstm else "{0}, {1}",
        result="{0}, ({1}, {2})" if lstm else "",
    )


def _cell(name: str) -> Layer:
    lstm = name == "LSTMCell"
    weights = partial(_cell_weights, name.removesuffix("Cell"))
    nonlinearity = (Arg("nonlinearity", NONLINEARITY, "tanh"),) if name == "RNNCell" else ()
    return Layer(
        name=name,
        stem=f"{name.removesuffix('Cell').lower()}_cell",
        rule=partial(cell, name),
        brief="{hidden_size}",
        args=_first(Arg("bias", BOOL, True, free=True), *nonlinearity),
        dtypes=PARAMETERS,
        infer=_infer,
        weights=weights,
        macs=partial(_macs, weights),
        saves=partial(_saved, name),
        optional_tensors=("h_0", "c_0") if lstm else ("h_0",),
        ports=("h_1", "c_1") if lstm else (),
        call="{0}, ({1}, {2})" if lstm else "{0}, {1}",
    )


LAYERS = (*map(_rnn, ("RNN", "LSTM", "GRU")), *map(_cell, ("RNNCell", "LSTMCell", "GRUCell")))
