"""A network in pieces, where the whole takes too much memory: each module alone, one at a time.

First the whole network runs on the meta device, which has shapes and no data: this shows how the
pieces are joined. What each piece is given there says how it is called alone.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import wraps
from types import ModuleType
from typing import Any

import torch
from torch import nn

from .gradients import backward, check_reached
from .subject import (
    Disproof,
    Subject,
    check_meta,
    check_weights,
    differentiable,
    load,
    samples,
    type_name,
)
from .values import is_finite
from .watch import check_outputs, observe

Given = tuple[tuple[Any, ...], dict[str, Any]]
"""The arguments of a call, by place and by name."""
Calls = dict[str, list[Given]]
"""The calls of modules by their paths, in order."""

SPREAD = 0.02  # of weights that nothing else draws


class Alone(Subject):
    """A piece: the module at a `path` of the whole, which is run alone.

    `given` is what it is called with in each run. Its `network` has data only while it is run.
    """

    path: str = ""
    given: Sequence[Given] = ()

    def run(self, run: int, inputs: Sequence[torch.Tensor]) -> Any:
        args, named = _with(self.given[run], inputs)
        outputs = self.network(*args, **named)
        return [*_flat(outputs)] if isinstance(outputs, (tuple, list)) else outputs


def in_pieces(request: Mapping[str, Any], device: str) -> dict[str, Any]:
    """What each level has shown, with remarks and warnings; raises `Disproof`."""
    seconds = {level: 0.0 for level in request["levels"] if level in LEVELS}
    whole, made = _whole(request)
    paths = [piece["path"] for piece in request["pieces"]]
    given = _joined(whole, {*paths}, seconds)
    known: dict[Any, Alone] = {}
    for place, piece in enumerate(request["pieces"]):
        path = piece["path"]
        module = whole.network.get_submodule(path)
        number = paths[:place].count(path)
        calls = [run[path][number] for run in given]
        key = (piece["plan"], _signature(module), repr(made.get(module)), repr(_shapes(calls)))
        if key not in known:
            plan, levels = request["plans"][piece["plan"]], request["levels"]
            about = (whole.source, plan, device, whole.seed, whole.module, None, module, levels)
            known[key] = Alone(*about, path=path, given=calls)
            _prove_alone(known[key], made.get(module), seconds)
    found = "batches of 2 and 3, piece by piece"
    how = f"piece by piece: {len(paths)} modules, {len(known)} of them different, each alone"
    other = ", sizes that do not fit" * bool(whole.plan["outside"])
    left = f"not shown: values and gradients of the whole, doubts{other}"
    return {
        "levels": [{"level": x, "seconds": seconds[x], "found": found} for x in seconds],
        "notes": [f"{how}, and the whole without data", left],
        "findings": [finding for alone in known.values() for finding in alone.findings],
    }


def _whole(request: Mapping[str, Any]) -> tuple[Subject, Mapping[nn.Module, Given]]:
    """The network on the meta device, and what the modules of its own classes are made with."""
    plan, device = request["plan"], "meta"
    check_meta(plan)
    module, forward = load(request["source"], plan["class_name"])
    with _constructors(module) as made, torch.device(device):
        network: nn.Module = getattr(module, plan["class_name"])()
    check_weights(network, plan)
    levels, seed = request["levels"], request["seed"]
    return Subject(request["source"], plan, device, seed, module, forward, network, levels), made


@contextmanager
def _constructors(module: ModuleType) -> Iterator[dict[nn.Module, Given]]:
    """Note inside of the ``with`` what modules of the source's own classes are made with."""
    made: dict[nn.Module, Given] = {}
    classes = [x for x in vars(module).values() if isinstance(x, type) and issubclass(x, nn.Module)]
    before = [(class_, class_.__init__) for class_ in classes]
    for class_, constructor in before:
        class_.__init__ = _noted(constructor, made)  # type: ignore[method-assign]
    try:
        yield made
    finally:
        for class_, constructor in before:
            class_.__init__ = constructor  # type: ignore[method-assign]


def _noted(constructor: Callable[..., None], made: dict[nn.Module, Given]) -> Any:
    @wraps(constructor)
    def noted(self: nn.Module, *args: Any, **named: Any) -> None:
        constructor(self, *args, **named)
        made[self] = (args, named)

    return noted


def _joined(
    whole: Subject, paths: set[str], seconds: dict[str, float]
) -> list[dict[str, list[Given]]]:
    """What each piece is called with in each run, by its path; raises `Disproof`.

    The whole network runs in training, backward and in evaluation, without data.
    """
    begun = time.perf_counter()
    runs = range(len(whole.plan["runs"]))
    whole.network.train()
    given = []
    with torch.device("meta"):
        for run in runs:
            asked = run == 0 and "backward" in seconds
            with _calls(whole.network, paths) as calls, torch.set_grad_enabled(asked):
                outputs = observe(whole, run)
            given.append(calls)
            if asked:
                check_reached(whole, outputs)
        if "eval" in seconds:
            whole.network.eval()
            with torch.no_grad():
                for run in runs:
                    observe(whole, run)
    seconds["forward"] += time.perf_counter() - begun
    return given


@contextmanager
def _calls(network: nn.Module, paths: set[str]) -> Iterator[Calls]:
    """Note inside of the ``with`` what the modules at these paths are called with."""
    calls: Calls = {path: [] for path in paths}

    def noting(path: str) -> Any:
        def note(module: nn.Module, args: Any, named: Any) -> None:
            calls[path].append((args, named))

        return note

    with ExitStack() as stack:
        for path in paths:
            module = network.get_submodule(path)
            hook = module.register_forward_pre_hook(noting(path), with_kwargs=True)
            stack.callback(hook.remove)
        yield calls


def _signature(module: nn.Module) -> str:
    """What decides how a module computes: the classes in it, and their plain attributes."""
    plain = (bool, int, float, str, tuple, list, type, type(None))
    return repr(
        [
            (name, type(one), [(k, v) for k, v in vars(one).items() if isinstance(v, plain)])
            for name, one in module.named_modules()
        ]
    )


def _shapes(value: Any) -> Any:
    """Arguments of calls with the shape and type of each tensor in its place."""
    if isinstance(value, torch.Tensor):
        return tuple(value.shape), value.dtype
    if isinstance(value, (tuple, list)):
        return [_shapes(item) for item in value]
    return {k: _shapes(x) for k, x in value.items()} if isinstance(value, dict) else value


def _prove_alone(alone: Alone, made: Given | None, seconds: dict[str, float]) -> None:
    """Run a piece with data of its own, then free it; raises `Disproof` that names it."""
    torch.manual_seed(alone.seed)
    begun = time.perf_counter()
    empty = alone.network
    alone.network = _real(empty, made).to(alone.device)
    try:
        check_weights(alone.network, alone.plan)
        for level in seconds:
            LEVELS[level](alone)
            begun, before = time.perf_counter(), begun
            seconds[level] += begun - before
    except Disproof as wrong:
        where = f"{alone.path}.{wrong.where}" if wrong.where else alone.path
        raise Disproof(f"`{alone.path}` alone: {wrong}", where, wrong.code) from None
    finally:
        alone.network, alone.outputs = empty, None


def _real(module: nn.Module, made: Given | None) -> nn.Module:
    """A module like one that has no data; a layer's weights are drawn at random."""
    if made is not None:
        args, named = made
        return type(module)(*args, **named)
    network = copy.deepcopy(module).to_empty(device="cpu")
    with torch.no_grad():
        for weight in (*network.parameters(), *network.buffers()):
            weight.zero_()
            if weight.is_floating_point():
                weight.normal_(std=SPREAD)
        for one in network.modules():
            for name in ("reset_parameters", "_reset_parameters"):
                if hasattr(one, name):
                    getattr(one, name)()
    return network


def _with(given: Given, inputs: Sequence[torch.Tensor]) -> Given:
    """The arguments of a call with other tensors in their places; raises `Disproof`."""
    left = [*inputs]

    def filled(value: Any) -> Any:
        if isinstance(value, torch.Tensor):
            return _taken(value, left)
        if isinstance(value, (tuple, list)):
            return type(value)(map(filled, value))
        return value

    args = tuple(map(filled, given[0]))
    return args, {name: filled(value) for name, value in given[1].items()}


def _flat(outputs: Any) -> Iterator[torch.Tensor]:
    """The tensors in what a module gives, in order."""
    for value in outputs:
        if isinstance(value, (tuple, list)):
            yield from _flat(value)
        elif value is not None:
            yield value


def _taken(value: torch.Tensor, left: list[torch.Tensor]) -> torch.Tensor:
    """The first tensor that is left and of this shape and type."""
    for place, other in enumerate(left):
        if other.shape == value.shape and other.dtype == value.dtype:
            return left.pop(place)
    found = f"{tuple(value.shape)} {type_name(value)}"
    raise Disproof(f"it is given {found}, which was not predicted")


def _forward(alone: Alone) -> None:
    """Run in training; `backward` differentiates the first run's outputs."""
    alone.network.train()
    with torch.no_grad():
        for run in range(1, len(alone.plan["runs"])):
            observe(alone, run)
    with torch.set_grad_enabled("backward" in alone.levels):
        alone.outputs = observe(alone, 0)


def _backward(alone: Alone) -> None:
    """Differentiate the outputs; where they are not finite, gradients would say nothing."""
    if all(map(is_finite, differentiable(alone.outputs))):
        backward(alone)
        alone.findings.clear()  # another input may give a layer its gradient
        return
    message = f"`{alone.path}` gives values that are not finite for random inputs"
    help = "a machine with room for the whole network shows what it gives there"
    facts = {"code": "NG309", "where": alone.path, "message": message, "help": help}
    alone.findings.append(facts)


def _eval(alone: Alone) -> None:
    """Run in evaluation, observed and unobserved."""
    alone.network.eval()
    with torch.no_grad():
        observe(alone, 0)
        second = alone.plan["runs"][1]
        check_outputs(alone.run(1, samples(second, alone.device)), second)


LEVELS: Mapping[str, Callable[[Alone], object]] = {
    "forward": _forward,
    "backward": _backward,
    "eval": _eval,
}
