"""Answers questions about imported classes: their arguments, and their weights and outputs."""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping
from importlib import import_module
from typing import Any

import torch
from torch import nn

from .subject import type_name

_PLAIN = (bool, int, float, str, type(None))


class Unusable(Exception):
    """The imported class can't be used as a layer; the text says why."""


def describe(request: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of a class's constructor and of its `forward`; raises `Unusable`."""
    class_ = _load(request["path"])
    for found in inspect.signature(class_.__init__).parameters.values():
        if found.kind is found.POSITIONAL_ONLY and found.name != "self":
            raise Unusable(f"its argument `{found.name}` can't be given by name")
    parameters = list(inspect.signature(class_.__init__).parameters.values())[1:]
    reads = list(inspect.signature(class_.forward).parameters.values())[1:]
    named = [p for p in reads if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    return {
        "ok": True,
        "parameters": [_parameter(p) for p in parameters if p.kind not in _VARIABLE],
        "inputs": [p.name for p in named if p.default is p.empty],
        "optional": [p.name for p in named if p.default is not p.empty],
        "variadic": any(p.kind is p.VAR_POSITIONAL for p in reads),
    }


_VARIABLE = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def _parameter(found: inspect.Parameter) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "name": found.name,
        "required": found.default is found.empty,
        "keyword_only": found.kind is found.KEYWORD_ONLY,
    }
    plain = isinstance(found.default, _PLAIN)
    if plain and not (isinstance(found.default, float) and not math.isfinite(found.default)):
        facts["default"] = found.default
    return facts


def call(request: Mapping[str, Any]) -> dict[str, Any]:
    """The weights of a module with these arguments, and its output's type for these inputs.

    It runs on the meta device, where nothing is computed. A module that needs values runs on the
    CPU with zeros. Raises `Unusable`.
    """
    try:
        return _called(request, "meta")
    except (NotImplementedError, RuntimeError):  # it looks at numbers, which meta does not have
        return _called(request, "cpu")


def _called(request: Mapping[str, Any], device: str) -> dict[str, Any]:
    class_ = _load(request["path"])
    with torch.device(device), torch.no_grad():
        module = class_(**request["args"])
        _check(module)
        inputs = [
            torch.zeros(shape, dtype=getattr(torch, dtype)) for shape, dtype in request["inputs"]
        ]
        named = {
            name: torch.zeros(shape, dtype=getattr(torch, dtype))
            for name, shape, dtype in request["named"]
        }
        output = module(*inputs, **named) if inputs else None
    if inputs and not isinstance(output, torch.Tensor):
        raise Unusable(
            f"it gives a {type(output).__name__}: only what gives one tensor can be used"
        )
    trainable = {name for name, weight in module.named_parameters() if weight.requires_grad}
    weights = [
        [name, list(value.shape), type_name(value), name in trainable]
        for name, value in module.state_dict().items()
    ]
    found = None if output is None else [list(output.shape), type_name(output)]
    return {"ok": True, "weights": weights, "output": found}


def _check(module: nn.Module) -> None:
    """Raise `Unusable` for lazy weights without shapes, and for tied weights."""
    weights = list(module.named_parameters(remove_duplicate=False))
    if any(isinstance(weight, nn.parameter.UninitializedParameter) for _, weight in weights):
        raise Unusable("its weights have no shapes before it is first called")
    if len(weights) > len(list(module.parameters())):
        raise Unusable("two of its weights are one")


def _load(path: str) -> type[nn.Module]:
    name, _, own = path.rpartition(".")
    class_ = getattr(import_module(name), own)
    if not (isinstance(class_, type) and issubclass(class_, nn.Module)):
        raise Unusable("it is no subclass of `nn.Module`")
    return class_
