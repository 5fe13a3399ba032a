"""Programs of `torch.export` from their files: read safely, with the inputs that they take."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import torch
from msgspec import Struct
from torch._export.serde import serialize
from torch.export import ExportedProgram
from torch.export.graph_signature import ConstantArgument, InputKind, InputSpec, TensorArgument
from torch.export.pt2_archive import _package
from torch.export.pt2_archive._package import load_pt2

from .archive import Unreadable, check_archive
from .names import first_line, name_in_python
from .recorded import BATCH, Input
from .runs import Limit, Limits

_RANKS = {4: ("", "", "H", "W"), 5: ("", "", "D", "H", "W")}  # usual names of sizes by rank


def load_program(path: str) -> ExportedProgram:
    """The program in a file; raises `Unreadable`. Nothing is unpickled but plain tensors."""
    version = check_archive(path)
    logging.getLogger("torch.export").setLevel(logging.ERROR)
    with _safely():
        try:
            return load_pt2(path).exported_programs["model"]
        except Exception as error:
            text = first_line(error)
            raise Unreadable(
                f"it was saved by torch {version}, and torch {torch.__version__} can't load it: "
                f"{type(error).__name__}: {text}"
            ) from None


@contextmanager
def _safely() -> Iterator[None]:
    """Load no pickle but those that hold plain tensors, and all to the CPU."""
    load: Callable[..., Any] = torch.load

    def plainly(*args: Any, **named: Any) -> Any:
        return load(*args, **{**named, "weights_only": True})

    def refused(*args: Any, **named: Any) -> Any:
        raise ValueError("it holds a pickled object")

    def cpu(device: Any) -> torch.device:
        return torch.device("cpu")

    pickles = SimpleNamespace(loads=refused)
    with (
        patch.object(_package, "deserialize_device", cpu),
        patch.object(serialize, "deserialize_device", cpu),
        patch.object(torch, "load", plainly),
        patch.object(_package, "pickle", pickles),
        patch.object(torch._C, "_pickle_load_obj", refused),
    ):
        yield


class Taken(Struct, frozen=True):
    """A tensor that a program takes: its name there, and its sizes, some as expressions."""

    name: str
    shape: tuple[int | str, ...]
    dtype: str


class Mismatch(Exception):
    """Inputs that were asked for are not those of the program; the text says why."""


class Wanted(Struct, frozen=True):
    """The inputs of a program as a network's, and which sizes it takes.

    `batch` is the one batch that it was exported for; 0 if it takes any.
    """

    inputs: tuple[Input, ...]
    limits: Limits
    batch: int = 0


def user_inputs(program: ExportedProgram) -> list[InputSpec]:
    """What a call of the program gives it, in order."""
    specs = program.graph_signature.input_specs
    return [spec for spec in specs if spec.kind is InputKind.USER_INPUT]


def taken_by(program: ExportedProgram) -> tuple[list[Taken], dict[str, Limit]]:
    """The tensors that a program takes, and the sizes that their expressions stand for."""
    shown = {node.name: node.meta.get("val") for node in program.graph.find_nodes(op="placeholder")}
    found: list[Taken] = []
    limits: dict[str, tuple[Limit, str]] = {}
    for spec in user_inputs(program):
        if isinstance(spec.arg, ConstantArgument):
            continue
        value = shown[spec.arg.name]
        if not isinstance(spec.arg, TensorArgument) or not isinstance(value, torch.Tensor):
            raise Mismatch(f"its input `{spec.arg.name}` is no tensor")
        shape: list[int | str] = []
        for size in value.shape:
            if isinstance(size, int):
                shape.append(size)
            else:
                text = str(size.node.expr)
                shape.append(text)
                limits[text] = _limit(program, size.node.expr, spec.arg.name)
        found.append(Taken(spec.arg.name, tuple(shape), name_in_python(value.dtype)))
    _check_apart(limits)
    return found, {text: limit for text, (limit, _) in limits.items()}


def _limit(program: ExportedProgram, size: Any, name: str) -> tuple[Limit, str]:
    """Which numbers an expression such as ``32*s0`` can be, and its symbol."""
    symbols = [*size.free_symbols]
    (symbol,) = symbols if len(symbols) == 1 else (None,)
    step = None if symbol is None else size.diff(symbol)
    if symbol is None or step is None or not step.is_Integer or step < 1:
        raise Mismatch(f"a size of its input `{name}` is {size}, and no spec can say that")
    offset = size.subs(symbol, 0)
    span = program.range_constraints.get(symbol)
    low, high = (None, None) if span is None else (_number(span.lower), _number(span.upper))
    return Limit(
        low=int(step * (low or 0) + offset),
        high=None if high is None else int(step * high + offset),
        step=int(step),
        offset=int(offset),
    ), str(symbol)


def _number(bound: Any) -> int | None:
    return int(bound) if bound.is_Integer else None


def _check_apart(limits: dict[str, tuple[Limit, str]]) -> None:
    seen: dict[str, str] = {}
    for text, (_, symbol) in limits.items():
        other = seen.setdefault(symbol, text)
        if other != text:
            raise Mismatch(f"one size of its inputs is {other}, another {text}: no spec can say so")


def wanted(program: ExportedProgram, asked: Sequence[Input]) -> Wanted:
    """The inputs of a program, as they were asked for where they were; raises `Mismatch`."""
    taken, limits = taken_by(program)
    if not taken:
        raise Mismatch("it takes no tensor")
    given = _by_place(taken, asked)
    places = [one.whole.index(BATCH) if one else 0 for one in given]
    batch = _batch_of(taken, places)
    names = {str(batch): BATCH}
    for one, own in zip(given, taken, strict=True):
        if one:
            _match(one, own, names, limits)
    for own in taken:
        _name_sizes(own, names)
    inputs = tuple(
        _input(own, place, one, names, len(taken) > 1)
        for own, place, one in zip(taken, places, given, strict=True)
    )
    found = {names[text]: limit for text, limit in limits.items()}
    if isinstance(batch, int):
        return Wanted(inputs, {**found, BATCH: Limit(batch, None, batch)}, batch)
    return Wanted(inputs, found)


def _by_place(taken: Sequence[Taken], asked: Sequence[Input]) -> list[Input | None]:
    """What was asked for, for each tensor that the program takes."""
    names = [one.name for one in taken]
    found: dict[str, Input] = {}
    rest = [name for name in names if name not in {one.name for one in asked}]
    for one in asked:
        if one.name and one.name not in names:
            raise Mismatch(f"it has no input `{one.name}`: its inputs are {', '.join(names)}")
        if not one.name and not rest:
            raise Mismatch(f"it has {len(names)} inputs, not {len(asked)}: {', '.join(names)}")
        found[one.name or rest.pop(0)] = one
    return [found.get(name) for name in names]


def _batch_of(taken: Sequence[Taken], places: Sequence[int]) -> int | str:
    """The size that is the batch: that of all inputs at their places."""
    sizes = []
    for one, place in zip(taken, places, strict=True):
        if place >= len(one.shape):
            raise Mismatch(f"its input `{one.name}` has no dimension for a batch")
        sizes.append(one.shape[place])
    if len({*sizes}) > 1:
        told = ", ".join(f"{size} of `{one.name}`" for one, size in zip(taken, sizes, strict=True))
        raise Mismatch(
            f"its inputs do not begin with the same batch, but with {told}: say with --input where "
            "the batch N stands"
        )
    return sizes[0]


def _match(one: Input, own: Taken, names: dict[str, str], limits: dict[str, Limit]) -> None:
    """Hold an input that was asked for against that of the program; sizes get their names."""
    if one.dtype not in (own.dtype, "float32"):
        raise Mismatch(f"its input `{own.name}` is {own.dtype}, not {one.dtype}")
    if len(one.whole) != len(own.shape):
        shape = ",".join(map(str, own.shape))
        raise Mismatch(f"its input `{own.name}` has the shape {shape} with the batch")
    for size, known in zip(one.whole, own.shape, strict=True):
        if size in (BATCH, known):
            continue
        limit = limits.get(str(known))
        if limit is None or (isinstance(size, int) and not limit.allows(size)):
            raise Mismatch(f"its input `{own.name}` has the size {known} there, not {size}")
        if names.setdefault(str(known), str(size)) != str(size):
            raise Mismatch(f"its size {names[str(known)]} is the same as {size}")


def _name_sizes(own: Taken, names: dict[str, str]) -> None:
    """Give usual names to sizes that have none."""
    usual = _RANKS.get(len(own.shape), ())
    for place, size in enumerate(own.shape):
        if isinstance(size, str) and size not in names:
            stem = usual[place] if place < len(usual) and usual[place] else "T"
            name, number = stem, 1
            while name in names.values():
                number += 1
                name = f"{stem}{number}"
            names[size] = name


def _input(
    own: Taken, place: int, one: Input | None, names: dict[str, str], several: bool
) -> Input:
    """An input of the program as a network's."""
    sizes = [names[x] if isinstance(x, str) else x for x in own.shape]
    shape: list[int | str] = [int(x) if str(x).isdecimal() else x for x in sizes]
    shape[place] = BATCH
    if shape.count(BATCH) > 1:
        raise Mismatch(f"two sizes of its input `{own.name}` are the batch: no spec can say that")
    if place == 0:
        del shape[0]
    named = several or own.dtype != "float32" or bool(one and one.name)
    bounds = (one.low, one.high) if one else (None, None)
    return Input(own.name if named else "", tuple(shape), own.dtype, *bounds)
