"""The refusal of a shape rule as a diagnostic: the argument, and where the tensors come from."""

from __future__ import annotations

from collections.abc import Mapping

from ..diagnostics.diagnostics import Diagnostic, printable
from ..ir.graph import Graph, Ref
from ..ir.trace import Misfit, propagate
from ..layers.base import FIRST, THIS, Layer, Refusal
from ..layers.tensor import TensorType
from ..spec.source import Source
from ..spec.spec import Item
from ..symbolic.sizes import Dim, TooLong, plain
from .arguments import Arguments
from .scope import Scope


def refused(
    scope: Scope, item: Item, row: Layer | None, refusal: Refusal, read: Arguments, *, chained: bool
) -> Diagnostic:
    """The diagnostic for a rule's refusal, with notes on the tensors that the layer reads.

    With the `row` of the layer, its help is looked for in `cures`, too.
    """
    path, key = item.path, item.written is not None
    if len(read.inputs) > 1 and "from" in item.common:
        path, key = item.at("from"), False
    if refusal.argument is not None and refusal.argument in read.paths:
        path, key = read.paths[refusal.argument], False
    location = scope.context.source.locate(path, key=key)
    if refusal.span is not None and refusal.argument is not None:
        text = plain(read.args[refusal.argument])
        location = scope.context.source.inside(path, text, refusal.span)
    refs = (*read.inputs, *(ref for _, ref in read.named))
    notes = tuple(dict.fromkeys(_origin(scope, ref) for ref in refs))
    if chained:
        notes = (f"the layer before gives {_shape(read.types[0])}",)
    if refusal.note:
        notes = (refusal.note, *notes)
    name = item.common.get("name")
    message, help = refusal.message, refusal.help
    if row is not None:
        from .cures import cure  # only mistakes need it

        help = cure(scope, item, row, refusal, read)
    if help and read.inputs:
        help = help.replace(FIRST, scope.word(read.inputs[0]))
    if isinstance(name, str) and "$" not in name:
        message = message.replace(THIS, f"`{printable(name)}`")
        help = help and help.replace(THIS, f"`{printable(name)}`")
    return Diagnostic(_code(refusal), message, location, notes, help)


def _code(refusal: Refusal) -> str:
    return "NG214" if refusal.by_values else "NG211"


def _origin(scope: Scope, ref: Ref) -> str:
    """A note on where a tensor comes from, and its shape."""
    shape = _shape(scope.type_of(ref))
    call = scope.maker(ref)
    if call is None:
        return f"the input `{scope.word(ref)}` is {shape}"
    line = scope.context.source.locate(call.path, key=True).line
    source = ""
    if "=" in shape and len(call.inputs) == 1:  # for a product, say where its factors are from
        source = f" from `{scope.word(call.inputs[0])}`"
    return f"`{scope.word(ref)}` (line {line}) gives {shape}{source}"


def _shape(type_: TensorType) -> str:
    """A tensor's shape and element type as text, with the products that its sizes came from."""
    products = [size for size in type_.shape if isinstance(size, Dim) and len(size.factors) > 1]
    kind = "" if type_.dtype == "float32" else f" {type_.dtype}"
    if len(products) == 1:
        return f"{type_}{kind} = {products[0].code}"
    origins = "".join(f", {int(size)} = {size.code}" for size in dict.fromkeys(products))
    return f"{type_}{kind}{origins}"


def refused_in_run(source: Source, graph: Graph, sizes: Mapping[str, int]) -> Diagnostic:
    """The diagnostic for a network that does not fit these run-time sizes, in names if possible."""
    named = {name: Dim.named(name, size, runtime=True) for name, size in sizes.items()}
    misfit = _misfit(graph, named) or _misfit(graph, sizes)
    assert misfit is not None
    node = misfit.node
    where = node.places.get(misfit.argument or "")
    location = source.locate(node.path if where is None else where, key=where is None)
    if misfit.span is not None and where is not None:
        location = source.inside(where, plain(node.args[misfit.argument or ""]), misfit.span)
    name = f"`{node.name}`"
    notes = [f"{name} reads {' and '.join(map(_shape, misfit.inputs))}"]
    if misfit.note:
        notes.insert(0, misfit.note)
    help = misfit.help and misfit.help.replace(THIS, name)
    message = misfit.message.replace(THIS, name)
    return Diagnostic(_code(misfit), message, location, tuple(notes), help)


def _misfit(graph: Graph, sizes: Mapping[str, int]) -> Misfit | None:
    try:
        propagate(graph, sizes, exact=True)
    except Misfit as misfit:
        return misfit
    except TooLong:
        pass
    return None
