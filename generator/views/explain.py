"""`netgen explain`: why the numbers of a layer are what they are, back to the network's input."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby

from ..analysis.derivation import Derivation, Derived, derive_call
from ..analysis.prediction import Prediction
from ..diagnostics.diagnostics import Diagnostic, NetgenError, SpecPath, printable
from ..ir.graph import Placeholder
from ..ir.trace import BATCHES, Value, blocks_around, call_names, traced, value_names
from ..layers.base import Nested
from ..symbolic.algebra import INDEX
from ..symbolic.hints import closest
from ..symbolic.sizes import plain, symbols_in
from .arithmetic import Rows, columns, sizes, titled, weights
from .explain_parameter import explain_parameter, parameter_of
from .outline import shown_type, shown_value


def explain(found: Prediction, name: str) -> str:
    """The arguments, sizes and weights of a layer, block or container, and where they come from.

    Of a parameter, what reads it. Raises `NetgenError` if there is none of this name.
    """
    explained = Explained(found)
    parameter = parameter_of(found, name)
    if parameter is not None and name not in explained.names:
        return "\n".join([*explain_parameter(found, parameter), ""])
    return "\n".join([*explained.lines(explained.number(name)), ""])


class Explained:
    """A network's trace, with the origin of each of its values."""

    def __init__(self, found: Prediction) -> None:
        self.source, self.graph = found.source, found.graph
        self.sizes = {**self.graph.sizes, "N": BATCHES[0]}
        self.trace = traced(self.graph, self.sizes)
        self.names = call_names(self.trace)
        self.blocks = blocks_around(self.trace)
        self.derivations: dict[int, Derivation] = {}
        self.values = value_names(self.graph, self.trace, self.names)
        self.used: dict[tuple[int | None, str], None] = {}  # names in expressions shown, by scope

    def lines(self, number: int) -> Iterator[str]:
        """The explanation of a call, in lines."""
        self.used.clear()
        call = self.trace.calls[number]
        kind = call.node.row.name if call.node.row is not None else call.node.kind
        yield f"{self.names[number]}: {kind}, {self.source.locate(call.node.path, key=True)}"
        reads = [(self.name_of(x), shown_type(x)) for x in call.inputs]
        several = len(call.outputs) > 1
        gives = [(port if several else "", shown_type(x)) for port, x in call.outputs.items()]
        yield from columns(
            [*(("reads", *row) for row in reads), *(("gives", *row) for row in gives)]
        )
        wanted = [(x, dim) for x in call.outputs.values() for dim in range(x.rank)]
        if call.layer is None:
            yield from titled("arguments", self.block_arguments(number))
        elif call.layer.imported:
            yield f"its shapes are what `{call.layer.imported}` gives"
        else:
            found = self.derivation(number)
            yield from titled("arguments", self.arguments(number, found))
            yield from titled("sizes", sizes(call, found))
            yield from titled("weights", weights(found))
            told = [*found.inferred.values(), *found.outputs.values()]
            told += [shape for _, shape in found.weights]
            wanted = [(call.inputs[p], d) for shape in told for x in shape for p, d in x.reads]
        yield from titled("back to the input", self.origins(wanted))
        yield from titled("names", self.meanings())
        yield from self.footnote()

    def number(self, name: str) -> int:
        """The number of the call with this name; raises `NetgenError` if there is none."""
        if name in self.names:
            return self.names.index(name)
        given = next((x.type.text for x in self.graph.inputs if x.name == name), None)
        if given is not None:
            alone = isinstance(self.source.values, dict) and "input" in self.source.values
            where = self.source.locate(("input",) if alone else ("inputs", name), key=True)
            message = f"`{name}` is an input: the spec itself gives its shape, {given}"
            cure = "name a layer that reads it"
            raise NetgenError(Diagnostic("NG204", message, where, help=cure))
        message = f"the network has no layer and no parameter `{printable(name)}`"
        names = [*(known for known in self.names if known), *(x.name for x in self.graph.params)]
        longer = next((known for known in names if name and known.endswith(f".{name}")), None)
        help = f"did you mean `{longer}`?" if longer else closest(name, names)
        help = help or "`netgen show` lists the layers"
        where = self.source.locate(("layers",), key=True)
        raise NetgenError(Diagnostic("NG204", message, where, help=help))

    def name_of(self, x: Value) -> str:
        """The name of the input or call that gives a value."""
        name = self.values[x.number]
        return f"the input {name}" if self.trace.makers[x.number] is None else name

    def derivation(self, number: int) -> Derivation:
        if number not in self.derivations:
            self.derivations[number] = derive_call(self.trace.calls[number])
        return self.derivations[number]

    def line(self, path: SpecPath) -> str:
        return self.source.line(path)

    # the explanation of one call

    def arguments(self, number: int, found: Derivation) -> Rows:
        """Each argument with its value, and where that comes from: a line, inference, a default."""
        rows: Rows = []
        node = self.trace.calls[number].node
        for name, value in node.args.items():
            if value is None and node.row is not None and node.row.axes:
                continue  # an axis whose size is not given
            why = "default"
            if name in found.inferred:
                why = f"inferred: {', '.join(x.formula for x in found.inferred[name])}"
            elif name in node.places:
                why = f"{self.line(node.places[name])}{self.expression(value, number)}"
            rows.append((name, shown_value(plain(value)), why))
            inner = value.args.items() if isinstance(value, Nested) else ()
            for key, part in inner:
                told = self.expression(part, number).removeprefix(" ")
                rows.append((f"{name}.{key}", shown_value(plain(part)), told))
        for way in node.row.parametrized if node.row is not None else ():
            line = self.line((*node.path, "parametrize"))
            rows.append((way.weight, way.source("..."), f"{line} (`parametrize`)"))
        return rows

    def block_arguments(self, number: int) -> Rows:
        """The values of a block's parameters in this use."""
        use = self.trace.calls[number].node.use
        names = [parameter.name for parameter in use.graph.params] if use is not None else []
        return [(name, *self.meaning(name, number)) for name in names]

    # names

    def expression(self, value: object, number: int) -> str:
        """The expression of a value in the scope of a call, as `` = text``; empty if it has none.

        Its names are noted in `used`.
        """
        names = {symbol.name for symbol in symbols_in(value)}
        text = _code(value)
        if not (names and text):
            return ""
        scope = self.blocks[number]
        # each call in a loop has its own number
        self.used |= {(number if name == INDEX else scope, name): None for name in sorted(names)}
        return f" = {text}"

    def meanings(self) -> Rows:
        """The values of all names in expressions shown, and of the names in their expressions."""
        rows: Rows = []
        told = 0
        while told < len(self.used):  # the expression of a name may hold further names
            scope, name = list(self.used)[told]
            told += 1
            label = name if scope is None else f"{name} of {self.names[scope]}"
            rows.append((label, *self.meaning(name, scope)))
        return rows

    def meaning(self, name: str, scope: int | None) -> tuple[str, str]:
        """The value of a name in a scope, and where it comes from."""
        if name == INDEX and scope is not None:
            return shown_value(self.trace.calls[scope].copy), "the number of the copy"
        if scope is None:
            value = self.graph.values.get(name, self.sizes.get(name))
            place = next(
                (p for p in ("params", "sizes") if name in self.source.values.get(p, {})), "layers"
            )
            return shown_value(value), self.line((place, name))
        use = self.trace.calls[scope].node.use
        assert use is not None
        value = shown_value(use.graph.values.get(name))
        if name in use.given:
            return value, f"{self.line(use.path)}{self.expression(use.given[name], scope)}"
        declared = name in {p.name for p in use.graph.params}
        return (
            value,
            f"{self.line(('blocks', use.block, 'params', name))}" if declared else "inferred",
        )

    # back to the inputs

    def origins(self, wanted: Sequence[tuple[Value, int]]) -> Rows:
        """The origins of sizes: a row for each layer that computes one, inputs at the end."""
        waiting, seen = deque(wanted), set()
        rows: dict[tuple[str, ...], bool] = {}  # whether the size is the one before
        last: dict[tuple[str, ...], bool] = {}
        while waiting:
            x, dim = waiting.popleft()
            if (x.number, dim) in seen or dim == x.batch:
                continue
            seen.add((x.number, dim))
            maker = self.trace.makers[x.number]
            if maker is None:
                last[self.written(self.graph.inputs[x.number], dim)] = False
                continue
            number, call = maker.call, self.trace.calls[maker.call]
            if call.layer is None or call.layer.imported:
                own = (str(int(x.shape[dim])), "as its class gives it", self.name_of(x))
                rows[own] = False
                continue
            size = self.derivation(number).outputs[maker.port][dim]
            before = [(call.inputs[place], d) for place, d in size.reads]
            if size.kept:
                waiting.extendleft(before)
                continue
            waiting.extend(before)
            same = [int(x.shape[dim]) for x, dim in before] == [size.value]
            rows[self.worked_out(number, size)] = same
        return [*_shortened(rows), *last]

    def worked_out(self, number: int, size: Derived) -> tuple[str, ...]:
        """The row for a size that a layer gives, with its arithmetic in numbers."""
        node = self.trace.calls[number].node
        where = f"{self.names[number]}, {self.line(node.path)}"
        if size.numbers != str(size.value):
            return (str(size.value), f"= {size.numbers}", where)
        name, _, place = size.formula.rstrip("]").partition("[")
        value = node.args.get(name)
        value = value[int(place)] if place and isinstance(value, (tuple, list)) else value
        expression = self.expression(value, number)
        told = f" = {size.formula}" if expression != f" = {size.formula}" else ""
        return (str(size.value), f"{told}{expression}".strip(), where)

    def written(self, x: Placeholder, dim: int) -> tuple[str, ...]:
        """The row for a size of an input, as the spec writes it."""
        values = self.source.values
        path: SpecPath = ("inputs", x.name) if "inputs" in values else ("input",)
        shape = values["inputs"][x.name] if "inputs" in values else values["input"]
        shape = shape["shape"] if isinstance(shape, Mapping) else shape
        size = shape[dim - (x.type.rank - len(shape))]
        value = self.sizes.get(str(size), int(x.type.shape[dim]))
        told = "" if size == value else f"= {printable(str(size))}"
        return (str(value), told, f"the input {x.name}, {self.line(path)}")

    def footnote(self) -> Iterator[str]:
        known = ", ".join(f"{name} = {size}" for name, size in self.sizes.items())
        if len(self.sizes) > 1:
            yield f"worked out for {known}"


def _shortened(rows: Mapping[tuple[str, ...], bool]) -> Iterator[tuple[str, ...]]:
    """The rows, with runs of four or more that keep the size they read shortened to three."""
    for same, group in groupby(rows, key=lambda row: (rows[row], row[0])):
        members = list(group)
        if not same[0] or len(members) < 4:
            yield from members
        else:
            yield members[0]
            yield (members[0][0], f"the same in {len(members) - 2} more", "")
            yield members[-1]


def _code(value: object) -> str:
    """The expression of a value, empty if it has none; of a list, a list of expressions."""
    if isinstance(value, (tuple, list)):
        return f"[{', '.join(_code(item) or shown_value(item) for item in value)}]"
    return str(getattr(value, "code", ""))
