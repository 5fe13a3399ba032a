"""Parameters of a spec: whole numbers in the network's constructor that a user changes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct, convert, to_builtins

from ..diagnostics.diagnostics import NetgenError
from ..pipeline import build_source
from ..run.recording.recorded import Recording
from ..run.smoke import Worker
from ..spec.source import parse
from .built import Imported
from .flat import Inexpressibles
from .structure.bodies import Unstructured
from .structure.structure import structured_spec

# names of what is counted, and of what has to stay divisible
COUNTS = ("num_classes", "depth", "num_layers")
WIDTHS = ("width", "dim", "embed_dim", "hidden_dim")


class Variation(Struct, frozen=True):
    """The network with another value of one argument of its constructor."""

    name: str
    value: int
    recording: Recording


def variations(
    recording: Recording, worker: Worker, request: Mapping[str, Any]
) -> tuple[Variation, ...]:
    """The network with other values of usual arguments, one by one, where it takes these."""
    found = []
    inputs = to_builtins(recording.inputs)
    for name, value in recording.modules[0].arguments:
        if type(value) is int and value > 0 and name in (*COUNTS, *WIDTHS):
            other = value + 1 if name in COUNTS else 2 * value
            more = {"task": "record", "inputs": inputs, "strict": False}
            answer = worker.ask({**request, **more, "args": _with(request, name, other)})
            if answer["ok"]:
                made = convert(answer["recording"], Recording)
                if dict(made.modules[0].arguments).get(name) == other:
                    found.append(Variation(name, other, made))
    return tuple(found)


def _with(request: Mapping[str, Any], name: str, value: int) -> str:
    """The arguments of the callable, with another value of one."""
    return json.dumps({**json.loads(request["args"]), name: value})


def together(recording: Recording, found: Sequence[Variation], name: str) -> tuple[Variation, ...]:
    """Those variations that one spec can have as its parameters."""
    kept: list[Variation] = []
    for one in found:
        try:
            structured_spec([recording, *(x.recording for x in (*kept, one))], name)
        except (Unstructured, Inexpressibles):
            continue
        kept.append(one)
    return tuple(kept)


def held(
    made: Imported,
    one: Variation,
    recording: Recording,
    request: Mapping[str, Any],
    worker: Worker,
    file: str,
) -> int | None:
    """A value that was not looked at, for which the spec is the network; `None` if it is not."""
    source = parse(made.text, file)
    common = {**request, "inputs": to_builtins(recording.inputs), "strict": False}
    for value in _held_out(one, recording):
        question = {**common, "args": _with(request, one.name, value)}
        try:
            result = build_source(source, {one.name: value}, worker, ask=worker.ask)
        except NetgenError:
            if worker.ask({"task": "record", **question})["ok"]:
                return None
            continue  # the network takes no such value either
        own = {"source": result.source, "class": result.graph.name, "brief": True}
        runs = [dict(recording.runs[0])]
        answer = worker.ask({"task": "compare", **question, **own, "runs": runs})
        if answer["ok"]:
            return value
        if answer["code"] == "NG705":
            return None  # it is another network
    return None


def _held_out(one: Variation, recording: Recording) -> Iterator[int]:
    """Values that the network may take; the one that it is known to take comes last."""
    given = dict(recording.modules[0].arguments)[one.name]
    assert isinstance(given, int)
    yield given + (2 if one.name in COUNTS else 1)
    yield 3 * given
    yield one.value
