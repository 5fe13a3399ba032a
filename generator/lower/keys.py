"""The keys that all layers have: `from`, `when`, `repeat` and `name`, evaluated and checked."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NoReturn

from msgspec.structs import replace

from ..diagnostics.diagnostics import MOST_FINDINGS, SpecPath, Unknowable, printable
from ..ir.graph import Node, Ref
from ..ir.needs import Need, subject
from ..layers.kin import OF_DIFFERENT
from ..spec.spec import COMMON_KEYS, LOOP_KEYS, REPEAT_KEYS, Item
from ..symbolic.expressions import words_in
from ..symbolic.functions import KNOWN
from ..symbolic.hints import as_expression, whole
from ..symbolic.names import IN_USE, SKIPPED, why_no_attribute
from ..symbolic.provenance import more_than
from ..symbolic.sizes import Size, is_runtime, is_unknown, plain, poly_of, symbols_in
from .context import Context
from .scope import LayerNames, Scope

MOST_COPIES = 10_000
MOST_PORTS = 4  # that a message lists
_TOKEN = r"\{\{|\}\}|\{([^{}]+)\}"  # inside an f-string: a brace, or an expression
_QUOTED = r"""["']([^"']+)["']"""  # a reference in an expression
_COUNTS = r"index( [-+*] [1-9]\d*)?|[1-9]\d* [+*] index"  # differs from copy to copy


class Taken(Exception):
    """A default name is written further down: the document must be read again without it."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


def fixed(scope: Scope, item: Item, key: str, names: LayerNames) -> Any:
    """The plain value of a key, whose parameters are fixed: the structure depends on it."""
    value = scope.context.evaluate(item.common[key], names, item.at(key))
    scope.context.fix_at(value, item.at(key))
    return plain(value)


def reads(
    scope: Scope,
    item: Item,
    current: tuple[Ref, ...],
    index: int | None,
    *,
    chained: bool,
    chosen: bool,
    fixes: bool = True,
) -> tuple[Ref, ...]:
    """The references under `from`, or else `current`.

    The parameters in `from` are fixed if `fixes` is true. `current` is refused if it has several
    outputs of which none is `chosen`. Raises `NetgenError` for other mistakes, too; `Unknowable` if
    those of the references have been reported.
    """
    if "from" not in item.common:
        for ref in current:
            if scope.portless(ref) and not chained and not chosen:
                _choose_port(scope, item, ref)
        return current
    path = item.at("from")
    if chained:
        message = "a `Sequential` is a chain: what stands in it has no `from`"
        scope.context.error("NG210", message, path, key=True)
    written = source(scope, item, index)
    if fixes:
        scope.context.fix_at(written, path)
    each = item.common["from"] if isinstance(item.common["from"], list) else [item.common["from"]]
    for word in (word for text in each for word in re.findall(_QUOTED, str(text))):
        scope.mention(word, misspelt=False)  # other arguments may read it
    value = plain(written)
    texts = [plain(text) for text in value] if isinstance(value, list) else [value]
    if not texts or not all(isinstance(text, str) for text in texts):
        scope.context.error("NG201", "`from` is a reference or a list of references", path)
    inner = isinstance(item.common["from"], list)
    found, findings = [], scope.context.shared.findings
    places = [item.at("from", place) if inner else path for place in range(len(texts))]
    if 1 < len(texts) <= MOST_FINDINGS and item.type in OF_DIFFERENT:
        scope.note([*zip(texts, places, strict=True)])
    for text, place in zip(texts, places, strict=True):
        with findings.collecting():
            found.append(scope.find_listed(text, place))
    if len(found) < len(texts):
        for text in texts[:MOST_FINDINGS]:  # that nothing reads what was meant is no mistake
            scope.mention(text, misspelt=True)
        raise Unknowable
    return tuple(found)


def mention_tensors(scope: Scope, item: Item, written: Mapping[str, Any]) -> None:
    """Count the tensors that an item names beside its `from` as used, be the item there or not."""
    row = scope.context.row(item.type)
    for name in () if row is None else row.optional_tensors:
        if isinstance(text := plain(written.get(name)), str):
            scope.mention(text, misspelt=False)


def source(scope: Scope, item: Item, index: int | None) -> Any:
    """The value of `from`, with the expression that gave it."""
    names = LayerNames(scope, None, index)
    return scope.context.evaluate(item.common["from"], names, item.at("from"))


def _choose_port(scope: Scope, item: Item, ref: Ref) -> NoReturn:
    call = scope.call(ref.node)
    known, named = item.written is not None, [name for name in call.names if name != SKIPPED]
    scope.used.add(ref.node)
    message = f"`{call.word}` gives several tensors, and `{item.type}` does not say which it reads"
    help = f"write `from: {named[0] if named else f'{call.word}.0'}`"
    scope.context.error("NG204", message, item.path, key=known, help=help)


def condition(scope: Scope, item: Item, names: LayerNames) -> Any:
    """The value of `when`, a boolean with the expression that gave it; true if there is none."""
    if "when" not in item.common:
        return True
    value = scope.context.evaluate(item.common["when"], names, item.at("when"))
    if is_unknown(value):
        scope.context.fix_at(value, item.at("when"))
    if not isinstance(plain(value), bool):
        _no_condition(scope.context, item)
    return value


def are_there(scope: Scope, item: Item, names: LayerNames) -> Any:
    """The condition that an item has copies, for one that another value may stand for."""
    copies = count(scope, item, names)
    if copies is None or not symbols_in(copies) or not may_be_none(copies):
        return True
    return more_than(copies, 0)


def may_be_none(count: Size) -> bool:
    """Whether a count may be 0: it can't if it is a positive number plus non-negative terms."""
    terms = poly_of(count).terms
    return not (all(factor > 0 for factor, _ in terms.values()) and () in terms)


def passing(
    scope: Scope, item: Item, reads: Sequence[Ref], index: int | None, *, chained: bool
) -> Item:
    """The item with what its `else` refers to, if it has one: that passes where it is absent.

    What it `reads` counts as read, whether it is there or not.
    """
    if "else" not in item.common:
        return item
    path = item.at("else")
    if "when" not in item.common:
        message = "`else` is what passes where `when` is false, but there is no `when`"
        scope.context.error("NG203", message, path, key=True)
    if chained:
        message = "a `Sequential` is a chain: what stands in it has no `else`"
        scope.context.error("NG210", message, path, key=True)
    value = fixed(scope, item, "else", LayerNames(scope, None, index))
    if not isinstance(value, str):
        scope.context.error("NG201", "`else` is a reference to a tensor", path)
    scope.used.update(ref.node for ref in reads)
    return replace(item, passes=scope.find(value, path))


def count(scope: Scope, item: Item, names: LayerNames) -> Size | None:
    """The number of copies: `repeat`, with the expression that gave it; `None` without one."""
    if "repeat" not in item.common:
        return None
    path = item.times
    if item.number:
        check_number(scope, item)
    value = plain(scope.context.evaluate(item.common["repeat"], names, path))
    if is_runtime(value) and isinstance(value, int):
        scope.context.fix_at(value, path)
        value = int(value)
    check_count(scope.context, item, value)
    return value  # type: ignore[no-any-return]


def note_count(context: Context, item: Item, count: Size) -> None:
    """Record how many copies this use of a block has, for its other uses."""
    if context.parent is not None and symbols_in(count):
        least, most = context.shared.repeats.counted.get(item.path, (int(count), int(count)))
        context.shared.repeats.counted[item.path] = (min(least, int(count)), max(most, int(count)))


def copy_bounds(
    context: Context, item: Item, count: Size, because: Need | None = None
) -> tuple[int, int]:
    """The least and the most copies in any use of a block, where copies are written one by one.

    Fixes the count: the generated source has as many copies, `because` something in them needs
    their number.
    """
    why = "writes its copies one by one"
    if because is not None:
        why += f": {subject(because.path, context.source.values)} needs the number of each"
    context.fix(count, Need(item.at("repeat"), why))
    note_count(context, item, count)
    return context.shared.repeats.counts.get(item.path, (int(count), int(count)))


def name(scope: Scope, item: Item, names: LayerNames) -> str | None:
    """The value of `name`, checked to be a path for an attribute; `None` without one.

    Raises `Taken` if numbering has given the name to an earlier layer.
    """
    if "name" not in item.common:
        return None
    value = _word(scope, item, names)
    check_path(scope.context, item, value)
    claim(scope, value, item.at("name"))
    scope.names.note(value)
    return value


def counts(name: Any, number: str) -> bool:
    """Whether a name contains the number of the copy, which may have a name of its own."""
    if not isinstance(name, str) or "$" not in name:
        return False
    return "index" in name or number in words_in(name)


def claim(scope: Scope, value: str, path: SpecPath) -> None:
    """Refuse a name that is given already.

    Raises `Taken` if numbering has given it to an earlier layer.
    """
    if any(placeholder.is_called(value) for placeholder in scope.inputs):
        scope.context.error("NG205", f"`{value}` is an input already", path)
    if value not in scope.written:
        return
    first = next((call for call in scope.calls if call.name == value), None)
    if first is None or first.written:  # without a call it names an output
        scope.context.error("NG205", f"the name `{value}` is given twice", path)
    raise Taken(value)


def name_outputs(scope: Scope, item: Item, names: LayerNames, *, chained: bool) -> Item:
    """The item with `names` for its outputs instead of a `name`, if that is a list of words.

    They are references. The layer's attribute is called as if there were no `name`.
    """
    written = item.common.get("name")
    if not isinstance(written, list):
        return item
    _check_list(scope.context, item, written, chained=chained)
    found = [plain(word) for word in fixed(scope, item, "name", names)]
    for place, word in enumerate(found):
        _check_output(scope.context, item, place, word)
        if word != SKIPPED:
            claim(scope, word, item.at("name", place))
            if word in found[:place]:
                message = f"the name `{word}` is given twice"
                scope.context.error("NG205", message, item.at("name", place))
    common = {key: value for key, value in item.common.items() if key != "name"}
    return replace(item, common=common, names=tuple(found))


def _check_list(context: Context, item: Item, written: list[Any], *, chained: bool) -> None:
    """Refuse a list of names where one can't stand, and one that names nothing."""
    path, help = item.at("name"), None
    if "repeat" in item.common:
        message = "with `repeat` a `name` is a word: each copy gives tensors of its own"
    elif chained:
        message = "a `name` in a `Sequential` is a word: the child's key"
    elif all(word == SKIPPED for word in written):
        message, help = "this names no output", "leave `name` out"
    else:
        return
    context.error("NG205", message, path, help=help)


def _check_output(context: Context, item: Item, place: int, word: Any) -> None:
    """Refuse what can't be the name of an output: it becomes a variable of ``forward``."""
    path = item.at("name", place)
    if not isinstance(word, str):
        context.error("NG205", "the name of an output is a word", path)
    reason = None if word == SKIPPED else why_no_attribute(word)
    if reason and (reason != IN_USE or word.startswith("__")):
        context.error("NG205", f"`{printable(word)}` {reason}", path)


def output_names(context: Context, item: Item, ports: Sequence[str]) -> tuple[str, ...]:
    """The names of an item's outputs; refuses more or fewer of them than there are `ports`."""
    count = len(item.names)
    if count not in (0, len(ports)):
        _miscounted(context, item, ports)
    return item.names


def _miscounted(context: Context, item: Item, ports: Sequence[str]) -> NoReturn:
    count = len(item.names)
    told = [f"`{port}`" for port in ports]
    if len(told) > MOST_PORTS:
        told = [*told[:2], "...", told[-1]]
    message = f"`{item.type}` gives {len(ports)} ({', '.join(told)}), but {count} named"
    help = f"write `{SKIPPED}` for one that needs no name" if count < len(ports) else None
    context.error("NG205", message, item.at("name"), help=help)


def keep_apart(context: Context, chain: Sequence[Node], child: Node, item: Item) -> None:
    """Fix the counts of loops if a copy may have the same name as this child of a container.

    `chain` are the children before it. The copies of one loop must have different names, too.
    """
    need = Need(item.at("name"), "may be the name of two children")
    if "name" not in item.common:  # the layers of a `Group` have names
        need = Need(item.at("repeat"), "may give two children one name")
    for label in _labels(child):
        tokens = [token[1] for token in re.finditer(_TOKEN, label) if token[1]]
        if not any(re.fullmatch(_COUNTS, token) for token in tokens):
            context.fix(child.count, need)
    for other in chain:
        if _may_meet(child, other) or _may_meet(other, child):
            context.fix([child.count, other.count], need)


def _labels(child: Node) -> set[str]:
    """The labels that name the copies of a loop: its own, or those of the layers in a `Group`."""
    if child.kind != "copies":
        return set()
    return {label for label in (child.label, *(copy.label for copy in child.body)) if label}


def _may_meet(loop: Node, child: Node) -> bool:
    """Whether a copy of the loop may have the name of the child, or of a copy of it."""
    names = [_filled(label, "0") for label in _labels(child)] or [child.name]
    patterns = [_filled(label, r"-?\d+", re.escape) for label in _labels(loop)]
    return any(re.fullmatch(pattern, name) for pattern in patterns for name in names)


def _filled(label: str, number: str, written: Callable[[str], str] = str) -> str:
    """The inside of an f-string with `number` for each expression, and other text as `written`."""
    parts, end = [], 0
    for token in re.finditer(_TOKEN, label):
        parts += [written(label[end : token.start()]), number if token[1] else written(token[0][0])]
        end = token.end()
    return "".join([*parts, written(label[end:])])


def check_common(context: Context, item: Item, *, chained: bool) -> None:
    """Refuse values of `name`, `repeat` and `when` without expressions that no layer can have."""
    common, findings = item.common, context.shared.findings
    with findings.collecting():
        name = common.get("name", "x")
        if isinstance(name, list):
            _check_list(context, item, name, chained=chained)
            for place, word in enumerate(name):
                if "$" not in str(word):
                    _check_output(context, item, place, word)
        elif not isinstance(name, str):
            context.error("NG205", "a `name` is a word", item.at("name"))
        elif "$" not in name and not chained:
            check_path(context, item, name)
    with findings.collecting():
        check_count(context, item, common.get("repeat", 1))
    with findings.collecting():
        check_loop(context, item, chained=chained)
    when = common.get("when", True)
    if not isinstance(when, (bool, str)) or (isinstance(when, str) and "$" not in when):
        _no_condition(context, item)


def check_count(context: Context, item: Item, value: Any) -> None:
    """Refuse a number of copies that is no whole number from 0 to `MOST_COPIES`."""
    if isinstance(value, str) and "$" in value:
        return
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        message, written = "`repeat` should be a whole number of 0 or more", item.common["repeat"]
        help = as_expression(written, context.declared())
        help = whole(written) if isinstance(value, float) else help
        context.error("NG201", message, item.times, help=help)
    if value > MOST_COPIES:
        message = f"{int(value)} copies are too many: {MOST_COPIES} at most"
        context.error("NG210", message, item.times)


def check_loop(context: Context, item: Item, *, chained: bool) -> None:
    """Refuse `carry` and `collect` where they can't stand, and any value but true and false."""
    for key in (key for key in LOOP_KEYS if key in item.common):
        value, common = item.common[key], item.common
        if not isinstance(value, bool):
            context.error("NG201", f"`{key}` is true or false", item.at(key))
        message, help = "", None
        if item.type in ("Group", "Reuse") or "branches" in _mapping(item.written):
            message = f"`{item.type}` has no `{key}`: it is for a repeat of one layer or block"
        elif "repeat" not in common:
            message = f"`{key}` says what the copies of a `repeat` pass on: there is no `repeat`"
        elif chained:
            message = f"a `Sequential` passes one tensor on: what stands in it has no `{key}`"
        elif "name" not in common or counts(common["name"], item.number):
            message = f"`{key}` needs a `name` for all copies together"
            help = "it is the `nn.ModuleList` that holds them"
        elif key == "carry" and item.type not in context.known.blocks and "$" not in item.type:
            message = f"`carry` is for the copies of a block, and `{item.type}` is none"
            help = "without `carry` the copies chain their first input"
        if message:
            context.error("NG210", message, item.at(key), key=True, help=help)


def _mapping(written: Any) -> Mapping[str, Any]:
    return written if isinstance(written, dict) else {}


def check_number(scope: Scope, item: Item) -> None:
    """Refuse a name for a copy's number that means something else in the scope."""
    name, sizes = item.number, {s.name for x in scope.inputs for s in symbols_in(x.type.shape)}
    taken = {
        **dict.fromkeys(KNOWN, "has a meaning in expressions"),
        **dict.fromkeys((*COMMON_KEYS, *REPEAT_KEYS), "is a key of layers"),
        **dict.fromkeys(scope.context.known.blocks, "is a block"),
        **dict.fromkeys(("N", *sizes), "is a size of an input"),
        **{word: "is an input" for x in scope.inputs for word in (x.name, *x.words)},
        **dict.fromkeys(scope.params, "is a parameter"),
        **dict.fromkeys(scope.numbers, "is the number of a repeat around this one"),
    }
    if name in taken:
        message = f"`{name}` {taken[name]}: the number of a copy needs another name"
        scope.context.error("NG205", message, item.at("repeat", "as"))


def _no_condition(context: Context, item: Item) -> NoReturn:
    when = item.common["when"]
    named = isinstance(when, str) and any(sign in when for sign in "=<>")
    help = f"write `$({when})`" if named else as_expression(when, context.declared())
    message = "`when` should be a condition, true or false"
    context.error("NG201", message, item.at("when"), help=help)


def check_path(context: Context, item: Item, value: str) -> None:
    """Refuse a name that can't be an attribute's path."""
    for place, part in enumerate(value.split(".")):
        numbered = place > 0 and part.isascii() and part.isdecimal()  # of a child in a container
        key = part.replace("-", "_") if place else part  # a key of a dict may have dashes
        reason = None if numbered and str(int(part)) == part else why_no_attribute(key)
        free = reason == IN_USE and not part.startswith("__") and _only_refers(context, item)
        if reason and not free:
            whole = "" if part == value else f"`{printable(value)}`: "
            context.error("NG205", f"{whole}`{printable(part)}` {reason}", item.at("name"))


def _only_refers(context: Context, item: Item) -> bool:
    """Whether an item's name is only for references, because the item has no attribute."""
    row = context.row(item.type)
    return item.type == "Reuse" or (row is not None and (row.operation or row.fresh))


def child_name(
    scope: Scope, item: Item, names: LayerNames, used: Iterable[str | None]
) -> str | None:
    """The name of a child of a `Sequential`: any printable text without a dot."""
    if "name" not in item.common:
        return None
    path = item.at("name")
    value = _word(scope, item, names)
    if value in used:
        scope.context.error("NG205", f"the name `{printable(value)}` is given twice", path)
    if not value or "." in value or not value.isprintable():
        message = f"`{printable(value)}` is no key: it is empty, or has a dot or what can't be seen"
        scope.context.error("NG205", message, path)
    if value.isidentifier() and why_no_attribute(value) == IN_USE:
        scope.context.error("NG205", f"`{value}` {IN_USE}", path)
    return value


def _word(scope: Scope, item: Item, names: LayerNames) -> str:
    value = fixed(scope, item, "name", names)
    if not isinstance(value, str):
        scope.context.error("NG205", "a `name` is a word", item.at("name"))
    return value
