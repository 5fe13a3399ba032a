"""The records of a live network: its modules, its tensors, and what its runs did, in order.

They need no torch to be read. A network is run several times, with another batch and other named
sizes each time; the runs are one `Recording`, in which a whole number that differs from run to run
is a `Size`.
"""

from __future__ import annotations

from functools import cached_property

from msgspec import Struct

BATCH = "N"
# calls that give numbers of a tensor's elements to Python: what it does then hangs on them
READS = frozenset(
    f"torch.Tensor.{name}"
    for name in "item tolist __bool__ __int__ __float__ __index__ __contains__".split()
) | {
    *("torch.equal", "torch.allclose", "torch.Tensor.equal", "torch.Tensor.allclose"),
    *("aten.item", "aten._local_scalar_dense", "aten.equal", "aten.allclose"),
}
# no functions of torch: `CHANGED` gives a tensor that was written to under another name,
# `UNSEEN` one that no recorded call gave
CHANGED, UNSEEN = "<changed>", "<unseen>"


class Value(Struct, frozen=True, tag=True):
    """A tensor that a run made or was given, by its place in `Recording.values`."""

    number: int


class Held(Struct, frozen=True, tag=True):
    """A tensor that a module holds, by the path that `Recording.tensors` knows it by."""

    path: str


class Part(Struct, frozen=True, tag=True):
    """A module of the network, by its path."""

    path: str


class Size(Struct, frozen=True, tag=True):
    """A whole number that differs from run to run: one for each of `Recording.runs`."""

    values: tuple[int, ...]


class Items(Struct, frozen=True, tag=True):
    """A tuple or a list."""

    items: tuple[Tree, ...]
    is_list: bool = False


class Fields(Struct, frozen=True, tag=True):
    """A mapping from words."""

    items: tuple[tuple[str, Tree], ...]


class Span(Struct, frozen=True, tag=True):
    """A slice."""

    start: Tree
    stop: Tree
    step: Tree


class Word(Struct, frozen=True, tag=True):
    """What has a name in Python, such as ``torch.float32``, a class or a function, or ``...``.

    Anything else is the beginning of its `repr`.
    """

    text: str


Tree = (
    None | bool | int | float | str | Value | Held | Part | Size | Items | Fields | Span | Word
)  # an argument or a result


class Module(Struct, frozen=True):
    """A module of the network, under the first of its paths.

    `type` is its class with the class's module. If it computes what a class of `torch.nn` does, and
    nothing else, that is its `layer` (``Conv2d``), and `settings` are the arguments that give the
    layer as it is now. The `layer` of a class that is kept is its `type`. `arguments` are those of
    its own `__init__`, with the defaults, as it was called; empty if that was not seen. `reads` are
    the names of the arguments of its `forward`.
    """

    path: str
    type: str
    layer: str = ""
    settings: tuple[tuple[str, Tree], ...] = ()
    arguments: tuple[tuple[str, Tree], ...] = ()
    others: tuple[str, ...] = ()  # further paths of the same module
    doc: str = ""  # the first line of its class's docstring
    is_chain: bool = False  # an `nn.Sequential`, or of a class that computes what that does
    reads: tuple[str, ...] = ()
    usual: tuple[str, ...] = ()  # those of its `arguments` that are the default
    defaults: tuple[tuple[str, Tree], ...] = ()  # of the arguments of its `forward`
    unseen: tuple[str, ...] = ()  # what its `__init__` needs and is not among its `arguments`

    @property
    def class_name(self) -> str:
        """The name of its class alone."""
        return self.type.rpartition(".")[2]

    @property
    def is_sequential(self) -> bool:
        """Whether it is an `nn.Sequential` itself, and not of a class of its own."""
        return self.type == "torch.nn.modules.container.Sequential"


class Rule(Struct, frozen=True):
    """A function of `torch.nn.init` that gives a weight its first values.

    The `args` are those that are not the default.
    """

    function: str
    args: tuple[tuple[str, int | float | str], ...] = ()


class Beginning(Struct, frozen=True):
    """How a weight gets its first values: the rule, and what it comes to for this weight.

    Two rules that come to the same are one: a bound may be a number, or follow from the shape.
    """

    rule: Rule
    law: Rule


class Tensor(Struct, frozen=True):
    """A parameter or a buffer, under the first of its paths, or another tensor that a module has.

    `kind` is ``parameter``, ``buffer``, or ``attribute`` for what no `state_dict` knows. `value` is
    there for those that are neither large nor part of a `layer`: all elements in a row.
    """

    path: str
    kind: str
    shape: tuple[int, ...]
    dtype: str
    persistent: bool = True
    others: tuple[str, ...] = ()  # further paths of the same tensor
    value: tuple[int | float | bool, ...] | None = None
    fill: float | None = None  # the number that all elements of a parameter are
    initial: Beginning | None = None  # of a parameter, if it was seen


class Meta(Struct, frozen=True):
    """Shape and type of a value."""

    shape: tuple[int | Size, ...]
    dtype: str


class ModuleCall(Struct, frozen=True, tag=True):
    """A call of a module that is a `layer`; what it does inside is not told.

    All arguments are `named`, as those of its `forward`. `scope` is the path of the module whose
    code calls, `source` the file and line of the code.
    """

    path: str
    named: tuple[tuple[str, Tree], ...]
    result: Tree
    scope: str
    source: str


class FunctionCall(Struct, frozen=True, tag=True):
    """A call of a function or method of torch, by its name: ``torch.Tensor.view``.

    A call that changes tensors in place `writes` them: each is a value before, and another after.
    """

    function: str
    args: tuple[Tree, ...]
    named: tuple[tuple[str, Tree], ...]
    result: Tree
    scope: str
    source: str
    writes: tuple[tuple[Tree, int], ...] = ()  # what was written to, and its value afterwards
    node: str = ""  # its name in a program of `torch.export`


class Place(Struct, frozen=True):
    """Where a call comes from: the path of the module, the line of its code, and its `node`."""

    scope: str = ""
    source: str = ""
    node: str = ""


class Enter(Struct, frozen=True, tag=True):
    """The call of a module that is no `layer`; all up to its `Leave` happens in it."""

    path: str
    args: tuple[Tree, ...]
    named: tuple[tuple[str, Tree], ...]
    source: str


class Leave(Struct, frozen=True, tag=True):
    """The end of a module's call, with what it gives."""

    path: str
    result: Tree


Event = ModuleCall | FunctionCall | Enter | Leave


class Input(Struct, frozen=True):
    """An input as it was asked for; its `shape` may hold names.

    The batch comes first, and is left out, unless the shape says where it stands.
    """

    name: str
    shape: tuple[int | str, ...]
    dtype: str = "float32"
    low: int | None = None
    high: int | None = None

    @property
    def whole(self) -> tuple[int | str, ...]:
        """The shape with the batch."""
        return self.shape if BATCH in self.shape else (BATCH, *self.shape)


class Constant(Struct, frozen=True):
    """A value that hangs on no input and no weight: all its elements in a row."""

    number: int
    elements: tuple[int | float | bool, ...]


class Recording(Struct, frozen=True, dict=True):
    """A network with what all its runs had in common.

    Values 0, 1, ... are the inputs. Events are in the order in which they happened; the first is
    the `Enter` of the network itself, whose path is empty.
    """

    inputs: tuple[Input, ...]
    runs: tuple[tuple[tuple[str, int], ...], ...]  # the batch and the named sizes of each
    modules: tuple[Module, ...]
    tensors: tuple[Tensor, ...]
    keys: tuple[str, ...]  # of the state_dict
    values: tuple[Meta, ...]
    events: tuple[Event, ...]
    output: Tree
    constants: tuple[Constant, ...] = ()
    parameters: tuple[str, ...] = ()  # the names of what its `forward` takes

    @cached_property
    def by_path(self) -> dict[str, Module]:
        """The modules by all their paths."""
        return {path: m for m in self.modules for path in (m.path, *m.others)}

    @cached_property
    def held(self) -> dict[str, Tensor]:
        """The tensors by all their paths."""
        return {path: t for t in self.tensors for path in (t.path, *t.others)}
