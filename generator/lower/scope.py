"""A scope while it is being read: its calls so far, what names refer to, what has been used."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any, NoReturn

from msgspec import Struct, field
from msgspec.structs import replace

from ..diagnostics.diagnostics import NetgenError, SpecPath, Unknowable, listed, printable
from ..ir.graph import ALL, LIST, Node, Placeholder, Ref
from ..ir.needs import Need
from ..layers.base import REQUIRED
from ..layers.tensor import TensorType
from ..symbolic.algebra import Symbols
from ..symbolic.equality import same
from ..symbolic.hints import closest, closest_word
from ..symbolic.names import SKIPPED, snake_case
from ..symbolic.sizes import Size, symbols_in
from ..symbolic.syntax import fail
from .context import Context
from .naming import Names

MOST_CALLED = 4  # names that a help lists


class Again(Struct, frozen=True):
    """A reference that stands several times in one list, and the places where it stands."""

    text: str
    places: tuple[SpecPath, ...]


class Scope(Struct):
    """The inputs and calls of a scope, in order, and what names refer to.

    `written` maps names to what they refer to, `stems` each stem to its nodes; `used` are the nodes
    that something reads. Every reference counts as a use.
    """

    context: Context
    params: Mapping[str, Any]
    inputs: tuple[Placeholder, ...]
    names: Names
    calls: list[Node] = field(default_factory=list)
    written: dict[str, tuple[Ref, ...]] = field(default_factory=dict)
    stems: dict[str, list[int]] = field(default_factory=dict)
    used: set[int] = field(default_factory=set)
    # names of absent layers, with the ports that they would have
    passed: dict[str, tuple[str, ...]] = field(default_factory=dict)
    conditions: int = 0  # the number of conditions around the item that is being read
    alone: dict[SpecPath, int] = field(default_factory=dict)  # numbers of calls under conditions
    lost: bool = False  # a call has a mistake, so the scope's outputs are unknown
    vague: bool = False  # names may be missing: a lost item may have given any name
    again: list[Again] = field(default_factory=list)
    numbers: Mapping[str, Size] = {}  # those of the copies that are read, by their names
    loop: Size | None = None  # the number of the copy of the innermost loop

    def as_it_is(self) -> Scope:
        """A copy of the scope that further reading does not change."""
        names = replace(
            self.names,
            taken={*self.names.taken},
            highest={**self.names.highest},
            stateless={stem: {**known} for stem, known in self.names.stateless.items()},
        )
        return replace(
            self,
            names=names,
            calls=[*self.calls],
            written={**self.written},
            stems={stem: [*nodes] for stem, nodes in self.stems.items()},
            used={*self.used},
            passed={**self.passed},
            alone={**self.alone},
            again=[*self.again],
        )

    def go_back(self, before: Scope) -> None:
        """Restore the scope to `before`, a copy made by `as_it_is`."""
        for name in self.__struct_fields__:
            setattr(self, name, getattr(before, name))

    def call(self, node: int) -> Node:
        """The call with this number among the nodes, which inputs begin."""
        return self.calls[node - len(self.inputs)]

    def maker(self, ref: Ref) -> Node | None:
        """The call whose output a reference names; ``None`` for an input."""
        return None if ref.node < len(self.inputs) else self.call(ref.node)

    def word(self, ref: Ref) -> str:
        """The name in messages of the input or call that a reference names."""
        call = self.maker(ref)
        return self.inputs[ref.node].word if call is None else call.word

    def type_of(self, ref: Ref) -> TensorType:
        """The type of what a reference names; raises `Unknowable` if its layer is lost."""
        call = self.maker(ref)
        if call is None:
            return self.inputs[ref.node].type
        if call.kind == "lost":
            raise Unknowable
        return call.outputs.get(ref.port) or next(iter(call.outputs.values()))

    def terms(self) -> dict[str, Any]:
        """The values of parameters and of named sizes of inputs, each in terms of its own name."""
        sizes = [size for x in self.inputs for size in x.type.shape]
        return {**self.params, **{s.name: size for size in sizes for s in symbols_in(size)}}

    def set(self, place: int, **facts: Any) -> None:
        """Add facts to the call with this index among the calls."""
        self.calls[place] = replace(self.calls[place], **facts)

    def shared(self, call: Node, key: Hashable) -> int:
        """The place, among its stem's attributes, of the one that serves a call without weights.

        Calls with an equal `key` share one. A call under a condition has its own.
        """
        if self.conditions or call.kind == "absent":
            number = self.alone[call.path] = self.alone.get(call.path, 0) + 1
            key = (call.path, number)
        return self.names.shared(call.stem, key)

    def batch_size(self) -> Size | None:
        """The size of the batch: that of the first input with one, if any."""
        for x in self.inputs:
            if x.type.batch is not None:
                return x.type.shape[x.type.batch]
        return None

    def add(self, call: Node) -> Ref:
        """Add a call, and give the reference to its default output."""
        self.calls.append(call)
        node = len(self.inputs) + len(self.calls) - 1
        self.used.update([ref.node for ref in call.inputs], [ref.node for _, ref in call.named])
        if call.otherwise is not None:
            self.used.add(call.otherwise.node)
        self.stems.setdefault(call.stem, []).append(node)
        word = snake_case(call.row.name) if call.row is not None else call.stem
        if word != call.stem and call.row is not None and call.row.operation:
            self.stems.setdefault(word, []).append(node)  # an operation by its type's name
        ref = Ref(node, call.default_port)
        if call.name:
            self.written[call.name] = (ref,)
        for name, port in zip(call.names, call.outputs, strict=False):
            if name != SKIPPED:
                self.written[name] = (Ref(node, port),)
        return ref

    def find(self, text: str, path: SpecPath) -> Ref:
        """What a reference names: an input, a layer above, or one of its ports.

        Counts as a use. Raises `NetgenError` if it names nothing, or more than one layer, and
        `Unknowable` if a lost layer may have had the name.
        """
        ref = self._lookup(text)
        if ref is None and "." in text:
            name, _, port = text.rpartition(".")
            if self._all_of(text) is not None:
                message = f"`{printable(text)}` is a list of what the copies give, and no tensor"
                help = "it may stand in a list of references"
                self.context.error("NG204", message, path, help=help)
            ref = self._lookup(name)
            if ref is not None and self.passed.get(name):
                check_port(self.context, text, port, self.passed[name], path)
            elif ref is not None and self._names_output(name, ref):
                message = f"`{printable(text)}`: `{name}` is one tensor, without ports"
                self.context.error("NG204", message, path, help=f"write `{name}`")
            elif ref is not None:
                ref = self._port(ref, port, text, path)
        elif ref is not None and self._names_output(text, ref):
            self._fix_condition(self.call(ref.node), ref)
        elif ref is not None and self.portless(ref) and text not in self.passed:
            first, other = [*self.call(ref.node).outputs, "1"][:2]
            help = f"write `{text}.{first}`, `{text}.{other}`, ..."
            self.context.error("NG204", f"`{text}` gives several tensors", path, help=help)
        if ref is None:
            self._unknown(text, path)
        self.used.add(ref.node)
        return ref

    def find_listed(self, text: str, path: SpecPath) -> Ref:
        """What a reference in a list names: as `find`, or all that copies give (`m.all`)."""
        found = self._all_of(text)
        if found is None:
            return self.find(text, path)
        self.used.add(found.node)
        return found

    def _all_of(self, text: str) -> Ref | None:
        """What `m.all` names, if the copies of `m` are collected."""
        name, _, port = text.rpartition(".")
        ref = self._lookup(name) if port == ALL and name else None
        call = None if ref is None else self.maker(ref)
        return None if ref is None or call is None or not call.collects else replace(ref, port=LIST)

    def meant(self, text: str) -> Ref | None:
        """What a reference names, or `None` where `find` raises."""
        try:
            return self.find(text, ())
        except (NetgenError, Unknowable):
            return None

    def attribute(self, name: str, path: SpecPath) -> int:
        """The index of the call that has the attribute of this name, to be applied again.

        Raises `NetgenError` if there is none or it is unclear which one is meant.
        """
        calls = [*enumerate(self.calls)]
        modules = [
            (place, call)
            for place, call in calls
            if not (call.functional or call.reuses is not None or call.absent)
        ]
        for place, call in modules:
            if name == call.name or (call.kind == "lost" and name == call.stem):
                return place
        functional = [(place, call) for place, call in calls if call.functional]
        named = [(place, call) for place, call in functional if name in (call.name, call.stem)]
        for place, call in named[:1]:
            if call.row is not None and not call.row.operation:
                return place
        shared = [n for n, call in modules if call.shared is not None and call.stem == name]
        if shared and len(self.names.stateless[name]) == 1:
            return shared[0]
        if shared:
            help = "give the one that is meant a `name`"
            message = f"`{printable(name)}` could be any of several attributes"
            self.context.error("NG204", message, path, help=help)
        if self.vague:
            raise Unknowable
        known = [call.word for _, call in modules]
        message = f"there is no layer `{printable(name)}` above that could be applied again"
        giver = next((call for call in self.calls if name in call.names), None)
        cure = closest(name, known) if giver is None else f"`{giver.word}` gives it"
        return self.context.error("NG204", message, path, help=cure)

    def note(self, references: Sequence[tuple[str, SpecPath]]) -> None:
        """Record which references stand several times in one list, for help with unused layers."""
        texts = [text for text, _ in references]
        for text in dict.fromkeys(text for text in texts if texts.count(text) > 1):
            places = tuple(place for other, place in references if other == text)
            self.again.append(Again(text, places))

    def portless(self, ref: Ref) -> bool:
        """Whether a reference is to a call of which it does not say which output it means."""
        call = self.maker(ref)
        known = call is not None and (call.row is not None or call.would is not None)
        return known and ref.port == "*"

    def _names_output(self, text: str, ref: Ref) -> bool:
        """Whether what a reference names is an output with this name of its own."""
        call = self.maker(ref)
        return call is not None and text in call.names

    def _lookup(self, name: str) -> Ref | None:
        if name in self.written:
            return self.written[name][-1]
        for place, placeholder in enumerate(self.inputs):
            if placeholder.is_called(name):
                return Ref(place)
        nodes = self._of_type(name)
        if not nodes:
            nodes = self._numbered(name)
        if len(nodes) > 1:  # an absent layer is not meant
            nodes = [n for n in nodes if self.call(n).would is None]
        if len(nodes) != 1:
            return None
        call = self.call(nodes[0])
        self._fix_conditions(call.stem)
        return Ref(nodes[0], call.default_port)

    def _of_type(self, stem: str) -> list[int]:
        """The nodes that a type's name may mean; those with written names only if no others are."""
        nodes = self.stems.get(stem, [])
        return [n for n in nodes if not self.call(n).written] or nodes

    def _fix_conditions(self, stem: str) -> None:
        """Fix the conditions of a stem's calls: a reference by type assumes that all exist."""
        for node in self.stems[stem]:
            call = self.call(node)
            if call.condition is not None:
                why = "is called by its type, but is not always there"
                self.context.fix(call.condition, Need(call.path, why))

    def mention(self, word: str, *, misspelt: bool) -> None:
        """Count a word in an unreadable value as a use of the layer that it names.

        If it is `misspelt`, the layer with the closest name counts as used.
        """
        ref = self._lookup(word) or self._lookup(word.rpartition(".")[0])
        if ref is None and misspelt:
            meant = closest_word(word, self._known())
            ref = self._lookup(meant) if meant else None
        if ref is not None:
            self.used.add(ref.node)

    def _known(self) -> list[str]:
        return [*self.written, *(x.word for x in self.inputs), *self.stems]

    def _numbered(self, name: str) -> list[int]:
        """The nodes of calls of a shared attribute that will be called this, with its number."""
        stem = name.rstrip("0123456789")
        if stem == name or stem not in self.stems:
            return []
        known = self.names.stateless.get(stem, {})
        return [
            node
            for node in self.stems[stem]
            for call in (self.call(node),)
            if call.shared is not None
            and call.shared < len(known)
            and self.names.numbered_name(stem, call.shared) == name
        ]

    def _port(self, ref: Ref, port: str, text: str, path: SpecPath) -> Ref:
        ports: Sequence[str] = ["output"]
        help = None
        call = self.maker(ref)
        if call is not None:
            ports = [port] if call.kind == "lost" else call.ports
            ports = [*ports, ALL] if call.collects else ports
            if port == ALL and port not in ports and call.repeated and call.row is None:
                message = (
                    f"`{printable(text)}`: `{call.word}` does not collect what its copies give"
                )
                cure = "write `collect: true` beside its `repeat`"
                self.context.error("NG204", message, path, help=cure)
            ports = ["*"] if "*" in call.outputs else ports
            help = self._of_port(call, port)
        check_port(self.context, text, port, ports, path, help)
        found = Ref(ref.node, port)
        if call is not None:
            self._fix_condition(call, found)
        return found

    def _of_port(self, call: Node, port: str) -> str | None:
        """The help for a port that a call does not have, where it is known what was meant."""
        if call.row is not None and f"return_{port}" in call.row.known:
            return f"write `return_{port}: true` in `{call.word}`"
        return _inside(call, port) if _holds(call, port) else None

    def _fix_condition(self, call: Node, port: Ref) -> None:
        """Fix a layer's condition if this port's type differs from that of what it passes through.

        Where the layer is absent, its input stands for each of its ports.
        """
        if call.condition is None or call.otherwise is None or call.kind == "absent":
            return
        if not neutral(self.type_of(call.otherwise), self.type_of(port)):
            need = Need((*call.path, "when"), "changes shapes")
            self.context.fix(call.condition, need)

    def _called(self, text: str) -> str | None:
        """The help for the name of a type, in any spelling: what its layers are called."""
        calls, types = [], []
        for place, call in enumerate(self.calls, len(self.inputs)):
            if call.row is not None and call.row.name.lower() == text.lower():
                self.used.add(place)  # one of them is meant
                calls.append(call)
                types.append(call.row.name)
        if not calls:
            return None
        names = [x.word for x in calls]
        if len(calls) > 1 and len({*names}) == 1:
            return f"give the one that is meant a `name`{_form(calls[0])}"
        told = _named(names)
        are = "above is" if len(calls) == 1 else "layers above are"
        return f"the `{types[0]}` {are} called {told}"

    def _unknown(self, text: str, path: SpecPath) -> NoReturn:
        nodes = self._of_type(text)
        if len(nodes) > 1:
            self.used |= {*nodes}  # one of them is meant
            count = len(nodes)
            message = f"`{printable(text)}` could be any of {count} layers"
            words = [*dict.fromkeys(self.call(node).word for node in nodes)]
            help = f"give the one that is meant a `name`{_form(self.call(nodes[0]))}"
            if len(words) == count:
                help = f"they are called {_named(words)}"
            self.context.error("NG204", message, path, help=help)
        if self.vague:
            raise Unknowable
        message = f"`{printable(text)}` is no input and no layer above"
        for place, call in enumerate(self.calls, len(self.inputs)):
            if _holds(call, text):
                self.used.add(place)
                self.context.error("NG204", message, path, help=_inside(call, text))
        of_a_block = text == "x" and any(x.is_called("input") for x in self.inputs)
        own = "a block's own input is called `input`"
        cure = own if of_a_block else self._called(text) or closest(text, self._known())
        self.context.error("NG204", message, path, help=cure)


def _form(call: Node) -> str:
    """How a layer of this type is given a name, if it is one of torch's."""
    if call.row is None:
        return ""
    more = any(arg.default is REQUIRED and not arg.inferred for arg in call.row.args)
    return f": `{call.row.name}: {{name: NAME{', ...' if more else ''}}}`"


def _named(names: Iterable[str]) -> str:
    """Some of these names, as a help lists them."""
    return listed([f"`{name}`" for name in names][:MOST_CALLED])


def _holds(call: Node, name: str) -> bool:
    """Whether a layer with this name stands in a container or a block."""
    inner = [] if call.use is None else [module.name for module in call.use.graph.modules]
    return name in (*inner, *(child.name for child in call.body))


def _inside(holder: Node, name: str) -> str:
    """The help for a reference to what is inside of a container or a block."""
    if holder.use is not None:
        return f"`{name}` is inside of the block `{holder.word}`: give it to the block's `outputs`"
    return (
        f"`{name}` is inside of `{holder.word}`, of which only the end can be read: let the "
        f"`Sequential` end with `{name}`, and put what comes behind it after the `Sequential`"
    )


def check_port(
    context: Context,
    text: str,
    port: str,
    ports: Sequence[str],
    path: SpecPath,
    help: str | None = None,
) -> None:
    """Refuse a port that a layer does not have; a `*` in `ports` allows every whole number."""
    if port in ports or ("*" in ports and port.isdecimal()):
        return
    known = ", ".join(f"`{'0' if name == '*' else name}`" for name in ports)
    known += ", `1`, ..." if "*" in ports else ""
    message = f"`{printable(text)}`: there is no port `{printable(port)}`"
    told = f"the ports are {known}"
    if len(ports) == 1 and "*" not in ports:
        told = f"it gives one tensor: write `{printable(text.rpartition('.')[0])}`"
    context.error("NG204", message, path, help=help or told)


class LayerNames(Struct):
    """The names of a layer's expressions: parameters, the type it reads, the copy's number.

    The numbers of copies that repeats have given names are `plain` where no loop needs them.
    """

    scope: Scope
    reads: TensorType | None
    index: Size | None
    plain: bool = False

    def words(self) -> list[str]:
        return [*self.scope.params, *self.scope.numbers]

    @property
    def number(self) -> str | None:
        """The name of a copy's number; `None` outside of repeats."""
        named = next(reversed([*self.scope.numbers]), None)
        return named or (None if self.index is None else "index")

    def value(self, name: str) -> Any:
        if name in self.scope.params:
            return self.scope.params[name]
        if name in self.scope.numbers:
            return self._number(self.scope.numbers[name])
        if name == "index":
            return (
                fail("`index` has a meaning only in a `repeat`")
                if self.index is None
                else self.index
            )
        if name in ("in_shape", "in_channels", "in_features"):
            return self._read(name)
        return fail(f"there is no parameter `{name}` here", name)

    def _number(self, number: Size) -> Size:
        """A copy's number; in a loop around the innermost one no variable can stand for it."""
        if self.plain:
            return int(number)
        if symbols_in(number) and number is not self.scope.loop:
            self.scope.context.shared.repeats.needs_index = True
        return number

    def _read(self, name: str) -> Any:
        if self.reads is None:
            fail(f"`{name}` has no meaning here: nothing is read")
        if name == "in_features" and self.reads.lost and self.reads.rank > 1:
            return self.reads.shape[-1]  # wherever the batch is, as it has become part of another
        shape = sample_shape(self.reads)
        if name == "in_shape":
            return shape
        return shape[0 if name == "in_channels" else -1] if shape else fail("the input is a number")

    def shape(self, reference: str) -> Sequence[Size]:
        try:
            ref = self.scope.find(reference, ())
        except Unknowable:
            raise
        except NetgenError as error:
            # an expression error, so that it points at the expression's place
            fail(error.diagnostics[0].message)
        return sample_shape(self.scope.type_of(ref))

    def fix_names(self, symbols: Symbols, why: str) -> None:
        context = self.scope.context
        context.fix_names(symbols, Need(context.shared.evaluating, why))


def sample_shape(x: TensorType) -> list[Size]:
    """The shape without the batch; raises `ExpressionError` if the batch's place is unknown."""
    if x.lost:
        fail(f"the batch's place in {x} is not known, so its shape without the batch isn't either")
    return [size for place, size in enumerate(x.shape) if place != x.batch]


def neutral(before: TensorType, after: TensorType) -> bool:
    """Whether two types are the same, so that a layer between them may as well be absent."""
    return (before.dtype, before.batch, before.rank) == (
        after.dtype,
        after.batch,
        after.rank,
    ) and all(same(a, b) for a, b in zip(before.shape, after.shape, strict=True))
