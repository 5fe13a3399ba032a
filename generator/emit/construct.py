"""The `__init__` of a class: the statements that make each of its attributes."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import dropwhile, groupby, takewhile
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from ..ir.graph import Graph, Module, Parameter
from ..layers.base import Arg, Layer, Nested, is_default
from ..lower.context import INDEX
from ..lower.initial import initial_lines
from ..lower.ties import tie_lines
from ..symbolic.literals import literal
from ..symbolic.names import is_identifier
from ..symbolic.provenance import reading
from ..symbolic.sizes import Coded, symbols_in, tree_of
from ..symbolic.tree import Expression
from .parameters_and_buffers import source_lines

SHORTEST_RUN = 3  # at least so many equal children in a row become a comprehension
STEP = "    "


def init_lines(graph: Graph, own: frozenset[str]) -> list[str]:
    """The statements of ``__init__`` after ``super().__init__()``.

    `own` are the names of the file's own and imported classes.
    """
    lines = defaults(graph)
    lines += [f"self.{name} = {literal(value)}" for name, value in graph.keeps]
    identities = {node.target for node in graph.nodes if node.is_replaceable}
    maker = _maker(graph)
    for condition, run in groupby(graph.modules, key=lambda m: _condition(m)):
        modules = list(run)
        made = [line for module in modules for line in _attribute(module, maker)]
        if not condition:
            lines += made
            continue
        kept = [module.name in identities for module in modules]
        before, absent = _placeholders(modules, kept)
        lines += [*before, f"if {condition}:", *(STEP + line for line in made)]
        lines += ["else:", *(STEP + line for line in absent)] if absent else []
    return [*lines, *_afterwards(graph, own)]


def _afterwards(graph: Graph, own: frozenset[str]) -> list[str]:
    """The statements that need all modules: ties, initial weights, aliases."""
    return [*tie_lines(graph), *initial_lines(graph, own), *alias_lines(graph)]


def alias_lines(graph: Graph) -> list[str]:
    """The statements that give modules further names.

    They are the last ones: initial weights are drawn for each module under its own name.
    """
    lines = [""] if graph.aliases and graph.initial else []
    for alias in graph.aliases:
        parent, _, name = alias.name.rpartition(".")
        owner, own = _at(graph, parent), _at(graph, alias.own)
        if alias.keyed and "." in parent:
            lines.append(f"{owner}.add_module({literal(name)}, {own})")
        else:
            target = f"[{literal(name)}]" if alias.keyed else f".{name}"
            lines.append(f"{owner}{target} = {own}")
    return lines


def _at(graph: Graph, path: str) -> str:
    """The expression for the module at a path; the children of an `nn.Sequential` have no types."""
    plain = not path or (is_identifier(path) and not graph.sequential)
    return f"self.{path}".rstrip(".") if plain else f"self.get_submodule({literal(path)})"


def defaults(graph: Graph) -> list[str]:
    """The statements that compute arguments left at ``None`` from other arguments."""
    lines = []
    for parameter in arguments_of(graph):
        if parameter.code is not None:
            lines += [f"if {parameter.name} is None:", f"    {parameter.name} = {parameter.code}"]
    return lines


def sequential_lines(graph: Graph, own: frozenset[str]) -> list[str]:
    """The body of ``__init__`` of a class that is an ``nn.Sequential`` itself."""
    before, inner = _maker(graph).inner(graph.modules[0])
    made = [*defaults(graph), *before, f"super().__init__({inner})"]
    return [*made, *_afterwards(graph, own)]


def _condition(module: Module) -> str:
    return "" if module.condition is None else literal(module.condition)


def _placeholders(
    modules: Sequence[Module], identity: Sequence[bool]
) -> tuple[list[str], list[str]]:
    """The statements for conditional attributes where the condition is false.

    The first list goes before the ``if``, the second into its ``else``. `identity` says for which
    modules an ``nn.Identity()`` or an empty list stands in; the others are ``None``. ``None`` is
    not registered as a submodule, so a module after it is made in the ``else``, to keep the order
    of submodules. Parameters and buffers need no placeholder: only calls under the same condition
    read them.
    """
    before, absent = [], []
    late = False
    for module, stands_in in zip(modules, identity, strict=True):
        if module.is_tensor:
            continue
        many = module.node.kind == "ModuleList"
        name, kind = f"self.{module.name}", "ModuleList" if many else "Module"
        if not stands_in:
            late = True
            before.append(f"{name}: nn.{kind} | None = None")
            continue
        value = "nn.ModuleList()" if many else "nn.Identity()"
        if late:
            before += [] if many else [f"{name}: nn.Module"]
            absent.append(f"{name} = {value}")
        else:
            before.append(f"{name} = {value}" if many else f"{name}: nn.Module = {value}")
    return before, absent


def _attribute(module: Module, maker: _Maker) -> list[str]:
    if module.is_tensor:
        return source_lines(module)
    before, source = maker.made(module)
    return [*before, f"self.{module.name} = {source}", *_tensors(module, module.name)]


def _tensors(container: Module, path: str) -> Iterator[str]:
    """The statements that give a container, and those in it, their parameters and buffers."""
    if container.row is not None:
        return
    own = [child for child in container.children if child.is_tensor]
    owner = f"self.{path}" if is_identifier(path) else f"self.get_submodule({literal(path)})"
    for condition, run in groupby(own, key=_condition):
        lines = [line for child in run for line in source_lines(child, owner, path)]
        yield from (f"if {condition}:", *(STEP + line for line in lines)) if condition else lines
    for child in container.children:
        if child.children:
            yield from _tensors(child, f"{path}.{child.name}")


def arguments_of(graph: Graph) -> list[Parameter]:
    """The parameters that are arguments of the class."""
    return [parameter for parameter in graph.params if parameter.used and not parameter.fixed]


def _maker(graph: Graph) -> _Maker:
    """What writes the modules of a graph, with the names that are taken in its ``__init__``."""
    numbers = {name for module in graph.modules for name in _numbers(module)}
    return _Maker(frozenset(parameter.name for parameter in graph.params), frozenset(numbers))


def _numbers(module: Module) -> Iterator[str]:
    yield module.node.number
    for child in module.children:
        yield from _numbers(child)


class _Maker(Struct):
    """Writes the expression that makes a module, and the statements that it needs before."""

    parameters: frozenset[str]
    numbers: frozenset[str]  # of copies
    lists: int = 0

    def made(self, module: Module) -> tuple[list[str], str]:
        """The statements that come before, and the expression that makes the module."""
        if module.row is not None:
            return [], layer_source(module.row, module.node.args, module.node.callee)
        if module.node.kind == "Module":
            return [], "nn.Module()"
        if any(child.is_tensor for child in module.children):  # added once the container is there
            modules = (child for child in module.children if not child.is_tensor)
            module = replace(module, children=tuple(modules))
        if module.node.kind == "ModuleDict":
            return self._dict(module)
        before, inner = self.inner(module)
        return before, f"nn.{module.node.kind}({inner})"

    def _dict(self, module: Module) -> tuple[list[str], str]:
        if any(child.condition is not None for child in module.children):
            before, inner = self._built(module)
            return before, f"nn.ModuleDict({inner})"
        before = []
        parts = []
        for child in module.children:
            lines, source = self.made(child)
            before += lines
            parts.append(f"{literal(child.name)}: {source},")
        return before, f"nn.ModuleDict({{{' '.join(parts)}}})"

    def inner(self, module: Module) -> tuple[list[str], str]:
        """The statements that come before, and the arguments of a container's constructor."""
        children = tuple(map(self._numbered, module.children))
        module = replace(module, children=children)
        loops = [child for child in children if child.node.kind == "copies"]
        if any(not _is_one(loop) for loop in loops):
            return self._built(module)
        made = [self.made(self._child(child)) for child in children]
        if any(c.condition is not None for c in children) or any(
            before for child, (before, _) in zip(children, made, strict=True) if child in loops
        ):
            return self._built(module)
        before = [line for lines, _ in made for line in lines]
        sources = [source for _, source in made]
        names = any(child.name or child.node.label for child in children)
        if module.node.kind == "Sequential" and names:
            if _numbered_late(children):
                return self._built(module)
            return before, _ordered(children, sources)
        parts = [
            _comprehension(child, source) if child.node.kind == "copies" else source
            for child, source in zip(children, sources, strict=True)
        ]
        return before, _listed(module.node.kind, children, parts)

    def _numbered(self, loop: Module) -> Module:
        """A loop whose copies read their number by the name that the spec gives it.

        One more argument of the class may have that name: then the loop keeps the usual one.
        """
        word = loop.node.number
        if not word:
            return loop
        if word in self.parameters:
            return loop.where(number="")
        number = {INDEX: Expression.leaf(word)}
        copies = tuple(_reading(copy, number) for copy in loop.children)
        return replace(loop.where(label=_label_reading(loop.node.label, word)), children=copies)

    def _child(self, child: Module) -> Module:
        return child.children[0] if child.node.kind == "copies" else child

    def _built(self, module: Module) -> tuple[list[str], str]:
        """The same where children are first collected in a list or dict, statement by statement.

        That is needed where children may be absent, or make statements of their own.
        """
        name = self._list_name()
        in_list = module.node.kind == "ModuleList"  # its children have numbers as keys, never names
        named = not in_list and any(_has_name(child) for child in module.children)
        kind = "OrderedDict[str, nn.Module]" if named else "list[nn.Module]"
        lines = [f"{name}: {kind} = {'OrderedDict()' if named else '[]'}"]
        children = list(module.children)
        sure = list(takewhile(lambda c: c.condition is None and c.node.kind != "copies", children))
        made = [self.made(child) for child in sure]
        if sure and not named and not any(before for before, _ in made):
            lines = [f"{name}: {kind} = [{', '.join(source for _, source in made)},]"]
            children = children[len(sure) :]
        lines += self._each(name, children, named)
        return lines, name if named or in_list else f"*{name}"

    def _list_name(self) -> str:
        """The next free variable for a list of modules."""
        self.lists += 1
        name = "layers" if self.lists == 1 else f"layers_{self.lists}"
        return self._list_name() if name in self.parameters | self.numbers else name

    def _each(self, name: str, children: Sequence[Module], named: bool) -> list[str]:
        """The statements that add children to a list, with an ``if`` for each condition."""
        lines = []
        for condition, run in groupby(children, key=_condition):
            added = self._joined(name, [self._added(name, child, named) for child in run])
            lines += [f"if {condition}:", *(STEP + line for line in added)] if condition else added
        return lines

    def _joined(self, name: str, added: list[list[str]]) -> list[str]:
        """The statements of several children; plain ``append`` calls become one ``+=``."""
        start = f"{name}.append("
        if len(added) > 1 and all(len(own) == 1 and own[0].startswith(start) for own in added):
            sources = ", ".join(own[0][len(start) : -1] for own in added)
            return [f"{name} += [{sources},]"]
        return [line for own in added for line in own]

    def _added(self, name: str, child: Module, named: bool) -> list[str]:
        if child.node.kind == "copies":
            child = replace(child, children=tuple(_sure(child, each) for each in child.children))
            copies = [c.where(label=child.node.label or c.node.label) for c in child.children]
            lines = self._each(name, copies, named)
            index = _index(child, "".join(copy.node.label for copy in copies) if named else "")
            return [f"for {index} in {_range(child)}:", *(STEP + line for line in lines)]
        before, source = self.made(child)
        key = f'f"{child.node.label}"' if child.node.label else literal(child.name)
        if named and not (child.name or child.node.label):
            key = f"str(len({name}))"
        return [*before, f"{name}[{key}] = {source}" if named else f"{name}.append({source})"]


def _sure(loop: Module, copy: Module) -> Module:
    """A copy without a condition that all numbers of its loop fulfil: ``i > 0`` from 1 on."""
    match None if copy.condition is None else tree_of(copy.condition):
        case ast.Compare(ast.Name(name), [ast.Gt() | ast.NotEq()], [ast.Constant(int(other))]):
            if name == (loop.node.number or INDEX) and other < loop.node.start:
                return copy.where(condition=None)
    return copy


def _is_one(loop: Module) -> bool:
    """Whether each copy of a loop is a single module without a condition."""
    return len(loop.children) == 1 and loop.children[0].condition is None


def _has_name(child: Module) -> bool:
    """Whether a child, or a copy that a loop makes, has a name rather than a number."""
    return bool(child.name or child.node.label) or any(
        _has_name(copy) for copy in child.children if child.node.kind == "copies"
    )


def _numbered_late(children: Sequence[Module]) -> bool:
    """Whether a child's number depends on how many copies there are before it."""
    later = dropwhile(lambda child: child.node.kind != "copies", children)
    return any(not (child.name or child.node.label) for child in (*later,)[1:])


def _listed(kind: str, children: Sequence[Module], parts: Sequence[str]) -> str:
    """The arguments for children, with runs of equal ones as a comprehension."""
    runs = list(_runs(parts))
    if kind == "Sequential":
        texts = [f"*[{text} for _ in range({count})]" if count else text for text, count in runs]
        return ", ".join(texts) + ("," if len(texts) > 1 else "")  # black keeps one child a line
    if len(runs) == 1 and runs[0][1]:
        return f"[{runs[0][0]} for _ in range({runs[0][1]})]"
    if len(children) == 1 and children[0].node.kind == "copies":
        return parts[0][1:]
    return f"[{', '.join(parts)}{',' if len(parts) > 1 else ''}]"


def _ordered(children: Sequence[Module], sources: Sequence[str]) -> str:
    """An ``OrderedDict`` of children; those without a name are numbered."""
    pairs = []
    for place, (child, source) in enumerate(zip(children, sources, strict=True)):
        number = child.node.number or INDEX
        if child.node.kind == "copies" and child.node.label:
            pairs.append(f'*((f"{child.node.label}", {source}) for {number} in {_range(child)})')
        elif child.node.kind == "copies":
            before = place - child.node.start  # copies before `start` are children of their own
            index = number if before == 0 else f"{number} + {before}"
            pairs.append(f"*((str({index}), {source}) for {number} in {_range(child)})")
        else:
            key = (
                f'f"{child.node.label}"' if child.node.label else literal(child.name or str(place))
            )
            pairs.append(f"({key}, {source})")
    if len(pairs) == 1 and pairs[0].startswith("*("):
        return f"OrderedDict{pairs[0][1:]}"
    return f"OrderedDict([{', '.join(pairs)},])"


def _comprehension(child: Module, source: str) -> str:
    return f"*[{source} for {_index(child)} in {_range(child)}]"


def _range(child: Module) -> str:
    start = f"{child.node.start}, " if child.node.start else ""
    return f"range({start}{literal(child.node.count)})"


def _index(loop: Module, label: str = "") -> str:
    """The variable of a loop: ``_`` where its copies, and the `label` of each, are all alike."""
    numbered = "{" in label or any(map(_has_index, loop.children))
    return (loop.node.number or INDEX) if numbered else "_"


def _reading(module: Module, number: Mapping[str, Expression]) -> Module:
    """A copy in a loop that reads its number under another name; a loop in it has its own."""
    node = module.node
    if node.kind == "copies":
        return module.where(count=reading(node.count, number))
    read = module.where(
        args={name: _value_reading(value, number) for name, value in node.args.items()},
        condition=reading(node.condition, number),
        callee=reading(node.callee, number),
        label=_label_reading(node.label, number[INDEX].text),
    )
    return replace(read, children=tuple(_reading(child, number) for child in module.children))


def _value_reading(value: Any, number: Mapping[str, Expression]) -> Any:
    if isinstance(value, Nested):
        args = {name: _value_reading(inner, number) for name, inner in value.args.items()}
        return Nested(value.row, args)
    return reading(value, number)


_BRACES = re.compile(r"\{\{|\}\}|\{[^{}]+\}")  # inside an f-string: a brace, or an expression


def _label_reading(label: str, number: str) -> str:
    """The inside of an f-string that reads a copy's number under another name."""
    return _BRACES.sub(lambda found: re.sub(rf"\b{INDEX}\b", number, found[0]), label)


def _has_index(module: Module) -> bool:
    """Whether the number of a copy is in a module's condition, arguments or children."""
    values = [module.condition, module.node.callee, module.node.count, dict(module.node.args)]
    names = {symbol.name for symbol in symbols_in(values)}
    return INDEX in names or any(map(_has_index, module.children))


def _runs(sources: Sequence[str]) -> Iterator[tuple[str, int]]:
    """Runs of equal sources with their length; sources of short runs one by one, with 0."""
    for source, group in groupby(sources):
        count = len(list(group))
        if count >= SHORTEST_RUN and not source.startswith("*"):
            yield source, count
        else:
            yield from [(source, 0)] * count


def layer_source(row: Layer, args: Mapping[str, Any], callee: Any = None) -> str:
    """The expression that makes a layer: ``nn.Conv2d(1, 6, kernel_size=5)``.

    Defaults are left out. Channels and features are given by position. `callee` is the expression
    of the type, where that is no fixed one.
    """
    parts, positional = [], True
    for arg in row.args:
        if is_default(arg, args[arg.name]):
            positional = False
            continue
        positional = positional and arg.positional and not arg.named
        value = args[arg.name]
        if row.imported and isinstance(value, Coded) and isinstance(value.value, tuple):
            value = _as_list(value)
        parts.append(argument_source(arg, value, named=not positional))
    name = row.name if row.local else f"nn.{row.name}"
    source = f"{name if callee is None else literal(callee)}({', '.join(parts)})"
    for way in row.parametrized:
        source = way.source(source)
    return source


def _as_list(value: Coded) -> Coded:
    """A list of a custom layer, which a class's argument has as a tuple, as the list it was."""
    tree = value.tree()
    if isinstance(tree, ast.List):
        return value
    call = Expression.of(ast.Call(ast.Name("list"), [tree], []))
    return Coded(value.value, call, value.symbols)


def argument_source(arg: Arg, value: Any, *, named: bool) -> str:
    """The source of an argument in a call."""
    if isinstance(value, Nested):
        source = layer_source(value.row, value.args)
    else:
        source = literal(value, brackets=arg.brackets)
    return f"{arg.name}={source}" if named else source


def signature(graph: Graph) -> str:
    """The arguments of ``__init__`` after ``self``."""
    return "".join(f", {_parameter_source(parameter)}" for parameter in arguments_of(graph))


def _parameter_source(parameter: Parameter) -> str:
    hint = parameter.hint or annotation(parameter.value)
    if parameter.required:
        return f"{parameter.name}: {hint}"
    if parameter.code is not None:
        optional = hint if hint.endswith("None") else f"{hint} | None"
        return f"{parameter.name}: {optional} = None"
    return f"{parameter.name}: {hint} = {literal(parameter.value)}"


def annotation(value: Any) -> str:
    """The annotation of an argument with this default."""
    if isinstance(value, list):
        return f"tuple[{', '.join(annotation(item) for item in value) or '()'}]"
    return type(value).__name__
