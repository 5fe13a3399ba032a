"""What a shape rule refuses, as a diagnostic: the argument, and where the tensors come from."""

from __future__ import annotations

from .arguments import Arguments
from .diagnostics import Diagnostic
from .graph import Ref
from .layers.base import Refusal, TensorType
from .scope import Scope
from .sizes import Dim
from .spec import Item


def refused(
    scope: Scope, item: Item, refusal: Refusal, read: Arguments, *, chained: bool
) -> Diagnostic:
    """The diagnostic for what a rule refuses, with the shapes that came in."""
    path, key = item.path, item.written is not None
    if refusal.argument is not None and refusal.argument in read.paths:
        path, key = read.paths[refusal.argument], False
    location = scope.context.source.locate(path, key=key)
    notes = tuple(dict.fromkeys(_origin(scope, ref) for ref in read.inputs))
    if chained:
        notes = (f"the layer before gives {_shape(read.types[0])}",)
    return Diagnostic("NG211", refusal.message, location, notes, refusal.help)


def _origin(scope: Scope, ref: Ref) -> str:
    """Where a tensor comes from."""
    shape = _shape(scope.type_of(ref))
    if ref.node < len(scope.inputs):
        return f"the input `{scope.inputs[ref.node].name}` is {shape}"
    draft = scope.drafts[ref.node - len(scope.inputs)]
    line = scope.context.source.locate(draft.path, key=True).line
    return f"`{draft.name or draft.stem}` (line {line}) gives {shape}"


def _shape(type_: TensorType) -> str:
    """A tensor's shape and type, with the products that its sizes came from."""
    products = [size for size in type_.shape if isinstance(size, Dim) and len(size.factors) > 1]
    origins = "".join(f", {int(size)} = {size.code}" for size in dict.fromkeys(products))
    kind = "" if type_.dtype == "float32" else f" {type_.dtype}"
    return f"{type_}{kind}{origins}"
