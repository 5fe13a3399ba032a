"""Operations on several tensors: arithmetic, comparisons, products, joins."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from ..symbolic.sizes import Size
from .base import (
    ALL,
    BOOLEAN,
    COMPLEX,
    FLOATS,
    INEXACT,
    INTS,
    MOST_TERMS,
    WIDE,
    Arg,
    Args,
    Layer,
    dimension,
    refuse,
)
from .broadcasting import common_type, joined, promoted
from .kinds import FLOAT, INDEX, NUMBER, TEXT, optional
from .products import cdist, cross, einsum, einsum_macs, matmul, matmul_macs
from .saved import (
    Saved,
    Saves,
    saves_both,
    saves_factors,
    saves_inputs,
    saves_nothing,
    saves_second,
)
from .tensor import Copies, TensorType, number_of

NUMBERS = ALL - BOOLEAN
MOST_TENSORS = 1000  # that one operation reads


def _with_number(name: str, dtype: str, other: float, divides: bool) -> str:
    """The element type of a tensor combined with a number."""
    if divides or isinstance(other, float):
        return dtype if dtype in INEXACT else "float32"
    return "int64" if dtype == "bool" else dtype


def arithmetic(name: str, a: Args, x: TensorType, *others: TensorType) -> TensorType:
    """The common shape of all that is read, by torch's rules of broadcasting and promotion."""
    if bool(others) == (a.other is not None):
        several = f"several tensors (`{name}: [a, b]`)"
        refuse(f"`{name}` reads {several}, or one and a number, `other`", "other")
    if name not in ("Add", "Mul") and len(others) > 1:
        refuse(f"`{name}` reads two tensors, but {len(others) + 1} given")
    if name == "Sub" and any(y.dtype == "bool" for y in (x, *others)):
        refuse("`Sub` can't subtract booleans")
    if len(others) >= MOST_TERMS and len({y.dtype for y in (x, *others)}) > 1:
        refuse(f"more than {MOST_TERMS} tensors must be of one element type: write a `Cast`")
    divides = name == "Div"
    if a.other is not None:
        return x.with_dtype(_with_number(name, x.dtype, a.other, divides))
    for other in others:
        dtype = common_type(x, other)
        if divides and dtype not in INEXACT:
            dtype = "float32"
        x = joined(x, other, dtype)
    return x


def quotient(name: str, a: Args, x: TensorType, *others: TensorType) -> TensorType:
    """The common shape of both, divided down to whole numbers; `Remainder` is what is left."""
    y = arithmetic(name, a, x, *others)
    if y.dtype in WIDE | BOOLEAN:
        refuse(f"`{name}` can't divide `{y.dtype}`")
    if y.dtype in INTS and a.other == 0:
        refuse("whole numbers can't be divided by 0", "other")
    return y


def comparison(name: str, a: Args, x: TensorType, *others: TensorType) -> TensorType:
    """Booleans in the common shape of both tensors."""
    if bool(others) == (a.other is not None) or len(others) > 1:
        two = f"two tensors (`{name}: [a, b]`)"
        refuse(f"`{name}` compares {two}, or one with a number, `other`", "other")
    if name not in ("Eq", "Ne") and any(y.dtype in COMPLEX for y in (x, *others)):
        refuse(f"`{name}` can't order complex numbers")
    return joined(x, others[0], "bool") if others else x.with_dtype("bool")


def extreme(name: str, a: Args, x: TensorType, *others: TensorType) -> TensorType:
    """The larger or smaller of each pair of elements."""
    for other in others:
        if x.dtype in COMPLEX or other.dtype in COMPLEX:
            refuse(f"`{name}` can't order complex numbers")
        x = joined(x, other, common_type(x, other))
    return x


def angle(a: Args, x: TensorType, other: TensorType) -> TensorType:
    """The angle of each pair of elements, in the common shape; whole numbers become float32."""
    dtype = common_type(x, other)
    return joined(x, other, dtype if dtype in INEXACT else "float32")


def logical(name: str, a: Args, x: TensorType, other: TensorType) -> TensorType:
    """Booleans in the common shape of both tensors; what is not 0 counts as true."""
    dtype = common_type(x, other)
    if dtype in WIDE:
        refuse(f"`{name}` can't read `{dtype}`")
    return joined(x, other, "bool")


def concat(a: Args, *tensors: TensorType) -> TensorType:
    """The sizes in `dim` added up; all others are equal."""
    first = tensors[0]
    if not first.rank:
        refuse("`Concat` needs at least one dimension")
    dim = dimension(first, a.dim)
    size = _joined_size(first, dim)
    dtype = first.dtype
    for x in tensors[1:]:
        same = x.rank == first.rank and all(
            left == right
            for place, (left, right) in enumerate(zip(x.shape, first.shape, strict=True))
            if place != dim
        )
        if not same:
            refuse(f"{first} and {x} differ in more than dimension {dim}", "dim")
        size = size + _joined_size(x, dim)
        dtype = promoted(dtype, x.dtype)
    batch = first.batch if all(x.batch == first.batch for x in tensors) else None
    lost = any(x.lost for x in tensors) or (first.batch is not None and batch is None)
    if batch == dim and number_of(tensors) != 1:
        batch, lost = None, True
    return TensorType((*first.shape[:dim], size, *first.shape[dim + 1 :]), dtype, batch, lost)


def _joined_size(x: TensorType, dim: int) -> Size:
    """The size of a tensor in `dim`; of a list that of its tensors joined."""
    return x.count * x.shape[dim] if isinstance(x, Copies) else x.shape[dim]


def stack(a: Args, *tensors: TensorType) -> TensorType:
    """A new dimension at `dim`; all shapes are equal."""
    first = tensors[0]
    dtype = first.dtype
    for x in tensors[1:]:
        if [*map(int, x.shape)] != [*map(int, first.shape)]:
            refuse(f"`Stack` joins equal shapes, but they are {first} and {x}")
        dtype = promoted(dtype, x.dtype)
    dim = dimension(TensorType((*first.shape, 1)), a.dim)
    batch = first.batch
    if batch is not None and batch >= dim:
        batch += 1
    shape = (*first.shape[:dim], number_of(tensors), *first.shape[dim:])
    return TensorType(shape, dtype, batch, first.lost)


def where(a: Args, condition: TensorType, x: TensorType, y: TensorType) -> TensorType:
    """Elements of the first tensor where the condition holds, else of the second."""
    if condition.dtype != "bool":
        refuse(f"the condition must be boolean, but is `{condition.dtype}`")
    chosen = joined(x, y, common_type(x, y))
    return joined(condition, chosen, chosen.dtype)


def masked_fill(a: Args, x: TensorType, mask: TensorType) -> TensorType:
    """The input with `value` where the mask holds; both broadcast."""
    if mask.dtype != "bool":
        refuse(f"the mask must be boolean, but is `{mask.dtype}`")
    if x.dtype not in INEXACT and isinstance(a.value, float):
        refuse(f"`value` {a.value} is no `{x.dtype}`", "value")
    return joined(x, mask, x.dtype)


def _other(divides: bool) -> Arg:
    """The number that may stand in place of the second tensor."""
    return Arg("other", optional(FLOAT), None, divides=divides)


_KEPT: dict[str, Saves] = {"Mul": saves_factors, "Div": saves_inputs}


def _operator(name: str, sign: str, rule: Callable[..., TensorType]) -> Layer:
    """The row of a binary operator of Python; `Add` and `Mul` take more than two tensors."""
    several = name in ("Add", "Mul")
    return Layer(
        name=name,
        stem=name.lower(),
        rule=partial(rule, name),
        args=(_other(name == "Div"),),
        brief="[{other}]",
        dtypes=ALL,
        tensors=("input",),
        variadic=(1, MOST_TENSORS if several else 2),
        operation=True,
        operator=sign,
        saves=_KEPT.get(name, saves_nothing),
    )


LAYERS = (
    *(
        _operator(name, sign, arithmetic)
        for name, sign in (("Add", "+"), ("Sub", "-"), ("Mul", "*"), ("Div", "/"))
    ),
    *(
        _operator(name, sign, comparison)
        for name, sign in (
            ("Eq", "=="),
            ("Ne", "!="),
            ("Lt", "<"),
            ("Le", "<="),
            ("Gt", ">"),
            ("Ge", ">="),
        )
    ),
    *(
        Layer(
            name=name,
            stem=name.lower(),
            rule=partial(extreme, name),
            dtypes=ALL,
            tensors=("input", "other"),
            functional=f"torch.{name.lower()}",
            operation=True,
        )
        for name in ("Maximum", "Minimum")
    ),
    Layer(
        name="Remainder",
        saves=saves_factors,
        stem="remainder",
        rule=partial(quotient, "Remainder"),
        args=(_other(divides=True),),
        dtypes=ALL - COMPLEX,
        variadic=(1, 2),
        operation=True,
        operator="%",
    ),
    Layer(
        name="FloorDiv",
        saves=saves_factors,
        stem="floor_div",
        rule=partial(quotient, "FloorDiv"),
        args=(_other(divides=True),),
        dtypes=ALL - COMPLEX,
        variadic=(1, 2),
        functional="torch.div",  # `//` has no gradient at all, this has one of zeros
        operation=True,
        call='{operands}, rounding_mode="floor"',
    ),
    Layer(
        name="Atan2",
        stem="atan2",
        rule=angle,
        dtypes=ALL - COMPLEX,
        tensors=("input", "other"),
        functional="torch.atan2",
        operation=True,
    ),
    *(
        Layer(
            name=name,
            saves=saves_nothing,
            stem=stem,
            rule=partial(logical, name),
            dtypes=ALL,
            tensors=("input", "other"),
            functional=f"torch.{stem}",
            operation=True,
        )
        for name, stem in (("LogicalAnd", "logical_and"), ("LogicalOr", "logical_or"))
    ),
    Layer(
        name="MatMul",
        attends=True,
        saves=saves_factors,
        stem="matmul",
        rule=matmul,
        dtypes=NUMBERS,
        macs=matmul_macs,
        tensors=("input", "other"),
        operation=True,
        operator="@",
    ),
    Layer(
        name="Einsum",
        attends=True,
        saves=saves_factors,
        stem="einsum",
        rule=einsum,
        brief="{equation}",
        args=(Arg("equation", TEXT, positional=True),),
        dtypes=NUMBERS,
        macs=einsum_macs,
        variadic=(1, MOST_TENSORS),
        functional="torch.einsum",
        operation=True,
        call="{args}, {tensors}",
    ),
    Layer(
        name="Cross",
        stem="cross",
        rule=cross,
        args=(Arg("dim", INDEX, -1),),
        dtypes=FLOATS | INTS | COMPLEX,
        tensors=("input", "other"),
        functional=".cross",
        functional_defaults=(("dim", None),),
        operation=True,
    ),
    Layer(
        name="Cdist",
        saves=saves_both,
        stem="cdist",
        rule=cdist,
        args=(Arg("p", NUMBER, 2.0, free=True),),
        dtypes=frozenset({"float32", "float64"}),
        tensors=("x1", "x2"),
        functional="torch.cdist",
        operation=True,
    ),
    Layer(
        name="Concat",
        moves=True,
        saves=saves_nothing,
        stem="concat",
        rule=concat,
        args=(Arg("dim", INDEX, 1),),
        dtypes=ALL,
        variadic=(1, MOST_TENSORS),
        functional="torch.cat",
        functional_defaults=(("dim", 0),),
        operation=True,
        call="{list}, {args}",
    ),
    Layer(
        name="Stack",
        moves=True,
        saves=saves_nothing,
        stem="stack",
        rule=stack,
        args=(Arg("dim", INDEX),),
        dtypes=ALL,
        variadic=(1, MOST_TENSORS),
        functional="torch.stack",
        operation=True,
        call="{list}, {args}",
    ),
    Layer(
        name="Where",
        saves=lambda a, xs, ys: Saved((xs[0],)),
        stem="where",
        rule=where,
        dtypes=ALL,
        tensors=("condition", "input", "other"),
        functional="torch.where",
        operation=True,
    ),
    Layer(
        name="MaskedFill",
        saves=saves_second,
        stem="masked_fill",
        brief="{value}",
        rule=masked_fill,
        args=(Arg("value", NUMBER, positional=True),),
        dtypes=ALL,
        tensors=("input", "mask"),
        functional=".masked_fill",
        operation=True,
    ),
)
