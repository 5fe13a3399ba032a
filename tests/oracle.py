"""Two verdicts on one case: netgen's rules, and torch itself, run for real on the CPU."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch_netgen.layers import CATALOGUE
from torch_netgen.layers.applying import apply
from torch_netgen.layers.base import Nested, Refusal, parameter_count
from torch_netgen.layers.models import read_arguments
from torch_netgen.layers.tensor import TensorType

from .cases import Case, Tensor

Result = tuple[list[tuple[tuple[int, ...], str]], int, list[tuple[str, tuple[int, ...]]]]


@dataclass
class Verdict:
    """Outputs (shapes and types), parameters and state; or why not."""

    result: Result | None
    reason: str = ""


def nested(args: dict[str, Any]) -> dict[str, Any] | str:
    """The arguments with layers in them read, or what is wrong."""
    read = dict(args)
    for name, value in args.items():
        if isinstance(value, dict):
            ((layer, inner),) = value.items()
            found = read_arguments(CATALOGUE[layer], inner)
            if isinstance(found, list):
                return found[0].message
            read[name] = Nested(CATALOGUE[layer], found)
    return read


def netgen(case: Case, inferred: dict[str, Any]) -> Verdict:
    """What netgen says; `inferred` are the inferable arguments that are written all the same."""
    row = CATALOGUE[case.layer]
    written = nested(case.args | inferred | case.options)
    if isinstance(written, str):
        return Verdict(None, written)
    args = read_arguments(row, written)
    if isinstance(args, list):
        return Verdict(None, args[0].message)
    inputs = [TensorType(x.shape, x.dtype, None, bound=x.high) for x in case.inputs]
    named = {name: TensorType(x.shape, x.dtype, None) for name, x in case.named.items()}
    try:
        applied = apply(row, args, inputs, named)
    except Refusal as refusal:
        return Verdict(None, refusal.message)
    weights = row.weights(applied.a)
    outputs = [(tuple(map(int, y.shape)), y.dtype) for y in applied.outputs.values()]
    state = [(weight.name, tuple(map(int, weight.shape))) for weight in weights]
    return Verdict((outputs, parameter_count(weights), state))


def _sample(x: Tensor) -> torch.Tensor:
    dtype = getattr(torch, x.dtype)
    if x.high is not None:
        return torch.randint(0, x.high, x.shape).to(dtype)
    values = torch.rand(x.shape) * 3
    if dtype.is_floating_point or dtype.is_complex:
        return values.to(dtype).requires_grad_()
    return values.to(dtype)


def _tensors(outputs: Any) -> list[torch.Tensor]:
    if isinstance(outputs, torch.Tensor):
        return [outputs]
    return [] if outputs is None else [y for part in outputs for y in _tensors(part)]


def _module(layer: str, args: dict[str, Any], inferred: dict[str, Any]) -> nn.Module:
    read = {}
    for name, value in args.items():
        if isinstance(value, dict):
            ((inner, inner_args),) = value.items()
            deeper = (
                dict(inferred.get("nested", {})) if "Layer" in inner and inner[0] == "T" else {}
            )
            if inner in ("LayerNorm", "RMSNorm"):
                deeper = {"normalized_shape": inferred["nested"]["d_model"]}
            value = _module(inner, inner_args, deeper)
        read[name] = tuple(value) if isinstance(value, list) else value
    known = {name: value for name, value in inferred.items() if name != "nested"}
    module: nn.Module = getattr(nn, layer)(**known, **read)
    return module


def _call(module: nn.Module, case: Case) -> list[torch.Tensor]:
    inputs = [_sample(x) for x in case.inputs]
    named = {name: _sample(x) for name, x in case.named.items()}
    for name, mask in named.items():
        if "mask" in name:  # a mask of random numbers may hide everything
            mask.data.zero_()
    if "h_0" in named:
        states = tuple(named.values())
        return _tensors(module(*inputs, states if len(states) > 1 else states[0]))
    return _tensors(module(*inputs, **named, **case.options))


def reality(case: Case) -> Verdict:
    """What torch does: training with a backward pass, then evaluation."""
    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            module = _module(case.layer, case.args, case.inferred)
            outputs = _call(module, case)
            for y in outputs:
                if y.requires_grad:
                    torch.autograd.backward(y.abs().sum(), retain_graph=True)
            with torch.no_grad():
                _call(module.eval(), case)
        except (RuntimeError, ValueError, TypeError, IndexError, AssertionError) as error:
            return Verdict(None, f"{type(error).__name__}: {error}"[:150])
        except (NotImplementedError, ZeroDivisionError, OverflowError) as error:
            return Verdict(None, f"{type(error).__name__}: {error}"[:150])
    if any(0 in y.shape for y in outputs):
        return Verdict(None, "nothing is left")
    shapes = [(tuple(y.shape), str(y.dtype).removeprefix("torch.")) for y in outputs]
    parameters = sum(weight.numel() for weight in module.parameters())
    state = [(name, tuple(weight.shape)) for name, weight in module.state_dict().items()]
    return Verdict((shapes, parameters, state))
