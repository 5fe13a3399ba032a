"""Custom layers: a person's own modules by import path, their shapes asked from the class itself.

To ask runs the class's code, in the worker and on torch's meta device, so it must be allowed.
"""

from __future__ import annotations

import json
from collections.abc import Container, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Protocol

from .diagnostics import Diagnostic, Findings, NetgenError, printable
from .layers import TYPES
from .layers.base import (
    ALL,
    REQUIRED,
    Arg,
    Args,
    Layer,
    Refusal,
    TensorType,
    Weight,
    refuse,
)
from .layers.kinds import PLAIN
from .names import is_identifier, snake_case, why_no_class
from .sizes import Coded, Size, is_unknown
from .spec import RESERVED, Reading


class Asker(Protocol):
    """Who runs the code of classes and tells what they are."""

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """The answer to one request."""


STEPS = (1, 2, 32)  # by which sizes are changed, to see what hangs on them


@dataclass(frozen=True, slots=True)
class Imported:
    """The types that a spec imports; of the `lost` ones nothing is known but the names."""

    rows: Mapping[str, Layer] = field(default_factory=dict)
    lost: frozenset[str] = frozenset()
    mistakes: tuple[Diagnostic, ...] = ()

    def types(self) -> Mapping[str, Layer]:
        """All types that a layer may have."""
        known = {name: row for name, row in TYPES.items() if name not in self.lost}
        return {**known, **self.rows}


_UNKNOWN = object()
_OWN = Coded(_UNKNOWN, "...", frozenset())  # a default that only the class itself knows


def read_imports(reading: Reading, asker: Asker | None) -> Imported:
    """The types under `imports`; without an `asker` none may be used."""
    imports = reading.document.imports
    if not imports:
        return Imported()
    if asker is None:
        where = reading.source.locate(("imports",), key=True)
        message = "this spec imports code, which building it would run"
        help = "`--allow-imports` allows that, for a spec that you trust"
        mistake = Diagnostic("NG209", message, where, help=help)
        return Imported({}, frozenset(imports), (mistake,))
    rows, findings = {}, Findings()
    for name, path in imports.items():
        with findings.collecting():
            _check(reading, name, path)
            rows[name] = _row(name, path, _Class(reading, name, path, asker))
    return Imported(rows, frozenset(imports.keys() - rows.keys()), tuple(findings.sorted()))


def _check(reading: Reading, name: str, path: str) -> None:
    """Refuse names that are taken, and paths that are none."""
    locate, reason = reading.source.locate, why_no_class(name)
    if name in TYPES or name in RESERVED:
        reason = "is a type of netgen's own"
    if name in reading.document.blocks or name == reading.document.name:
        reason = "is a class of this spec, too"
    if name in reading.document.params:
        reason = "is a parameter, too"
    if reason:
        where = locate(("imports", name), key=True)
        raise NetgenError(Diagnostic("NG205", f"`{printable(name)}` {reason}", where))
    parts = path.split(".")
    if len(parts) < 2 or not all(map(is_identifier, parts)):
        message = f"`{printable(path)}` is no import path"
        help = "write the module and the class: `package.module.Class`"
        raise NetgenError(Diagnostic("NG205", message, locate(("imports", name)), help=help))


class _Class:
    """One imported class, asked about once for each set of arguments and shapes."""

    def __init__(self, reading: Reading, name: str, path: str, asker: Asker) -> None:
        self.name, self.path, self.asker = name, path, asker
        self.known: dict[str, dict[str, Any]] = {}
        self.facts = asker.ask({"task": "describe", "path": path})
        if not self.facts["ok"]:
            where = reading.source.locate(("imports", name))
            message = f"`{path}` can't be used: {printable(self.facts['finding'])}"
            raise NetgenError(Diagnostic("NG213", message, where))

    def called(self, a: Args, inputs: Sequence[TensorType]) -> dict[str, Any]:
        """What the class makes of arguments, and gives for inputs."""
        args = {name: value for name, value in vars(a).items() if value is not _UNKNOWN}
        shapes = [[[*map(int, x.shape)], x.dtype] for x in inputs]
        request = {"task": "call", "path": self.path, "args": _plain(args), "inputs": shapes}
        key = json.dumps(request)
        if key not in self.known:
            self.known[key] = self.asker.ask(request)
        found = self.known[key]
        if not found["ok"]:
            refuse(f"`{self.name}` refuses: {printable(found['finding'])}")
        return found

    def weights(self, a: Args) -> Sequence[Weight]:
        """Parameters and buffers, in the order of its ``state_dict``."""
        found = self.called(a, ())
        return [
            Weight(name, tuple(shape), trainable, dtype)
            for name, shape, dtype, trainable in found["weights"]
        ]

    def rule(self, a: Args, *inputs: TensorType, **named: TensorType) -> TensorType:
        """The output's type; sizes known only at run time are those of an input or constant."""
        reads = [*inputs, *(named[name] for name in self.facts["optional"] if name in named)]
        shape, dtype = self.called(a, reads)["output"]
        if not any(is_unknown(x.shape) for x in reads):
            return _placed(reads, tuple(shape), dtype)
        tried = [(_sizes(reads), shape), *self.tried(a, reads)]
        if len({len(found) for _, found in tried}) > 1:
            refuse(f"the number of dimensions that `{self.name}` gives depends on sizes")
        courses = zip(*(sizes for sizes, _ in tried), strict=True)
        alike = dict(zip(courses, _sizes(reads), strict=True))
        found = []
        for place, sizes in enumerate(zip(*(found for _, found in tried), strict=True)):
            if len({*sizes}) > 1 and sizes not in alike:
                refuse(
                    f"`{self.name}` gives {sizes[0]} in dimension {place}, which depends on a size "
                    "that is known only at run time, and is none of those that it reads"
                )
            found.append(alike[sizes] if len({*sizes}) > 1 else sizes[0])
        return _placed(reads, tuple(found), dtype)

    def tried(self, a: Args, reads: Sequence[TensorType]) -> list[tuple[list[Size], Sequence[int]]]:
        """All sizes of inputs whose run-time sizes are others, and the shape that comes of them."""
        found = []
        for step in STEPS:
            others = [
                TensorType(tuple(int(s) + step * is_unknown(s) for s in x.shape), x.dtype)
                for x in reads
            ]
            with suppress(Refusal):
                found.append((_sizes(others), self.called(a, others)["output"][0]))
        return found or refuse(f"`{self.name}` takes no other sizes than {reads[0]}")


def _sizes(types: Sequence[TensorType]) -> list[Size]:
    return [size for x in types for size in x.shape]


def _placed(reads: Sequence[TensorType], shape: tuple[Size, ...], dtype: str) -> TensorType:
    """The output's type, its batch where the first input has it if the size there is the same."""
    x = reads[0] if reads else TensorType(())
    place = x.batch
    kept = place is not None and place < len(shape) and _same(shape[place], x.shape[place])
    return TensorType(shape, dtype, place if kept else None, lost=place is not None and not kept)


def _same(left: Size, right: Size) -> bool:
    return left is right or int(left) == int(right)


def _plain(value: Any) -> Any:
    """A value as JSON has it; lists are lists."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    whole = isinstance(value, int) and not isinstance(value, bool)
    return int(value) if whole else value


def _row(name: str, path: str, class_: _Class) -> Layer:
    facts = class_.facts
    args = tuple(
        Arg(
            parameter["name"],
            PLAIN,
            REQUIRED if parameter["required"] else parameter.get("default", _OWN),
            keyword_only=parameter["keyword_only"],
            brackets=True,
        )
        for parameter in facts["parameters"]
    )
    return Layer(
        name=name,
        stem=snake_case(name),
        rule=class_.rule,
        args=args,
        dtypes=ALL,
        weights=class_.weights,
        tensors=tuple(facts["inputs"]) or ("input",),
        optional_tensors=tuple(facts["optional"]),
        variadic=(1, 100) if facts["variadic"] else None,
        local=True,
        imported=path,
    )


def import_lines(rows: Sequence[Layer], used: Container[str]) -> list[str]:
    """The imports of the classes that a file uses."""
    found: dict[str, list[str]] = {}
    for row in rows:
        module, _, own = row.imported.rpartition(".")
        if row.name in used:
            found.setdefault(module, []).append(own if own == row.name else f"{own} as {row.name}")
    return [f"from {module} import {', '.join(sorted(names))}" for module, names in found.items()]
