"""Help for a layer that can't take what it reads, where more is known than its shape rule knows.

A rule sees only types and arguments. Here it is also known which layers the tensors come from, and
what is written in the spec.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct

from ..ir.graph import Node, Ref
from ..layers import TYPES
from ..layers.base import THIS, Args, Layer, Refusal, arguments
from ..layers.folding import IMAGES, into_batch, takes_batch
from ..layers.kin import (
    BATCH_NORMS,
    CONCATENATING,
    FLATTENING,
    JOINS,
    LAYER_NORMS,
    MERGES,
    MOVING,
    OF_SEQUENCES,
    TRANSPOSED,
    spatial_dims,
    with_dims,
)
from ..layers.tensor import TensorType
from ..layers.windows import per_dimension, stride_of
from ..spec.spec import Item
from ..symbolic.sizes import Size, code, is_unknown, shown, symbols_in
from .arguments import Arguments
from .scope import Scope

LAST = ("in_features", "input_size", "embed_dim", "d_model", "normalized_shape")
SECOND = ("in_channels", "num_channels", "num_features")


def cure(scope: Scope, item: Item, row: Layer, refusal: Refusal, read: Arguments) -> str | None:
    """The help for a `Refusal`: how to change the spec so that the layer fits, if that is known."""
    if not read.types:
        return refusal.help
    if len(read.types) > 1 and row.name in MERGES:
        return refusal.help or _merged(scope, item, row, read)
    return (
        _kept_batch(scope, row, read)
        or _other_rank(scope, row, refusal, read)
        or _positions(item, row, read)
        or _other_dimension(scope, row, refusal, read)
        or refusal.help
    )


# one layer


def _kept_batch(scope: Scope, row: Layer, read: Arguments) -> str | None:
    """The help where a `Reshape` before the layer was to put another dimension into the batch."""
    x, dims = read.types[0], spatial_dims(row.name)
    if x.rank != (dims + 3 if dims else 4) or not (dims or row.name in OF_SEQUENCES):
        return None
    for before in _way(scope, read.inputs[0]) if read.inputs else ():
        given = scope.type_of(before.inputs[0]) if before.inputs else x
        if takes_batch(before.row, before.a, given):
            y = before.output
            if int(y.shape[1]) == 1:
                sizes = ", ".join(map(shown, y.shape[2:]))
                return f"`Reshape` keeps the batch: write `Reshape: [{sizes}]`, without the -1"
            return into_batch(before.a, given, y)
        if before.row is None or before.row.name in MOVING:
            return None
    return None


def _other_rank(scope: Scope, row: Layer, refusal: Refusal, read: Arguments) -> str | None:
    """The help to use the same layer for the number of dimensions that the input has."""
    x, dims = read.types[0], spatial_dims(row.name)
    if not dims or x.rank == dims + 2:
        return None
    if x.rank == dims + 1:  # torch reads it without a batch: the batch as channels
        other = with_dims(row.name, x.rank - 2)
        image = x.rank > 2 and x.shape[1] == x.shape[2]  # an image without its only channel
        if refusal.help is None or x.batch != 0 or image:
            return None
        return f"{refusal.help}; or `{other}` was meant"
    beside = max(x.rank - 2, 1) if row.name in BATCH_NORMS else x.rank - 2
    other = with_dims(row.name, beside)
    if other in TYPES and other != row.name:
        help = f"write `{other}`, which reads {x.rank} dimensions"
        if dims == 2 and x.rank == 5 and x.batch == 0:
            frames = f"`Rearrange: {IMAGES}` before {THIS} makes each image a sample"
            help = f"{help}; or {frames}"
        return help
    if _maker_is(scope, read, FLATTENING):
        return f"put the `Flatten` behind `{row.name}`: it leaves one dimension beside the batch"
    return None


def _maker_is(scope: Scope, read: Arguments, names: Sequence[str]) -> bool:
    """Whether a layer of one of these types makes what is read first."""
    before = scope.maker(read.inputs[0]) if read.inputs else None
    return before is not None and before.row is not None and before.row.name in names


def _positions(item: Item, row: Layer, read: Arguments) -> str | None:
    """The help for arguments in torch's order, whose first one is inferred in a spec."""
    right = without_inferred(row, item.written, read.args, read.types)
    if right is None:
        return None
    return f"`{row.args[0].name}` is inferred, so by position it is left out: write `{right}`"


def without_inferred(
    row: Layer, written: Any, args: Mapping[str, Any], types: Sequence[TensorType]
) -> str | None:
    """The item as text without its first number, if this is what the layer would infer.

    `None` otherwise.
    """
    if not isinstance(written, list) or not row.args or not row.args[0].inferred:
        return None
    needed = [arg for arg in row.written if arg.default is row.args[0].default]
    if len(written) <= max(len(needed), 1) or not all(type(value) is int for value in written[:2]):
        return None
    given = {arg.name: args.get(arg.name) for arg in row.args}
    try:
        found = row.infer(arguments(given), *types).get(row.args[0].name)
    except Refusal:  # nothing can be inferred from what it reads
        return None
    if found is None or found != written[0]:
        return None
    rest = written[1:]
    return f"{row.name}: {rest[0] if len(rest) == 1 else '[' + ', '.join(map(str, rest)) + ']'}"


def _other_dimension(scope: Scope, row: Layer, refusal: Refusal, read: Arguments) -> str | None:
    """The help to move another dimension to where the layer reads, if one has the given size."""
    name, x = refusal.argument, read.types[0]
    if name not in (*LAST, *SECOND) or x.rank < 2:
        return None
    if x.lost and _maker_is(scope, read, CONCATENATING):
        return "`Concat` in dimension 0 puts samples together: `dim: 1` was probably meant"
    at = x.rank - 1 if name in LAST else 1
    given = read.args.get(name)
    if isinstance(given, tuple):
        given = given[0] if len(given) == 1 else None
    if given is None:  # what is inferred is known only at run time
        other = 1 if name in LAST else x.rank - 1
        places = [other] if other != at and is_unknown(x.shape[at]) else []
        places = [place for place in places if not is_unknown(x.shape[place])]
    else:
        places = [p for p, size in enumerate(x.shape) if p not in (x.batch, at) and size == given]
    if len(places) != 1 or x.batch == at:
        return None
    if row.name in LAYER_NORMS and places == [1] and x.rank == 4:
        return "write `LayerNorm2d`, which normalises the channels of images"
    rest = [size for p, size in enumerate(x.shape) if p not in (x.batch, places[0])]
    if name in LAST and places == [1] and x.batch == 0 and all(size == 1 for size in rest):
        return f"put `Flatten` before {THIS}"
    size, what = shown(x.shape[places[0]]), "features" if name in LAST else "channels"
    return f"put `{swapped(x.rank, places[0], at)}` before {THIS}, if its {what} are the {size}"


def swapped(rank: int, place: int, at: int) -> str:
    """The item that moves the dimension in `place` to `at` and keeps the order of all others."""
    if rank < 4:
        return f"Transpose: [{min(place, at)}, {max(place, at)}]"
    dims = [dim for dim in range(rank) if dim != place]
    dims.insert(at, place)
    return f"Permute: [{', '.join(map(str, dims))}]"


# several tensors that don't fit together


def _merged(scope: Scope, item: Item, row: Layer, read: Arguments) -> str | None:
    """The help to make the first two neighbouring tensors that differ fit each other."""
    for place, right in enumerate(read.types[1:], 1):
        left = read.types[place - 1]
        apart = _apart(row, left, right)
        if left.rank != right.rank or left.rank < 2 or left.batch != 0 or right.batch != 0:
            return None
        if apart:
            refs = (read.inputs[place - 1], read.inputs[place])
            return _misfit(row, _Ways.of(scope, item, refs, (left, right)), apart)
    return None


def _apart(row: Layer, left: TensorType, right: TensorType) -> list[int]:
    """The dimensions in which two tensors differ but must not."""
    pairs = enumerate(zip(left.shape, right.shape, strict=False))
    broadcasts = row.name not in JOINS
    return [at for at, (a, b) in pairs if a != b and not (broadcasts and 1 in (a, b))]


class _Ways(Struct, frozen=True):
    """Two ways through the network that meet in a layer.

    `refs` and `types` are what they give, `calls` the calls on one way only, the last first. They
    may be `branches` of the layer.
    """

    scope: Scope
    refs: tuple[Ref, Ref]
    types: tuple[TensorType, TensorType]
    calls: tuple[list[Node], list[Node]]
    branches: bool

    @staticmethod
    def of(
        scope: Scope, item: Item, refs: tuple[Ref, Ref], types: tuple[TensorType, TensorType]
    ) -> _Ways:
        left, right = (list(_way(scope, ref)) for ref in refs)
        own = ([d for d in left if d not in right], [d for d in right if d not in left])
        inside = [call.path[: len(item.path)] == item.path for calls in own for call in calls]
        return _Ways(scope, refs, types, own, any(inside))

    def spatial(self) -> int:
        """The number of spatial dimensions of the tensors; 0 for tokens and features."""
        rank = self.types[0].rank
        names = [name for calls in self.calls for call in calls for name in _names(call)]
        tokens = rank == 3 and not any(map(spatial_dims, names))
        return 0 if tokens else rank - 2


def _misfit(row: Layer, ways: _Ways, apart: list[int]) -> str | None:
    dims, (left, right) = ways.spatial(), ways.types
    if row.name in CONCATENATING:
        if not dims and len(apart) == 1 and apart[0] > 0:
            return f"`dim: {apart[0]}` joins them" if apart[0] != 1 else None
        apart = [at for at in apart if at > 1] or apart
    if not dims:
        last = left.rank - 1
        first, second = shown(left.shape[-1]), shown(right.shape[-1])
        help = f"a `Linear: {first}` on one way or a `Linear: {second}` on the other mends that"
        return help if apart == [last] else None
    around = [at for at in apart if at > 1]
    small = _smaller(ways, around)
    if not around or small is None:
        return _shortcut(ways, dims, 1 if not around else None)
    ratio = max(
        int(ways.types[1 - small].shape[at]) / int(ways.types[small].shape[at]) for at in around
    )
    if ratio < 1.5:
        more = f", and one number of channels, as by a `Conv{dims}d` of `kernel_size: 1`"
        return _fitted(ways, small) + more * (1 in apart)
    shorter = len(ways.calls[1 - small]) < len(ways.calls[small])
    if 1 in apart:
        return _shortcut(ways, dims, round(ratio) if shorter else None)
    added = _added(ways, dims, round(ratio)) if shorter else None
    other = f"or {_resized(ways, small)} on the other way"
    return f"{added}; {other}" if added else f"{_scaled(ways, small, dims, round(ratio))}; {other}"


def _smaller(ways: _Ways, dims: list[int]) -> int | None:
    """The place of the tensor that is smaller in all these dimensions; `None` if neither is."""
    left, right = ([int(x.shape[at]) for at in dims] for x in ways.types)
    if all(a < b for a, b in zip(left, right, strict=True)):
        return 0
    return 1 if all(a > b for a, b in zip(left, right, strict=True)) else None


def _shortcut(ways: _Ways, dims: int, ratio: int | None) -> str:
    """The help for the usual case: a shortcut past layers that change the shape.

    `ratio` is how much larger the shortcut's tensor is; `None` if a convolution does not mend that.
    """
    added = None if ratio is None else _added(ways, dims, ratio)
    return added or (
        f"a shortcut of another shape needs a layer of its own, as a `Conv{dims}d` of "
        "`kernel_size: 1` with the other way's channels and stride (`netgen init resnet18` has one)"
    )


def _added(ways: _Ways, dims: int, ratio: int) -> str | None:
    """The help to add a convolution to the shorter way; `None` if it is not known which that is."""
    lengths = [len(calls) for calls in ways.calls]
    short = lengths.index(min(lengths))
    channels = _written(ways.scope, ways.types[1 - short].shape[1])
    if lengths[0] == lengths[1] or channels is None:
        return None
    name = ways.scope.word(ways.refs[short])
    stride = _stride(ways, 1 - short, ratio)
    given = f"out_channels: {channels}, kernel_size: 1" + f", stride: {stride}" * (stride != "1")
    if not lengths[short]:
        given = f"{_where_needed(ways.scope, channels, stride)}{given}"
    if ways.branches:
        layer = f"Conv{dims}d: {{{given}}}"
        end = f"put `{layer}` at the end of the branch with `{name}`"
        put = end if lengths[short] else f"put `[{{{layer}}}]` in place of `[]`"
        return f"{put}, or give the other branch its shape"
    more = f"from: {name}, {given}"
    return (
        f"a shortcut of another shape needs a layer of its own: put `Conv{dims}d: "
        f"{{name: shortcut, {more}}}` before {THIS}, and read `shortcut` in place of `{name}`"
    )


def _where_needed(scope: Scope, channels: str, stride: str) -> str:
    """The `when` of a shortcut in a block: the uses that change no shape need none.

    Empty where the channels or the stride are numbers: then all uses change the shape.
    """
    always = channels.isdigit() or (stride.isdigit() and stride != "1")
    if always or scope.context.parent is None or len(scope.inputs) > 1:
        return ""
    strided = f"{_bare(stride)} != 1 or " if stride != "1" else ""
    return f"when: $({strided}in_channels != {_bare(channels)}), "


def _bare(text: str) -> str:
    """A value as it stands in an expression."""
    return text[2:-1] if text.startswith("$(") else text.removeprefix("$")


def _scaled(ways: _Ways, small: int, dims: int, ratio: int) -> str:
    name = ways.scope.word(ways.refs[1 - small])
    return (
        f"`{name}` needs the other way's stride, too (a pool, or a `Conv{dims}d` of "
        f"`kernel_size: 1` and `stride: {_stride(ways, small, ratio)}`)"
    )


def _stride(ways: _Ways, place: int, ratio: int) -> str:
    """A stride by which one way makes its tensor smaller, as a layer on it has it written.

    A stride of 1 that is a parameter is another number in another use.
    """
    for call in ways.calls[place]:
        stride = call.args.get("stride") if call.use is None else call.use.outer.get("stride")
        if isinstance(stride, int) and int(stride) == ratio and (ratio > 1 or symbols_in(stride)):
            return _written(ways.scope, stride) or str(ratio)
    return str(ratio)


def _written(scope: Scope, size: Size) -> str | None:
    """A size as the scope can write it; `None` if it has a name that is no parameter there."""
    names = {symbol.name for symbol in symbols_in(size)}
    if not names:
        return str(int(size))
    if not names <= scope.params.keys():
        return None
    return f"${code(size)}" if code(size).isidentifier() else f"$({code(size)})"


def _resized(ways: _Ways, small: int) -> str:
    """The item `Interpolate`, to the spatial size of the larger tensor."""
    sizes = ways.types[1 - small].shape[2:]
    text = f"[{', '.join(map(shown, sizes))}]"
    if any(is_unknown(size) for size in sizes):
        text = f'"$(shape({ways.scope.word(ways.refs[1 - small])})[1:])"'
    return f"`Interpolate: {{size: {text}}}`"


def _fitted(ways: _Ways, small: int) -> str:
    """The help to restore the few places that one way has lost: by padding, or in its layers."""
    lesser, larger = ways.types[small], ways.types[1 - small]
    gaps = [int(b) - int(a) for a, b in zip(lesser.shape[2:], larger.shape[2:], strict=True)]
    pads = ", ".join(f"{gap // 2}, {gap - gap // 2}" for gap in reversed(gaps))
    name = ways.scope.word(ways.refs[small])
    added = f"put `Pad: [{pads}]` or {_resized(ways, small)} behind `{name}`"
    found = [cause for call in ways.calls[small] for cause in _lost_places(call, gaps)]
    if not found:
        return added
    argument = found[0][0]  # of the layer nearest to where the ways meet
    layers = [
        f"`{argument}: {value}` for `{call.word}` (line {_line(ways.scope, call)})"
        for other, value, call in found
        if other == argument
    ]
    return f"write {' and '.join(layers[:3])}; or {added}"


def _line(scope: Scope, call: Node) -> int:
    return scope.context.source.locate(call.path, key=True).line


def _lost_places(call: Node, gaps: list[int]) -> Iterator[tuple[str, Any, Node]]:
    """The argument, with its value, with which a layer would keep the places that it now loses."""
    if call.row is None or call.use is not None or not spatial_dims(call.row.name):
        return
    a = arguments(call.args)
    if call.row.name in TRANSPOSED:
        argument, value = "output_padding", _output_padding(a, gaps)
    else:
        argument, value = "padding", _padding(a, len(gaps))
    if value is not None:
        yield argument, value[0] if len({*value}) == 1 else value, call


def _output_padding(a: Args, gaps: list[int]) -> list[int] | None:
    """The `output_padding` that closes the gaps; `None` unless it is less than the stride."""
    strides, extra = (per_dimension(value, len(gaps)) for value in (a.stride, a.output_padding))
    more = [int(size) + gap for size, gap in zip(extra, gaps, strict=True)]
    return more if all(m < stride for m, stride in zip(more, strides, strict=True)) else None


def _padding(a: Args, n: int) -> list[int] | None:
    """The padding with which a window of stride 1 keeps the size; `None` if there is none."""
    if not {"kernel_size", "padding", "stride"} <= {*vars(a)} or isinstance(a.padding, str):
        return None
    kernels, strides, paddings, dilations = (
        per_dimension(value, n)
        for value in (a.kernel_size, stride_of(a), a.padding, getattr(a, "dilation", 1))
    )
    spans = [int(d * (k - 1)) for k, d in zip(kernels, dilations, strict=True)]
    short = all(span > 2 * side for span, side in zip(spans, paddings, strict=True))
    even = not any(span % 2 for span in spans)
    return [span // 2 for span in spans] if short and even and max(strides) == 1 else None


def _way(scope: Scope, ref: Ref) -> Iterator[Node]:
    """The calls on the way to a tensor, the last first, along each call's first input."""
    while ref.node >= len(scope.inputs):
        call = scope.call(ref.node)
        yield call
        yield from reversed(call.body)
        if not call.inputs:
            return
        ref = call.inputs[0]


def _names(call: Node) -> Iterator[str]:
    """The names of the types of the layers in a call."""
    if call.use is not None:
        for node in call.use.graph.nodes:
            yield from (leaf.row.name for leaf in node.leaves() if leaf.row is not None)
    elif call.row is not None:
        yield call.row.name
