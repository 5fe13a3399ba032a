"""Operations in einops' notation: patterns that name the dimensions before and after."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache, partial
from typing import Any, NoReturn

from msgspec.structs import replace

from ..symbolic.equality import Meeting, left_of, same
from ..symbolic.sizes import Size, code, is_batch, is_unknown, plain, product
from .base import Arg, Args, Layer, Refusal, refuse
from .chains import Step, Task, Times, looks, shortest
from .elementwise import LAYERS as ELEMENTWISE
from .kinds import ANY, INT, Kind, choice
from .patterns import ARROW, ELLIPSIS, KEYS, Group, Keys, Misread, Pattern, parse
from .saved import Saved
from .splits import operation
from .tensor import TensorType

_REDUCTIONS = {
    "mean": "Mean",
    "sum": "Sum",
    "max": "Amax",
    "min": "Amin",
    "prod": "Prod",
    "any": "Any",
    "all": "All",
}
_ROWS = {word: row for word, name in _REDUCTIONS.items() for row in ELEMENTWISE if row.name == name}


def with_axes(row: Layer, written: Any) -> Layer:
    """The row for what is written: the axes of its pattern are arguments, too.

    Where that is no pattern, all that is written beside it may be one, of any kind.
    """
    if not row.axes:
        return row
    given = written if isinstance(written, Mapping) else {}
    text = given.get(row.axes) if given else written
    text = text[0] if isinstance(text, list) and text else text
    try:
        return _widened(row, parse(str(text), row.name).names, known=True)
    except Misread:
        return _widened(row, tuple(name for name in given if name not in KEYS), known=False)


@lru_cache(1024)
def _widened(row: Layer, names: Keys, *, known: bool) -> Layer:
    """The row with these axes, whose sizes may be anything if the pattern is not known."""
    sizes = [Arg(name, INT if known else ANY, None, keyword_only=True) for name in names]
    return replace(row, args=(*row.args, *sizes))


def chain(row: Layer, args: Mapping[str, Any], rank: int) -> tuple[Step, ...]:
    """The calls that an operation is on a tensor with so many dimensions, with its sizes."""
    pattern = parse(plain(args["pattern"]), row.name)
    given = {name: args.get(name) for name in pattern.names}
    sizes = {**_numbers(pattern), **{name: n for name, n in given.items() if n is not None}}
    reduction = plain(args.get("reduction", ""))
    steps = shortest(Task(*pattern.dimensions(rank), frozenset(sizes), reduction))
    return tuple(replace(step, args=_filled(step.args, sizes)) for step in steps)


def _filled(value: Any, sizes: Mapping[str, Size]) -> Any:
    """An argument with the sizes of axes put in."""
    if isinstance(value, tuple):
        return tuple(_filled(part, sizes) for part in value)
    return product(sizes[key] for key in value.keys) if isinstance(value, Times) else value


def _numbers(pattern: Pattern) -> dict[str, Size]:
    return {key: axis.number for key, axis in pattern.axes.items() if axis.number is not None}


def _given(pattern: Pattern, a: Args) -> dict[str, Size]:
    """The sizes that are known from the pattern and beside it; raises `Refusal`."""
    found = _numbers(pattern)
    for name in pattern.names:
        size = getattr(a, name, None)
        if size is not None:
            if size < 1:
                refuse(f"the size of an axis is 1 or more, but `{name}` is {size}", name)
            found[name] = size
    return found


# what comes out


def rearrange(a: Args, x: TensorType) -> TensorType:
    """The dimensions as the right side of `pattern` has them; sizes of axes are given by name."""
    return _result("Rearrange", a, x)


def reduce(a: Args, x: TensorType) -> TensorType:
    """As `Rearrange`, with the `reduction` over the axes that the right side of `pattern` lacks."""
    y, row = _result("Reduce", a, x), _ROWS[a.reduction]
    pattern = parse(a.pattern, "Reduce")
    left, right = pattern.dimensions(x.rank)
    if {key for keys in left for key in keys} == {key for keys in right for key in keys}:
        return y
    if x.dtype not in row.dtypes or (a.reduction == "mean" and x.dtype.startswith("complex")):
        refuse(f"`reduction: {a.reduction}` can't read `{x.dtype}`", "reduction")
    given = row.rule(Args(dim=0, keepdim=False), TensorType((1,), x.dtype, None))
    assert isinstance(given, TensorType)
    return y.with_dtype(given.dtype)


def repeat(a: Args, x: TensorType) -> TensorType:
    """As `Rearrange`, with more axes on the right side of `pattern`, over which values repeat."""
    return _result("Repeat", a, x)


def _result(operation: str, a: Args, x: TensorType) -> TensorType:
    pattern = parse(a.pattern, operation)
    if not pattern.reads(x.rank):
        _refuse_rank(pattern, a, x)
    left, right = pattern.dimensions(x.rank)
    sizes = _sizes(pattern, a, x, left)
    whole = dict(zip(left, x.shape, strict=True))
    shape = [
        whole[keys] if keys and keys in whole else _joined([sizes[key] for key in keys])
        for keys in right
    ]
    batch, lost = _batch(pattern, x, left, right)
    if lost:  # a folded batch that is taken apart again
        places = [place for place, size in enumerate(shape) if is_batch(size)]
        batch, lost = (places[0], False) if len(places) == 1 else (None, True)
    return TensorType(tuple(shape), x.dtype, batch, lost)


def _joined(sizes: Sequence[Size]) -> Size:
    """The size of several axes as one; ``heads * (dim // heads)`` is `dim`."""
    seen = product(sizes)
    if "//" not in code(seen):
        return seen
    simple = math.prod(sizes)
    return seen if "//" in code(simple) else simple


def _refuse_rank(pattern: Pattern, a: Args, x: TensorType) -> NoReturn:
    count = len(pattern.left) - (ELLIPSIS in pattern.axes)
    least = "at least " if ELLIPSIS in pattern.axes else ""
    message = f"the pattern reads {least}{count} dimensions, but {x} has {x.rank}"
    _refuse_at((0, len(a.pattern.partition(ARROW)[0].rstrip())), message)


def _refuse_at(span: tuple[int, int], message: str, help: str | None = None) -> NoReturn:
    """Raise a `Refusal` that points into the pattern."""
    refusal = Refusal(message, "pattern", help)
    refusal.span = span
    raise refusal


def _sizes(pattern: Pattern, a: Args, x: TensorType, left: Sequence[Keys]) -> Mapping[str, Size]:
    """The size of each axis; raises `Refusal` where the pattern does not fit what is read."""
    sizes = _given(pattern, a)
    groups = pattern.read(x.rank)
    task = Task(*pattern.dimensions(x.rank), frozenset(sizes))
    for keys, group, whole in zip(left, groups, x.shape, strict=True):
        unknown = [key for key in keys if key not in sizes]
        if len(unknown) > 1:
            names = " and ".join(f"`{key}`" for key in unknown[:2])
            help = f"give the size of one of them: `{unknown[1]}: 2`"
            _refuse_at(group.span, f"only one of {names} can be worked out", help)
        known = product(sizes[key] for key in keys if key not in unknown)
        if int(whole) % int(known) or not (unknown or int(whole) == int(known)):
            right = f"which is no multiple of {known}" if unknown else f"not {known}"
            _refuse_size(a, keys, group, whole, known, right)
        found = _meeting(task, keys, whole, known) if is_unknown(whole) else None
        if found is not None and found.silent:
            right = "which torch would not look at" if unknown else f"not {known}"
            _refuse_size(a, keys, group, f"{whole}, known only at run time", known, right)
        for key in unknown:
            # torch refuses what does not divide, so the division is exact
            sizes[key] = left_of(whole, known) if len(keys) > 1 else whole
    for axis in pattern.axes.values():
        if axis.key not in sizes and axis.text != ELLIPSIS:
            help = f"give its size beside the pattern: `{axis.text}: 2`"
            _refuse_at(axis.span, f"`{axis.text}` is new, so it needs a size", help)
    return sizes


def _refuse_size(
    a: Args, keys: Keys, group: Group, there: Size | str, known: Size, right: str
) -> NoReturn:
    """Refuse the sizes of some axes, whose product is `known`; `right` says what is wrong."""
    if len(keys) == 1 and getattr(a, keys[0], None) is not None:
        refuse(f"`{keys[0]}` is {known}, but the size there is {there}", keys[0])
    _refuse_at(group.span, f"the size here is {there}, {right}")


def _batch(
    pattern: Pattern, x: TensorType, left: Sequence[Keys], right: Sequence[Keys]
) -> tuple[int | None, bool]:
    """The place of the batch, and whether there is none any more."""
    if x.batch is None:
        return None, x.lost
    old = {key for keys in left for key in keys}
    kept = {key for keys in right for key in keys}
    own = left[x.batch]
    for key in own:
        if key not in kept:
            _refuse_at(_span(pattern, key), "the batch can't be reduced: its samples stay apart")
    for keys in right:
        new = [key for key in keys if key not in old]
        if new and {*own} & {*keys}:
            _refuse_at(_span(pattern, new[0]), "the batch can't be repeated")
    return (right.index(own), False) if own in right else (None, True)


def _span(pattern: Pattern, key: str) -> tuple[int, int]:
    """Where an axis stands in the pattern; one of several in ``...`` has no name of its own."""
    return pattern.axes[key if key in pattern.axes else ELLIPSIS].span


def meetings(operation: str, a: Args, x: TensorType) -> list[Meeting]:
    """The sizes of axes that are given beside those that are there."""
    pattern = parse(a.pattern, operation)
    sizes: dict[str, Size] = _given(pattern, a)
    task = Task(*pattern.dimensions(x.rank), frozenset(sizes))
    found = []
    for keys, whole in zip(task.left, x.shape, strict=True):
        known = product(sizes[key] for key in keys if key in sizes)
        found.append(_meeting(task, keys, whole, known))
    return [*filter(None, found)]


def _meeting(task: Task, keys: Keys, whole: Size, known: Size) -> Meeting | None:
    """The size of a dimension beside that which its axes give, if they may differ.

    It is `silent` where torch would not look.
    """
    silent = not looks(task, keys)
    if not task.known.issuperset(keys):  # what is not given is what is left
        known = known * (whole // known) if silent else whole
    return None if same(whole, known) else Meeting(whole, known, silent=silent)


# memory


def _is_view(operation: str, a: Args, *inputs: TensorType) -> bool:
    """Whether no call of the chain copies: axes that have moved are not made one."""
    pattern = parse(a.pattern, operation)
    steps = chain(_BY_NAME[operation], vars(a), len(pattern.left))
    moved = False
    for step in steps:
        if step.method in ("transpose", "permute", "expand"):
            moved = True
        elif step.method in ("unflatten", "unsqueeze", "squeeze", "flatten"):
            if moved and step.method == "flatten":
                return False
        else:
            return False
    return True


def _saves(a: Args, xs: Sequence[TensorType], ys: Sequence[TensorType]) -> Saved:
    """What the reduction keeps."""
    return _ROWS[a.reduction].saves(a, xs, ys)


def _pattern(operation: str) -> Arg:
    def check(value: Any) -> Any:
        if not isinstance(value, str):
            raise ValueError
        parse(value, operation)
        return value

    schema = {"type": "string", "pattern": ARROW}
    kind = Kind("a pattern", check, "str", schema, structural=True)
    return Arg("pattern", kind, positional=True, code=True)


def _row(name: str, rule: Any, *more: Arg, **fields: Any) -> Layer:
    return operation(
        name,
        rule,
        _pattern(name),
        *more,
        function="",
        stem=name.lower(),
        axes="pattern",
        view=partial(_is_view, name),
        meets=partial(meetings, name),
        **fields,
    )


_WORDS = choice(*_REDUCTIONS)

LAYERS: tuple[Layer, ...] = (
    _row("Rearrange", rearrange, moves=True),
    _row("Reduce", reduce, Arg("reduction", _WORDS, positional=True, code=True), saves=_saves),
    _row("Repeat", repeat, moves=True),
)
_BY_NAME = {row.name: row for row in LAYERS}
