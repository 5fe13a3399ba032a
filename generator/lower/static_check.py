"""Checks of layers that need no shapes: their types, and the names and kinds of arguments.

They are applied to layers that can't be read because of a mistake before them, and to blocks that
nothing uses.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import replace

from ..diagnostics.diagnostics import MOST_FINDINGS, Diagnostic, Location, SpecPath, printable
from ..layers import GROUPING
from ..layers.base import Layer
from ..layers.kin import spatial_dims
from ..layers.models import read_arguments
from ..spec.spec import COMMON_KEYS, PARAMETRIZE, Item, item_places, read_item
from ..symbolic.expressions import check_names, has_expression, texts
from ..symbolic.hints import (
    bare_type,
    closest,
    closest_word,
    instead_of_argument,
    instead_of_type,
    meant_type,
    run_together,
    same_type,
)
from ..symbolic.syntax import ExpressionError
from .arguments import by_name, listed, respelt, widened
from .context import Context
from .initial import read_init
from .keys import check_common
from .python_calls import LONGEST, as_called, whole_call

if TYPE_CHECKING:
    from ..spec.block_spec import BlockSpec


def known_types(context: Context) -> list[str]:
    """The names of all types that an item may have, blocks included."""
    return [
        *context.known.blocks,
        *sorted(context.known.lost),
        *context.known.rows,
        *GROUPING,
    ]


def is_known_type(context: Context, name: Any) -> bool:
    """Whether an item may have this type."""
    known = context.known
    homes = (known.blocks, known.lost, known.rows, GROUPING)
    return isinstance(name, str) and any(name in home for home in homes)


SHORTEST = 3  # of what may be the beginning of a block's name


def unknown_type(
    context: Context, item: Item, spatial: int | None
) -> tuple[Diagnostic, str | None]:
    """The diagnostic of a type that does not exist, and the type that was probably meant."""
    location = context.source.locate(item.path, key=item.written is not None or bool(item.common))
    if isinstance(item.path[-1], str) and item.path[-1] == item.type:
        location = context.source.locate(item.path, key=True)
    instead = None
    blocks = [*context.known.blocks, *context.known.lost]
    begun = next((name for name in blocks if name.startswith(item.type)), None)
    if len(item.type) < SHORTEST:
        begun = None
    if begun is None and closest_word(bare_type(item.type), blocks) is None:
        instead = instead_of_type(item.type, spatial)
    meant = None if instead else begun or meant_type(item.type, known_types(context), spatial)
    if meant == "Repeat" and "->" not in str(item.written):
        meant = "Group"  # copies were meant, no pattern
    reads = item.written if isinstance(item.written, list) else item.common.get("from")
    if instead and isinstance(reads, list) and all(isinstance(ref, str) for ref in reads):
        instead = instead.replace("[a, b]", printable(f"[{', '.join(reads)}]"))
    help = f"did you mean `{meant}`?" if meant else instead
    together = _together(context, item, location)
    if together is not None:
        help, meant = printable(together), None
    if item.type == "type" and isinstance(item.written, str):
        help = f"write the type itself: `{printable(item.written)}`"
    if meant is not None and meant == bare_type(item.type):
        help = f"write `{meant}`: a type is its name alone"
    if help is None and item.type.isidentifier() and item.type[0].isupper():
        help = f"if it is a block of your own, define it: `{printable(_as_block(item))}`"
    message = f"there is no layer type `{printable(item.type)}`"
    return Diagnostic("NG202", message, location, help=help), meant


def _as_block(item: Item) -> str:
    """The beginning of a block with the arguments that an item gives."""
    given = item.written if isinstance(item.written, dict) else {}
    params = ", ".join(f"{name}: required" for name in given)
    return f"blocks: {{{item.type}: {{{f'params: {{{params}}}, ' * bool(params)}layers: [...]}}}}"


def _together(context: Context, item: Item, location: Location) -> str | None:
    """The help for a type that is written as a call, and for one whose key is the layer's name."""
    if item.type.isidentifier():
        return None if item.common else _under_name(context, item.type, item.written)
    text = item.type
    if text.count("(") > text.count(")"):  # in a list in brackets YAML has cut a call at its commas
        call = whole_call(location.text[location.column - 1 :][:LONGEST])
        text = call if call.endswith(")") else text
    called = as_called(context, text)
    return called or (None if "(" in item.type else run_together(item.type, known_types(context)))


def _under_name(context: Context, name: str, written: Any) -> str | None:
    """The help for a layer that is written under its name: `conv: nn.Conv2d(3, 64, 3)`."""
    if isinstance(written, dict) and len(written) == 1:
        ((inner, given),) = written.items()
        more = "" if given is None else ", ..."
        found = is_known_type(context, inner)
        return f"write `{inner}: {{name: {name}{more}}}`: a name is an argument" if found else None
    if not isinstance(written, str):
        return None
    if is_known_type(context, bare_type(written)):
        return f"write `{bare_type(written)}: {{name: {name}}}`"
    return as_called(context, written, name)


def is_slip(word: str, meant: str) -> bool:
    """Whether an unknown type means this one alone: in another spelling, or in another library."""
    return meant not in GROUPING and same_type(word, [meant], spatial_dims(meant) or None) == meant


def check_layers(context: Context, item: Item) -> Any:
    """What stands under `layers` in a `Sequential` or a `Group`; refuses any other key."""
    if isinstance(item.written, list):
        help = f"write `{item.type}: {{layers: [...]}}`"
        message = f"`{item.type}` has a mapping with `layers`"
        context.error("NG201", message, item.path, key=True, help=help)
    written = item.written if isinstance(item.written, dict) else {}
    for key in written:
        if key != "layers":
            message = f"`{item.type}` has no `{printable(key)}`"
            meant = closest(key, ["layers", *COMMON_KEYS])
            context.error("NG203", message, item.at(key), key=True, help=meant)
    return written.get("layers")


class StaticCheck(Struct):
    """Checks items without shapes, and reports mistakes.

    `words` are the parameters that expressions may use; `None` if they are unknown, so that any
    name may be right.
    """

    context: Context
    words: Sequence[str] | None
    chained: bool = False  # in a `Sequential`, where names may be anything

    def block(self, name: str, spec: BlockSpec) -> None:
        """Check the layers of a block."""
        self.words = [*spec.params, *self.context.shared.mistakes.undeclared.get(name, ())]
        self.items(spec.layers, ("blocks", name, "layers"))

    def lost_block(self, name: str, raw: Any) -> None:
        """Check the layers of a block that has mistakes in its keys."""
        self.words = None
        if isinstance(raw, dict):
            self.items(raw.get("layers"), ("blocks", name, "layers"))

    def anything(self, raw: Any, path: SpecPath) -> None:
        """Check an item, or a list of items."""
        if isinstance(raw, list):
            self.items(raw, path)
        elif raw is not None:
            self.item(raw, path)

    def items(self, raw: Any, path: SpecPath) -> None:
        """Check each item of a list."""
        items = _listed(raw)
        for place in item_places(items):
            self.item(items[place], (*path, place))

    def item(self, raw: Any, path: SpecPath) -> None:
        """Check one item: its type, its keys and arguments, and the layers inside it."""
        context = self.context
        with context.shared.findings.collecting():
            item = respelt(context, read_item(raw, context.source, path, context.known.rows))
            for key, value in item.common.items():
                self.numbered(item).expressions(value, item.at(key))
            with self.context.shared.findings.collecting():
                check_common(self.context, item, chained=self.chained)
            if PARAMETRIZE in item.common:
                self.parametrize(item, item.common[PARAMETRIZE])
            self.numbered(item).written(item)

    def parametrize(self, item: Item, value: Any) -> None:
        """Check what is written under `parametrize`, as far as it has no expressions."""
        from .parametrizations import check_type, read_parametrizations

        with self.context.shared.findings.collecting():
            if item.type in known_types(self.context):
                check_type(self.context, item)
            if not _open(value):
                read_parametrizations(self.context, item, value)

    def numbered(self, item: Item) -> StaticCheck:
        """The check of what stands in an item, which knows the name of a copy's number."""
        if not item.number or self.words is None:
            return self
        return replace(self, words=[*self.words, item.number])

    def written(self, item: Item) -> None:
        """Check an item's type and arguments, and the layers inside it."""
        shared = self.context.shared
        inner = item.written if isinstance(item.written, dict) else {}
        if "$" in item.type or item.type in shared.known.lost:
            return
        if shared.known.nameless and item.type not in known_types(self.context):
            return
        if item.type in GROUPING:
            if item.type != "Reuse":
                check_layers(self.context, item)
            chained = self.chained or item.type == "Sequential"
            within = StaticCheck(self.context, self.words, chained)
            within.items(inner.get("layers"), item.at("layers"))
        elif item.type in shared.known.blocks:
            self.expressions(item.written, item.path)
            self.use(item, shared.known.blocks[item.type], inner)
        elif item.type not in shared.known.rows:
            diagnostic, meant = unknown_type(self.context, item, None)
            shared.findings.add(diagnostic)
            if meant in shared.known.rows and meant is not None and is_slip(item.type, meant):
                self.arguments(item, shared.known.rows[meant])
        else:
            self.branches(inner.get("branches"), item.at("branches"))
            if self.expressions(item.written, item.path):
                self.arguments(item, shared.known.rows[item.type])

    def branches(self, raw: Any, path: SpecPath) -> None:
        """Check the layers of a merge's branches."""
        pairs = raw.items() if isinstance(raw, dict) else enumerate(_listed(raw))
        for key, layers in pairs:
            chained = self.chained or (isinstance(raw, dict) and isinstance(layers, list))
            StaticCheck(self.context, self.words, chained).anything(layers, (*path, key))

    def use(self, item: Item, spec: BlockSpec, written: Mapping[str, Any]) -> None:
        """Check the names of arguments in a use of a block."""
        for name in written:
            if name not in spec.params:
                message = f"the block `{item.type}` has no parameter `{printable(str(name))}`"
                help = closest(str(name), spec.params) or instead_of_argument(str(name))
                self.context.error("NG208", message, item.at(name), key=True, help=help)
        positional = item.written is not None and not isinstance(item.written, dict)
        for name, raw in spec.params.items():
            default = raw.get("default") if isinstance(raw, dict) else raw
            if default == "required" and name not in written and not positional:
                message = f"the block `{item.type}` needs `{name}`"
                self.context.error("NG203", message, item.path, key=item.written is not None)

    def arguments(self, item: Item, row: Layer) -> None:
        """Check the names of a layer's arguments, and the values without expressions."""
        item, row = listed(item, row), widened(row, item)
        written, paths = by_name(self.context, item, row)
        for name in (*row.optional_tensors, "branches"):
            written.pop(name, None)
        read_later = {"value", "init"} if row.source else set()
        modules = {arg.name for arg in row.args if arg.kind.module}
        known = {arg.name for arg in (*row.args, *row.options)}
        open_ = {name for name, value in written.items() if name in known and _open(value)}
        open_ |= {name for name in written if name in read_later | modules}
        open_ |= {row.batch_in} & {*written}  # it may hold the batch, `N`
        plain = {name: value for name, value in written.items() if name not in open_}
        checked = read_arguments(row, plain)
        if isinstance(checked, list):
            from .wrong_arguments import wrong_arguments

            later = [p for p in checked if not (p.kind == "missing" and p.argument in open_)]
            problems = later[:MOST_FINDINGS]
            for diagnostic in wrong_arguments(self.context, item, row, problems, paths):
                self.context.shared.findings.add(diagnostic)

    def expressions(self, value: Any, path: SpecPath) -> bool:
        """Check the names in a value's expressions; gives whether all expressions are well-formed.

        One without its closing bracket has been cut in two by YAML, which made keys of the rest.
        """
        whole = True
        for place, text in texts(value, path, ("branches", "layers")):
            words = [*(self.words or ()), *sorted(self.context.lost)]
            try:
                check_names(text, None if self.words is None else words)
            except ExpressionError as error:
                whole = whole and error.word is not None
                with self.context.shared.findings.collecting():
                    self.context.misnamed(error, words, place)
        return whole

    def initial(self, raw: Any, names: Any) -> None:
        """Check the functions under `init`, but not which layers they are for."""
        for key, weights in raw.items() if isinstance(raw, dict) else ():
            for weight, init in weights.items() if isinstance(weights, dict) else ():
                with self.context.shared.findings.collecting():
                    read_init(self.context, init, names, ("init", key, weight))


def _listed(raw: Any) -> list[Any]:
    return raw if isinstance(raw, list) else []


def _open(value: Any) -> bool:
    """Whether a value contains an expression."""
    if isinstance(value, list):
        return any(map(_open, value))
    if isinstance(value, dict):
        return any(map(_open, value.values()))
    return isinstance(value, str) and has_expression(value)
