"""What was probably meant: misspelt words, and words that other libraries have for the same."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

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
}

# arguments by the names that they have elsewhere, best first
_ARGUMENTS = {
    "filters": ("out_channels",),
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
    "hidden": ("hidden_size",),
    "hidden_dim": ("hidden_size", "dim_feedforward"),
    "vocab_size": ("num_embeddings",),
    "input_dim": ("num_embeddings",),
    "output_dim": ("embedding_dim", "out_features"),
    "batchfirst": ("batch_first",),
    "scale": ("scale_factor", "factor"),
    "upscale": ("upscale_factor",),
}

# the keys that all layers know
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


def closest_word(word: str, words: Iterable[str]) -> str | None:
    """The word that was probably meant."""
    words = list(words)
    folded = {known.lower(): known for known in reversed(words)}
    if word.lower() in folded:
        return folded[word.lower()]
    found = difflib.get_close_matches(word, words, n=1, cutoff=0.6)
    found = found or difflib.get_close_matches(word.lower(), folded, n=1, cutoff=0.7)
    return folded.get(found[0], found[0]) if found else None


def closest(word: str, words: Iterable[str]) -> str | None:
    """The help for a misspelt word: the one that was probably meant."""
    found = closest_word(word, words)
    return f"did you mean `{found}`?" if found else None


def meant_type(word: str, types: Iterable[str], spatial: int | None) -> str | None:
    """The layer type that was probably meant, for inputs of so many spatial dimensions."""
    types = list(types)
    folded = {known.lower(): known for known in types}
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
    """The argument, or the key that all layers know, that was probably meant."""
    arguments, common = list(arguments), list(common)
    plain = word.lower().replace("-", "_")
    if plain in arguments:
        return plain
    other = [name for name in _ARGUMENTS.get(plain, ()) if name in arguments]
    if other:
        return other[0]
    found = closest_word(word, [*arguments, *common])
    return found or (_COMMON.get(plain) if _COMMON.get(plain) in common else None)
