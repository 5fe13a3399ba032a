"""What all stages of reading one spec share, and what an expression sees of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
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
from ..ir.needs import Need, needs, needs_equal
from ..ir.substitute import rebind
from ..layers import TYPES
from ..layers.base import Layer
from ..spec.source import Source
from ..spec.spec import Document
from ..symbolic.algebra import INDEX as INDEX
from ..symbolic.algebra import Symbols
from ..symbolic.budget import Budget
from ..symbolic.equality import Meeting, same
from ..symbolic.expressions import PlainNames, evaluate_text, has_expression
from ..symbolic.functions import KNOWN, VALUES
from ..symbolic.hints import closest_word
from ..symbolic.sizes import TooLong, code, symbols_in
from ..symbolic.syntax import ExpressionError, fail
from .meetings import judge, rebound

if TYPE_CHECKING:
    from ..spec.block_spec import BlockSpec

MOST_ITEMS = 20_000  # of a spec, each copy and each use counted


# who runs the code of a person's own classes, and answers what they are
Ask = Callable[[dict[str, Any]], dict[str, Any]]


class Imported(Struct, frozen=True):
    """The types that a spec imports; of the `lost` ones nothing is known but the names."""

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
    """What is known of repeats, by their places in the spec.

    Earlier readings have found out, and this one goes by it:

    - `rules`: how many copies at the head are unlike the others,
    - `counts`: the least and the most copies that the uses of a block have,
    - `unrolled`: what is no loop, because some use can't have one.

    This reading sees, for the next:

    - `seen`: rules; `short`: too few copies to see one,
    - `counted`: numbers of copies in uses of a block,
    - `looped` and `unlooped`: in containers, which are loops in some use, or without a copy, and
      which in some are none.

    `index_decides` says that the number of the copy that is read decides on more than values.
    """

    rules: dict[SpecPath, int] = field(default_factory=dict)
    counts: dict[SpecPath, tuple[int, int]] = field(default_factory=dict)
    unrolled: set[SpecPath] = field(default_factory=set)
    seen: dict[SpecPath, int] = field(default_factory=dict)
    short: set[SpecPath] = field(default_factory=set)
    counted: dict[SpecPath, tuple[int, int]] = field(default_factory=dict)
    looped: set[SpecPath] = field(default_factory=set)
    unlooped: set[SpecPath] = field(default_factory=set)
    index_decides: bool = False


class Shared(Struct):
    """What the network and its blocks have in common in one reading of a spec.

    `bodies` are what blocks have been read as, `open` the blocks that are being read. `reserved`
    are the places of absent layers that keep their number, as earlier readings have found out, and
    whether it is one of those with weights.
    """

    blocks: Mapping[str, BlockSpec]
    reserved: dict[SpecPath, bool]
    findings: Findings = field(default_factory=Findings)
    lost_blocks: set[str] = field(default_factory=set)  # something is wrong with their keys
    # items of types that do not exist, with what was meant where it is plain
    unknown: dict[SpecPath, str | None] = field(default_factory=dict)
    nameless: bool = False  # the blocks can't be read at all, so any type may be one
    undeclared: dict[str, list[str]] = field(default_factory=dict)  # given to blocks without them
    broken: set[Any] = field(default_factory=set)  # uses whose bodies have mistakes
    budget: Budget = field(default_factory=Budget)
    bodies: dict[Any, Any] = field(default_factory=dict)
    open: list[str] = field(default_factory=list)
    repeats: Repeats = field(default_factory=Repeats)
    types: Mapping[str, Layer] = field(default_factory=lambda: TYPES)  # with those imported
    imports: tuple[Layer, ...] = ()
    inside: dict[int, int] = field(default_factory=dict)  # the calls in a block's graph
    read: int = 0  # items, those that give no layer included
    unmatched: bool = False  # what `init` names is not there with the values of `--set`
    # sizes that meet, by their expressions in the network's terms
    meetings: dict[tuple[str, str, bool], tuple[Meeting, Need]] = field(default_factory=dict)
    evaluating: SpecPath = ()  # the place of the expression that is evaluated


class Noted(Struct, frozen=True):
    """How much is noted of what must not change: `decided` in a scope and in those around it."""

    decided: tuple[int, ...]
    pinned: int
    meetings: int


class Context(Struct):
    """What one scope, the network's or a block's, is read with.

    `pinned` collects the document's parameters on which something depends that no expression
    can carry, each with the first that needs it; `fixed` are those of an earlier round, which are
    plain numbers in this one.
    `parent` and `outer` are the scope that uses a block, and what it gives for each name; for the
    network's own, what each name stands for.
    """

    source: Source
    document: Document
    overrides: Mapping[str, Any]
    fixed: Mapping[str, Need]
    shared: Shared
    pinned: dict[str, Need] = field(default_factory=dict)
    parent: Context | None = None
    outer: dict[str, Any] = field(default_factory=dict)
    # what a user must keep as it is, in own terms
    decided: list[tuple[Any, Need]] = field(default_factory=list)
    lost: set[str] = field(default_factory=set)  # parameters with mistakes in them

    def declared(self) -> Sequence[str]:
        """The parameters of the scope that is read: the document's, or a block's."""
        if self.parent is None:
            return list(self.document.params)
        block = self.shared.blocks.get(self.shared.open[-1]) if self.shared.open else None
        return list(block.params) if block is not None else []

    def row(self, type_: str) -> Layer | None:
        """The built-in or imported type of this name; a block of the spec's own comes before it."""
        return None if type_ in self.shared.blocks else self.shared.types.get(type_)

    @property
    def budget(self) -> Budget:
        """The steps that expressions may still take."""
        return self.shared.budget

    def error(
        self, code: str, message: str, path: SpecPath, *, key: bool = False, **more: Any
    ) -> NoReturn:
        """Raise the diagnostic of one mistake at a place in the spec."""
        location = self.source.locate(path, key=key)
        raise NetgenError(Diagnostic(code, message, location, **more))

    def count(self, items: int, path: SpecPath, *, key: bool = False) -> None:
        """Take so many more items down as read; refuse a spec that unfolds to too many."""
        self.shared.read += items
        if self.shared.read > MOST_ITEMS:
            message = f"the spec unfolds to more than {MOST_ITEMS} layers"
            self.error("NG210", message, path, key=key)

    def pin(self, symbols: Symbols, need: Need) -> None:
        """Note that these must not change; refuse sizes known only at run time."""
        for symbol in symbols:
            if symbol.runtime and not symbol.known:
                fail(f"this depends on `{symbol.name}`, which is known only at run time")
            if symbol.name == INDEX:
                self.shared.repeats.index_decides = True
            elif self.parent is None:
                self.pinned.setdefault(symbol.name, need)
            else:
                self.decided.append((Symbols((symbol,)), need))
                self.parent.settle(self.outer[symbol.name], need)

    def settle(self, value: Any, need: Need) -> None:
        """Something hangs on a value: pin what it comes to for those who use the scope."""
        if self.parent is None:
            for symbol in symbols_in(value):
                why = need.why or needs(value, symbol.name)
                self.pin(Symbols((symbol,)), replace(need, why=why))
            return
        symbols = Symbols(s for s in symbols_in(value) if s.name == INDEX)
        self.pin(symbols, need)
        if not symbols:
            self.decided.append((value, need))
            self.parent.settle(rebind(value, self.outer), need)

    def is_open(self, value: Any) -> bool:
        """Whether a value hangs on parameters of the network that may be arguments."""
        if self.parent is not None:
            return self.parent.is_open(rebind(value, self.outer))
        return any(not symbol.runtime and symbol.name != INDEX for symbol in symbols_in(value))

    @contextmanager
    def trying(self) -> Iterator[list[str]]:
        """What is read inside is only tried: what it would fix is in the list then, and is not."""
        if self.parent is not None:
            with self.parent.trying() as fixes:
                yield fixes
            return
        pinned, meetings = dict(self.pinned), self.shared.meetings
        self.shared.meetings, fixes = {}, []
        yield fixes
        self.judge()
        fixes += [name for name in self.pinned if name not in pinned]
        if fixes:
            self.pinned, self.shared.meetings = pinned, meetings
        else:
            self.shared.meetings = {**meetings, **self.shared.meetings}

    def agree(self, meeting: Meeting, need: Need) -> None:
        """Two sizes meet: what they hang on is fixed unless torch sees to it that they fit."""
        if same(meeting.kept, meeting.other):
            return
        if self.parent is not None:
            self.decided.append((meeting, need))
            self.parent.agree(rebound(meeting, self.outer), need)
            return
        symbols = symbols_in([meeting.kept, meeting.other])
        if any(symbol.name == INDEX for symbol in symbols):
            self.shared.repeats.index_decides = True  # of a loop's copies each must fit
        elif not all(symbol.runtime for symbol in symbols):
            texts = (code(meeting.kept), code(meeting.other), meeting.spreads)
            self.shared.meetings.setdefault(texts, (meeting, need))

    def noted(self) -> Noted:
        """What is noted so far of what must not change."""
        above = () if self.parent is None else self.parent.noted().decided
        shared = self.shared
        return Noted((*above, len(self.decided)), len(self.pinned), len(shared.meetings))

    def forget(self, known: Noted) -> None:
        """Take back what has been noted since then: it came of an attempt."""
        if self.parent is not None:
            self.parent.forget(replace(known, decided=known.decided[:-1]))
        del self.decided[known.decided[-1] :]
        for found, count in ((self.pinned, known.pinned), (self.shared.meetings, known.meetings)):
            for key in [*found][count:]:
                del found[key]

    def judge(self) -> None:
        """Fix what sizes that meet hang on, where it is not for torch to see that they fit.

        Names that are fixed for another reason are left to the next reading: then they are numbers.
        """
        judging = judge(self.outer)
        for meeting, need in self.shared.meetings.values():
            symbols = symbols_in([meeting.kept, meeting.other])
            fixed = any(symbol.name in self.pinned for symbol in symbols)
            if not fixed and not judging.is_free(meeting):
                own = Symbols(symbol for symbol in symbols if not symbol.runtime)
                self.pin(own, replace(need, why=needs_equal(meeting)))

    def decide_again(self, decided: Sequence[tuple[Any, Need]]) -> None:
        """Pin for another user what reading the same block has decided before."""
        for value, need in decided:
            if isinstance(value, Symbols):
                self.pin(value, need)
            elif isinstance(value, Meeting):
                self.agree(value, need)
            else:
                self.settle(value, need)

    def decide(self, value: Any, path: SpecPath) -> None:
        """A value decides on what no expression can carry: the parameters in it are fixed."""
        try:
            self.pin(symbols_in(value), Need(path))
        except ExpressionError as error:
            self.error("NG206", error.message, path)

    def evaluate(self, value: Any, names: Any, path: SpecPath) -> Any:
        """A value of the spec with its expressions evaluated, lists item by item."""
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
            self.misnamed(error, names.words(), path)

    def misnamed(self, error: ExpressionError, words: Sequence[str], path: SpecPath) -> NoReturn:
        """Raise the diagnostic of an expression; `words` are the names that it may use."""
        help = error.help
        if error.word is not None and error.word not in KNOWN:
            constants = {"true": "True", "false": "False", "null": "None"}
            meant = constants.get(error.word) or closest_word(error.word, [*words, *VALUES])
            help = f"did you mean `{meant}`?" if meant else None
            if path[:1] == ("blocks",) and error.word in self.document.params:
                help = (
                    f"a block sees its own parameters only: put `{error.word}` under its `params`, "
                    f"and `{error.word}: ${error.word}` where it is used"
                )
        code = "NG208" if error.word else "NG206"
        self.error(code, printable(error.message), path, help=help)


class ParameterNames(PlainNames, frozen=True):
    """An expression's view of the parameters alone, which it may fix."""

    context: Context

    def pin(self, symbols: Symbols, why: str) -> None:
        self.context.pin(symbols, Need(self.context.shared.evaluating, why))
