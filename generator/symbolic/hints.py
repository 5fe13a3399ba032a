"""What was probably meant: by a misspelt word, or by the word of another library."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from .functions import FUNCTIONS

# types by the names that Keras, older code and everyday speech have for them; `*d` stands for
# the number of spatial dimensions of what is read
_TYPES = {
    "dense": "Linear",
    "fc": "Linear",
    "fullyconnected": "Linear",
    "affine": "Linear",
    "conv": "Conv*d",
    "convolution": "Conv*d",
    "convolution2d": "Conv2d",
    "conv2dtranspose": "ConvTranspose2d",
    "conv1dtranspose": "ConvTranspose1d",
    "conv3dtranspose": "ConvTranspose3d",
    "deconv": "ConvTranspose*d",
    "convtranspose": "ConvTranspose*d",
    "batchnorm": "BatchNorm*d",
    "batchnormalization": "BatchNorm*d",
    "bn": "BatchNorm*d",
    "instancenorm": "InstanceNorm*d",
    "layernormalization": "LayerNorm",
    "ln": "LayerNorm",
    "groupnormalization": "GroupNorm",
    "maxpool": "MaxPool*d",
    "maxpooling": "MaxPool*d",
    "maxpooling1d": "MaxPool1d",
    "maxpooling2d": "MaxPool2d",
    "maxpooling3d": "MaxPool3d",
    "avgpool": "AvgPool*d",
    "averagepooling": "AvgPool*d",
    "averagepooling1d": "AvgPool1d",
    "averagepooling2d": "AvgPool2d",
    "averagepooling3d": "AvgPool3d",
    "averagepool": "AvgPool*d",
    "globalaveragepooling1d": "AdaptiveAvgPool1d",
    "globalaveragepooling2d": "AdaptiveAvgPool2d",
    "globalavgpool": "AdaptiveAvgPool*d",
    "globalmaxpooling2d": "AdaptiveMaxPool2d",
    "adaptiveavgpool": "AdaptiveAvgPool*d",
    "adaptivemaxpool": "AdaptiveMaxPool*d",
    "drop": "Dropout",
    "spatialdropout2d": "Dropout2d",
    "upsampling": "Upsample",
    "upsampling2d": "Upsample",
    "zeropadding2d": "ZeroPad2d",
    "zeropad": "ZeroPad*d",
    "concatenate": "Concat",
    "cat": "Concat",
    "merge": "Concat",
    "plus": "Add",
    "sum_": "Add",
    "residual": "Add",
    "multiply": "Mul",
    "subtract": "Sub",
    "divide": "Div",
    "swish": "SiLU",
    "lrelu": "LeakyReLU",
    "attention": "MultiheadAttention",
    "selfattention": "MultiheadAttention",
    "mha": "MultiheadAttention",
    "lookup": "Embedding",
    "view": "Reshape",
    "resize": "Interpolate",
    "gap": "AdaptiveAvgPool2d",
    "globalavgpool1d": "AdaptiveAvgPool1d",
    "globalavgpool2d": "AdaptiveAvgPool2d",
    "globalmaxpool2d": "AdaptiveMaxPool2d",
    "globalmaxpool": "AdaptiveMaxPool*d",
    "adaptivepool": "AdaptiveAvgPool*d",
    "pool": "MaxPool*d",
    "pooling": "MaxPool*d",
    "deconv1d": "ConvTranspose1d",
    "deconv2d": "ConvTranspose2d",
    "deconv3d": "ConvTranspose3d",
    "transposedconv2d": "ConvTranspose2d",
    "average": "Mean",
    "minus": "Sub",
    "padding": "ZeroPad*d",
    "seq": "Sequential",
    "sequence": "Sequential",
    "rel": "ReLU",
    "repeat": "Group",
}

# arguments by the names that they have elsewhere, best first
_ARGUMENTS = {
    "filters": ("out_channels",),
    "num_filters": ("out_channels",),
    "n_filters": ("out_channels",),
    "use_biases": ("bias",),
    "with_bias": ("bias",),
    "bi": ("bidirectional",),
    "neurons": ("out_features",),
    "nodes": ("out_features",),
    "strides": ("stride",),
    "channels": ("out_channels", "num_channels"),
    "output_channels": ("out_channels",),
    "units": ("out_features", "hidden_size"),
    "output_size": ("out_features", "hidden_size"),
    "out_dim": ("out_features", "embedding_dim"),
    "out": ("out_channels", "out_features"),
    "features": ("out_features",),
    "kernel": ("kernel_size",),
    "pool_size": ("kernel_size",),
    "ksize": ("kernel_size",),
    "size": ("kernel_size", "output_size"),
    "pad": ("padding",),
    "axis": ("dim",),
    "dims": ("dim",),
    "dim": ("dims",),
    "rate": ("p",),
    "prob": ("p",),
    "drop": ("p",),
    "dropout": ("p",),
    "use_bias": ("bias",),
    "epsilon": ("eps",),
    "alpha": ("negative_slope",),
    "slope": ("negative_slope",),
    "dilation_rate": ("dilation",),
    "group": ("groups", "num_groups"),
    "groups": ("num_groups",),
    "heads": ("num_heads", "nhead"),
    "n_heads": ("num_heads", "nhead"),
    "num_heads": ("nhead",),
    "nhead": ("num_heads",),
    "layers": ("num_layers",),
    "hidden": ("hidden_size", "out_features"),
    "hidden_dim": ("hidden_size", "dim_feedforward"),
    "vocab_size": ("num_embeddings",),
    "input_dim": ("num_embeddings",),
    "output_dim": ("embedding_dim", "out_features"),
    "batchfirst": ("batch_first",),
    "scale": ("scale_factor", "factor"),
    "upscale": ("upscale_factor",),
}

# the keys that all layers have
_COMMON = {
    "inputs": "from",
    "input": "from",
    "reads": "from",
    "src": "from",
    "if": "when",
    "condition": "when",
    "times": "repeat",
    "count": "repeat",
    "n": "repeat",
    "copies": "repeat",
    "id": "name",
    "label": "name",
}


# words that look like the name of an argument, but mean something that is no argument in torch
_OTHERS = frozenset({"activation", "kernel_initializer", "bias_initializer", "input_shape", "dim"})

# keys of a document by other names
_KEYS = {
    "input_shape": "input",
    "input_size": "input",
    "shape": "input",
    "model": "name",
    "modules": "layers",
    "network": "layers",
    "output": "outputs",
    "parameters": "params",
    "weights": "init",
}

_DIVISION = r"(?<!/)/(?!/)"


def closest_word(word: str, words: Iterable[str]) -> str | None:
    """The one of these words that was probably meant, or ``None``."""
    folded = {known.lower(): known for known in reversed(list(words))}
    plain = word.lower()
    if plain in folded:
        return folded[plain]
    import difflib  # only mistakes need it

    known = list(folded)[:1000]
    cutoff = 0.65 if len(word) < 4 else 0.7
    found = difflib.get_close_matches(plain, known, n=1, cutoff=cutoff)
    if not found and len(word) > 3:
        longer = [name for name in known if name.startswith(plain)]
        found = sorted(longer, key=len)
    return folded[found[0]] if found else None


def meant_key(word: str, keys: Iterable[str]) -> str | None:
    """The key of a document that was probably meant."""
    keys = list(keys)
    other = _KEYS.get(word.lower())
    return other if other in keys else closest_word(word, keys)


def closest(word: str, words: Iterable[str]) -> str | None:
    """The help for a misspelt word: the one that was probably meant."""
    found = closest_word(word, words)
    return f"did you mean `{found}`?" if found else None


def meant_type(word: str, types: Iterable[str], spatial: int | None) -> str | None:
    """The layer type that was probably meant, for inputs of so many spatial dimensions."""
    types = list(types)
    folded = {known.lower(): known for known in types}
    word = bare_type(word)
    plain = word.lower().replace("_", "").replace("-", "")
    if plain in folded:
        return folded[plain]
    name = _TYPES.get(plain)
    if name is not None:
        dimensions = spatial if spatial in (1, 2, 3) else 1 if "BatchNorm" in name else 2
        name = name.replace("*", str(dimensions if spatial is not None else 2))
        if name in types:
            return name
    return closest_word(word, types)


def meant_argument(word: str, arguments: Iterable[str], common: Iterable[str]) -> str | None:
    """The argument, or the common key (`from`, `name`, ...), that was probably meant."""
    arguments, common = list(arguments), list(common)
    plain = word.lower().replace("-", "_")
    if plain in arguments:
        return plain
    other = [name for name in _ARGUMENTS.get(plain, ()) if name in arguments]
    if other:
        return other[0]
    found = None if plain in _OTHERS else closest_word(word, [*arguments, *common])
    return found or (_COMMON.get(plain) if _COMMON.get(plain) in common else None)


def bare_type(word: str) -> str:
    """A type's own name, without the modules before it and the brackets of a call behind it."""
    return word.removesuffix("()").rpartition(".")[2]


def values_in(value: object) -> Iterator[object]:
    """The value itself, or the items of a list and of all lists inside it."""
    if isinstance(value, list):
        for item in value:
            yield from values_in(item)
    else:
        yield value


def as_expression(value: object, names: Iterable[str]) -> str | None:
    """The help for parameters that are written as words: `n`, `2 * width`."""
    known, found = {*names}, None
    for text in values_in(value):
        words = {*re.findall(r"[A-Za-z_]\w*", text)} if isinstance(text, str) else set()
        if words & known and words <= known | {*FUNCTIONS} and "$" not in str(text):
            found = f"${text}" if str(text).isidentifier() else f"$({text})"
    return f"write `{found}`: without `$` it is a word" if found else None


def whole(written: object) -> str:
    """The help for a fraction where a whole number should be."""
    for text in values_in(written):
        if isinstance(text, str) and re.search(_DIVISION, text) and "." not in text:
            return f"`/` gives a fraction: write `{re.sub(_DIVISION, '//', text)}`"
        if isinstance(text, float) and text.is_integer():
            return f"write `{int(text)}`"
    return "`//` divides without a fraction, `int(...)` cuts one off"


def run_together(text: str, known: Iterable[str]) -> str | None:
    """The help for a word with its value run into it: `Conv2d:[6, 5]`, `Conv2d(6, 5)`."""
    found = re.match(r"([A-Za-z]\w*)\s*([:(\[= ])\s*(.+)", text, re.DOTALL)
    if found is None or found[1] not in {*known}:
        return None
    value = found[3]
    if found[2] == "(":
        value = f"[{value.rstrip(')')}]" if value.strip(")") else "{}"
    elif found[2] == "[":
        value = f"[{value}"
    return f"write `{found[1]}: {value}`, with a colon and a space"


def bracketed(value: object) -> str | None:
    """The help for a list that is written as a Python tuple."""
    if not isinstance(value, str) or not re.fullmatch(r"\(?[\d.\s]+(,[\d.\s]*)+\)?", value):
        return None
    return f"a list has square brackets: `[{value.strip('() ')}]`"


def structural_help(model: str, key: str, value: object) -> str | None:
    """The help for a value of the wrong kind under a key of a model, for the usual slips."""
    if key in ("input", "shape"):
        if isinstance(value, str):
            return f"a list has square brackets: `[{value.strip('() ')}]`"
        if isinstance(value, int):
            return f"a shape is a list: `[{value}]`"
        if isinstance(value, dict):
            return "an input with more than a shape stands under `inputs`, with a name"
        return "the batch is implied: leave it out" if value is None else None
    if key == "inputs" and isinstance(value, list):
        return "the shape of the only input stands under `input`"
    if key in ("outputs", "include") and isinstance(value, str):
        return f"write a list: `[{value}]`"
    if key == "layers" and isinstance(value, dict):
        return "write each layer as an item of a list, with `- ` before it"
    if key == "init":
        return "write the weight, too: `Conv2d: {weight: kaiming_normal_}`"
    if model == "BlockSpec" and not key:
        return "a block's layers stand under `layers`"
    return None
