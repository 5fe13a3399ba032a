"""`expect`: output shapes and figures that the spec states, compared with the computed ones."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NoReturn

from msgspec import Struct

from ..diagnostics.diagnostics import Diagnostic, Findings, NetgenError, SpecPath, printable
from ..ir.graph import ALL, Graph
from ..layers.tensor import TensorType
from ..spec.spec import EXPECTED, Reading
from ..symbolic.budget import Budget
from ..symbolic.expressions import PlainNames, evaluate_text, has_expression
from ..symbolic.hints import closest
from ..symbolic.sizes import Size, code, plain, shown_shape
from ..symbolic.syntax import ExpressionError
from .costs import Costs

BOUND = re.compile(r"(<=|>=|==|<|>)?\s*([0-9][0-9_]*(?:\.[0-9]+)?)\s*([kMG]?)")
_UNITS = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9}
_HOLDS: Mapping[str, Callable[[float, float], bool]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
    "==": operator.eq,
}


def check_expected(networks: Iterable[tuple[Reading, Graph, Costs]]) -> None:
    """Raise `NetgenError` with all differences between networks and their spec's `expect`.

    What is expected of a variant stands there under its name.
    """
    findings = Findings()
    for network in networks:
        with findings.collecting():
            _compare(_Check(*network), findings)
    if findings.found:
        raise NetgenError(*findings.sorted())


def _compare(check: _Check, findings: Findings) -> None:
    """Report the differences between one network and what is expected of it."""
    document, variant = check.reading.document, check.reading.variant
    expected: Mapping[str, Any] = document.expect
    others = {} if variant else document.variants
    if variant:
        expected = check.of_variant(expected.get(variant, {}))
    for key, wanted in expected.items():
        with findings.collecting():
            if key == "output":
                check.outputs(wanted)
            elif key in EXPECTED:
                check.figure(key, wanted)
            elif key not in others:
                message = f"there is no key `{printable(key)}` here"
                check.refuse("NG201", message, (key,), closest(key, (*EXPECTED, *others)), key=True)


class _Check(Struct, frozen=True):
    reading: Reading
    graph: Graph
    costs: Costs

    @property
    def at(self) -> SpecPath:
        """The place of what is expected of this network."""
        variant = self.reading.variant
        return ("expect", variant) if variant else ("expect",)

    def of_variant(self, written: Any) -> Mapping[str, Any]:
        """What is written for a variant, which is a mapping."""
        if not isinstance(written, dict):
            keys = "`output`, `parameters` or `macs`"
            self.refuse("NG201", f"this should be a mapping with {keys}", ())
        return written

    def refuse(
        self, code: str, message: str, path: SpecPath, help: str | None = None, *, key: bool = False
    ) -> NoReturn:
        location = self.reading.source.locate((*self.at, *path), key=key)
        raise NetgenError(Diagnostic(code, message, location, help=help))

    def value(self, written: Any, path: SpecPath) -> Any:
        """A written value with its expressions evaluated."""
        if not isinstance(written, str) or not has_expression(written):
            return written
        try:
            return plain(evaluate_text(written, PlainNames(self.graph.values), Budget()))
        except ExpressionError as error:
            self.refuse("NG206", printable(error.message), path)

    def figure(self, key: str, written: Any) -> None:
        """Compare a figure with the written number or bound."""
        found = self.costs.parameters if key == "parameters" else self.costs.macs
        wanted = self.value(written, (key,))
        whole = isinstance(wanted, int) and not isinstance(wanted, bool)
        match = BOUND.fullmatch(str(wanted)) if whole or isinstance(wanted, str) else None
        if match is None:
            help = f'write a number, or a bound: `{key}: "<= 1.5M"`'
            self.refuse("NG201", f"`{key}` should be a number or a bound", (key,), help)
        sign, digits, unit = match.groups()
        bound = float(digits) * _UNITS[unit]
        if not _HOLDS[sign or "=="](found, bound):
            what = "multiply-adds for one sample" if key == "macs" else "parameters"
            message = (
                f"the network has {found:,} {what}, but `{printable(str(wanted))}` is expected"
            )
            self.refuse("NG212", message, (key,))

    def outputs(self, written: Any) -> None:
        """Compare the outputs with a written shape, or with a mapping from outputs to shapes."""
        named = dict(self._named())
        if not isinstance(written, dict):
            if len(self.graph.outputs) > 1:
                help = f"write a mapping: {', '.join(f'`{name}`' for name in named)}"
                self.refuse("NG201", "there are several outputs", ("output",), help)
            self.shape(written, next(iter(named.values())), ("output",))
            return
        for name, shape in written.items():
            if name not in named:
                message = f"`{printable(name)}` is no output"
                self.refuse("NG204", message, ("output", name), closest(name, named), key=True)
            self.shape(shape, named[name], ("output", name))

    def _named(self) -> Iterator[tuple[str, TensorType]]:
        """The outputs' types by their names in the spec."""
        written = self.reading.document.outputs
        texts = iter(written if isinstance(written, list) else ())
        for place, (key, ref) in enumerate(self.graph.outputs):
            name = key if key is not None else str(place)
            if ref.port.startswith(f"{ALL}."):  # one of a list: `m.all.0`
                name = f"{self.graph.nodes[ref.node - len(self.graph.inputs)].name}.{ref.port}"
            elif key is None and isinstance(written, list):
                listed = ref.port == ALL
                name = next(text for text in texts if listed or not text.endswith(f".{ALL}"))
            yield name, self.graph.type_of(ref)

    def shape(self, written: Any, found: TensorType, path: SpecPath) -> None:
        """Compare one output's shape; the batch counts only if ``N`` is written."""
        if not isinstance(written, list):
            self.refuse("NG201", "`output` should be a shape: a list of numbers and names", path)
        wanted = [self.value(size, (*path, place)) for place, size in enumerate(written)]
        sizes: Sequence[Size] = found.shape
        if "N" not in wanted:
            sizes = [size for place, size in enumerate(sizes) if place != found.batch]
        agree = len(wanted) == len(sizes) and all(map(_agrees, wanted, sizes))
        if not agree:
            message = f"the output is {shown_shape(sizes)}, but `{_listed(wanted)}` is expected"
            self.refuse("NG212", message, path)


def _agrees(wanted: Any, size: Size) -> bool:
    return wanted == code(size) if isinstance(wanted, str) else wanted == int(size)


def _listed(sizes: Sequence[Any]) -> str:
    return printable(f"[{', '.join(map(str, sizes))}]")
