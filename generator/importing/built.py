"""What is built of a spec that was made from a network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from msgspec import Struct, convert
from msgspec.structs import replace

from ..diagnostics.diagnostics import Diagnostic, NetgenError
from ..ir.levels import DEFAULT_LEVELS, Demand
from ..pipeline import Result, build_source
from ..run.recording.recorded import Recording
from ..run.smoke import Worker
from ..spec.source import parse
from .expected import for_all_values
from .initial import Begun, Initial, Wanted, init_section, told, wanted_of, wrong
from .spec_text import spec_text

Spec = Mapping[str, Any]


class Imported(Struct, frozen=True):
    """A spec that was made from a network: its text, what was built of it, and what was shown.

    `notes` tell what has become no block, and why. `begins` says how many weights begin as those of
    the network, if that is known. `weights` is the file of a `state_dict`, for a source that has
    its weights in other terms.
    """

    text: str
    result: Result
    shown: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    begins: tuple[str, ...] = ()
    weights: bytes = b""


def built(spec: Spec, recordings: Sequence[Recording], worker: Worker, file: str) -> Imported:
    """What is built of a spec, with what is only known of it then.

    The spec is that of the first recording; others are of the network with other arguments.
    """
    text = spec_text(spec)
    try:
        demand = Demand(levels=DEFAULT_LEVELS)
        made = Imported(text, build_source(parse(text, file), {}, worker, demand, ask=worker.ask))
        full = _with_learnt(spec, made.result)
        if "expect" in full:
            expected = for_all_values(full, recordings, file, worker.ask)
            full = {**full, "expect": expected}
        wanted = wanted_of(recordings, [*spec.get("params", {})])
        if wanted:
            return _beginning_alike(full, wanted, made, worker, file)
        return _again(full, made, worker, file)
    except NetgenError as error:
        first = Diagnostic("NG705", f"the spec that was made of `{spec['name']}` can't be built")
        raise NetgenError(first, *error.diagnostics) from None


def _again(spec: Spec, made: Imported, worker: Worker, file: str) -> Imported:
    """What is built of a spec that says more, but makes the same calls; they need no other run."""
    text = spec_text(spec)
    if text == made.text:
        return made
    result = build_source(parse(text, file), {}, worker, ask=worker.ask)
    return replace(made, text=text, result=replace(result, proofs=made.result.proofs))


def _beginning_alike(
    spec: Spec, wanted: Mapping[str, Wanted], made: Imported, worker: Worker, file: str
) -> Imported:
    """The import with initial weights as the network's are, as far as a spec can say that."""
    before = _begun(made, worker)
    section = init_section(Initial(made.result.graph, wanted, before).entries())
    if section:
        with suppress(NetgenError):
            found = _again(_with_init(spec, section), made, worker, file)
            after = _begun(found, worker)
            if not wrong(wanted, before, after):
                return replace(found, begins=(told(wanted, after),))
    return replace(_again(spec, made, worker, file), begins=(told(wanted, before),))


def _with_init(spec: Spec, section: Mapping[str, Any]) -> Spec:
    """The spec with the key `init`, before what is expected of it."""
    last = {key: spec[key] for key in ("expect", "allow") if key in spec}
    return {**{key: x for key, x in spec.items() if key not in last}, "init": section, **last}


def _begun(made: Imported, worker: Worker) -> Begun:
    """How the weights of the class begin."""
    return convert(worker.ask({"task": "begin", **class_of(made)}), Begun)


def class_of(made: Imported) -> dict[str, str]:
    """Where a process finds the class."""
    return {"source": made.result.source, "class": made.result.graph.name}


def _with_learnt(spec: Spec, result: Result) -> Spec:
    """The spec with what is known once it is built: its warnings are meant, its multiply-adds."""
    found: dict[str, Any] = {}
    shapes = [spec["input"]] if "input" in spec else [*spec["inputs"].values()]
    sizes = [size for x in shapes for size in (x["shape"] if isinstance(x, Mapping) else x)]
    fixed = all(isinstance(size, int) for size in sizes)
    if "expect" in spec and result.costs.macs and fixed and "imports" not in spec:
        found["expect"] = {**spec["expect"], "macs": int(result.costs.macs)}
    if result.warnings:  # the network is what it is
        found["allow"] = sorted({warning.code for warning in result.warnings})
    return {**spec, **found}
