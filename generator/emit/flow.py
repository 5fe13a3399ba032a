"""The ``forward`` of a class: one call a line, with variables that are reused when free."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from textwrap import indent

from msgspec.structs import replace

from ..ir.graph import LIST, Graph, Node, Pick, Ref
from ..symbolic.literals import literal, prose
from .branch_line import branch_line
from .calls import iterated, passed_source
from .one_line import Line, line_from
from .run_time_sizes import Sizes
from .stages import stages_of
from .statements import Statement, in_stages, under_conditions
from .sum_line import sum_line
from .variables import Variables, one_of, variables_of


def forward_statements(graph: Graph) -> list[Statement]:
    """The statements of ``forward``, the ``return`` last; none if the class is a container."""
    if graph.sequential:
        return []
    sizes = Sizes(graph)
    statements = _statements(graph, sizes)
    wanted = sizes.wanted()
    if wanted:  # once more, with variables for these sizes
        sizes = Sizes(graph)
        for name in wanted:
            sizes.read(name)
        statements = _statements(graph, sizes)
    return [*map(Statement, sizes.lines()), *in_stages(statements)]


def _statements(graph: Graph, sizes: Sizes) -> list[Statement]:
    """The statements but for those that read `sizes` off the inputs."""
    variables = variables_of(graph, sizes)
    statements: list[Statement] = []
    stages = stages_of(graph)
    # modules return `Any`: a single result needs one annotation unless an argument `x` has it
    alone = len(graph.outputs) == 1 and graph.outputs[0][0] is None
    declared = not alone or "x" in {placeholder.name for placeholder in graph.inputs}
    end = -1
    for place in variables.places:
        if place <= end:
            continue  # it stands in the line before
        variables.follow(place)
        branch = branch_line(graph, place, variables, declared)
        branch = branch or sum_line(graph, place, variables, declared)
        residual = branch is None and not statements and variables.is_residual()
        before = _chosen(graph.nodes[place], place, variables)
        node = _of_choices(graph.nodes[place])
        if node.named and node.row is not None and "to" in node.row.optional_tensors:
            from .edges import with_numbers  # few networks pad to a tensor's sizes

            node, lines = with_numbers(graph, node, variables.names, variables.counter(place))
            before += lines
        line = branch or line_from(graph, place, node, variables, declared)
        if residual:
            statements.append(Statement(f"identity = {graph.inputs[0].name}"))
            _rename_input(variables)
        for other in line.places[1:]:
            variables.follow(other)
        end = line.places[-1]
        node = _of_choices(graph.nodes[end])
        targets = variables.targets(end, node)
        left = _left(node, targets)
        if "x" in targets.values() and not declared:
            declared = True
            if left == "x":
                left = "x: Tensor"
            else:
                statements.append(Statement("x: Tensor"))
        if line.source == left and not before:  # a pattern that changes nothing
            continue
        first, made = _statement(graph, line, left, targets, variables)
        before += first
        blank = place in stages and bool(statements) and branch is None
        statements += [Statement(text, "", blank and not n) for n, text in enumerate(before)]
        statements.append(replace(made, blank_before=blank and not before))
    returned = Statement(f"return {_returned(graph, variables)}")
    return [*under_conditions(statements, variables.last_use), returned]


def _statement(
    graph: Graph, line: Line, left: str, targets: Mapping[str, str], variables: Variables
) -> tuple[list[str], Statement]:
    """The lines before a statement, and the statement that puts a line into its `targets`."""
    begin, end = graph.nodes[line.places[0]], line.places[-1]
    node, ahead = _of_choices(graph.nodes[end]), len(graph.inputs)
    made = Statement(
        f"{left} = {line.source}",
        "" if graph.is_block else _comment(graph, begin, node, targets),
        nodes=line.places,
        targets=tuple((x, Ref(ahead + end, port)) for port, x in targets.items() if x != "_"),
        inner=line.inner,
    )
    if node.kind == "ModuleList":
        before, text = _loop(graph, end, node, left, variables)
        return before, replace(made, text=text)
    if node.test and node.otherwise is not None:
        other = passed_source(node, variables.names[node.otherwise])
        return [], replace(made, test=node.test, other=other)
    return [], made


def _loop(
    graph: Graph, place: int, node: Node, left: str, variables: Variables
) -> tuple[list[str], str]:
    """The lines before a loop over an ``nn.ModuleList``, and the loop.

    Each child reads the outputs of the one before it; `left` has the variables that hold them.
    """
    names = left.partition(":")[0].split(", ")
    reads = [variables.names[ref] for ref in node.inputs]
    before = [] if names == reads[: len(names)] else [_begun(left, names, reads)]
    taken = {x.name for x in graph.inputs} | {*variables.holders} | {*names}
    each = next(word for word in _words(node.target) if word not in taken)
    child = node.first_call or node
    masks = [f"{key}={variables.names[ref]}" for key, ref in child.named]
    call = f"{each}({', '.join([*names, *reads[len(names) :], *masks])})"
    first = next(iter(child.outputs))
    given = _left(child, {port: names[0] if port == first else "_" for port in child.outputs})
    given = ", ".join(names) if node.carries else given
    loop = f"for {each} in {iterated(graph, node.target)}:\n    {given} = {call}"
    collected = variables.names.get(Ref(len(graph.inputs) + place, LIST))
    if collected is not None:
        before.append(f"{collected}: list[Tensor] = []")
        loop = f"{loop}\n    {collected}.append({names[0]})"
    if not node.test or node.otherwise is None:
        return before, loop
    inner = indent("\n".join([*before, loop]), "    ")
    other = variables.names[node.otherwise]
    return [], f"if {node.test}:\n{inner}\nelse:\n    {names[0]} = {other}"


def _begun(left: str, names: Sequence[str], reads: Sequence[str]) -> str:
    """The assignment of what the first child of a loop reads to the loop's variables."""
    if len(names) == 1:
        return f"{left} = {reads[0]}"
    pairs = [(name, read) for name, read in zip(names, reads, strict=True) if name != read]
    return f"{', '.join(name for name, _ in pairs)} = {', '.join(read for _, read in pairs)}"


def _words(target: str) -> Iterator[str]:
    """Names for a child in a loop over a container: ``step`` for one of ``steps``."""
    if one := one_of(target.rpartition(".")[2]):
        yield one
    yield from ("layer", "block", "module", "child")


def _of_choices(node: Node) -> Node:
    """The call with its chosen inputs marked by `Ref.choice`, so that they get own variables."""
    if not node.choices:
        return node
    inputs = list(node.inputs)
    for choice in node.choices:
        inputs[choice.place] = replace(inputs[choice.place], choice=choice.place + 1)
    passed = node.inputs.index(node.otherwise) if node.otherwise in node.inputs else None
    other = node.otherwise if passed is None else inputs[passed]
    return replace(node, inputs=tuple(inputs), otherwise=other)


def _chosen(node: Node, place: int, variables: Variables) -> list[str]:
    """The lines that choose inputs of a call; each choice gets a variable if it needs one."""
    if not node.choices:
        return []
    lines: list[str] = []
    sources: set[str] = set()
    for choice in node.choices:
        names = {word: variables.names[ref] for word, ref in choice.refs.items()}
        chosen = _picked_source(choice.pick, names)
        if not chosen.isidentifier():
            source = variables.fresh("source", place - 1, frozenset(sources))
            lines.append(f"{source} = {chosen}")
            sources.add(source)
            chosen = source
        ref = node.inputs[choice.place]
        variables.names[replace(ref, choice=choice.place + 1)] = chosen
    return lines


def _rename_input(variables: Variables) -> None:
    del variables.holders[variables.names[Ref(0)]]
    variables.hold("identity", Ref(0))


def _left(node: Node, targets: dict[str, str]) -> str:
    """The left side of the assignment."""
    row = node.row
    if node.carries:
        return ", ".join(targets.values())
    if row is None or (not row.result and len(targets) == 1 and row.ports != ("*",)):
        return next(iter(targets.values()))
    if row.ports == ("*",):
        return ", ".join(targets.values()) + ("," if len(targets) == 1 else "")
    return row.unpacked([targets.get(port, "_") for port in row.ports])


def _comment(graph: Graph, first: Node, node: Node, targets: Mapping[str, str]) -> str:
    """``(N, 1, 28, 28) -> (N, 32, 26, 26)``; empty where the shape stays the same.

    It is from what the `first` call of a statement reads to what the `node` gives. There is none
    if those are several tensors of unlike shapes, none of which is the main one.
    """
    before = [graph.type_of(ref).usual for ref in first.inputs]
    read = [port for port, name in targets.items() if name != "_"] or [*targets][:1]
    after, *others = dict.fromkeys(node.outputs[port].usual for port in read)
    alike = node.row is None or not node.row.result
    if (others and alike) or (before and before[0] == after):
        return ""
    distinct = list(dict.fromkeys(before))
    return prose(f"{', '.join(distinct)} -> {after}")


def _returned(graph: Graph, variables: Variables) -> str:
    names = [variables.names[ref] for _, ref in graph.outputs]
    keys = [key for key, _ in graph.outputs]
    if keys[0] is not None and not graph.is_block:
        pairs = zip(keys, names, strict=True)
        return "{" + ", ".join(f"{literal(key)}: {name}" for key, name in pairs) + "}"
    return ", ".join(names)


def _picked_source(pick: Pick | str, names: Mapping[str, str]) -> str:
    """The conditional expression that chooses among variables."""
    if isinstance(pick, str):
        return names[pick]
    first, other = _picked_source(pick.first, names), _picked_source(pick.other, names)
    if first == other:
        return first
    first = f"({first})" if isinstance(pick.first, Pick) else first
    return f"{first} if {pick.test} else {other}"
