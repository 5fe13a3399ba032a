"""The state that one reading of a spec shares between scopes, and which parameters it fixes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn

from msgspec import Struct, field
from msgspec.structs import replace

from ..diagnostics.diagnostics import (
    Diagnostic,
    Findings,
    NetgenError,
    SpecPath,
    Unknowable,
    printable,
)
from ..ir.graph import Graph
from ..ir.needs import Need, needs, needs_equal
from ..ir.substitute import rebind
from ..layers import TYPES
from ..layers.base import Layer
from ..spec.source import Source
from ..spec.spec import Document, numbers_in
from ..symbolic.algebra import INDEX as INDEX
from ..symbolic.algebra import Symbols
from ..symbolic.budget import Budget
from ..symbolic.equality import Meeting, same
from ..symbolic.expressions import PlainNames, evaluate_text, has_expression
from ..symbolic.functions import KNOWN, VALUES
from ..symbolic.hints import closest_word
from ..symbolic.sizes import TooLong, code, symbols_in
from ..symbolic.syntax import ExpressionError, fail
from .meetings import rebound, trials

if TYPE_CHECKING:
    from ..spec.block_spec import BlockSpec

MOST_ITEMS = 20_000  # of a spec, each copy and each use counted


# answers questions about classes that a spec imports, by running their code in the worker
Ask = Callable[[dict[str, Any]], dict[str, Any]]


class Imported(Struct, frozen=True):
    """The types that a spec imports; of the `lost` ones only the names are known."""

    rows: Mapping[str, Layer] = field(default_factory=dict)
    lost: frozenset[str] = frozenset()
    mistakes: tuple[Diagnostic, ...] = ()

    def types(self) -> Mapping[str, Layer]:
        """All types that a layer may have."""
        if not self.rows and not self.lost:
            return TYPES
        known = {name: row for name, row in TYPES.items() if name not in self.lost}
        return {**known, **self.rows}


class Repeats(Struct):
    """What is known about repeats, by their places in the spec.

    This reading uses what earlier ones have found out:

    - `rules`: how many copies at the head are unlike the others,
    - `counts`: the least and the most copies in any use of a block,
    - `unrolled`: the repeats that are no loop, because some use can't have one.

    For the next reading, this one records:

    - `seen`: rules,
    - `short`: repeats with too few copies to show a rule,
    - `counted`: the least and the most copies in uses of a block,
    - `looped` and `unlooped`: the repeats in containers that are loops (or have no copy) in some
      use, and those that are no loop in some use.

    `needs_index` says that more than values depends on the number of the copy that is read, so
    that the copies are no loop; `because` is what needs the number, where that is one place.
    """

    rules: dict[SpecPath, int] = field(default_factory=dict)
    counts: dict[SpecPath, tuple[int, int]] = field(default_factory=dict)
    unrolled: set[SpecPath] = field(default_factory=set)
    seen: dict[SpecPath, int] = field(default_factory=dict)
    short: set[SpecPath] = field(default_factory=set)
    counted: dict[SpecPath, tuple[int, int]] = field(default_factory=dict)
    looped: set[SpecPath] = field(default_factory=set)
    unlooped: set[SpecPath] = field(default_factory=set)
    needs_index: bool = False
    because: Need | None = None

    def in_each_copy(self, need: Need) -> None:
        """Note that there is a need of the number of each copy."""
        self.needs_index, self.because = True, self.because or need


class KnownTypes(Struct, frozen=True):
    """The types that an item may name: the document's blocks, and `rows` with those imported.

    `lost` are blocks and imported types with mistakes in them. Where `blocks` can't be read at
    all, the document is `nameless`: any unknown type may be a block.
    """

    blocks: Mapping[str, BlockSpec] = {}
    rows: Mapping[str, Layer] = TYPES
    imports: tuple[Layer, ...] = ()
    lost: frozenset[str] = frozenset()
    nameless: bool = False


class Bodies(Struct):
    """The bodies of blocks: the graphs of the uses read so far, and the blocks being read.

    `inside` says how many calls a graph holds, `broken` which uses have mistakes in their bodies,
    `patterns` how the class is called that does what a pattern says.
    """

    graphs: dict[Any, Any] = field(default_factory=dict)
    open: list[str] = field(default_factory=list)
    inside: dict[Graph, int] = field(default_factory=dict)
    patterns: dict[tuple[str, ...], str] = field(default_factory=dict)
    broken: set[Any] = field(default_factory=set)


class Mistakes(Struct):
    """What has been found wrong that explains other mistakes.

    `unknown` are items of types that do not exist, with the type that was surely meant, if any;
    `undeclared` the arguments that are given to blocks, which lack them.
    """

    unknown: dict[SpecPath, str | None] = field(default_factory=dict)
    undeclared: dict[str, list[str]] = field(default_factory=dict)


class Shared(Struct):
    """The state that the network and its blocks share in one reading of a spec.

    `reserved` are the places of absent layers that keep their number, as earlier readings have
    found out; the value says whether it is a number among layers with weights. `never` are the
    places of layers that are absent in all uses, so that ``forward`` has no line for them.
    """

    known: KnownTypes
    findings: Findings
    repeats: Repeats
    reserved: Mapping[SpecPath, bool]
    never: Set[SpecPath]
    bodies: Bodies = field(default_factory=Bodies)
    mistakes: Mistakes = field(default_factory=Mistakes)
    budget: Budget = field(default_factory=Budget)
    read: int = 0  # items so far, those that give no layer included
    taken: int = 0  # calls that came of them
    unmatched: bool = False  # a layer that `init` or `declare` names is not there with `--set`
    # sizes that meet, by their expressions in the network's terms
    meetings: dict[tuple[str, str, bool, bool], tuple[Meeting, Need]] = field(default_factory=dict)
    evaluating: SpecPath = ()  # the place of the expression that is being evaluated


class Noted(Struct, frozen=True):
    """How much has been noted as fixed so far; `to_fix` has a length per scope, outer first."""

    to_fix: tuple[int, ...]
    fixed: int
    meetings: int


class OtherTypes(Struct, frozen=True):
    """A type of layer that has an expression, and the `names` of others that fit in its place."""

    value: Any
    names: frozenset[str]


class Context(Struct):
    """What one scope, the network's or a block's, is read with.

    To fix a parameter is to make it no argument of the class, because something depends on it that
    no expression can carry. `fixed` collects the parameters that this reading fixes, each with the
    first place that needs it; those of earlier readings, `fixed_before`, are plain numbers in this
    one. In a block, `parent` is the context of the scope that uses it, and `outer` holds the value
    of each of the block's names in terms of that scope. In the network, `outer` holds what each
    name stands for.
    """

    source: Source
    document: Document
    overrides: Mapping[str, Any]
    fixed_before: Mapping[str, Need]
    shared: Shared
    # the places of those overrides that a variant gives, and not `--set`
    of_variant: Mapping[str, SpecPath] = {}
    fixed: dict[str, Need] = field(default_factory=dict)
    parent: Context | None = None
    outer: dict[str, Any] = field(default_factory=dict)
    # what each use of this block must fix: names, values and meetings, in the block's own terms
    to_fix: list[tuple[Symbols | Meeting | Any, Need]] = field(default_factory=list)
    lost: set[str] = field(default_factory=set)  # parameters with mistakes in them
    computed: set[str] = field(default_factory=set)  # parameters with words that others decide
    # in the network the types that may stand for a parameter's, in a block whether it has such
    types: dict[str, frozenset[str]] = field(default_factory=dict)
    holds_types: bool = False

    @property
    def network(self) -> Context:
        """The outermost scope: that of the network itself."""
        return self if self.parent is None else self.parent.network

    def declared(self) -> Sequence[str]:
        """The names of the parameters of this scope: the document's, or a block's."""
        if self.parent is None:
            return list(self.document.params)
        block = (
            self.known.blocks.get(self.shared.bodies.open[-1]) if self.shared.bodies.open else None
        )
        return list(block.params) if block is not None else []

    def row(self, type_: str) -> Layer | None:
        """The row of a built-in or imported type; `None` if the spec has a block of this name."""
        return None if type_ in self.known.blocks else self.known.rows.get(type_)

    @property
    def known(self) -> KnownTypes:
        """The types that an item may name."""
        return self.shared.known

    @property
    def budget(self) -> Budget:
        """The steps that expressions may still take."""
        return self.shared.budget

    def error(
        self, code: str, message: str, path: SpecPath, *, key: bool = False, **more: Any
    ) -> NoReturn:
        """Raise `NetgenError` with one diagnostic, at a place in the spec."""
        location = self.source.locate(path, key=key)
        raise NetgenError(Diagnostic(code, message, location, **more))

    def count(self, items: int, path: SpecPath, *, key: bool = False) -> None:
        """Count items as read; refuse a spec that unfolds to more than `MOST_ITEMS`."""
        self.shared.read += items
        if self.shared.read > MOST_ITEMS:
            message = f"the spec unfolds to more than {MOST_ITEMS} layers"
            self.error("NG210", message, path, key=key)

    def fix(self, value: Any, need: Need) -> None:
        """Fix the parameters on which a value depends as a whole.

        In a block, the value is put into the terms of the scope that uses it and fixed there, where
        it may depend on fewer parameters than its names do, or on none.
        """
        if self.parent is None:
            for symbol in symbols_in(value):
                why = need.why or needs(value, symbol.name)
                self.fix_names(Symbols((symbol,)), replace(need, why=why))
            return
        symbols = Symbols(s for s in symbols_in(value) if s.name == INDEX)
        self.fix_names(symbols, need)
        if not symbols:
            self.to_fix.append((value, need))
            self.parent.fix(rebind(value, self.outer), need)

    def narrow(self, other: OtherTypes, need: Need) -> bool:
        """Note the types that may stand for one that a parameter gives; says whether one does.

        The parameter is fixed if there are none, if the type is not what it is given, or if an
        expression chooses its default among types.
        """
        if self.parent is not None:
            self.to_fix.append((other, need))
            outer = OtherTypes(rebind(other.value, self.outer), other.names)
            self.holds_types = self.parent.narrow(outer, need) or self.holds_types
            return self.holds_types
        symbols = symbols_in(other.value)
        if not symbols:
            return False
        name = other.value.code
        known = self.types.get(name, other.names) & other.names
        if name not in self.document.params or name in self.computed or not known:
            self.fix(other.value, need)
            return False
        self.types[name] = known
        return True

    def fix_names(self, symbols: Symbols, need: Need) -> None:
        """Fix each of these names; raises `ExpressionError` for sizes known only at run time.

        In a block, this fixes all that a use gives for each name, although a value with all of
        these names (see `fix`) may depend on less.
        """
        for symbol in symbols:
            if symbol.runtime and not symbol.known:
                fail(f"this depends on `{symbol.name}`, which is known only at run time")
            if symbol.name == INDEX:
                self.shared.repeats.in_each_copy(need)
            elif self.parent is None:
                self.fixed.setdefault(symbol.name, need)
            else:
                self.to_fix.append((Symbols((symbol,)), need))
                self.parent.fix(self.outer[symbol.name], need)

    def fix_at(self, value: Any, path: SpecPath) -> None:
        """Fix each name in the value that is written at a place of the spec.

        Raises `NetgenError` for a size that is known only at run time.
        """
        try:
            self.fix_names(symbols_in(value), Need(path))
        except ExpressionError as error:
            self.error("NG206", error.message, path)

    def fix_again(self, to_fix: Sequence[tuple[Any, Need]]) -> None:
        """Fix for another use of a block what the body must have fixed, as its reading noted."""
        for value, need in to_fix:
            if isinstance(value, Symbols):
                self.fix_names(value, need)
            elif isinstance(value, Meeting):
                self.meet(value, need)
            elif isinstance(value, OtherTypes):
                self.narrow(value, need)
            else:
                self.fix(value, need)

    def meet(self, meeting: Meeting, need: Need) -> None:
        """Note two sizes that must be equal; `fix_meetings` fixes their parameters if it has to."""
        if same(meeting.kept, meeting.other):
            return
        symbols = symbols_in([meeting.kept, meeting.other])
        if self.parent is not None:
            self.to_fix.append((meeting, need))
        if any(symbol.name == INDEX for symbol in symbols):
            self.shared.repeats.in_each_copy(need)  # the sizes must fit in each copy of a loop
        elif self.parent is not None:
            self.parent.meet(rebound(meeting, self.outer), need)
        elif not all(symbol.runtime for symbol in symbols):
            texts = (code(meeting.kept), code(meeting.other), meeting.spreads, meeting.silent)
            self.shared.meetings.setdefault(texts, (meeting, need))

    def fix_meetings(self) -> None:
        """Fix the parameters of all sizes that have met, but for meetings that `is_free` allows.

        Where one of them is fixed for another reason, that is left to the next reading, in which it
        is a number.
        """
        tried = trials(self.outer)
        for meeting, need in self.shared.meetings.values():
            symbols = symbols_in([meeting.kept, meeting.other])
            fixed = any(symbol.name in self.fixed for symbol in symbols)
            if not fixed and not tried.is_free(meeting):
                own = Symbols(symbol for symbol in symbols if not symbol.runtime)
                self.fix_names(own, replace(need, why=needs_equal(meeting)))

    def is_open(self, value: Any) -> bool:
        """Whether a value depends on parameters of the network that may be arguments."""
        if self.parent is not None:
            # the number of a copy around this scope is no parameter, so that any will do
            return self.parent.is_open(rebind(value, {INDEX: 0, **self.outer}))
        return any(not symbol.runtime and symbol.name != INDEX for symbol in symbols_in(value))

    @contextmanager
    def trying(self) -> Iterator[list[str]]:
        """Inside the `with`, reading is an attempt; gives a list of the parameters that it fixes.

        The list is filled at the end. If it is not empty, they are not fixed after all, and the
        sizes that met inside are dropped.
        """
        if self.parent is not None:
            with self.parent.trying() as fixes:
                yield fixes
            return
        fixed, meetings = dict(self.fixed), self.shared.meetings
        self.shared.meetings, fixes = {}, []
        yield fixes
        self.fix_meetings()
        fixes += [name for name in self.fixed if name not in fixed]
        if fixes:
            self.fixed, self.shared.meetings = fixed, meetings
        else:
            self.shared.meetings = {**meetings, **self.shared.meetings}

    def noted(self) -> Noted:
        """How much has been noted as fixed so far, for `forget`."""
        above = () if self.parent is None else self.parent.noted().to_fix
        shared = self.shared
        return Noted((*above, len(self.to_fix)), len(self.fixed), len(shared.meetings))

    def forget(self, known: Noted) -> None:
        """Undo what has been noted as fixed since `known`: it came from an attempt."""
        if self.parent is not None:
            self.parent.forget(replace(known, to_fix=known.to_fix[:-1]))
        del self.to_fix[known.to_fix[-1] :]
        for found, count in ((self.fixed, known.fixed), (self.shared.meetings, known.meetings)):
            for key in [*found][count:]:
                del found[key]

    def evaluate(self, value: Any, names: Any, path: SpecPath) -> Any:
        """A value of the spec with its expressions evaluated, lists item by item.

        Raises `NetgenError` for a mistake in an expression, `Unknowable` if it names a lost
        parameter.
        """
        if isinstance(value, list):
            return [self.evaluate(item, names, (*path, i)) for i, item in enumerate(value)]
        if not isinstance(value, str) or not has_expression(value):
            return value
        self.shared.evaluating = path
        try:
            return evaluate_text(value, names, self.budget)
        except TooLong:
            message = "what this comes to is an expression too long to be written"
            help = "write numbers, or fewer names that it hangs on"
            self.error("NG206", message, path, help=help)
        except ExpressionError as error:
            if error.word in self.lost:
                raise Unknowable from None
            self.misnamed(error, names.words(), path, names)

    def misnamed(
        self, error: ExpressionError, words: Sequence[str], path: SpecPath, names: Any = None
    ) -> NoReturn:
        """Raise `NetgenError` for a mistake in an expression; `words` are the names it may use."""
        help = error.help
        if error.word is not None and error.word not in KNOWN:
            constants = {"true": "True", "false": "False", "null": "None"}
            meant = constants.get(error.word) or closest_word(error.word, [*words, *VALUES])
            help = f"did you mean `{meant}`?" if meant else None
            of_copies = error.word in {*numbers_in(self.source.values)}
            if of_copies:
                help = f"`{error.word}` is the number of a copy inside of its `repeat` only"
            if path[:1] == ("blocks",) and (of_copies or error.word in self.document.params):
                help = (
                    f"a block sees its own parameters only: put `{error.word}` under its `params`, "
                    f"and `{error.word}: ${error.word}` where it is used"
                )
            number = getattr(names, "number", None)
            if len(error.word) == 1 and number is not None:
                help = f"the number of a copy is `{number}` here"
            if path[:1] == ("layers",):
                size = self.size_of_input(error.word)
                told = f"`{error.word}` is known only at run time: read it off, `{size}`"
                help = told if size else help
        code = "NG208" if error.word else "NG206"
        self.error(code, printable(error.message), path, help=help)

    def size_of_input(self, word: str) -> str | None:
        """The expression that reads off a size known only at run time, if a word names one."""
        for name, raw in {"input": self.document.input, **(self.document.inputs or {})}.items():
            shape = raw.get("shape") if isinstance(raw, dict) else raw
            if isinstance(shape, list) and word in shape:
                place = [size for size in shape if size != "N"].index(word)
                return f"shape({name})[{place}]"
        return None


class ParameterNames(PlainNames, frozen=True):
    """The names of an expression that sees only parameters, which evaluation may fix."""

    context: Context

    def fix_names(self, symbols: Symbols, why: str) -> None:
        self.context.fix_names(symbols, Need(self.context.shared.evaluating, why))
