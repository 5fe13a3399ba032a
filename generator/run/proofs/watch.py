"""An observed forward pass: each variable, each module's call and each output is checked."""

from __future__ import annotations

import ast
import sys
import types
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import nn

from .subject import FILE, Disproof, Subject, named_outputs, samples, type_name

Watch = Callable[[types.FrameType, str, Any], Any]
Note = Callable[[str, Any], Any]


def observe(subject: Subject, run: int, inputs: Sequence[torch.Tensor] | None = None) -> Any:
    """Run `forward`, compare all values in it with the plan, and return its outputs.

    Raises `Disproof` for a wrong number of calls, shape or type.
    """
    plan = subject.plan
    planned = plan["runs"][run]
    outputs, variables, calls = gather(subject, run, lambda name, value: facts(value), inputs)
    for path, predicted in planned["calls"].items():
        found = calls.get(path, [])
        if len(found) != len(predicted):
            message = f"`{path}` is called {len(found)} times, but {len(predicted)} were predicted"
            raise Disproof(message, path)
        for real, (shape, dtype) in zip(found, predicted, strict=True):
            check(f"`{path}`", real, shape, dtype, path)
    for place, held in enumerate(planned["variables"]):
        for name, shape, dtype in held:
            call = plan["names"][place]
            what = f"`{name}`, given by `{call}`,"
            check(what, variables.get(place, {}).get(name), shape, dtype, call)
    check_outputs(outputs, planned)
    return outputs


def gather(
    subject: Subject, run: int, note: Note, inputs: Sequence[torch.Tensor] | None = None
) -> tuple[Any, dict[int, dict[str, Any]], dict[str, list[Any]]]:
    """Run `forward`: its outputs, and what `note` returns for variables and for modules.

    `note` is called for each value in the order of the run, with the name of the call that gave
    it. Its results are returned for variables by statement and name, and for modules by path.
    Without `inputs` random ones are used.
    """
    planned, network = subject.plan["runs"][run], subject.network
    variables: dict[int, dict[str, Any]] = {}
    calls: dict[str, list[Any]] = {}
    hooks = [
        network.get_submodule(path).register_forward_hook(_keep(calls, path, note))
        for path in planned["calls"]
    ]
    inputs = inputs or samples(planned, subject.device)
    before = sys.gettrace()
    names = subject.plan["names"]
    sys.settrace(_watch(subject.forward, variables, lambda place, x: note(names[place], x)))
    try:
        outputs = network(*inputs)
    finally:
        sys.settrace(before)
        for hook in hooks:
            hook.remove()
    return outputs, variables, calls


def _keep(calls: dict[str, list[Any]], path: str, note: Note) -> Any:
    def hook(module: nn.Module, inputs: Any, output: Any) -> None:
        while isinstance(output, (tuple, list)) and output:
            output = output[0]
        calls.setdefault(path, []).append(note(path, output))

    return hook


def _watch(
    forward: ast.FunctionDef, seen: dict[int, dict[str, Any]], note: Callable[[int, Any], Any]
) -> Watch:
    """A function for `sys.settrace` that notes each statement's variables when the next begins."""
    place_of: dict[int, int] = {}
    targets = []
    for place, statement in enumerate(forward.body):
        for line in range(statement.lineno, (statement.end_lineno or statement.lineno) + 1):
            place_of[line] = place
        assigned = ast.walk(statement)
        targets.append(
            [n.id for n in assigned if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)]
        )

    def look(frame: types.FrameType, place: int) -> None:
        found = frame.f_locals
        seen[place] = {name: note(place, found[name]) for name in targets[place] if name in found}

    def lines(frame: types.FrameType, event: str, value: Any) -> Any:
        current = place_of.get(frame.f_lineno)
        before = state.get(frame)
        if before is not None and (event == "return" or current != before):
            look(frame, before)
        if event == "return":
            state.pop(frame, None)  # a reference cycle would keep all values of the frame alive
        elif current is not None:
            state[frame] = current
        return lines

    state: dict[types.FrameType, int] = {}

    def calls(frame: types.FrameType, event: str, value: Any) -> Any:
        code = frame.f_code
        watched = code.co_filename == FILE and code.co_firstlineno == forward.lineno
        return lines if watched and event == "call" else None

    return calls


def facts(value: Any) -> tuple[list[int], str] | str:
    """The shape and type of a tensor; for any other value the name of its class."""
    if isinstance(value, torch.Tensor):
        return list(value.shape), type_name(value)
    return type(value).__name__


def check(what: str, found: Any, shape: list[int], dtype: str, where: str = "") -> None:
    """Compare the `facts` of one tensor with its prediction; raises `Disproof`."""
    if found is None:
        raise Disproof(f"{what} was never computed", where)
    if found != (list(shape), dtype):
        real = f"{tuple(found[0])} {found[1]}" if isinstance(found, tuple) else found
        raise Disproof(f"{what} is {real}, but {tuple(shape)} {dtype} was predicted", where)


def check_outputs(outputs: Any, run: Mapping[str, Any]) -> None:
    """Compare the outputs with the plan; raises `Disproof`."""
    predicted = run["outputs"]
    found = list(named_outputs(outputs))
    if predicted[0][0] is not None:
        found = [(key, outputs.get(key)) for key, *_ in predicted]
    for (key, value), (_, shape, dtype) in zip(found, predicted, strict=True):
        check(f"`{key}`", facts(value), shape, dtype)
