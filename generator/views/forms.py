"""How a layer is written: its short and its long form, with example values."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cache

from msgspec import Struct

from ..layers import TYPES
from ..layers.base import REQUIRED, Arg, Layer
from .catalogue import keyword_only

# the types that most networks have, for who does not know yet what there is
USUAL = (
    *("Conv2d", "BatchNorm2d", "ReLU", "MaxPool2d", "Linear", "Flatten", "Dropout", "Add"),
    *("AdaptiveAvgPool2d", "GELU", "LayerNorm", "Concat", "Embedding", "LSTM", "Softmax"),
    *("MultiheadAttention", "Sequential", "Upsample", "ConvTranspose2d", "Conv1d"),
)
_EXAMPLES: Mapping[str, str] = {
    "batch_first": "true",
    "chunks": "2",
    "decoder_layer": "{TransformerDecoderLayer: {nhead: 4, batch_first: true}}",
    "dim0": "1",
    "dim1": "2",
    "dims": "[2, 3]",
    "downscale_factor": "2",
    "dtype": "float16",
    "embedding_dim": "64",
    "encoder_layer": "{TransformerEncoderLayer: {nhead: 4, batch_first: true}}",
    "end": "1.0",
    "equation": '"nij, njk -> nik"',
    "exponent": "2.0",
    "factor": "0.5",
    "fill_value": "0.5",
    "groups": "2",
    "hidden_size": "128",
    "index": "0",
    "inplace": "true",
    "kernel_size": "3",
    "nhead": "4",
    "norm_type": "2.0",
    "num_classes": "10",
    "num_embeddings": "1000",
    "num_groups": "8",
    "num_heads": "4",
    "out_channels": "64",
    "out_features": "10",
    "pad": "[1, 1]",
    "padding": "1",
    "pattern": '"n c h w -> n (h w) c"',
    "reduction": "mean",
    "scale_factor": "2.0",
    "shape": "[4, 8]",
    "sizes": "[8, 8]",
    "start": "0.0",
    "steps": "10",
    "threshold": "0.1",
    "unflattened_size": "[4, 8]",
    "value": "0.0",
}
_OF_TYPE: Mapping[str, Mapping[str, str]] = {
    "AffineGrid": {"size": "[1, 3, 8, 8]"},
    "Fold": {"output_size": "[8, 8]"},
    "Reduce": {"pattern": '"n c h w -> n c"'},
    "Repeat": {"pattern": '"n c -> n c 2"'},
}
_NUMBER = "1"  # for what has no example: most of it counts or is a dimension
_SHOWN = frozenset({"batch_first", "scale_factor"})  # though they have a default
_TENSORS = "abcdefgh"


class Form(Struct, frozen=True):
    """A layer as it is written. In `parts` text and a value, which is one's own, take turns."""

    parts: tuple[str, ...]

    @property
    def text(self) -> str:
        """The whole."""
        return "".join(self.parts)


_GROUPING: Mapping[str, tuple[Form, ...]] = {
    "Sequential": (Form(("Sequential: {layers: [{Linear: ", "64", "}, ", "ReLU", "]}")),),
    "Group": (Form(("Group: {repeat: ", "2", ", layers: [", "{Linear: 64}, ReLU", "]}")),),
    "Reuse": (
        Form(("Reuse: ", "relu", "")),
        Form(("Reuse: {layer: ", "encoder", ", from: ", "a", "}")),
    ),
}


@cache
def forms(name: str) -> tuple[Form, ...]:
    """The ways to write a layer of a type; first the one that it is begun with."""
    return _GROUPING[name] if name in _GROUPING else (*_forms(TYPES[name]),)


def block_forms(name: str, required: Iterable[str], tensors: int = 1) -> tuple[Form, ...]:
    """The ways to write a use of a block, by its required parameters."""
    given = {one: _EXAMPLES.get(one, _NUMBER) for one in required}
    named = {**_read(tensors), **given}
    return (_named(name, named),) if named else (Form((name,)),)


def _forms(row: Layer) -> Iterator[Form]:
    args = (*row.written, *keyword_only(row))
    required = [arg for arg in args if arg.default is REQUIRED]
    shown = {arg.name: _example(row, arg) for arg in args if arg in required or _is_shown(row, arg)}
    read = {"to": "a"} if row.name == "Crop" else _read(_tensors(row))
    if read or required:
        if row.variadic is not None and not required:
            yield Form((f"{row.name}: ", read["from"], ""))
        yield _named(row.name, {**read, **shown})
        yield from _in_order(row, required) if not read else ()
    else:
        yield Form((row.name,))
        more = shown or {arg.name: _example(row, arg) for arg in args[:1] if _is_plain(arg)}
        if more:
            yield _named(row.name, more)
    if row.variadic is not None:
        begin = f"{row.name}: {{"
        given = "".join(f"{name}: {value}, " for name, value in shown.items())
        yield Form((f"{begin}{given}branches: [[], [", "{Linear: 64}, ReLU", "]]}"))


def _tensors(row: Layer) -> int:
    """How many tensors a layer is told to read; attention reads a single one, too."""
    if row.variadic is not None:
        return 2
    return 1 if row.name == "MultiheadAttention" else len(row.tensors)


def _read(tensors: int) -> dict[str, str]:
    return {"from": f"[{', '.join(_TENSORS[:tensors])}]"} if tensors > 1 else {}


def _in_order(row: Layer, required: list[Arg]) -> Iterator[Form]:
    """The short form, if all that is required comes first."""
    first = row.written[: len(required)]
    values = [_example(row, arg) for arg in first]
    if [*first] != required or values[0].startswith(("[", "{")):
        return
    if len(values) == 1:
        yield Form((f"{row.name}: ", values[0], ""))
    elif not row.list_argument or any(value.startswith("[") for value in values):
        yield Form((f"{row.name}: [", *_joined(values), "]"))


def _named(name: str, given: Mapping[str, str]) -> Form:
    parts = [f"{name}: {{"]
    for place, (arg, value) in enumerate(given.items()):
        parts[-1] += f"{', ' if place else ''}{arg}: "
        parts += [value, ""]
    return Form((*parts[:-1], "}"))


def _joined(values: list[str]) -> Iterator[str]:
    for place, value in enumerate(values):
        yield from (", ", value) if place else (value,)


def _example(row: Layer, arg: Arg) -> str:
    given = _OF_TYPE.get(row.name, {}).get(arg.name)
    if given is not None:
        return given
    if arg.name == "kernel_size" and "out_channels" not in row.known:
        return "2"  # a pool
    return _EXAMPLES.get(arg.name, _NUMBER if arg.default is REQUIRED else str(arg.default))


def _is_shown(row: Layer, arg: Arg) -> bool:
    """Whether an argument is part of the example though it may be left out."""
    convolution = arg.name == "padding" and "out_channels" in row.known
    return convolution or arg.name in _SHOWN


def _is_plain(arg: Arg) -> bool:
    return arg.name in _EXAMPLES or (
        isinstance(arg.default, (int, float)) and not isinstance(arg.default, bool)
    )
