"""Custom layers: modules by import path (`imports`), whose shapes the class itself is asked for.

Asking runs the code of the class, in the worker and on torch's meta device, so it must be allowed.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from ..diagnostics.diagnostics import Diagnostic, Findings, NetgenError, printable
from ..layers import TYPES
from ..layers.base import ALL, REQUIRED, Arg, Args, Layer, Refusal, Weight, refuse
from ..layers.kinds import PLAIN
from ..layers.tensor import TensorType
from ..spec.spec import RESERVED, Reading
from ..symbolic.algebra import Symbols
from ..symbolic.names import is_identifier, snake_case, why_no_class
from ..symbolic.sizes import Coded, Size, is_unknown
from ..symbolic.tree import Expression
from .context import Ask, Imported

STEPS = (1, 2, 32)  # by which run-time sizes are changed, to see what depends on them
_UNKNOWN = object()
# a default that only the class itself knows
_OWN = Coded(_UNKNOWN, Expression.leaf("..."), Symbols())


def read_imports(reading: Reading, ask: Ask | None) -> Imported:
    """The types under `imports`; without an `ask`, all are lost and the mistake is reported."""
    imports = reading.document.imports
    if ask is None:
        where = reading.source.locate(("imports",), key=True)
        message = "this spec imports code, which building it would run"
        help = "`--allow-imports` allows that, for a spec that you trust"
        mistake = Diagnostic("NG209", message, where, help=help)
        return Imported({}, frozenset(imports), (mistake,))
    rows, findings = {}, Findings()
    for name, path in imports.items():
        with findings.collecting():
            _check(reading, name, path)
            rows[name] = _row(name, path, _Class(reading, name, path, ask))
    return Imported(rows, frozenset(imports.keys() - rows.keys()), tuple(findings.sorted()))


def _check(reading: Reading, name: str, path: str) -> None:
    """Refuse names that are taken, and paths that name no class in a module."""
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
    """One imported class; each set of arguments and shapes is asked about once.

    Raises `NetgenError` if the class can't be used.
    """

    def __init__(self, reading: Reading, name: str, path: str, ask: Ask) -> None:
        self.name, self.path, self.ask = name, path, ask
        self.known: dict[str, dict[str, Any]] = {}
        self.facts = ask({"task": "describe", "path": path})
        if not self.facts["ok"]:
            where = reading.source.locate(("imports", name))
            message = f"`{path}` can't be used: {printable(self.facts['finding'])}"
            raise NetgenError(Diagnostic("NG213", message, where))

    def called(self, a: Args, reads: Sequence[TensorType], names: Sequence[str]) -> dict[str, Any]:
        """The weights and the output that the worker reports for arguments and inputs.

        The last inputs are given by their names. Raises `Refusal` if the class refuses.
        """
        args = {name: value for name, value in vars(a).items() if value is not _UNKNOWN}
        shapes = [([*map(int, x.shape)], x.dtype) for x in reads]
        first = len(shapes) - len(names)
        request = {
            "task": "call",
            "path": self.path,
            "args": _plain(args),
            "inputs": shapes[:first],
            "named": [(name, *x) for name, x in zip(names, shapes[first:], strict=True)],
        }
        key = json.dumps(request)
        if key not in self.known:
            self.known[key] = self.ask(request)
        found = self.known[key]
        if not found["ok"]:
            refuse(f"`{self.name}` refuses: {printable(found['finding'])}")
        return found

    def weights(self, a: Args) -> Sequence[Weight]:
        """The parameters and buffers of the class, in the order of its ``state_dict``."""
        found = self.called(a, (), ())
        return [
            Weight(name, tuple(shape), trainable, dtype)
            for name, shape, dtype, trainable in found["weights"]
        ]

    def rule(self, a: Args, *inputs: TensorType, **named: TensorType) -> TensorType:
        """The output's type; each size is constant or, if it varies at run time, one of an input's.

        Raises `Refusal` if the class does, or a size follows the inputs in another way.
        """
        reads, names = [*inputs, *named.values()], list(named)
        shape, dtype = self.called(a, reads, names)["output"]
        if not any(is_unknown(x.shape) for x in reads):
            return _placed(reads, tuple(shape), dtype)
        tried = [(_sizes(reads), shape), *self.tried(a, reads, names)]
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

    def tried(
        self, a: Args, reads: Sequence[TensorType], names: Sequence[str]
    ) -> list[tuple[list[Size], Sequence[int]]]:
        """The sizes of all inputs with other run-time sizes, and the output's shape for them.

        Sizes that the class refuses are left out; raises `Refusal` if it refuses all.
        """
        found = []
        for step in STEPS:
            others = [
                TensorType(tuple(int(s) + step * is_unknown(s) for s in x.shape), x.dtype)
                for x in reads
            ]
            with suppress(Refusal):
                found.append((_sizes(others), self.called(a, others, names)["output"][0]))
        return found or refuse(f"`{self.name}` takes no other sizes than {reads[0]}")


def _sizes(types: Sequence[TensorType]) -> list[Size]:
    return [size for x in types for size in x.shape]


def _placed(reads: Sequence[TensorType], shape: tuple[Size, ...], dtype: str) -> TensorType:
    """The output's type; it has the batch where the first input has it, if the sizes are equal."""
    x = reads[0] if reads else TensorType(())
    place = x.batch
    kept = place is not None and place < len(shape) and _same(shape[place], x.shape[place])
    return TensorType(shape, dtype, place if kept else None, lost=place is not None and not kept)


def _same(left: Size, right: Size) -> bool:
    return left is right or int(left) == int(right)


def _plain(value: Any) -> Any:
    """A value as plain types that JSON can express."""
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
