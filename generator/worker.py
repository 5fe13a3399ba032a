"""The worker process of the smoke-run: it loads torch and holds predictions against reality.

It reads one JSON request a line from standard input and answers with one JSON line each. Run
as ``python -P -m torch_netgen.worker``, it imports nothing from the current folder.
"""

from __future__ import annotations

import ast
import json
import linecache
import os
import sys
import threading
import time
import types
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn

from .plan import LARGEST_TOKEN

FILE = "<generated>"
Watch = Callable[[types.FrameType, str, Any], Any]


class Disproof(Exception):
    """Reality differs from a prediction."""


class MissingDevice(Exception):
    """The wanted device is not there."""


def main() -> None:
    """Answer requests until standard input ends."""
    torch.set_num_threads(1)
    threading.Thread(target=_end_with_parent, args=(os.getppid(),), daemon=True).start()
    warnings.simplefilter("ignore")
    # what the network prints must not be taken for an answer
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    print(json.dumps({"torch": torch.__version__}), file=answers, flush=True)
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line))), file=answers, flush=True)
    answers.close()
    os._exit(0)  # torch takes longer to leave than to run a small network


def _end_with_parent(parent: int) -> None:
    """Nobody waits for an answer any more: stop at once, whatever is being computed."""
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)


def answer(request: Mapping[str, Any]) -> dict[str, Any]:
    """What one request comes to: ``ok`` with figures, or what was disproved."""
    start = time.perf_counter()
    device = "?"
    try:
        device = find_device(request["device"])
        notes = prove(request["source"], request["plan"], device, request["seed"])
    except Disproof as disproof:
        return {"ok": False, "device": device, "finding": str(disproof)}
    except MissingDevice as missing:
        return {"ok": False, "device": None, "finding": str(missing)}
    except Exception as error:
        text = f"{type(error).__name__}: {error}".strip().split("\n")[0]
        return {"ok": False, "device": device, "finding": f"the network raised {text[:500]}"}
    seconds = time.perf_counter() - start
    return {"ok": True, "device": device, "seconds": seconds, "notes": notes}


def find_device(wanted: str) -> str:
    """The device to run on; ``auto`` is the best that is there."""
    there = {
        "cpu": True,
        "meta": True,
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
    }
    if wanted == "auto":
        return next(name for name in ("cuda", "mps", "cpu") if there[name])
    if not there.get(wanted, False):
        raise MissingDevice(f"the device `{wanted}` is not there")
    return wanted


def prove(source: str, plan: Mapping[str, Any], device: str, seed: int) -> list[str]:
    """Import, instantiate, run and differentiate; notes on what could not be shown."""
    torch.manual_seed(seed)
    namespace, forward = load(source, plan["class_name"])
    if device == "meta":
        return prove_on_meta(namespace, forward, plan)
    network: nn.Module = namespace[plan["class_name"]]()
    check_weights(network, plan)
    network.to(device)
    first, second = plan["runs"]
    notes = []
    network.train()
    outputs = observe(network, forward, plan, first, device)
    notes += check_gradients(network, outputs, plan["idle"])
    with torch.no_grad():
        observe(network, forward, plan, second, device)
        network.eval()
        observe(network, forward, plan, first, device)
        # once more unobserved: torch takes other paths where nobody looks
        check_outputs(network(*samples(second, device)), second)
    return notes


def prove_on_meta(
    namespace: Mapping[str, Any], forward: ast.FunctionDef, plan: Mapping[str, Any]
) -> list[str]:
    """Hold weights and shapes against the plan on the device that holds no data."""
    with torch.device("meta"), torch.no_grad():
        network: nn.Module = namespace[plan["class_name"]]()
        check_weights(network, plan)
        for run in plan["runs"]:
            observe(network, forward, plan, run, "meta")
    return ["shapes only: nothing was computed"]


def load(source: str, class_name: str) -> tuple[dict[str, Any], ast.FunctionDef]:
    """Import the source as a module; its namespace, and the `forward` that will be watched."""
    linecache.cache[FILE] = (len(source), None, source.splitlines(True), FILE)
    tree = ast.parse(source, FILE)
    module = types.ModuleType("netgen_generated")
    sys.modules[module.__name__] = module
    exec(compile(tree, FILE, "exec"), module.__dict__)
    network = next(
        node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == class_name
    )
    forward = next(
        node
        for node in network.body
        if isinstance(node, ast.FunctionDef) and node.name == "forward"
    )
    return module.__dict__, forward


def check_weights(network: nn.Module, plan: Mapping[str, Any]) -> None:
    """Hold names, shapes, types and order of parameters and buffers against the plan."""
    parameters = network.named_parameters(remove_duplicate=False)
    trainable = {name for name, weight in parameters if weight.requires_grad}
    real = [
        [name, list(value.shape), type_name(value), name in trainable]
        for name, value in network.state_dict().items()
    ]
    for found, predicted in zip(real, plan["weights"], strict=False):
        if found != list(predicted):
            raise Disproof(f"a weight is {found}, but {list(predicted)} was predicted")
    if len(real) != len(plan["weights"]):
        raise Disproof(f"there are {len(real)} weights, but {len(plan['weights'])} were predicted")
    count = sum(weight.numel() for weight in network.parameters() if weight.requires_grad)
    if count != plan["parameters"]:
        raise Disproof(f"there are {count} parameters, but {plan['parameters']} were predicted")


def samples(run: Mapping[str, Any], device: str) -> list[torch.Tensor]:
    """Random inputs of the shapes and types that the network declares."""
    return [sample(request).to(device) for request in run["samples"]]


def sample(request: Mapping[str, Any]) -> torch.Tensor:
    """One random input."""
    shape: list[int] = request["shape"]
    dtype: torch.dtype = getattr(torch, request["dtype"])
    low: float | None = request["low"]
    high: float | None = request["high"]
    if request["kind"] == "zeros":
        return torch.zeros(shape, dtype=dtype)
    if dtype == torch.bool:
        return torch.zeros(shape, dtype=dtype)  # as a mask: nothing is hidden
    if dtype.is_floating_point or dtype.is_complex:
        if high is None:
            small = dtype.is_floating_point and dtype.itemsize < 4
            real = torch.float32 if small else dtype
            return torch.randn(shape, dtype=real).to(dtype)
        start = 0.0 if low is None else low
        values: torch.Tensor = torch.rand(shape) * (high - start) + start
        return values.to(dtype)
    start, end = int(low or 0), int(LARGEST_TOKEN if high is None else high)
    return torch.randint(start, max(end, start + 1), shape).to(dtype)


def observe(
    network: nn.Module,
    forward: ast.FunctionDef,
    plan: Mapping[str, Any],
    run: Mapping[str, Any],
    device: str,
) -> Any:
    """Run `forward` and hold every variable, every child and every output against the plan."""
    seen: dict[int, dict[str, Any]] = {}
    calls: dict[str, list[Any]] = {}
    hooks = [
        network.get_submodule(path).register_forward_hook(_keep(calls, path))
        for path in run["calls"]
    ]
    inputs = samples(run, device)
    before = sys.gettrace()
    sys.settrace(_watch(forward, seen))
    try:
        outputs = network(*inputs)
    finally:
        sys.settrace(before)
        for hook in hooks:
            hook.remove()
    for path, predicted in run["calls"].items():
        found = calls.get(path, [])
        if len(found) != len(predicted):
            message = f"`{path}` is called {len(found)} times, but {len(predicted)} were predicted"
            raise Disproof(message)
        for real, (shape, dtype) in zip(found, predicted, strict=True):
            check(f"`{path}`", real, shape, dtype)
    for place, held in enumerate(run["variables"]):
        for name, shape, dtype in held:
            what = f"`{name}`, given by `{plan['names'][place]}`,"
            check(what, seen.get(place, {}).get(name), shape, dtype)
    check_outputs(outputs, run)
    return outputs


def _keep(calls: dict[str, list[Any]], path: str) -> Any:
    def hook(module: nn.Module, inputs: Any, output: Any) -> None:
        while isinstance(output, (tuple, list)) and output:
            output = output[0]
        calls.setdefault(path, []).append(facts(output))

    return hook


def _watch(forward: ast.FunctionDef, seen: dict[int, dict[str, Any]]) -> Watch:
    """A tracer that notes each statement's variables once the next one begins."""
    place_of: dict[int, int] = {}
    targets = []
    for place, statement in enumerate(forward.body):
        for line in range(statement.lineno, (statement.end_lineno or statement.lineno) + 1):
            place_of[line] = place
        assigned = ast.walk(statement)
        targets.append(
            [n.id for n in assigned if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)]
        )

    def note(frame: types.FrameType, place: int) -> None:
        found = frame.f_locals
        seen[place] = {name: facts(found[name]) for name in targets[place] if name in found}

    def lines(frame: types.FrameType, event: str, value: Any) -> Any:
        current = place_of.get(frame.f_lineno)
        before = state.get(frame)
        if before is not None and (event == "return" or current != before):
            note(frame, before)
        if current is not None:
            state[frame] = current
        return lines

    state: dict[types.FrameType, int] = {}

    def calls(frame: types.FrameType, event: str, value: Any) -> Any:
        code = frame.f_code
        watched = code.co_filename == FILE and code.co_firstlineno == forward.lineno
        return lines if watched and event == "call" else None

    return calls


def facts(value: Any) -> tuple[list[int], str] | str:
    """The shape and type of a tensor, or what stands in its place."""
    if isinstance(value, torch.Tensor):
        return list(value.shape), type_name(value)
    return type(value).__name__


def type_name(value: torch.Tensor) -> str:
    return str(value.dtype).removeprefix("torch.")


def check(what: str, found: Any, shape: list[int], dtype: str) -> None:
    """Hold one tensor against its prediction."""
    if found is None:
        raise Disproof(f"{what} was never computed")
    if found != (list(shape), dtype):
        real = f"{tuple(found[0])} {found[1]}" if isinstance(found, tuple) else found
        raise Disproof(f"{what} is {real}, but {tuple(shape)} {dtype} was predicted")


def check_outputs(outputs: Any, run: Mapping[str, Any]) -> None:
    """Hold what comes out against the plan."""
    predicted = run["outputs"]
    if predicted[0][0] is not None:
        found = [(key, outputs.get(key)) for key, *_ in predicted]
    elif len(predicted) == 1:
        found = [("output", outputs)]
    else:
        found = [(f"output {place}", value) for place, value in enumerate(outputs)]
    for (key, value), (_, shape, dtype) in zip(found, predicted, strict=True):
        check(f"`{key}`", facts(value), shape, dtype)


def check_gradients(network: nn.Module, outputs: Any, idle: list[str]) -> list[str]:
    """Differentiate a random combination of the outputs by every parameter."""
    if isinstance(outputs, dict):
        outputs = list(outputs.values())
    tensors = [outputs] if isinstance(outputs, torch.Tensor) else list(outputs)
    smooth = [value for value in tensors if value.requires_grad]
    parameters = [
        (name, parameter)
        for name, parameter in network.named_parameters()
        if parameter.requires_grad and not any(name.startswith(f"{path}.") for path in idle)
    ]
    if not parameters:
        return ["no parameters, so no gradients"]
    if not smooth:
        return ["no output can be differentiated, so no gradients"]
    parts = [value.abs() if value.is_complex() else value for value in smooth]
    loss = sum((part * torch.randn_like(part)).sum() for part in parts)
    assert isinstance(loss, torch.Tensor)
    loss.backward()  # type: ignore[no-untyped-call]
    for name, parameter in parameters:
        if parameter.grad is None:
            raise Disproof(f"the parameter `{name}` gets no gradient")
        gradient = (
            parameter.grad.coalesce().values() if parameter.grad.is_sparse else parameter.grad
        )
        if not bool(torch.isfinite(gradient).all()):
            raise Disproof(f"the gradient of `{name}` is not finite")
    network.zero_grad()
    return [f"`{path}` is not called, so it gets no gradient" for path in idle]


if __name__ == "__main__":
    main()
