"""Merging the graphs of all uses of a block: attributes and calls that are right in every use."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace

from ..diagnostics.diagnostics import Diagnostic, NetgenError
from ..ir.graph import Choice, Graph, Module, Node, Ref
from ..ir.substitute import rebind
from ..layers.base import Layer, arguments, is_default
from ..layers.kinds import LIST
from ..layers.tensor import TensorType
from ..lower.parameters import bare
from ..spec.source import Source
from ..symbolic.algebra import Symbols
from ..symbolic.buffers import Table
from ..symbolic.literals import literal
from ..symbolic.names import MODULE_NAMES, is_identifier, why_no_variable
from ..symbolic.provenance import named
from ..symbolic.sizes import Coded, Dim, exact, plain, symbols_in
from .attributes import Attributes
from .common_value import Case, Chooser, Group, Inexpressible
from .counterparts import argument_of, counterpart, keyed, merged_order

_BRACES, _WORD = re.compile(r"{(.*?)}"), re.compile(r"[A-Za-z_]\w*")
_LENGTH = re.compile(r"\blen\((\w+)\)")
OTHER_READS = "does not read the same in all uses of the block"
Modules = list[tuple[Case, Module]]


class Merge(Struct):
    """The graphs of a block's uses, or of the network alone, and the state of merging them.

    `rows` are the classes that exist already. `extras` are arguments for values that no expression
    gives: for each its value in every use, in the user's terms. `attributes` are the values that
    ``forward`` needs, `types` the parameters that name a type of layer. A `closed` class (the
    network's) gets no extra arguments. Its methods raise `NetgenError` where no one class can serve
    all uses.
    """

    graphs: Sequence[Graph]
    cases: Sequence[Case]
    chooser: Chooser
    rows: Mapping[str, Layer]
    source: Source
    attributes: Attributes
    extras: dict[str, dict[int, Any]] = field(default_factory=dict)
    types: set[str] = field(default_factory=set)
    closed: bool = False
    hints: dict[str, str] = field(default_factory=dict)  # of parameters that are one of few words
    lists: set[str] = field(default_factory=set)  # parameters that are lists of any length

    def modules(self) -> tuple[Module, ...]:
        """The attributes of the class, merged over all uses."""
        children = [
            (case, graph.modules) for case, graph in zip(self.cases, self.graphs, strict=True)
        ]
        key = None if self.graphs[0].sequential else (lambda module: module.name)
        return self.children(children, key)

    def children(self, lists: Any, key: Any) -> tuple[Module, ...]:
        """The children of one container, each merged with its counterparts in the other uses.

        `lists` has the children of every use, `key` says by what counterparts are found.
        """
        tables = [(case, keyed(modules, key)) for case, modules in lists]
        nameless = [{m.path: m for m in modules if key and not key(m)} for _, modules in lists]
        found = []
        for place in merged_order([list(table) for _, table in tables]):
            path = next(table[place].path for _, table in tables if place in table)
            group = [
                (case, table[place] if place in table else absent[path])
                for (case, table), absent in zip(tables, nameless, strict=True)
                if place in table or path in absent
            ]
            if len(group) < len(tables) and not all(module.absent for _, module in group):
                self.refuse(group[0][1], "is there in some uses of the block only")
            module = self.module(group)
            if module is not None:
                found.append(module)
        return tuple(found)

    def module(self, group: Modules) -> Module | None:
        """One attribute or child merged over all uses; ``None`` if it is absent in all of them."""
        if all(module.absent for _, module in group):
            group = [(case, module.would or module) for case, module in group]
        there = [(case, module) for case, module in group if not module.absent]
        if not there:
            return None
        first = next((m for _, m in there if m.children), there[0][1])
        shapes = {(m.kind, m.label, m.start if m.children else first.start) for _, m in there}
        if len(shapes) > 1:
            self.refuse(first, "is a loop in some uses of the block only")
        # parameters in the names of copies must be arguments
        words = {word for part in _BRACES.findall(first.label) for word in _WORD.findall(part)}
        self.chooser.used |= words & self.chooser.allowed
        condition = None
        if any(module.condition is not None for _, module in there):
            condition = self.value(first, "condition", [(c, m.condition) for c, m in group])
        if first.kind == "layer":
            return replace(self.layer(there), condition=condition)
        if first.kind == "copies":
            loop = self.copies(there)
            return None if loop is None else replace(loop, condition=condition)
        lists = [(case, module.children) for case, module in there]
        key = (lambda m: m.name) if first.kind == "ModuleDict" else None
        return replace(first, children=self.children(lists, key), condition=condition)

    def copies(self, group: Modules) -> Module | None:
        """A loop merged over all uses: its count, and the children of each copy, one or several.

        Gives ``None`` where no copy ever has a child.
        """
        first = next((module for _, module in group if module.children), group[0][1])
        inner = [
            [
                (case.copy(module.start + number), child)
                for case, module in group
                for number, child in enumerate(module.children[place :: first.each])
            ]
            for place in range(first.each)
        ]
        found = [*filter(None, (self.module(copies) for copies in inner if copies))]
        if not found:
            return None
        count = self.value(first, "count", [(case, module.count) for case, module in group])
        self.lists |= {*_LENGTH.findall(literal(count))} & self.chooser.allowed
        # in a `Group` of one layer, the layer has the name
        label = first.label or (found[0].label if len(found) == 1 else "")
        return replace(first, count=count, children=tuple(found), label=label)

    def layer(self, group: Modules) -> Module:
        """A layer or block merged over all uses, with arguments that are right in each."""
        first = group[0][1]
        callee = first.callee
        if callee is not None:
            callee = self.value(first, "type", [(c, m.callee) for c, m in group])
            self.types |= {symbol.name for symbol in symbols_in(callee)}
        elif len({m.row.name for _, m in group if m.row}) > 1:
            self.refuse(first, "is not of one type in all uses of the block")
        if first.use is not None:
            return self.block(group, callee)
        assert first.row is not None
        row = self.common_row(first, [module for _, module in group])
        args = {}
        for place, arg in enumerate(row.args):
            values = [(case, argument_of(module, arg, place)) for case, module in group]
            merge = self.same if arg.code else self.value
            value = args[arg.name] = merge(first, arg.name, values)
            if arg.kind.annotation.startswith("Literal") and isinstance(value, Coded):
                self.hints |= {s.name: arg.kind.annotation for s in value.symbols}
        if row.source and len({_element_type(module) for _, module in group}) > 1:
            help = "write its `dtype`"
            self.refuse(first, "has another element type in other uses of the block", help)
        return replace(first, row=row, args=args, callee=callee)

    def common_row(self, first: Module, modules: Sequence[Module]) -> Layer:
        """The type of all modules, or one with the arguments that all their types have."""
        rows = list({module.row.name: module.row for module in modules if module.row}.values())
        if len(rows) == 1:
            return rows[0]
        shared = []
        for place, arg in enumerate(rows[0].args):
            if all(counterpart(row, arg, place) is not None for row in rows):
                shared.append(arg)
        for module in modules:
            known = [counterpart(module.row, own, at) for at, own in enumerate(shared)]
            for arg in module.row.args if module.row else ():
                if arg not in known and not is_default(arg, (module.args or {})[arg.name]):
                    self.refuse(first, f"can't give `{arg.name}` to all types that it may be")
        return replace(rows[0], args=tuple(shared))

    def block(self, group: Modules, callee: Any) -> Module:
        """The use of another block, merged over all uses of this one: a call of its class."""
        first = group[0][1]
        assert first.use is not None
        row = self.rows[first.use.block]
        args: dict[str, Any] = {}
        for arg in row.args:
            values = [
                (c, m.use.call[arg.name]) for c, m in group if m.use and arg.name in m.use.call
            ]
            if not values:
                args[arg.name] = arg.default
                continue
            value = args[arg.name] = self.value(first, arg.name, values)
            if arg.kind is LIST and isinstance(value, Coded):
                self.lists |= {value.code} & self.chooser.allowed
            if arg.names_type:
                args[arg.name] = self.type_value(args[arg.name])
        return replace(first, row=row, args=args, use=None, callee=callee)

    def type_value(self, value: Any) -> Any:
        """A type of layer as an argument: a class, or a parameter whose value is a class."""
        if symbols_in(value):
            self.types |= {symbol.name for symbol in symbols_in(value)}
            return value
        from .type_names import type_code

        return type_code(plain(value), self.rows)

    def value(self, module: Module | Node, name: str, group: Group) -> Any:
        """A value that is right in all uses: an expression, or one more argument of the class."""
        try:
            return self.chooser.choose(group)
        except Inexpressible:
            if isinstance(group[0][1], Table):
                return self.table(module, group)
            return self.extra(module, name, group)

    def same(self, module: Module | Node, name: str, group: Group) -> Any:
        """A value that no argument can give: it must be the same in all uses."""
        found = {plain(value) for _, value in group}
        if len(found) > 1:
            help = "write a block for each value"
            self.refuse(module, f"has another `{name}` in other uses of the block", help)
        return found.pop()

    def table(self, module: Module | Node, group: Group) -> Table:
        """A buffer's value, with one more argument for each size that no argument gives."""
        first, *others = [value.with_numbers(c.own, c.constant) for c, value in group]
        if any(other.code != first.code for other in others):
            self.refuse(module, "has a `value` that is not the same expression in all uses")
        allowed = self.chooser.allowed
        hidden = [symbol.name for symbol in first.symbols if symbol.name not in allowed]
        given = {n: self.extra(module, n, [(c, c.own[n]) for c, _ in group]) for n in hidden}
        found: Table = first.in_terms(given)
        self.chooser.note(found)
        return found

    def extra(self, module: Module | Node, name: str, group: Group) -> Any:
        """One more argument of the class, for a value that no expression gives.

        Refused for the network, and where the value differs between copies of a loop.
        """
        if self.closed:
            self.refuse(module, f"needs a `{name}` that is known only at run time")
        given: dict[int, Any] = {}
        for case, value in group:
            outer = rebind(value, case.outer)
            if exact(given.setdefault(case.number, outer)) != exact(outer):
                self.refuse(module, f"has a `{name}` that differs from copy to copy without a rule")
        for known, values in self.extras.items():
            if {k: exact(v) for k, v in values.items()} == {k: exact(v) for k, v in given.items()}:
                return named(known, bare(group[0][1]))
        taken = {*self.chooser.allowed, *self.cases[0].constant, *self.extras}
        label = name
        if label in taken or label in ("condition", "count", "type"):
            owner = module.name if is_identifier(module.name or "") else "layer"
            label = f"{owner}_{name}"
        while label in taken or why_no_variable(label):
            label += "_"
        self.extras[label] = given
        self.chooser.used.add(label)
        return named(label, bare(group[0][1]))

    def cure(self, group: list[tuple[Case, Node]]) -> str:
        """The help for a call that reads different tensors in a way that is no `Choice`."""
        there = [node for _, node in group if node.kind != "absent"]
        if len({node.named for node in there}) > 1:
            return "give the block an input for what varies, and choose where it is used"
        if "branches" in there[0].path:
            return 'write `from: $("left" if first else "right")` in each branch, not in the merge'
        return 'write `from: $("left" if first else "right")`, with a parameter that says which'

    def refuse(self, module: Module | Node, reason: str, help: str | None = None) -> None:
        """Raise `NetgenError` for a layer that no one class can hold for all uses of the block."""
        words = [step for step in module.path if isinstance(step, str)]
        type_ = module.row.name if module.row is not None else words[-1]
        location = self.source.locate(module.path, key=True)
        message = f"`{module.name or type_}` {reason}"
        raise NetgenError(Diagnostic("NG210", message, location, help=help))

    def with_types(self, modules: Sequence[Module]) -> tuple[Module, ...]:
        """The modules with `typed` applied to their values."""
        return tuple(
            replace(
                module,
                condition=self.typed(module.condition),
                args=module.args and {name: self.typed(v) for name, v in module.args.items()},
                count=self.typed(module.count),
                children=self.with_types(module.children),
            )
            for module in modules
        )

    def typed(self, value: Any) -> Any:
        """The value with parameters that name a type compared with types instead of words."""
        if isinstance(value, (tuple, list)):
            return type(value)(map(self.typed, value))
        if not isinstance(value, (Coded, Dim)) or not {s.name for s in value.symbols} & self.types:
            return value
        from .type_names import with_types

        code = with_types(value.code, self.types, self.rows)
        if isinstance(value, Dim):
            return value if code == value.code else Dim.opaque(code, int(value), value.symbols)
        return replace(value, code=code)

    # the calls of `forward`

    def nodes(self, modules: Sequence[Module]) -> tuple[Node, ...]:
        """The calls of ``forward``, merged over all uses; `modules` are the merged attributes."""
        rows = [graph.nodes for graph in self.graphs]
        lengths = {len(row) for row in rows}
        if len(lengths) > 1:
            self.refuse(
                max(rows, key=lambda row: len(row))[0],
                "is repeated differently: give it a `name`",
            )
        return tuple(
            self.node([*zip(self.cases, nodes, strict=True)], modules)
            for nodes in zip(*rows, strict=True)
        )

    def node(self, group: list[tuple[Case, Node]], modules: Sequence[Module]) -> Node:
        """One call merged over all uses."""
        if all(node.kind == "absent" for _, node in group):
            group = [(case, node.would or node) for case, node in group]
        there = [(case, node) for case, node in group if node.kind != "absent"]
        if not there:
            return group[0][1]
        first = there[0][1]
        choices = self.choices(first, group)
        args = dict(first.args)
        known = first.row.args if first.functional and first.row is not None else ()
        options = first.row.options if first.row is not None else ()
        for arg in (*known, *options):
            values = [(case, node.args[arg.name]) for case, node in there]
            merge = self.same if arg.code else self.forward_value
            args[arg.name] = merge(first, arg.name, values)
        conditions = [(case, node.condition) for case, node in group]
        test, condition = "", None
        if any(value is not None for _, value in conditions):
            condition = self.value(first, "condition", conditions)
            module = next((m for m in modules if m.name == first.target), None)
            test = self.attributes.test(first, condition, module)
        outputs = {
            port: self.type([(case, node.outputs.get(port, node.output)) for case, node in group])
            for port in first.outputs
        }
        return replace(
            first, args=args, outputs=outputs, condition=condition, test=test, choices=choices
        )

    def choices(self, first: Node, group: list[tuple[Case, Node]]) -> tuple[Choice, ...]:
        """The inputs of a call that depend on arguments; all others must be equal in all uses."""
        there = [node for _, node in group if node.kind != "absent"]
        chosen = {choice.place for node in there for choice in node.choices}
        fixed = {
            (tuple(ref for i, ref in enumerate(node.inputs) if i not in chosen), node.named)
            for node in there
        }
        if len(fixed) > 1 or len({len(node.inputs) for node in there}) > 1:
            self.refuse(first, OTHER_READS, self.cure(group))
        passed = {node.otherwise for _, node in group}
        if chosen and len(passed) > 1 and len(first.inputs) > 1:
            self.refuse(first, OTHER_READS, self.cure(group))
        return tuple(self.choice(first, place, group) for place in sorted(chosen))

    def choice(self, first: Node, place: int, group: list[tuple[Case, Node]]) -> Choice:
        """The choice for one input of a call, merged over all uses."""
        found = [(c, choice) for c, node in group for choice in node.choices]
        found = [(case, choice) for case, choice in found if choice.place == place]
        refs = {word: ref for _, choice in found for word, ref in choice.refs.items()}
        known = [choice for _, choice in found]
        alike = all(choice.refs.items() <= refs.items() for choice in known)
        if len(found) < len(group) or not alike or not self.makes(refs, known):
            self.refuse(first, OTHER_READS, self.cure(group))
        from .picks import picked

        value = self.value(first, "source", [(case, choice.value) for case, choice in found])
        return Choice(place, value, refs, picked(self.attributes.asked, value, refs))

    def makes(self, refs: Mapping[str, Ref], known: Sequence[Choice]) -> bool:
        """Whether every use computes all tensors that some use may choose."""
        if all(choice.refs == refs for choice in known):
            return True
        inputs = len(self.graphs[0].inputs)
        needed = {ref.node - inputs for ref in refs.values() if ref.node >= inputs}
        return all(needed <= graph.live() for graph in self.graphs)

    def type(self, group: list[tuple[Case, TensorType]]) -> TensorType:
        """The type that a call gives in all uses; a size without one common expression is `_`."""
        first = group[0][1]
        if len(group) == 1 and not group[0][0].constant:
            return first
        shape = []
        for place, size in enumerate(first.shape):
            sizes = [(case, case.normal(x.shape[place])) for case, x in group if x.rank > place]
            alike = len({exact(known) for _, known in sizes}) == 1
            shape.append(sizes[0][1] if alike else Dim.opaque("_", int(size), Symbols()))
        return replace(first, shape=tuple(shape))

    def forward_value(self, node: Node, name: str, group: Group) -> Any:
        """An argument of a call in ``forward``, where constructor arguments are attributes."""
        try:
            value = self.chooser.choose(group, forward=True)
        except Inexpressible:
            value = self.extra(node, name, group)
        return self.typed(self.attributes.read(value))


def merge_of(
    graphs: Sequence[Graph],
    cases: Sequence[Case],
    allowed: frozenset[str],
    rows: Mapping[str, Layer],
    source: Source,
) -> Merge:
    """A new `Merge` of these graphs; names in `allowed` may be arguments."""
    layers = frozenset(module.name for graph in graphs for module in graph.modules)
    attributes = Attributes(cases[0].own, layers | MODULE_NAMES)
    return Merge(graphs, cases, Chooser(allowed), rows, source, attributes)


def _element_type(module: Module) -> str:
    """The element type of a `Parameter` or `Buffer`."""
    assert module.row is not None
    found = module.row.rule(arguments(module.args or {}))
    assert isinstance(found, TensorType)
    return found.dtype
