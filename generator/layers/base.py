"""The rows of the catalogue: class `Layer` has all that netgen knows of a type of layer."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from functools import cached_property
from types import SimpleNamespace
from typing import Any, NoReturn

from msgspec import Struct
from msgspec.structs import replace

from ..symbolic.algebra import Symbols
from ..symbolic.equality import Meeting
from ..symbolic.literals import literal
from ..symbolic.sizes import Coded, Dim, Size, shown, symbols_in
from .kinds import Kind
from .saved import Saves, never, saves_inputs
from .tensor import TensorType

FLOATS = frozenset({"float16", "bfloat16", "float32", "float64"})
MIXED = frozenset({"float16", "bfloat16", "float32"})  # beside float32 weights, on the CPU
SIGNED = frozenset({"int8", "int16", "int32", "int64"})
INTS = SIGNED | {"uint8"}
WIDE = frozenset({"uint16", "uint32", "uint64"})
COMPLEX = frozenset({"complex64", "complex128"})
INEXACT = FLOATS | COMPLEX  # gradients flow through them
BOOLEAN = frozenset({"bool"})
ALL = FLOATS | INTS | WIDE | COMPLEX | BOOLEAN
PARAMETERS = frozenset({"float32"})  # layers compute in the type of their weights
MOST_LAYERS = 1000  # in one stack that torch builds
MOST_TERMS = 100  # of a sum without brackets: Python can't read one of a thousand
INDICES = frozenset({"int32", "int64"})


THIS = "this layer"  # a placeholder in messages, replaced by the layer's name if it has one
FIRST = "what it reads"  # another in help: the name of the first tensor that the layer reads


class Refusal(Exception):
    """A layer can't take these arguments or inputs.

    `argument` is the name of the wrong argument, if there is one. `note` shows the arithmetic,
    `help` says what to write. A refusal `by_values` is about numbers in tensors: torch raises only
    where such a number comes. One that `runs` is netgen's own: torch takes what is not meant.
    """

    by_values = False
    runs = False
    span: tuple[int, int] | None = None  # the part of the argument's text that is wrong

    def __init__(
        self,
        message: str,
        argument: str | None = None,
        help: str | None = None,
        note: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.argument = argument
        self.help = help
        self.note = note


def refuse(
    message: str, argument: str | None = None, help: str | None = None, note: str | None = None
) -> NoReturn:
    """Raise a `Refusal`."""
    raise Refusal(message, argument, help, note)


def refuse_values(message: str, help: str | None = None) -> NoReturn:
    """Raise a `Refusal` that is about numbers in tensors."""
    refusal = Refusal(message, help=help)
    refusal.by_values = True
    raise refusal


def refuse_alone(message: str, argument: str, help: str) -> NoReturn:
    """Raise a `Refusal` of what torch runs without a word, with another result than is meant."""
    refusal = Refusal(message, argument, help)
    refusal.runs = True
    raise refusal


class _Required(Enum):
    REQUIRED = "required"


REQUIRED = _Required.REQUIRED


def adds_nothing(value: Any) -> bool:
    return False


class Arg(Struct, frozen=True):
    """An argument of a layer: torch's name, order and default.

    `inferred` arguments follow from the input. `positional` ones are printed without their name,
    unless they are `named`: that is for a block's required arguments beside the channels.
    `free` ones never change a shape, so they may be any expression over constructor arguments. An
    argument that is itself a layer `reads` the inputs of its owner with these indices. One that
    `trains` only has an effect in training: in evaluation the function gets its default.
    """

    name: str
    kind: Kind
    default: Any = REQUIRED
    inferred: bool = False
    positional: bool = False
    named: bool = False
    free: bool = False
    keyword_only: bool = False
    positive: bool = False  # netgen refuses 0, which torch accepts without a word
    divides: bool = False  # the same for a divisor that is written as 0
    names_type: bool = False  # its value is a type of layer
    brackets: bool = False  # several values are printed as a list, as torch's annotation asks
    adds: Callable[[Any], bool] = adds_nothing  # whether a value is only added and decides nothing
    code: bool = False  # its value is printed as code, so it is one for all uses of a block
    spread: bool = False  # its items are printed one by one: as many for all uses of a block
    reads: tuple[int, ...] = (0,)
    trains: bool = False
    instead: str = ""  # the tensor that may be given in its place: else it is required
    hint: str = ""  # its annotation, for a block's argument
    doc: str = ""  # what it is, in words to which the name of its layer is added


class Weight(Struct, frozen=True):
    """A parameter or a buffer of a layer; without a name the layer is itself a tensor.

    Of one with `zeros` a part or the whole begins with zeros.
    """

    name: str
    shape: tuple[int, ...]
    trainable: bool = True
    dtype: str = "float32"
    zeros: bool = False


Args = SimpleNamespace


class Nested(Struct, frozen=True):
    """A layer that is an argument of another one, with all its arguments."""

    row: Layer
    args: Mapping[str, Any]

    @property
    def a(self) -> Args:
        """The arguments in the form that a `rule` reads."""
        return arguments(self.args)

    @property
    def symbols(self) -> Symbols:
        """The names that its arguments depend on."""
        return symbols_in(self.args)

    def weights(self, prefix: str) -> list[Weight]:
        """Its weights, with `prefix`, the argument's name in the owner, before their names."""
        return prefixed(prefix, self.row.weights(self.a))


class Init(Struct, frozen=True):
    """A call of a function of `torch.nn.init` on a tensor."""

    function: str
    args: tuple[tuple[str, Any], ...]

    @property
    def symbols(self) -> Symbols:
        """The names that its arguments depend on."""
        return symbols_in([value for _, value in self.args])

    def source(self, tensor: str) -> str:
        """The call in generated source, on an expression for the tensor."""
        named = [f"{name}={literal(value)}" for name, value in self.args]
        if self.function == "constant_":
            named = [literal(self.args[0][1])]
        return f"nn.init.{self.function}({', '.join([tensor, *named])})"


class Parametrization(Struct, frozen=True):
    """One weight of a layer that a `function` of `torch.nn.utils.parametrizations` computes.

    `args` are those of its arguments that are not the defaults.
    """

    weight: str
    function: str
    args: tuple[tuple[str, Any], ...] = ()

    def source(self, module: str) -> str:
        """The call in generated source, on an expression for the layer."""
        named = [f"name={literal(self.weight)}"] if self.weight != "weight" else []
        # the norm over all dimensions is -1 to torch, whose annotation has no null
        named += [f"{name}={literal(-1 if x is None else x)}" for name, x in self.args]
        return f"{self.function}({', '.join([module, *named])})"


def arguments(args: Mapping[str, Any]) -> Args:
    """The arguments in the form that a `rule` reads: `Coded` values without their expressions."""
    own = {n: value.value if isinstance(value, Coded) else value for n, value in args.items()}
    return SimpleNamespace(**own)


def prefixed(prefix: str, weights: Sequence[Weight]) -> list[Weight]:
    """The weights of a submodule called `prefix`, or of the module itself."""
    return [
        replace(weight, name=".".join(filter(None, (prefix, weight.name)))) for weight in weights
    ]


Outputs = TensorType | Mapping[str, TensorType]
Rule = Callable[..., Outputs]


def nothing_met(a: Args, *inputs: TensorType) -> Sequence[Meeting]:
    return ()


def nothing_inferred(a: Args, *inputs: TensorType) -> dict[str, Any]:
    return {}


def no_weights(a: Args) -> Sequence[Weight]:
    return ()


def no_macs(a: Args, inputs: Sequence[TensorType], outputs: Sequence[TensorType]) -> int:
    return 0


Dims = int | tuple[int, ...]


def wants_nothing(a: Args, *inputs: TensorType) -> bool:
    return False


def keeps_all(a: Args) -> Dims:
    return ()


class Layer(Struct, frozen=True, kw_only=True, eq=False, dict=True):
    """A type of layer.

    `rule(a, *inputs)` gives the output's type (a mapping from port to type where there are
    several) or raises `Refusal`; `a` holds every argument by name. `infer` gives the arguments
    that the input determines. `weights` gives the parameters and buffers in the order of the
    `state_dict`, `macs` the multiply-adds for the whole batch, and `saves` what autograd keeps for
    the gradient. `tensors` and `optional_tensors` are the inputs in the order of the module's
    ``forward``, `options` its other arguments.
    """

    name: str
    stem: str
    rule: Rule
    args: tuple[Arg, ...] = ()
    dtypes: frozenset[str] = FLOATS
    infer: Callable[..., dict[str, Any]] = nothing_inferred
    weights: Callable[[Args], Sequence[Weight]] = no_weights
    macs: Callable[[Args, Sequence[TensorType], Sequence[TensorType]], int] = no_macs
    saves: Saves = saves_inputs
    meets: Callable[..., Sequence[Meeting]] = nothing_met  # written sizes and those that are read
    view: Callable[..., bool] = never  # whether the output shares the input's memory
    tensors: tuple[str, ...] = ("input",)
    optional_tensors: tuple[str, ...] = ()
    options: tuple[Arg, ...] = ()
    ports: tuple[str, ...] = ()
    brief: str = ""  # the arguments that a picture tells, as a pattern that `brief` reads
    call: str = ""  # the pattern for inputs in the call, where they don't just follow each other
    result: str = ""  # the pattern for outputs on the left side, likewise
    functional: str = ""  # the function that does the same, for layers without parameters
    functional_defaults: tuple[tuple[str, Any], ...] = ()  # where they differ from the layer's
    functional_args: Callable[[Args], Mapping[str, Any]] | None = None  # where they differ
    # an equivalent layer that fits torch's annotations: its type, and the arguments that change
    annotated: Callable[[Args, TensorType], tuple[str, Mapping[str, Any]]] | None = None
    operation: bool = False  # no module of torch.nn: always an expression in ``forward``
    operator: str = ""  # the sign between the operands of an operation
    prefix: str = ""  # the sign before the operand
    variadic: tuple[int, int] | None = None  # least and most tensors, where there may be several
    axes: str = ""  # the argument that is a pattern, whose axes are arguments, too
    list_argument: str = ""  # the argument that a list of numbers gives
    source: str = ""  # ``parameter``, ``buffer``, or a call in ``forward``: it reads nothing
    fills: bool = False  # if fewer tensors are given, the last one is repeated
    batch_in: str = ""  # the argument in whose list ``N`` is the batch's size
    wants_batch: Callable[..., bool] = wants_nothing  # whether it needs `batch_size`
    drops: Callable[[Args], Dims] = keeps_all  # the dimensions that are removed if of size 1
    parts: Callable[..., Size] | None = None  # how many outputs it gives, if a size decides that
    inline: bool = False  # without a name it becomes a call of its function, not a module
    moves: bool = False  # it gives the values that it reads, in other places or shapes
    in_order: bool = False  # and if it is a view, in the order of the memory
    attends: bool = False  # it weighs the places of a sequence against each other
    ends_features: bool = False  # a classifier's head begins with it
    rows: str = ""  # the argument that is an upper bound of the indices in the first tensor
    reads_true: bool = False  # true elements of its mask are read, not hidden
    local: bool = False  # a class of the generated file, or of one that it imports
    imported: str = ""  # the import path of a class that the spec imports
    parametrized: tuple[Parametrization, ...] = ()  # the weights that are computed from others
    bare: Layer | None = None  # the row of the layer without these

    @property
    def fresh(self) -> bool:
        """Whether it is a source that each call of ``forward`` makes anew."""
        return bool(self.source) and not self.held

    @property
    def held(self) -> bool:
        """Whether it is a tensor that the class holds: a parameter or a buffer."""
        return self.source in ("parameter", "buffer")

    @property
    def takes_list(self) -> bool:
        """Whether it reads its tensors as one list, which may be of any length."""
        return "{list}" in self.call

    @property
    def has_weights(self) -> bool:
        """Whether a layer of this type may have parameters of its own."""
        return self.weights is not no_weights and not self.source

    @cached_property
    def takes_layers(self) -> bool:
        """Whether an argument may be a layer."""
        return any(arg.kind.module for arg in self.args)

    @cached_property
    def known(self) -> Mapping[str, Arg]:
        """The arguments of the constructor and of ``forward``, by name."""
        return {arg.name: arg for arg in (*self.args, *self.options)}

    def arg(self, name: str) -> Arg:
        """The argument called `name`, of the constructor or of ``forward``."""
        return self.known[name]

    def unpacked(self, names: Sequence[str]) -> str:
        """The left side of an assignment of the outputs; ``_`` stands for what is not read."""
        return (self.result or ", ".join("{}" for _ in names)).format(*names).replace("(_, _)", "_")

    @cached_property
    def written(self) -> tuple[Arg, ...]:
        """The arguments that a spec gives by position: the inferred ones are left out."""
        return tuple(arg for arg in self.args if not arg.inferred and not arg.keyword_only)


def is_default(arg: Arg, value: Any) -> bool:
    """Whether a value can be left out of a call."""
    if value is arg.default:
        return True
    if arg.names_type and isinstance(value, Coded) and isinstance(arg.default, Coded):
        return value.normal == arg.default.normal
    if arg.default is REQUIRED or isinstance(value, (Nested, Coded)):
        return False
    if isinstance(value, Dim) and symbols_in(value):
        return False
    if symbols_in(value):
        return False
    return bool(value == arg.default) and isinstance(value, bool) == isinstance(arg.default, bool)


def check_dtype(layer: Layer, tensor: TensorType) -> None:
    """Raise `Refusal` for an element type that torch's kernels don't take."""
    if tensor.dtype not in layer.dtypes:
        accepted = ", ".join(f"`{dtype}`" for dtype in sorted(layer.dtypes))
        help = f"declare the input with one of these types: {accepted}"
        if tensor.dtype in COMPLEX and layer.dtypes & FLOATS:
            help = "take its `Real`, `Imag`, `Abs` or `Angle` first, which are real"
        refuse(f"`{layer.name}` can't read `{tensor.dtype}`: it takes {accepted}", help=help)


def check_rank(name: str, x: TensorType, *ranks: int) -> None:
    """Raise `Refusal` for an input whose rank is none of `ranks`."""
    if len(x.shape) not in ranks:
        expected = " or ".join(str(rank) for rank in ranks)
        refuse(f"`{name}` reads {expected} dimensions, batch included, but {x} has {x.rank}")


def dimension(x: TensorType, dim: int, argument: str = "dim") -> int:
    """The index of a dimension, which may be counted from the end.

    Raises `Refusal` if it is out of range.
    """
    rank = max(x.rank, 1)
    if not -rank <= dim < rank:
        refuse(
            f"dimension {dim} is out of range for {x}: it goes from {-rank} to {rank - 1}", argument
        )
    return int(dim) % rank


def check_equal(what: str, written: Size, found: Size, source: str) -> None:
    """Raise `Refusal` unless two numbers are equal."""
    if int(written) != int(found):
        refuse(f"{what} is {shown(written)}, but {source} is {shown(found)}")


def pointwise(a: Args, x: TensorType) -> TensorType:
    """The output is of the input's shape and type."""
    return TensorType(x.shape, x.dtype, x.batch, x.lost)


def promoting(a: Args, x: TensorType) -> TensorType:
    """The output is of the input's shape; whole numbers and booleans become float32."""
    return x.with_dtype(x.dtype if x.dtype in INEXACT else "float32")


def parameter_count(weights: Sequence[Weight]) -> int:
    """The number of trainable elements."""
    return sum(math.prod(map(int, weight.shape)) for weight in weights if weight.trainable)
