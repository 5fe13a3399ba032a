"""The graphs of all uses of a block merged into one: modules and calls that are right in each.

The uses are laid side by side. `counterparts` says which of their parts correspond, a part is
merged value by value, and `Values` says what a value is in all uses.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Mapping, Sequence
from typing import Any, NoReturn

from msgspec.structs import replace

from ..diagnostics.diagnostics import Diagnostic, NetgenError
from ..ir.graph import Choice, Graph, Module, Node, Ref
from ..layers.base import REQUIRED, Arg, Layer, arguments, is_default
from ..layers.tensor import TensorType
from ..lower.type_words import types_taken
from ..spec.source import Source
from ..symbolic.algebra import Symbols
from ..symbolic.names import MODULE_NAMES
from ..symbolic.sizes import PLAIN, Dim, exact, plain, symbols_in
from ..symbolic.tree import Expression
from .attributes import Attributes
from .common_value import Case, Expressions, Group
from .counterparts import (
    Parts,
    Types,
    counterparts,
    foreseen,
    form_of,
    read_ports,
    shared_arguments,
)
from .values import Values

_BRACES, _WORD = r"{(.*?)}", r"[A-Za-z_]\w*"
Modules = Parts[Module]
Nodes = Parts[Node]
Outputs = tuple[tuple[str | None, Ref], ...]
Given = Mapping[str, Any]  # the arguments of a layer by name
Applied = Sequence[tuple[Case, Layer, Given]]  # the layers of all uses
Each = Callable[[Module | Node, Arg, Group], Any]  # merges the values of one argument


class Merge:
    """The graphs of a block's uses, or of the network alone, and the values of their class.

    Names in `allowed` may be arguments; `rows` are the classes that exist already. `names` are
    taken in addition to those of attributes. A `closed` class, the network's, gets no other
    arguments. Methods raise `NetgenError` where no one class can serve all uses.
    """

    def __init__(
        self,
        graphs: Sequence[Graph],
        cases: Sequence[Case],
        allowed: frozenset[str],
        rows: Mapping[str, Layer],
        source: Source,
        names: frozenset[str],
        *,
        closed: bool = False,
    ) -> None:
        taken = MODULE_NAMES.union(module.name for graph in graphs for module in graph.modules)
        taken |= names
        attributes = Attributes(cases[0].own, taken)
        self.graphs = graphs
        self.cases = cases
        known = {
            name: {arg.name for arg in row.args if arg.names_type} for name, row in rows.items()
        }
        types = () if closed else {name for graph in graphs for name in types_taken(graph, known)}
        self.values = Values(
            Expressions(allowed), attributes, rows, source, closed, frozenset(types)
        )

    def graph(self) -> Graph:
        """The one graph for all uses: the attributes of the class, and the calls of ``forward``."""
        first, typed = self.graphs[0], self.values.typed
        found = [(case, graph.modules) for case, graph in zip(self.cases, self.graphs, strict=True)]
        modules = self.children(found, by_name=not first.sequential)
        nodes, outputs = self.nodes(modules), self.outputs()
        modules, kept = typed(modules), typed(self.values.attributes.kept)  # all types are known
        return replace(
            first, modules=modules, nodes=nodes, outputs=outputs, keeps=tuple(kept.items())
        )

    # the attributes of the class

    def children(
        self, containers: Sequence[tuple[Case, Sequence[Module]]], *, by_name: bool
    ) -> tuple[Module, ...]:
        """The children of one container, each merged with its counterparts in the other uses."""
        found = []
        for group in counterparts(containers, by_name=by_name):
            if len(group) < len(containers) and not all(module.absent for _, module in group):
                self.values.refuse(group[0][1], "is there in some uses of the block only")
            found.append(self.module(group))
        return tuple(filter(None, found))

    def module(self, group: Modules) -> Module | None:
        """One attribute or child merged over all uses; ``None`` if it is absent in all of them."""
        only = group[0][1] if len(group) == 1 else None
        if only is not None and only.row is not None and _is_plain(only.node, only.row.args):
            return only
        group = foreseen(group)
        there = [(case, module) for case, module in group if not module.absent]
        if not there:
            return None
        if all(_is_bare(module) for _, module in there):  # absent ones show what there may be
            there += [(case, module.would) for case, module in group if module.would is not None]
        first = next((m for _, m in there if m.children), there[0][1])
        starts = {m.node.start for _, m in there if m.children or m is first}
        if len(starts) > 1 or len({(m.node.kind, m.node.label) for _, m in there}) > 1:
            self.values.refuse(first, "is a loop in some uses of the block only")
        # parameters in the names of copies must be arguments
        if first.node.label:
            parts = re.findall(_BRACES, first.node.label)
            words = {word for part in parts for word in re.findall(_WORD, part)}
            self.values.expressions.used |= words & self.values.expressions.allowed
        condition = self.condition(first, group)
        if condition is False:
            return None
        merged: Module | None
        if first.node.kind == "layer":
            merged = self.layer(there)
        elif first.node.kind == "copies":
            merged = self.copies(first, there)
        else:
            inner = [(case, module.children) for case, module in there]
            by_name = first.node.kind in ("ModuleDict", "Module")
            merged = replace(first, children=self.children(inner, by_name=by_name))
        if merged is None or (condition is None and merged.condition is None):
            return merged
        return merged.where(condition=condition)

    def copies(self, first: Module, group: Modules) -> Module | None:
        """A loop: its count, and the children of each copy, one or several.

        Gives ``None`` where no copy ever has a child.
        """
        inner = [
            [
                (case.copy(module.node.start + number), child)
                for case, module in group
                for number, child in enumerate(module.children[place :: first.node.each])
            ]
            for place in range(first.node.each)
        ]
        found = [*filter(None, (self.module(copies) for copies in inner if copies))]
        if not found:
            return None
        count = self.values.count(first, [(case, module.node.count) for case, module in group])
        # in a `Group` of one layer, the layer has the name
        label = first.node.label or (found[0].node.label if len(found) == 1 else "")
        return replace(first.where(count=count, label=label), children=tuple(found))

    def layer(self, group: Modules) -> Module:
        """A layer or a block: its type, and its arguments."""
        first = group[0][1]
        uses = [(case, *self.applied(module)) for case, module in group]
        types = {row.name: row.args for _, row, _ in uses}
        callee = first.node.callee
        if callee is not None:
            callees = [(case, module.node.callee) for case, module in group]
            callee = self.values.type(first, "type", callees)
        elif len(types) > 1:
            self.values.refuse(first, "is not of one type in all uses of the block")
        if len({row.parametrized for _, row, _ in uses}) > 1:
            reason = "is not parametrized alike in all uses of the block"
            self.values.refuse(first, reason, "write a block for each way")
        known, args = self.arguments(first, types, uses, self.values.argument)
        row = uses[0][1] if len(types) == 1 else replace(uses[0][1], args=tuple(known))
        if row.source and len({_element_type(row, given) for _, _, given in uses}) > 1:
            reason = "has another element type in other uses of the block"
            self.values.refuse(first, reason, "write its `dtype`")
        return first.where(row=row, args=args, use=None, callee=callee)

    def applied(self, module: Module) -> tuple[Layer, Given]:
        """A layer's type, or a block's class, with the arguments that it is given."""
        if module.node.use is not None:
            return self.values.rows[module.node.use.block], module.node.use.call
        assert module.row is not None
        return module.row, module.node.args

    def arguments(
        self, first: Module | Node, types: Types, uses: Applied, merge: Each
    ) -> tuple[list[Arg], dict[str, Any]]:
        """The arguments of a layer or call, and their values, each merged by `merge`.

        Where it is one of several types, the arguments are those that all types have.
        """
        if len(types) > 1:
            return self.shared_arguments(first, types, uses, merge)
        known = [*next(iter(types.values()), ())]
        args = {}
        for arg in known:
            group = [(case, given[arg.name]) for case, _, given in uses if arg.name in given]
            args[arg.name] = merge(first, arg, group) if group else arg.default
        return known, args

    def shared_arguments(
        self, first: Module | Node, types: Types, uses: Applied, merge: Each
    ) -> tuple[list[Arg], dict[str, Any]]:
        """The arguments that all of several types have, and their values."""
        shared = shared_arguments(types)
        for _, row, given in uses:
            known = [own[row.name] for own in shared]
            for arg in types[row.name]:
                if arg not in known and not is_default(arg, given.get(arg.name, arg.default)):
                    reason = f"can't give `{arg.name}` to all types that it may be"
                    self.values.refuse(first, reason)
        found, args = [], {}
        for own in shared:
            arg = next(iter(own.values()))
            group = [
                (case, given[own[row.name].name])
                for case, row, given in uses
                if own[row.name].name in given
            ]
            args[arg.name] = merge(first, arg, group) if group else arg.default
            if group and not all(is_default(arg, other.default) for other in own.values()):
                arg = replace(arg, default=REQUIRED)  # each type has another default: it is written
            found.append(replace(arg, named=False) if len(types) > 1 else arg)
        return found, args

    # the calls of `forward`

    def nodes(self, modules: Sequence[Module]) -> tuple[Node, ...]:
        """The calls of ``forward``, merged over all uses; `modules` are the merged attributes."""
        most = max((graph.nodes for graph in self.graphs), key=len)
        if any(len(graph.nodes) < len(most) for graph in self.graphs):
            self.values.refuse(most[0], "is repeated differently: give it a `name`")
        groups = [*zip(*(graph.nodes for graph in self.graphs), strict=True)]
        if len(self.graphs) > 1:
            self.check_ranks(groups)
        named = {module.name: module for module in modules}
        ports = read_ports(self.graphs) if len(self.graphs) > 1 else {}
        return tuple(
            self.node([*zip(self.cases, nodes, strict=True)], named, ports.get(place, ()))
            for place, nodes in enumerate(groups, len(self.graphs[0].inputs))
        )

    def check_ranks(self, groups: Sequence[Sequence[Node]]) -> None:
        """Refuse a pattern that reads more dimensions in some uses: its calls name dimensions."""
        for nodes in groups:
            pairs = zip(self.graphs, nodes, strict=True)
            read = [(g, n) for g, n in pairs if n.row is not None and n.row.axes and not n.absent]
            if len({graph.type_of(node.inputs[0]).rank for graph, node in read}) > 1:
                reason = "does not read as many dimensions in all uses of the block"
                self.values.refuse(nodes[0], reason, "write a block for each number")

    def node(self, group: Nodes, modules: Mapping[str, Module], ports: Container[str]) -> Node:
        """One call merged over all uses; `ports` are those of its outputs that are read."""
        case, only = group[0]
        alone = len(group) == 1 and only.row is not None and not case.constant
        if alone and _is_plain(only, _arguments_in_forward(only, only.row)):
            return only
        written, group = group, foreseen(group)
        there = [(case, node) for case, node in group if not node.absent]
        if not there:
            self.check_passed(group[0][1], written)
            return group[0][1]
        first = next((node for _, node in there if node.first_call), there[0][1])
        if len(there) < len(group) and (first.carries or first.collects):
            help = "write `when` beside its `repeat`"
            self.values.refuse(first, "is there in some uses of the block only", help)
        row, uses = first.row, [(case, n.row, n.args) for case, n in there if n.row is not None]
        types = {row.name: _arguments_in_forward(first, row) for _, row, _ in uses}
        if len(there) > 1 and len({form_of(node, ports) for _, node in there} - {None}) > 1:
            what = "of one type" if first.functional and len(types) > 1 else "called in one way"
            help = f"write a block for each {what.split()[-1]}"
            self.values.refuse(first, f"is not {what} in all uses of the block", help)
        condition = self.condition(first, group)
        if condition is False:
            self.check_passed(written[0][1], written)
            return written[0][1]
        choices = self.choices(first, group)
        if not (choices and first.inputs == (first.otherwise,)):  # else it passes what is chosen
            self.check_passed(first, written)
        known, args = self.arguments(first, types, uses, self.values.forward_argument)
        if row is not None and len(types) > 1:
            row = replace(row, options=tuple(known))
        test = ""
        if condition is not None:
            test = self.values.attributes.test(first, condition, modules.get(first.target))
        outputs = {
            port: _type([(case, node.outputs.get(port, node.output)) for case, node in group])
            for port in first.outputs
        }
        return replace(
            first,
            row=row,
            args={**first.args, **args},
            outputs=outputs,
            condition=condition,
            test=test,
            choices=choices,
        )

    def condition(self, first: Module | Node, group: Parts[Any]) -> Any:
        """The condition under which a module or a call is there.

        ``None`` if it always is, ``False`` if it is in no use.
        """
        found = [(case, part.condition) for case, part in group]
        if all(value is None for _, value in found):
            return None
        value = self.values.value(first, "condition", found)
        if symbols_in(value):
            return value
        return None if plain(value) else False

    def choices(self, first: Node, group: Nodes) -> tuple[Choice, ...]:
        """The inputs of a call that depend on arguments; all others must be equal in all uses."""
        there = [node for _, node in group if not node.absent]
        if len(group) == 1 and not group[0][1].choices:
            return ()
        chosen = {choice.place for node in there for choice in node.choices}
        fixed = {
            (tuple(None if i in chosen else ref for i, ref in enumerate(node.listed)), node.named)
            for node in there
        }
        passed = {node.otherwise for _, node in group}
        if len(fixed) > 1 or (chosen and len(passed) > 1 and len(first.inputs) > 1):
            self.refuse_reads(first, group)
        return tuple(self.choice(first, place, group) for place in sorted(chosen))

    def choice(self, first: Node, place: int, group: Nodes) -> Choice:
        """The choice for one input of a call, merged over all uses."""
        found = [(c, each) for c, node in group for each in node.choices if each.place == place]
        known = [choice for _, choice in found]
        refs = {word: ref for choice in known for word, ref in choice.refs.items()}
        alike = all(choice.refs.items() <= refs.items() for choice in known)
        if len(found) < len(group) or not alike or not self.makes(refs, known):
            self.refuse_reads(first, group)
        from .picks import picked

        value = self.values.value(first, "source", [(case, choice.value) for case, choice in found])
        return Choice(place, value, refs, picked(self.values.attributes.asked, value, refs))

    def check_passed(self, first: Node, group: Nodes) -> None:
        """Refuse a call that is absent in several uses and passes on other tensors than `first`."""
        for graph, (_, node) in zip(self.graphs, group, strict=True):
            passes, should_pass = first.otherwise, node.otherwise
            if not node.absent or passes is None or should_pass is None:
                continue
            if graph.origin(passes) != graph.origin(should_pass):
                reason = "does not pass on the same in all uses of the block where it is absent"
                item = 'Identity: {name: out, from: $("left" if first else "right")}'
                self.values.refuse(node, reason, f"choose before it: `{item}`")

    def makes(self, refs: Mapping[str, Ref], known: Sequence[Choice]) -> bool:
        """Whether every use computes all tensors that some use may choose."""
        if all(choice.refs == refs for choice in known):
            return True
        inputs = len(self.graphs[0].inputs)
        needed = {ref.node - inputs for ref in refs.values() if ref.node >= inputs}
        return all(needed <= graph.live() for graph in self.graphs)

    def refuse_reads(self, first: Node, group: Nodes) -> NoReturn:
        """Refuse a call that reads different tensors in a way that is no `Choice`."""
        there = [node for _, node in group if not node.absent]
        help = 'write `from: $("left" if first else "right")`, with a parameter that says which'
        if len({node.named for node in there}) > 1:
            help = "give the block an input for what varies, and choose where it is used"
        elif "branches" in there[0].path:
            help = 'write `from: $("left" if first else "right")` in each branch, not in the merge'
        self.values.refuse(first, "does not read the same in all uses of the block", help)

    def outputs(self) -> Outputs:
        """The outputs of the class: those of the same calls in all uses."""
        first, *others = self.graphs
        if any(graph.outputs != first.outputs for graph in others):
            location = self.values.source.locate(("blocks", first.name, "outputs"), key=True)
            message = "`outputs` does not name the same in all uses of the block"
            help = "name a layer that reads what varies: `Identity: {name: out, from: $which}`"
            raise NetgenError(Diagnostic("NG210", message, location, help=help))
        return first.outputs


def _is_bare(module: Module) -> bool:
    """Whether there is no layer in a container."""
    return module.node.kind != "layer" and all(map(_is_bare, module.children))


def _is_plain(node: Node, args: Sequence[Arg]) -> bool:
    """Whether a layer of one use stands as it is: nothing in it, or in these `args`, has a name."""
    varies = node.choices or node.use or node.body or node.would or node.label
    return (
        not varies
        and node.condition is None
        and node.callee is None
        and all(type(node.args.get(arg.name, arg.default)) in PLAIN for arg in args)
        and not any(arg.names_type for arg in args)
    )


def _arguments_in_forward(node: Node, row: Layer | None) -> Sequence[Arg]:
    """The arguments that a call has in ``forward``: all of them if it has no module."""
    if row is None:
        return ()
    return (*row.args, *row.options) if node.functional else row.options


def _element_type(row: Layer, given: Given) -> str:
    """The element type of a `Parameter` or `Buffer`."""
    found = row.rule(arguments(given))
    assert isinstance(found, TensorType)
    return found.dtype


def _type(group: Sequence[tuple[Case, TensorType]]) -> TensorType:
    """The type that a call gives in all uses; a size without one common expression is `_`."""
    first = group[0][1]
    if len(group) == 1 and not group[0][0].constant:
        return first
    shape = []
    for place, size in enumerate(first.shape):
        sizes = [(case, case.normal(x.shape[place])) for case, x in group if x.rank > place]
        alike = len({exact(known) for _, known in sizes}) == 1
        unknown = Dim.opaque(Expression.leaf("_"), int(size), Symbols())
        shape.append(sizes[0][1] if alike else unknown)
    return replace(first, shape=tuple(shape))
