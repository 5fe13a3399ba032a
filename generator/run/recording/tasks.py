"""What the worker process is asked about a live network: its recording, and a comparison."""

from __future__ import annotations

import json
import traceback
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import torch
from msgspec import convert, to_builtins
from torch import nn

from ..proofs.subject import load
from .agreement import Differs
from .comparison import Other, compare, same_outputs, told_apart
from .construction import Unloadable, construct, watch_constructors
from .initial import Draws
from .kept import check_inside, kept_types
from .names import first_line
from .record import Unrecordable, is_own_code, record
from .recorded import Input
from .runs import Limits
from .saved import load_weights, saved_network

if TYPE_CHECKING:
    from .exported import Exported


def recorded(request: Mapping[str, Any]) -> dict[str, Any]:
    """The recording of a network that its code makes, or why there is none."""
    if request["module"].endswith(".pt2"):
        return _recorded_program(request)
    watch_constructors()
    try:
        network = _network(*_source(request))
    except Unloadable as error:
        return refused(error.code, str(error), help=error.help)
    except (Exception, SystemExit) as error:
        return raised("NG701", "making it", error)
    return record_module(network, _inputs(request), request.get("keep", ()))


def _recorded_program(request: Mapping[str, Any]) -> dict[str, Any]:
    """The recording of a program of `torch.export`, or why there is none."""
    from .archive import Unreadable
    from .programs import Mismatch  # slow to import, and few networks are programs

    try:
        network = _program(request["module"], json.dumps(request["inputs"]))
    except Unreadable as error:
        return refused("NG701", str(error))
    except Mismatch as error:
        return refused("NG702", str(error))
    except Unrecordable as error:
        return refused("NG704", str(error), error.source)
    network.kept.exact = False
    wanted = network.kept.wanted
    return record_module(network, wanted.inputs, limits=wanted.limits)


def record_module(
    network: nn.Module,
    inputs: Sequence[Input],
    keep: Sequence[str] = (),
    limits: Limits = MappingProxyType({}),
) -> dict[str, Any]:
    """The recording of a module in this process, or why there is none."""
    try:
        kept = kept_types(network, keep)
        found = record(network, inputs, kept, limits)
        check_inside(network, kept, found)
    except Unloadable as error:
        return refused(error.code, str(error), help=error.help)
    except Differs as error:
        answer = refused("NG703", f"it can't be one spec: {error}", error.source)
        first = {} if error.first is None else {"first": to_builtins(error.first)}
        return {**answer, **first, "class": type(network).__name__}
    except Unrecordable as error:
        return refused("NG702", str(error), error.source)
    except (Exception, SystemExit) as error:
        return raised("NG702", "running it", error)
    return {"ok": True, "recording": to_builtins(found), "class": type(network).__name__}


def compared(request: Mapping[str, Any]) -> dict[str, Any]:
    """What a comparison of the network with a generated class has shown, or in what they differ."""
    asked = (request["source"], request["class"], _inputs(request), request["runs"])
    if request.get("brief"):
        return _briefly_compared(request)
    if not request["module"].endswith(".pt2"):
        trained = bool(request.get("weights") or request.get("allow_pickle"))
        return compare_module(_network(*_source(request)), *asked, trained)
    program = _program(request["module"], json.dumps(request["asked"]))
    program.kept.exact = True
    answer = compare_module(program, *asked, untrained=program.untrained)
    key, told = ("shown", [program.note]) if answer["ok"] else ("finding", f"; {program.note}")
    return {**answer, key: answer[key] + told} if program.note else answer


def _briefly_compared(request: Mapping[str, Any]) -> dict[str, Any]:
    """Whether a class has the keys and the outputs of a network that its code makes."""
    inputs, run = _inputs(request), request["runs"][0]
    try:
        apart = told_apart(_network(*_source(request)), inputs, run)
    except (Exception, SystemExit) as error:
        return raised("NG702", "running it", error)
    try:
        same_outputs(apart, class_in(request["source"], request["class"]), inputs, run)
    except Other as error:
        return refused("NG705", str(error))
    except Exception as error:
        return raised("NG705", "comparing it", error)
    return {"ok": True}


def compare_module(
    network: nn.Module,
    source: str,
    name: str,
    inputs: Sequence[Input],
    runs: Sequence[Mapping[str, int]],
    trained: bool = False,
    untrained: str = "",
) -> dict[str, Any]:
    """What a comparison with the class in a source has shown, in this process."""
    try:
        twin = _just_made.pop((source, name), None)
        twin = class_in(source, name)() if twin is None else twin
        shown = compare(network, twin, inputs, runs, trained, untrained)
    except Other as error:
        return refused("NG705", str(error))
    except Exception as error:
        return raised("NG705", "comparing it", error)
    return {"ok": True, "shown": shown}


def begun(request: Mapping[str, Any]) -> dict[str, Any]:
    """By which rules the parameters of a generated class begin, and the types of their modules.

    The network that this takes is there for the comparison that follows.
    """
    named = (request["source"], request["class"])
    made = class_in(*named)
    with Draws() as draws:
        network = made()
    _just_made.clear()
    _just_made[named] = network
    types = {
        path: [base.__name__ for base in type(module).__mro__]
        for path, module in network.named_modules()
        if module._parameters
    }
    keys = [path for path, _ in network.named_parameters()]
    found = to_builtins(draws.beginnings(network))
    return {"ok": True, "beginnings": found, "types": types, "keys": keys}


_just_made: dict[tuple[str, str], nn.Module] = {}  # of the last `begun`, by source and class


def class_in(source: str, name: str) -> type[nn.Module]:
    """The class of generated source."""
    module, _ = load(source, name)
    found: type[nn.Module] = getattr(module, name)
    return found


def _inputs(request: Mapping[str, Any]) -> Sequence[Input]:
    found: list[Input] = convert(request["inputs"], list[Input])
    return found


Source = tuple[str, str, str, str, bool, bool]


def _source(request: Mapping[str, Any]) -> Source:
    """Where the network comes from, and its weights."""
    named = (request["module"], request["name"], request["args"])
    weights, pickled = request.get("weights", ""), request.get("allow_pickle", False)
    return (*named, weights, pickled, request.get("strict", True))


@lru_cache(maxsize=2)  # the comparison asks for the network that was recorded
def _network(
    module: str, name: str, args: str, weights: str, allow_pickle: bool, strict: bool
) -> nn.Module:
    torch.manual_seed(0)
    if name:
        network = construct(module, name, json.loads(args))
    else:
        network = saved_network(Path(module), allow_pickle=allow_pickle)
    if weights:
        load_weights(network, Path(weights), strict=strict)
    return network


@lru_cache(maxsize=2)
def _program(path: str, asked: str) -> Exported:
    """The program in a file as a network, with inputs as they were asked for."""
    from .exported import exported_network
    from .programs import load_program, wanted

    program = load_program(path)
    return exported_network(program, wanted(program, convert(json.loads(asked), list[Input])))


def refused(code: str, finding: str, source: str = "", help: str = "") -> dict[str, Any]:
    """The answer where there is none."""
    answer = {"ok": False, "code": code, "finding": finding, "source": source}
    return {**answer, "help": help} if help else answer


def raised(code: str, what: str, error: BaseException) -> dict[str, Any]:
    """The answer for an error in the network's code, with the last line of the code."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if is_own_code(f.filename)]
    text = first_line(error, 500)
    where = f"{own[-1].filename}:{own[-1].lineno}" if own else ""
    return refused(code, f"{what} raised {type(error).__name__}: {text}", where)
