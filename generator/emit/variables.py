"""Which variable of ``forward`` holds which value, and what each is called."""

from __future__ import annotations

import bisect
import builtins
from collections.abc import Callable, Iterator, Sequence

from msgspec import Struct, field
from msgspec.structs import replace

from ..ir.graph import ALL, LIST, Graph, Node, Ref
from ..symbolic.names import SKIPPED, is_identifier, why_no_variable
from .parameters_and_buffers import tensor_source
from .run_time_sizes import NEVER_FRESH, Sizes

NEVER = 10**9


class Variables(Struct):
    """Which variable of ``forward`` holds which value, at one call after the other."""

    graph: Graph
    last_use: dict[Ref, int]  # the index of the last call that reads each value
    places: tuple[int, ...]  # the indices of the calls that are made
    sizes: Sizes
    names: dict[Ref, str] = field(default_factory=dict)
    holders: dict[str, Ref] = field(default_factory=dict)
    before: set[Ref] = field(default_factory=set)  # what led to the last call's outputs
    latest: set[Ref] = field(default_factory=set)  # these outputs
    anew: bool = False  # whether the last call reads nothing of the one before it
    # the calls that lead to a value with a name, by their indices: what they give has it, too
    leading: dict[int, str] = field(default_factory=dict)
    # the places of the calls that would have each name, once one is asked for
    places_by_name: dict[str, set[int]] = field(default_factory=dict)

    def after(self, place: int) -> int:
        """The index of the next call that is made; `NEVER` if there is none."""
        following = bisect.bisect_right(self.places, place)
        return self.places[following] if following < len(self.places) else NEVER

    def output(self, place: int) -> Ref:
        """The first output of a call."""
        port = next(iter(self.graph.nodes[place].outputs))
        return Ref(len(self.graph.inputs) + place, port)

    def hold(self, name: str, ref: Ref) -> None:
        """Record that the variable holds this value from now on."""
        self.names[ref] = name
        self.holders[name] = ref

    def live(self, name: str, after: int) -> bool:
        """Whether a variable holds a value that is read after the call with index `after`."""
        holder = self.holders.get(name)
        return holder is not None and self.last_use.get(holder, -1) > after

    def fresh(self, name: str, place: int, busy: frozenset[str] = frozenset()) -> str:
        """A variable with this name, numbered if the name is taken or still needed."""
        taken = {x.name for x in self.graph.inputs} | NEVER_FRESH
        taken |= {*self.sizes.variables.values(), *busy}
        name = f"{name}_" if hasattr(builtins, name) else name
        candidate, number = name, 2
        while candidate in taken or self.live(candidate, place):
            candidate, number = f"{name}_{number}", number + 1
        return candidate

    def counter(self, place: int) -> Callable[[str], str]:
        """A function that gives variables for numbers, which no tensor ever gets."""
        nodes = self.graph.nodes
        tensors = {name for node in nodes for name in (node.name, node.stem, *node.names)}
        return lambda name: self.fresh(name, place, frozenset(tensors))

    def follow(self, place: int) -> None:
        """Record what led to the outputs of a call, which is made next."""
        node = self.graph.nodes[place]
        reads = {*node.reads}
        self.anew = reads.isdisjoint(self.latest)
        self.before = reads | (set() if self.anew else self.before)
        if self.anew:
            self._begin(place)
        ahead = len(self.graph.inputs)
        self.latest = {Ref(ahead + place, port) for port in node.outputs}

    def _begin(self, first: int) -> None:
        """Name a chain that stands beside others for the values that it leads to.

        Those are operations with a name: ``v = self.v_proj(x)`` before ``v = v.transpose(1, 2)``,
        where ``x`` would be another thing than in the line before.
        """
        chain = [*self._chain(first)]
        if first == self.places[0] and not self._stands_apart(chain):
            return
        waiting: list[int] = []
        for place, following in zip(chain, [*chain[1:], NEVER], strict=True):
            waiting.append(place)
            passing = self._moves(place) and self._moves(following)
            if self._is_named(place) and not passing:
                self.leading |= dict.fromkeys(waiting, self._given(place))
                waiting = []

    def _chain(self, place: int) -> Iterator[int]:
        """A call and those after it, each of which reads what the one before gives and no more.

        A sum or product may read others beside it.
        """
        yield place
        while len(self.graph.nodes[place].outputs) == 1 and self.flows(place):
            own, place = self.output(place), self._next(place)
            if place == NEVER:
                return
            node = self.graph.nodes[place]
            if node.reads != (own,) and not (node.row is not None and node.row.operator):
                return
            yield place

    def _stands_apart(self, chain: Sequence[int]) -> bool:
        """Whether the first chain only moves what one call gives, and what follows reads others."""
        last = chain[-1]
        following = self.after(last)
        done = following != NEVER and self.output(last) not in self.graph.nodes[following].reads
        return done and all(map(self._moves, chain[1:]))

    def _moves(self, place: int) -> bool:
        row = self.graph.nodes[place].row if place != NEVER else None
        return row is not None and row.moves

    def _is_named(self, place: int) -> bool:
        """Whether a call is an operation with a name, and its only result has it."""
        node = self.graph.nodes[place]
        one = len(node.outputs) == 1 and not node.names
        return one and node.written and not node.target and node.row is not None

    def _given(self, place: int) -> str:
        """The name of a call's only result: that under which it is given back, or the spec's."""
        return self._output_name(place, self.output(place)) or short(self.graph.nodes[place].name)

    def _is_attribute(self, ref: Ref) -> bool:
        place = ref.node - len(self.graph.inputs)
        return place >= 0 and is_attribute(self.graph.nodes[place])

    def is_chained(self, place: int) -> bool:
        """Whether the first output is read by the next statement, and by nothing after it."""
        own, following = self.output(place), self._next(place)
        if following != NEVER:
            taker = self.graph.nodes[following]
            if taker.carries and own in taker.inputs[1:]:
                return False  # a loop has a variable of its own for it
        return self.last_use.get(own, -1) == following

    def flows(self, place: int) -> bool:
        """Whether the first output goes on as ``x``: straight into the next call.

        A call that reads others beside it is met by name, unless they led to it (a residual sum),
        or it comes first among them.
        """
        if not self.is_chained(place):
            return False
        node, taker, own = self.graph.nodes[place], self._next(place), self.output(place)
        if taker == NEVER:  # it is returned, alone or beside others that have their names
            return len(self.graph.outputs) == 1 or not node.written
        reader = self.graph.nodes[taker]
        others = [ref for ref in reader.reads if ref != own and not self._is_attribute(ref)]
        if node.written and not node.target and node.row is not None:  # named for its value
            return not (others or node.row.fresh)
        inner = [ref for ref in others if ref.node >= len(self.graph.inputs)]
        if reader.inputs[:1] == (own,) or not inner:
            return True
        return all(ref in self.before or ref.node > own.node for ref in inner)

    def _next(self, place: int) -> int:
        """The call after this one; where that is the shortcut of a residual sum, the sum."""
        following = self.after(place)
        if following != NEVER and self.renews_identity(following):
            return self.after(following)
        return following

    def renews_identity(self, place: int) -> bool:
        """Whether a call is the shortcut of a residual sum: its value can be `identity` again.

        It is the last to read `identity`, reads nothing else, and the next call adds its result.
        """
        kept = self.holders.get("identity")
        return kept is not None and self.is_shortcut(place, kept)

    def is_shortcut(self, place: int, kept: Ref) -> bool:
        """Whether a call is the last to read a value, alone, and the next adds its result."""
        node = self.graph.nodes[place]
        alone = node.inputs == (kept,) and not (node.named or node.choices or node.names)
        if not alone or len(node.outputs) > 1 or self.last_use.get(kept, -1) != place:
            return False
        following = self.after(place)
        merge = self.graph.nodes[following] if following != NEVER else node
        adds = merge.row is not None and merge.row.operator == "+" and len(merge.inputs) == 2
        return adds and self.last_use.get(self.output(place), -1) == following

    def is_residual(self) -> bool:
        """Whether the only input, ``x``, is read again for a residual connection alone.

        Then another value takes the name ``x``, and the input becomes `identity`.
        """
        if [x.name for x in self.graph.inputs] != ["x"]:
            return False
        first, own = self.places[0], Ref(0)
        again = self.last_use.get(own, -1)
        if again in (-1, first, NEVER) or self.graph.nodes[first].names or not self.flows(first):
            return False
        readers = [
            place
            for place in self.places
            if first < place <= again and own in self.graph.nodes[place].reads
        ]
        return all(self._merges(place) or self.is_shortcut(place, own) for place in readers)

    def _merges(self, place: int) -> bool:
        """Whether a call reads several values that are made by calls."""
        reads = {*self.graph.nodes[place].reads}
        return len([ref for ref in reads if not self._is_attribute(ref)]) > 1

    def targets(self, place: int, node: Node) -> dict[str, str]:
        """A variable for each port that is read, ``_`` for the others; they are held from now."""
        if node.carries or node.collects:
            return self._passed_on(place, node)
        ahead = len(self.graph.inputs)
        if self.live("x", place) and self.renews_identity(place):
            self.hold("identity", self.output(place))
            return {self.output(place).port: "identity"}
        targets: dict[str, str] = {}
        given = dict(zip(node.outputs, node.names, strict=False))
        read = [port for port in node.outputs if Ref(ahead + place, port) in self.last_use]
        several = node.use is not None and len(read) > 2  # a block's, which are alike
        for number, port in enumerate(node.outputs):
            ref = Ref(ahead + place, port)
            leads = number == 0 and not port.isdecimal() and not several
            own = given.get(port, SKIPPED)
            if self.last_use.get(ref, -1) < 0:
                targets[port] = "_"
                continue
            key = self._output_name(place, ref) if own == SKIPPED else ""
            if key:
                name = key
            elif leads and place in self.leading:
                name = self.fresh(self.leading[place], place, self._beside(node))
            elif self._is_x(place, node, ref, own, leads):
                name = "x"
            elif own != SKIPPED:
                name = self.fresh(own, place, frozenset({*targets.values()}))
            elif leads:
                own = self._moved(place, node) or short(node.name)
                name = self.fresh(own, place, self._beside(node))
            else:
                own = f"{short(node.name)}_{port}" if port.isdecimal() else port
                name = self.fresh(own, place)
            targets[port] = name
            self.hold(name, ref)
        return targets

    def _output_name(self, place: int, ref: Ref) -> str:
        """The name under which a value is given back, if a variable may have it; else empty.

        The single result of a block has no name in its ``forward``.
        """
        graph = self.graph
        if graph.is_block and len(graph.outputs) == 1:
            return ""
        key = next((key for key, own in graph.outputs if own == ref and key), "")
        if not is_identifier(key):
            return ""
        if not self.places_by_name:
            for at, node in enumerate(graph.nodes):
                for name in (short(node.name), *node.names):
                    self.places_by_name.setdefault(name, set()).add(at)
        taken = self.places_by_name.get(key, set()) - {place}
        return key if not taken and self.fresh(key, place) == key else ""

    def _moved(self, place: int, node: Node) -> str:
        """The variable that a call only moves on, which keeps its name; empty if there is none."""
        row = node.row
        unnamed = row is not None and row.moves and not (node.target or node.written)
        if not unnamed or len(node.inputs) != 1 or not self.flows(place):
            return ""
        held = self.names.get(node.inputs[0], "")
        mine = held.isidentifier() and held in self.holders  # no parameter of the class
        free = mine and held != "identity" and not self.live(held, place)
        return held if free else ""

    def _passed_on(self, place: int, node: Node) -> dict[str, str]:
        """The variables of a loop: those of what it reads, unless that is read again after it.

        They are recorded as held, and so is the list of what its children give, if it is read.
        """
        ahead, targets = len(self.graph.inputs) + place, dict[str, str]()
        busy = frozenset() if node.carries else self._beside(node)
        alone = len(self.graph.outputs) == 1 and place == self.places[-1]
        for port, read in zip(node.ports, node.inputs, strict=False):
            ref, held = Ref(ahead, port), self.names[read]
            taken = busy | {*targets.values()}
            returned = alone and self.last_use.get(ref, -1) == NEVER
            free = held.isidentifier() and held not in taken and not self.live(held, place)
            usual = returned or not (free or targets)
            if usual and "x" not in taken and not self.live("x", place):
                targets[port] = "x"
            elif free:
                targets[port] = held
            else:
                targets[port] = self.fresh(_own_name(node, port), place, taken)
            self.hold(targets[port], ref)
        if Ref(ahead, LIST) in self.last_use:
            name = self.fresh("outputs", place, frozenset(targets.values()))
            self.hold(name, Ref(ahead, LIST))
            for number, port in enumerate(port for port in node.outputs if port not in targets):
                self.names[Ref(ahead, port)] = f"{name}[{number}]"
        return targets

    def _is_x(self, place: int, node: Node, ref: Ref, own: str, leads: bool) -> bool:
        """Whether an output is called ``x``: it flows on, or it is all that is returned."""
        alone = len(self.graph.outputs) == 1
        returned = alone and self.last_use[ref] == NEVER and place == self.places[-1]
        if own != SKIPPED:
            flows = own == "x"
        else:
            flows = leads and (self.flows(place) or short(node.name) == "x")
        free = not self.live("x", place) and "x" not in self._beside(node)
        return (flows or returned) and free

    def _beside(self, node: Node) -> frozenset[str]:
        """The variables that every iteration of a loop reads, beside the one that it updates."""
        if node.kind != "ModuleList":
            return frozenset()
        masks = [ref for child in node.calls() for _, ref in child.named]
        return frozenset(self.names[ref] for ref in (*node.inputs[1:], *masks))


def variables_of(graph: Graph, sizes: Sizes) -> Variables:
    """The variables at the start of ``forward``: inputs, and the class's parameters and buffers."""
    live = graph.live()
    held = {place for place in live if is_attribute(graph.nodes[place])}
    variables = Variables(graph, _last_uses(graph, live), tuple(sorted(live - held)), sizes)
    for place in sorted(held):
        node = graph.nodes[place]
        assert node.row is not None
        source = tensor_source(node.row, node.target)
        variables.hold(source, Ref(len(graph.inputs) + place))
    for place, placeholder in enumerate(graph.inputs):
        variables.hold(placeholder.name, Ref(place))
    return variables


def is_attribute(node: Node) -> bool:
    """Whether a value is a parameter or buffer of the class, so that no call makes it."""
    return node.row is not None and node.row.held


def one_of(name: str) -> str:
    """The name of one child in a container that has the name of several; or an empty text."""
    one = name[:-2] if name.endswith(("ches", "shes", "sses", "xes")) else name[:-1]
    return one if name.endswith("s") and why_no_variable(one) is None else ""


def short(name: str) -> str:
    """The variable's name for a call: ``wte`` for ``model.wte``, ``head_0`` for ``heads.0``."""
    parts = name.replace("-", "_").split(".")
    words = [place for place, part in enumerate(parts) if not part.isdecimal()]
    own = parts[words[-1] :] if words else []
    last = "_".join([one_of(own[0]) or own[0], *own[1:]] if own[1:] else own)
    return last if is_identifier(last) else "_".join(parts)


def _own_name(node: Node, port: str) -> str:
    """The name of a call's output for a variable that holds nothing else."""
    name = short(node.name)
    return name if port == "output" else f"{name}_{port}" if port.isdecimal() else port


def _last_uses(graph: Graph, live: set[int]) -> dict[Ref, int]:
    uses: dict[Ref, int] = {}
    for place, node in enumerate(graph.nodes):
        if place in live:
            uses.update(dict.fromkeys(map(_held_by, node.reads), place))
    for _, ref in graph.outputs:
        uses[_held_by(ref)] = NEVER
    return uses


def _held_by(ref: Ref) -> Ref:
    """The value whose variable holds what is referred to: of what a copy gives, the list."""
    return replace(ref, port=LIST) if ref.port.startswith(f"{ALL}.") else ref
