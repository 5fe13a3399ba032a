"""An observed forward pass: each value, each module's call and each output is checked."""

from __future__ import annotations

import ast
import contextlib
import sys
import types
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from msgspec import Struct, field
from torch import nn
from torch.overrides import TorchFunctionMode

from .subject import FILE, Disproof, Subject, named_outputs, samples, type_name

Note = Callable[[str, Any], Any]


def observe(subject: Subject, run: int, inputs: Sequence[torch.Tensor] | None = None) -> Any:
    """Run `forward`, compare all values in it with the plan, and return its outputs.

    Raises `Disproof` for a wrong number of calls, shape or type.
    """
    plan = subject.plan
    planned = plan["runs"][run]
    seen = gather(subject, run, lambda name, value: facts(value), inputs)
    for path, predicted in planned["calls"].items():
        found = seen.calls.get(path, [])
        if len(found) != len(predicted):
            message = f"`{path}` is called {len(found)} times, but {len(predicted)} were predicted"
            raise Disproof(message, path)
        for real, (shape, dtype) in zip(found, predicted, strict=True):
            check(f"`{path}`", real, shape, dtype, path)
    for place, held in enumerate(planned["variables"]):
        for name, shape, dtype in held:
            call = plan["names"][place]
            what = f"`{name}`, given by `{call}`,"
            check(what, seen.variables.get(place, {}).get(name), shape, dtype, call)
    for place, steps in enumerate(planned["inner"]):
        for call, number, shape, dtype in steps:
            check(f"`{call}`", seen.inner.get((place, number)), shape, dtype, call)
    check_outputs(seen.outputs, planned)
    return seen.outputs


class Seen(Struct):
    """What a run of `forward` has shown: its outputs, and notes of what is computed in it.

    Variables are by statement and name, values that have no variable by statement and the number
    of functions called in it, and modules by path.
    """

    outputs: Any
    variables: dict[int, dict[str, Any]] = field(default_factory=dict)
    inner: dict[tuple[int, int], Any] = field(default_factory=dict)
    calls: dict[str, list[Any]] = field(default_factory=dict)


def gather(
    subject: Subject, run: int, note: Note, inputs: Sequence[torch.Tensor] | None = None
) -> Seen:
    """Run `forward`, and note what is computed in it.

    `note` is called for each value in the order of the run, with the name of the call that gave
    it; what it returns is kept. Without `inputs` random ones are used.
    """
    planned, network = subject.plan["runs"][run], subject.network
    seen = Seen(None)
    hooks = [
        network.get_submodule(path).register_forward_hook(_keep(seen.calls, path, note))
        for path in planned["calls"]
    ]
    inputs = inputs or samples(planned, subject.device)
    before = sys.gettrace()
    watch = _Watch(subject, planned, seen, note)
    sys.settrace(watch.calls)
    try:
        with watch if any(planned["inner"]) else contextlib.nullcontext():
            seen.outputs = subject.run(run, inputs)
    finally:
        sys.settrace(before)
        for hook in hooks:
            hook.remove()
    return seen


def _keep(calls: dict[str, list[Any]], path: str, note: Note) -> Any:
    def hook(module: nn.Module, inputs: Any, output: Any) -> None:
        while isinstance(output, (tuple, list)) and output:
            output = output[0]
        calls.setdefault(path, []).append(note(path, output))

    return hook


class _Watch(TorchFunctionMode):
    """Notes each statement's variables when the next begins.

    As a mode it also notes values that have no variable, as functions return them.
    """

    def __init__(
        self, subject: Subject, planned: Mapping[str, Any], seen: Seen, note: Note
    ) -> None:
        super().__init__()
        self.seen, self.note, self.names = seen, note, subject.plan["names"]
        forward = subject.forward  # an `nn.Sequential` has none of its own
        self.line = 0 if forward is None else forward.lineno
        self.place_of: dict[int, int] = {}
        self.targets: list[list[str]] = []
        for place, statement in enumerate([] if forward is None else forward.body):
            for line in range(statement.lineno, (statement.end_lineno or statement.lineno) + 1):
                self.place_of[line] = place
            assigned = ast.walk(statement)
            self.targets.append(
                [n.id for n in assigned if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)]
            )
        self.steps = [{number: name for name, number, *_ in held} for held in planned["inner"]]
        self.state: dict[types.FrameType, int] = {}
        self.number = 0  # of functions called in this statement

    def calls(self, frame: types.FrameType, event: str, value: Any) -> Any:
        """The tracer of calls: it follows `forward` alone."""
        return self.lines if event == "call" and self._is_forward(frame) else None

    def _is_forward(self, frame: types.FrameType) -> bool:
        return frame.f_code.co_filename == FILE and frame.f_code.co_firstlineno == self.line

    def lines(self, frame: types.FrameType, event: str, value: Any) -> Any:
        """The tracer of lines."""
        current = self.place_of.get(frame.f_lineno)
        before = self.state.get(frame)
        if before is not None and (event == "return" or current != before):
            found = frame.f_locals
            self.seen.variables[before] = {
                name: self.note(self.names[before], found[name])
                for name in self.targets[before]
                if name in found
            }
        if event == "return":
            self.state.pop(frame, None)  # a reference cycle would keep all values of it alive
        elif current is not None:
            self.number = self.number if current == before else 0
            self.state[frame] = current
        return self.lines

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        place = self.state.get(sys._getframe(1))
        if place is not None and isinstance(result, torch.Tensor):
            self.number += 1
            name = self.steps[place].get(self.number)
            if name is not None:
                self.seen.inner[place, self.number] = self.note(name, result)
        return result


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
