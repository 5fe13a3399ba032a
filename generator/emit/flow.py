"""The ``forward`` of a class: one call a line, with variables that are reused when free."""

from __future__ import annotations

import bisect
import builtins
from collections.abc import Iterator, Mapping, Sequence
from textwrap import indent

from msgspec import Struct, field
from msgspec.structs import replace

from ..ir.graph import ALL, LIST, Graph, Node, Pick, Ref
from ..symbolic.literals import WIDTH, literal, prose, wrapped
from ..symbolic.names import SKIPPED, SOURCE_NAMES, why_no_variable
from ..symbolic.sizes import named_by
from .calls import access, call_source, iterated
from .stages import stages_of

INDENT = 8
NEVER = 10**9
_NEVER_FRESH = frozenset({"x", "identity"}) | SOURCE_NAMES


class Statement(Struct, frozen=True):
    """A statement of ``forward``; `node` is the index of its call (counted without the inputs).

    `targets` are the variables with the ports they hold; the smoke-run checks them.
    """

    text: str
    comment: str = ""
    blank_before: bool = False
    node: int | None = None
    targets: tuple[tuple[str, str], ...] = ()

    def lines(self) -> list[str]:
        """The lines; a comment that does not fit goes above the statement."""
        first = [""] if self.blank_before else []
        if not self.comment:
            return [*first, self.text]
        if INDENT + len(self.text) + len(self.comment) + 4 <= WIDTH:
            return [*first, f"{self.text}  # {self.comment}"]
        pieces = [self.comment]
        if INDENT + len(self.comment) + 2 > WIDTH:
            before, _, after = self.comment.partition(" -> ")
            pieces = [*wrapped(before, INDENT + 2, 2), *wrapped(f"-> {after}", INDENT + 2, 5)]
        return [*first, *(f"# {piece}" for piece in pieces), self.text]


class _Locals(Struct):
    """Which variable of ``forward`` holds which value."""

    graph: Graph
    last_use: dict[Ref, int]  # the index of the last call that reads each value
    places: tuple[int, ...]  # the indices of the calls that are made
    names: dict[Ref, str] = field(default_factory=dict)
    holders: dict[str, Ref] = field(default_factory=dict)
    sizes: dict[str, str] = field(default_factory=dict)  # read off the inputs at the start

    def after(self, place: int) -> int:
        """The index of the next call that is made; `NEVER` if there is none."""
        following = bisect.bisect_right(self.places, place)
        return self.places[following] if following < len(self.places) else NEVER

    def hold(self, name: str, ref: Ref) -> None:
        """Record that the variable holds this value from now on."""
        self.names[ref] = name
        self.holders[name] = ref

    def live(self, name: str, after: int) -> bool:
        """Whether a variable holds a value that is read after the call with index `after`."""
        holder = self.holders.get(name)
        return holder is not None and self.last_use.get(holder, -1) > after

    def size(self, name: str) -> str:
        """The variable for a run-time size of an input."""
        taken = {x.name for x in self.graph.inputs} | _NEVER_FRESH
        return self.sizes.setdefault(name, f"{name}_size" if name in taken else name)

    def fresh(self, name: str, place: int, busy: frozenset[str] = frozenset()) -> str:
        """A variable with this name, numbered if the name is taken or still needed."""
        taken = {x.name for x in self.graph.inputs} | _NEVER_FRESH | {*self.sizes.values(), *busy}
        name = f"{name}_" if hasattr(builtins, name) else name
        candidate, number = name, 2
        while candidate in taken or self.live(candidate, place):
            candidate, number = f"{name}_{number}", number + 1
        return candidate


def forward_statements(graph: Graph) -> list[Statement]:
    """The statements of ``forward``, the ``return`` last."""
    variables = _variables(graph)
    statements: list[Statement] = []
    stages = stages_of(graph)
    # modules return `Any`: a single result needs one annotation unless an argument `x` has it
    alone = len(graph.outputs) == 1 and graph.outputs[0][0] is None
    declared = not alone or "x" in {placeholder.name for placeholder in graph.inputs}
    joined: int | None = None  # the call before, if this one is written around it
    for place in variables.places:
        node = graph.nodes[place]
        before = _chosen(node, place, variables)
        node = _of_choices(node)
        call = call_source(graph, node, variables.names, variables.size)
        typed = declared or place not in variables.places[-2:]  # else the result would be `Any`
        if typed and _joins(graph, place, call, variables):
            variables.names[Ref(len(graph.inputs) + place, next(iter(node.outputs)))] = call
            joined = place
            continue
        if not statements and _overwritten_early(graph, variables):
            statements.append(Statement(f"identity = {graph.inputs[0].name}"))
            _rename_input(variables)
        targets = _targets(graph, place, node, variables)
        left = _left(node, targets)
        if "x" in targets.values() and not declared:
            declared = True
            if left == "x":
                left = "x: Tensor"
            else:
                statements.append(Statement("x: Tensor"))
        read = node if joined is None else graph.nodes[joined]
        comment = "" if graph.is_block else _comment(graph, read, node, targets)
        blank = not stages.isdisjoint({place, joined}) and bool(statements)
        joined = None
        if call == left and not before:  # a pattern that changes nothing
            continue
        text = f"{left} = {call}"
        if node.kind == "ModuleList":
            first, text = _loop(graph, place, node, left, variables)
            before += first
        statements += [Statement(line, "", blank and not n) for n, line in enumerate(before)]
        blank = blank and not before
        statements.append(Statement(text, comment, blank, place, tuple(targets.items())))
    returned = Statement(f"return {_returned(graph, variables)}")
    return [*_sizes(graph, variables), *statements, returned]


def _variables(graph: Graph) -> _Locals:
    """The variables at the start of ``forward``: inputs, and the class's parameters and buffers."""
    live = graph.live()
    held = {place for place in live if _is_held(graph.nodes[place])}
    variables = _Locals(graph, _last_uses(graph, live), tuple(sorted(live - held)))
    for place in sorted(held):
        target = access(graph, graph.nodes[place].target)
        variables.hold(target, Ref(len(graph.inputs) + place))
    for place, placeholder in enumerate(graph.inputs):
        variables.hold(placeholder.name, Ref(place))
    return variables


def _sizes(graph: Graph, variables: _Locals) -> list[Statement]:
    """The statements that read run-time sizes off the inputs, for operations further down."""
    found = []
    for name, variable in variables.sizes.items():
        for placeholder in graph.inputs:
            places = [
                place
                for place, size in enumerate(placeholder.type.shape)
                if name in {symbol.name for symbol in named_by(size)}
            ]
            if places:
                found.append(Statement(f"{variable} = {placeholder.name}.shape[{places[0]}]"))
                break
    return found


def _loop(
    graph: Graph, place: int, node: Node, left: str, variables: _Locals
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
    name = target.rpartition(".")[2]
    if name.endswith("s") and why_no_variable(name[:-1]) is None:
        yield name[:-1]
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


def _chosen(node: Node, place: int, variables: _Locals) -> list[str]:
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


def _is_held(node: Node) -> bool:
    """Whether a value is a parameter or buffer of the class, so that no call makes it."""
    return node.row is not None and node.row.source in ("parameter", "buffer")


def _last_uses(graph: Graph, live: set[int]) -> dict[Ref, int]:
    uses: dict[Ref, int] = {}
    for place, node in enumerate(graph.nodes):
        if place not in live:
            continue
        children = [ref for child in node.calls() for _, ref in child.named]
        for ref in (*node.reads, *children):
            uses[_held_by(ref)] = place
    for _, ref in graph.outputs:
        uses[_held_by(ref)] = NEVER
    return uses


def _held_by(ref: Ref) -> Ref:
    """The value whose variable holds what is referred to: of what a copy gives, the list."""
    return replace(ref, port=LIST) if ref.port.startswith(f"{ALL}.") else ref


def _overwritten_early(graph: Graph, variables: _Locals) -> bool:
    """Whether the only input is read again after another value has taken the name ``x``."""
    if len(graph.inputs) != 1 or graph.inputs[0].name != "x":
        return False
    place = variables.places[0]
    again = variables.last_use.get(Ref(0), -1) > place and not graph.nodes[place].names
    return again and _is_chained(graph, place, graph.nodes[place], variables)


def _rename_input(variables: _Locals) -> None:
    del variables.holders[variables.names[Ref(0)]]
    variables.hold("identity", Ref(0))


def _is_chained(graph: Graph, place: int, node: Node, variables: _Locals) -> bool:
    """Whether the node's first output is read by the next statement, and by nothing after it."""
    port = next(iter(node.outputs))
    last = variables.last_use.get(Ref(len(graph.inputs) + place, port), -1)
    following = variables.after(place)
    if following != NEVER and _renews_identity(graph, following, variables):
        following = variables.after(following)
    taker = graph.nodes[following] if following != NEVER else node
    if taker.carries and Ref(len(graph.inputs) + place, port) in taker.inputs[1:]:
        return False  # a loop has a variable of its own for it
    return last == following


def _joins(graph: Graph, place: int, call: str, variables: _Locals) -> bool:
    """Whether the next call is written around this one: ``q, k, v = self.qkv(x).chunk(3, dim=2)``.

    This one is of a module, and gives a tensor to the next one alone, which is a method of it and
    gives outputs that have names.
    """
    node, following = graph.nodes[place], variables.after(place)
    plain = node.kind == "layer" and node.target and not (node.test or node.choices or node.names)
    if not plain or len(node.outputs) > 1 or following == NEVER:
        return False
    taker, own = graph.nodes[following], Ref(len(graph.inputs) + place, next(iter(node.outputs)))
    method = taker.row is not None and taker.row.functional.startswith(".") and taker.names
    alone = taker.inputs == (own,) and not (taker.named or taker.choices or taker.test)
    if not method or not alone or variables.last_use.get(own) != following:
        return False
    text = call_source(graph, taker, {**variables.names, own: call}, variables.size)
    names = ", ".join(taker.names)
    return text.count(call) == 1 and INDENT + len(f"{names} = {text}") <= WIDTH


def _renews_identity(graph: Graph, place: int, variables: _Locals) -> bool:
    """Whether a call is the shortcut of a residual sum: its value can be `identity` again.

    It is the last to read `identity`, reads nothing else, and the next call adds its result.
    """
    node, kept = graph.nodes[place], variables.holders.get("identity")
    alone = node.inputs == (kept,) and not (node.named or node.choices) and len(node.outputs) == 1
    alone = alone and not node.names
    own = Ref(len(graph.inputs) + place, next(iter(node.outputs)))
    following = variables.after(place)
    if not alone or kept is None or variables.last_use.get(kept, -1) != place:
        return False
    merge = graph.nodes[following] if following != NEVER else node
    adds = merge.row is not None and merge.row.operator == "+" and len(merge.inputs) == 2
    return adds and variables.last_use.get(own, -1) == following


def _targets(graph: Graph, place: int, node: Node, variables: _Locals) -> dict[str, str]:
    """A variable for each port that is read, ``_`` for the others; they are recorded as held."""
    if node.carries or node.collects:
        return _passed_on(graph, place, node, variables)
    targets: dict[str, str] = {}
    busy = _beside(node, variables)
    if variables.live("x", place) and _renews_identity(graph, place, variables):
        port = next(iter(node.outputs))
        variables.hold("identity", Ref(len(graph.inputs) + place, port))
        return {port: "identity"}
    alone = len(graph.outputs) == 1
    given = dict(zip(node.outputs, node.names, strict=False))
    for number, port in enumerate(node.outputs):
        ref = Ref(len(graph.inputs) + place, port)
        last = variables.last_use.get(ref, -1)
        returned = alone and last == NEVER and place == variables.places[-1]
        own = given.get(port, SKIPPED)
        chained = (
            number == 0 and not port.isdecimal() and _is_chained(graph, place, node, variables)
        )
        chained = own == "x" if own != SKIPPED else chained
        if last < 0:
            name = "_"
        elif (chained or returned) and not variables.live("x", place) and "x" not in busy:
            name = "x"
        elif own != SKIPPED:
            name = variables.fresh(own, place, frozenset({*targets.values()}))
        elif number == 0 and not port.isdecimal():
            name = variables.fresh(node.name.replace(".", "_"), place, busy)
        else:
            own = f"{node.name.replace('.', '_')}_{port}" if port.isdecimal() else port
            name = variables.fresh(own, place)
        targets[port] = name
        if name != "_":
            variables.hold(name, ref)
    return targets


def _passed_on(graph: Graph, place: int, node: Node, variables: _Locals) -> dict[str, str]:
    """The variables of a loop: those of what it reads, unless that is read again after it.

    They are recorded as held, and so is the list of what its children give, if it is read.
    """
    ahead, targets = len(graph.inputs) + place, dict[str, str]()
    busy = frozenset() if node.carries else _beside(node, variables)
    alone = len(graph.outputs) == 1 and place == variables.places[-1]
    for port, read in zip(node.ports, node.inputs, strict=False):
        ref, held = Ref(ahead, port), variables.names[read]
        taken = busy | {*targets.values()}
        returned = alone and variables.last_use.get(ref, -1) == NEVER
        free = held.isidentifier() and held not in taken and not variables.live(held, place)
        usual = returned or not (free or targets)
        if usual and "x" not in taken and not variables.live("x", place):
            targets[port] = "x"
        elif free:
            targets[port] = held
        else:
            targets[port] = variables.fresh(_own_name(node, port), place, taken)
        variables.hold(targets[port], ref)
    if Ref(ahead, LIST) in variables.last_use:
        name = variables.fresh("outputs", place, frozenset(targets.values()))
        variables.hold(name, Ref(ahead, LIST))
        for number, port in enumerate(port for port in node.outputs if port not in targets):
            variables.names[Ref(ahead, port)] = f"{name}[{number}]"
    return targets


def _own_name(node: Node, port: str) -> str:
    """The name of a call's output for a variable that holds nothing else."""
    name = node.name.replace(".", "_")
    return name if port == "output" else f"{name}_{port}" if port.isdecimal() else port


def _beside(node: Node, variables: _Locals) -> frozenset[str]:
    """The variables that every iteration of a loop reads, beside the one that it updates."""
    if node.kind != "ModuleList":
        return frozenset()
    masks = [ref for child in node.calls() for _, ref in child.named]
    return frozenset(variables.names[ref] for ref in (*node.inputs[1:], *masks))


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

    It is from what the `first` call of a statement reads to what the `node` gives.
    """
    before = [graph.type_of(ref).usual for ref in first.inputs]
    read = next((port for port, name in targets.items() if name != "_"), next(iter(targets)))
    after = node.outputs[read].usual
    if before and before[0] == after:
        return ""
    distinct = list(dict.fromkeys(before))
    return prose(f"{', '.join(distinct)} -> {after}")


def _returned(graph: Graph, variables: _Locals) -> str:
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
