"""Names that other libraries and everyday speech have: of types, arguments and keys of a document.

Names of types are in lower case, without `_` and `-`. `*` stands for the number of spatial
dimensions: that of the word (`Conv2D`), else that of what is read. A word with such a number is
looked up with it, then without.
"""

from __future__ import annotations

from collections.abc import Mapping

# types, and the words for them in Keras, ONNX, older code and everyday speech
_WORDS = {
    "Linear": "dense fc fullyconnected affine proj projection gemm",
    "Conv*d": "conv convolution",
    "ConvTranspose*d": "convtranspose convt deconv deconvolution transposedconv upconv",
    "BatchNorm*d": "batchnorm batchnormalization batchnormalisation bn",
    "InstanceNorm*d": "instancenorm instancenormalization",
    "LayerNorm": "layernormalization layernormalisation ln",
    "GroupNorm": "groupnormalization groupnormalisation gn",
    "RMSNorm": "rmsnormalization",
    "LocalResponseNorm": "lrn",
    "Normalize": "unitnormalization lpnormalization l2norm l2normalize l2normalization",
    "MaxPool*d": "pool pooling maxpool maxpooling",
    "AvgPool*d": "avgpool avgpooling averagepool averagepooling",
    "LPPool*d": "lppool",
    "AdaptiveAvgPool*d": "adaptivepool adaptiveavgpool adaptiveavgpooling adaptiveaveragepool "
    "adaptiveaveragepooling",
    "AdaptiveMaxPool*d": "adaptivemaxpool adaptivemaxpooling",
    "Dropout": "drop",
    "Dropout*d": "spatialdropout",
    "DropPath": "stochasticdepth",
    "Upsample": "upsampling",
    "Interpolate": "resize resizing",
    "PixelShuffle": "depthtospace",
    "PixelUnshuffle": "spacetodepth",
    "ZeroPad*d": "zeropad zeropadding padding",
    "Crop": "centercrop",
    "Concat": "concatenate cat merge",
    "Add": "plus",
    "Sub": "minus subtract",
    "Mul": "multiply product hadamard elementwisemul",
    "Div": "divide",
    "MatMul": "dot mm bmm batchmatmul matmulinteger",
    "Remainder": "mod",
    "Scale": "rescaling",
    "Clamp": "clip",
    "Mean": "average reducemean",
    "Sum": "reducesum",
    "Prod": "reduceprod",
    "Amax": "reducemax",
    "Amin": "reducemin",
    "Var": "variance",
    "Eq": "equal",
    "Lt": "less",
    "Le": "lessorequal",
    "Gt": "greater",
    "Ge": "greaterorequal",
    "LogicalNot": "not",
    "LogicalAnd": "and",
    "LogicalOr": "or",
    "Gather": "gatherelements",
    "Buffer": "constant",
    "Full": "constantofshape",
    "Arange": "range",
    "Reshape": "view",
    "ReLU": "rel",
    "LeakyReLU": "lrelu",
    "SiLU": "swish",
    "Hardswish": "hswish",
    "Hardsigmoid": "hsigmoid",
    "Threshold": "thresholdedrelu",
    "RNN": "simplernn",
    "Embedding": "lookup tokenembedding",
    "MultiheadAttention": "attention selfattention crossattention mha",
    "ScaledDotProductAttention": "sdpa flashattention",
    "TransformerEncoderLayer": "encoderlayer transformerblock transformerencoderblock",
    "TransformerDecoderLayer": "decoderlayer transformerdecoderblock",
    "Sequential": "seq sequence",
}

_DEPTHWISE = "`Conv*d: {out_channels: $in_channels, kernel_size: 3, groups: $in_channels}`"
_GATED = "write two `Linear` that read the same, `{}` behind one of them, and `Mul` of both"
_AVERAGE = "write `AdaptiveAvgPool*d: 1`, then `Flatten`"
_MAX = "write `AdaptiveMaxPool*d: 1`, then `Flatten`"
_PATCHES = "`Rearrange: n c h w -> n (h w) c`"
_STEPS = "`Rearrange: n t c h w -> (n t) c h w`"

# what to write in the place of what has no type of its own, and the words for that
_INSTEAD = {
    _AVERAGE: "globalaveragepooling globalaveragepool globalavgpool globalavgpooling globalpool "
    "globalpooling selectadaptivepool gap",
    _MAX: "globalmaxpooling globalmaxpool",
    f"{_AVERAGE}; where features come last, `Mean: 1`": "globalaveragepooling1d globalavgpool1d",
    f"{_MAX}; where features come last, `Amax: 1`": "globalmaxpooling1d globalmaxpool1d",
    "write a `Conv*d` with a `kernel_size` of 1": "pointwiseconv",
    f"write {_DEPTHWISE}": "depthwiseconv",
    f"write {_DEPTHWISE}, then a `Conv*d` with a `kernel_size` of 1": "separableconv "
    "depthwiseseparableconv",
    "write its layers one by one (`Conv*d: [64, 3]`, `BatchNorm*d`, `ReLU`), or as a block": (
        "convblock convbn convbnrelu convnormact convbnact"
    ),
    "write its layers one by one (`Linear: 64`, `GELU`, ...), or as a block": "mlp ffn feedforward",
    "write it as a block: `Mean: {dim: [2, 3], keepdim: true}`, two `Conv2d` with a `kernel_size` "
    "of 1, `Sigmoid`, and `Mul` of both": "se seblock squeezeexcite squeezeexcitation",
    f"write a `Conv2d` whose `stride` is its `kernel_size`, then {_PATCHES}": "patchembed "
    "patchembedding",
    _GATED.format("SiLU"): "swiglu",
    _GATED.format("GELU"): "geglu",
    "write `Add: [a, b]` with the names of the two layers that it adds, or "
    "`Add: {branches: [[], [...]]}` with layers in the place of the dots; a block of your own "
    "with that is defined under `blocks`": "residual resid res residualadd residualconnection "
    "residualblock resblock skip skipadd skipconnection shortcut",
    "write a `Parameter` or a `Buffer` that holds the positions, and `Add`": "positionalencoding "
    "positionalembedding positionembedding posenc posembed",
    "write a `Parameter` that holds the factors, and `Mul`": "layerscale",
    "write an `LSTM` with `bidirectional: true`": "bilstm",
    "write a `GRU` with `bidirectional: true`": "bigru",
    "write `bidirectional: true` in the `LSTM`, `GRU` or `RNN` itself": "bidirectional",
    "`Linear`, and all else along the last dimension, works on each step by itself; for other "
    f"layers {_STEPS} puts the steps into the batch": "timedistributed",
    "sequences are not packed: give masks to attention, and take the last step of each with "
    "`Gather`": "packsequence packpaddedsequence padpackedsequence",
    "give an attention layer a `key_padding_mask`, or write `MaskedFill`": "masking",
    "write the activation itself: `ReLU`, `GELU`, ...": "activation",
    "write the operations themselves as layers, or as a block": "lambda",
    "inputs stand under `input` or `inputs`, not among the layers": "input inputlayer",
    "what the network gives stands under `outputs`, not among the layers": "output",
    "write `parametrize: weight_norm` in the layer": "weightnorm",
    "write `parametrize: spectral_norm` in the layer": "spectralnorm",
    "write `repeat` in a layer for copies, a `name` such as `heads.0` for an `nn.ModuleList`": (
        "modulelist"
    ),
    "write a `name` such as `parts.norm` for an `nn.ModuleDict`": "moduledict",
    "write `repeat` in a layer, or in a `Group` of layers, for copies": "for loop",
    "write `Select: {dim: 1, index: 0}` for a place, `Slice` for a range of them": "getitem index",
    "write `Select: {dim: 1, index: -1}`": "lasttimestep laststep",
    "write `Transpose: [1, 2]`": "swapaxes",
}


# arguments that no type has: where what they say is written
_ARGUMENTS_INSTEAD = {
    "an activation is a layer of its own: write it behind this one": "activation act act_layer",
    "a norm is a layer of its own: write it behind this one": "norm norm_layer batch_norm use_bn",
    "how weights begin stands under `init` in the spec": "kernel_initializer bias_initializer "
    "weight_init init initializer",
    "the shape of what the network reads stands under `input` in the spec": "input_shape",
    "the output has all steps: `Select: {dim: 1, index: -1}` takes the last one": (
        "return_sequences"
    ),
    "the states are outputs, too: `from: rnn.h_n` reads one, if `rnn` is the layer's name": (
        "return_state return_hidden"
    ),
    "write `Reuse: {layer: NAME, from: ...}` to apply a layer again with its weights": "shared "
    "share shared_with share_weights reuse weights_from",
    "write `padding_idx: 0` in the `Embedding`": "mask_zero",
    "channels come first: `Permute: [0, 3, 1, 2]` puts the last of an image there": "data_format",
}


def _by_word(said: Mapping[str, str]) -> Mapping[str, str]:
    return {word: meaning for meaning, words in said.items() for word in words.split()}


TYPES, INSTEAD = _by_word(_WORDS), _by_word(_INSTEAD)
ARGUMENTS_INSTEAD = _by_word(_ARGUMENTS_INSTEAD)

# arguments, best first
ARGUMENTS: Mapping[str, tuple[str, ...]] = {
    "activation": ("nonlinearity",),
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
    "mlp_dim": ("dim_feedforward",),
    "ff_dim": ("dim_feedforward",),
    "ffn_dim": ("dim_feedforward",),
    "d_ff": ("dim_feedforward",),
    "dff": ("dim_feedforward",),
    "intermediate_dim": ("dim_feedforward",),
    "intermediate_size": ("dim_feedforward",),
    "vocab_size": ("num_embeddings",),
    "input_dim": ("num_embeddings",),
    "output_dim": ("embedding_dim", "out_features"),
    "batchfirst": ("batch_first",),
    "scale": ("scale_factor", "factor"),
    "upscale": ("upscale_factor",),
}

# the keys that all layers have
COMMON: Mapping[str, str] = {
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

# keys of a document
KEYS: Mapping[str, str] = {
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
